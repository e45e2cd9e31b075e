"""Autograd: what ``test_snippets.py`` does not hold against MXNet, since remx does more or says more."""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from remx.errors import (
    GraphFreedError,
    MXNetError,
    NotDifferentiableError,
    OverwrittenValueError,
    PreconditionError,
    ShapeError,
)


def variable(mx: ModuleType, *values: float) -> Any:
    x = mx.nd.array(values)
    x.attach_grad()
    return x


@pytest.mark.parametrize(
    ("function", "derivatives"),
    [
        (lambda x: x**4, [lambda x: 4 * x**3, lambda x: 12 * x**2, lambda x: 24 * x]),
        (lambda x: x * x * x, [lambda x: 3 * x**2, lambda x: 6 * x, lambda x: 6 + 0 * x]),
        (lambda x: 1 / x, [lambda x: -(x**-2), lambda x: 2 * x**-3, lambda x: -6 * x**-4]),
        (lambda x: x.exp(), [np.exp, np.exp, np.exp]),
        (lambda x: x.sin() * x, [lambda x: np.cos(x) * x + np.sin(x), lambda x: 2 * np.cos(x) - x * np.sin(x),
                                 lambda x: -3 * np.sin(x) - x * np.cos(x)]),
        (lambda x: (x * 2).log(), [lambda x: 1 / x, lambda x: -(x**-2), lambda x: 2 * x**-3]),
    ],
)  # fmt: skip
def test_three_orders_of_gradients(mx: ModuleType, function: Any, derivatives: list[Any]) -> None:
    values = np.array([0.5, 1.0, 2.0])
    x = variable(mx, *values)
    with mx.autograd.record():
        gradients = [function(x)]
        for _ in range(2):
            gradients += mx.autograd.grad(gradients[-1], x, create_graph=True)
    gradients[-1].backward()
    gradients.append(x.grad)
    for got, derivative in zip(gradients[1:], derivatives, strict=True):
        np.testing.assert_allclose(got.asnumpy(), derivative(values), 1e-4, 1e-5)


def test_a_gradient_penalty(mx: ModuleType) -> None:
    weight = mx.nd.array([[1.0, -2.0], [3.0, 0.5]])
    weight.attach_grad()
    x = mx.nd.array([[1.0, 2.0]])
    x.attach_grad()
    with mx.autograd.record():
        y = (mx.nd.dot(x, weight) ** 2).sum()
        (gradient,) = mx.autograd.grad(y, x, create_graph=True)
        penalty = (gradient**2).sum()
    penalty.backward()
    w, v = weight.asnumpy(), np.array([[1.0, 2.0]])
    # gradient = 2 v w w', and the penalty's derivative by w follows from the product rule.
    g = 2 * v @ w @ w.T
    expected = 4 * (v.T @ (g @ w) + g.T @ (v @ w))
    np.testing.assert_allclose(weight.grad.asnumpy(), expected, 1e-5)


def test_gradients_of_several_variables_and_heads(mx: ModuleType) -> None:
    x, y = variable(mx, 2, 3), variable(mx, 5, 7)
    with mx.autograd.record():
        heads = [x * y, x + y * y]
    gradients = mx.autograd.grad(heads, [x, y], [mx.nd.array([1, 10]), None])
    np.testing.assert_array_equal(gradients[0].asnumpy(), [6, 71])
    np.testing.assert_array_equal(gradients[1].asnumpy(), [12, 44])
    np.testing.assert_array_equal(x.grad.asnumpy(), [0, 0])


def test_the_wrong_shape_of_a_head_gradient(mx: ModuleType) -> None:
    x = variable(mx, 1, 2)
    with mx.autograd.record():
        y = x * 2
    with pytest.raises(ShapeError, match="head_grads"):
        y.backward(mx.nd.ones((3,)))
    with pytest.raises(ShapeError, match="head_grads"):
        y.backward(mx.nd.ones((2,), dtype="float64"))
    with pytest.raises(PreconditionError, match="same length"):
        mx.autograd.backward([y], [None, None])
    with pytest.raises(NotDifferentiableError):
        mx.autograd.backward([])
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [2, 2])


def test_a_freed_graph(mx: ModuleType) -> None:
    x = variable(mx, 1, 2)
    with mx.autograd.record():
        y = x * x
        z = y * 2
    y.backward()
    with pytest.raises(GraphFreedError, match="retain_graph"):
        y.backward()
    # The client has not seen that this one leads through what was freed; the server has.
    z.backward()
    with pytest.raises(GraphFreedError):
        x.grad.asnumpy()


