"""Ops that change the shape of an array, move or repeat its elements, or join arrays."""

from __future__ import annotations

from collections.abc import Sequence

from ..attributes import BOOL, FLOAT, INT, SHAPE, choice, optional
from ..dtypes import DType, int64
from ..op import RULES, ZERO, Attr, Attrs, Op
from ..rules import layout, reshape, slices, types


def _int64(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    return (int64,)


_PADDING = (Attr("mode", choice("constant", "edge", "reflect")), Attr("pad_width", SHAPE))

_RESHAPES = (
    Op(
        "Reshape",
        inputs=("data",),
        attrs=(
            Attr("shape", SHAPE, ()),
            Attr("reverse", BOOL, False),
            Attr("target_shape", SHAPE, ()),
            Attr("keep_highest", BOOL, False),
        ),
        shape=reshape.reshape,
        dtype=types.same,
        grad=RULES,
        aliases=("reshape",),
        doc="A copy with another shape of the same size. In `shape`, 0 keeps the length at its place, -1 is "
        "inferred, -2 keeps all lengths left, -3 merges two, and -4 splits one into the next two items, "
        "of which one may be -1; with `reverse` the lengths are matched from the right. In the older "
        "`target_shape` one 0 is inferred.",
    ),
    Op(
        "_reshape",
        inputs=("data",),
        attrs=(Attr("shape", SHAPE),),
        shape=reshape.exact,
        dtype=types.same,
        grad=RULES,
        doc="A copy with exactly the given shape: no codes, so that 0 is a length and () has no axes.",
    ),
    Op(
        "reshape_like",
        inputs=("lhs", "rhs"),
        attrs=tuple(
            Attr(name, optional(INT), None) for name in ("lhs_begin", "lhs_end", "rhs_begin", "rhs_end")
        ),
        shape=reshape.reshape_like,
        dtype=types.data,
        grad=RULES,
        doc="A copy of `lhs` with the shape of `rhs`, or with its axes from `lhs_begin` to `lhs_end` "
        "replaced by those from `rhs_begin` to `rhs_end` of `rhs`. No gradient reaches `rhs`.",
    ),
    Op(
        "Flatten",
        inputs=("data",),
        shape=reshape.flatten,
        dtype=types.same,
        grad=RULES,
        aliases=("flatten",),
        doc="A copy with two axes: the first one, and all others as one. A vector becomes a column.",
    ),
    Op(
        "expand_dims",
        inputs=("data",),
        attrs=(Attr("axis", INT),),
        shape=reshape.expand_dims,
        dtype=types.same,
        grad=RULES,
        doc="A copy with a new axis of length 1 at `axis` of the result; -1 appends it.",
    ),
    Op(
        "squeeze",
        inputs=("data",),
        attrs=(Attr("axis", optional(SHAPE), None),),
        shape=reshape.squeeze,
        dtype=types.same,
        grad=RULES,
        doc="A copy without the axes of length 1: all of them, or those in `axis`. An array of one element "
        "keeps one axis.",
    ),
)

_MOVES = (
    Op(
        "transpose",
        inputs=("data",),
        attrs=(Attr("axes", SHAPE, ()),),
        shape=layout.transpose,
        dtype=types.same,
        grad=RULES,
        doc="A copy with its axes in the order `axes`, or reversed where that is empty.",
    ),
    Op(
        "SwapAxis",
        inputs=("data",),
        attrs=(Attr("dim1", INT, 0), Attr("dim2", INT, 0)),
        shape=layout.swap_axes,
        dtype=types.same,
        grad=RULES,
        aliases=("swapaxes",),
        doc="A copy with the axes `dim1` and `dim2` swapped.",
    ),
    Op(
        "reverse",
        inputs=("data",),
        attrs=(Attr("axis", SHAPE),),
        shape=layout.known_axes,
        dtype=types.same,
        grad=RULES,
        aliases=("flip",),
        doc="A copy with the elements along each axis of `axis` in reverse order.",
    ),
    Op(
        "depth_to_space",
        inputs=("data",),
        attrs=(Attr("block_size", INT),),
        shape=layout.depth_to_space,
        dtype=types.same,
        grad=RULES,
        doc="Moves groups of `block_size` squared channels of an array (batch, channel, height, width) into "
        "square blocks of pixels. The block's position is the slower part of the channel number.",
    ),
    Op(
        "space_to_depth",
        inputs=("data",),
        attrs=(Attr("block_size", INT),),
        shape=layout.space_to_depth,
        dtype=types.same,
        grad=RULES,
        doc="Moves square blocks of `block_size` by `block_size` pixels of an array (batch, channel, "
        "height, width) into channels: the inverse of depth_to_space.",
    ),
)

_GROWTH = (
    Op(
        "repeat",
        inputs=("data",),
        attrs=(Attr("repeats", INT), Attr("axis", optional(INT), None)),
        shape=layout.repeat,
        dtype=types.same,
        grad=RULES,
        doc="Each element `repeats` times in a row along `axis`; without an axis, of the flattened array.",
    ),
    Op(
        "tile",
        inputs=("data",),
        attrs=(Attr("reps", SHAPE),),
        shape=layout.tile,
        dtype=types.same,
        grad=RULES,
        doc="The whole array `reps` times along each axis. The shorter of shape and `reps` is filled up "
        "with ones on the left.",
    ),
    Op(
        "broadcast_to",
        inputs=("data",),
        attrs=(Attr("shape", SHAPE, ()),),
        shape=layout.broadcast_to,
        dtype=types.same,
        grad=RULES,
        broadcast=True,
        doc="Axes of length 1 grown to `shape`, which has as many axes as the array; 0 in it keeps a length.",
    ),
    Op(
        "broadcast_axis",
        inputs=("data",),
        attrs=(Attr("axis", SHAPE, ()), Attr("size", SHAPE, ())),
        shape=layout.broadcast_axis,
        dtype=types.same,
        grad=RULES,
        broadcast=True,
        aliases=("broadcast_axes",),
        doc="Each axis of `axis`, whose length must be 1, grown to the number at its place in `size`.",
    ),
    Op(
        "broadcast_like",
        inputs=("lhs", "rhs"),
        attrs=(Attr("lhs_axes", optional(SHAPE), None), Attr("rhs_axes", optional(SHAPE), None)),
        shape=layout.broadcast_like,
        dtype=types.data,
        grad=RULES,
        broadcast=True,
        doc="Axes of length 1 of `lhs` grown to the shape of `rhs`, or only `lhs_axes` to the lengths of "
        "`rhs_axes`. No gradient reaches `rhs`.",
    ),
    Op(
        "Pad",
        inputs=("data",),
        attrs=(*_PADDING, Attr("constant_value", FLOAT, 0.0)),
        shape=layout.pad,
        dtype=types.floating,
        grad=RULES,
        aliases=("pad",),
        doc="Adds elements around an array of 4 or 5 axes and a floating-point dtype. `pad_width` gives how "
        "many go before and after each axis, of which the first two take none; they are "
        "`constant_value`, copies of the edge, or the array reflected at its edge, depending on `mode`.",
    ),
    Op(
        "_pad_back",
        inputs=("data",),
        attrs=(*_PADDING, Attr("shape", SHAPE)),
        shape=slices.given,
        dtype=types.same,
        grad=RULES,
        doc="The gradient of Pad: every element added back to the one of `shape` that it was copied from.",
    ),
)

_FACTS = (
    Op(
        "shape_array",
        inputs=("data",),
        shape=lambda inputs, attrs: ((len(inputs[0]),),),
        dtype=_int64,
        grad=ZERO,
        doc="The shape of the array as a vector of int64.",
    ),
    Op(
        "size_array",
        inputs=("data",),
        shape=lambda inputs, attrs: ((1,),),
        dtype=_int64,
        grad=ZERO,
        doc="The number of elements of the array as an int64 array of shape (1,).",
    ),
)

_JOINS = (
    Op(
        "Concat",
        inputs=("*data",),
        attrs=(Attr("dim", INT, 1),),
        shape=layout.concat,
        dtype=types.same,
        grad=RULES,
        aliases=("concat",),
        doc="Joins arrays along the axis `dim`, which is 1 unless given; the other axes must agree.",
    ),
    Op(
        "stack",
        inputs=("*data",),
        attrs=(Attr("axis", INT, 0),),
        shape=layout.stack,
        dtype=types.same,
        grad=RULES,
        doc="Joins arrays of one shape along a new axis at `axis` of the result.",
    ),
)

_STORAGE = (
    Op(
        "cast_storage",
        inputs=("data",),
        attrs=(Attr("stype", choice("csr", "default", "row_sparse")),),
        shape=layout.cast_storage,
        dtype=types.same,
        grad=RULES,
        doc="A copy of `data`. There are dense arrays only: any `stype` but 'default' is an error.",
    ),
)

ROWS = (*_RESHAPES, *_MOVES, *_GROWTH, *_FACTS, *_JOINS, *_STORAGE)
