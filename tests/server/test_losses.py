"""Outputs that carry a loss: what arrives does not count, and their gradients have gradients of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from remx_contract.errors import ShapeError
from support.own_rows import LOSS_OUTPUTS
from support.runner import Runner

Numbers = np.ndarray[Any, Any]
DATA = np.random.RandomState(2).randn(3, 4) * 1.5
LABELS = np.array([2.0, 0.0, 3.0])
TARGETS = np.random.RandomState(3).rand(3, 4)


def label_of(op: str) -> Numbers:
    """A label that an op takes."""
    return TARGETS if op.endswith("RegressionOutput") else LABELS


def gradient(op: str, head: Any, **attrs: object) -> Numbers:
    """The gradient of the data, with one of the output."""
    runner = Runner()
    data = runner.variable(DATA)
    (out,) = runner.apply(op, [data, runner.value(label_of(op))], attrs)
    (made,) = runner.gradients([out], [head], [data])
    return runner.host(made)


@pytest.mark.parametrize("op", sorted(LOSS_OUTPUTS))
def test_the_gradient_that_arrives_does_not_count(op: str) -> None:
    wanted = gradient(op, None)
    assert wanted.any()
    np.testing.assert_array_equal(gradient(op, DATA), wanted)
    np.testing.assert_array_equal(gradient(op, np.zeros_like(DATA)), wanted)


def test_with_out_grad_it_is_a_factor() -> None:
    np.testing.assert_allclose(
        gradient("SoftmaxOutput", DATA, out_grad=True), gradient("SoftmaxOutput", None) * DATA
    )


def differences(op: str, attrs: dict[str, object], along: Numbers, weights: Numbers) -> float:
    """The derivative of the weighted gradient along a direction."""

    def at(step: float) -> float:
        runner = Runner()
        data = runner.variable(DATA + step * along)
        (out,) = runner.apply(op, [data, runner.value(label_of(op))], attrs)
        return float((runner.host(runner.gradients([out], [None], [data])[0]) * weights).sum())

    return (at(1e-5) - at(-1e-5)) / 2e-5


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("SoftmaxOutput", {}),
        ("SoftmaxOutput", {"smooth_alpha": 0.1, "grad_scale": 3.0, "normalization": "batch"}),
        ("SoftmaxOutput", {"use_ignore": True, "ignore_label": 0, "normalization": "valid"}),
        ("LinearRegressionOutput", {"grad_scale": 2.0}),
        ("LogisticRegressionOutput", {"grad_scale": 2.0}),
        ("MAERegressionOutput", {}),
        ("SVMOutput", {"regularization_coefficient": 0.5}),
        ("SVMOutput", {"use_linear": True}),
    ],
)
def test_the_gradient_has_the_loss_s_second_derivative(op: str, attrs: dict[str, object]) -> None:
    random = np.random.RandomState(4)
    along, weights = random.randn(3, 4), random.randn(3, 4)
    runner = Runner()
    data = runner.variable(DATA)
    (out,) = runner.apply(op, [data, runner.value(label_of(op))], attrs)
    (first,) = runner.gradients([out], [None], [data], create_graph=True)
    (second,) = runner.gradients([first], [weights], [data])
    got = float((runner.host(second) * along).sum())
    wanted = differences(op, attrs, along, weights)
    assert got == pytest.approx(wanted, rel=1e-6, abs=1e-8)
    assert (wanted == 0) == (op == "MAERegressionOutput" or "use_linear" in attrs)


def test_a_step_with_softmax_output_is_that_of_the_cross_entropy() -> None:
    runner = Runner()
    data, label = runner.variable(DATA), runner.value(LABELS)
    (out,) = runner.apply("SoftmaxOutput", [data, label])
    (loss,) = runner.apply("softmax_cross_entropy", [data, label])
    (of_output,) = runner.gradients([out], [None], [data])
    (of_loss,) = runner.gradients([loss], [None], [data])
    np.testing.assert_allclose(runner.host(of_output), runner.host(of_loss), rtol=1e-12)
    chosen = runner.host(out)[np.arange(3), LABELS.astype(int)]
    np.testing.assert_allclose(runner.host(loss), [-np.log(chosen).sum()])


def test_a_label_that_is_no_class_adds_nothing_to_a_cross_entropy() -> None:
    for label in -1.0, 4.0:
        labels = np.array([2.0, label, 3.0])
        (got,) = Runner().call("softmax_cross_entropy", [DATA, labels])
        (wanted,) = Runner().call("softmax_cross_entropy", [DATA[::2], labels[::2]])
        np.testing.assert_allclose(got, wanted)


@pytest.mark.parametrize(
    ("op", "shapes", "attrs"),
    [
        ("SoftmaxOutput", [(2, 3), (3,)], {}),
        ("SoftmaxOutput", [(2, 3, 4), (2,)], {"preserve_shape": True}),
        ("SoftmaxOutput", [(2, 3, 4), (2, 3)], {"multi_output": True}),
        ("LinearRegressionOutput", [(2, 3), (3, 2)], {}),
        ("SVMOutput", [(2, 3), (2, 3)], {}),
        ("softmax_cross_entropy", [(2, 3), (2, 1)], {}),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    op: str, shapes: list[tuple[int, ...]], attrs: dict[str, object]
) -> None:
    with pytest.raises(ShapeError, match=f"{op}.*label"):
        Runner().call(op, [np.ones(shape) for shape in shapes], attrs)
