"""Checkpoints of sessions: what comes back, whose they are, and when they are made."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from remx_contract import codec, errors
from remx_contract.v1 import stream_pb2 as pb
from remx_server import checkpoints, keeping, memory
from remx_server.backend import Backend, Devices
from remx_server.checkpoints import Store
from remx_server.config import Config, Limits
from remx_server.owners import ANYBODY, Owner
from remx_server.service import Service
from remx_server.session import Session
from remx_server.snapshot import digest_of
from support.wire import CPU, UNIT, Closed, Remote, ServerProcess, Wire, chunks, hello, stream_of

ME = bytes(range(16))
ALICE, BOB = Owner("alice"), Owner("bob")
LIMITS = Limits(random_threads=4, transfer_seconds=5, stored_bytes=1 << 20, lease_seconds=0.0)
DTYPES = ["float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool"]

Array = np.ndarray[Any, Any]


def make(folder: Path | str, limits: Limits = LIMITS, **config: Any) -> Service:
    return Service(Config(limits=limits, state_dir=Path(folder), **config), Devices("cpu"))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = make(tmp_path)
    yield service
    service.drain(0)


@pytest.fixture
def wire(service: Service) -> Iterator[Wire]:
    wire = connect(service)
    yield wire
    wire.close()


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


# A running session goes back, under the same handles.


Way = Callable[[Service, Wire], Callable[[], pb.Checkpoint]]


def by_name(service: Service, wire: Wire) -> Callable[[], pb.Checkpoint]:
    save(wire, name="it")
    return lambda: restore(wire, name="it")


def by_session(service: Service, wire: Wire) -> Callable[[], pb.Checkpoint]:
    save(wire, own=True)
    return lambda: restore(wire, own=True)


def by_stream(service: Service, wire: Wire) -> Callable[[], pb.Checkpoint]:
    data = fetched(service, wire)
    return lambda: sent_back(service, wire, data)


@pytest.mark.parametrize("way", [by_name, by_session, by_stream])
def test_values_come_back(service: Service, wire: Wire, way: Way) -> None:
    hosts = [np.arange(6).reshape(2, 3).astype(dtype) for dtype in DTYPES]
    hosts += [np.array(2.5, np.float32), np.zeros((0, 3), np.float32), np.float32([np.nan, -0.0, np.inf])]
    handles = [wire.put(host, str(host.dtype)) for host in hosts]
    back = way(service, wire)
    for handle, host in zip(handles, hosts, strict=True):
        wire.put(np.ones_like(host), str(host.dtype), write_to=handle)
    told = back()
    assert told.tensors == len(handles)
    for handle, host in zip(handles, hosts, strict=True):
        assert wire.read(handle).tobytes() == host.tobytes()
        assert wire.read(handle).dtype == host.dtype


def test_views_share_their_memory_before_and_after(service: Service, wire: Wire) -> None:
    base = wire.put([1.0, 2.0, 3.0, 4.0])
    part = view(wire, base, 1, (2, 1))
    save(wire, name="it")
    wire.put([9.0, 9.0, 9.0, 9.0], write_to=base)
    later = view(wire, base, 3, (1,))
    restore(wire, name="it")
    assert wire.read(part).tolist() == [[2.0], [3.0]]
    assert wire.read(later).tolist() == [4.0]
    wire.put([[7.0], [8.0]], write_to=part)
    assert wire.read(base).tolist() == [1.0, 7.0, 8.0, 4.0]


def test_a_view_whose_base_has_no_handle_comes_back(service: Service, wire: Wire) -> None:
    base = wire.put([1.0, 2.0, 3.0])
    part, other = view(wire, base, 1, (2,)), view(wire, base, 0, (2,))
    wire.release(base)
    save(wire, name="it")
    wire.put([0.0, 0.0], write_to=part)
    restore(wire, name="it")
    assert wire.read(part).tolist() == [2.0, 3.0]
    assert wire.read(other).tolist() == [1.0, 2.0]


def test_handles_that_are_gone_stay_gone_and_new_ones_stay(service: Service, wire: Wire) -> None:
    old, gone = wire.put([1.0]), wire.put([2.0])
    save(wire, name="it")
    wire.release(gone)
    new = wire.put([3.0])
    assert restore(wire, name="it").tensors == 1
    assert wire.read(old).tolist() == [1.0]
    assert wire.read(new).tolist() == [3.0]
    with pytest.raises(errors.HandleError):
        wire.read(gone)


def test_gradients_and_variables_come_back(service: Service, wire: Wire) -> None:
    x, grad = wire.variable([1.0, 2.0])
    added, sums = wire.variable([3.0], request=3)

    def step() -> tuple[list[float], list[float]]:
        y = wire.op("square", x, flags=codec.RECORDING)
        z = wire.op("square", added, flags=codec.RECORDING)
        wire.command(backward=pb.Backward(heads=[y, z]))
        return wire.read(grad).tolist(), wire.read(sums).tolist()

    assert step() == ([2.0, 4.0], [6.0])
    told = save(wire, name="it")
    # The heads are freed by the pass: nothing recorded was there any more.
    assert told.left_graphs == 0
    wire.put([5.0, 5.0], write_to=x)
    assert step() == ([10.0, 10.0], [12.0])
    restore(wire, name="it")
    assert wire.read(grad).tolist() == [2.0, 4.0]
    assert wire.read(sums).tolist() == [6.0]
    assert step() == ([2.0, 4.0], [12.0])


def test_what_is_recorded_is_left_out_and_counted(service: Service, wire: Wire) -> None:
    x, grad = wire.variable([3.0])
    y = wire.op("square", x, flags=codec.RECORDING)
    assert save(wire, name="it").left_graphs == 1
    wire.command(backward=pb.Backward(heads=[y]))
    wire.put([0.0], write_to=y)
    restore(wire, name="it")
    assert wire.read(y).tolist() == [9.0]
    assert wire.read(grad).tolist() == [0.0]


def test_a_pass_over_what_was_written_back_is_refused(service: Service, wire: Wire) -> None:
    x, grad = wire.variable([3.0])
    save(wire, name="it")
    y = wire.op("square", x, flags=codec.RECORDING)
    restore(wire, name="it")
    wire.command(backward=pb.Backward(heads=[y]))
    with pytest.raises(errors.OverwrittenValueError):
        wire.read(grad)


def test_a_variable_with_another_gradient_gets_its_gradient_back(service: Service, wire: Wire) -> None:
    x, old = wire.variable([3.0])
    wire.put([8.0], write_to=old)
    save(wire, name="it")
    new = wire.put([0.0])
    wire.command(mark=pb.Mark(handles=[x], gradients=[new], requests=[1]))
    wire.release(old)
    restore(wire, name="it")
    assert wire.read(new).tolist() == [8.0]


def test_random_numbers_go_on_as_they_did(service: Service, wire: Wire) -> None:
    wire.command(seed=pb.Seed(thread=0, seed=7))
    wire.command(seed=pb.Seed(thread=1, seed=-3, for_context=True))
    wire.command(seed=pb.Seed(thread=2, seed=11, generator=pb.Seed.PHILOX))
    threads = (0, 1, 2)
    for thread in threads:
        draw(wire, thread)
    save(wire, name="it")
    ops = ["_random_uniform", "_random_normal", "_random_uniform"]
    expected = [[draw(wire, thread, op) for op in ops] for thread in threads]
    # Another generator, and a thread that had drawn nothing when the checkpoint was made.
    wire.command(seed=pb.Seed(thread=1, seed=0, generator=pb.Seed.PHILOX))
    fresh = draw(wire, 3)
    restore(wire, name="it")
    assert [[draw(wire, thread, op) for op in ops] for thread in threads] == expected
    assert draw(wire, 3) == fresh


def test_failures_come_back_as_failures(service: Service, wire: Wire) -> None:
    good, index = wire.put([1.0, 2.0]), wire.put([7.0])
    bad = wire.op("take", good, index, mode="raise", site=12)
    with pytest.raises(errors.OutOfRangeError):
        wire.read(bad)
    save(wire, name="it")
    wire.put([3.0], write_to=bad)
    assert wire.read(bad).tolist() == [3.0]
    restore(wire, name="it")
    with pytest.raises(errors.OutOfRangeError) as caught:
        wire.read(bad)
    assert caught.value.site == 12  # type: ignore[attr-defined]


def test_what_has_failed_since_gets_its_values_back(service: Service, wire: Wire) -> None:
    x = wire.put([1.0, 2.0])
    part = view(wire, x, 1, (1,))
    save(wire, name="it")
    failed = wire.op("take", x, wire.put([7.0]), mode="raise")
    spec = wire.define("_copyto", 1)
    wire.invoke(spec, [failed], outputs=[x], flags=codec.WRITING)
    with pytest.raises(errors.OutOfRangeError):
        wire.read(x)
    restore(wire, name="it")
    assert wire.read(x).tolist() == [1.0, 2.0]
    wire.put([5.0], write_to=part)
    assert wire.read(x).tolist() == [1.0, 5.0]


def test_descriptions_of_parameters_come_back(service: Service, wire: Wire) -> None:
    weight = wire.put([1.0])
    wire.command(fill=pb.Fill(handle=weight, name="a", initializer="one", own="o"))
    save(wire, name="it")
    wire.command(fill=pb.Fill(handle=weight, name="b", initializer="two"))
    restore(wire, name="it")
    request = next(wire.numbers)
    wire.command(describe=pb.Describe(request=request, handles=[weight]))
    [filling] = wire.answer(request).fillings.fillings
    assert (filling.name, filling.initializer, filling.own) == ("a", "one", "o")


# Names, and clients that do not know the handles.


def name(service: Service, wire: Wire, **handles: int) -> None:
    """Give tensors names, as a command will."""
    session = session_of(service, wire)
    wire.settle()
    session.names.update({name: session.value(handle) for name, handle in handles.items()})


def test_another_client_gets_names_back_and_nothing_else(service: Service, wire: Wire) -> None:
    x, _ = wire.variable([3.0, 4.0])
    y = wire.op("square", x, flags=codec.RECORDING)
    wire.command(backward=pb.Backward(heads=[y]))
    name(service, wire, x=x, part=view(wire, x, 1, (1,)))
    wire.put([1.0])
    data = fetched(service, wire)

    other = connect(service, client_id=bytes(16))
    mine = other.put([0.5])
    told = sent_back(service, other, data)
    assert list(told.names) == ["x", "part"]
    session = session_of(service, other)
    assert set(session.table) == {mine}
    found = session.names["x"]
    assert found.data.tolist() == [3.0, 4.0]
    assert found.producer.gradient.data.tolist() == [6.0, 8.0]  # type: ignore[union-attr]
    assert session.names["part"].base is found
    assert np.shares_memory(session.names["part"].data, found.data)
    other.close()


def test_named_arrays_are_written_in_place_where_they_are_the_same(service: Service, wire: Wire) -> None:
    x = wire.put([1.0, 2.0])
    name(service, wire, x=x)
    data = fetched(service, wire)
    other = connect(service, client_id=bytes(16))
    mine, later = other.put([8.0, 9.0]), other.put([7.0])
    name(service, other, x=mine, later=later)
    sent_back(service, other, data)
    assert other.read(mine).tolist() == [1.0, 2.0]
    assert set(session_of(service, other).names) == {"x", "later"}
    # Of another form: the name moves, and the array stays as it is.
    third = connect(service, client_id=bytes(16))
    mine = third.put([8.0, 9.0, 10.0])
    name(service, third, x=mine)
    sent_back(service, third, data)
    assert third.read(mine).tolist() == [8.0, 9.0, 10.0]
    assert session_of(service, third).names["x"].data.tolist() == [1.0, 2.0]
    for each in (other, third):
        each.close()


def test_a_client_without_an_identity_gets_no_handles(service: Service) -> None:
    wire = connect(service, client_id=b"")
    x = wire.put([1.0])
    save(wire, name="it")
    wire.put([2.0], write_to=x)
    assert restore(wire, name="it").tensors == 0
    assert wire.read(x).tolist() == [2.0]
    wire.close()


# All or nothing.


def test_a_restore_that_fails_changes_nothing(
    service: Service, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, failed = wire.put([1.0]), wire.op("take", wire.put([1.0]), wire.put([7.0]), mode="raise")
    wire.command(seed=pb.Seed(thread=0, seed=7))
    name(service, wire, x=x)
    data = fetched(service, wire)
    wire.put([2.0], write_to=x)
    wire.put([3.0], write_to=failed)
    draw(wire)
    session = session_of(service, wire)
    place = session.random.position(0)

    def unchanged() -> bool:
        same = wire.read(x).tolist() == [2.0] and wire.read(failed).tolist() == [3.0]
        return same and session.random.position(0) == place

    damaged = bytearray(data)
    damaged[-40] ^= 1
    for bad in (bytes(damaged), data[:-1], b"x" * 100):
        with pytest.raises(errors.FileFormatError):
            sent_back(service, wire, bad)
        assert unchanged()
    # No room: a new client would need memory for the name.
    other = connect(service, client_id=bytes(16))
    other.put([1.0])
    other.settle()
    monkeypatch.setattr(memory, "available", lambda: 0)
    with pytest.raises(errors.OutOfMemoryError):
        sent_back(service, other, data)
    assert not session_of(service, other).names
    other.close()


def test_a_device_that_is_not_there_is_an_error(service: Service, wire: Wire) -> None:
    x = wire.put([1.0])
    wire.settle()
    session = session_of(service, wire)
    backend = session.value(x).backend
    elsewhere = type("Elsewhere", (type(backend),), {"device_type": 2, "device_id": 5})()
    session.table[x].backend = elsewhere
    data = fetched(service, wire)
    session.table[x].backend = backend
    with pytest.raises(errors.DeviceError):
        sent_back(service, wire, data)
    assert wire.read(x).tolist() == [1.0]


def test_too_many_random_threads_are_refused(service: Service, wire: Wire, tmp_path: Path) -> None:
    for thread in range(3):
        draw(wire, thread)
    data = fetched(service, wire)
    strict = make(tmp_path / "strict", Limits(random_threads=2))
    other = connect(strict)
    with pytest.raises(errors.LimitError):
        sent_back(strict, other, data)
    draw(other, 0)
    other.close()
    strict.drain(0)


# Other devices.


class OnDevice(np.ndarray):  # type: ignore[type-arg]
    """An array that is not the host's, as far as its type tells."""


