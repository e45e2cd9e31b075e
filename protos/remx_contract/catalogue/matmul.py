"""Products of matrices and of arrays of matrices."""

from __future__ import annotations

from ..attributes import BOOL, FLOAT, INT, choice, optional
from ..op import NONE, RULES, Attr, Op
from ..rules import products, types

_TRANSPOSED = (Attr("transpose_a", BOOL, False), Attr("transpose_b", BOOL, False))
_STORAGE = Attr("forward_stype", optional(choice("csr", "default", "row_sparse")), None)

ROWS = (
    Op(
        "dot",
        inputs=("lhs", "rhs"),
        attrs=(*_TRANSPOSED, _STORAGE),
        shape=products.dot,
        dtype=types.same,
        grad=RULES,
        doc="The product of two arrays: the last axis of `lhs` is contracted with the first of `rhs`. With "
        "`transpose_a` the first axis of `lhs` is contracted and its others stay in order, with "
        "`transpose_b` the last of `rhs`. Two vectors give shape (1,); `forward_stype` has no effect.",
    ),
    Op(
        "_contract",
        inputs=("lhs", "rhs"),
        attrs=(Attr("count", INT), *_TRANSPOSED),
        shape=products.contract,
        dtype=types.same,
        grad=RULES,
        doc="As `dot`, over the last (first if transposed) `count` axes of `lhs` and the first (last) of "
        "`rhs`; the gradient of products.",
    ),
    Op(
        "batch_dot",
        inputs=("lhs", "rhs"),
        attrs=(*_TRANSPOSED, _STORAGE),
        shape=products.batch_dot,
        dtype=types.same,
        grad=RULES,
        doc="The matrix products of two arrays of matrices, which lie in the last two axes. All axes before "
        "them must be equal, at least one: nothing is broadcast. `forward_stype` has no effect.",
    ),
    Op(
        "_linalg_gemm2",
        inputs=("A", "B"),
        attrs=(*_TRANSPOSED, Attr("alpha", FLOAT, 1.0), Attr("axis", INT, -2)),
        shape=products.gemm2,
        dtype=types.same,
        grad=RULES,
        aliases=("linalg_gemm2",),
        doc="`alpha` times the matrix products of `A` and `B`, whose matrices have their rows along `axis` "
        "and their columns along the last axis. All other axes must be equal.",
    ),
    Op(
        "FullyConnected",
        inputs=("data", "weight", "bias"),
        attrs=(Attr("num_hidden", INT), Attr("no_bias", BOOL, False), Attr("flatten", BOOL, True)),
        shape=products.fully_connected,
        dtype=types.same,
        grad=RULES,
        arity=lambda attrs: 2 if attrs.no_bias else 3,
        doc="A dense layer: `data` times the transposed `weight` of shape (num_hidden, features), plus "
        "`bias` of shape (num_hidden,). By default all axes of `data` but the first are flattened into "
        "features; with `flatten=False` the layer applies to the last axis.",
    ),
    Op(
        "khatri_rao",
        inputs=("*args",),
        shape=products.khatri_rao,
        dtype=types.same,
        grad=NONE,
        doc="The column-wise Kronecker product of matrices with equally many columns.",
    ),
)
