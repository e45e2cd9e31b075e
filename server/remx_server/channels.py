"""Means, variances and other sums over channels, and element-wise work with a number for each channel.

An array is taken as a matrix whose rows, or whose columns where rows would be short, belong to channels
each. NumPy works on it block by block, so that what is between the steps stays in the processor's cache; a
GPU has one block. Sums are of single precision within a block and of double precision over the blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, Final

import numpy as np

from .backend import Array

_BLOCK: Final = 1 << 16
"""Elements of a block: a few of them fit into a processor's cache."""
_SHORT: Final = 64
"""Rows shorter than this are columns instead: NumPy begins anew with every row."""

Block = tuple[slice, slice]


class Channels:
    """How an array is divided into channels.

    Parameters
    ----------
    xp : array module
    shape : tuple of int
        The array's.
    axis : int
        Whose positions are the channels.
    dtype : numpy.dtype
        What is computed in.

    Attributes
    ----------
    count, size : int
        How many channels there are, and of how many elements each.
    """

    def __init__(self, xp: Any, shape: tuple[int, ...], axis: int, dtype: Any) -> None:
        self.xp = xp
        self.dtype = dtype
        self._outer, self.count, inner = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
        self._inner = inner
        self.size = self._outer * inner
        self._by_rows = inner >= _SHORT
        self._shape = (
            (self._outer * self.count, inner) if self._by_rows else (self._outer, self.count * inner)
        )

    def matrix(self, array: Array) -> Array:
        """The array as the matrix."""
        return array.reshape(self._shape)

    def spread(self, vector: Array) -> Array:
        """A number for each channel as a column or a row beside the matrix."""
        vector = vector.astype(self.dtype, copy=False)
        if self._by_rows:
            return self.xp.tile(vector, self._outer)[:, None]
        return (self.xp.repeat(vector, self._inner) if self._inner != 1 else vector)[None]

    def _gathered(self, sums: Array) -> Array:
        """Sums of rows or columns as sums of channels."""
        if self._by_rows:
            return sums.reshape(self._outer, self.count).sum(axis=0)
        return sums.reshape(self.count, self._inner).sum(axis=1)

    def blocks(self) -> Iterator[Block]:
        """The blocks of the matrix, as slices of its rows and columns."""
        rows, columns = self._shape
        if self.xp is not np:
            yield slice(0, rows), slice(0, columns)
            return
        wide = max(min(columns, _BLOCK), 1)
        high = max(_BLOCK // wide, 1)
        for top in range(0, rows, high):
            for left in range(0, columns, wide):
                yield slice(top, min(top + high, rows)), slice(left, min(left + wide, columns))

    def at(self, spread: Array, block: Block) -> Array:
        """The part of what ``spread`` gave that lies beside a block."""
        return spread[block[0]] if self._by_rows else spread[:, block[1]]

    def less(self, data: Array, spread: Array, block: Block, out: Array | None = None) -> Array:
        """A block of the data less a number for each channel."""
        return self.xp.subtract(data[block], self.at(spread, block), out=out, dtype=self.dtype)

    def about(self, matrix: Array) -> Array:
        """A mean of the first few elements of each channel, rounded as what is computed with."""
        if not matrix.size:
            return self.xp.zeros(self.count, np.float64)
        if self._by_rows:
            few = matrix[: self.count, :_SHORT]
        else:
            few = matrix[0].reshape(self.count, self._inner)
        return few.mean(axis=1, dtype=np.float64).astype(self.dtype).astype(np.float64)

    def sums(self) -> Sums:
        """A sum for each channel, to be added to."""
        return Sums(self)


class Sums:
    """A sum for each channel, over blocks."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._by_rows = channels._by_rows
        rows, columns = channels._shape
        self._lines = channels.xp.zeros(rows if self._by_rows else columns, np.float64)

    def add(self, part: Array, block: Block) -> None:
        """Add the elements of a block."""
        axis = 1 if self._by_rows else 0
        self._lines[block[0] if self._by_rows else block[1]] += part.sum(
            axis=axis, dtype=self._channels.dtype
        )

    def add_products(self, left: Array, right: Array, block: Block) -> None:
        """Add the products of the elements of two blocks."""
        if self._channels.xp is not np:
            self.add(left * right, block)
            return
        form = "ij,ij->i" if self._by_rows else "ij,ij->j"
        self._lines[block[0] if self._by_rows else block[1]] += np.einsum(form, left, right)

    @property
    def total(self) -> Array:
        """The sums in double precision."""
        return self._channels._gathered(self._lines)


def moments(channels: Channels, data: Array) -> tuple[Array, Array]:
    """The mean and the variance of each channel, in double precision.

    Numbers are taken relative to a mean of few, so that one look at the data gives both: the squares of
    numbers near each other but far from zero would leave nothing of the variance.
    """
    xp, data = channels.xp, channels.matrix(data)
    about = channels.about(data)
    spread = channels.spread(about)
    sums, squares = channels.sums(), channels.sums()
    for block in channels.blocks():
        part = channels.less(data, spread, block)
        sums.add(part, block)
        squares.add_products(part, part, block)
    offset = sums.total / np.float64(channels.size)
    variance = squares.total / np.float64(channels.size) - offset * offset
    return about + offset, xp.maximum(variance, 0)


def normalized(channels: Channels, data: Array, mean: Array, scale: Array, shift: Array, dtype: Any) -> Array:
    """``(data - mean) * scale + shift`` with numbers for each channel."""
    xp = channels.xp
    out = xp.empty(data.shape, dtype)
    result, data = channels.matrix(out), channels.matrix(data)
    mean, scale, shift = map(channels.spread, (mean, scale, shift))
    same = out.dtype == channels.dtype
    for block in channels.blocks():
        part = channels.less(data, mean, block, result[block] if same else None)
        part *= channels.at(scale, block)
        part += channels.at(shift, block)
        if not same:
            result[block] = part
    return out


def gradient_sums(channels: Channels, g: Array, data: Array, mean: Array) -> tuple[Array, Array]:
    """For each channel, the sums of the gradient, and of it times the data less the mean."""
    g, data, mean = channels.matrix(g), channels.matrix(data), channels.spread(mean)
    sums, products = channels.sums(), channels.sums()
    for block in channels.blocks():
        arrived = g[block]
        part = channels.less(data, mean, block)
        sums.add(arrived, block)
        products.add_products(part, arrived, block)
    return sums.total, products.total


def gradient_through(
    channels: Channels, g: Array, data: Array, mean: Array, factors: tuple[Array, Array, Array]
) -> Array:
    """``((data - mean) * factors[0] - factors[1] + g) * factors[2]``, with numbers for each channel."""
    xp = channels.xp
    out = xp.empty(data.shape, data.dtype)
    result, g, data = channels.matrix(out), channels.matrix(g), channels.matrix(data)
    mean, slope, shift, scale = map(channels.spread, (mean, *factors))
    same = out.dtype == channels.dtype
    for block in channels.blocks():
        part = channels.less(data, mean, block, result[block] if same else None)
        part *= channels.at(slope, block)
        part -= channels.at(shift, block)
        part += g[block]
        part *= channels.at(scale, block)
        if not same:
            result[block] = part
    return out


def layer_gradients(
    xp: Any, g: Array, data: Array, gamma: Array, mean: Array, scale: Array
) -> tuple[Array, Array, Array]:
    """The gradients of a matrix whose rows are normalized, and of the numbers that its columns are multiplied
    with and that are added to them, in one look at the arrays.

    ``mean`` and ``scale`` have a number for each row.
    """
    rows, columns = data.shape
    made = xp.empty(data.shape, data.dtype)
    slopes, shifts = xp.zeros(columns, np.float64), xp.zeros(columns, np.float64)
    high = max(_BLOCK // max(columns, 1), 1) if xp is np else max(rows, 1)
    for top in range(0, rows, high):
        at = slice(top, top + high)
        arrived = g[at].astype(mean.dtype, copy=False)
        hat = xp.subtract(data[at], mean[at, None], dtype=mean.dtype)
        hat *= scale[at, None]
        shifts += arrived.sum(axis=0)
        slopes += (arrived * hat).sum(axis=0)
        part = arrived * gamma
        hat *= (part * hat).mean(axis=1, keepdims=True)
        part -= part.mean(axis=1, keepdims=True)
        part -= hat
        part *= scale[at, None]
        made[at] = part
    return made, slopes, shifts


def layer_normalized(xp: Any, data: Array, mean: Array, scale: Array, gamma: Array, beta: Array) -> Array:
    """The rows of a matrix normalized, then the columns multiplied with numbers and others added to them."""
    rows, columns = data.shape
    made = xp.empty(data.shape, data.dtype)
    high = max(_BLOCK // max(columns, 1), 1) if xp is np else max(rows, 1)
    for top in range(0, rows, high):
        at = slice(top, top + high)
        part = xp.subtract(data[at], mean[at, None], dtype=mean.dtype)
        part *= scale[at, None]
        part *= gamma
        part += beta
        made[at] = part
    return made