class StandIn(Backend):
    """A GPU, as far as checkpoints are concerned: memory of its own, and another type of arrays."""

    device_type = 2
    ndarray = OnDevice
    broken = False

    def from_host(self, array: Array) -> Array:
        return np.array(array).view(OnDevice)

    def to_host(self, array: Array) -> Array:
        assert isinstance(array, OnDevice)
        return np.array(array, subok=False)

    def overwrite(self, array: Array, host: Array) -> None:
        assert isinstance(array, OnDevice)
        if self.broken:
            raise RuntimeError("the device has fallen off")
        super().overwrite(array, host)


GPU = pb.Context(device_type=2)


def test_tensors_of_a_gpu_come_back_there(tmp_path: Path) -> None:
    devices = Devices("cpu")
    stand_in = StandIn()
    devices.gpus = [stand_in]  # type: ignore[list-item]
    service = Service(Config(limits=LIMITS, state_dir=tmp_path), devices)
    wire = connect(service)
    x = next(wire.numbers)
    tensor = codec.array_to_message(np.float32([1, 2, 3]))
    wire.command(put=pb.Put(handle=x, context=GPU, tensor=tensor))
    part = view(wire, x, 1, (2,))
    name(service, wire, x=x)
    save(wire, name="it")
    wire.put([0.0, 0.0, 0.0], write_to=x)
    restore(wire, name="it")
    assert wire.read(part).tolist() == [2.0, 3.0]
    other = connect(service, client_id=bytes(16))
    restore(other, name="it")
    found = session_of(service, other).names["x"]
    assert found.backend is stand_in
    assert isinstance(found.data, OnDevice)
    # A device that fails in the middle: its arrays have failed, and nothing else has.
    stand_in.broken = True
    restore(wire, name="it")
    with pytest.raises(errors.KernelError, match="fallen off"):
        wire.read(part)
    stand_in.broken = False
    restore(wire, name="it")
    assert wire.read(part).tolist() == [2.0, 3.0]
    wire.put([5.0, 6.0], write_to=part)
    assert wire.read(x).tolist() == [1.0, 5.0, 6.0]
    for each in (wire, other):
        each.close()
    service.drain(0)


