"""TLS: the server's certificate and whose clients' it takes, read from files that can be read again."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path
from typing import Final

import grpc

from .config import Config
from .settings import ConfigError

PASSPHRASE: Final = "the key has a passphrase, which nobody is there to type"


class Certificates:
    """The files of a server's TLS, and what gRPC makes of them.

    Parameters
    ----------
    config : Config
        One with ``tls_cert`` and ``tls_key``.

    Raises
    ------
    ConfigError
        For files that cannot be read or do not fit together.
    """

    def __init__(self, config: Config) -> None:
        assert config.tls_cert is not None
        assert config.tls_key is not None
        self._cert, self._key, self._client_ca = config.tls_cert, config.tls_key, config.client_ca
        self._lock = threading.Lock()
        self._fresh: grpc.ServerCertificateConfiguration | None = None
        self._first = self._read()

    def credentials(self) -> grpc.ServerCredentials:
        """What a port is opened with; every new connection gets the certificates as they are then."""
        return grpc.dynamic_ssl_server_credentials(
            self._first, self._fetch, require_client_authentication=self._client_ca is not None
        )

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """What gRPC asks at each connection: the certificates where they changed, else None."""
        with self._lock:
            fresh, self._fresh = self._fresh, None
            return fresh

    def reload(self) -> None:
        """Read the files again; ConfigError where they make no sense, and the old ones stay in use."""
        fresh = self._read()
        with self._lock:
            self._fresh = fresh

    def _read(self) -> grpc.ServerCertificateConfiguration:
        cert, key = _bytes_of("tls-cert", self._cert), _bytes_of("tls-key", self._key)
        self._check_pair()
        roots = None
        if self._client_ca is not None:
            roots = _bytes_of("client-ca", self._client_ca)
            self._check_roots(self._client_ca)
        return grpc.ssl_server_certificate_configuration([(key, cert)], roots)

    def _check_pair(self) -> None:
        """gRPC takes any bytes, and fails at the first connection: whether they fit is asked of Python."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._cert, self._key, _no_passphrase)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(
                f"tls-cert {self._cert} and tls-key {self._key} are no certificate and its key: "
                f"{_said(error)}"
            ) from None

    @staticmethod
    def _check_roots(path: Path) -> None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(f"client-ca {path} has no certificates: {_said(error)}") from None


def _bytes_of(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{name} {path}: {error.strerror}") from None


def _no_passphrase() -> str:
    raise ValueError(PASSPHRASE)


def _said(error: Exception) -> str:
    """An error's own words, without numbers and places in OpenSSL's source."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return str(error)
