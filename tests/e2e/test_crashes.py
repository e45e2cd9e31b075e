"""Crashes of one session's process while others train, as their users see them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.programs import PATIENCE, run, server, start

TRAIN = """
    import sys, hashlib, select, remx as mx
    mx.connect("{address}")
    mx.random.seed(3)
    x, y = mx.nd.random.normal(shape=(64, 16)), mx.nd.random.normal(shape=(64, 1))
    w = mx.nd.random.normal(shape=(16, 1))
    w.attach_grad()
    print("ready", flush=True)
    for step in range(400):
        with mx.autograd.record():
            loss = ((mx.nd.dot(x, w) - y) ** 2).mean()
        loss.backward()
        w -= 0.01 * w.grad
        if step % 20 == 0:
            loss.asscalar()
        if step == 200 and "{until}":
            # In the middle, until the others have crashed.
            while not select.select([sys.stdin], [], [], 0)[0]:
                (w * 2).asnumpy()
    print(hashlib.sha256(w.asnumpy().tobytes()).hexdigest())
"""

VICTIM = """
    import sys, time, remx as mx
    mx.connect("{address}")
    x = mx.nd.ones((500, 500))
    x.wait_to_read()
    print("ready", flush=True)
    try:
        while True:
            for _ in range(20):
                x = mx.nd.dot(x, x) * 0.002
            x.wait_to_read()
    except mx.errors.SessionCrashedError as error:
        print(error)
    started = time.monotonic()
    try:
        x.asnumpy()
    except mx.errors.SessionCrashedError:
        print(f"{{time.monotonic() - started:.1f}}")
    mx.connect("{address}")
    print(mx.nd.ones((2,)).asnumpy())
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process with a process for each session, and its address."""
    with server("--isolation=process", env={"TMPDIR": str(tmp_path)}) as pair:
        yield pair
    assert list(tmp_path.iterdir()) == []


def ready(program: subprocess.Popen[str]) -> None:
    """Wait until a program says that it is ready."""
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"


def next_worker(front: subprocess.Popen[str], taken: set[int]) -> int:
    """The process id of the one worker that waits for a session; those that have one are taken."""
    deadline = time.monotonic() + PATIENCE
    while len(idle := {child.pid for child in psutil.Process(front.pid).children()} - taken) != 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return idle.pop()


def test_sessions_that_crash_leave_a_training_untouched(running: tuple[subprocess.Popen[str], str]) -> None:
    front, address = running
    undisturbed = run(TRAIN.format(address=address, until="")).stdout.split()[-1]
    assert re.fullmatch("[0-9a-f]{64}", undisturbed)
    taken = {next_worker(front, set())}
    training = start(TRAIN.format(address=address, until="told"))
    ready(training)
    for number in (signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT):
        victims = next_worker(front, taken)
        victim = start(VICTIM.format(address=address))
        ready(victim)
        time.sleep(0.1)
        os.kill(victims, number)
        out, err = victim.communicate(timeout=PATIENCE)
        told, again, result = out.strip().split("\n")
        assert number.name in told, err
        assert "other sessions are not affected" in told
        assert float(again) < 0.5
        assert result == "[1. 1.]"
    assert training.stdin is not None
    out, err = training.communicate("\n", timeout=PATIENCE)
    assert out.strip() == undisturbed, err


def test_a_session_is_left_and_found_again_in_its_process(
    running: tuple[subprocess.Popen[str], str],
) -> None:
    _, address = running
    left = run(
        f"""
        import remx as mx
        mx.connect("{address}")
        mx.session.put("w", mx.nd.arange(3) + 0.5)
        print(mx.session.detach())
        """
    )
    token = left.stdout.strip()
    assert token, left.stderr
    found = run(
        f"""
        import remx as mx
        mx.session.attach("{token}", "{address}")
        print(mx.session.get("w").asnumpy())
        """
    )
    assert found.stdout == "[0.5 1.5 2.5]\n", found.stderr
