"""The embedded server: started at first use, gone with its parent however that ends, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support.programs import run, start

HOLD = """
    import remx as mx, sys
    from remx import _current
    x = mx.nd.ones((2, 3))
    x.wait_to_read()
    import psutil, os
    print(psutil.Process().children()[0].pid)
    {busy}
    sys.stdin.read()
"""


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether a process ends within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def empty(folder: Path, seconds: float = 5.0) -> bool:
    """Whether a folder gets empty within some seconds."""
    deadline = time.monotonic() + seconds
    while any(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(folder.iterdir())


def test_it_starts_at_first_use_and_ends_with_the_program(tmp_path: Path) -> None:
    ended = run(
        """
        import psutil, remx as mx
        me = psutil.Process()
        print(len(me.children()))
        mx.nd.ones((2,))
        print(len(me.children()), mx.nd.ones((2,)).asnumpy())
        """,
        folder=tmp_path,
    )
    assert ended.stdout.split("\n")[:2] == ["0", "1 [1. 1.]"], ended.stderr
    assert (ended.returncode, ended.stderr) == (0, "")
    assert empty(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "busy", ["", "y = mx.nd.ones((3000, 3000))\n    for _ in range(30): y = mx.nd.dot(y, y)"]
)
def test_it_dies_with_its_parent_however_that_dies(number: signal.Signals, busy: str, tmp_path: Path) -> None:
    parent = start(HOLD.format(busy=busy), folder=tmp_path)
    assert parent.stdout is not None
    server = int(parent.stdout.readline())
    assert psutil.pid_exists(server)
    parent.send_signal(number)
    parent.communicate(timeout=30)
    assert gone(server)
    assert empty(tmp_path)


def test_an_interrupt_at_the_terminal_reaches_the_program_alone() -> None:
    parent = start(
        """
        import os, remx as mx, psutil, sys
        x = mx.nd.ones((2,))
        x.wait_to_read()
        print(os.getpgid(psutil.Process().children()[0].pid) != os.getpgid(0))
        """
    )
    out, err = parent.communicate(timeout=30)
    assert out.strip() == "True", err


def test_the_first_use_says_what_to_install_or_set(tmp_path: Path) -> None:
    ended = run(
        """
        import sys
        sys.modules["remx_server"] = None  # what a missing package looks like to import
        import importlib.util
        real = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *rest: None if name == "remx_server" else real(name, *rest)
        import remx as mx
        try:
            mx.nd.ones((2,))
        except mx.errors.ServerStartError as error:
            print(error)
        """,
        folder=tmp_path,
    )
    assert "pip install 'remx[server]'" in ended.stdout, ended.stderr
    assert "REMX_SERVER=host:port" in ended.stdout


def test_a_server_that_cannot_start_says_so(tmp_path: Path) -> None:
    ended = run(
        """
        import remx as mx
        try:
            mx.nd.ones((2,))
        except mx.MXNetError as error:
            print(type(error).__name__, error)
        """,
        env={"REMX_DEVICE": "gpu"},
        folder=tmp_path,
    )
    if "ServerStartError" not in ended.stdout:
        pytest.skip("a GPU is there")
    assert "did not start" in ended.stdout
    assert "no GPU" in ended.stderr
    assert empty(tmp_path)


def test_a_killed_embedded_server_is_an_error_and_a_new_session_works(tmp_path: Path) -> None:
    ended = run(
        """
        import os, signal, psutil, remx as mx
        x = mx.nd.ones((2,))
        x.wait_to_read()
        os.kill(psutil.Process().children()[0].pid, signal.SIGKILL)
        try:
            while True:
                (x + 1).asnumpy()
        except mx.errors.SessionError as error:
            print(type(error).__name__)
        mx.disconnect()
        print(mx.nd.ones((2,)).asnumpy())
        """,
        folder=tmp_path,
    )
    assert ended.stdout.split("\n")[:2] == ["ServerUnreachableError", "[1. 1.]"], ended.stderr
    assert empty(tmp_path)


def test_a_notebook_that_runs_a_shell_command_goes_on() -> None:
    ended = run(
        """
        import os, subprocess, pty, remx as mx
        x = mx.nd.arange(3)
        x.wait_to_read()
        print(subprocess.run(["echo", "one"], capture_output=True, text=True).stdout.strip())
        print(os.popen("echo two").read().strip())
        # What a notebook's `!ls` does: a fork with a terminal of its own, then exec.
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvp("echo", ["echo", "three"])
        print(os.read(terminal, 100).decode().strip())
        os.waitpid(pid, 0)
        print((x + 1).asnumpy())
        """
    )
    assert ended.stdout.split("\n")[:4] == ["one", "two", "three", "[1. 2. 3.]"], ended.stderr
    assert ended.returncode == 0


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit(0)"])
def test_a_fork_gets_a_clear_error_and_leaves_the_parent_alone(end: str) -> None:
    ended = run(
        f"""
        import os, sys, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        import remx as mx
        x = mx.nd.arange(3)
        x.wait_to_read()
        pid = os.fork()
        if pid == 0:
            for use in (lambda: x + 1, lambda: x.asnumpy(), lambda: mx.nd.ones((2,))):
                try:
                    use()
                    print("no error", flush=True)
                except mx.errors.SessionError as error:
                    print("forked from" in str(error), flush=True)
            del x
            {end}
        assert os.waitpid(pid, 0)[1] == 0
        print((x + 1).asnumpy())
        """
    )
    assert ended.stdout.split("\n")[:4] == ["True", "True", "True", "[1. 2. 3.]"], ended.stderr
    assert ended.returncode == 0


def test_multiprocessing_with_spawn_gives_each_process_its_own_server(tmp_path: Path) -> None:
    script = tmp_path / "several.py"
    script.write_text(
        "import multiprocessing, remx as mx\n"
        "def work(number):\n"
        "    return float((mx.nd.ones((2,)) * number).sum().asscalar())\n"
        "if __name__ == '__main__':\n"
        "    mx.nd.ones((1,)).wait_to_read()\n"
        "    with multiprocessing.get_context('spawn').Pool(2) as pool:\n"
        "        print(pool.map(work, [1, 2, 3]))\n"
    )
    ended = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=90, check=False, env=os.environ
    )
    assert ended.stdout.strip() == "[2.0, 4.0, 6.0]", ended.stderr
