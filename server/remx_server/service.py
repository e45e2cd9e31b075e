"""The service: sessions by token, behind any transport. The gRPC edge and the in-process tests both call
it."""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from queue import Empty, SimpleQueue
from typing import Final

import numpy as np
from remx_contract import CONTRACT_VERSION
from remx_contract.catalogue import OPS, digest
from remx_contract.errors import (
    ContractMismatchError,
    InternalError,
    LimitError,
    MXNetError,
    ProtocolError,
    ServerUnreachableError,
    SessionLostError,
    UnauthenticatedError,
)
from remx_contract.status import to_failure
from remx_contract.v1 import stream_pb2

from . import (
    memory,
    ops,  # noqa: F401 - registers the kernels
)
from .access import Access
from .backend import Devices
from .config import Config
from .log import log
from .owners import Owner
from .registry import check_complete
from .session import Session

check_complete(tuple(OPS.values()))

CLOSE_SECONDS: Final = 1.0
"""How long closed sessions get to finish the command they are in."""


def product() -> str:
    """What this server is, for the handshake."""
    try:
        release = version("remx")
    except PackageNotFoundError:
        release = "(source)"
    return f"remx {release}, numpy {np.__version__}, python {platform.python_version()}"


class Service:
    """All sessions of a server.

    Parameters
    ----------
    config : Config
    devices : Devices
    """

    def __init__(self, config: Config, devices: Devices) -> None:
        self.config = config
        self.devices = devices
        self.access = Access(config)
        # A session stays here until its thread has ended, so that it counts for as long as it costs.
        self._sessions: dict[bytes, Session] = {}
        self._changed = threading.Condition()
        self._numbers = count(1)
        self._draining = False
        self._in_haste = False

    def authorize(self, token: str, peer: str = "") -> Owner:
        """Whoever the token stands for; UnauthenticatedError where it is not one that this server wants."""
        return self.access.authorize(token, peer)

    def reload(self) -> None:
        """Read the token file again, and let it hold for the sessions that run; ConfigError, and nothing is
        changed, where it makes no sense."""
        self.access.reload()
        with self._changed:
            sessions = list(self._sessions.values())
        for session in sessions:
            self._renew(session)

    def _renew(self, session: Session) -> None:
        """Give a session its owner as they are now, or close it where their token was removed."""
        try:
            session.owner = self.access.renewed(session.owner)
        except UnauthenticatedError as error:
            log.warning("token removed", extra={"session": session.name, "owner": session.owner.name})
            session.close(error)

    def session_of(self, token: bytes, owner: Owner) -> Session:
        """The owner's session that a byte stream names; SessionLostError where there is none."""
        with self._changed:
            session = self._sessions.get(token)
        # One and the same answer, so that nobody learns of the sessions of others.
        if session is None or session.closing or session.owner.name != owner.name:
            raise SessionLostError("the server has no such session")
        return session

    def stream(
        self,
        owner: Owner,
        incoming: Iterator[stream_pb2.Up],
        on_break: Callable[[Callable[[], None]], bool] | None = None,
    ) -> Iterator[stream_pb2.Down]:
        """Run one session: what comes up goes to it, what it says comes out.

        Parameters
        ----------
        owner : Owner
        incoming : iterator of Up
            Read in a thread of its own.
        on_break : callable, optional
            Takes a callback that is called as soon as the stream is over, even while nothing reads it; False
            where it is over already.
        """
        reader = _Reader(incoming)
        try:
            session = self._open(owner, reader.first(self.config.limits.hello_seconds))
        except MXNetError as error:
            reader.go_on(None)
            log.warning("session refused", extra={"reason": error.reason})
            yield stream_pb2.Down(closed=to_failure(error))
            return
        try:
            if on_break is not None and not on_break(session.close):
                return
            yield stream_pb2.Down(welcome=self._welcome(session))
            reader.go_on(session)
            yield from session.outbox
        finally:
            session.close()
            reader.go_on(None)

    def _open(self, owner: Owner, first: stream_pb2.Up | None) -> Session:
        if first is None or first.WhichOneof("kind") != "hello":
            raise ProtocolError("a stream starts with a Hello")
        hello = first.hello
        if hello.contract_version != CONTRACT_VERSION or hello.catalogue_digest != digest():
            raise ContractMismatchError(
                f"the client ({hello.client[:200]}) and this server ({product()}) were built from different "
                "contracts; install the same version of remx on both sides"
            )
        if hello.session:
            raise SessionLostError("the session to resume is gone; its arrays have to be made again")
        with self._changed:
            if self._draining:
                raise ServerUnreachableError("the server is shutting down")
            if len(self._sessions) >= self.config.limits.sessions:
                raise LimitError(f"the server has {self.config.limits.sessions} sessions, which is its limit")
            # The token file may have been read again since the token was looked up.
            owner = self.access.renewed(owner)
            name = str(next(self._numbers))
            session = Session(self.devices, self.config.limits, name, self._ended, owner)
            self._sessions[session.token] = session
        log.info(
            "session opened",
            extra={"session": session.name, "owner": owner.name, "client": hello.client[:200]},
        )
        return session

    def _ended(self, session: Session) -> None:
        with self._changed:
            self._sessions.pop(session.token, None)
            self._changed.notify_all()
        memory.give_back()
        log.info("session closed", extra={"session": session.name, "ops": session.ops})

    def _welcome(self, session: Session) -> stream_pb2.Welcome:
        devices = [
            stream_pb2.Device(
                context=stream_pb2.Context(device_type=info.device_type, device_id=info.device_id),
                name=info.name,
                memory=info.memory,
                memory_free=info.memory_free,
            )
            for info in self.devices.infos(session.owner)
        ]
        return stream_pb2.Welcome(
            session=session.token,
            lease_seconds=self.config.limits.lease_seconds,
            applied=session.applied,
            inline_limit=self.config.limits.inline_bytes,
            devices=devices,
            server=product(),
        )

    @property
    def session_count(self) -> int:
        """How many sessions are open."""
        return len(self._sessions)

    def drain(self, timeout: float) -> bool:
        """Take no new sessions and let the running ones end by themselves; after ``timeout`` close those that
        are still open.

        Returns
        -------
        bool
            False if a session is still in the middle of a command that takes long.
        """
        with self._changed:
            self._draining = True
            self._changed.wait_for(lambda: self._in_haste or not self._sessions, timeout)
            sessions = list(self._sessions.values())
        for session in sessions:
            session.close(ServerUnreachableError("the server is shutting down"))
        with self._changed:
            return self._changed.wait_for(lambda: not self._sessions, CLOSE_SECONDS)

    def hurry(self) -> None:
        """End the wait of a drain now."""
        with self._changed:
            self._in_haste = True
            self._changed.notify_all()


