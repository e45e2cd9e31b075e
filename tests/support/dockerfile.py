"""Reads a Dockerfile as far as the tests need it: stages of instructions, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

Stage = list[tuple[str, str]]
"""Instructions as (word, rest), continuation lines joined."""


def stages(path: Path) -> dict[str, Stage]:
    """The stages of a Dockerfile by name; a stage starts with the instructions of the one it builds on."""
    text = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", path.read_text()))
    found: dict[str, Stage] = {}
    current: Stage = []
    arguments: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        word, rest = line.split(None, 1)
        if word == "ARG" and not found:
            name, _, value = rest.partition("=")
            arguments[name] = value
            continue
        if word == "FROM":
            rest = re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], rest)
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


def complaints(path: Path, targets: Iterable[str] = ()) -> list[str]:
    """What in a Dockerfile breaks the rules that matter most: pinned, verified, small, no root, no secrets.

    Parameters
    ----------
    path : Path
    targets : iterable of str
        The stages that are run; those with a USER by default.
    """
    found = stages(path)
    named = list(targets) or [name for name, stage in found.items() if all_of(stage, "USER")]
    said = [
        f"{word} {rest}: {text}"
        for stage in found.values()
        for word, rest in stage
        for text in _of_instruction(word, rest, found)
    ]
    for name in named:
        users = all_of(found[name], "USER")
        if not users or users[-1].split(":")[0] in ("root", "0"):
            said.append(f"stage {name} runs as root")
    return list(dict.fromkeys(said))


def _of_instruction(word: str, rest: str, found: dict[str, Stage]) -> Iterator[str]:
    if word == "FROM" and (base := rest.split()[0]) not in found:
        if not re.search(r"@sha256:[0-9a-f]{64}$", base):
            yield "a base is pinned by a digest"
        elif not re.search(r":\d[^@]*@", base):
            yield "a base says a version, for people"
    if word == "RUN":
        yield from _of_command(without_mounts(rest))
    if word == "ADD":
        yield "COPY does what is wanted here"
    if word == "COPY" and rest.split()[0] in (".", "./"):
        yield "everything is more than what is needed"
    if word in ("ENV", "ARG") and re.search(r"(?i)(token|password|secret|key)\w*=", rest):
        yield "a secret in an image is none"
    if word in ("CMD", "ENTRYPOINT") and not rest.startswith("["):
        yield "without the exec form, a shell stands between the program and its signals"
    if word == "WORKDIR" and not rest.startswith("/"):
        yield "a folder is absolute"


def _of_command(command: str) -> Iterator[str]:
    for part in re.split(r"&&|;", command):
        if "pip install" in part or "pip wheel" in part:
            if "--no-cache-dir" not in part:
                yield "--no-cache-dir keeps the layer small"
            elif "pip install" in part and "--require-hashes" not in part and "--no-deps" not in part:
                yield "--require-hashes, so that what is installed is what was locked"
        if "apt-get install" in part and "--no-install-recommends" not in part:
            yield "--no-install-recommends keeps the layer small"
        if re.search(r"\bsudo\b", part):
            yield "sudo has no place here"
        if re.search(r"\|\s*(ba)?sh\b", part):
            yield "a pipe into a shell runs what nobody has checked"
