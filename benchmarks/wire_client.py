"""Sessions made of nothing but messages, for loads that a real client could not make from few processes.

A client that makes its batches with ``remx`` takes more time for an op than the server does. What is measured
here is the server, so the batches are made once, and sent again and again with another number.

``python -m benchmarks.wire_client HOST:PORT`` is a side (see ``side``).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from queue import SimpleQueue
from typing import Any

import grpc
import numpy as np
from remx_contract import CONTRACT_VERSION, codec
from remx_contract.catalogue import digest
from remx_contract.v1 import stream_pb2 as pb

from . import side
from .workloads import CHAIN_LENGTH

METHOD = "/remx.v1.Remx/Session"
CPU = pb.Context(device_type=1)
WINDOW = 3
"""Batches in flight of a session that is kept busy."""
ONES, ADD, DOT = 1, 2, 3
ONE = 1
"""The handle of the array that everything is computed from; results have the handles after it."""


class WireSession:
    """A session with one array, of ones, and the ops that loads are made of.

    Parameters
    ----------
    address : str
    shape : tuple of int
        Of the array.
    """

    def __init__(self, address: str, shape: tuple[int, ...]) -> None:
        self._channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
        self._up: SimpleQueue[bytes | None] = SimpleQueue()
        method: Any = self._channel.stream_stream(METHOD, response_deserializer=pb.Down.FromString)
        self._down: Iterator[pb.Down] = method(iter(self._up.get, None))
        hello = pb.Hello(
            contract_version=CONTRACT_VERSION, catalogue_digest=digest(), client="benchmark", session=b""
        )
        self._up.put(pb.Up(hello=hello).SerializeToString())
        self.sequence = 0
        self.applied = 0
        shaped = {"shape": codec.attribute_to_message(shape)}
        defines = [
            pb.Define(spec_id=ONES, op="_ones", attributes=shaped, context=CPU),
            pb.Define(spec_id=ADD, op="elemwise_add", inputs=2),
            pb.Define(spec_id=DOT, op="dot", inputs=2),
        ]
        batch = pb.Batch(
            code=[codec.CALL] * len(defines) + [ONES << codec.SPEC_SHIFT, 0, ONE],
            commands=[pb.Command(define=define) for define in defines],
        )
        self.send(batch.SerializeToString())
        self.wait()

    def __enter__(self) -> WireSession:
        return self

    def __exit__(self, *error: object) -> None:
        self._up.put(pb.Up(goodbye=pb.Goodbye()).SerializeToString())
        self._up.put(None)
        for _ in self._down:
            pass
        self._channel.close()

    def send(self, batch: bytes) -> None:
        """Send a batch that has no number yet."""
        self.sequence += 1
        number = pb.Batch(sequence=self.sequence).SerializeToString()
        # As the generated code would: field 2 of Up, of so many bytes.
        length = _varint(len(number) + len(batch))
        self._up.put(b"".join((b"\x12", length, number, batch)))

    def next(self) -> pb.Down:
        """The next message; RuntimeError where the session has ended."""
        for message in self._down:
            kind = message.WhichOneof("kind")
            if kind == "closed":
                raise RuntimeError(f"the server closed a session: {message.closed}")
            if kind == "acknowledgement":
                self.applied = message.acknowledgement.sequence
            return message
        raise RuntimeError("the server ended a session")

    def wait(self) -> None:
        """Wait until all that was sent is done."""
        while self.applied < self.sequence:
            self.next()

    def keep_busy(self, batch: bytes, seconds: float) -> list[float]:
        """Have the server run one batch again and again; when each was done, from the start on."""
        start = time.perf_counter()
        done: list[float] = []
        for _ in range(WINDOW):
            self.send(batch)
        while not done or done[-1] < seconds:
            before = self.applied
            self.next()
            for _ in range(self.applied - before):
                done.append(time.perf_counter() - start)
                self.send(batch)
        self.wait()
        return done


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def repeated(spec: int, ops: int) -> bytes:
    """A batch of so many ops, each on the result before it (or the array), that keeps nothing."""
    code = []
    last = ONE
    for handle in range(ONE + 1, ONE + 1 + ops):
        code += [spec << codec.SPEC_SHIFT, 0, last, ONE, handle]
        if last != ONE:
            code += [codec.RELEASE | 1 << codec.COUNT_SHIFT, last]
        last = handle if spec == ADD else ONE
        if spec != ADD:
            code += [codec.RELEASE | 1 << codec.COUNT_SHIFT, handle]
    if spec == ADD:
        code += [codec.RELEASE | 1 << codec.COUNT_SHIFT, last]
    return pb.Batch(code=code).SerializeToString()


def _small(address: str, sessions: int, seconds: float, ops: int) -> dict[str, Any]:
    """Ops per second of each of several sessions that do small ops all the time."""
    batch = repeated(ADD, ops)
    rates: list[float] = []
    errors: list[str] = []

    def work(session: WireSession, ready: threading.Barrier) -> None:
        try:
            ready.wait()
            done = session.keep_busy(batch, seconds)
            # The first and the last quarter belong to those that start early and end late.
            counted = sum(seconds / 4 < at <= seconds * 3 / 4 for at in done)
            rates.append(counted * ops / (seconds / 2))
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")

    with ExitStack() as stack:
        opened = [stack.enter_context(WireSession(address, (CHAIN_LENGTH,))) for _ in range(sessions)]
        ready = threading.Barrier(sessions)
        threads = [threading.Thread(target=work, args=(session, ready)) for session in opened]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return {"rates": rates, "errors": errors}


def _heavy(address: str, seconds: float, size: int) -> dict[str, Any]:
    """Seconds of each of the products of large matrices that a session computes all the time."""
    with WireSession(address, (size, size)) as session:
        done = session.keep_busy(repeated(DOT, 1), seconds)
    return {"kernels": np.diff(done).tolist()}


def _light(address: str, seconds: float, pause: float) -> dict[str, Any]:
    """How long each wait takes for a session that adds two small arrays and reads the sum, now and then."""
    waits = []
    handle = ONE + 1
    batch = pb.Batch(
        code=[
            ADD << codec.SPEC_SHIFT,
            *(0, ONE, ONE, handle),
            codec.CALL,
            codec.RELEASE | 1 << codec.COUNT_SHIFT,
            handle,
        ],
        commands=[pb.Command(read=pb.Read(request=1, handle=handle))],
    ).SerializeToString()
    with WireSession(address, (CHAIN_LENGTH,)) as session:
        end = time.perf_counter() + seconds
        while (start := time.perf_counter()) < end:
            session.send(batch)
            while session.next().WhichOneof("kind") != "reply":
                pass
            waits.append(time.perf_counter() - start)
            time.sleep(pause)
        session.wait()
    return {"waits": waits}


if __name__ == "__main__":
    address = sys.argv[1]
    side.serve(
        {
            "small": partial(_small, address),
            "heavy": partial(_heavy, address),
            "light": partial(_light, address),
        }
    )
