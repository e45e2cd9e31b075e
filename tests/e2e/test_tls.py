"""TLS, from the client to the server: what works, and what is said where it does not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import remx as mx
from remx import _connect, _current, errors
from remx._session import Session
from remx_server.config import Config
from remx_server.serve import Server
from remx_server.settings import ConfigError
from remx_server.tls import Certificates
from support.certificates import DAY, NOW, Authority, Pair
from support.wire import ServerProcess

HOSTS = ("localhost", "127.0.0.1")
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="abstract sockets are Linux's")
Serve = Callable[..., Server]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("TOKEN", "CA", "CLIENT_CERT", "CLIENT_KEY"):
        monkeypatch.delenv(f"REMX_{name}", raising=False)
    yield
    _current.use(None)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def pair(authority: Authority) -> Pair:
    """The server's certificate."""
    return authority.sign("server", *HOSTS)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers with TLS."""
    servers = []

    def start(pair: Pair | None, **settings: object) -> Server:
        tls = {} if pair is None else {"tls_cert": pair.certificate, "tls_key": pair.key}
        config = Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0.0, **tls, **settings)  # type: ignore[arg-type]
        servers.append(Server(config))
        servers[-1].start()
        return servers[-1]

    yield start
    _current.use(None)
    for server in servers:
        server.stop()


def works(session: Session) -> None:
    """Commands and byte streams come through a session."""
    assert session.alive
    assert (mx.nd.arange(3) + 1).asnumpy().tolist() == [1, 2, 3]
    large = np.arange(100_000, dtype="float32")
    assert (mx.nd.array(large).asnumpy() == large).all()


# What works.


@pytest.mark.parametrize("name", HOSTS)
def test_a_client_that_trusts_the_authority_connects(
    serve: Serve, authority: Authority, pair: Pair, name: str
) -> None:
    server = serve(pair, token="a token")
    address = server.address.replace("127.0.0.1", name)
    works(mx.connect(address, token="a token", ca=authority.file))
    with pytest.raises(errors.UnauthenticatedError, match="REMX_TOKEN"):
        mx.connect(address, token="another", ca=str(authority.file))


def test_the_environment_says_it_too(
    serve: Serve, authority: Authority, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = authority.sign("client")
    server = serve(pair, client_ca=authority.file)
    monkeypatch.setenv("REMX_SERVER", server.address)
    monkeypatch.setenv("REMX_CA", str(authority.file))
    monkeypatch.setenv("REMX_CLIENT_CERT", str(own.certificate))
    monkeypatch.setenv("REMX_CLIENT_KEY", str(own.key))
    works(_current.current())
    # Arguments win.
    with pytest.raises(errors.ServerUnreachableError, match="wants TLS"):
        mx.connect(server.address, ca=False)


def test_the_system_s_roots(
    serve: Serve, authority: Authority, pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = serve(pair)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    works(mx.connect(server.address, ca=True))
    monkeypatch.setenv("REMX_CA", "system")
    works(mx.connect(server.address))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    folder = tmp_path / "hashed"
    folder.mkdir()
    (folder / "0a1b2c3d.0").write_bytes(authority.file.read_bytes())
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    works(mx.connect(server.address))


def test_a_client_with_its_own_certificate(serve: Serve, authority: Authority, pair: Pair) -> None:
    own = authority.sign("client")
    server = serve(pair, client_ca=authority.file)
    works(mx.connect(server.address, ca=authority.file, certificate=own.certificate, key=own.key))


# What does not, and why.


def refused(server: Server, expected: type[Exception] = errors.ServerUnreachableError, **how: object) -> str:
    """What a client is told that does not come in."""
    started = time.monotonic()
    with pytest.raises(errors.SessionError if expected is None else expected) as caught:
        mx.connect(server.address, **how)  # type: ignore[arg-type]
    assert type(caught.value) is expected
    assert time.monotonic() - started < 8
    assert server.address in str(caught.value)
    assert server.service.session_count == 0
    return str(caught.value)


def test_a_plain_client_is_told_of_tls(serve: Serve, pair: Pair) -> None:
    assert "wants TLS" in refused(serve(pair))


def test_a_plain_client_is_told_of_tls_where_clients_need_certificates(
    serve: Serve, authority: Authority, pair: Pair
) -> None:
    assert "wants TLS" in refused(serve(pair, client_ca=authority.file))


def test_a_client_with_tls_is_told_of_a_plain_server(serve: Serve, authority: Authority) -> None:
    assert "has no TLS" in refused(serve(None), ca=authority.file)


def test_another_authority(serve: Serve, pair: Pair, tmp_path: Path) -> None:
    said = refused(serve(pair), ca=Authority(tmp_path, "another").file)
    assert "local issuer" in said
    assert "REMX_CA" in said


def test_a_certificate_that_signed_itself(serve: Serve, authority: Authority, tmp_path: Path) -> None:
    # With the authority's name, which does not help.
    (tmp_path / "elsewhere").mkdir()
    forged = Authority(tmp_path / "elsewhere", "authority").sign("server", *HOSTS)
    assert "does not pass" in refused(serve(forged), ca=authority.file)


def test_another_name(serve: Serve, authority: Authority) -> None:
    said = refused(serve(authority.sign("server", "gpu-box", "10.0.0.1")), ca=authority.file)
    assert "127.0.0.1" in said
    assert "connect by a name that it is made for" in said


def test_a_certificate_that_has_expired(serve: Serve, authority: Authority) -> None:
    said = refused(serve(authority.sign("server", *HOSTS, end=NOW - DAY)), ca=authority.file)
    assert "expired" in said
    assert "needs a new one" in said


def test_no_client_certificate(serve: Serve, authority: Authority, pair: Pair) -> None:
    server = serve(pair, client_ca=authority.file, token="a token")
    said = refused(server, errors.UnauthenticatedError, ca=authority.file, token="a token")
    assert "wants a client's certificate" in said
    assert "REMX_CLIENT_CERT" in said


@pytest.mark.parametrize("fault", ["foreign", "expired"])
def test_a_client_certificate_that_does_not_pass(
    serve: Serve, authority: Authority, pair: Pair, tmp_path: Path, fault: str
) -> None:
    own = (
        Authority(tmp_path, "another").sign("client")
        if fault == "foreign"
        else authority.sign("client", end=NOW - DAY)
    )
    server = serve(pair, client_ca=authority.file)
    how = {"ca": authority.file, "certificate": own.certificate, "key": own.key}
    said = refused(server, errors.UnauthenticatedError, **how)
    assert "does not take the client's certificate" in said


def test_a_client_certificate_without_a_token_is_not_enough(
    serve: Serve, authority: Authority, pair: Pair
) -> None:
    own = authority.sign("client")
    server = serve(pair, client_ca=authority.file, token="a token")
    with pytest.raises(errors.UnauthenticatedError, match="wants a token"):
        mx.connect(server.address, ca=authority.file, certificate=own.certificate, key=own.key)


def test_nobody_there_is_what_it_was(authority: Authority) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for ca in (None, authority.file):
            with pytest.raises(errors.ServerUnreachableError, match="cannot be reached"):
                mx.connect(address, ca=ca)


# Arguments that make no sense.


def wrong(**how: object) -> str:
    """What is said of arguments, before anything crosses the wire."""
    with pytest.raises(errors.ArgumentError) as caught:
        mx.connect("127.0.0.1:1", **how)  # type: ignore[arg-type]
    return str(caught.value)


def test_files_that_are_none(
    authority: Authority, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = authority.sign("other")
    sealed = authority.sign("sealed", passphrase=b"sesame")
    assert "No such file" in wrong(ca=tmp_path / "none.pem")
    assert "has no certificates" in wrong(ca=pair.key)
    assert "certificate is given without key" in wrong(ca=authority.file, certificate=pair.certificate)
    assert "key is given without certificate" in wrong(ca=authority.file, key=pair.key)
    assert "whom to trust" in wrong(certificate=pair.certificate, key=pair.key)
    assert "no certificate and its key" in wrong(
        ca=authority.file, certificate=pair.certificate, key=other.key
    )
    assert "passphrase" in wrong(ca=authority.file, certificate=sealed.certificate, key=sealed.key)
    monkeypatch.setenv("REMX_CA", str(tmp_path / "none.pem"))
    assert "REMX_CA" in wrong()
    with pytest.raises(errors.ArgumentError, match="unix socket"):
        mx.connect("unix:/run/remx", ca=authority.file)


def test_a_server_refuses_files_that_do_not_fit(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    other = authority.sign("other")
    sealed = authority.sign("sealed", passphrase=b"sesame")
    cases = [
        (tmp_path / "none", pair.key, None, "No such file"),
        (pair.certificate, tmp_path / "none", None, "No such file"),
        (pair.certificate, other.key, None, "key values mismatch"),
        (pair.key, pair.key, None, "no certificate and its key"),
        (sealed.certificate, sealed.key, None, "passphrase"),
        (pair.certificate, pair.key, pair.key, "has no certificates"),
        (pair.certificate, pair.key, tmp_path / "none", "No such file"),
    ]
    for certificate, key, ca, expected in cases:
        with pytest.raises(ConfigError, match=expected):
            Certificates(Config(tls_cert=certificate, tls_key=key, client_ca=ca))


# The server as a process.


def test_certificates_are_read_again(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    flags = (f"--tls-cert={pair.certificate}", f"--tls-key={pair.key}")
    with ServerProcess(*flags) as server:
        mx.connect(server.address, ca=authority.file)
        before = mx.nd.ones(3)
        successor = Authority(tmp_path, "successor")
        fresh = successor.sign("fresh", *HOSTS)
        # The certificate alone does not fit the key: the old ones stay.
        old = pair.certificate.read_bytes(), pair.key.read_bytes()
        pair.certificate.write_bytes(fresh.certificate.read_bytes())
        server.signal(signal.SIGHUP)
        time.sleep(0.5)
        assert before.sum().asscalar() == 3
        mx.connect(server.address, ca=authority.file)
        pair.key.write_bytes(fresh.key.read_bytes())
        server.signal(signal.SIGHUP)
        deadline = time.monotonic() + 10
        while True:
            try:
                works(mx.connect(server.address, ca=successor.file))
                break
            except errors.ServerUnreachableError:
                assert time.monotonic() < deadline
        with pytest.raises(errors.ServerUnreachableError, match="does not pass"):
            mx.connect(server.address, ca=authority.file)
        pair.certificate.write_bytes(old[0])
        mx.disconnect()
        server.signal()
        assert server.wait() == 0
    assert server.log.count('"reload failed"') == 1
    assert server.log.count('"reloaded"') == 1


@LINUX
def test_the_health_check_needs_no_certificate(authority: Authority, pair: Pair) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "remx_server.healthcheck"]
    tls = (f"--tls-cert={pair.certificate}", f"--tls-key={pair.key}", f"--client-ca={authority.file}")
    with ServerProcess(f"--listen={listen}", *tls, environment={"REMX_TOKEN": "a token"}) as server:
        environment = {**os.environ, "REMX_LISTEN": listen}
        assert subprocess.run(command, env=environment, timeout=30).returncode == 0
        server.signal(signal.SIGKILL)
        server.wait()
        assert subprocess.run(command, env=environment, timeout=30).returncode == 1


@LINUX
def test_nothing_but_health_is_answered_beside_tls(serve: Serve, pair: Pair) -> None:
    port = serve(pair).address.rpartition(":")[2]
    with (
        grpc.insecure_channel(f"unix-abstract:remx-health-{port}") as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        list(channel.stream_stream("/remx.v1.Remx/Session")(iter([b""]), timeout=5))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_handshakes_that_fail_leave_no_lines_that_are_no_json(authority: Authority, pair: Pair) -> None:
    flags = (f"--tls-cert={pair.certificate}", f"--tls-key={pair.key}")
    with ServerProcess(*flags) as server:
        with pytest.raises(errors.ServerUnreachableError):
            mx.connect(server.address)
        server.signal()
        assert server.wait() == 0
    assert all(line.startswith("{") for line in server.log.splitlines())


# Tokens in the clear.


def test_a_token_in_the_clear_is_warned_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_connect, "_warned", set())
    # An address that is not the loopback's, and comes to this machine all the same.
    with ServerProcess("--listen=0.0.0.0:0", environment={"REMX_TOKEN": "a token"}) as server:
        assert server.address.startswith("0.0.0.0:")
        with pytest.warns(mx.InsecureConnectionWarning, match="in the clear") as caught:
            mx.connect(server.address, token="a token")
        assert caught[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            mx.connect(server.address, token="a token")
            mx.connect(server.address.replace("0.0.0.0", "127.0.0.1"), token="a token")
        mx.disconnect()


def test_an_embedded_server_takes_nothing_from_the_settings_of_others(tmp_path: Path) -> None:
    others = {
        "REMX_CONFIG": str(tmp_path / "none.toml"),
        "REMX_TOKEN_FILE": str(tmp_path / "none"),
        "REMX_TLS_CERT": str(tmp_path / "none"),
        "REMX_CA": str(tmp_path / "none"),
        "REMX_TOKEN": "of somebody",
        "REMX_DEVICE": "cpu",
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REMX_")}
    program = "import remx as mx; print(mx.nd.ones(3).sum().asscalar())"
    ended = subprocess.run(
        [sys.executable, "-c", program], env={**clean, **others}, capture_output=True, text=True, timeout=60
    )
    assert ended.stdout == "3.0\n", ended.stderr
