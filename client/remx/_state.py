"""What belongs to each thread: recording and training mode, the default context, and its random stream."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .context import Context

_thread_numbers = count()


class State(threading.local):
    """One thread's modes.

    Attributes
    ----------
    mode : int
        The RECORDING and TRAINING bits of the code words that this thread's ops get.
    contexts : list of Context
        The ``with`` blocks that the thread is in; the last one is its default context.
    """

    mode: int = 0

    def __init__(self) -> None:
        self.contexts: list[Context] = []
        self._random_stream = -1

    @property
    def random_stream(self) -> int:
        """The thread's number among those that use random numbers: MXNet keeps one random state for each."""
        if self._random_stream < 0:
            self._random_stream = next(_thread_numbers)
        return self._random_stream


STATE: Final = State()
