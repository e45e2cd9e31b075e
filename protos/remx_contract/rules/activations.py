"""Shape and dtype rules of activations and softmaxes."""

from __future__ import annotations

from collections.abc import Sequence

from ..dtypes import INTEGERS, DType
from ..errors import ArgumentError, DTypeError, ShapeError
from ..op import Attrs
from ..spec import Shape
from . import types
from .shapes import normalize_axis


def softmax(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the data; lengths, where given, have it without the axis."""
    data = shapes[0]
    axis = normalize_axis(attrs.axis, len(data))
    wanted = data[:axis] + data[axis + 1 :]
    if len(shapes) > 1 and shapes[1] != wanted:
        raise ShapeError(argument="length", got=f"{shapes[1]}", expected=f"{wanted}, data without the axis")
    return (data,)


def softmax_without_length(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the data; ``use_length`` is refused, as there is no input for lengths."""
    if attrs.use_length:
        raise ArgumentError(argument="use_length", got="True", expected="False: only softmax takes lengths")
    return softmax(shapes, attrs)


def softmax_gradient(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The common shape of a softmax's result and its gradient."""
    if shapes[0] != shapes[1]:
        raise ShapeError(argument="result", got=f"shape {shapes[1]}", expected=f"{shapes[0]}")
    normalize_axis(attrs.axis, len(shapes[0]))
    return (shapes[0],)


def softmax_dtype(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """The attribute ``dtype``, or that of the data; lengths are whole numbers."""
    if len(dtypes) > 1 and dtypes[1] not in INTEGERS:
        raise DTypeError(argument="length", got=dtypes[1].name, expected="an integer dtype")
    return (dtypes[0] if attrs.dtype is None else attrs.dtype,)


def softmax_activation(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the data, which has an axis 1 in mode ``channel``."""
    normalize_axis(1 if attrs.mode == "channel" else -1, len(shapes[0]), "mode")
    return (shapes[0],)


def leaky_relu(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the data, twice where there are two outputs; checks that gamma fits."""
    if attrs.act_type == "prelu":
        slopes_shape(shapes[1], shapes[0])
    return (shapes[0],) * (2 if attrs.act_type == "rrelu" else 1)


def leaky_relu_dtype(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """The dtype of the inputs, for each output."""
    return tuple(types.same(dtypes, attrs)) * (2 if attrs.act_type == "rrelu" else 1)


def slopes_shape(gamma: Shape, data: Shape) -> Shape:
    """The shape in which the slopes of ``prelu`` broadcast with the data.

    Their axes, the last first, are laid on axis 1 and then axis 0 of the data: each takes the first of these
    that has its length, or any if its length is 1.

    Raises
    ------
    ShapeError
        Where axes are left over.
    """
    result = [1] * len(data)
    left = list(gamma)
    for axis in range(min(len(data), 2) - 1, -1, -1):
        if left and left[-1] in (1, data[axis]):
            result[axis] = left.pop()
    if left:
        raise ShapeError(argument="gamma", got=f"{gamma}", expected=f"slopes for the channels of {data}")
    return tuple(result)
