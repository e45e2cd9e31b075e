"""Sessions: batches, code words, ops, specs, data and their lives."""

from __future__ import annotations

import gc
import threading
import time

import numpy as np
import pytest
from remx_contract import codec, errors
from remx_contract.v1 import stream_pb2 as pb
from remx_server.backend import Devices
from remx_server.config import Limits
from remx_server.owners import ANYBODY
from remx_server.service import Service
from remx_server.session import Session
from support.wire import CPU, LIMITS, UNIT, Closed, Wire, closed_with, stream_of

# Batches and their numbers.


def test_the_server_says_what_it_is(wire: Wire) -> None:
    assert "numpy" in wire.welcome.server
    assert wire.welcome.inline_limit == LIMITS.inline_bytes
    assert [device.context.device_type for device in wire.welcome.devices] == [1]
    assert wire.welcome.devices[0].memory >= wire.welcome.devices[0].memory_free > 0
    assert len(wire.welcome.session) == 16


def test_a_batch_is_acknowledged_with_the_number_of_tensors(wire: Wire) -> None:
    handle = wire.put([1, 2])
    wire.put([3])
    assert wire.settle().live_handles == 2
    wire.release(handle)
    assert wire.settle().live_handles == 1


def test_a_batch_that_comes_again_is_not_run_again(wire: Wire) -> None:
    handle = wire.put([1.0])
    wire.settle()
    for _ in range(2):
        spec = 1000
        if wire.sequence == 1:
            wire.command(define=pb.Define(spec_id=spec, op="broadcast_add", inputs=2))
        wire.invoke(spec, [handle, handle], outputs=[handle], flags=codec.WRITING)
        wire.flush(2)
    wire.sequence = 2
    assert wire.read(handle) == 2


def test_a_gap_in_the_numbers_ends_the_session(wire: Wire) -> None:
    wire.put([1])
    wire.sequence = 1
    assert closed_with(wire) is errors.ProtocolError


def test_releasing_what_is_not_there_does_nothing(wire: Wire) -> None:
    wire.release(12345)
    assert wire.settle().live_handles == 0


@pytest.mark.parametrize(
    "code",
    [
        [3],
        [codec.RELEASE | 1 << codec.COUNT_SHIFT],
        [codec.RELEASE | 2**61 << codec.COUNT_SHIFT],
        [codec.CALL],
        [77 << codec.SPEC_SHIFT],
        [2**64 - 4],
        [2**64 - 1],
    ],
    ids=[
        "unknown kind",
        "half a release",
        "more releases than there are numbers",
        "no command",
        "no spec",
        "a far spec",
        "all bits",
    ],
)
def test_code_that_means_nothing_ends_the_session(wire: Wire, code: list[int]) -> None:
    wire.code = code
    assert closed_with(wire) is errors.ProtocolError


def test_a_batch_that_ends_inside_an_invoke_ends_the_session(wire: Wire) -> None:
    handle = wire.put([1])
    spec = wire.define("broadcast_add", 2)
    wire.code += [spec << codec.SPEC_SHIFT, 0, handle, handle]
    assert closed_with(wire) is errors.ProtocolError


