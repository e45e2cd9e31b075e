"""What networks and servers do: every wait ends, with an error that says what happened."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.programs import PATIENCE, run, server, started

WITHIN = 5.0
"""Seconds in which a wait must raise."""


@pytest.fixture
def running() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and its address."""
    with server() as pair:
        yield pair


CLIENT = """
    import sys, time, remx as mx
    mx.connect("{address}", reconnect=0)
    x = mx.nd.ones((4, 4))
    x.wait_to_read()
    big = mx.nd.ones((4000, 4000))
    print("ready")
    sys.stdin.readline()
    started = time.monotonic()
    try:
        {wait}
        print("no error")
    except mx.errors.ServerUnreachableError as error:
        print(f"{{time.monotonic() - started:.2f}}", error)
    started = time.monotonic()
    try:
        x + 1
        (x + 1).asnumpy()
        print("no error")
    except mx.errors.SessionError:
        print(f"{{time.monotonic() - started:.2f}}")
"""


@pytest.mark.parametrize(
    "wait", ["x.asnumpy()", "x.wait_to_read()", "mx.waitall()", "big.asnumpy()", "mx.nd.array(big_values)"]
)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_wait_raises_when_the_server_is_killed_or_frozen(
    running: tuple[subprocess.Popen[str], str], wait: str, number: signal.Signals
) -> None:
    process, address = running
    if wait.endswith("(big_values)"):
        wait = "mx.nd.array(__import__('numpy').ones((4000, 4000)))"
    client = started(CLIENT.format(address=address, wait=wait))
    process.send_signal(number)
    out, err = client.communicate("\n", timeout=PATIENCE)
    first, second = out.strip().split("\n")
    assert float(first.split()[0]) < WITHIN, err
    assert float(second) < 1.0, "once lost, a session fails at once"
    assert client.returncode == 0, err


def test_ops_without_a_wait_raise_too(running: tuple[subprocess.Popen[str], str]) -> None:
    process, address = running
    client = started(
        f"""
        import sys, time, remx as mx
        mx.connect("{address}", reconnect=0)
        x = mx.nd.ones((4,))
        x.wait_to_read()
        print("ready")
        sys.stdin.readline()
        started = time.monotonic()
        try:
            while True:
                x = x + 1
        except mx.errors.SessionError as error:
            print(f"{{time.monotonic() - started:.2f}}", error)
        """
    )
    process.send_signal(signal.SIGSTOP)
    out, err = client.communicate("\n", timeout=PATIENCE)
    # Until the window is full nothing waits; then the same rule holds.
    assert float(out.split()[0]) < WITHIN + 3.0, err


def test_a_server_that_was_restarted_says_at_once_that_the_session_is_lost() -> None:
    with server() as (process, address):
        client = started(
            f"""
            import sys, time, remx as mx
            mx.connect("{address}")
            x = mx.nd.ones((4,))
            x.wait_to_read()
            print("ready")
            sys.stdin.readline()
            started = time.monotonic()
            try:
                x.asnumpy()
            except mx.errors.SessionLostError as error:
                print(f"{{time.monotonic() - started:.2f}}", error)
            mx.connect("{address}")
            print(mx.nd.ones((1,)).asscalar())
            """
        )
        process.kill()
        process.wait()
        with server("--listen=" + address):
            out, err = client.communicate("\n", timeout=PATIENCE)
    lost, again = out.strip().split("\n")
    assert float(lost.split()[0]) < WITHIN, err
    assert "restarted" in lost
    assert again == "1.0"


def test_a_server_that_only_stood_still_goes_on(running: tuple[subprocess.Popen[str], str]) -> None:
    process, address = running
    client = started(
        f"""
        import sys, remx as mx
        mx.connect("{address}")
        x = mx.nd.zeros((4,))
        x.wait_to_read()
        print("ready")
        sys.stdin.readline()
        for _ in range(1000):
            x += 1
        print(x.asnumpy(), mx.stats().resumes)
        """
    )
    process.send_signal(signal.SIGSTOP)
    assert client.stdin is not None
    client.stdin.write("\n")
    client.stdin.flush()
    time.sleep(5)
    process.send_signal(signal.SIGCONT)
    out, err = client.communicate(timeout=PATIENCE)
    assert out == "[1000. 1000. 1000. 1000.] 1\n", err


