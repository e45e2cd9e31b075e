"""Failures in sessions, how they travel, and backward passes, whole and failing."""

from __future__ import annotations

import numpy as np
import pytest
from remx_contract import codec, errors
from remx_contract.v1 import stream_pb2 as pb
from support.wire import CPU, Closed, Wire, closed_with

# Failures.


def test_a_failure_names_op_and_site_and_the_session_goes_on(wire: Wire) -> None:
    bad = wire.op("broadcast_add", wire.put([1, 2]), wire.put([1, 2, 3]), site=41)
    with pytest.raises(errors.ShapeError, match="broadcast_add") as caught:
        wire.read(bad)
    assert caught.value.site == 41  # type: ignore[attr-defined]
    assert wire.read(wire.op("tanh", wire.put([0]))) == 0


def test_a_failure_travels_to_all_that_depends_on_it(wire: Wire) -> None:
    bad = wire.op("broadcast_add", wire.put([1, 2]), wire.put([1, 2, 3]), site=41)
    good = wire.put([1.0])
    after = wire.op("tanh", wire.op("broadcast_add", good, bad, site=42), site=43)
    with pytest.raises(errors.ShapeError) as caught:
        wire.wait(after)
    assert caught.value.site == 41  # type: ignore[attr-defined]
    assert wire.read(good) == 1


