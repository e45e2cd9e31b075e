"""Philox's samples against MXNet's: one distribution, other numbers.

MXNet's samples are those of `RandomState`, which test_random_state shows to be the same bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from remx_server.philox import PhiloxState
from remx_server.random_state import RandomState

Array = np.ndarray[Any, Any]
State = RandomState | PhiloxState

N = 100_000
# How many standard deviations a statistic may be off. The seeds are fixed, so nothing fails by chance.
SIGMAS = 4.0
# The two-sample Kolmogorov-Smirnov statistic times sqrt(n / 2) exceeds this once in 10,000 times.
KOLMOGOROV = 2.23

CONTINUOUS: dict[str, Callable[[State], Array]] = {
    "uniform": lambda state: state.uniform(-1.5, 4, (N,)),
    "uniform float64": lambda state: state.uniform(-1.5, 4, (N,), np.float64),
    "normal": lambda state: state.normal(2, 3, (N,)),
    "normal float64": lambda state: state.normal(2, 3, (N,), np.float64),
    "exponential": lambda state: state.exponential(0.3, (N,)),
    "gamma 0.4": lambda state: state.gamma(0.4, 2, (N,)),
    "gamma 7.5": lambda state: state.gamma(7.5, 0.5, (N,)),
}
DISCRETE: dict[str, Callable[[State], Array]] = {
    "poisson 3.7": lambda state: state.poisson(3.7, (N,)),
    "poisson 40": lambda state: state.poisson(40, (N,)),
    "negative binomial": lambda state: state.negative_binomial(3, 0.4, (N,)),
    "generalized": lambda state: state.generalized_negative_binomial(6, 0.8, (N,)),
    "generalized, not dispersed": lambda state: state.generalized_negative_binomial(6, 0, (N,)),
    "randint": lambda state: state.randint(-3, 12, (N,)),
    "keep mask": lambda state: state.keep_mask(0.3, (N,)).astype(np.int32),
    "multinomial": lambda state: state.multinomial(np.array([[0.1, 0.2, 0.3, 0.4]], np.float32), N)[0],
}


def both(draw: Callable[[State], Array]) -> tuple[Array, Array]:
    """Samples of both generators."""
    exact = RandomState()
    exact.seed(42)
    return draw(exact).astype(np.float64), draw(PhiloxState(42)).astype(np.float64)


def kolmogorov(first: Array, second: Array) -> float:
    """The largest distance of the empirical distribution functions, in units of its spread."""
    points = np.sort(np.concatenate([first, second]))
    ranks = [np.searchsorted(np.sort(samples), points, side="right") for samples in (first, second)]
    return float(np.abs(ranks[0] - ranks[1]).max() / len(first) * np.sqrt(len(first) / 2))


def chi_square(first: Array, second: Array) -> float:
    """The chi-square statistic of two samples of whole numbers, in standard deviations above its mean."""
    low = min(first.min(), second.min())
    counts = [np.bincount((samples - low).astype(np.int64), minlength=200) for samples in (first, second)]
    width = max(map(len, counts))
    table = np.array([np.pad(count, (0, width - len(count))) for count in counts], np.float64)
    frequent = table.sum(axis=0) >= 20
    table = np.column_stack([table[:, frequent], table[:, ~frequent].sum(axis=1)])
    table = table[:, table.sum(axis=0) > 0]
    statistic = ((table[0] - table[1]) ** 2 / table.sum(axis=0)).sum()
    freedom = table.shape[1] - 1
    return float((statistic - freedom) / np.sqrt(2 * freedom))


def moments_apart(first: Array, second: Array) -> float:
    """How far the means and the variances lie apart, in standard deviations."""
    apart = []
    for power in (1, 2):
        centred = [(samples - first.mean()) ** power for samples in (first, second)]
        spread = np.sqrt(sum(values.var() for values in centred) / len(first))
        apart.append(abs(centred[0].mean() - centred[1].mean()) / spread)
    return float(max(apart))


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_samples_have_the_distribution_of_mxnets(name: str) -> None:
    first, second = both(CONTINUOUS[name])
    assert kolmogorov(first, second) < KOLMOGOROV
    assert moments_apart(first, second) < SIGMAS


@pytest.mark.parametrize("name", DISCRETE)
def test_whole_samples_have_the_distribution_of_mxnets(name: str) -> None:
    first, second = both(DISCRETE[name])
    assert chi_square(first, second) < SIGMAS
    assert moments_apart(first, second) < SIGMAS


def test_other_distributions_would_be_told_apart() -> None:
    normal, gamma, poisson = CONTINUOUS["normal"], CONTINUOUS["gamma 0.4"], DISCRETE["poisson 3.7"]
    first, second = both(normal)
    assert kolmogorov(first, second * 1.05) > KOLMOGOROV
    assert moments_apart(first, second + 0.1) > SIGMAS
    first, second = both(gamma)
    assert kolmogorov(first, second * 1.05) > KOLMOGOROV
    first, _ = both(poisson)
    assert chi_square(first, PhiloxState(1).poisson(3.8, (N,)).astype(np.float64)) > SIGMAS


def test_arrays_of_parameters_hold_for_their_samples() -> None:
    state = PhiloxState(3)
    means = np.array([[1.0], [50.0]], np.float32)
    for drawn in (state.normal(means, means, (2, N)), state.poisson(means, (2, N))):
        np.testing.assert_allclose(drawn.mean(axis=1), means[:, 0], rtol=0.02)
    spread = state.gamma(means, np.ones_like(means), (2, N))
    np.testing.assert_allclose(spread.var(axis=1), means[:, 0], rtol=0.05)


def test_every_order_of_a_shuffle_is_as_likely() -> None:
    state = PhiloxState(5)
    orders = [tuple(state.shuffle_order(3)) for _ in range(6000)]
    counts = np.array([orders.count(order) for order in sorted(set(orders))])
    assert len(counts) == 6
    assert abs(counts - 1000).max() < SIGMAS * 30


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (2, 5)])
def test_shapes_and_dtypes_are_those_asked_for(shape: tuple[int, ...], dtype: Any) -> None:
    state = PhiloxState(1)
    for drawn in (
        state.uniform(0, 1, shape, dtype),
        state.normal(0, 1, shape, dtype),
        state.exponential(2, shape, dtype),
        state.gamma(2, 1, shape, dtype),
        state.poisson(2, shape, dtype),
        state.negative_binomial(2, 0.5, shape, dtype),
        state.generalized_negative_binomial(2, 0.5, shape, dtype),
    ):
        assert (drawn.shape, drawn.dtype) == (shape, dtype)


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1, 2**64 + 3])
def test_any_integer_is_a_seed_and_repeats(seed: int) -> None:
    first, second = (PhiloxState(seed).uniform(0, 1, (5,)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first != PhiloxState(seed + 1).uniform(0, 1, (5,))).any()


def test_unique_samples_are_as_frequent_and_take_as_many_tries() -> None:
    exact = RandomState()
    first, second = (state.unique_zipfian(50, (4000, 6)) for state in (exact, PhiloxState(4)))
    assert all(len(set(row)) == 6 for row in second[0].tolist())
    for mine, theirs in zip(first, second, strict=True):
        assert chi_square(mine.ravel(), theirs.ravel()) < SIGMAS
