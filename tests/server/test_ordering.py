"""What the generic suites do not reach of sorting: ties in either order, NaN, narrow index dtypes."""

from __future__ import annotations

import numpy as np
import pytest
from remx_contract.errors import ArgumentError
from support.runner import Runner


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "uint8", "int64", "bool"])
@pytest.mark.parametrize("is_ascend", [True, False])
def test_of_equal_elements_the_first_comes_first(dtype: str, is_ascend: bool) -> None:
    data = np.random.RandomState(0).randint(0, 3, (4, 50)).astype(dtype)
    (order,) = Runner().call("argsort", [data], {"is_ascend": is_ascend, "dtype": "int64"})
    keys = data.astype(int) if is_ascend else -data.astype(int)
    np.testing.assert_array_equal(order, [sorted(range(50), key=row.__getitem__) for row in keys])
    (top,) = Runner().call("topk", [data], {"k": 7, "is_ascend": is_ascend, "dtype": "int32"})
    np.testing.assert_array_equal(top, order[:, :7])


def test_nan_counts_as_the_largest() -> None:
    data = np.array([3, 1, np.nan, 2])
    (ascending,) = Runner().call("sort", [data])
    np.testing.assert_array_equal(ascending, [1, 2, 3, np.nan])
    (descending,) = Runner().call("sort", [data], {"is_ascend": False})
    np.testing.assert_array_equal(descending, [np.nan, 3, 2, 1])


def test_positions_wrap_around_in_a_narrow_dtype() -> None:
    (top,) = Runner().call("topk", [np.arange(300.0)], {"k": 2, "dtype": "uint8"})
    np.testing.assert_array_equal(top, np.array([299, 298]) % 256)


def test_a_position_dtype_that_mxnet_lacks_is_refused() -> None:
    with pytest.raises(ArgumentError, match="dtype"):
        Runner().call("topk", [np.arange(3.0)], {"dtype": "int8"})


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(ArgumentError, match="k"):
        Runner().call("topk", [np.arange(3.0)], {"k": 4})


@pytest.mark.parametrize("ret_typ", ["indices", "mask"])
def test_positions_and_masks_have_a_gradient_of_zero(ret_typ: str) -> None:
    runner = Runner()
    data = runner.variable(np.array([3.0, 1, 2]))
    outputs = runner.apply("topk", [data], {"k": 2, "ret_typ": ret_typ})
    (gradient,) = runner.gradients(outputs, [None], [data])
    np.testing.assert_array_equal(runner.host(gradient), np.zeros(3))


def test_second_gradient_through_sorting() -> None:
    runner = Runner()
    data = runner.variable(np.array([3.0, -1, 2]))
    (sorted_,) = runner.apply("sort", [data], {"is_ascend": False})
    (cubes,) = runner.apply("elemwise_mul", [sorted_, *runner.apply("elemwise_mul", [sorted_, sorted_])])
    (first,) = runner.gradients([cubes], [np.array([1.0, 10, 100])], [data], create_graph=True)
    (second,) = runner.gradients([first], [None], [data])
    # Descending order puts 3, 2, -1 under the factors 1, 10, 100.
    np.testing.assert_allclose(runner.host(first), [27, 300, 120])
    np.testing.assert_allclose(runner.host(second), [18, -600, 120])
