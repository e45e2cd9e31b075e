"""Checkpoints: a session's arrays, gradients, random state and names in one file, here or on the server."""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from remx_contract.errors import FileFormatError, UnsupportedTypeError
from remx_contract.v1 import stream_pb2

from ._current import current
from ._session import Session
from ._waiters import next_number

SERVER: Final = "server:"
"""What the path of a checkpoint begins with that the server keeps."""
_FILL_BYTES: Final = 1 << 20

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Checkpoint:
    """What was saved.

    Attributes
    ----------
    nbytes : int
        Length of the file.
    created : float
        When it was made, in seconds since 1970 by the server's clock.
    names : tuple of str
        The named arrays in it.
    tensors : int
        How many arrays it has, gradients among them.
    left_graphs : int
        How many of them were part of a recorded computation. Their values are in the file; what was recorded
        is not, so after a restore no backward pass goes through it.
    """

    nbytes: int
    created: float
    names: tuple[str, ...]
    tensors: int
    left_graphs: int

    def __str__(self) -> str:
        at = time.strftime("%H:%M:%S", time.localtime(self.created))
        left = f", {self.left_graphs} without what was recorded" if self.left_graphs else ""
        return f"checkpoint of {at}: {self.tensors} arrays, {self.nbytes:,} bytes{left}"


def save(path: PathLike | None = None) -> Checkpoint:
    """Write a checkpoint: all arrays of the session, variables and gradients, random states and names.

    The file is there as a whole or not at all: one that was in its place stays until the new one is complete.

    Parameters
    ----------
    path : str or path, optional
        A file on this machine; or ``"server:NAME"``, which the server keeps for whoever has the same token;
        or nothing, for the session's own checkpoint on the server, from which it comes back when the server
        was restarted. The last two need a server that has ``--state-dir``.

    Returns
    -------
    Checkpoint
        What was saved.

    Raises
    ------
    CheckpointError
        If the server keeps no checkpoints, or cannot write this one.
    LimitError
        If the server keeps too much for you already.
    OSError
        If the file here cannot be written.

    See Also
    --------
    restore
    """
    session = current()
    file, name = _where(path)
    if file is None:
        to = stream_pb2.Save(own=True) if name is None else stream_pb2.Save(name=name)
        return _checkpoint(_ask(session, to))
    transfer = next_number()
    with _new_file(file) as descriptor:
        told = _ask(session, stream_pb2.Save(transfer=transfer, unchecked=not session.checked))
        _allocate(descriptor, told.nbytes)
        # The bytes go from the network to the file's pages, and are nowhere else.
        session.download(transfer, memoryview(mmap.mmap(descriptor, told.nbytes)))
    return _checkpoint(told)


def restore(path: PathLike | None = None) -> list[str]:
    """Take the session back to a checkpoint: all of it or, if anything is wrong, nothing.

    Where the checkpoint is from this process, all arrays that were there and still are get the values back
    that they had, as if these were written to them: weights, gradients, states of optimizers. Where it is
    from another one, arrays come back by their names (``mx.session.put``, ``get``). In both cases the names
    come back, and random numbers go on as they did after the checkpoint was made.

    Arrays that were made since, and names given since, stay as they are. So does which arrays are variables.

    Parameters
    ----------
    path : str or path, optional
        As in :func:`save`.

    Returns
    -------
    list of str
        The names that came back.

    Raises
    ------
    FileFormatError
        If the file is damaged, or none of a checkpoint.
    CheckpointError
        If the server has no such checkpoint.
    """
    session = current()
    file, name = _where(path)
    if file is not None:
        return _restore_from(session, file)
    message = stream_pb2.Restore(own=True) if name is None else stream_pb2.Restore(name=name)
    (reply,) = session.ask(lambda number: _numbered(message, number))
    return list(reply.checkpoint.names)


def _restore_from(session: Session, path: Path) -> list[str]:
    """Restore from a file here."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            raise FileFormatError(f"not a checkpoint: {path} is empty")
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    transfer = next_number()
    stream = stream_pb2.Restore.Stream(transfer=transfer, length=size, unchecked=not session.checked)
    waiter = session.waiters.new()
    session.command(_numbered(stream_pb2.Restore(stream=stream), waiter.number))
    session.upload(transfer, data)
    reply = session.receive(waiter)
    assert isinstance(reply, stream_pb2.Reply)
    return list(reply.checkpoint.names)


def _where(path: PathLike | None) -> tuple[Path | None, str | None]:
    """A file here, or a name on the server, or neither for the session's own checkpoint there."""
    if path is None:
        return None, None
    if not isinstance(path, (str, os.PathLike)):
        raise UnsupportedTypeError(argument="path", got=f"{type(path)}", expected="a str or a path")
    if isinstance(path, str) and path.startswith(SERVER):
        return None, path[len(SERVER) :]
    return Path(path), None


def _ask(session: Session, message: stream_pb2.Save) -> stream_pb2.Checkpoint:
    (reply,) = session.ask(lambda number: _numbered(message, number))
    told: stream_pb2.Checkpoint = reply.checkpoint
    return told


def _numbered(message: stream_pb2.Save | stream_pb2.Restore, number: int) -> stream_pb2.Command:
    message.request = number
    if isinstance(message, stream_pb2.Save):
        return stream_pb2.Command(save=message)
    return stream_pb2.Command(restore=message)


def _checkpoint(told: stream_pb2.Checkpoint) -> Checkpoint:
    return Checkpoint(told.nbytes, told.created, tuple(told.names), told.tensors, told.left_graphs)


@contextmanager
def _new_file(path: Path) -> Iterator[int]:
    """The descriptor of a new file beside ``path``, which takes its place at the end if all went well."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        try:
            yield descriptor
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    # Not everywhere can a folder be opened; where it can, the new name is on the disk after this.
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _allocate(descriptor: int, size: int) -> None:
    """Have the disk's room for a file, whose pages could not say that it is full when they are written."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    with os.fdopen(os.dup(descriptor), "wb") as file:
        for start in range(0, size, _FILL_BYTES):
            file.write(bytes(min(_FILL_BYTES, size - start)))
