"""The README's Python blocks, run in order in one fresh process, print what is shown below them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
ADDRESS, TOKEN = "gpu-box:50051", "the token"

# Runs the blocks that come on standard input, in one namespace; each is a file called example.py.
DRIVER = """
import contextlib, io, json, sys

namespace = {"__name__": "__main__"}
outputs = []
for block in json.load(sys.stdin):
    captured = io.StringIO()
    with contextlib.redirect_stdout(captured):
        exec(compile(block, "example.py", "exec"), namespace)
    outputs.append(captured.getvalue())
json.dump(outputs, sys.stdout)
"""


class Block(NamedTuple):
    """A Python block, and the text block that follows it at once; None where none does."""

    code: str
    shown: str | None


def blocks() -> list[Block]:
    """The Python blocks of the README."""
    pattern = r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?"
    return [Block(*found) for found in re.findall(pattern, README, re.MULTILINE | re.DOTALL)]


@pytest.fixture
def address() -> Iterator[str]:
    """The address of a running server that wants the README's token."""
    with subprocess.Popen(
        [sys.executable, "-m", "remx_server", "--listen", "127.0.0.1:0", "--device", "cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**_environment(), "REMX_TOKEN": TOKEN},
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[3]
        finally:
            process.kill()


def _environment() -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REMX_")}
    return {**inherited, "REMX_DEVICE": "cpu"}


def test_blocks_print_what_is_shown(address: str, tmp_path: Path) -> None:
    found = blocks()
    assert README.count("```python") == len(found) >= 8
    assert sum(ADDRESS in block.code for block in found) == 1
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", DRIVER],
        input=json.dumps([block.code.replace(ADDRESS, address) for block in found]),
        env=_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    for block, printed in zip(found, json.loads(ended.stdout), strict=True):
        assert printed == (block.shown or ""), block.code


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_code_of_contributing_is_in_the_files_that_it_names() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    found = re.findall(r"`([\w/]+\.py)`:\n\n```python\n(.*?)^```\n", text, re.MULTILINE | re.DOTALL)
    assert text.count("```python") == len(found) == 3
    for path, code in found:
        assert code in (ROOT / path).read_text(), path
