"""The link: a session's connection, which is made again when it breaks.

One stream at a time carries what the session says. When it breaks, or nothing comes from it though the
server was asked, another one is opened with the session's token, and both sides send again what the other
has not seen. A wait only takes longer meanwhile.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol

from remx_contract.errors import MXNetError, ServerUnreachableError
from remx_contract.status import from_failure
from remx_contract.v1 import stream_pb2

from ._waiters import next_number

if TYPE_CHECKING:
    from ._transport import Transport

SILENCE_SECONDS: Final = 3.5
"""A stream from which nothing comes for so long, though the server was asked, has broken."""
PING_SECONDS: Final = 0.5
IDLE_TICKS: Final = 20
"""After so many ticks of PING_SECONDS without a sign of life an idle client asks for one: a session must
not be lost because nobody noticed that its connection is gone."""
FIRST_DELAY_SECONDS: Final = 0.05
LONGEST_DELAY_SECONDS: Final = 2.0
"""How long the pauses between attempts to connect again are; each is twice as long as the one before."""
ANSWER_SECONDS: Final = 5.0
"""How long the server has to answer such an attempt."""
TELL_SECONDS: Final = 2.0
"""When the user is told that the connection is gone."""
GOODBYE_SECONDS: Final = 1.0
"""How long the end of a session waits for the server to hear of it."""
CONFIRM_BYTES: Final = 1 << 20
"""How much may have come since the server was last told what has."""

log: Final = logging.getLogger("remx")


class Listener(Protocol):
    """What a link needs of its session."""

    def on_message(self, message: stream_pb2.Down) -> None:
        """A message came, for the first time."""

    def resume(self, received: int) -> None:
        """There is a stream again, and the server has all batches up to this one; calls
        :meth:`Link.carry_on`."""

    def fail(self, error: MXNetError) -> None:
        """There will be no stream any more."""


class _Stream:
    """One stream of a link, as the transport's listener."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.settled = threading.Event()
        self.welcomed = False
        self.error: MXNetError | None = None

    def on_message(self, message: stream_pb2.Down) -> None:
        self._link.on_message(self, message)

    def on_end(self, error: MXNetError) -> None:
        self._link.on_end(self, error)

    def settle(self, error: MXNetError | None) -> None:
        """It is known whether the server takes the session up."""
        self.error = error
        self.settled.set()


