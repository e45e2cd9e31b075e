"""Distributions that are drawn by trying: gamma, poisson, and the negative binomials made of both.

A sample takes as many words of its lane as it needs attempts, so the lanes part ways. Here each is walked at
its own pace, all of them together: a step is one attempt of every lane that still has samples to draw.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from remx_server.drawing import log
from remx_server.libm import lgammaf, tanf
from remx_server.logarithm import libm_pow, logf
from remx_server.mt19937 import Lanes, canonical32, canonical64, temper

Array = NDArray[Any]
Indices = NDArray[np.intp]

_WORDS_AHEAD: Final = 2048
"""How many words of each lane are generated at a time, at most."""
_PATIENCE: Final = 10_000
"""Steps without a sample in any lane, after which the parameters are to blame."""
_FEW: Final = 12
"""From this rate on, a poisson sample is not counted out but tried."""


class _Walk:
    """Lanes that draw their shares of a call, each at its own place.

    Attributes
    ----------
    active : ndarray of intp
        The lanes that have samples to draw.
    """

    def __init__(self, lanes: Lanes, samples: Array, size: int, wide: bool, need: int) -> None:
        rows, each = samples.shape
        self._lanes = lanes
        self._samples = samples
        self._wide = wide
        self._need = need
        self._columns = min(4 * each + need, _WORDS_AHEAD)
        self._first = np.arange(rows) * each
        self._left = np.minimum(size - self._first, each)
        self._at = np.zeros(rows, np.intp)
        self._done = np.zeros(rows, np.intp)
        self._steps = 0
        self._idle = 0
        self.active: Indices = np.arange(rows)
        self._peek()

    def _peek(self) -> None:
        words = self._columns << self._wide
        self._raw = self._lanes.peek(0, len(self._at), words)
        tempered = temper(self._raw[:, :words])
        self._uniforms: Array = canonical64(tempered) if self._wide else canonical32(tempered)

    def _commit(self) -> None:
        self._lanes.advance(0, self._raw, self._at << self._wide)
        self._at[:] = 0

    def step(self) -> bool:
        """Make ready for an attempt of every lane; False, and the lanes are left in order, at the end."""
        if not len(self.active):
            self._commit()
            return False
        if not self._steps:
            self._steps = (self._columns - int(self._at.max())) // self._need
            if not self._steps:
                self._commit()
                self._peek()
                self._steps = self._columns // self._need
        self._steps -= 1
        self._idle += 1
        if self._idle > _PATIENCE:
            raise ValueError(f"no sample was accepted in {_PATIENCE} attempts: the parameters are too large")
        return True

    def take(self, who: Indices) -> Array:
        """The next uniform of some lanes."""
        at = self._at[who]
        self._at[who] = at + 1
        return self._uniforms[who, at]

    def position(self, who: Indices) -> Indices:
        """Which sample of the call each of some lanes is at."""
        return self._first[who] + self._done[who]

    def put(self, who: Indices, values: Array) -> None:
        """Note samples, and go on to the next ones."""
        if not len(who):
            return
        done = self._done[who]
        self._samples[who, done] = values
        self._done[who] = done + 1
        self._idle = 0
        if (done + 1 == self._left[who]).any():
            self.active = np.flatnonzero(self._done < self._left)


class _Gammas:
    """What the attempts of Marsaglia and Tsang need of the parameters ``a`` (shape) and ``b`` (scale)."""

    def __init__(self, a: Array, b: Array, dtype: DTypeLike) -> None:
        # What MXNet computes with parameters of float16 it rounds to float16 at each step.
        half = a.dtype == np.float16
        wide = a.astype(np.float32 if half else np.float64)
        shift = np.where(a < 1, 2.0 / 3.0, -1.0 / 3.0).astype(wide.dtype)
        d = (wide + shift).astype(a.dtype if half else dtype).astype(dtype)
        if not ((d > 0) & np.isfinite(d)).all():
            raise ValueError("the shape of a gamma distribution must be positive and finite")
        self.d = d
        self.k = np.sqrt(9.0 * d.astype(np.float64)).astype(dtype)
        self.c = (1.0 / self.k.astype(np.float64)).astype(dtype)
        self.half = half
        # C multiplies floats and whole numbers as floats.
        self.b = b if b.dtype.kind == "f" else b.astype(dtype)
        self.raised = a < 1
        self.power = (wide.dtype.type(1) / wide).astype(a.dtype if half else dtype).astype(dtype)

    def attempt(self, walk: _Walk, who: Indices, which: Indices, exact: bool) -> tuple[Indices, Array]:
        """Try once in some lanes; return the lanes in which it worked, and their samples."""
        x = walk.take(who) * 2 - 1
        y = walk.take(who) * 2 - 1
        radius = x * x
        radius += y * y
        inside = np.flatnonzero((radius <= 1) & (radius != 0))
        who, which, radius = who[inside], which[inside], radius[inside]
        factor = log(radius, exact) * -2
        z = y[inside] * np.sqrt(factor / radius)
        d, c = self.d[which], self.c[which]
        right = z > -self.k[which]
        if not right.all():
            kept = np.flatnonzero(right)
            who, which, z, d, c = who[kept], which[kept], z[kept], d[kept], c[kept]
        x = (1.0 + (c * z).astype(np.float64)).astype(d.dtype)
        v = x * x * x
        wide = v.astype(np.float64)
        bound = 0.5 * z.astype(np.float64) * z + d * (1.0 - wide + np.log(wide))
        accepted = np.flatnonzero(np.log(1.0 - walk.take(who).astype(np.float64)) < bound)
        who, which = who[accepted], which[accepted]
        samples = d[accepted] * v[accepted]
        if self.half:
            samples = (samples.astype(np.float32) * self.b[which]).astype(np.float16)
        else:
            samples = samples * self.b[which]
        samples = samples.astype(d.dtype, copy=False)
        raised = np.flatnonzero(self.raised[which])
        if len(raised):
            u = walk.take(who[raised]).astype(np.float64)
            power = self.power[which[raised]].astype(np.float64)
            samples[raised] = samples[raised] * (libm_pow(u, power) if exact else u**power)
        return who, samples


def _logf(x: Array) -> Array:
    """:func:`logf` of positive numbers, also of infinity and of what is no number."""
    finite = np.isfinite(x)
    return np.where(finite, logf(np.where(finite, x, np.float32(1))), x)


class _Rates:
    """What the attempts of a poisson distribution need of its rates."""

    __slots__ = ("few", "gamma", "lam", "log", "product", "width")

    def __init__(self, lam: Array) -> None:
        self.lam = lam = lam.astype(np.float32)
        self.few = lam < _FEW
        self.product = np.exp(-lam.astype(np.float64)).astype(np.float32)
        self.width = np.sqrt(2.0 * lam.astype(np.float64)).astype(np.float32)
        large = np.where(self.few, np.float32(_FEW), lam)
        self.log = _logf(large)
        self.gamma = large * self.log - lgammaf(large + np.float32(1))

    def copy(self, who: Indices, other: _Rates) -> None:
        """Take another's rates for some of one's own."""
        for name in self.__slots__:
            getattr(self, name)[who] = getattr(other, name)


class _Poissons:
    """Poisson samples of many lanes, each in the middle of its own."""

    def __init__(self, lanes: int, rates: _Rates) -> None:
        self.rates = rates
        self._product = np.ones(lanes, np.float32)
        self._count = np.zeros(lanes, np.int32)

    def attempt(self, walk: _Walk, who: Indices, which: Indices) -> None:
        """Try once in some lanes, whose rates are those at ``which``."""
        few = self.rates.few[which]
        if few.all():
            self._count_out(walk, who, which)
        elif not few.any():
            self._try(walk, who, which)
        else:
            self._count_out(walk, who[few], which[few])
            self._try(walk, who[~few], which[~few])

    def _count_out(self, walk: _Walk, who: Indices, which: Indices) -> None:
        """Multiply uniforms until they fall below the exponential of the rate."""
        product = self._product[who] * walk.take(who)
        above = product > self.rates.product[which]
        self._product[who] = np.where(above, product, np.float32(1))
        count = self._count[who]
        self._count[who] = np.where(above, count + 1, 0)
        walk.put(who[~above], count[~above])

    def _try(self, walk: _Walk, who: Indices, which: Indices) -> None:
        """Reject from a Lorentzian, as Numerical Recipes do."""
        rates = self.rates
        y = tanf(np.float32(3.1415926) * walk.take(who))
        em = rates.width[which] * y + rates.lam[which]
        above = np.flatnonzero(~(em < 0))
        who, which, y, em = who[above], which[above], y[above], np.floor(em[above])
        exponent = em * rates.log[which] - lgammaf(em + np.float32(1)) - rates.gamma[which]
        ratio = np.exp(exponent.astype(np.float64)).astype(np.float32)
        bound = (0.9 * (1.0 + (y * y).astype(np.float64)) * ratio).astype(np.float32)
        accepted = np.flatnonzero(~(walk.take(who) > bound))
        walk.put(who[accepted], em[accepted].astype(np.int32))


def gamma(lanes: Lanes, samples: Array, size: int, alpha: Array, beta: Array, exact: bool) -> None:
    """Draw gamma samples into an array with a row for each lane.

    Parameters
    ----------
    lanes : Lanes
    samples : ndarray of float32 or float64
        Of float64, gamma samples take two words for each uniform.
        The first ``size`` of them are drawn.
    size : int
    alpha, beta : ndarray
        Vectors of shapes and scales; each element holds for an equal run of consecutive samples.
    exact : bool
        Take logarithms and powers of doubles from the C library.
    """
    runs = _runs(size, alpha)
    with np.errstate(all="ignore"):
        gammas = _Gammas(alpha, beta, samples.dtype)
        walk = _Walk(lanes, samples, size, samples.dtype == np.float64, 4)
        while walk.step():
            who = walk.active
            walk.put(*gammas.attempt(walk, who, walk.position(who) // runs, exact))


def poisson(lanes: Lanes, samples: Array, size: int, lam: Array) -> None:
    """Draw poisson samples of the rates ``lam``; see :func:`gamma`."""
    runs = _runs(size, lam)
    with np.errstate(all="ignore"):
        poissons = _Poissons(len(samples), _Rates(lam))
        walk = _Walk(lanes, samples, size, False, 2)
        while walk.step():
            who = walk.active
            poissons.attempt(walk, who, walk.position(who) // runs)


def gamma_poisson(lanes: Lanes, samples: Array, size: int, alpha: Array, beta: Array, fixed: Array) -> None:
    """Draw poisson samples whose rates are gamma samples, or ``fixed`` where that is not NaN."""
    runs = _runs(size, alpha)
    with np.errstate(all="ignore"):
        free = np.isnan(fixed)
        gammas = _Gammas(np.where(free, alpha, alpha.dtype.type(1)), beta, np.float32)
        rates = _Rates(np.ones(len(samples), np.float32))
        poissons = _Poissons(len(samples), rates)
        # Which lanes have the rate of their present sample.
        known = np.full(len(samples), -1)
        walk = _Walk(lanes, samples, size, False, 4)
        while walk.step():
            who = walk.active
            position = walk.position(who)
            ready = known[who] == position
            started = who[ready]
            if len(started):
                poissons.attempt(walk, started, started)
            if len(started) == len(who):
                continue
            who, position = who[~ready], position[~ready]
            which = position // runs
            drawn, lam = gammas.attempt(walk, who[free[which]], which[free[which]], False)
            given = ~free[which]
            drawn = np.concatenate([drawn, who[given]])
            rates.copy(drawn, _Rates(np.concatenate([lam, fixed[which[given]]])))
            known[drawn] = walk.position(drawn)


def _runs(size: int, parameter: Array) -> int:
    """How many consecutive samples each element of a parameter is for."""
    return max(size // parameter.size, 1) if parameter.size else 1
