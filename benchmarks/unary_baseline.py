"""What remote arrays cost without the stream: a bare prototype that makes one unary gRPC call per op.

The server keeps NumPy arrays by handle and adds two of them; the client calls and waits, op by op.
Nothing is in it that a prototype could leave out (no protobuf, no inference, no errors), so that it is
as fast as such a design can be in Python.

``python -m benchmarks.unary_baseline serve`` is the server, in a process of its own; with ``call
HOST:PORT`` it is the side that the rounds drive.
"""

from __future__ import annotations

import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
import numpy as np

from . import side
from .workloads import CHAIN_LENGTH

_HANDLES = struct.Struct("<QQQ")
_ADD = "/benchmarks.Unary/Add"
_READ = "/benchmarks.Unary/Read"
_ONE = 0


class _Arrays(grpc.GenericRpcHandler):
    """The server's arrays by handle; handle 0 is an array of ones."""

    def __init__(self) -> None:
        self._table = {_ONE: np.ones(CHAIN_LENGTH, np.float32)}
        self._methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            _ADD: grpc.unary_unary_rpc_method_handler(self._add),
            _READ: grpc.unary_unary_rpc_method_handler(self._read),
        }

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        return self._methods.get(handler_call_details.method)

    def _add(self, request: bytes, _context: grpc.ServicerContext) -> bytes:
        out, left, right = _HANDLES.unpack(request)
        self._table[out] = self._table[left] + self._table[right]
        return b""

    def _read(self, request: bytes, _context: grpc.ServicerContext) -> bytes:
        """Answer with one array and drop the rest, ready for the next round."""
        out, _, _ = _HANDLES.unpack(request)
        result = self._table[out].tobytes()
        self._table = {_ONE: self._table[_ONE]}
        return result


def _chain(channel: grpc.Channel, ops: int, warm_ops: int = 100) -> dict[str, float]:
    """Do what ``workloads.chain`` does, one call per addition; the last answer ends the measured time."""
    add: Any = channel.unary_unary(_ADD)
    read: Any = channel.unary_unary(_READ)

    def run(length: int) -> int:
        total = _ONE
        for out in range(1, length + 1):
            add(_HANDLES.pack(out, total, _ONE))
            total = out
        return total

    run(warm_ops)
    start = time.perf_counter()
    total = run(ops)
    seconds = time.perf_counter() - start
    result = np.frombuffer(read(_HANDLES.pack(total, 0, 0)), np.float32)
    return {"seconds": seconds, "check": float(result[-1])}


def _serve() -> None:
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers((_Arrays(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"unary-baseline listening on 127.0.0.1:{port}", flush=True)
    sys.stdin.read()
    server.stop(None)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        _serve()
    else:
        with grpc.insecure_channel(sys.argv[2]) as channel:
            side.serve({"chain": partial(_chain, channel)})
