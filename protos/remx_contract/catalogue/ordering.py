"""Sorting, and the largest and smallest elements."""

from __future__ import annotations

from collections.abc import Sequence

from ..attributes import BOOL, INT, SHAPE, choice, optional
from ..dtypes import DType, float16, float32, float64, int32, int64, uint8
from ..op import RULES, ZERO, Attr, Attrs, Op
from ..rules import ordering, types
from ..rules.choices import dtype_among

_AXIS = Attr("axis", optional(INT), -1)
_INDEX_DTYPE = Attr("dtype", dtype_among(uint8, int32, int64, float16, float32, float64), float32)


def _attr_dtype(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    return (attrs.dtype,)


ROWS = (
    Op(
        "sort",
        inputs=("data",),
        attrs=(_AXIS, Attr("is_ascend", BOOL, True)),
        shape=ordering.sorted_along,
        dtype=types.same,
        grad=RULES,
        doc="The elements sorted along an axis, ascending by default; the flattened array for `axis=None`. "
        "NaN counts as the largest element.",
    ),
    Op(
        "argsort",
        inputs=("data",),
        attrs=(_AXIS, Attr("is_ascend", BOOL, True), _INDEX_DTYPE),
        shape=ordering.sorted_along,
        dtype=_attr_dtype,
        grad=ZERO,
        doc="The positions of the elements in sorted order along an axis, of the flattened array for "
        "`axis=None`. Of equal elements the first comes first, in either order. Positions are float32 "
        "unless `dtype` says otherwise.",
    ),
    Op(
        "topk",
        inputs=("data",),
        attrs=(
            _AXIS,
            Attr("k", INT, 1),
            Attr("ret_typ", choice("both", "indices", "mask", "value"), "indices"),
            Attr("is_ascend", BOOL, False),
            _INDEX_DTYPE,
        ),
        shape=ordering.topk,
        dtype=ordering.topk_dtype,
        grad=RULES,
        outputs=lambda attrs: 2 if attrs.ret_typ == "both" else 1,
        doc="The `k` largest elements along an axis in descending order (with `is_ascend`, the smallest in "
        "ascending order): their positions in `dtype`, their values, both, or a mask of ones at their "
        "places. `k` below 1 takes all; of equal elements the first comes first; `axis=None` flattens the "
        "array.",
    ),
    Op(
        "_take_along",
        inputs=("data", "index"),
        attrs=(Attr("axis", optional(INT)),),
        shape=ordering.along,
        dtype=types.data,
        grad=RULES,
        doc="The elements at integer positions along an axis, of the flattened array for `axis=None`.",
    ),
    Op(
        "_put_along",
        inputs=("data", "index"),
        attrs=(Attr("axis", optional(INT)), Attr("shape", SHAPE)),
        shape=ordering.put_along,
        dtype=types.data,
        grad=RULES,
        doc="An array of zeros of a shape, with elements put at integer positions along an axis, each at "
        "most once; the gradient of `_take_along`.",
    ),
)
