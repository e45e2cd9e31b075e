"""The client's side of a session: the queue of commands, its batches on the wire, and the waits.

An op appends a few numbers to ``code``. They leave as a batch when nothing is in flight, when enough have
gathered, when an acknowledgement comes, or when somebody waits. Dropped arrays leave their handles in
``dead``; the next batch tells the server.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from remx_contract import CONTRACT_VERSION, codec
from remx_contract.catalogue import digest
from remx_contract.errors import (
    DeviceError,
    MXNetError,
    ServerUnreachableError,
    SessionError,
)
from remx_contract.spec import TensorSpec
from remx_contract.status import from_failure
from remx_contract.v1 import stream_pb2

from . import _sites
from ._transport import Transport
from .context import Context

BATCH_WORDS: Final = 2048
"""A batch leaves when it has this many code words, about 400 ops, even if others are in flight."""
WINDOW_WORDS: Final = 1 << 19
"""Code words that may be unacknowledged, about 100,000 ops: enough to fill a pipe of 40 ms at 5 us an op
several times over."""
WINDOW_BYTES: Final = 64 << 20
"""Inline data that may be unacknowledged."""
SILENCE_SECONDS: Final = 4.0
"""A server from which nothing comes for so long, though it was asked, is unreachable."""
PING_SECONDS: Final = 1.0

next_handle: Final = count(1).__next__
"""Handles are unique in the process, so that one session's handle means nothing to another."""
_next_number: Final = count(1).__next__

Array = npt.NDArray[Any]


class PerformanceWarning(UserWarning):
    """A program waits for the server more often than it needs to."""


class Waiter:
    """A reply that somebody waits for."""

    __slots__ = ("error", "event", "reply")

    def __init__(self) -> None:
        self.event = threading.Event()
        self.reply: stream_pb2.Reply | None = None
        self.error: MXNetError | None = None


