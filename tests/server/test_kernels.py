"""Every kernel against MXNet 1.9.1: outputs and gradients of the samples, what the rules say."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from remx_contract.catalogue import OPS
from remx_contract.errors import DTypeError, MXNetError, OutOfRangeError, ValueRangeError
from remx_contract.infer import infer
from remx_contract.op import Grad
from remx_contract.spec import TensorSpec
from remx_server.value import Value
from support.runner import DEVICES, Runner, runner_on
from support.samples import SAMPLES, arrays, head_gradient, variables
from support.samples_golden import golden
from support.tolerances import assert_close
from support.vectors import vectors

# Samples whose outputs are not MXNet's, as its own are wrong.
OTHER_OUTPUTS = {
    ("_arange", 6): "MXNet rounds start and step of a float16 range to whole numbers",
    ("_unravel_index", 3): "MXNet leaves out all axes of the positions but the first",
}


# Inputs that MXNet writes over as if they were its own.
WRITTEN = {("_adamw_update", 1)}


def other_gradient(op: str, index: int) -> bool:
    """Whether the gradient of a sample is meant to differ from MXNet's."""
    sample = SAMPLES[op][index]
    axes = len(sample.inputs[0].shape) if sample.inputs else 0
    return (
        # MXNet takes selu's output for its input, which gives no derivative.
        sample.attrs.get("act_type") == "selu"
        # MXNet sums along another axis than the softmax did.
        or (op == "SoftmaxActivation" and not sample.attrs and axes > 2)
        # MXNet multiplies by the result instead of by the gradient that arrives.
        or "out_grad" in sample.attrs
        # MXNet's gradients of mirrored images are not mirrored.
        or op in ("_image_flip_left_right", "_image_flip_top_bottom")
        # Of x**0, and of a product with a zero, MXNet's gradients are NaN: test_gradient_points.py has ours.
        or (op, index) in (("_power_scalar", 13), ("prod", 19))
        # MXNet copies the gradient of a box to a box of another format.
        or (op == "_contrib_box_nms" and _changes_format(sample.attrs))
    )


def _changes_format(attrs: Mapping[str, object]) -> bool:
    return attrs.get("in_format", "corner") != attrs.get("out_format", "corner")


def record(runner: Runner, op: str, index: int) -> tuple[list[Value], list[Value]]:
    """The inputs of a sample, those with golden gradients as variables, and its outputs."""
    wanted = variables(op, index) if SAMPLES[op][index].grad else []
    inputs = [
        runner.variable(array) if position in wanted else runner.value(array)
        for position, array in enumerate(arrays(op, index))
    ]
    return inputs, runner.apply(op, inputs, SAMPLES[op][index].attrs, SAMPLES[op][index].training)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("op", SAMPLES)
def test_outputs_are_those_of_mxnet(op: str, device: str) -> None:
    runner = runner_on(device)
    for index, sample in enumerate(SAMPLES[op]):
        inputs, outputs = record(runner, op, index)
        expected = golden(op, index).outputs
        assert len(outputs) == len(expected)
        dtypes = [given.dtype for given in sample.inputs]
        for position, (output, wanted) in enumerate(zip(outputs, expected, strict=True)):
            what = f"sample {index} {dict(sample.attrs)}, output {position}"
            if (op, index) in OTHER_OUTPUTS:
                with pytest.raises(AssertionError):
                    assert_close(op, runner.host(output), wanted, *dtypes)
            else:
                assert_close(op, runner.host(output), wanted, *dtypes, what=what)
        for position, wanted in golden(op, index).states.items():
            if position not in OPS[op].mutated(len(inputs)):
                assert (op, position) in WRITTEN
                continue
            what = f"sample {index} {dict(sample.attrs)}, input {position}"
            assert_close(op, runner.host(inputs[position]), wanted, *dtypes, what=what)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("op", [op for op in SAMPLES if any(sample.grad for sample in SAMPLES[op])])
def test_gradients_are_those_of_mxnet(op: str, device: str) -> None:
    runner = runner_on(device)
    for index, sample in enumerate(SAMPLES[op]):
        if not sample.grad:
            continue
        inputs, outputs = record(runner, op, index)
        heads = [
            head_gradient(op, index, position, output.spec.shape, output.spec.dtype.name)
            for position, output in enumerate(outputs)
        ]
        expected = golden(op, index).gradients
        assert sorted(expected) == variables(op, index)
        gradients = runner.gradients(outputs, heads, [inputs[position] for position in expected])
        dtypes = [given.dtype for given in sample.inputs]
        for position, gradient in zip(expected, gradients, strict=True):
            what = f"sample {index} {dict(sample.attrs)}, gradient of input {position}"
            if other_gradient(op, index):
                with pytest.raises(AssertionError):
                    assert_close(op, runner.host(gradient), expected[position], *dtypes)
            else:
                assert_close(op, runner.host(gradient), expected[position], *dtypes, what=what)
        for position, value in enumerate(inputs):
            wanted = golden(op, index).after.get(position, arrays(op, index)[position])
            what = f"sample {index} {dict(sample.attrs)}, input {position} after the backward pass"
            assert_close(op, runner.host(value), wanted, *dtypes, what=what)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("op", SAMPLES)
