"""The shape rules of ops that read pictures along grids."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ShapeError
from ..op import Attrs
from ..spec import Shape
from .regions import axes, exactly, size_of


def bilinear(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The channels of the data at each point of the grid, (batch, 2, height, width)."""
    data, grid = shapes
    axes(data, 4, "data")
    axes(grid, 4, "grid")
    exactly(grid[:2], (data[0], 2), "grid")
    return ((data[0], data[1], *grid[2:]),)


def bilinear_back(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, of the data whose samples at the grid have the shape of the first."""
    result, grid = shapes
    exactly(result, bilinear([attrs.shape, grid], attrs)[0], "data")
    return (attrs.shape,)


def affine(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(batch, 2, height, width) from six numbers for each of the batch."""
    (theta,) = shapes
    axes(theta, 2, "data")
    if theta[1] != 6:
        raise ShapeError(argument="data", got=f"shape {theta}", expected="6 columns")
    return ((theta[0], 2, *size_of(attrs, "target_shape")),)


def grid_generator(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(batch, 2, height, width)."""
    if attrs.transform_type == "affine":
        return affine(shapes, attrs)
    (flow,) = shapes
    axes(flow, 4, "data")
    exactly(flow[1:2], (2,), "data")
    return (flow,)


def affine_back(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Six numbers for each grid."""
    (grid,) = shapes
    axes(grid, 4, "data")
    exactly(grid[1:2], (2,), "data")
    return ((grid[0], 6),)


def planes(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the data, which has a number for each place of its second axis."""
    (shape,) = shapes
    if len(shape) < 2 or shape[1] != len(attrs.scales):
        raise ShapeError(argument="data", got=f"shape {shape}", expected="a second axis as long as scales")
    return (shape,)


def transformer(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The channels of the data at each point of the grid that ``loc`` gives."""
    data, loc = shapes
    axes(data, 4, "data")
    axes(loc, 2, "loc")
    exactly(loc, (data[0], 6), "loc")
    return ((*data[:2], *size_of(attrs, "target_shape")),)
