"""The random generator of MXNet 1.9.1's CPU, bit for bit, in NumPy.

MXNet draws its samples from 1024 independent ``mt19937`` lanes: a call for ``n`` samples is cut into runs of
consecutive samples, run ``i`` is drawn in order from lane ``i``, and the lanes keep their place between
calls. A further single ``mt19937`` serves shuffling and the multinomial. What is drawn from a lane follows
libstdc++ of GCC 4.8 (``uniform_real_distribution``, ``normal_distribution``, ``uniform_int_distribution``),
because the wheels of MXNet were built with it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from remx_server import attempts, drawing, one_by_one, zipfian
from remx_server.drawing import LANES, Block, Work, padded
from remx_server.logarithm import libm_log
from remx_server.mt19937 import WORD_MASK, Lanes, canonical32, canonical64, temper

Array = NDArray[Any]

_SEED_FACTOR = 127
_BOUNDS_AT_A_TIME = 1 << 12


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


def _is_plain(parameter: Array) -> bool:
    """Whether a parameter is one number, which fits in every dtype that samples are drawn in."""
    return parameter.ndim == 0 and parameter.dtype == np.float32


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

    on_host = True
    """Whether it draws in host memory for every device, and takes parameters there."""

    def __init__(self) -> None:
        self._parallel = Lanes(0, LANES)
        self._single = Lanes(0, 1)

    def on(self, xp: Any) -> RandomState:
        """Itself: the numbers are the same on every device."""
        return self

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
        wide = _carrier(dtype) == np.float64
        with np.errstate(all="ignore"):
            low, high = _parameter(low), _parameter(high)
            span = high - low

        def draw(block: Block) -> None:
            block.out[...] = drawing.uniform01(self._parallel, block, wide)

        return self._scaled(draw, span, low, shape, dtype)

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
        exact = np.dtype(dtype) == np.float64

        def draw(block: Block) -> None:
            drawing.polar(self._parallel, block, exact)

        return self._scaled(draw, _parameter(scale), _parameter(loc), shape, dtype)

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
        wide = _carrier(dtype) == np.float64
        exact = np.dtype(dtype) == np.float64
        rate = _parameter(lam)
        scalar = _is_plain(rate)

        def draw(block: Block) -> None:
            u = drawing.uniform01(self._parallel, block, wide)
            with np.errstate(all="ignore"):
                rest = 1.0 - u.astype(np.float64, copy=False)
                standard = np.negative(libm_log(rest) if exact and rest.all() else np.log(rest))
                block.out[...] = standard / rate if scalar else standard

        samples = self._filled(shape, _carrier(dtype) if scalar else np.float64, draw)
        with np.errstate(all="ignore"):
            return _rounded(samples if scalar else _combine(np.divide, samples, rate), dtype)

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

        def draw(block: Block) -> None:
            words = drawing.draw_words(self._parallel, block, 2)
            wide = words[:, 0::2].astype(np.int64)
            wide <<= 31
            wide += words[:, 1::2]
            wide %= span
            wide += low
            block.out[...] = wide.astype(block.out.dtype)

        return self._filled(shape, dtype, draw)

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
        wide = _carrier(dtype) == np.float64
        bound = np.float32(1) - np.float32(p)

        def draw(block: Block) -> None:
            u = drawing.uniform01(self._parallel, block, wide)
            np.less(u.astype(np.float32, copy=False), bound, out=block.out)

        return self._filled(shape, np.bool_, draw)

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

    def next_uniform(self) -> float:
        """Draw one number from [0, 1], as the image ops do."""
        return one_by_one.uniform(self._single)

    def next_coin(self) -> bool:
        """Draw true or false, as the image ops do."""
        return one_by_one.coin(self._single)

    def next_normals(self, count: int) -> list[float]:
        """Draw standard normal numbers, as the image ops do."""
        return one_by_one.normals(self._single, count)

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

    def unique_zipfian(self, range_max: int, shape: tuple[int, int]) -> tuple[Array, Array]:
        """Draw rows of different class numbers, as the op ``_sample_unique_zipfian``.

        Returns
        -------
        samples : ndarray of int64, of `shape`
        tries : ndarray of int64
            How many numbers were drawn for each row.
        """
        rows, count = shape
        # Rows, not samples, are cut into runs here.
        run = -(-rows // LANES)

        def draw(row: int) -> tuple[Array, int]:
            lane = row // run
            classes, tries = zipfian.distinct(lambda ahead: self._peek64(lane, ahead), count, range_max)
            self._parallel.advance(lane, self._parallel.peek(lane, lane + 1, 2 * tries), 2 * tries)
            return classes, tries

        return zipfian.rows_of(shape, range_max, draw)

    def _peek64(self, lane: int, count: int) -> Array:
        """The next uniforms of a lane, which stay there."""
        raw = self._parallel.peek(lane, lane + 1, 2 * count)
        found: Array = canonical64(temper(raw[:, : 2 * count]))[0]
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
        lanes = type(self._parallel)
        parallel, single = lanes(0, LANES), lanes(0, 1)
        for name, bank in (("parallel", parallel), ("single", single)):
            bank.setstate({key: state[f"{name}_{key}"] for key in bank.getstate()})
        self._parallel, self._single = parallel, single

    @staticmethod
    def _rows(shape: tuple[int, ...], dtype: DTypeLike) -> tuple[Array, int]:
        """Room for samples, with a row for each lane, and how many there will be."""
        size = math.prod(shape)
        return np.empty(padded(size), dtype), size

    def _filled(self, shape: tuple[int, ...], dtype: DTypeLike, draw: Work) -> Array:
        """An array whose blocks `draw` has drawn."""
        samples, size = self._rows(shape, dtype)
        drawing.fill(self._parallel, samples, size, draw)
        return samples.reshape(-1)[:size].reshape(shape)

    def _scaled(
        self, draw: Work, factor: Array, offset: Array, shape: tuple[int, ...], dtype: DTypeLike
    ) -> Array:
        """Samples times `factor` plus `offset`; numbers are applied while a block is in the cache."""
        plain = _is_plain(factor) and _is_plain(offset)

        def draw_and_scale(block: Block) -> None:
            draw(block)
            with np.errstate(all="ignore"):
                np.multiply(block.out, factor, out=block.out)
                np.add(block.out, offset, out=block.out)

        samples = self._filled(shape, _carrier(dtype), draw_and_scale if plain else draw)
        with np.errstate(all="ignore"):
            if not plain:
                samples = _combine(np.add, _combine(np.multiply, samples, factor), offset)
            return _rounded(samples, dtype)

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