def test_a_freed_graph_under_a_part_that_is_not(mx: ModuleType) -> None:
    x, w = variable(mx, 1, 2), variable(mx, 3, 4)
    with mx.autograd.record():
        y = x * x
    y.backward()
    with mx.autograd.record():
        z = w * 2
    z.backward()
    np.testing.assert_array_equal(w.grad.asnumpy(), [2, 2])


def test_an_overwritten_value(mx: ModuleType) -> None:
    x = variable(mx, 1, 2)
    with mx.autograd.record():
        y = x * x
    x[:] = 7
    y.backward()
    with pytest.raises(OverwrittenValueError, match="broadcast_mul"):
        x.grad.asnumpy()


def test_an_overwritten_value_that_nobody_needs(mx: ModuleType) -> None:
    x = variable(mx, 1, 2)
    with mx.autograd.record():
        y = x + x
    x[:] = 7
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [2, 2])


def test_no_gradient_through_an_op_that_has_none(mx: ModuleType) -> None:
    x = variable(mx, 1, 0)
    with mx.autograd.record():
        y = mx.nd.argsort(x) * 2
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [0, 0])


def test_a_missing_gradient_keeps_the_old_one(mx: ModuleType) -> None:
    x, w = variable(mx, 1, 2), variable(mx, 3, 4)
    w.grad[:] = 5
    with mx.autograd.record():
        y = x * 2
    y.backward()
    np.testing.assert_array_equal(w.grad.asnumpy(), [5, 5])


def test_modes_belong_to_a_thread(mx: ModuleType) -> None:
    seen: list[tuple[bool, bool]] = []

    def look() -> None:
        seen.append((mx.autograd.is_recording(), mx.autograd.is_training()))
        with mx.autograd.record(train_mode=False):
            seen.append((mx.autograd.is_recording(), mx.autograd.is_training()))

    with mx.autograd.record():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        assert mx.autograd.is_training()
    assert seen == [(False, False), (True, False)]


def test_an_exception_inside_record(mx: ModuleType) -> None:
    x = variable(mx, 1, 2)
    computed = []

    def compute() -> None:
        with mx.autograd.record():
            computed.append(x * x)
            mx.nd.ones((2,)) + mx.nd.ones((3,))

    with pytest.raises(MXNetError):
        compute()
    assert not mx.autograd.is_recording()
    computed[0].backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [2, 4])


def test_a_scope_can_be_entered_again(mx: ModuleType) -> None:
    scope = mx.autograd.record()
    with scope, scope:
        assert mx.autograd.is_recording()
    assert not mx.autograd.is_recording()


def test_a_detached_array_takes_no_part(mx: ModuleType) -> None:
    x = variable(mx, 1, 2)
    with mx.autograd.record():
        detached = (x * 2).detach()
        detached += 1
        with pytest.raises(NotDifferentiableError):
            detached.backward()
        y = x * detached
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [3, 5])


def test_attach_grad_inside_record_is_not_recorded(mx: ModuleType) -> None:
    with mx.autograd.record():
        x = variable(mx, 1, 2)
        y = x * 3
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [3, 3])


def test_training_mode_of_a_pass(mx: ModuleType) -> None:
    x = mx.nd.ones((1000,))
    with mx.autograd.record(train_mode=False):
        assert mx.nd.Dropout(x, p=0.5).sum().asscalar() == 1000
    with mx.autograd.record():
        dropped = mx.nd.Dropout(x, p=0.5).asnumpy()
    assert set(dropped.tolist()) == {0, 2}


def test_linear_regression_of_the_tutorials(mx: ModuleType) -> None:
    mx.random.seed(1)
    true = mx.nd.array([[2.0], [-3.4]])
    data = mx.nd.random.normal(shape=(200, 2))
    labels = mx.nd.dot(data, true) + 4.2
    weight, bias = mx.nd.random.normal(scale=0.01, shape=(2, 1)), mx.nd.zeros((1,))
    for parameter in (weight, bias):
        parameter.attach_grad()
    for _ in range(60):
        with mx.autograd.record():
            loss = ((mx.nd.dot(data, weight) + bias - labels) ** 2 / 2).mean()
        loss.backward()
        for parameter in (weight, bias):
            parameter[:] = parameter - 0.2 * parameter.grad
    np.testing.assert_allclose(weight.asnumpy(), true.asnumpy(), atol=1e-2)
    assert bias.asscalar() == pytest.approx(4.2, abs=1e-2)


def test_control_flow_of_the_tutorials(mx: ModuleType) -> None:
    def f(a: Any) -> Any:
        b = a * 2
        while mx.nd.norm(b).asscalar() < 1000:
            b = b * 2
        return b if mx.nd.sum(b).asscalar() > 0 else 100 * b

    a = variable(mx, 3)
    with mx.autograd.record():
        d = f(a)
    d.backward()
    assert a.grad.asscalar() == d.asscalar() / 3
