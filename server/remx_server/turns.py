"""Turns: one session at a time runs its ops, and the one that has used the least time is next.

Python runs one thread at a time anyway, and where many want to run, each does for a moment, by chance. So the
sessions of a server take turns. Whoever has the turn keeps it for a slice of a batch, and gives it up if
somebody waits; a kernel that works for long, and all that waits for a client or a device, happens *aside*:
without the turn.

Each session has a clock of the time that it has used. Of those that wait, the one whose clock is furthest
behind comes next. A session that was away has not saved time up: its clock is put forward to that of whoever
had the last turn.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

SLICE_SECONDS: Final = 0.002
"""How long a turn lasts while others wait, if its batch is long enough."""
PATIENCE_SECONDS: Final = 0.02
"""How long the others wait for a turn that is not given up, as in an op that nobody knew to take long."""
SHARED_SECONDS: Final = 1.0
"""For how long a session that had a turn counts as one that others share a device with."""
WATCH_SECONDS: Final = 1.0
"""How long the watch stays when nobody waits any more."""

_here: Final = threading.local()


class Turns:
    """The turns of a server.

    Attributes
    ----------
    holder : Seat or None
        Whoever has the turn.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[float, int, Seat]] = []
        self._order = count()
        self.holder: Seat | None = None
        self._since = 0.0
        # The clock of whoever had the last turn.
        self._now = 0.0
        # Whether the turn cannot be taken away at the moment.
        self._kept = False
        self._last: Seat | None = None
        self._changed_hands = float("-inf")
        self._watched = False

    @property
    def contended(self) -> bool:
        """Whether somebody waits for the turn."""
        return bool(self._waiting)

    @property
    def shared(self) -> bool:
        """Whether more than one session had turns in the last moments."""
        return time.perf_counter() - self._changed_hands < SHARED_SECONDS

    def take(self, seat: Seat) -> None:
        """Wait for the turn and have it."""
        with self._lock:
            # Time that was not used is not saved up.
            seat.used = max(seat.used, self._now)
            if self.holder is None:
                self._hand(seat)
                return
            seat.waits += 1
            heapq.heappush(self._waiting, (seat.used, next(self._order), seat))
            if not self._watched:
                self._watched = True
                threading.Thread(target=self._watch, name="turns", daemon=True).start()
        seat.called.acquire()

    def give(self, seat: Seat) -> None:
        """Give the turn up, to whoever comes next."""
        with self._lock:
            seat.spend(time.perf_counter())
            seat.has_turn = False
            if self.holder is seat:
                self._pass_on()

    def look(self, seat: Seat) -> None:
        """Give the turn up and wait for the next one, if somebody waits and it has lasted long enough, or if
        it was taken away."""
        if self.holder is seat and not (self._waiting and time.perf_counter() - self._since >= SLICE_SECONDS):
            return
        self.give(seat)
        self.take(seat)

    @contextmanager
    def kept(self, seat: Seat) -> Iterator[None]:
        """A turn that is not taken away, for what a session does with the tensors of others: those that have
        not :attr:`~Seat.settled` are out of its reach, and nobody else begins."""
        if not seat.seated:
            with seat, self.kept(seat):
                yield
            return
        while True:
            with self._lock:
                if self.holder is seat:
                    self._kept = True
                    break
            self.give(seat)
            self.take(seat)
        try:
            yield
        finally:
            self._kept = False

    def _pass_on(self) -> None:
        if self._waiting:
            _, _, seat = heapq.heappop(self._waiting)
            self._hand(seat)
            seat.called.release()
        else:
            self.holder = None

    def _hand(self, seat: Seat) -> None:
        now = time.perf_counter()
        if seat is not self._last:
            if self._last is not None:
                self._changed_hands = now
            self._last = seat
        self.holder = seat
        self._since = seat.since = now
        self._now = max(self._now, seat.used)
        seat.has_turn = True

    def _watch(self) -> None:
        """While somebody waits, take the turn away from whoever has it for too long. They go on beside the
        others, until they look; a thread cannot be held up in the middle of an op."""
        idle = 0.0
        while True:
            time.sleep(PATIENCE_SECONDS)
            with self._lock:
                idle = 0.0 if self._waiting else idle + PATIENCE_SECONDS
                if idle > WATCH_SECONDS:
                    self._watched = False
                    return
                late = time.perf_counter() - self._since >= PATIENCE_SECONDS
                if self._waiting and late and not self._kept:
                    self._pass_on()


class Seat:
    """A session's place among those that take turns. Its methods are for the session's own thread.

    Parameters
    ----------
    turns : Turns

    Attributes
    ----------
    seconds : float
        The time that the session has used.
    used : float
        The same by its clock, which is put forward where the session was away.
    waits : int
        How many turns it has waited for.
    seated : bool
        Whether the session is at work on a batch, and not aside.
    inside : bool
        Whether it has stopped in the middle of an op, and has arrays at hand.
    has_turn : bool
        Whether it runs, with a turn or with one that was taken away meanwhile.
    """

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.seconds = 0.0
        self.used = 0.0
        self.waits = 0
        self.since = 0.0
        self.seated = False
        self.inside = False
        self.has_turn = False
        # Released by whoever hands the turn over.
        self.called = threading.Lock()
        self.called.acquire()

    def __enter__(self) -> Seat:
        self.turns.take(self)
        self.seated = True
        _here.seat = self
        return self

    def __exit__(self, *error: object) -> None:
        _here.seat = None
        self.seated = False
        self.turns.give(self)

    @property
    def settled(self) -> bool:
        """Whether the session has stopped between two ops, and cannot go on while another has the turn."""
        return not (self.has_turn or self.inside)

    @property
    def idle(self) -> bool:
        """Whether it has stopped between two batches."""
        return self.settled and not self.seated

    def spend(self, now: float) -> None:
        """Add the time until now to the session's clock."""
        seconds = now - self.since
        self.since = now
        self.seconds += seconds
        self.used += seconds

    def look(self) -> None:
        """Between ops: let others have their turn, if they wait."""
        if self.seated:
            self.turns.look(self)

    def look_inside(self) -> None:
        """In the middle of an op, between its kernels: let others have their turn, if they wait."""
        if self.seated and (self.turns.contended or self.turns.holder is not self):
            before, self.inside = self.inside, True
            self.turns.look(self)
            self.inside = before


class Aside:
    """A context without the turn, if the thread has it: for what takes long, or waits.

    Parameters
    ----------
    works : bool
        Whether the time is one that the session uses, and not one in which it waits.
    """

    __slots__ = ("_inside", "_seat", "_works")

    def __init__(self, *, works: bool = False) -> None:
        self._works = works
        self._seat: Seat | None = None
        self._inside = False

    def __enter__(self) -> bool:
        """Returns whether others had turns in the last moments."""
        seat = getattr(_here, "seat", None)
        if seat is None or not seat.seated:
            return False
        self._seat = seat
        self._inside, seat.inside = seat.inside, True
        seat.seated = False
        seat.turns.give(seat)
        return seat.turns.shared

    def __exit__(self, *error: object) -> None:
        seat = self._seat
        if seat is None:
            return
        if self._works:
            seat.spend(time.perf_counter())
        seat.turns.take(seat)
        seat.seated = True
        seat.inside = self._inside
        # What was done aside may have had turns of its own.
        _here.seat = seat
