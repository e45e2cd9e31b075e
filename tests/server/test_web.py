"""The metrics port: what it serves, to whom, and who cannot hold it up."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from remx_server import web
from remx_server.config import Config
from remx_server.owners import Owner
from remx_server.serve import Server
from support.wire import Wire, hello, stream_of

TOKEN = "never-to-be-shown"


@pytest.fixture(params=[TOKEN])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server; tests that name owners want one without a token."""
    settings = Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0, metrics="127.0.0.1:0")
    server = Server(replace(settings, token=request.param))
    server.start()
    yield server
    server.stop()


def get(server: Server, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    """The answer of the metrics port."""
    connection = http.client.HTTPConnection(server.metrics_address, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        response.body = response.read()  # type: ignore[attr-defined]
    return response


def body(server: Server, path: str) -> str:
    """The text at a path."""
    response = get(server, path)
    assert response.status == 200
    text: bytes = response.body  # type: ignore[attr-defined]
    return text.decode()


def test_there_are_metrics_a_page_and_its_numbers(server: Server) -> None:
    assert "remx_ops_total 0.0" in body(server, "/metrics")
    assert body(server, "/").startswith("<!doctype html>")
    status = json.loads(body(server, "/status.json"))
    assert status["session_count"] == 0
    assert status["devices"][0]["context"] == "cpu(0)"
    assert get(server, "/other").status == 404
    assert get(server, "/metrics", method="HEAD").status == 200
    assert get(server, "/metrics", method="POST").status == 501


def test_the_page_loads_nothing_and_runs_nothing_but_its_own(server: Server) -> None:
    response = get(server, "/")
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    page = response.body.decode()  # type: ignore[attr-defined]
    for word in (
        "http://",
        "https://",
        "src=",
        "@import",
        "innerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
    ):
        assert word not in page.replace("http://www.w3.org/2000/svg", ""), word
    assert " style=" not in page
    assert " onload=" not in page


def test_no_secret_is_shown(server: Server) -> None:
    wire = Wire(stream_of(server.service, server.service.authorize(TOKEN)), hello(client="c"))
    wire.read(wire.put([1]))
    secret = wire.welcome.session
    assert len(secret) == 16
    for path in ("/", "/metrics", "/status.json"):
        text = body(server, path)
        assert TOKEN not in text
        assert secret.hex() not in text
        assert repr(secret)[2:-1] not in text
    wire.close()


@pytest.mark.parametrize("server", [""], indirect=True)
def test_a_hostile_client_name_is_data(server: Server) -> None:
    name = '"}<script>alert(1)</script>\n\x1b[31m\u202e' + "x" * 500
    wire = Wire(stream_of(server.service, Owner('a"b\nc')), hello(client=name))
    wire.read(wire.put([1]))
    [session] = json.loads(body(server, "/status.json"))["sessions"]
    assert session["client"] == name[:200]
    assert 'owner="a\\"b\\nc"' in body(server, "/metrics")
    assert "<script>alert" not in body(server, "/metrics")
    wire.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:9464", 200),
        ("127.0.0.1:9464", 200),
        ("[::1]:80", 200),
        ("evil.example", 403),
        ("evil.example:9464", 403),
        ("10.0.0.1", 403),
        ("", 403),
    ],
)
def test_a_page_of_elsewhere_cannot_read_it_by_a_name_of_its_own(
    server: Server, host: str, status: int
) -> None:
    assert get(server, "/status.json", Host=host).status == status


def test_many_who_ask_at_once_get_one_count(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    overview = server.service.overview
    monkeypatch.setattr(server.service, "overview", lambda: counted.append(1) or overview())
    monkeypatch.setattr(web, "FRESH_SECONDS", 60)
    threads = [threading.Thread(target=body, args=(server, "/metrics")) for _ in range(12)]
    before = len(counted)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The sampler counts once a second too.
    assert len(counted) - before <= 3


def test_those_who_are_slow_hold_nobody_up(server: Server) -> None:
    host, _, port = server.metrics_address.rpartition(":")
    slow = [socket.create_connection((host, int(port)), timeout=20) for _ in range(3 * web.CONNECTIONS)]
    try:
        for each in slow:
            with contextlib.suppress(OSError):
                each.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        started = time.monotonic()
        assert "remx_ops_total" in body(server, "/metrics")
        assert time.monotonic() - started < 2
        # The last one, one byte at a time: its time is over although it keeps sending.
        with contextlib.suppress(OSError):
            while time.monotonic() - started < 4 * web.SECONDS:
                slow[-1].sendall(b"x")
                time.sleep(0.1)
        assert time.monotonic() - started < 2 * web.SECONDS
    finally:
        for each in slow:
            each.close()


def test_a_request_without_end_is_refused(server: Server) -> None:
    host, _, port = server.metrics_address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as endless:
        with contextlib.suppress(OSError):
            endless.sendall(b"GET /" + b"x" * 200_000)
        with contextlib.suppress(OSError):
            assert endless.recv(100).startswith((b"HTTP/1.0 414", b""))
    assert "remx_ops_total" in body(server, "/metrics")


def test_a_port_that_is_taken_is_an_error_that_names_it(server: Server) -> None:
    with pytest.raises(OSError, match=f"metrics port {server.metrics_address}"):
        Server(Config(listen="127.0.0.1:0", device="cpu", metrics=server.metrics_address))


def test_without_the_setting_there_is_no_port() -> None:
    server = Server(Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0))
    assert server.metrics_address == ""
    server.start()
    server.stop()
