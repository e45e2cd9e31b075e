"""Backward passes that pause at a Function of the client, by hand."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator

import numpy as np
import pytest
from remx_contract import codec, errors
from remx_contract.v1 import stream_pb2 as pb
from remx_server.backend import Devices
from remx_server.config import Config, Limits
from remx_server.owners import ANYBODY
from remx_server.service import Service
from remx_server.tape import FunctionNode
from support.wire import Wire, closed_with, stream_of

RECORDING = codec.RECORDING
SECONDS = 0.4
"""The service's patience with a call; what is tested without it is answered well within."""


@pytest.fixture(scope="module")
def service() -> Service:
    return Service(Config(limits=Limits(call_seconds=SECONDS, lease_seconds=0.0)), Devices("cpu"))


@pytest.fixture
def patient() -> Iterator[Wire]:
    """A session whose calls do not run out of time."""
    wire = Wire(stream_of(Service(Config(), Devices("cpu"))))
    yield wire
    wire.close()


class Recorded:
    """A variable x, the Function's output y with x's values, and the head y * 2."""

    def __init__(self, wire: Wire, values: tuple[float, ...] = (1, 2), number: int = 5) -> None:
        self.wire = wire
        self.x, self.gradient = wire.variable(values)
        self.y = wire.put(values)
        wire.command(record=pb.Record(function=number, inputs=[self.x], outputs=[self.y], site=11))
        self.head = wire.op("broadcast_add", self.y, self.y, flags=RECORDING)

    def backward(self, **fields: object) -> int:
        """Ask for a pass; returns the number of the request."""
        request = next(self.wire.numbers)
        fields = {"request": request, "site": 12, **fields}
        self.wire.command(backward=pb.Backward(heads=[self.head], **fields))  # type: ignore[arg-type]
        return request

    def call(self, **fields: object) -> pb.Call:
        """Ask for a pass and wait for its call."""
        self.backward(**fields)
        self.wire.flush()
        return self.wire.receive("call").call

    def take(self, call: pb.Call) -> int:
        """The gradient of the Function's output."""
        handle = next(self.wire.numbers)
        self.wire.command(take=pb.Take(call=call.call, handles=[handle]))
        return handle

    def resume(self, call: pb.Call, *gradients: int) -> None:
        """Answer a call."""
        self.wire.command(resume=pb.Resume(call=call.call, gradients=gradients))


def alive() -> int:
    gc.collect()
    return sum(type(found) is FunctionNode for found in gc.get_objects())


def test_a_pass_pauses_and_goes_on(patient: Wire) -> None:
    recorded = Recorded(patient)
    call = recorded.call()
    assert (call.function, call.last) == (5, True)
    taken = recorded.take(call)
    assert patient.read(taken).tolist() == [2, 2]
    # The session runs other commands meanwhile, other passes too.
    other, gradient = patient.variable([3.0])
    square = patient.op("square", other, flags=RECORDING)
    patient.command(backward=pb.Backward(heads=[square]))
    assert patient.read(gradient).tolist() == [6]
    recorded.resume(call, patient.put([7, 8]))
    assert patient.read(recorded.gradient).tolist() == [7, 8]


def test_the_client_is_told_of_the_end_if_it_may_be_waiting(patient: Wire) -> None:
    recorded = Recorded(patient)
    inner = patient.put([0, 0])
    patient.command(record=pb.Record(function=6, inputs=[recorded.head], outputs=[inner]))
    recorded.head = inner
    first = recorded.call()
    assert (first.function, first.last) == (6, False)
    recorded.resume(first, patient.put([1, 1]))
    patient.flush()
    second = patient.receive("call").call
    assert (second.function, second.last, second.request) == (5, True, first.request)
    assert second.call != first.call
    recorded.resume(second, 0)
    assert patient.read(recorded.gradient).tolist() == [0, 0]


def test_a_pass_that_comes_to_no_function_is_answered(patient: Wire) -> None:
    x, gradient = patient.variable([3.0])
    head = patient.op("square", x, flags=RECORDING)
    patient.command(backward=pb.Backward(heads=[head], request=77))
    assert patient.answer(77).done
    # One that fails too: the failure is where it always is.
    patient.command(backward=pb.Backward(heads=[head], request=78))
    assert patient.answer(78).done
    with pytest.raises(errors.GraphFreedError):
        patient.read(gradient)


def test_a_pass_of_a_client_that_does_not_expect_calls_fails(patient: Wire) -> None:
    recorded = Recorded(patient)
    recorded.backward(request=0)
    with pytest.raises(errors.NotDifferentiableError, match="does not expect"):
        patient.read(recorded.gradient)


def test_two_passes_pause_at_a_time(patient: Wire) -> None:
    first, second = Recorded(patient, number=5), Recorded(patient, (3, 4), number=6)
    calls = first.call(), second.call()
    assert [call.function for call in calls] == [5, 6]
    first.resume(calls[0], patient.put([1, 1]))
    second.resume(calls[1], patient.put([2, 2]))
    assert patient.read(first.gradient).tolist() == [1, 1]
    assert patient.read(second.gradient).tolist() == [2, 2]


def test_a_failed_call_changes_nothing(patient: Wire) -> None:
    recorded = Recorded(patient)
    outputs = [next(patient.numbers)]
    for fields in ({}, {"variables": [recorded.x], "outputs": outputs}):
        call = recorded.call(retain_graph=True, **fields)
        patient.command(resume=pb.Resume(call=call.call, failed=True))
        assert patient.read(recorded.gradient).tolist() == [0, 0]
    patient.barrier()
    with pytest.raises(errors.HandleError):
        patient.read(outputs[0])
    call = recorded.call()
    recorded.resume(call, patient.put([1, 1]))
    assert patient.read(recorded.gradient).tolist() == [1, 1]


