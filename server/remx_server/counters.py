"""Counters: what is counted of a session while it works, at the cost of a few additions a batch."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from typing import Final

SECONDS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""The upper bounds of the histograms' buckets; one more holds what takes longer."""


class Histogram:
    """How often something took how long.

    Written by one thread at a time. Whoever reads meanwhile may miss the newest observation, nothing else.

    Attributes
    ----------
    counts : list of int
        For each bound of ``SECONDS``, and for what is beyond the last.
    total : float
        The sum of all observations, in seconds.
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    @classmethod
    def of(cls, counts: Iterable[int], total: float) -> Histogram:
        """A histogram of these counts."""
        made = cls()
        made.counts, made.total = list(counts), total
        return made

    def observe(self, seconds: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    def add(self, other: Histogram) -> None:
        """Count another's observations too."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


class Errors:
    """How often which reason was given, and the last one. Any thread may count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self.last = ""

    def count(self, reason: str, times: int = 1) -> None:
        """Count an error."""
        with self._lock:
            self._counts[reason] = self._counts.get(reason, 0) + times
            self.last = reason

    def counts(self) -> dict[str, int]:
        """The counts by reason."""
        with self._lock:
            return dict(self._counts)


class Counters:
    """The counters of one session.

    Attributes
    ----------
    opened : float
        When it began, on the monotonic clock.
    client : str
        What the client said it is: any text at all.
    latency, waits : Histogram
        How long batches ran, and how long they had waited for that.
    errors : Errors
    last : float
        When a batch was done, on the clock of ``time.perf_counter``; 0 before the first.
    """

    __slots__ = ("_arrivals", "client", "errors", "last", "latency", "opened", "waits")

    def __init__(self) -> None:
        self.opened = time.monotonic()
        self.client = ""
        self.latency = Histogram()
        self.waits = Histogram()
        self.errors = Errors()
        self.last = 0.0
        self._arrivals: deque[float] = deque()

    def arrived(self) -> None:
        """A batch came, and waits."""
        self._arrivals.append(time.perf_counter())

    def started(self) -> float:
        """The oldest batch that waits begins to run; returns when."""
        now = time.perf_counter()
        if self._arrivals:
            self.waits.observe(now - self._arrivals.popleft())
        return now

    def finished(self, started: float) -> None:
        """The batch that began at ``started`` is done."""
        self.last = time.perf_counter()
        self.latency.observe(self.last - started)
