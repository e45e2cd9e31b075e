"""The shape rules that most ops share. A rule maps (input shapes, attributes) to output shapes, or raises
ShapeError."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ArgumentError, ShapeError
from ..op import Attrs
from ..spec import Shape


def same(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the first input."""
    return (shapes[0],)


def all_same(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """One shape, which all inputs must have."""
    first = shapes[0]
    for shape in shapes[1:]:
        if shape != first:
            raise ShapeError(got=f"shapes {first} and {shape}", expected="equal shapes")
    return (first,)


def broadcast(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """NumPy's broadcasting of two inputs."""
    lhs, rhs = shapes
    if lhs == rhs:
        return (lhs,)
    ndim = max(len(lhs), len(rhs))
    padded_lhs = (1,) * (ndim - len(lhs)) + lhs
    padded_rhs = (1,) * (ndim - len(rhs)) + rhs
    result = []
    for a, b in zip(padded_lhs, padded_rhs, strict=True):
        if a != b and a != 1 and b != 1:
            raise ShapeError(
                argument="rhs", got=f"shape {rhs}", expected=f"a shape that broadcasts with the lhs's {lhs}"
            )
        result.append(b if a == 1 else a)
    return (tuple(result),)


def shape_attr(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, for ops without inputs."""
    return (known_shape(attrs.shape),)


def known_shape(shape: Shape) -> Shape:
    """``shape`` where every length is at least 1, as MXNet 1.9.1 requires of a new array; else ShapeError."""
    if not shape or any(length < 1 for length in shape):
        raise ShapeError(
            argument="shape", got=f"{shape}", expected="at least one axis, and lengths above zero"
        )
    return shape


def normalize_axis(axis: int, ndim: int, argument: str = "axis") -> int:
    """``axis`` counted from the front; ArgumentError where the array has no such axis."""
    if not -ndim <= axis < ndim:
        raise ArgumentError(
            argument=argument, got=f"{axis}", expected=f"an axis of an array with {ndim} axes"
        )
    return axis % ndim
