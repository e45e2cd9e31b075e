"""Reads a Dockerfile as far as the tests need it: stages of instructions."""

from __future__ import annotations

import re
from pathlib import Path

Stage = list[tuple[str, str]]
"""Instructions as (word, rest), continuation lines joined."""


def stages(path: Path) -> dict[str, Stage]:
    """The stages of a Dockerfile by name; a stage starts with the instructions of the one it builds on."""
    text = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", path.read_text()))
    found: dict[str, Stage] = {}
    current: Stage = []
    for line in filter(None, map(str.strip, text.splitlines())):
        word, rest = line.split(None, 1)
        if word == "FROM":
            base, _, name = rest.split()
            current = found[name] = list(found.get(base, []))
        current.append((word, " ".join(rest.split())))
    return found


def all_of(stage: Stage, word: str) -> list[str]:
    """What follows each instruction of one kind."""
    return [rest for found, rest in stage if found == word]


def environment(stage: Stage) -> dict[str, str]:
    """The variables that a stage sets."""
    return dict(pair.split("=", 1) for rest in all_of(stage, "ENV") for pair in rest.split())


def without_mounts(command: str) -> str:
    """A RUN command as its shell sees it."""
    return re.sub(r"--mount=\S+\s+", "", command)
