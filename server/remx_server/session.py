"""Session: everything the server holds for one client, and the thread that runs its commands.

Batches come in through :meth:`Session.submit`; acknowledgements, replies and the last word go out through the
outbox. In between, one thread decodes code words, looks handles up in the tensor table and hands values to
the executor.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any, Final

import numpy as np
from remx_contract import codec
from remx_contract.errors import (
    HandleError,
    InternalError,
    LimitError,
    MXNetError,
    ProtocolError,
)
from remx_contract.status import to_failure
from remx_contract.v1 import stream_pb2

from .backend import Backend, Devices
from .config import Limits
from .executor import Executor, OpSpec, classify, make_spec, poison
from .log import log
from .random_streams import RandomStreams
from .tape import Leaf
from .transfers import Transfers
from .value import Failure, Value

_KIND: Final = codec.KIND_MASK
_MODE: Final = codec.RECORDING | codec.TRAINING
_SHIFT: Final = codec.SPEC_SHIFT
_WRITING: Final = codec.WRITING


class Session:
    """One client's tensors, specs, tape and random state, and the thread that runs its commands.

    Parameters
    ----------
    devices : Devices
    limits : Limits
    name : str
        What the log calls it.
    """

    def __init__(self, devices: Devices, limits: Limits, name: str) -> None:
        self.name = name
        self.token = secrets.token_bytes(16)
        self.devices = devices
        self.limits = limits
        self.random = RandomStreams()
        self.executor = Executor(devices, self.random.of_thread)
        self.transfers = Transfers(limits)
        self.table: dict[int, Value] = {}
        self.specs: dict[int, OpSpec] = {}
        self.applied = 0
        self.received = 0
        self.ops = 0
        self.failures: deque[Failure] = deque(maxlen=16)
        self.outbox = Outbox()
        self._inbox: SimpleQueue[stream_pb2.Batch | None] = SimpleQueue()
        self._room = threading.Semaphore(limits.batches_in_flight)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"session-{name}", daemon=True)
        self._thread.start()

    # What the edge calls, from its own threads.

    def submit(self, batch: stream_pb2.Batch) -> None:
        """Queue a batch; blocks while too many are waiting, which is the flow control of the stream.

        Raises
        ------
        ProtocolError
            For a sequence number that leaves a gap. One that was received before is skipped: it was resent.
        """
        if batch.sequence <= self.received:
            return
        if batch.sequence != self.received + 1:
            raise ProtocolError(f"batch {batch.sequence} came after batch {self.received}")
        self.received = batch.sequence
        while not self._room.acquire(timeout=0.5):
            if self._closing.is_set():
                return
        self._inbox.put(batch)

    def close(self, timeout: float = 5.0) -> None:
        """Stop the thread after the batch it is in, and free everything."""
        self._closing.set()
        self.transfers.close()
        self._inbox.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def drain(self, timeout: float) -> bool:
        """Wait until what was submitted has run; False if that takes longer."""
        done = threading.Event()
        self._inbox.put(None)
        self._thread.join(timeout)
        done.set()
        return not self._thread.is_alive()

    # The session's own thread.

    def _work(self) -> None:
        try:
            while (batch := self._inbox.get()) is not None and not self._closing.is_set():
                self.apply(batch)
                self._room.release()
        except MXNetError as error:
            log.warning("session failed", extra={"session": self.name, "reason": error.reason})
            self.outbox.close(error)
        except Exception as error:
            log.exception("session crashed", extra={"session": self.name})
            self.outbox.close(InternalError(f"{type(error).__name__}: {error}"))
        finally:
            self._closing.set()
            self.transfers.close()
            self.table.clear()
            self.specs.clear()
            self.outbox.close(None)

    def apply(self, batch: stream_pb2.Batch) -> None:
        """Run one batch and acknowledge it; raises what breaks the contract."""
        commands = iter(batch.commands)
        self._run(list(batch.code), commands)
        self.applied = batch.sequence
        self.outbox.acknowledge(batch.sequence, len(self.table))

    def _run(self, code: list[int], commands: Iterator[stream_pb2.Command]) -> None:
        table = self.table
        specs = self.specs
        at = 0
        end = len(code)
        try:
            while at < end:
                head = code[at]
                kind = head & _KIND
                if kind == codec.INVOKE:
                    spec = specs[head >> _SHIFT]
                    after = at + spec.length
                    if after > end:
                        raise ProtocolError("a batch ends inside an invoke")
                    self._invoke(spec, head, code, at + 1)
                    at = after
                elif kind == codec.RELEASE:
                    table.pop(code[at + 1], None)
                    at += 2
                elif kind == codec.CALL:
                    self._command(next(commands))
                    at += 1
                else:
                    raise ProtocolError(f"code word {head} has an unknown kind")
        except KeyError as error:
            raise ProtocolError(f"spec {error} was never defined") from None
        except (StopIteration, IndexError):
            raise ProtocolError("a batch's code and commands do not fit together") from None

    def _invoke(self, spec: OpSpec, head: int, code: list[int], at: int) -> None:
        """Run one invoke whose words start at ``at`` with the site."""
        site = code[at]
        at += 1
        table = self.table
        inputs_end = at + spec.inputs
        values = [table.get(handle) for handle in code[at:inputs_end]]
        self.ops += 1
        for value in values:
            if value is None or value.failure is not None:
                self._fail_invoke(spec, head, code, inputs_end, values, site)
                return
        outputs_at = inputs_end + spec.words
        handles = code[outputs_at : outputs_at + spec.outputs]
        per_call = self._per_call(spec, code, inputs_end) if spec.words else {}
        try:
            if head & _WRITING:
                targets = [table[handle] for handle in handles]
                self.executor.run(spec, values, per_call, head & _MODE, site, targets)  # type: ignore[arg-type]
                return
            outputs = self.executor.run(spec, values, per_call, head & _MODE, site)  # type: ignore[arg-type]
        except KeyError:
            raise HandleError(op=spec.op.name, message="writes to a handle that names nothing") from None
        except MXNetError as error:
            self._fail_invoke(spec, head, code, inputs_end, values, site, error)
            return
        for handle, value in zip(handles, outputs, strict=True):
            if handle in table:
                raise HandleError(op=spec.op.name, message=f"handle {handle} was used twice")
            table[handle] = value

    def _per_call(self, spec: OpSpec, code: list[int], at: int) -> dict[str, Any]:
        per_call: dict[str, Any] = {}
        for name, decode in spec.decoders:
            per_call[name] = decode(code[at])
            at += 1
        if spec.random:
            per_call["random"] = self.executor.random_of(code[at])
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
            failure = self._failure(error, site)
        at = inputs_end + spec.words
        handles = code[at : at + spec.outputs]
        if head & _WRITING:
            for handle in handles:
                self._spoil(handle, failure)
            return
        backend = spec.backend or next((value.backend for value in values if value), self.devices.cpu)
        for index in spec.op.mutates:
            mutated = values[index]
            if mutated is not None:
                mutated.failure, mutated.data = failure, None
        for handle, value in zip(handles, poison(spec, values, failure, backend), strict=True):
            if handle in self.table:
                raise HandleError(op=spec.op.name, message=f"handle {handle} was used twice")
            self.table[handle] = value

    def _failure(self, error: MXNetError, site: int) -> Failure:
        failure = Failure(error, site)
        self.failures.append(failure)
        return failure

    def _spoil(self, handle: int, failure: Failure) -> None:
        value = self.table.get(handle)
        if value is not None:
            value.failure, value.data = failure, None

    # Commands that are messages.

    def _command(self, command: stream_pb2.Command) -> None:
        kind = command.WhichOneof("kind")
        if kind is None:
            raise ProtocolError("a command without a kind")
        getattr(self, f"_{kind}")(getattr(command, kind))

    def _define(self, message: stream_pb2.Define) -> None:
        if message.spec_id in self.specs:
            raise ProtocolError(f"spec {message.spec_id} was defined twice")
        if len(self.specs) >= self.limits.specs:
            raise LimitError(f"a session can have {self.limits.specs} specs at a time")
        given = {name: codec.attribute_from_message(value) for name, value in message.attributes.items()}
        backend = self._backend(message.context) if message.HasField("context") else None
        self.specs[message.spec_id] = make_spec(message.op, given, message.inputs, backend)

    def _forget(self, message: stream_pb2.Forget) -> None:
        for spec_id in message.spec_ids:
            self.specs.pop(spec_id, None)

    def _put(self, message: stream_pb2.Put) -> None:
        if len(message.tensor.data) > self.limits.inline_bytes:
            raise LimitError(f"an inline tensor holds at most {self.limits.inline_bytes} bytes")
        self._store(message.handle, codec.array_from_message(message.tensor), message.context, message.write)

    def _upload(self, message: stream_pb2.UploadTo) -> None:
        spec = codec.tensor_spec(message.tensor)
        try:
            raw = self.transfers.take(message.transfer, spec.nbytes)
        except MXNetError as error:
            failure = self._failure(error, 0)
            if message.write:
                self._spoil(message.handle, failure)
            else:
                self._new(message.handle, Value.failed(failure, spec, self._backend(message.context)))
            return
        array = np.frombuffer(raw, dtype=spec.dtype).reshape(spec.shape)
        self._store(message.handle, array, message.context, message.write)

    def _store(self, handle: int, array: Any, context: stream_pb2.Context, write: bool) -> None:
        backend = self._backend(context)
        spec = codec.TensorSpec.of(array.shape, array.dtype)
        try:
            value = Value(backend.from_host(array), spec, backend)
            if write:
                self.executor.write(self._value(handle), value, 0)
                return
        except HandleError:
            raise
        except Exception as error:
            failure = self._failure(classify(error, "array"), 0)
            if write:
                self._spoil(handle, failure)
                return
            value = Value.failed(failure, spec, backend)
        self._new(handle, value)

    def _new(self, handle: int, value: Value) -> None:
        if handle in self.table:
            raise HandleError(f"handle {handle} was used twice")
        self.table[handle] = value

    def _value(self, handle: int) -> Value:
        try:
            return self.table[handle]
        except KeyError:
            raise HandleError(f"handle {handle} names nothing") from None

    def _backend(self, context: stream_pb2.Context) -> Backend:
        return self.devices.find(context.device_type, context.device_id)

    def _read(self, message: stream_pb2.Read) -> None:
        reply = stream_pb2.Reply(request=message.request)
        try:
            array = self._host_array(self._value(message.handle))
            if message.only_wait:
                reply.done = True
            elif array.nbytes > self.limits.inline_bytes:
                raise LimitError(f"a tensor of {array.nbytes} bytes is read through a download")
            else:
                reply.tensor.CopyFrom(codec.array_to_message(array))
        except MXNetError as error:
            self._tell_failure(reply, error)
        self.outbox.put(stream_pb2.Down(reply=reply))

    def _publish(self, message: stream_pb2.Publish) -> None:
        reply = stream_pb2.Reply(request=message.request, done=True)
        try:
            array = self._host_array(self._value(message.handle))
            # Later commands may write to the tensor while it is being sent, hence the copy.
            self.transfers.publish(message.transfer, np.array(array, order="C"))
        except MXNetError as error:
            self._tell_failure(reply, error)
        self.outbox.put(stream_pb2.Down(reply=reply))

    def _host_array(self, value: Value) -> Any:
        """A value's array in host memory; raises its failure, or that of the transfer from the device."""
        if value.failure is not None:
            raise _Reported(value.failure)
        try:
            value.backend.activate()
            return value.backend.to_host(value.data)
        except Exception as error:
            raise classify(error, "asnumpy") from error

    @staticmethod
    def _tell_failure(reply: stream_pb2.Reply, error: MXNetError) -> None:
        if isinstance(error, _Reported):
            error.failure.reported = True
            reply.failure.CopyFrom(to_failure(error.failure.error, error.failure.site))
        else:
            reply.failure.CopyFrom(to_failure(error))

    def _barrier(self, message: stream_pb2.Barrier) -> None:
        reply = stream_pb2.Reply(request=message.request, done=True)
        try:
            for backend in (self.devices.cpu, *self.devices.gpus):
                backend.synchronize()
            failure = next((failure for failure in self.failures if not failure.reported), None)
            # MXNet's waitall raises once and is clean afterwards.
            self.failures.clear()
            if failure is not None:
                raise _Reported(failure)
        except _Reported as error:
            self._tell_failure(reply, error)
        except Exception as error:
            self._tell_failure(reply, classify(error, "waitall"))
        self.outbox.put(stream_pb2.Down(reply=reply))

    def _mark(self, message: stream_pb2.Mark) -> None:
        for handle, gradient, request in zip(
            message.handles, message.gradients, message.requests, strict=True
        ):
            place = self._value(gradient) if gradient else None
            self.executor.mark(self._value(handle), place, request)

    def _backward(self, message: stream_pb2.Backward) -> None:
        heads = [self._value(handle) for handle in message.heads]
        given = [self._value(handle) if handle else None for handle in message.head_gradients]
        variables = [self._value(handle) for handle in message.variables] if message.outputs else None
        try:
            for value in (*heads, *given):
                if value is not None and value.failure is not None:
                    raise _Reported(value.failure)
            gradients = self.executor.backward(
                heads,
                given or [None] * len(heads),
                variables,
                retain_graph=message.retain_graph,
                create_graph=message.create_graph,
                train_mode=message.train_mode,
            )
        except Exception as error:
            self._fail_backward(message, error, heads)
            return
        for handle, gradient in zip(message.outputs, gradients, strict=True):
            self._new(handle, gradient)

    def _fail_backward(self, message: stream_pb2.Backward, error: Exception, heads: list[Value]) -> None:
        """Spoil what the pass should have computed: its outputs, or the gradients of the leaves it would
        reach."""
        if isinstance(error, _Reported):
            failure = error.failure
        else:
            failure = self._failure(classify(error, "backward"), message.site)
        if message.outputs:
            for handle in message.outputs:
                self._new(handle, Value.failed(failure, None, self.devices.cpu))
            return
        for leaf in _leaves(heads):
            leaf.gradient.failure, leaf.gradient.data = failure, None

    def _seed(self, message: stream_pb2.Seed) -> None:
        self.random.seed(message.thread, message.seed, for_context=message.for_context)


