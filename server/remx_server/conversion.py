"""How numbers become elements and positions, after MXNet's rules, which are those of C."""

from __future__ import annotations

from math import isfinite
from types import ModuleType
from typing import Any

import numpy as np

Array = Any


def as_element(value: float, dtype: np.dtype[Any]) -> Any:
    """A number as a scalar of a dtype.

    Integers truncate and wrap around; infinity and NaN give their smallest number, as a C conversion does on
    the processors MXNet runs on.

    Parameters
    ----------
    value : float
    dtype : numpy.dtype

    Returns
    -------
    numpy scalar
    """
    if dtype.kind not in "iu":
        return dtype.type(value)
    bits = 8 * dtype.itemsize
    whole = int(value) if isfinite(value) else -(1 << max(bits - 1, 31))
    whole &= (1 << bits) - 1
    if dtype.kind == "i" and whole >> (bits - 1):
        whole -= 1 << bits
    return dtype.type(whole)


def as_positions(xp: ModuleType, array: Array) -> Array:
    """An array of any dtype as int64 positions: floats are truncated."""
    return array if array.dtype == xp.int64 else array.astype(xp.int64)


def check_range(
    xp: ModuleType, positions: Array, low: int, high: int, axis: int = 0, *, always: bool = False
) -> None:
    """IndexError for a position below ``low`` or not below ``high``.

    NumPy checks positions where it uses them, with negative ones counted from the end; CuPy wraps them around
    without a word. So only ``always`` or on a GPU is anything looked at here.
    """
    if xp.__name__ == "numpy" and not always:
        return
    outside = (positions < low) | (positions >= high)
    if outside.any():
        position = int(positions[outside][0])
        raise IndexError(f"index {position} is out of bounds for axis {axis} with size {high}")
