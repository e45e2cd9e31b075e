"""The shape rules of convolutions, pooling, and columns of windows."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..errors import ArgumentError, ShapeError
from ..op import Attrs
from ..spec import Shape


def channel_last(layout: str | None) -> bool:
    """Whether the channels are the last axis of a layout."""
    return layout is not None and layout[1] != "C"


def spatial(shape: Shape, layout: str | None) -> Shape:
    """The spatial axes of a shape."""
    return shape[1:-1] if channel_last(layout) else shape[2:]


def channels(shape: Shape, layout: str | None) -> int:
    """The number of channels of a shape."""
    return shape[-1] if channel_last(layout) else shape[1]


def arranged(batch: int, count: int, places: Sequence[int], layout: str | None) -> Shape:
    """A shape of so many images (or filters), channels and spatial lengths."""
    return (batch, *places, count) if channel_last(layout) else (batch, count, *places)


def filled(given: Shape, count: int, default: int) -> Shape:
    """An attribute with a number for each spatial axis; ``default`` for all where it was left out."""
    return given or (default,) * count


def extent(kernel: int, dilate: int) -> int:
    """How many positions a dilated kernel spans."""
    return dilate * (kernel - 1) + 1


def _check_lengths(attrs: Attrs, count: int, least: dict[str, int]) -> None:
    """ArgumentError unless each attribute has a number for each spatial axis, none below its least."""
    for name, low in least.items():
        given = attrs[name]
        if given and len(given) != count:
            raise ArgumentError(argument=name, got=f"{given}", expected=f"{count} numbers, as the kernel has")
        if any(number < low for number in given):
            raise ArgumentError(argument=name, got=f"{given}", expected=f"numbers of at least {low}")


def _check_kernel(attrs: Attrs, data: Shape) -> int:
    """The number of spatial axes, which the kernel has and the data."""
    count = len(attrs.kernel)
    if not 1 <= count <= 3:
        raise ArgumentError(argument="kernel", got=f"{attrs.kernel}", expected="one to three numbers")
    if len(data) != count + 2:
        raise ShapeError(
            argument="data", got=f"shape {data}", expected=f"{count + 2} axes for a kernel of {attrs.kernel}"
        )
    if 0 in data[1:]:
        raise ShapeError(argument="data", got=f"shape {data}", expected="images that are not empty")
    return count


def _check_layout(layout: str | None, axes: int) -> None:
    if layout is not None and len(layout) != axes:
        raise ArgumentError(argument="layout", got=layout, expected=f"a layout of {axes} axes")


def _check_channels(data: Shape, attrs: Attrs) -> int:
    """The number of channels, which the groups share evenly, as they do the filters."""
    groups, filters, count = attrs.num_group, attrs.num_filter, channels(data, attrs.layout)
    if filters < 1:
        raise ArgumentError(argument="num_filter", got=f"{filters}", expected="at least 1")
    if groups < 1 or count % groups or filters % groups:
        raise ArgumentError(
            argument="num_group",
            got=f"{groups}",
            expected=f"a divisor of {count} channels and {filters} filters",
        )
    return count


def _check_parameters(shapes: Sequence[Shape], weight: Shape, bias: int) -> None:
    if shapes[1] != weight:
        raise ShapeError(argument="weight", got=f"shape {shapes[1]}", expected=f"{weight}")
    if len(shapes) > 2 and shapes[2] != (bias,):
        raise ShapeError(argument="bias", got=f"shape {shapes[2]}", expected=f"{(bias,)}")


_WINDOW = {"kernel": 1, "stride": 1, "dilate": 1}


def _counted(length: int, kernel: int, stride: int, dilate: int, pad: int) -> int:
    """How many windows fit into a padded axis; ShapeError where none does."""
    room = length + 2 * pad - extent(kernel, dilate)
    if room < 0:
        raise ShapeError(
            argument="data",
            got=f"{length} positions and {pad} of padding at each end",
            expected=f"at least the {extent(kernel, dilate)} that the kernel spans",
        )
    return room // stride + 1


def windows(places: Shape, attrs: Attrs) -> Shape:
    """How many windows there are along each spatial axis."""
    count = len(attrs.kernel)
    strides, dilates = filled(attrs.stride, count, 1), filled(attrs.dilate, count, 1)
    pads = filled(attrs.pad, count, 0)
    return tuple(map(_counted, places, attrs.kernel, strides, dilates, pads))


def convolution(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(batch, channels, places) by (num_filter, channels of a group, kernel)."""
    data = shapes[0]
    count = _check_kernel(attrs, data)
    _check_layout(attrs.layout, count + 2)
    _check_lengths(attrs, count, {**_WINDOW, "pad": 0})
    found = _check_channels(data, attrs)
    places = windows(spatial(data, attrs.layout), attrs)
    weight = arranged(attrs.num_filter, found // attrs.num_group, attrs.kernel, attrs.layout)
    _check_parameters(shapes, weight, attrs.num_filter)
    return (arranged(data[0], attrs.num_filter, places, attrs.layout),)


def deconvolution_margins(places: Shape, attrs: Attrs) -> tuple[Shape, Shape]:
    """What a deconvolution cuts off at both ends of each axis, and what it adds at the far end.

    From ``pad`` and ``adj``, or where ``target_shape`` has a length above zero from that.
    """
    count = len(attrs.kernel)
    strides, dilates = filled(attrs.stride, count, 1), filled(attrs.dilate, count, 1)
    if not any(attrs.target_shape):
        return filled(attrs.pad, count, 0), filled(attrs.adj, count, 0)
    pads, adjs = [], []
    for length, kernel, stride, dilate, target in zip(
        places, attrs.kernel, strides, dilates, attrs.target_shape, strict=True
    ):
        cut = stride * (length - 1) + extent(kernel, dilate) - target
        if cut < 0 or target < 1:
            raise ArgumentError(
                argument="target_shape", got=f"{attrs.target_shape}", expected=f"at most {cut + target}"
            )
        pads.append((cut + 1) // 2)
        adjs.append(cut % 2)
    return tuple(pads), tuple(adjs)


def deconvolution(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(batch, channels, places) by (channels, filters of a group, kernel)."""
    data = shapes[0]
    count = _check_kernel(attrs, data)
    _check_layout(attrs.layout, count + 2)
    _check_lengths(attrs, count, {**_WINDOW, "pad": 0, "adj": 0, "target_shape": 0})
    found = _check_channels(data, attrs)
    before = spatial(data, attrs.layout)
    pads, adjs = deconvolution_margins(before, attrs)
    strides, dilates = filled(attrs.stride, count, 1), filled(attrs.dilate, count, 1)
    for adj, stride in zip(adjs, strides, strict=True):
        if adj >= stride:
            raise ArgumentError(
                argument="target_shape" if any(attrs.target_shape) else "adj",
                got=f"{adj} more positions at the end",
                expected=f"fewer than the stride of {stride}",
            )
    places = [
        stride * (length - 1) + extent(kernel, dilate) - 2 * pad + adj
        for length, kernel, stride, dilate, pad, adj in zip(
            before, attrs.kernel, strides, dilates, pads, adjs, strict=True
        )
    ]
    if any(length < 1 for length in places):
        raise ShapeError(argument="data", got=f"shape {data}", expected="more positions than are cut off")
    weight = arranged(found, attrs.num_filter // attrs.num_group, attrs.kernel, attrs.layout)
    _check_parameters(shapes, weight, attrs.num_filter)
    return (arranged(data[0], attrs.num_filter, places, attrs.layout),)


def weight_back(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of a convolution's weight, from its output's gradient and its data."""
    result, data = shapes
    count = channels(data, attrs.layout) // attrs.num_group
    return (arranged(channels(result, attrs.layout), count, attrs.kernel, attrs.layout),)


def im2col(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(batch, channels, places) to (batch, channels times kernel positions, windows)."""
    data = shapes[0]
    count = _check_kernel(attrs, data)
    _check_lengths(attrs, count, {**_WINDOW, "pad": -(2**31)})
    return ((data[0], data[1] * prod(attrs.kernel), prod(windows(data[2:], attrs))),)


def col2im(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(batch, channels times kernel positions, windows) to (batch, channels, output_size)."""
    data, places = shapes[0], attrs.output_size
    if len(data) != 3:
        raise ShapeError(argument="data", got=f"shape {data}", expected="three axes")
    count = len(attrs.kernel)
    if len(places) != count or not 1 <= count <= 3:
        raise ArgumentError(
            argument="output_size", got=f"{places}", expected="as many numbers as the kernel has, up to three"
        )
    _check_lengths(attrs, count, {**_WINDOW, "pad": -(2**31), "output_size": 1})
    rows, columns = prod(attrs.kernel), prod(windows(places, attrs))
    if not data[1] or data[1] % rows or data[2] != columns:
        raise ShapeError(
            argument="data", got=f"shape {data}", expected=f"a multiple of {rows} rows and {columns} columns"
        )
    return ((data[0], data[1] // rows, *places),)


def pooling_windows(places: Shape, attrs: Attrs) -> tuple[Shape, Shape, Shape, Shape]:
    """What a pooling comes to along each spatial axis: kernel, stride, padding and number of windows."""
    count = len(places)
    if attrs.global_pool:
        return places, (1,) * count, (0,) * count, (1,) * count
    strides = filled(attrs.stride, count, 1)[:count]
    pads = filled(attrs.pad, count, 0)[:count]
    numbers = []
    for length, kernel, stride, pad in zip(places, attrs.kernel, strides, pads, strict=True):
        room = length + 2 * pad - kernel
        if attrs.pooling_convention == "same":
            numbers.append(-(-length // stride))
        elif attrs.pooling_convention == "full":
            numbers.append(-(-room // stride) + 1)
        else:
            numbers.append(room // stride + 1)
    return attrs.kernel, strides, pads, tuple(numbers)


def pooling(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(batch, channels, places) to as many places as there are windows."""
    data = shapes[0]
    if not 3 <= len(data) <= 5:
        raise ShapeError(argument="data", got=f"shape {data}", expected="three to five axes")
    _check_layout(attrs.layout, len(data))
    if attrs.pool_type == "lp" and attrs.p_value not in (1, 2, 3):
        raise ArgumentError(argument="p_value", got=f"{attrs.p_value}", expected="1, 2 or 3")
    places = spatial(data, attrs.layout)
    if not attrs.global_pool:
        _check_kernel(attrs, data)
        _check_pooling(places, attrs)
    elif 0 in places:
        raise ShapeError(argument="data", got=f"shape {data}", expected="places to pool")
    numbers = pooling_windows(places, attrs)[3]
    return (arranged(data[0], channels(data, attrs.layout), numbers, attrs.layout),)


def _check_pooling(places: Shape, attrs: Attrs) -> None:
    count = len(places)
    for name, low in {"kernel": 1, "stride": 1, "pad": 0}.items():
        given = attrs[name]
        # MXNet takes more numbers than there are axes, and does not look at them.
        if (given and len(given) < count) or any(number < low for number in given):
            raise ArgumentError(argument=name, got=f"{given}", expected=f"{count} numbers of at least {low}")
    pads = filled(attrs.pad, count, 0)
    if attrs.pooling_convention == "same":
        # MXNet looks at three numbers of the padding, in one axis too.
        if count != 1 or attrs.pad != (0, 0, 0):
            raise ArgumentError(
                argument="pooling_convention", got="same", expected="it in one axis only, with pad=(0, 0, 0)"
            )
        return
    for length, kernel, pad in zip(places, attrs.kernel, pads, strict=False):
        if pad >= kernel:
            raise ArgumentError(argument="pad", got=f"{pad}", expected=f"less than the kernel's {kernel}")
        if kernel > length + 2 * pad:
            raise ShapeError(
                argument="data",
                got=f"{length} positions and {pad} of padding at each end",
                expected=f"at least the {kernel} of the kernel",
            )


def as_said(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, which may have lengths of zero."""
    return (attrs.shape,)


def second(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the second input."""
    return (shapes[1],)


def third(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the third input."""
    return (shapes[2],)
