"""Connecting: to a server that runs somewhere, or to an embedded one that is started for this process."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from remx_contract.errors import ArgumentError, MXNetError, ServerStartError, ServerUnreachableError

from . import _current, _diagnosis, _tls
from ._session import Session
from ._stats import levels_outside
from ._tls import Ca, FileName
from ._transport import GrpcTransport, is_local

START_SECONDS: Final = 30.0
"""How long an embedded server may take to start."""

_INHERITED: Final = ("REMX_FUNCTION_TIMEOUT",)
"""The settings of a server that an embedded one takes from the environment."""

_INSTALL: Final = (
    "install the server part (pip install 'remx[server]', or 'remx[cuda12]' for a GPU), "
    "or set REMX_SERVER=host:port to use a running server"
)


@dataclass(frozen=True)
class Credentials:
    """What a program shows a server, and how it knows the server; None for what the environment says."""

    token: str | None = field(default=None, repr=False)
    ca: Ca = None
    certificate: FileName = None
    key: FileName = None


_FROM_ENVIRONMENT: Final = Credentials()
_known: Final[dict[str, Credentials]] = {}
"""By address, those that connections were made with."""


class InsecureConnectionWarning(UserWarning):
    """A token crosses the network in the clear."""


def connect(
    address: str,
    token: str | None = None,
    timeout: float = 10.0,
    *,
    reconnect: float | None = None,
    ca: Ca = None,
    certificate: FileName = None,
    key: FileName = None,
) -> Session:
    """Use a running server from now on.

    Arrays made before belong to the session they were made in, which is closed. A connection that breaks is
    made again by itself, and nothing is lost or done twice; a wait only takes longer meanwhile.

    Parameters
    ----------
    address : str
        ``host:port``, or ``unix:/path`` for a server on this machine.
    token : str, optional
        What the server wants to see; ``REMX_TOKEN`` by default.
    timeout : float
        Seconds that the server has to answer.
    reconnect : float, optional
        For how many seconds a connection that broke is tried again before waits raise; as long as the
        server keeps the session (its ``--lease``) by default, and no longer. 0 raises at once.
    ca : str or path or bool, optional
        Encrypts the connection, to a server whose certificate was signed by one of those in this file, in
        PEM. True takes the roots that the system trusts, False does not encrypt; ``REMX_CA`` by default,
        which is a file or ``system``.
    certificate, key : str or path, optional
        The client's own certificate and its key, in PEM, for a server that wants one; ``REMX_CLIENT_CERT``
        and ``REMX_CLIENT_KEY`` by default.

    Returns
    -------
    Session
        The session; ``close()`` ends it.

    Raises
    ------
    ServerUnreachableError
        If nobody answers in time, or its certificate does not pass.
    UnauthenticatedError, ContractMismatchError
        If the server does not want this client.
    """
    session = _open(address, Credentials(token, ca, certificate, key), timeout, reconnect)
    _current.use(session)
    return session


def attach(
    session: str, address: str | None, credentials: Credentials, timeout: float, reconnect: float | None
) -> Session:
    """Take a session over; see :func:`remx.session.attach`."""
    secret, _, home = session.partition("@")
    try:
        name = bytes.fromhex(secret)
    except ValueError:
        name = b""
    if not name:
        raise ArgumentError(
            argument="session", got="something else", expected="what mx.session.detach() returned"
        )
    where = address or home or os.environ.get("REMX_SERVER", "")
    if not where:
        raise ArgumentError(argument="address", got="none", expected="that of the server with the session")
    if credentials == _FROM_ENVIRONMENT:
        credentials = _known.get(where, credentials)
    taken = _open(where, credentials, timeout, reconnect, name)
    _current.use(taken)
    return taken


def disconnect() -> None:
    """Close the session; the next array opens a new one."""
    _current.use(None)


def _open(
    address: str,
    credentials: Credentials = _FROM_ENVIRONMENT,
    timeout: float = 10.0,
    reconnect: float | None = None,
    take_over: bytes = b"",
) -> Session:
    """A session on a running server."""
    _current.check_fork()
    token = os.environ.get("REMX_TOKEN", "") if credentials.token is None else credentials.token
    if not address.startswith("unix:") and not address.rpartition(":")[2].isdigit():
        raise ArgumentError(argument="address", got=repr(address), expected="'host:port' or 'unix:/path'")
    tls = _tls.find(address, credentials.ca, credentials.certificate, credentials.key)
    if token and tls is None and not is_local(address):
        _warn_once(address)
    transport = GrpcTransport(address, token, tls)
    try:
        session = Session(transport, timeout, patience=reconnect, take_over=take_over)
    except ServerUnreachableError as failure:
        if address.startswith("unix:"):
            raise
        raise _diagnosis.explain(address, tls, failure) from None
    _known[address] = credentials
    return session


_warned: Final[set[str]] = set()


def _warn_once(address: str) -> None:
    """Warn of a token that others in the network can read, once for each server."""
    if address in _warned:
        return
    _warned.add(address)
    warnings.warn(
        f"the token and all data go to {address} in the clear: use TLS (mx.connect(ca=...), REMX_CA), or a "
        "tunnel",
        InsecureConnectionWarning,
        levels_outside(),
    )


def open_default() -> Session:
    """The session of a process that named no server: ``REMX_SERVER``, else an embedded server."""
    _current.check_fork()
    address = os.environ.get("REMX_SERVER", "")
    if address:
        return _open(address)
    embedded = EmbeddedServer()
    transport = GrpcTransport(embedded.address, embedded.token)
    try:
        # No network is in between: where it does not answer, the server is gone.
        return Session(transport, START_SECONDS, embedded.stop, patience=0)
    except MXNetError:
        embedded.stop()
        raise


class EmbeddedServer:
    """A server process for this process alone, on a private unix socket.

    It holds the read end of a pipe whose write end is here: when this process ends, however it ends, the pipe
    does too, and the server stops and removes its socket.

    Raises
    ------
    ServerStartError
        If the server part is not installed, or does not start.
    """

    def __init__(self) -> None:
        if importlib.util.find_spec("remx_server") is None:
            raise ServerStartError(f"no server is installed here: {_INSTALL}")
        self._folder = tempfile.mkdtemp(prefix="remx-")
        self.address = f"unix:{self._folder}/socket"
        self.token = secrets.token_hex(16)
        # Its own process group, so that an interrupt typed at the terminal reaches this process alone.
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "remx_server",
                f"--listen={self.address}",
                "--die-with-stdin",
                "--grace=0",
                "--isolation=thread",
                "--log-level=ERROR",
                f"--device={os.environ.get('REMX_DEVICE', 'auto')}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Without what the environment says of other servers: their tokens, certificates and folders.
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("REMX_")},
                **{name: os.environ[name] for name in _INHERITED if name in os.environ},
                "REMX_TOKEN": self.token,
            },
            start_new_session=True,
        )
        os.register_at_fork(after_in_child=self._forget)
        self._wait_until_it_listens()

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def _wait_until_it_listens(self) -> None:
        # A read with a deadline: the watchdog ends the server, and with it the wait for its first line.
        watchdog = threading.Timer(START_SECONDS, self._process.kill)
        watchdog.start()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        watchdog.cancel()
        if line:
            return
        code = self._process.wait()
        self.stop()
        if code == 3:
            raise ServerStartError(f"the server part is not complete: {_INSTALL}")
        raise ServerStartError(f"the embedded server did not start (exit status {code}; its output says why)")

    def _forget(self) -> None:
        """In a forked child: close this copy of the pipe, which would keep the server alive after the
        parent."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    os.close(stream.fileno())

    def stop(self) -> None:
        """End the server and remove its socket."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(Path(self._folder), ignore_errors=True)
