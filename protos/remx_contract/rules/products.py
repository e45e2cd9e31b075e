"""The shape rules of matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..errors import ArgumentError, ShapeError
from ..op import Attrs
from ..spec import Shape
from .shapes import normalize_axis


def _split(shape: Shape, count: int, first: bool) -> tuple[Shape, Shape]:
    """The free axes, and the first or the last ``count`` axes."""
    if first:
        return shape[count:], shape[:count]
    kept = len(shape) - count
    return shape[:kept], shape[kept:]


def _mismatch(lhs: Shape, rhs: Shape, what: str) -> ShapeError:
    return ShapeError(got=f"shapes {lhs} and {rhs}", expected=what)


def dot(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The last axis of lhs (first if transposed) is contracted with the first of rhs (last if transposed)."""
    lhs, rhs = shapes
    if not lhs or not rhs:
        raise _mismatch(lhs, rhs, "at least one axis each")
    if len(lhs) == len(rhs) == 1 and (attrs.transpose_a or attrs.transpose_b):
        raise ArgumentError(argument="transpose_a", got="two vectors", expected="no transposition of vectors")
    left, summed = _split(lhs, 1, attrs.transpose_a)
    right, over = _split(rhs, 1, not attrs.transpose_b)
    if summed != over:
        raise _mismatch(lhs, rhs, f"equal lengths of the contracted axes, not {summed[0]} and {over[0]}")
    return ((left + right) or (1,),)


def contract(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """As :func:`dot`, over ``count`` axes."""
    lhs, rhs = shapes
    left, summed = _split(lhs, attrs.count, attrs.transpose_a)
    right, over = _split(rhs, attrs.count, not attrs.transpose_b)
    if summed != over:
        raise _mismatch(lhs, rhs, f"equal lengths of the contracted axes, not {summed} and {over}")
    return (left + right,)


def batch_dot(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Matrix products over the last two axes; the axes before them are equal."""
    lhs, rhs = shapes
    if len(lhs) < 3:
        raise _mismatch(lhs, rhs, "at least three axes each")
    return (_matrices(lhs, rhs, attrs.transpose_a, attrs.transpose_b),)


def gemm2(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Matrix products over the last axis and the axis ``axis``; all others are equal."""
    lhs, rhs = shapes
    if len(lhs) < 2 or len(lhs) != len(rhs):
        raise _mismatch(lhs, rhs, "equally many axes, at least two")
    axis = normalize_axis(attrs.axis, len(lhs))
    if axis == len(lhs) - 1:
        raise ArgumentError(argument="axis", got=f"{attrs.axis}", expected="another axis than the last")
    lhs, rhs = ((*s[:axis], *s[axis + 1 : -1], s[axis], s[-1]) for s in (lhs, rhs))
    *batch, rows, columns = _matrices(lhs, rhs, attrs.transpose_a, attrs.transpose_b)
    return ((*batch[:axis], rows, *batch[axis:], columns),)


def _matrices(lhs: Shape, rhs: Shape, transpose_a: bool, transpose_b: bool) -> Shape:
    if len(lhs) != len(rhs) or lhs[:-2] != rhs[:-2]:
        raise _mismatch(lhs, rhs, "equal axes but for the last two")
    rows, summed = reversed(lhs[-2:]) if transpose_a else lhs[-2:]
    over, columns = reversed(rhs[-2:]) if transpose_b else rhs[-2:]
    if summed != over:
        raise _mismatch(lhs, rhs, f"equal lengths of the contracted axes, not {summed} and {over}")
    return (*lhs[:-2], rows, columns)


def fully_connected(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(batch, ...) by (num_hidden, features) gives (batch, num_hidden); see the op for ``flatten``."""
    data, weight = shapes[0], shapes[1]
    hidden = attrs.num_hidden
    if hidden < 1:
        raise ArgumentError(argument="num_hidden", got=f"{hidden}", expected="at least 1")
    if not data:
        raise ShapeError(argument="data", got="an array without axes", expected="at least one axis")
    features = prod(data[1:]) if attrs.flatten else data[-1]
    if weight != (hidden, features):
        raise ShapeError(argument="weight", got=f"shape {weight}", expected=f"{(hidden, features)}")
    if len(shapes) > 2 and shapes[2] != (hidden,):
        raise ShapeError(argument="bias", got=f"shape {shapes[2]}", expected=f"{(hidden,)}")
    return ((data[0], hidden) if attrs.flatten else (*data[:-1], hidden),)


def khatri_rao(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Matrices with equally many columns; the numbers of rows are multiplied."""
    columns = shapes[0][-1:]
    for index, shape in enumerate(shapes):
        if len(shape) != 2 or shape[-1:] != columns:
            raise ShapeError(
                argument=f"args[{index}]", got=f"shape {shape}", expected="matrices with equally many columns"
            )
    return ((prod(shape[0] for shape in shapes), *columns),)
