"""Arithmetic as C and MXNet do it, where the array module does otherwise. All functions broadcast."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import numpy as np

from .backend import Array


def to_whole(xp: Any, data: Array, dtype: Any) -> Array:
    """Floating-point numbers as whole ones, truncated; short types wrap around, through int32 as on x86."""
    if dtype.itemsize < 4:
        return data.astype(xp.int32).astype(dtype)
    return data.astype(dtype)


def through_double(function: str) -> Callable[[Any, Array], Array]:
    """A function of whole numbers that computes in float64 and truncates the result."""

    def compute(xp: Any, data: Array) -> Array:
        return to_whole(xp, getattr(xp, function)(data.astype(xp.float64)), data.dtype)

    return compute


def unchanged(xp: Any, data: Array) -> Array:
    """A copy: what rounding does to whole numbers."""
    return data.copy()


def divide_whole(xp: Any, lhs: Array, rhs: Array) -> Array:
    """Division of whole numbers towards zero; 0 where the divisor is 0."""
    lhs, rhs = xp.asarray(lhs), xp.asarray(rhs)
    divisor = xp.where(rhs == 0, rhs.dtype.type(1), rhs)
    quotient = xp.floor_divide(lhs, divisor)
    inexact = (quotient * divisor != lhs) & ((lhs < 0) != (divisor < 0))
    return xp.where(rhs == 0, quotient.dtype.type(0), quotient + inexact)


def modulo(xp: Any, lhs: Array, rhs: Array) -> Array:
    """The remainder with the divisor's sign; 0 where the divisor is 0."""
    lhs, rhs = xp.asarray(lhs), xp.asarray(rhs)
    divisor = xp.where(rhs == 0, rhs.dtype.type(1), rhs)
    remainder = xp.remainder(lhs, divisor)
    return xp.where(rhs == 0, remainder.dtype.type(0), remainder)


def power_whole(xp: Any, lhs: Array, rhs: Array) -> Array:
    """Powers of whole numbers in single precision, as MXNet computes them, truncated."""
    lhs, rhs = xp.asarray(lhs), xp.asarray(rhs)
    dtype = xp.result_type(lhs.dtype, rhs.dtype)
    return to_whole(xp, xp.power(lhs.astype(xp.float32), rhs.astype(xp.float32)), dtype)


def hypot_whole(xp: Any, lhs: Array, rhs: Array) -> Array:
    """Hypotenuses of whole numbers, truncated."""
    lhs, rhs = xp.asarray(lhs), xp.asarray(rhs)
    dtype = xp.result_type(lhs.dtype, rhs.dtype)
    return to_whole(xp, xp.hypot(lhs.astype(xp.float64), rhs.astype(xp.float64)), dtype)


_SHORT: Final = 32
"""NumPy reduces rows one by one, which takes long for many short ones."""

_FEW: Final = 256
"""A product sums so few rows in less time than NumPy takes to set up a reduction, and as exactly."""

_KEPT: Final = 4096
"""The longest row of ones worth keeping; longer ones would take memory that nobody asked for."""


@lru_cache(maxsize=256)
def _ones(dtype: Any, *shape: int) -> Array:
    return np.ones(shape, dtype)


def _as_is(data: Array, dtype: Any) -> bool:
    """Whether a product accumulates the data in this dtype."""
    return data.dtype == dtype and data.dtype.char in "fd"


def total(xp: Any, data: Array, axis: Any, dtype: Any) -> Array:
    """The sum over axes, accumulated in a dtype."""
    if xp is not np:
        return data.sum(axis=axis, dtype=dtype)
    if axis == (0,) and data.ndim == 2 and len(data) <= _FEW and _as_is(data, dtype):
        return _ones(dtype, len(data)).dot(data)
    # What the method does, less its wrapper, which takes longer than the sum of a few elements.
    return np.add.reduce(data, axis=axis, dtype=dtype)


def kept_total(xp: Any, data: Array, axis: int, dtype: Any) -> Array:
    """The sum over one axis, which is kept, accumulated in a dtype."""
    if xp is np and axis in (-1, data.ndim - 1) and data.shape[-1] <= _KEPT and _as_is(data, dtype):
        return data.dot(_ones(dtype, data.shape[-1], 1))
    return data.sum(axis=axis, dtype=dtype, keepdims=True)


def largest(xp: Any, data: Array, axis: int) -> Array:
    """The maximum over one axis, which is kept."""
    if xp is np and axis in (-1, data.ndim - 1) and 0 < data.shape[-1] <= _SHORT:
        rows = data.reshape(-1, data.shape[-1])
        return np.maximum.reduce(np.ascontiguousarray(rows.T), axis=0).reshape(*data.shape[:-1], 1)
    return data.max(axis=axis, keepdims=True)
