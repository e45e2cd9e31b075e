"""Bulk data on its way in or out of a session: what byte streams fill and commands take, and the reverse.

The session's thread has nothing else to do while a command waits for its bytes, so it does the work: it puts
an upload together behind the stream that brings it, and computes the checksum of a download beside the stream
that sends it. A download is sent from the tensor's own memory, and copied only if other commands come
meanwhile.

A byte stream that breaks takes nothing with it: an upload goes on where its bytes end, once the client has
asked how many have arrived, and a download stays until the client says that it has all of it.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np
from remx_contract import codec
from remx_contract.errors import LimitError, MXNetError, ProtocolError, QuotaError, TransferError

from . import memory
from .config import Limits
from .turns import Aside

CHUNK_BYTES: Final = 1 << 20
"""The size of a download's chunks."""

REMEMBERED: Final = 4096
"""Of how many uploads that are done with the length is known, for clients that did not hear it."""

WAKE_BYTES: Final = 2 << 20
"""How often an upload wakes the session's thread to put together what has come."""

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


class _Upload:
    """What has come of an upload.

    The stream leaves pieces, as they came; the session's thread puts them together when its command has come.
    """

    def __init__(self) -> None:
        self.pieces: list[memoryview] = []
        self.length: int | None = None
        self.received = 0
        self.checksum: int | None = None
        self.complete = False
        self.error: MXNetError | None = None

    def expect(self, length: int) -> None:
        self.length = length
        if self.error is None and length < self.received:
            self.error = TransferError(f"an upload of {length} bytes has brought {self.received} already")

    def add(self, data: memoryview) -> None:
        self.pieces.append(data)
        self.received += len(data)


class _Assembly:
    """The bytes of an upload in one place, with their checksum, if there is one."""

    def __init__(self, length: int, checked: bool) -> None:
        self.length = length
        self.checked = checked
        self.bytes: Bytes = np.empty(0, np.uint8)
        self.filled = 0
        self.checksum = 0

    def add(self, piece: memoryview) -> None:
        if not self.filled:
            # Not before there are bytes: a claim alone costs no memory.
            self.bytes = np.empty(self.length, np.uint8)
        end = self.filled + len(piece)
        # NumPy copies without holding the interpreter, unlike a memoryview.
        self.bytes[self.filled : end] = np.frombuffer(piece, np.uint8)
        if self.checked:
            self.checksum = zlib.crc32(piece, self.checksum)
        self.filled = end


class Download:
    """An array that can be fetched.

    Parameters
    ----------
    array : array
    shared : bool
        Whether later commands may write to the array while it is being sent.
    """

    def __init__(self, array: np.ndarray[Any, Any], shared: bool) -> None:
        self.bytes: Bytes = array.reshape(-1).view(np.uint8)
        self.size = len(self.bytes)
        self.shared = shared
        self.checksum: int | None = None
        self.touched = time.monotonic()
        self.readers = 0
        # Held while a piece is taken from the array, and while the array changes places.
        self._lock = threading.Lock()

    def piece(self, transfer: int, start: int, end: int, checksum: int | None) -> bytes:
        """A chunk of the array."""
        with self._lock:
            return codec.write_chunk(transfer, start, memoryview(self.bytes)[start:end], checksum)

    def own(self) -> None:
        """Move to memory of its own."""
        copy = self.bytes.copy()
        with self._lock:
            self.bytes = copy
            self.shared = False


