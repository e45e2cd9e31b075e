"""Small Python programs that use the client, each in a process of its own, as users run them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60.0
"""Seconds after which a program that should have ended counts as hanging."""


def environment(extra: Mapping[str, str] | None = None, folder: Path | None = None) -> dict[str, str]:
    """This process's environment without what would choose a server, with ``folder`` for temporary files."""
    made = {name: value for name, value in os.environ.items() if not name.startswith("REMX_")}
    made |= {"REMX_DEVICE": "cpu"} | dict(extra or {})
    if folder is not None:
        made["TMPDIR"] = str(folder)
    return made


def run(
    program: str, env: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; raises subprocess.TimeoutExpired if it hangs."""
    return subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", textwrap.dedent(program)],
        env=environment(env, folder),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def start(
    program: str, env: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.Popen[str]:
    """Start a program whose lines can be read one by one."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", textwrap.dedent(program)],
        env=environment(env, folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def started(program: str, line: str = "ready") -> subprocess.Popen[str]:
    """Start a program and return when it has printed a line, which has to be its first."""
    process = start(program)
    assert process.stdout is not None
    assert process.stdout.readline() == line + "\n"
    return process


@contextmanager
def server(*flags: str, env: Mapping[str, str] | None = None) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and its address; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "remx_server", "--listen=127.0.0.1:0", "--device=cpu", *flags],
        env=environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        yield process, words[words.index("on") + 1]
    finally:
        process.kill()
        process.communicate()
