"""Initial values of weights."""

from __future__ import annotations

from math import prod

import numpy as np
from remx_contract.errors import ShapeError

from ..registry import kernel


@kernel(op="_init_orthogonal")
def init_orthogonal(xp, shape, scale, rand_type, out_specs, random):
    matrix = (shape[0], prod(shape[1:]))
    if rand_type == "uniform":
        drawn = random.uniform(-1.0, 1.0, matrix, np.float32)
    else:
        drawn = random.normal(0.0, 1.0, matrix, np.float32)
    # On the host for every device: the vectors are then the same everywhere.
    left, _, right = np.linalg.svd(drawn, full_matrices=False)
    chosen = _upright(left) if left.shape == matrix else _upright(right.T).T
    return xp.asarray((np.float32(scale) * chosen).reshape(shape).astype(out_specs[0].dtype))


def _upright(vectors):
    """Vectors, the columns, of which the largest element is positive.

    The decomposition leaves the signs open, and LAPACK's versions choose differently.
    """
    largest = abs(vectors).argmax(axis=0)
    return vectors * np.where(
        vectors[largest, np.arange(vectors.shape[1])] < 0, np.float32(-1), np.float32(1)
    )


@kernel(op="_init_bilinear")
def init_bilinear(xp, shape, out_specs):
    if len(shape) < 4:
        raise ShapeError(argument="shape", got=f"{shape}", expected="at least 4 axes")
    height, width = shape[2:4]
    half = np.ceil(width / 2.0)
    centre = (2 * half - 1 - half % 2) / (2.0 * half)
    columns = 1 - abs(np.arange(width) / half - centre)
    rows = 1 - abs(np.arange(height) / half - centre)
    # MXNet counts through the elements, whatever axes come after the fourth.
    pattern = xp.asarray(np.outer(rows, columns).astype(np.float32).ravel().astype(out_specs[0].dtype))
    times = prod(shape[:2]) * prod(shape[4:])
    return xp.tile(pattern, times).reshape(shape)
