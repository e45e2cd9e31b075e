"""Autograd: what ``test_snippets.py`` does not hold against MXNet, since remx does more or says more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from remx import _values
from remx._session import Session, next_handle
from remx.errors import (
    GraphFreedError,
    InPlaceRecordedError,
    MXNetError,
    NotDifferentiableError,
    OverwrittenValueError,
    PreconditionError,
    SessionError,
    ShapeError,
)
from remx.ndarray import NDArray


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


def test_a_leaf_is_a_head_as_often_as_one_likes(mx: ModuleType) -> None:
    # The third pass would run the program that the second was traced into, had there been any node.
    x = mx.nd.array([1, 2])
    x.attach_grad("add")
    for _ in range(4):
        x.backward(mx.nd.array([1, 10]))
    np.testing.assert_array_equal(x.grad.asnumpy(), [4, 40])


def test_what_is_computed_of_a_freed_graph_is_a_constant_and_says_so_as_a_head(mx: ModuleType) -> None:
    x, w = variable(mx, 1, 2), variable(mx, 3, 4)
    with mx.autograd.record():
        y = x * x
        z = y * 2
    z.backward()
    with mx.autograd.record():
        derived = y + 1
        v = derived * w
    v.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [4, 8])
    np.testing.assert_array_equal(w.grad.asnumpy(), [2, 5])
    derived.backward()
    with pytest.raises(GraphFreedError, match="retain_graph"):
        x.grad.asnumpy()


def test_an_array_is_written_while_recording_again_once_its_graph_is_freed(mx: ModuleType) -> None:
    x = variable(mx, 1, 2)
    buffer = mx.nd.zeros((2,))
    for step in range(3):
        before = mx.stats().round_trips
        with mx.autograd.record():
            # The first write of a step is allowed, for which the server has to be asked; the second is not.
            buffer[:] = x * (step + 1)
            assert mx.stats().round_trips - before == (step > 0)
            with pytest.raises(InPlaceRecordedError):
                buffer += 1
            loss = buffer * buffer
        loss.backward()
        np.testing.assert_array_equal(x.grad.asnumpy(), 2 * (step + 1) ** 2 * x.asnumpy())


def test_a_variable_is_refused_without_asking(mx: ModuleType) -> None:
    x = variable(mx, 1, 2)
    ignored = mx.nd.ones((2,))
    ignored.attach_grad("null")
    before = mx.stats().round_trips
    for one in (x, ignored):
        with mx.autograd.record(), pytest.raises(InPlaceRecordedError):
            one += 1
    assert mx.stats().round_trips == before


def test_lists_of_variables_that_do_not_fit(mx: ModuleType) -> None:
    x, y = mx.nd.ones((2,)), mx.nd.ones((2,))
    gradient = mx.nd.zeros((2,))
    for variables, gradients, requests in (
        ([x, y], [gradient], "write"),
        ([x], [gradient, gradient], "write"),
        ([x, y], [gradient, gradient], ["write"]),
        (x, [gradient], "write"),
        ([x], gradient, "write"),
    ):
        with pytest.raises(PreconditionError, match="mark_variables"):
            mx.autograd.mark_variables(variables, gradients, requests)
    with pytest.raises(ShapeError):
        mx.autograd.mark_variables(x, mx.nd.zeros((3,)))
    assert x.grad is None
    assert y.grad is None


def test_arrays_of_several_sessions(mx: ModuleType, open_session: Callable[[], Session]) -> None:
    x = variable(mx, 1, 2)
    with mx.autograd.record():
        y = x * 2
    other = open_session()

    def made_there() -> NDArray:
        handle = next_handle()
        _values.put(other, np.ones(2, np.float32), mx.cpu(), handle)
        return NDArray(other, handle, x._spec, mx.cpu())

    w, gradient, head_gradient = (made_there() for _ in range(3))
    mx.autograd.mark_variables(w, gradient)
    with mx.autograd.record():
        z = w * 3
    for refused in (
        lambda: mx.autograd.backward([y, z]),
        lambda: y.backward(head_gradient),
        lambda: mx.autograd.grad(y, [x, w]),
        lambda: mx.autograd.mark_variables(x, head_gradient),
        lambda: mx.autograd.mark_variables([x, w], [x.grad, w.grad]),
    ):
        with pytest.raises(SessionError, match="different sessions"):
            refused()
    z.backward()
    y.backward()
    np.testing.assert_array_equal(w.grad.asnumpy(), [3, 3])
    np.testing.assert_array_equal(x.grad.asnumpy(), [2, 2])
    other.close()


def test_a_program_gives_zeros_to_what_a_second_pass_only_compares_with(mx: ModuleType) -> None:
    x, w = variable(mx, -1, 2), variable(mx, 3, 4)
    # By the rules, traced, and as a program.
    for _ in range(4):
        x.grad[:] = 9
        with mx.autograd.record():
            (gradient,) = mx.autograd.grad(mx.nd.relu(x) * w, x, create_graph=True)
        np.testing.assert_array_equal(gradient.asnumpy(), [0, 4])
        gradient.backward()
        np.testing.assert_array_equal(x.grad.asnumpy(), [0, 0])
        np.testing.assert_array_equal(w.grad.asnumpy(), [0, 1])


def test_the_example_of_grad_prints_what_the_tutorial_says(
    mx: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    x = mx.nd.ones((2,))
    x.attach_grad()
    with mx.autograd.record():
        z = mx.nd.elemwise_add(mx.nd.exp(x), x)
        dx = mx.autograd.grad(z, [x], create_graph=True)
    print(dx[0])
    assert capsys.readouterr().out == "\n[3.7182817 3.7182817]\n<NDArray 2 @cpu(0)>\n"


def test_the_example_of_predict_mode(mx: ModuleType) -> None:
    def model(x: Any) -> Any:
        return mx.nd.Dropout(x * 2, p=0.5)

    x = mx.nd.ones((100,))
    x.attach_grad()
    with mx.autograd.record():
        y = model(x)
        with mx.autograd.predict_mode():
            test = model(x)
            assert mx.autograd.is_recording()
        with mx.autograd.pause():
            assert (mx.autograd.is_recording(), mx.autograd.is_training()) == (False, False)
        with mx.autograd.pause(train_mode=True):
            assert set(model(x).asnumpy().tolist()) == {0, 4}
    assert test.asnumpy().tolist() == [2] * 100
    with mx.autograd.train_mode():
        assert set(model(x).asnumpy().tolist()) == {0, 4}
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), y.asnumpy())
    test.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [2] * 100)
