"""TLS: whom a connection trusts, and who it says it is."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from remx_contract.errors import ArgumentError

if TYPE_CHECKING:
    import grpc

SYSTEM: Final = "system"
"""What REMX_CA says for the roots that the system trusts."""

Ca = str | os.PathLike[str] | bool | None
FileName = str | os.PathLike[str] | None


@dataclass(frozen=True)
class Tls:
    """An encrypted connection.

    Attributes
    ----------
    roots : bytes or None
        The certificates that are trusted, in PEM; None for those that gRPC brings.
    certificate, key : bytes or None
        The client's own, in PEM.
    files : tuple of str
        The files of the client's certificate and key, for finding out what is wrong.
    """

    roots: bytes | None
    certificate: bytes | None = None
    key: bytes | None = None
    files: tuple[str, str] | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """What gRPC opens a channel with."""
        import grpc

        credentials: grpc.ChannelCredentials = grpc.ssl_channel_credentials(
            self.roots, self.key, self.certificate
        )
        return credentials


def find(address: str, ca: Ca, certificate: FileName, key: FileName) -> Tls | None:
    """The TLS that arguments, or where they are None variables, describe; None for a plain connection.

    Parameters
    ----------
    address : str
    ca : str or path or bool, optional
        ``REMX_CA`` by default.
    certificate, key : str or path, optional
        ``REMX_CLIENT_CERT`` and ``REMX_CLIENT_KEY`` by default.

    Raises
    ------
    ArgumentError
        For files that cannot be read, or of which one is missing.
    """
    if address.startswith("unix:"):
        # Nothing leaves the machine, and there is no name that a certificate could be for.
        if ca or certificate or key:
            raise ArgumentError("a unix socket has no TLS, and needs none", argument="ca")
        return None
    ca_source = "ca"
    if ca is None:
        ca, ca_source = os.environ.get("REMX_CA") or None, "REMX_CA"
        ca = True if ca == SYSTEM else ca
    if ca is False:
        return None
    cert_source, certificate = _given("certificate", certificate, "REMX_CLIENT_CERT")
    key_source, key = _given("key", key, "REMX_CLIENT_KEY")
    if (certificate is None) != (key is None):
        present, absent = (cert_source, key_source) if key is None else (key_source, cert_source)
        raise ArgumentError(f"{present} is given without {absent}; a certificate and its key go together")
    if ca is None:
        if certificate is not None:
            raise ArgumentError(
                f"{cert_source} is given, but not whom to trust: ca='ca.pem', or ca=True for the system's "
                "roots (REMX_CA)"
            )
        return None
    roots = _system_roots() if ca is True else _roots(ca_source, ca)
    if certificate is None or key is None:
        return Tls(roots)
    files = (str(certificate), str(key))
    own = (_bytes_of(cert_source, certificate), _bytes_of(key_source, key))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(*files, _no_passphrase)
    except (ssl.SSLError, ValueError) as error:
        raise ArgumentError(
            f"{files[0]} and {files[1]} are no certificate and its key: {said(error)}", argument=cert_source
        ) from None
    return Tls(roots, *own, files)


def _given(argument: str, value: FileName, variable: str) -> tuple[str, FileName]:
    """What to call a file in messages, and the file: the argument, or what the variable names."""
    if value is not None:
        return argument, value
    named = os.environ.get(variable) or None
    return (variable, named) if named else (argument, None)


def _roots(source: str, path: str | os.PathLike[str]) -> bytes:
    roots = _bytes_of(source, path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(os.fspath(path))
    except (ssl.SSLError, ValueError) as error:
        raise ArgumentError(f"{path} has no certificates in PEM: {said(error)}", argument=source) from None
    return roots


def _bytes_of(source: str, path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ArgumentError(f"{path}: {error.strerror}", argument=source) from None


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase, which this cannot ask for")


def _system_roots() -> bytes | None:
    """The certificates that the system trusts, in PEM: of the file or folder that OpenSSL looks in, or of the
    system's own store. None where there are none."""
    paths = ssl.get_default_verify_paths()
    file: str | None = paths.cafile
    folder: str | None = paths.capath
    if file is not None:
        return Path(file).read_bytes()
    # The files that are named by a hash, each a certificate.
    files = sorted(Path(folder).glob("*.[0-9]")) if folder is not None else []
    if files:
        return b"\n".join(each.read_bytes() for each in files)
    context = ssl.create_default_context()
    found = context.get_ca_certs(binary_form=True)
    return "".join(map(ssl.DER_cert_to_PEM_cert, found)).encode() or None


def said(error: Exception) -> str:
    """An error's own words, without numbers and places in OpenSSL's source."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return str(error)
