"""Ops that pick or place elements by position, and NumPy-like indexing itself."""

from __future__ import annotations

from collections.abc import Sequence

from ..attributes import BOOL, FLOAT, FLOATS, INT, KEY, SHAPE, choice, optional
from ..dtypes import DType, float32, int32, int64
from ..errors import DTypeError
from ..op import NONE, RULES, ZERO, Attr, Attrs, Op
from ..rules import indexing, slices, types
from ..rules.choices import NUMBER_DTYPE


def _last(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    return (dtypes[-1],)


def _of_choice(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    return types.same(dtypes[1:], attrs)


def _of_target(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    return types.same(dtypes[:2], attrs)


def _with_int32(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    if dtypes[1] != int32:
        raise DTypeError(argument="indices", got=dtypes[1].name, expected="int32")
    return (dtypes[0],)


def _counts(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    return (int64, dtypes[0])


def _nothing(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    return ()


_MODE = Attr("mode", choice("clip", "raise", "wrap"), "clip")
_PICKS = (
    Attr("axis", optional(INT), -1),
    Attr("keepdims", BOOL, False),
    Attr("mode", choice("clip", "wrap"), "clip"),
)
_DIAGONAL = (Attr("k", INT, 0), Attr("axis1", INT, 0), Attr("axis2", INT, 1))

_KEYS = (
    Op(
        "_index",
        inputs=("*data",),
        attrs=(Attr("key", KEY),),
        shape=indexing.index,
        dtype=types.data,
        grad=RULES,
        doc="A copy of what a NumPy-like key selects from the first array; the other arrays are the key's "
        "index arrays.",
    ),
    Op(
        "_index_add",
        inputs=("*data",),
        attrs=(Attr("shape", SHAPE), Attr("key", KEY)),
        shape=indexing.index_add,
        dtype=types.data,
        grad=RULES,
        doc="The gradient of _index: zeros of `shape` with the first array added at the key, duplicates "
        "included.",
    ),
    Op(
        "_index_put",
        inputs=("*data",),
        attrs=(Attr("key", KEY),),
        shape=indexing.index_put,
        dtype=_nothing,
        grad=ZERO,
        outputs=0,
        mutates=(0,),
        doc="Writes the second array, broadcast and cast, into the first one at the key; the others are its "
        "index arrays.",
    ),
)

_TAKES = (
    Op(
        "take",
        inputs=("a", "indices"),
        attrs=(Attr("axis", INT, 0), _MODE),
        shape=indexing.take,
        dtype=types.data,
        grad=RULES,
        doc="The elements of `a` at positions along `axis`, whose place the shape of `indices` takes. "
        "Positions of any dtype are truncated; those outside are clipped to the axis, so that negative "
        "ones mean 0, wrapped around, or raise an error at the next wait, depending on `mode`.",
    ),
    Op(
        "_take_add",
        inputs=("data", "indices"),
        attrs=(Attr("shape", SHAPE), Attr("axis", INT, 0), _MODE),
        shape=indexing.take_add,
        dtype=types.data,
        grad=RULES,
        doc="The gradient of take: zeros of `shape` with the array's elements added at the positions they "
        "were taken from.",
    ),
    Op(
        "Embedding",
        inputs=("data", "weight"),
        attrs=(
            Attr("input_dim", INT),
            Attr("output_dim", INT),
            Attr("dtype", optional(NUMBER_DTYPE), float32),
            Attr("sparse_grad", BOOL, False),
        ),
        shape=indexing.embedding,
        dtype=_last,
        grad=RULES,
        doc="The rows of `weight`, of shape (`input_dim`, `output_dim`), that `data` numbers: a new last "
        "axis. Numbers outside are clipped. The result has the dtype of `weight`; `dtype` and "
        "`sparse_grad` are accepted and change nothing.",
    ),
    Op(
        "pick",
        inputs=("data", "index"),
        attrs=_PICKS,
        shape=indexing.pick,
        dtype=types.data,
        grad=RULES,
        aliases=("choose_element_0index",),
        doc="One element along `axis` for each place of the other axes, at the position that `index` gives "
        "for it. Positions outside are clipped or wrapped around.",
    ),
    Op(
        "_pick_add",
        inputs=("data", "index"),
        attrs=(Attr("shape", SHAPE), *_PICKS),
        shape=indexing.pick_add,
        dtype=types.data,
        grad=RULES,
        doc="The gradient of pick: zeros of `shape` with the array's elements at the positions they were "
        "picked from.",
    ),
    Op(
        "batch_take",
        inputs=("a", "indices"),
        shape=indexing.batch_take,
        dtype=_with_int32,
        grad=RULES,
        doc="One element of each row of a matrix, at the positions in `indices`, which are int32 and "
        "clipped to the row.",
    ),
)

_POINTS = (
    Op(
        "gather_nd",
        inputs=("data", "indices"),
        shape=indexing.gather_nd,
        dtype=types.data,
        grad=RULES,
        doc="The elements, or parts, of `data` at points whose positions lie along the first axis of "
        "`indices`. Negative positions count from the end; those outside raise an IndexError at the "
        "next wait.",
    ),
    Op(
        "scatter_nd",
        inputs=("data", "indices"),
        attrs=(Attr("shape", SHAPE),),
        shape=indexing.scatter_nd,
        dtype=types.data,
        grad=RULES,
        doc="Zeros of `shape` with the elements of `data` at points whose positions lie along the first "
        "axis of `indices`. Of several elements for one point the last one stays.",
    ),
    Op(
        "_scatter_nd_add",
        inputs=("data", "indices"),
        attrs=(Attr("shape", SHAPE),),
        shape=indexing.scatter_nd,
        dtype=types.data,
        grad=RULES,
        doc="The gradient of gather_nd: like scatter_nd, with the elements for one point added up.",
    ),
    Op(
        "_scatter_set_nd",
        inputs=("lhs", "rhs", "indices"),
        attrs=(Attr("shape", SHAPE),),
        shape=indexing.scatter_set_nd,
        dtype=_of_target,
        grad=RULES,
        doc="A copy of `lhs`, which has the given shape, with the elements of `rhs` at points whose "
        "positions lie along the first axis of `indices`.",
    ),
)

_CHOICES = (
    Op(
        "where",
        inputs=("condition", "x", "y"),
        shape=indexing.where,
        dtype=_of_choice,
        grad=RULES,
        doc="The elements of `x` where `condition` is not 0, and those of `y` elsewhere. The condition has "
        "their shape, or is a vector that chooses whole rows; it is not broadcast otherwise, and its "
        "dtype is free.",
    ),
    Op(
        "one_hot",
        inputs=("indices",),
        attrs=(
            Attr("depth", INT),
            Attr("on_value", FLOAT, 1.0),
            Attr("off_value", FLOAT, 0.0),
            Attr("dtype", optional(NUMBER_DTYPE), float32),
        ),
        shape=indexing.one_hot,
        dtype=types.attr,
        grad=ZERO,
        doc="A new last axis of length `depth` with `on_value` at the position that the index names and "
        "`off_value` elsewhere; nothing but `off_value` for an index outside.",
    ),
    Op(
        "diag",
        inputs=("data",),
        attrs=_DIAGONAL,
        shape=indexing.diag,
        dtype=types.same,
        grad=RULES,
        doc="For a vector, a square matrix with it on the diagonal `k` and zeros elsewhere. For more axes, "
        "a copy of the diagonals `k` of the matrices along `axis1` and `axis2`, as the last axis of the "
        "result.",
    ),
    Op(
        "_diag_into",
        inputs=("data",),
        attrs=(Attr("shape", SHAPE), *_DIAGONAL),
        shape=slices.given,
        dtype=types.same,
        grad=RULES,
        doc="The gradient of diag: zeros of `shape` with the array on the diagonals `k`.",
    ),
    Op(
        "_ravel_multi_index",
        inputs=("data",),
        attrs=(Attr("shape", optional(SHAPE), None),),
        shape=indexing.ravel,
        dtype=types.same,
        grad=ZERO,
        aliases=("ravel_multi_index",),
        doc="The positions in the flattened array of `shape` of points whose positions lie along the first "
        "axis. Nothing is checked, and the first length of `shape` may be -1.",
    ),
    Op(
        "_unravel_index",
        inputs=("data",),
        attrs=(Attr("shape", optional(SHAPE), None),),
        shape=indexing.unravel,
        dtype=types.same,
        grad=ZERO,
        aliases=("unravel_index",),
        doc="The points of an array of `shape` for positions in the flattened one: one position for each "
        "axis along a new first axis. Nothing is checked, and the first length of `shape` may be -1.",
    ),
)

_FILLED = (
    Op(
        "_onehot_encode",
        inputs=("lhs", "rhs"),
        shape=indexing.onehot_encode,
        dtype=types.data,
        grad=NONE,
        doc="Rows of zeros with a one at the positions in `lhs`, in the shape of `rhs`. A position outside "
        "gives none.",
    ),
    Op(
        "fill_element_0index",
        inputs=("lhs", "mhs", "rhs"),
        shape=indexing.fill_element_0index,
        dtype=types.data,
        grad=NONE,
        doc="A copy of the matrix `lhs`, where in each row the element at the position in `rhs` is that of "
        "`mhs`. A position outside is an error; MXNet writes outside of the array.",
    ),
    Op(
        "_histogram",
        inputs=("data", "bins"),
        attrs=(Attr("bin_cnt", optional(INT), None), Attr("range", optional(FLOATS), None)),
        shape=indexing.histogram,
        dtype=_counts,
        grad=NONE,
        arity=lambda attrs: 2 if attrs.bin_cnt is None else 1,
        outputs=2,
        doc="How many elements lie in each of the bins, as int64, and the edges of the bins. These are "
        "`bins`, in ascending order, or divide `range`, a pair, into `bin_cnt` equal parts. The last bin "
        "includes its upper edge.",
    ),
)

ROWS = (*_KEYS, *_TAKES, *_POINTS, *_CHOICES, *_FILLED)
