"""Shape rules of the ops that cut parts out of an array along its axes."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ArgumentError, ShapeError
from ..op import Attrs
from ..spec import Shape
from .shapes import normalize_axis

Items = Sequence[int | None]


def slice_key(shape: Shape, begin: Items, end: Items, step: Items = ()) -> tuple[slice, ...]:
    """Python's slices for MXNet's begin, end and step, one for each of the first axes.

    None stands for the far end on its side of the axis; what lies outside is clipped.

    Raises
    ------
    ArgumentError
        For sequences of different lengths, more of them than there are axes, or a step of 0.
    """
    if len(begin) != len(end) or len(begin) > len(shape) or (len(step) not in (0, len(begin))):
        raise ArgumentError(
            argument="begin",
            got=f"begin {tuple(begin)}, end {tuple(end)}, step {tuple(step)}",
            expected=f"equally many items, and at most {len(shape)}",
        )
    if 0 in step:
        raise ArgumentError(argument="step", got=f"{tuple(step)}", expected="steps other than 0")
    steps = step or (None,) * len(begin)
    return tuple(slice(first, last, by) for first, last, by in zip(begin, end, steps, strict=True))


def given(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape`` as it stands: that of the array a gradient is scattered into."""
    return (attrs.shape,)


def sliced(shape: Shape, key: Sequence[slice]) -> Shape:
    """The shape of an array after slicing its first axes."""
    lengths = tuple(len(range(*cut.indices(length))) for cut, length in zip(key, shape, strict=False))
    return lengths + shape[len(key) :]


def slice_(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """What begin, end and step leave; at least one element of each axis."""
    shape = sliced(shapes[0], slice_key(shapes[0], attrs.begin, attrs.end, attrs.step))
    if 0 in shape and 0 not in shapes[0]:
        raise ShapeError(
            argument="begin",
            got=f"begin {attrs.begin} and end {attrs.end}",
            expected=f"at least one element of each axis of {shapes[0]}",
        )
    return (shape,)


def slice_into(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, of which begin, end and step leave the input's shape."""
    cut = sliced(attrs.shape, slice_key(attrs.shape, attrs.begin, attrs.end, attrs.step))
    if cut != shapes[0]:
        raise ShapeError(argument="data", got=f"shape {shapes[0]}", expected=f"{cut}, the shape of the slice")
    return (attrs.shape,)


def slice_assign(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The first shape, of which the slice has the second, where there is one."""
    cut = sliced(shapes[0], slice_key(shapes[0], attrs.begin, attrs.end, attrs.step))
    if len(shapes) > 1 and shapes[1] != cut:
        raise ShapeError(argument="rhs", got=f"shape {shapes[1]}", expected=f"{cut}, the shape of the slice")
    return (shapes[0],)


def axis_bounds(shape: Shape, axis: int, begin: int, end: int | None) -> tuple[int, int, int]:
    """Axis, begin and end of ``slice_axis``, counted from the front.

    Raises
    ------
    ArgumentError
        For an axis that does not exist, and a begin or end outside of it or in the wrong order.
    """
    axis = normalize_axis(axis, len(shape))
    length = shape[axis]
    first = begin + length if begin < 0 else begin
    last = length if end is None else end + length if end < 0 else end
    if not 0 <= first < last <= length:
        raise ArgumentError(
            argument="begin",
            got=f"{begin} to {end}",
            expected=f"a part of the {length} elements of axis {axis}",
        )
    return axis, first, last


def slice_axis(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """One axis cut to the elements from begin to end."""
    shape = shapes[0]
    axis, first, last = axis_bounds(shape, attrs.axis, attrs.begin, attrs.end)
    return ((*shape[:axis], last - first, *shape[axis + 1 :]),)


def slice_like(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """All axes, or those given, cut to the lengths of the second input."""
    data, like = shapes
    if not attrs.axes and len(data) != len(like):
        raise ShapeError(argument="shape_like", got=f"shape {like}", expected=f"{len(data)} axes")
    axes = [normalize_axis(axis, len(data), "axes") for axis in attrs.axes] or list(range(len(data)))
    made = list(data)
    for axis in axes:
        if axis >= len(like) or like[axis] > data[axis]:
            raise ShapeError(
                argument="shape_like", got=f"shape {like}", expected=f"no more than {data} along axis {axis}"
            )
        made[axis] = like[axis]
    return (tuple(made),)


def split_cuts(shape: Shape, attrs: Attrs) -> tuple[int, list[int]]:
    """Axis and starts of the parts of ``_split_v2``."""
    axis = normalize_axis(attrs.axis, len(shape))
    if attrs.sections > 0:
        # The first parts take what is left over, one element each.
        part, rest = divmod(shape[axis], attrs.sections)
        return axis, [part * number + min(number, rest) for number in range(attrs.sections)]
    return axis, list(attrs.indices)


def _parts(shape: Shape, axis: int, lengths: Sequence[int], squeeze: bool) -> Sequence[Shape]:
    if squeeze and any(length != 1 for length in lengths):
        raise ShapeError(argument="squeeze_axis", got=f"parts of {lengths[0]}", expected="parts of length 1")
    return [shape[:axis] + (() if squeeze else (length,)) + shape[axis + 1 :] or (1,) for length in lengths]


def split(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """``num_outputs`` equal parts of an axis."""
    shape, count = shapes[0], attrs.num_outputs
    axis = normalize_axis(attrs.axis, len(shape))
    if count < 1 or shape[axis] % count:
        raise ShapeError(
            argument="data", got=f"shape {shape}", expected=f"an axis {axis} that {count} divides"
        )
    return _parts(shape, axis, [shape[axis] // count] * count, attrs.squeeze_axis)


def split_v2(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The parts of an axis between the given starts."""
    shape = shapes[0]
    axis, starts = split_cuts(shape, attrs)
    ends = [*starts[1:], shape[axis]]
    lengths = [end - start for start, end in zip(starts, ends, strict=True)]
    if not lengths or starts[0] != 0 or min(lengths) < 1:
        raise ArgumentError(
            argument="indices",
            got=f"{attrs.indices}",
            expected=f"rising starts from 0 to less than {shape[axis]}",
        )
    return _parts(shape, axis, lengths, attrs.squeeze_axis)


def crop_bounds(shapes: Sequence[Shape], attrs: Attrs) -> tuple[int, int, int, int]:
    """Top, left, height and width of what Crop keeps."""
    data = shapes[0]
    if len(shapes) > 2 or any(len(shape) != 4 for shape in shapes):
        raise ShapeError(
            argument="data", got=f"shapes {tuple(shapes)}", expected="one or two arrays of 4 axes"
        )
    height, width = shapes[1][2:] if len(shapes) == 2 else _pair(attrs.h_w, "h_w")
    if attrs.center_crop:
        top, left = (data[2] - height) // 2, (data[3] - width) // 2
    else:
        top, left = _pair(attrs.offset, "offset")
    inside = top >= 0 and left >= 0 and top + height <= data[2] and left + width <= data[3]
    if not inside or height < 1 or width < 1:
        raise ShapeError(
            argument="offset",
            got=f"{height} by {width} at ({top}, {left})",
            expected=f"a part of the image of {data[2]} by {data[3]}",
        )
    return top, left, height, width


def _pair(value: Shape, name: str) -> Shape:
    if len(value) != 2:
        raise ArgumentError(argument=name, got=f"{value}", expected="two numbers")
    return value


def crop(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The first image cut to a height and width."""
    _, _, height, width = crop_bounds(shapes, attrs)
    return ((*shapes[0][:2], height, width),)
