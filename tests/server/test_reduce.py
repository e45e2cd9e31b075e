"""What the generic suites do not reach of the reductions: odd dtypes, NaN, and the ops without samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from remx_contract.errors import ArgumentError, ShapeError
from support.runner import Runner


def call(op: str, data: Any, **attrs: object) -> np.ndarray:
    return Runner().call(op, [np.asarray(data)], attrs)[0]


@pytest.mark.parametrize(
    ("op", "data", "attrs", "expected"),
    [
        # Each line is what MXNet 1.9.1 answers.
        ("sum", np.array([1, 0, 1], bool), {}, np.array([True])),
        ("mean", np.array([1, 0, 1], bool), {}, np.array([True])),
        ("prod", np.array([1, 0, 1], bool), {}, np.array([False])),
        ("sum", np.array([100, 100, 100], np.int8), {}, np.array([44], np.int8)),
        ("mean", np.array([1, -2, -6], np.int32), {}, np.array([-2], np.int32)),
        ("prod", np.array([100, 100], np.uint8), {}, np.array([16], np.uint8)),
        ("norm", np.array([1, 3, 3], np.int32), {}, np.array([4], np.int32)),
        ("norm", np.array([200, 200], np.uint8), {}, np.array([26], np.uint8)),
        ("norm", np.array([-7, -3, 3], np.int32), {"ord": 1}, np.array([13], np.int32)),
        ("_np_cumsum", np.array([1, 1, 0], bool), {}, np.array([1, 2, 2])),
        ("_np_cumsum", np.array([200, 100], np.uint8), {}, np.array([200, 44], np.uint8)),
        ("_np_cumsum", np.array([1.6, 1.6], np.float32), {"dtype": "int32"}, np.array([1, 2], np.int32)),
        ("_np_cumsum", np.array([100, 100.0]), {"dtype": "int8"}, np.array([100, -56], np.int8)),
        ("max", np.array([1, np.nan, 3]), {}, np.array([np.nan])),
        ("argmax", np.array([1, np.nan, 3]), {"axis": 0}, np.array([1.0])),
        ("argmin", np.array([[np.nan, 2, 0]]), {"axis": 1}, np.array([0.0])),
        ("sum", np.zeros((0, 2), np.float32), {"axis": 0}, np.zeros(2, np.float32)),
        ("prod", np.zeros((0, 2), np.float32), {}, np.ones(1, np.float32)),
        ("sum", np.ones((2, 3)), {"axis": (), "exclude": True}, np.array([6.0])),
        ("sum", np.ones((2, 3)), {"axis": (0, 1), "exclude": True}, np.ones((2, 3))),
    ],
)
def test_answers_of_mxnet(op: str, data: np.ndarray, attrs: dict[str, object], expected: np.ndarray) -> None:
    result = call(op, data, **attrs)
    assert (result.dtype, result.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(result, expected)


def test_float16_accumulates_in_float32() -> None:
    data = np.full(70000, 2, np.float16)
    assert call("mean", data)[0] == 2
    assert call("_np_cumsum", np.ones(3000, np.float16))[-1] == 3000
    np.testing.assert_allclose(
        call("L2Normalization", np.array([[300, 400]], np.float16)), [[0.6, 0.8]], rtol=1e-3
    )


def test_no_extremum_of_nothing() -> None:
    for op in ("max", "min", "argmax", "argmin"):
        with pytest.raises(ShapeError, match=op):
            call(op, np.zeros((0, 2)))


def test_an_axis_twice_is_refused() -> None:
    with pytest.raises(ArgumentError, match="axis"):
        call("sum", np.zeros((2, 3)), axis=(0, -2))


MOMENTS = ((0, False), ((0, 1), True), ((-1,), False), ((0, 2), True))


@pytest.mark.parametrize(("axes", "keepdims"), MOMENTS)
def test_moments(axes: int | tuple[int, ...], keepdims: bool) -> None:
    data = np.random.RandomState(0).uniform(-2, 2, (2, 3, 4))
    mean, variance = Runner().call("moments", [data], {"axes": axes, "keepdims": keepdims})
    np.testing.assert_allclose(mean, data.mean(axis=axes, keepdims=keepdims))
    np.testing.assert_allclose(variance, data.var(axis=axes, keepdims=keepdims))


@pytest.mark.parametrize(("axes", "keepdims"), MOMENTS)
def test_gradients_of_moments(axes: int | tuple[int, ...], keepdims: bool) -> None:
    random = np.random.RandomState(1)
    data, direction = random.uniform(-2, 2, (2, 2, 3, 4))
    heads = [random.randn(*np.mean(data, axis=axes, keepdims=keepdims).shape) for _ in range(2)]

    def gradient(at: np.ndarray) -> np.ndarray:
        runner = Runner()
        variable = runner.variable(at)
        outputs = runner.apply("moments", [variable], {"axes": axes, "keepdims": keepdims})
        (found,) = runner.gradients(outputs, list(heads), [variable])
        return runner.host(found)

    def value(at: np.ndarray) -> float:
        outputs = Runner().call("moments", [at], {"axes": axes, "keepdims": keepdims})
        return sum(float((output * head).sum()) for output, head in zip(outputs, heads, strict=True))

    step = 1e-6 * direction
    slope = (value(data + step) - value(data - step)) / 2e-6
    np.testing.assert_allclose((gradient(data) * direction).sum(), slope, rtol=1e-6)
    # The value is quadratic, so the gradient is linear: its slope is exact.
    runner = Runner()
    variable = runner.variable(data)
    outputs = runner.apply("moments", [variable], {"axes": axes, "keepdims": keepdims})
    (first,) = runner.gradients(outputs, list(heads), [variable], create_graph=True)
    (second,) = runner.gradients([first], [direction], [variable])
    np.testing.assert_allclose(
        runner.host(second), (gradient(data + direction) - gradient(data - direction)) / 2, atol=1e-12
    )


def test_moments_of_integers_are_truncated() -> None:
    mean, variance = Runner().call("moments", [np.array([[1, 2, 4], [3, 4, 9]], np.int32)], {"axes": 0})
    np.testing.assert_array_equal(mean, [2, 3, 6])
    np.testing.assert_array_equal(variance, [1, 1, 6])


def test_moments_need_axes() -> None:
    with pytest.raises(ArgumentError, match="axes"):
        call("moments", np.zeros((2, 3)))


def test_spreading_undoes_summing_axes() -> None:
    data = np.arange(24.0).reshape(2, 3, 4)
    runner = Runner()
    (summed,) = runner.apply("_sum_axes", [runner.value(data)], {"axes": (0, 2), "shape": (3, 1)})
    np.testing.assert_array_equal(runner.host(summed), data.sum(axis=(0, 2))[:, None])
    (spread,) = runner.apply("_spread_axes", [summed], {"axes": (0, 2), "shape": (2, 3, 4)})
    expected = np.broadcast_to(data.sum(axis=(0, 2), keepdims=True), (2, 3, 4))
    np.testing.assert_array_equal(runner.host(spread), expected)
    with pytest.raises(ShapeError, match="_sum_axes"):
        runner.apply("_sum_axes", [spread], {"axes": (0,), "shape": (3, 5)})
