"""The main job, run as a user runs it: on an embedded server, and on one that runs already."""

from __future__ import annotations

import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
pytest.importorskip("tqdm")

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 110
# On a busy machine BLAS spends its time on waking threads, which products as small as these do not need.
CALM = {"REMX_DEVICE": "cpu", "OPENBLAS_NUM_THREADS": "1"}


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what it says to remx, and with ``more``."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REMX_")}
    return {**inherited, **CALM, **more}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder with a short path: sockets in it have names of limited length."""
    made = Path(tempfile.mkdtemp(prefix="demo-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server process on any free port; it must end well when told to."""
    command = [sys.executable, "-m", "remx_server", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment()
    ) as process:
        try:
            assert process.stdout is not None
            found = re.match(r"remx-server listening on (\S+) ", process.stdout.readline())
            assert found is not None
            yield found[1]
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()


def run(folder: Path, **variables: str) -> tuple[str, Path]:
    """Run the example to its end with its temporary files in ``folder``; what it printed, and its picture."""
    picture = folder / "curve.png"
    ended = subprocess.run(
        [sys.executable, ROOT / "examples" / "digits.py", "--output", picture],
        env=environment(TMPDIR=str(folder), **variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ended.returncode == 0, ended.stderr
    # No warnings, no tracebacks, and no progress bar where there is no terminal.
    assert ended.stderr == ""
    return ended.stdout, picture


def check_result(output: str, picture: Path) -> None:
    """The accuracy is good enough, what was counted makes sense, and the picture is one."""
    accuracy = re.search(r"^test accuracy ([\d.]+)%", output, re.MULTILINE)
    assert accuracy is not None
    assert float(accuracy[1]) >= 97.0, output
    assert re.search(
        r"^epoch +60 of 60: loss \d\.\d+, test accuracy [\d.]+%, [\d,]+ samples/s$", output, re.M
    )
    # One read for each epoch, and nothing else that waits.
    assert re.search(r"^round trips +60$", output, re.MULTILINE), output
    raw = picture.read_bytes()
    assert raw.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", raw[16:24])
    assert 1000 <= width <= 3000
    assert 400 <= height <= 2000
    assert 20_000 <= len(raw) <= 1_000_000


def processes_of(folder: Path) -> list[psutil.Process]:
    """Processes that were started with a path inside the folder on their command line."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in argument for argument in process.info["cmdline"] or ())
    ]


def test_trains_on_an_embedded_server_and_leaves_nothing_behind(folder: Path) -> None:
    output, picture = run(folder)
    check_result(output, picture)
    assert processes_of(folder) == []
    assert list(folder.glob("remx-*")) == []


def test_trains_unchanged_on_a_running_server(folder: Path, server: str) -> None:
    output, picture = run(folder, REMX_SERVER=server)
    check_result(output, picture)
    # Nothing was started here.
    assert list(folder.glob("remx-*")) == []
