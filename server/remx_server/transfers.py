"""Bulk data on its way in or out of a session: what byte streams fill and commands take, and the reverse."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from remx_contract import codec
from remx_contract.errors import LimitError, ProtocolError, TransferError

from .config import Limits

CHUNK_BYTES: Final = 1 << 20
"""The size of a download's chunks."""


class _Upload:
    """Bytes that have come so far; ``length`` is known once a command has claimed the transfer."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.checksum = 0
        self.complete = False
        self.error: TransferError | None = None


class Transfers:
    """The transfers of one session. Byte streams and the session's thread meet here.

    Parameters
    ----------
    limits : Limits
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._changed = threading.Condition()
        self._uploads: dict[int, _Upload] = {}
        self._downloads: dict[int, np.ndarray[Any, Any]] = {}
        self._taken: int = 0
        self._closed = False

    def receive(self, chunk: bytes) -> int:
        """Add one chunk of an upload; returns how many bytes of the transfer are here.

        Raises
        ------
        ProtocolError, TransferError, LimitError
        """
        transfer, offset, data, checksum = codec.read_chunk(chunk)
        with self._changed:
            if self._closed:
                raise TransferError("the session is closed")
            upload = self._uploads.setdefault(transfer, _Upload())
            if upload.complete or offset != len(upload.buffer):
                raise ProtocolError(
                    f"transfer {transfer} has {len(upload.buffer)} bytes, a chunk starts at {offset}"
                )
            if offset + len(data) > self._limits.upload_bytes:
                raise LimitError(f"an upload holds at most {self._limits.upload_bytes} bytes")
        upload.buffer += data
        upload.checksum = zlib.crc32(data, upload.checksum)
        with self._changed:
            if checksum is not None:
                upload.complete = True
                if checksum != upload.checksum:
                    upload.error = TransferError(f"the checksum of transfer {transfer} is wrong")
            self._changed.notify_all()
        return len(upload.buffer)

    def abandon(self, transfer: int) -> None:
        """The stream of an upload broke off: whoever waits for it gets an error."""
        with self._changed:
            upload = self._uploads.setdefault(transfer, _Upload())
            if not upload.complete:
                upload.complete = True
                upload.error = TransferError(f"upload {transfer} broke off after {len(upload.buffer)} bytes")
            self._changed.notify_all()

    def take(self, transfer: int, length: int) -> bytearray:
        """The bytes of an upload, waiting for them as long as they keep coming.

        Raises
        ------
        TransferError
            If it has another length, broke off, or nothing came for ``transfer_seconds``.
        """
        seen = -1
        with self._changed:
            while True:
                upload = self._uploads.get(transfer)
                size = len(upload.buffer) if upload else 0
                if upload is not None and upload.complete:
                    break
                if self._closed or size == seen:
                    raise TransferError(f"upload {transfer} stopped after {size} of {length} bytes")
                seen = size
                self._changed.wait_for(
                    lambda seen=seen: self._closed or self._progress(transfer) > seen,
                    self._limits.transfer_seconds,
                )
            del self._uploads[transfer]
        if upload.error is not None:
            raise upload.error
        if len(upload.buffer) != length:
            raise TransferError(f"upload {transfer} has {len(upload.buffer)} bytes instead of {length}")
        return upload.buffer

    def _progress(self, transfer: int) -> int:
        """A number that grows with an upload's bytes, and once more when it is complete."""
        upload = self._uploads.get(transfer)
        return -1 if upload is None else len(upload.buffer) + upload.complete

    def publish(self, transfer: int, array: np.ndarray[Any, Any]) -> None:
        """Offer an array for download, once."""
        with self._changed:
            if transfer in self._downloads:
                raise ProtocolError(f"transfer {transfer} was used twice")
            self._downloads[transfer] = array

    def send(self, transfer: int, offset: int) -> Iterator[bytes]:
        """The chunks of a download from ``offset`` on; TransferError where nothing was published."""
        with self._changed:
            array = self._downloads.get(transfer)
        if array is None:
            raise TransferError(f"there is no download {transfer}")
        raw = memoryview(array.reshape(-1).view(np.uint8))
        checksum = zlib.crc32(raw[:offset])
        while True:
            piece = raw[offset : offset + CHUNK_BYTES]
            checksum = zlib.crc32(piece, checksum)
            end = offset + len(piece)
            last = end >= len(raw)
            yield codec.write_chunk(transfer, offset, piece, checksum if last else None)
            if last:
                break
            offset = end
        with self._changed:
            self._downloads.pop(transfer, None)

    def close(self) -> None:
        """Forget everything and wake whoever waits."""
        with self._changed:
            self._closed = True
            self._uploads.clear()
            self._downloads.clear()
            self._changed.notify_all()
