"""The census: what sessions are there and what they use, counted when somebody asks.

Working sessions pay nothing for it but what their counters cost. Everything is read from outside, while they
work, so numbers of one moment may be a batch apart.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from .counters import Errors, Histogram
from .holdings import Usage

if TYPE_CHECKING:
    from .session import Session

RATE_SECONDS: Final = 5.0
"""Over how long rates are taken."""
BUSY_SECONDS: Final = 1.0
"""How long after a batch a session counts as running: between two batches there is often a wait."""
HISTORY: Final = 300
"""How many samples, one a second, the chart of the status page can show."""
_OWNERS: Final = 1000
"""Owners whose ended sessions are counted apart; those beyond count in the server's totals alone."""
_SHARE: Final = 20
"""A walk through a session's tensors may take this part of the time: it is not repeated earlier."""


@dataclass(frozen=True)
class Facts:
    """What is known of one session at one moment. Plain data, so that it can come from another process.

    Attributes
    ----------
    id, owner, client, state : str
        ``state`` is running, idle (nothing to do for a second) or detached.
    age_seconds : float
    ops, batches, resumes, spills, queue_bytes : int
    usage : Usage
    errors : dict
        Counts by reason.
    last_error : str
    latency, waits : Histogram
    """

    id: str
    owner: str
    client: str = ""
    state: str = "idle"
    age_seconds: float = 0.0
    ops: int = 0
    batches: int = 0
    resumes: int = 0
    spills: int = 0
    queue_bytes: int = 0
    usage: Usage = field(default_factory=Usage)
    errors: dict[str, int] = field(default_factory=dict)
    last_error: str = ""
    latency: Histogram = field(default_factory=Histogram)
    waits: Histogram = field(default_factory=Histogram)

    def pack(self) -> dict[str, Any]:
        """The facts as JSON can hold them, for a process that hosts the session to tell."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        for name in ("latency", "waits"):
            plain[name] = [plain[name].counts, plain[name].total]
        return {**plain, "usage": asdict(self.usage)}

    @classmethod
    def unpack(cls, plain: Mapping[str, Any]) -> Facts:
        """The facts that :meth:`pack` packed."""
        histograms = {name: Histogram.of(*plain[name]) for name in ("latency", "waits")}
        return cls(**{**plain, **histograms, "usage": Usage(**plain["usage"])})


@dataclass(frozen=True)
class Overview:
    """The sessions that run, and the sum of those that are over, at one moment."""

    sessions: list[Facts]
    ended: Ended


class Census:
    """Counts sessions, those that are over too.

    Attributes
    ----------
    started : float
        When the server began, on the monotonic clock.
    refused : Errors
        Calls and handshakes that were refused, by reason.
    ended : Ended
        The sessions that are over. Changed, and read, by who holds the service's lock.
    """

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.refused = Errors()
        self.ended = Ended()
        self._lock = threading.Lock()
        self._walked: dict[str, tuple[float, Usage]] = {}
        self._samples: deque[tuple[float, dict[str, int], int]] = deque(maxlen=HISTORY)

    def facts(self, session: Session) -> Facts:
        """What is known of a session of this process."""
        counters = session.counters
        queue = session.queue_bytes
        busy = queue > 0 or time.perf_counter() - counters.last < BUSY_SECONDS
        state = "running" if busy else "idle" if session.attached else "detached"
        return Facts(
            id=session.name,
            owner=session.owner.name,
            client=counters.client,
            state=state,
            age_seconds=time.monotonic() - counters.opened,
            ops=session.ops,
            batches=sum(counters.latency.counts),
            resumes=session.resumes,
            spills=session.spills.spills,
            queue_bytes=queue,
            usage=self._usage_of(session),
            errors=counters.errors.counts(),
            last_error=counters.errors.last,
            latency=counters.latency,
            waits=counters.waits,
        )

    def _usage_of(self, session: Session) -> Usage:
        """The usage, walked again where that costs little of the time since the last walk."""
        now = time.monotonic()
        with self._lock:
            again, usage = self._walked.get(session.name, (0.0, Usage()))
        if now < again:
            return replace(usage, handles=len(session.table))
        usage = session.usage()
        took = time.monotonic() - now
        with self._lock:
            if not session.closing:
                self._walked[session.name] = (now + took * _SHARE, usage)
        return usage

    def retire(self, facts: Facts) -> None:
        """A session is over; what it counted stays in the totals."""
        with self._lock:
            self._walked.pop(facts.id, None)
        self.ended.add(facts)

    # Rates.

    def sample(self, overview: Overview) -> None:
        """Note how far the sessions have come, once a second at most."""
        now = time.monotonic()
        with self._lock:
            if not self._samples or now - self._samples[-1][0] >= 0.9:
                ops = {facts.id: facts.ops for facts in overview.sessions}
                self._samples.append((now, ops, overview.ended.ops + sum(ops.values())))

    def has_rates(self) -> bool:
        """Whether there is a sample that rates can start from."""
        return self._base(time.monotonic()) is not None

    def _base(self, now: float) -> tuple[float, dict[str, int], int] | None:
        with self._lock:
            usable = [sample for sample in self._samples if 0.2 <= now - sample[0] <= 2 * RATE_SECONDS]
        return next((sample for sample in usable if now - sample[0] <= RATE_SECONDS), None) or (
            usable[-1] if usable else None
        )

    def rate(self, facts: Facts) -> float:
        """A session's ops per second over the last seconds; 0 where nothing is known of them."""
        now = time.monotonic()
        base = self._base(now)
        if base is None:
            return 0.0
        # A session that has come since has done all its ops since.
        return max(0.0, (facts.ops - base[1].get(facts.id, 0)) / (now - base[0]))

    def history(self) -> list[tuple[float, float]]:
        """The server's ops per second: pairs of how many seconds ago and the rate, the oldest first."""
        now = time.monotonic()
        with self._lock:
            samples = list(self._samples)
        return [
            (now - time_, max(0, ops - before_ops) / (time_ - before))
            for (before, _, before_ops), (time_, _, ops) in pairwise(samples)
        ]


class Ended:
    """What sessions that are over had counted.

    Attributes
    ----------
    sessions : int
    ops, batches, resumes, spills : int
    latency, waits : Histogram
    errors, owner_ops : dict
        Errors by reason, ops by owner.
    """

    def __init__(self) -> None:
        self.sessions = 0
        self.ops = 0
        self.batches = 0
        self.resumes = 0
        self.spills = 0
        self.latency = Histogram()
        self.waits = Histogram()
        self.errors: dict[str, int] = {}
        self.owner_ops: dict[str, int] = {}

    def add(self, facts: Facts) -> None:
        """Add a session that is over."""
        self.sessions += 1
        self.ops += facts.ops
        self.batches += facts.batches
        self.resumes += facts.resumes
        self.spills += facts.spills
        self.latency.add(facts.latency)
        self.waits.add(facts.waits)
        for reason, times in facts.errors.items():
            self.errors[reason] = self.errors.get(reason, 0) + times
        if facts.owner in self.owner_ops or len(self.owner_ops) < _OWNERS:
            self.owner_ops[facts.owner] = self.owner_ops.get(facts.owner, 0) + facts.ops
