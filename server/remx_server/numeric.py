"""Arithmetic as C and MXNet do it, where the array module does otherwise. All functions broadcast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def total(xp: Any, data: Array, axis: Any, dtype: Any, keepdims: bool = False) -> Array:
    """The sum over axes, accumulated in a dtype."""
    if xp is np:
        # What the method does, less its wrapper, which takes longer than the sum of a few elements.
        return np.add.reduce(data, axis=axis, dtype=dtype, keepdims=keepdims)
    return data.sum(axis=axis, dtype=dtype, keepdims=keepdims)


def largest(xp: Any, data: Array, axis: Any) -> Array:
    """The maximum over axes, which are kept."""
    if xp is np:
        return np.maximum.reduce(data, axis=axis, keepdims=True)
    return data.max(axis=axis, keepdims=True)
