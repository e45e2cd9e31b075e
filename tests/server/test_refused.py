"""Calls that MXNet refuses are refused: at the call where it does so, no later than at the result
elsewhere."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
from remx_contract import errors
from remx_contract.catalogue import find
from remx_contract.errors import MXNetError, NotDifferentiableError
from remx_contract.infer import infer
from remx_contract.spec import TensorSpec
from support.runner import DEVICES, runner_on
from support.samples import REFUSED, REFUSED_LATE, Refusal


def title(case: Refusal) -> str:
    """What a case is called in a report."""
    return f"{case.op}-{[given.shape for given in case.inputs]}-{dict(case.attrs)}"


def made(case: Refusal) -> list[np.ndarray]:
    """The inputs of a case."""
    return [given.make(np.random.RandomState(0)) for given in case.inputs]


def error_class(case: Refusal) -> type[Exception]:
    """The class that code written for MXNet catches."""
    found: type[Exception] = getattr(errors, case.error, None) or getattr(builtins, case.error)
    return found


@pytest.mark.parametrize("case", REFUSED, ids=title)
def test_refused_at_the_call(case: Refusal) -> None:
    op = find(case.op)
    specs = [TensorSpec.of(array.shape, array.dtype) for array in made(case)]
    with pytest.raises(error_class(case), match=rf"^{case.op}: ") as caught:
        infer(op, specs, op.parse(case.attrs))
    assert isinstance(caught.value, errors.ArgumentError | errors.ShapeError | errors.DTypeError)


# Element types that MXNet has no kernel for and that are computed here.
COMPUTED = {
    ("sort", "bool"),
    ("sort", "float16"),
    ("dot", "int32"),
    ("batch_dot", "int32"),
    ("FullyConnected", "int32"),
}


def computed(case: Refusal) -> bool:
    """Whether a case is refused by MXNet alone."""
    return bool(case.inputs) and (case.op, case.inputs[0].dtype) in COMPUTED


@pytest.mark.parametrize("case", [case for case in REFUSED_LATE if computed(case)], ids=title)
def test_what_is_computed_here_is_what_numpy_gives(case: Refusal) -> None:
    inputs = made(case)
    (got,) = runner_on("cpu").call(case.op, inputs, case.attrs)
    if case.op == "sort":
        expected = np.sort(inputs[0])
    else:
        expected = inputs[0] @ (inputs[1].T if case.op == "FullyConnected" else inputs[1])
    assert got.dtype == inputs[0].dtype
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", [case for case in REFUSED_LATE if not computed(case)], ids=title)
def test_refused_when_the_result_is_read(case: Refusal, device: str) -> None:
    with pytest.raises(error_class(case), match=case.op) as caught:
        runner_on(device).call(case.op, made(case), case.attrs)
    assert isinstance(caught.value, MXNetError)
    # Not as a bug of the kernel.
    assert not isinstance(caught.value, errors.KernelError | errors.InternalError | NotDifferentiableError)
