"""What the generic suites do not reach of the ops of one or two arrays: odd dtypes, edges, memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from remx_contract.catalogue import FAMILY_OF, find
from remx_contract.errors import MXNetError
from remx_server.executor import OpSpec
from support.runner import Runner

INF, NAN = np.inf, np.nan
FAMILIES = ("elementwise", "binary", "scalar")
ATTRS: dict[str, dict[str, object]] = {
    "clip": {"a_min": 0, "a_max": 1},
    "_within": {"a_min": 0, "a_max": 1},
    "Cast": {"dtype": "int32"},
}


def array(values: list[float], dtype: str = "float32") -> np.ndarray:
    return np.array(values).astype(dtype)


@pytest.mark.parametrize(
    ("op", "inputs", "attrs", "expected"),
    [
        # Each line is what MXNet 1.9.1 answers.
        ("exp", [array([1, 2, 20, 30], "int64")], {}, [2, 7, 485165195, 10686474581524]),
        ("exp", [array([30], "int32")], {}, [-(2**31)]),
        ("sqrt", [array([-1, 0, 8], "int32")], {}, [-(2**31), 0, 2]),
        ("square", [array([20], "int8")], {}, [-112]),
        ("sign", [array([NAN, 0, -1, INF])], {}, [0, 0, -1, 1]),
        ("relu", [array([NAN, -1, INF, -INF])], {}, [NAN, 0, INF, 0]),
        ("logical_not", [array([NAN, 0])], {}, [0, 1]),
        ("clip", [array([-5, 0, 1.5, 3, 9])], {"a_min": 2, "a_max": 1}, [2, 2, 1, 1, 1]),
        ("clip", [array([NAN, INF])], {"a_min": 1, "a_max": 2}, [NAN, 2]),
        ("smooth_l1", [array([0.3, 2, -2, NAN])], {}, [0.045, 1.5, 1.5, NAN]),
        ("Cast", [array([300, -1, NAN, INF])], {"dtype": "uint8"}, [44, 255, 0, 0]),
        ("Cast", [array([1e10, -1e10, NAN])], {"dtype": "int32"}, [-(2**31)] * 3),
        ("broadcast_power", [array([3], "int64"), array([20], "int64")], {}, [3486784512]),
        ("broadcast_power", [array([2, 3], "int32"), array([-1, 2], "int32")], {}, [0, 9]),
        ("broadcast_maximum", [array([NAN, 1]), array([1, NAN])], {}, [NAN, NAN]),
        ("broadcast_mod", [array([INF, 3]), array([2, INF])], {}, [NAN, 3]),
        ("_hypot", [array([3, 5], "int32"), array([4, 5], "int32")], {}, [5, 7]),
        ("_plus_scalar", [array([5, -5], "int32")], {"scalar": 2.9}, [7, -3]),
        ("_plus_scalar", [array([1, 0], "bool")], {"scalar": 1}, [2, 1]),
        ("_mul_scalar", [array([1, 0, 2], "uint8")], {"scalar": 300}, [44, 0, 88]),
        ("_mul_scalar", [array([1, 0], "bool")], {"scalar": 300}, [300, 0]),
        ("_div_scalar", [array([7, -7], "int32")], {"scalar": 2.9}, [3, -3]),
        ("_rminus_scalar", [array([1, 0, 2], "uint8")], {"scalar": 5}, [4, 5, 3]),
        ("_rdiv_scalar", [array([2, 0])], {"scalar": 5}, [2.5, INF]),
        ("_power_scalar", [array([2, 3], "uint8")], {"scalar": 9}, [0, 227]),
        ("_rpower_scalar", [array([3, -1], "int8")], {"scalar": 2}, [8, 0]),
        ("_mod_scalar", [array([7, -7], "int8")], {"scalar": -3}, [-2, -1]),
        ("_rmod_scalar", [array([3, 0], "int8")], {"scalar": -7}, [2, 0]),
        ("_equal_scalar", [array([1, 2], "int64")], {"scalar": 1.5}, [1, 0]),
        ("_greater_scalar", [array([1, 0], "bool")], {"scalar": 0.5}, [1, 0]),
        # MXNet ends the process here.
        ("broadcast_div", [array([7, 0], "int32"), array([0, 0], "int32")], {}, [0, 0]),
        ("_div_scalar", [array([7, 0], "int8")], {"scalar": 0.5}, [0, 0]),
        ("_rdiv_scalar", [array([7, 0], "int64")], {"scalar": 14}, [2, 0]),
    ],
)
def test_answers_of_mxnet(
    op: str, inputs: list[np.ndarray], attrs: dict[str, object], expected: list[float]
) -> None:
    result = Runner().call(op, inputs, attrs)[0]
    widened = inputs[0].dtype == bool and op.endswith("_scalar")
    assert result.dtype == np.dtype(attrs.get("dtype", np.int64 if widened else inputs[0].dtype))
    np.testing.assert_allclose(result, np.array(expected), rtol=1e-6)


@pytest.mark.parametrize("op", ["negative", "exp", "relu", "round", "broadcast_add", "_greater", "add_n"])
def test_bool_has_no_arithmetic(op: str) -> None:
    data = array([1, 0], "bool")
    with pytest.raises(MXNetError, match=op):
        Runner().call(op, [data] * (1 if len(find(op).inputs) == 1 else 2))


@pytest.mark.parametrize("shape", [(), (0,), (2, 0)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "int64"])
def test_no_axes_and_no_elements(shape: tuple[int, ...], dtype: str) -> None:
    for name, family in FAMILY_OF.items():
        if family not in FAMILIES:
            continue
        attrs: dict[str, Any] = {"shape": shape} if name in ("_sum_to", "_spread_to") else ATTRS.get(name, {})
        inputs = [np.ones(shape, dtype)] * (2 if len(find(name).inputs) == 2 else 1)
        result = Runner().call(name, inputs, attrs)[0]
        assert result.shape == shape, name


def test_results_are_contiguous() -> None:
    random = np.random.RandomState(0)
    runner = Runner()
    for _ in range(200):
        full = random.randint(1, 5, random.randint(1, 6))
        shapes = [tuple(int(n) for n in np.where(random.rand(len(full)) < 0.5, 1, full)) for _ in range(2)]
        sides = [runner.value(random.rand(*shape)) for shape in shapes]
        for op in ("broadcast_add", "broadcast_mod", "broadcast_greater"):
            assert runner.apply(op, sides)[0].data.flags.c_contiguous, (op, shapes)
        whole = runner.value(random.rand(*np.broadcast_shapes(*shapes)))
        for shape in shapes:
            summed = runner.apply("_sum_to", [whole], {"shape": shape})[0]
            assert summed.data.flags.c_contiguous, shape
            np.testing.assert_allclose(summed.data.sum(), whole.data.sum())


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_scalar_forms_write_into_their_target(dtype: str) -> None:
    runner = Runner()
    op = find("_rdiv_scalar")
    spec = OpSpec(op, op.parse({"scalar": 12}), 1, None)
    data = runner.value(array([1, 3, 5], dtype))
    target = runner.value(np.zeros(3, "int64" if dtype == "bool" else dtype))
    memory = target.data
    runner.executor.run_into(spec, [data], {"scalar": 12.0}, 0, 0, [target])
    assert target.data is memory
    wanted = [12, 12, 12] if dtype == "bool" else [12, 4, 2.4 if dtype == "float32" else 2]
    np.testing.assert_allclose(memory, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("op", "attrs", "data", "head", "expected"),
    [
        ("make_loss", {}, [1, 2, 3], [2, 3, 4], [1, 1, 1]),
        ("MakeLoss", {"grad_scale": 2}, [1, 2, 3], [2, 3, 4], [2, 2, 2]),
        ("MakeLoss", {"grad_scale": 2, "normalization": "batch"}, [1, 2, 4, 8], [1, 1, 1, 1], [2] * 4),
        ("MakeLoss", {"normalization": "valid", "valid_thresh": 1.5}, [1, 2, 3], [1, 1, 1], [0.5] * 3),
        ("clip", {"a_min": -1, "a_max": 1}, [-2, -1, 0, 1, 2], [1] * 5, [0, 1, 1, 1, 0]),
        ("relu", {}, [-1, 0, 1, NAN], [1] * 4, [0, 0, 1, 0]),
        ("abs", {}, [-1, 0, 1], [1] * 3, [-1, 0, 1]),
        ("hard_sigmoid", {}, [-2.5, 2.5, 0], [1] * 3, [0, 0, 0.2]),
        ("_power_scalar", {"scalar": 0}, [0, 1], [1, 1], [0, 0]),
        ("_maximum_scalar", {"scalar": 2}, [1, 2, 3], [1] * 3, [0, 1, 1]),
        ("_minimum_scalar", {"scalar": 2}, [1, 2, 3], [1] * 3, [1, 1, 0]),
        ("_rmod_scalar", {"scalar": 7}, [3, -3], [1, 1], [-2, 3]),
        ("_rpower_scalar", {"scalar": -2}, [2], [1], [NAN]),
        ("Cast", {"dtype": "int32"}, [1.7, -1.7], [3, 4], [3, 4]),
    ],
)
def test_gradients_at_edges(
    op: str, attrs: dict[str, object], data: list[float], head: list[float], expected: list[float]
) -> None:
    runner = Runner()
    variable = runner.variable(array(data))
    [out] = runner.apply(op, [variable], attrs)
    [gradient] = runner.gradients([out], [np.array(head, out.spec.dtype)], [variable])
    np.testing.assert_allclose(runner.host(gradient), expected, rtol=1e-6)


def test_ties_give_the_gradient_to_the_left() -> None:
    for op in ("broadcast_maximum", "broadcast_minimum"):
        runner = Runner()
        sides = [runner.variable(array([1, NAN])), runner.variable(array([1, 1]))]
        [out] = runner.apply(op, sides)
        left, right = runner.gradients([out], [None], sides)
        assert runner.host(left).tolist() == [1, 0]
        assert runner.host(right).tolist() == [0, 0]


def test_questions() -> None:
    data = array([NAN, INF, -INF, 0])
    answers = {
        op: Runner().call(f"_contrib_{op}", [data])[0].tolist() for op in ("isnan", "isinf", "isfinite")
    }
    assert answers == {"isnan": [1, 0, 0, 0], "isinf": [0, 1, 1, 0], "isfinite": [0, 0, 0, 1]}