def test_outputs_are_new_memory_of_the_inferred_specs(op: str, device: str) -> None:
    runner, row = runner_on(device), OPS[op]
    shares = runner.backend.xp.may_share_memory
    for index, sample in enumerate(SAMPLES[op]):
        given = arrays(op, index)
        inputs, outputs = record(runner, op, index)
        specs = infer(row, [value.spec for value in inputs], row.parse(sample.attrs))
        assert [value.spec for value in outputs] == list(specs[: len(outputs)])
        for value in outputs:
            assert (value.data.shape, value.data.dtype) == (value.spec.shape, value.spec.dtype)
            # Views count on it.
            assert value.data.flags.c_contiguous, f"sample {index}"
            if not row.view:
                assert not any(shares(value.data, one.data) for one in inputs), f"sample {index}"
        assert not any(shares(one.data, other.data) for one, other in combinations(outputs, 2))
        for position, (value, array) in enumerate(zip(inputs, given, strict=True)):
            if position not in row.mutated(len(inputs)):
                np.testing.assert_array_equal(runner.host(value), array, err_msg=f"sample {index}")


# Inputs of the shape vectors that are no float32 numbers.
WHOLE = {("batch_take", 1): "int32"}


# Ops whose shape vectors MXNet's inference takes and its kernels, as the rules, refuse.
REFUSED_ALL = {"GroupNorm"}


def call(op: str, shapes: list[list[int]], dtypes: list[str], attrs: Mapping[str, str]) -> bool:
    """Whether an op takes ones of these shapes and dtypes; if so, its kernel must give what rules say.

    Ones are positions, lengths, divisors and probabilities too. Where one is out of range the call is fine
    but for its values, and where MXNet has no kernel for a dtype there is none here either.
    """
    row, runner = OPS[op], runner_on("cpu")
    given = [np.ones(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    try:
        infer(row, [TensorSpec.of(array.shape, array.dtype) for array in given], row.parse(attrs))
    except MXNetError:
        return False
    with suppress(DTypeError, OutOfRangeError, ValueRangeError):
        runner.call(op, given, attrs)
    return True


# MXNet's inference takes one call of col2im's vectors, which its kernel refuses: here it is refused at once.
@pytest.mark.parametrize("op", [op for op in vectors("shape") if op != "col2im"])
def test_kernel_gives_the_shapes_that_its_rule_says(op: str) -> None:
    taken = 0
    for case in vectors("shape")[op]:
        dtypes = [WHOLE.get((op, position), "float32") for position in range(len(case.inputs))]
        taken += call(op, case.inputs, dtypes, case.attrs)
    assert taken or op in REFUSED_ALL or not any(case.outputs for case in vectors("shape")[op])


@pytest.mark.parametrize("op", vectors("dtype"))
def test_kernel_gives_the_dtypes_that_its_rule_says(op: str) -> None:
    # The dtype vectors have no shapes: these are the first that fit calls of the same form.
    shapes: dict[Any, list[list[int]]] = {}
    for case in vectors("shape")[op]:
        if case.outputs:
            shapes.setdefault((*sorted(case.attrs), len(case.inputs)), case.inputs)
    for case in vectors("dtype")[op]:
        form = (*sorted(case.attrs), len(case.inputs))
        if case.outputs and form in shapes:
            call(op, shapes[form], case.inputs, case.attrs)


def with_no_elements(shapes: list[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
    """Shapes without axes, and those where an axis of one or all of the inputs has no length."""
    made: list[list[tuple[int, ...]]] = [[()] * len(shapes), [(0,)] * len(shapes)]
    for axis in range(max(len(shape) for shape in shapes)):
        emptied = [(*shape[:axis], *[0] * (axis < len(shape)), *shape[axis + 1 :]) for shape in shapes]
        made.append(emptied)
        made += [
            [*shapes[:position], emptied[position], *shapes[position + 1 :]]
            for position in range(len(shapes))
        ]
    return made


@pytest.mark.parametrize("op", [op for op, row in OPS.items() if row.inputs and op in SAMPLES])
def test_arrays_without_elements_or_axes_are_computed_or_refused(op: str) -> None:
    runner, row = runner_on("cpu"), OPS[op]
    for sample in SAMPLES[op]:
        for shapes in with_no_elements([given.shape for given in sample.inputs]):
            given = [np.zeros(shape, one.dtype) for shape, one in zip(shapes, sample.inputs, strict=True)]
            # What is only written in place must not be recorded.
            inputs = [(runner.variable if row.outputs else runner.value)(array) for array in given]
            try:
                infer(row, [value.spec for value in inputs], row.parse(sample.attrs))
            except MXNetError:
                continue
            with suppress(DTypeError, OutOfRangeError, ValueRangeError):
                outputs = runner.apply(op, inputs, sample.attrs)
                if row.grad is Grad.NONE:
                    continue
                gradients = runner.gradients(outputs, [None] * len(outputs), inputs)
                assert [value.spec for value in gradients] == [value.spec for value in inputs]


@pytest.mark.parametrize("device", DEVICES)
def test_a_write_by_position_changes_its_target_alone(device: str) -> None:
    runner = runner_on(device)
    target, value = runner.value(np.zeros((2, 3), np.float32)), runner.value(np.arange(3, dtype=np.float32))
    assert runner.apply("_index_put", [target, value], {"key": (("int", 1),)}) == []
    np.testing.assert_array_equal(runner.host(target), [[0, 0, 0], [0, 1, 2]])
    np.testing.assert_array_equal(runner.host(value), [0, 1, 2])


@pytest.mark.parametrize("device", DEVICES)
def test_a_view_shares_the_memory_of_its_input(device: str) -> None:
    runner = runner_on(device)
    whole = runner.value(np.zeros((2, 3), np.float32))
    (part,) = runner.apply("_view", [whole], {"shape": (2,), "offset": 1})
    part.data[...] = 7
    np.testing.assert_array_equal(runner.host(whole), [[0, 7, 7], [0, 0, 0]])
    (same,) = runner.apply("_detach", [part])
    assert part.memory is same.memory is whole