class Link:
    """A session's connection.

    Parameters
    ----------
    transport : Transport
    listener : Listener
    lock : Lock
        The session's, under which it sends: nothing leaves it while one stream takes the place of another.
    patience : float or None
        For how many seconds a connection that broke is tried again; None for as long as the server keeps the
        session.

    Attributes
    ----------
    up : bool
        Whether there is a stream. It changes under the session's lock only, so that nothing is sent twice.
    welcome : Welcome
        The server's first word.
    resumes : int
        How often the connection was made again.
    """

    def __init__(
        self, transport: Transport, listener: Listener, lock: threading.Lock, patience: float | None
    ) -> None:
        self.up = False
        self.welcome = stream_pb2.Welcome()
        self.resumes = 0
        self._transport = transport
        self._listener = listener
        self._patience = patience
        self._hello = stream_pb2.Hello()
        self._stream: _Stream | None = None
        self._lock = lock
        self._heard = 0
        self._unconfirmed = 0
        self._last_heard = time.monotonic()
        self._quiet_ticks = 0
        self._ticked_at = 0.0
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._detached = threading.Event()

    # The beginning and the end.

    def open(self, hello: stream_pb2.Hello, timeout: float) -> None:
        """Shake hands with the server; raises what it says against it."""
        self._hello = hello
        stream = self._stream = _Stream(self)
        self._transport.open(hello, stream)
        if not stream.settled.wait(timeout):
            stream.error = ServerUnreachableError(f"the server did not answer within {timeout:g} seconds")
        if stream.error is not None:
            self.leave()
            raise stream.error
        hello.session = self.welcome.session
        hello.take_over = False

    @property
    def patience(self) -> float:
        """For how many seconds a connection that broke is tried again."""
        lease = self.welcome.lease_seconds
        return lease if self._patience is None else min(lease, self._patience)

    def end(self) -> None:
        """The session is over: what waits for the connection need not wait any more."""
        self._ended.set()
        self.up = False
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """End the connection for good."""
        with self._lock:
            up, self.up = self.up, False
            # Whatever becomes of it, it is not to be made again.
            self._stream = None
        if up:
            self._transport.send(stream_pb2.Up(goodbye=stream_pb2.Goodbye()))
            self._transport.finish(GOODBYE_SECONDS)
        self.leave()

    def leave(self) -> None:
        """End the connection without a word; the server keeps the session."""
        self._stream = None
        self.end()
        self._transport.close()

    # What goes up.

    def send(self, message: stream_pb2.Up) -> None:
        """Send a message, unless there is no stream; the session sends what matters again."""
        if self.up:
            self._transport.send(message)

    def confirm(self) -> int:
        """The highest number of a message that has come, for the server to forget; the caller tells it."""
        self._unconfirmed = 0
        return self._heard

    def _ping(self) -> None:
        self.send(stream_pb2.Up(ping=stream_pb2.Ping(number=next_number(), heard=self.confirm())))

    def detach(self, keep_seconds: float) -> None:
        """Tell the server to keep the session for another client; returns when it has answered, or the
        session has ended."""
        started = time.monotonic()
        message = stream_pb2.Up(detach=stream_pb2.Detach(keep_seconds=keep_seconds))
        while not self._ended.is_set():
            with self._lock:
                # Again and again, since there may be another stream by now; it means the same any number of
                # times.
                self.send(message)
            if self._detached.wait(PING_SECONDS):
                return
            self.watch(started)

    # What comes down, on the transport's thread.

    def on_message(self, stream: _Stream, message: stream_pb2.Down) -> None:
        """Handle a message of a stream."""
        if stream is not self._stream:
            return
        self.on_progress()
        if message.number and not self._is_news(message):
            return
        kind = message.WhichOneof("kind")
        if kind == "welcome":
            self._on_welcome(stream, message.welcome)
        elif kind == "closed" and not stream.settled.is_set():
            stream.settle(from_failure(message.closed))
        elif kind == "detached":
            self._detached.set()
        else:
            self._listener.on_message(message)

    def _is_news(self, message: stream_pb2.Down) -> bool:
        """Whether a numbered message comes for the first time. The thread of a stream that broke may still be
        handling one that the next stream brings again."""
        with self._lock:
            if message.number <= self._heard:
                return False
            self._heard = message.number
        self._unconfirmed += len(message.reply.tensor.data) if message.HasField("reply") else 0
        if self._unconfirmed > CONFIRM_BYTES:
            self._ping()
        return True

    def on_progress(self) -> None:
        """The server gave a sign of life."""
        self._last_heard = time.monotonic()

    def _on_welcome(self, stream: _Stream, welcome: stream_pb2.Welcome) -> None:
        with self._lock:
            if self._stream is not stream:
                return
            stream.welcomed = True
        self.welcome = welcome
        if self._hello.session and not self._hello.take_over:
            self.resumes += 1
        self._listener.resume(welcome.received)
        stream.settle(None)

    def carry_on(self) -> None:
        """There is a stream; called by the session, with its lock, when it has sent again what it had to."""
        self.up = True
        with self._changed:
            self._changed.notify_all()

    # Breaks.

    def on_end(self, stream: _Stream, error: MXNetError) -> None:
        """A stream is over."""
        if stream is not self._stream:
            return
        if stream.settled.is_set():
            self._broken(stream, error)
        else:
            stream.settle(error)

    def _broken(self, stream: _Stream | None, error: MXNetError) -> None:
        with self._lock:
            if stream is None or self._stream is not stream:
                return
            self._stream = None
            self.up = False
        if not self.patience or not isinstance(error, ServerUnreachableError):
            self._give_up(error)
            return
        threading.Thread(target=self._reconnect, args=(error,), name="remx-reconnect", daemon=True).start()

    def _give_up(self, error: MXNetError) -> None:
        self.end()
        self._listener.fail(error)
        self._transport.close()

    def _reconnect(self, error: MXNetError) -> None:
        """Try to connect again until the server answers, or it has taken too long."""
        started = time.monotonic()
        delay = FIRST_DELAY_SECONDS
        told = False
        while not self._ended.is_set():
            outcome = self._attempt()
            if outcome is None:
                if told:
                    log.warning("connected again after %.1f seconds", time.monotonic() - started)
                return
            if not isinstance(outcome, ServerUnreachableError):
                self._give_up(outcome)
                return
            gone = time.monotonic() - started
            if gone > self.patience:
                message = f"{error}; it could not be reached again within {gone:.0f} seconds"
                self._give_up(ServerUnreachableError(message))
                return
            if gone > TELL_SECONDS and not told:
                told = True
                log.warning("%s; trying for up to %.0f seconds to connect again", error, self.patience)
            # Clients that lost the same server do not come back all at once.
            self._ended.wait(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, LONGEST_DELAY_SECONDS)

    def _attempt(self) -> MXNetError | None:
        """Try to connect once; returns why that failed."""
        stream = _Stream(self)
        hello = stream_pb2.Hello()
        hello.CopyFrom(self._hello)
        hello.heard = self._heard
        self._stream = stream
        self._transport.open(hello, stream)
        stream.settled.wait(ANSWER_SECONDS)
        with self._lock:
            if not stream.welcomed:
                self._stream = None
        if stream.welcomed:
            stream.settled.wait()
            return None
        return stream.error or ServerUnreachableError("the server did not answer")

    def watch(self, started: float) -> None:
        """In the middle of a wait that started then: ask for a sign of life, or give the stream up when
        there was none for too long."""
        stream = self._stream
        if not self.up:
            return
        silent = time.monotonic() - max(started, self._last_heard)
        if silent > SILENCE_SECONDS:
            self._broken(
                stream, ServerUnreachableError(f"nothing came from the server for {silent:.1f} seconds")
            )
        elif silent > PING_SECONDS / 2:
            self._ping()

    def tick(self) -> None:
        """Every PING_SECONDS, whether or not somebody waits: notice a connection that is gone while the
        program does something else. Ticks are counted, since a process that is stopped hears nothing
        either."""
        self._quiet_ticks = self._quiet_ticks + 1 if self._ticked_at == self._last_heard else 0
        self._ticked_at = self._last_heard
        if not self.up:
            self._quiet_ticks = 0
        elif self._quiet_ticks > IDLE_TICKS + SILENCE_SECONDS / PING_SECONDS:
            self._broken(self._stream, ServerUnreachableError("nothing came from the server any more"))
        elif self._quiet_ticks >= IDLE_TICKS:
            self._ping()

    def wait_until_up(self) -> bool:
        """Wait until there is a stream; False when there will be none any more."""
        with self._changed:
            while not self.up and not self._ended.is_set():
                self._changed.wait(PING_SECONDS)
        return self.up
