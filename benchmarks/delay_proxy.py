"""A TCP proxy that makes a near server far: every byte arrives half a round trip later than it was sent.

Only the delay changes.  Chunks carry the time they may go on, in order, so any number of them is under
way at once and the bandwidth stays what it was.  A receiver that does not keep up stops the sender, as it
would without the proxy.

As a program: ``python -m benchmarks.delay_proxy --target HOST:PORT --half-round-trip 0.02``; it says where
it listens, cuts every connection when it reads a line ``cut``, and ends with its standard input.  From
Python: ``DelayProxyProcess`` runs that program.  ``fault_proxy`` builds on its parts.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from .processes import Child, module

_NO_LINGER = struct.pack("ii", 1, 0)

AnyProxy = TypeVar("AnyProxy", bound="ProxyProcess")

_CLOSED = b""
"""Stands in the delay line for the end of the connection."""


class End(asyncio.Protocol):
    """One end of a proxied connection: what comes in here leaves through ``far`` after the delay.

    Attributes
    ----------
    far : End or None
        The other end; None at the client's end until the target has answered.
    lag : float
        Seconds of delay beside the proxy's own.
    """

    transport: asyncio.Transport

    def __init__(self, proxy: DelayProxy, far: End | None = None) -> None:
        self._proxy = proxy
        self._loop = asyncio.get_running_loop()
        self._line: deque[tuple[float, bytes]] = deque()
        self.far = far
        self.lag = 0.0
        # What came while there was no far end yet: Python 3.10 reads on in spite of the pause below.
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._proxy.ends.add(self)
        if self.far is None:
            transport.pause_reading()
            self._proxy.dial(self)

    def data_received(self, data: bytes) -> None:
        delay = self._proxy.half_round_trip + self.lag
        if delay == 0 and not self._line:
            self._forward(data)
            return
        self._line.append((self._loop.time() + delay, data))
        if len(self._line) == 1:
            self._loop.call_later(delay, self._release)

    def connection_lost(self, exc: Exception | None) -> None:
        # The far end learns of it as late as of everything else; gRPC never closes one direction only.
        self._proxy.ends.discard(self)
        self.data_received(_CLOSED)

    def pause_writing(self) -> None:
        if self.far is not None:
            self.far.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.far is not None and not self.far.transport.is_closing():
            self.far.transport.resume_reading()

    def abort(self) -> None:
        """Break the connection at once and lose what is under way."""
        self._line.clear()
        # Without lingering the close is a reset, which nobody can take for an orderly end.
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    def begin(self, far: End) -> None:
        """There is a far end now."""
        self.far = far
        early, self._early = self._early, []
        for data in early:
            self._forward(data)

    def _release(self) -> None:
        """Forward what is due and come back for the rest."""
        now = self._loop.time()
        while self._line and self._line[0][0] <= now:
            self._forward(self._line.popleft()[1])
        if self._line:
            self._loop.call_at(self._line[0][0], self._release)

    def _forward(self, data: bytes) -> None:
        if self.far is None:
            self._early.append(data)
            return
        if self.far.transport.is_closing():
            return
        if data is _CLOSED:
            self.far.transport.close()
        else:
            self.far.transport.write(data)


class DelayProxy:
    """The proxy, for a running event loop.

    Parameters
    ----------
    target : str
        ``HOST:PORT`` that connections are passed on to.
    half_round_trip : float
        Seconds that every byte takes, in either direction.

    Attributes
    ----------
    address : str
        ``HOST:PORT`` it listens on, once ``start`` is done.
    ends : set of End
        Both ends of every open connection.
    """

    end: type[End] = End

    def __init__(self, target: str, half_round_trip: float) -> None:
        host, _, port = target.rpartition(":")
        self._target = host, int(port)
        self.half_round_trip = half_round_trip
        self.ends: set[End] = set()
        self._dialling: set[asyncio.Task[None]] = set()
        self.address = ""

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: self.end(self), "127.0.0.1", 0)
        self.address = "{}:{}".format(*self._server.sockets[0].getsockname()[:2])

    def dial(self, near: End) -> None:
        """Open the connection's second half; until then the first one is not read from."""
        task = asyncio.get_running_loop().create_task(self._dial(near))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    async def _dial(self, near: End) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, far = await loop.create_connection(lambda: self.end(self, near), *self._target)
        except OSError:
            near.abort()
            return
        near.begin(far)
        if near.transport.is_closing():
            far.transport.abort()
        else:
            near.transport.resume_reading()

    def cut(self) -> None:
        """Break every connection at once and lose what is under way; new ones are taken as before."""
        for end in tuple(self.ends):
            end.abort()

    async def close(self) -> None:
        """Stop listening and break what is open."""
        self._server.close()
        self.cut()


class ProxyProcess:
    """A proxy in a process of its own, which ends with the ``with`` block.

    Parameters
    ----------
    name : str
        The module's, below ``benchmarks``.
    *arguments : str
        Of its command line.
    """

    def __init__(self, name: str, *arguments: str) -> None:
        self._child = Child(name, module(f"benchmarks.{name}", *arguments))
        self.address = self._child.address()

    def __enter__(self: AnyProxy) -> AnyProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close()


class DelayProxyProcess(ProxyProcess):
    """A delay proxy in a process of its own, which ends with the ``with`` block.

    Parameters
    ----------
    target : str
        ``HOST:PORT`` that connections are passed on to.
    half_round_trip : float
        Seconds that every byte takes, in either direction.
    """

    def __init__(self, target: str, half_round_trip: float) -> None:
        super().__init__("delay_proxy", "--target", target, "--half-round-trip", str(half_round_trip))

    def cut(self) -> None:
        """Break every connection; soon, not before this returns."""
        self._child.write("cut")


async def serve(proxy: DelayProxy, do: Callable[[str], None]) -> None:
    """Say where a proxy listens, and have it do what lines of standard input say until that ends."""
    await proxy.start()
    print(f"proxy listening on {proxy.address}", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        do(line.strip())
    await proxy.close()


async def _run(target: str, half_round_trip: float) -> None:
    proxy = DelayProxy(target, half_round_trip)
    await serve(proxy, lambda line: proxy.cut() if line == "cut" else None)


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--target", required=True, help="HOST:PORT to pass connections on to")
    parser.add_argument("--half-round-trip", type=float, default=0.0, help="seconds of delay each way")
    options = parser.parse_args()
    asyncio.run(_run(options.target, options.half_round_trip))


if __name__ == "__main__":
    main()