@pytest.mark.gpu
def test_a_gpu_goes_back(tmp_path: Path) -> None:
    service = Service(Config(limits=LIMITS, state_dir=tmp_path), Devices("gpu"))
    wire = connect(service)
    wire.command(seed=pb.Seed(thread=0, seed=11, generator=pb.Seed.PHILOX))
    spec = wire.define("_random_normal", 0, {"shape": (50, 4)}, context=GPU)
    x = wire.invoke(spec, [], words=[*UNIT, 0])
    part = view(wire, x, 4, (4,))
    before, of_part = wire.read(x).tobytes(), wire.read(part).tobytes()
    save(wire, own=True)
    expected = wire.read(wire.invoke(spec, [], words=[*UNIT, 0])).tobytes()
    wire.invoke(spec, [], words=[*UNIT, 0], outputs=[x], flags=codec.WRITING)
    restore(wire, own=True)
    assert wire.read(x).tobytes() == before
    assert wire.read(part).tobytes() == of_part
    assert wire.read(wire.invoke(spec, [], words=[*UNIT, 0])).tobytes() == expected
    wire.hang_up()
    wait_until(lambda: not service.session_count)
    session = service.revive(ANYBODY, wire.welcome.session, ME)
    found = session.table[x]
    assert found.backend is service.devices.gpus[0]
    assert found.backend.to_host(found.data).tobytes() == before
    service.drain(0)


