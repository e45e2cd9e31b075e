"""Keeping: when checkpoints are made and come back.

Clients' commands ask for it; and unasked it happens every so often, when the server stops, and when a session
is taken over after it was lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakKeyDictionary

from remx_contract.errors import CheckpointError, ProtocolError, SessionLostError
from remx_contract.v1 import stream_pb2

from . import memory, stored
from .checkpoints import Store, spooled
from .log import log
from .restoring import restore, revive
from .snapshot import Snapshot, capture, digest_of
from .transfers import Download

if TYPE_CHECKING:
    from .session import Session

WRITERS: Final = 2
"""How many checkpoints are written at a time without holding their sessions up."""
_POLL_SECONDS: Final = 0.1
_UNTOUCHED: Final = (0, 0)
"""The mark of a session that has run nothing: there is nothing to write, or it is what it came from."""

Result = TypeVar("Result")


class _Kept:
    """What is known of a session's own checkpoint.

    Attributes
    ----------
    lock : Lock
        Held while it is written or removed.
    mark : object
        How far the session had come when the last one was taken.
    asked : bool
        Whether one is on its way that nobody waits for.
    ended : bool
        The session is over in good order, and no checkpoint must be left.
    """

    def __init__(self, mark: object) -> None:
        self.lock = threading.Lock()
        self.mark = mark
        self.asked = False
        self.ended = False


class Keeper:
    """Makes checkpoints of sessions, and brings them back.

    Parameters
    ----------
    store : Store or None
        None where the server keeps none.
    """

    def __init__(self, store: Store | None = None) -> None:
        self.store = store
        self._kept: WeakKeyDictionary[Session, _Kept] = WeakKeyDictionary()
        self._opening = threading.Lock()
        self._stopped = threading.Event()
        self._writers = ThreadPoolExecutor(WRITERS, "checkpoint")

    def _state(self, session: Session) -> _Kept:
        with self._opening:
            kept = self._kept.get(session)
            if kept is None:
                kept = self._kept[session] = _Kept(_UNTOUCHED)
            return kept

    def _folder(self) -> Store:
        if self.store is None:
            raise CheckpointError(
                "this server keeps no checkpoints (remx-server --state-dir DIR); save to a file of your own"
            )
        return self.store

    # Commands, on the session's thread.

    def save(
        self, session: Session, message: stream_pb2.Save
    ) -> tuple[stream_pb2.Checkpoint, Download | None]:
        """What a Save asks for: what is in the checkpoint, and the download of one that the client wants."""
        to = message.WhichOneof("to")
        if to == "transfer":
            snapshot = capture(session)
            spool = spooled(snapshot, self.store and self.store.folder)
            return snapshot.message(), session.transfers.publish(message.transfer, spool, shared=False)
        if to == "name":
            path = self._folder().named(session.owner.name, message.name)
            snapshot = capture(session)
            self._folder().save(session.owner.name, path, snapshot)
            return snapshot.message(), None
        if to == "own":
            snapshot = capture(session)
            self._folder()
            self._write(session, snapshot, _mark(session))
            return snapshot.message(), None
        raise ProtocolError("a save that does not say where to")

    def restore(self, session: Session, message: stream_pb2.Restore) -> stream_pb2.Checkpoint:
        """What a Restore asks for: what has come back."""
        source = message.WhichOneof("from")
        if source == "stream":
            stream = message.stream
            data = session.transfers.take(stream.transfer, stream.length, checked=not stream.unchecked)
            return restore(session, stored.load(data))
        if source == "name":
            path = self._folder().named(session.owner.name, message.name)
        elif source == "own":
            path = self._folder().of_session(session.owner.name, session.token)
        else:
            raise ProtocolError("a restore that does not say where from")
        checkpoint = self._folder().load(path)
        _check_owner(checkpoint, session.owner.name)
        return restore(session, checkpoint)

    # The sessions' own checkpoints.

    def _write(self, session: Session, snapshot: Snapshot, mark: object) -> None:
        """Write a session's own checkpoint, unless it has ended."""
        store, kept = self._folder(), self._state(session)
        with kept.lock:
            if not kept.ended:
                owner = session.owner.name
                store.save(owner, store.of_session(owner, session.token), snapshot)
                kept.mark = mark

    def start(self, seconds: float, sessions: Callable[[], Iterable[Session]]) -> None:
        """Checkpoint the sessions that have changed every so often; not at all with 0 seconds."""
        if self.store is None or not seconds:
            return

        def keep_on() -> None:
            while not self._stopped.wait(seconds):
                self.begin(sessions())

        threading.Thread(target=keep_on, name="keeper", daemon=True).start()

    def begin(self, sessions: Iterable[Session]) -> None:
        """Checkpoint those sessions that have changed, each as soon as it has done what is queued."""
        if self.store is None:
            return
        for session in sessions:
            kept = self._state(session)
            if kept.mark != _mark(session) and not kept.asked:
                kept.asked = True
                session.between_batches(partial(self._keep, session))

    def _keep(self, session: Session) -> None:
        """Checkpoint a session, on its thread, which goes on as soon as everything is copied."""
        kept, mark = self._state(session), _mark(session)

        def write(snapshot: Snapshot) -> None:
            try:
                self._write(session, snapshot, mark)
            finally:
                kept.asked = False

        def take() -> None:
            snapshot = capture(session)
            free = memory.available()
            if free is not None and 2 * snapshot.nbytes > free:
                # No room for a copy: the session waits until it is written.
                write(snapshot)
            else:
                self._writers.submit(self._quietly, session, write, snapshot.owned())

        if not self._quietly(session, take):
            kept.asked = False

    def _quietly(self, session: Session, function: Callable[..., object], *arguments: Any) -> bool:
        """Do what nobody has asked for; what goes wrong is for the log. Says whether it went well."""
        try:
            function(*arguments)
            return True
        except Exception as error:
            log.error(
                "checkpoint failed",
                extra={**session.labels, "error": f"{type(error).__name__}: {error}"},
            )
            return False

    def finish(self, sessions: Iterable[Session], seconds: float) -> None:
        """Checkpoint all sessions before the server stops; those that have not come to it in time, not."""
        if self.store is None:
            return
        deadline = time.monotonic() + seconds
        waiting = []
        for session in sessions:
            if self._state(session).mark != _mark(session):
                done: Future[None] = Future()
                session.between_batches(partial(self._finish, session, done))
                waiting.append((session, done))
        for session, done in waiting:
            self._quietly(session, _await, session, done, deadline)

    def _finish(self, session: Session, done: Future[None]) -> None:
        mark = _mark(session)
        self._quietly(session, lambda: self._write(session, capture(session), mark))
        done.set_result(None)

    def forget(self, session: Session) -> None:
        """A session has ended in good order: its own checkpoint is of no use to anybody."""
        if self.store is None:
            return
        kept = self._state(session)
        with kept.lock:
            kept.ended = True
            path = self.store.of_session(session.owner.name, session.token)
            self._quietly(session, self.store.delete, path)

    def stop(self) -> None:
        """Make no more checkpoints, and let another server have the folder."""
        self._stopped.set()
        self._writers.shutdown(wait=True)
        if self.store is not None:
            self.store.close()

    # Sessions that are only a checkpoint.

    def kept_since(self, owner: str, token: bytes) -> float | None:
        """When the last checkpoint of an owner's session was made; None where there is none."""
        if self.store is None:
            return None
        return self.store.written(self.store.of_session(owner, token))

    def hint(self, owner: str, token: bytes) -> str:
        """What to add when a client is told that its session is gone: that there is a checkpoint of it."""
        written = self.kept_since(owner, token)
        if written is None:
            return ""
        at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(written))
        return f"; a checkpoint of {at} is there: mx.session.attach() takes the session over as it was then"

    def bring_back(self, session: Session, client_id: bytes = b"") -> stream_pb2.Checkpoint:
        """Make a new session the one that its token stood for, as the last checkpoint has it.

        Parameters
        ----------
        session : Session
            One that has had no commands, with the token of the one that was lost.
        client_id : bytes
            Of the client that takes it over; see :func:`restoring.revive`.

        Raises
        ------
        CheckpointError
            If there is no checkpoint of that session of the same owner.
        FileFormatError
            If it is damaged.
        """
        owner, token = session.owner.name, session.token
        checkpoint = self._folder().load(self._folder().of_session(owner, token))
        _check_owner(checkpoint, owner)
        if checkpoint.session != digest_of(token):
            raise CheckpointError("the checkpoint is of another session")
        return on_thread(session, lambda: revive(session, checkpoint, client_id))


def on_thread(session: Session, function: Callable[[], Result]) -> Result:
    """Have a session's thread call a function; returns or raises what that does."""
    done: Future[Result] = Future()

    def call() -> None:
        try:
            done.set_result(function())
        except BaseException as error:
            done.set_exception(error)

    session.between_batches(call)
    return _await(session, done, None)


def _await(session: Session, done: Future[Result], deadline: float | None) -> Result:
    """What a session's thread makes of a future; SessionLostError if it ends before."""
    while not wait([done], _POLL_SECONDS).done:
        if deadline is not None and time.monotonic() > deadline:
            raise CheckpointError("the session was busy for too long")
        if session.closing and session.join(0):
            raise SessionLostError("the session has just ended")
    return done.result()


def _mark(session: Session) -> object:
    """How far a session has come; another one as soon as it has run something."""
    return session.ops, session.applied


def _check_owner(checkpoint: stored.Checkpoint, owner: str) -> None:
    # Files of owners are in folders of their own; this is for one that was put into the wrong one.
    if checkpoint.owner != owner:
        raise CheckpointError("there is no such checkpoint on the server")
