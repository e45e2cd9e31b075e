"""Special functions that NumPy and CuPy lack, in float64.

Sources: the error function is W. J. Cody's scheme of rational approximations, with the coefficients of
FreeBSD's msun (``s_erf.c``); its inverse is M. J. Wichura's algorithm AS 241; the gamma family is
Stirling's series after the argument is shifted, with the Taylor series at 2 where the logarithm has its
zeros, and the reflection formulas below one half. Relative errors are about 1e-15 for the first two and
1e-13 for the gamma family.

Each function takes the array module and a float64 array of any shape, and broadcasts nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from math import factorial, fsum, pi
from typing import Any, Final

import numpy as np

from .backend import Array

BLOCK: Final = 1 << 13
"""How many elements of host memory are computed at a time, so that intermediate results stay in cache."""

EULER_GAMMA: Final = 0.57721566490153286061
"""The Euler-Mascheroni constant."""


def _blockwise(function: Callable[..., Array]) -> Callable[..., Array]:
    """A function whose last argument is an array, computed in blocks where that is a long one of NumPy's."""

    @functools.wraps(function)
    def call(xp: Any, *arguments: Any) -> Array:
        x = arguments[-1]
        if x.size <= BLOCK or not isinstance(x, np.ndarray):
            return function(xp, *arguments)
        flat = x.reshape(-1)
        result = np.empty_like(flat)
        for start in range(0, flat.size, BLOCK):
            block = slice(start, start + BLOCK)
            result[block] = function(xp, *arguments[:-1], flat[block])
        return result.reshape(x.shape)

    return call


def _horner(x: Any, coefficients: Sequence[float]) -> Any:
    """The polynomial with the given coefficients, constant first."""
    total = x * coefficients[-1]
    for coefficient in coefficients[-2:0:-1]:
        total += coefficient
        total *= x
    total += coefficients[0]
    return total


# The error function: (numerator, denominator) on each interval of abs(x).

_ERF_SMALL = (
    (
        1.28379167095512558561e-01,
        -3.25042107247001499370e-01,
        -2.84817495755985104766e-02,
        -5.77027029648944159157e-03,
        -2.37630166566501626084e-05,
    ),
    (
        1.0,
        3.97917223959155352819e-01,
        6.50222499887672944485e-02,
        5.08130628187576562776e-03,
        1.32494738004321644526e-04,
        -3.96022827877536812320e-06,
    ),
)
_ERF_ONE = 8.45062911510467529297e-01
_ERF_NEAR_ONE = (
    (
        -2.36211856075265944077e-03,
        4.14856118683748331666e-01,
        -3.72207876035701323847e-01,
        3.18346619901161753674e-01,
        -1.10894694282396677476e-01,
        3.54783043256182359371e-02,
        -2.16637559486879084300e-03,
    ),
    (
        1.0,
        1.06420880400844228286e-01,
        5.40397917702171048937e-01,
        7.18286544141962662868e-02,
        1.26171219808761642112e-01,
        1.36370839120290507362e-02,
        1.19844998467991074170e-02,
    ),
)
_ERFC_MIDDLE = (
    (
        -9.86494403484714822705e-03,
        -6.93858572707181764372e-01,
        -1.05586262253232909814e01,
        -6.23753324503260060396e01,
        -1.62396669462573470355e02,
        -1.84605092906711035994e02,
        -8.12874355063065934246e01,
        -9.81432934416914548592e00,
    ),
    (
        1.0,
        1.96512716674392571292e01,
        1.37657754143519042600e02,
        4.34565877475229228821e02,
        6.45387271733267880336e02,
        4.29008140027567833386e02,
        1.08635005541779435134e02,
        6.57024977031928170135e00,
        -6.04244152148580987438e-02,
    ),
)
_ERFC_LARGE = (
    (
        -9.86494292470009928597e-03,
        -7.99283237680523006574e-01,
        -1.77579549177547519889e01,
        -1.60636384855821916062e02,
        -6.37566443368389627722e02,
        -1.02509513161107724954e03,
        -4.83519191608651397019e02,
    ),
    (
        1.0,
        3.03380607434824582924e01,
        3.25792512996573918826e02,
        1.53672958608443695994e03,
        3.19985821950859553908e03,
        2.55305040643316442583e03,
        4.74528541206955367215e02,
        -2.24409524465858183362e01,
    ),
)


def _ratio(x: Any, pair: tuple[Sequence[float], Sequence[float]]) -> Any:
    return _horner(x, pair[0]) / _horner(x, pair[1])


