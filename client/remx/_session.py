"""The client's side of a session: the queue of commands, its batches on the wire, and the waits.

An op appends a few numbers to ``code``. They leave as a batch when nothing is in flight, when enough have
gathered, when an acknowledgement comes, or when somebody waits. Dropped arrays leave their handles in
``dead``; the next batch tells the server.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from queue import Empty
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy.typing as npt
from remx_contract import CONTRACT_VERSION, codec
from remx_contract.catalogue import digest
from remx_contract.errors import DeviceError, MXNetError, SessionError
from remx_contract.status import from_failure
from remx_contract.v1 import stream_pb2

from . import _sites
from ._bulk import Bulk
from ._identity import client_id
from ._link import PING_SECONDS, Link
from ._stats import ReadWatch, Statistics
from ._waiters import Answer, Waiter, Waiters
from .context import Context

if TYPE_CHECKING:
    from ._custom import Function
    from ._dispatch import Plan, SpecRef
    from ._transport import Transport

MIN_BATCH_WORDS: Final = 2048
MAX_BATCH_WORDS: Final = 16384
"""A batch leaves when it is as large as all that is in flight, within these bounds: about 400 to 3,300 ops.
The first ones leave soon, so that the server does not wait, and later ones are few."""
BATCH_BYTES: Final = 1 << 18
"""A batch leaves when it has this much inline data: on a slow link, its acknowledgement is the sign of
life."""
GATHERED_WORDS: Final = 1 << 17
"""A batch that is gathered leaves when it is as large as this, about 10,000 fills."""
WINDOW_WORDS: Final = 1 << 19
"""Code words that may be unacknowledged, about 100,000 ops: several times a pipe of 40 ms at 5 us an op."""
WINDOW_BYTES: Final = 64 << 20
"""Inline data that may be unacknowledged."""
YIELD_EVERY_SECONDS: Final = 0.0005
YIELD_SECONDS: Final = 0.0001
"""How often a program that issues ops without a pause leaves the interpreter to the transport, and how
long."""

next_handle: Final = count(1).__next__
"""Handles are unique in the process, so that one session's handle means nothing to another."""

Array = npt.NDArray[Any]
AnyAnswer = TypeVar("AnyAnswer", bound=Answer)


