"""Shape and dtype rules of normalizations."""

from __future__ import annotations

from collections.abc import Sequence

from ..dtypes import FLOATS, DType, float16, float32
from ..errors import ArgumentError, DTypeError, ShapeError
from ..op import Attrs
from ..spec import Shape
from . import types
from .shapes import normalize_axis

BATCH_INPUTS = ("data", "gamma", "beta", "moving_mean", "moving_var")


def batch_axis(attrs: Attrs) -> int:
    """The axis of the channels; SyncBatchNorm has no attribute for it."""
    return int(attrs.get("axis", 1))


def batch(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the data, and two vectors of the channels."""
    data = shapes[0]
    channels = (data[normalize_axis(batch_axis(attrs), len(data))],)
    _check_vectors(shapes, channels, BATCH_INPUTS)
    return (data, channels, channels)


def batch_dtype(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """The dtype of the data; that of the vectors is float32 where the data is of float16."""
    data = dtypes[0]
    if data not in FLOATS:
        raise DTypeError(argument="data", got=data.name, expected="float16, float32 or float64")
    wanted = float32 if data == float16 else data
    for name, dtype in zip(BATCH_INPUTS[1:], dtypes[1:], strict=True):
        if dtype != wanted:
            raise DTypeError(argument=name, got=dtype.name, expected=f"{wanted.name} with {data.name} data")
    return (data, wanted, wanted)


def batch_gradient(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shapes of the gradients of data, gamma and beta."""
    return (shapes[1], shapes[2], shapes[2])


def batch_gradient_dtype(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """The dtypes of the gradients of data, gamma and beta."""
    return (dtypes[1], dtypes[2], dtypes[2])


def nothing(given: Sequence[object], attrs: Attrs) -> Sequence[Shape]:
    """No outputs."""
    return ()


def no_dtypes(given: Sequence[object], attrs: Attrs) -> Sequence[DType]:
    """No outputs."""
    return ()


def layer(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the data, and twice it with an axis of one."""
    data = shapes[0]
    axis = normalize_axis(attrs.axis, len(data))
    _check_vectors(shapes, (data[axis],))
    kept = (*data[:axis], 1, *data[axis + 1 :])
    return (data, kept, kept)


def instance(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the data, which has channels on axis 1, and twice (samples, channels)."""
    data = shapes[0]
    if len(data) < 3:
        raise ShapeError(argument="data", got=f"{data}", expected="at least three axes")
    _check_vectors(shapes, (data[1],))
    return (data, data[:2], data[:2])


def instance_dtype(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """One floating-point dtype, which all inputs must have."""
    types.floating(dtypes, attrs)
    return types.same(dtypes, attrs)


def group(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the data, and twice (samples, groups)."""
    data, groups = shapes[0], attrs.num_groups
    if len(data) < 3:
        raise ShapeError(argument="data", got=f"{data}", expected="at least three axes")
    if groups < 1 or data[1] % groups:
        raise ArgumentError(
            argument="num_groups", got=f"{groups}", expected=f"a divisor of the {data[1]} channels"
        )
    _check_vectors(shapes, (groups,))
    return (data, (data[0], groups), (data[0], groups))


def _check_vectors(
    shapes: Sequence[Shape], wanted: Shape, names: Sequence[str] = ("data", "gamma", "beta")
) -> None:
    for name, shape in zip(names[1:], shapes[1:], strict=True):
        if shape != wanted:
            raise ShapeError(argument=name, got=f"{shape}", expected=f"{wanted}")
