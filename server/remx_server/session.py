"""Session: everything the server holds for one client, and the thread that runs its commands.

Batches come in through :meth:`Session.submit`; acknowledgements, replies and the last word go out through the
outbox. In between, one thread decodes code words, looks handles up in the tensor table and hands values to
the executor. Commands that are messages are in ``commands.py``, backward passes in ``calls.py``.

A session outlives the streams that its client speaks through: one that breaks detaches it, the next one
attaches it, and what either side has not seen of the other is sent again. Without a stream it ends when its
lease is over.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final

import numpy as np
from remx_contract import codec
from remx_contract.errors import (
    HandleError,
    InternalError,
    KernelError,
    LimitError,
    MXNetError,
    ProtocolError,
    SessionError,
    SessionLostError,
)
from remx_contract.v1 import stream_pb2

from . import tape
from .backend import Backend, Devices
from .calls import Calls
from .commands import Commands, tensor_spec
from .commons import Commons
from .config import Limits
from .counters import Counters
from .executor import Executor, OpSpec, poison
from .holdings import Usage, usage
from .keeping import Keeper
from .log import log
from .lost_gpu import LostGpuError
from .outbox import Line, Outbox
from .owners import ANYBODY, Owner
from .parameters import Parameters
from .philox import PhiloxState
from .positions import CountedStreams
from .random_state import RandomState
from .spills import Spills
from .transfers import Transfers
from .turns import SLICE_SECONDS, Aside, Seat
from .value import Failure, Value

_INVOKE: Final = codec.INVOKE
_RELEASE: Final = codec.RELEASE
_COUNT_SHIFT: Final = codec.COUNT_SHIFT
_CALL: Final = codec.CALL
_KIND: Final = codec.KIND_MASK
_MODE: Final = codec.RECORDING | codec.TRAINING
_SHIFT: Final = codec.SPEC_SHIFT
_WRITING: Final = codec.WRITING

HEARTBEAT_SECONDS: Final = 1.0
"""How often a client whose stream is held up hears that the server is there."""
_OVERHEAD: Final = 256
"""What a waiting batch costs beside its bytes, roughly."""
_MAX_FAILURES: Final = 16
"""How many failures wait for a barrier; the first ones are those that matter."""
_FAILED_HANDLES: Final = 1 << 20
"""How many tensors a session can have beyond its quota, all of which have failed."""
_SLICE_WORDS: Final = (16, 4096)
"""The least and the most code words that are run before others may have their turn."""


class SupersededError(Exception):
    """The stream that a message came through is not the session's any more."""


class Client:
    """Whom a session works for: what has come from it, and what it is told.

    Attributes
    ----------
    received : int
        The number of its last batch.
    client_id : bytes
        Names its process.
    """

    def __init__(
        self, limits: Limits, upload_quota: Callable[[], int | None], client_id: bytes = b""
    ) -> None:
        self.received = 0
        self.client_id = client_id
        self.outbox = Outbox(limits.unread_bytes)
        self.transfers = Transfers(limits, upload_quota)


_Entry = tuple[stream_pb2.Batch, int] | Client | Callable[[], None]
"""What a session's thread is given: a batch and its size, another client, or a function to call."""


