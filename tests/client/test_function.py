"""``autograd.Function``: ops whose forward and backward are Python in the client."""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from remx.errors import (
    MXNetError,
)
from support.functions import cube, double, function, passed, variable

Array = Any


def test_the_stable_sigmoid_of_the_tutorial(mx: ModuleType) -> None:
    class sigmoid(mx.autograd.Function):  # type: ignore[name-defined,misc]
        def forward(self, x):  # type: ignore[no-untyped-def]
            y = 1 / (1 + mx.nd.exp(-x))
            self.save_for_backward(y)
            return y

        def backward(self, dy):  # type: ignore[no-untyped-def]
            y, = self.saved_tensors  # fmt: skip
            return dy * y * (1-y)  # fmt: skip

    func = sigmoid()
    x = mx.nd.random.uniform(shape=(10,))
    x.attach_grad()
    with mx.autograd.record():
        m = func(x)
    m.backward()
    dx_grad = x.grad.asnumpy()
    y = 1 / (1 + np.exp(-x.asnumpy()))
    np.testing.assert_allclose(dx_grad, y * (1 - y), 1e-6)


# Inputs and outputs.


def test_several_inputs_and_outputs(mx: ModuleType) -> None:
    def forward(self: Any, x: Array, y: Array) -> tuple[Array, Array]:
        self.save_for_backward(x, y)
        return x * y, x - y

    def backward(self: Any, product: Array, difference: Array) -> tuple[Array, Array]:
        x, y = self.saved_tensors
        return product * y + difference, product * x - difference

    x, y = variable(mx, 1, 2), variable(mx, 3, 5)
    with mx.autograd.record():
        product, difference = function(mx, forward, backward)(x, y)
        loss = product * 10 + difference
    loss.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [31, 51])
    np.testing.assert_array_equal(y.grad.asnumpy(), [9, 19])


def test_the_gradient_of_an_unused_output_is_zeros(mx: ModuleType) -> None:
    seen = []

    def backward(self: Any, first: Array, second: Array) -> Array:
        seen.append((first.asnumpy(), second.asnumpy()))
        return first + second * 100

    x = variable(mx, 1, 2)
    first, _ = passed(mx, function(mx, lambda self, x: [x * 2, mx.nd.ones((3, 2))[0]], backward), x)
    first.backward()
    np.testing.assert_array_equal(seen, [[[1, 1], [0, 0]]])
    np.testing.assert_array_equal(x.grad.asnumpy(), [1, 1])


def test_a_none_is_zeros_and_what_is_not_tracked_needs_nothing(mx: ModuleType) -> None:
    x, y, constant = variable(mx, 1, 2), variable(mx, 3, 4), mx.nd.ones((2,))
    y.grad[:] = 7
    made = function(mx, lambda self, x, y, c: x + y + c, lambda self, dy: (dy * 5, None, dy))
    passed(mx, made, x, y, constant).backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [5, 5])
    np.testing.assert_array_equal(y.grad.asnumpy(), [0, 0])
    assert constant.grad is None


def test_arguments_that_are_not_arrays(mx: ModuleType) -> None:
    x = variable(mx, 1, 2)
    made = function(mx, lambda self, x, scale, name: x * scale, lambda self, dy: (dy * 3, None, None))
    passed(mx, made, x, 3.0, "name").backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [3, 3])


def test_attributes_stay_on_the_instance(mx: ModuleType) -> None:
    class Scaled(mx.autograd.Function):  # type: ignore[name-defined,misc]
        def __init__(self, scale: float) -> None:
            self.scale = scale

        def forward(self, x: Array) -> Array:
            self.shape = x.shape
            return x * self.scale

        def backward(self, dy: Array) -> Array:
            assert self.shape == dy.shape
            return dy * self.scale

    x = variable(mx, 1, 2)
    passed(mx, Scaled(4.0), x).backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [4, 4])


def test_round_trips_through_numpy(mx: ModuleType) -> None:
    def forward(self: Any, x: Array) -> Array:
        self.kept = np.sign(x.asnumpy())
        return mx.nd.array(np.abs(x.asnumpy()))

    def backward(self: Any, dy: Array) -> Array:
        return mx.nd.array(dy.asnumpy() * self.kept)

    x = variable(mx, -1, 2)
    with mx.autograd.record():
        y = function(mx, forward, backward)(x * 3) * 2
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [-6, 6])


