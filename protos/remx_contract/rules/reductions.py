"""Which axes a reduction runs over, and the shapes that follow."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod

from ..errors import ArgumentError, ShapeError
from ..op import Attrs
from ..spec import Shape
from .shapes import normalize_axis


@lru_cache(maxsize=4096)
def reduced_axes(axis: int | tuple[int, ...] | None, ndim: int, exclude: bool = False) -> tuple[int, ...]:
    """The axes that a reduction with MXNet's attributes runs over, ascending.

    Parameters
    ----------
    axis : int, tuple of int, or None
        None and ``()`` stand for all axes, whatever ``exclude`` says.
    ndim : int
    exclude : bool
        Reduce the axes that are not in ``axis``.

    Raises
    ------
    ArgumentError
        For an axis that the array does not have, or one given twice.
    """
    if axis is None or axis == ():
        return tuple(range(ndim))
    given = (axis,) if isinstance(axis, int) else axis
    named = sorted(normalize_axis(item, ndim) for item in given)
    if len(set(named)) != len(named):
        raise ArgumentError(argument="axis", got=f"{axis}", expected="each axis once")
    if exclude:
        return tuple(item for item in range(ndim) if item not in named)
    return tuple(named)


def without(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    """``shape`` with ``axes`` reduced; MXNet has no scalars, so where no axis is left it is ``(1,)``."""
    if keepdims:
        return tuple(1 if axis in axes else length for axis, length in enumerate(shape))
    kept = tuple(length for axis, length in enumerate(shape) if axis not in axes)
    return kept if kept else (1,)


def reduction(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attributes ``axis``, ``keepdims`` and, for most, ``exclude``."""
    (shape,) = shapes
    axes = reduced_axes(attrs.axis, len(shape), attrs.get("exclude", False))
    return (without(shape, axes, attrs.keepdims),)


def extremum(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A reduction that has no value for an array without elements."""
    (shape,) = shapes
    if prod(shape) == 0:
        raise ShapeError(got=f"shape {shape}", expected="at least one element")
    return reduction(shapes, attrs)


def norm(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A reduction with an order, 1 or 2."""
    if attrs.ord not in (1, 2):
        raise ArgumentError(argument="ord", got=f"{attrs.ord}", expected="1 or 2")
    return reduction(shapes, attrs)


def moments(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Two reductions over the attribute ``axes``, which has no default."""
    (shape,) = shapes
    if not attrs.axes and attrs.axes != 0:
        raise ArgumentError(
            argument="axes", got=f"{attrs.axes}", expected="the axes, all of them for a full reduction"
        )
    reduced = without(shape, reduced_axes(attrs.axes, len(shape)), attrs.keepdims)
    return (reduced, reduced)


def channel(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The second axis reduced."""
    (shape,) = shapes
    if len(shape) < 2 or prod(shape) == 0:
        raise ShapeError(got=f"shape {shape}", expected="at least two axes and one element")
    return (without(shape, (1,), False),)


def l2_axes(mode: str, ndim: int) -> tuple[int, ...]:
    """The axes over which L2Normalization takes the norm; ShapeError where the array has too few."""
    if mode == "instance":
        return tuple(range(1, ndim))
    if ndim < 3:
        raise ShapeError(got=f"an array of {ndim} axes", expected=f"at least 3 with mode={mode!r}")
    return (1,) if mode == "channel" else tuple(range(2, ndim))


def l2(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The input's shape, if it has the axes of the mode."""
    l2_axes(attrs.mode, len(shapes[0]))
    return (shapes[0],)


def scan(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The input's shape; flat where ``axis`` is None."""
    (shape,) = shapes
    if attrs.axis is None:
        return ((prod(shape),),)
    normalize_axis(attrs.axis, len(shape))
    return (shape,)


def reshaped(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, of as many elements as the input."""
    if prod(shapes[0]) != prod(attrs.shape):
        raise ShapeError(got=f"shape {shapes[0]}", expected=f"as many elements as {attrs.shape}")
    return (attrs.shape,)


def to_shape(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, into which the input's elements fit after its ``axes`` are summed."""
    (shape,) = shapes
    if prod(without(shape, attrs.axes, True)) != prod(attrs.shape):
        raise ShapeError(
            got=f"shape {shape} over {attrs.axes}", expected=f"as many elements as {attrs.shape}"
        )
    return (attrs.shape,)


def from_shape(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, whose ``axes`` the input lacks or has with length one."""
    (shape,) = shapes
    if prod(without(attrs.shape, attrs.axes, True)) != prod(shape):
        raise ShapeError(got=f"shape {shape}", expected=f"{attrs.shape} reduced over {attrs.axes}")
    return (attrs.shape,)
