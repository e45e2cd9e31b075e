"""Outbox: what a session says to its client, in order, kept until the client has seen it.

A stream reads from a :class:`Line`. When the stream breaks, the next one gets a line of its own, on which
everything that the client has not seen comes once more.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Final

from remx_contract.errors import MXNetError
from remx_contract.status import to_failure
from remx_contract.v1 import stream_pb2

from .turns import Aside

_ACKNOWLEDGE: Final = stream_pb2.Down()
_PONG: Final = stream_pb2.Down()
"""Stand in the line for messages that are made when their turn comes, of what is newest then."""
_OVERHEAD: Final = 256
"""What a waiting message costs beside its bytes, roughly."""


class Line:
    """What one stream is to send: an iterator of messages, which ends when the stream is over.

    Parameters
    ----------
    outbox : Outbox
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._queue: SimpleQueue[stream_pb2.Down | None] = SimpleQueue()
        self.put = self._queue.put

    def end(self) -> None:
        """Send what is in the line, and nothing more."""
        self._queue.put(None)

    def __iter__(self) -> Iterator[stream_pb2.Down]:
        while (message := self._queue.get()) is not None:
            if message is _ACKNOWLEDGE or message is _PONG:
                message = self._outbox.newest(message)
            yield message


class Outbox:
    """Messages for the client.

    Those that matter are numbered, and kept until the client confirms their number. Acknowledgements and
    pongs are folded: only the newest waiting one is sent.

    Parameters
    ----------
    limit : int
        Bytes that may be kept; who puts more is held up until the client has confirmed some.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._changed = threading.Condition()
        self._kept: deque[tuple[stream_pb2.Down, int]] = deque()
        self._kept_bytes = 0
        self._number = 0
        self._line: Line | None = None
        self._acknowledged = (0, 0)
        self._acknowledging = False
        self._pong = 0
        self._ponging = False
        self._closed = False

    # What the session says.

    def put(self, message: stream_pb2.Down) -> None:
        """Queue a message; blocks while the client reads more slowly than it asks."""
        if self._kept_bytes > self._limit:
            with Aside(), self._changed:
                self._changed.wait_for(lambda: self._kept_bytes <= self._limit or self._closed)
        with self._changed:
            self._keep(message)

    def _keep(self, message: stream_pb2.Down) -> None:
        if self._closed:
            return
        self._number += 1
        message.number = self._number
        size = message.ByteSize() + _OVERHEAD
        self._kept.append((message, size))
        self._kept_bytes += size
        if self._line is not None:
            self._line.put(message)

    def acknowledge(self, sequence: int, live_handles: int, dropped_functions: deque[int]) -> None:
        """Queue an acknowledgement, or renew the one that is still waiting. What is told with it is taken out
        of ``dropped_functions``."""
        with self._changed:
            self._acknowledged = (sequence, live_handles)
            if dropped_functions:
                dropped = [dropped_functions.popleft() for _ in range(len(dropped_functions))]
                self._keep(_acknowledgement(sequence, live_handles, dropped))
            elif self._line is not None and not self._acknowledging:
                self._acknowledging = True
                self._line.put(_ACKNOWLEDGE)

    def pong(self, number: int = 0) -> None:
        """Queue a sign of life, or renew the one that is still waiting."""
        with self._changed:
            self._pong = number
            if self._line is not None and not self._ponging:
                self._ponging = True
                self._line.put(_PONG)

    def newest(self, stand_in: stream_pb2.Down) -> stream_pb2.Down:
        """The message that a stand-in in the line stands for."""
        with self._changed:
            if stand_in is _PONG:
                self._ponging = False
                return stream_pb2.Down(pong=stream_pb2.Pong(number=self._pong))
            self._acknowledging = False
            return _acknowledgement(*self._acknowledged)

    def close(self, error: MXNetError | None = None) -> None:
        """Queue the last message, if the first call has one; nothing after it is sent."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            if self._line is not None:
                if error is not None:
                    self._line.put(stream_pb2.Down(closed=to_failure(error)))
                self._line.end()
            self._changed.notify_all()

    # What streams and their clients do.

    def attach(self, heard: int) -> Line:
        """The line of a new stream: all that is kept beyond number ``heard``, and whatever follows."""
        self.confirm(heard)
        with self._changed:
            line = Line(self)
            for message, _ in self._kept:
                line.put(message)
            self._ponging = False
            self._acknowledging = self._acknowledged[0] > 0
            if self._acknowledging:
                line.put(_ACKNOWLEDGE)
            if self._line is not None:
                self._line.end()
            self._line = line
            if self._closed:
                line.end()
            return line

    def detach(self, line: Line) -> None:
        """A stream is over."""
        line.end()
        with self._changed:
            if self._line is line:
                self._line = None

    def confirm(self, number: int) -> None:
        """The client has seen all messages up to a number."""
        kept = self._kept
        with self._changed:
            if not kept or kept[0][0].number > number:
                return
            while kept and kept[0][0].number <= number:
                _, size = kept.popleft()
                self._kept_bytes -= size
            self._changed.notify_all()


def _acknowledgement(sequence: int, live_handles: int, dropped: list[int] | None = None) -> stream_pb2.Down:
    return stream_pb2.Down(
        acknowledgement=stream_pb2.Acknowledgement(
            sequence=sequence, live_handles=live_handles, dropped_functions=dropped
        )
    )
