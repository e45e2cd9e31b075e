"""The transport: one command stream and the byte streams, over gRPC.

A transport has four methods, ``open``, ``send``, ``upload`` and ``download``, and ``close``; the tests have
one that calls a server in the same process.
"""

from __future__ import annotations

import contextlib
import ipaddress
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import cached_property
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Protocol

from remx_contract import codec
from remx_contract.errors import MXNetError, ServerUnreachableError, TransferError
from remx_contract.status import CLASS_OF
from remx_contract.v1 import stream_pb2

if TYPE_CHECKING:
    import grpc

    from ._tls import Tls

CHUNK_BYTES: Final = 1 << 20
"""The size of an upload's chunks."""

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
    bytes_up, bytes_down : int
        What was sent and received so far.
    checked : bool
        Whether byte streams have a checksum.
    """

    bytes_up: int
    bytes_down: int
    checked: bool

    def open(self, hello: stream_pb2.Hello, listener: Listener) -> None:
        """Start the stream; messages go to the listener from another thread."""

    def send(self, message: stream_pb2.Up) -> None:
        """Queue a message; never blocks."""

    def upload(
        self, session: bytes, transfer: int, data: memoryview, on_progress: Callable[[], None]
    ) -> None:
        """Send bulk data; returns when the data has been read and may change again."""

    def download(
        self, session: bytes, transfer: int, into: memoryview, on_progress: Callable[[], None]
    ) -> None:
        """Fill ``into`` with bulk data; raises TransferError."""

    def close(self) -> None:
        """End the stream and free the connection; byte streams that run end with an error."""


class _Checksum:
    """The CRC-32 of memory that is being filled, computed beside that, in a thread of its own."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._filled: SimpleQueue[int | None] = SimpleQueue()
        self._checksum = 0
        self._thread = threading.Thread(target=self._follow, name="remx-checksum", daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        at = 0
        while (end := self._filled.get()) is not None:
            self._checksum = zlib.crc32(self._memory[at:end], self._checksum)
            at = end

    def filled(self, end: int) -> None:
        """The memory is filled up to here."""
        self._filled.put(end)

    def value(self) -> int:
        """The checksum of what was filled, when there is nothing more to come."""
        self._filled.put(None)
        self._thread.join()
        return self._checksum


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
        self._metadata: tuple[tuple[str, str | bytes], ...] = (("remx-token", token),) if token else ()
        self._channel = self._connect()
        self._outgoing: SimpleQueue[stream_pb2.Up | None] = SimpleQueue()
        self._call: Any = None
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

    @cached_property
    def _bulk(self) -> grpc.Channel:
        """The byte streams' own connection: on a slow link, the command stream does not queue behind them."""
        return self._connect()

    def open(self, hello: stream_pb2.Hello, listener: Listener) -> None:
        """Start the stream and the thread that reads it."""
        method: Any = self._channel.stream_stream(
            _PREFIX + "Session",
            request_serializer=self._serialize,
            response_deserializer=self._deserialize,
        )
        self._outgoing.put(stream_pb2.Up(hello=hello))
        self._call = method(iter(self._outgoing.get, None), metadata=self._metadata)
        threading.Thread(target=self._read, args=(listener,), name="remx-reader", daemon=True).start()

    def _serialize(self, message: stream_pb2.Up) -> bytes:
        raw = message.SerializeToString()
        self.bytes_up += len(raw)
        return raw

    def _deserialize(self, raw: bytes) -> stream_pb2.Down:
        self.bytes_down += len(raw)
        return stream_pb2.Down.FromString(raw)

    def _read(self, listener: Listener) -> None:
        try:
            for message in self._call:
                listener.on_message(message)
            error: MXNetError = ServerUnreachableError(f"the server at {self.target} ended the session")
        except self._grpc.RpcError as failure:
            error = self._error(failure)
        listener.on_end(error)

    def send(self, message: stream_pb2.Up) -> None:
        """Queue a message; never blocks."""
        self._outgoing.put(message)

    def upload(
        self, session: bytes, transfer: int, data: memoryview, on_progress: Callable[[], None]
    ) -> None:
        """Send bulk data; returns when the data has been read and may change again.

        What goes wrong later, the command that waits for the data reports.
        """
        checksum: Future[int] = Future()
        read = threading.Event()
        method: Any = self._bulk.stream_unary(
            _PREFIX + "Upload", response_deserializer=stream_pb2.Receipt.FromString
        )

        def chunks() -> Iterator[bytes]:
            offset = 0
            while True:
                piece = data[offset : offset + CHUNK_BYTES]
                last = offset + len(piece) >= len(data)
                total = checksum.result() if last else None
                chunk = codec.write_chunk(transfer, offset, piece, total)
                offset += len(piece)
                self.bytes_up += len(piece)
                on_progress()
                if last:
                    read.set()
                yield chunk
                if last:
                    return

        def send() -> None:
            # A blocking call in a thread of its own: gRPC feeds it a third faster than one that runs beside.
            with contextlib.suppress(self._grpc.RpcError):
                method(chunks(), metadata=self._call_metadata(session))
            read.set()

        threading.Thread(target=send, name="remx-upload", daemon=True).start()
        checksum.set_result(zlib.crc32(data) if self.checked else 0)
        read.wait()

    def download(
        self, session: bytes, transfer: int, into: memoryview, on_progress: Callable[[], None]
    ) -> None:
        """Fill ``into`` with bulk data, checking its checksum.

        Raises
        ------
        TransferError
        ServerUnreachableError
        """
        method: Any = self._bulk.unary_stream(
            _PREFIX + "Download", request_serializer=stream_pb2.DownloadRequest.SerializeToString
        )
        checksum = _Checksum(into) if self.checked else None
        at = 0
        wanted = None
        try:
            request = stream_pb2.DownloadRequest(transfer=transfer)
            for raw in method(request, metadata=self._call_metadata(session)):
                on_progress()
                _, offset, data, wanted = codec.read_chunk(raw)
                if offset != at or at + len(data) > len(into):
                    raise TransferError(f"a download's chunk starts at {offset} instead of {at}")
                into[at : at + len(data)] = data
                at += len(data)
                if checksum is not None:
                    checksum.filled(at)
                self.bytes_down += len(data)
        except self._grpc.RpcError as failure:
            raise self._error(failure) from None
        finally:
            found = 0 if checksum is None else checksum.value()
        if at != len(into) or wanted != found:
            raise TransferError(f"a download of {len(into)} bytes ended after {at}, or its checksum is wrong")

    def _call_metadata(self, session: bytes) -> tuple[tuple[str, str | bytes], ...]:
        return (*self._metadata, ("remx-session-bin", session))

    def _error(self, failure: grpc.RpcError) -> MXNetError:
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
                return CLASS_OF[info.reason](status.message)
        if self._closed:
            return ServerUnreachableError("the connection was closed")
        return ServerUnreachableError(f"the server at {self.target} cannot be reached: {call.details()}")

    def close(self) -> None:
        """End the stream and free the connection; byte streams that run end with an error."""
        self._closed = True
        self._outgoing.put(None)
        if self._call is not None:
            self._call.cancel()
        self._channel.close()
        if "_bulk" in vars(self):
            self._bulk.close()
