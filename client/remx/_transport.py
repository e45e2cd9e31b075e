"""The transport: one command stream and the byte streams, over gRPC.

A transport does what one connection can; :mod:`remx._link` and :mod:`remx._bulk` see to it that another one
goes on where it broke. The tests have a transport that calls a server in the same process.
"""

from __future__ import annotations

import contextlib
import ipaddress
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from remx_contract.errors import MXNetError, ServerUnreachableError
from remx_contract.status import CLASS_OF
from remx_contract.v1 import stream_pb2

if TYPE_CHECKING:
    import grpc
    from google.protobuf.message import Message

    from ._tls import Tls

Reply = TypeVar("Reply", bound="Message")
"""The message that a call is answered with."""

_MAX_MESSAGE: Final = 64 << 20
_PREFIX: Final = "/remx.v1.Remx/"


class Listener(Protocol):
    """Who gets what comes down: the session."""

    def on_message(self, message: stream_pb2.Down) -> None:
        """A message came."""

    def on_end(self, error: MXNetError) -> None:
        """The stream ended, and why."""


class Transport(Protocol):
    """What a session needs of a connection.

    Attributes
    ----------
    target : str
        Where the server is; empty where nobody else could find it.
    bytes_up, bytes_down : int
        What was sent and received so far.
    checked : bool
        Whether byte streams have a checksum.
    """

    target: str
    bytes_up: int
    bytes_down: int
    checked: bool

    def open(self, hello: stream_pb2.Hello, listener: Listener) -> None:
        """Start a stream, in the place of one that was there; messages go to the listener from another
        thread."""

    def send(self, message: stream_pb2.Up) -> None:
        """Queue a message; never blocks."""

    def upload(self, session: bytes, chunks: Iterator[bytes]) -> int:
        """Send chunks of an upload; returns how many bytes of it the server has."""

    def received(self, session: bytes, transfer: int, timeout: float) -> int:
        """Ask through the byte streams' connection how many bytes of an upload the server has."""

    def download(self, session: bytes, transfer: int, offset: int) -> Iterator[bytes]:
        """The chunks of a download from a byte on."""

    def reset_bulk(self) -> None:
        """Give up the connection of the byte streams; those that run end with an error, others get a new
        one."""

    def finish(self, timeout: float) -> None:
        """End the stream in good order: wait until the server has read it to its end, or the time is up."""

    def close(self) -> None:
        """End the stream and free the connection; byte streams that run end with an error."""


