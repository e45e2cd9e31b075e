"""Shape rules of the ops that keep the elements and their order, and change only the shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Final

from ..errors import ArgumentError, ShapeError
from ..op import Attrs
from ..spec import Shape
from .shapes import normalize_axis

KEEP: Final = 0
INFER: Final = -1
REST: Final = -2
MERGE: Final = -3
SPLIT: Final = -4


def reshape_codes(shape: Shape, target: Sequence[int], reverse: bool = False) -> Shape:
    """The shape that a target with MXNet's special codes stands for.

    Each item of the target takes lengths of the input shape from the left: a positive number takes one and
    stands for itself; 0 takes one and keeps it; -1 takes one and stands for whatever makes the sizes equal;
    -2 takes all that are left and keeps them; -3 takes two and stands for their product; -4 takes one and
    splits it into the next two items, one of which may be -1.

    Parameters
    ----------
    shape : tuple of int
        The input's shape.
    target : sequence of int
        Lengths and codes.
    reverse : bool
        Take lengths from the right instead.

    Returns
    -------
    tuple of int

    Raises
    ------
    ShapeError
        If a code finds no length to take, two lengths are to be inferred, or the sizes differ. (MXNet's op
        accepts a wrong size and reads beyond its memory.)
    """
    source = shape[::-1] if reverse else shape
    codes = tuple(target)[::-1] if reverse else tuple(target)
    made = _resolve(source, codes, shape, target)
    unknown = [position for position, length in enumerate(made) if length == INFER]
    if len(unknown) > 1:
        raise ShapeError(argument="shape", got=f"{tuple(target)}", expected="at most one length of -1")
    if unknown:
        known = -prod(made)
        made[unknown[0]] = prod(shape) // known if known else 0
    if prod(made) != prod(shape):
        raise ShapeError(
            argument="shape",
            got=f"{tuple(target)}",
            expected=f"a shape of the {prod(shape)} elements of {shape}",
        )
    return tuple(made[::-1] if reverse else made)


def _resolve(source: Shape, codes: Sequence[int], shape: Shape, target: Sequence[int]) -> list[int]:
    """The lengths with all codes but -1 resolved; at the place of that one stands -1."""
    lengths = iter(source)
    items = iter(codes)
    made: list[int] = []
    try:
        for code in items:
            if code > 0:
                made.append(code)
                next(lengths, None)
            elif code == KEEP:
                made.append(next(lengths))
            elif code == INFER:
                made.append(INFER)
                next(lengths, None)
            elif code == REST:
                made.extend(lengths)
            elif code == MERGE:
                made.append(next(lengths) * next(lengths))
            elif code == SPLIT:
                made.extend(_split(next(lengths), items))
            else:
                raise ShapeError(
                    argument="shape", got=f"{tuple(target)}", expected="lengths and codes from -4 up"
                )
    except StopIteration:
        raise ShapeError(
            argument="shape", got=f"{tuple(target)}", expected=f"codes that the shape {shape} has lengths for"
        ) from None
    return made


def _split(length: int, items: Iterator[int]) -> tuple[int, int]:
    first, second = next(items), next(items)
    if first == INFER and second > 0:
        first = length // second
    elif second == INFER and first > 0:
        second = length // first
    if first < 0 or second < 0 or first * second != length:
        raise ShapeError(argument="shape", got=f"-4, {first}, {second}", expected=f"two factors of {length}")
    return first, second


def reshape(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """``shape`` with its codes, or the older ``target_shape``, in which one 0 is inferred."""
    shape = shapes[0]
    if attrs.shape:
        return (reshape_codes(shape, attrs.shape, attrs.reverse),)
    if not attrs.target_shape:
        raise ShapeError(argument="shape", got="()", expected="at least one length")
    target = list(attrs.target_shape)
    if attrs.keep_highest and shape:
        target[0] = shape[0]
    target = [INFER if length == 0 else length for length in target]
    if any(length < 0 for length in attrs.target_shape):
        raise ShapeError(argument="target_shape", got=f"{attrs.target_shape}", expected="lengths from 0 up")
    return (reshape_codes(shape, target),)


def exact(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape`` as it stands, 0 and () included."""
    if prod(attrs.shape) != prod(shapes[0]):
        raise ShapeError(argument="shape", got=f"{attrs.shape}", expected=f"the elements of {shapes[0]}")
    return (attrs.shape,)


def _axis_range(begin: int | None, end: int | None, ndim: int, side: str) -> tuple[int, int]:
    first = 0 if begin is None else begin
    last = ndim if end is None else end
    first += ndim if first < 0 else 0
    last += ndim if last < 0 else 0
    if not 0 <= first < last <= ndim:
        raise ArgumentError(
            argument=f"{side}_begin", got=f"axes {begin} to {end}", expected=f"a range of {ndim} axes"
        )
    return first, last


def reshape_like(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The first shape with a range of axes replaced by a range of the second's."""
    lhs, rhs = shapes
    lhs_first, lhs_last = _axis_range(attrs.lhs_begin, attrs.lhs_end, len(lhs), "lhs")
    rhs_first, rhs_last = _axis_range(attrs.rhs_begin, attrs.rhs_end, len(rhs), "rhs")
    made = lhs[:lhs_first] + rhs[rhs_first:rhs_last] + lhs[lhs_last:]
    if prod(made) != prod(lhs):
        raise ShapeError(argument="rhs", got=f"shape {rhs}", expected=f"axes that reshape {lhs}")
    return (made,)


def flatten(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Two axes: the first one, and all others as one."""
    shape = shapes[0]
    if not shape:
        raise ShapeError(argument="data", got="no axes", expected="at least one axis")
    return ((shape[0], prod(shape[1:])),)


def expand_dims(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A new axis of length 1 at ``axis``."""
    shape = shapes[0]
    axis = normalize_axis(attrs.axis, len(shape) + 1)
    return ((*shape[:axis], 1, *shape[axis:]),)


def squeeze(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Without the given axes of length 1, or without all of them; one axis always stays."""
    shape = shapes[0]
    if attrs.axis is None:
        gone = {axis for axis, length in enumerate(shape) if length == 1}
    else:
        axes = [normalize_axis(axis, len(shape)) for axis in attrs.axis]
        gone = set(axes)
        if len(gone) != len(axes):
            raise ArgumentError(argument="axis", got=f"{attrs.axis}", expected="each axis once")
        for axis in gone:
            if shape[axis] != 1:
                raise ShapeError(argument="data", got=f"shape {shape}", expected=f"length 1 at axis {axis}")
    kept = tuple(length for axis, length in enumerate(shape) if axis not in gone)
    return (kept or (1,) * min(len(shape), 1),)
