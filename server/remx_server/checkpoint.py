"""The format of checkpoint files: a description in JSON, arrays as they are in memory, and a checksum.

All numbers are little endian::

    magic    8 bytes
    version  4 bytes
    length   8 bytes        of the header
    header   JSON in UTF-8  padded with zeros to a multiple of 64, counted from the start of the file
    arrays                  each padded to a multiple of 64
    SHA-256  32 bytes       of everything before

The header's ``arrays`` lists dtype and shape of each array, in the order of the file. Where an array starts
follows from those before it, so that no header can make a file stand for more than it holds. What else is in
the header is in ``snapshot.py``.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from remx_contract.dtypes import CODE_OF
from remx_contract.errors import CheckpointError, FileFormatError
from remx_contract.infer import MAX_DIMENSIONS, MAX_ELEMENTS

from . import memory

MAGIC: Final = b"\x89remx\r\n\x1a"
"""As PNG's: it shows a file that was taken for text on its way."""
VERSION: Final = 1
ALIGNMENT: Final = 64
CHUNK_BYTES: Final = 8 << 20
MAX_HEADER_BYTES: Final = 64 << 20
"""About a million arrays. JSON is read in one go, while other sessions wait for the interpreter."""
HEADER_COST: Final = 40
"""Bytes of memory that a byte of JSON can take when it is read, roughly."""
_SMALL_HEADER: Final = 1 << 20
_MAX_DIGITS: Final = 20
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""What JSON can spell and no message of the wire can hold."""

_FRONT: Final = struct.Struct("<8sIQ")
_DIGEST_BYTES: Final = 32

DTYPES: Final = {dtype.name: dtype for dtype in (*CODE_OF, np.dtype(np.uint32), np.dtype(np.uint64))}
"""What arrays of a file can be: tensors, and the words of random generators."""

Array = np.ndarray[Any, Any]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Blob:
    """An array to write: its form, and what gets it in host memory when its turn comes."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fetch: Callable[[], Array]

    @classmethod
    def of(cls, array: Array) -> Blob:
        """The blob of an array that is there already."""
        return cls(array.dtype, array.shape, lambda: array)

    @property
    def nbytes(self) -> int:
        """Its length in the file, without padding."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Content:
    """What a file says: the header, and the arrays as they lie in the file's bytes."""

    header: dict[str, Any]
    arrays: list[Array]


# Writing.


def _padding(length: int) -> int:
    return -length % ALIGNMENT


def encode_header(header: dict[str, Any], blobs: Sequence[Blob]) -> bytes:
    """Everything before the arrays."""
    arrays = [[blob.dtype.name, blob.shape] for blob in blobs]
    text = json.dumps({**header, "arrays": arrays}, separators=(",", ":")).encode()
    if len(text) > MAX_HEADER_BYTES:
        raise CheckpointError(
            f"the session has too many tensors for a checkpoint: {len(text):,} bytes of names"
        )
    front = _FRONT.pack(MAGIC, VERSION, len(text)) + text
    return front + bytes(_padding(len(front)))


def size_of(front: bytes, blobs: Sequence[Blob]) -> int:
    """The length of the file with these arrays."""
    arrays = sum(blob.nbytes + _padding(blob.nbytes) for blob in blobs)
    return len(front) + arrays + _DIGEST_BYTES


def write(file: BinaryIO, front: bytes, blobs: Sequence[Blob]) -> None:
    """Write a file's content, one array at a time."""
    checksum = hashlib.sha256()

    def put(data: memoryview | bytes) -> None:
        for start in range(0, len(data), CHUNK_BYTES):
            piece = data[start : start + CHUNK_BYTES]
            checksum.update(piece)
            file.write(piece)

    put(front)
    for blob in blobs:
        little = blob.dtype.newbyteorder("<")
        array = np.ascontiguousarray(blob.fetch(), little)
        if array.dtype != little or array.nbytes != blob.nbytes:
            raise CheckpointError(
                f"an array is {array.nbytes} bytes of {array.dtype}, not {blob.nbytes} of {little}"
            )
        put(memoryview(array.reshape(-1).view(np.uint8).data))
        put(bytes(_padding(blob.nbytes)))
    file.write(checksum.digest())


def write_file(path: Path, front: bytes, blobs: Sequence[Blob]) -> None:
    """Write a file that is there as a whole or not at all: an older one stays until it is replaced.

    Raises
    ------
    CheckpointError
        Where the disk is full, say.
    """
    with storing(), _beside(path) as file:
        write(file, front, blobs)


@contextmanager
def _beside(path: Path) -> Iterator[BinaryIO]:
    """A new file in the folder of ``path``, which takes its place at the end if all went well."""
    new = path.with_name(f"{TEMPORARY}{path.name}.{os.urandom(6).hex()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            yield _Whole(file)  # type: ignore[misc]
            os.fsync(file.fileno())
        os.replace(new, path)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    # Without this, the name may still stand for the older file after a power failure.
    sync_folder(path.parent)


TEMPORARY: Final = ".writing-"
"""How the names of files begin that are being written."""


class _Whole:
    """An unbuffered file that writes all it is given: one call of the system may take less."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: memoryview | bytes) -> None:
        """Write everything."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]


def sync_folder(folder: Path) -> None:
    """Have a folder's names on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def storing() -> Iterator[None]:
    """Errors of the file system as those of remx; what the server calls its folders stays with the server."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            f"the server cannot store the checkpoint: {os.strerror(error.errno or 0)}"
        ) from error


