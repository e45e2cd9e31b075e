"""MXNet's own file format for arrays, ``.params``: a list of arrays with or without names.

A file is the number 0x112, a reserved one, the arrays, and their names; all numbers are little endian. An
array is its magic number, storage type, shape, context, dtype code and values. Four versions of arrays can be
read; written is the one that MXNet 1.9.1 writes.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from remx_contract.dtypes import CODE_OF, from_code
from remx_contract.errors import DTypeError, FileFormatError, UnsupportedTypeError

from ._creation import array
from ._values import read_all
from .ndarray import NDArray

_LIST_MAGIC: Final = 0x112
_V1: Final = 0xF993FAC8
_V2: Final = 0xF993FAC9
_V3: Final = 0xF993FACA
_MAX_AXES: Final = 32


def save(fname: str | os.PathLike[str], data: NDArray | Sequence[NDArray] | Mapping[str, NDArray]) -> None:
    """Write arrays to a file on this machine, in MXNet's format.

    The values are read in one go, and the file is replaced as a whole: an error leaves an older one as it
    was.

    Parameters
    ----------
    fname : str or path
    data : NDArray, list of NDArray, or dict of str to NDArray
    """
    if isinstance(data, NDArray):
        data = [data]
    if isinstance(data, Mapping):
        names, arrays = list(data), list(data.values())
        if not all(isinstance(name, str) for name in names):
            raise UnsupportedTypeError(op="save", argument="data", expected="names that are texts")
    elif isinstance(data, Sequence):
        names, arrays = [], list(data)
    else:
        raise UnsupportedTypeError(
            op="save", argument="data", got=f"{type(data)}", expected="an NDArray, or a list or dict of them"
        )
    for one in arrays:
        if not isinstance(one, NDArray):
            raise UnsupportedTypeError(op="save", argument="data", got=f"{type(one)}", expected="NDArrays")
    path = Path(fname)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            _write(file, names, _fetched(arrays))
        except BaseException:
            file.close()
            os.unlink(file.name)
            raise
    os.chmod(file.name, 0o666 & ~_umask())
    os.replace(file.name, path)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _fetched(arrays: Sequence[NDArray]) -> list[np.ndarray[Any, Any]]:
    """The values of arrays, those of one session read together."""
    values: dict[int, np.ndarray[Any, Any]] = {}
    for session in {one._session for one in arrays}:
        mine = [(index, one) for index, one in enumerate(arrays) if one._session is session]
        read = read_all(session, [(one._handle, one._spec) for _, one in mine])
        values.update((index, host) for (index, _), host in zip(mine, read, strict=True))
    return [values[index] for index in range(len(arrays))]


def _write(file: Any, names: Sequence[str], arrays: Sequence[np.ndarray[Any, Any]]) -> None:
    file.write(struct.pack("<QQQ", _LIST_MAGIC, 0, len(arrays)))
    for host in arrays:
        # In the usual version a length of 0 means that it is unknown, and no axes that there is no array.
        magic = _V2 if host.size and host.ndim else _V3
        file.write(struct.pack("<Iii", magic, 0, host.ndim))
        file.write(struct.pack(f"<{host.ndim}q", *host.shape))
        file.write(struct.pack("<iii", 1, 0, CODE_OF[host.dtype]))
        file.write(host.tobytes() if host.size == 0 else np.ascontiguousarray(host).data)
    file.write(struct.pack("<Q", len(names)))
    for name in names:
        raw = name.encode()
        file.write(struct.pack("<Q", len(raw)) + raw)


def load(fname: str | os.PathLike[str]) -> list[NDArray] | dict[str, NDArray]:
    """Read the arrays of a file on this machine, written by remx or MXNet.

    Returns
    -------
    dict of str to NDArray, or list of NDArray
        A dict if the arrays have names.

    Raises
    ------
    FileFormatError
        For a file in another format.
    """
    with open(fname, "rb") as file:
        return _read(file)


def load_frombuffer(buf: bytes) -> list[NDArray] | dict[str, NDArray]:
    """Read the arrays of a file whose content is at hand; see :func:`load`."""
    from io import BytesIO

    if not isinstance(buf, (bytes, bytearray, memoryview)):
        raise UnsupportedTypeError(op="load_frombuffer", argument="buf", got=f"{type(buf)}", expected="bytes")
    return _read(BytesIO(buf))


def _read(file: BinaryIO) -> list[NDArray] | dict[str, NDArray]:
    magic, _, number = _numbers(file, "<QQQ")
    if magic != _LIST_MAGIC:
        raise FileFormatError(f"not a file of arrays: it starts with {magic:#x} instead of {_LIST_MAGIC:#x}")
    hosts = [_read_array(file) for _ in range(number)]
    (named,) = _numbers(file, "<Q")
    try:
        names = [_exactly(file, _numbers(file, "<Q")[0]).decode() for _ in range(named)]
    except UnicodeDecodeError as error:
        raise FileFormatError(f"a name that is no text: {error}") from None
    if names and len(names) != len(hosts):
        raise FileFormatError(f"{len(hosts)} arrays with {len(names)} names")
    arrays = [array(host, dtype=host.dtype) for host in hosts]
    return dict(zip(names, arrays, strict=True)) if names else arrays


def _read_array(file: BinaryIO) -> np.ndarray[Any, Any]:
    (magic,) = _numbers(file, "<I")
    if magic in (_V2, _V3):
        (storage,) = _numbers(file, "<i")
        if storage not in (0, -1):
            raise FileFormatError(f"a sparse array (storage type {storage}), which remx does not have")
        (axes,) = _numbers(file, "<i")
        shape = _shape(file, axes, "q")
    elif magic == _V1:
        (axes,) = _numbers(file, "<i")
        shape = _shape(file, axes, "q")
    else:
        # The oldest files start with the number of axes itself.
        shape = _shape(file, magic, "I")
    if not shape and magic != _V3:
        return np.zeros((0,), np.float32)
    _, _, code = _numbers(file, "<iii")
    try:
        dtype = from_code(code)
    except DTypeError as error:
        raise FileFormatError(f"an array of an unknown dtype: {error}") from None
    count = int(np.prod(shape, dtype=object)) if shape else 1
    raw = _exactly(file, count * dtype.itemsize)
    return np.frombuffer(raw, dtype).reshape(shape)


def _shape(file: BinaryIO, axes: int, kind: str) -> tuple[int, ...]:
    if not 0 <= axes <= _MAX_AXES:
        raise FileFormatError(f"an array with {axes} axes")
    shape = _numbers(file, f"<{axes}{kind}")
    if any(length < 0 for length in shape):
        raise FileFormatError(f"an array of shape {shape}")
    return shape


def _numbers(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, _exactly(file, struct.calcsize(form)))


def _exactly(file: BinaryIO, size: int) -> bytes:
    # In pieces, so that a claim beyond the file's end takes no memory.
    parts = []
    left = size
    while left > 0:
        part = file.read(min(left, 1 << 26))
        if not part:
            raise FileFormatError(f"the file ends {left} bytes too early")
        parts.append(part)
        left -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
