"""The random generator of MXNet 1.9.1's CPU, bit for bit, in NumPy.

MXNet draws its samples from 1024 independent ``mt19937`` lanes: a call for ``n`` samples is cut into runs of
consecutive samples, run ``i`` is drawn in order from lane ``i``, and the lanes keep their place between
calls. A further single ``mt19937`` serves shuffling and the multinomial. What is drawn from a lane follows
libstdc++ of GCC 4.8 (``uniform_real_distribution``, ``normal_distribution``, ``uniform_int_distribution``),
because the wheels of MXNet were built with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from remx_server import attempts
from remx_server.logarithm import libm_log, logf
from remx_server.mt19937 import WORD_MASK, Lanes, Words, canonical32, canonical64, temper

LANES = 1024
"""Number of parallel generators of MXNet's CPU random resource."""

Array = NDArray[Any]

_LANE_MIN_SAMPLES = 64
_SEED_FACTOR = 127

# How much is generated at a time: the temporaries of one block should stay in a second level cache.
_BLOCK_SAMPLES = 1 << 15
_BLOCK_COLUMNS = 1 << 11

# Pairs of uniforms that are drawn for the polar method beyond the expected number, in standard deviations and
# in pairs. A lane that still runs short makes the block be drawn again with more, so these decide speed only.
_SPARE_SIGMAS = 5.0
_SPARE_PAIRS = 8
_ACCEPTED = math.pi / 4

_BOUNDS_AT_A_TIME = 1 << 12


class _Block(NamedTuple):
    """Some lanes' share of a call, small enough to be drawn at once."""

    lane: int  # the first one
    out: Array  # where the samples go: a row for each lane
    valid: int | NDArray[np.intp]  # how many samples each lane is to draw; a row may be longer


