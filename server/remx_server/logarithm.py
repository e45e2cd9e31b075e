"""Natural logarithms and powers with the bits of the C library, which NumPy's own do not always have."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def _logf_tables() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spread glibc's sixteen-entry table over all exponents of float32."""
    inverse_of_centre = [
        "0x1.661ec79f8f3bep+0 0x1.571ed4aaf883dp+0 0x1.49539f0f010bp+0 0x1.3c995b0b80385p+0",
        "0x1.30d190c8864a5p+0 0x1.25e227b0b8eap+0 0x1.1bb4a4a1a343fp+0 0x1.12358f08ae5bap+0",
        "0x1.0953f419900a7p+0 0x1p+0 0x1.e608cfd9a47acp-1 0x1.ca4b31f026aap-1",
        "0x1.b2036576afce6p-1 0x1.9c2d163a1aa2dp-1 0x1.886e6037841edp-1 0x1.767dcf5534862p-1",
    ]
    log_of_centre = [
        "-0x1.57bf7808caadep-2 -0x1.2bef0a7c06ddbp-2 -0x1.01eae7f513a67p-2 -0x1.b31d8a68224e9p-3",
        "-0x1.6574f0ac07758p-3 -0x1.1aa2bc79c81p-3 -0x1.a4e76ce8c0e5ep-4 -0x1.1973c5a611cccp-4",
        "-0x1.252f438e10c1ep-5 0x0p+0 0x1.aa5aa5df25984p-5 0x1.c5e53aa362eb4p-4",
        "0x1.526e57720db08p-3 0x1.bc2860d22477p-3 0x1.1058bc8a07ee1p-2 0x1.4043057b6ee09p-2",
    ]
    inverse = np.array([float.fromhex(word) for line in inverse_of_centre for word in line.split()])
    log = np.array([float.fromhex(word) for line in log_of_centre for word in line.split()])
    cell = np.arange(_LOGF_CELLS) - (_LOGF_FIRST_CELL >> 19)
    exponent = cell >> 4
    ln2 = float.fromhex("0x1.62e42fefa39efp-1")
    return np.ldexp(inverse[cell & 15], -exponent), log[cell & 15] + exponent * ln2


# A float32's bits, less the offset and shifted by 19, number cells of a sixteenth of an octave. Rounding the
# offset up to the next cell keeps the numbers positive.
_LOGF_OFFSET = 0x3F330000
_LOGF_FIRST_CELL = 0x3F380000
_LOGF_CELLS = (0x7F800000 + _LOGF_FIRST_CELL - _LOGF_OFFSET >> 19) + 1
_LOGF_INVERSE, _LOGF_LOG = _logf_tables()
_LOGF_A0 = float.fromhex("-0x1.00ea348b88334p-2")
_LOGF_A1 = float.fromhex("0x1.5575b0be00b6ap-2")
_LOGF_A2 = float.fromhex("-0x1.ffffef20a4123p-2")


def logf(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Natural logarithm of positive normal float32 numbers, with the bits of glibc's ``logf``.

    The algorithm (glibc since 2.27, from Arm's optimized routines): ``x = 2**k * z``, a table over 16 cells
    of ``z`` gives ``1/c`` and ``log(c)`` for a ``c`` near ``z``, and a quartic in ``z/c - 1``, in double, the
    rest. ``numpy.log`` of float32 differs from it in the last bit for about a fifth of all arguments.

    Parameters
    ----------
    x : ndarray of float32
        C-contiguous. Zero, negative, subnormal and non-finite values are not handled.
    """
    cell = ((x.view(np.uint32) + np.uint32(_LOGF_FIRST_CELL - _LOGF_OFFSET)) >> np.uint32(19)).astype(np.intp)
    r = x.astype(np.float64)
    r *= _LOGF_INVERSE[cell]
    r -= 1.0
    y = r * _LOGF_A1
    y += _LOGF_A2
    square = r * r
    y += square * _LOGF_A0
    y *= square
    r += _LOGF_LOG[cell]
    y += r
    return y.astype(np.float32)


def libm_log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithm of positive doubles by the C library; NumPy's own may differ in the last bit."""
    flat = x.ravel()
    return np.fromiter(map(math.log, flat.tolist()), np.float64, flat.size).reshape(x.shape)


def libm_pow(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Powers of numbers of [0, 1] by the C library; NumPy's own may differ in the last bit."""
    return np.fromiter(map(math.pow, x.tolist(), y.tolist()), np.float64, x.size)
