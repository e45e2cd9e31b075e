"""Random states that know how far they have come since they were seeded, and can go there again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from remx_contract.errors import LimitError
from remx_contract.v1 import stream_pb2

from .mt19937 import Lanes
from .random_state import LANES, RandomState
from .random_streams import RandomStreams

Counts = NDArray[np.int64]

MAX_WORDS: Final = 1 << 36
"""What a position may count of one generator: some minutes' way."""
_STEP_WORDS: Final = 1 << 12
_STEP_LANES: Final = 64


class CountedLanes(Lanes):
    """Lanes that count the words each has given since it was seeded.

    Attributes
    ----------
    given : ndarray of int64, shape (count,)
    """

    def __init__(self, first_seed: int, count: int) -> None:
        super().__init__(first_seed, count)
        self.given: Counts = np.zeros(count, np.int64)

    def reseed(self, first_seed: int) -> None:
        """Give every lane its new seed and start it again."""
        super().reseed(first_seed)
        self.given[:] = 0

    def advance(self, start: int, raw: Any, used: int | NDArray[np.intp]) -> None:
        """Use up words that `peek` returned, and count them."""
        super().advance(start, raw, used)
        self.given[start : start + len(raw)] += used

    def getstate(self) -> dict[str, NDArray[Any]]:
        """Return the first seed, the state words of the lanes in use, and what each has given, as copies."""
        return {**super().getstate(), "given": self.given.copy()}

    def setstate(self, state: dict[str, NDArray[Any]]) -> None:
        """Go back to what `getstate` returned."""
        given = np.asarray(state["given"])
        if given.dtype != np.int64 or given.shape != (self.count,) or (given < 0).any():
            raise ValueError(
                f"given must be {self.count} counts in int64, not {given.dtype} of {given.shape}"
            )
        super().setstate(state)
        self.given[:] = given

    def skip_to(self, given: Counts, stop: Callable[[], bool]) -> None:
        """Go on until each lane has given so many words, none of them fewer than now, or until told to
        stop."""
        left = given - self.given[: len(given)]
        for first in range(0, len(left), _STEP_LANES):
            group = left[first : first + _STEP_LANES]
            while group.any() and not stop():
                step = np.minimum(group, _STEP_WORDS)
                raw = self.peek(first, first + len(group), int(step.max()))
                self.advance(first, raw, step)
                group -= step


@dataclass(frozen=True)
class Position:
    """How far a random state has come.

    Attributes
    ----------
    seed : int
    for_context : bool
        As it was seeded.
    parallel : ndarray of int64
        The words that each lane has given, but for the lanes at the end that gave none.
    single : int
        The words that the single generator has given.
    """

    seed: int
    for_context: bool
    parallel: Counts
    single: int

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Position):
            return NotImplemented
        return (self.seed, self.for_context, self.single) == (
            other.seed,
            other.for_context,
            other.single,
        ) and np.array_equal(self.parallel, other.parallel)

    __hash__ = None  # type: ignore[assignment]

    def message(self) -> stream_pb2.Position:
        """The position as it crosses the wire."""
        return stream_pb2.Position(
            seed=self.seed,
            for_context=self.for_context,
            parallel=self.parallel.tolist(),
            single=self.single,
        )

    @classmethod
    def of(cls, message: stream_pb2.Position) -> Position:
        """The position in a message; LimitError for one that no state can be in, or that is too far to go."""
        parallel = message.parallel
        if len(parallel) > LANES or max((*parallel, message.single)) > MAX_WORDS:
            raise LimitError(
                f"a random position has at most {LANES} parallel generators and {MAX_WORDS} words of each"
            )
        counts = np.array(parallel, np.int64)
        return cls(message.seed, message.for_context, np.trim_zeros(counts, "b"), message.single)


class CountedState(RandomState):
    """A random state that knows its position."""

    def __init__(self) -> None:
        super().__init__()
        self._parallel: CountedLanes = CountedLanes(0, LANES)
        self._single: CountedLanes = CountedLanes(0, 1)
        self._seeded = (0, False)

    def seed(self, seed: int) -> None:
        """Start again, as ``mx.random.seed(seed)``."""
        super().seed(seed)
        self._seeded = (seed, False)

    def seed_context(self, seed: int) -> None:
        """Start again, as ``mx.random.seed(seed, ctx=...)``."""
        super().seed_context(seed)
        self._seeded = (seed, True)

    def getstate(self) -> dict[str, NDArray[Any]]:
        """Return the whole state as plain arrays, for `setstate`; what it was seeded with too."""
        seed, for_context = self._seeded
        return {**super().getstate(), "seed": np.array([seed, for_context], np.int64)}

    def setstate(self, state: dict[str, NDArray[Any]]) -> None:
        """Go back to a state that `getstate` returned; see `RandomState.setstate`."""
        seed = np.asarray(state["seed"])
        if seed.dtype != np.int64 or seed.shape != (2,):
            raise ValueError(f"seed must be two numbers in int64, not {seed.dtype} of shape {seed.shape}")
        super().setstate(state)
        self._seeded = (int(seed[0]), bool(seed[1]))

    @property
    def position(self) -> Position:
        """Where it is."""
        given = self._parallel.given
        return Position(*self._seeded, np.trim_zeros(given, "b").copy(), int(self._single.given[0]))

    def go_to(self, position: Position, stop: Callable[[], bool] = lambda: False) -> None:
        """Be as it was at a position: from here if that is ahead, otherwise from the seed.

        Parameters
        ----------
        position : Position
        stop : callable, optional
            Asked now and then on a long way; true ends it, and leaves the state somewhere.
        """
        wanted = np.zeros(LANES, np.int64)
        wanted[: len(position.parallel)] = position.parallel
        ahead = (self._parallel.given <= wanted).all() and self._single.given[0] <= position.single
        if self._seeded != (position.seed, position.for_context) or not ahead:
            (self.seed_context if position.for_context else self.seed)(position.seed)
        # Lanes that give nothing need no seeds.
        self._parallel.skip_to(wanted[: len(position.parallel)], stop)
        self._single.skip_to(np.array([position.single], np.int64), stop)


class CountedStreams(RandomStreams):
    """The random states of a session, which know their positions."""

    def of_thread(self, thread: int) -> RandomState:
        """The state of the client's thread of that number."""
        state = self._states.get(thread)
        if state is None:
            state = self._states[thread] = CountedState()
        return state

    def seed(self, thread: int, seed: int, *, for_context: bool) -> None:
        """Seed one thread's state, as ``mx.random.seed`` with or without a context."""
        self.counted(thread)
        super().seed(thread, seed, for_context=for_context)

    def counted(self, thread: int) -> CountedState:
        """The state of a thread; a new one if it draws from a generator that has no positions."""
        state = self._states.get(thread)
        if not isinstance(state, CountedState):
            state = self._states[thread] = CountedState()
        return state

    def position(self, thread: int) -> Position | None:
        """Where the state of a thread is; None for a generator that has no positions."""
        state = self.of_thread(thread)
        return state.position if isinstance(state, CountedState) else None
