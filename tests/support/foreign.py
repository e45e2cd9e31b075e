"""Servers that are not remx's, or not quite: for what clients say of them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from remx_contract.v1 import admin_pb2


@contextmanager
def silent_port() -> Iterator[str]:
    """A port where somebody takes connections and says nothing that makes sense."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"220 mail.example ESMTP\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def admin_that_says(status: admin_pb2.ServerStatus) -> Iterator[str]:
    """A server whose Admin service gives this status, and refuses all else."""
    server = grpc.server(ThreadPoolExecutor(4))

    def answer(request: bytes, context: grpc.ServicerContext) -> Any:
        return status

    handler = grpc.unary_unary_rpc_method_handler(
        answer, response_serializer=admin_pb2.ServerStatus.SerializeToString
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("remx.v1.Admin", {"Status": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()
