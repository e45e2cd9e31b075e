"""Answering calls that come over links, in the way that gRPC has them answered."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Final, NoReturn

from .frames import END, MESSAGE, Json, Link, LinkBrokenError, Outcome, unpack_metadata
from .log import log

_UNKNOWN: Final = 2
_UNIMPLEMENTED: Final = 12
_INTERNAL: Final = 13


class Context:
    """What the edge wants of gRPC, for a call that comes over a link.

    Parameters
    ----------
    link : Link
    metadata : sequence of (str, str or bytes)
    peer : str
        The client's address.
    """

    def __init__(self, link: Link, metadata: tuple[tuple[str, str | bytes], ...], peer: str) -> None:
        self._link = link
        self._metadata = metadata
        self._peer = peer
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] | None = []
        self._trailers: tuple[tuple[str, str | bytes], ...] = ()
        self.outcome: Outcome | None = None

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """What came with the call."""
        return self._metadata

    def peer(self) -> str:
        """The client's address."""
        return self._peer

    def is_active(self) -> bool:
        """Whether the call is not over."""
        return self._callbacks is not None

    def time_remaining(self) -> None:
        """Deadlines are the front's business."""

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Have a function called when the call is over; False where it is over already."""
        with self._lock:
            if self._callbacks is None:
                return False
            self._callbacks.append(callback)
            return True

    def set_trailing_metadata(self, trailers: Any) -> None:
        """What goes with the end of the call."""
        self._trailers = tuple(trailers)

    def abort_with_status(self, status: Any) -> NoReturn:
        """End the call with a status."""
        self.abort(status.code, status.details, tuple(status.trailing_metadata or ()))

    def abort(self, code: Any, details: str, trailers: tuple[tuple[str, str | bytes], ...] = ()) -> NoReturn:
        """End the call with a code."""
        self.outcome = Outcome(code.value[0], details, trailers + self._trailers)
        raise _AbortedError

    def over(self) -> None:
        """The call is over: the client has its answer, or does not want it any more."""
        with self._lock:
            callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback()

    def give_up(self) -> None:
        """The client is gone."""
        self._link.break_off()
        self.over()

    def messages(self, deserialize: Callable[[bytes], Any] | None) -> Iterator[Any]:
        """What the client says, until it has nothing more to say."""
        try:
            while True:
                kind, data = self._link.receive()
                if kind != MESSAGE:
                    return
                yield deserialize(data) if deserialize else data
        except LinkBrokenError:
            self.over()
            raise
        except Exception:
            self.outcome = Outcome(_INTERNAL, "Exception deserializing request!")
            raise
        finally:
            self._link.done_reading()


class _AbortedError(Exception):
    """Ends the handler of a call whose outcome is decided."""


class Calls:
    """The calls that run.

    Parameters
    ----------
    find : callable
        From what names a method to its handler, or None: ``GenericRpcHandler.service``.
    """

    def __init__(self, find: Callable[[Any], Any]) -> None:
        self._find = find
        self._changed = threading.Condition()
        self._running: dict[int, Context] = {}

    def start(self, number: int, header: Json, end: socket.socket) -> None:
        """Run a call in a thread of its own."""
        link = Link(end)
        context = Context(link, unpack_metadata(header["metadata"]), header["peer"])
        with self._changed:
            self._running[number] = context
        arguments = (number, header["method"], link, context)
        threading.Thread(target=self._run, args=arguments, name=f"call-{number}", daemon=True).start()

    def give_up(self, number: int) -> None:
        """The client of a call is gone."""
        with self._changed:
            context = self._running.get(number)
        if context is not None:
            context.give_up()

    def wait(self, timeout: float) -> None:
        """Wait until no call runs."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running, timeout)

    def _run(self, number: int, method: str, link: Link, context: Context) -> None:
        handler = self._find(SimpleNamespace(method=method, invocation_metadata=()))
        try:
            outcome = _answer(handler, link, context)
            with contextlib.suppress(LinkBrokenError):
                link.send(outcome.to_bytes(), END)
        except LinkBrokenError:
            pass
        finally:
            context.over()
            link.done_writing()
            with self._changed:
                self._running.pop(number, None)
                self._changed.notify_all()


def _answer(handler: Any, link: Link, context: Context) -> Outcome:
    """Run the handler of a call and send what it answers; returns how the call ended."""
    if handler is None:
        return Outcome(_UNIMPLEMENTED, "Method not found!")
    serialize = handler.response_serializer or bytes
    try:
        messages = context.messages(handler.request_deserializer)
        request = messages if handler.request_streaming else next(messages)
        behaviour = getattr(handler, _BEHAVIOURS[handler.request_streaming, handler.response_streaming])
        answers = behaviour(request, context)
        for answer in answers if handler.response_streaming else (answers,):
            link.send(serialize(answer))
    except (_AbortedError, LinkBrokenError):
        pass
    except Exception as error:
        if context.outcome is None:
            log.exception("call failed")
            context.outcome = Outcome(_UNKNOWN, f"{type(error).__name__}: {error}")
    return context.outcome or Outcome()


_BEHAVIOURS: Final = {
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}
