"""Several sessions on one server: what they get together, and what each of them gets.

``python -m benchmarks.fairness`` starts a server and prints both measurements.
"""

from __future__ import annotations

import argparse
import json
import statistics
from contextlib import ExitStack, closing
from typing import Any

import numpy as np

from .processes import Child, module
from .stage import Options, Stage

PROCESSES = 2
"""How many processes the clients of many sessions share."""
OPS = 1000
"""Ops of a batch of small ops."""
MATRIX = 1024
"""Rows and columns of large matrices."""
PAUSE = 0.001
"""Seconds between the waits of a light session."""


def _client(address: str) -> Child:
    return Child("wire client", module("benchmarks.wire_client", address))


def _start(child: Child, task: str, **arguments: Any) -> None:
    child.write(json.dumps({"task": task, **arguments}))


def _answer(child: Child) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(child.read())
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer


def many_sessions(address: str, sessions: int = 32, seconds: float = 8.0) -> dict[str, Any]:
    """Small ops of one session, and then of many at once.

    Parameters
    ----------
    address : str
        ``HOST:PORT`` of a server without a token.
    sessions : int
    seconds : float
        How long the many work; the one works half of that before, and half of that after.

    Returns
    -------
    dict
        ``alone`` and ``together``, in ops per second, and their ``ratio``; ``least`` and ``most`` of what a
        session got, as a part of the mean; ``errors``, a list of texts.
    """
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(_client(address))) for _ in range(PROCESSES)]

        def alone() -> float:
            answer = clients[0].ask("small", sessions=1, seconds=seconds / 2, ops=OPS)
            return float(answer["rates"][0])

        before = alone()
        for number, client in enumerate(clients):
            share = len(range(number, sessions, PROCESSES))
            _start(client, "small", sessions=share, seconds=seconds, ops=OPS)
        answers = [_answer(client) for client in clients]
        one = statistics.mean((before, alone()))
    rates = [rate for answer in answers for rate in answer["rates"]]
    mean = statistics.mean(rates)
    return {
        "sessions": len(rates),
        "alone": one,
        "together": sum(rates),
        "ratio": sum(rates) / one,
        "least": min(rates) / mean,
        "most": max(rates) / mean,
        "errors": [error for answer in answers for error in answer["errors"]],
    }


def light_beside_heavy(address: str, seconds: float = 6.0) -> dict[str, Any]:
    """The waits of a session with small ops, alone and beside one that multiplies large matrices.

    Parameters
    ----------
    address : str
        ``HOST:PORT`` of a server without a token.
    seconds : float
        How long the light session works in each of the two cases.

    Returns
    -------
    dict
        In seconds: ``alone`` and ``beside``, the 95th percentiles of the waits; ``kernel``, the median time
        of a product beside the light session; ``bound``, what ``beside`` may be: three times ``alone`` and
        one kernel. ``waits`` is how many there were beside the products.
    """
    with ExitStack() as stack:
        light, heavy = (stack.enter_context(closing(_client(address))) for _ in range(2))
        alone = light.ask("light", seconds=seconds, pause=PAUSE)["waits"]
        _start(heavy, "heavy", seconds=seconds + 1.0, size=MATRIX)
        beside = light.ask("light", seconds=seconds, pause=PAUSE)["waits"]
        kernel = float(np.median(_answer(heavy)["kernels"]))
    p95 = [float(np.percentile(waits, 95)) for waits in (alone, beside)]
    return {
        "alone": p95[0],
        "beside": p95[1],
        "kernel": kernel,
        "bound": 3 * p95[0] + kernel,
        "waits": len(beside),
    }


def main() -> None:
    """Measure both on a server of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fairness", description=__doc__)
    parser.add_argument("--sessions", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=8.0)
    arguments = parser.parse_args()
    with Stage(Options()) as stage:
        print(json.dumps(many_sessions(stage.address, arguments.sessions, arguments.seconds), indent=1))
        print(json.dumps(light_beside_heavy(stage.address, arguments.seconds), indent=1))


if __name__ == "__main__":
    main()
