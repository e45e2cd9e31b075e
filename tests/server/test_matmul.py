"""What the generic suites do not reach of the matrix products: other axes, integers, float16, no elements."""

from __future__ import annotations

import numpy as np
import pytest
from remx_contract.errors import ArgumentError, ShapeError
from support.runner import Runner

RANDOM = np.random.RandomState(0)


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("axis", [-2, 0, 1])
def test_gemm2_is_a_matmul_with_its_rows_anywhere(transpose_a: bool, transpose_b: bool, axis: int) -> None:
    left = RANDOM.randn(2, 3, 5, *((4, 6) if transpose_a else (6, 4)))
    right = RANDOM.randn(2, 3, 5, *((7, 4) if transpose_b else (4, 7)))
    expected = np.matmul(
        left.swapaxes(-1, -2) if transpose_a else left, right.swapaxes(-1, -2) if transpose_b else right
    )
    (product,) = Runner().call(
        "_linalg_gemm2",
        [np.moveaxis(left, -2, axis), np.moveaxis(right, -2, axis)],
        {"transpose_a": transpose_a, "transpose_b": transpose_b, "axis": axis, "alpha": 0.5},
    )
    np.testing.assert_allclose(product, 0.5 * np.moveaxis(expected, -2, axis))


@pytest.mark.parametrize("attrs", [{}, {"transpose_a": True}, {"transpose_b": True, "axis": 0, "alpha": 2.0}])
def test_gradients_of_gemm2(attrs: dict[str, object]) -> None:
    shapes = {0: ((2, 3, 4), (2, 4, 5)), 1: ((2, 4, 3), (2, 4, 5)), 3: ((3, 2, 4), (5, 2, 4))}[len(attrs)]
    runner = Runner()
    variables = [runner.variable(RANDOM.randn(*shape)) for shape in shapes]
    directions = [RANDOM.randn(*shape) for shape in shapes]
    outputs = runner.apply("_linalg_gemm2", variables, attrs)
    head = RANDOM.randn(*outputs[0].spec.shape)
    gradients = runner.gradients(outputs, [head], variables)
    # The product is linear in each input, so a difference of any size gives the slope.
    for position, (gradient, direction) in enumerate(zip(gradients, directions, strict=True)):
        moved = [runner.host(variable) for variable in variables]
        moved[position] = moved[position] + direction
        (after,) = runner.call("_linalg_gemm2", moved, attrs)
        slope = ((after - runner.host(outputs[0])) * head).sum()
        np.testing.assert_allclose((runner.host(gradient) * direction).sum(), slope)


def test_gemm2_refuses_the_last_axis() -> None:
    with pytest.raises(ArgumentError, match="axis"):
        Runner().call("_linalg_gemm2", [np.ones((3, 3)), np.ones((3, 3))], {"axis": -1})


def test_khatri_rao() -> None:
    a, b = np.array([[1.0, 2], [3, 4]]), np.array([[5.0, 6], [7, 8], [9, 1]])
    (product,) = Runner().call("khatri_rao", [a, b])
    np.testing.assert_array_equal(product, [[5, 12], [7, 16], [9, 2], [15, 24], [21, 32], [27, 4]])
    (alone,) = Runner().call("khatri_rao", [a])
    np.testing.assert_array_equal(alone, a)


def test_float16_products_accumulate_in_float32() -> None:
    ones = np.ones((1, 5000), np.float16)
    (product,) = Runner().call("dot", [ones, ones], {"transpose_b": True})
    # In float16 the sum would stop at 2048.
    assert product.dtype == np.float16
    assert product[0, 0] == 5000


def test_integers_multiply_and_wrap_around() -> None:
    data = np.full((1, 3), 10, np.uint8)
    (product,) = Runner().call("dot", [data, data], {"transpose_b": True})
    assert (product.dtype, product[0, 0]) == (np.uint8, 300 % 256)


@pytest.mark.parametrize(
    ("shape", "flatten", "expected"),
    [
        ((0, 6), True, (0, 5)),
        ((0, 2, 3), True, (0, 5)),
        ((2, 0), True, (2, 5)),
        ((2, 0, 3), False, (2, 0, 5)),
    ],
)
def test_fully_connected_without_elements(
    shape: tuple[int, ...], flatten: bool, expected: tuple[int, ...]
) -> None:
    features = int(np.prod(shape[1:])) if flatten else shape[-1]
    bias = np.arange(5.0)
    (out,) = Runner().call(
        "FullyConnected",
        [np.ones(shape), np.ones((5, features)), bias],
        {"num_hidden": 5, "flatten": flatten},
    )
    assert out.shape == expected
    np.testing.assert_array_equal(out, np.broadcast_to(bias, expected))


def test_fully_connected_names_the_wrong_input() -> None:
    data, weight, bias = np.ones((2, 3)), np.ones((4, 3)), np.ones(4)
    with pytest.raises(ShapeError, match=r"weight.*\(4, 3\)"):
        Runner().call("FullyConnected", [data, weight.T, bias], {"num_hidden": 4})
    with pytest.raises(ShapeError, match=r"bias.*\(4,\)"):
        Runner().call("FullyConnected", [data, weight, bias[:3]], {"num_hidden": 4})
    with pytest.raises(ArgumentError, match="3 inputs"):
        Runner().call("FullyConnected", [data, weight, bias], {"num_hidden": 4, "no_bias": True})
