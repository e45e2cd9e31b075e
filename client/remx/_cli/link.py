"""A link to a server's Admin service."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Final

from google.protobuf.message import Message
from remx_contract.errors import ArgumentError, ServerUnreachableError
from remx_contract.v1 import admin_pb2

from .. import _diagnosis
from .._tls import Tls
from .._transport import GrpcTransport, Reply

SECONDS: Final = 10.0
"""How long a server has to answer a call."""

_SERVICE: Final = "/remx.v1.Admin/"


class Link:
    """Calls of a server's Admin service; a context manager.

    Parameters
    ----------
    address : str
        ``host:port`` or ``unix:/path``.
    token : str
        Empty for none.
    tls : Tls, optional
        How the connection is encrypted.
    """

    def __init__(self, address: str, token: str, tls: Tls | None = None) -> None:
        if not address.startswith("unix:") and not address.rpartition(":")[2].isdigit():
            raise ArgumentError(argument="server", got=repr(address), expected="host:port or unix:/path")
        self.address = address
        self._tls = tls
        self._transport = GrpcTransport(address, token, tls)

    def __enter__(self) -> Link:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def _ask(self, method: str, request: Message, reply: type[Reply], seconds: float = SECONDS) -> Reply:
        """The answer to a call; its error says what TLS has to do with it, where it has."""
        try:
            return self._transport.ask(_SERVICE + method, request, reply, seconds)
        except ServerUnreachableError as failure:
            if self.address.startswith("unix:"):
                raise
            raise _diagnosis.explain(self.address, self._tls, failure) from None

    def status(self) -> admin_pb2.ServerStatus:
        """How the server is."""
        return self._ask("Status", admin_pb2.StatusRequest(), admin_pb2.ServerStatus)

    def sessions(self) -> list[admin_pb2.SessionStatus]:
        """The sessions that this user may see."""
        request = admin_pb2.SessionsRequest()
        reply = self._ask("Sessions", request, admin_pb2.SessionList)
        return list(reply.sessions)

    def kill(self, session: str) -> None:
        """End a session."""
        self._ask("Kill", admin_pb2.KillRequest(id=session), admin_pb2.KillReply)

    def probe(self, up: int = 0, down: int = 0, seconds: float = SECONDS) -> int:
        """Carry bytes both ways; returns how many came down."""
        # Not zeros, which some networks compress.
        request = admin_pb2.ProbeRequest(data=os.urandom(up), wanted=down)
        reply = self._ask("Probe", request, admin_pb2.ProbeReply, seconds)
        return len(reply.data)
