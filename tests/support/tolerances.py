"""How far from MXNet's numbers an answer may be, by dtype, in one place.

The bounds were measured: MXNet's own float16 and float32 answers to the samples lie within a quarter of them
around its float64 answers (softmax in float16: 0.6 of them), but for the overrides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Tolerance(NamedTuple):
    """Bounds on ``|got - expected| <= atol + rtol * |expected|``."""

    rtol: float
    atol: float


EXACT = Tolerance(0.0, 0.0)
TOLERANCES = {
    "float16": Tolerance(1e-2, 2e-3),
    "float32": Tolerance(1e-5, 2e-6),
    "float64": Tolerance(1e-10, 1e-12),
}
# Coarsest first.
FLOATS = tuple(TOLERANCES)

_SINGLE = TOLERANCES["float32"]
_CONSTANTS = Tolerance(3e-7, 1e-7)
OVERRIDES = {
    # MXNet's float64 kernels compute in float32.
    ("LeakyReLU", "float64"): _SINGLE,
    # Attributes, constants or the digamma function in the float64 kernels have float32's precision.
    ("degrees", "float64"): _CONSTANTS,
    ("erf", "float64"): _CONSTANTS,
    ("erfinv", "float64"): _CONSTANTS,
    ("gamma", "float64"): _CONSTANTS,
    ("gammaln", "float64"): _CONSTANTS,
    ("L2Normalization", "float64"): _CONSTANTS,
    ("_multi_lamb_update", "float64"): _CONSTANTS,
    ("hard_sigmoid", "float64"): _CONSTANTS,
    ("radians", "float64"): _CONSTANTS,
    ("LinearRegressionOutput", "float64"): _CONSTANTS,
    ("LogisticRegressionOutput", "float64"): _CONSTANTS,
    ("MAERegressionOutput", "float64"): _CONSTANTS,
    ("_random_pdf_normal", "float64"): _CONSTANTS,
    # MXNet's float16 kernel computes in float16.
    ("GroupNorm", "float16"): Tolerance(1e-2, 4e-3),
    # Here the sums of colours and their means are rounded otherwise, which shows beside differences of them.
    ("_image_random_contrast", "float32"): Tolerance(1e-5, 1e-4),
    ("_image_random_hue", "float32"): Tolerance(1e-5, 1e-4),
    # MXNet's float64 kernel computes in float32.
    ("_image_adjust_lighting", "float64"): Tolerance(1e-6, 1e-6),
    # Sums of a hundred products.
    ("Deconvolution", "float32"): Tolerance(1e-5, 1e-5),
    # MXNet's vectorized exponential: a probability that is exactly 1 comes out as 1 - 3e-6.
    ("log_softmax", "float32"): Tolerance(1e-5, 1e-5),
}


def tolerance(op: str, output: str, *inputs: str) -> Tolerance:
    """Tolerance of one output or gradient of an op.

    Parameters
    ----------
    op
        Canonical name.
    output
        Name of the dtype of the array that is compared.
    inputs
        Names of the dtypes that it was computed from.

    Returns
    -------
    Tolerance
        That of the coarsest floating-point dtype involved; exact if the output's dtype is none.
    """
    if output not in FLOATS:
        return EXACT
    coarsest = min((dtype for dtype in (output, *inputs) if dtype in FLOATS), key=FLOATS.index)
    return OVERRIDES.get((op, coarsest), TOLERANCES[coarsest])


def assert_close(op: str, got: np.ndarray, expected: np.ndarray, *inputs: str, what: str = "") -> None:
    """Compare an answer with MXNet's: shape, dtype, and numbers within the tolerance.

    Parameters
    ----------
    op
        Canonical name.
    got, expected
        The arrays.
    inputs
        Names of the dtypes that ``got`` was computed from.
    what
        Which sample and array this is, for the message.

    Raises
    ------
    AssertionError
        If anything differs; not-a-number equals itself, and the zeros equal each other.
    """
    assert got.shape == expected.shape, f"{op} {what}: shape {got.shape}, not {expected.shape}"
    assert got.dtype == expected.dtype, f"{op} {what}: dtype {got.dtype}, not {expected.dtype}"
    rtol, atol = tolerance(op, expected.dtype.name, *inputs)
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol, err_msg=f"{op} {what}")
