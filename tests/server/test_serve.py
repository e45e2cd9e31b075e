"""The server as a process: what it prints, answers and leaves behind, and how it ends."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from remx_contract import errors
from remx_contract.v1 import stream_pb2 as pb
from remx_server.healthcheck import serving, targets
from support.wire import Closed, Remote, ServerProcess, Wire

TOKEN = "never-to-be-logged"


def busy(wire: Wire) -> None:
    """Give a session work for a long time."""
    left = wire.op("_ones", shape=(1500, 1500))
    dot = wire.define("dot", 2)
    wire.settle()
    for _ in range(2000):
        wire.invoke(dot, [left, left])
    wire.flush()


def health(address: str, service: str = "") -> int:
    """What the health service says."""
    with grpc.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        return int(health_pb2_grpc.HealthStub(channel).Check(request, timeout=5).status)


def test_a_server_from_start_to_end() -> None:
    with ServerProcess("--grace=5", environment={"REMX_TOKEN": TOKEN}) as server:
        assert server.line.startswith("remx-server listening on 127.0.0.1:")
        assert server.line.rstrip().endswith("devices cpu(0)")
        for service in ("", "remx.v1.Remx", "remx.v1.Admin"):
            assert health(server.address, service) == health_pb2.HealthCheckResponse.SERVING
        assert {"remx.v1.Remx", "remx.v1.Admin", "grpc.health.v1.Health"} <= set(
            reflected(server.address, TOKEN)
        )
        with pytest.raises(grpc.RpcError):
            Wire(Remote(server.address, "wrong").stream)
        wire = Wire(Remote(server.address, TOKEN).stream)
        server.signal()
        while health(server.address) == health_pb2.HealthCheckResponse.SERVING:
            time.sleep(0.02)
        for service in ("", "remx.v1.Remx", "remx.v1.Admin"):
            assert health(server.address, service) == health_pb2.HealthCheckResponse.NOT_SERVING
        assert not serving(server.address)
        with pytest.raises(Closed) as caught:
            Wire(Remote(server.address, TOKEN).stream)
        assert type(caught.value.error) is errors.ServerUnreachableError
        # A running session goes on until it ends by itself.
        assert wire.read(wire.put([5])) == 5
        wire.close()
        assert server.wait() == 0
    events = [json.loads(line) for line in server.log.splitlines()]
    names = [event["event"] for event in events]
    assert [name for name in names if name not in ("session refused", "call refused")] == [
        "listening",
        "authentication failed",
        "session opened",
        "draining",
        "session closed",
        "stopped",
    ]
    assert all({"time", "level", "event"} <= event.keys() for event in events)
    assert events[names.index("session closed")]["ops"] == 0
    assert TOKEN not in server.log
    assert TOKEN not in server.line


def reflected(address: str, token: str) -> list[str]:
    """The services that reflection lists."""
    with grpc.insecure_channel(address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        [answer] = stub.ServerReflectionInfo(iter([request]), metadata=[("remx-token", token)], timeout=5)
    return [service.name for service in answer.list_services_response.service]


def test_a_session_that_does_not_end_is_closed_after_the_grace() -> None:
    with ServerProcess("--grace=0.3") as server:
        wire = Wire(Remote(server.address).stream)
        started = time.monotonic()
        server.signal()
        with pytest.raises(Closed) as caught:
            wire.receive("reply")
        assert type(caught.value.error) is errors.ServerUnreachableError
        assert server.wait_while_open() == 0
        assert 0.3 <= time.monotonic() - started < 5


def test_a_second_signal_ends_the_grace() -> None:
    with ServerProcess("--grace=60") as server:
        wire = Wire(Remote(server.address).stream)
        server.signal()
        while health(server.address) == health_pb2.HealthCheckResponse.SERVING:
            time.sleep(0.02)
        assert wire.read(wire.put([1])) == 1
        server.signal(signal.SIGINT)
        assert server.wait_while_open() == 0
        with pytest.raises(Closed):
            wire.receive("reply")


def test_a_busy_server_ends_too() -> None:
    with ServerProcess("--grace=0") as server:
        wire = Wire(Remote(server.address).stream)
        busy(wire)
        server.signal()
        assert server.wait_while_open(10) == 0


@pytest.mark.parametrize("working", [False, True])
def test_an_embedded_server_dies_with_its_parent_and_leaves_nothing(tmp_path: Path, working: bool) -> None:
    folder = tmp_path / "private"
    folder.mkdir(0o700)
    socket = folder / "socket"
    with ServerProcess(f"--listen=unix:{socket}", "--die-with-stdin", "--grace=0") as server:
        assert stat.S_ISSOCK(socket.stat().st_mode)
        wire = Wire(Remote(f"unix:{socket}").stream)
        assert wire.read(wire.put([1])) == 1
        if working:
            busy(wire)
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert server.wait_while_open(10) == 0
    assert not folder.exists()


def test_an_embedded_server_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "private"
    folder.mkdir()
    command = [sys.executable, "-m", "remx_server", "--device=cpu", f"--listen=unix:{folder}/socket"]
    parent_code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen({[*command, '--die-with-stdin', '--grace=0']!r}, stdin=subprocess.PIPE)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert "listening" in parent.stdout.readline()
    parent.kill()
    # The pipe of standard output ends when the last process that holds it does.
    ended = threading.Event()
    threading.Thread(target=lambda: (parent.stdout.read(), ended.set()), daemon=True).start()
    assert ended.wait(10)
    parent.wait()
    parent.stdout.close()
    assert not folder.exists()


def test_a_signal_ends_a_server_that_watches_its_standard_input(tmp_path: Path) -> None:
    with ServerProcess("--die-with-stdin", "--grace=0") as server:
        server.signal()
        assert server.wait_while_open() == 0


def test_a_socket_that_was_left_behind_is_no_obstacle_and_others_files_stay(tmp_path: Path) -> None:
    socket = tmp_path / "socket"
    with ServerProcess(f"--listen=unix:{socket}") as server:
        server.signal(signal.SIGKILL)
        server.wait()
    assert socket.exists()
    with ServerProcess(f"--listen=unix:{socket}") as server:
        wire = Wire(Remote(f"unix:{socket}").stream)
        assert wire.read(wire.put([1])) == 1
        wire.close()
        server.signal()
        assert server.wait() == 0
    assert tmp_path.exists()


def test_a_port_that_is_taken_is_an_error() -> None:
    with ServerProcess() as server:
        again = subprocess.run(
            [sys.executable, "-m", "remx_server", "--device=cpu", f"--listen={server.address}"],
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert again.returncode == 1
    assert again.stderr.splitlines()[-1].startswith("remx-server: ")
    assert again.stdout == ""


def test_the_health_check_command() -> None:
    with ServerProcess() as server:
        command = [sys.executable, "-m", "remx_server.healthcheck"]
        assert subprocess.run([*command, server.address], timeout=30).returncode == 0
        server.signal(signal.SIGKILL)
        server.wait()
        assert not serving(server.address)
        assert subprocess.run([*command, server.address], timeout=30).returncode == 1


def test_the_health_check_asks_this_machine() -> None:
    assert targets("0.0.0.0:50051") == ["unix-abstract:remx-health-50051", "127.0.0.1:50051"]
    assert targets("[::]:1")[1] == "[::1]:1"
    assert targets("unix:/run/remx") == ["unix:/run/remx"]
    assert targets("10.0.0.1:5")[1] == "10.0.0.1:5"


def test_noise_on_a_method_is_logged_as_json(tmp_path: Path) -> None:
    with ServerProcess() as server:
        remote = Remote(server.address)
        (answer,) = remote.raw_stream(iter([b"\xff\xff\xff"]))
        assert pb.Down.FromString(answer).closed.reason == "PROTOCOL"
        remote.close()
        server.signal()
        assert server.wait() == 0
    assert [json.loads(line)["level"] for line in server.log.splitlines()]
