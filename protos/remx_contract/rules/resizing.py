"""The shape rules of images that are made larger or smaller."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..op import Attrs
from ..spec import Shape


def _check_images(shape: Shape, argument: str = "data") -> None:
    if len(shape) != 4 or 0 in shape:
        raise ShapeError(
            argument=argument, got=f"shape {shape}", expected="(batch, channels, height, width), none empty"
        )


def adaptive(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """To an ``output_size`` of two numbers; one number counts for both, and with none or more it is 1."""
    data, size = shapes[0], attrs.output_size
    _check_images(data)
    if len(size) == 1:
        size *= 2
    elif len(size) != 2:
        size = (1, 1)
    if any(length < 1 for length in size):
        raise ArgumentError(argument="output_size", got=f"{attrs.output_size}", expected="lengths above zero")
    return ((*data[:2], *size),)


def _scaled(length: int, scale: float, mode: str) -> int:
    # MXNet's numbers have single precision.
    factor = np.float32(scale)
    if mode == "size" or length % 2 == 0:
        return int(np.float32(length) * factor)
    return int(np.float32(length - 1) * factor) + 1


def _rounded(length: int, mode: str) -> int:
    _, kind, way = mode.split("_")
    if length % 2 == (kind == "odd"):
        return length
    return length - 1 if way == "down" else length + 1


def bilinear(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """To ``height`` and ``width``, or as ``mode`` says."""
    data = shapes[0]
    _check_images(data)
    lengths, scales = data[2:], (attrs.scale_height, attrs.scale_width)
    if attrs.mode == "like":
        if len(shapes[1]) != 4:
            raise ShapeError(argument="like", got=f"shape {shapes[1]}", expected="four axes")
        size: Shape = shapes[1][2:]
    elif attrs.mode.startswith("to_"):
        size = tuple(_rounded(length, attrs.mode) for length in lengths)
    elif attrs.mode == "odd_scale" or scales != (None, None):
        if None in scales:
            raise ArgumentError(argument="scale_height", got=f"{scales}", expected="both scales")
        size = tuple(
            _scaled(length, scale, attrs.mode) for length, scale in zip(lengths, scales, strict=True)
        )
    else:
        size = (attrs.height, attrs.width)
    if any(length < 1 for length in size):
        raise ArgumentError(argument="height", got=f"a size of {size}", expected="lengths above zero")
    return ((*data[:2], *size),)


def shape_attr(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The images of the input with the height and width of ``size``."""
    return ((*shapes[0][:2], *attrs.size),)


def upsampling_weight(scale: int) -> tuple[int, int]:
    """The kernel and the padding of the deconvolution that enlarges with a weight."""
    return 2 * scale - scale % 2, scale // 2


def upsampling(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """All inputs to ``scale`` times the first one's height and width."""
    scale, first = attrs.scale, shapes[0]
    if scale < 1:
        raise ArgumentError(argument="scale", got=f"{scale}", expected="at least 1")
    for index, shape in enumerate(shapes):
        _check_images(shape, f"data[{index}]")
    height, width = scale * first[2], scale * first[3]
    if attrs.sample_type == "bilinear":
        side = upsampling_weight(scale)[0]
        if len(shapes) != 2:
            raise ArgumentError(argument="data", got=f"{len(shapes)} inputs", expected="data and weight")
        if shapes[1] != (first[1], 1, side, side) or attrs.num_filter != first[1]:
            raise ShapeError(
                argument="data[1]",
                got=f"shape {shapes[1]} and {attrs.num_filter} filters",
                expected=f"a weight of shape {(first[1], 1, side, side)}, as many filters as channels",
            )
        return ((*first[:2], height, width),)
    for index, shape in enumerate(shapes):
        fits = not height % shape[2] and shape[0] == first[0]
        if not fits or width != height // shape[2] * shape[3]:
            raise ShapeError(
                argument=f"data[{index}]",
                got=f"shape {shape}",
                expected=f"{first[0]} images that {(height, width)} is a multiple of",
            )
    together = {shape[1] for shape in shapes}
    if attrs.multi_input_mode == "concat":
        return ((first[0], sum(shape[1] for shape in shapes), height, width),)
    if len(together) > 1:
        raise ShapeError(argument="data", got=f"{sorted(together)} channels", expected="equally many to sum")
    return ((*first[:2], height, width),)
