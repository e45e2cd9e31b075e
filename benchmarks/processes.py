"""The processes of a run: started here, spoken to in lines, and ended with the run."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
"""The repository root, where every process runs."""

_ADDRESS = re.compile(r"listening on ([\w.\-]+:\d+)")


class ChildError(RuntimeError):
    """A process of the run ended early, did not answer in time, or answered with an error."""


def module(name: str, *arguments: str, python: str = sys.executable) -> list[str]:
    """Return the command line that runs a module of this repository."""
    return [python, "-m", name, *arguments]


class Child:
    """A process whose standard output is read line by line and whose standard error is kept for errors.

    Parameters
    ----------
    name : str
        What errors call it.
    command : list of str
        Its command line.
    patience : float
        Seconds that ``close`` gives it to end by itself once its standard input has ended.
    """

    def __init__(self, name: str, command: list[str], patience: float = 5.0) -> None:
        self.name = name
        self._patience = patience
        # A file, because a pipe that nobody reads would stop a talkative process.
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._collector = threading.Thread(target=self._collect, daemon=True)
        self._collector.start()

    def _collect(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def write(self, line: str) -> None:
        """Send one line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def read(self, timeout: float = 300.0) -> str:
        """Return the next line; raise ChildError if there is none within ``timeout`` seconds."""
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise ChildError(f"{self.name}: no answer in {timeout:g} s{self._said()}") from None
        if line is None:
            raise ChildError(f"{self.name}: ended early{self._said()}")
        return line

    def address(self, timeout: float = 60.0) -> str:
        """Return the ``HOST:PORT`` the process says it listens on."""
        while True:
            found = _ADDRESS.search(self.read(timeout))
            if found:
                return found[1]

    def ask(self, task: str, **arguments: Any) -> dict[str, Any]:
        """Have a side (see ``side``) do a task and return its answer."""
        self.write(json.dumps({"task": task, **arguments}))
        answer: dict[str, Any] = json.loads(self.read())
        if "error" in answer:
            raise ChildError(f"{self.name}: {task} failed\n{answer['error']}")
        return answer

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def resident_bytes(self) -> int:
        """Return the process's resident set size in bytes."""
        return int(self.process.memory_info().rss)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    @property
    def process(self) -> psutil.Process:
        """The process, to be looked at."""
        return psutil.Process(self._process.pid)

    def log(self) -> str:
        """Return what it has said on standard error so far."""
        # Not by moving the file's own position, which the process writes at.
        size = os.fstat(self._errors.fileno()).st_size
        return os.pread(self._errors.fileno(), size, 0).decode(errors="replace")

    def kill(self) -> None:
        """End the process at once, as SIGKILL does, and wait until it has ended."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the process, by force if it must be, and wait until it has ended."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        for end, patience in ((self._process.terminate, self._patience), (self._process.kill, 10.0)):
            try:
                self._process.wait(patience)
                break
            except subprocess.TimeoutExpired:
                end()
        self._process.wait()
        assert self._process.stdout is not None
        self._collector.join()
        self._process.stdout.close()
        self._errors.close()

    def _said(self) -> str:
        said = self.log().strip()
        return f"; it said:\n{said[-4000:]}" if said else ""
