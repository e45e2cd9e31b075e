"""A remx server that tells how much memory its arrays take at most.

Prints its address as ``remx_server`` does, and answers requests on standard input (see ``side``): ``reset``
starts a new peak, ``peak`` tells it. NumPy reports its arrays to ``tracemalloc``, so what is counted is what
was asked for, not what the allocator keeps.
"""

from __future__ import annotations

import tracemalloc

from remx_server.config import Config
from remx_server.serve import Server

from . import side


def _reset() -> dict[str, float]:
    tracemalloc.reset_peak()
    return {"bytes": float(tracemalloc.get_traced_memory()[0])}


def _peak() -> dict[str, float]:
    return {"bytes": float(tracemalloc.get_traced_memory()[1])}


if __name__ == "__main__":
    server = Server(Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0))
    server.start()
    tracemalloc.start()
    print(f"listening on {server.address}", flush=True)
    side.serve({"reset": _reset, "peak": _peak})
    server.stop()