def test_too_many_words_end_the_session(wire: Wire) -> None:
    wire.code = [codec.RELEASE | 1 << codec.COUNT_SHIFT, 1] * (LIMITS.batch_words // 2 + 1)
    assert closed_with(wire) is errors.LimitError


def test_a_command_without_a_kind_ends_the_session(wire: Wire) -> None:
    wire.command()
    assert closed_with(wire) is errors.ProtocolError


# Ops.


def test_an_invoke_computes(wire: Wire) -> None:
    total = wire.op("broadcast_add", wire.put([1, 2]), wire.put([10, 20]))
    assert wire.read(total).tolist() == [11, 22]


def test_per_call_words_are_signed_integers_and_floats(wire: Wire) -> None:
    scaled = wire.invoke(
        wire.define("_plus_scalar", 1), [wire.put([1, 2])], words=[codec.float_to_word(-0.5)]
    )
    assert wire.read(scaled).tolist() == [0.5, 1.5]


def test_an_op_with_several_outputs_gives_each_its_handle(wire: Wire) -> None:
    spec = wire.define("split", 1, {"num_outputs": 2, "axis": 0})
    wire.invoke(spec, [wire.put([[1], [2]])], outputs=[501, 502])
    assert wire.read(502).tolist() == [[2]]
    assert wire.read(501).tolist() == [[1]]


def test_outputs_can_be_written_into_existing_tensors(wire: Wire) -> None:
    target = wire.put([0, 0])
    one = wire.put([1, 2])
    wire.invoke(wire.define("broadcast_add", 2), [one, one], outputs=[target], flags=codec.WRITING)
    assert wire.read(target).tolist() == [2, 4]


def test_writing_a_slice_changes_what_shares_the_memory(wire: Wire) -> None:
    whole = wire.put([[1, 2], [3, 4]])
    flat = wire.invoke(wire.define("_view", 1, {"shape": (4,)}), [whole], words=[0])
    one = wire.put([10, 20, 30, 40])
    wire.invoke(wire.define("broadcast_add", 2), [one, one], outputs=[flat], flags=codec.WRITING)
    assert wire.read(whole).tolist() == [[20, 40], [60, 80]]


def test_a_put_can_write_into_an_existing_tensor(wire: Wire) -> None:
    handle = wire.put([1, 2])
    same = wire.invoke(wire.define("_view", 1, {"shape": (2, 1)}), [handle], words=[0])
    wire.put([5, 6], write_to=handle)
    assert wire.read(same).tolist() == [[5], [6]]


def test_infinities_are_results_and_no_warnings(wire: Wire, capfd: pytest.CaptureFixture[str]) -> None:
    ratio = wire.op("broadcast_div", wire.put([1, 0]), wire.put([0, 0]))
    result = wire.read(ratio)
    assert np.isinf(result[0])
    assert np.isnan(result[1])
    assert capfd.readouterr().err == ""


def test_a_seed_makes_draws_repeat(wire: Wire) -> None:
    spec = wire.define("_random_uniform", 0, {"shape": (5,)}, context=CPU)
    drawn = []
    for _ in range(2):
        wire.command(seed=pb.Seed(thread=0, seed=7))
        drawn.append(wire.read(wire.invoke(spec, [], words=[*UNIT, 0])))
    assert drawn[0].tolist() == drawn[1].tolist()
    assert len(set(drawn[0].tolist())) == 5


def test_random_states_are_bounded(wire: Wire) -> None:
    spec = wire.define("_random_uniform", 0, {"shape": (1,)}, context=CPU)
    draws = [wire.invoke(spec, [], words=[*UNIT, thread]) for thread in range(LIMITS.random_threads + 1)]
    wire.wait(draws[-2])
    with pytest.raises(errors.LimitError):
        wire.wait(draws[-1])


# Specs.


def test_a_spec_cannot_be_defined_twice(wire: Wire) -> None:
    for _ in range(2):
        wire.command(define=pb.Define(spec_id=5, op="tanh", inputs=1))
    assert closed_with(wire) is errors.ProtocolError


def test_a_forgotten_spec_is_gone(wire: Wire) -> None:
    spec = wire.define("tanh", 1)
    wire.command(forget=pb.Forget(spec_ids=[spec, 999]))
    wire.invoke(spec, [wire.put([1])])
    assert closed_with(wire) is errors.ProtocolError


def test_specs_are_bounded(wire: Wire) -> None:
    for _ in range(LIMITS.specs + 1):
        wire.define("tanh", 1)
    assert closed_with(wire) is errors.LimitError


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (pb.Define(spec_id=1, op="no_such_op"), errors.UnknownOpError),
        (pb.Define(spec_id=1, op="broadcast_add", inputs=1), errors.ArgumentError),
        (pb.Define(spec_id=1, op="broadcast_add", inputs=2**32 - 1), errors.ArgumentError),
        (
            pb.Define(spec_id=1, op="tanh", inputs=1, attributes={"x": pb.Attribute(integer=1)}),
            errors.ArgumentError,
        ),
        (
            pb.Define(spec_id=1, op="sum", inputs=1, attributes={"axis": pb.Attribute(text="(" * 900)}),
            errors.ArgumentError,
        ),
        (
            pb.Define(spec_id=1, op="sum", inputs=1, attributes={"axis": pb.Attribute(text="1" * 10_000)}),
            errors.ArgumentError,
        ),
        (
            pb.Define(spec_id=1, op="Cast", inputs=1, attributes={"dtype": pb.Attribute(dtype=99)}),
            errors.DTypeError,
        ),
        (
            pb.Define(spec_id=1, op="split", inputs=1, attributes={"num_outputs": pb.Attribute(integer=-3)}),
            errors.MXNetError,
        ),
        (
            pb.Define(spec_id=1, op="_zeros", context=pb.Context(device_type=2, device_id=9)),
            errors.DeviceError,
        ),
    ],
    ids=lambda value: "" if isinstance(value, type) else value.op,
)
def test_a_definition_that_cannot_be_ends_the_session_with_its_reason(
    wire: Wire, message: pb.Define, expected: type[Exception]
) -> None:
    wire.command(define=message)
    assert issubclass(closed_with(wire), expected)


