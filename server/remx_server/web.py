"""The metrics port: ``/metrics`` for Prometheus, a status page for people, ``/status.json`` behind the page.

There is no token here, so there are no secrets either. Connections have a deadline and a bound: whoever reads
slowly is cut off, and holds nobody else up.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from .log import log
from .metrics import registry
from .statusdoc import status_document

if TYPE_CHECKING:
    from .service import Service

CONNECTIONS: Final = 16
"""How many at a time; one more cuts off the oldest."""
SECONDS: Final = 5.0
"""How long a connection may take from its first byte to its last."""
FRESH_SECONDS: Final = 0.5
"""How long an answer is given again before a new one is made."""
SAMPLE_SECONDS: Final = 1.0

Answer = tuple[int, str, bytes]
"""Status, content type, body."""


@cache
def page() -> tuple[bytes, str]:
    """The status page and the Content-Security-Policy that lets it do what it does, and nothing else."""
    text = resources.files(__package__).joinpath("page.html").read_text("utf-8")
    script, style = (
        " ".join(
            f"'sha256-{_digest(body)}'" for body in re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        )
        for tag in ("script", "style")
    )
    policy = (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return text.encode(), policy


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


class _Fresh:
    """An answer that is made once for all who ask at about the same time."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._until = 0.0
        self._body = b""

    def body(self) -> bytes:
        with self._lock:
            if time.monotonic() >= self._until:
                self._body = self._make()
                self._until = time.monotonic() + FRESH_SECONDS
            return self._body


class Web:
    """The server of the metrics port.

    Parameters
    ----------
    listen : str
        ``host:port``; port 0 for any free one.
    service : Service

    Raises
    ------
    OSError
        Where it cannot listen there.

    Attributes
    ----------
    address : str
        Where it listens, with the real port.
    """

    def __init__(self, listen: str, service: Service) -> None:
        self._service = service
        metrics = registry(service, service.traffic)
        self._metrics = _Fresh(lambda: generate_latest(metrics))
        self._status = _Fresh(lambda: json.dumps(status_document(service)).encode())
        host, _, port = listen.rpartition(":")
        try:
            self._http = _Http((host.strip("[]"), int(port)), self.answer)
        except OSError as error:
            raise OSError(f"the metrics port {listen}: {error.strerror or error}") from None
        self.address = f"{host}:{self._http.server_address[1]}"
        self._stopping = threading.Event()

    def start(self) -> None:
        """Serve, and take a sample of all sessions' progress each second."""
        for work in (self._http.serve_forever, self._sample):
            threading.Thread(target=work, name="metrics", daemon=True).start()

    def _sample(self) -> None:
        while not self._stopping.wait(SAMPLE_SECONDS):
            self._service.census.sample(self._service.overview())

    def stop(self) -> None:
        """Stop serving."""
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()

    def answer(self, path: str) -> Answer:
        """What there is at a path."""
        if path == "/":
            return 200, "text/html; charset=utf-8", page()[0]
        if path == "/status.json":
            return 200, "application/json", self._status.body()
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, self._metrics.body()
        return 404, "text/plain; charset=utf-8", b"here are /, /status.json and /metrics\n"


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], answer: Callable[[str], Answer]) -> None:
        self.answer = answer
        self._lock = threading.Lock()
        self._open: dict[socket.socket, float] = {}
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)
        # A page of elsewhere whose name was made to point at this machine must not read what is here.
        bound = ipaddress.ip_address(self.server_address[0])
        self.local_only = bound.is_loopback

    def server_bind(self) -> None:
        """Bind, without the look-up of the host's name that the base class makes."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own, cutting off the oldest where there are too many."""
        with self._lock:
            self._open[request] = time.monotonic()
            oldest = next(iter(self._open)) if len(self._open) > CONNECTIONS else None
        if oldest is not None:
            _cut(oldest)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that is over."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Twice a second: cut off who takes too long."""
        now = time.monotonic()
        with self._lock:
            late = [request for request, since in self._open.items() if now - since > SECONDS]
        for request in late:
            _cut(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is nothing to tell; anything else is."""
        log.debug("metrics connection failed", exc_info=True)


def _cut(request: socket.socket) -> None:
    """End a connection under the thread that serves it."""
    try:
        request.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    timeout = SECONDS
    protocol_version = "HTTP/1.0"
    server_version = "remx"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer."""
        if not self._host_is_here():
            self._send(403, "text/plain; charset=utf-8", b"ask by the address of this machine\n")
            return
        self._send(*self.server.answer(self.path.partition("?")[0]))

    do_HEAD = do_GET

    def _host_is_here(self) -> bool:
        """Whether a request to a loopback address names one: see ``_Http.local_only``."""
        if not self.server.local_only:
            return True
        host = self.headers.get("Host", "localhost")
        name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
        if name == "localhost":
            return True
        try:
            return ipaddress.ip_address(name.strip("[]")).is_loopback
        except ValueError:
            return False

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Content-Security-Policy", page()[1])
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a page that asks every second is no news."""
