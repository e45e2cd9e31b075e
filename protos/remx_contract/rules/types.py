"""The dtype rules that most ops share. A rule maps (input dtypes, attributes) to output dtypes, or raises
DTypeError."""

from __future__ import annotations

from collections.abc import Sequence

from ..dtypes import FLOATS, DType, bool_, float32, float64, int64
from ..errors import DTypeError
from ..op import Attrs


def same(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """One dtype, which all inputs must have: MXNet promotes nothing silently."""
    first = dtypes[0]
    for dtype in dtypes[1:]:
        if dtype != first:
            raise DTypeError(
                got=f"{first.name} and {dtype.name}", expected="one dtype for all inputs (astype converts)"
            )
    return (first,)


def floating(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """The dtype of the first input, which is a floating-point one."""
    if dtypes[0] not in FLOATS:
        raise DTypeError(argument="data", got=dtypes[0].name, expected="float16, float32 or float64")
    return (dtypes[0],)


def precise(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """The dtype of the first input, which is float32 or float64."""
    if dtypes[0] not in (float32, float64):
        raise DTypeError(got=dtypes[0].name, expected="float32 or float64")
    return (dtypes[0],)


def data(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """The dtype of the first input; the others (indices, lengths) are free."""
    return (dtypes[0],)


def with_scalar(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """The array's dtype; an array of bool becomes int64."""
    return (int64 if dtypes[0] == bool_ else dtypes[0],)


def attr(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """The attribute ``dtype``; float32 where it is None."""
    return (float32 if attrs.dtype is None else attrs.dtype,)
