"""Functions of single precision with the bits of the C library, of the arguments that sampling has.

The algorithms are those of glibc 2.36 (the polynomials are of Sun's fdlibm), every step of which is rounded
to float32. Other versions differ in the last bit of some results, and with it a few samples of a million.
"""

from __future__ import annotations

from math import pi
from typing import Final

import numpy as np
from numpy.typing import NDArray

from remx_server.logarithm import logf

Floats = NDArray[np.float32]

_ONE: Final = np.float32(1)
_TWO: Final = np.float32(2)


def _constants(*hexadecimal: int) -> Floats:
    """float32 numbers by their bits."""
    return np.array(hexadecimal, np.uint32).view(np.float32)


# pi/4 in two parts.
_PI_4, _PI_4_REST = _constants(0x3F490FDA, 0x33222168)
_TAN: Final = _constants(
    0x3EAAAAAB, 0x3E088889, 0x3D5D0DD1, 0x3CB327A4, 0x3C11371F, 0x3B6B6916, 0x3ABEDE48,
    0x3A1A26C8, 0x398137B9, 0x38A3F445, 0x3895C07A, 0xB79BAE5F, 0x37D95384,
)  # fmt: skip
# From here on the tangent is taken of the distance to pi/4.
_NEAR_PI_4: Final = 0x3F2CA140
_STIRLING: Final = _constants(
    0x3ED67F1D, 0x3DAAAAAB, 0xBB360B61, 0x3A500CFD, 0xBA1C065C, 0x3A5B3DD2, 0xBAD5C4E8
)


def _bits(x: Floats) -> NDArray[np.int32]:
    return x.view(np.int32)


def _horner(x: Floats, coefficients: Floats) -> Floats:
    """The polynomial with the given coefficients, constant first."""
    total: Floats = x * coefficients[-1]
    for coefficient in coefficients[-2:0:-1]:
        total += coefficient
        total *= x
    total += coefficients[0]
    return total


def _short(x: Floats) -> Floats:
    """The leading 12 bits, so that products of them are exact."""
    short: Floats = (_bits(x) & np.int32(-4096)).view(np.float32)
    return short


def _reduce(x: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Numbers of [0, pi], less the next multiple of pi/2: two parts of the rest, and whether it was odd."""
    small = x <= _PI_4
    wide = x.astype(np.float64)
    n = np.where(small, 0.0, np.rint(wide * (2 / pi)))
    wide -= n * (pi / 2)
    high = wide.astype(np.float32)
    wide -= high
    return high, wide.astype(np.float32), n == 1


def tanf(x: Floats) -> Floats:
    """Tangent of numbers of [0, pi], with the bits of glibc's ``tanf``."""
    with np.errstate(all="ignore"):
        return _tanf(x)


def _tanf(x: Floats) -> Floats:
    x, y, inverted = _reduce(x)
    sign = np.where(inverted, -_ONE, _ONE)
    hx = _bits(x)
    ix = hx & 0x7FFFFFFF
    tiny = ix < 0x39000000
    folded = ix >= _NEAR_PI_4
    negative = folded & (hx < 0)
    flipped = np.where(negative, -_ONE, _ONE)
    start = x
    rest = (_PI_4 - x * flipped) + (_PI_4_REST - y * flipped)
    x = np.where(folded, rest, x)
    y = np.where(folded, np.float32(0), y)
    z = x * x
    w = z * z
    r = _horner(w, _TAN[1::2])
    v = z * _horner(w, _TAN[2::2])
    s = z * x
    r = y + z * (s * (r + v) + y)
    r += _TAN[0] * s
    w = x + r
    outer = flipped * (sign - _TWO * (x - (w * w / (w + sign) - r)))
    nearest = flipped * sign * (_ONE - _TWO * sign * x)
    outer = np.where(np.abs(x) < np.float32(2.0**-13), nearest, outer)
    # -1 / w to more digits than a float32 has.
    a = -_ONE / w
    t = _short(a)
    z = _short(w)
    cotangent = t + a * ((_ONE + t * z) + t * (r - (z - x)))
    inner = np.where(inverted, cotangent, w)
    result = np.where(folded, outer, inner)
    return np.where(tiny, np.where(inverted, -_ONE / start, start), result)


def lgammaf(x: Floats) -> Floats:
    """Logarithm of gamma for whole numbers from 1 on and all numbers from 8, with the bits of ``lgammaf``."""
    factorial = np.ones_like(x)
    for k in range(2, 7):
        factorial *= np.where((x > k) & (x < 8), np.float32(k), _ONE)
    small = logf(factorial)
    finite = np.isfinite(x)
    large = np.where(finite & (x > 8), x, np.float32(8))
    z = _ONE / large
    series = _STIRLING[0] + z * _horner(z * z, _STIRLING[1:])
    far = (large - np.float32(0.5)) * (logf(large) - _ONE) + series
    return np.where(x < 8, small, np.where(finite, far, x))
