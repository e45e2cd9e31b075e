"""Sessions with checkpoints, by hand: to save, to restore, and to lose them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from remx_contract import codec
from remx_contract.v1 import stream_pb2 as pb
from remx_server.backend import Devices
from remx_server.config import Config, Limits
from remx_server.owners import ANYBODY, Owner
from remx_server.service import Service
from remx_server.session import Session

from support.wire import CPU, UNIT, Wire, chunks, hello, stream_of

ME = bytes(range(16))
ALICE, BOB = Owner("alice"), Owner("bob")
LIMITS = Limits(random_threads=4, transfer_seconds=5, stored_bytes=1 << 20, lease_seconds=0.0)
DTYPES = ["float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool"]

Array = np.ndarray[Any, Any]


def make(folder: Path | str, limits: Limits = LIMITS, **config: Any) -> Service:
    return Service(Config(limits=limits, state_dir=Path(folder), **config), Devices("cpu"))


def connect(service: Service, owner: Owner = ANYBODY, client_id: bytes = ME) -> Wire:
    return Wire(stream_of(service, owner), hello(client_id=client_id))


def session_of(service: Service, wire: Wire, owner: Owner = ANYBODY) -> Session:
    return service.session_of(wire.welcome.session, owner)


def save(wire: Wire, **to: Any) -> pb.Checkpoint:
    request = next(wire.numbers)
    wire.command(save=pb.Save(request=request, **to))
    return wire.answer(request).checkpoint


def restore(wire: Wire, **source: Any) -> pb.Checkpoint:
    request = next(wire.numbers)
    wire.command(restore=pb.Restore(request=request, **source))
    return wire.answer(request).checkpoint


def fetched(service: Service, wire: Wire) -> bytes:
    """A checkpoint as the client gets it."""
    transfer = next(wire.numbers)
    told = save(wire, transfer=transfer)
    pieces = service.session_of(wire.welcome.session, ANYBODY).transfers.send(transfer, 0)
    data = b"".join(bytes(codec.read_chunk(raw)[2]) for raw in pieces)
    assert len(data) == told.nbytes
    return data


def sent_back(service: Service, wire: Wire, data: bytes) -> pb.Checkpoint:
    """Restore from a client's file."""
    transfer, request = next(wire.numbers), next(wire.numbers)
    stream = pb.Restore.Stream(transfer=transfer, length=len(data))
    wire.command(restore=pb.Restore(request=request, stream=stream))
    transfers = service.session_of(wire.welcome.session, ANYBODY).transfers
    sender = threading.Thread(target=transfers.receive_all, args=(iter(chunks(transfer, data)),))
    sender.start()
    try:
        return wire.answer(request).checkpoint
    finally:
        sender.join()


def draw(wire: Wire, thread: int = 0, op: str = "_random_uniform") -> list[float]:
    spec = wire.define(op, 0, {"shape": (5,)}, context=CPU)
    values: list[float] = wire.read(wire.invoke(spec, [], words=[*UNIT, thread])).tolist()
    return values


def view(wire: Wire, base: int, offset: int, shape: tuple[int, ...]) -> int:
    return wire.invoke(wire.define("_view", 1, {"shape": shape}), [base], words=[offset])


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def name(service: Service, wire: Wire, **handles: int) -> None:
    """Give tensors names, as a command will."""
    session = session_of(service, wire)
    wire.settle()
    session.names.update({name: session.value(handle) for name, handle in handles.items()})


def lost(folder: Path, fill: Callable[[Service, Wire], None], owner: Owner = ANYBODY) -> bytes:
    """The token of a session whose server is gone, with a checkpoint left behind."""
    service = make(folder)
    wire = connect(service, owner)
    fill(service, wire)
    save(wire, own=True)
    token: bytes = wire.welcome.session
    assert service.keeper.store is not None
    service.keeper.store.close()
    session_of(service, wire, owner).close()
    return token


def own(service: Service, wire: Wire, owner: Owner = ANYBODY) -> Path:
    assert service.keeper.store is not None
    return service.keeper.store.of_session(owner.name, wire.welcome.session)


def fetch(wire: Wire, named: str) -> int:
    """A handle for a named tensor."""
    request, handle = next(wire.numbers), next(wire.numbers)
    wire.command(fetch=pb.Fetch(request=request, name=named, handle=handle, gradient=next(wire.numbers)))
    assert wire.answer(request).HasField("named")
    return handle