def test_attributes_nested_deeply_are_refused(wire: Wire) -> None:
    nested = pb.Attribute(integer=1)
    for _ in range(30):
        nested = pb.Attribute(tuple=pb.Attribute.Tuple(items=[nested]))
    wire.command(define=pb.Define(spec_id=1, op="sum", inputs=1, attributes={"axis": nested}))
    assert closed_with(wire) is errors.ArgumentError


# Data.


@pytest.mark.parametrize(
    "tensor",
    [
        pb.Tensor(dtype=0, shape=[2], data=b"1234"),
        pb.Tensor(dtype=0, shape=[2**32, 2**32], data=b"1234"),
        pb.Tensor(dtype=0, shape=[1] * 33, data=b"1234"),
        pb.Tensor(dtype=0, shape=[2**63] * 100_000, data=b"1234"),
        pb.Tensor(dtype=8, shape=[1], data=b"1234"),
        pb.Tensor(dtype=3, shape=[LIMITS.inline_bytes + 1], data=bytes(LIMITS.inline_bytes + 1)),
    ],
    ids=["length", "huge", "axes", "very many axes", "dtype", "inline limit"],
)
def test_a_tensor_that_cannot_be_ends_the_session_with_its_reason(wire: Wire, tensor: pb.Tensor) -> None:
    wire.command(put=pb.Put(handle=1, context=CPU, tensor=tensor))
    assert issubclass(closed_with(wire), errors.MXNetError)


@pytest.mark.parametrize("dtype", [dtype.name for dtype in codec.CODE_OF])
def test_values_of_every_dtype_go_there_and_back(wire: Wire, dtype: str) -> None:
    values = np.array([[0, 1], [1, 1]], dtype)
    back = wire.read(wire.put(values, dtype))
    assert back.dtype == values.dtype
    assert back.tolist() == values.tolist()


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1, 1, 1)])
def test_values_of_odd_shapes_go_there_and_back(wire: Wire, shape: tuple[int, ...]) -> None:
    assert wire.read(wire.put(np.zeros(shape))).shape == shape


def test_what_is_too_large_to_read_says_so(wire: Wire) -> None:
    big = wire.op("_zeros", shape=(LIMITS.inline_bytes,))
    with pytest.raises(errors.LimitError, match="download"):
        wire.read(big)
    wire.wait(big)


@pytest.mark.parametrize("together", [False, True])
def test_a_published_tensor_keeps_its_values(service: Service, wire: Wire, together: bool) -> None:
    handle = wire.put([1, 2])
    if together:
        # The write comes in the same batch as the publish.
        transfer = 4711
        wire.command(publish=pb.Publish(request=1, handle=handle, transfer=transfer))
    else:
        transfer = wire.publish(handle)
    wire.invoke(wire.define("broadcast_add", 2), [handle, handle], outputs=[handle], flags=codec.WRITING)
    wire.settle()
    chunk = b"".join(service.session_of(wire.welcome.session, ANYBODY).transfers.send(transfer, 0))
    _, _, data, _ = codec.read_chunk(chunk)
    assert np.frombuffer(data, "float32").tolist() == [1, 2]
    assert wire.read(handle).tolist() == [2, 4]


def test_publishing_what_failed_tells_the_failure(wire: Wire) -> None:
    with pytest.raises(errors.HandleError):
        wire.publish(999)


