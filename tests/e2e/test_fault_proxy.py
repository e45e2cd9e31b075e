"""What the fault proxy does to a connection, seen from both of its sides."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
from support.echo import dial, echo, receive

from benchmarks.fault_proxy import DROPS, FaultProxyProcess


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultProxyProcess]:
    with echo() as address, FaultProxyProcess(address) as proxy:
        yield proxy


@pytest.fixture
def connection(proxy: FaultProxyProcess) -> Iterator[socket.socket]:
    """A connection that works so far."""
    with dial(proxy.address) as connection:
        assert said(connection, b"before")
        yield connection
    assert works(proxy)


def said(connection: socket.socket, data: bytes) -> bool:
    """Whether what is said comes back."""
    connection.sendall(data)
    return receive(connection, len(data)) == data


def works(proxy: FaultProxyProcess) -> bool:
    """Whether a new connection gets through."""
    with dial(proxy.address) as connection:
        return said(connection, b"after")


def ends(connection: socket.socket) -> str:
    """How a connection ends: with a reset, or in good order, or not at all."""
    connection.settimeout(0.3)
    try:
        while connection.recv(2**16):
            pass
    except TimeoutError:
        return "not"
    except ConnectionResetError:
        return "reset"
    return "finished"


def test_a_reset(proxy: FaultProxyProcess, connection: socket.socket) -> None:
    proxy.do("reset")
    assert ends(connection) == "reset"


def test_an_end_in_good_order(proxy: FaultProxyProcess, connection: socket.socket) -> None:
    proxy.do("finish")
    assert ends(connection) == "finished"


def test_a_cut_in_the_middle(proxy: FaultProxyProcess, connection: socket.socket) -> None:
    proxy.do("tear")
    proxy.counts()
    connection.sendall(bytes(10))
    # Half of it went up, and half of that came down, unless the end of all was faster.
    with contextlib.suppress(ConnectionResetError):
        assert receive(connection, 2) == bytes(2)
    assert ends(connection) == "reset"


def test_a_half_close_leaves_the_other_direction(proxy: FaultProxyProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()[:2]
        with FaultProxyProcess(f"{host}:{port}") as own:
            for way in ("up", "down"):
                with dial(own.address) as client:
                    server, _ = listener.accept()
                    with server:
                        client.sendall(b"before")
                        assert receive(server, 6) == b"before"
                        told, other = (server, client) if way == "up" else (client, server)
                        own.do("half_close", way=way)
                        assert ends(told) == "finished"
                        assert ends(other) == "not"
                        told.sendall(b"still here")
                        assert receive(other, 10) == b"still here"


@pytest.mark.parametrize("way", ["up", "down", "both"])
def test_a_hole_passes_nothing_on_and_nobody_hears_of_it(
    proxy: FaultProxyProcess, connection: socket.socket, way: str
) -> None:
    proxy.do("hole", way=way)
    proxy.counts()
    connection.sendall(b"into the hole")
    assert ends(connection) == "not"


def test_a_delay_passes(proxy: FaultProxyProcess, connection: socket.socket) -> None:
    proxy.do("delay", seconds=0.1, lasting=0.5)
    proxy.counts()
    started = time.monotonic()
    assert said(connection, b"late")
    assert time.monotonic() - started >= 0.2
    time.sleep(0.5)
    started = time.monotonic()
    assert said(connection, b"in time")
    assert time.monotonic() - started < 0.1


def test_new_connections_are_refused_for_a_while(proxy: FaultProxyProcess, connection: socket.socket) -> None:
    before = proxy.counts()["refused"]
    proxy.do("refuse", lasting=0.5)
    proxy.counts()
    # So soon, perhaps, that dialling itself fails.
    with pytest.raises(ConnectionResetError), dial(proxy.address) as refused:
        receive(refused, 1)
    assert said(connection, b"undisturbed")
    assert proxy.counts()["refused"] == before + 1
    proxy.do("calm")
    assert works(proxy)


def test_chance_drops_as_many_as_it_was_told_and_counts_them() -> None:
    with echo() as address, FaultProxyProcess(address) as proxy:
        proxy.do("leave_to_chance", drops=40, seed=3, gap=0.002)
        while proxy.counts()["drops"] < 40:
            with contextlib.suppress(OSError), dial(proxy.address) as connection:
                connection.settimeout(0.02)
                for _ in range(100):
                    said(connection, bytes(3000))
        counts = proxy.counts()
        assert sum(counts.get(kind, 0) for kind in DROPS) == counts["drops"] == 40
        assert all(counts[kind] for kind in ("reset", "finish", "tear", "half_close", "refuse", "delay"))
        assert counts["connections"] >= 40
        assert works(proxy)
        assert proxy.counts()["drops"] == 40
