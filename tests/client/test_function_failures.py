"""``autograd.Function``: what goes wrong in them, and how long they live."""

from __future__ import annotations

import gc
import traceback
import weakref
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from remx.errors import (
    InPlaceRecordedError,
    MXNetError,
    NotAnArrayError,
    OverwrittenValueError,
    PreconditionError,
)
from support.functions import cube, double, function, passed, soon, variable

Array = Any


# What goes wrong.


def test_an_instance_used_twice(mx: ModuleType) -> None:
    made = double(mx)
    made(mx.nd.ones((2,)))
    with pytest.raises(AssertionError, match="can only be called once"):
        made(mx.nd.ones((2,)))


@pytest.mark.parametrize("retain", [False, True])
def test_an_exception_surfaces_with_its_own_traceback_and_changes_nothing(
    mx: ModuleType, session: Any, retain: bool
) -> None:
    fails = [True]

    def raise_in_here(self: Any, dy: Array) -> Array:
        if fails.pop():
            raise ZeroDivisionError("mine")
        fails.append(False)
        return dy * 2

    x, w = variable(mx, 1, 2), variable(mx, 3, 4, request="add")
    w.grad[:] = 5
    with mx.autograd.record():
        loss = double(mx, raise_in_here)(x * 3) * w
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        loss.backward(retain_graph=retain)
    assert "raise_in_here" in "".join(traceback.format_tb(caught.value.__traceback__))
    mx.nd.waitall()
    np.testing.assert_array_equal(x.grad.asnumpy(), [0, 0])
    np.testing.assert_array_equal(w.grad.asnumpy(), [5, 5])
    fails.append(False)
    if retain:
        loss.backward()
        np.testing.assert_array_equal(x.grad.asnumpy(), [18, 24])
        np.testing.assert_array_equal(w.grad.asnumpy(), [11, 17])
    else:
        with pytest.raises(MXNetError, match="freed"):
            loss.backward()
    passed(mx, cube(mx), x).backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [3, 12])


def test_an_exception_in_grad_leaves_no_arrays(mx: ModuleType, session: Any) -> None:
    def backward(self: Any, dy: Array) -> Array:
        raise KeyboardInterrupt

    x = variable(mx, 1, 2)
    y = passed(mx, double(mx, backward), x)
    # x with its gradient, and y.
    live = 3
    assert soon(mx, lambda: mx.stats().live_handles == live)
    with pytest.raises(KeyboardInterrupt):
        mx.autograd.grad(y, x)
    assert soon(mx, lambda: mx.stats().live_handles == live)


@pytest.mark.parametrize(
    ("returned", "error", "match"),
    [
        (lambda mx, dy: None, NotAnArrayError, "NoneType"),
        (lambda mx, dy: (dy, dy), PreconditionError, "got 2, expected 1"),
        (lambda mx, dy: (), PreconditionError, "got 0, expected 1"),
        (lambda mx, dy: dy.asnumpy(), NotAnArrayError, "ndarray"),
        (lambda mx, dy: (3.0,), NotAnArrayError, "a float as a gradient"),
        (lambda mx, dy: mx.nd.ones((3,)), ValueError, "broadcast"),
    ],
)
def test_what_backward_must_not_return(mx: ModuleType, returned: Any, error: Any, match: str) -> None:
    x = variable(mx, 1, 2)
    y = passed(mx, double(mx, lambda self, dy: returned(mx, dy)), x)
    with pytest.raises(error, match=match):
        y.backward()
    mx.nd.waitall()


@pytest.mark.parametrize(
    ("forward", "error"),
    [
        (lambda self, x: x, InPlaceRecordedError),
        (lambda self, x: (x * 2, x), InPlaceRecordedError),
        (lambda self, x: x.asnumpy(), NotAnArrayError),
        (lambda self, x: None, NotAnArrayError),
        (lambda self, x: (), NotAnArrayError),
    ],
)
def test_what_forward_must_not_return(mx: ModuleType, forward: Any, error: Any) -> None:
    x = variable(mx, 1, 2)
    with pytest.raises(error):
        passed(mx, function(mx, forward, None), x)
    assert not mx.autograd.is_recording()


def test_gradients_are_not_changed_in_place(mx: ModuleType) -> None:
    def add_in_place(self: Any, dy: Array) -> Array:
        with pytest.raises(ValueError, match="readonly"):
            dy += 1
        with pytest.raises(ValueError, match="readonly"):
            mx.nd.exp(dy, out=dy)
        assert not dy.writable
        return dy

    def assign(self: Any, dy: Array) -> Array:
        dy[:] = 7
        dy[0] = 5
        return dy

    x, w = variable(mx, 1, 2), variable(mx, 3, 4)
    with mx.autograd.record():
        # The rule of + hands one array to both.
        y = double(mx, add_in_place)(x) + w
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [1, 1])
    with mx.autograd.record():
        y = double(mx, assign)(x) + w
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [5, 7])
    np.testing.assert_array_equal(w.grad.asnumpy(), [1, 1])


def test_a_failure_of_an_op_in_backward_raises_at_the_read(mx: ModuleType) -> None:
    x = variable(mx, 1, 2)

    def backward(self: Any, dy: Array) -> Array:
        return mx.nd.random.normal(0, -1, shape=(2,)) * dy

    passed(mx, double(mx, backward), x).backward()
    with pytest.raises(ValueError, match="scale"):
        x.grad.asnumpy()


def test_an_overwritten_value_behind_a_function(mx: ModuleType) -> None:
    x = variable(mx, 1, 2)
    with mx.autograd.record():
        y = double(mx)(x * x)
    x[:] = 7
    y.backward()
    with pytest.raises(OverwrittenValueError):
        x.grad.asnumpy()


def test_forward_and_backward_must_be_written(mx: ModuleType) -> None:
    x = variable(mx, 1, 2)
    with pytest.raises(NotImplementedError):
        mx.autograd.Function()(x)
    half = type("Half", (mx.autograd.Function,), {"forward": lambda self, x: x * 2})
    y = passed(mx, half(), x)
    with pytest.raises(NotImplementedError):
        y.backward()


# Lives.


@pytest.mark.parametrize("ends", ["by a pass", "unused", "by an error"])
def test_a_function_lives_as_long_as_its_node(mx: ModuleType, session: Any, ends: str) -> None:
    def fail(self: Any, dy: Array) -> Array:
        raise KeyError

    x = variable(mx, 1, 2)
    made = double(mx, fail) if ends == "by an error" else double(mx)
    watch = weakref.ref(made)
    y = passed(mx, made, x)
    del made
    mx.nd.waitall()
    gc.collect()
    assert watch() is not None
    if ends == "by a pass":
        y.backward()
    elif ends == "by an error":
        with pytest.raises(KeyError):
            y.backward()
    else:
        del y
    assert soon(mx, lambda: watch() is None)
    assert not session.functions


def test_many_steps_keep_nothing(mx: ModuleType, session: Any) -> None:
    x = variable(mx, 1, 2)
    for _ in range(200):
        passed(mx, cube(mx), x).backward()
    assert soon(mx, lambda: not session.functions and mx.stats().live_handles == 2)