class Transfers:
    """The transfers of one session. Byte streams and the session's threads meet here.

    Parameters
    ----------
    limits : Limits
    quota : callable, optional
        Gives the size of the largest upload by the owner's quota, if there is one.
    """

    def __init__(self, limits: Limits, quota: Callable[[], int | None] = lambda: None) -> None:
        self._limits = limits
        self._quota = quota
        self._changed = threading.Condition()
        self._uploads: dict[int, _Upload] = {}
        self._downloads: dict[int, Download] = {}
        # Those that share their memory with a tensor; touched by the session's thread alone.
        self._shared: list[Download] = []
        # The lengths of uploads that are done with, the newest last.
        self._done: OrderedDict[int, int] = OrderedDict()
        self._closed = False
        self._attached_since: float | None = time.monotonic()

    @property
    def attached(self) -> bool:
        """Whether the client is there; nothing is late while it is not."""
        return self._attached_since is not None

    @attached.setter
    def attached(self, there: bool) -> None:
        with self._changed:
            self._attached_since = time.monotonic() if there else None

    def _wait_for(self, condition: Callable[[], bool]) -> bool:
        """Wait for a condition; False where it does not come true though the client has been there for
        ``transfer_seconds``. With the lock."""
        patience = self._limits.transfer_seconds
        while not self._changed.wait_for(condition, patience):
            since = self._attached_since
            if since is not None and since + patience <= time.monotonic():
                return False
        return True

    # Uploads.

    def expect(self, transfer: int, length: int) -> None:
        """A command further down the stream will take this upload, of so many bytes."""
        with self._changed:
            self._expect(transfer, length)

    def _expect(self, transfer: int, length: int) -> _Upload:
        upload = self._uploads.setdefault(transfer, _Upload())
        if upload.length is not None:
            raise ProtocolError(f"transfer {transfer} was used twice")
        free = memory.available()
        quota = self._quota()
        if quota is not None and length > quota:
            upload.error = QuotaError(
                f"the quota of {quota:,} upload_bytes is used up", got=f"an upload of {length:,} bytes"
            )
        elif length > self._limits.upload_bytes:
            upload.error = LimitError(f"an upload holds at most {self._limits.upload_bytes} bytes")
        elif length > memory.LARGE_BYTES and free is not None and length > free:
            upload.error = LimitError(f"the host has no room for an upload of {length} bytes")
        upload.expect(length)
        self._changed.notify_all()
        return upload

    def receive_all(self, chunks: Iterable[bytes]) -> int:
        """Take in chunks of one upload; returns how many bytes of it have come. The others may come in
        another call.

        Raises
        ------
        ProtocolError, TransferError, LimitError
            Which is also what the command gets that waits for the upload.
        """
        current = None
        received = 0
        try:
            for chunk in chunks:
                current, received, complete = self.receive(chunk, current)
                if complete:
                    break
        except MXNetError as error:
            if current is not None:
                self._abandon(current, error)
            raise
        return received

    def receive(self, chunk: bytes, current: int | None = None) -> tuple[int, int, bool]:
        """Add one chunk of an upload, which belongs to transfer ``current`` unless that is None.

        Returns
        -------
        tuple
            The transfer, how many bytes of it are here, and whether that was the last chunk.
        """
        transfer, offset, data, checksum = codec.read_chunk(chunk)
        if current is not None and transfer != current:
            raise ProtocolError(f"a chunk of transfer {transfer} came in the stream of transfer {current}")
        with self._changed:
            if transfer in self._done:
                return transfer, self._done[transfer], True
            upload = self._admit(transfer, offset, len(data))
            if upload.complete or (checksum is None and offset + len(data) <= upload.received):
                # Sent once more after a stream broke, while the bytes that were under way have arrived
                # after all.
                return transfer, upload.received, upload.complete
            data = data[upload.received - offset :]
            upload.add(data)
            upload.checksum = checksum
            upload.complete = checksum is not None
            if upload.complete or upload.received // WAKE_BYTES > (upload.received - len(data)) // WAKE_BYTES:
                self._changed.notify_all()
            return transfer, upload.received, upload.complete

    def _admit(self, transfer: int, offset: int, size: int) -> _Upload:
        """The upload that a chunk belongs to; waits where it comes too early and there is no room for it."""
        if not self._wait_for(lambda: self._has_room(transfer, size)):
            raise TransferError(f"no command has asked for transfer {transfer}")
        if self._closed:
            raise TransferError("the session is closed")
        upload = self._uploads.get(transfer)
        if upload is None:
            if offset:
                raise ProtocolError(f"transfer {transfer} starts at {offset}, or is over")
            upload = self._uploads[transfer] = _Upload()
        if upload.error is not None:
            raise upload.error
        if offset > upload.received or (upload.complete and offset + size > upload.received):
            raise ProtocolError(
                f"transfer {transfer} has {upload.received} bytes, a chunk starts at {offset}"
            )
        if upload.length is not None and offset + size > upload.length:
            raise TransferError(f"transfer {transfer} brings more than its {upload.length} bytes")
        return upload

    def _has_room(self, transfer: int, size: int) -> bool:
        upload = self._uploads.get(transfer)
        if self._closed or (upload is not None and upload.length is not None):
            return True
        early = sum(other.received for other in self._uploads.values() if other.length is None)
        count = sum(other.length is None for other in self._uploads.values())
        return early + size <= self._limits.early_bytes and count < self._limits.early_uploads

    def _abandon(self, transfer: int, error: MXNetError) -> None:
        """The stream of an upload is over; whoever waits for what it did not bring gets an error."""
        with self._changed:
            upload = self._uploads.get(transfer)
            if upload is None or (upload.complete and upload.error is None):
                return
            upload.complete = True
            upload.error = upload.error or error
            upload.pieces, upload.received = [], 0
            self._changed.notify_all()

    def take(self, transfer: int, length: int, *, checked: bool = True) -> Bytes:
        """The bytes of an upload, with a checksum if ``checked``, waiting as long as they keep coming.

        Raises
        ------
        TransferError
            If it has another length, broke off, or nothing came for ``transfer_seconds``.
        LimitError
        """
        with self._changed:
            upload = self._uploads.get(transfer)
            if upload is None or upload.length is None:
                upload = self._expect(transfer, length)
        assembly = _Assembly(length, checked)
        try:
            self._follow(transfer, upload, assembly)
        finally:
            with self._changed:
                self._uploads.pop(transfer, None)
                self._done[transfer] = length
                while len(self._done) > REMEMBERED:
                    self._done.popitem(last=False)
                self._changed.notify_all()
        if assembly.filled != length:
            raise TransferError(f"upload {transfer} has {assembly.filled} bytes instead of {length}")
        if checked and assembly.checksum != upload.checksum:
            raise TransferError(f"the checksum of upload {transfer} is wrong")
        return assembly.bytes

    def _follow(self, transfer: int, upload: _Upload, assembly: _Assembly) -> None:
        """Put an upload's pieces together as they come, until it is complete."""
        while True:
            with self._changed:
                self._wait_for(
                    lambda: self._closed
                    or upload.complete
                    or upload.error is not None
                    or upload.received - assembly.filled >= WAKE_BYTES
                )
                pieces, upload.pieces = upload.pieces[::-1], []
                complete = upload.complete
                if upload.error is not None:
                    raise upload.error
                # Slow is fine, as long as something came.
                if self._closed or not (complete or pieces):
                    raise TransferError(
                        f"upload {transfer} stopped after {assembly.filled} of {upload.length} bytes"
                    )
            while pieces:
                # Taken off one by one, so that the memory of each is free as soon as it is copied.
                assembly.add(pieces.pop())
            if complete:
                return

    def received(self, transfer: int) -> int:
        """How many bytes of an upload have come: all of one that is done with, none of one that is not
        known."""
        with self._changed:
            upload = self._uploads.get(transfer)
            return self._done.get(transfer, 0) if upload is None else upload.received

    # Downloads.

    def publish(self, transfer: int, array: np.ndarray[Any, Any], shared: bool) -> Download:
        """Offer an array for download, once; its checksum comes with :meth:`finish`.

        Raises
        ------
        LimitError
            While too much waits to be fetched already.
        """
        with self._changed:
            if transfer in self._downloads:
                raise ProtocolError(f"transfer {transfer} was used twice")
            self._drop_stale()
            waiting = sum(other.size for other in self._downloads.values())
            if waiting and waiting + array.nbytes > self._limits.download_bytes:
                raise LimitError(f"{waiting} bytes of downloads wait to be fetched")
            if len(self._downloads) >= self._limits.downloads:
                raise LimitError(f"{len(self._downloads)} downloads wait to be fetched")
        # The only thread that publishes is this one, so nothing has changed meanwhile.
        download = Download(array, shared)
        with self._changed:
            self._downloads[transfer] = download
        if shared:
            self._shared.append(download)
        return download

    def finish(self, download: Download, *, checked: bool = True) -> None:
        """Compute a download's checksum, if there is to be one, while it may be sent already."""
        checksum = 0
        for start in range(0, download.size if checked else 0, CHUNK_BYTES):
            checksum = zlib.crc32(download.bytes[start : start + CHUNK_BYTES], checksum)
        with self._changed:
            download.checksum = checksum
            self._changed.notify_all()

    def settle(self) -> None:
        """Before a command that may write to a published tensor: whatever is still being sent is copied."""
        shared, self._shared = self._shared, []
        with self._changed:
            waiting = [download for download in self._downloads.values() if download in shared]
        for download in waiting:
            with Aside(works=True):
                download.own()

    def _drop_stale(self) -> None:
        """Forget downloads that nobody has fetched for a long time."""
        oldest = time.monotonic() - self._limits.transfer_seconds
        if self._attached_since is None or self._attached_since > oldest:
            return
        for transfer, download in list(self._downloads.items()):
            if download.touched < oldest and not download.readers:
                del self._downloads[transfer]

    def send(self, transfer: int, offset: int) -> Iterator[bytes]:
        """The chunks of a download from ``offset`` on.

        Raises
        ------
        TransferError
            Where nothing was published, or it ends before ``offset``.
        """
        with self._changed:
            download = self._downloads.get(transfer)
            if download is None:
                raise TransferError(f"there is no download {transfer}")
            if offset > download.size:
                raise TransferError(f"download {transfer} ends before byte {offset}")
            download.readers += 1
        try:
            yield from self._chunks(transfer, download, offset)
        finally:
            with self._changed:
                download.readers -= 1
                download.touched = time.monotonic()

    def fetched(self, transfers: Iterable[int]) -> None:
        """The client has all bytes of these downloads."""
        with self._changed:
            for transfer in transfers:
                self._downloads.pop(transfer, None)

    def _chunks(self, transfer: int, download: Download, offset: int) -> Iterator[bytes]:
        while (end := offset + CHUNK_BYTES) < download.size:
            yield download.piece(transfer, offset, end, None)
            offset = end
        with self._changed:
            self._changed.wait_for(lambda: self._closed or download.checksum is not None)
            if download.checksum is None:
                raise TransferError("the session is closed")
        yield download.piece(transfer, offset, download.size, download.checksum)

    def close(self) -> None:
        """Forget everything and wake whoever waits."""
        with self._changed:
            self._closed = True
            self._uploads.clear()
            self._downloads.clear()
            self._changed.notify_all()
