"""``python -m remx_server.healthcheck [ADDRESS]``: exit status 0 if the server there is serving.

The container's health check. Without an address it asks the one that ``REMX_LISTEN``, or the file that
``REMX_CONFIG`` names, says, on this machine.

A server with TLS has a certificate for its name in the network, and may want one of its clients; a health
check on its own machine has neither. So such a server answers health checks, and nothing else, on a socket of
this machine too, which has a name and no file (Linux has those).
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from .command_line import parse
from .log import log
from .servicer import SERVICE_NAME

TIMEOUT_SECONDS = 3.0


def targets(listen: str) -> list[str]:
    """Where a server that listens on ``listen`` can be asked from its own machine: with TLS, and without."""
    if listen.startswith("unix:"):
        return [listen]
    host, _, port = listen.rpartition(":")
    local = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
    return [_socket(int(port)), f"{local.get(host, host)}:{port}"]


def _socket(port: int) -> str:
    """The address of the health checks of the server at a port."""
    return f"unix-abstract:remx-health-{port}"


class LocalHealth:
    """Answers health checks of this machine beside a port with TLS; where it cannot, the log says so.

    Parameters
    ----------
    servicer : HealthServicer
    port : int
        The port with TLS.
    """

    def __init__(self, servicer: health.HealthServicer, port: int) -> None:
        self._server = grpc.server(ThreadPoolExecutor(2, "health"), options=[("grpc.so_reuseport", 0)])
        health_pb2_grpc.add_HealthServicer_to_server(servicer, self._server)
        try:
            self._server.add_insecure_port(_socket(port))
        except RuntimeError as error:
            log.warning("no health checks of this machine", extra={"error": str(error)})
        self._server.start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.stop(None).wait()


def serving(address: str) -> bool:
    """Whether the server at an address says that it is serving."""
    with grpc.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=SERVICE_NAME)
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=TIMEOUT_SECONDS)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def main() -> int:
    """Ask the server and turn its answer into an exit status."""
    addresses = sys.argv[1:] or targets(parse([], whole=False).listen)
    return 0 if any(map(serving, addresses)) else 1


if __name__ == "__main__":
    sys.exit(main())