# Reading.


def read(data: Bytes) -> Content:
    """The content of a file's bytes, which its arrays share.

    Raises
    ------
    FileFormatError
        For anything but what :func:`write` writes. The checksum is looked at first, and no array is made
        before its length is known to be there.
    """
    size = len(data)
    if size < _FRONT.size + _DIGEST_BYTES:
        raise FileFormatError(f"not a checkpoint: it has {size} bytes")
    magic, version, length = _FRONT.unpack(data[: _FRONT.size].tobytes())
    if magic != MAGIC:
        raise FileFormatError("not a checkpoint: it starts with something else")
    if version != VERSION:
        raise FileFormatError(f"a checkpoint of version {version}; this server reads version {VERSION}")
    end = size - _DIGEST_BYTES
    if length > min(end - _FRONT.size, MAX_HEADER_BYTES):
        raise FileFormatError(f"a checkpoint of {size} bytes with a header of {length}")
    if _digest(data[:end]) != data[end:].tobytes():
        raise FileFormatError("the checkpoint is damaged: its checksum is wrong")
    header = _parse(data[_FRONT.size : _FRONT.size + length])
    at = _FRONT.size + length
    return Content(header, _arrays(header, data[:end], at + _padding(at)))


def _digest(data: Bytes) -> bytes:
    checksum = hashlib.sha256()
    for start in range(0, len(data), CHUNK_BYTES):
        checksum.update(data[start : start + CHUNK_BYTES])
    return checksum.digest()


def _parse(raw: Bytes) -> dict[str, Any]:
    free = memory.available()
    if len(raw) > _SMALL_HEADER and free is not None and len(raw) * HEADER_COST > free:
        raise CheckpointError(f"the host has no room for a checkpoint with a header of {len(raw):,} bytes")
    try:
        header = json.loads(raw.tobytes().decode(), parse_int=_integer, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"the checkpoint's header is not JSON: {type(error).__name__}") from None
    if not isinstance(header, dict):
        raise FileFormatError("the checkpoint's header is no table")
    return header


def _integer(digits: str) -> int:
    # Python takes time for long numbers that grows with the square of their length.
    if len(digits) > _MAX_DIGITS:
        raise ValueError("a number of too many digits")
    return int(digits)


def _refuse(name: str) -> None:
    raise ValueError(name)


def _arrays(header: dict[str, Any], data: Bytes, at: int) -> list[Array]:
    """The arrays that the header lists; they fill the file from ``at`` to its end."""
    arrays = []
    for row in rows(header, "arrays", 2):
        dtype = DTYPES.get(text(row[0]))
        if dtype is None:
            raise FileFormatError(f"the checkpoint has an array of dtype {row[0][:20]!r}")
        lengths = shape(row[1])
        size = math.prod(lengths) * dtype.itemsize
        if at + size > len(data):
            raise FileFormatError("the checkpoint ends inside of an array")
        raw = data[at : at + size]
        if dtype == np.bool_ and size and raw.max() > 1:
            raise FileFormatError("the checkpoint has an array of bool with other values")
        arrays.append(raw.view(dtype.newbyteorder("<")).reshape(lengths))
        at += size + _padding(size)
    if at != len(data):
        raise FileFormatError(f"the checkpoint's arrays end at {at} instead of {len(data)}")
    return arrays


# What can be in a header: each function gives the entry, or FileFormatError where it is something else.


def rows(table: dict[str, Any], name: str, columns: int) -> list[list[Any]]:
    """A list of lists of that many entries each."""
    found = table.get(name)
    if not isinstance(found, list) or not all(isinstance(row, list) and len(row) == columns for row in found):
        raise FileFormatError(f"the checkpoint's {name!r} are not a list of rows of {columns}")
    return found


def integer(entry: object, low: int, high: int) -> int:
    """A number from ``low`` up to, but not, ``high``."""
    if type(entry) is not int or not low <= entry < high:
        raise FileFormatError(
            f"the checkpoint has {str(entry)[:40]} where a number from {low} to {high - 1} belongs"
        )
    return entry


def text(entry: object, longest: int = 1 << 16) -> str:
    """A text."""
    if not isinstance(entry, str) or len(entry) > longest or _SURROGATE.search(entry):
        raise FileFormatError(f"the checkpoint has a {type(entry).__name__} where a text belongs")
    return entry


def shape(entry: object) -> tuple[int, ...]:
    """A shape that a tensor can have."""
    if not isinstance(entry, list) or len(entry) > MAX_DIMENSIONS:
        raise FileFormatError("the checkpoint has something else where a shape belongs")
    lengths = tuple(integer(length, 0, MAX_ELEMENTS + 1) for length in entry)
    if math.prod(lengths) > MAX_ELEMENTS:
        raise FileFormatError(f"the checkpoint has an array of {math.prod(lengths)} elements")
    return lengths
