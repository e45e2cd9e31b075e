"""Gradients at kinks, ties, poles and at what is no number: MXNet's at order 1, and no NaN made beyond."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import pytest
from remx_server.value import Value
from support.gradient_points import Point, golden_points, points
from support.runner import DEVICES, Runner, runner_on
from support.tolerances import assert_close

Array = np.ndarray[Any, Any]

BY_OP: dict[str, list[Point]] = {}
for _point in points():
    BY_OP.setdefault(_point.op, []).append(_point)


def _both_zero(base: Array, exponent: Array) -> Array:
    # Where the exponents were broadcast, the gradients of all of them meet in the base.
    both = (base == 0) & (exponent == 0)
    return both if both.shape == base.shape else both.any(axis=1, keepdims=True)


def _nothing_inside(data: Array, lengths: Array) -> Array:
    inside = np.arange(data.shape[1]) < lengths[:, None]
    lost = (np.where(inside, data, -np.inf) == -np.inf).all(axis=1, keepdims=True) & (lengths[:, None] > 0)
    return lost & ~inside


def _not_finite(data: Array) -> Array:
    return ~np.isfinite(data)


# The elements of the first input whose gradient is not MXNet's, by op, and why.
OTHERS: dict[str, Callable[..., Array]] = {
    # At a pole MXNet's sign is that of a rounding error; at minus infinity there is no derivative.
    "gammaln": lambda data: np.signbit(data) & (data == np.rint(data)),
    # Zero below zero is outside of its domain.
    "rsqrt": lambda data: (data == 0) & np.signbit(data),
    # MXNet's own two kernels differ: a NaN gives NaN or 0. What is above zero passes, a NaN is not.
    "relu": np.isnan,
    # Only the output is kept, which is NaN at the infinities here and in MXNet.
    "Activation": _not_finite,
    # MXNet lets a gradient pass a NaN as if it was above zero, as if nothing had happened.
    "LeakyReLU": lambda data, *slopes: np.isnan(data),
    # The slope of a constant is zero, though 0 * 0**-1 is none.
    "_power": _both_zero,
    "broadcast_power": _both_zero,
    "_power_scalar": lambda data: (data == 0) | np.isnan(data),
    # MXNet divides the product by the element; test_product_is_never_divided has the right gradients.
    "prod": lambda data: np.isin(data, (0, np.inf, -np.inf)) | np.isnan(data),
    "nanprod": lambda data: np.isin(data, (0, np.inf, -np.inf)),
    # MXNet's norm of infinities is NaN.
    "norm": lambda data: np.isinf(data).any(axis=1, keepdims=True) & np.isfinite(data),
    # Its output is NaN, here and in MXNet, whose exponential of that is infinite.
    "log_softmax": lambda data: (np.isposinf(data) | np.isnan(data)).any(axis=1, keepdims=True)
    | (np.isneginf(data).all(axis=1, keepdims=True)),
    # Of a row with nothing but minus infinity inside its length; outside MXNet gives zeros.
    "softmax": lambda data, *lengths: _nothing_inside(data, *lengths) if lengths else np.zeros(1, bool),
}


def record(runner: Runner, point: Point) -> tuple[list[Value], list[Value], list[Array]]:
    """The variables and the outputs of a point, and its head gradients."""
    given = zip(point.inputs, point.arrays(), strict=True)
    inputs = [runner.variable(array) if one.differentiable else runner.value(array) for one, array in given]
    outputs = runner.apply(point.op, inputs, point.attrs)
    heads = [point.head(k, output.spec.shape, output.spec.dtype.name) for k, output in enumerate(outputs)]
    return [value for value in inputs if value.producer is not None], outputs, heads


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("op", BY_OP)
def test_gradients_are_those_of_mxnet(op: str, device: str) -> None:
    runner = runner_on(device)
    differ = False
    for point in BY_OP[op]:
        variables, outputs, heads = record(runner, point)
        made = runner.gradients(outputs, heads, variables)
        positions = [k for k, given in enumerate(point.inputs) if given.differentiable]
        for position, gradient in zip(positions, made, strict=True):
            got, wanted = runner.host(gradient), golden_points()[f"{point.name}/{position}"].copy()
            what = f"{point.name} {dict(point.attrs)} {wanted.dtype}, input {position}"
            if op in OTHERS and position == 0:
                other = np.broadcast_to(OTHERS[op](*point.arrays()), got.shape)
                differ |= not np.array_equal(got[other], wanted[other], equal_nan=True)
                wanted[other] = got[other]
            assert_close(op, got, wanted, wanted.dtype.name, what=what)
    assert differ == (op in OTHERS), "listed as an exception and is none"


def clean(point: Point, shapes: set[tuple[int, ...]]) -> Array:
    """Where gradients must be numbers: of an op element by element where all inputs are, else everywhere."""
    numbers = [np.isfinite(array) for array in point.arrays()]
    if point.op in BY_ELEMENT and len(shapes.union(one.shape for one in numbers)) == 1:
        return np.asarray(np.logical_and.reduce(numbers))
    return np.full(numbers[0].shape, all(one.all() for one in numbers))


# The ops whose outputs depend on the inputs element by element.
BY_ELEMENT = {
    op for op, given in BY_OP.items() if all(len(point.inputs[0].shape) == 1 for point in given)
} - {"where", "Embedding"}


@pytest.mark.parametrize("op", [op for op in BY_OP if op not in ("broadcast_power", "broadcast_div")])
def test_no_order_makes_a_nan_of_finite_gradients(op: str) -> None:
    runner = runner_on("cpu")
    for point in BY_OP[op]:
        if not any(given.dtype == "float64" for given in point.inputs):
            continue
        variables, outputs, heads = record(runner, point)
        still = [np.zeros(value.spec.shape) for value in variables]
        good: Array | None = None
        for order in 1, 2, 3:
            made = runner.gradients([*outputs, *variables], [*heads, *still], variables, create_graph=True)
            found = [runner.host(value) for value in made]
            if good is None:
                good = clean(point, {one.shape for one in found})
            else:
                bad = [np.isnan(got) & good for got in found]
                assert not any(one.any() for one in bad), f"{point.name} {dict(point.attrs)}, order {order}"
            # A gradient that is infinite, or none at all, may have any gradient itself.
            finite = [np.isfinite(one) for one in found]
            together = point.op in BY_ELEMENT and len({one.shape for one in finite}) == 1
            good = good & (np.logical_and.reduce(finite) if together else all(one.all() for one in finite))
            tracked = [value for value in made if value.producer is not None]
            outputs, heads = tracked, [np.ones(value.spec.shape) for value in tracked]


def orders(runner: Runner, op: str, inputs: list[Value], attrs: dict[str, object], count: int) -> list[Array]:
    """The first derivatives of an op of one number by its first input, element by element."""
    (output,) = runner.apply(op, inputs, attrs)
    made = []
    for _ in range(count):
        zero = np.zeros(inputs[0].spec.shape)
        heads = [output, inputs[0]] if output.producer else [inputs[0]]
        (output,) = runner.gradients(heads, [None, zero][-len(heads) :], inputs[:1], create_graph=True)
        made.append(runner.host(output))
    return made


def falling(exponent: int, order: int) -> float:
    """Of x ** exponent, that derivative at one."""
    return float(prod(exponent - k for k in range(order)))


@pytest.mark.parametrize("exponent", [0, 1, 2, 3])
def test_powers_of_zero_have_every_order(exponent: int) -> None:
    runner = Runner()
    x = np.array([0.0, -0.0, -1.5, 2.0])
    wanted = [
        falling(exponent, order) * x ** max(exponent - order, 0) if exponent >= order else 0 * x
        for order in (1, 2, 3, 4)
    ]
    scalar = {"scalar": float(exponent)}
    np.testing.assert_array_equal(orders(runner, "_power_scalar", [runner.variable(x)], scalar, 4), wanted)
    # As two arrays, of which only the base is a variable.
    pair = [runner.variable(x), runner.value(np.full(4, float(exponent)))]
    np.testing.assert_array_equal(orders(runner, "_power", pair, {}, 4), wanted)


def without(factors: Array, *left_out: int) -> float:
    """The product of all factors but some."""
    return float(np.prod(np.delete(factors, left_out)))


@pytest.mark.parametrize("op", ["prod", "nanprod"])
@pytest.mark.parametrize("zeros", [(), (1,), (0, 3), (0, 1, 2, 3, 4)])
def test_product_is_never_divided(op: str, zeros: tuple[int, ...]) -> None:
    runner = Runner()
    x = np.array([2.0, -3.0, 0.5, 5.0, 7.0])
    x[list(zeros)] = 0
    if op == "nanprod":
        x = np.append(x, np.nan)
    factors = np.where(np.isnan(x), 1.0, x)
    real = ~np.isnan(x)
    weights = np.arange(1.0, len(x) + 1)
    variable = runner.variable(x)
    (output,) = runner.apply(op, [variable], {"axis": 0})
    (first,) = runner.gradients([output], [None], [variable], create_graph=True)
    (second,) = runner.gradients([first], [weights], [variable])
    everyone = range(len(x))
    np.testing.assert_allclose(
        runner.host(first), [real[i] * without(factors, i) for i in everyone], rtol=1e-14
    )
    np.testing.assert_allclose(
        runner.host(second),
        [
            real[i] * sum(weights[k] * real[k] * without(factors, i, k) for k in everyone if k != i)
            for i in everyone
        ],
        rtol=1e-14,
    )


def test_infinite_and_missing_factors_reach_the_others_only() -> None:
    runner = Runner()
    variable = runner.variable(np.array([[2.0, np.inf, 3.0], [2.0, np.nan, 3.0]]))
    outputs = runner.apply("prod", [variable], {"axis": 1})
    (gradient,) = runner.gradients(outputs, [None], [variable])
    np.testing.assert_array_equal(runner.host(gradient), [[np.inf, 6, np.inf], [np.nan, 6, np.nan]])


@pytest.mark.parametrize(
    ("op", "attrs", "at", "wanted"),
    [
        ("abs", {}, 0.0, (0, 0, 0)),
        ("relu", {}, 0.0, (0, 0, 0)),
        ("sign", {}, 0.0, (0, 0, 0)),
        ("clip", {"a_min": 0.0, "a_max": 1.0}, 1.0, (1, 0, 0)),
        ("smooth_l1", {"scalar": 2.0}, 0.25, (1, 4, 0)),
        ("smooth_l1", {"scalar": 2.0}, -np.inf, (-1, 0, 0)),
        ("softsign", {}, 0.0, (1, 0, 0)),
        ("square", {}, 0.0, (0, 2, 0)),
        ("cosh", {}, 0.0, (0, 1, 0)),
        ("_hypot_scalar", {"scalar": 2.0}, 0.0, (0, 0.5, 0)),
        ("_maximum_scalar", {"scalar": 1.0}, 1.0, (1, 0, 0)),
        ("sum", {}, 0.0, (1, 0, 0)),
        ("sigmoid", {}, np.inf, (0, 0, 0)),
        ("tanh", {}, -np.inf, (0, 0, 0)),
        ("exp", {}, -np.inf, (0, 0, 0)),
        ("log_softmax", {}, 3.0, (0, 0, 0)),
    ],
)
def test_orders_at_a_kink(op: str, attrs: dict[str, object], at: float, wanted: tuple[float, ...]) -> None:
    runner = Runner()
    made = orders(runner, op, [runner.variable(np.array([at]))], attrs, 3)
    np.testing.assert_array_equal(np.concatenate(made), wanted)
