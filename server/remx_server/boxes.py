"""Boxes: formats, overlaps, and the suppression of boxes that overlap a better one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

Array = Any

_BLOCK: Final = 256
_SMALL: Final = 32
"""How many boxes are settled at once, at most and at least."""
_ELEMENTS: Final = 1 << 17
"""How many overlaps are computed at once, about: they should stay in a CPU's cache."""
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
    sides = xp.maximum(boxes[..., 2:] - boxes[..., :2] + extra, 0)
    return sides[..., 0] * sides[..., 1]


def overlaps(xp: Any, lhs: Array, rhs: Array, extra: int = 0) -> Array:
    """Intersection over union of boxes given by corners; 0 where they share nothing."""
    shared = _shared(xp, lhs, rhs, 0, extra)
    shared *= _shared(xp, lhs, rhs, 1, extra)
    union = areas(xp, lhs, extra) + areas(xp, rhs, extra)
    union -= shared
    # Nothing shared of nothing covered is 0 too.
    xp.maximum(union, xp.finfo(union.dtype).tiny, out=union)
    shared /= union
    return shared


def _shared(xp: Any, lhs: Array, rhs: Array, axis: int, extra: int) -> Array:
    """How much of an axis two boxes share."""
    length = xp.minimum(lhs[..., axis + 2], rhs[..., axis + 2])
    length -= xp.maximum(lhs[..., axis], rhs[..., axis])
    if extra:
        length += extra
    return xp.maximum(length, 0, out=length)


def suppressed(
    xp: Any,
    boxes: Array,
    alive: Array,
    hit: Callable[[Array], Array],
    groups: Array | None,
    extra: int = 0,
    most: int | None = None,
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
    most : int, optional
        How many of a batch's boxes are wanted: those behind them may be left out.

    Returns
    -------
    array of bool, shape (batch, n)
    """
    batch, count = alive.shape
    lanes = xp.arange(batch)[:, None]
    kept = xp.zeros(alive.shape, bool)

    def found(first: Array, second: Array) -> Array:
        here, there = boxes[lanes, first][:, :, None], boxes[lanes, second][:, None]
        hits = hit(overlaps(xp, here, there, extra))
        if groups is not None:
            hits &= groups[lanes, first][:, :, None] == groups[lanes, second][:, None]
        return hits

    left, there = _front(xp, xp.broadcast_to(xp.arange(count), alive.shape), alive)
    while left.shape[1]:
        block = min(max(_ELEMENTS // (batch * left.shape[1]), _SMALL), _BLOCK)
        head, rest = left[:, :block], left[:, block:]
        stays = _settled(xp, there[:, :block], xp.triu(found(head, head), 1))
        kept[lanes, head] = stays
        if not rest.shape[1] or (most is not None and bool((kept.sum(axis=1) >= most).all())):
            break
        by, real = _front(xp, head, stays)
        there = there[:, block:].copy()
        step = max(_ELEMENTS // max(batch * by.shape[1], 1), 1)
        for low in range(0, rest.shape[1], step):
            hits = found(by, rest[:, low : low + step]) & real[:, :, None]
            there[:, low : low + step] &= ~hits.any(axis=1)
        left, there = _front(xp, rest, there)
    return kept


def _front(xp: Any, places: Array, there: Array) -> tuple[Array, Array]:
    """The places that are there moved to the front, and as few of the others behind them as it takes."""
    count = int(there.sum(axis=1).max()) if there.size else 0
    if count == there.shape[1]:
        return places, there
    order = xp.argsort(~there, axis=1, kind="stable")[:, :count]
    return xp.take_along_axis(places, order, axis=1), xp.take_along_axis(there, order, axis=1)


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
