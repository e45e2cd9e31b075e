"""Updates of optimizers as programs call them: in place, with rates that change, and under ``record``."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from remx import autograd
from remx.errors import ArgumentError, InPlaceRecordedError, MXNetError, ShapeError
from support.samples import SAMPLES, arrays
from support.samples_golden import golden
from support.tolerances import assert_close

SEVERAL = {"num_weights", "num_tensors"}
UPDATES = [op for op in SAMPLES if op.endswith(("_update", "_phase2"))]


@pytest.mark.parametrize("op", UPDATES)
def test_a_weight_is_written_in_place(mx: ModuleType, op: str) -> None:
    for index, sample in enumerate(SAMPLES[op]):
        given = arrays(op, index)
        inputs = [mx.nd.array(array, dtype=array.dtype) for array in given]
        expected = golden(op, index)
        each = (len(inputs) - 2 * ("preloaded" in op) - ("adamw" in op)) // len(expected.outputs)
        weights = [inputs[each * k] for k in range(len(expected.outputs))]
        if not SEVERAL & set(sample.attrs):
            weights = inputs[:1]
        function = getattr(mx.nd.op, op, None) or getattr(mx.nd._internal, op, None)
        if function is None:
            function = getattr(mx.nd.contrib, op.removeprefix("_contrib_"))
        made = function(*inputs, **sample.attrs, out=weights if len(weights) > 1 else weights[0])
        assert made is weights[0] or made is weights or list(made) == weights
        dtypes = [array.dtype.name for array in given]
        for weight, wanted in zip(weights, expected.outputs, strict=True):
            assert_close(op, weight.asnumpy(), wanted, *dtypes, what=f"sample {index}")


def test_rates_that_change_make_no_new_specs(mx: ModuleType) -> None:
    weight, grad, mean, var = (mx.nd.ones((3,)) for _ in range(4))
    mx.nd.adam_update(weight, grad, mean, var, out=weight, lr=0.1)
    known = len(weight._session.spec_refs)
    for step in range(5):
        mx.nd.adam_update(weight, grad, mean, var, out=weight, lr=0.1 / (step + 1), wd=step, rescale_grad=0.5)
    assert len(weight._session.spec_refs) == known


def test_a_result_may_overlap_the_weight(mx: ModuleType) -> None:
    whole = mx.nd.arange(6)
    mx.nd.sgd_update(whole[:5], mx.nd.ones((5,)), lr=1.0, out=whole[1:])
    np.testing.assert_array_equal(whole.asnumpy(), [0, -1, 0, 1, 2, 3])


def test_without_out_the_weight_stays_and_the_states_move(mx: ModuleType) -> None:
    weight, grad, mom = mx.nd.ones((3,)), mx.nd.ones((3,)), mx.nd.zeros((3,))
    made = mx.nd.sgd_mom_update(weight, grad, mom, lr=0.5, momentum=0.9)
    np.testing.assert_array_equal(made.asnumpy(), [0.5] * 3)
    np.testing.assert_array_equal(weight.asnumpy(), [1] * 3)
    np.testing.assert_array_equal(mom.asnumpy(), [-0.5] * 3)


def test_a_variable_is_not_written_while_recording(mx: ModuleType) -> None:
    weight, grad, mom = (mx.nd.ones((3,)) for _ in range(3))
    weight.attach_grad()
    mom.attach_grad()
    with autograd.record():
        with pytest.raises(InPlaceRecordedError, match="sgd_update"):
            mx.nd.sgd_update(weight, grad, lr=0.1, out=weight)
        with pytest.raises(InPlaceRecordedError, match="sgd_mom_update"):
            mx.nd.sgd_mom_update(weight, grad, mom, lr=0.1)
        made = mx.nd.sgd_update(weight, grad, lr=0.1)
    made.backward()
    with pytest.raises(MXNetError, match="sgd_update"):
        weight.grad.asnumpy()


def test_wrong_calls_raise_at_once(mx: ModuleType) -> None:
    weight, other = mx.nd.ones((3,)), mx.nd.ones((4,))
    with pytest.raises(ShapeError, match="sgd_update"):
        mx.nd.sgd_update(weight, other, lr=0.1)
    with pytest.raises(ArgumentError, match=r"sgd_update.*lr"):
        mx.nd.sgd_update(weight, weight)
    with pytest.raises(ArgumentError, match=r"multi_sgd_update.*num_weights"):
        mx.nd.multi_sgd_update(weight, weight, weight, lrs=(0.1,), wds=(0.0,), num_weights=1)
    with pytest.raises(ArgumentError, match=r"multi_sgd_update.*lrs"):
        mx.nd.multi_sgd_update(weight, weight, lrs=(0.1, 0.2), wds=(0.0,), num_weights=1)


def test_finiteness_adds_up_without_init_output(mx: ModuleType) -> None:
    good, bad, flag = mx.nd.ones((2,)), mx.nd.array([1, np.inf]), mx.nd.ones((1,))
    mx.nd.multi_all_finite(good, bad, num_arrays=2, out=flag)
    mx.nd.all_finite(good, init_output=False, out=flag)
    assert flag.asscalar() == 0
    mx.nd.all_finite(good, out=flag)
    mx.nd.all_finite(good, init_output=False, out=flag)
    assert flag.asscalar() == 1


def test_arrays_are_reset(mx: ModuleType) -> None:
    some, others = mx.nd.ones((2, 3)), mx.nd.ones((4,), dtype="float16")
    assert mx.nd.reset_arrays(some, others, num_arrays=2) is None
    assert not some.asnumpy().any()
    assert not others.asnumpy().any()


@pytest.mark.parametrize("factor", [0.0, float("inf"), float("nan")])
def test_a_gradient_that_overflowed_changes_nothing(mx: ModuleType, factor: float) -> None:
    weight, grad, mean, var = (mx.nd.ones((3,)) for _ in range(4))
    made = mx.nd.contrib.adamw_update(weight, grad, mean, var, factor, lr=0.1, eta=1.0)
    for array in (made, weight, mean, var):
        np.testing.assert_array_equal(array.asnumpy(), [1, 1, 1])


def test_contrib_puts_the_arrays_of_a_weight_together(mx: ModuleType) -> None:
    nd = mx.nd
    weights, grads, means, variances = ([nd.ones((k + 2,)) for k in range(2)] for _ in range(4))
    singles = [weight.copy() for weight in weights]
    for single, rate in zip(singles, (0.1, 0.2), strict=True):
        ones = [nd.ones(single.shape) for _ in range(3)]
        nd.contrib.adamw_update(single, *ones, 1.0, lr=rate, eta=1.0, out=single)
    rates = {"lrs": (0.1, 0.2), "wds": (0.0, 0.0)}
    nd.contrib.multi_adamw_update(
        weights, grads, means, variances, 1.0, etas=(1.0, 1.0), out=weights, **rates
    )
    for single, weight in zip(singles, weights, strict=True):
        np.testing.assert_array_equal(single.asnumpy(), weight.asnumpy())
    nd.contrib.multi_lamb_update(weights, grads, means, variances, (1, 1), out=weights, **rates)
    assert all((weight != single).asnumpy().all() for weight, single in zip(weights, singles, strict=True))
