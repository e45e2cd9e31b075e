"""The session that new arrays go to, and what a fork or the end of the interpreter does to sessions."""

from __future__ import annotations

import atexit
import os
import threading
from typing import Final

from remx_contract.errors import SessionError

from ._session import FORKED, Session, abandoned, open_sessions

_current: Session | None = None
_last: Session | None = None
_forked_connected = False
_lock = threading.RLock()


def current() -> Session:
    """The session that new arrays go to.

    The first use opens one: on the server that ``REMX_SERVER`` names, else on an embedded server.
    """
    return _current if _current is not None else _open()


def _open() -> Session:
    global _current
    with _lock:
        if _current is None:
            from ._connect import open_default

            _current = open_default()
        return _current


def use(session: Session | None) -> None:
    """Make a session the one that new arrays go to (None: a new default one), closing the one before."""
    global _current, _last
    with _lock:
        before, _current = _current, session
        _last = session or before
    if before is not None and before is not session:
        before.close()


def let_go(session: Session) -> None:
    """A session is no longer the one that new arrays go to; it is not closed."""
    global _current, _last
    with _lock:
        _last = session
        if _current is session:
            _current = None


def last_token() -> str:
    """What the session that this process has detached or lost last is taken over by."""
    session = _last or _current
    if session is None or session.alive:
        raise SessionError("this program has no session that it has detached or lost")
    return session.token


def peek() -> Session | None:
    """The session that new arrays go to, if there is one."""
    return _current


def check_fork() -> None:
    """SessionError in a process that was forked from one that had connected."""
    if _forked_connected:
        raise SessionError(FORKED)


def _after_fork_in_child() -> None:
    global _lock, _forked_connected
    _lock = threading.RLock()
    if open_sessions or abandoned:
        _forked_connected = True
    for session in list(open_sessions):
        session.abandon_after_fork()
    open_sessions.clear()


def close_all() -> None:
    """Close every session, at interpreter exit."""
    for session in list(open_sessions):
        session.close()


_EXIT: Final = atexit.register(close_all)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
