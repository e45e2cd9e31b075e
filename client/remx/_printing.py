"""How an array prints: as NumPy prints its values, without fetching those that NumPy leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from remx_contract.catalogue import OPS

from . import _dispatch
from ._state import STATE
from .indexing import new_from_host

if TYPE_CHECKING:
    from .ndarray import NDArray


def values_text(array: NDArray) -> str:
    """What ``str(array.asnumpy())`` gives."""
    options = np.get_printoptions()
    edge: int = options["edgeitems"]
    if array.size <= options["threshold"] or array._spec.nbytes <= array._session.inline_limit:
        return str(array.asnumpy())
    return str(_with_edges(array, edge))


def _with_edges(array: NDArray, edge: int) -> np.ndarray[Any, Any]:
    """An array of the same shape that has the values near the ends of each axis; its rest is never
    touched."""
    places = [
        np.arange(length) if length <= 2 * edge else np.r_[:edge, length - edge : length]
        for length in array.shape
    ]
    mode, STATE.mode = STATE.mode, 0
    try:
        corner = array
        for axis, place in enumerate(places):
            if len(place) < array.shape[axis]:
                positions = new_from_host(array, place.astype(np.int64))
                corner = _dispatch.invoke(OPS["take"], (corner, positions), {"axis": axis})
    finally:
        STATE.mode = mode
    # The pages of zeros that nobody looks at take no memory.
    shown = np.zeros(array.shape, array._spec.dtype)
    shown[np.ix_(*places)] = corner.asnumpy()
    return shown