def test_a_gradient_is_cast_and_broadcast_as_an_assignment_does(mx: ModuleType) -> None:
    x = variable(mx, 1, 2)
    passed(mx, double(mx, lambda self, dy: mx.nd.array([5.0], dtype="float64")), x).backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [5, 5])
    assert x.grad.dtype == np.float32


def test_outputs_may_share_memory_with_inputs(mx: ModuleType) -> None:
    x = mx.nd.arange(4).reshape((2, 2))
    x.attach_grad()
    made = function(mx, lambda self, x: x.reshape((4,)), lambda self, dy: dy.reshape((2, 2)) * 7)
    passed(mx, made, x).backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), np.full((2, 2), 7))


def test_without_recording_or_tracked_inputs_nothing_is_recorded(mx: ModuleType, session: Any) -> None:
    x = variable(mx, 1, 2)
    outside = double(mx)(x)
    untracked = passed(mx, double(mx), mx.nd.ones((2,)))
    for y in (outside, untracked):
        np.testing.assert_array_equal(y.asnumpy().shape, (2,))
        with pytest.raises(MXNetError, match="not in a computational graph"):
            y.backward()
    assert not session.functions


# Modes.


def test_modes_inside(mx: ModuleType) -> None:
    seen = []

    def look(self: Any, x: Array) -> Array:
        seen.append((mx.autograd.is_recording(), mx.autograd.is_training()))
        return x * 1

    x = variable(mx, 1)
    y = passed(mx, function(mx, look, look), x)
    y.backward(train_mode=False, retain_graph=True)
    y.backward(retain_graph=True)
    with mx.autograd.record(train_mode=False):
        y.backward()
        assert mx.autograd.is_recording()
        assert not mx.autograd.is_training()
    # As in MXNet: forward keeps the training mode, a pass has its own.
    assert seen == [(False, True), (False, False), (False, True), (False, True)]


def test_an_exception_in_forward_restores_recording(mx: ModuleType) -> None:
    def forward(self: Any, x: Array) -> Array:
        raise KeyError("forward")

    with mx.autograd.record():
        with pytest.raises(KeyError):
            function(mx, forward, None)(variable(mx, 1))
        assert mx.autograd.is_recording()


# Passes.


def test_grad_request_add(mx: ModuleType) -> None:
    x = variable(mx, 1, 2, request="add")
    for _ in range(3):
        passed(mx, double(mx), x).backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [6, 6])


def test_a_retained_graph_runs_backward_again(mx: ModuleType) -> None:
    x = variable(mx, 1, 2)
    y = passed(mx, cube(mx), x)
    for scale in (1, 2):
        y.backward(mx.nd.ones((2,)) * scale, retain_graph=True)
        np.testing.assert_array_equal(x.grad.asnumpy(), [3 * scale, 12 * scale])
    y.backward()
    with pytest.raises(MXNetError, match="freed"):
        y.backward()


def test_every_order_of_gradient(mx: ModuleType) -> None:
    x = variable(mx, 1, 2)
    with mx.autograd.record():
        gradients = [cube(mx)(x)]
        for _ in range(3):
            gradients += mx.autograd.grad(gradients[-1], x, create_graph=True)
    values = x.asnumpy()
    for got, expected in zip(gradients[1:], [3 * values**2, 6 * values, [6, 6]], strict=True):
        np.testing.assert_array_equal(got.asnumpy(), expected)
    gradients[2].backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [6, 6])


def test_a_saved_output_is_differentiated_again(mx: ModuleType) -> None:
    def forward(self: Any, x: Array) -> Array:
        y = x.exp()
        self.save_for_backward(y)
        return y

    x = variable(mx, 0.5, 1)
    with mx.autograd.record():
        y = function(mx, forward, lambda self, dy: dy * self.saved_tensors[0])(x)
        (first,) = mx.autograd.grad(y, x, create_graph=True)
        (second,) = mx.autograd.grad(first, x, create_graph=True)
    for got in (first, second):
        np.testing.assert_allclose(got.asnumpy(), np.exp(x.asnumpy()), 1e-6)


