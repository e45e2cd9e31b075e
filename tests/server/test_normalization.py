"""Normalizations: when the moving moments move, and what the samples of the catalogue do not show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from remx_contract.errors import ShapeError
from remx_server.value import Value, mark_written
from support.runner import DEVICES, Runner

BATCH_NORMS = {
    "BatchNorm": {},
    "_contrib_BatchNormWithReLU": {},
    "_contrib_SyncBatchNorm": {"key": "test"},
}
DATA = np.random.RandomState(0).randn(4, 3, 5, 2) * 2 + 1
MEAN, VARIANCE = DATA.mean((0, 2, 3)), DATA.var((0, 2, 3))


class Layer:
    """A BatchNorm with its arrays."""

    def __init__(self, runner: Runner, op: str = "BatchNorm", data: Any = DATA, **attrs: object) -> None:
        self.runner, self.op = runner, op
        self.attrs = {**BATCH_NORMS[op], "fix_gamma": False, **attrs}
        self.data = runner.variable(data)
        self.gamma, self.beta = runner.variable(np.full(3, 2.0)), runner.variable(np.ones(3))
        self.moving = [runner.value(np.zeros(3)), runner.value(np.ones(3))]

    def __call__(self, training: bool = True) -> Value:
        inputs = [self.data, self.gamma, self.beta, *self.moving]
        return self.runner.apply(self.op, inputs, self.attrs, training)[0]

    @property
    def moments(self) -> list[np.ndarray[Any, Any]]:
        """The moving mean and variance."""
        return [self.runner.host(value) for value in self.moving]


def moved(times: int, momentum: float = 0.9) -> list[np.ndarray[Any, Any]]:
    """The moving moments after some backward passes: they begin at 0 and 1."""
    kept = momentum**times
    return [MEAN * (1 - kept), kept + VARIANCE * (1 - kept)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("op", BATCH_NORMS)
def test_each_backward_pass_moves_the_moments(op: str, device: str) -> None:
    layer = Layer(runner := Runner(device), op)
    for step in range(1, 6):
        out = layer()
        np.testing.assert_allclose(
            layer.moments, moved(step - 1), rtol=1e-6, err_msg="after the forward pass"
        )
        runner.backward([out], [None])
        # From the third on by a program.
        np.testing.assert_allclose(layer.moments, moved(step), rtol=1e-6)
    assert any(runner.executor.passes._programs.values())


def test_a_retained_graph_moves_them_again() -> None:
    layer = Layer(runner := Runner(), momentum=0.5)
    out = layer()
    for step in 1, 2:
        runner.gradients([out], [None], [layer.data])
        np.testing.assert_allclose(layer.moments, moved(step, 0.5))


def test_a_recorded_pass_moves_them_once() -> None:
    layer = Layer(runner := Runner())
    out = layer()
    (first,) = runner.gradients([out], [DATA], [layer.data], create_graph=True)
    np.testing.assert_allclose(layer.moments, moved(1), rtol=1e-6)
    # The second order goes through the ops that the rule was written in, not through BatchNorm.
    runner.gradients([first], [DATA], [layer.data])
    np.testing.assert_allclose(layer.moments, moved(1), rtol=1e-6)


@pytest.mark.parametrize("op", BATCH_NORMS)
@pytest.mark.parametrize(("training", "attrs"), [(False, {}), (True, {"use_global_stats": True})])
def test_moving_moments_that_are_used_stay(op: str, training: bool, attrs: dict[str, object]) -> None:
    layer = Layer(runner := Runner(), op, **attrs)
    runner.backward([layer(training)], [None])
    np.testing.assert_array_equal(layer.moments, [np.zeros(3), np.ones(3)])


def test_a_layer_may_be_used_twice_in_a_graph() -> None:
    # Each use moves the moments, which the other one has as inputs.
    for _ in range(2):
        layer = Layer(runner := Runner())
        for step in 1, 2, 3:
            (both,) = runner.apply("elemwise_add", [layer(), layer()])
            runner.backward([both], [None])
            np.testing.assert_allclose(layer.moments, moved(2 * step), rtol=1e-6)


@pytest.mark.parametrize("by_program", [False, True])
def test_a_move_is_a_write_that_others_notice(by_program: bool) -> None:
    runner = Runner()
    layer = Layer(runner)
    for _ in range(3 if by_program else 1):
        out = layer()
        (square,) = runner.apply("square", [runner.variable(np.ones(3))])
        (product,) = runner.apply("broadcast_mul", [square, layer.moving[0]])
        runner.backward([out], [None])
        with pytest.raises(Exception, match="written over"):
            runner.backward([product], [None])


def test_moments_that_were_written_since_are_moved_as_they_are() -> None:
    layer = Layer(runner := Runner())
    out = layer()
    layer.moving[0].data[...] = 100.0
    mark_written(layer.moving[0])
    runner.backward([out], [None])
    np.testing.assert_allclose(layer.moments[0], 90 + MEAN / 10, rtol=1e-6)


def test_a_gradient_of_gamma_alone_moves_the_moments_too() -> None:
    layer = Layer(runner := Runner())
    layer.data = runner.value(DATA)
    runner.backward([layer()], [None])
    np.testing.assert_allclose(layer.moments, moved(1), rtol=1e-6)


def reference(data: Any, g: Any) -> tuple[Any, Any, Any]:
    """A BatchNorm of channels on axis 1, with gamma 2 and beta 1, and the gradients of data and gamma."""
    data, g = data.astype(np.float64), g.astype(np.float64)
    axes = tuple(axis for axis in range(data.ndim) if axis != 1)
    kept: dict[str, Any] = {"axis": axes, "keepdims": True}
    scale = 1 / np.sqrt(data.var(**kept) + 0.0010000000474974513)
    hat = (data - data.mean(**kept)) * scale
    gradient = 2 * scale * (g - g.mean(**kept) - hat * (g * hat).mean(**kept))
    return hat * 2 + 1, gradient, (g * hat).sum(axes)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "shape", [(7, 3), (3, 3, 5), (2, 3, 70), (9, 3, 300, 200), (70_000, 3), (1, 3, 70_001)]
)
@pytest.mark.parametrize("far", [0.0, 300.0])
def test_blocks_of_any_form_give_exact_moments(shape: tuple[int, ...], far: float, device: str) -> None:
    random = np.random.RandomState(1)
    data = (random.randn(*shape) + far).astype(np.float32)
    g = random.randn(*shape).astype(np.float32)
    runner = Runner(device)
    inputs = [runner.variable(data), runner.variable(np.full(3, 2, np.float32))]
    others = [runner.value(np.full(3, k, np.float32)) for k in (1, 0, 1)]
    (out,) = runner.apply("BatchNorm", [*inputs, *others], {"fix_gamma": False}, training=True)
    gradients = runner.gradients([out], [g], inputs)
    wanted = reference(data, g)
    # What a mean is off by for being of single precision.
    slack = 1e-5 + far * 1e-6
    np.testing.assert_allclose(runner.host(out), wanted[0], rtol=1e-4, atol=slack)
    np.testing.assert_allclose(runner.host(gradients[0]), wanted[1], rtol=1e-3, atol=slack)
    sums = np.abs(g).sum(axis=tuple(axis for axis in range(len(shape)) if axis != 1)).max()
    np.testing.assert_allclose(runner.host(gradients[1]), wanted[2], atol=(1e-6 + far * 1e-7) * sums)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", [(3, 5), (2000, 70), (3, 100_000)])
def test_layers_of_any_length_are_exact(shape: tuple[int, int], device: str) -> None:
    random = np.random.RandomState(1)
    data, g = (random.randn(*shape).astype(np.float32) for _ in range(2))
    gamma = np.linspace(0.5, 2, shape[1], dtype=np.float32)
    runner = Runner(device)
    inputs = [runner.variable(array) for array in (data, gamma, np.zeros_like(gamma))]
    (out,) = runner.apply("LayerNorm", inputs)
    made = [runner.host(value) for value in (out, *runner.gradients([out], [g], inputs))]
    scale = 1 / np.sqrt(data.var(1, keepdims=True, dtype=np.float64) + 1e-5)
    hat = (data - data.mean(1, keepdims=True, dtype=np.float64)) * scale
    flow = g * gamma.astype(np.float64)
    gradient = scale * (flow - flow.mean(1, keepdims=True) - hat * (flow * hat).mean(1, keepdims=True))
    for got, wanted in zip(made, (hat * gamma, gradient, (g * hat).sum(0), g.sum(0)), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize(
    ("op", "shapes", "attrs"),
    [
        ("BatchNorm", [(2, 3), (3,), (3,), (2,), (3,)], {}),
        ("BatchNorm", [(2, 3), (3,), (3,), (3,), (3,)], {"axis": 0}),
        ("LayerNorm", [(2, 3), (2,), (2,)], {}),
        ("InstanceNorm", [(2, 3), (3,), (3,)], {}),
        ("GroupNorm", [(2, 4, 3), (4,), (4,)], {"num_groups": 2}),
    ],
)
def test_parameters_that_do_not_fit_are_refused(
    op: str, shapes: list[tuple[int, ...]], attrs: dict[str, object]
) -> None:
    with pytest.raises(ShapeError, match=op):
        Runner().call(op, [np.ones(shape) for shape in shapes], attrs)
