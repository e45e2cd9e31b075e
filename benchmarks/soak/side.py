"""The client process that the soak's figures ask: ``python -m benchmarks.soak.side --connect HOST:PORT``."""

from __future__ import annotations

import argparse
import queue
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import psutil
import remx as mx

from .. import side
from .training import Training


class Client:
    """What can be asked for; one session, and one training run at a time in it."""

    def __init__(self, address: str, token: str) -> None:
        self._address = address
        self._token = token
        self._training: Training

    def connect(self) -> dict[str, Any]:
        """Open a session."""
        mx.connect(self._address, token=self._token)
        return {}

    def begin(self, seed: int) -> dict[str, Any]:
        """Begin a training run."""
        self._training = Training(mx, seed)
        return {}

    def train(self, steps: int, seconds: float = 0.0) -> dict[str, Any]:
        """Go on with it for so many steps, and then for so long."""
        started = time.monotonic()
        self._training.run(steps)
        while time.monotonic() - started < seconds:
            self._training.run(1)
        return {"steps": self._training.steps}

    def digest(self) -> dict[str, Any]:
        """What came of the training run."""
        return {"digest": self._training.digest(), "losses": self._training.losses}

    def leave(self) -> dict[str, Any]:
        """End the session; says how many ops it had."""
        ops = mx.stats().ops
        mx.disconnect()
        return {"ops": ops}

    def volume(self, ops: int, threads: int) -> dict[str, Any]:
        """Run ops whose results are dropped in another thread than made them."""
        before = mx.stats().ops
        _drop_each_other(ops, threads)
        done = mx.stats().ops - before
        for _ in range(2):
            # What the first sends along, the second is told of.
            mx.waitall()
        resident = psutil.Process().memory_info().rss
        return {"ops": done, "live": mx.stats().live_handles, "resident": resident}


def _drop_each_other(ops: int, threads: int) -> None:
    rings: list[queue.SimpleQueue[Any]] = [queue.SimpleQueue() for _ in range(threads)]
    one = mx.nd.ones((10,))
    one.attach_grad()

    def work(number: int) -> None:
        mine, next_one = rings[number], rings[(number + 1) % threads]
        for count in range(ops // threads):
            with mx.autograd.record() if count % 2 else nullcontext():
                next_one.put(one + one)
            if mine.qsize() > 100:
                # The last reference goes here.
                mine.get()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))


def main() -> None:
    """Answer requests; the session is opened when it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connect", required=True, help="HOST:PORT of the server, or of a proxy before it")
    parser.add_argument("--token", default="", help="what the server wants to see")
    options = parser.parse_args()
    warnings.simplefilter("ignore", mx.PerformanceWarning)
    client = Client(options.connect, options.token)
    names = [name for name in vars(Client) if not name.startswith("_")]
    side.serve({name: getattr(client, name) for name in names})


if __name__ == "__main__":
    main()
