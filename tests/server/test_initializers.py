"""The initializers that are ops of their own, against MXNet 1.9.1's weights for the same seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from remx_contract.errors import ShapeError
from support.runner import DEVICES, Runner
from support.samples_random import ORTHOGONAL, SCRIPT, SEEDS

with np.load(Path(__file__).parents[1] / "golden" / "random_ops.npz") as _file:
    GOLDEN = dict(_file)


def as_vectors(weight: np.ndarray) -> np.ndarray:
    """The singular vectors as rows, of which the largest element is positive.

    The signs of MXNet's own depend on the build of NumPy, since LAPACK 3.10 changed those of its rotations.
    """
    matrix = weight.reshape(weight.shape[0], -1)
    vectors = matrix if matrix.shape[0] < matrix.shape[1] else matrix.T
    largest = abs(vectors).argmax(axis=1)
    return vectors * np.sign(vectors[np.arange(len(vectors)), largest])[:, None]


@pytest.mark.parametrize("seed", SEEDS)
def test_orthogonal_gives_the_weights_of_mxnet(seed: int) -> None:
    runner = Runner()
    runner.random.seed(seed)
    for op, inputs, attrs in SCRIPT:
        runner.call(op, [np.array(values, np.float32) for values in inputs], attrs)
    for index, (shape, rand_type, scale) in enumerate(ORTHOGONAL):
        (weight,) = runner.call(
            "_init_orthogonal", [], {"shape": shape, "scale": scale, "rand_type": rand_type}
        )
        expected = GOLDEN[f"{seed}/orthogonal/{index}"]
        assert weight.shape == expected.shape
        np.testing.assert_allclose(as_vectors(weight), as_vectors(expected), atol=1e-5)
        # The signs are those of as_vectors, whatever LAPACK's are.
        matrix = weight.reshape(weight.shape[0], -1)
        assert (as_vectors(weight) == (matrix if matrix.shape[0] < matrix.shape[1] else matrix.T)).all()


@pytest.mark.parametrize("shape", [(6,), (4, 9), (9, 4), (3, 2, 5)])
def test_orthogonal_rows_or_columns_have_the_length_of_the_scale(shape: tuple[int, ...]) -> None:
    (weight,) = Runner().call("_init_orthogonal", [], {"shape": shape, "scale": 3.0, "dtype": "float64"})
    assert weight.shape == shape
    matrix = weight.reshape(shape[0], -1)
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(gram, 9 * np.eye(len(gram)), atol=1e-5)


@pytest.mark.parametrize("shape", [(2,), (3, 4, 5)])
def test_bilinear_weights_need_four_axes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="4 axes"):
        Runner().call("_init_bilinear", [], {"shape": shape})


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("op", ["_init_bilinear", "_init_orthogonal"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
def test_every_device_has_the_same_weights(device: str, op: str, dtype: str) -> None:
    attrs = {"shape": (2, 3, 4, 5), "dtype": dtype}
    (expected,) = Runner().call(op, [], attrs)
    (weight,) = Runner(device).call(op, [], attrs)
    np.testing.assert_array_equal(weight, expected, strict=True)
