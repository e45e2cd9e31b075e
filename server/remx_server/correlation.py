"""Convolutions as products of matrices, for NumPy and CuPy.

All are brought to three spatial axes, depth, height and width, by axes of length 1 in front. The windows are
copied into *columns*, a block of images and output rows at a time, and a block is one product for each group
and, where that saves copies, each output row: the windows of neighbouring rows then overlap in the memory of
the columns as they do in the image, so that each pixel is copied once for each position of the kernel in its
row only, and not in its column.

A float16 block is computed in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .blas import THREADS

Array = Any

BLOCK: int = 1 << 21
"""Elements of columns in a block, about: what stays in a cache of some MiB."""
WIDE_ENOUGH: int = 384
"""Columns from which on a product of a single output row is efficient."""


class Geometry(NamedTuple):
    """Where the windows of a convolution are, along depth, height and width.

    Attributes
    ----------
    kernel, stride, dilate, pad : tuple of int
        ``pad`` positions are before the first of the image; below zero as many are left out.
    groups : int
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilate: tuple[int, ...]
    pad: tuple[int, ...]
    groups: int = 1

    @classmethod
    def of(cls, kernel: Any, stride: Any, dilate: Any, pad: Any, groups: int = 1) -> Geometry:
        """From attributes for one to three axes, empty where they were left out."""
        missing = 3 - len(kernel)

        def three(given: tuple[int, ...], default: int) -> tuple[int, ...]:
            return (default,) * missing + (given or (default,) * len(kernel))

        return cls(three(kernel, 1), three(stride, 1), three(dilate, 1), three(pad, 0), groups)

    def mirrored(self) -> Geometry:
        """That of the convolution of an output's gradient, with stride 1, that gives the data's."""
        pads = tuple(
            dilate * (kernel - 1) - pad
            for kernel, dilate, pad in zip(self.kernel, self.dilate, self.pad, strict=True)
        )
        return self._replace(pad=pads)

    @property
    def pointwise(self) -> bool:
        """Whether each window is one pixel, and each pixel in one."""
        return self.kernel == self.stride == (1, 1, 1) and self.pad == (0, 0, 0)

    def positions(self) -> Iterator[tuple[int, int, int]]:
        """The positions of the kernel, the row first: the order of the rows of columns."""
        depth, height, width = self.kernel
        return ((z, y, x) for y in range(height) for z in range(depth) for x in range(width))

    def places(self, position: tuple[int, int, int], lengths: Any, counts: Any) -> tuple[Any, Any] | None:
        """Slices of the windows, and of the image, where a position of the kernel is inside the image."""
        windows, pixels = [], []
        for at, stride, dilate, pad, length, count in zip(
            position, self.stride, self.dilate, self.pad, lengths, counts, strict=True
        ):
            span = inside(at * dilate - pad, stride, length, count)
            if span is None:
                return None
            first, last, start, stop = span
            windows.append(slice(first, last))
            pixels.append(slice(start, stop, stride))
        return tuple(windows), tuple(pixels)


