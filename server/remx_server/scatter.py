"""Adding values up by position: the gradients of everything that picks elements."""

from __future__ import annotations

from types import ModuleType
from typing import Any

Array = Any


def add_at(xp: ModuleType, shape: tuple[int, ...], key: Any, values: Array) -> Array:
    """Zeros of ``shape`` with values added at a key, those at the same position added up.

    Parameters
    ----------
    xp : module
    shape : tuple of int
    key : indexing key
    values : array
        Of the shape that the key selects.

    Returns
    -------
    array
        Of the values' dtype. Half precision is summed in single precision.
    """
    dtype = values.dtype
    if dtype.kind == "f":
        work = xp.float32 if dtype.itemsize == 2 else dtype
        made = xp.zeros(shape, work)
        xp.add.at(made, key, values.astype(work, copy=False))
        return made.astype(dtype, copy=False)
    # A GPU adds 64-bit integers atomically only without a sign; two's complement makes no difference.
    made = xp.zeros(shape, xp.uint64)
    xp.add.at(made, key, values.astype(xp.int64).view(xp.uint64))
    return made.view(xp.int64).astype(dtype)


def add_rows(xp: ModuleType, length: int, rows: Array, values: Array) -> Array:
    """Zeros of shape (length, width) with the rows of a matrix added at the given positions.

    Parameters
    ----------
    xp : module
    length : int
    rows : array of int64, shape (n,)
        Positions from 0 to length - 1.
    values : array, shape (n, width)

    Returns
    -------
    array
        Of the values' dtype.
    """
    shape = (length, values.shape[1])
    if xp.__name__ != "numpy" or values.dtype.kind != "f" or not values.size:
        return add_at(xp, shape, rows, values)
    # On the CPU, adding up sorted runs is several times faster than adding in place one by one.
    order = rows.argsort(kind="stable")
    ranked = rows[order]
    starts = xp.flatnonzero(xp.concatenate((xp.ones(1, bool), ranked[1:] != ranked[:-1])))
    work = xp.float32 if values.dtype.itemsize == 2 else values.dtype
    made = xp.zeros(shape, values.dtype)
    made[ranked[starts]] = xp.add.reduceat(values[order].astype(work, copy=False), starts, axis=0)
    return made
