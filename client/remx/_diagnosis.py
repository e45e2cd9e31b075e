"""Diagnosis: why a server cannot be reached, as far as a second look shows.

gRPC says of most that goes wrong with TLS that a socket was closed. So after a connection has failed, it is
tried once more with Python's own TLS, which says what it was.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Final

from remx_contract.errors import MXNetError, ServerUnreachableError, UnauthenticatedError

from ._tls import Tls, said

SECONDS: Final = 2.0
"""How long the second look may take at each step."""

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""What a client of HTTP/2 says first: its preface and empty settings."""


def explain(address: str, tls: Tls | None, failure: MXNetError) -> MXNetError:
    """The error that says why, where a second look at the address tells; the first one else.

    Parameters
    ----------
    address : str
        ``host:port``.
    tls : Tls or None
        What the connection was tried with.
    failure : MXNetError
        What came of it.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        return (_plain if tls is None else _encrypted)(host, int(port), address, tls) or failure
    except OSError:
        # Nobody is there at all, which the failure says already.
        return failure


def _plain(host: str, port: int, address: str, tls: Tls | None) -> MXNetError | None:
    """What a plain connection failed by: a server with TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLError), _connected(host, port, context):
        return ServerUnreachableError(
            f"the server at {address} wants TLS: say whom to trust, with mx.connect(ca='ca.pem'), or ca=True "
            "for the system's roots (REMX_CA)"
        )
    return None


def _encrypted(host: str, port: int, address: str, tls: Tls | None) -> MXNetError | None:
    """What a connection with TLS failed by."""
    assert tls is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    # As gRPC does, which is content with any certificate on the way to a root.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if tls.roots is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cadata=tls.roots.decode("ascii", "ignore"))
    if tls.files is not None:
        context.load_cert_chain(*tls.files)
    try:
        with _connected(host, port, context) as connection:
            return None if _goes_on(connection) else _not_wanted(address, tls)
    except ssl.SSLCertVerificationError as error:
        return ServerUnreachableError(
            f"the server at {address} has a certificate that does not pass: "
            + error.verify_message.rstrip(".")
            + _advice(error.verify_code)
        )
    except ssl.SSLError as error:
        reason = said(error)
        if "wrong version number" in reason or "record layer failure" in reason:
            return ServerUnreachableError(
                f"the server at {address} has no TLS: connect without ca= (REMX_CA)"
            )
        return ServerUnreachableError(f"TLS with the server at {address} failed: {reason}")


def _goes_on(connection: ssl.SSLSocket) -> bool:
    """Whether a server has something to say after the client's part of the handshake is done.

    With TLS 1.3 it looks at the client's certificate only then, and gRPC hangs up without a word where it
    does not like what it sees.
    """
    try:
        connection.sendall(_PREFACE)
        return bool(connection.recv(1))
    except (ssl.SSLError, ConnectionError):
        return False


def _advice(code: int) -> str:
    """What to do about a certificate, by the number of OpenSSL's verdict."""
    if code in (18, 19, 20, 21):
        return "; ca= (REMX_CA) has to be the certificate of whoever signed it"
    if code in (62, 64):
        return "; connect by a name that it is made for"
    if code in (9, 10):
        return "; the server needs a new one, or a clock is wrong"
    return ""


def _not_wanted(address: str, tls: Tls) -> MXNetError:
    if tls.files is None:
        return UnauthenticatedError(
            f"the server at {address} hangs up after the TLS handshake, as one does that wants a client's "
            "certificate: mx.connect(certificate=..., key=...) (REMX_CLIENT_CERT, REMX_CLIENT_KEY)"
        )
    return UnauthenticatedError(
        f"the server at {address} hangs up after the TLS handshake: it does not take the client's "
        f"certificate {tls.files[0]}, which has to be valid and signed by one that its --client-ca has"
    )


def _connected(host: str, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    connection = socket.create_connection((host, port), SECONDS)
    try:
        return context.wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise
