"""The special functions against the standard library, closed forms and their own defining identities."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from remx_server import special


@pytest.fixture(autouse=True)
def _silent():
    with np.errstate(all="ignore"):
        yield


def relative(got: np.ndarray, expected: list[float]) -> float:
    wanted = np.array(expected)
    return float(np.max(np.abs(got - wanted) / np.abs(wanted)))


def test_erf() -> None:
    # More numbers than a block holds, on every branch.
    x = np.concatenate([np.linspace(-7, 7, special.BLOCK + 10), np.logspace(-300, 0, 500)])
    assert relative(special.erf(np, x), [math.erf(v) for v in x]) < 1e-15
    np.testing.assert_array_equal(
        special.erf(np, np.array([0.0, np.inf, -np.inf, np.nan])), [0, 1, -1, np.nan]
    )


def test_erf_in_single_precision() -> None:
    x = np.concatenate([np.linspace(-6, 6, 20000), np.logspace(-37, 0, 500)]).astype(np.float32)
    result = special.erf_single(np, x)
    assert result.dtype == np.float32
    assert relative(result, [math.erf(v) for v in x]) < 6e-7
    assert np.abs(result).max() == 1


def test_erfinv() -> None:
    probabilities = np.concatenate([np.linspace(1e-4, 0.9999, 2001), np.logspace(-16, -5, 50)])
    expected = [NormalDist().inv_cdf(p) / math.sqrt(2) for p in probabilities]
    got = special.erfinv(np, 2 * probabilities - 1)
    # The argument's own rounding near -1 and 1 is magnified there.
    away = np.abs(2 * probabilities - 1) < 0.99
    np.testing.assert_allclose(got[away], np.array(expected)[away], rtol=1e-13, atol=1e-15)
    y = np.concatenate([1 - np.logspace(-15, -2, 50), np.logspace(-30, -1, 50)])
    assert relative(special.erf(np, special.erfinv(np, y)), list(y)) < 1e-15
    np.testing.assert_array_equal(special.erfinv(np, np.array([-1, 0, 1, 1.5])), [-np.inf, 0, np.inf, np.nan])


def test_gammaln() -> None:
    x = np.concatenate([np.linspace(0.01, 30, 5001), np.logspace(-10, 2, 300)])
    x = x[(np.abs(x - 1) > 1e-3) & (np.abs(x - 2) > 1e-3)]
    assert relative(special.gammaln(np, x), [math.lgamma(v) for v in x]) < 1e-12
    # Beside the zeros, where the standard library loses digits, the tangents say more.
    h = 2.0**-40
    slopes = special.gammaln(np, np.array([1 + h, 2 + h])) / h
    np.testing.assert_allclose(slopes, [-special.EULER_GAMMA, 1 - special.EULER_GAMMA], rtol=1e-11)
    poles = special.gammaln(np, np.array([0.0, -1.0, -7.0, np.inf, -np.inf]))
    np.testing.assert_array_equal(poles, np.inf)


def test_gamma() -> None:
    x = np.concatenate([np.linspace(0.01, 170, 2001), np.linspace(-10.03, -0.017, 1000)])
    assert relative(special.gamma(np, x), [math.gamma(v) for v in x]) < 1e-12
    x = np.array([0.0, -0.0, -1.0, np.inf, -np.inf, 172.0])
    np.testing.assert_array_equal(special.gamma(np, x), [np.inf, -np.inf, np.nan, np.inf, np.nan, np.inf])


def test_polygamma_closed_forms() -> None:
    gamma, x = special.EULER_GAMMA, np.array([1.0, 0.5, 0.25])
    expected = [-gamma, -gamma - 2 * math.log(2), -gamma - math.pi / 2 - 3 * math.log(2)]
    np.testing.assert_allclose(special.polygamma(np, 0, x), expected, rtol=1e-14)
    pi = math.pi
    np.testing.assert_allclose(special.polygamma(np, 1, x[:2]), [pi**2 / 6, pi**2 / 2], rtol=1e-14)
    np.testing.assert_allclose(special.polygamma(np, 3, x[:2]), [pi**4 / 15, pi**4], rtol=1e-14)


@pytest.mark.parametrize("n", range(4))
def test_each_polygamma_is_the_last_ones_derivative(n: int) -> None:
    x, h = np.array([-3.3, -0.7, 0.2, 0.6, 3.0, 17.0]), 1e-5
    slope = (special.polygamma(np, n, x + h) - special.polygamma(np, n, x - h)) / (2 * h)
    np.testing.assert_allclose(special.polygamma(np, n + 1, x), slope, rtol=1e-7)


def test_digamma_is_the_slope_of_gammaln() -> None:
    x, h = np.array([-3.3, -0.7, 0.2, 0.6, 1.0, 2.0, 3.0, 17.0]), 1e-6
    slope = (special.gammaln(np, x + h) - special.gammaln(np, x - h)) / (2 * h)
    np.testing.assert_allclose(special.polygamma(np, 0, x), slope, rtol=1e-7)
