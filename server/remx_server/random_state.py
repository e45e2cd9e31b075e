"""The random generator of MXNet 1.9.1's CPU, bit for bit, in NumPy.

MXNet draws its samples from 1024 independent ``mt19937`` lanes: a call for ``n`` samples is cut into runs of
consecutive samples, run ``i`` is drawn in order from lane ``i``, and the lanes keep their place between calls.
A further single ``mt19937`` serves shuffling and the multinomial. What is drawn from a lane follows
libstdc++ of GCC 4.8 (``uniform_real_distribution``, ``normal_distribution``, ``uniform_int_distribution``),
because the wheels of MXNet were built with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from remx_server.mt19937 import WORD_MASK, Lanes, Words, temper

LANES = 1024
"""Number of parallel generators of MXNet's CPU random resource."""

Array = NDArray[Any]

_LANE_MIN_SAMPLES = 64
_SEED_FACTOR = 127

# How much is generated at a time: the temporaries of one block should stay in a second level cache.
_BLOCK_SAMPLES = 1 << 15
_BLOCK_COLUMNS = 1 << 11

# Pairs of uniforms that are drawn for the polar method beyond the expected number, in standard deviations and in
# pairs. A lane that still runs short makes the block be drawn again with more, so these decide speed only.
_SPARE_SIGMAS = 5.0
_SPARE_PAIRS = 8
_ACCEPTED = math.pi / 4

_BOUNDS_AT_A_TIME = 1 << 12


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
    return np.ldexp(inverse[cell & 15], -exponent), log[cell & 15] + exponent * float.fromhex(
        "0x1.62e42fefa39efp-1"
    )


# A float32's bits, less the offset and shifted by 19, number cells of a sixteenth of an octave. Rounding the offset
# up to the next cell keeps the numbers positive.
_LOGF_OFFSET = 0x3F330000
_LOGF_FIRST_CELL = 0x3F380000
_LOGF_CELLS = (0x7F800000 + _LOGF_FIRST_CELL - _LOGF_OFFSET >> 19) + 1
_LOGF_INVERSE, _LOGF_LOG = _logf_tables()
_LOGF_A0 = float.fromhex("-0x1.00ea348b88334p-2")
_LOGF_A1 = float.fromhex("0x1.5575b0be00b6ap-2")
_LOGF_A2 = float.fromhex("-0x1.ffffef20a4123p-2")


