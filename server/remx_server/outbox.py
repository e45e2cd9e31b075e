"""Outbox: what a session says to its client, in order, with a bound on what the client has not read yet."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Final

from remx_contract.errors import MXNetError
from remx_contract.status import to_failure
from remx_contract.v1 import stream_pb2

_ACKNOWLEDGE: Final = stream_pb2.Down()
_OVERHEAD: Final = 256
"""What a waiting message costs beside its bytes, roughly."""


class Outbox:
    """Messages for the client, with acknowledgements folded: only the newest waiting one is sent.

    Parameters
    ----------
    limit : int
        Bytes that may wait; who puts more is held up until the client has read some.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queue: SimpleQueue[tuple[stream_pb2.Down, int] | None] = SimpleQueue()
        self._acknowledged: tuple[int, int] | None = None
        self._dropped: list[int] = []
        self._room = threading.Condition()
        self._waiting = 0
        self._closed = False

    def put(self, message: stream_pb2.Down) -> None:
        """Queue a message; blocks while the client reads more slowly than it asks."""
        size = message.ByteSize() + _OVERHEAD
        with self._room:
            while self._waiting > self._limit and not self._closed:
                self._room.wait()
            if not self._closed:
                self._waiting += size
                self._queue.put((message, size))

    def acknowledge(self, sequence: int, live_handles: int, dropped_functions: deque[int]) -> None:
        """Queue an acknowledgement, or renew the one that is still waiting. What is told with it is taken out
        of ``dropped_functions``."""
        with self._room:
            while dropped_functions:
                self._dropped.append(dropped_functions.popleft())
            waiting = self._acknowledged is not None
            self._acknowledged = (sequence, live_handles)
            if not waiting and not self._closed:
                self._queue.put((_ACKNOWLEDGE, 0))

    def close(self, error: MXNetError | None = None) -> None:
        """Queue the last message, if the first call has one; nothing after it is sent."""
        with self._room:
            if self._closed:
                return
            self._closed = True
            if error is not None:
                self._queue.put((stream_pb2.Down(closed=to_failure(error)), 0))
            self._queue.put(None)
            self._room.notify_all()

    def __iter__(self) -> Iterator[stream_pb2.Down]:
        while (entry := self._queue.get()) is not None:
            message, size = entry
            with self._room:
                if message is _ACKNOWLEDGE:
                    sequence, live = self._acknowledged or (0, 0)
                    self._acknowledged = None
                    message = stream_pb2.Down(
                        acknowledgement=stream_pb2.Acknowledgement(
                            sequence=sequence, live_handles=live, dropped_functions=self._dropped
                        )
                    )
                    self._dropped.clear()
                self._waiting -= size
                self._room.notify_all()
            yield message