class _Reader:
    """Reads a stream in a thread of its own: first its first message, then, for a session, the others."""

    def __init__(self, incoming: Iterator[stream_pb2.Up]) -> None:
        self._incoming = incoming
        self._first: SimpleQueue[stream_pb2.Up | None] = SimpleQueue()
        self._session: SimpleQueue[Session | None] = SimpleQueue()
        threading.Thread(target=self._read, name="reader", daemon=True).start()

    def first(self, timeout: float) -> stream_pb2.Up | None:
        """The first message, None for a stream that ended without; ProtocolError if it does not come."""
        try:
            return self._first.get(timeout=timeout)
        except Empty:
            raise ProtocolError(f"no Hello came within {timeout:g} seconds") from None

    def go_on(self, session: Session | None) -> None:
        """Pass what follows on to a session; the first call counts."""
        self._session.put(session)

    def _read(self) -> None:
        try:
            self._first.put(next(self._incoming, None))
        except Exception:
            # gRPC raises its own classes when a client is gone; nobody is left to tell.
            self._first.put(None)
        session = self._session.get()
        if session is not None:
            self._pass_on(session)

    def _pass_on(self, session: Session) -> None:
        """Pass what comes up on to the session until the stream ends, in good order or not."""
        try:
            while (message := self._next(session)) is not None and _pass(message, session):
                pass
        except MXNetError as error:
            log.warning("session failed", extra={"session": session.name, "reason": error.reason})
            session.close(error)
        except Exception as error:
            log.exception("session crashed", extra={"session": session.name})
            session.close(InternalError(f"{type(error).__name__}: {error}"))
        session.close()

    def _next(self, session: Session) -> stream_pb2.Up | None:
        try:
            return next(self._incoming, None)
        except Exception as error:
            # As above: the client is gone.
            log.info("stream broke", extra={"session": session.name, "error": type(error).__name__})
            return None


def _pass(message: stream_pb2.Up, session: Session) -> bool:
    """Pass one message on; False after the last one."""
    kind = message.WhichOneof("kind")
    if kind == "batch":
        session.submit(message.batch)
    elif kind == "ping":
        session.outbox.put(stream_pb2.Down(pong=stream_pb2.Pong(number=message.ping.number)))
    elif kind != "goodbye":
        raise ProtocolError("a message that has no place in the middle of a stream")
    return kind != "goodbye"