# Whose they are, and where.


def test_owners_have_stores_of_their_own(service: Service) -> None:
    alice, bob = connect(service, ALICE), connect(service, BOB)
    x = alice.put([1.0])
    save(alice, name="it")
    with pytest.raises(errors.CheckpointError, match="no such"):
        restore(bob, name="it")
    bob.put([2.0])
    save(bob, name="it")
    alice.put([5.0], write_to=x)
    restore(alice, name="it")
    assert alice.read(x).tolist() == [1.0]
    store = service.keeper.store
    assert store is not None
    assert [found.name for found in store.list("alice")] == ["it"]
    assert store.list("carol") == []
    for each in (alice, bob):
        each.close()


def test_a_file_in_a_foreign_folder_is_not_believed(service: Service) -> None:
    alice, bob = connect(service, ALICE), connect(service, BOB)
    alice.put([1.0])
    save(alice, name="it")
    save(bob, name="mine")
    store = service.keeper.store
    assert store is not None
    store.named("bob", "mine").write_bytes(store.named("alice", "it").read_bytes())
    with pytest.raises(errors.CheckpointError, match="no such"):
        restore(bob, name="mine")
    store.named("bob", "link").symlink_to(store.named("alice", "it"))
    with pytest.raises(errors.CheckpointError, match="cannot be read"):
        restore(bob, name="link")
    for each in (alice, bob):
        each.close()


