"""Feature maps read at places: weighted sums of rows of a matrix, and where the rows lie.

A feature map is used as a matrix with a row for each place and a column for each channel, so that a place is
read with one copy. Every way to read it here is a sum of a few rows with weights; its gradient adds to the
same rows with the same weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

Array = Any

_CPU_ELEMENTS: Final = 1 << 19
"""Numbers that are read at once on a CPU: they should stay in its cache."""
_GPU_ELEMENTS: Final = 1 << 26


def elements(xp: Any) -> int:
    """How many numbers to read at once."""
    return _CPU_ELEMENTS if xp is np else _GPU_ELEMENTS


def channels_last(data: Array, groups: int = 1) -> Array:
    """(batch, channels, height, width) as a matrix of (batch * groups * height * width, channels of a group).

    The groups of a channel lie next to each other, as position-sensitive maps have them.
    """
    batch, channels, height, width = data.shape
    moved = data.reshape(batch, channels // groups, groups, height, width).transpose(0, 2, 3, 4, 1)
    return moved.reshape(batch * groups * height * width, channels // groups)


def channels_first(xp: Any, rows: Array, shape: tuple[int, ...], groups: int = 1) -> Array:
    """The matrix of :func:`channels_last` as an array of ``shape`` again."""
    batch, channels, height, width = shape
    moved = rows.reshape(batch, groups, height, width, channels // groups).transpose(0, 4, 1, 2, 3)
    return xp.ascontiguousarray(moved.reshape(shape))


def weighted_rows(xp: Any, rows: Array, index: Array, weight: Array) -> Array:
    """Sums of rows.

    Parameters
    ----------
    xp : module
    rows : array, shape (places, channels)
    index : array of int64, shape (n, k)
    weight : array, shape (n, k)

    Returns
    -------
    array, shape (n, channels)
    """
    count, taken = index.shape
    channels = rows.shape[1]
    made = xp.empty((count, channels), rows.dtype)
    step = max(elements(xp) // max(taken * channels, 1), 1)
    for low in range(0, count, step):
        part = index[low : low + step]
        picked = rows.take(part.reshape(-1), axis=0).reshape(*part.shape, channels)
        made[low : low + step] = xp.matmul(weight[low : low + step, None, :], picked)[:, 0]
    return made


def spread_rows(xp: Any, made: Array, values: Array, index: Array, weight: Array) -> None:
    """Add rows of ``values``, (n, channels), to those of ``made`` that :func:`weighted_rows` would read."""
    taken, channels = index.shape[1], values.shape[1]
    places, weights = index.reshape(-1), weight.reshape(-1)
    if xp is np:
        # Sorted, what goes to one row can be added up at once; what has no weight is left out.
        used = np.flatnonzero(weights)
        used = used[places[used].argsort(kind="stable")]
    else:
        used = xp.arange(places.size)
    step = max(elements(xp) // max(channels, 1), 1)
    for low in range(0, used.size, step):
        part = used[low : low + step]
        values_here = values[part // taken] * weights[part][:, None]
        rows = places[part]
        if xp is np:
            starts = np.flatnonzero(np.concatenate((np.ones(1, bool), rows[1:] != rows[:-1])))
            made[rows[starts]] += np.add.reduceat(values_here, starts, axis=0)
        else:
            xp.add.at(made, rows, values_here)


# Bilinear interpolation: two neighbours along each axis.


def linear(xp: Any, place: Array, length: int, derivative: int = 0) -> tuple[Array, Array]:
    """The two elements of an axis that a place lies between, in a new last axis, and their weights.

    Elements outside are read as zeros: their weight is 0. ``derivative`` is 1 for the derivatives of the
    weights by the place.
    """
    low = xp.floor(place)
    share = place - low
    # What is no number, or far away, becomes a position that is certainly outside.
    low = xp.where((low >= -1) & (low < length), low, -2).astype(xp.int64)
    position = xp.stack((low, low + 1), axis=-1)
    one = xp.ones_like(share)
    weight = xp.stack((-one, one) if derivative else (1 - share, share), axis=-1)
    inside = (position >= 0) & (position < length)
    weight = xp.where(inside, weight, weight.dtype.type(0))
    return xp.clip(position, 0, max(length - 1, 0)), weight


def clamped(xp: Any, place: Array, length: int, reach: float, derivative: int = 0) -> tuple[Array, Array]:
    """Like :func:`linear`, but places up to ``reach`` outside are moved to the first or last element."""
    inside = within(xp, place, length, reach)
    near = xp.where(inside, xp.clip(place, 0, max(length - 1, 0)), place.dtype.type(0))
    position, weight = linear(xp, near, length, derivative)
    if derivative:
        inside = inside & (place > 0) & (place < length - 1)
    return position, weight * inside[..., None]


def within(xp: Any, place: Array, length: int, reach: float) -> Array:
    """Whether places are at most ``reach`` outside of an axis."""
    return (place >= -reach) & (place <= length - 1 + reach)


# Windows: bins of whole elements.


def windows(xp: Any, low: Array, high: Array, channels: int) -> Iterator[tuple[Array, Array, Array, Array]]:
    """Bins of whole elements, those of about one size together.

    Parameters
    ----------
    xp : module
    low, high : array of int64, shape (n, 2)
        The first row and column, and those behind the last.
    channels : int
        How many numbers are read of each element.

    Yields
    ------
    bins : array of int64, shape (m,)
    rows, columns : array of int64, shape (m, k)
        Places of the bins' elements, in order; where a bin has fewer, its last one over again.
    inside : array of bool, shape (m, k)
        Which of them are no repetition.
    """
    sizes = xp.maximum(high - low, 0)
    area = sizes[:, 0] * sizes[:, 1]
    order = xp.argsort(area, kind="stable")
    ranked = area[order].tolist()
    start = next((at for at, size in enumerate(ranked) if size), len(ranked))
    room = max(elements(xp) // max(channels, 1), 1)
    while start < len(ranked):
        # A bin may be twice as large as the first of its block.
        stop = start + 1
        while (
            stop < len(ranked)
            and ranked[stop] <= 2 * ranked[start]
            and ((stop - start) * ranked[stop] < room)
        ):
            stop += 1
        bins = order[start:stop]
        down = xp.arange(int(sizes[bins, 0].max()))
        across = xp.arange(int(sizes[bins, 1].max()))
        height, width = sizes[bins, :1], sizes[bins, 1:]
        rows = low[bins, :1] + xp.minimum(down, height - 1)
        columns = low[bins, 1:] + xp.minimum(across, width - 1)
        inside = (down < height)[:, :, None] & (across < width)[:, None, :]
        shape = inside.shape
        yield (
            bins,
            xp.broadcast_to(rows[:, :, None], shape).reshape(len(bins), -1),
            xp.broadcast_to(columns[:, None, :], shape).reshape(len(bins), -1),
            inside.reshape(len(bins), -1),
        )
        start = stop


def whole(xp: Any, place: Array) -> Array:
    """Places as int64; what is no number, or far away, is some place far away."""
    return xp.clip(xp.where(place == place, place, -(2**30)), -(2**30), 2**30).astype(xp.int64)


def rounded(xp: Any, value: Array) -> Array:
    """Rounded as C does it: halves away from zero."""
    return xp.trunc(value + xp.copysign(value.dtype.type(0.5), value))
