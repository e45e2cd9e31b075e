"""The service: sessions by token, behind any transport. The gRPC edge and the in-process tests both call
it."""

from __future__ import annotations

import copy
import platform
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import numpy as np
from remx_contract import CONTRACT_VERSION
from remx_contract.catalogue import OPS, digest
from remx_contract.errors import (
    ContractMismatchError,
    LimitError,
    MXNetError,
    ProtocolError,
    QuotaError,
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
from .census import Census, Facts, Overview
from .checkpoints import Store
from .commons import Commons
from .config import Config
from .keeping import Keeper
from .log import log
from .outbox import Line
from .owners import Owner
from .reader import Reader
from .registry import check_complete
from .requests import request_id
from .session import Session
from .traffic import Traffic

check_complete(tuple(OPS.values()))

REMEMBERED_ENDINGS: Final = 1024
"""Of how many sessions that have ended it is known why."""
LOST: Final = (
    "the server does not have the session any more: the server was restarted, or the client was away for "
    "longer than its lease; its arrays have to be made again, or restored from a checkpoint"
)

CLIENT_ID_BYTES: Final = 16
CHECKPOINT_SECONDS: Final = 60.0
"""How long a server that stops gives its sessions to write their checkpoints."""
LOOK_SECONDS: Final = 0.1
"""How often a server that stops looks whether clients are there."""
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
        self.commons = Commons(config.limits)
        # A session stays here until its thread has ended, so that it counts for as long as it costs.
        self._sessions: dict[bytes, Session] = {}
        # Why the last ones ended; without tracebacks, which would keep what they held.
        self._endings: OrderedDict[bytes, tuple[str, MXNetError | None]] = OrderedDict()
        self._changed = threading.Condition()
        self.census = Census()
        self.traffic = Traffic()
        self._draining = False
        self._in_haste = False
        folder = config.state_dir
        self.keeper = Keeper(Store(folder, config.limits.stored_bytes) if folder else None)
        self.keeper.start(config.checkpoint_seconds, lambda: list(self._sessions.values()))

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
            log.warning("token removed", extra=session.labels)
            session.close(error)

    def session_of(self, token: bytes, owner: Owner) -> Session:
        """The owner's session that a byte stream names; SessionLostError where there is none."""
        with self._changed:
            session = self._sessions.get(token)
            name, ending = self._endings.get(token, ("", None))
        if session is not None and session.owner.name == owner.name:
            if not session.closing:
                return session
            ending = session.ended_with
        elif name != owner.name:
            # One and the same answer to a token that means nothing and to that of somebody else.
            ending = None
        told = f"the session is gone: {ending}" if ending else LOST
        raise SessionLostError(told + self.keeper.hint(owner.name, token))

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
        reader = Reader(incoming)
        try:
            session, line = self._open(owner, reader.first(self.config.limits.hello_seconds))
        except MXNetError as error:
            reader.stop()
            log.warning("session refused", extra={"owner": owner.name, "reason": error.reason})
            self.census.refused.count(error.reason)
            yield stream_pb2.Down(closed=to_failure(error))
            return
        try:
            if on_break is not None and not on_break(lambda: session.detach(line)):
                return
            welcome = self._welcome(session)
            reader.go_on((session, line))
            yield stream_pb2.Down(welcome=welcome)
            yield from line
        finally:
            session.detach(line)
            reader.stop()

    def _open(self, owner: Owner, first: stream_pb2.Up | None) -> tuple[Session, Line]:
        if first is None or first.WhichOneof("kind") != "hello":
            raise ProtocolError("a stream starts with a Hello")
        hello = first.hello
        if hello.contract_version != CONTRACT_VERSION or hello.catalogue_digest != digest():
            raise ContractMismatchError(
                f"the client ({hello.client[:200]}) and this server ({product()}) were built from different "
                "contracts; install the same version of remx on both sides"
            )
        if len(hello.client_id) not in (0, CLIENT_ID_BYTES):
            raise ProtocolError(f"a client's id has {CLIENT_ID_BYTES} bytes")
        if hello.session:
            return self._resume(owner, hello)
        session = self._new_session(owner, hello.client_id)
        self._greet(session, hello, "session opened")
        return session, session.attach()

    def _new_session(self, owner: Owner, client_id: bytes, token: bytes = b"") -> Session:
        """A session without tensors; with a token, one that takes the place of a session that was lost."""
        with self._changed:
            # The token file may have been read again since the token was looked up.
            owner = self.access.renewed(owner)
            self._check_room(owner)
            if token in self._sessions:
                raise SessionLostError("the session is ending, or being taken over by another client")
            name = self._new_name()
            session = Session(self.devices, self.config.limits, name, self._ended, owner, self.commons)
            session.token = token or session.token
            session.client_id, session.keeper = client_id, self.keeper
            self._sessions[session.token] = session
        return session

    def revive(self, owner: Owner, token: bytes, client_id: bytes = b"") -> Session:
        """A session that was lost, from its last checkpoint.

        Parameters
        ----------
        owner : Owner
        token : bytes
            Of the session that was lost, and of this one.
        client_id : bytes
            Handles come back for the client that made them; otherwise names, and what they reach.

        Raises
        ------
        SessionLostError
            If there is no checkpoint of it, or it is another owner's.
        """
        if self.keeper.kept_since(owner.name, token) is None:
            raise SessionLostError(LOST)
        session = self._new_session(owner, client_id, token)
        try:
            told = self.keeper.bring_back(session, client_id)
        except BaseException:
            session.close()
            raise
        log.info(
            "session revived",
            extra={**session.labels, "checkpoint": told.created},
        )
        return session

    def _resume(self, owner: Owner, hello: stream_pb2.Hello) -> tuple[Session, Line]:
        try:
            session = self.session_of(hello.session, owner)
        except SessionLostError:
            if not hello.take_over or self.keeper.kept_since(owner.name, hello.session) is None:
                raise
            session = self.revive(owner, hello.session)
        line = session.attach(hello.heard, take_over=hello.take_over, client_id=hello.client_id)
        session.resumes += 1
        self._greet(session, hello, "session taken over" if hello.take_over else "session resumed")
        return session, line

    def _greet(self, session: Session, hello: stream_pb2.Hello, event: str) -> None:
        """Note who speaks to a session from now on, and by which call."""
        session.counters.client = hello.client[:200]
        session.labels["request"] = request_id()
        log.info(event, extra={**session.labels, "client": session.counters.client})

    def _check_room(self, owner: Owner, opening: Iterable[str] = ()) -> None:
        """An error for an owner who wants one more session than there may be.

        Parameters
        ----------
        owner : Owner
        opening : iterable of str
            The owners of sessions that are being opened.
        """
        if self._draining:
            raise ServerUnreachableError("the server is shutting down")
        names = [session.owner.name for session in self._sessions.values()] + list(opening)
        if len(names) >= self.config.limits.sessions:
            raise LimitError(f"the server has {self.config.limits.sessions} sessions, which is its limit")
        quota, open_now = owner.quota.sessions, names.count(owner.name)
        if quota is not None and open_now >= quota:
            raise QuotaError(f"the quota of {quota:,} sessions is used up", got=f"one more beside {open_now}")

    def _new_name(self) -> str:
        """What the log calls the next session. Drawn, not counted: who sees the own sessions only must not
        learn how many others there are."""
        return secrets.token_hex(4)

    def _ended(self, session: Session) -> None:
        if session.finished:
            self.keeper.forget(session)
        memory.give_back()
        log.info("session closed", extra={**session.labels, "ops": session.ops})
        with self._changed:
            self._sessions.pop(session.token, None)
            self.census.retire(self.facts_of(session))
            self._remember_ending(session)
            self._changed.notify_all()

    def _remember_ending(self, session: Session) -> None:
        self._endings[session.token] = (session.owner.name, session.ended_with)
        while len(self._endings) > REMEMBERED_ENDINGS:
            self._endings.popitem(last=False)

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
            received=session.client.received,
            inline_limit=self.config.limits.inline_bytes,
            devices=devices,
            server=product(),
        )

    @property
    def product(self) -> str:
        """What this server is."""
        return product()

    @property
    def session_count(self) -> int:
        """How many sessions are open."""
        return len(self._sessions)

    @property
    def draining(self) -> bool:
        """Whether no new sessions are taken."""
        return self._draining

    def overview(self) -> Overview:
        """What is known of the sessions that run, and of those that are over."""
        # At one moment: a session that ends meanwhile is in one of the two and not in both.
        with self._changed:
            sessions = list(self._sessions.values())
            ended = copy.deepcopy(self.census.ended)
        return Overview([self.facts_of(session) for session in sessions], ended)

    def facts_of(self, session: Session) -> Facts:
        """What is known of a session; for another kind of session, another way to know."""
        return self.census.facts(session)

    def end(self, name: str, error: MXNetError) -> bool:
        """End a session, telling its client why; False where there is none of that name."""
        with self._changed:
            session = next((session for session in self._sessions.values() if session.name == name), None)
        if session is None or session.closing:
            return False
        session.close(error)
        return True

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
            # Now already: whoever stops the server may lose patience before the grace is over.
            self.keeper.begin(self._sessions.values())
            self._wait_while_busy(timeout)
            sessions = list(self._sessions.values())
        self.keeper.finish(sessions, CLOSE_SECONDS if self._in_haste else CHECKPOINT_SECONDS)
        for session in sessions:
            session.close(ServerUnreachableError("the server is shutting down"))
        self.keeper.stop()
        with self._changed:
            return self._changed.wait_for(lambda: not self._sessions, CLOSE_SECONDS)

    def _wait_while_busy(self, timeout: float) -> None:
        """Wait while clients are there whose sessions may end by themselves. With the lock."""
        deadline = time.monotonic() + timeout
        while not self._in_haste and any(session.attached for session in self._sessions.values()):
            left = deadline - time.monotonic()
            if left <= 0:
                return
            # A client that only leaves wakes nobody.
            self._changed.wait(min(left, LOOK_SECONDS))

    def hurry(self) -> None:
        """End the wait of a drain now."""
        with self._changed:
            self._in_haste = True
            self._changed.notify_all()