class Session:
    """A session on a server.

    Parameters
    ----------
    transport : Transport
    timeout : float
        How many seconds the server has to answer the handshake.
    on_close : callable, optional
        Called once when the session is closed (stops an embedded server).
    patience : float, optional
        For how many seconds a connection that broke is tried again; as long as the server keeps the session
        by default, 0 for not at all.
    take_over : bytes
        The token of a session to take over; empty for a new one.

    Raises
    ------
    MXNetError
        What the server says against the handshake, or ServerUnreachableError.
    """

    def __init__(
        self,
        transport: Transport,
        timeout: float = 10.0,
        on_close: Callable[[], None] | None = None,
        *,
        patience: float | None = None,
        take_over: bytes = b"",
    ) -> None:
        self._transport = transport
        self._on_close = on_close
        self.code: list[int] = []
        self.extend = self.code.extend
        self.limit = 1
        self.dead: deque[int] = deque()
        self.release = self.dead.append
        self.dead_specs: deque[int] = deque()
        self.plans: dict[Any, Plan] = {}
        self.spec_refs: weakref.WeakValueDictionary[Any, SpecRef] = weakref.WeakValueDictionary()
        self.ops = 0
        self.lock = threading.Lock()
        self._gathering = 0
        self._commands: list[stream_pb2.Command] = []
        self._command_bytes = 0
        self._acknowledged = threading.Condition()
        # The batches that are not acknowledged, with their words and bytes of data.
        self._in_flight: deque[tuple[stream_pb2.Batch, int, int]] = deque()
        self._flying_words = 0
        self._flying_bytes = 0
        self._sequence = 0
        self.waiters = Waiters()
        # By number, those that the server's tape can come to.
        self.functions: dict[int, Function] = {}
        self._yielded = 0.0
        self._failed: MXNetError | None = None
        self._counts = Statistics()
        self._reads = ReadWatch()
        self._ended = threading.Event()
        self._link = Link(transport, self, self.lock, patience)
        self.bulk = Bulk(transport, self._link)
        self._shake_hands(timeout, take_over)
        self.devices = list(self._link.welcome.devices)
        self.inline_limit: int = self._link.welcome.inline_limit
        self._gpus = {device.context.device_id for device in self.devices if device.context.device_type == 2}
        open_sessions.add(self)
        threading.Thread(target=self._keep_house, name="remx-housekeeper", daemon=True).start()

    def _shake_hands(self, timeout: float, take_over: bytes) -> None:
        hello = stream_pb2.Hello(
            contract_version=CONTRACT_VERSION,
            catalogue_digest=digest(),
            client=_client_name(),
            session=take_over,
            take_over=bool(take_over),
            client_id=client_id(),
        )
        self._link.open(hello, timeout)

    @property
    def server(self) -> str:
        """What the server is."""
        return self._link.welcome.server

    # Commands.

    def command(self, command: stream_pb2.Command, nbytes: int = 0) -> None:
        """Queue a command that is a message; ``nbytes`` is the data it carries."""
        with self.lock:
            self._commands.append(command)
            self._command_bytes += nbytes
            self.code.append(codec.CALL)
        if len(self.code) >= self.limit or self._command_bytes > BATCH_BYTES:
            self.flush()

    def release_now(self) -> None:
        """Release what was dropped so far before the op that comes next."""
        releases = _drain(self.dead)
        if releases:
            self.extend((_release_head(len(releases)), *releases))

    @contextmanager
    def one_batch(self) -> Iterator[None]:
        """Inside, commands wait for each other and leave in one batch; unless they are very many, or somebody
        waits for an answer."""
        with self.lock:
            self._gathering += 1
            self._set_limit()
        try:
            yield
        finally:
            with self.lock:
                self._gathering -= 1
                self._set_limit()
            self.flush()

    def _set_limit(self) -> None:
        """Decide at how many words the next batch leaves: at once where nothing is in flight. Not once the
        session has ended."""
        if self.limit < 0:
            return
        if self._gathering:
            self.limit = GATHERED_WORDS
        elif self._in_flight:
            self.limit = min(max(self._flying_words, MIN_BATCH_WORDS), MAX_BATCH_WORDS)
        else:
            self.limit = 1

    def flush(self) -> None:
        """Send what is queued as one batch; blocks while the window is full.

        Raises
        ------
        SessionError
            If the session has ended.
        """
        self._check()
        if self._window_is_full():
            self._wait_for_window()
        if self._send_batch() >= MIN_BATCH_WORDS:
            self._let_it_go()

    def _let_it_go(self) -> None:
        """Give the transport's threads a moment in the middle of a long run of ops.

        They need the interpreter to send a batch, and a busy program leaves it to them every 5 ms only; the
        server would have nothing to do meanwhile.
        """
        now = time.monotonic()
        if now - self._yielded > YIELD_EVERY_SECONDS:
            time.sleep(YIELD_SECONDS)
            self._yielded = time.monotonic()

    def _send_batch(self) -> int:
        """Send what is queued; returns how many code words that was."""
        with self.lock:
            # What was dropped is taken before the code: whatever used it is in the code already, and so goes
            # first.
            releases = _drain(self.dead)
            forget = _drain(self.dead_specs)
            length = len(self.code)
            words = self.code[:length]
            del self.code[:length]
            commands, self._commands = self._commands, []
            nbytes, self._command_bytes = self._command_bytes, 0
            if releases:
                words.append(_release_head(len(releases)))
                words += releases
            if forget:
                commands.append(stream_pb2.Command(forget=stream_pb2.Forget(spec_ids=forget)))
                words.append(codec.CALL)
            fetched = _drain(self.bulk.fetched)
            if not words and not fetched:
                return 0
            self._sequence += 1
            batch = stream_pb2.Batch(
                sequence=self._sequence,
                code=words,
                commands=commands,
                heard=self._link.confirm(),
                fetched=fetched,
            )
            self._in_flight.append((batch, len(words), nbytes))
            self._flying_words += len(words)
            self._flying_bytes += nbytes
            self._set_limit()
            self._counts.batches += 1
            self._link.send(stream_pb2.Up(batch=batch))
            return len(words)

    def resume(self, received: int) -> None:
        """There is a stream again, and the server has all batches up to this one: send the others again."""
        with self.lock:
            for batch, _, _ in self._in_flight:
                if batch.sequence > received:
                    self._transport.send(stream_pb2.Up(batch=batch))
            self._link.carry_on()

    def _window_is_full(self) -> bool:
        return self._flying_words > WINDOW_WORDS or self._flying_bytes > WINDOW_BYTES

    def _wait_for_window(self) -> None:
        started = time.monotonic()
        with self._acknowledged:
            while self._window_is_full() and self._failed is None:
                self._acknowledged.wait(PING_SECONDS)
                self._link.watch(started)
        self._counts.seconds_waited += time.monotonic() - started
        self._check()

    def _check(self) -> None:
        if self._failed is not None:
            self.code.clear()
            # A fresh one, since raising the same object again would pile up tracebacks.
            raise type(self._failed)(str(self._failed))

    def _keep_house(self) -> None:
        """Twice a second: release what an idle program dropped, and see whether the connection is there."""
        while not self._ended.wait(PING_SECONDS):
            idle = not self._in_flight and not self._gathering
            if (self.dead or self.dead_specs or self.bulk.fetched) and idle:
                self._send_batch()
            self._link.tick()
            self.bulk.watch()

    # What comes down, on the transport's thread.

    def on_message(self, message: stream_pb2.Down) -> None:
        """Handle one message of the server."""
        kind = message.WhichOneof("kind")
        if kind == "acknowledgement":
            self._on_acknowledgement(message.acknowledgement)
        elif kind == "reply":
            self.waiters.reply(message.reply)
        elif kind == "call":
            if not self.waiters.call(message.call):
                self._refuse(message.call)
        elif kind == "closed":
            self._link.end()
            self.fail(from_failure(message.closed))

    def _on_acknowledgement(self, message: stream_pb2.Acknowledgement) -> None:
        self._counts.live_handles = message.live_handles
        for number in message.dropped_functions:
            self.functions.pop(number, None)
        idle = self._settle(message.sequence)
        with self._acknowledged:
            self._acknowledged.notify_all()
        if idle and self.code and self._failed is None and not self._gathering:
            self._send_batch()

    def _settle(self, sequence: int) -> bool:
        """Batches up to this one have run: make room for others; returns whether none is in flight any more.

        Acknowledgements say so, and so do answers, which come before them.
        """
        with self.lock:
            flying = self._in_flight
            while flying and flying[0][0].sequence <= sequence:
                _, words, nbytes = flying.popleft()
                self._flying_words -= words
                self._flying_bytes -= nbytes
            if not flying and not self.code:
                self._set_limit()
            return not flying

    def fail(self, error: MXNetError) -> None:
        """End the session with an error that every wait and op raises from now on."""
        with self.lock:
            if self._failed is None:
                self._failed = error
            # Below any length: the next op calls flush, which raises.
            self.limit = -1
        self.waiters.end()
        self.functions.clear()
        with self._acknowledged:
            self._acknowledged.notify_all()
        self._ended.set()

    # Waits.

    def ask(self, *makers: Callable[[int], stream_pb2.Command]) -> list[Any]:
        """Send commands that are answered, and wait for the answers: one round trip for all.

        Raises
        ------
        MXNetError
            The first failure in the answers, naming the op and the line that issued it; or why the session
            ended.
        """
        self._check()
        started = time.monotonic()
        # An answer says that the batch of its command has arrived, which is this one or a later one.
        # Batches of other threads may be under way behind it, and have to be kept.
        first = self._sequence + 1
        waiters = []
        for make in makers:
            waiter = self.waiters.new()
            waiters.append(waiter)
            self.command(make(waiter.number))
        self.flush()
        replies = [self._receive(waiter, started) for waiter in waiters]
        self._settle(first)
        self._reads.note(self.ops, self._count_wait(started))
        return [_checked(reply) for reply in replies]

    def receive(self, waiter: Waiter) -> Answer:
        """Send what is queued and wait for the next answer of a backward pass: one round trip.

        Raises
        ------
        MXNetError
            A failure that is the answer, or why the session ended.
        """
        started = time.monotonic()
        self.flush()
        answer = self._receive(waiter, started)
        self._count_wait(started)
        self._counts.pauses += isinstance(answer, stream_pb2.Call)
        return _checked(answer)

    def _receive(self, waiter: Waiter, started: float) -> Answer:
        while True:
            try:
                answer = waiter.answers.get(timeout=PING_SECONDS)
                break
            except Empty:
                self._link.watch(started)
        if answer is None:
            self._check()
            raise SessionError("the session has ended")
        return answer

    def _count_wait(self, started: float) -> float:
        """Count a round trip; returns how long it took."""
        waited = time.monotonic() - started
        self._counts.round_trips += 1
        self._counts.seconds_waited += waited
        return waited

    def _refuse(self, call: stream_pb2.Call) -> None:
        """Answer a call whose backward pass was interrupted. On the transport's thread, which must not wait
        for the window."""
        with self.lock:
            resume = stream_pb2.Resume(call=call.call, failed=True)
            self._commands.append(stream_pb2.Command(resume=resume))
            self.code.append(codec.CALL)
        self._send_batch()

    def download(self, transfer: int, into: memoryview) -> None:
        """Fill memory with the bytes of a transfer that the server has published."""
        self.bulk.download(transfer, into)
        self._check()

    def upload(self, transfer: int, data: memoryview) -> None:
        """Send the bytes of a transfer, after the command that takes them."""
        self.flush()
        self.bulk.upload(transfer, data)
        self._check()

    @property
    def checked(self) -> bool:
        """Whether byte streams have a checksum."""
        return self.bulk.checked

    def barrier(self) -> None:
        """Return when everything is computed; raises the first failure that nobody has seen yet."""
        self.ask(lambda number: stream_pb2.Command(barrier=stream_pb2.Barrier(request=number)))

    def check_context(self, context: Context) -> None:
        """DeviceError unless the server has the device."""
        if context.device_typeid == 2 and context.device_id not in self._gpus:
            raise DeviceError(
                argument="ctx",
                got=repr(context),
                expected=f"a device of the server, which has {len(self._gpus)} GPUs",
            )

    # The end.

    @property
    def alive(self) -> bool:
        """Whether ops can still be sent."""
        return self._failed is None

    def statistics(self) -> Statistics:
        """What was counted so far."""
        counts = Statistics(**vars(self._counts))
        counts.ops = self.ops
        counts.seconds_waited += self.bulk.seconds
        counts.resumes = self._link.resumes
        counts.bytes_up, counts.bytes_down = self._transport.bytes_up, self._transport.bytes_down
        return counts

    @property
    def token(self) -> str:
        """What :func:`remx.session.attach` takes the session over by, ``secret@address``."""
        return f"{self._link.welcome.session.hex()}@{self._transport.target}"

    def detach(self, keep_seconds: float) -> None:
        """Leave the session running on the server, for another client to take over; here it ends."""
        if self._on_close is not None:
            raise SessionError(
                "an embedded server ends with this process, and its session with it; detach works with a "
                "server that runs on its own (remx-server, then mx.connect or REMX_SERVER)"
            )
        self.flush()
        self._link.detach(keep_seconds)
        self._check()
        self._part(SessionError("the session was detached: mx.session.attach(token) takes it over"))

    def close(self) -> None:
        """End the session; its arrays are gone. Closing twice is fine."""
        if self._failed is None:
            self._link.close()
        self._part(SessionError("the session was closed"))

    def _part(self, error: MXNetError) -> None:
        open_sessions.discard(self)
        self.fail(error)
        self._link.leave()
        if self._on_close is not None:
            self._on_close()
            self._on_close = None

    def __repr__(self) -> str:
        return f"<Session on {self.server}{'' if self.alive else ', ended'}>"

    def abandon_after_fork(self) -> None:
        """In a forked child: this session is the parent's; touch nothing of it, and say so at any use."""
        self._failed = SessionError(FORKED)
        self.limit = -1
        self.lock = threading.Lock()
        self._acknowledged = threading.Condition()
        self.waiters = Waiters()
        abandoned.append((self._transport, self._on_close))
        self._on_close = None


def _drain(numbers: deque[int]) -> list[int]:
    return [numbers.popleft() for _ in range(len(numbers))]


def _release_head(count: int) -> int:
    return codec.RELEASE | count << codec.COUNT_SHIFT


def _checked(answer: AnyAnswer) -> AnyAnswer:
    """The answer; raises the failure that it is."""
    if isinstance(answer, stream_pb2.Reply) and answer.WhichOneof("kind") == "failure":
        raise _located(answer.failure)
    return answer


def _located(failure: stream_pb2.Failure) -> MXNetError:
    """The error of a failure, with the line that issued the op."""
    error = from_failure(failure)
    place = _sites.describe(failure.site)
    if place:
        error.message = f"{error.message}\n  issued at {place}" if error.message else f"issued at {place}"
    return error


def _client_name() -> str:
    from ._version import __version__

    return f"remx {__version__}, pid {os.getpid()}"


FORKED: Final = (
    "this process was forked from one that was connected to a server, and gRPC does not survive a fork: "
    "start processes with multiprocessing's 'spawn' method, or connect only after forking"
)

open_sessions: Final[set[Session]] = set()
abandoned: Final[list[Any]] = []
"""Kept so that a forked child never runs the finalizers of its parent's connections."""
