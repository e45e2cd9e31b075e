"""What gRPC itself can move: a bare byte stream each way, with identity serializers.

The sender cuts chunks from an array it holds, as any sender of arrays must; the receiver counts the bytes
and drops them.  So the baseline does not put the array together, which remx pays for.  On one machine
neither has a checksum.

``python -m benchmarks.byte_stream_baseline serve`` is the server, in a process of its own; with ``call
HOST:PORT`` it is the side that the rounds drive.
"""

from __future__ import annotations

import statistics
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
import numpy as np

from . import side

_UP = "/benchmarks.Bytes/Up"
_DOWN = "/benchmarks.Bytes/Down"
_SIZES = struct.Struct("<QQ")
# gRPC's default limit of 4 MiB would refuse larger chunks, on either side.
_OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


def _chunks(source: np.ndarray[Any, Any], chunk: int) -> Iterator[bytes]:
    view = source.view(np.uint8).data
    for offset in range(0, len(view), chunk):
        yield bytes(view[offset : offset + chunk])


class _Bytes(grpc.GenericRpcHandler):
    """Swallows what comes up; sends down as many bytes as it is asked for."""

    def __init__(self) -> None:
        self._source = np.zeros(0, np.uint8)
        self._methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            _UP: grpc.stream_unary_rpc_method_handler(self._up),
            _DOWN: grpc.unary_stream_rpc_method_handler(self._down),
        }

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        return self._methods.get(handler_call_details.method)

    def _up(self, chunks: Iterable[bytes], _context: grpc.ServicerContext) -> bytes:
        return _SIZES.pack(sum(map(len, chunks)), 0)

    def _down(self, request: bytes, _context: grpc.ServicerContext) -> Iterator[bytes]:
        size, chunk = _SIZES.unpack(request)
        if self._source.nbytes != size:
            # Written to, so that the pages exist before the next round sends them.
            self._source = np.arange(size // 4, dtype=np.float32).view(np.uint8)
        yield from _chunks(self._source, chunk)


def _transfer(channel: grpc.Channel, size: int, chunk: int, times: int = 6) -> dict[str, float]:
    """Move ``size`` bytes each way, ``chunk`` at a time; answers as ``workloads.transfer`` does."""
    up: Any = channel.stream_unary(_UP)
    down: Any = channel.unary_stream(_DOWN)
    source = np.arange(size // 4, dtype=np.float32)
    ups, downs, complete = [], [], True
    for _ in range(times):
        start = time.perf_counter()
        arrived, _ = _SIZES.unpack(up(_chunks(source, chunk)))
        middle = time.perf_counter()
        returned = sum(map(len, down(_SIZES.pack(size, chunk))))
        end = time.perf_counter()
        ups.append(middle - start)
        downs.append(end - middle)
        complete = complete and arrived == returned == size
    up_seconds, down_seconds = statistics.median(ups[1:]), statistics.median(downs[1:])
    return {
        "up_seconds": up_seconds,
        "down_seconds": down_seconds,
        "seconds": up_seconds + down_seconds,
        "check": float(complete),
    }


def _serve() -> None:
    server = grpc.server(ThreadPoolExecutor(max_workers=4), options=_OPTIONS)
    server.add_generic_rpc_handlers((_Bytes(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"byte-stream-baseline listening on 127.0.0.1:{port}", flush=True)
    sys.stdin.read()
    server.stop(None)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        _serve()
    else:
        with grpc.insecure_channel(sys.argv[2], options=_OPTIONS) as channel:
            side.serve({"transfer": partial(_transfer, channel)})