def test_nested_functions(mx: ModuleType) -> None:
    def forward(self: Any, x: Array) -> Array:
        self.save_for_backward(x)
        # Recording is off: the inner one is part of this op, not a node of its own.
        return cube(mx)(x) * 2

    def backward(self: Any, dy: Array) -> Array:
        (x,) = self.saved_tensors
        # Recorded where the pass has create_graph: a Function in the backward of one.
        return function(mx, square, square_back)(x) * 6 * dy

    def square(self: Any, x: Array) -> Array:
        self.save_for_backward(x)
        return x * x

    def square_back(self: Any, dy: Array) -> Array:
        return dy * self.saved_tensors[0] * 2

    x = variable(mx, 1, 2)
    with mx.autograd.record():
        y = function(mx, forward, backward)(x)
        (gradient,) = mx.autograd.grad(y, x, create_graph=True)
    gradient.backward()
    np.testing.assert_array_equal(gradient.asnumpy(), [6, 24])
    np.testing.assert_array_equal(x.grad.asnumpy(), [12, 24])


def test_functions_among_ops_and_of_each_other(mx: ModuleType) -> None:
    x, w = variable(mx, 1, 2), variable(mx, 3, 4)
    before = mx.stats()
    with mx.autograd.record():
        y = double(mx)(cube(mx)(x * w) + x)
        loss = (y * double(mx)(w)).sum()
    loss.backward()
    a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    # loss = 2 (a^3 b^3 + a) 2 b
    np.testing.assert_allclose(x.grad.asnumpy(), 4 * b * (3 * a**2 * b**3 + 1), 1e-6)
    np.testing.assert_allclose(w.grad.asnumpy(), 4 * (4 * a**3 * b**3 + a), 1e-6)
    assert mx.stats().pauses - before.pauses == 3


def test_one_round_trip_for_each_pause_and_none_without(mx: ModuleType) -> None:
    x, w = variable(mx, 1, 2), variable(mx, 3, 4)
    for depth in (1, 3):
        y = x
        for _ in range(depth):
            y = passed(mx, double(mx), y)
        before = mx.stats()
        y.backward()
        with mx.autograd.record():
            z = w * 2
        z.backward()
        after = mx.stats()
        assert after.pauses - before.pauses == after.round_trips - before.round_trips == depth
    np.testing.assert_array_equal(x.grad.asnumpy(), [8, 8])
    assert "pauses                      4" in str(mx.stats())


def test_a_function_behind_an_op_that_blocks_gradients_gets_zeros(mx: ModuleType) -> None:
    x = variable(mx, 1, 2)
    with mx.autograd.record():
        y = mx.nd.BlockGrad(double(mx)(x)) + double(mx)(x).detach() + x
    before = mx.stats().pauses
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [1, 1])
    # The detached one is not in the graph.
    assert mx.stats().pauses - before == 1


def test_backward_inside_of_backward(mx: ModuleType) -> None:
    def forward(self: Any, x: Array) -> Array:
        self.save_for_backward(x)
        return x * x

    def backward(self: Any, dy: Array) -> Array:
        (saved,) = self.saved_tensors
        inner = saved.detach()
        inner.attach_grad()
        with mx.autograd.record():
            # With a Function of its own, so that one pass pauses while another one is paused.
            loss = cube(mx)(inner) / inner
        loss.backward()
        return dy * inner.grad

    x = variable(mx, 1, 2)
    passed(mx, function(mx, forward, backward), x).backward()
    np.testing.assert_allclose(x.grad.asnumpy(), [2, 4], 1e-6)


def test_other_threads_go_on_during_a_pause(mx: ModuleType) -> None:
    paused, go_on = threading.Event(), threading.Event()

    def backward(self: Any, dy: Array) -> Array:
        paused.set()
        assert go_on.wait(20)
        return dy * 2

    x, w = variable(mx, 1, 2), variable(mx, 3, 4)
    y = passed(mx, double(mx, backward), x)
    thread = threading.Thread(target=y.backward)
    thread.start()
    assert paused.wait(20)
    passed(mx, cube(mx), w).backward()
    np.testing.assert_array_equal(w.grad.asnumpy(), [27, 48])
    go_on.set()
    thread.join()
    np.testing.assert_array_equal(x.grad.asnumpy(), [2, 2])


def test_recorded_in_one_thread_and_differentiated_in_others(mx: ModuleType) -> None:
    variables = [variable(mx, number, 1) for number in range(8)]
    losses = [passed(mx, cube(mx), x) for x in variables]
    threads = [threading.Thread(target=loss.backward) for loss in losses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, x in enumerate(variables):
        np.testing.assert_array_equal(x.grad.asnumpy(), [3 * number**2, 3])