@_blockwise
def erf(xp: Any, x: Array) -> Array:
    """The Gauss error function."""
    size = xp.abs(x)
    small = xp.minimum(size, 0.84375)
    below = small + small * _ratio(small * small, _ERF_SMALL)
    near_one = _ERF_ONE + _ratio(xp.clip(size, 0.84375, 1.25) - 1, _ERF_NEAR_ONE)
    # From 6 on the function is 1 in double precision.
    large = xp.clip(size, 1.25, 6.0)
    inverse = 1 / (large * large)
    exponent = xp.where(large < 1 / 0.35, _ratio(inverse, _ERFC_MIDDLE), _ratio(inverse, _ERFC_LARGE))
    above = 1 - xp.exp(-large * large - 0.5625 + exponent) / large
    result = xp.where(size < 0.84375, below, xp.where(size < 1.25, near_one, above))
    return xp.where(xp.isnan(x), x, xp.copysign(result, x))


# Eigen's rational approximation to erf(x) / x in the square of x, for abs(x) <= 4, in single precision.
_ERF_SINGLE = (
    (
        -1.60960333262415e-02,
        -2.95459980854025e-03,
        -7.34990630326855e-04,
        -5.69250639462346e-05,
        -2.10102402082508e-06,
        2.77068142495902e-08,
        -2.72614225801306e-10,
    ),
    (
        -1.42647390514189e-02,
        -7.37332916720468e-03,
        -1.68282697438203e-03,
        -2.13374055278905e-04,
        -1.45660718464996e-05,
    ),
)


@_blockwise
def erf_single(xp: Any, x: Array) -> Array:
    """The Gauss error function of a float32 array, to a few units of the last place."""
    x = _limited(xp, x, 4)
    # Rounding can take the result beyond 1, and gelu's tail below 0 with it.
    return _limited(xp, x * _ratio(x * x, _ERF_SINGLE), 1)


def _limited(xp: Any, x: Array, bound: float) -> Array:
    return xp.minimum(xp.maximum(x, x.dtype.type(-bound)), x.dtype.type(bound))


# The inverse: coefficients of AS 241 (PPND16) around the middle, in the tail, and in the far tail.

_INVERSE_MIDDLE = (
    (
        3.3871328727963666080e0,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ),
    (
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ),
)
_INVERSE_TAIL = (
    (
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ),
    (
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ),
)
_INVERSE_FAR = (
    (
        6.65790464350110377720e0,
        5.46378491116411436990e0,
        1.78482653991729133580e0,
        2.96560571828504891230e-1,
        2.65321895265761230930e-2,
        1.24266094738807843860e-3,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ),
    (
        1.0,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ),
)


@_blockwise
def erfinv(xp: Any, x: Array) -> Array:
    """The inverse of :func:`erf`: infinite at -1 and 1, nan beyond."""
    q = x / 2
    middle = q * _ratio(0.180625 - xp.minimum(q * q, 0.180625), _INVERSE_MIDDLE)
    inside = xp.abs(x) < 1
    root = xp.sqrt(-xp.log((1 - xp.where(inside, xp.abs(x), 0.0)) / 2))
    tail = xp.where(
        root <= 5, _ratio(xp.minimum(root, 5.0) - 1.6, _INVERSE_TAIL), _ratio(root - 5, _INVERSE_FAR)
    )
    quantile = xp.where(xp.abs(q) <= 0.425, middle, xp.copysign(tail, x))
    beyond = xp.where(xp.abs(x) == 1, xp.copysign(xp.inf, x), xp.nan)
    return xp.where(inside, quantile / 2**0.5, beyond)


# The gamma family. Arguments from one half up are shifted by 8, where Stirling's series is accurate.

_SHIFT: Final = 8
# The Bernoulli numbers B2, B4, ...
_BERNOULLI: Final = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_STIRLING: Final = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(_BERNOULLI, 1))


def _zeta_minus_one(s: int) -> float:
    """Riemann's zeta function less 1, by direct summation and the Euler-Maclaurin rest."""
    n = 60
    rest = n ** (1 - s) / (s - 1) - 0.5 * n**-s
    corrections = s * n ** (-s - 1) / 12, -s * (s + 1) * (s + 2) * n ** (-s - 3) / 720
    return fsum([*(k**-s for k in range(2, n + 1)), rest, *corrections])


# log(gamma(2 + z)) for abs(z) <= 1/2: its zero at z = 0 is a factor, so the relative error stays small there.
_AT_TWO: Final = (0.0, 1 - EULER_GAMMA, *((-1) ** k * _zeta_minus_one(k) / k for k in range(2, 30)))


