"""From a Config to a running server, and from a running server to a stopped one."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from remx_contract.errors import DeviceError

from . import admin, process
from .backend import Devices
from .config import Config
from .decoding import Decoding
from .healthcheck import LocalHealth
from .interceptors import Requests
from .log import log
from .reflection import add_reflection
from .service import Service
from .servicer import SERVICE_NAME, handlers
from .settings import ConfigError
from .tls import Certificates

if TYPE_CHECKING:
    from .web import Web

# Each open session occupies a worker thread for its stream, and each transfer one while it lasts.
WORKERS_BEYOND_SESSIONS = 32

RELOAD: Final[signal.Signals | None] = getattr(signal, "SIGHUP", None)
"""The signal to read tokens and certificates again."""

OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.so_reuseport", 0),
    # A client whose machine vanished sends nothing any more, not even the end of its connection. Patient
    # enough for one that was only suspended for a moment.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
]


class Server:
    """A running server.

    Parameters
    ----------
    config : Config

    Attributes
    ----------
    address : str
        Where it listens, with the real port.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.service, calls = _service(config)
        self._health = health.HealthServicer()
        self._pool = ThreadPoolExecutor(config.limits.sessions + WORKERS_BEYOND_SESSIONS, "grpc")
        interceptors = (Requests(self.service.census.refused.count), Decoding())
        self._grpc = grpc.server(self._pool, options=OPTIONS, interceptors=interceptors)
        self._grpc.add_generic_rpc_handlers((calls, admin.handlers(self.service)))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        add_reflection((SERVICE_NAME, admin.SERVICE_NAME, health.SERVICE_NAME), self.service, self._grpc)
        self._certificates = Certificates(config) if config.tls else None
        port = self._open_port()
        if config.listen.startswith("unix:"):
            self.address = config.listen
        else:
            self.address = f"{config.listen.rpartition(':')[0]}:{port}"
        self._local_health = LocalHealth(self._health, port) if config.tls else None
        self._web = None if config.metrics is None else self._metrics_server(config.metrics)

    def _open_port(self) -> int:
        if self._certificates is None:
            return self._grpc.add_insecure_port(self.config.listen)
        return self._grpc.add_secure_port(self.config.listen, self._certificates.credentials())

    def reload(self) -> None:
        """Read the tokens and the certificates again; where that fails, what was read before holds."""
        if self.config.token_file is not None:
            _reload("tokens", self.service.reload)
        if self._certificates is not None:
            _reload("certificates", self._certificates.reload)

    def warnings(self) -> list[str]:
        """What an operator should know of who can do what."""
        seen = "the metrics name owners and clients, for all who can reach their port"
        return [*self._connection_warnings(), *([seen] if self.config.metrics_open else [])]

    def _connection_warnings(self) -> list[str]:
        if self.config.loopback:
            return []
        if not self.config.wants_token:
            return [
                "INSECURE: it serves other machines without tokens, and whoever reaches it can use everything"
            ]
        if not self.config.tls:
            return ["tokens and data cross the network in the clear, since there is no --tls-cert"]
        return []

    def _metrics_server(self, listen: str) -> Web:
        # Imported where it is wanted: an embedded server has no use for it, nor the time.
        from .web import Web

        return Web(listen, self.service)

    @property
    def metrics_address(self) -> str:
        """Where the metrics and the status page are, with the real port; empty for nowhere."""
        return "" if self._web is None else self._web.address

    def start(self) -> None:
        """Serve."""
        self._grpc.start()
        if self._web is not None:
            self._web.start()
        for name in ("", SERVICE_NAME, admin.SERVICE_NAME):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        found = {"address": self.address, "devices": self.device_names()}
        log.info("listening", extra={**found, "metrics": self.metrics_address} if self._web else found)

    def device_names(self) -> list[str]:
        """The devices, as the start line prints them."""
        _, *gpus = self.service.devices.infos()
        return ["cpu(0)", *(f"gpu({gpu.device_id}) {gpu.name}" for gpu in gpus)]

    def stop(self) -> bool:
        """Drain: no new sessions, running ones get the grace period, then everything is closed.

        Returns
        -------
        bool
            False if a kernel is still running, in a thread that nothing can stop.
        """
        log.info("draining", extra={"sessions": self.service.session_count})
        self._health.enter_graceful_shutdown()
        idle = self.service.drain(self.config.grace_seconds)
        self._grpc.stop(1.0).wait()
        if self._local_health is not None:
            self._local_health.stop()
        if self._web is not None:
            self._web.stop()
        if self.config.die_with_stdin:
            self._remove_socket()
        log.info("stopped")
        return idle

    def _remove_socket(self) -> None:
        """Remove the socket and its folder if that is empty: a parent that was killed cannot do it."""
        kind, _, path = self.address.partition(":")
        if kind == "unix":
            with contextlib.suppress(OSError):
                Path(path).unlink(missing_ok=True)
                Path(path).parent.rmdir()


