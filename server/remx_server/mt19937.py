"""Many ``mt19937`` generators advanced together by whole-array operations.

An ``mt19937`` is a linear recurrence over its last 624 words that does not care where a block of 624 starts,
so a row of words per generator can be extended to the right for all rows at once, however far each has come.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Words = NDArray[np.uint32]

WORD_MASK = 0xFFFFFFFF

# The constants of mt19937 (Matsumoto and Nishimura, 1998).
_STATE_WORDS = 624
_MIDDLE = 397
_INDEPENDENT = _STATE_WORDS - _MIDDLE  # this many new words depend on no other new word
_UPPER = np.uint32(0x80000000)
_LOWER = np.uint32(0x7FFFFFFF)
_MATRIX = np.uint32(0x9908B0DF)
_TEMPER_B = np.uint32(0x9D2C5680)
_TEMPER_C = np.uint32(0xEFC60000)
_ONE = np.uint32(1)


def temper(raw: Words) -> Words:
    """Turn state words into output words; the argument is left as it is."""
    out = raw >> np.uint32(11)
    out ^= raw
    scratch = out << np.uint32(7)
    scratch &= _TEMPER_B
    out ^= scratch
    np.left_shift(out, np.uint32(15), out=scratch)
    scratch &= _TEMPER_C
    out ^= scratch
    np.right_shift(out, np.uint32(18), out=scratch)
    out ^= scratch
    return out


def canonical32(words: Words, length: float = 1.0) -> NDArray[np.float32]:
    """Uniforms in [0, length], a power of two, from one word each.

    The end itself occurs, since the quotient is rounded to float32.
    """
    u = words.astype(np.float32)
    u *= np.float32(length * 2.0**-32)
    return u


def canonical64(words: Words, length: float = 1.0) -> NDArray[np.float64]:
    """Uniforms in [0, length], a power of two, from two words each, the lower one first."""
    u = words[:, 1::2].astype(np.float64)
    u *= 2.0**32
    u += words[:, 0::2]
    u *= length * 2.0**-64
    return u


def _untemper(words: Words) -> Words:
    """Turn output words back into state words: the inverse of `temper`."""
    y = words ^ (words >> np.uint32(18))
    y ^= (y << np.uint32(15)) & _TEMPER_C
    # A shift by 7 of 32 bits is undone seven bits at a time, one by 11 in three steps.
    x = y
    for _ in range(4):
        x = y ^ ((x << np.uint32(7)) & _TEMPER_B)
    z = x
    for _ in range(2):
        z = x ^ (z >> np.uint32(11))
    return z


class Lanes:
    """A bank of ``mt19937`` generators with consecutive seeds, advanced together.

    A lane is seeded when it is first used. Lanes are used from the first on, so the lanes in use are always
    a prefix of the bank.

    Parameters
    ----------
    first_seed : int
        Seed of lane 0; lane ``i`` has ``(first_seed + i) mod 2**32``.
    count : int
        Number of lanes.
    """

    def __init__(self, first_seed: int, count: int) -> None:
        self.first_seed = first_seed & WORD_MASK
        self.count = count
        self._live = 0
        # Row i holds the next 624 state words of lane i. Rows of lanes not in use are never touched, so they
        # cost address space only.
        self._next: Words = np.empty((count, _STATE_WORDS), dtype=np.uint32)
        self._seeder: tuple[np.random.RandomState, np.random.MT19937] | None = None

    def reseed(self, first_seed: int) -> None:
        """Give every lane its new seed and start it again."""
        self.first_seed = first_seed & WORD_MASK
        self._live = 0

    def peek(self, start: int, stop: int, words: int) -> Words:
        """Return the next state words of some lanes without using them up.

        Returns
        -------
        ndarray of uint32, shape (stop - start, words + 624)
            The first `words` columns, tempered, are the lanes' next outputs. The others are for `advance`.
        """
        self.seed_up_to(stop)
        total = words + _STATE_WORDS
        raw: Words = np.empty((stop - start, total), dtype=np.uint32)
        raw[:, :_STATE_WORDS] = self._next[start:stop]
        for at in range(_STATE_WORDS, total, _INDEPENDENT):
            end = min(at + _INDEPENDENT, total)
            old = raw[:, at - _STATE_WORDS : end - _STATE_WORDS]
            mixed = raw[:, at - _STATE_WORDS + 1 : end - _STATE_WORDS + 1] ^ old
            mixed &= _LOWER
            mixed ^= old  # the upper bit of the old word, the lower bits of the one after it
            odd = mixed & _ONE
            odd *= _MATRIX
            mixed >>= _ONE
            mixed ^= odd
            np.bitwise_xor(mixed, raw[:, at - _INDEPENDENT : end - _INDEPENDENT], out=raw[:, at:end])
        return raw

    def advance(self, start: int, raw: Words, used: int | NDArray[np.intp]) -> None:
        """Use up words that `peek` returned.

        Parameters
        ----------
        start : int
            The first lane, as given to `peek`.
        raw : ndarray
            What `peek` returned.
        used : int or ndarray of intp, shape (lanes,)
            The number of words used by each lane, at most the `words` given to `peek`.
        """
        rows, total = raw.shape
        kept = self._next[start : start + rows]
        if isinstance(used, int):
            kept[...] = raw[:, used : used + _STATE_WORDS]
            return
        row, column = raw.strides
        windows = as_strided(raw, (rows, total - _STATE_WORDS + 1, _STATE_WORDS), (row, column, column))
        kept[...] = windows[np.arange(rows), used]

    def seed_up_to(self, stop: int) -> None:
        """Have the lanes before `stop` ready, so that several threads can use some each."""
        if stop <= self._live:
            return
        if self._seeder is None:
            generator = np.random.MT19937(0)
            self._seeder = (np.random.RandomState(generator), generator)
        legacy, generator = self._seeder
        outputs: Words = np.empty((stop - self._live, _STATE_WORDS), dtype=np.uint32)
        for row, lane in enumerate(range(self._live, stop)):
            # Seeding with a number is the reference initialisation, as in std::mt19937. Reading outputs and
            # inverting them is many times faster than asking NumPy for the state.
            legacy.seed((self.first_seed + lane) & WORD_MASK)
            outputs[row] = generator.random_raw(_STATE_WORDS)
        self._next[self._live : stop] = _untemper(outputs)
        self._live = stop

    def getstate(self) -> dict[str, NDArray[Any]]:
        """Return the first seed and the state words of the lanes in use, as copies."""
        return {
            "first_seed": np.array(self.first_seed, dtype=np.uint32),
            "words": self._next[: self._live].copy(),
        }

    def setstate(self, state: dict[str, NDArray[Any]]) -> None:
        """Go back to what `getstate` returned."""
        words = np.asarray(state["words"])
        if words.dtype != np.uint32 or words.shape[1:] != (_STATE_WORDS,) or len(words) > self.count:
            raise ValueError(
                f"words must be uint32 of shape (at most {self.count}, {_STATE_WORDS}), "
                f"not {words.dtype} of shape {words.shape}"
            )
        self.reseed(int(state["first_seed"]))
        self._live = len(words)
        self._next[: self._live] = words
