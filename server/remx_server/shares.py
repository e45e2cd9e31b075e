"""How workers share the cores: large products take as many threads as there are cores for each.

BLAS knows of its own process only. With every worker's products on all cores, threads wait for each other on
cores that others have, and all together do less than half of what they could. So each worker leaves in
memory that all of them see until when its product will take, roughly, and divides the cores by how many are
at it. Nobody locks and nobody has to clean up after a crash: a claim runs out by itself.
"""

from __future__ import annotations

import mmap
import os
import time
from typing import Final

import numpy as np

SLOTS: Final = 4096
SHORTEST_SECONDS: Final = 0.05
"""How long a claim holds at least: whoever multiplies large matrices does so again soon."""
WORK_A_SECOND: Final = 2e10
"""Multiplications that one core does in a second, roughly."""
_BYTES: Final = SLOTS * 8


def make_file() -> int | None:
    """A file in memory for the claims of all workers; None where the system has no such."""
    create = getattr(os, "memfd_create", None)
    if create is None:
        return None
    file: int = create("remx-cores")
    os.ftruncate(file, _BYTES)
    return file


class Shares:
    """One worker's view of the claims.

    Parameters
    ----------
    file : int
        What :func:`make_file` made.
    slot : int
        The worker's own.
    """

    def __init__(self, file: int, slot: int) -> None:
        self._claims = np.frombuffer(mmap.mmap(file, _BYTES), np.float64)
        self._slot = slot

    def claim(self, work: int, cores: int) -> int:
        """How many of the cores a product of so many multiplications gets; others will see that it runs."""
        # The clock is the machine's, the same in all processes.
        now = time.monotonic()
        self._claims[self._slot] = now + max(SHORTEST_SECONDS, work / WORK_A_SECOND)
        busy = int(np.count_nonzero(self._claims > now))
        return max(1, cores // busy)
