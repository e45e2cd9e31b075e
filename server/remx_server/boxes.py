"""Boxes: formats, overlaps, and the suppression of boxes that overlap a better one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

Array = Any

_BLOCK: Final = 256
"""Boxes of which the overlaps with all further ones are computed at once."""
_ELEMENTS: Final = 1 << 21
"""How many overlaps are computed at once at most."""
CORNERS: Final = 4


def wide(xp: Any, array: Array) -> Array:
    """The array in single precision if it is in half, in which boxes are not computed."""
    return array.astype(xp.float32) if array.dtype.itemsize == 2 else array


def as_corners(xp: Any, boxes: Array, format: str) -> Array:
    """Boxes of either format, in a last axis of length 4, as corners."""
    if format == "corner":
        return boxes
    center, half = boxes[..., :2], boxes[..., 2:] / 2
    return xp.concatenate((center - half, center + half), axis=-1)


def as_center(xp: Any, boxes: Array) -> Array:
    """Corners as center, width and height."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return xp.concatenate(((low + high) / 2, high - low), axis=-1)


def areas(xp: Any, boxes: Array, extra: int = 0) -> Array:
    """The areas of boxes given by corners, 0 of those turned inside out.

    ``extra`` is 1 where the last pixel belongs to a box.
    """
    sides = boxes[..., 2:] - boxes[..., :2] + extra
    area = sides[..., 0] * sides[..., 1]
    # A zero of its own dtype: NumPy 1 makes float64 of arrays without axes.
    return xp.where((sides > 0).all(axis=-1), area, area.dtype.type(0))


def overlaps(xp: Any, lhs: Array, rhs: Array, extra: int = 0) -> Array:
    """Intersection over union of boxes given by corners; 0 where they share nothing."""
    wide_ = xp.minimum(lhs[..., 2], rhs[..., 2]) - xp.maximum(lhs[..., 0], rhs[..., 0])
    high = xp.minimum(lhs[..., 3], rhs[..., 3]) - xp.maximum(lhs[..., 1], rhs[..., 1])
    if extra:
        wide_ += extra
        high += extra
    xp.maximum(wide_, 0, out=wide_)
    xp.maximum(high, 0, out=high)
    shared = wide_ * high
    union = areas(xp, lhs, extra) + areas(xp, rhs, extra) - shared
    # Where nothing is shared the quotient is 0 already, unless nothing is covered either.
    return shared / xp.where(shared > 0, union, union.dtype.type(1))


def suppressed(
    xp: Any, boxes: Array, alive: Array, hit: Callable[[Array], Array], groups: Array | None, extra: int = 0
) -> Array:
    """Which boxes stay when each that stays removes the later ones that it hits.

    Parameters
    ----------
    xp : module
    boxes : array, shape (batch, n, 4)
        Corners, the best first.
    alive : array of bool, shape (batch, n)
        The boxes that take part.
    hit : callable
        From overlaps to whether one box removes the other.
    groups : array, shape (batch, n), or None
        Boxes remove boxes of the same group only; of all for None.
    extra : int
        See :func:`areas`.

    Returns
    -------
    array of bool, shape (batch, n)
    """
    batch, count = alive.shape
    block = max(min(_BLOCK, _ELEMENTS // max(batch * count, 1)), 16)
    kept = alive.copy()
    for low in range(0, count, block):
        high = min(low + block, count)
        found = hit(overlaps(xp, boxes[:, low:high, None], boxes[:, None, low:], extra))
        if groups is not None:
            found &= groups[:, low:high, None] == groups[:, None, low:]
        here = kept[:, low:high]
        here[...] = _settled(xp, here, xp.triu(found[:, :, : high - low], 1))
        if high < count:
            kept[:, high:] &= ~(found[:, :, high - low :] & here[:, :, None]).any(axis=1)
    return kept


def _settled(xp: Any, alive: Array, found: Array) -> Array:
    """The boxes of a block that stay; ``found`` has for each box the later ones that it hits.

    Removing in order has one solution: the boxes that no staying box hits. Each step towards it is right for
    one more box at least, and mostly for all after a few.
    """
    kept = alive
    while True:
        further = alive & ~(found & kept[:, :, None]).any(axis=1)
        if bool((further == kept).all()):
            return further
        kept = further


def anchors(xp: Any, stride: int, scales: Any, ratios: Any) -> Array:
    """The anchors of the first place of a feature map, as corners: for each ratio, of each scale."""
    made = []
    middle = (stride - 1) / 2
    for ratio in ratios:
        # Sides are rounded to whole numbers before they are scaled.
        width = _rounded((stride * stride // ratio) ** 0.5)
        height = _rounded(width * ratio)
        for scale in scales:
            across, along = (width * scale - 1) / 2, (height * scale - 1) / 2
            made.append((middle - across, middle - along, middle + across, middle + along))
    return xp.asarray(made, dtype=xp.float32)


def _rounded(value: float) -> float:
    return float(int(value + 0.5))
