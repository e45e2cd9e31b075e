"""The commands of a session that are messages: specs, data in and out, marks. Backward passes are in
``calls.py``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from remx_contract import codec
from remx_contract.errors import (
    ArgumentError,
    HandleError,
    LimitError,
    MXNetError,
    ProtocolError,
    ShapeError,
    UnknownKeyError,
)
from remx_contract.infer import MAX_DIMENSIONS
from remx_contract.spec import TensorSpec
from remx_contract.status import to_failure
from remx_contract.v1 import stream_pb2

from . import history
from .backend import GPU
from .classifying import classify
from .executor import make_spec
from .positions import Position
from .spills import is_spilled
from .summary import summarize
from .tape import Leaf, Ticket, tracked
from .turns import Aside
from .value import Failed, Value, healthy

if TYPE_CHECKING:
    from .session import Session

MAX_TEXT_ATTRIBUTE = 1024
"""Characters of a text attribute; longer ones would only keep the parser busy."""


class Commands:
    """Runs one session's commands, on the session's thread.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def run(self, command: stream_pb2.Command) -> None:
        """Run a command; raises what breaks the contract."""
        kind = command.WhichOneof("kind")
        if kind is None:
            raise ProtocolError("a command without a kind")
        getattr(self, f"_{kind}")(getattr(command, kind))

    # Specs.

    def _define(self, message: stream_pb2.Define) -> None:
        session = self._session
        if message.spec_id in session.specs:
            raise ProtocolError(f"spec {message.spec_id} was defined twice")
        if len(session.specs) >= session.limits.specs:
            raise LimitError(f"a session can have {session.limits.specs} specs at a time")
        given = {name: _attribute(name, value) for name, value in message.attributes.items()}
        backend = session.backend(message.context) if message.HasField("context") else None
        try:
            spec = make_spec(message.op, given, message.inputs, backend)
        except Exception as error:
            raise classify(error, message.op) from error
        spec.spelled = history.spelled(message)
        session.specs[message.spec_id] = spec

    def _forget(self, message: stream_pb2.Forget) -> None:
        for spec_id in message.spec_ids:
            self._session.specs.pop(spec_id, None)

    # Data that comes.

    def _put(self, message: stream_pb2.Put) -> None:
        limit = self._session.limits.inline_bytes
        if len(message.tensor.data) > limit:
            raise LimitError(f"an inline tensor holds at most {limit} bytes")
        tensor_spec(message.tensor)
        self._store(message.handle, codec.array_from_message(message.tensor), message.context, message.write)

    def _upload(self, message: stream_pb2.UploadTo) -> None:
        session = self._session
        spec = tensor_spec(message.tensor)
        try:
            with Aside():
                raw = session.transfers.take(message.transfer, spec.nbytes, checked=not message.unchecked)
        except ProtocolError:
            raise
        except MXNetError as error:
            self._not_stored(message.handle, spec, message.context, message.write, error)
            return
        self._store(message.handle, raw.view(spec.dtype).reshape(spec.shape), message.context, message.write)

    def _store(self, handle: int, array: Any, context: stream_pb2.Context, write: bool) -> None:
        session = self._session
        backend = session.backend(context)
        spec = TensorSpec.of(array.shape, array.dtype)
        target = session.value(handle) if write else None
        try:
            if target is None:
                session.admit(1)
            elif session.spills.count:
                session.spills.bring(target)
            session.executor.reserve(backend, spec.nbytes)
            make = partial(backend.from_host, array)
            value = Value(session.executor.attempt("array", backend, spec.nbytes, make), spec, backend)
            if target is not None:
                session.executor.write(target, value, 0)
                return
        except Exception as error:
            self._not_stored(handle, spec, context, write, classify(error, "array"))
            return
        session.new(handle, value)

    def _not_stored(
        self, handle: int, spec: TensorSpec, context: stream_pb2.Context, write: bool, error: MXNetError
    ) -> None:
        session = self._session
        failure = session.fail(error, 0)
        if write:
            session.value(handle).spoil(failure)
        else:
            session.new(handle, Value.failed(failure, spec, session.backend(context)))

    # Data that goes.

    def _read(self, message: stream_pb2.Read) -> None:
        limit = self._session.limits.inline_bytes
        reply = stream_pb2.Reply(request=message.request)
        try:
            value = self._session.value(message.handle)
            if not message.only_tracked:
                healthy(value)
            if message.only_tracked:
                reply.tracked = tracked(value)
            elif message.only_wait:
                with Aside():
                    value.backend.synchronize()
                reply.done = True
            elif value.spec.nbytes > limit:
                raise LimitError(f"a tensor of {value.spec.nbytes} bytes is read through a download")
            else:
                reply.tensor.CopyFrom(codec.array_to_message(self._host_array(value)))
        except Exception as error:
            _tell_failure(reply, error, "asnumpy")
        self._session.outbox.put(stream_pb2.Down(reply=reply))

    def _publish(self, message: stream_pb2.Publish) -> None:
        transfers = self._session.transfers
        reply = stream_pb2.Reply(request=message.request, done=True)
        download = None
        try:
            value = healthy(self._session.value(message.handle))
            array = self._host_array(value)
            download = transfers.publish(message.transfer, array, shared=array is value.data)
        except Exception as error:
            _tell_failure(reply, error, "asnumpy")
        # The client can ask for the bytes while the checksum is computed.
        self._session.outbox.put(stream_pb2.Down(reply=reply))
        if download is not None:
            with Aside():
                transfers.finish(download, checked=not message.unchecked)

    def _history(self, message: stream_pb2.History) -> None:
        session = self._session
        reply = stream_pb2.Reply(request=message.request)
        try:
            value = healthy(session.value(message.handle))
            reply.graph.CopyFrom(history.graph_of(value, session.limits.history_nodes))
        except Exception as error:
            _tell_failure(reply, error, "get_symbol")
        session.outbox.put(stream_pb2.Down(reply=reply))

    def _barrier(self, message: stream_pb2.Barrier) -> None:
        session = self._session
        reply = stream_pb2.Reply(request=message.request, done=True)
        try:
            with Aside():
                for backend in (session.devices.cpu, *session.devices.gpus):
                    backend.synchronize()
            failure = next((failure for failure in session.failures if not failure.reported), None)
            # MXNet's waitall raises once and is clean afterwards.
            session.failures.clear()
            if failure is not None:
                raise Failed(failure)
        except Exception as error:
            _tell_failure(reply, error, "waitall")
        session.outbox.put(stream_pb2.Down(reply=reply))

    def _summarize(self, message: stream_pb2.Summarize) -> None:
        session = self._session
        summary = summarize(session.table.values(), session.calls.heads())
        reply = stream_pb2.Reply(request=message.request, summary=summary)
        session.outbox.put(stream_pb2.Down(reply=reply))

    def _host_array(self, value: Value) -> Any:
        """A tensor's array in host memory, where it is already if it was spilled."""
        array = value.data
        if value.backend.device_type != GPU or is_spilled(array, value.backend):
            return array
        self._session.executor.use(value.backend)
        with Aside():
            return value.backend.to_host(array)

    # Checkpoints.

    def _save(self, message: stream_pb2.Save) -> None:
        session = self._session
        reply = stream_pb2.Reply(request=message.request)
        download = None
        try:
            with Aside():
                told, download = session.keeper.save(session, message)
            reply.checkpoint.CopyFrom(told)
        except Exception as error:
            _tell_failure(reply, error, "save")
        session.outbox.put(stream_pb2.Down(reply=reply))
        if download is not None:
            with Aside():
                session.transfers.finish(download, checked=not message.unchecked)

    def _restore(self, message: stream_pb2.Restore) -> None:
        session = self._session
        reply = stream_pb2.Reply(request=message.request)
        try:
            session.spills.bring_all()
            with Aside():
                reply.checkpoint.CopyFrom(session.keeper.restore(session, message))
        except Exception as error:
            _tell_failure(reply, error, "restore")
        session.outbox.put(stream_pb2.Down(reply=reply))

    # Parameters.

    def _fill(self, message: stream_pb2.Fill) -> None:
        session = self._session
        session.value(message.handle)
        session.random_of(message.thread)
        if message.HasField("start"):
            state = session.random.counted(message.thread)
            position = Position.of(message.start)
            with Aside():
                state.go_to(position, lambda: session.closing)
        session.parameters.note(message, session.random.position(message.thread), session.table)

    def _describe(self, message: stream_pb2.Describe) -> None:
        session = self._session
        fillings = session.parameters.describe(message.handles)
        session.outbox.put(
            stream_pb2.Down(reply=stream_pb2.Reply(request=message.request, fillings=fillings))
        )

    # Names.

    def _name(self, message: stream_pb2.Name) -> None:
        session = self._session
        if not message.handle:
            session.names.pop(message.name, None)
            return
        if not 0 < len(message.name) <= codec.MAX_NAME:
            raise LimitError(f"a name has 1 to {codec.MAX_NAME} characters")
        if len(session.names) >= session.limits.names and message.name not in session.names:
            raise LimitError(f"a session can have {session.limits.names} named tensors")
        session.names[message.name] = session.value(message.handle)

    def _fetch(self, message: stream_pb2.Fetch) -> None:
        session = self._session
        reply = stream_pb2.Reply(request=message.request)
        try:
            value = session.names.get(message.name)
            if value is None:
                raise UnknownKeyError(f"the session has no array named {message.name!r}")
            healthy(value)
            leaf = value.producer if isinstance(value.producer, Leaf) else None
            session.admit(1 + (leaf is not None))
            session.new(message.handle, value)
            if leaf is not None:
                session.new(message.gradient, leaf.gradient)
            reply.named.CopyFrom(
                stream_pb2.NamedTensor(
                    tensor=codec.spec_to_message(value.spec),
                    context=stream_pb2.Context(
                        device_type=value.backend.device_type, device_id=value.backend.device_id
                    ),
                    gradient_request=leaf.request if leaf else 0,
                )
            )
        except MXNetError as error:
            _tell_failure(reply, error, "session.get")
        session.outbox.put(stream_pb2.Down(reply=reply))

    def _names(self, message: stream_pb2.Names) -> None:
        session = self._session
        names = stream_pb2.NameList(names=session.names)
        session.outbox.put(stream_pb2.Down(reply=stream_pb2.Reply(request=message.request, names=names)))

    # Autograd and random state.

    def _mark(self, message: stream_pb2.Mark) -> None:
        session = self._session
        if not len(message.handles) == len(message.gradients) == len(message.requests):
            raise ProtocolError("a mark's handles, gradients and requests are not equally many")
        for handle, gradient, request in zip(
            message.handles, message.gradients, message.requests, strict=True
        ):
            place = session.value(gradient) if gradient else None
            session.executor.mark(session.value(handle), place, request)

    def _backward(self, message: stream_pb2.Backward) -> None:
        self._session.calls.begin(message)

    def _record(self, message: stream_pb2.Record) -> None:
        session = self._session
        if not message.outputs:
            raise ProtocolError("a Function without outputs")
        inputs = [session.value(handle) for handle in message.inputs]
        outputs = [session.value(handle) for handle in message.outputs]
        ticket = Ticket(message.function, session.dropped_functions)
        try:
            session.executor.record(ticket, inputs, outputs, message.site)
        except MXNetError as error:
            failure = session.fail(error, message.site)
            for output in outputs:
                output.spoil(failure)

    def _take(self, message: stream_pb2.Take) -> None:
        self._session.calls.take(message)

    def _resume(self, message: stream_pb2.Resume) -> None:
        self._session.calls.resume(message)

    def _seed(self, message: stream_pb2.Seed) -> None:
        self._session.random_of(message.thread)
        streams = self._session.random
        if message.generator == stream_pb2.Seed.PHILOX:
            streams.seed_philox(message.thread, message.seed)
        elif message.generator == stream_pb2.Seed.MXNET:
            streams.seed(message.thread, message.seed, for_context=message.for_context)
        else:
            raise ProtocolError(f"there is no random generator {message.generator}")


def _tell_failure(reply: stream_pb2.Reply, error: Exception, op: str) -> None:
    """Put an error into a reply; a failure that was carried so far is reported with it."""
    if isinstance(error, Failed):
        error.failure.reported = True
        reply.failure.CopyFrom(to_failure(error.failure.error, error.failure.site))
    elif isinstance(error, HandleError):
        reply.failure.CopyFrom(to_failure(error))
    else:
        reply.failure.CopyFrom(to_failure(classify(error, op)))


def _attribute(name: str, message: stream_pb2.Attribute) -> Any:
    if len(message.text) > MAX_TEXT_ATTRIBUTE:
        raise ArgumentError(
            argument=name, got=f"{len(message.text)} characters", expected=f"at most {MAX_TEXT_ATTRIBUTE}"
        )
    return codec.attribute_from_message(message)


def tensor_spec(message: stream_pb2.Tensor) -> TensorSpec:
    """The spec that a Tensor message claims; its axes are counted before their lengths are multiplied."""
    if len(message.shape) > MAX_DIMENSIONS:
        raise ShapeError(got=f"a shape of {len(message.shape)} axes", expected=f"at most {MAX_DIMENSIONS}")
    return codec.tensor_spec(message)
