"""Readers of streams, each in a thread of its own: the first message says for whom the others are."""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from remx_contract.errors import InternalError, MXNetError, ProtocolError
from remx_contract.v1 import stream_pb2

from .intake import SupersededError
from .log import log
from .outbox import Line
from .session import Session

Message = TypeVar("Message")
Taker = TypeVar("Taker")


class HeadReader(ABC, Generic[Message, Taker]):
    """Reads a stream in a thread of its own: first its first message, then, once it is known for whom, the
    others.

    Parameters
    ----------
    incoming : iterator
    """

    def __init__(self, incoming: Iterator[Message]) -> None:
        self.incoming = incoming
        self._first: SimpleQueue[Message | None] = SimpleQueue()
        self._taker: SimpleQueue[Taker | None] = SimpleQueue()
        threading.Thread(target=self._read, name="reader", daemon=True).start()

    def first(self, timeout: float) -> Message | None:
        """The first message, None for a stream that ended without; ProtocolError if it does not come."""
        try:
            return self._first.get(timeout=timeout)
        except Empty:
            raise ProtocolError(f"no Hello came within {timeout:g} seconds") from None

    def go_on(self, taker: Taker) -> None:
        """Pass the stream on; the first time that something is said of it counts."""
        self._taker.put(taker)

    def stop(self) -> None:
        """Nobody wants what follows, unless it is passed on already."""
        self._taker.put(None)

    def _read(self) -> None:
        first = None
        # gRPC raises its own classes when a client is gone; nobody is left to tell.
        with contextlib.suppress(Exception):
            first = next(self.incoming, None)
        self._first.put(first)
        taker = self._taker.get()
        if taker is not None:
            self.pass_on(first, taker)

    @abstractmethod
    def pass_on(self, first: Message | None, taker: Taker) -> None:
        """Pass the stream on, to its end. Its first message has been read; None for a stream without."""


class Reader(HeadReader[stream_pb2.Up, tuple[Session, Line]]):
    """Hands what comes up a session's stream to the session, which answers in a line."""

    def pass_on(self, first: stream_pb2.Up | None, taker: tuple[Session, Line]) -> None:
        """Pass what comes after the Hello on, until the stream ends, in good order or not."""
        session, line = taker
        try:
            while (message := self._next(session)) is not None and _pass(message, session, line):
                pass
        except SupersededError:
            pass
        except MXNetError as error:
            log.warning("session failed", extra={**session.labels, "reason": error.reason})
            session.close(error)
        except Exception as error:
            log.exception("session crashed", extra=session.labels)
            session.close(InternalError(f"{type(error).__name__}: {error}"))
        session.detach(line)

    def _next(self, session: Session) -> stream_pb2.Up | None:
        try:
            return next(self.incoming, None)
        except Exception as error:
            # As above: the client is gone.
            log.info("stream broke", extra={**session.labels, "error": type(error).__name__})
            return None


def _pass(message: stream_pb2.Up, session: Session, line: Line) -> bool:
    """Pass one message on; False after the last one."""
    kind = message.WhichOneof("kind")
    if kind == "batch":
        session.submit(message.batch, line)
    elif kind == "ping":
        session.ping(message.ping, line)
    elif kind == "detach":
        session.leave(message.detach, line)
    elif kind == "goodbye":
        session.close_by(line)
    else:
        raise ProtocolError("a message that has no place in the middle of a stream")
    return kind != "goodbye"
