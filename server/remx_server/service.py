"""The service: sessions by token, behind any transport. The gRPC edge and the in-process tests both call
it."""

from __future__ import annotations

import hmac
import platform
import threading
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from itertools import count

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

from . import ops  # noqa: F401 - registers the kernels
from .backend import Devices
from .config import Config
from .log import log
from .registry import check_complete
from .session import Session

check_complete(tuple(OPS.values()))


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
        self._sessions: dict[bytes, Session] = {}
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._draining = False

    def authorize(self, token: str) -> None:
        """UnauthenticatedError unless the token is the one this server wants, if it wants one."""
        if self.config.token and not hmac.compare_digest(token.encode(), self.config.token.encode()):
            raise UnauthenticatedError(
                "the server wants a token and this one is missing or wrong (REMX_TOKEN, or "
                "mx.connect(token=...))"
            )

    def session_of(self, token: bytes) -> Session:
        """The session that a byte stream names; SessionLostError where there is none."""
        with self._lock:
            session = self._sessions.get(token)
        if session is None:
            raise SessionLostError("the server has no such session")
        return session

    def stream(self, requests: Iterable[stream_pb2.Up]) -> Iterator[stream_pb2.Down]:
        """One client's command stream: what comes down for what goes up. Never raises: errors are the last
        message."""
        incoming = iter(requests)
        try:
            session = self._open(incoming)
        except MXNetError as error:
            log.warning("session refused", extra={"reason": error.reason})
            yield stream_pb2.Down(closed=to_failure(error))
            return
        yield stream_pb2.Down(welcome=self._welcome(session))
        reader = threading.Thread(
            target=self._read, args=(session, incoming), name=f"reader-{session.name}", daemon=True
        )
        reader.start()
        try:
            yield from session.outbox
        finally:
            self._end(session)

    def _open(self, incoming: Iterator[stream_pb2.Up]) -> Session:
        first = next(incoming, None)
        if first is None or first.WhichOneof("kind") != "hello":
            raise ProtocolError("a stream starts with a Hello")
        hello = first.hello
        if hello.contract_version != CONTRACT_VERSION or hello.catalogue_digest != digest():
            raise ContractMismatchError(
                f"the client ({hello.client}) and this server ({product()}) were built from different "
                f"contracts; "
                "install the same version of remx on both sides"
            )
        if hello.session:
            raise SessionLostError("the session to resume is gone; its arrays have to be made again")
        with self._lock:
            if self._draining:
                raise ServerUnreachableError("the server is shutting down")
            if len(self._sessions) >= self.config.limits.sessions:
                raise LimitError(f"the server has {self.config.limits.sessions} sessions, which is its limit")
            session = Session(self.devices, self.config.limits, str(next(self._numbers)))
            self._sessions[session.token] = session
        log.info("session opened", extra={"session": session.name, "client": hello.client[:200]})
        return session

    def _welcome(self, session: Session) -> stream_pb2.Welcome:
        devices = [
            stream_pb2.Device(
                context=stream_pb2.Context(device_type=info.device_type, device_id=info.device_id),
                name=info.name,
                memory=info.memory,
                memory_free=info.memory_free,
            )
            for info in self.devices.infos()
        ]
        return stream_pb2.Welcome(
            session=session.token,
            lease_seconds=self.config.limits.lease_seconds,
            applied=session.applied,
            inline_limit=self.config.limits.inline_bytes,
            devices=devices,
            server=product(),
        )

    @staticmethod
    def _read(session: Session, incoming: Iterator[stream_pb2.Up]) -> None:
        """Pass what comes up on to the session until the stream ends, in good order or not."""
        try:
            for message in incoming:
                kind = message.WhichOneof("kind")
                if kind == "batch":
                    session.submit(message.batch)
                elif kind == "ping":
                    session.outbox.put(stream_pb2.Down(pong=stream_pb2.Pong(number=message.ping.number)))
                elif kind == "goodbye":
                    break
                else:
                    raise ProtocolError("a message that has no place in the middle of a stream")
        except MXNetError as error:
            session.outbox.close(error)
        except Exception as error:
            # gRPC raises its own classes when a client is gone: the session ends, and nobody is left to tell.
            log.info("stream broke", extra={"session": session.name, "error": type(error).__name__})
            session.outbox.close(InternalError("the stream broke"))
        session.outbox.close(None)

    def _end(self, session: Session) -> None:
        with self._lock:
            known = self._sessions.pop(session.token, None)
        if known is not None:
            session.close()
            log.info("session closed", extra={"session": session.name, "ops": session.ops})

    @property
    def session_count(self) -> int:
        """How many sessions are open."""
        return len(self._sessions)

    def drain(self, timeout: float) -> None:
        """Take no new sessions, let the running ones end by themselves, and close those still open after
        ``timeout``."""
        with self._lock:
            self._draining = True
            open_sessions = list(self._sessions.values())
        waiting = threading.Event()
        deadline = timeout
        while self._sessions and deadline > 0:
            waiting.wait(0.05)
            deadline -= 0.05
        for session in open_sessions:
            session.outbox.close(ServerUnreachableError("the server is shutting down"))
            session.close()