def test_a_failed_gradient_fails_the_pass(patient: Wire) -> None:
    recorded = Recorded(patient)
    call = recorded.call()
    poisoned = patient.op("broadcast_add", patient.put([1, 2]), patient.put([1, 2, 3]))
    recorded.resume(call, poisoned)
    with pytest.raises(errors.ShapeError, match="broadcast_add"):
        patient.read(recorded.gradient)


def test_a_gradient_of_another_shape_fails_the_pass(patient: Wire) -> None:
    recorded = Recorded(patient)
    recorded.resume(recorded.call(), patient.put([1, 2, 3]))
    with pytest.raises(errors.ShapeError, match="gradient of float32"):
        patient.read(recorded.gradient)


def test_an_output_that_is_recorded_already(patient: Wire) -> None:
    recorded = Recorded(patient)
    patient.command(record=pb.Record(function=9, inputs=[recorded.x], outputs=[recorded.head], site=4))
    with pytest.raises(errors.InPlaceRecordedError) as caught:
        patient.read(recorded.head)
    assert caught.value.site == 4  # type: ignore[attr-defined]


def test_a_taken_gradient_is_the_clients_own(patient: Wire) -> None:
    recorded = Recorded(patient)
    call = recorded.call()
    taken = recorded.take(call)
    place = patient.put([0, 0])
    patient.command(mark=pb.Mark(handles=[taken], gradients=[place], requests=[1]))
    recorded.resume(call, taken)
    assert patient.read(recorded.gradient).tolist() == [2, 2]


# Deadlines.


def test_a_call_that_is_never_answered_is_given_up(wire: Wire) -> None:
    recorded = Recorded(wire)
    inner = wire.put([0, 0])
    wire.command(record=pb.Record(function=6, inputs=[recorded.head], outputs=[inner]))
    recorded.head = inner
    started = time.monotonic()
    call = recorded.call()
    # Nothing else comes up: the session's thread wakes by itself.
    reply = wire.receive("reply").reply
    assert time.monotonic() - started >= SECONDS
    assert (reply.request, reply.failure.reason) == (call.request, errors.FunctionTimeoutError.reason)
    # What comes too late finds nothing, and does no harm.
    taken = recorded.take(call)
    recorded.resume(call, taken)
    with pytest.raises(errors.FunctionTimeoutError, match="longer than"):
        wire.read(taken)
    with pytest.raises(errors.FunctionTimeoutError):
        wire.read(recorded.gradient)
    other, gradient = wire.variable([3.0])
    wire.command(backward=pb.Backward(heads=[wire.op("square", other, flags=RECORDING)]))
    assert wire.read(gradient).tolist() == [6]


def test_a_busy_session_gives_calls_up_too(wire: Wire) -> None:
    recorded = Recorded(wire)
    recorded.call()
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline + 0.1:
        wire.settle()
    with pytest.raises(errors.FunctionTimeoutError):
        wire.read(recorded.gradient)


# Lives.


def test_the_client_is_told_when_a_function_is_not_needed_any_more(patient: Wire) -> None:
    recorded = Recorded(patient)
    assert not patient.settle().dropped_functions
    recorded.resume(recorded.call(retain_graph=True), 0)
    assert not patient.settle().dropped_functions
    recorded.resume(recorded.call(), 0)
    assert patient.settle().dropped_functions == [5]
    unused = Recorded(patient, number=8)
    patient.release(unused.y)
    assert not patient.settle().dropped_functions
    patient.release(unused.head)
    assert patient.settle().dropped_functions == [8]
    # With nothing tracked there is nothing to keep.
    constant, output = patient.put([1]), patient.put([1])
    patient.command(record=pb.Record(function=9, inputs=[constant], outputs=[output]))
    assert patient.settle().dropped_functions == [9]


def test_a_client_that_goes_away_in_a_call_leaves_nothing(service: Service) -> None:
    before = alive()
    wire = Wire(stream_of(service))
    recorded = Recorded(wire)
    recorded.call()
    session = service.session_of(wire.welcome.session, ANYBODY)
    wire.hang_up()
    assert session.join(10)
    del recorded, session
    assert alive() == before


# What breaks the contract.


@pytest.mark.parametrize(
    "command",
    [
        {"record": pb.Record(function=1, inputs=[1])},
        {"record": pb.Record(function=1, inputs=[1], outputs=[999])},
        {"record": pb.Record(function=1, inputs=[999], outputs=[1])},
        {"take": pb.Take(call=1, handles=[])},
        {"take": pb.Take(call=1, handles=[900, 901])},
        {"take": pb.Take(call=1, handles=[1])},
        {"resume": pb.Resume(call=1, gradients=[])},
        {"resume": pb.Resume(call=1, gradients=[0, 0])},
        {"resume": pb.Resume(call=1, gradients=[999])},
    ],
)
def test_malformed_commands_end_the_session(patient: Wire, command: dict[str, object]) -> None:
    patient.put(np.ones(2))
    recorded = Recorded(patient)
    assert recorded.call().call == 1
    patient.command(**command)
    assert issubclass(closed_with(patient), errors.ProtocolError)


def test_answers_to_calls_that_there_are_not(patient: Wire) -> None:
    patient.command(take=pb.Take(call=99, handles=[500]))
    patient.command(resume=pb.Resume(call=99, gradients=[999, 998]))
    with pytest.raises(errors.FunctionTimeoutError):
        patient.read(500)