def _sine_of_pi(xp: Any, x: Array) -> Array:
    """sin(pi * x), exactly 0 for whole numbers."""
    nearest = xp.rint(x)
    odd = xp.remainder(nearest, 2)
    return xp.sin(pi * (x - nearest)) * (1 - 2 * odd)


def _gammaln_positive(xp: Any, x: Array) -> Array:
    """log(gamma(x)) for x >= 1/2."""
    shifted = xp.where(x < _SHIFT, x + _SHIFT, x)
    series = _horner(1 / (shifted * shifted), _STIRLING) / shifted
    # Written so that infinity gives infinity.
    stirling = (shifted - 0.5) * (xp.log(shifted) - 1) - 0.5 + 0.91893853320467274178 + series
    product = x
    for step in range(1, _SHIFT):
        product = product * (x + step)
    far = xp.where(x < _SHIFT, stirling - xp.log(product), stirling)
    at_two = _horner(xp.clip(x, 1.5, 2.5) - 2, _AT_TWO)
    z = xp.clip(x, 0.5, 1.5) - 1
    at_one = _horner(z, _AT_TWO) - xp.log1p(z)
    return xp.where(x < 1.5, at_one, xp.where(x < 2.5, at_two, far))


@_blockwise
def gammaln(xp: Any, x: Array) -> Array:
    """The logarithm of abs(gamma(x)): infinite at 0, negative whole numbers and both infinities."""
    low = x < 0.5
    positive = _gammaln_positive(xp, xp.where(low, 1 - x, x))
    reflected = xp.log(pi / xp.abs(_sine_of_pi(xp, x))) - positive
    result = xp.where(low, reflected, positive)
    return xp.where(x == -xp.inf, xp.inf, result)


@_blockwise
def gamma(xp: Any, x: Array) -> Array:
    """The gamma function: infinite at 0 with the zero's sign, nan at negative whole numbers and -inf."""
    low = x < 0.5
    positive = xp.exp(_gammaln_positive(xp, xp.where(low, 1 - x, x)))
    reflected = pi / (_sine_of_pi(xp, x) * positive)
    result = xp.where(low, reflected, positive)
    result = xp.where((x < 0) & (x == xp.rint(x)), xp.nan, result)
    return xp.where(x == 0, xp.copysign(xp.inf, x), result)


def _digamma_positive(xp: Any, x: Array) -> Array:
    shifted = x + _SHIFT
    result = xp.log(shifted) - 0.5 / shifted
    square = shifted * shifted
    result = result - _horner(1 / square, tuple(b / (2 * k) for k, b in enumerate(_BERNOULLI, 1))) / square
    for step in range(_SHIFT):
        result = result - 1 / (x + step)
    return result


def _hurwitz(xp: Any, s: int, x: Array) -> Array:
    """The sum of (x + k)**-s over k >= 0, for whole s > 1 and x >= 1/2, by Euler and Maclaurin."""
    # Derivatives grow with s, and so must the point from which on the sum is an integral.
    terms = _SHIFT + s
    shifted = x + terms
    result = shifted ** (1 - s) / (s - 1) + 0.5 * shifted**-s
    factor = s * shifted ** (-s - 1)
    for k, bernoulli in enumerate(_BERNOULLI, 1):
        result = result + bernoulli / factorial(2 * k) * factor
        factor = factor * ((s + 2 * k - 1) * (s + 2 * k)) / (shifted * shifted)
    for step in range(terms):
        result = result + (x + step) ** -float(s)
    return result


def _cotangent_derivative(xp: Any, n: int, x: Array) -> Array:
    """Derivative n of the cotangent of pi * x: a polynomial in the cotangent."""
    polynomial = [0.0, 1.0]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(polynomial)][1:]
        polynomial = [0.0] * (len(slope) + 2)
        for k, c in enumerate(slope):
            polynomial[k] -= pi * c
            polynomial[k + 2] -= pi * c
    # Zero keeps its sign, which says from where the pole is approached.
    fraction = xp.where(x == 0, x, x - xp.rint(x))
    return _horner(xp.cos(pi * fraction) / xp.sin(pi * fraction), polynomial)


@_blockwise
def polygamma(xp: Any, n: int, x: Array) -> Array:
    """Derivative n + 1 of log(gamma(x)): the digamma function for n = 0."""
    low = x < 0.5
    mirrored = xp.where(low, 1 - x, x)
    if n == 0:
        positive = _digamma_positive(xp, mirrored)
    else:
        positive = (-1) ** (n + 1) * factorial(n) * _hurwitz(xp, n + 1, mirrored)
    reflected = (-1) ** n * positive - pi * _cotangent_derivative(xp, n, x)
    return xp.where(low, reflected, positive)
