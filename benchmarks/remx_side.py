"""The remx side: the same programs through the client, connected to the server it is told to use."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Mapping
from functools import partial
from typing import Any

import grpc
import numpy as np
import remx as mx

from . import fills, graphs, side, workloads


def _statistic(name: str) -> float:
    found: Any = mx.stats()
    return float(found[name] if isinstance(found, Mapping) else getattr(found, name))


def _versions() -> dict[str, str]:
    return {
        "remx": mx.__version__,
        "numpy": np.__version__,
        "grpcio": grpc.__version__,
        "python": platform.python_version(),
    }


def main() -> None:
    """Connect and answer requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connect", required=True, help="HOST:PORT of the server, or of a proxy before it")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    options = parser.parse_args()
    mx.connect(options.connect)
    tasks: dict[str, Any] = {
        name: partial(program, mx, options.device)
        for name, program in (workloads.PROGRAMS | graphs.PROGRAMS | fills.PROGRAMS).items()
    }
    tasks["training"] = partial(tasks["training"], count=partial(_statistic, "round_trips"))
    tasks["statistic"] = lambda name: {"value": _statistic(name)}
    tasks["versions"] = _versions
    side.serve(tasks)


if __name__ == "__main__":
    main()