def inside(start: int, step: int, length: int, count: int) -> tuple[int, int, int, int] | None:
    """Of ``count`` places ``start + n * step`` those inside an axis: first and last n, start and stop."""
    first = max(0, -(start // step))
    last = min(count, -((start - length) // step))
    if first >= last:
        return None
    return first, last, start + first * step, start + (last - 1) * step + 1


def fold(xp: Any, columns: Array, out: Array, geometry: Geometry) -> None:
    """Add columns of shape (batch, channels, kernel, windows) up where their windows are in ``out``."""
    for z, y, x in geometry.positions():
        found = geometry.places((z, y, x), out.shape[2:], columns.shape[5:])
        if found is not None:
            windows, places = found
            out[(..., *places)] += columns[:, :, z, y, x][(..., *windows)]


def unfold(xp: Any, image: Array, out: Array, geometry: Geometry) -> None:
    """Copy the windows of an image array into ``out`` of shape (batch, channels, kernel, windows)."""
    for z, y, x in geometry.positions():
        found = geometry.places((z, y, x), image.shape[2:], out.shape[5:])
        if found is not None:
            windows, places = found
            out[:, :, z, y, x][(..., *windows)] = image[(..., *places)]


def in_three(array: Array, last: bool) -> Array:
    """A view of shape (batch, channels, depth, height, width); ``last`` says where the channels are."""
    if last:
        array = array.transpose(0, array.ndim - 1, *range(1, array.ndim - 1))
    return array[(slice(None), slice(None), *[None] * (5 - array.ndim))]


def working(array: Array) -> Array:
    """The array in the dtype that is computed in."""
    return array.astype("float32") if array.dtype.itemsize == 2 else array


def _grouped(array: Array, groups: int) -> Array:
    """(batch, channels, ...) as (batch, groups, channels of a group, ...)."""
    return array.reshape(array.shape[0], groups, array.shape[1] // groups, *array.shape[2:])


def _fit(xp: Any, left: Array, right: Array) -> None:
    if xp is np:
        THREADS.fit(left.shape[-2] * left.shape[-1] * right.shape[-1])


def _product(xp: Any, left: Array, right: Array) -> Array:
    _fit(xp, left, right)
    return xp.matmul(left, right)


class Columns:
    """The windows of an image array as columns of matrices, block by block.

    Parameters
    ----------
    xp : module
    image : array
        (batch, channels, depth, height, width), in any order in memory.
    counts : tuple of int
        How many windows there are along depth, height and width.
    geometry : Geometry
    by_rows : bool
        Whether each output row may have a product of its own.
    """

    def __init__(self, xp: Any, image: Array, counts: Any, geometry: Geometry, by_rows: bool = True) -> None:
        self.xp = xp
        self.geometry = geometry
        self.counts = tuple(counts)
        self.lengths = image.shape[2:]
        self.image = _grouped(image, geometry.groups)
        self.dtype = working(image[:0]).dtype
        self.height = prod(geometry.kernel) * self.image.shape[2]
        batch, (depth, _, width) = len(image), self.counts
        self.by_rows = (
            by_rows
            and geometry.dilate[1] == 1
            and geometry.stride[1] < geometry.kernel[1]
            and batch * depth * width >= WIDE_ENOUGH
        )
        self._choose_blocks(batch)

    def _choose_blocks(self, batch: int) -> None:
        """How many images and output rows a block has."""
        geometry, (depth, rows, width) = self.geometry, self.counts
        if not self.by_rows:
            line = max(1, geometry.groups * self.height * depth * width)
            self.rows = max(1, min(rows, BLOCK // line))
            self.images = max(1, min(batch, BLOCK // (line * rows))) if self.rows == rows else 1
            return
        step, high = geometry.stride[1], geometry.kernel[1]
        line = geometry.groups * self.height // high * depth * width
        # Each block copies the rows at its edge again, so it has a few times as many as the kernel.
        least = min(rows, 4 * high)
        fitting = BLOCK // (line * (least * step + high))
        self.images = min(batch, max(fitting, -(-WIDE_ENOUGH // (depth * width))))
        self.rows = max(least, min(rows, (BLOCK // (line * self.images) - high) // step))

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """The blocks, as slices of the images and of the output rows."""
        for first in range(0, len(self.image), self.images):
            for row in range(0, self.counts[1], self.rows):
                yield (
                    slice(first, min(first + self.images, len(self.image))),
                    slice(row, min(row + self.rows, self.counts[1])),
                )

    def of(self, images: slice, rows: slice) -> Array:
        """A block's columns, of shape (groups, products, height of a column, columns)."""
        return (self._by_rows if self.by_rows else self._together)(images, rows)

    def _by_rows(self, images: slice, rows: slice) -> Array:
        geometry, count = self.geometry, rows.stop - rows.start
        depth, _, width = self.counts
        step, first = geometry.stride[1], rows.start * geometry.stride[1] - geometry.pad[1]
        lines = (count - 1) * step + geometry.kernel[1]
        groups, channels = self.image.shape[1:3]
        number = images.stop - images.start
        shape = (groups, lines, geometry.kernel[0], geometry.kernel[2], channels, number, depth, width)
        made = self.xp.empty(shape, self.dtype)
        for z in range(geometry.kernel[0]):
            for x in range(geometry.kernel[2]):
                # (groups, channels, images, depth, lines, width)
                target = made[:, :, z, x].transpose(0, 2, 3, 4, 1, 5)
                self._copy(target, images, (z, None, x), first, 1, lines)
        line = made.strides[1]
        columns = number * depth * width
        return self.xp.lib.stride_tricks.as_strided(
            made,
            (groups, count, self.height, columns),
            (made.strides[0], step * line, columns * made.itemsize, made.itemsize),
        )

    def _together(self, images: slice, rows: slice) -> Array:
        geometry, count = self.geometry, rows.stop - rows.start
        depth, _, width = self.counts
        groups, channels = self.image.shape[1:3]
        number = images.stop - images.start
        made = self.xp.empty(
            (groups, prod(geometry.kernel), channels, number, depth, count, width), self.dtype
        )
        step = geometry.stride[1]
        for index, position in enumerate(geometry.positions()):
            first = rows.start * step + position[1] * geometry.dilate[1] - geometry.pad[1]
            self._copy(made[:, index], images, position, first, step, count)
        return made.reshape(groups, 1, self.height, number * depth * count * width)

    def _copy(self, target: Array, images: slice, position: Any, first: int, step: int, count: int) -> None:
        """One position of the kernel in the depth and in the row, for the given lines; zero where outside.

        The target's axes are groups, channels, images, depth, lines, width.
        """
        geometry = self.geometry
        spans = []
        for axis in 0, 2:
            start = position[axis] * geometry.dilate[axis] - geometry.pad[axis]
            spans.append(inside(start, geometry.stride[axis], self.lengths[axis], self.counts[axis]))
        spans.insert(1, inside(first, step, self.lengths[1], count))
        if None in spans:
            target[...] = 0
            return
        steps = (geometry.stride[0], step, geometry.stride[2])
        inner, source = [], []
        for axis, (begin, end, start, stop) in enumerate(spans):
            ahead = (slice(None),) * (3 + axis)
            if begin:
                target[(*ahead, slice(None, begin))] = 0
            if end < target.shape[3 + axis]:
                target[(*ahead, slice(end, None))] = 0
            inner.append(slice(begin, end))
            source.append(slice(start, stop, steps[axis]))
        pixels = self.image[(images, slice(None), slice(None), *source)]
        target[(slice(None), slice(None), slice(None), *inner)] = pixels.transpose(1, 2, 0, 3, 4, 5)

    def apart(self, matrices: Array, images: slice, rows: slice) -> Array:
        """Matrices over a block's columns as a view (images, groups, height, depth, rows, width)."""
        depth, _, width = self.counts
        number, count = images.stop - images.start, rows.stop - rows.start
        groups, _, height, _ = matrices.shape
        if self.by_rows:
            parts = matrices.reshape(groups, count, height, number, depth, width)
            return parts.transpose(3, 0, 2, 4, 1, 5)
        parts = matrices.reshape(groups, height, number, depth, count, width)
        return parts.transpose(2, 0, 1, 3, 4, 5)

    def along(self, output: Array, images: slice, rows: slice) -> Array:
        """An output-like array as matrices over a block's columns: the inverse of ``apart``."""
        parts = _grouped(output[images, :, :, rows], self.geometry.groups)
        number, groups, height, depth, count, width = parts.shape
        made = self.xp.ascontiguousarray(
            parts.transpose(1, 4, 2, 0, 3, 5) if self.by_rows else parts.transpose(1, 2, 0, 3, 4, 5)
        )
        made = made.astype(self.dtype, copy=False)
        products = count if self.by_rows else 1
        return made.reshape(groups, products, height, number * depth * width * (count // products))


def _matrices(weight: Array, groups: int) -> Array:
    """(filters, channels, depth, height, width) as (groups, 1, filters, column height)."""
    filters = len(weight) // groups
    ordered = working(weight).transpose(0, 3, 2, 4, 1)
    return ordered.reshape(groups, 1, filters, prod(ordered.shape[1:]))


def correlate(
    xp: Any, image: Array, weight: Array, bias: Array | None, out: Array, geometry: Geometry
) -> None:
    """Write the convolution of an image array, all in three axes, into ``out``."""
    if geometry.groups > 1 and weight.shape[1] == 1:
        _correlate_each(xp, image, weight, out, geometry)
        if bias is not None:
            out += bias.reshape(-1, 1, 1, 1)
        return
    if bias is not None:
        bias = bias.reshape(geometry.groups, -1, 1, 1, 1)
    if geometry.pointwise and geometry.groups == 1 and image.flags.c_contiguous and out.flags.c_contiguous:
        _correlate_pixels(xp, image, weight, bias, out)
        return
    matrices = _matrices(weight, geometry.groups)
    columns = Columns(xp, image, out.shape[2:], geometry)
    target = _grouped(out, geometry.groups)
    for images, rows in columns.blocks():
        made = columns.apart(_product(xp, matrices, columns.of(images, rows)), images, rows)
        part = target[images, :, :, :, rows]
        if bias is None:
            part[...] = made
        else:
            part[...] = made + bias


def _correlate_pixels(xp: Any, image: Array, weight: Array, bias: Array | None, out: Array) -> None:
    """A convolution that mixes the channels of each pixel: no window is copied."""
    batch, channels = image.shape[:2]
    matrix = working(weight).reshape(len(weight), channels)
    pixels = working(image).reshape(batch, channels, -1)
    made = out.reshape(batch, len(weight), -1)
    _fit(xp, matrix, pixels)
    if made.dtype == pixels.dtype:
        xp.matmul(matrix, pixels, out=made)
    else:
        made[...] = xp.matmul(matrix, pixels)
    if bias is not None:
        made += bias.reshape(-1, 1)


def _correlate_each(xp: Any, image: Array, weight: Array, out: Array, geometry: Geometry) -> None:
    """A convolution of each channel for itself, by a sum over the positions of the kernel."""
    groups = geometry.groups
    factors = working(weight).reshape(1, groups, -1, *weight.shape[2:])
    for images in _some(image, out):
        pixels = image[images][:, :, None]
        total = xp.zeros((len(pixels), groups, factors.shape[2], *out.shape[2:]), factors.dtype)
        for z, y, x in geometry.positions():
            found = geometry.places((z, y, x), image.shape[2:], out.shape[2:])
            if found is not None:
                windows, places = found
                factor = factors[:, :, :, z, y, x, None, None, None]
                total[(..., *windows)] += pixels[(..., *places)] * factor
        _grouped(out, groups)[images] = total


def _some(*arrays: Array) -> Iterator[slice]:
    """Slices of the batch of arrays, so that a block has a size of its own."""
    batch = len(arrays[0])
    size = max(array.size for array in arrays)
    step = max(1, BLOCK * batch // max(1, size))
    return (slice(first, first + step) for first in range(0, batch, step))


def scatter(xp: Any, g: Array, weight: Array, out: Array, geometry: Geometry) -> None:
    """Write the transpose of ``correlate`` with respect to the image into ``out``.

    ``g`` is like the convolution's output, ``weight`` its weight, and ``out`` like its image.
    """
    groups = geometry.groups
    each = groups > 1 and weight.shape[1] == 1
    if geometry.stride == (1, 1, 1) and not (each and len(weight) > groups):
        filters = len(weight) // groups
        turned = weight.reshape(groups, filters, *weight.shape[1:]).swapaxes(1, 2)[..., ::-1, ::-1, ::-1]
        turned = turned.reshape(groups * weight.shape[1], filters, *weight.shape[2:])
        correlate(xp, g, turned, None, out, geometry.mirrored())
        return
    out[...] = 0
    total = out if out.dtype.itemsize > 2 else xp.zeros(out.shape, xp.float32)
    (_scatter_each if each else _scatter_columns)(xp, g, weight, total, geometry)
    if total is not out:
        out[...] = total


def _scatter_each(xp: Any, g: Array, weight: Array, out: Array, geometry: Geometry) -> None:
    groups = geometry.groups
    factors = working(weight).reshape(1, groups, -1, *weight.shape[2:])
    for images in _some(g, out):
        values = working(_grouped(g[images], groups))
        for z, y, x in geometry.positions():
            found = geometry.places((z, y, x), out.shape[2:], g.shape[2:])
            if found is not None:
                windows, places = found
                part = values[(..., *windows)] * factors[:, :, :, z, y, x, None, None, None]
                out[images][(..., *places)] += part.sum(axis=2)


def _scatter_columns(xp: Any, g: Array, weight: Array, out: Array, geometry: Geometry) -> None:
    matrices = _matrices(weight, geometry.groups).swapaxes(-1, -2)
    columns = Columns(xp, out, g.shape[2:], geometry, by_rows=False)
    for images, rows in columns.blocks():
        made = _product(xp, matrices, columns.along(g, images, rows))
        _add_columns(made, columns, images, rows, out)


def _add_columns(matrices: Array, columns: Columns, images: slice, rows: slice, out: Array) -> None:
    """Add a block's columns up where their windows are."""
    geometry = columns.geometry
    depth, _, width = columns.counts
    number, count = images.stop - images.start, rows.stop - rows.start
    groups, channels = columns.image.shape[1:3]
    parts = matrices.reshape(groups, prod(geometry.kernel), channels, number, depth, count, width)
    shifted = geometry._replace(
        pad=(geometry.pad[0], geometry.pad[1] - rows.start * geometry.stride[1], geometry.pad[2])
    )
    target = _grouped(out, groups)[images]
    for index, position in enumerate(geometry.positions()):
        found = shifted.places(position, out.shape[2:], (depth, count, width))
        if found is not None:
            windows, places = found
            part = parts[:, index].transpose(2, 0, 1, 3, 4, 5)
            target[(..., *places)] += part[(..., *windows)]


def correlate_weight(xp: Any, g: Array, image: Array, out: Array, geometry: Geometry) -> None:
    """Write the gradient of a convolution's weight into ``out``, which is like it."""
    groups = geometry.groups
    if groups > 1 and out.shape[1] == 1:
        _correlate_weight_each(xp, g, image, out, geometry)
        return
    columns = Columns(xp, image, g.shape[2:], geometry)
    filters = len(out) // groups
    total = xp.zeros((groups, filters, columns.height), columns.dtype)
    for images, rows in columns.blocks():
        left = columns.along(g, images, rows)
        right = columns.of(images, rows).swapaxes(-1, -2)
        _add_products(xp, left, right, total)
    depth, height, width = geometry.kernel
    parts = total.reshape(groups * filters, height, depth, width, out.shape[1])
    out[...] = parts.transpose(0, 4, 2, 1, 3)


def _add_products(xp: Any, left: Array, right: Array, total: Array) -> None:
    """Add a block's products up, as many at a time as fit into a block."""
    groups, count = left.shape[:2]
    step = max(1, BLOCK // (groups * left.shape[-2] * right.shape[-1]))
    for first in range(0, count, step):
        some = slice(first, first + step)
        made = _product(xp, left[:, some], right[:, some])
        total += made[:, 0] if made.shape[1] == 1 else made.sum(axis=1)


def _correlate_weight_each(xp: Any, g: Array, image: Array, out: Array, geometry: Geometry) -> None:
    groups = geometry.groups
    total = xp.zeros((groups, len(out) // groups, *out.shape[2:]), working(out[:0]).dtype)
    for images in _some(g, image):
        values = working(_grouped(g[images], groups))
        pixels = image[images][:, :, None]
        for z, y, x in geometry.positions():
            found = geometry.places((z, y, x), image.shape[2:], g.shape[2:])
            if found is not None:
                windows, places = found
                product = values[(..., *windows)] * pixels[(..., *places)]
                total[:, :, z, y, x] += product.sum(axis=(0, 3, 4, 5))
    out[...] = total.reshape(out.shape)
