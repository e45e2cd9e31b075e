"""Functions whose results depend on values that the client has to ask for: each is a round trip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from remx_contract.catalogue import OPS
from remx_contract.errors import ArgumentError, NotAnArrayError

from . import autograd
from ._creation import array
from ._dispatch import invoke
from .ndarray import NDArray


def boolean_mask(
    data: NDArray,
    index: NDArray,
    axis: int = 0,
    *,
    out: NDArray | None = None,
    name: str | None = None,
) -> NDArray:
    """The rows of ``data`` where ``index`` is not zero.

    How many they are depends on values, and the result's shape on how many: this waits for the server.

    Parameters
    ----------
    data : NDArray
    index : NDArray
        A vector with a number for each row.
    axis : int
        0; MXNet has no other, either.
    out : NDArray, optional
        Where to write the result.
    name : str, optional
        Taken and ignored.

    Returns
    -------
    NDArray
        A gradient goes to the rows that were taken.
    """
    for argument, given in ("data", data), ("index", index):
        if not isinstance(given, NDArray):
            raise NotAnArrayError(
                op="boolean_mask", argument=argument, got=f"a {type(given).__name__}", expected="an NDArray"
            )
    if axis != 0:
        raise ArgumentError(op="boolean_mask", argument="axis", got=f"{axis}", expected="0")
    with autograd.pause():
        count = int((index != 0).astype("int64").sum().asscalar())
    made: NDArray = invoke(OPS["_mask_rows"], (data, index), {"count": count}, out)
    return made


def histogram(
    a: NDArray, bins: int | NDArray = 10, range: tuple[float, float] | None = None
) -> tuple[NDArray, NDArray]:
    """How many elements of an array lie in each of several bins.

    Parameters
    ----------
    a : NDArray
    bins : int or NDArray
        The number of equal bins, or their edges in ascending order.
    range : pair of float, optional
        Where the first of ``bins`` equal bins begins and the last ends. Without it they span the array, whose
        values are fetched: this waits for the server.

    Returns
    -------
    counts : NDArray
        int64; float32 without a ``range``, as in MXNet.
    edges : NDArray
    """
    if isinstance(bins, NDArray):
        counts, edges = invoke(OPS["_histogram"], (a, bins), {})
    elif range is not None:
        counts, edges = invoke(OPS["_histogram"], (a,), {"bin_cnt": bins, "range": range})
    else:
        found: Sequence[np.ndarray] = np.histogram(a.asnumpy(), bins=bins)
        counts, edges = (array(part) for part in found)
    return counts, edges
