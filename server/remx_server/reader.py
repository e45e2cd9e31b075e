"""The reader: takes what comes up a session's stream, in a thread of its own, and hands it to the session."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Empty, SimpleQueue

from remx_contract.errors import InternalError, MXNetError, ProtocolError
from remx_contract.v1 import stream_pb2

from .intake import SupersededError
from .log import log
from .outbox import Line
from .session import Session


class Reader:
    """Reads a stream in a thread of its own: first its first message, then, for a session, the others.

    Parameters
    ----------
    incoming : iterator of Up
    """

    def __init__(self, incoming: Iterator[stream_pb2.Up]) -> None:
        self._incoming = incoming
        self._first: SimpleQueue[stream_pb2.Up | None] = SimpleQueue()
        self._stream: SimpleQueue[tuple[Session, Line] | None] = SimpleQueue()
        threading.Thread(target=self._read, name="reader", daemon=True).start()

    def first(self, timeout: float) -> stream_pb2.Up | None:
        """The first message, None for a stream that ended without; ProtocolError if it does not come."""
        try:
            return self._first.get(timeout=timeout)
        except Empty:
            raise ProtocolError(f"no Hello came within {timeout:g} seconds") from None

    def go_on(self, session: Session, line: Line) -> None:
        """Pass what follows on to a session, which answers in a line."""
        self._stream.put((session, line))

    def stop(self) -> None:
        """Nobody wants what follows, unless it is passed on already."""
        self._stream.put(None)

    def _read(self) -> None:
        try:
            self._first.put(next(self._incoming, None))
        except Exception:
            # gRPC raises its own classes when a client is gone; nobody is left to tell.
            self._first.put(None)
        stream = self._stream.get()
        if stream is not None:
            self._pass_on(*stream)

    def _pass_on(self, session: Session, line: Line) -> None:
        """Pass what comes up on to the session until the stream ends, in good order or not."""
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
            return next(self._incoming, None)
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
