"""The checkpoints that a server keeps: one folder, in it one for each owner.

::

    OWNER/named/NAME.remx         what clients save under a name
    OWNER/sessions/DIGEST.remx    the sessions' own; named by the digest of a session's token

Nobody reaches the folder of another owner: its name is made of the owner's, and names of files are checked.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from remx_contract.errors import ArgumentError, CheckpointError, LimitError

from . import checkpoint, stored
from .checkpoint import Bytes
from .snapshot import Snapshot, digest_of

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

MAX_FILES: Final = 1000
"""How many checkpoints an owner may have."""
KEPT_SECONDS: Final = 30 * 24 * 3600.0
"""How long the checkpoint of a session stays that nobody has taken over."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_SUFFIX: Final = ".remx"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]")
_NAMED: Final = "named"
_SESSIONS: Final = "sessions"


@dataclass(frozen=True)
class StoredFile:
    """A checkpoint on the server: its name or the digest of its session, its length, when it was written."""

    name: str
    nbytes: int
    modified: float


class Store:
    """The checkpoints in a folder.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    owner_bytes : int
        How much one owner may store.
    exclusive : bool
        Whether this is the only process that uses the folder, and tidies up in it.

    Raises
    ------
    CheckpointError
        If the folder cannot be made, or another server uses it.
    """

    def __init__(self, folder: str | Path, owner_bytes: int, *, exclusive: bool = True) -> None:
        self.folder = Path(folder)
        self._owner_bytes = owner_bytes
        self._changed = threading.Lock()
        # Of files that are being written: owner and length by path.
        self._pending: dict[Path, tuple[str, int]] = {}
        self._lock: int | None = None
        try:
            _make(self.folder)
            if exclusive:
                self._claim()
                self._tidy_up()
        except OSError as error:
            raise CheckpointError(f"the folder {self.folder} cannot be used: {error}") from None

    def _claim(self) -> None:
        """Keep other servers away for as long as this one runs."""
        if fcntl is None:
            return
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise CheckpointError(f"another server uses the folder {self.folder}") from None

    def close(self) -> None:
        """Let another server use the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _tidy_up(self) -> None:
        """Remove what a server that was killed has left unfinished, and sessions that nobody wants back."""
        oldest = time.time() - KEPT_SECONDS
        for path in self.folder.glob(f"*/*/{checkpoint.TEMPORARY}*"):
            path.unlink(missing_ok=True)
        for path in self.folder.glob(f"*/{_SESSIONS}/*{_SUFFIX}"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    # Where files are.

    def named(self, owner: str, name: str) -> Path:
        """The file of a name of an owner; ArgumentError for what is no name."""
        if not _NAME.fullmatch(name):
            raise ArgumentError(
                argument="path",
                got=f"the name {name[:140]!r}",
                expected="1 to 128 letters, digits, '.', '_' or '-', without a '.' in front",
            )
        return self._of_owner(owner) / _NAMED / f"{name}{_SUFFIX}"

    def of_session(self, owner: str, token: bytes) -> Path:
        """The file of a session's own checkpoint."""
        return self._of_owner(owner) / _SESSIONS / f"{digest_of(token)}{_SUFFIX}"

    def _of_owner(self, owner: str) -> Path:
        # The name is there for people to see; the digest tells owners apart.
        digest = hashlib.sha256(owner.encode()).hexdigest()
        return self.folder / f"{_UNSAFE.sub('_', owner)[:32]}-{digest[:32]}"

    # What is done with them.

    def save(self, owner: str, path: Path, snapshot: Snapshot) -> None:
        """Write a checkpoint; an older one in its place stays until the new one is complete.

        Raises
        ------
        LimitError
            If the owner stores too much.
        CheckpointError
            If the disk is full, say.
        """
        with self._reserved(owner, path, snapshot.nbytes):
            with checkpoint.storing():
                for folder in (path.parent.parent, path.parent):
                    _make(folder)
            checkpoint.write_file(path, snapshot.front, snapshot.blobs)

    @contextmanager
    def _reserved(self, owner: str, path: Path, nbytes: int) -> Iterator[None]:
        """Count a file that is being written on the owner; LimitError where that is too much."""
        with self._changed:
            if path in self._pending:
                raise CheckpointError("the same checkpoint is being written already")
            others = [each for each in self._files(owner) if each[0] != path]
            pending = [length for name, length in self._pending.values() if name == owner]
            used = sum(length for _, length in others) + sum(pending)
            if used + nbytes > self._owner_bytes:
                raise LimitError(
                    f"the checkpoints of {owner} may take {self._owner_bytes:,} bytes on the server; "
                    f"{used:,} are used, and {nbytes:,} do not fit in"
                )
            if len(others) + len(pending) >= MAX_FILES:
                raise LimitError(f"{owner} has {MAX_FILES} checkpoints on the server, which is the limit")
            self._pending[path] = (owner, nbytes)
        try:
            yield
        finally:
            with self._changed:
                del self._pending[path]

    def _files(self, owner: str) -> Iterator[tuple[Path, int]]:
        for path in self._of_owner(owner).glob(f"*/*{_SUFFIX}"):
            with suppress(FileNotFoundError):
                if not path.name.startswith(checkpoint.TEMPORARY):
                    yield path, path.stat().st_size

    def load(self, path: Path) -> stored.Checkpoint:
        """Read a checkpoint; its memories stay in the file until they are used.

        Raises
        ------
        CheckpointError
            If there is none.
        FileFormatError
            If it is damaged.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            raise CheckpointError("there is no such checkpoint on the server") from None
        except OSError as error:
            raise CheckpointError(f"the checkpoint cannot be read: {os.strerror(error.errno or 0)}") from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise CheckpointError("the checkpoint is no file")
            return stored.load(_mapped(descriptor))
        finally:
            os.close(descriptor)

    def written(self, path: Path) -> float | None:
        """When a checkpoint was written, in seconds since 1970; None where there is none."""
        try:
            return path.stat().st_mtime
        except OSError:
            return None

    def delete(self, path: Path) -> None:
        """Remove a checkpoint, if it is there."""
        with checkpoint.storing():
            path.unlink(missing_ok=True)

    def list(self, owner: str) -> list[StoredFile]:
        """The checkpoints that an owner has given names, in the order of these."""
        return self._list(f"{self._of_owner(owner).name}/{_NAMED}")

    def sessions(self) -> list[StoredFile]:
        """The sessions' own checkpoints, of all owners, by the digests of their tokens."""
        return self._list(f"*/{_SESSIONS}")

    def _list(self, folders: str) -> list[StoredFile]:
        found = []
        for path in sorted(self.folder.glob(f"{folders}/*{_SUFFIX}")):
            with suppress(FileNotFoundError):
                if not path.name.startswith(checkpoint.TEMPORARY):
                    about = path.stat()
                    found.append(StoredFile(path.name[: -len(_SUFFIX)], about.st_size, about.st_mtime))
        return found


def spooled(snapshot: Snapshot, folder: Path | None) -> np.ndarray[Any, Any]:
    """A checkpoint's bytes, in a file that nobody else sees and that is gone with the array.

    Parameters
    ----------
    snapshot : Snapshot
    folder : path or None
        Where the file is; None for the system's own place for temporary files.
    """
    with checkpoint.storing(), tempfile.TemporaryFile(dir=folder, buffering=checkpoint.CHUNK_BYTES) as file:
        checkpoint.write(file, snapshot.front, snapshot.blobs)
        file.flush()
        return _mapped(file.fileno())


def _mapped(descriptor: int) -> Bytes:
    """The bytes of an open file, which the system reads when they are looked at."""
    if not os.fstat(descriptor).st_size:
        return np.empty(0, np.uint8)
    return np.frombuffer(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ), np.uint8)


def _make(folder: Path) -> None:
    """A folder that only this user can look into."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