def test_a_bug_in_a_kernel_fails_the_op_alone_and_is_logged(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def kernel(*arrays: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("remx_server.registry.UfuncKernel.bind", lambda *arguments: kernel)
    with pytest.raises(errors.KernelError, match=r"broadcast_add.*RuntimeError: a bug"):
        wire.read(wire.op("broadcast_add", wire.put([1]), wire.put([1])))
    assert wire.read(wire.put([1])) == 1
    [record] = [record for record in caplog.records if record.message == "kernel failed"]
    assert "in kernel" in str(record.exc_text)


def test_an_unknown_input_fails_the_op_alone(wire: Wire) -> None:
    bad = wire.op("tanh", 999)
    with pytest.raises(errors.HandleError):
        wire.read(bad)
    with pytest.raises(errors.HandleError):
        wire.read(998)
    assert wire.read(wire.put([1])) == 1


def test_a_failed_write_spoils_its_target_until_it_is_written_whole(wire: Wire) -> None:
    target = wire.put([1, 2])
    wire.invoke(
        wire.define("broadcast_add", 2),
        [wire.put([1]), wire.put([1, 2, 3])],
        outputs=[target],
        flags=codec.WRITING,
    )
    with pytest.raises(errors.ShapeError):
        wire.read(target)
    wire.put([7, 8], write_to=target)
    assert wire.read(target).tolist() == [7, 8]


def test_writing_to_an_unknown_handle_fails_quietly(wire: Wire) -> None:
    one = wire.put([1])
    wire.invoke(wire.define("broadcast_add", 2), [one, one], outputs=[999], flags=codec.WRITING)
    with pytest.raises(errors.HandleError):
        wire.barrier()


@pytest.mark.parametrize("failing", [False, True])
def test_a_handle_that_is_used_twice_ends_the_session(wire: Wire, failing: bool) -> None:
    one = wire.put([1])
    two = wire.put([1, 2]) if failing else one
    three = wire.put([1, 2, 3]) if failing else one
    wire.invoke(wire.define("broadcast_add", 2), [two, three], outputs=[one])
    assert closed_with(wire) is errors.HandleError


def test_putting_to_a_used_handle_ends_the_session(wire: Wire) -> None:
    one = wire.put([1])
    wire.command(put=pb.Put(handle=one, context=CPU, tensor=pb.Tensor(shape=[0])))
    assert closed_with(wire) is errors.HandleError


def test_a_barrier_tells_each_failure_once(wire: Wire) -> None:
    one = wire.put([1, 2])
    bad = wire.op("broadcast_add", one, wire.put([1, 2, 3]))
    with pytest.raises(errors.ShapeError):
        wire.barrier()
    wire.barrier()
    with pytest.raises(errors.ShapeError):
        wire.read(bad)


def test_a_barrier_does_not_tell_what_a_read_has_told(wire: Wire) -> None:
    with pytest.raises(errors.ShapeError):
        wire.read(wire.op("broadcast_add", wire.put([1, 2]), wire.put([1, 2, 3])))
    wire.barrier()


def test_a_barrier_tells_the_first_of_many_failures(wire: Wire) -> None:
    spec = wire.define("broadcast_add", 2)
    inputs = [wire.put([1, 2]), wire.put([1, 2, 3])]
    for site in range(1, 100):
        wire.invoke(spec, inputs, site=site)
    with pytest.raises(errors.ShapeError) as caught:
        wire.barrier()
    assert caught.value.site == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("shape", [(2**40,), (2**20, 2**20), (2**47,)])
def test_a_result_that_no_memory_can_hold_fails_its_op_alone(wire: Wire, shape: tuple[int, ...]) -> None:
    huge = wire.op("_zeros", shape=shape)
    with pytest.raises(errors.OutOfMemoryError, match="_zeros"):
        wire.wait(huge)
    wide = wire.op("broadcast_to", wire.put([[1]]), shape=(2**21, 2**21))
    with pytest.raises(errors.OutOfMemoryError):
        wire.wait(wide)
    assert wire.read(wire.op("_zeros", shape=(2,))).tolist() == [0, 0]


def test_no_more_memory_is_taken_than_the_host_has_left(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    # Zeros that nobody writes to would be had for nothing, and paid for later, by everybody.
    monkeypatch.setattr("remx_server.memory.host_memory", lambda: (2**34, 100 << 20))
    fits = wire.op("_zeros", shape=(24 << 20,))
    wire.wait(fits)
    with pytest.raises(errors.OutOfMemoryError, match="left"):
        wire.wait(wire.op("_zeros", shape=(26 << 20,)))


@pytest.mark.parametrize("shape", [(-5,), (-2, -2), (2**70, 0), (2**63,)])
def test_shapes_that_cannot_be_fail_their_op_alone(wire: Wire, shape: tuple[int, ...]) -> None:
    items = [pb.Attribute(text=str(length)) for length in shape]
    attributes = {"shape": pb.Attribute(tuple=pb.Attribute.Tuple(items=items))}
    wire.command(define=pb.Define(spec_id=900, op="_zeros", attributes=attributes, context=CPU))
    try:
        wire.wait(wire.invoke(900, []))
    except Closed as end:
        error = end.error
    except errors.MXNetError as failure:
        error = failure
        assert wire.read(wire.put([1])) == 1
    assert not isinstance(error, (errors.InternalError, type(None)))


# Autograd.


def test_a_backward_pass_fills_the_gradients(wire: Wire) -> None:
    x, gradient = wire.variable([1, 2, 3])
    y = wire.op("square", x, flags=codec.RECORDING)
    wire.command(backward=pb.Backward(heads=[y]))
    assert wire.read(gradient).tolist() == [2, 4, 6]


def test_a_backward_pass_gives_the_gradients_of_variables(wire: Wire) -> None:
    x, gradient = wire.variable([1, 2])
    y = wire.op("square", x, flags=codec.RECORDING)
    seed = wire.put([10, 100])
    wire.command(backward=pb.Backward(heads=[y], head_gradients=[seed], variables=[x], outputs=[700]))
    assert wire.read(700).tolist() == [20, 400]
    assert wire.read(gradient).tolist() == [0, 0]


def test_gradients_add_up_where_they_are_asked_to(wire: Wire) -> None:
    x, gradient = wire.variable([1, 2], request=3)
    for _ in range(2):
        y = wire.op("square", x, flags=codec.RECORDING)
        wire.command(backward=pb.Backward(heads=[y]))
    assert wire.read(gradient).tolist() == [4, 8]


@pytest.mark.parametrize(
    "message",
    [
        {"mark": pb.Mark(handles=[1], gradients=[], requests=[1])},
        {"mark": pb.Mark(handles=[1], gradients=[1], requests=[])},
        {"backward": pb.Backward(heads=[1], head_gradients=[0, 0])},
        {"backward": pb.Backward(heads=[1], variables=[1], outputs=[])},
        {"backward": pb.Backward(heads=[1], variables=[], outputs=[9])},
    ],
    ids=["gradients", "requests", "head gradients", "outputs", "variables"],
)
def test_lists_that_do_not_match_end_the_session(wire: Wire, message: dict[str, object]) -> None:
    wire.command(put=pb.Put(handle=1, context=CPU, tensor=codec.array_to_message(np.zeros(1, "float32"))))
    wire.command(**message)
    assert closed_with(wire) is errors.ProtocolError


def test_a_gradient_request_that_does_not_exist_ends_the_session(wire: Wire) -> None:
    one = wire.put([1])
    wire.command(mark=pb.Mark(handles=[one], gradients=[one], requests=[2]))
    assert closed_with(wire) is errors.HandleError


def test_a_head_that_was_not_recorded_fails_the_pass(wire: Wire) -> None:
    wire.command(backward=pb.Backward(heads=[wire.put([1])], site=5))
    with pytest.raises(errors.NotDifferentiableError) as caught:
        wire.barrier()
    assert caught.value.site == 5  # type: ignore[attr-defined]


def test_a_pass_that_fails_half_way_spoils_every_gradient_it_would_have_reached(wire: Wire) -> None:
    x, gradient = wire.variable([1, 2])
    inner = wire.op("square", x, flags=codec.RECORDING)
    y = wire.op("square", wire.op("tanh", inner, flags=codec.RECORDING), flags=codec.RECORDING)
    # What the innermost square has saved is written over, so the pass fails after it has freed the others.
    wire.put([5, 5], write_to=x)
    wire.command(backward=pb.Backward(heads=[y]))
    with pytest.raises(errors.OverwrittenValueError, match="square"):
        wire.read(gradient)


def test_a_second_pass_over_a_freed_graph_spoils_the_gradients(wire: Wire) -> None:
    x, gradient = wire.variable([1, 2])
    y = wire.op("square", wire.op("square", x, flags=codec.RECORDING), flags=codec.RECORDING)
    wire.command(backward=pb.Backward(heads=[y]))
    assert wire.read(gradient).tolist() == [4, 32]
    wire.command(backward=pb.Backward(heads=[y]))
    with pytest.raises(errors.GraphFreedError):
        wire.read(gradient)


def test_a_forward_failure_reaches_the_gradients_through_the_pass(wire: Wire) -> None:
    x, gradient = wire.variable([1, 2])
    bad = wire.op("broadcast_add", x, wire.put([1, 2, 3]), flags=codec.RECORDING, site=3)
    loss = wire.op("square", bad, flags=codec.RECORDING)
    wire.command(backward=pb.Backward(heads=[loss]))
    with pytest.raises(errors.ShapeError) as caught:
        wire.read(gradient)
    assert caught.value.site == 3  # type: ignore[attr-defined]


def test_a_lost_sum_of_gradients_stays_lost_until_it_is_zeroed(wire: Wire) -> None:
    x, gradient = wire.variable([1, 2], request=3)
    bad = wire.op("broadcast_add", x, wire.put([1, 2, 3]), flags=codec.RECORDING)
    wire.command(backward=pb.Backward(heads=[bad]))
    y = wire.op("square", x, flags=codec.RECORDING)
    wire.command(backward=pb.Backward(heads=[y], retain_graph=True))
    with pytest.raises(errors.ShapeError):
        wire.read(gradient)
    wire.put([0, 0], write_to=gradient)
    wire.command(backward=pb.Backward(heads=[y]))
    assert wire.read(gradient).tolist() == [2, 4]


def test_the_gradients_of_a_failed_pass_can_be_made_variables(wire: Wire) -> None:
    x, _ = wire.variable([1, 2])
    bad = wire.op("broadcast_add", x, wire.put([1, 2, 3]), flags=codec.RECORDING)
    wire.command(backward=pb.Backward(heads=[bad], variables=[x], outputs=[800]))
    wire.command(mark=pb.Mark(handles=[800], gradients=[wire.put([0, 0])], requests=[1]))
    with pytest.raises(errors.ShapeError):
        wire.read(800)


def test_whether_an_array_is_part_of_a_recorded_computation(wire: Wire) -> None:
    def tracked(handle: int) -> bool:
        request = next(wire.numbers)
        wire.command(read=pb.Read(request=request, handle=handle, only_tracked=True))
        reply = wire.answer(request)
        assert reply.WhichOneof("kind") == "tracked"
        return reply.tracked

    x, _ = wire.variable([1, 2])
    inner = wire.op("square", x, flags=codec.RECORDING)
    y = wire.op("square", inner, flags=codec.RECORDING)
    bad = wire.op("broadcast_add", x, wire.put([1, 2, 3]), flags=codec.RECORDING)
    constant = wire.op("square", x)
    assert [tracked(handle) for handle in (x, inner, y, bad, constant)] == [True, True, True, True, False]
    wire.command(backward=pb.Backward(heads=[y]))
    assert [tracked(handle) for handle in (x, inner, y, bad)] == [True, False, False, True]
    derived = wire.op("square", inner, flags=codec.RECORDING)
    assert not tracked(derived)
    request = next(wire.numbers)
    wire.command(read=pb.Read(request=request, handle=999, only_tracked=True))
    with pytest.raises(errors.HandleError):
        wire.answer(request)


def test_a_pass_whose_failure_no_array_stands_for_tells_who_waits(wire: Wire) -> None:
    x = wire.put([1, 2])
    request = next(wire.numbers)
    wire.command(backward=pb.Backward(heads=[x], request=request))
    with pytest.raises(errors.NotDifferentiableError):
        wire.answer(request)
    wire.barrier()