def is_local(target: str) -> bool:
    """Whether a server is on this machine; a tunnel that begins here has checks of its own."""
    host = target.rpartition(":")[0].strip("[]")
    if target.startswith("unix:") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class GrpcTransport:
    """A connection to a server.

    Parameters
    ----------
    target : str
        ``host:port`` or ``unix:/path``.
    token : str
        What the server wants to see; empty for none.
    tls : Tls, optional
        How the connection is encrypted.
    """

    def __init__(self, target: str, token: str = "", tls: Tls | None = None) -> None:
        import grpc

        self.target = target
        # What does not leave this machine needs no checksum, which would take a quarter of the time.
        self.checked = not is_local(target)
        self.bytes_up = 0
        self.bytes_down = 0
        self._grpc = grpc
        self._tls = tls
        self.metadata: tuple[tuple[str, str | bytes], ...] = (("remx-token", token),) if token else ()
        self._stream: _GrpcStream | None = None
        self._bulk: grpc.Channel | None = None
        self._lock = threading.Lock()
        self._closed = False

    def _connect(self) -> grpc.Channel:
        options = [
            ("grpc.max_receive_message_length", _MAX_MESSAGE),
            ("grpc.max_send_message_length", _MAX_MESSAGE),
            ("grpc.enable_retries", 0),
            # Two sessions of one process must not share a connection that one of them closes.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if self._tls is None:
            return self._grpc.insecure_channel(self.target, options=options)
        return self._grpc.secure_channel(self.target, self._tls.credentials(), options=options)

    def _bulk_channel(self) -> grpc.Channel:
        """The byte streams' own connection: on a slow link, the command stream does not queue behind them."""
        with self._lock:
            if self._closed:
                raise ServerUnreachableError("the connection was closed")
            if self._bulk is None:
                self._bulk = self._connect()
            return self._bulk

    def open(self, hello: stream_pb2.Hello, listener: Listener) -> None:
        """Start a stream and the thread that reads it, on a connection of its own."""
        stream = _GrpcStream(self, self._connect(), hello)
        with self._lock:
            before, self._stream = self._stream, stream
        if before is not None:
            # What broke one connection has broken the other too, or will be noticed sooner on a new one.
            self.reset_bulk()
            before.close()
        if self._closed:
            stream.close()
        threading.Thread(target=stream.read, args=(listener,), name="remx-reader", daemon=True).start()

    def serialize(self, message: stream_pb2.Up) -> bytes:
        """A message as bytes, which are counted."""
        raw = message.SerializeToString()
        self.bytes_up += len(raw)
        return raw

    def deserialize(self, raw: bytes) -> stream_pb2.Down:
        """A message from bytes, which are counted."""
        self.bytes_down += len(raw)
        return stream_pb2.Down.FromString(raw)

    def send(self, message: stream_pb2.Up) -> None:
        """Queue a message; never blocks."""
        if self._stream is not None:
            self._stream.outgoing.put(message)

    def upload(self, session: bytes, chunks: Iterator[bytes]) -> int:
        """Send chunks of an upload; returns how many bytes of it the server has.

        Raises
        ------
        ServerUnreachableError
            If the connection breaks.
        MXNetError
            What the server has against it.
        """
        method: Any = self._bulk_method("stream_unary", "Upload", stream_pb2.Receipt.FromString)

        def counted() -> Iterator[bytes]:
            for chunk in chunks:
                self.bytes_up += len(chunk)
                yield chunk

        with self._failing():
            receipt = method(counted(), metadata=self._call_metadata(session))
        return int(receipt.received)

    def received(self, session: bytes, transfer: int, timeout: float) -> int:
        """Ask through the byte streams' connection how many bytes of an upload the server has."""
        method: Any = self._bulk_method("unary_unary", "Received", stream_pb2.Receipt.FromString)
        request = stream_pb2.ReceivedRequest(transfer=transfer).SerializeToString()
        with self._failing():
            receipt = method(request, metadata=self._call_metadata(session), timeout=timeout)
        return int(receipt.received)

    def download(self, session: bytes, transfer: int, offset: int) -> Iterator[bytes]:
        """The chunks of a download from a byte on; raises as :meth:`upload` does."""
        method: Any = self._bulk_method("unary_stream", "Download", None)
        request = stream_pb2.DownloadRequest(transfer=transfer, offset=offset).SerializeToString()
        with self._failing():
            for raw in method(request, metadata=self._call_metadata(session)):
                self.bytes_down += len(raw)
                yield raw

    def _bulk_method(self, kind: str, name: str, deserializer: Any) -> Any:
        make = getattr(self._bulk_channel(), kind)
        with self._failing():
            return make(_PREFIX + name, response_deserializer=deserializer)

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Makes errors of remx of what gRPC raises."""
        try:
            yield
        except self._grpc.RpcError as failure:
            raise self.error(failure) from None
        except ValueError:
            # The channel was closed by another thread just now.
            raise ServerUnreachableError("the connection was closed") from None

    def reset_bulk(self) -> None:
        """Give up the connection of the byte streams; those that run end with an error, others get a new
        one."""
        with self._lock:
            bulk, self._bulk = self._bulk, None
        if bulk is not None:
            bulk.close()

    def ask(self, method: str, request: Message, reply: type[Reply], seconds: float) -> Reply:
        """The answer to a call beside the session, of the Admin service say.

        Raises
        ------
        ServerUnreachableError
            If there is none in time.
        MXNetError
            What the server says.
        """
        with self._failing():
            call: Any = self._bulk_channel().unary_unary(method, response_deserializer=reply.FromString)
            answer: Reply = call(request.SerializeToString(), metadata=self.metadata, timeout=seconds)
        return answer

    def _call_metadata(self, session: bytes) -> tuple[tuple[str, str | bytes], ...]:
        return (*self.metadata, ("remx-session-bin", session))

    def error(self, failure: grpc.RpcError) -> MXNetError:
        """The error of remx for a call that failed: what its ErrorInfo says, or that nobody answers."""
        from google.rpc import error_details_pb2
        from grpc_status import rpc_status

        call: Any = failure
        status: Any = None
        with contextlib.suppress(ValueError, NotImplementedError):
            status = rpc_status.from_call(call)
        info = error_details_pb2.ErrorInfo()
        for detail in () if status is None else status.details:
            if detail.Unpack(info) and info.reason in CLASS_OF:
                quoted = f" (request {info.metadata['request']})" if "request" in info.metadata else ""
                return CLASS_OF[info.reason](status.message + quoted)
        if self._closed:
            return ServerUnreachableError("the connection was closed")
        return ServerUnreachableError(f"the server at {self.target} cannot be reached: {call.details()}")

    def finish(self, timeout: float) -> None:
        """End the stream in good order: wait until the server has read it to its end, or the time is up."""
        if self._stream is not None:
            self._stream.outgoing.put(None)
            self._stream.ended.wait(timeout)

    def close(self) -> None:
        """End the stream and free the connection; byte streams that run end with an error."""
        self._closed = True
        if self._stream is not None:
            self._stream.close()
        self.reset_bulk()


class _GrpcStream:
    """One command stream, on a connection of its own."""

    def __init__(self, transport: GrpcTransport, channel: grpc.Channel, hello: stream_pb2.Hello) -> None:
        self.outgoing: SimpleQueue[stream_pb2.Up | None] = SimpleQueue()
        self.outgoing.put(stream_pb2.Up(hello=hello))
        self.ended = threading.Event()
        self._transport = transport
        self._channel = channel
        method: Any = channel.stream_stream(
            _PREFIX + "Session",
            request_serializer=transport.serialize,
            response_deserializer=transport.deserialize,
        )
        self._call: Any = method(iter(self.outgoing.get, None), metadata=transport.metadata)

    def read(self, listener: Listener) -> None:
        """Hand what comes to a listener until the stream ends."""
        import grpc

        try:
            for message in self._call:
                listener.on_message(message)
            error: MXNetError = ServerUnreachableError(
                f"the server at {self._transport.target} ended the session"
            )
        except grpc.RpcError as failure:
            error = self._transport.error(failure)
        self.ended.set()
        listener.on_end(error)

    def close(self) -> None:
        """End the stream, whatever its state."""
        self.outgoing.put(None)
        self._call.cancel()
        self._channel.close()
