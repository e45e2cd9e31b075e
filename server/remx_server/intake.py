"""Intake: the side of a session that its streams see.

A stream attaches to a session, and what comes through it is taken in by one lock, under which another
stream can take its place. Without a stream the session waits for the next one, for as long as its lease is.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

from remx_contract.errors import LimitError, MXNetError, ProtocolError, SessionError, SessionLostError
from remx_contract.v1 import stream_pb2

from .commands import tensor_spec
from .config import Limits
from .counters import Counters
from .log import log
from .outbox import Line, Outbox
from .owners import Owner
from .transfers import Transfers

HEARTBEAT_SECONDS: Final = 1.0
"""How often a client whose stream is held up hears that the server is there."""
_OVERHEAD: Final = 256
"""What a waiting batch costs beside its bytes, roughly."""


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


Entry = tuple[stream_pb2.Batch, int] | Client | Callable[[], None]
"""What a session's thread is given: a batch and its size, another client, or a function to call."""


class Intake(ABC):
    """A session as its streams see it.

    Parameters
    ----------
    limits : Limits
    name : str
        What the log calls it.
    owner : Owner
        Whoever it belongs to.

    Attributes
    ----------
    client : Client
        Whom the session works for, or will as soon as its thread has done what the one before had asked.
    finished : bool
        Whether the client has said goodbye.
    labels : dict
        What each line of the log about the session has.
    """

    def __init__(self, limits: Limits, name: str, owner: Owner) -> None:
        self.limits = limits
        self.name = name
        # Replaced from outside, when the token file is read again; the session's thread looks at each batch.
        self.owner = owner
        self.labels = {"session": name, "owner": owner.name, "request": ""}
        self.counters = Counters()
        self.client = Client(limits, self._upload_quota)
        self.finished = False
        self._inbox: SimpleQueue[Entry | None] = SimpleQueue()
        # The stream that the client speaks through now, and how long it may have none.
        self._intake = threading.Lock()
        self._line: Line | None = None
        self._keep_seconds = limits.lease_seconds
        self._lease: threading.Timer | None = None
        # Bytes submitted, counted by the edge's thread, and bytes done with, by the session's own.
        self._submitted = 0
        self._finished = 0
        self._progress = threading.Event()
        self._closing = threading.Event()

    @abstractmethod
    def close(self, error: MXNetError | None = None) -> None:
        """End the session, for a reason if there is an error."""

    @property
    def closing(self) -> bool:
        """Whether the session is over, or nearly."""
        return self._closing.is_set()

    @property
    def attached(self) -> bool:
        """Whether the client is there."""
        return self._line is not None

    @property
    def queue_bytes(self) -> int:
        """Bytes of batches that wait to be run, or run."""
        return self._submitted - self._finished

    def _upload_quota(self) -> int | None:
        return self.owner.quota.upload_bytes

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
