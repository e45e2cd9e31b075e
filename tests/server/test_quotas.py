"""Quotas: what is beyond one fails, what was there stays, and what is released can be had again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from remx_contract import codec, errors
from remx_contract.v1 import stream_pb2 as pb
from remx_server.backend import Devices
from remx_server.config import Config
from remx_server.owners import Owner, Quota
from remx_server.service import Service
from remx_server.session import Session
from support.standin_gpu import devices
from support.wire import LIMITS, Closed, Wire, chunks, stream_of

GPU = pb.Context(device_type=2)
KIB = 1024
RECORD = codec.RECORDING | codec.TRAINING

Connect = Callable[..., Wire]


@pytest.fixture
def service() -> Service:
    return Service(Config(limits=LIMITS), Devices("cpu"))


@pytest.fixture
def connect(service: Service) -> Iterator[Connect]:
    """Opens sessions of an owner with such a quota."""
    wires = []

    def connect(name: str = "alice", **quota: int) -> Wire:
        wire = Wire(stream_of(service, Owner(name, Quota(**quota))))
        wires.append(wire)
        wire.settle()
        return wire

    yield connect
    for wire in wires:
        wire.close()


def session_of(service: Service, wire: Wire) -> Session:
    return service._sessions[wire.welcome.session]


def zeros(wire: Wire, size: int, **fields: object) -> int:
    """A tensor of so many bytes."""
    spec = wire.define("_zeros", 0, {"shape": (size // 4,)}, **(fields or {"context": wire_cpu()}))
    return wire.invoke(spec, [])


def wire_cpu() -> pb.Context:
    return pb.Context(device_type=1)


def test_beyond_the_quota_an_op_fails_and_says_why(connect: Connect) -> None:
    wire = connect(host_bytes=100 * KIB)
    kept = zeros(wire, 60 * KIB)
    with pytest.raises(
        errors.QuotaError, match=r"_zeros.*102,400 host_bytes is used up.*61,440 more.*61,440"
    ):
        wire.wait(zeros(wire, 60 * KIB))
    # Code that expects memory to run out is right about a quota too.
    with pytest.raises(MemoryError):
        wire.wait(zeros(wire, 60 * KIB))
    assert not wire.read(kept).any()
    assert wire.read(zeros(wire, 40 * KIB)).shape == (10 * KIB,)


def test_what_is_released_can_be_had_again(connect: Connect) -> None:
    wire = connect(host_bytes=100 * KIB)
    for _ in range(50):
        made = zeros(wire, 70 * KIB)
        wire.wait(made)
        wire.release(made)


def test_exceeded_a_thousand_times_the_session_is_usable_after_each(connect: Connect) -> None:
    wire = connect(host_bytes=64 * KIB)
    ones = wire.put(np.ones(1000))
    large = wire.define("_zeros", 0, {"shape": (16 * KIB,)}, context=wire_cpu())
    add = wire.define("elemwise_add", 2)
    for _ in range(1000):
        failed = wire.invoke(large, [])
        with pytest.raises(errors.QuotaError):
            wire.wait(failed)
        made = wire.invoke(add, [ones, ones])
        assert wire.read(made)[0] == 2
        wire.release(failed)
        wire.release(made)
    assert wire.settle().live_handles == 1


def test_a_memory_counts_once_however_many_views_it_has(service: Service, connect: Connect) -> None:
    wire = connect(host_bytes=100 * KIB)
    whole = zeros(wire, 60 * KIB)
    view = wire.define("_view", 1, {"shape": (15 * KIB,)})
    for _ in range(20):
        wire.invoke(view, [whole], [0])
    wire.wait(zeros(wire, 30 * KIB))
    assert session_of(service, wire).usage().host_bytes == 90 * KIB
    # A view keeps all of it.
    wire.release(whole)
    with pytest.raises(errors.QuotaError):
        wire.wait(zeros(wire, 60 * KIB))


def test_what_the_tape_keeps_counts(service: Service, connect: Connect) -> None:
    wire = connect(host_bytes=100 * KIB)
    variable, gradient = wire.variable(np.ones(KIB))
    made = wire.op("exp", variable, flags=RECORD)
    last = wire.op("exp", made, flags=RECORD)
    wire.release(made)
    wire.settle()
    session = session_of(service, wire)
    # The variable, its gradient, and two results, of which the tape alone has one.
    assert session.usage().host_bytes == 16 * KIB
    assert session.usage().tape_nodes == 2
    with pytest.raises(errors.QuotaError):
        wire.wait(zeros(wire, 90 * KIB))
    wire.command(backward=pb.Backward(request=77, heads=[last], train_mode=True))
    assert wire.answer(77).done
    assert wire.read(gradient)[0] == pytest.approx(np.exp(np.e) * np.e)
    assert session.usage().host_bytes == 12 * KIB
    wire.wait(zeros(wire, 85 * KIB))


def test_a_backward_pass_beyond_the_quota_fails_alone(connect: Connect) -> None:
    wire = connect(host_bytes=100 * KIB)
    variable, gradient = wire.variable(np.ones(5 * KIB))
    for _ in range(3):
        # By rules, traced, and by the program.
        made = wire.op("exp", variable, flags=RECORD)
        wire.command(backward=pb.Backward(request=77, heads=[made], train_mode=True))
        assert wire.answer(77).done
        wire.release(made)
    assert wire.read(gradient)[0] == pytest.approx(np.e)
    filler = zeros(wire, 36 * KIB)
    wire.wait(filler)
    made = wire.op("exp", variable, flags=RECORD)
    wire.wait(made)
    wire.command(backward=pb.Backward(request=77, heads=[made], train_mode=True))
    wire.answer(77)
    with pytest.raises(errors.QuotaError):
        wire.read(gradient)
    wire.release(filler)
    wire.put(np.zeros(5 * KIB), write_to=gradient)
    made = wire.op("exp", variable, flags=RECORD)
    wire.command(backward=pb.Backward(request=77, heads=[made], train_mode=True))
    assert wire.answer(77).done
    assert wire.read(gradient)[0] == pytest.approx(np.e)


def test_a_pass_by_its_rules_is_within_the_quota_or_fails(connect: Connect) -> None:
    wire = connect(host_bytes=64 * KIB)
    variable, gradient = wire.variable(np.ones(5 * KIB))
    made = wire.op("exp", variable, flags=RECORD)
    wire.command(backward=pb.Backward(request=77, heads=[made], train_mode=True))
    wire.answer(77)
    with pytest.raises(errors.QuotaError):
        wire.read(gradient)


def test_data_that_comes_counts(connect: Connect) -> None:
    wire = connect(host_bytes=100 * KIB)
    wire.wait(wire.put(np.zeros(15 * KIB)))
    with pytest.raises(errors.QuotaError):
        wire.wait(wire.put(np.zeros(15 * KIB)))
    assert wire.read(wire.put([1, 2])).tolist() == [1, 2]


def test_an_upload_beyond_its_quota_fails_alone(service: Service, connect: Connect) -> None:
    wire = connect(upload_bytes=1000)
    session = session_of(service, wire)
    for size, fits in ((250, True), (251, False)):
        array = np.ones(size, np.float32)
        handle, transfer = wire.upload_to(array)
        wire.flush()
        if fits:
            session.transfers.receive_all(chunks(transfer, array.tobytes()))
            assert wire.read(handle).shape == (250,)
        else:
            with pytest.raises(errors.QuotaError, match=r"1,000 upload_bytes.*1,004"):
                wire.wait(handle)
    assert wire.read(wire.put([1, 2])).tolist() == [1, 2]


def test_tensors_beyond_the_quota_fail(service: Service, connect: Connect) -> None:
    wire = connect(handles=100)
    one = wire.put([1.0])
    add = wire.define("elemwise_add", 2)
    made = [wire.invoke(add, [one, one]) for _ in range(120)]
    wire.settle()
    for handle in made[:99]:
        assert wire.read(handle) == [2]
    for handle in made[99:]:
        with pytest.raises(errors.QuotaError, match="100 handles"):
            wire.read(handle)
    with pytest.raises(errors.QuotaError):
        wire.wait(wire.put([1.0]))
    # In place needs none.
    wire.invoke(add, [one, one], outputs=[one], flags=codec.WRITING)
    assert wire.read(one) == [2]
    for handle in made:
        wire.release(handle)
    assert wire.read(wire.invoke(add, [one, one])) == [4]
    assert session_of(service, wire).usage().handles < 100


def test_recorded_ops_beyond_the_quota_fail(service: Service, connect: Connect) -> None:
    wire = connect(tape_nodes=50)
    variable, gradient = wire.variable([1.0])
    add = wire.define("elemwise_add", 2)
    last = variable
    for _ in range(50):
        before, last = last, wire.invoke(add, [last, variable], flags=RECORD)
        if before != variable:
            wire.release(before)
    wire.wait(last)
    assert session_of(service, wire).usage().tape_nodes == 50
    with pytest.raises(errors.QuotaError, match="50 tape_nodes"):
        wire.wait(wire.invoke(add, [last, variable], flags=RECORD))
    # Without recording nothing is in the way.
    assert wire.read(wire.invoke(add, [last, variable])) == [52]
    wire.command(backward=pb.Backward(request=77, heads=[last], train_mode=True))
    assert wire.answer(77).done
    assert wire.read(gradient) == [51]
    assert wire.read(wire.invoke(add, [variable, variable], flags=RECORD)) == [2]


def test_recorded_ops_that_are_dropped_can_be_had_again(connect: Connect) -> None:
    wire = connect(tape_nodes=10)
    variable, _ = wire.variable([1.0])
    add = wire.define("elemwise_add", 2)
    for _ in range(200):
        wire.release(wire.invoke(add, [variable, variable], flags=RECORD))
    wire.barrier()


def test_a_function_of_the_client_is_a_recorded_op(connect: Connect) -> None:
    wire = connect(tape_nodes=1)
    variable, _ = wire.variable([1.0])
    made = [wire.put([2.0]) for _ in range(2)]
    for handle in made:
        wire.command(record=pb.Record(function=handle, inputs=[variable], outputs=[handle]))
    assert wire.read(made[0]) == [2]
    with pytest.raises(errors.QuotaError, match="tape_nodes"):
        wire.read(made[1])


def test_the_sessions_of_one_owner_share_the_quota(connect: Connect) -> None:
    first, second = (connect(host_bytes=100 * KIB) for _ in range(2))
    other = connect("bob", host_bytes=100 * KIB)
    held = zeros(first, 70 * KIB)
    first.wait(held)
    with pytest.raises(errors.QuotaError):
        second.wait(zeros(second, 50 * KIB))
    other.wait(zeros(other, 70 * KIB))
    second.wait(zeros(second, 25 * KIB))
    # What the first one has released, but not been asked for yet, the second one can have.
    first.release(held)
    first.settle()
    second.wait(zeros(second, 60 * KIB))


def test_what_an_idle_session_hoards_can_be_had(service: Service, connect: Connect) -> None:
    wires = [connect(host_bytes=640 * KIB) for _ in range(10)]
    for wire in wires:
        wire.wait(wire.put([1.0]))
    account = session_of(service, wires[0]).meter.account
    assert account.given("host_bytes") == 10 * 10 * KIB
    wires[0].wait(zeros(wires[0], 639 * KIB))
    assert account.given("host_bytes") <= 640 * KIB


def test_grants_never_add_up_to_more_than_the_quota(service: Service, connect: Connect) -> None:
    wires = [connect(host_bytes=200 * KIB) for _ in range(4)]
    account = session_of(service, wires[0]).meter.account
    most = []

    def work(wire: Wire) -> None:
        add = wire.define("broadcast_add", 2)
        ones = [wire.put(np.ones(KIB)) for _ in range(3)]
        for _ in range(40):
            made = [wire.invoke(add, ones[:2]) for _ in range(12)]
            wire.settle()
            most.append(account.given("host_bytes"))
            for handle in made:
                wire.release(handle)

    threads = [threading.Thread(target=work, args=(wire,)) for wire in wires]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) <= 200 * KIB
    held = sum(session_of(service, wire).usage().host_bytes for wire in wires)
    assert held + 12 * KIB >= 4 * 3 * 4 * KIB
    for wire in wires:
        wire.settle()
        assert session_of(service, wire).usage().host_bytes <= 12 * KIB


def test_a_session_that_ends_gives_back_what_it_had(service: Service, connect: Connect) -> None:
    first, second = (connect(host_bytes=100 * KIB, sessions=2) for _ in range(2))
    first.wait(zeros(first, 80 * KIB))
    with pytest.raises(Closed) as caught:
        connect(host_bytes=100 * KIB, sessions=2)
    assert isinstance(caught.value.error, errors.QuotaError)
    assert "2 sessions" in str(caught.value.error)
    connect("bob", sessions=1)
    first.close()
    with service._changed:
        assert service._changed.wait_for(lambda: service.session_count == 2, 5.0)
    second.wait(zeros(second, 80 * KIB))
    connect(host_bytes=100 * KIB, sessions=2)


def test_a_quota_that_is_changed_applies_to_the_sessions_that_run(service: Service, connect: Connect) -> None:
    wire = connect(host_bytes=100 * KIB)
    session = session_of(service, wire)
    wire.wait(zeros(wire, 60 * KIB))
    session.owner = replace(session.owner, quota=Quota(host_bytes=300 * KIB))
    wire.wait(zeros(wire, 100 * KIB))
    session.owner = replace(session.owner, quota=Quota(host_bytes=100 * KIB))
    with pytest.raises(errors.QuotaError):
        wire.wait(zeros(wire, 8 * KIB))
    session.owner = replace(session.owner, quota=Quota())
    wire.wait(zeros(wire, 10 << 20))


def test_the_stream_s_quota_is_its_back_pressure(service: Service, connect: Connect) -> None:
    wire = connect(stream_bytes=0)
    session = session_of(service, wire)
    # One batch at a time, but every one.
    for _ in range(20):
        assert wire.read(wire.put([1.0])) == [1]
    session._submitted += 1000
    line = session._line
    assert line is not None
    assert session._is_full(line)
    session.owner = replace(session.owner, quota=Quota(stream_bytes=1000))
    assert not session._is_full(line)
    session._submitted -= 1000


# A GPU.


def test_memory_of_devices_and_of_the_host_have_their_own_quotas() -> None:
    found, _ = devices(1 << 20)
    service = Service(Config(limits=LIMITS), found)
    wire = Wire(stream_of(service, Owner("alice", Quota(host_bytes=100 * KIB, device_bytes=200 * KIB))))
    on_gpu = zeros(wire, 180 * KIB, context=GPU)
    on_host = zeros(wire, 90 * KIB)
    wire.wait(on_gpu)
    wire.wait(on_host)
    for context, kind in ((GPU, "device_bytes"), (wire_cpu(), "host_bytes")):
        with pytest.raises(errors.QuotaError, match=kind):
            wire.wait(zeros(wire, 30 * KIB, context=context))
    usage = service._sessions[wire.welcome.session].usage()
    assert (usage.device_bytes, usage.host_bytes) == (180 * KIB, 90 * KIB)
    wire.wait(zeros(wire, 10 * KIB, context=GPU))
    wire.close()


def test_a_device_without_memory_is_tried_once_more_and_then_the_op_fails_alone() -> None:
    found, gpu = devices(100 * KIB)
    service = Service(Config(limits=LIMITS), found)
    wire = Wire(stream_of(service))
    kept = zeros(wire, 60 * KIB, context=GPU)
    wire.wait(kept)
    with pytest.raises(errors.OutOfMemoryError, match=r"_zeros.*out of memory") as caught:
        wire.wait(zeros(wire, 60 * KIB, context=GPU))
    assert not isinstance(caught.value, errors.QuotaError)
    assert (gpu.refusals, gpu.emptied) == (2, 1)
    assert not wire.read(kept).any()
    wire.wait(zeros(wire, 30 * KIB, context=GPU))
    wire.close()


def test_a_device_that_finds_memory_at_the_second_try_is_as_if_nothing_was() -> None:
    found, gpu = devices(100 * KIB)
    service = Service(Config(limits=LIMITS), found)
    wire = Wire(stream_of(service))
    ones = wire.invoke(wire.define("_ones", 0, {"shape": (5 * KIB,)}, context=GPU), [])
    wire.wait(ones)
    ballast = [gpu.from_host(np.zeros(18 * KIB, np.float32))]
    gpu.empty_cache = ballast.clear  # type: ignore[method-assign]
    assert wire.read(wire.op("exp", ones))[0] == pytest.approx(np.e)
    assert gpu.refusals == 1
    wire.close()