def _padded(size: int) -> tuple[int, int]:
    """Return how many lanes draw `size` samples, and how many each; the last lane draws what is left."""
    each = -(-size // min(-(-size // _LANE_MIN_SAMPLES), LANES)) if size else 0
    return (-(-size // each) if each else 0), each


def _blocks(samples: Array, size: int) -> Iterator[_Block]:
    """Cut `samples`, of shape ``_padded(size)``, into blocks; the blocks of a lane come in order."""
    lanes, each = samples.shape
    columns = min(each, _BLOCK_COLUMNS)
    rows = max(1, _BLOCK_SAMPLES // max(columns, 1))
    for lane in range(0, lanes, rows):
        for column in range(0, each, columns):
            out = samples[lane : lane + rows, column : column + columns]
            left = size - np.arange(lane, lane + len(out)) * each - column
            if left[-1] >= out.shape[1]:
                yield _Block(lane, out, out.shape[1])
            else:
                yield _Block(lane, out, np.clip(left, 0, out.shape[1]))


def _carrier(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the dtype MXNet draws in when the samples are to be of `dtype`."""
    dtype = np.dtype(dtype)
    if dtype == np.float32:
        return dtype
    if dtype in (np.float16, np.float64):
        return np.dtype(np.float64)
    raise TypeError(f"random samples are float16, float32 or float64, not {dtype}")


def _parameter(value: float | Array) -> Array:
    return value if isinstance(value, np.ndarray) else np.asarray(value, dtype=np.float32)


def _combine(operation: np.ufunc, samples: Array, parameter: Array) -> Array:
    """Apply `operation`, in the memory of `samples` if the result fits there.

    float16 parameters make every step be done in float32 and rounded to float16, whatever the samples are.
    """
    if parameter.dtype == np.float16:
        halves: Array = operation(samples.astype(np.float32), parameter.astype(np.float32)).astype(np.float16)
        return halves
    fits = np.result_type(samples.dtype, parameter.dtype) == samples.dtype
    result: Array = operation(samples, parameter, out=samples if fits else None)
    return result


def _rounded(samples: Array, dtype: DTypeLike) -> Array:
    """Cast to the dtype of the result; float16 is reached by way of float32, which can round twice."""
    if np.dtype(dtype) == np.float16:
        samples = samples.astype(np.float32, copy=False)
    return samples.astype(dtype, copy=False)


def _vector(value: float | Array) -> Array:
    """A parameter as a vector."""
    return _parameter(value).reshape(-1)


def _finished(samples: Array, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Rows of samples as the result of a call."""
    with np.errstate(all="ignore"):
        return _rounded(samples.reshape(-1)[: math.prod(shape)].reshape(shape), dtype)


def _polar(block: _Block, lanes: Lanes, exact_log: bool) -> None:
    """Draw standard normal samples as libstdc++ does, which drops the second one of each pair.

    A pair of uniforms is a point of the square around the unit disc, and is used if it lies inside. So lanes
    use different numbers of words; each is left right behind its last point.
    """
    single = block.out.dtype == np.float32
    rows, need = block.out.shape
    words_each = 2 if single else 4
    sigma = math.sqrt(need * (1 - _ACCEPTED)) / _ACCEPTED
    pairs = math.ceil(need / _ACCEPTED + _SPARE_SIGMAS * sigma) + _SPARE_PAIRS
    while True:
        raw = lanes.peek(block.lane, block.lane + rows, pairs * words_each)
        words = temper(raw[:, : pairs * words_each])
        points = canonical32(words) if single else canonical64(words)
        points *= 2
        points -= 1
        radius = points[:, 0::2] ** 2
        radius += points[:, 1::2] ** 2
        inside = (radius <= 1) & (radius != 0)
        counts = np.count_nonzero(inside, axis=1)
        if counts.min() >= need:
            break
        pairs *= 2
    first = np.cumsum(counts) - counts
    used = np.flatnonzero(inside)[first[:, None] + np.arange(need)]
    radius = radius.ravel()[used]
    factor = _log(radius, exact_log)
    factor *= -2
    factor /= radius
    np.sqrt(factor, out=factor)
    np.multiply(points.ravel()[2 * used + 1], factor, out=block.out)

    row = np.arange(rows)
    last = used[row, np.maximum(block.valid, 1) - 1] - row * pairs
    lanes.advance(block.lane, raw, np.where(np.equal(block.valid, 0), 0, (last + 1) * words_each))


def _log(x: Array, exact: bool) -> Array:
    if x.dtype == np.float32:
        return logf(x)
    result: Array = libm_log(x) if exact else np.log(x)
    return result


class RandomState:
    """The random state of one client thread in one session, as MXNet keeps one for each thread.

    A fresh state behaves as after ``seed(0)``. Nothing is computed before the first draw, and then only
    the lanes that the draw needs are seeded. One thread at a time may use a state.

    The parameters of the distributions (`low`, `high`, `loc`, `scale`, `lam`) are numbers, which are rounded
    to float32 as MXNet does whatever the dtype of the samples, or arrays that broadcast to `shape`, which
    keep their dtype: for the ops ``sample_*``, give the parameters trailing axes of length one.

    What is drawn equals MXNet 1.9.1 on a CPU bit for bit. Normal and exponential samples in float64 take the
    logarithm from the C library, as MXNet does, so they are exact where that is the library MXNet would use;
    MXNet's wheels use glibc.
    """

    def __init__(self) -> None:
        self._parallel = Lanes(0, LANES)
        self._single = Lanes(0, 1)

    def seed(self, seed: int) -> None:
        """Start again, as ``mx.random.seed(seed)``.

        Parameters
        ----------
        seed : int
            Any integer; its lowest 32 bits count.
        """
        self._parallel.reseed(int(seed) * _SEED_FACTOR)
        self._single.reseed(int(seed) * _SEED_FACTOR)

    def seed_context(self, seed: int) -> None:
        """Start again, as ``mx.random.seed(seed, ctx=...)``.

        It differs from `seed` in what shuffle and multinomial draw; there the factor is left out.
        """
        self._parallel.reseed(int(seed) * _SEED_FACTOR)
        self._single.reseed(int(seed))

    def uniform(
        self, low: float | Array, high: float | Array, shape: tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> Array:
        """Draw from the uniform distribution over [low, high].

        Parameters
        ----------
        low, high : float or ndarray
            The bounds.
        shape : tuple of int
            Shape of the result.
        dtype : float16, float32 or float64
            float32 uses one word per sample, the others two.

        Returns
        -------
        ndarray of `dtype`
        """
        u = self._uniform01(math.prod(shape), dtype).reshape(shape)
        with np.errstate(all="ignore"):
            low, high = _parameter(low), _parameter(high)
            scaled = _combine(np.multiply, u, high - low)
            return _rounded(_combine(np.add, scaled, low), dtype)

    def normal(
        self, loc: float | Array, scale: float | Array, shape: tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> Array:
        """Draw from the normal distribution by the polar method, one of each pair of samples being dropped.

        Parameters
        ----------
        loc, scale : float or ndarray
            Mean and standard deviation.
        shape : tuple of int
            Shape of the result.
        dtype : float16, float32 or float64
            float16 and float64 are drawn in float64.

        Returns
        -------
        ndarray of `dtype`
        """
        size = math.prod(shape)
        samples = np.empty(_padded(size), _carrier(dtype))
        for block in _blocks(samples, size):
            _polar(block, self._parallel, exact_log=np.dtype(dtype) == np.float64)
        z = samples.reshape(-1)[:size].reshape(shape)
        with np.errstate(all="ignore"):
            scaled = _combine(np.multiply, z, _parameter(scale))
            return _rounded(_combine(np.add, scaled, _parameter(loc)), dtype)

    def exponential(self, lam: float | Array, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        """Draw from the exponential distribution.

        Parameters
        ----------
        lam : float or ndarray
            The rate. ``mx.nd.random.exponential(scale)`` calls its op with the rate ``1 / scale``.
        shape : tuple of int
            Shape of the result.
        dtype : float16, float32 or float64

        Returns
        -------
        ndarray of `dtype`
            Infinity may occur, in float32 once in some 2**25 samples, since a uniform can be one.
        """
        u = self._uniform01(math.prod(shape), dtype).reshape(shape)
        rest = 1.0 - u.astype(np.float64, copy=False)
        with np.errstate(all="ignore"):
            exact = np.dtype(dtype) == np.float64 and rest.all()
            standard = np.negative(libm_log(rest) if exact else np.log(rest))
            return _rounded(_combine(np.divide, standard, _parameter(lam)), dtype)

    def gamma(
        self, alpha: float | Array, beta: float | Array, shape: tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> Array:
        """Draw from the gamma distribution by Marsaglia and Tsang's method.

        Parameters
        ----------
        alpha, beta : float or ndarray
            Shape and scale. Arrays have axes of length one after those that they have in common with `shape`.
        shape : tuple of int
            Shape of the result.
        dtype : float16, float32 or float64
            float16 is drawn in float32.

        Returns
        -------
        ndarray of `dtype`

        Raises
        ------
        ValueError
            For shapes with which MXNet does not return: infinite, not a number, or too far below zero.
        """
        exact = np.dtype(dtype) == np.float64
        samples, size = self._rows(shape, np.float64 if exact else np.float32)
        attempts.gamma(self._parallel, samples, size, _vector(alpha), _vector(beta), exact)
        return _finished(samples, shape, dtype)

    def poisson(self, lam: float | Array, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        """Draw from the poisson distribution of rate `lam`, whose samples are whole numbers of `dtype`.

        Samples beyond int32 are -2**31, as in MXNet.
        """
        samples, size = self._rows(shape, np.float64)
        attempts.poisson(self._parallel, samples, size, _vector(lam))
        return _finished(samples, shape, dtype)

    def negative_binomial(
        self, k: float | Array, p: float | Array, shape: tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> Array:
        """Draw how many failures come before `k` successes of probability `p`; see `poisson`."""
        samples, size = self._rows(shape, np.float64)
        count = _vector(k)
        probability = _vector(p).astype(np.float32).astype(np.float64)
        with np.errstate(all="ignore"):
            # In the parameters' dtype, be it one of whole numbers, and by way of float32.
            scale = ((1.0 - probability) / probability).astype(np.float32).astype(count.dtype)
            count = count.astype(np.float32).astype(count.dtype)
        fixed = np.full(count.shape, np.nan, np.float32)
        attempts.gamma_poisson(self._parallel, samples, size, count, scale, fixed)
        return _finished(samples, shape, dtype)

    def generalized_negative_binomial(
        self, mu: float | Array, alpha: float | Array, shape: tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> Array:
        """Draw from the negative binomial distribution of mean `mu` and dispersion `alpha`; see `poisson`.

        Without dispersion it is the poisson distribution.
        """
        samples, size = self._rows(shape, np.float64)
        mean, dispersion = _vector(mu), _vector(alpha)
        one = dispersion.dtype.type(1)
        with np.errstate(all="ignore"):
            inverse = one // dispersion if dispersion.dtype.kind in "iu" else one / dispersion
            fixed = np.where(dispersion == 0, mean, np.nan).astype(np.float32)
            scale = dispersion * mean
        attempts.gamma_poisson(self._parallel, samples, size, inverse, scale, fixed)
        return _finished(samples, shape, dtype)

    def randint(self, low: int, high: int, shape: tuple[int, ...], dtype: DTypeLike = np.int32) -> Array:
        """Draw integers from [low, high).

        Parameters
        ----------
        low, high : int
            The bounds, within int64.
        shape : tuple of int
            Shape of the result.
        dtype : int32 or int64
            Samples that do not fit are wrapped, as MXNet does.

        Returns
        -------
        ndarray of `dtype`

        Raises
        ------
        ValueError
            If the interval is empty or longer than int64 can count.
        """
        span = high - low
        if not 0 < span < 2**63:
            raise ValueError(f"randint needs 0 < high - low < 2**63, got low={low} and high={high}")
        size = math.prod(shape)
        samples = np.empty(_padded(size), np.int64)
        for block in _blocks(samples, size):
            words = self._draw(block, 2)
            wide = words[:, 0::2].astype(np.int64)
            wide <<= 31
            wide += words[:, 1::2]
            wide %= span
            np.add(wide, low, out=block.out)
        return samples.reshape(-1)[:size].reshape(shape).astype(dtype, copy=False)

    def keep_mask(self, p: float, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[np.bool_]:
        """Draw which elements the op Dropout keeps.

        The op does not draw at all outside training or if `p` is zero. Its result is the data times
        ``float32(1) / (float32(1) - float32(p))`` where kept; in MXNet `p` of one gives NaN.

        Parameters
        ----------
        p : float
            Probability of dropping an element.
        shape : tuple of int
            Shape of the mask: that of the data, with one in place of each of the op's `axes`.
        dtype : float16, float32 or float64
            dtype of the data; it decides how many words an element takes.
        """
        u = self._uniform01(math.prod(shape), dtype).astype(np.float32, copy=False)
        kept: NDArray[np.bool_] = u < np.float32(1) - np.float32(p)
        return kept.reshape(shape)

    def shuffle_order(self, n: int) -> NDArray[np.intp]:
        """Draw the order in which the op ``shuffle`` puts the elements of a vector: ``data[order]``."""
        order = list(range(n))
        for i, j in zip(range(1, n), self._below(np.arange(2, n + 1)), strict=True):
            order[i], order[j] = order[j], order[i]
        return np.array(order, dtype=np.intp)

    def shuffle_rows_order(self, n: int) -> NDArray[np.intp]:
        """Draw the order in which the op ``shuffle`` puts the rows of an array of two axes or more."""
        order = list(range(n))
        for i, j in zip(range(n - 1, 0, -1), self._below(np.arange(n, 1, -1)), strict=True):
            order[i], order[j] = order[j], order[i]
        return np.array(order, dtype=np.intp)

    def multinomial(self, probabilities: Array, size: int) -> NDArray[np.intp]:
        """Draw class numbers, as the op ``sample_multinomial``.

        Parameters
        ----------
        probabilities : ndarray of float16, float32 or float64, shape (rows, classes)
            One distribution a row. Its running sums, taken in float64, are compared with the uniforms in
            float32, or in float16 if that is its dtype.
        size : int
            Number of samples from each row.

        Returns
        -------
        ndarray of intp, shape (rows, size)
            A row that sums to less than the uniform drawn gives the last class, where MXNet gives the number
            of classes, which is none of them.
        """
        rows, classes = probabilities.shape
        raw = self._single.peek(0, 1, rows * size)
        self._single.advance(0, raw, rows * size)
        compared = np.float16 if probabilities.dtype == np.float16 else np.float32
        u = canonical32(temper(raw[:, : rows * size])).reshape(rows, size).astype(compared)
        sums = np.cumsum(probabilities, axis=1, dtype=np.float64).astype(compared)
        found = np.empty((rows, size), dtype=np.intp)
        for row in range(rows):
            found[row] = np.searchsorted(sums[row], u[row])
        np.minimum(found, classes - 1, out=found)
        return found

    def getstate(self) -> dict[str, Array]:
        """Return the whole state as plain arrays, for `setstate`: about 2.5 kB for each lane in use."""
        banks = {"parallel": self._parallel, "single": self._single}
        return {
            f"{name}_{key}": value for name, bank in banks.items() for key, value in bank.getstate().items()
        }

    def setstate(self, state: dict[str, Array]) -> None:
        """Go back to a state that `getstate` returned.

        Raises
        ------
        KeyError, ValueError
            If `state` lacks an array, or one has a wrong dtype or shape. The random state stays as it was.
        """
        parallel, single = Lanes(0, LANES), Lanes(0, 1)
        for name, bank in (("parallel", parallel), ("single", single)):
            bank.setstate({key: state[f"{name}_{key}"] for key in ("first_seed", "words")})
        self._parallel, self._single = parallel, single

    @staticmethod
    def _rows(shape: tuple[int, ...], dtype: DTypeLike) -> tuple[Array, int]:
        """Room for samples, with a row for each lane, and how many there will be."""
        size = math.prod(shape)
        return np.empty(_padded(size), dtype), size

    def _draw(self, block: _Block, words_each: int) -> Words:
        """Use up a fixed number of words per sample, and return them tempered, a row for each lane."""
        columns = block.out.shape[1] * words_each
        raw = self._parallel.peek(block.lane, block.lane + len(block.out), columns)
        self._parallel.advance(block.lane, raw, block.valid * words_each)
        return temper(raw[:, :columns])

    def _uniform01(self, size: int, dtype: DTypeLike) -> Array:
        """Draw `size` uniforms from [0, 1]: float32 for float32, otherwise float64."""
        samples = np.empty(_padded(size), _carrier(dtype))
        for block in _blocks(samples, size):
            if samples.dtype == np.float32:
                block.out[...] = canonical32(self._draw(block, 1))
            else:
                block.out[...] = canonical64(self._draw(block, 2))
        return samples.reshape(-1)[:size]

    def _below(self, bounds: NDArray[np.int64]) -> list[int]:
        """Draw an integer from [0, bound) for each bound in turn, from the single generator.

        A word is divided by the largest scale that fits the bound; one beyond the last whole interval is
        dropped.
        """
        drawn: list[int] = []
        while len(drawn) < len(bounds):
            bound = bounds[len(drawn) : len(drawn) + _BOUNDS_AT_A_TIME]
            raw = self._single.peek(0, 1, len(bound))
            words = temper(raw[:, : len(bound)])[0].astype(np.int64)
            scale = WORD_MASK // bound
            dropped = np.flatnonzero(words >= bound * scale)
            good = int(dropped[0]) if len(dropped) else len(bound)
            drawn += (words[:good] // scale[:good]).tolist()
            self._single.advance(0, raw, min(good + 1, len(bound)))
        return drawn
