"""Initial values of weights."""

from __future__ import annotations

from math import prod

import numpy as np

from ..registry import kernel


@kernel(op="_init_orthogonal")
def init_orthogonal(xp, shape, scale, rand_type, out_specs, random):
    matrix = (shape[0], prod(shape[1:]))
    if rand_type == "uniform":
        drawn = random.uniform(-1.0, 1.0, matrix, np.float32)
    else:
        drawn = random.normal(0.0, 1.0, matrix, np.float32)
    # On the host for every device: the signs of singular vectors are the library's choice, and MXNet's is
    # LAPACK's.
    left, _, right = np.linalg.svd(drawn, full_matrices=False)
    chosen = left if left.shape == matrix else right
    return xp.asarray((np.float32(scale) * chosen).reshape(shape).astype(out_specs[0].dtype))
