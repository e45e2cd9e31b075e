"""Errors: what is wrong with a call raises at the call; what fails on the server, at the next wait."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import remx
from remx import _current
from remx._session import Session
from remx.errors import (
    ArgumentError,
    DTypeError,
    InPlaceRecordedError,
    KernelError,
    MXNetError,
    NotAnArrayError,
    NotDifferentiableError,
    OutOfRangeError,
    SessionError,
    ShapeError,
    UnknownKeyError,
    UnsupportedTypeError,
    ValueRangeError,
)

Call = Callable[[Any], object]

WRONG: dict[str, tuple[Call, type[MXNetError], str, str]] = {
    "shapes": (lambda nd: nd.dot(nd.ones((2, 3)), nd.ones((2, 3))), ShapeError, "dot", ""),
    "broadcast": (lambda nd: nd.ones((2,)) + nd.ones((3,)), ShapeError, "broadcast_add", ""),
    "dtypes": (lambda nd: nd.ones((2,)) + nd.ones((2,), dtype="int32"), DTypeError, "broadcast_add", ""),
    "unknown attribute": (lambda nd: nd.sum(nd.ones((2,)), axes=0), ArgumentError, "sum", "axes"),
    "attribute's type": (lambda nd: nd.sum(nd.ones((2,)), axis="x"), ArgumentError, "sum", "axis"),
    "axis": (lambda nd: nd.sum(nd.ones((2,)), axis=3), MXNetError, "sum", "axis"),
    "choice": (
        lambda nd: nd.Activation(nd.ones((2,)), act_type="x"),
        ArgumentError,
        "Activation",
        "act_type",
    ),
    "missing attribute": (lambda nd: nd.one_hot(nd.ones((2,))), ArgumentError, "one_hot", "depth"),
    "missing input": (lambda nd: nd.dot(nd.ones((2,))), ArgumentError, "dot", "rhs"),
    "no array": (lambda nd: nd.relu(np.ones(2)), NotAnArrayError, "relu", ""),
    "a list": (lambda nd: nd.concat([nd.ones((2,))], dim=0), NotAnArrayError, "Concat", ""),
    "too many": (lambda nd: nd.relu(nd.ones((2,)), 1, 2, 3, 4), MXNetError, "", ""),
    "twice": (lambda nd: nd.sum(nd.ones((2,)), data=nd.ones((2,))), UnsupportedTypeError, "", ""),
    "out's shape": (lambda nd: nd.relu(nd.ones((2,)), out=nd.ones((3,))), ShapeError, "relu", "out"),
    "out's dtype": (
        lambda nd: nd.relu(nd.ones((2,)), out=nd.ones((2,), dtype="int32")),
        DTypeError,
        "relu",
        "out",
    ),
    "out's number": (
        lambda nd: nd.relu(nd.ones((2,)), out=[nd.ones((2,))] * 2),
        ArgumentError,
        "relu",
        "out",
    ),
    "out's type": (lambda nd: nd.relu(nd.ones((2,)), out=np.ones(2)), UnsupportedTypeError, "relu", "out"),
    "dtype": (lambda nd: nd.zeros((2,), dtype="nonsense"), DTypeError, "_zeros", ""),
    "shape": (lambda nd: nd.zeros((2, 0)), ShapeError, "_zeros", "shape"),
    "reshape": (lambda nd: nd.ones((2,)).reshape((3,)), ValueRangeError, "reshape", ""),
    "index": (lambda nd: nd.ones((2,))[5], OutOfRangeError, "", ""),
    "device": (lambda nd: nd.ones((2,), ctx=remx.gpu(99)), MXNetError, "", "ctx"),
    "grad_req": (lambda nd: nd.ones((2,)).attach_grad("x"), UnknownKeyError, "", "grad_req"),
    "unrecorded": (lambda nd: nd.ones((2,)).backward(), NotDifferentiableError, "", ""),
    "value": (lambda nd: nd.ones((2,)).__setitem__(0, nd.ones((3,))), ValueRangeError, "", "value"),
    "operand": (lambda nd: nd.ones((2,)) + "x", NotAnArrayError, "", ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_raises_at_the_call(mx: ModuleType, name: str) -> None:
    call, kind, op, argument = WRONG[name]
    with pytest.raises(kind) as raised:
        call(mx.nd)
    assert isinstance(raised.value, MXNetError)
    assert raised.value.op == op
    if argument:
        assert raised.value.argument == argument
    assert op in str(raised.value)
    assert argument in str(raised.value)
    assert mx.stats().round_trips == 0
    # Nothing of it has reached the server.
    mx.nd.waitall()


def test_the_message_says_what_came_and_what_was_expected(mx: ModuleType) -> None:
    with pytest.raises(ShapeError, match=r"(?s)dot.*\(2, 3\).*\(4, 5\)"):
        mx.nd.dot(mx.nd.ones((2, 3)), mx.nd.ones((4, 5)))


def late(mx: ModuleType) -> Any:
    """An array that fails on the server: its index is outside."""
    return mx.nd.take(mx.nd.arange(3), mx.nd.array([7]), mode="raise")


def the_line() -> int:
    return late.__code__.co_firstlineno + 2


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.asnumpy(),
        lambda x: x.wait_to_read(),
        lambda x: x.asscalar(),
        lambda x: str(x),
        lambda x: bool(x),
        lambda x: pickle.dumps(x),
        lambda x: remx.nd.waitall(),
    ],
)
def test_a_failure_on_the_server_raises_at_the_wait(mx: ModuleType, wait: Call) -> None:
    failed = late(mx)
    assert failed.shape == (1,)
    with pytest.raises(OutOfRangeError) as raised:
        wait(failed)
    assert isinstance(raised.value, IndexError)
    assert raised.value.op == "take"
    assert f"{__file__}:{the_line()} in late" in str(raised.value)


def test_arrays_downstream_carry_the_failure(mx: ModuleType) -> None:
    result = (late(mx) * 2 + 1).sum()
    for _ in range(2):
        with pytest.raises(OutOfRangeError, match="in late"):
            result.asnumpy()


def test_the_session_goes_on_after_a_failure(mx: ModuleType) -> None:
    failed = late(mx)
    good = mx.nd.ones((2,)) + 1
    np.testing.assert_array_equal(good.asnumpy(), [2, 2])
    with pytest.raises(OutOfRangeError):
        failed.asnumpy()
    np.testing.assert_array_equal((good * 2).asnumpy(), [4, 4])


def test_writing_over_a_failed_array_heals_it(mx: ModuleType) -> None:
    failed = late(mx)
    failed[:] = 4
    assert failed.asscalar() == 4


def test_a_failed_value_poisons_what_it_is_written_into(mx: ModuleType) -> None:
    target = mx.nd.zeros((1,))
    target[:] = late(mx)
    with pytest.raises(OutOfRangeError):
        target.asnumpy()


def test_waitall_raises_a_failure_once(mx: ModuleType) -> None:
    failed = late(mx)
    with pytest.raises(OutOfRangeError):
        mx.nd.waitall()
    mx.nd.waitall()
    with pytest.raises(OutOfRangeError):
        failed.asnumpy()


def test_a_failure_in_a_backward_pass_is_in_the_gradient(mx: ModuleType) -> None:
    x = mx.nd.arange(3)
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.take(x, mx.nd.array([7]), mode="raise") * 2
    y.backward()
    with pytest.raises(OutOfRangeError):
        x.grad.asnumpy()


def test_refused_writes_under_recording_leave_the_array_alone(mx: ModuleType) -> None:
    x = mx.nd.ones((2,))
    x.attach_grad()
    with mx.autograd.record():
        y = x * 2
        for write in (lambda: y.__iadd__(1), lambda: y.__setitem__(0, 5), lambda: mx.nd.relu(x, out=y)):
            with pytest.raises(InPlaceRecordedError):
                write()
    y.backward()
    np.testing.assert_array_equal(y.asnumpy(), [2, 2])
    np.testing.assert_array_equal(x.grad.asnumpy(), [2, 2])


def test_kernels_refuse_what_only_they_can_see(mx: ModuleType) -> None:
    softmax = mx.nd.softmax(mx.nd.array([1, 2], dtype="int32"))
    with pytest.raises(MXNetError, match="softmax"):
        softmax.asnumpy()
    assert issubclass(KernelError, MXNetError)


def test_arrays_of_two_sessions_do_not_mix(mx: ModuleType, open_session: Callable[[], Session]) -> None:
    other = open_session()
    x = mx.nd.ones((2,))
    # The calls below find plans that are at hand already.
    x += mx.nd.dot(x, x + x) * 0
    ours = _current.peek()
    assert ours is not None
    _current._current = other
    try:
        y = mx.nd.ones((2,))
    finally:
        _current._current = ours
    for call in (
        lambda: x + y,
        lambda: mx.nd.dot(y, x),
        lambda: mx.nd.concat(x, y, dim=0),
        lambda: mx.nd.relu(x, out=y),
        lambda: x.__iadd__(y),
        lambda: x.copyto(y),
    ):
        with pytest.raises(SessionError, match="different sessions"):
            call()
    other.close()
    with pytest.raises(SessionError, match="closed"):
        y.asnumpy()
    assert x.asnumpy().sum() == 2


def test_a_closed_session_says_so_at_every_use(open_session: Callable[[], Session]) -> None:
    session = open_session()
    _current.use(session)
    x = remx.nd.ones((2,))
    session.close()
    for call in (x.asnumpy, x.wait_to_read, lambda: x + 1, lambda: x + 1, lambda: remx.nd.ones((2,))):
        with pytest.raises(SessionError, match="closed"):
            call()
    session.close()


def test_errors_survive_pickling() -> None:
    error = ShapeError(op="dot", argument="lhs", got="(2,)", expected="(3,)")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is ShapeError
    assert str(again) == str(error)
    assert again.argument == "lhs"
