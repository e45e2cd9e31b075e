"""The command line ``remx``: what it prints, for people and for scripts, and its exit status."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from remx._cli import doctor, main, tables
from remx_contract import CONTRACT_VERSION
from remx_contract.catalogue import digest
from remx_contract.v1 import admin_pb2
from remx_server.command_line import new_token
from remx_server.config import Config
from remx_server.owners import Owner
from remx_server.serve import Server
from remx_server.service import Service
from support.certificates import Authority
from support.foreign import admin_that_says, free_port, silent_port
from support.wire import Closed, Remote, ServerProcess, Wire, hello, stream_of

TOKEN = "never-to-be-shown"
ALICE = Owner("alice")
HOSTILE = "\x1b]0;owned\x07\x1b[2J\nroot  running \u202e evil"


@pytest.fixture(autouse=True)
def no_server_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests were started with does not matter."""
    for name in ("REMX_SERVER", "REMX_TOKEN", "REMX_CA", "REMX_CLIENT_CERT", "REMX_CLIENT_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server(Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    """A session of alice's, that has run an op."""
    wire = Wire(stream_of(server.service, ALICE), hello(client=HOSTILE))
    wire.read(wire.op("tanh", wire.put([[1.0] * 100] * 100)))
    yield wire
    wire.close()
    deadline = time.monotonic() + 10
    while server.service.session_count:
        assert time.monotonic() < deadline


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What a command that succeeds prints for scripts."""
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_status_shows_the_server_in_words_and_numbers(
    server: Server, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--server", server.address]) == 0
    text = capsys.readouterr().out
    assert "serving" in text
    assert "you are   anybody, an administrator" in text
    assert "sessions  1" in text
    assert "DEVICE  NAME" in text
    assert "cpu(0)" in text
    data = as_json(capsys, "status", "--server", server.address)
    assert data["totals"]["sessions"] == 1
    assert data["devices"][0]["memory"] > 1 << 20
    assert data["catalogue_digest"] == digest().hex()
    assert data["draining"] is False


def test_sessions_are_a_table_that_no_client_can_paint_over(
    server: Server, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sessions", "--server", server.address]) == 0
    text = capsys.readouterr().out
    head, *rows = text.splitlines()
    assert head.split()[:5] == ["SESSION", "OWNER", "STATE", "AGE", "OPS/S"]
    [row] = rows
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert row.split()[1] == "alice"
    assert "\\u001b]0;owned" in row
    [data] = as_json(capsys, "sessions", "--server", server.address)
    assert (data["owner"], data["client"], data["ops"], data["handles"]) == ("alice", HOSTILE, 1, 2)
    assert data["host_bytes"] == 80_000
    assert data["state"] in ("running", "idle")


def test_no_sessions_are_said_in_words(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sessions", "--server", server.address]) == 0
    assert capsys.readouterr().out == f"no sessions at {server.address}\n"
    assert as_json(capsys, "sessions", "--server", server.address) == []


def test_kill_ends_sessions_and_says_which_it_could_not(
    server: Server, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    [data] = as_json(capsys, "sessions", "--server", server.address)
    assert main(["kill", data["id"], "abcdef01", "--server", server.address]) == 1
    ended, refused = capsys.readouterr().out.splitlines()
    assert ended == f"{data['id']}: ended; its client has been told"
    assert refused.startswith("abcdef01: there is no session 'abcdef01' that you can end (request ")
    with pytest.raises(Closed, match="ended by an administrator"):
        wire.receive("reply")


def test_a_client_of_a_killed_session_gets_session_lost(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    import remx as mx

    mx.connect(server.address)
    try:
        x = mx.nd.ones((2,))
        x.wait_to_read()
        [data] = as_json(capsys, "sessions", "--server", server.address)
        as_json(capsys, "kill", data["id"], "--server", server.address)
        with pytest.raises(mx.errors.SessionLostError, match="remx kill"):
            x.asnumpy()
    finally:
        mx.disconnect()


def test_the_server_and_the_token_come_from_flags_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0, token=TOKEN))
    server.start()
    try:
        file = tmp_path / "token"
        file.write_text(TOKEN + "\n")
        assert main(["status", "--server", server.address, "--token-file", str(file)]) == 0
        monkeypatch.setenv("REMX_SERVER", server.address)
        assert main(["status"]) == 1
        captured = capsys.readouterr()
        assert captured.err.startswith("remx: ")
        assert "token" in captured.err
        monkeypatch.setenv("REMX_TOKEN", TOKEN)
        assert main(["status"]) == 0
        assert TOKEN not in "".join((*captured, *capsys.readouterr()))
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required: COMMAND"),
        (["status"], "REMX_SERVER"),
        (["sessions"], "REMX_SERVER"),
        (["kill", "--server", "a:1"], "SESSION"),
        (["status", "--server", "a:1", "--token-file", "/does/not/exist"], "--token-file"),
    ],
)
def test_a_command_that_makes_no_sense_is_explained(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_a_token_file_s_content_is_never_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "token"
    for content in ("two words", "two\nlines", "", "\x1b[31m"):
        file.write_text(content)
        with pytest.raises(SystemExit):
            main(["status", "--server", "a:1", "--token-file", str(file)])
        error = capsys.readouterr().err
        assert "one line with a token" in error
        assert not content or content not in error


def test_a_server_that_does_not_answer_is_an_error_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--server", f"127.0.0.1:{free_port()}"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("remx: the server at 127.0.0.1:")
    assert len(error.splitlines()) == 1
    assert main(["status", "--server", "nonsense"]) == 1
    assert "host:port" in capsys.readouterr().err


# The doctor.


def examined(
    capsys: pytest.CaptureFixture[str], *arguments: str, fails: bool = False
) -> dict[str, dict[str, str]]:
    """What the doctor finds, by the checks' names."""
    assert main(["doctor", *arguments, "--json"]) == int(fails)
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is not fails
    for check in found["checks"]:
        # Whatever is not well comes with what to do.
        assert check["state"] == "ok" or check["advice"], check
    return {check["name"]: check for check in found["checks"]}


def test_the_doctor_examines_a_server(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    found = examined(capsys, "--server", server.address)
    expected = [
        "client", "server part", "port", "token", "contract", "session", "GPU", "memory", "clock",
        "round trip", "upload", "download",
    ]  # fmt: skip
    assert list(found) == expected
    for name in ("client", "server part", "port", "token", "contract", "session", "clock", "round trip"):
        assert found[name]["state"] == "ok", found[name]
    assert "MB/s" in found["upload"]["text"]
    # The doctor leaves nothing behind.
    deadline = time.monotonic() + 10
    while server.service.session_count:
        assert time.monotonic() < deadline


def test_the_doctor_without_a_server_starts_one(capsys: pytest.CaptureFixture[str]) -> None:
    found = examined(capsys)
    assert found["own server"]["state"] == "ok"
    assert found["session"]["state"] == "ok"
    assert "clock" not in found


def test_the_doctor_says_where_it_ends(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = examined(capsys, "--server", f"127.0.0.1:{free_port()}", fails=True)["port"]
    assert (nobody["state"], "is the server running" in nobody["advice"]) == ("fail", True)
    socketless = examined(capsys, "--server", f"unix:{tmp_path}/none", fails=True)["port"]
    assert socketless["state"] == "fail"
    assert examined(capsys, "--server", "nonsense", fails=True)["port"]["state"] == "fail"
    with silent_port() as address:
        found = examined(capsys, "--server", address, fails=True)
        assert (found["port"]["state"], found["protocol"]["state"]) == ("ok", "fail")


def test_the_doctor_knows_a_wrong_token_from_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0, token=TOKEN))
    server.start()
    try:
        missing = examined(capsys, "--server", server.address, fails=True)["token"]
        assert "set REMX_TOKEN" in missing["advice"]
        monkeypatch.setenv("REMX_TOKEN", "wrong")
        wrong = examined(capsys, "--server", server.address, fails=True)["token"]
        assert "is another" in wrong["advice"]
    finally:
        server.stop()


def test_the_doctor_sees_other_contracts_and_old_drivers(capsys: pytest.CaptureFixture[str]) -> None:
    software = admin_pb2.GpuSoftware(cupy="13.6", problem="cudaErrorInsufficientDriver")
    low = admin_pb2.DeviceStatus(context="cpu(0)", name="x", memory=8 << 30, memory_free=1 << 20)
    status = admin_pb2.ServerStatus(
        contract_version=CONTRACT_VERSION + 1, draining=True, gpu_software=software, devices=[low]
    )
    with admin_that_says(status) as address:
        found = examined(capsys, "--server", address, fails=True)
    assert found["contract"]["state"] == "fail"
    assert found["state"]["state"] == "warn"
    assert "driver" in found["GPU"]["advice"]
    assert found["memory"]["state"] == "warn"
    # Its clock says 1970.
    assert found["clock"]["state"] == "warn"
    assert "behind" in found["clock"]["text"]


def test_the_way_may_be_encrypted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority = Authority(tmp_path, "authority")
    pair = authority.sign("server", "127.0.0.1")
    with ServerProcess(f"--tls-cert={pair.certificate}", f"--tls-key={pair.key}") as server:
        there = ("--server", server.address)
        assert as_json(capsys, "status", *there, "--ca", str(authority.file))["owner"] == "anybody"
        found = examined(capsys, *there, "--ca", str(authority.file))
        assert found["session"]["state"] == "ok"
        plain = examined(capsys, *there, fails=True)["protocol"]
        assert "wants TLS" in plain["text"]


def test_owners_see_their_own_sessions_over_the_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = {}
    file = tmp_path / "tokens.toml"
    for flags in (["alice"], ["bob"], ["root", "--admin"]):
        assert new_token(flags) == 0
        made = capsys.readouterr()
        file.write_text((file.read_text() if file.exists() else "") + made.out)
        [tokens[flags[0]]] = re.findall(r"^remx-.{43}$", made.err, re.MULTILINE)
    with ServerProcess(f"--token-file={file}", "--grace=0") as server:
        wires = [Wire(Remote(server.address, tokens[name]).stream) for name in ("alice", "bob", "bob")]

        def seen_by(name: str) -> list[dict[str, Any]]:
            monkeypatch.setenv("REMX_TOKEN", tokens[name])
            found: list[dict[str, Any]] = as_json(capsys, "sessions", "--server", server.address)
            return found

        assert [row["owner"] for row in seen_by("bob")] == ["bob", "bob"]
        assert len(seen_by("root")) == 3
        [of_alice] = seen_by("alice")
        monkeypatch.setenv("REMX_TOKEN", tokens["bob"])
        assert main(["kill", of_alice["id"], "--server", server.address]) == 1
        assert "no session" in capsys.readouterr().out
        assert wires[0].read(wires[0].put([1])) == 1
        monkeypatch.setenv("REMX_TOKEN", tokens["root"])
        assert main(["kill", of_alice["id"], "--server", server.address]) == 0
        with pytest.raises(Closed, match="by an administrator"):
            wires[0].receive("reply")


def test_a_server_s_flags_open_the_metrics_port_and_choose_the_log(tmp_path: Path) -> None:
    port = free_port()
    with ServerProcess(f"--metrics=127.0.0.1:{port}", "--log-format=text", "--grace=0") as server:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/metrics")
        assert b"remx_sessions" in connection.getresponse().read()
        connection.close()
        server.signal()
        assert server.wait() == 0
    assert f"metrics=127.0.0.1:{port}" in server.log
    assert not server.log.startswith("{")


@pytest.mark.parametrize(
    ("listen", "told"), [("127.0.0.1:0", False), ("localhost:0", False), ("0.0.0.0:0", True)]
)
def test_metrics_that_others_can_read_are_warned_of(listen: str, told: bool) -> None:
    server = Server(Config(listen="127.0.0.1:0", device="cpu", metrics=listen))
    assert any("metrics" in warning for warning in server.warnings()) is told
    server.start()
    server.stop()


@pytest.mark.parametrize(
    ("seconds", "state"), [({1 << 16: 0.1, 1 << 20: 1.1}, "warn"), ({1 << 16: 0.001, 1 << 20: 0.01}, "ok")]
)
def test_bandwidth_is_taken_from_what_takes_long_enough(seconds: dict[int, float], state: str) -> None:
    asked: list[int] = []

    def probe(count: int) -> float:
        asked.append(count)
        return seconds.get(count, 0.03)

    check = doctor._bandwidth("upload", probe, 0.0)
    assert check.state == state
    assert asked == ([1 << 16, 1 << 20] if state == "warn" else [1 << 16, 1 << 20, 4 << 20])


def test_a_missing_server_part_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    find = doctor.importlib.util.find_spec
    monkeypatch.setattr(
        doctor.importlib.util, "find_spec", lambda name: None if name == "grpc_health" else find(name)
    )
    client, part = doctor._installed()
    assert client.state == "ok"
    assert (part.state, part.text) == ("warn", "not here: grpc_health")


def test_the_doctor_prints_a_line_for_each_check(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--server", server.address]) == 0
    for line in capsys.readouterr().out.splitlines():
        assert line[:4].strip() in ("ok", "warn", "")


def test_it_runs_as_a_module_and_has_an_entry_point() -> None:
    ran = subprocess.run([sys.executable, "-m", "remx", "--help"], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0
    for name in ("status", "sessions", "kill", "doctor", "exit status"):
        assert name in ran.stdout
    scripts = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert 'remx = "remx._cli:main"' in scripts


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (3600, "1 h 0 min"),
     (86399, "23 h 59 min"), (86400, "1 d 0 h"), (10 * 86400 + 7200, "10 d 2 h")],
)  # fmt: skip
def test_times_have_two_units(seconds: float, text: str) -> None:
    assert tables.span(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (150 << 20, "150 MiB"), (5 << 40, "5.0 TiB")],
)
def test_sizes_have_units(count: int, text: str) -> None:
    assert tables.size(count) == text


def test_a_service_has_what_the_admin_service_needs() -> None:
    """Protocols are not checked at run time; this names the members once."""
    for name in ("authorize", "overview", "end", "draining", "product"):
        assert hasattr(Service, name)