# Life.


def test_a_ping_is_answered_while_a_batch_runs(wire: Wire) -> None:
    left = wire.op("_ones", shape=(1200, 1200))
    dot = wire.define("dot", 2)
    for _ in range(30):
        left = wire.invoke(dot, [left, left])
    started = time.monotonic()
    wire.flush()
    wire.send(pb.Up(ping=pb.Ping(number=77)))
    assert wire.receive("pong").pong.number == 77
    answered = time.monotonic() - started
    wire.wait(left)
    assert answered < (time.monotonic() - started) / 2


def test_a_stream_that_is_held_up_says_that_the_server_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remx_server.intake.HEARTBEAT_SECONDS", 0.02)
    session = Session(Devices("cpu"), Limits(queued_bytes=100), "held up")
    gate = threading.Event()
    monkeypatch.setattr(session, "apply", lambda batch: gate.wait(10))
    line = session.attach()
    submitting = threading.Thread(
        target=lambda: [session.submit(pb.Batch(sequence=number, code=[1, 1]), line) for number in (1, 2, 3)]
    )
    submitting.start()
    assert next(iter(line)).WhichOneof("kind") == "pong"
    assert submitting.is_alive()
    gate.set()
    submitting.join(10)
    assert not submitting.is_alive()
    session.close()
    assert session.join(10)


def test_a_client_that_does_not_read_holds_up_its_session_alone() -> None:
    session = Session(Devices("cpu"), Limits(unread_bytes=10_000), "unread")
    session.table[1] = session.executor.zeros(
        codec.TensorSpec.of((100,), np.dtype("float32")), session.devices.cpu
    )
    reads = [pb.Command(read=pb.Read(request=number, handle=1)) for number in range(1000)]
    line = session.attach()
    session.submit(pb.Batch(sequence=1, code=[codec.CALL] * 1000, commands=reads), line)
    time.sleep(0.2)
    assert session.applied == 0
    replies = 0
    for message in line:
        replies += message.WhichOneof("kind") == "reply"
        session.ping(pb.Ping(heard=message.number), line)
        if message.WhichOneof("kind") == "acknowledgement":
            break
    assert replies == 1000
    session.close()
    assert session.join(10)


def test_a_closed_session_stops_in_the_middle_of_a_batch_and_frees_everything() -> None:
    ended = threading.Event()
    session = Session(Devices("cpu"), Limits(), "closing", lambda session: ended.set())
    define = pb.Command(define=pb.Define(spec_id=1, op="dot", inputs=2))
    ones = pb.Command(
        define=pb.Define(
            spec_id=2, op="_ones", context=CPU, attributes={"shape": codec.attribute_to_message((1000, 1000))}
        )
    )
    code = [codec.CALL, codec.CALL, 2 << codec.SPEC_SHIFT, 0, 1]
    for handle in range(1, 2000):
        code += [1 << codec.SPEC_SHIFT, 0, 1, handle, handle + 1]
    session.submit(pb.Batch(sequence=1, code=code, commands=[define, ones]), session.attach())
    while session.ops < 3:
        time.sleep(0.01)
    session.close()
    assert ended.wait(10)
    assert session.ops < 1000
    assert session.table == {}
    assert session.applied == 0


def test_a_closed_session_leaves_no_thread_and_no_reference_to_its_tensors(service: Service) -> None:
    before = threading.active_count()
    wire = Wire(stream_of(service))
    x, _ = wire.variable([1, 2])
    wire.op("square", x, flags=codec.RECORDING)
    wire.settle()
    session = service.session_of(wire.welcome.session, ANYBODY)
    value = session.table[x]
    wire.close()
    assert session.join(10)
    assert session.table == {}
    del session
    gc.collect()
    assert not [holder for holder in gc.get_referrers(value) if isinstance(holder, dict) and x in holder]
    for _ in range(100):
        if threading.active_count() <= before:
            break
        time.sleep(0.02)
    assert threading.active_count() <= before


def test_a_crash_of_the_server_s_own_ends_the_session_and_says_so(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(self: object, message: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("remx_server.commands.Commands._barrier", crash)
    with pytest.raises(Closed, match="a bug") as caught:
        wire.barrier()
    assert type(caught.value.error) is errors.InternalError
