"""Tensors of idle sessions make room on a GPU, and come back when they are used, as if nothing had been."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from remx_contract import codec, errors
from remx_contract.v1 import stream_pb2 as pb
from remx_server import holdings
from remx_server.config import Config
from remx_server.owners import ANYBODY, Owner, Quota
from remx_server.service import Service
from remx_server.session import Session
from remx_server.spills import memories
from support.standin_gpu import StandInGpu, bytes_in_use, devices
from support.wire import LIMITS, Wire, stream_of

GPU = pb.Context(device_type=2)
KIB = 1024
CAPACITY = 100 * KIB
RECORD = codec.RECORDING | codec.TRAINING


class GpuWire(Wire):
    """A session whose tensors are on the GPU."""

    def ones(self, size: int, value: float = 1.0) -> int:
        """A tensor of so many bytes."""
        spec = self.define("_full", 0, {"shape": (size // 4,)}, context=GPU)
        return self.invoke(spec, [], [codec.float_to_word(value)])

    def moved(self, values: Any) -> int:
        """A tensor of values."""
        handle = next(self.numbers)
        tensor = codec.array_to_message(np.asarray(values, "float32"))
        self.command(put=pb.Put(handle=handle, context=GPU, tensor=tensor))
        return handle

    def variable(self, values: Any, request: int = 1) -> tuple[int, int]:
        handle, gradient = self.moved(values), self.moved(np.zeros_like(np.asarray(values)))
        self.command(mark=pb.Mark(handles=[handle], gradients=[gradient], requests=[request]))
        return handle, gradient


@dataclass
class Machine:
    """A server with a GPU, and who uses it."""

    service: Service
    gpu: StandInGpu
    wires: list[GpuWire]

    def connect(self, owner: Owner = ANYBODY) -> GpuWire:
        wire = GpuWire(stream_of(self.service, owner))
        self.wires.append(wire)
        wire.settle()
        return wire

    def session(self, wire: Wire) -> Session:
        return self.service._sessions[wire.welcome.session]

    def press(self, size: int = CAPACITY) -> None:
        """Somebody else needs so much of the GPU for a moment."""
        wire = self.connect()
        made = wire.ones(size)
        wire.wait(made)
        wire.release(made)
        wire.settle()
        wire.close()
        self.wires.remove(wire)

    @property
    def spilled(self) -> list[int]:
        """How many bytes of each session are away."""
        return [self.session(wire).usage().spilled_bytes for wire in self.wires]


Start = Callable[..., Machine]


@pytest.fixture
def start() -> Iterator[Start]:
    machines = []
    gc.collect()
    assert bytes_in_use() == 0

    def start(capacity: int = CAPACITY, state_dir: Path | None = None, **limits: Any) -> Machine:
        found, gpu = devices(capacity)
        limits = {"spill_percent": 0, **limits}
        config = Config(limits=replace(LIMITS, **limits), state_dir=state_dir)
        machine = Machine(Service(config, found), gpu, [])
        machines.append(machine)
        return machine

    yield start
    for machine in machines:
        for wire in machine.wires:
            wire.close()
        with machine.service._changed:
            assert machine.service._changed.wait_for(lambda m=machine: not m.service._sessions, 5.0)


@pytest.fixture
def machine(start: Start) -> Machine:
    return start()


def test_an_idle_session_makes_room_and_does_not_notice(machine: Machine) -> None:
    idle, busy = machine.connect(), machine.connect()
    old = idle.ones(60 * KIB, 3.0)
    idle.wait(old)
    new = busy.ones(70 * KIB, 4.0)
    assert busy.read(busy.op("sum", new)) == 4 * 70 * KIB // 4
    assert machine.spilled == [60 * KIB, 0]
    assert machine.gpu.refusals == 1
    spills = machine.session(idle).spills
    assert (spills.spills, spills.spilled_bytes, spills.returns, spills.count) == (1, 60 * KIB, 0, 1)
    # Now the other one is in the way, with a sum of four bytes.
    assert idle.read(idle.op("sum", old)) == 3 * 60 * KIB // 4
    assert machine.spilled in ([0, 70 * KIB], [0, 70 * KIB + 4])
    assert (spills.returns, spills.count) == (1, 0)
    assert machine.service.commons.spiller.spills in (2, 3)
    assert machine.service.commons.spiller.spilled_bytes == 60 * KIB + machine.spilled[1]


def test_those_go_first_that_were_used_least_recently(machine: Machine) -> None:
    longest, shorter, busy = (machine.connect() for _ in range(3))
    kept = [shorter.ones(20 * KIB)]
    shorter.settle()
    made = [longest.ones(15 * KIB) for _ in range(3)]
    longest.settle()
    # The order of their making is not that of their use.
    longest.release(longest.op("exp", made[0]))
    longest.settle()
    longest.release(longest.op("exp", made[2]))
    longest.settle()
    shorter.wait(kept[0])
    busy.wait(busy.ones(45 * KIB))
    session = machine.session(longest)
    away = [handle for handle in made if type(session.table[handle].data) is np.ndarray]
    assert away == [made[1]]
    assert machine.spilled == [15 * KIB, 0, 0]
    busy.wait(busy.ones(10 * KIB))
    away = [handle for handle in made if type(session.table[handle].data) is np.ndarray]
    assert away == [made[0], made[1]]
    assert machine.spilled == [30 * KIB, 0, 0]


def test_views_and_what_they_share_move_together(machine: Machine) -> None:
    idle = machine.connect()
    whole = idle.moved(np.arange(6 * KIB).reshape(6, KIB))
    part = idle.invoke(idle.define("_view", 1, {"shape": (2, KIB)}), [whole], [2 * KIB])
    turned = idle.op("transpose", whole)
    again = idle.invoke(idle.define("_view", 1, {"shape": (KIB,)}), [part], [KIB])
    session = machine.session(idle)
    idle.settle()
    assert session.usage().device_bytes in (24 * KIB, 48 * KIB)
    before = machine.session(idle).usage().device_bytes
    machine.press()
    assert machine.spilled == [before]
    fill = idle.define("_plus_scalar", 1, {})
    idle.invoke(fill, [again], [codec.float_to_word(1.0)], outputs=[again], flags=codec.WRITING)
    # The write is seen in all of them.
    assert idle.read(idle.op("sum", part)) == np.arange(2 * KIB, 4 * KIB, dtype="float64").sum() + KIB
    found = np.concatenate([idle.read(idle.op("sum", whole, axis=1)), idle.read(idle.op("sum", turned))])
    expected = np.arange(6 * KIB, dtype="float64").reshape(6, KIB).sum(axis=1)
    expected[3] += KIB
    assert found[:6].tolist() == expected.tolist()
    assert machine.spilled == [0]
    assert session.table[again].base is session.table[whole]
    assert holdings.root_of(session.table[again].data) is holdings.root_of(session.table[whole].data)
    assert session.usage().device_bytes == before + 4 * 6 + 4 + 4


def test_arrays_that_are_not_contiguous_come_back_as_they_were(machine: Machine) -> None:
    idle = machine.connect()
    values = np.arange(24.0, dtype="float32").reshape(2, 3, 4)
    whole = idle.moved(values)
    idle.settle()
    session = machine.session(idle)
    value = session.table[whole]
    views = {
        90: value.data.transpose(2, 0, 1),
        91: value.data[:, ::-1],
        92: value.data[1, :, 1:3],
        93: np.broadcast_to(value.data[0, 0], (5, 4), subok=True),
        94: value.data[..., :0],
    }
    expected = {handle: np.array(view) for handle, view in views.items()}
    for handle, view in views.items():
        made = type(value)(view, value.spec, value.backend)
        made.base = value
        session.table[handle] = made
    del views, view, made, value
    machine.press()
    assert machine.spilled == [values.nbytes]
    idle.wait(idle.op("exp", whole))
    assert machine.spilled == [0]
    for handle, wanted in expected.items():
        data = session.table[handle].data
        assert type(data) is machine.gpu.ndarray
        np.testing.assert_array_equal(np.asarray(data), wanted)


@pytest.mark.parametrize("rounds", [0, 3], ids=["by rules", "by the program"])
def test_what_the_tape_saved_moves_and_comes_back_for_the_pass(machine: Machine, rounds: int) -> None:
    idle = machine.connect()
    variable, gradient = idle.variable(np.full(KIB, 0.5))

    def step(pressed: bool) -> None:
        made = idle.op("exp", variable, flags=RECORD)
        last = idle.op("sum", idle.op("square", made, flags=RECORD), flags=RECORD)
        idle.release(made)
        idle.settle()
        if pressed:
            before = machine.session(idle).usage()
            machine.press()
            assert machine.session(idle).usage().spilled_bytes == before.device_bytes
        idle.command(backward=pb.Backward(request=77, heads=[last], train_mode=True))
        assert idle.answer(77).done
        assert idle.read(gradient)[7] == pytest.approx(2 * np.exp(1.0))
        idle.release(last)

    for _ in range(rounds):
        step(False)
    step(True)
    assert machine.session(idle).spills.returns > 2
    idle.command(put=pb.Put(handle=variable, context=GPU, tensor=message(np.zeros(KIB)), write=True))
    assert idle.read(idle.op("sum", variable)) == 0


def message(values: Any) -> pb.Tensor:
    return codec.array_to_message(np.asarray(values, "float32"))


def test_a_value_that_is_written_while_it_is_away_is_still_known_as_overwritten(machine: Machine) -> None:
    idle = machine.connect()
    variable, gradient = idle.variable(np.ones(KIB))
    made = idle.op("exp", variable, flags=RECORD)
    idle.settle()
    machine.press()
    assert machine.spilled[0] > 0
    idle.command(put=pb.Put(handle=made, context=GPU, tensor=message(np.zeros(KIB)), write=True))
    idle.command(backward=pb.Backward(request=77, heads=[made], train_mode=True))
    idle.answer(77)
    with pytest.raises(errors.OverwrittenValueError):
        idle.read(gradient)


def test_reading_what_is_away_leaves_it_there(machine: Machine) -> None:
    idle = machine.connect()
    small, large = idle.moved([1, 2, 3]), idle.ones(80 * KIB, 2.0)
    idle.settle()
    machine.press()
    assert machine.spilled == [80 * KIB + 12]
    assert idle.read(small).tolist() == [1, 2, 3]
    transfer = idle.publish(large)
    session = machine.session(idle)
    raw = b"".join(bytes(codec.read_chunk(chunk)[2]) for chunk in session.transfers.send(transfer, 0))
    assert (np.frombuffer(raw, "float32") == 2).all()
    assert machine.spilled == [80 * KIB + 12]
    assert session.spills.returns == 0


def test_a_checkpoint_has_what_is_away_and_brings_it_back(start: Start, tmp_path: Path) -> None:
    machine = start(state_dir=tmp_path)
    idle = machine.connect()
    kept = idle.ones(40 * KIB, 3.0)
    idle.command(name=pb.Name(name="w", handle=kept))
    idle.settle()
    machine.press()
    idle.command(save=pb.Save(request=5, name="saved"))
    assert idle.answer(5).checkpoint.tensors == 1
    assert machine.spilled == [40 * KIB]
    idle.command(put=pb.Put(handle=kept, context=GPU, tensor=message(np.zeros(10 * KIB)), write=True))
    assert idle.read(idle.op("max", kept)) == [0]
    machine.press()
    idle.command(restore=pb.Restore(request=6, name="saved"))
    assert list(idle.answer(6).checkpoint.names) == ["w"]
    assert idle.read(idle.op("max", kept)) == [3]


def test_what_is_dropped_while_it_is_away_is_gone(machine: Machine) -> None:
    idle = machine.connect()
    dropped, kept = idle.ones(30 * KIB), idle.ones(30 * KIB, 5.0)
    idle.settle()
    machine.press()
    idle.release(dropped)
    idle.settle()
    session = machine.session(idle)
    assert session.usage().host_bytes == 30 * KIB
    idle.wait(idle.op("exp", kept))
    assert session.spills.count == 0
    assert session.usage().host_bytes == 0


def test_where_nothing_fits_the_op_fails_and_what_is_away_stays_whole(machine: Machine) -> None:
    first, second = machine.connect(), machine.connect()
    away = first.ones(60 * KIB, 7.0)
    first.wait(away)
    held = second.ones(60 * KIB)
    second.wait(held)
    assert machine.spilled == [60 * KIB, 0]
    # The second one waits for the client in the middle of a pass: it holds what it has.
    array = machine.session(second).table[held].data
    with pytest.raises(errors.OutOfMemoryError):
        first.wait(first.op("exp", away))
    assert (machine.session(second).spills.spills, machine.spilled[0]) == (0, 60 * KIB)
    del array
    assert first.read(first.op("max", away)) == [7]
    assert machine.spilled == [0, 60 * KIB]


def test_what_a_paused_pass_holds_stays_where_it_is(machine: Machine) -> None:
    idle = machine.connect()
    variable, gradient = idle.variable(np.ones(KIB))
    made = idle.moved(np.full(KIB, 2.0))
    idle.command(record=pb.Record(function=7, inputs=[variable], outputs=[made]))
    last = idle.op("square", made, flags=RECORD)
    idle.command(backward=pb.Backward(request=77, heads=[last], train_mode=True))
    idle.flush()
    call = idle.receive("call").call
    machine.press(88 * KIB)
    assert machine.spilled[0] > 0
    assert machine.session(idle).usage().device_bytes > 0
    taken = next(idle.numbers)
    idle.command(take=pb.Take(call=call.call, handles=[taken]))
    idle.command(resume=pb.Resume(call=call.call, gradients=[taken]))
    assert idle.read(gradient)[0] == 4


def test_a_session_at_work_keeps_its_tensors(machine: Machine) -> None:
    worker, other = machine.connect(), machine.connect()
    held = worker.ones(60 * KIB)
    worker.wait(held)
    began, go_on = threading.Event(), threading.Event()
    session = machine.session(worker)

    def slow() -> None:
        began.set()
        assert go_on.wait(5.0)

    # As a device that takes long.
    machine.gpu.synchronize = slow  # type: ignore[method-assign]
    worker.command(read=pb.Read(request=9, handle=held, only_wait=True))
    worker.flush()
    assert began.wait(5.0)
    assert not session.seat.idle
    failed = other.ones(60 * KIB)
    request = 99
    other.command(read=pb.Read(request=request, handle=failed))
    with pytest.raises(errors.OutOfMemoryError):
        other.answer(request)
    assert session.spills.spills == 0
    go_on.set()
    assert worker.receive("reply").reply.done


def test_the_owner_s_quota_spills_the_owner_s_idle_sessions_only(start: Start) -> None:
    machine = start(1 << 20)
    alice = Owner("alice", Quota(device_bytes=100 * KIB))
    first, second = machine.connect(alice), machine.connect(alice)
    other = machine.connect(Owner("bob"))
    other.wait(other.ones(60 * KIB))
    held = first.ones(60 * KIB, 2.0)
    first.wait(held)
    second.wait(second.ones(60 * KIB))
    assert machine.spilled == [60 * KIB, 0, 0]
    assert machine.gpu.refusals == 0
    assert first.read(first.op("max", held)) == [2]
    assert machine.spilled == [0, 60 * KIB, 0]
    with pytest.raises(errors.QuotaError, match="device_bytes"):
        first.wait(first.ones(60 * KIB))


def test_the_quota_of_host_memory_is_kept_when_spilling(start: Start) -> None:
    machine = start(1 << 20)
    owner = Owner("alice", Quota(device_bytes=100 * KIB, host_bytes=40 * KIB))
    first, second = machine.connect(owner), machine.connect(owner)
    first.wait(first.ones(30 * KIB))
    first.wait(first.ones(30 * KIB))
    with pytest.raises(errors.QuotaError):
        second.wait(second.ones(80 * KIB))
    assert machine.spilled == [30 * KIB, 0]
    second.wait(second.ones(60 * KIB))


def test_without_room_on_the_host_nothing_is_spilled(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = machine.connect(), machine.connect()
    first.wait(first.ones(60 * KIB))
    monkeypatch.setattr("remx_server.memory.host_memory", lambda: (1 << 30, 10 * KIB))
    with pytest.raises(errors.OutOfMemoryError, match="_full"):
        second.wait(second.ones(60 * KIB))
    assert machine.spilled == [0, 0]


def test_spilling_can_be_off(start: Start) -> None:
    machine = start(spill=False)
    first, second = machine.connect(), machine.connect()
    first.wait(first.ones(60 * KIB))
    with pytest.raises(errors.OutOfMemoryError):
        second.wait(second.ones(60 * KIB))
    assert machine.spilled == [0, 0]


def test_a_part_of_the_memory_stays_free(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remx_server.memory.LARGE_BYTES", 10 * KIB)
    machine = start(spill_percent=30)
    idle, busy = machine.connect(), machine.connect()
    idle.wait(idle.ones(20 * KIB))
    idle.wait(idle.ones(20 * KIB))
    busy.wait(busy.ones(40 * KIB))
    assert machine.gpu.refusals == 0
    assert machine.spilled == [20 * KIB, 0]
    assert machine.gpu.free() == 40 * KIB


def test_sessions_that_take_turns_on_a_device_that_holds_one_of_them(machine: Machine) -> None:
    wires = [machine.connect() for _ in range(3)]
    rng = np.random.default_rng(3)
    expected = [rng.normal(size=(4, 4 * KIB)).astype("float32") for _ in wires]
    handles = [[wire.moved(row) for row in rows] for wire, rows in zip(wires, expected, strict=True)]
    for wire in wires:
        wire.settle()
    for _ in range(40):
        who = int(rng.integers(3))
        at, by = (int(row) for row in rng.integers(4, size=2))
        wire, rows = wires[who], expected[who]
        made = wire.op("elemwise_add", handles[who][at], handles[who][by])
        half = wire.op("tanh", made)
        wire.release(handles[who][at])
        wire.release(made)
        handles[who][at] = half
        rows[at] = np.tanh(rows[at] + rows[by])
        np.testing.assert_array_equal(wire.read(half), rows[at])
    for wire, rows, kept in zip(wires, expected, handles, strict=True):
        for row, handle in zip(rows, kept, strict=True):
            np.testing.assert_array_equal(wire.read(handle), row)
    assert machine.service.commons.spiller.spills > 20


def test_a_session_without_spilled_tensors_runs_as_ever(machine: Machine) -> None:
    wire = machine.connect()
    session = machine.session(wire)
    made = wire.ones(KIB)
    wire.wait(made)
    seen = []
    session.runner._invoke_with_care = lambda *arguments: seen.append(arguments)  # type: ignore[method-assign]
    first = wire.op("exp", made)
    wire.wait(first)
    assert seen == []
    wire.release(first)
    wire.settle()
    del session.runner._invoke_with_care
    machine.press()
    wire.wait(wire.op("exp", made))
    assert session.spills.returns > 0
    session.runner._invoke_with_care = lambda *arguments: seen.append(arguments)  # type: ignore[method-assign]
    wire.wait(wire.op("exp", made))
    assert seen == []


def test_memories_are_known_by_all_that_refers_to_them(machine: Machine) -> None:
    wire = machine.connect()
    variable, _ = wire.variable(np.ones(KIB))
    made = wire.op("exp", variable, flags=RECORD)
    wire.settle()
    session = machine.session(wire)
    found = memories(session, spilled=False)
    assert len(found) == 3
    memory = found[id(holdings.root_of(session.table[made].data))]
    assert (memory.values, len(memory.saved)) == ([session.table[made]], 1)
    assert memories(session, spilled=True) == {}


def test_sessions_at_once_on_a_device_that_holds_two_of_them(machine: Machine) -> None:
    """Whoever finds no room fails; whoever does not has the right values, wherever they were meanwhile."""
    wrong: list[object] = []
    done = [0, 0]

    def work(wire: GpuWire, seed: int) -> None:
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(4, 2 * KIB)).astype("float32")
        add, tanh = wire.define("elemwise_add", 2), wire.define("tanh", 1)
        handles = []
        for row in rows:
            while not stored(wire, handle := wire.moved(row)):
                wire.release(handle)
            handles.append(handle)
        for _ in range(60):
            at, by = (int(row) for row in rng.integers(4, size=2))
            made = wire.invoke(add, [handles[at], handles[by]])
            half = wire.invoke(tanh, [made])
            wire.release(made)
            if stored(wire, half):
                rows[at] = np.tanh(rows[at] + rows[by])
                wire.release(handles[at])
                handles[at] = half
            else:
                wire.release(half)
        for row, handle in zip(rows, handles, strict=True):
            if not np.array_equal(wire.read(handle), row):
                wrong.append(handle)

    def stored(wire: GpuWire, handle: int) -> bool:
        try:
            wire.wait(handle)
        except errors.OutOfMemoryError:
            done[0] += 1
            return False
        done[1] += 1
        return True

    wires = [machine.connect() for _ in range(5)]
    threads = [threading.Thread(target=work, args=pair) for pair in zip(wires, range(5), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
    assert done[1] > 100
    assert machine.service.commons.spiller.spills > 20
