"""Gradient rules against central differences in float64, at order 1 and 2, and the rows without rules."""

from __future__ import annotations

import numpy as np
import pytest
from remx_contract.catalogue import OPS
from remx_contract.errors import NotDifferentiableError
from remx_contract.op import Grad
from remx_server.value import Value
from support.derivatives import Derivatives, smooth_samples
from support.own_rows import UNRECORDED
from support.runner import DEVICES, Runner, runner_on
from support.samples import SAMPLES, arrays


def rows(*grads: Grad) -> list[str]:
    """The ops with samples whose row says one of these of its gradient."""
    return [op for op in SAMPLES if OPS[op].grad in grads and OPS[op].inputs]


WITH_RULES = [op for op, row in OPS.items() if row.grad is Grad.RULES and smooth_samples(op)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("op", WITH_RULES)
def test_gradient_is_the_derivative(op: str, order: int, device: str) -> None:
    for name, sample in smooth_samples(op).items():
        by_rules, by_differences = Derivatives(runner_on(device), op, sample, name).derivative(order)
        # The differences are good to about ten digits where the function is of the order of one.
        assert by_rules == pytest.approx(by_differences, rel=1e-6, abs=1e-6), name


@pytest.mark.parametrize("op", WITH_RULES)
def test_derivative_is_not_always_zero(op: str) -> None:
    # Else the comparison above would say nothing.
    runner = runner_on("cpu")
    assert any(
        Derivatives(runner, op, sample, name).derivative(1)[1] for name, sample in smooth_samples(op).items()
    )


def everything(runner: Runner, op: str, index: int) -> tuple[list[Value], list[Value]]:
    """A sample with all inputs as variables, whole numbers too, and its outputs."""
    inputs = [runner.variable(array) for array in arrays(op, index)]
    return inputs, runner.apply(op, inputs, SAMPLES[op][index].attrs)


@pytest.mark.parametrize("op", rows(Grad.RULES, Grad.ZERO))
def test_gradients_reach_every_input_and_positions_get_zeros(op: str) -> None:
    runner = runner_on("cpu")
    for index, sample in enumerate(SAMPLES[op]):
        inputs, outputs = everything(runner, op, index)
        gradients = runner.gradients(outputs, [None] * len(outputs), inputs)
        for given, variable, gradient in zip(sample.inputs, inputs, gradients, strict=True):
            assert gradient.spec is variable.spec, f"sample {index}"
            if OPS[op].grad is Grad.ZERO or not given.variable:
                np.testing.assert_array_equal(runner.host(gradient), 0, err_msg=f"sample {index}")


def without_samples(runner: Runner, op: str) -> tuple[Value, list[Value]]:
    """A variable, and the outputs of an op without samples that takes it."""
    variable = runner.variable(np.ones((2, 3)))
    return variable, runner.apply(op, [variable] * len(OPS[op].inputs))


@pytest.mark.parametrize(
    "op",
    [
        op
        for op, row in OPS.items()
        if row.grad is Grad.ZERO
        and row.inputs
        and op not in SAMPLES
        and not row.mutates
        # These need attributes.
        and op not in ("_within", "_blank", "_roi_places")
    ],
)
def test_zero_rows_without_samples_give_zeros(op: str) -> None:
    runner = Runner()
    variable, outputs = without_samples(runner, op)
    (gradient,) = runner.gradients(outputs, [None], [variable])
    np.testing.assert_array_equal(runner.host(gradient), np.zeros((2, 3)))


@pytest.mark.parametrize(
    "op",
    [
        op
        for op, row in OPS.items()
        if row.grad is Grad.NONE and row.inputs and row.outputs and op not in UNRECORDED
    ],
)
def test_a_gradient_through_none_is_an_error_that_names_the_op(op: str) -> None:
    runner = Runner()
    if op in SAMPLES:
        variables, outputs = everything(runner, op, 0)
    else:
        variable, outputs = without_samples(runner, op)
        variables = [variable]
    for variable in variables:
        with pytest.raises(NotDifferentiableError, match=op):
            runner.gradients(outputs, [None] * len(outputs), [variable])


@pytest.mark.parametrize(
    "op", [op for op, row in OPS.items() if not row.inputs and row.grad is not Grad.RULES and op in SAMPLES]
)
def test_what_has_no_inputs_is_not_recorded(op: str) -> None:
    runner = Runner()
    outputs = runner.apply(op, [], SAMPLES[op][0].attrs)
    with pytest.raises(NotDifferentiableError, match="not in a recorded computation"):
        runner.backward(outputs, [None])
