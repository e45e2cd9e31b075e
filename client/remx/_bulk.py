"""The byte streams of a session: uploads and downloads, which go on where they were when a connection
breaks."""

from __future__ import annotations

import threading
import time
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from remx_contract import codec
from remx_contract.errors import MXNetError, ServerUnreachableError, SessionError, TransferError

from ._link import LONGEST_DELAY_SECONDS, SILENCE_SECONDS, Link, log

if TYPE_CHECKING:
    from ._transport import Transport

CHUNK_BYTES: Final = 1 << 20
"""The size of an upload's chunks."""
KEPT_BYTES: Final = 8 << 20
"""Uploads up to this size leave the caller as soon as their data is on its way, and keep a copy until it has
arrived; larger ones leave when it has."""
HOPELESS: Final = 50
"""So many attempts without a byte of progress, and a transfer is given up."""


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


class _Pieces:
    """The chunks of an upload.

    Attributes
    ----------
    read : Event
        Set when the data may change again.
    checksum : Future of int
        The data's; the last chunk waits for it.
    """

    def __init__(self, transfer: int, data: memoryview) -> None:
        self.read = threading.Event()
        self.checksum: Future[int] = Future()
        self.transfer = transfer
        self.size = len(data)
        self._data = data
        self._count = -(-len(data) // CHUNK_BYTES)
        self._keeps = len(data) <= KEPT_BYTES
        self._made: dict[int, bytes] = {}
        self._lock = threading.Lock()

    def after(self, offset: int) -> Iterator[bytes]:
        """The chunks from the one on that has the byte at ``offset``."""
        for index in range(offset // CHUNK_BYTES, self._count):
            yield self._chunk(index)

    def _chunk(self, index: int) -> bytes:
        last = index == self._count - 1
        checksum = self.checksum.result() if last else None
        # Two calls may be reading, where one has broken and does not know it yet.
        with self._lock:
            chunk = self._made.get(index)
            if chunk is None:
                offset = index * CHUNK_BYTES
                piece = self._data[offset : offset + CHUNK_BYTES]
                chunk = codec.write_chunk(self.transfer, offset, piece, checksum)
                if self._keeps:
                    self._made[index] = chunk
        if last and self._keeps:
            self.read.set()
        return chunk


class _Pace:
    """Whether a transfer gets on."""

    def __init__(self) -> None:
        self.at = 0
        self.moved = time.monotonic()
        self.patience = SILENCE_SECONDS
        self.failures = 0
        self._best = 0

    def move(self, at: int) -> None:
        """The transfer has come to a byte."""
        self.at = at
        self.moved = time.monotonic()
        if at > self._best:
            self._best = at
            self.failures = 0


class Bulk:
    """The transfers of a session.

    Parameters
    ----------
    transport : Transport
    link : Link

    Attributes
    ----------
    fetched : deque of int
        Downloads that have arrived, of which the server is to be told.
    seconds : float
        How long callers have waited here.
    """

    def __init__(self, transport: Transport, link: Link) -> None:
        self.fetched: deque[int] = deque()
        self.seconds = 0.0
        self._transport = transport
        self._link = link
        self._running: set[_Pace] = set()
        self._asking = threading.Lock()

    @property
    def checked(self) -> bool:
        """Whether byte streams have a checksum: what does not leave this machine needs none."""
        return self._transport.checked

    @property
    def _session(self) -> bytes:
        return self._link.welcome.session

    @contextmanager
    def _watched(self) -> Iterator[_Pace]:
        """Counts the time of a transfer, and has it watched meanwhile."""
        started = time.monotonic()
        self._link.on_progress()
        pace = _Pace()
        self._running.add(pace)
        try:
            yield pace
        finally:
            self._running.discard(pace)
            self.seconds += time.monotonic() - started

    def upload(self, transfer: int, data: memoryview) -> None:
        """Send the bytes of a transfer; returns when they may change again.

        What goes wrong, the command that waits for them reports.
        """
        pieces = _Pieces(transfer, data)
        started = time.monotonic()
        # A blocking call in a thread of its own: gRPC feeds it a third faster than one that runs beside.
        threading.Thread(target=self._send, args=(pieces,), name="remx-upload", daemon=True).start()
        pieces.checksum.set_result(zlib.crc32(data) if self.checked else 0)
        pieces.read.wait()
        self.seconds += time.monotonic() - started

    def _send(self, pieces: _Pieces) -> None:
        with self._watched() as pace:
            try:
                while pace.at < pieces.size:
                    self._go_on_sending(pieces, pace)
            except MXNetError as error:
                # The command that waits for the bytes tells the program.
                log.debug("upload %d ended: %s", pieces.transfer, error)
            finally:
                pieces.read.set()

    def _go_on_sending(self, pieces: _Pieces, pace: _Pace) -> None:
        """Send what is left of an upload; where the connection breaks, find out what has arrived."""
        try:
            chunks = self._moving(pieces.after(pace.at), pace)
            pace.move(self._transport.upload(self._session, chunks))
        except ServerUnreachableError as error:
            pace.move(self._received(pieces.transfer, pace, error))

    def _moving(self, chunks: Iterator[bytes], pace: _Pace) -> Iterator[bytes]:
        for chunk in chunks:
            pace.move(pace.at + CHUNK_BYTES)
            self._link.on_progress()
            yield chunk

    def _received(self, transfer: int, pace: _Pace, error: MXNetError) -> int:
        """How much of an upload has arrived, as soon as the server can say so."""
        while True:
            self._pause(pace, error)
            try:
                return self._transport.received(self._session, transfer, pace.patience)
            except ServerUnreachableError as failure:
                error = failure

    def _pause(self, pace: _Pace, error: MXNetError) -> None:
        """Wait until a transfer that broke can be tried again; raises where it cannot."""
        pace.failures += 1
        if pace.failures > HOPELESS:
            raise error
        if pace.failures > 1:
            time.sleep(min(0.05 * 2 ** (pace.failures - 2), LONGEST_DELAY_SECONDS))
        pace.moved = time.monotonic()
        if not self._link.wait_until_up():
            raise SessionError("the session has ended")

    def download(self, transfer: int, into: memoryview) -> None:
        """Fill memory with the bytes of a transfer that the server has published.

        Raises
        ------
        TransferError
            If other bytes came, or not as many.
        SessionError
            If the session ended meanwhile.
        """
        checksum = _Checksum(into) if self.checked else None
        wanted = None
        try:
            with self._watched() as pace:
                while pace.at < len(into):
                    try:
                        for raw in self._transport.download(self._session, transfer, pace.at):
                            wanted = self._take(raw, into, pace)
                            if checksum is not None:
                                checksum.filled(pace.at)
                        break
                    except ServerUnreachableError as error:
                        self._pause(pace, error)
        finally:
            found = 0 if checksum is None else checksum.value()
        if pace.at != len(into) or wanted != found:
            raise TransferError(
                f"a download of {len(into)} bytes ended after {pace.at}, or its checksum is wrong"
            )
        self.fetched.append(transfer)

    def _take(self, raw: bytes, into: memoryview, pace: _Pace) -> int | None:
        """Put a chunk of a download in its place; returns its checksum."""
        self._link.on_progress()
        _, offset, data, checksum = codec.read_chunk(raw)
        end = offset + len(data)
        if offset != pace.at or end > len(into):
            raise TransferError(f"a download's chunk starts at {offset} instead of {pace.at}")
        into[offset:end] = data
        pace.move(end)
        return checksum

    def watch(self) -> None:
        """Every PING_SECONDS: have the server asked where a transfer stands still."""
        now = time.monotonic()
        running = list(self._running)
        if running:
            self._link.watch(0.0)
        slow = [pace for pace in running if now - pace.moved > pace.patience]
        if slow and self._link.up and self._asking.acquire(blocking=False):
            threading.Thread(target=self._ask, args=(slow,), name="remx-bulk-watch", daemon=True).start()

    def _ask(self, slow: list[_Pace]) -> None:
        """Ask the server through the byte streams' own connection; one that does not answer is given up,
        and what stood still goes on through another."""
        try:
            patience = min(pace.patience for pace in slow)
            for pace in slow:
                # The link may only be slow; it has more time at every further try.
                pace.patience *= 2
                pace.moved = time.monotonic()
            self._transport.received(self._session, 0, patience)
        except ServerUnreachableError:
            self._transport.reset_bulk()
        except MXNetError:
            # It has answered.
            pass
        finally:
            self._asking.release()
