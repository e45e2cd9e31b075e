"""Single samples from a generator of MXNet's, each from a distribution object of its own, as its image ops
draw them."""

from __future__ import annotations

import math

import numpy as np

from .logarithm import logf
from .mt19937 import Lanes, canonical32, canonical64, temper


def uniform(lanes: Lanes) -> float:
    """A number of single precision in [0, 1], from one word."""
    return float(canonical32(_words(lanes, 1))[0, 0])


def coin(lanes: Lanes) -> bool:
    """Whether a number of double precision, from two words, is below one half."""
    return bool(canonical64(_words(lanes, 2))[0, 0] < 0.5)


def normals(lanes: Lanes, count: int) -> list[float]:
    """Standard normal numbers of single precision by the polar method, both of each pair being used."""
    made: list[float] = []
    while len(made) < count:
        x, y = canonical32(_words(lanes, 2), 2.0)[0] - np.float32(1)
        radius = x * x + y * y
        if 0 < radius <= 1:
            factor = np.float32(math.sqrt(np.float32(-2) * logf(radius.reshape(1))[0] / radius))
            made += [float(y * factor), float(x * factor)]
    return made[:count]


def _words(lanes: Lanes, count: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]:
    raw = lanes.peek(0, 1, count)
    lanes.advance(0, raw, count)
    return temper(raw[:, :count])
