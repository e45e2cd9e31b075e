"""The shape and dtype rules of ops that draw random numbers."""

from __future__ import annotations

from collections.abc import Sequence

from ..dtypes import DType, float32, int32, int64
from ..errors import ArgumentError, ShapeError
from ..op import Attrs
from ..spec import Shape
from .types import same


def int_attr(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """The attribute ``dtype``; int32 where it is None."""
    return (int32 if attrs.dtype is None else attrs.dtype,)


def sample_dtype(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """The attribute ``dtype``, float32 where it is None; the parameters have one dtype."""
    same(dtypes, attrs)
    return (float32 if attrs.dtype is None else attrs.dtype,)


def _known(shape: Shape) -> Shape:
    if any(length < 1 for length in shape):
        raise ShapeError(argument="shape", got=f"{shape}", expected="lengths above zero")
    return shape


def samples(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the parameters, and for each of them the attribute ``shape``."""
    first = shapes[0]
    for shape in shapes[1:]:
        if shape != first:
            raise ShapeError(got=f"shapes {first} and {shape}", expected="equal shapes")
    return (first + _known(attrs.shape),)


def multinomial(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the input without its last axis, and for each row the attribute ``shape``."""
    (shape,) = shapes
    if not shape:
        raise ShapeError(argument="data", got="an array without axes", expected="at least one axis")
    found = (shape[:-1] + _known(attrs.shape)) or (1,)
    return (found,) * (2 if attrs.get_prob else 1)


def multinomial_dtype(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """The attribute ``dtype`` for the samples, the input's dtype for the probabilities."""
    return (attrs.dtype, dtypes[0]) if attrs.get_prob else (attrs.dtype,)


def rows_of_samples(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, of two axes, and the length of the first."""
    if len(attrs.shape) != 2:
        raise ShapeError(argument="shape", got=f"{attrs.shape}", expected="two lengths")
    return (_known(attrs.shape), attrs.shape[:1])


def two_int64(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """int64 for both outputs."""
    return (int64, int64)


def shuffled(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The input's shape, which has a first axis."""
    if not shapes[0]:
        raise ShapeError(argument="data", got="an array without axes", expected="at least one axis")
    return (shapes[0],)


def dropout(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The input's shape, and that of the mask, of length one along ``axes``."""
    (shape,) = shapes
    if not 0 <= attrs.p <= 1:
        raise ArgumentError(argument="p", got=f"{attrs.p}", expected="a fraction from 0 to 1")
    for axis in attrs.axes:
        if not 0 <= axis < len(shape):
            raise ArgumentError(argument="axes", got=f"{axis}", expected=f"axes from 0 to {len(shape) - 1}")
    return (shape, tuple(1 if axis in attrs.axes else length for axis, length in enumerate(shape)))


def _begins(sample: Shape, parameter: Shape, length: int) -> None:
    """ShapeError unless the first ``length`` axes of a sample are those of its parameters."""
    if len(parameter) > len(sample) or sample[:length] != parameter[:length]:
        raise ShapeError(
            got=f"a sample of shape {sample} and parameters of {parameter}",
            expected=f"a sample whose first axes are the parameters' ({length} of them)",
        )


def density(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the sample, which begins with that of each parameter."""
    sample, *parameters = shapes
    for shape in parameters:
        if shape != parameters[0]:
            raise ShapeError(got=f"parameters of {parameters[0]} and {shape}", expected="equal shapes")
        _begins(sample, shape, len(shape))
    return (sample,)


def density_of_vectors(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the sample without its last axis, which has the length of the parameter's last axis."""
    sample, alpha = shapes
    if not alpha:
        raise ShapeError(argument="alpha", got="an array without axes", expected="at least one axis")
    _begins(sample, alpha, len(alpha) - 1)
    if sample[-1] != alpha[-1]:
        raise ShapeError(
            argument="sample", got=f"points of {sample[-1]} numbers", expected=f"{alpha[-1]}, as alpha has"
        )
    return (sample[:-1] or (1,),)