def test_nobody_answers() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        started = time.monotonic()
        ended = run(
            f"""
            import remx as mx
            try:
                mx.connect("127.0.0.1:{port}", timeout=3)
            except mx.errors.ServerUnreachableError as error:
                print(error)
            """
        )
    assert f"127.0.0.1:{port}" in ended.stdout, ended.stderr
    assert time.monotonic() - started < 3 + WITHIN


def test_something_else_answers() -> None:
    # A port that takes connections and never says a word.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        ended = run(
            f"""
            import time, remx as mx
            started = time.monotonic()
            try:
                mx.connect("127.0.0.1:{port}", timeout=2)
            except mx.errors.ServerUnreachableError as error:
                print(f"{{time.monotonic() - started:.1f}}", error)
            """
        )
    assert 1.5 < float(ended.stdout.split()[0]) < 2 + WITHIN, ended.stderr


def test_another_contract_is_refused_at_connect(running: tuple[subprocess.Popen[str], str]) -> None:
    ended = run(
        f"""
        import remx as mx
        from remx import _session
        _session.CONTRACT_VERSION += 1
        try:
            mx.connect("{running[1]}")
        except mx.errors.ContractMismatchError as error:
            print(error)
        """
    )
    assert "install the same version of remx on both sides" in ended.stdout, ended.stderr


def test_a_token_is_wanted_and_never_shown(tmp_path: Path) -> None:
    secret = "a-secret-that-must-not-show"
    with server(env={"REMX_TOKEN": secret}) as (_, address):
        ended = run(
            f"""
            import remx as mx
            for token in ("", "wrong"):
                try:
                    mx.connect("{address}", token=token)
                except mx.errors.UnauthenticatedError as error:
                    print(error)
            print(mx.connect("{address}", token="{secret}"))
            print(mx.nd.ones((2,)).asnumpy())
            """
        )
    assert ended.stdout.count("REMX_TOKEN") == 2, ended.stderr
    assert "[1. 1.]" in ended.stdout
    assert secret not in ended.stdout + ended.stderr


def test_a_server_that_drains_lets_a_session_finish(running: tuple[subprocess.Popen[str], str]) -> None:
    process, address = running
    client = started(
        f"""
        import sys, remx as mx
        mx.connect("{address}")
        x = mx.nd.ones((4,))
        x.wait_to_read()
        print("ready")
        sys.stdin.readline()
        print((x + 1).asnumpy())
        """
    )
    process.terminate()
    time.sleep(0.5)
    out, err = client.communicate("\n", timeout=PATIENCE)
    assert out.strip() == "[2. 2. 2. 2.]", err
    assert process.wait(PATIENCE) == 0


def test_a_program_ends_at_once_with_work_in_flight(running: tuple[subprocess.Popen[str], str]) -> None:
    started = time.monotonic()
    ended = run(
        f"""
        import remx as mx
        mx.connect("{running[1]}")
        x = mx.nd.ones((2000, 2000))
        for _ in range(200):
            x = mx.nd.dot(x, x)
        print("done")
        """
    )
    assert ended.stdout == "done\n", ended.stderr
    assert ended.returncode == 0
    assert time.monotonic() - started < 20


def test_an_exception_in_a_program_ends_it_as_usual(running: tuple[subprocess.Popen[str], str]) -> None:
    ended = run(
        f"""
        import remx as mx
        mx.connect("{running[1]}")
        x = mx.nd.ones((2, 2))
        x.attach_grad()
        with mx.autograd.record():
            y = x * 2
            raise ValueError("mine")
        """
    )
    assert ended.returncode == 1
    assert ended.stderr.strip().endswith("ValueError: mine")