@pytest.mark.parametrize("owner", ["../..", "a/b", "ä" * 300, "", "x" * 5000, ".", "lock"])
def test_owners_names_make_folders_of_their_own(tmp_path: Path, owner: str) -> None:
    store = Store(tmp_path / "state", 1 << 20)
    folders = {store.named(each, "x").parent.parent for each in (owner, "a/b", "a_b", "A/b")}
    assert len(folders) == len({owner, "a/b", "a_b", "A/b"})
    assert all(folder.parent == store.folder and len(folder.name) < 100 for folder in folders)
    store.close()


@pytest.mark.parametrize(
    "bad", ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", "a\0b", ".hidden", "x" * 129, "ä", "a b"]
)
def test_names_lead_nowhere_else(wire: Wire, bad: str) -> None:
    for ask in (save, restore):
        with pytest.raises(errors.ArgumentError, match="expected 1 to 128"):
            ask(wire, name=bad)


@pytest.mark.parametrize("good", ["a", "x" * 128, "Model_3.v1-b", "-", "a..b"])
def test_names_can_be(wire: Wire, good: str) -> None:
    save(wire, name=good)
    restore(wire, name=good)


def test_what_an_owner_stores_is_bounded(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = connect(service, ALICE), connect(service, BOB)
    x = alice.put(np.zeros(10_000))
    alice.op("tile", x, reps=(10,))
    for _ in range(3):
        # Replacing one takes no more than it is.
        save(alice, name="a")
    save(alice, name="b")
    with pytest.raises(errors.LimitError, match="do not fit"):
        save(alice, name="c")
    with pytest.raises(errors.LimitError, match="do not fit"):
        save(alice, own=True)
    save(bob, name="c")
    monkeypatch.setattr(checkpoints, "MAX_FILES", 1)
    with pytest.raises(errors.LimitError, match="which is the limit"):
        save(bob, name="d")
    assert alice.read(x).shape == (10_000,)
    for each in (alice, bob):
        each.close()


def test_a_server_without_a_folder_says_so() -> None:
    service = Service(Config(limits=LIMITS), Devices("cpu"))
    wire = connect(service)
    x = wire.put([1.0])
    for ask in (save, restore):
        for where in ({"own": True}, {"name": "x"}):
            with pytest.raises(errors.CheckpointError, match="state-dir"):
                ask(wire, **where)
    data = fetched(service, wire)
    wire.put([2.0], write_to=x)
    sent_back(service, wire, data)
    assert wire.read(x).tolist() == [1.0]
    wire.close()
    service.drain(0)


def test_commands_that_say_nothing_break_nothing(wire: Wire) -> None:
    for ask in (save, restore):
        with pytest.raises(errors.ProtocolError):
            ask(wire)
    with pytest.raises(errors.CheckpointError, match="no such"):
        restore(wire, own=True)


def test_the_folder_belongs_to_one_server(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "b", 1 << 20)
    assert oct(store.folder.stat().st_mode & 0o777) == "0o700"
    with pytest.raises(errors.CheckpointError, match="another server"):
        Store(store.folder, 1 << 20)
    Store(store.folder, 1 << 20, exclusive=False).close()
    store.close()
    Store(store.folder, 1 << 20).close()
    (tmp_path / "file").touch()
    with pytest.raises(errors.CheckpointError, match="cannot be used"):
        Store(tmp_path / "file", 1 << 20)


def test_a_start_tidies_up(service: Service, wire: Wire, tmp_path: Path) -> None:
    wire.put([1.0])
    save(wire, name="old")
    save(wire, own=True)
    store = service.keeper.store
    assert store is not None
    assert [found.name for found in store.sessions()] == [digest_of(wire.welcome.session)]
    paths = [store.named("anybody", "old"), store.of_session("anybody", wire.welcome.session)]
    unfinished = paths[0].with_name(".writing-it.remx.1")
    unfinished.touch()
    for path in paths:
        os.utime(path, (1.0, 1.0))
    store.close()
    Store(tmp_path, 1 << 20).close()
    assert [path.exists() for path in (*paths, unfinished)] == [True, False, False]


# Sessions that were lost.


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


def test_a_lost_session_is_told_of_its_checkpoint(tmp_path: Path) -> None:
    token = lost(tmp_path, lambda service, wire: None, ALICE)
    service = make(tmp_path)
    with pytest.raises(Closed) as caught:
        Wire(stream_of(service, ALICE), hello(session=token))
    assert type(caught.value.error) is errors.SessionLostError
    assert re.search(r"checkpoint of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC .*attach", str(caught.value.error))
    # Whoever else comes with it learns nothing.
    answers = set()
    for owner, named in ((BOB, token), (BOB, bytes(16)), (ALICE, bytes(16))):
        with pytest.raises(Closed) as caught:
            Wire(stream_of(service, owner), hello(session=named))
        answers.add(str(caught.value.error))
    assert len(answers) == 1
    assert "attach" not in answers.pop()
    service.drain(0)


def test_a_lost_session_is_revived(tmp_path: Path) -> None:
    known: dict[str, Any] = {}

    def fill(service: Service, wire: Wire) -> None:
        x, grad = wire.variable([3.0, 4.0])
        part = view(wire, x, 1, (1,))
        bad = wire.op("take", x, wire.put([7.0]), mode="raise")
        wire.command(fill=pb.Fill(handle=x, name="w", initializer="i"))
        wire.command(seed=pb.Seed(thread=0, seed=5))
        draw(wire)
        name(service, wire, w=x)
        known.update(x=x, grad=grad, part=part, bad=bad)

    token = lost(tmp_path, fill)
    service = make(tmp_path)
    for owner in (ALICE, BOB):
        with pytest.raises(errors.SessionLostError, match="does not have the session"):
            service.revive(owner, token, ME)
    session = service.revive(ANYBODY, token, ME)
    assert session.token == token
    assert service.session_of(token, ANYBODY) is session
    table = session.table
    x, grad, part = (table[known[each]] for each in ("x", "grad", "part"))
    assert x.data.tolist() == [3.0, 4.0]
    assert x.producer.gradient is grad  # type: ignore[union-attr]
    assert part.base is x
    assert np.shares_memory(part.data, x.data)
    assert session.names == {"w": x}
    assert session.parameters.live(table)[known["x"]].name == "w"
    assert [failure.error.reason for failure in session.failures] == ["INDEX_OUT_OF_RANGE"]
    assert table[known["bad"]].failure is session.failures[0]
    with pytest.raises(errors.SessionLostError, match="being taken over"):
        service.revive(ANYBODY, token, ME)
    expected = session.random_of(0).uniform(0, 1, (5,)).tolist()
    session.close()
    assert session.join(10)
    wait_until(lambda: not service.session_count)
    # Another client: names, and what they reach.
    session = service.revive(ANYBODY, token, bytes(16))
    assert not session.table
    assert session.names["w"].data.tolist() == [3.0, 4.0]
    assert session.names["w"].producer.gradient.data.tolist() == [0.0, 0.0]  # type: ignore[union-attr]
    assert session.random_of(0).uniform(0, 1, (5,)).tolist() == expected
    service.drain(0)


def test_a_damaged_checkpoint_revives_nothing(tmp_path: Path) -> None:
    token = lost(tmp_path, lambda service, wire: None)
    service = make(tmp_path)
    store = service.keeper.store
    assert store is not None
    path = store.of_session("anybody", token)
    raw = path.read_bytes()
    path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(errors.FileFormatError, match="damaged"):
        service.revive(ANYBODY, token, ME)
    store.of_session("anybody", bytes(16)).write_bytes(raw)
    with pytest.raises(errors.CheckpointError, match="another session"):
        service.revive(ANYBODY, bytes(16), ME)
    wait_until(lambda: not service.session_count)
    service.drain(0)


def test_tokens_are_nowhere_in_the_folder(tmp_path: Path) -> None:
    token = lost(tmp_path, lambda service, wire: None)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(digest_of(token) in path.name for path in files)
    for path in files:
        for form in (token, token.hex().encode()):
            assert form not in path.read_bytes()
            assert form not in bytes(path)


# When they are made.


def own(service: Service, wire: Wire, owner: Owner = ANYBODY) -> Path:
    assert service.keeper.store is not None
    return service.keeper.store.of_session(owner.name, wire.welcome.session)


def test_a_goodbye_removes_the_sessions_own(service: Service) -> None:
    wire = connect(service)
    wire.put([1.0])
    save(wire, own=True)
    save(wire, name="stays")
    path = own(service, wire)
    assert path.exists()
    wire.close()
    wait_until(lambda: not service.session_count)
    assert not path.exists()
    store = service.keeper.store
    assert store is not None
    assert len(store.list("anybody")) == 1
    wire = connect(service)
    save(wire, own=True)
    path = own(service, wire)
    wire.hang_up()
    wait_until(lambda: not service.session_count)
    assert path.exists()


def test_sessions_that_change_are_checkpointed_now_and_then(tmp_path: Path) -> None:
    service = make(tmp_path, checkpoint_seconds=0.05)
    wire, idle = connect(service), connect(service)
    x = wire.put([1.0])
    wire.settle()
    path = own(service, wire)
    wait_until(path.exists)
    store = service.keeper.store
    assert store is not None
    written = path.stat().st_mtime_ns
    time.sleep(0.3)
    assert path.stat().st_mtime_ns == written
    wire.put([2.0], write_to=x)
    wire.settle()
    wait_until(lambda: path.stat().st_mtime_ns != written)
    assert store.load(path).memories[0].array.tolist() == [2.0]
    assert not own(service, idle).exists()
    wire.close()
    idle.close()
    service.drain(0)
    assert not path.exists()


def test_a_session_goes_on_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = make(tmp_path)
    wire = connect(service)
    x = wire.put([1.0])
    wire.settle()
    go_on, begun = threading.Event(), threading.Event()
    real = Store.save

    def slow(self: Store, *arguments: Any) -> None:
        begun.set()
        assert go_on.wait(10)
        real(self, *arguments)

    monkeypatch.setattr(Store, "save", slow)
    session = session_of(service, wire)
    service.keeper.begin([session])
    assert begun.wait(10)
    wire.put([2.0], write_to=x)
    assert wire.read(x).tolist() == [2.0]
    go_on.set()
    path = own(service, wire)
    wait_until(path.exists)
    assert service.keeper.store is not None
    assert service.keeper.store.load(path).memories[0].array.tolist() == [1.0]
    # Without room for a copy, the session's own thread writes it.
    monkeypatch.setattr(memory, "available", lambda: 0)
    begun.clear()
    go_on.clear()
    service.keeper.begin([session])
    assert begun.wait(10)
    wire.op("square", x)
    wire.flush()
    time.sleep(0.1)
    assert session.ops == 0
    go_on.set()
    wire.settle()
    assert session.ops == 1
    wire.close()
    service.drain(0)


def test_a_checkpoint_that_fails_is_logged_and_nothing_else(
    service: Service, wire: Wire, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = wire.put([1.0])
    wire.settle()
    monkeypatch.setattr(keeping, "capture", lambda session: 1 / 0)
    service.keeper.begin([session_of(service, wire)])
    assert wire.read(x).tolist() == [1.0]
    assert "checkpoint failed" in caplog.text
    with pytest.raises(errors.MXNetError):
        save(wire, own=True)
    assert wire.read(x).tolist() == [1.0]


def test_a_busy_session_is_asked_once(service: Service, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    wire.put([1.0])
    wire.settle()
    session, blocked, taken = session_of(service, wire), threading.Event(), []
    real = keeping.capture

    def counted(session: Session) -> Any:
        taken.append(session)
        if len(taken) == 2:
            raise RuntimeError("this once")
        return real(session)

    monkeypatch.setattr(keeping, "capture", counted)
    session.between_batches(lambda: blocked.wait(20) and None)
    for _ in range(3):
        service.keeper.begin([session])
    blocked.set()
    wait_until(own(service, wire).exists)
    wire.settle()
    assert len(taken) == 1
    # One that fails is no reason not to ask again.
    for number in (2, 3):
        wire.put([2.0])
        wire.settle()
        service.keeper.begin([session])
        wait_until(lambda number=number: len(taken) == number)  # type: ignore[misc]
        keeping.on_thread(session, lambda: None)


def test_a_session_that_ends_answers_nobody(service: Service) -> None:
    session = Session(service.devices, LIMITS, "ended")
    session.close()
    assert session.join(10)
    with pytest.raises(errors.SessionLostError, match="just ended"):
        keeping.on_thread(session, lambda: None)


def test_a_drain_checkpoints_what_is_open(tmp_path: Path) -> None:
    service = make(tmp_path)
    wire = connect(service)
    x = wire.put([1.0])
    wire.settle()
    path = own(service, wire)
    thread = threading.Thread(target=service.drain, args=(0.5,))
    thread.start()
    # At once, and again after the grace, in which the session may go on.
    wait_until(path.exists)
    wire.put([2.0], write_to=x)
    wire.settle()
    thread.join()
    again = make(tmp_path)
    assert again.keeper.store is not None
    assert again.keeper.store.load(path).memories[0].array.tolist() == [2.0]
    session = again.revive(ANYBODY, wire.welcome.session, ME)
    assert session.table[x].data.tolist() == [2.0]
    again.drain(0)


def test_a_busy_session_does_not_hold_a_drain_up_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = make(tmp_path)
    wire = connect(service)
    wire.put([1.0])
    wire.settle()
    blocked = threading.Event()
    session = session_of(service, wire)
    session.between_batches(lambda: blocked.wait(20) and None)
    monkeypatch.setattr("remx_server.service.CHECKPOINT_SECONDS", 0.2)
    assert not service.drain(0)
    assert any("busy for too long" in str(vars(record)) for record in caplog.records)
    blocked.set()
    assert session.join(10)


# A real server, and real signals.


def fetch(wire: Wire, named: str) -> int:
    """A handle for a named tensor."""
    request, handle = next(wire.numbers), next(wire.numbers)
    wire.command(fetch=pb.Fetch(request=request, name=named, handle=handle, gradient=next(wire.numbers)))
    assert wire.answer(request).HasField("named")
    return handle


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_is_stopped_leaves_the_last_checkpoint(tmp_path: Path, number: int) -> None:
    every = 0.1 if number == signal.SIGKILL else 0
    flags = (f"--state-dir={tmp_path}", f"--checkpoint-every={every}", "--grace=0.1")
    with ServerProcess(*flags) as server:
        remote = Remote(server.address)
        wire = Wire(remote.stream, hello(client_id=ME))
        x = wire.put([1.0, 2.0])
        wire.command(name=pb.Name(name="x", handle=x))
        wire.settle()
        token = wire.welcome.session
        if number == signal.SIGKILL:
            wait_until(lambda: list(tmp_path.glob("*/sessions/*.remx")))
        server.signal(number)
        server.wait_while_open()
        wire.hang_up()
        remote.close()
    with ServerProcess(*flags) as server:
        remote = Remote(server.address)
        with pytest.raises(Closed) as caught:
            Wire(remote.stream, hello(session=token, client_id=ME))
        assert type(caught.value.error) is errors.SessionLostError
        assert "attach" in str(caught.value.error)
        other = bytes(16)
        wire = Wire(remote.stream, hello(session=token, client_id=other, take_over=True))
        assert wire.welcome.session == token
        wire.numbers = count(100)
        assert wire.read(fetch(wire, "x")).tolist() == [1.0, 2.0]
        with pytest.raises(errors.HandleError):
            wire.read(x)
        wire.close()
        wait_until(lambda: not list(tmp_path.glob("*/sessions/*.remx")))
        remote.close()


def test_a_session_belongs_to_the_client_that_took_it_over(service: Service, wire: Wire) -> None:
    x = wire.put([1.0])
    wire.command(name=pb.Name(name="x", handle=x))
    wire.settle()
    other = bytes(16)
    second = Wire(stream_of(service), hello(session=wire.welcome.session, client_id=other, take_over=True))
    second.numbers = count(50)
    mine = fetch(second, "x")
    assert session_of(service, second).client_id == other
    save(second, name="it")
    second.put([2.0], write_to=mine)
    restore(second, name="it")
    assert second.read(mine).tolist() == [1.0]
    store = service.keeper.store
    assert store is not None
    assert store.load(store.named("anybody", "it")).client_id == other
    second.close()
