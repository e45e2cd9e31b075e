"""What comes back of a checkpoint: all or nothing, here and on other devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from remx_contract import codec, errors
from remx_contract.v1 import stream_pb2 as pb
from remx_server import memory
from remx_server.backend import Backend, Devices
from remx_server.config import Config, Limits
from remx_server.owners import ANYBODY
from remx_server.service import Service
from support.checkpoints import (
    DTYPES,
    LIMITS,
    ME,
    Array,
    connect,
    draw,
    fetched,
    make,
    name,
    restore,
    save,
    sent_back,
    session_of,
    view,
    wait_until,
)
from support.wire import UNIT, Wire

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
