"""The client process that the soak's figures ask: ``python -m benchmarks.soak.side --connect HOST:PORT``."""

from __future__ import annotations

import argparse
import queue
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import numpy as np
import psutil
import remx as mx

from .. import side
from .training import Training

SECRET = b"0ur5ecr3"
_VALUE = np.frombuffer(SECRET, "float64")[0]
SECRET_SIZES = (1, 2, 2, 3, 4, 8, 10, 40, 100, 1000, 9000, 20_000)
"""Small ones ride the command stream, large ones are byte streams."""


class Client:
    """What can be asked for; one session, and one training run at a time in it."""

    def __init__(self, address: str, token: str) -> None:
        self._address = address
        self._token = token
        self._training: Training
        self._secrets: list[Any] = []

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

    def keep_secrets(self) -> dict[str, Any]:
        """Make arrays of values that no one else must see; says which bytes these have."""
        self._secrets = [_secret(size) for size in SECRET_SIZES]
        mx.nd.waitall()
        return {"secrets": [SECRET.hex()]}

    def renew_secrets(self) -> dict[str, Any]:
        """Replace half of them: freed memory has secrets too."""
        for index in range(0, len(self._secrets), 2):
            self._secrets[index] = _secret(SECRET_SIZES[index])
        return {}

    def secrets_are_whole(self) -> dict[str, Any]:
        """Whether they still have their values."""
        return {"whole": all((secret.asnumpy() == _VALUE).all() for secret in self._secrets)}

    def checkpoint(self) -> dict[str, Any]:
        """Make a checkpoint of the session on the server."""
        self._training.save()
        return {"digest": self._training.digest()}

    def train_until_lost(self) -> dict[str, Any]:
        """Train until there is no session any more; says when that was told, and how."""
        try:
            while True:
                self._training.run(1)
        except mx.errors.SessionError as error:
            return {"at": time.time(), "kind": type(error).__name__}

    def restore(self) -> dict[str, Any]:
        """Take the session over as it was at its checkpoint, and the training run with it."""
        mx.session.attach()
        self._training.restore()
        return {"digest": self._training.digest()}

    def exceed(self, times: int) -> dict[str, Any]:
        """Exceed a quota of 16 MiB, and see each time that small ops go on."""
        kept = mx.nd.arange(10)
        exceeded = usable = 0
        for count in range(times):
            large = mx.nd.zeros((5 << 20,))
            try:
                large.wait_to_read()
            except mx.errors.QuotaError:
                exceeded += 1
            usable += float((kept + count).sum().asscalar()) == 45.0 + 10 * count
        return {"exceeded": exceeded, "usable": usable}

    def leave(self) -> dict[str, Any]:
        """End the session; says how many ops it had."""
        ops = mx.stats().ops
        self._secrets.clear()
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


def _secret(size: int) -> Any:
    return mx.nd.array(np.full(size, _VALUE), dtype="float64")


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
