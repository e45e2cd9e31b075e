"""A transport without a network: the client's session talks to a Service in the same process.

Messages and chunks cross as bytes all the same, so that neither side ever holds an object of the other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue

from remx._transport import Listener
from remx_contract.errors import ServerUnreachableError
from remx_contract.v1 import stream_pb2
from remx_server.owners import ANYBODY, Owner
from remx_server.service import Service
from remx_server.transfers import Transfers


class InProcessTransport:
    """A connection to a service of this process; see :class:`remx._transport.Transport`.

    Parameters
    ----------
    service : Service
    owner : Owner

    Attributes
    ----------
    sent : list of str
        The kinds of the messages that went up.
    """

    def __init__(self, service: Service, owner: Owner = ANYBODY) -> None:
        self.target = ""
        self.bytes_up = 0
        self.bytes_down = 0
        self.checked = True
        self.sent: list[str] = []
        self._service = service
        self._owner = owner
        self._outgoing: SimpleQueue[bytes | None] = SimpleQueue()
        self._ended = threading.Event()
        self._cut = threading.Event()
        self._reader: threading.Thread | None = None

    def open(self, hello: stream_pb2.Hello, listener: Listener) -> None:
        """Start a stream, in the place of one that was there, and the thread that reads it."""
        self._outgoing.put(None)
        outgoing = self._outgoing = SimpleQueue()
        ended = self._ended = threading.Event()
        self.send(stream_pb2.Up(hello=hello))

        cut = self._cut = threading.Event()

        def incoming() -> Iterator[stream_pb2.Up]:
            while (raw := outgoing.get()) is not None and not cut.is_set():
                yield stream_pb2.Up.FromString(raw)

        def read() -> None:
            for message in self._service.stream(self._owner, incoming()):
                if cut.is_set():
                    break
                raw = message.SerializeToString()
                self.bytes_down += len(raw)
                listener.on_message(stream_pb2.Down.FromString(raw))
            ended.set()
            listener.on_end(ServerUnreachableError("the service ended the session"))

        self._reader = threading.Thread(target=read, name="in-process", daemon=True)
        self._reader.start()

    def send(self, message: stream_pb2.Up) -> None:
        """Queue a message; never blocks."""
        raw = message.SerializeToString()
        self.bytes_up += len(raw)
        self.sent.append(message.WhichOneof("kind") or "")
        self._outgoing.put(raw)

    def cut(self) -> None:
        """Break the stream: what is under way either way is lost."""
        self._cut.set()
        self._outgoing.put(None)

    def upload(self, session: bytes, chunks: Iterator[bytes]) -> int:
        """Send chunks of an upload; returns how many bytes of it the service has."""

        def counted() -> Iterator[bytes]:
            for chunk in chunks:
                self.bytes_up += len(chunk)
                yield chunk

        return self._transfers(session).receive_all(counted())

    def received(self, session: bytes, transfer: int, timeout: float) -> int:
        """How many bytes of an upload the service has."""
        return self._transfers(session).received(transfer)

    def download(self, session: bytes, transfer: int, offset: int) -> Iterator[bytes]:
        """The chunks of a download from a byte on."""
        for raw in self._transfers(session).send(transfer, offset):
            self.bytes_down += len(raw)
            yield raw

    def _transfers(self, session: bytes) -> Transfers:
        return self._service.session_of(session, self._owner).client.transfers

    def reset_bulk(self) -> None:
        """Nothing to give up."""

    def finish(self, timeout: float) -> None:
        """End the stream in good order."""
        self._outgoing.put(None)
        self._ended.wait(timeout)

    def close(self) -> None:
        """End the stream."""
        self._outgoing.put(None)
        if self._reader is not None and self._reader is not threading.current_thread():
            self._reader.join(5.0)
