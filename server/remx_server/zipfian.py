"""Distinct class numbers from an approximately Zipfian distribution, for sampled softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_MAX_TRIES: Final = 1 << 26
"""More than it takes to meet each of a million classes."""


def distinct(
    uniforms: Callable[[int], NDArray[np.float64]], count: int, range_max: int
) -> tuple[NDArray[np.int64], int]:
    """Draw class numbers until ``count`` different ones have come.

    Parameters
    ----------
    uniforms : callable
        Gives as many of the next uniforms as it is asked for, from the same one on each time.
    count : int
    range_max : int
        The number of classes; the probability of a class is about that of its number's inverse.

    Returns
    -------
    classes : ndarray of int64
        In the order in which they came first.
    tries : int
        How many uniforms that took.

    Raises
    ------
    ValueError
        If it takes too long.
    """
    ahead = count + 16
    while ahead <= _MAX_TRIES:
        scaled = np.exp(uniforms(ahead) * math.log(range_max))
        classes = (np.floor(scaled + 0.5).astype(np.int64) - 1) % range_max
        first = np.sort(np.unique(classes, return_index=True)[1])
        if len(first) >= count:
            return classes[first[:count]], int(first[count - 1]) + 1
        ahead *= 2
    raise ValueError(f"{count} different ones of {range_max} classes did not come in {_MAX_TRIES} tries")


def rows_of(
    shape: tuple[int, int], range_max: int, draw: Callable[[int], tuple[Any, int]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The samples and numbers of tries of each row, drawn by ``draw(row)`` in order.

    Raises
    ------
    ValueError
        If a row is to have more samples than there are classes.
    """
    rows, count = shape
    if count > range_max:
        raise ValueError(
            f"at most range_max={range_max} different samples can be drawn in a row, got shape={shape}"
        )
    samples, tries = np.empty(shape, np.int64), np.empty(rows, np.int64)
    for row in range(rows):
        samples[row], tries[row] = draw(row)
    return samples, tries
