"""What the soak's figures share: their processes, and how much of everything there is to be."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from ..fault_proxy import FaultProxyProcess
from ..processes import Child, ChildError, module
from ..stage import Options, Stage

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Resources:
    """What a process uses: resident megabytes, threads, file descriptors."""

    resident: float
    threads: int
    files: int

    @classmethod
    def of(cls, child: Child) -> Resources:
        """What a process uses now."""
        return cls(child.resident_bytes() / 1e6, child.process.num_threads(), child.process.num_fds())

    def __str__(self) -> str:
        return f"{self.resident:.1f} MB, {self.threads} threads, {self.files} files"


class Ground(Stage):
    """The processes of a run, which end with it.

    Parameters
    ----------
    quick : bool
        A small part of everything, for a look that takes seconds.
    """

    def __init__(self, quick: bool = False) -> None:
        super().__init__(Options())
        self.quick = quick

    def size(self, full: int, quick: int) -> int:
        """How many of something."""
        return quick if self.quick else full

    def fault_proxy(self, target: str) -> FaultProxyProcess:
        """Start a fault proxy before ``target``."""
        return self.enter_context(FaultProxyProcess(target))

    def side(self, address: str, token: str = "") -> Child:
        """Start a client process, which has no session yet."""
        arguments = ["--connect", address, *(("--token", token) if token else ())]
        return self.child("soak side", module("benchmarks.soak.side", *arguments))


def together(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Do something with each item, all at the same time; raises the first error."""
    with ThreadPoolExecutor(max(len(items), 1)) as pool:
        return list(pool.map(work, items))


def log_lines(server: Child) -> Iterator[dict[str, Any]]:
    """What a server has logged so far."""
    for line in server.log().splitlines():
        # What a peer says may come through in gRPC's own words, braces and all.
        if line.startswith('{"time"'):
            yield json.loads(line)
        elif line.startswith(("Traceback", "Exception")):
            # Of a thread, say; gRPC's own words about its connections are others.
            yield {"level": "ERROR", "event": line}


def complaints(server: Child) -> list[str]:
    """What of a server's log is an error: crashes, and what no message should bring about."""
    return [
        f"{line.get('event')} {line.get('traceback', '')}".strip()
        for line in log_lines(server)
        if line.get("level") in ("ERROR", "CRITICAL")
    ]


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Return as soon as a condition holds; ChildError where it does not come to hold."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ChildError(f"{what} did not come about within {seconds:g} seconds")
        time.sleep(0.02)
