"""From a Config to a running server, and from a running server to a stopped one."""

from __future__ import annotations

import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from remx_contract.errors import DeviceError

from .backend import Devices
from .config import Config
from .interceptors import TokenInterceptor
from .log import log
from .service import Service
from .servicer import SERVICE_NAME, handlers

# Each open session occupies a worker thread for its stream, and each transfer one while it lasts.
WORKERS_BEYOND_SESSIONS = 32
# Small enough that the stream's threads get the interpreter soon while a session's thread is busy.
SWITCH_INTERVAL_SECONDS = 0.0005

OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.so_reuseport", 0),
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
        self.devices = Devices(config.device)
        self.service = Service(config, self.devices)
        self._health = health.HealthServicer()
        self._pool = ThreadPoolExecutor(config.limits.sessions + WORKERS_BEYOND_SESSIONS, "grpc")
        self._grpc = grpc.server(self._pool, interceptors=[TokenInterceptor(self.service)], options=OPTIONS)
        self._grpc.add_generic_rpc_handlers((handlers(self.service),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        names = (SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._grpc)
        port = self._grpc.add_insecure_port(config.listen)
        if config.listen.startswith("unix:"):
            self.address = config.listen
        else:
            self.address = f"{config.listen.rpartition(':')[0]}:{port}"

    def start(self) -> None:
        """Serve."""
        self._grpc.start()
        for name in ("", SERVICE_NAME):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        log.info("listening", extra={"address": self.address, "devices": self.device_names()})

    def device_names(self) -> list[str]:
        """The devices, as the start line prints them."""
        return ["cpu(0)", *(f"gpu({gpu.device_id}) {gpu.info().name}" for gpu in self.devices.gpus)]

    def stop(self) -> None:
        """Drain: no new sessions, running ones get the grace period, then everything is closed."""
        log.info("draining", extra={"sessions": self.service.session_count})
        self._health.enter_graceful_shutdown()
        self.service.drain(self.config.grace_seconds)
        self._grpc.stop(1.0).wait()
        log.info("stopped")


def run(config: Config) -> int:
    """Serve until SIGTERM, SIGINT or, if the config says so, the end of standard input."""
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        server = Server(config)
    except (DeviceError, RuntimeError) as error:
        print(f"remx-server: {error}", file=sys.stderr)
        return 1
    server.start()
    print(f"remx-server listening on {server.address} devices {', '.join(server.device_names())}", flush=True)
    if config.die_with_stdin:
        threading.Thread(target=_watch_stdin, args=(stop,), daemon=True).start()
    stop.wait()
    server.stop()
    return 0


def _watch_stdin(stop: threading.Event) -> None:
    """The parent holds the other end of standard input: when it ends, however it ends, so does this
    server."""
    while sys.stdin.buffer.read(1):
        pass
    stop.set()
