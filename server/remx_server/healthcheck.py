"""``python -m remx_server.healthcheck [ADDRESS]``: exit status 0 if the server there is serving.

The container's health check. Without an address it asks the one that ``REMX_LISTEN`` says, on this machine.
"""

from __future__ import annotations

import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from .config import Config
from .servicer import SERVICE_NAME

TIMEOUT_SECONDS = 3.0


def target(listen: str) -> str:
    """Where a server that listens on ``listen`` can be reached from its own machine."""
    if listen.startswith("unix:"):
        return listen
    host, _, port = listen.rpartition(":")
    local = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
    return f"{local.get(host, host)}:{port}"


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
    listen = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("REMX_LISTEN", Config.listen)
    return 0 if serving(target(listen)) else 1


if __name__ == "__main__":
    sys.exit(main())
