"""The random states of a session: one for each of its client's threads, as in MXNet."""

from __future__ import annotations

from collections.abc import Mapping

from .philox import PhiloxState
from .random_state import RandomState


class RandomStreams:
    """Thread number -> random state, made when first used; an unseeded one is MXNet's, of seed 0."""

    def __init__(self) -> None:
        self._states: dict[int, RandomState | PhiloxState] = {}

    def of_thread(self, thread: int) -> RandomState | PhiloxState:
        """The state of the client's thread of that number."""
        state = self._states.get(thread)
        if state is None:
            state = self._states[thread] = RandomState()
        return state

    def seed(self, thread: int, seed: int, *, for_context: bool) -> None:
        """Seed one thread's state, as ``mx.random.seed`` with or without a context."""
        state = self.of_thread(thread)
        if isinstance(state, PhiloxState):
            state = self._states[thread] = RandomState()
        if for_context:
            state.seed_context(seed)
        else:
            state.seed(seed)

    def states(self) -> dict[int, RandomState | PhiloxState]:
        """The states by thread, of those threads that have used random numbers."""
        return dict(self._states)

    def replace(self, states: Mapping[int, RandomState | PhiloxState]) -> None:
        """Have these states and no others; those of `states` are used, not copied."""
        self._states = dict(states)

    def seed_philox(self, thread: int, seed: int) -> None:
        """Let one thread draw from a Philox generator until it is seeded again."""
        self._states[thread] = PhiloxState(seed)
