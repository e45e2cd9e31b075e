"""Rules of mixed precision: casts between float16 and float32, and ops that look at many arrays at once."""

from __future__ import annotations

from collections.abc import Sequence

from ..dtypes import DType, float16, float32
from ..errors import ArgumentError
from ..op import Attrs
from ..spec import Shape
from . import types

_CAST = (float16, float32)


def cast(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """The attribute ``dtype`` for arrays of float16 and float32; others stay what they are."""
    return (attrs.dtype if dtypes[0] in _CAST else dtypes[0],)


def multicast(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """The wider one of float16 and float32, or the narrower one, for all arrays of either."""
    _counted(len(dtypes), attrs.num_outputs, "num_outputs")
    wanted = float16 if attrs.cast_narrow else float32
    common = wanted if wanted in dtypes else None
    return [common or dtype if dtype in _CAST else dtype for dtype in dtypes]


def each_same(inputs: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of every input."""
    _counted(len(inputs), attrs.num_outputs, "num_outputs")
    return list(inputs)


def number_of_each(inputs: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A number for each of ``num_arrays`` arrays."""
    _counted(len(inputs), attrs.num_arrays, "num_arrays")
    return ((attrs.num_arrays,),)


def one_number(inputs: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """One number for all ``num_arrays`` arrays."""
    _counted(len(inputs), attrs.get("num_arrays", 1), "num_arrays")
    return ((1,),)


def nothing(inputs: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """No output of ``num_arrays`` arrays."""
    _counted(len(inputs), attrs.num_arrays, "num_arrays")
    return ()


def no_dtype(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """No output."""
    return ()


def single(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """float32, of arrays of any dtypes."""
    return (float32,)


def single_of_one(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """float32, of arrays of one dtype."""
    types.same(dtypes, attrs)
    return (float32,)


def _counted(count: int, number: int, name: str) -> None:
    if count != number:
        raise ArgumentError(argument=name, got=f"{number} with {count} arrays", expected=f"{count}")
