"""Shape rules of outputs that carry a loss."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..errors import ShapeError
from ..op import Attrs
from ..spec import Shape


def _misfit(label: Shape, *wanted: Shape) -> ShapeError:
    return ShapeError(argument="label", got=f"{label}", expected=" or ".join(map(str, wanted)))


def softmax_output(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the data, which that of labels follows from; a label may also be as large as the data."""
    data, label = shapes
    _check_axes(data, 2 if attrs.multi_output else 1)
    if label == data:
        return (data,)
    if attrs.multi_output:
        places = (data[0], *data[2:])
        fitting = [places, (data[0], 1, *data[2:]), (data[0], prod(data[2:]))]
    else:
        fitting = [data[:-1]]
    if label not in fitting:
        raise _misfit(label, *fitting, data)
    return (data,)


def _check_axes(data: Shape, count: int) -> None:
    if len(data) < count:
        raise ShapeError(argument="data", got=f"{data}", expected=f"at least {count} axes")


def softmax_output_gradient(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the result."""
    return (shapes[0],)


def regression(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the data; the label has as many elements for each sample."""
    data, label = shapes
    _check_axes(data, 1)
    if not label or label[0] != data[0] or prod(label) != prod(data):
        raise _misfit(label, data)
    return (data,)


def rows(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the data; the label has it without the last axis."""
    data, label = shapes
    _check_axes(data, 1)
    if label != data[:-1]:
        raise _misfit(label, data[:-1])
    return (data,)


def cross_entropy(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """One number, of a matrix and a label for each of its rows."""
    data, label = shapes
    if len(data) != 2:
        raise ShapeError(argument="data", got=f"{data}", expected="two axes")
    if label != data[:1]:
        raise _misfit(label, data[:1])
    return ((1,),)


def channels(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the data, which has channels on axis 1."""
    _check_axes(shapes[0], 2)
    return (shapes[0],)
