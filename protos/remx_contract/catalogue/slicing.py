"""Ops that cut parts out of an array along its axes, or write such parts."""

from __future__ import annotations

from collections.abc import Sequence

from ..attributes import BOOL, FLOAT, INT, OPTIONAL_ITEMS, SHAPE, optional
from ..dtypes import DType, float32
from ..errors import DTypeError
from ..op import RULES, Attr, Attrs, Op
from ..rules import slices, types

_RANGE = (
    Attr("begin", OPTIONAL_ITEMS),
    Attr("end", OPTIONAL_ITEMS),
    Attr("step", OPTIONAL_ITEMS, ()),
)


def _single_only(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    for dtype in dtypes:
        if dtype != float32:
            raise DTypeError(argument="data", got=dtype.name, expected="float32")
    return (float32,)


_CUTS = (
    Op(
        "slice",
        inputs=("data",),
        attrs=_RANGE,
        shape=slices.slice_,
        dtype=types.same,
        grad=RULES,
        aliases=("crop",),
        doc="A copy of the part from `begin` to `end` along the first axes, every `step`-th element. None "
        "stands for the far end; bounds outside of the array are clipped, and a part without elements "
        "is an error.",
    ),
    Op(
        "_slice_into",
        inputs=("data",),
        attrs=(Attr("shape", SHAPE), *_RANGE),
        shape=slices.slice_into,
        dtype=types.same,
        grad=RULES,
        doc="The gradient of slice: zeros of `shape` with the array in the part from `begin` to `end`.",
    ),
    Op(
        "slice_axis",
        inputs=("data",),
        attrs=(Attr("axis", INT), Attr("begin", INT), Attr("end", optional(INT))),
        shape=slices.slice_axis,
        dtype=types.same,
        grad=RULES,
        doc="A copy of the elements from `begin` to `end` along one axis; `end` None is the end of the "
        "axis, and negative bounds count from there. Unlike slice it refuses bounds outside of the "
        "axis.",
    ),
    Op(
        "slice_like",
        inputs=("data", "shape_like"),
        attrs=(Attr("axes", SHAPE, ()),),
        shape=slices.slice_like,
        dtype=types.data,
        grad=RULES,
        doc="A copy of the leading part of `data` with the lengths of `shape_like`, along all axes or those "
        "in `axes`. No gradient reaches `shape_like`.",
    ),
    Op(
        "Crop",
        inputs=("*data",),
        attrs=(
            Attr("offset", SHAPE, (0, 0)),
            Attr("h_w", SHAPE, (0, 0)),
            Attr("center_crop", BOOL, False),
        ),
        shape=slices.crop,
        dtype=_single_only,
        grad=RULES,
        doc="Cuts images (batch, channel, height, width) to the height and width of a second array, or to "
        "`h_w`, from `offset` on or around the centre. Takes float32 only; no gradient reaches the "
        "second array.",
    ),
)

_SPLITS = (
    Op(
        "SliceChannel",
        inputs=("data",),
        attrs=(Attr("num_outputs", INT), Attr("axis", INT, 1), Attr("squeeze_axis", BOOL, False)),
        shape=slices.split,
        dtype=types.same,
        grad=RULES,
        aliases=("split",),
        outputs=lambda attrs: int(attrs.num_outputs),
        doc="Splits an array into `num_outputs` equal parts along `axis`, which is 1 unless given. "
        "`squeeze_axis` drops that axis where the parts have length 1.",
    ),
    Op(
        "_split_v2",
        inputs=("data",),
        attrs=(
            Attr("indices", SHAPE),
            Attr("axis", INT, 1),
            Attr("squeeze_axis", BOOL, False),
            Attr("sections", INT, 0),
        ),
        shape=slices.split_v2,
        dtype=types.same,
        grad=RULES,
        outputs=lambda attrs: attrs.sections if attrs.sections > 0 else len(attrs.indices),
        doc="Splits an array along `axis` into `sections` parts, of which the first are longer by one where "
        "they cannot be equal, or into parts that start at `indices`, of which the first is 0.",
    ),
)

_WRITES = (
    Op(
        "_slice_assign",
        inputs=("lhs", "rhs"),
        attrs=_RANGE,
        shape=slices.slice_assign,
        dtype=types.same,
        grad=RULES,
        aliases=("_crop_assign",),
        doc="A copy of `lhs` whose part from `begin` to `end` is `rhs`, which has exactly its shape.",
    ),
    Op(
        "_slice_assign_scalar",
        inputs=("data",),
        attrs=(Attr("scalar", FLOAT, 0.0, per_call=True), *_RANGE),
        shape=slices.slice_assign,
        dtype=types.same,
        grad=RULES,
        aliases=("_crop_assign_scalar",),
        doc="A copy of the array whose part from `begin` to `end` is filled with `scalar`.",
    ),
)

ROWS = (*_CUTS, *_SPLITS, *_WRITES)