def logf(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Natural logarithm of positive normal float32 numbers, with the bits of glibc's ``logf``.

    The algorithm (glibc since 2.27, from Arm's optimized routines): ``x = 2**k * z``, a table over 16 cells of ``z``
    gives ``1/c`` and ``log(c)`` for a ``c`` near ``z``, and a cubic in ``z/c - 1``, in double, gives the rest.
    ``numpy.log`` of float32 differs from it in the last bit for about a fifth of all arguments.

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


def _libm_log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithm of positive doubles by the C library, which NumPy's own differs from in the last bit."""
    flat = x.ravel()
    return np.fromiter(map(math.log, flat.tolist()), np.float64, flat.size).reshape(x.shape)


def _canonical32(words: Words) -> NDArray[np.float32]:
    """Uniforms in [0, 1] from one word each; 1.0 itself occurs, since the quotient is rounded to float32."""
    u = words.astype(np.float32)
    u *= np.float32(2.0**-32)
    return u


def _canonical64(words: Words) -> NDArray[np.float64]:
    """Uniforms in [0, 1] from two words each, the lower one first; `words` has an even number of columns."""
    u = words[:, 1::2].astype(np.float64)
    u *= 2.0**32
    u += words[:, 0::2]
    u *= 2.0**-64
    return u


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


def _in_place(operation: np.ufunc, samples: Array, parameter: Array) -> Array:
    """Apply `operation`, in the memory of `samples` if the result fits there."""
    fits = np.result_type(samples.dtype, parameter.dtype) == samples.dtype
    result: Array = operation(samples, parameter, out=samples if fits else None)
    return result


def _polar(block: _Block, lanes: Lanes, exact_log: bool) -> None:
    """Draw standard normal samples as libstdc++ does, which drops the second one of each pair.

    A pair of uniforms is a point of the square around the unit disc, and is used if it lies inside. So lanes use
    different numbers of words; each is left right behind its last point.
    """
    single = block.out.dtype == np.float32
    rows, need = block.out.shape
    words_each = 2 if single else 4
    sigma = math.sqrt(need * (1 - _ACCEPTED)) / _ACCEPTED
    pairs = math.ceil(need / _ACCEPTED + _SPARE_SIGMAS * sigma) + _SPARE_PAIRS
    while True:
        raw = lanes.peek(block.lane, block.lane + rows, pairs * words_each)
        words = temper(raw[:, : pairs * words_each])
        points = _canonical32(words) if single else _canonical64(words)
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
    result: Array = _libm_log(x) if exact else np.log(x)
    return result


class RandomState:
    """The random state of one client thread in one session, as MXNet keeps one for each thread.

    A fresh state behaves as after ``seed(0)``. Nothing is computed before the first draw, and then only
    the lanes that the draw needs are seeded. One thread at a time may use a state.

    The parameters of the distributions (`low`, `high`, `loc`, `scale`, `lam`) are numbers, which are rounded to
    float32 as MXNet does whatever the dtype of the samples, or arrays that broadcast to `shape`, which keep their
    dtype: for the ops ``sample_*``, give the parameters trailing axes of length one.

    What is drawn equals MXNet 1.9.1 on a CPU bit for bit. Normal and exponential samples in float64 take the
    logarithm from the C library, as MXNet does, so they depend on it; MXNet's published numbers come from glibc's.
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
        first = (seed * _SEED_FACTOR) & WORD_MASK
        self._parallel.reseed(first)
        self._single.reseed(first)

    def seed_context(self, seed: int) -> None:
        """Start again, as ``mx.random.seed(seed, ctx=...)``: differs from `seed` in shuffle and multinomial only."""
        self._parallel.reseed((seed * _SEED_FACTOR) & WORD_MASK)
        self._single.reseed(seed & WORD_MASK)

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
        low, high = _parameter(low), _parameter(high)
        u = self._uniform01(math.prod(shape), dtype).reshape(shape)
        u = _in_place(np.multiply, u, high - low)
        return _in_place(np.add, u, low).astype(dtype, copy=False)

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
        loc, scale = _parameter(loc), _parameter(scale)
        size = math.prod(shape)
        samples = np.empty(_padded(size), _carrier(dtype))
        for block in _blocks(samples, size):
            _polar(block, self._parallel, exact_log=np.dtype(dtype) == np.float64)
        z = samples.reshape(-1)[:size].reshape(shape)
        z = _in_place(np.multiply, z, scale)
        return _in_place(np.add, z, loc).astype(dtype, copy=False)

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
            Infinity may occur in float32, once in some 2**25 samples, since its uniforms can be one.
        """
        lam = _parameter(lam)
        u = self._uniform01(math.prod(shape), dtype).reshape(shape)
        rest = 1.0 - u.astype(np.float64, copy=False)
        with np.errstate(divide="ignore", over="ignore"):
            logs = _libm_log(rest) if np.dtype(dtype) == np.float64 and rest.all() else np.log(rest)
            return np.asarray(-logs / np.float64(lam)).astype(dtype)

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
        return (u < np.float32(1) - np.float32(p)).reshape(shape)

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
        probabilities : ndarray, shape (rows, classes)
            One distribution a row.
        size : int
            Number of samples from each row.

        Returns
        -------
        ndarray of intp, shape (rows, size)
        """
        rows, classes = probabilities.shape
        words = self._single.peek(0, 1, rows * size)
        u = _canonical32(temper(words[:, : rows * size])).reshape(rows, size)
        self._single.advance(0, words, rows * size)
        steps = np.cumsum(probabilities, axis=1, dtype=np.float64).astype(np.float32)
        found = [np.searchsorted(row_steps, row_u) for row_steps, row_u in zip(steps, u, strict=True)]
        return np.minimum(np.array(found, dtype=np.intp).reshape(rows, size), classes - 1)

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
            If `state` lacks an array, or one has a wrong dtype or shape.
        """
        for name, bank in (("parallel", self._parallel), ("single", self._single)):
            bank.setstate({key: state[f"{name}_{key}"] for key in ("first_seed", "words")})

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
                block.out[...] = _canonical32(self._draw(block, 1))
            else:
                block.out[...] = _canonical64(self._draw(block, 2))
        return samples.reshape(-1)[:size]

    def _below(self, bounds: NDArray[np.int64]) -> list[int]:
        """Draw an integer from [0, bound) for each bound in turn, from the single generator.

        A word is divided by the largest scale that fits the bound; a word beyond the last whole interval is dropped.
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
