"""A TCP proxy that does to connections what networks do, on command or at random by a seed.

It breaks connections (with a reset, or in good order), cuts them in the middle of what is being sent, closes
one direction, swallows everything while both sides believe that the connection is there, makes bytes late,
and refuses new connections for a while. Everything it does is counted.

As a program: ``python -m benchmarks.fault_proxy --target HOST:PORT``; it says where it listens, reads
commands as lines of JSON, ``{"do": "reset"}``, answers ``{"do": "counts"}``, and ends with its standard
input. From Python: ``FaultProxyProcess`` runs that program.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import threading
from collections import Counter
from typing import Any, Final, cast

from .delay_proxy import DelayProxy, End, ProxyProcess, serve

WAYS: Final = ("both", "up", "down")

DROPS: Final = {"reset": 10, "finish": 6, "tear": 6, "half_close": 4, "hole": 1}
"""What ends a connection, and how often one is chosen against the others; a hole takes a client seconds to
notice."""
TROUBLES: Final = {"delay": 2, "refuse": 1}
"""What a connection outlives, or what meets the next one only."""

_ALIVE_BYTES: Final = (0, 0, 400, 3_000, 3_000, 20_000, 100_000)
"""How much a connection has carried at least when chance strikes it: some do not even shake hands."""
_LOOK_SECONDS: Final = 0.005
_PATIENCE_SECONDS: Final = 0.5
_TEAR_SECONDS: Final = 0.001
"""Between the last piece of a torn connection and its end, so that the piece arrives."""
_DELAY_SECONDS: Final = (0.02, 0.2)
_REFUSE_SECONDS: Final = (0.05, 0.3)


class FaultEnd(End):
    """One end of a connection to which things happen.

    Attributes
    ----------
    is_near : bool
        Whether it is the client's; what comes in there goes up.
    carried : int
        Bytes that came in.
    struck : bool
        Whether the connection was dropped.
    """

    def __init__(self, proxy: DelayProxy, far: End | None = None) -> None:
        super().__init__(proxy, far)
        self.is_near = far is None
        self.carried = 0
        self.struck = False
        self._swallows = False
        self._tears = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.is_near:
            cast(FaultProxy, self._proxy).arrived(self)

    def data_received(self, data: bytes) -> None:
        self.carried += len(data)
        if self._swallows:
            return
        if self._tears and data:
            # Half of it goes on, and then the end comes.
            data = data[: len(data) // 2]
            self._swallows = True
            self._loop.call_later(self.lag + _TEAR_SECONDS, self.reset)
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._swallows:
            # Nobody hears of it: that is what a hole is.
            self._proxy.ends.discard(self)
        else:
            super().connection_lost(exc)

    # What can happen to a connection. Each is called at the client's end.

    def reset(self) -> None:
        """Break it at once, for both sides, and lose what is under way."""
        for end in (self, self.far):
            if end is not None and not end.transport.is_closing():
                end.abort()

    def finish(self) -> None:
        """Close it in good order in the middle of what is said; what is under way is lost."""
        for end in (self, self.far):
            if end is not None:
                end._line.clear()
                end.transport.close()

    def tear(self) -> None:
        """Break it in the middle of the next piece that goes up or down, whichever comes first."""
        for end in (self, self.far):
            if isinstance(end, FaultEnd):
                end._tears = True

    def half_close(self, way: str = "up") -> None:
        """Tell the side that ``way`` leads to that nothing will come any more; it may still talk."""
        end = self.far if way == "up" else self
        if end is not None and end.transport.can_write_eof() and not end.transport.is_closing():
            end.transport.write_eof()

    def hole(self, way: str = "both") -> None:
        """Pass nothing on any more, not even the end of the connection."""
        if way != "down":
            self._swallows = True
        if way != "up" and isinstance(self.far, FaultEnd):
            self.far._swallows = True


class FaultProxy(DelayProxy):
    """The proxy, for a running event loop.

    Parameters
    ----------
    target : str
        ``HOST:PORT`` that connections are passed on to.

    Attributes
    ----------
    counts : Counter
        What was done to connections, by its name; ``drops`` is the sum of what ended one, ``connections`` how
        many have come.
    """

    end = FaultEnd

    def __init__(self, target: str) -> None:
        super().__init__(target, 0.0)
        self.counts: Counter[str] = Counter(connections=0, drops=0, refused=0)
        self._refuses_until = 0.0
        self._chance: asyncio.Task[None] | None = None

    @property
    def connections(self) -> list[FaultEnd]:
        """The client's ends of the connections that are whole."""
        found = [end for end in self.ends if isinstance(end, FaultEnd) and end.is_near]
        return [end for end in found if end.far is not None and not end.struck]

    def arrived(self, near: FaultEnd) -> None:
        """A client has connected."""
        self.counts["connections"] += 1
        if asyncio.get_running_loop().time() < self._refuses_until:
            self.counts["refused"] += 1
            near.struck = True
            near.abort()

    def strike(self, kind: str, near: FaultEnd, way: str = "both") -> None:
        """Drop a connection."""
        near.struck = True
        self.counts[kind] += 1
        self.counts["drops"] += 1
        if kind in ("half_close", "hole"):
            getattr(near, kind)(way)
        else:
            getattr(near, kind)()

    def delay(self, seconds: float, lasting: float) -> None:
        """Make everything late on the connections of now, for a while."""
        self.counts["delay"] += 1
        ends = tuple(self.ends)
        for end in ends:
            end.lag = seconds

        def over() -> None:
            for end in ends:
                end.lag = 0.0

        asyncio.get_running_loop().call_later(lasting, over)

    def refuse(self, lasting: float) -> None:
        """Break new connections at once, for a while."""
        self.counts["refuse"] += 1
        self._refuses_until = asyncio.get_running_loop().time() + lasting

    def leave_to_chance(self, drops: int, seed: int, gap: float) -> None:
        """From now on, drop connections at random until so many were dropped in all.

        Parameters
        ----------
        drops : int
        seed : int
        gap : float
            Seconds between two faults at most, where there is a connection to drop.
        """
        self.calm()
        self._chance = asyncio.get_running_loop().create_task(self._strike_at_random(drops, seed, gap))

    def calm(self) -> None:
        """Leave new connections and those that are whole alone."""
        self._refuses_until = 0.0
        if self._chance is not None:
            self._chance.cancel()
            self._chance = None

    async def _strike_at_random(self, drops: int, seed: int, gap: float) -> None:
        chance = random.Random(seed)
        kinds = {**DROPS, **TROUBLES}
        while self.counts["drops"] < drops:
            await asyncio.sleep(chance.uniform(0, gap))
            [kind] = chance.choices(list(kinds), list(kinds.values()))
            least = chance.choice(_ALIVE_BYTES)
            ways = WAYS if kind == "hole" else WAYS[1:]
            way = chance.choice(ways)
            if kind == "delay":
                self.delay(chance.uniform(*_DELAY_SECONDS), chance.uniform(*_REFUSE_SECONDS))
            elif kind == "refuse":
                self.refuse(chance.uniform(*_REFUSE_SECONDS))
            else:
                self.strike(kind, await self._victim(chance, least), way)

    async def _victim(self, chance: random.Random, least: int) -> FaultEnd:
        """A connection that has carried so much, as soon as there is one; any, if there is none for long."""
        loop = asyncio.get_running_loop()
        patience = loop.time() + _PATIENCE_SECONDS
        while True:
            if loop.time() > patience:
                least = 0
            found = [end for end in self.connections if end.carried >= least]
            if found:
                # In the order in which they came, so that chance alone decides.
                return chance.choice(sorted(found, key=lambda end: end.carried))
            await asyncio.sleep(_LOOK_SECONDS)

    def do(self, line: str) -> None:
        """Do what a line of JSON says, to all connections where it is a fault."""
        command = json.loads(line)
        kind = command.pop("do")
        if kind in DROPS:
            for near in self.connections:
                self.strike(kind, near, **command)
        elif kind == "counts":
            print(json.dumps({**self.counts, "open": len(self.ends)}), flush=True)
        else:
            getattr(self, kind)(**command)


class FaultProxyProcess(ProxyProcess):
    """A fault proxy in a process of its own, which ends with the ``with`` block.

    Parameters
    ----------
    target : str
        ``HOST:PORT`` that connections are passed on to.
    """

    def __init__(self, target: str) -> None:
        super().__init__("fault_proxy", "--target", target)
        self._asking = threading.Lock()

    def do(self, kind: str, **arguments: Any) -> None:
        """Have it done to all connections: ``reset``, ``finish``, ``tear``, ``half_close`` and ``hole`` with
        a ``way``, ``delay``, ``refuse``, ``leave_to_chance``, ``calm``; see :class:`FaultProxy`."""
        self._child.write(json.dumps({"do": kind, **arguments}))

    def counts(self) -> dict[str, int]:
        """What was done so far; everything asked for before is done then. Any thread may ask."""
        with self._asking:
            self.do("counts")
            found: dict[str, int] = json.loads(self._child.read(10.0))
        return found


async def _run(target: str) -> None:
    proxy = FaultProxy(target)
    await serve(proxy, proxy.do)


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--target", required=True, help="HOST:PORT to pass connections on to")
    asyncio.run(_run(parser.parse_args().target))


if __name__ == "__main__":
    main()
