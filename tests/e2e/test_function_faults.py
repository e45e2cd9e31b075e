"""What can go wrong in the middle of a Function's backward, in processes of their own."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest
from support.programs import PATIENCE, run, server, started

WITHIN = 5.0
"""Seconds in which a wait must raise."""

PROGRAM = """
    import sys, time, remx as mx
    mx.connect("{address}", reconnect=0)

    class Halt(mx.autograd.Function):
        def forward(self, x):
            return x * 2

        def backward(self, dy):
            print("paused")
            sys.stdin.readline()
            {inside}
            return dy * 2

    x = mx.nd.ones((2,))
    x.attach_grad()
    with mx.autograd.record():
        y = Halt()(x) * 3
    try:
        y.backward()
        print(x.grad.asnumpy())
    except mx.errors.MXNetError as error:
        print(type(error).__name__, str(error).split("\\n")[0])
    try:
        with mx.autograd.record():
            z = x * 5
        z.backward()
        print(x.grad.asnumpy())
    except mx.errors.SessionError:
        print("no session")
"""


def paused(address: str, inside: str = "pass") -> subprocess.Popen[str]:
    """A client that stands in the backward of its Function, until it gets a line."""
    return started(PROGRAM.format(address=address, inside=inside), "paused")


def test_a_client_dies_in_a_callback() -> None:
    with server() as (process, address):
        client = paused(address)
        client.kill()
        client.communicate()
        # The server is there for others, and nothing of the dead one's keeps it from ending in good order.
        ended = run(
            f"""
            import remx as mx
            mx.connect("{address}")
            print(mx.nd.ones((2,)).asnumpy())
            """
        )
        assert ended.stdout == "[1. 1.]\n", ended.stderr
        process.terminate()
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("inside", ["pass", "(dy + 1).asnumpy()"])
def test_the_server_is_gone_in_a_callback(number: signal.Signals, inside: str) -> None:
    with server() as (process, address):
        client = paused(address, inside)
        process.send_signal(number)
        started = time.monotonic()
        out, err = client.communicate("\n", timeout=PATIENCE)
        assert out.splitlines()[0].startswith("ServerUnreachableError"), out + err
        assert out.splitlines()[1] == "no session"
        assert time.monotonic() - started < 2 * WITHIN
        assert client.returncode == 0, err


def test_a_callback_that_never_answers_is_given_up() -> None:
    with server("--function-timeout=0.5") as (_, address):
        client = paused(address)
        time.sleep(1.0)
        out, err = client.communicate("\n", timeout=PATIENCE)
        # The error at the read of the gradient; the session goes on.
        assert out.splitlines()[0].startswith("FunctionTimeoutError"), out + err
        assert out.splitlines()[1] == "[5. 5.]"


def test_an_interrupt_in_a_callback_leaves_the_session_usable() -> None:
    with server() as (_, address):
        client = paused(address, "raise ValueError('mine')")
        out, err = client.communicate("\n", timeout=PATIENCE)
        assert "ValueError: mine" in err
        assert client.returncode == 1
        assert out == ""
        interrupted = PROGRAM.replace(
            "except mx.errors.MXNetError as error", "except KeyboardInterrupt as error"
        )
        client = started(interrupted.format(address=address, inside="time.sleep(60)"), "paused")
        assert client.stdin is not None
        client.stdin.write("\n")
        client.stdin.flush()
        time.sleep(0.3)
        client.send_signal(signal.SIGINT)
        out, err = client.communicate(timeout=PATIENCE)
        assert out.splitlines() == ["KeyboardInterrupt ", "[5. 5.]"], out + err


def test_an_interrupt_while_waiting_for_the_call() -> None:
    # The pass has much to compute before it comes to the Function, whose call nobody waits for then.
    with server() as (_, address):
        client = started(
            f"""
            import sys, threading, remx as mx
            mx.connect("{address}")

            class Double(mx.autograd.Function):
                def forward(self, x):
                    return x * 2

                def backward(self, dy):
                    print("called")
                    return dy * 2

            x = mx.nd.ones((1500, 1500))
            x.attach_grad()
            with mx.autograd.record():
                y = Double()(x)
                for _ in range(30):
                    y = mx.nd.dot(y, y) * 1e-9
            y.wait_to_read()
            print("ready")
            try:
                y.backward()
            except KeyboardInterrupt:
                print("interrupted")
            x.grad[:] = 0
            with mx.autograd.record():
                z = Double()(mx.nd.sum(x))
            z.backward()
            print(x.grad[0, 0].asscalar(), mx.stats().pauses)
            """
        )
        time.sleep(0.2)
        client.send_signal(signal.SIGINT)
        out, err = client.communicate(timeout=PATIENCE)
        assert out.splitlines() == ["interrupted", "called", "2.0 1"], out + err
