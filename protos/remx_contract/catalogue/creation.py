"""Ops that make an array from nothing but their attributes, or from the shape of another array."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite

from ..attributes import BOOL, DTYPE, FLOAT, INT, SHAPE, optional
from ..dtypes import float32
from ..errors import ArgumentError
from ..op import ZERO, Attr, Attrs, Op
from ..rules import shapes, slices, types
from ..rules.choices import NUMBER_DTYPE
from ..spec import Shape

_SHAPE = Attr("shape", SHAPE, ())
_DTYPE = Attr("dtype", optional(DTYPE), float32)
_RANGE_DTYPE = Attr("dtype", optional(NUMBER_DTYPE), float32)


def _arange(inputs: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    if attrs.repeat < 1:
        raise ArgumentError(argument="repeat", got=f"{attrs.repeat}", expected="a number from 1 up")
    if attrs.infer_range:
        raise ArgumentError(argument="infer_range", got="True", expected="False: only a graph infers a range")
    start, stop = (0.0, attrs.start) if attrs.stop is None else (attrs.start, attrs.stop)
    count = (stop - start) / attrs.step if attrs.step else 0.0
    if not isfinite(count) or count <= 0:
        raise ArgumentError(
            argument="stop",
            got=f"{start} to {stop} by {attrs.step}",
            expected="a range of at least one number",
        )
    return ((ceil(count) * attrs.repeat,),)


def _linspace(inputs: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    if attrs.num < 0:
        raise ArgumentError(argument="num", got=f"{attrs.num}", expected="a number from 0 up")
    return ((attrs.num,),)


def _eye(inputs: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    if attrs.N < 0:
        raise ArgumentError(argument="N", got=f"{attrs.N}", expected="a number from 0 up")
    return ((attrs.N, attrs.M if attrs.M > 0 else attrs.N),)


def _arange_like(inputs: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    if attrs.repeat < 1:
        raise ArgumentError(argument="repeat", got=f"{attrs.repeat}", expected="a number from 1 up")
    if attrs.axis is None:
        return (inputs[0],)
    return ((inputs[0][shapes.normalize_axis(attrs.axis, len(inputs[0]))],),)


ROWS = (
    Op(
        "_zeros",
        inputs=(),
        attrs=(_SHAPE, _DTYPE),
        shape=shapes.shape_attr,
        dtype=types.attr,
        grad=ZERO,
        doc="An array of zeros.",
    ),
    Op(
        "_ones",
        inputs=(),
        attrs=(_SHAPE, _DTYPE),
        shape=shapes.shape_attr,
        dtype=types.attr,
        grad=ZERO,
        doc="An array of ones.",
    ),
    Op(
        "_full",
        inputs=(),
        attrs=(_SHAPE, _DTYPE, Attr("value", FLOAT, per_call=True)),
        shape=shapes.shape_attr,
        dtype=types.attr,
        grad=ZERO,
        doc="An array filled with `value`, which integer dtypes truncate.",
    ),
    Op(
        "_arange",
        inputs=(),
        attrs=(
            Attr("start", FLOAT),
            Attr("stop", optional(FLOAT), None),
            Attr("step", FLOAT, 1.0),
            Attr("repeat", INT, 1),
            Attr("infer_range", BOOL, False),
            _RANGE_DTYPE,
        ),
        shape=_arange,
        dtype=types.attr,
        grad=ZERO,
        doc="Evenly spaced numbers from `start` up to but excluding `stop`, each `repeat` times, as a "
        "vector. Without `stop` they go from 0 to `start`. `start` and `step` are first converted to "
        "the dtype, so that a step of 0.5 is 0 for integers; an empty range is an error.",
    ),
    Op(
        "_linspace",
        inputs=(),
        attrs=(
            Attr("start", FLOAT),
            Attr("stop", FLOAT),
            Attr("num", INT),
            Attr("endpoint", BOOL, True),
            _RANGE_DTYPE,
        ),
        shape=_linspace,
        dtype=types.attr,
        grad=ZERO,
        doc="`num` evenly spaced numbers from `start` to `stop`, which is the last one unless `endpoint` is "
        "False, as a vector. Integer dtypes truncate them.",
    ),
    Op(
        "_eye",
        inputs=(),
        attrs=(Attr("N", INT), Attr("M", INT, 0), Attr("k", INT, 0), _RANGE_DTYPE),
        shape=_eye,
        dtype=types.attr,
        grad=ZERO,
        doc="A matrix of `N` rows and `M` columns (`N` where `M` is 0) with ones on the diagonal `k`, which "
        "lies above the main one where it is positive, and zeros elsewhere.",
    ),
    Op(
        "zeros_like",
        inputs=("data",),
        shape=shapes.same,
        dtype=types.same,
        grad=ZERO,
        doc="Zeros of the input's shape and dtype.",
    ),
    Op(
        "ones_like",
        inputs=("data",),
        shape=shapes.same,
        dtype=types.same,
        grad=ZERO,
        doc="Ones of the input's shape and dtype.",
    ),
    Op(
        "_contrib_arange_like",
        inputs=("data",),
        attrs=(
            Attr("start", FLOAT, 0.0),
            Attr("step", FLOAT, 1.0),
            Attr("repeat", INT, 1),
            Attr("axis", optional(INT), None),
        ),
        shape=_arange_like,
        dtype=types.same,
        grad=ZERO,
        doc="Evenly spaced numbers of the input's shape and dtype in row-major order, or a vector as long "
        "as its `axis`. Each number comes `repeat` times in a row, within that length.",
    ),
    Op(
        "_blank",
        inputs=("data",),
        attrs=(Attr("shape", SHAPE),),
        shape=slices.given,
        dtype=types.same,
        grad=ZERO,
        doc="Zeros of `shape`, of the dtype and on the device of the array: the gradient of an input whose "
        "values do not matter.",
    ),
)
