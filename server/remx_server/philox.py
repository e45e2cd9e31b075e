"""The fast random generator: Philox, drawn by the device where the samples belong.

It gives the distributions of `random_state`, not MXNet's numbers. A seed gives the same numbers each time on
the same kind of device with the same version of NumPy or CuPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import zipfian
from .backend import Array

_SEED_MASK = (1 << 64) - 1
_BUFFER_WORDS = 4
_STATE_WORDS = 13
"""Of NumPy's generator: counter, key, a buffer, and how much of that is used."""


class PhiloxState:
    """The random state of one client thread in one session, with the methods of `RandomState`.

    Parameters of the distributions are numbers, or arrays of the device that broadcast to the shape of the
    samples.

    Parameters
    ----------
    seed : int
        Any integer; its lowest 64 bits count.
    xp : module
        NumPy, or CuPy for the state of the device that is the current one.
    """

    on_host = False

    def __init__(self, seed: int, xp: Any = np) -> None:
        self._seed = int(seed) & _SEED_MASK
        self._xp = xp
        random = xp.random
        make = random.Philox if hasattr(random, "Philox") else random.Philox4x3210
        self._generator = random.Generator(make(self._seed))
        self._of_devices: dict[int, PhiloxState] = {}

    def on(self, xp: Any) -> PhiloxState:
        """The state that draws on the current device of an array module, made when it is first asked for."""
        if xp is self._xp:
            return self
        device = int(xp.cuda.runtime.getDevice())
        state = self._of_devices.get(device)
        if state is None:
            state = self._of_devices[device] = PhiloxState(self._seed, xp)
        return state

    def getstate(self) -> dict[str, Any]:
        """Return what `setstate` takes: plain numbers and, of a GPU's generator, an array in host memory.

        Returns
        -------
        dict
            ``seed``, ``state``, and ``devices``: the same of the generators on other devices.
        """
        return {
            "seed": self._seed,
            "state": self._words(),
            "devices": {device: state._words() for device, state in self._of_devices.items()},
        }

    def _words(self) -> NDArray[Any]:
        bits = self._generator.bit_generator
        if self._xp is not np:
            # cuRAND's own states, one for each of its threads.
            return np.asarray(self._xp.asnumpy(bits._state)).view(np.uint8).reshape(-1)
        state = bits.state
        parts = (
            state["state"]["counter"],
            state["state"]["key"],
            state["buffer"],
            [state["buffer_pos"], state["has_uint32"], state["uinteger"]],
        )
        return np.concatenate([np.asarray(part, np.uint64) for part in parts])

    def setstate(self, words: NDArray[Any]) -> None:
        """Have this device's generator go back to a state that `getstate` returned.

        Raises
        ------
        ValueError
            If it is not one. The generator stays as it was.
        """
        bits = self._generator.bit_generator
        if self._xp is not np:
            mine = bits._state.view(np.uint8).reshape(-1)
            if words.dtype != np.uint8 or words.shape != mine.shape:
                raise ValueError(f"a GPU's state is {mine.size} bytes, not {words.size} of {words.dtype}")
            mine[...] = self._xp.asarray(words)
            return
        if words.dtype != np.uint64 or words.shape != (_STATE_WORDS,):
            raise ValueError(f"a state is {_STATE_WORDS} words, not {words.dtype} of shape {words.shape}")
        position, has_word, word = (int(entry) for entry in words[10:])
        if position > _BUFFER_WORDS or has_word > 1 or word >> 32:
            raise ValueError("a state with a place in its buffer that is outside")
        bits.state = {
            "bit_generator": "Philox",
            "state": {"counter": words[:4].astype(np.uint64), "key": words[4:6].astype(np.uint64)},
            "buffer": words[6:10].astype(np.uint64),
            "buffer_pos": position,
            "has_uint32": has_word,
            "uinteger": word,
        }

    def uniform(self, low: Any, high: Any, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        """Draw from the uniform distribution over [low, high)."""
        samples = self._generator.random(size=shape, dtype=_carrier(dtype))
        return self._scaled(samples, self._parameter(high) - self._parameter(low), low, shape, dtype)

    def normal(self, loc: Any, scale: Any, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        """Draw from the normal distribution of mean `loc` and standard deviation `scale`."""
        samples = self._generator.standard_normal(size=shape, dtype=_carrier(dtype))
        return self._scaled(samples, self._parameter(scale), loc, shape, dtype)

    def exponential(self, lam: Any, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        """Draw from the exponential distribution of rate `lam`."""
        samples = self._generator.standard_exponential(size=shape, dtype=_carrier(dtype))
        return self._scaled(samples, 1 / self._parameter(lam), 0.0, shape, dtype)

    def gamma(self, alpha: Any, beta: Any, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        """Draw from the gamma distribution of shape `alpha` and scale `beta`."""
        samples = self._gamma(self._parameter(alpha), shape)
        return self._scaled(samples, self._parameter(beta), 0.0, shape, dtype)

    def poisson(self, lam: Any, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        """Draw from the poisson distribution of rate `lam`."""
        return self._xp.asarray(self._generator.poisson(self._parameter(lam), size=shape)).astype(dtype)

    def negative_binomial(
        self, k: Any, p: Any, shape: tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> Array:
        """Draw how many failures come before `k` successes of probability `p`."""
        probability = self._parameter(p)
        rates = self._gamma(self._parameter(k), shape) * ((1 - probability) / probability)
        return self.poisson(rates, shape, dtype)

    def generalized_negative_binomial(
        self, mu: Any, alpha: Any, shape: tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> Array:
        """Draw from the negative binomial distribution of mean `mu` and dispersion `alpha`."""
        xp = self._xp
        mean, dispersion = self._parameter(mu), self._parameter(alpha)
        sure = dispersion == 0
        dispersion = xp.where(sure, 1, dispersion)
        rates = self._gamma(1 / dispersion, shape) * (dispersion * mean)
        return self.poisson(xp.where(sure, mean, rates), shape, dtype)

    def randint(self, low: int, high: int, shape: tuple[int, ...], dtype: DTypeLike = np.int32) -> Array:
        """Draw integers from [low, high); those that do not fit are wrapped."""
        drawn = self._generator.integers(low, high, size=shape, dtype=np.int64)
        return self._xp.asarray(drawn).astype(dtype)

    def keep_mask(self, p: float, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        """Draw which elements the op Dropout keeps."""
        return self._xp.asarray(self._generator.random(size=shape, dtype=np.float32)) < np.float32(1 - p)

    def shuffle_order(self, n: int) -> Array:
        """Draw an order of `n` elements."""
        return self._xp.argsort(self._generator.random(size=(n,), dtype=np.float64))

    def shuffle_rows_order(self, n: int) -> Array:
        """Draw an order of `n` rows."""
        return self.shuffle_order(n)

    def next_uniform(self) -> float:
        """Draw one number from [0, 1)."""
        return float(self._generator.random(size=(1,), dtype=np.float32)[0])

    def next_coin(self) -> bool:
        """Draw true or false."""
        return self.next_uniform() < 0.5

    def next_normals(self, count: int) -> list[float]:
        """Draw `count` standard normal numbers."""
        drawn: list[float] = self._generator.standard_normal(size=(count,), dtype=np.float32).tolist()
        return drawn

    def multinomial(self, probabilities: Array, size: int) -> Array:
        """Draw `size` class numbers for each row of probabilities; see `RandomState.multinomial`."""
        xp = self._xp
        rows, classes = probabilities.shape
        sums = xp.cumsum(probabilities.astype(np.float64), axis=1)
        drawn = self._generator.random(size=(rows, size), dtype=np.float64)
        found = xp.empty((rows, size), dtype=np.intp)
        for row in range(rows):
            found[row] = xp.searchsorted(sums[row], drawn[row], side="right")
        return xp.minimum(found, classes - 1)

    def unique_zipfian(self, range_max: int, shape: tuple[int, int]) -> tuple[Array, Array]:
        """Draw rows of different class numbers; see `RandomState.unique_zipfian`."""

        def draw(row: int) -> tuple[Array, int]:
            drawn = np.empty(0)

            def uniforms(ahead: int) -> Any:
                nonlocal drawn
                more = self._generator.random(size=(ahead - len(drawn),), dtype=np.float64)
                drawn = np.concatenate([drawn, more.get() if hasattr(more, "get") else more])
                return drawn

            return zipfian.distinct(uniforms, shape[1], range_max)

        samples, tries = zipfian.rows_of(shape, range_max, draw)
        return self._xp.asarray(samples), self._xp.asarray(tries)

    def _parameter(self, value: Any) -> Array:
        return self._xp.asarray(value, dtype=np.float64)

    def _gamma(self, alpha: Array, shape: tuple[int, ...]) -> Array:
        alpha = self._xp.broadcast_to(alpha, shape)
        if not bool((alpha >= 0).all()):
            raise ValueError("the shape of a gamma distribution must not be negative")
        return self._xp.asarray(self._generator.standard_gamma(alpha, size=shape, dtype=np.float64))

    def _scaled(
        self, samples: Any, factor: Array, offset: Any, shape: tuple[int, ...], dtype: DTypeLike
    ) -> Array:
        """Samples times `factor` plus `offset`, in the dtype they were drawn in."""
        xp = self._xp
        drawn = xp.asarray(samples)
        with np.errstate(all="ignore"):
            drawn *= factor.astype(drawn.dtype)
            drawn += xp.asarray(offset, dtype=drawn.dtype)
            return drawn.reshape(shape).astype(dtype, copy=False)


def _carrier(dtype: DTypeLike) -> Any:
    """What samples of a dtype are drawn in."""
    return np.float64 if np.dtype(dtype) == np.float64 else np.float32
