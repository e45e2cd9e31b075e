"""A server that says what it hears, for tests of what stands between a client and a server."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def echo() -> Iterator[str]:
    """An echo server's ``HOST:PORT``."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def answer(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(2**16):
                connection.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                thread = threading.Thread(target=answer, args=(connection,), daemon=True)
                threads.append(thread)
                thread.start()

    threads.append(threading.Thread(target=accept, daemon=True))
    threads[0].start()
    host, port = listener.getsockname()[:2]
    try:
        yield f"{host}:{port}"
    finally:
        # Closing alone does not wake a thread that is blocked in accept.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in threads:
            thread.join()


def dial(address: str) -> socket.socket:
    """A connection to ``HOST:PORT``."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def receive(connection: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer where the other side ends before."""
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(2**20)
        if not part:
            break
        parts += part
    return bytes(parts)
