"""Tokens: the file, whose sessions are whose, what reading it again does, and what wrong ones cost."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from remx_contract import codec, errors
from remx_contract.v1 import stream_pb2 as pb
from remx_server import access, tokens
from remx_server.backend import GPU, Backend, DeviceInfo, Devices
from remx_server.config import Config
from remx_server.owners import ANYBODY, Owner, Quota
from remx_server.serve import Server
from remx_server.service import Service
from remx_server.settings import ConfigError
from support.wire import Closed, Remote, ServerProcess, Wire, chunks, hello, reason_of, stream_of

ALICE = "remx-alice-s-token"
BOB = "remx-bob-s-token"
EVE = "remx-nobody-s-token"


def table(name: str, token: str, *lines: str) -> str:
    """A token's table, with more lines."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    return "\n".join((f"[tokens.{name}]", f'hash = "sha256:{digest}"', *lines)) + "\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with the tokens of Alice and Bob."""
    path = tmp_path / "tokens.toml"
    path.write_text(table("alice", ALICE) + table("bob", BOB, "admin = true"))
    return path


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong tokens are answered at once, but where a test says otherwise."""
    monkeypatch.setattr(access, "DELAY_SECONDS", 0.0)


# The file.


def test_a_token_stands_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    quota = "quota = {device_bytes = '8 GiB', host_bytes = 1000, sessions = 2, tape_nodes = 0}"
    path.write_text(
        table("alice", ALICE, 'devices = ["cpu", "gpu(0)"]', quota) + table("bob", BOB, "admin = true")
    )
    found = tokens.read(path)
    assert len(found) == 2
    alice = found.owner_of(ALICE)
    assert alice is not None
    assert (alice.name, alice.admin, alice.devices) == ("alice", False, frozenset({"cpu", "gpu(0)"}))
    assert alice.quota == Quota(device_bytes=8 << 30, host_bytes=1000, sessions=2, tape_nodes=0)
    bob = found.owner_of(BOB)
    assert bob is not None
    assert (bob.name, bob.admin, bob.devices, bob.quota) == ("bob", True, None, Quota())
    for wrong in ("", EVE, ALICE + " ", ALICE[:-1], ALICE.upper(), "sha256:" + "0" * 64, "\udcff"):
        assert found.owner_of(wrong) is None
    # Nor is the hash itself a token.
    assert found.owner_of(alice.credential.hex()) is None
    assert alice.credential.hex() not in repr(alice)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "no tokens are in it"),
        ("[tokens]\n", "no tokens are in it"),
        ("tokens = 3", "no tokens are in it"),
        ("remx-the-secret", "this is a token and not a table"),
        ("the-secret\n", "new-token"),
        ("two of-the-secret", "no TOML"),
        ("[token.alice]", "token is unknown (is tokens meant?)"),
        ("[tokens]\nalice = 'the-secret'", "tokens.alice: a table [tokens.alice]"),
        ("[tokens.alice]\n", "tokens.alice.hash: "),
        ("[tokens.alice]\nhash = 'the-secret'", "tokens.alice.hash: "),
        ("[tokens.alice]\nhash = 3", "tokens.alice.hash: "),
        (f"[tokens.alice]\nhash = 'sha256:{'A' * 64}'", "tokens.alice.hash: "),
        (f"[tokens.alice]\nhash = 'sha256:{'a' * 63}'", "tokens.alice.hash: "),
        (f"[tokens.alice]\nhash = 'md5:{'a' * 64}'", "tokens.alice.hash: "),
        ("[tokens.'']\n", "tokens.: a token's name"),
        ("[tokens.'a b']\n", "tokens.a b: a token's name"),
        (table("alice", ALICE, "amdin = true"), "tokens.alice.amdin is unknown (is admin meant?)"),
        (table("alice", ALICE, "admin = 1"), "tokens.alice.admin: true or false"),
        (table("alice", ALICE, "devices = 'cpu'"), "tokens.alice.devices: a list"),
        (table("alice", ALICE, "devices = []"), "tokens.alice.devices: a list"),
        (table("alice", ALICE, "devices = ['cpu(0)']"), "tokens.alice.devices: 'cpu(0)'"),
        (table("alice", ALICE, "devices = ['gpu(00)']"), "tokens.alice.devices: 'gpu(00)'"),
        (table("alice", ALICE, "devices = [3]"), "tokens.alice.devices: 3"),
        (table("alice", ALICE, "quota = 3"), "tokens.alice.quota: a table"),
        (table("alice", ALICE, "quota.bytes = 3"), "tokens.alice.quota.bytes is unknown"),
        (table("alice", ALICE, "quota.sessions = -1"), "tokens.alice.quota.sessions: a whole number"),
        (table("alice", ALICE, "quota.sessions = '3 GiB'"), "tokens.alice.quota.sessions: "),
        (table("alice", ALICE, "quota.sessions = true"), "tokens.alice.quota.sessions: "),
        (table("alice", ALICE, "quota.device_bytes = '8 gigs'"), "tokens.alice.quota.device_bytes: a size"),
        (table("alice", ALICE) + table("bob", ALICE), "tokens.bob.hash: tokens.alice has the same"),
        (table("alice", ALICE) + table("alice", BOB), "no TOML"),
        (None, "No such file"),
    ],
)
def test_a_token_file_that_makes_no_sense_is_refused(
    tmp_path: Path, content: str | None, expected: str
) -> None:
    path = tmp_path / "tokens.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        tokens.read(path)
    assert str(path) in str(caught.value)
    assert expected in str(caught.value)
    assert "the-secret" not in str(caught.value)


def test_a_server_does_not_start_with_a_file_that_makes_no_sense(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text("the-secret\n")
    with ServerProcess(f"--token-file={path}") as server:
        assert server.wait() == 1
    assert server.line == ""
    assert server.log.startswith(f"remx-server: token file {path}: this is a token")
    assert "the-secret" not in server.log


@pytest.mark.parametrize("name", ["alice", "a.b@c-d_e"])
@pytest.mark.parametrize("admin", [False, True])
def test_a_new_token_is_shown_once_and_its_table_is_one_of_the_file(
    tmp_path: Path, name: str, admin: bool
) -> None:
    path = tmp_path / "tokens.toml"
    command = [sys.executable, "-m", "remx_server", "new-token", name, *["--admin"] * admin]
    shown = []
    for number in range(2):
        ended = subprocess.run(
            [*command[:4], f"{name}{number}", *command[5:]], capture_output=True, text=True
        )
        assert ended.returncode == 0
        [token] = re.findall(r"^remx-[\w-]{43}$", ended.stderr, re.MULTILINE)
        assert token not in ended.stdout
        with path.open("a") as end:
            end.write(ended.stdout)
        shown.append(token)
    found = tokens.read(path)
    for number, token in enumerate(shown):
        owner = found.owner_of(token)
        assert owner is not None
        assert (owner.name, owner.admin) == (f"{name}{number}", admin)


def test_a_new_token_needs_a_name_that_can_be_one() -> None:
    command = [sys.executable, "-m", "remx_server", "new-token", "a b"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "the name 'a b'" in ended.stderr


# Whose sessions are whose.


@pytest.fixture
def server(file: Path) -> Iterator[Server]:
    server = Server(Config(listen="127.0.0.1:0", device="cpu", token_file=file, grace_seconds=0.0))
    server.start()
    yield server
    assert server.stop()


def test_nobody_comes_to_another_s_session(server: Server) -> None:
    alice, bob = Remote(server.address, ALICE), Remote(server.address, BOB)
    wire = Wire(alice.stream)
    data = np.arange(600, dtype="float32")
    published = wire.publish(wire.put(data))
    handle, transfer = wire.upload_to(data)
    wire.flush()
    session = wire.welcome.session
    raw = chunks(transfer, data.tobytes())
    attempts = [
        lambda token: bob.download(token, published),
        lambda token: bob.upload(token, raw),
    ]
    for attempt in attempts:
        said = set()
        # A session that there is not looks the same as one that is not theirs.
        for token in (session, bytes(16), b"", session + b"x"):
            with pytest.raises(grpc.RpcError) as caught:
                attempt(token)
            assert reason_of(caught.value) == "SESSION_LOST"
            said.add((caught.value.code(), caught.value.details()))
        assert len(said) == 1
    said = set()
    for token in (session, bytes(16)):
        with pytest.raises(Closed) as closed:
            Wire(bob.stream, hello(session=token))
        assert type(closed.value.error) is errors.SessionLostError
        said.add(str(closed.value.error))
    assert len(said) == 1
    # Nothing of that was noticed.
    assert alice.download(session, published) == data.tobytes()
    alice.upload(session, raw)
    assert (wire.read(handle) == data).all()
    wire.close()
    alice.close()
    bob.close()


def test_another_s_handles_name_nothing(server: Server) -> None:
    alice, bob = Remote(server.address, ALICE), Remote(server.address, BOB)
    first, second = Wire(alice.stream), Wire(bob.stream)
    first.numbers = iter(range(1000, 2000))  # type: ignore[assignment]
    secret = first.put([42.0])
    first.settle()
    with pytest.raises(errors.HandleError):
        second.read(secret)
    with pytest.raises(errors.HandleError):
        second.read(second.op("tanh", secret))
    second.release(secret)
    second.settle()
    assert first.read(secret) == 42
    for wire in (first, second):
        wire.close()
    alice.close()
    bob.close()


def test_the_names_of_owners_are_in_the_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "remx_server")
    remote = Remote(server.address, BOB)
    wire = Wire(remote.stream)
    wire.close()
    remote.close()
    [opened] = [record for record in caplog.records if record.getMessage() == "session opened"]
    assert opened.owner == "bob"  # type: ignore[attr-defined]


def test_reflection_is_for_those_with_a_token(server: Server) -> None:
    method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    with grpc.insecure_channel(server.address) as channel:
        call = channel.stream_stream(method)
        with pytest.raises(grpc.RpcError) as caught:
            list(call(iter([b""]), timeout=5))
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert list(call(iter([b""]), metadata=[("remx-token", ALICE)], timeout=5))


# Wrong tokens.


def test_a_wrong_token_is_logged_by_where_it_came_from(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    remote = Remote(server.address, EVE)
    for _ in range(access.LINES + 5):
        with pytest.raises(grpc.RpcError):
            remote.upload(b"", [b""])
    remote.close()
    failed = [record for record in caplog.records if record.getMessage() == "authentication failed"]
    # About one more each second.
    assert access.LINES <= len(failed) <= access.LINES + 4
    assert all(record.peer.startswith("ipv4:127.0.0.1:") for record in failed)  # type: ignore[attr-defined]
    assert EVE not in caplog.text


def test_what_was_not_logged_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [100.0]
    monkeypatch.setattr(access.time, "monotonic", lambda: clock[0])
    refusals = access.Refusals()
    for _ in range(access.LINES + 7):
        refusals.note("ipv4:10.0.0.1:5")
    clock[0] += 1.0
    refusals.note("ipv4:10.0.0.1:6")
    counts = [record.unlogged_before for record in caplog.records]  # type: ignore[attr-defined]
    assert counts == [0] * access.LINES + [7]


def test_wrong_tokens_wait_but_no_more_than_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = threading.Semaphore(0)
    enough = threading.Event()
    monkeypatch.setattr(access.time, "sleep", lambda seconds: (waiting.release(), enough.wait(10)))
    refusals = access.Refusals()
    threads = [threading.Thread(target=refusals.note, args=("peer",)) for _ in range(access.WAITING)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert waiting.acquire(timeout=10)
    # Nobody else waits, so this comes back.
    refusals.note("peer")
    enough.set()
    for thread in threads:
        thread.join(10)
    # There is room again.
    refusals.note("peer")
    assert waiting.acquire(timeout=0)


def test_a_right_token_is_not_slowed_by_wrong_ones(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "DELAY_SECONDS", 1.0)
    stop = threading.Event()

    def try_on() -> None:
        remote = Remote(server.address, EVE)
        while not stop.is_set():
            with pytest.raises(grpc.RpcError):
                remote.upload(b"", [b""])
        remote.close()

    threads = [threading.Thread(target=try_on) for _ in range(access.WAITING)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    started = time.monotonic()
    remote = Remote(server.address, ALICE)
    wire = Wire(remote.stream)
    assert wire.read(wire.put([3])) == 3
    took = time.monotonic() - started
    wire.close()
    remote.close()
    stop.set()
    for thread in threads:
        thread.join(10)
    assert took < 0.9


# Reading the file again.


@pytest.fixture
def service(file: Path) -> Iterator[Service]:
    service = Service(Config(device="cpu", token_file=file), Devices("cpu"))
    yield service
    service.drain(0)


def open_as(service: Service, token: str) -> Wire:
    """A session of whoever has the token."""
    return Wire(stream_of(service, service.authorize(token)))


def owner_of(service: Service, wire: Wire, token: str) -> Owner:
    """The owner that a session has now."""
    return service.session_of(wire.welcome.session, service.authorize(token)).owner


def test_sessions_of_removed_tokens_end_and_others_go_on(service: Service, file: Path) -> None:
    alice, bob = open_as(service, ALICE), open_as(service, BOB)
    kept = alice.put([5])
    alice.settle()
    file.write_text(table("alice", ALICE))
    service.reload()
    with pytest.raises(Closed) as caught:
        bob.receive("reply")
    assert type(caught.value.error) is errors.UnauthenticatedError
    assert "removed" in str(caught.value.error)
    with pytest.raises(errors.UnauthenticatedError):
        service.authorize(BOB)
    assert alice.read(kept) == 5


def test_a_token_that_is_new_is_known_and_one_that_is_another_ends_the_sessions_of_the_old(
    service: Service, file: Path
) -> None:
    alice = open_as(service, ALICE)
    late = service.authorize(ALICE)
    file.write_text(table("alice", EVE) + table("bob", BOB))
    service.reload()
    with pytest.raises(Closed) as caught:
        alice.receive("reply")
    assert type(caught.value.error) is errors.UnauthenticatedError
    # Whoever was let in just before the change does not come in behind it.
    with pytest.raises(Closed) as caught:
        Wire(stream_of(service, late))
    assert type(caught.value.error) is errors.UnauthenticatedError
    wire = open_as(service, EVE)
    assert wire.read(wire.put([1])) == 1


def test_changes_hold_for_sessions_that_run(service: Service, file: Path) -> None:
    wire = open_as(service, ALICE)
    assert owner_of(service, wire, ALICE).quota == Quota()
    file.write_text(table("alice", ALICE, "admin = true", "quota.handles = 7"))
    service.reload()
    owner = owner_of(service, wire, ALICE)
    assert owner.quota == Quota(handles=7)
    assert owner.admin


@pytest.mark.parametrize("content", ["", "the-secret", "[tokens.alice]\nhash = 3", None])
def test_a_bad_file_changes_nothing(service: Service, file: Path, content: str | None) -> None:
    wire = open_as(service, ALICE)
    file.write_text(content) if content is not None else file.unlink()
    with pytest.raises(ConfigError):
        service.reload()
    assert wire.read(wire.put([1])) == 1
    assert service.authorize(BOB).name == "bob"


def test_a_signal_has_the_file_read_again(file: Path) -> None:
    with ServerProcess(f"--token-file={file}") as server:
        remote = Remote(server.address, BOB)
        wire = Wire(remote.stream)
        file.write_text("the-secret")
        server.signal(signal.SIGHUP)
        time.sleep(0.5)
        assert wire.read(wire.put([1])) == 1
        file.write_text(table("alice", ALICE))
        server.signal(signal.SIGHUP)
        with pytest.raises(Closed) as caught:
            wire.receive("reply")
        assert type(caught.value.error) is errors.UnauthenticatedError
        remote.close()
        server.signal()
        assert server.wait() == 0
    events = [json.loads(line) for line in server.log.splitlines()]
    names = [event["event"] for event in events]
    assert names.count("reload failed") == 1
    assert names.count("reloaded") == 1
    assert events[names.index("reload failed")]["what"] == "tokens"
    assert "the-secret" not in server.log
    assert names[-2:] == ["draining", "stopped"]


def test_the_signal_stops_a_server_that_has_nothing_to_read_again() -> None:
    with ServerProcess() as server:
        server.signal(signal.SIGHUP)
        assert server.wait() == 0


def test_the_signal_does_not_hurry_a_server_that_stops(file: Path) -> None:
    with ServerProcess(f"--token-file={file}", "--grace=20") as server:
        wire = Wire(Remote(server.address, ALICE).stream)
        server.signal()
        time.sleep(0.3)
        server.signal(signal.SIGHUP)
        time.sleep(0.3)
        assert wire.read(wire.put([1])) == 1
        wire.close()
        assert server.wait() == 0


# Devices.


class OtherDevice(Backend):
    """Memory of the host that calls itself a GPU."""

    device_type = GPU

    def __init__(self, device_id: int) -> None:
        self.device_id = device_id

    def info(self) -> DeviceInfo:
        """What the handshake tells of it."""
        return DeviceInfo(GPU, self.device_id, self.name, 0, 0)


@pytest.fixture
def rich(tmp_path: Path) -> Iterator[Service]:
    """A service with a CPU and two more devices, of which Alice may use one."""
    file = tmp_path / "tokens.toml"
    file.write_text(table("alice", ALICE, 'devices = ["gpu(1)"]') + table("bob", BOB))
    devices = Devices("cpu")
    devices.gpus = [OtherDevice(0), OtherDevice(1)]  # type: ignore[list-item]
    service = Service(Config(device="cpu", token_file=file), devices)
    yield service
    service.drain(0)


def context(device: int | None) -> pb.Context:
    """The context of a GPU, or of the CPU."""
    return pb.Context(device_type=1) if device is None else pb.Context(device_type=2, device_id=device)


def put(wire: Wire, device: int | None, values: list[float]) -> int:
    """Make a tensor on a device."""
    handle = next(wire.numbers)
    tensor = codec.array_to_message(np.asarray(values, "float32"))
    wire.command(put=pb.Put(handle=handle, context=context(device), tensor=tensor))
    return handle


def named(welcome: pb.Welcome) -> list[tuple[int, int]]:
    """The devices in a welcome."""
    return [(device.context.device_type, device.context.device_id) for device in welcome.devices]


def test_the_welcome_lists_the_owner_s_devices(rich: Service) -> None:
    assert named(open_as(rich, ALICE).welcome) == [(2, 1)]
    assert named(open_as(rich, BOB).welcome) == [(1, 0), (2, 0), (2, 1)]


@pytest.mark.parametrize("device", [None, 0])
def test_a_device_that_is_another_s_gives_an_error_and_the_session_goes_on(
    rich: Service, device: int | None
) -> None:
    wire = open_as(rich, ALICE)
    name = "cpu" if device is None else f"gpu({device})"
    zeros = wire.define("_zeros", 0, {"shape": (2,)}, context=context(device))
    handle, transfer = next(wire.numbers), next(wire.numbers)
    data = np.arange(4, dtype="float32")
    tensor = pb.Tensor(dtype=codec.CODE_OF[data.dtype], shape=data.shape)
    upload = pb.UploadTo(handle=handle, context=context(device), tensor=tensor, transfer=transfer)
    wire.command(upload=upload)
    wire.flush()
    session = rich.session_of(wire.welcome.session, rich.authorize(ALICE))
    session.transfers.receive_all(chunks(transfer, data.tobytes()))
    mine = put(wire, 1, [1.0, 2.0])
    copied = wire.invoke(wire.define("_copyto", 1, context=context(device)), [mine])
    for refused in (put(wire, device, [1.0]), wire.invoke(zeros, []), handle, copied):
        with pytest.raises(errors.DeviceError) as caught:
            wire.read(refused)
        assert f"got {name}, expected a device of this server that alice may use: gpu(1)" in str(caught.value)
    assert list(wire.read(mine)) == [1, 2]
    assert list(wire.read(wire.op("tanh", mine)).round(3)) == [0.762, 0.964]


def test_a_device_that_there_is_not_ends_the_session_as_ever(rich: Service) -> None:
    wire = open_as(rich, BOB)
    put(wire, 2, [1.0])
    with pytest.raises(Closed) as caught:
        wire.settle()
    assert type(caught.value.error) is errors.DeviceError


def test_devices_are_taken_and_given_while_a_session_runs(rich: Service) -> None:
    file = rich.config.token_file
    assert file is not None
    wire = open_as(rich, BOB)
    zeros = wire.define("_zeros", 0, {"shape": (2,)}, context=context(0))
    there = wire.invoke(zeros, [])
    assert list(wire.read(there)) == [0, 0]
    file.write_text(table("bob", BOB, 'devices = ["cpu"]'))
    rich.reload()
    with pytest.raises(errors.DeviceError):
        wire.read(wire.invoke(zeros, []))
    # What is there stays.
    assert list(wire.read(there)) == [0, 0]
    file.write_text(table("bob", BOB))
    rich.reload()
    assert list(wire.read(wire.invoke(zeros, []))) == [0, 0]


# Everybody.


def test_one_token_in_the_environment_is_an_owner_too() -> None:
    service = Service(Config(device="cpu", token=ALICE), Devices("cpu"))
    owner = service.authorize(ALICE)
    assert (owner.name, owner.admin) == ("default", True)
    with pytest.raises(errors.UnauthenticatedError):
        service.authorize(BOB)
    service.drain(0)


def test_without_tokens_everybody_is_anybody() -> None:
    service = Service(Config(device="cpu"), Devices("cpu"))
    assert service.authorize("whatever") is ANYBODY
    service.drain(0)


def test_an_insecure_server_says_so_loudly() -> None:
    with ServerProcess("--listen=0.0.0.0:0", "--insecure") as server:
        assert server.process.stdout is not None
        assert "INSECURE" in server.process.stdout.readline()
        server.signal()
        assert server.wait() == 0
    warned = [json.loads(line) for line in server.log.splitlines() if '"WARNING"' in line]
    assert ["INSECURE" in event["event"] for event in warned] == [True]


def test_a_server_with_tokens_and_without_tls_says_so(file: Path) -> None:
    with ServerProcess("--listen=0.0.0.0:0", f"--token-file={file}") as server:
        assert server.process.stdout is not None
        assert "in the clear" in server.process.stdout.readline()
        server.signal()
        assert server.wait() == 0
    assert '"WARNING"' in server.log