def _service(config: Config) -> tuple[Service, grpc.GenericRpcHandler]:
    """What has the sessions, in threads or in processes, and the handlers of its calls."""
    if config.isolation == "process":
        from .workers import Front, Workers

        workers = Workers(config)
        return workers, Front(workers)
    service = Service(config, Devices(config.device))
    return service, handlers(service)


class Reasons:
    """Reasons to stop, in order: signals, and what else gives one.

    They go through a pipe, which the signal itself writes to, in whatever thread it arrives. A handler in
    Python runs in the main thread alone, and not before that wakes up: a signal that came right before a wait
    would be lost.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)

    def watch(self, *numbers: signal.Signals) -> None:
        """Take these signals as reasons; only in the main thread."""
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda number, frame: None)

    def give(self) -> None:
        """Give a reason that is no signal."""
        os.write(self._write, b"\0")

    def wait(self) -> int:
        """Wait for the next reason; returns the signal's number, or 0."""
        return os.read(self._read, 1)[0]


def run(config: Config) -> int:
    """Serve until SIGTERM, SIGINT or, if the config says so, the end of standard input."""
    process.set_up()
    reasons = Reasons()
    try:
        server = Server(config)
    except (ConfigError, DeviceError, OSError, RuntimeError) as error:
        print(f"remx-server: {error}", file=sys.stderr)
        return 1

    reasons.watch(signal.SIGTERM, signal.SIGINT, *((RELOAD,) if RELOAD else ()))
    server.start()
    print(f"remx-server listening on {server.address} devices {', '.join(server.device_names())}", flush=True)
    for warning in server.warnings():
        print(f"remx-server WARNING: {warning}", flush=True)
        log.warning(warning)
    if config.die_with_stdin:
        threading.Thread(target=_watch_stdin, args=(reasons,), daemon=True).start()
    while reasons.wait() == RELOAD and (config.token_file is not None or config.tls):
        server.reload()
    threading.Thread(target=_hurry, args=(reasons, server.service), daemon=True).start()
    if not server.stop():
        # Tearing down the interpreter under a running kernel could crash; there is nothing left to tidy up.
        logging.shutdown()
        os._exit(0)
    return 0


def _reload(what: str, reload: Callable[[], None]) -> None:
    """Read something again; an error is logged, and nothing has changed."""
    try:
        reload()
        log.info("reloaded", extra={"what": what})
    except ConfigError as error:
        log.error("reload failed", extra={"what": what, "error": str(error)})
    except Exception:
        # Whatever is in a file, sessions run.
        log.exception("reload failed", extra={"what": what})


def _hurry(reasons: Reasons, service: Service) -> None:
    """Whoever asks twice does not want to wait for the sessions."""
    while reasons.wait() == RELOAD:
        pass
    service.hurry()


def _watch_stdin(reasons: Reasons) -> None:
    """The parent holds the other end of standard input: when it ends, however it ends, so does this
    server."""
    # Not through sys.stdin, whose lock a thread must not hold while the interpreter ends.
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    reasons.give()
