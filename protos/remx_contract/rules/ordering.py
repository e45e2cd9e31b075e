"""The shape and dtype rules of ops that sort."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..dtypes import DType
from ..errors import ArgumentError, ShapeError
from ..op import Attrs
from ..spec import Shape
from .shapes import normalize_axis


def sorted_along(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The input's shape; flat where ``axis`` is None."""
    (shape,) = shapes
    if attrs.axis is None:
        return ((prod(shape),),)
    normalize_axis(attrs.axis, len(shape))
    return (shape,)


def topk_count(k: int, length: int) -> int:
    """How many elements topk takes: all of them for ``k`` below 1; ArgumentError for more than there are."""
    if k > length:
        raise ArgumentError(argument="k", got=f"{k}", expected=f"at most the length of the axis, {length}")
    return length if k < 1 else k


def topk(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """``k`` elements along ``axis``, of the flattened array for None; a mask has the input's shape."""
    (shape,) = shapes
    if attrs.axis is None:
        found: Shape = (topk_count(attrs.k, prod(shape)),)
    else:
        axis = normalize_axis(attrs.axis, len(shape))
        found = (*shape[:axis], topk_count(attrs.k, shape[axis]), *shape[axis + 1 :])
    if attrs.ret_typ == "mask":
        found = shape
    return (found,) * (2 if attrs.ret_typ == "both" else 1)


def topk_dtype(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """Values and masks have the input's dtype, indices the attribute's."""
    if attrs.ret_typ == "indices":
        return (attrs.dtype,)
    return (dtypes[0], attrs.dtype) if attrs.ret_typ == "both" else (dtypes[0],)


def along(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the index; it differs from the data's along the axis only."""
    data, index = shapes
    _check_along(data, index, attrs.axis)
    return (index,)


def put_along(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``; values and index have one shape, which differs from it along the axis only."""
    values, index = shapes
    if values != index:
        raise ShapeError(got=f"shapes {values} and {index}", expected="equal shapes")
    _check_along(attrs.shape, index, attrs.axis)
    return (attrs.shape,)


def _check_along(whole: Shape, index: Shape, axis: int | None) -> None:
    if axis is None:
        if len(index) != 1:
            raise ShapeError(
                argument="index", got=f"shape {index}", expected="one axis, since no axis is given"
            )
        return
    axis = normalize_axis(axis, len(whole))
    if len(index) != len(whole) or index[:axis] != whole[:axis] or index[axis + 1 :] != whole[axis + 1 :]:
        raise ShapeError(argument="index", got=f"shape {index}", expected=f"{whole} but for axis {axis}")