class _Reported(MXNetError):
    """Carries a failure that a wait is about to report."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure.error))
        self.failure = failure


def _leaves(heads: list[Value]) -> list[Leaf]:
    """The leaves that the heads depend on, as far as their graph has not been freed."""
    found: list[Leaf] = []
    seen: set[int] = set()
    stack: list[Any] = [head.producer for head in heads]
    while stack:
        producer = stack.pop()
        if producer is None or id(producer) in seen:
            continue
        seen.add(id(producer))
        if isinstance(producer, Leaf):
            found.append(producer)
        else:
            stack.extend(edge[0] for edge in producer.edges if edge is not None)
    return found


class Outbox:
    """Messages for the client, in order, with acknowledgements folded: only the newest waiting one is
    sent."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[stream_pb2.Down | None] = SimpleQueue()
        self._acknowledged: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def put(self, message: stream_pb2.Down) -> None:
        """Queue a message."""
        self._queue.put(message)

    def acknowledge(self, sequence: int, live_handles: int) -> None:
        """Queue an acknowledgement, or renew the one that is still waiting."""
        with self._lock:
            waiting = self._acknowledged is not None
            self._acknowledged = (sequence, live_handles)
        if not waiting:
            self._queue.put(_ACKNOWLEDGE)

    def close(self, error: MXNetError | None) -> None:
        """Queue the last message; nothing after it is sent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if error is not None:
            self._queue.put(stream_pb2.Down(closed=to_failure(error)))
        self._queue.put(None)

    def __iter__(self) -> Iterator[stream_pb2.Down]:
        while (message := self._queue.get()) is not None:
            if message is _ACKNOWLEDGE:
                with self._lock:
                    sequence, live = self._acknowledged or (0, 0)
                    self._acknowledged = None
                message = stream_pb2.Down(
                    acknowledgement=stream_pb2.Acknowledgement(sequence=sequence, live_handles=live)
                )
            yield message


_ACKNOWLEDGE: Final = stream_pb2.Down()
