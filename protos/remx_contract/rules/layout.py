"""Shape rules of the ops that move, repeat, pad or join elements."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ArgumentError, ShapeError
from ..op import Attrs
from ..spec import Shape
from .shapes import normalize_axis


def transpose_axes(axes: Shape, ndim: int) -> Shape:
    """The permutation that ``axes`` names; none names the reversal."""
    if not axes:
        return tuple(range(ndim))[::-1]
    if sorted(axes) != list(range(ndim)):
        raise ShapeError(argument="axes", got=f"{axes}", expected=f"a permutation of the {ndim} axes")
    return axes


def transpose(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The lengths in the order of ``axes``."""
    shape = shapes[0]
    return (tuple(shape[axis] for axis in transpose_axes(attrs.axes, len(shape))),)


def swap_axes(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The lengths of two axes swapped."""
    shape = list(shapes[0])
    first, second = (normalize_axis(attrs[name], len(shape), name) for name in ("dim1", "dim2"))
    shape[first], shape[second] = shape[second], shape[first]
    return (tuple(shape),)


def known_axes(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The input's shape, every one of whose ``axis`` exists."""
    for axis in attrs.axis:
        normalize_axis(axis, len(shapes[0]))
    return (shapes[0],)


def repeat(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The axis, or the flattened array, ``repeats`` times as long."""
    shape, repeats = shapes[0], attrs.repeats
    if repeats < 0:
        raise ArgumentError(argument="repeats", got=f"{repeats}", expected="a number from 0 up")
    if attrs.axis is None:
        size = 1
        for length in shape:
            size *= length
        return ((size * repeats,),)
    axis = normalize_axis(attrs.axis, len(shape))
    return ((*shape[:axis], shape[axis] * repeats, *shape[axis + 1 :]),)


def tile_lengths(shape: Shape, reps: Shape) -> tuple[Shape, Shape]:
    """Shape and repetitions with as many items as the longer of the two, filled up with ones on the left."""
    ndim = max(len(shape), len(reps))
    return (1,) * (ndim - len(shape)) + shape, (1,) * (ndim - len(reps)) + reps


def tile(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Each length times its repetitions."""
    if any(times < 0 for times in attrs.reps):
        raise ArgumentError(argument="reps", got=f"{attrs.reps}", expected="numbers from 0 up")
    lengths, reps = tile_lengths(shapes[0], attrs.reps)
    return (tuple(length * times for length, times in zip(lengths, reps, strict=True)),)


def broadcast_to(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """``shape``, which has as many axes as the input; 0 keeps a length, and lengths of 1 grow."""
    shape, target = shapes[0], attrs.shape
    if len(shape) != len(target):
        raise ShapeError(
            argument="shape", got=f"{target}", expected=f"{len(shape)} lengths, as the input has"
        )
    made = tuple(length if wanted == 0 else wanted for length, wanted in zip(shape, target, strict=True))
    for length, wanted in zip(shape, made, strict=True):
        if wanted < 0 or length not in (1, wanted):
            raise ShapeError(
                argument="shape", got=f"{target}", expected=f"a shape that {shape} broadcasts to"
            )
    return (made,)


def broadcast_axis(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Axes of length 1 grown to the given sizes."""
    shape = list(shapes[0])
    if len(attrs.axis) != len(attrs.size):
        raise ArgumentError(argument="size", got=f"{len(attrs.size)} sizes", expected=f"{len(attrs.axis)}")
    for axis, size in zip(attrs.axis, attrs.size, strict=True):
        axis = normalize_axis(axis, len(shape))
        if shape[axis] != 1 or size < 1:
            raise ShapeError(
                argument="axis",
                got=f"length {shape[axis]} at axis {axis}, size {size}",
                expected="length 1 to grow",
            )
        shape[axis] = size
    return (tuple(shape),)


def broadcast_like(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Axes of length 1 of the first input grown to the second's: all of them, or lhs_axes to rhs_axes."""
    lhs, rhs = shapes
    # MXNet ignores one of the two without the other.
    if attrs.lhs_axes is None or attrs.rhs_axes is None:
        pairs = list(zip(range(len(lhs)), range(len(rhs)), strict=False))
        if len(lhs) != len(rhs):
            raise ShapeError(argument="rhs", got=f"shape {rhs}", expected=f"{len(lhs)} axes")
    else:
        if len(attrs.lhs_axes) != len(attrs.rhs_axes) or not attrs.lhs_axes:
            raise ArgumentError(
                argument="rhs_axes", got=f"{attrs.rhs_axes}", expected="as many axes as lhs_axes"
            )
        pairs = [
            (normalize_axis(a, len(lhs), "lhs_axes"), normalize_axis(b, len(rhs), "rhs_axes"))
            for a, b in zip(attrs.lhs_axes, attrs.rhs_axes, strict=True)
        ]
    made = list(lhs)
    for lhs_axis, rhs_axis in pairs:
        if lhs[lhs_axis] not in (1, rhs[rhs_axis]):
            raise ShapeError(argument="rhs", got=f"shape {rhs}", expected=f"a shape that {lhs} broadcasts to")
        made[lhs_axis] = rhs[rhs_axis]
    return (tuple(made),)


def pad(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Each length with what pad_width adds to it; 4 or 5 axes, of which the first two stay."""
    shape, widths = shapes[0], attrs.pad_width
    if len(shape) not in (4, 5):
        raise ShapeError(argument="data", got=f"shape {shape}", expected="4 or 5 axes")
    if len(widths) != 2 * len(shape) or any(widths[:4]) or min(widths) < 0:
        raise ArgumentError(
            argument="pad_width",
            got=f"{widths}",
            expected=f"{2 * len(shape)} numbers from 0 up, of which the first four are 0",
        )
    if attrs.mode == "reflect":
        for axis, length in enumerate(shape):
            if max(widths[2 * axis : 2 * axis + 2]) >= length and any(widths[2 * axis : 2 * axis + 2]):
                raise ShapeError(
                    argument="pad_width",
                    got=f"{widths}",
                    expected=f"less than the {length} elements of axis {axis}",
                )
    return (pad_shape(shape, widths),)


def pad_shape(shape: Shape, widths: Shape) -> Shape:
    """The shape after padding."""
    return tuple(length + widths[2 * axis] + widths[2 * axis + 1] for axis, length in enumerate(shape))


def _block(shape: Shape, block: int, axes: str) -> None:
    if len(shape) != 4:
        raise ShapeError(argument="data", got=f"shape {shape}", expected="4 axes")
    if block < 1:
        raise ArgumentError(argument="block_size", got=f"{block}", expected="a number from 1 up")
    bad = shape[1] % (block * block) if axes == "channels" else shape[2] % block or shape[3] % block
    if bad or 0 in shape:
        raise ShapeError(
            argument="data", got=f"shape {shape}", expected=f"{axes} that blocks of {block} divide"
        )


def depth_to_space(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Channels moved into blocks of pixels."""
    shape, block = shapes[0], attrs.block_size
    _block(shape, block, "channels")
    return ((shape[0], shape[1] // (block * block), shape[2] * block, shape[3] * block),)


def space_to_depth(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Blocks of pixels moved into channels."""
    shape, block = shapes[0], attrs.block_size
    _block(shape, block, "height and width")
    return ((shape[0], shape[1] * block * block, shape[2] // block, shape[3] // block),)


def concat(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Shapes that agree but for axis ``dim``, whose lengths add up."""
    first = shapes[0]
    axis = normalize_axis(attrs.dim, len(first), "dim")
    total = 0
    for shape in shapes:
        if len(shape) != len(first) or shape[:axis] + shape[axis + 1 :] != first[:axis] + first[axis + 1 :]:
            raise ShapeError(got=f"shapes {first} and {shape}", expected=f"shapes equal but for axis {axis}")
        total += shape[axis]
    return ((*first[:axis], total, *first[axis + 1 :]),)


def stack(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Equal shapes with a new axis as long as there are inputs."""
    first = shapes[0]
    for shape in shapes[1:]:
        if shape != first:
            raise ShapeError(got=f"shapes {first} and {shape}", expected="equal shapes")
    axis = normalize_axis(attrs.axis, len(first) + 1)
    return ((*first[:axis], len(shapes), *first[axis:]),)


def cast_storage(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the input, for dense storage."""
    if attrs.stype != "default":
        raise ArgumentError(argument="stype", got=repr(attrs.stype), expected="'default': arrays are dense")
    return (shapes[0],)