class Session:
    """One client's tensors, specs, tape and random state, and the thread that runs its commands.

    Parameters
    ----------
    devices : Devices
    limits : Limits
    name : str
        What the log calls it.
    on_end : callable, optional
        Called by the session's thread when it is over and everything is freed.
    owner : Owner
        Whoever it belongs to.
    commons : Commons, optional
        What it shares with the other sessions of the server.
    """

    def __init__(
        self,
        devices: Devices,
        limits: Limits,
        name: str,
        on_end: Callable[[Session], None] = lambda session: None,
        owner: Owner = ANYBODY,
        commons: Commons | None = None,
    ) -> None:
        self.name = name
        # Replaced from outside, when the token file is read again; the session's thread looks at each batch.
        self.owner = owner
        self._owner_known = owner
        self.commons = commons or Commons(limits)
        self.seat = Seat(self.commons.turns)
        self._slice_words = _SLICE_WORDS[0]
        self.token = secrets.token_bytes(16)
        # The client's process, and what keeps checkpoints; both are set by whoever opens the session.
        self.client_id = b""
        self.keeper = Keeper()
        # Whether the client has said goodbye.
        self.finished = False
        self.counters = Counters()
        # What each line of the log about the session has.
        self.labels = {"session": name, "owner": owner.name, "request": ""}
        self.devices = devices
        self.limits = limits
        self.random = CountedStreams()
        self.executor = Executor(devices, self.random_of)
        self.parameters = Parameters()
        self.table: dict[int, Value] = {}
        self.specs: dict[int, OpSpec] = {}
        self.names: dict[str, Value] = {}
        self.applied = 0
        self.ops = 0
        self.resumes = 0
        self.failures: list[Failure] = []
        # Of the client that the session's thread works for; where another one has just taken the session
        # over, its own come when the thread has done what was asked before.
        self.client = Client(limits, self._upload_quota)
        self.outbox = self.client.outbox
        self.transfers = self.client.transfers
        # The client's Functions that the tape cannot come to any more.
        self.dropped_functions: deque[int] = deque()
        self.calls = Calls(self, limits.call_seconds)
        self._commands = Commands(self)
        self.spills = Spills(self)
        self.last_used = time.monotonic()
        self.meter = self.commons.accounts.open(self)
        self._set_up_executor()
        self._random_threads: set[int] = set()
        self._inbox: SimpleQueue[_Entry | None] = SimpleQueue()
        # The stream that the client speaks through now, and how long it may have none.
        self._intake = threading.Lock()
        self._line: Line | None = None
        self._keep_seconds = limits.lease_seconds
        self._lease: threading.Timer | None = None
        # Bytes submitted, counted by the edge's thread, and bytes done with, by the session's own.
        self._submitted = 0
        self._finished = 0
        # Why it has ended.
        self.ended_with: MXNetError | None = None
        self._progress = threading.Event()
        self._closing = threading.Event()
        self._on_end = on_end
        self.commons.spiller.add(self)
        self._thread = threading.Thread(target=self._work, name=f"session-{name}", daemon=True)
        self._thread.start()

    def _set_up_executor(self) -> None:
        """Tie the executor to what the session shares with others."""
        executor, spiller = self.executor, self.commons.spiller
        executor.look = self.seat.look_inside
        executor.left = executor.left_elsewhere = executor.last_rank = 0
        executor.more_bytes = self.meter.more_bytes
        executor.more_nodes = self.meter.more_nodes
        executor.relieve = partial(spiller.relieve, self)
        executor.after_failure = partial(spiller.after_failure, self)

    # What the edge calls, from its own threads.

    def attach(self, heard: int = 0, *, take_over: bool = False, client_id: bytes = b"") -> Line:
        """Speak to the client through a new stream from now on; one that was there before is over.

        Parameters
        ----------
        heard : int
            The highest number of a message that the client has seen.
        take_over : bool
            Whether it is another client than before.
        client_id : bytes
            What names that one's process.

        Raises
        ------
        SessionLostError
            If the session has ended meanwhile.
        """
        with self._intake:
            if self.closing:
                raise SessionLostError("the session has just ended")
            self._end_lease()
            self._keep_seconds = self.limits.lease_seconds
            if take_over:
                self._change_client(client_id)
            self._line = self.client.outbox.attach(heard)
            self.client.transfers.attached = True
            self._progress.set()
            return self._line

    def _change_client(self, client_id: bytes) -> None:
        """Turn away the client that was there, and have the session's thread start anew with another one
        when it has done what was asked before."""
        before = self.client
        before.outbox.close(SessionError("another client has taken the session over"))
        before.transfers.close()
        self.client = Client(self.limits, self._upload_quota, client_id)
        self._inbox.put(self.client)

    def detach(self, line: Line) -> None:
        """A stream is over; the session waits for the next one, for as long as its lease is."""
        with self._intake:
            self.client.outbox.detach(line)
            if self._line is not line:
                line.end()
                return
            self._line = None
            self._progress.set()
            if self.closing:
                return
            if not self._keep_seconds:
                self.close()
                return
            self.client.transfers.attached = False
            self._lease = threading.Timer(self._keep_seconds, self._expire)
            self._lease.daemon = True
            self._lease.start()
        log.info("session detached", extra={**self.labels, "lease_seconds": self._keep_seconds})

    def _expire(self) -> None:
        with self._intake:
            if self._line is None:
                seconds = f"{self._keep_seconds:g} seconds"
                self.close(SessionLostError(f"the session has ended: its client was away for {seconds}"))

    def _end_lease(self) -> None:
        if self._lease is not None:
            self._lease.cancel()
            self._lease = None

    def _from(self, line: Line) -> Client:
        """The client that speaks through a stream; SupersededError where that is over. Under the lock."""
        if self._line is not line:
            raise SupersededError
        return self.client

    def submit(self, batch: stream_pb2.Batch, line: Line) -> None:
        """Queue a batch; blocks while too much is waiting, which is the flow control of the stream.

        Raises
        ------
        ProtocolError
            For a sequence number that leaves a gap. One that was received before is skipped: it was resent.
        LimitError
            For a batch of too many words.
        SupersededError
            If the batch came through a stream that is over.
        """
        size = batch.ByteSize() + _OVERHEAD
        self._wait_for_room(line)
        with self._intake:
            client = self._from(line)
            client.outbox.confirm(batch.heard)
            if batch.fetched:
                client.transfers.fetched(batch.fetched)
            if batch.sequence <= client.received:
                return
            if batch.sequence != client.received + 1:
                raise ProtocolError(f"batch {batch.sequence} came after batch {client.received}")
            if len(batch.code) > self.limits.batch_words:
                raise LimitError(f"a batch holds at most {self.limits.batch_words} code words")
            client.received = batch.sequence
            for command in batch.commands:
                if command.WhichOneof("kind") == "upload":
                    # Told now, so that the bytes can go to their place while earlier commands still run.
                    client.transfers.expect(
                        command.upload.transfer, tensor_spec(command.upload.tensor).nbytes
                    )
                elif command.restore.HasField("stream"):
                    client.transfers.expect(command.restore.stream.transfer, command.restore.stream.length)
            self._submitted += size
            self.counters.arrived()
            self._inbox.put((batch, size))

    def _wait_for_room(self, line: Line) -> None:
        """Wait until little enough is waiting, or the stream is over. A ping behind it would wait too, so the
        client is told unasked that the server is alive."""
        while self._is_full(line):
            self._progress.clear()
            if self._is_full(line) and not self._progress.wait(HEARTBEAT_SECONDS):
                self.client.outbox.pong()

    def _is_full(self, line: Line) -> bool:
        most = self.limits.queued_bytes
        quota = self.owner.quota.stream_bytes
        waiting = self._submitted - self._finished
        full = waiting > (most if quota is None else min(most, quota))
        return full and self._line is line and not self.closing

    def ping(self, ping: stream_pb2.Ping, line: Line) -> None:
        """Tell the client that the server is there."""
        with self._intake:
            client = self._from(line)
            client.outbox.confirm(ping.heard)
            client.outbox.pong(ping.number)

    def leave(self, detach: stream_pb2.Detach, line: Line) -> None:
        """The client wants to leave and the session to stay for another one."""
        longest = self.limits.detached_seconds
        with self._intake:
            self._from(line)
            self._keep_seconds = min(max(detach.keep_seconds, 0.0) or longest, longest)
            line.put(stream_pb2.Down(detached=stream_pb2.Detached(keep_seconds=self._keep_seconds)))

    def close_by(self, line: Line) -> None:
        """End the session because its client says so, through a stream that is not over."""
        with self._intake:
            self._from(line)
            self.finished = True
            self.close()

    def between_batches(self, function: Callable[[], None]) -> None:
        """Have the session's thread call a function when it has done what is queued; it must not raise."""
        self._inbox.put(function)

    def _upload_quota(self) -> int | None:
        return self.owner.quota.upload_bytes

    def usage(self) -> Usage:
        """What the session holds now; for any thread. It walks over all that there is."""
        return usage(self)

    @property
    def seconds(self) -> float:
        """The time that the session has used."""
        return self.seat.seconds

    def close(self, error: MXNetError | None = None) -> None:
        """End the session: its thread stops after the command it is in, and frees everything."""
        if error is not None and not self._closing.is_set():
            self.counters.errors.count(error.reason)
        if error is not None and self.ended_with is None:
            # Another one of its class: the traceback would keep what the session held.
            self.ended_with = type(error)(str(error))
        client = self.client
        client.outbox.close(error)
        self._closing.set()
        self._end_lease()
        for transfers in (client.transfers, self.transfers):
            transfers.close()
        self.outbox.close(error)
        # Without specs, a batch that is running ends at its next invoke.
        self.specs.clear()
        self._inbox.put(None)
        self._progress.set()

    def join(self, timeout: float) -> bool:
        """Wait for the thread of a closed session; False if the command it is in takes longer."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def queue_bytes(self) -> int:
        """Bytes of batches that wait to be run, or run."""
        return self._submitted - self._finished

    @property
    def closing(self) -> bool:
        """Whether the session is over, or nearly."""
        return self._closing.is_set()

    @property
    def attached(self) -> bool:
        """Whether the client is there."""
        return self._line is not None

    # The session's own thread.

    def _work(self) -> None:
        try:
            # Infinities and not-a-numbers are results of kernels, not warnings.
            with np.errstate(all="ignore"):
                while (entry := self._next()) is not None and not self._closing.is_set():
                    if isinstance(entry, Client):
                        with self.seat:
                            self._start_anew(entry)
                        continue
                    if callable(entry):
                        # Without the turn, but as in the middle of an op: what it needs stays in its place.
                        with self.seat, Aside():
                            entry()
                        continue
                    batch, size = entry
                    with self.seat:
                        self.apply(batch)
                    self._finished += size
                    self._progress.set()
        except MXNetError as error:
            if not self._closing.is_set():
                log.warning("session failed", extra={**self.labels, "reason": error.reason})
            self.close(error)
        except LostGpuError as error:
            log.exception("session lost its GPU", extra={"session": self.name})
            self.close(error.closing())
        except Exception as error:
            log.exception("session crashed", extra=self.labels)
            self.close(InternalError(f"{type(error).__name__}: {error}"))
        finally:
            self.close()
            with self.seat:
                self.calls.close()
                self.table.clear()
                self.names.clear()
                self.failures.clear()
                self.commons.spiller.remove(self)
                self.meter.close()
            self._on_end(self)

    def _start_anew(self, client: Client) -> None:
        """Forget what only the client before could name."""
        self.calls.close()
        self.table.clear()
        self.specs.clear()
        self.failures.clear()
        # Another one: the tape may still hold Functions of the client before.
        self.dropped_functions = deque()
        for value in self.names.values():
            if value.failure is not None:
                # A line of the client before.
                value.failure.site = 0
        self.parameters = Parameters()
        self.applied = 0
        self.client_id = client.client_id
        self.outbox, self.transfers = client.outbox, client.transfers

    def _next(self) -> _Entry | None:
        """The next batch; meanwhile, backward passes that wait for the client for too long are ended."""
        while (seconds := self.calls.seconds_left()) is not None:
            try:
                if seconds:
                    return self._inbox.get(timeout=seconds)
            except Empty:
                pass
            with self.seat:
                self.calls.expire()
        return self._inbox.get()

    def apply(self, batch: stream_pb2.Batch) -> None:
        """Run one batch and acknowledge it; raises what breaks the contract."""
        started = self.counters.started()
        if self.owner is not self._owner_known:
            self._learn_owner()
        self.transfers.settle()
        code = list(batch.code)
        if self.executor.several_devices:
            self.spills.recent.append(code)
        self._run(code, iter(batch.commands))
        self.spills.settle()
        self.counters.finished(started)
        self.last_used = time.monotonic()
        self.applied = batch.sequence
        self.outbox.acknowledge(batch.sequence, len(self.table), self.dropped_functions)

    def _run(self, code: list[int], commands: Iterator[stream_pb2.Command]) -> None:
        """Run a batch in slices, between which others may have their turn. A slice has as many words as fit
        into its time, by those that came before."""
        least, most = _SLICE_WORDS
        at = 0
        start = time.perf_counter()
        try:
            while at < len(code):
                at = self._run_slice(code, commands, at, at + self._slice_words)
                now = time.perf_counter()
                if now - start > SLICE_SECONDS:
                    self._slice_words = max(self._slice_words >> 2, least)
                elif now - start < SLICE_SECONDS / 2:
                    self._slice_words = min(self._slice_words << 1, most)
                self.seat.look()
                start = time.perf_counter()
        except (StopIteration, IndexError):
            raise ProtocolError("a batch's code and commands do not fit together") from None

    def _run_slice(self, code: list[int], commands: Iterator[stream_pb2.Command], at: int, stop: int) -> int:
        """Run what begins before ``stop``; returns where the next slice begins."""
        table = self.table
        specs = self.specs
        drop = table.pop
        end = len(code)
        stop = min(stop, end)
        # No slice makes more tensors than it has words.
        easy = not self.spills.count and len(table) + stop - at <= self.meter.handles
        invoke = self._invoke if easy else self._invoke_with_care
        while at < stop:
            head = code[at]
            kind = head & _KIND
            if kind == _INVOKE:
                spec = specs.get(head >> _SHIFT)
                if spec is None:
                    raise ProtocolError(f"spec {head >> _SHIFT} is not defined")
                after = at + spec.length
                if after > end:
                    raise ProtocolError("a batch ends inside an invoke")
                invoke(spec, head, code, at + 1)
                at = after
            elif kind == _RELEASE:
                after = at + 1 + (head >> _COUNT_SHIFT)
                if after > end:
                    raise ProtocolError("a batch ends inside a release")
                for handle in code[at + 1 : after]:
                    drop(handle, None)
                at = after
            elif kind == _CALL:
                self._commands.run(next(commands))
                at += 1
                if at < end:
                    self.transfers.settle()
            else:
                raise ProtocolError(f"code word {head} has an unknown kind")
        return at

    def _invoke(self, spec: OpSpec, head: int, code: list[int], at: int) -> None:
        """Run one invoke whose words start at ``at`` with the site."""
        site = code[at]
        at += 1
        table = self.table
        inputs_end = at + spec.inputs
        values = list(map(table.get, code[at:inputs_end]))
        self.ops += 1
        for value in values:
            if value is None or value.failure is not None:
                self._fail_invoke(spec, head, code, inputs_end, values, site)
                return
        outputs_at = inputs_end + spec.words
        try:
            per_call = self._per_call(spec, code, inputs_end) if spec.words else {}
            if head & _WRITING:
                targets = list(map(self.value, code[outputs_at : outputs_at + spec.outputs]))
                self.executor.run_into(spec, values, per_call, head & _MODE, site, targets)  # type: ignore[arg-type]
                return
            outputs = self.executor.run(spec, values, per_call, head & _MODE, site)  # type: ignore[arg-type]
        except MXNetError as error:
            self._fail_invoke(spec, head, code, inputs_end, values, site, error.named(spec.op.name))
            return
        for value in outputs:
            handle = code[outputs_at]
            if handle in table:
                raise HandleError(op=spec.op.name, message=f"handle {handle} was used twice")
            table[handle] = value
            outputs_at += 1

    def _invoke_with_care(self, spec: OpSpec, head: int, code: list[int], at: int) -> None:
        """Run one invoke of a session that may have spilled some of its tensors, or have no right to more."""
        inputs_end = at + 1 + spec.inputs
        outputs_at = inputs_end + spec.words
        outputs = code[outputs_at : outputs_at + spec.outputs]
        values = list(map(self.table.get, code[at + 1 : inputs_end]))
        try:
            if head & _WRITING:
                values_at_hand = [*values, *map(self.table.get, outputs)]
            else:
                values_at_hand = values
                self.admit(len(outputs))
            if self.spills.count:
                for value in values_at_hand:
                    if value is not None:
                        self.spills.bring(value)
        except MXNetError as error:
            self.ops += 1
            self._fail_invoke(spec, head, code, inputs_end, values, code[at], error.named(spec.op.name))
            return
        self._invoke(spec, head, code, at)

    def _per_call(self, spec: OpSpec, code: list[int], at: int) -> dict[str, Any]:
        per_call: dict[str, Any] = {}
        for name, decode in spec.decoders:
            per_call[name] = decode(code[at])
            at += 1
        if spec.random:
            per_call["random"] = self.random_of(code[at])
        return per_call

    def _fail_invoke(
        self,
        spec: OpSpec,
        head: int,
        code: list[int],
        inputs_end: int,
        values: list[Value | None],
        site: int,
        error: MXNetError | None = None,
    ) -> None:
        """Give the outputs of an invoke that cannot run the failure that stands behind it."""
        failure = None
        if error is None:
            failure = next((value.failure for value in values if value is not None and value.failure), None)
            error = HandleError(op=spec.op.name, message="an input's handle names nothing")
        if failure is None:
            failure = self.fail(error, site)
        at = inputs_end + spec.words
        handles = code[at : at + spec.outputs]
        producer = tape.broken(values) if head & codec.RECORDING else None
        for index in spec.op.mutates:
            mutated = values[index]
            if mutated is not None:
                mutated.spoil(failure)
        if head & _WRITING:
            for handle in handles:
                target = self.table.get(handle)
                if target is not None:
                    target.spoil(failure)
                    target.producer = producer or target.producer
            return
        backend = spec.backend or next((value.backend for value in values if value), self.devices.cpu)
        for handle, value in zip(handles, poison(spec, values, failure, backend), strict=True):
            value.producer = producer
            self.new(handle, value)

    # What commands use.

    def admit(self, handles: int) -> None:
        """QuotaError where the session cannot have so many tensors more."""
        self.meter.more_handles(handles)

    def fail(self, error: MXNetError, site: int) -> Failure:
        """The failure that an error makes, noted for the next barrier."""
        if isinstance(error, KernelError):
            log.error("kernel failed", extra={**self.labels, "op": error.op}, exc_info=error)
        self.counters.errors.count(error.reason)
        failure = Failure(error, site)
        if len(self.failures) >= _MAX_FAILURES:
            self.failures[:] = [known for known in self.failures if not known.reported]
        if len(self.failures) < _MAX_FAILURES:
            self.failures.append(failure)
        return failure

    def new(self, handle: int, value: Value) -> None:
        """Give a value its handle; HandleError if it has been given already."""
        if handle in self.table:
            raise HandleError(f"handle {handle} was used twice")
        if len(self.table) > self.meter.handles + _FAILED_HANDLES:
            raise LimitError(f"{len(self.table):,} tensors are too many by far")
        self.table[handle] = value

    def value(self, handle: int) -> Value:
        """The value of a handle; HandleError if there is none."""
        try:
            return self.table[handle]
        except KeyError:
            raise HandleError(f"handle {handle} names nothing") from None

    def backend(self, context: stream_pb2.Context) -> Backend:
        """The backend of a context, which refuses everything where the owner may not use it; DeviceError if
        the server has no such device."""
        return self.devices.find(context.device_type, context.device_id, self.owner)

    def _learn_owner(self) -> None:
        """The owner was replaced by one with another quota or other devices: specs that have a device are
        looked up again. Arrays stay where they are."""
        self._owner_known = owner = self.owner
        for spec in self.specs.values():
            if (backend := spec.backend) is not None:
                spec.backend = self.devices.find(backend.device_type, backend.device_id, owner)

    def random_of(self, thread: int) -> RandomState | PhiloxState:
        """The random state of one of the client's threads; LimitError beyond the number it can have."""
        if thread not in self._random_threads:
            if len(self._random_threads) >= self.limits.random_threads:
                raise LimitError(f"random numbers come to at most {self.limits.random_threads} threads")
            self._random_threads.add(thread)
        return self.random.of_thread(thread)

    def replace_random(self, states: Mapping[int, RandomState | PhiloxState]) -> None:
        """Have these random states of the client's threads, and no others."""
        self.random.replace(states)
        self._random_threads = set(states)
