"""A transport without a network: the client's session talks to a Service in the same process.

Messages and chunks cross as bytes all the same, so that neither side ever holds an object of the other.
"""

from __future__ import annotations

import contextlib
import threading
import zlib
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from remx._transport import Listener
from remx_contract import codec
from remx_contract.errors import MXNetError, ServerUnreachableError, TransferError
from remx_contract.v1 import stream_pb2
from remx_server.owners import ANYBODY
from remx_server.service import Service

CHUNK_BYTES = 1 << 16
"""Small, so that the transfers of a test have several chunks."""


class InProcessTransport:
    """A connection to a service of this process; see :class:`remx._transport.Transport`.

    Parameters
    ----------
    service : Service

    Attributes
    ----------
    sent : list of str
        The kinds of the messages that went up.
    """

    def __init__(self, service: Service) -> None:
        self.bytes_up = 0
        self.bytes_down = 0
        self.checked = True
        self.sent: list[str] = []
        self._service = service
        self._outgoing: SimpleQueue[bytes | None] = SimpleQueue()
        self._reader: threading.Thread | None = None

    def open(self, hello: stream_pb2.Hello, listener: Listener) -> None:
        """Start the stream and the thread that reads it."""
        self.send(stream_pb2.Up(hello=hello))
        self._reader = threading.Thread(target=self._read, args=(listener,), name="in-process", daemon=True)
        self._reader.start()

    def _incoming(self) -> Iterator[stream_pb2.Up]:
        while (raw := self._outgoing.get()) is not None:
            yield stream_pb2.Up.FromString(raw)

    def _read(self, listener: Listener) -> None:
        for message in self._service.stream(ANYBODY, self._incoming()):
            raw = message.SerializeToString()
            self.bytes_down += len(raw)
            listener.on_message(stream_pb2.Down.FromString(raw))
        listener.on_end(ServerUnreachableError("the service ended the session"))

    def send(self, message: stream_pb2.Up) -> None:
        """Queue a message; never blocks."""
        raw = message.SerializeToString()
        self.bytes_up += len(raw)
        self.sent.append(message.WhichOneof("kind") or "")
        self._outgoing.put(raw)

    def upload(
        self, session: bytes, transfer: int, data: memoryview, on_progress: Callable[[], None]
    ) -> None:
        """Send bulk data; what goes wrong, the command that waits for it reports."""
        with contextlib.suppress(MXNetError):
            self._service.session_of(session, ANYBODY).transfers.receive_all(
                self._chunks(transfer, data, on_progress)
            )

    def _chunks(self, transfer: int, data: memoryview, on_progress: Callable[[], None]) -> Iterator[bytes]:
        checksum = zlib.crc32(data)
        for offset in range(0, len(data), CHUNK_BYTES):
            piece = data[offset : offset + CHUNK_BYTES]
            self.bytes_up += len(piece)
            on_progress()
            last = offset + len(piece) == len(data)
            yield codec.write_chunk(transfer, offset, piece, checksum if last else None)

    def download(
        self, session: bytes, transfer: int, into: memoryview, on_progress: Callable[[], None]
    ) -> None:
        """Fill ``into`` with bulk data."""
        checksum = None
        for raw in self._service.session_of(session, ANYBODY).transfers.send(transfer, 0):
            on_progress()
            _, offset, data, checksum = codec.read_chunk(raw)
            into[offset : offset + len(data)] = data
            self.bytes_down += len(data)
        if checksum != zlib.crc32(into):
            raise TransferError("the checksum is wrong")

    def close(self) -> None:
        """End the stream."""
        self._outgoing.put(None)
        if self._reader is not None and self._reader is not threading.current_thread():
            self._reader.join(5.0)