class Session:
    """A session on a server.

    Parameters
    ----------
    transport : Transport
    timeout : float
        How many seconds the server has to answer the handshake.
    on_close : callable, optional
        Called once when the session is closed (stops an embedded server).

    Raises
    ------
    MXNetError
        What the server says against the handshake, or ServerUnreachableError.
    """

    def __init__(
        self, transport: Transport, timeout: float = 10.0, on_close: Callable[[], None] | None = None
    ) -> None:
        self._transport = transport
        self._on_close = on_close
        self.code: list[int] = []
        self.extend = self.code.extend
        self.limit = 1
        self.dead: deque[int] = deque()
        self.release = self.dead.append
        self.dead_specs: deque[int] = deque()
        self.plans: dict[Any, Any] = {}
        self.spec_refs: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()
        self._commands: list[stream_pb2.Command] = []
        self._command_bytes = 0
        self.lock = threading.Lock()
        self._acknowledged = threading.Condition(threading.Lock())
        self._in_flight: deque[tuple[int, int, int]] = deque()
        self._flying_words = 0
        self._flying_bytes = 0
        self._sequence = 0
        self._waiters: dict[int, Waiter] = {}
        self._failed: MXNetError | None = None
        self._last_heard = time.monotonic()
        self._welcome: stream_pb2.Welcome | None = None
        self._welcomed = threading.Event()
        self.ops = 0
        self.stats = Statistics()
        self._reads = ReadWatch()
        hello = stream_pb2.Hello(
            contract_version=CONTRACT_VERSION, catalogue_digest=digest(), client=_client_name()
        )
        transport.open(hello, self)
        if not self._welcomed.wait(timeout) and self._failed is None:
            self._fail(ServerUnreachableError(f"the server did not answer within {timeout:g} seconds"))
        if self._failed is not None or self._welcome is None:
            error = self._failed
            self.close()
            raise error or ServerUnreachableError("the server ended the session at once")
        self.devices = list(self._welcome.devices)
        self._device_keys = {
            (device.context.device_type, device.context.device_id) for device in self.devices
        }
        self.inline_limit = self._welcome.inline_limit
        _register(self)

    @property
    def server(self) -> str:
        """What the server is."""
        return self._welcome.server if self._welcome else ""

    # Commands.

    def command(self, command: stream_pb2.Command, nbytes: int = 0) -> None:
        """Queue a command that is a message; ``nbytes`` is the data it carries."""
        with self.lock:
            self._commands.append(command)
            self._command_bytes += nbytes
            self.code.append(codec.CALL)
        if (nbytes and self._command_bytes > WINDOW_BYTES // 8) or len(self.code) >= self.limit:
            self.flush()

    def release_now(self) -> None:
        """Release what was dropped so far before the op that comes next."""
        dead = self.dead
        for _ in range(len(dead)):
            self.extend((codec.RELEASE, dead.popleft()))

    def flush(self) -> None:
        """Send what is queued as one batch; blocks while the window is full.

        Raises
        ------
        SessionError
            If the session has ended.
        """
        self._check()
        if self._flying_words > WINDOW_WORDS or self._flying_bytes > WINDOW_BYTES:
            self._wait_for_window()
        self._send_batch()

    def _send_batch(self) -> None:
        with self.lock:
            # Dead handles first: whatever used them is in `code` already, and is sent before their release.
            dead = self.dead
            releases = [dead.popleft() for _ in range(len(dead))]
            length = len(self.code)
            words = self.code[:length]
            del self.code[:length]
            commands, self._commands = self._commands, []
            nbytes, self._command_bytes = self._command_bytes, 0
            if self.dead_specs:
                forget = [self.dead_specs.popleft() for _ in range(len(self.dead_specs))]
                commands.append(stream_pb2.Command(forget=stream_pb2.Forget(spec_ids=forget)))
                words.append(codec.CALL)
            for handle in releases:
                words.append(codec.RELEASE)
                words.append(handle)
            if not words:
                return
            self._sequence += 1
            batch = stream_pb2.Batch(sequence=self._sequence, code=words, commands=commands)
            self._in_flight.append((self._sequence, len(words), nbytes))
            self._flying_words += len(words)
            self._flying_bytes += nbytes
            if self.limit > 0:
                self.limit = BATCH_WORDS
            self.stats.batches += 1
            self.stats.bytes_up += nbytes + 3 * len(words)
            self._transport.send(stream_pb2.Up(batch=batch))

    def _wait_for_window(self) -> None:
        started = time.monotonic()
        with self._acknowledged:
            while (
                self._flying_words > WINDOW_WORDS or self._flying_bytes > WINDOW_BYTES
            ) and not self._failed:
                self._acknowledged.wait(PING_SECONDS)
                self._watch(started)
        self.stats.seconds_waited += time.monotonic() - started
        self._check()

    def _check(self) -> None:
        if self._failed is not None:
            # A fresh one, since raising the same object again would pile up tracebacks.
            raise type(self._failed)(str(self._failed))

    # What comes down, on the transport's thread.

    def on_message(self, message: stream_pb2.Down) -> None:
        """Handle one message of the server."""
        self._last_heard = time.monotonic()
        kind = message.WhichOneof("kind")
        if kind == "acknowledgement":
            self._on_acknowledgement(message.acknowledgement)
        elif kind == "reply":
            waiter = self._waiters.pop(message.reply.request, None)
            if waiter is not None:
                waiter.reply = message.reply
                waiter.event.set()
        elif kind == "welcome":
            self._welcome = message.welcome
            self._welcomed.set()
        elif kind == "closed":
            self._fail(from_failure(message.closed))

    def _on_acknowledgement(self, message: stream_pb2.Acknowledgement) -> None:
        with self.lock:
            flying = self._in_flight
            while flying and flying[0][0] <= message.sequence:
                _, words, nbytes = flying.popleft()
                self._flying_words -= words
                self._flying_bytes -= nbytes
            self.stats.live_handles = message.live_handles
            idle = not flying
            if idle and not self.code and self.limit > 0:
                self.limit = 1
        with self._acknowledged:
            self._acknowledged.notify_all()
        if idle and self.code and self._failed is None:
            self._send_batch()

    def on_end(self, error: MXNetError) -> None:
        """The stream is over."""
        self._fail(error)

    def _fail(self, error: MXNetError) -> None:
        """End the session with an error that every wait and op raises from now on."""
        with self.lock:
            if self._failed is None:
                self._failed = error
            # Below any length: the next op calls flush, which raises.
            self.limit = -1
            waiters = list(self._waiters.values())
            self._waiters.clear()
        for waiter in waiters:
            waiter.error = self._failed
            waiter.event.set()
        with self._acknowledged:
            self._acknowledged.notify_all()
        self._welcomed.set()

    # Waits.

    def ask(self, make: Callable[[int], stream_pb2.Command]) -> stream_pb2.Reply:
        """Send a command that is answered, and wait for the answer.

        Raises
        ------
        MXNetError
            The failure in the answer, naming the op and the line that issued it; or why the session ended.
        """
        self._check()
        number = _next_number()
        waiter = Waiter()
        self._waiters[number] = waiter
        started = time.monotonic()
        self.command(make(number))
        self.flush()
        self.stats.round_trips += 1
        while not waiter.event.wait(PING_SECONDS):
            self._watch(started)
        self._last_wait = waited = time.monotonic() - started
        self.stats.seconds_waited += waited
        self._reads.note(self.ops, waited)
        if waiter.error is not None:
            raise type(waiter.error)(str(waiter.error))
        assert waiter.reply is not None
        if waiter.reply.WhichOneof("kind") == "failure":
            raise self._located(waiter.reply.failure)
        return waiter.reply

    def _watch(self, started: float) -> None:
        """In the middle of a wait: ask for a sign of life, or give up when there was none for too long."""
        silent = time.monotonic() - max(started, self._last_heard)
        if silent > SILENCE_SECONDS:
            self._fail(ServerUnreachableError(f"nothing came from the server for {silent:.1f} seconds"))
            self._transport.close()
        elif silent > PING_SECONDS / 2:
            self._transport.send(stream_pb2.Up(ping=stream_pb2.Ping(number=_next_number())))

    @staticmethod
    def _located(failure: stream_pb2.Failure) -> MXNetError:
        error = from_failure(failure)
        place = _sites.describe(failure.site)
        if place:
            error.message = f"{error.message}\n  issued at {place}" if error.message else f"issued at {place}"
        return error

    def read(self, handle: int, spec: TensorSpec) -> Array:
        """The values of a tensor, in a new array."""
        if spec.nbytes > self.inline_limit:
            return self._download(handle, spec)
        reply = self.ask(
            lambda number: stream_pb2.Command(read=stream_pb2.Read(request=number, handle=handle))
        )
        self.stats.bytes_down += spec.nbytes
        return codec.array_from_message(reply.tensor)

    def _download(self, handle: int, spec: TensorSpec) -> Array:
        transfer = _next_number()
        self.ask(
            lambda number: stream_pb2.Command(
                publish=stream_pb2.Publish(request=number, handle=handle, transfer=transfer)
            )
        )
        array = np.empty(spec.shape, spec.dtype)
        assert self._welcome is not None
        started = time.monotonic()
        view = memoryview(array.reshape(-1).view(np.uint8))
        self._transport.download(self._welcome.session, transfer, view)
        self.stats.seconds_waited += time.monotonic() - started
        self.stats.bytes_down += spec.nbytes
        return array

    def wait(self, handle: int) -> None:
        """Return when a tensor is computed; raises its failure."""
        self.ask(
            lambda number: stream_pb2.Command(
                read=stream_pb2.Read(request=number, handle=handle, only_wait=True)
            )
        )

    def barrier(self) -> None:
        """Return when everything is computed; raises the first failure that nobody has seen yet."""
        self.ask(lambda number: stream_pb2.Command(barrier=stream_pb2.Barrier(request=number)))

    # Data going up.

    def put(self, array: Array, context: Context, *, write_to: int = 0) -> int:
        """Make a tensor of an array's values (or write them to the tensor ``write_to``); returns the
        handle."""
        handle = write_to or next_handle()
        place = stream_pb2.Context(device_type=context.device_typeid, device_id=context.device_id)
        if array.nbytes <= self.inline_limit:
            tensor = codec.array_to_message(array)
            put = stream_pb2.Put(handle=handle, context=place, tensor=tensor, write=bool(write_to))
            self.command(stream_pb2.Command(put=put), array.nbytes)
            return handle
        transfer = _next_number()
        upload = stream_pb2.UploadTo(
            handle=handle,
            context=place,
            tensor=stream_pb2.Tensor(dtype=codec.CODE_OF[array.dtype], shape=array.shape),
            transfer=transfer,
            write=bool(write_to),
        )
        self._check()
        self.command(stream_pb2.Command(upload=upload))
        self.flush()
        assert self._welcome is not None
        data = memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
        self._transport.upload(self._welcome.session, transfer, data, lambda: None)
        self.stats.bytes_up += array.nbytes
        return handle

    def check_context(self, context: Context) -> None:
        """DeviceError unless the server has the device."""
        if context.device_typeid == 2 and (2, context.device_id) not in self._device_keys:
            gpus = sum(kind == 2 for kind, _ in self._device_keys)
            raise DeviceError(
                argument="ctx", got=repr(context), expected=f"a device of the server, which has {gpus} GPUs"
            )

    # The end.

    @property
    def alive(self) -> bool:
        """Whether ops can still be sent."""
        return self._failed is None

    def close(self) -> None:
        """End the session; its arrays are gone. Closing twice is fine."""
        _open_sessions.discard(self)
        if self._failed is None:
            self._transport.send(stream_pb2.Up(goodbye=stream_pb2.Goodbye()))
        self._fail(SessionError("the session was closed"))
        self._transport.close()
        if self._on_close is not None:
            self._on_close()
            self._on_close = None

    def abandon_after_fork(self) -> None:
        """In a forked child: this session belongs to the parent; touch nothing of it, and say so at any
        use."""
        self._failed = SessionError(_FORKED)
        self.limit = -1
        self.lock = threading.Lock()
        self._acknowledged = threading.Condition(threading.Lock())
        self._waiters = {}
        _abandoned.append((self._transport, self._on_close))
        self._on_close = None


class Statistics:
    """Counters of a session; :func:`remx.stats` shows them."""

    __slots__ = ("batches", "bytes_down", "bytes_up", "live_handles", "round_trips", "seconds_waited")

    def __init__(self) -> None:
        self.batches = 0
        self.round_trips = 0
        self.bytes_up = 0
        self.bytes_down = 0
        self.live_handles = 0
        self.seconds_waited = 0.0


class ReadWatch:
    """Notices a loop that reads a value every few ops, and warns once."""

    FEW_OPS: Final = 8
    MANY_READS: Final = 50
    LONG_SECONDS: Final = 1.0

    def __init__(self) -> None:
        self._ops = 0
        self._reads = 0
        self._waited = 0.0
        self._warned = False

    def note(self, ops: int, waited: float) -> None:
        """A value was read after ``ops`` ops in all, and it took ``waited`` seconds."""
        few = ops - self._ops <= self.FEW_OPS
        self._ops = ops
        if not few:
            self._reads, self._waited = 0, 0.0
            return
        self._reads += 1
        self._waited += waited
        if self._reads >= self.MANY_READS and self._waited >= self.LONG_SECONDS and not self._warned:
            self._warned = True
            warnings.warn(
                f"the last {self._reads} reads of a value came after at most {self.FEW_OPS} ops each and "
                f"waited "
                f"{self._waited:.1f} seconds for the server; read less often (keep losses as arrays and "
                f"read them "
                "together), see mx.stats()",
                PerformanceWarning,
                stacklevel=5,
            )


def _client_name() -> str:
    import platform

    from . import __version__

    return f"remx {__version__}, python {platform.python_version()}"


# The session that new arrays go to.

_FORKED: Final = (
    "this process was forked from one that was connected to a server, and gRPC does not survive a fork: "
    "start processes with multiprocessing's 'spawn' method, or connect only after forking"
)

_open_sessions: Final[set[Session]] = set()
# Kept so that a forked child never runs the finalizers of its parent's connections.
_abandoned: Final[list[Any]] = []
_current: Session | None = None
_ever_opened = False
_forked_connected = False
_current_lock = threading.Lock()


def _register(session: Session) -> None:
    global _ever_opened
    _ever_opened = True
    _open_sessions.add(session)


def current() -> Session:
    """The session that new arrays go to; opens one (``REMX_SERVER``, else an embedded server) at first
    use."""
    return _current if _current is not None else _open()


def _open() -> Session:
    global _current
    with _current_lock:
        if _current is None:
            from ._connect import open_default

            _current = open_default()
        return _current


def use(session: Session | None) -> None:
    """Make a session the one that new arrays go to (None: a new default one), closing the one before."""
    global _current
    with _current_lock:
        before, _current = _current, session
    if before is not None and before is not session:
        before.close()


def peek() -> Session | None:
    """The session that new arrays go to, if there is one."""
    return _current


def check_fork() -> None:
    """SessionError in a process that was forked from one that had connected."""
    if _forked_connected:
        raise SessionError(_FORKED)


def _after_fork_in_child() -> None:
    global _current_lock, _forked_connected
    _current_lock = threading.Lock()
    _forked_connected = _forked_connected or _ever_opened
    for session in list(_open_sessions):
        session.abandon_after_fork()
    _open_sessions.clear()


def close_all() -> None:
    """Close every session, at interpreter exit."""
    for session in list(_open_sessions):
        session.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
