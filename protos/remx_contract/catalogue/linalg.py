"""Linear algebra on stacks of matrices, which lie in the last two axes; float32 and float64."""

from __future__ import annotations

from ..attributes import BOOL, FLOAT, INT
from ..op import RULES, Attr, Op
from ..rules import linalg, types

_ALPHA = Attr("alpha", FLOAT, 1.0)
_OFFSET = Attr("offset", INT, 0)
_LOWER = Attr("lower", BOOL, True)
_TRIANGULAR = (Attr("transpose", BOOL, False), Attr("rightside", BOOL, False), _LOWER, _ALPHA)

ROWS = (
    Op(
        "_linalg_gemm",
        inputs=("A", "B", "C"),
        attrs=(
            Attr("transpose_a", BOOL, False),
            Attr("transpose_b", BOOL, False),
            _ALPHA,
            Attr("beta", FLOAT, 1.0),
            Attr("axis", INT, -2),
        ),
        shape=linalg.gemm,
        dtype=types.same,
        grad=RULES,
        aliases=("linalg_gemm",),
        doc="`alpha` times the matrix products of `A` and `B`, plus `beta` times `C`. The matrices have "
        "their rows along `axis` and their columns along the last axis. All other axes must be equal.",
    ),
    Op(
        "_linalg_potrf",
        inputs=("A",),
        shape=linalg.square,
        dtype=types.same,
        grad=RULES,
        aliases=("linalg_potrf",),
        doc="The Cholesky factors of symmetric positive definite matrices: lower triangular `L`, with `A` "
        "the product of `L` and its transpose. Only the lower triangle of `A` is read; the gradient is the "
        "symmetric one, half of it in each triangle. Other matrices are an error.",
    ),
    Op(
        "_linalg_potri",
        inputs=("A",),
        shape=linalg.square,
        dtype=types.same,
        grad=RULES,
        aliases=("linalg_potri",),
        doc="The inverses of matrices that are given by their lower Cholesky factors `A`; only the lower "
        "triangle is read.",
    ),
    Op(
        "_linalg_trmm",
        inputs=("A", "B"),
        attrs=_TRIANGULAR,
        shape=linalg.triangular,
        dtype=types.same,
        grad=RULES,
        aliases=("linalg_trmm",),
        doc="`alpha` times the product of the triangular matrices `A`, transposed with `transpose`, and `B`; "
        "with `rightside` of `B` and `A`. Only the lower triangle of `A` is read, or with `lower=False` the "
        "upper one.",
    ),
    Op(
        "_linalg_trsm",
        inputs=("A", "B"),
        attrs=_TRIANGULAR,
        shape=linalg.triangular,
        dtype=types.same,
        grad=RULES,
        aliases=("linalg_trsm",),
        doc="What `_linalg_trmm` would have to multiply `A` with to give `alpha` times `B`: the solution of "
        "triangular systems of equations.",
    ),
    Op(
        "_linalg_syrk",
        inputs=("A",),
        attrs=(Attr("transpose", BOOL, False), _ALPHA),
        shape=linalg.syrk,
        dtype=types.same,
        grad=RULES,
        aliases=("linalg_syrk",),
        doc="`alpha` times the product of `A` and its transpose, or with `transpose` of the transpose and "
        "`A`.",
    ),
    Op(
        "_linalg_gelqf",
        inputs=("A",),
        shape=linalg.gelqf,
        dtype=types.same,
        grad=RULES,
        outputs=2,
        aliases=("linalg_gelqf",),
        doc="The LQ factors of matrices with no more rows than columns: `Q` with orthonormal rows and lower "
        "triangular `L`, in this order; `A` is the product of `L` and `Q`.",
    ),
    Op(
        "_linalg_syevd",
        inputs=("A",),
        shape=linalg.syevd,
        dtype=types.same,
        grad=RULES,
        outputs=2,
        doc="The eigenvectors of symmetric matrices, as rows, and their eigenvalues in ascending order. Only "
        "the lower triangle of `A` is read; the gradient is the symmetric one. Of each eigenvector the "
        "element of largest magnitude is positive; a gradient through eigenvectors of equal eigenvalues "
        "means nothing.",
    ),
    Op(
        "_linalg_inverse",
        inputs=("A",),
        shape=linalg.square,
        dtype=types.same,
        grad=RULES,
        aliases=("linalg_inverse",),
        doc="The inverses of square matrices; a singular one is an error.",
    ),
    Op(
        "_inverse_or_zeros",
        inputs=("A",),
        shape=linalg.square,
        dtype=types.same,
        grad=RULES,
        doc="The inverses of square matrices, and zeros for singular ones; the gradient of determinants.",
    ),
    Op(
        "_linalg_det",
        inputs=("A",),
        shape=linalg.number,
        dtype=types.precise,
        grad=RULES,
        aliases=("linalg_det",),
        doc="The determinants of square matrices. A singular matrix has a gradient of zeros.",
    ),
    Op(
        "_linalg_slogdet",
        inputs=("A",),
        shape=linalg.two_numbers,
        dtype=types.precise,
        grad=RULES,
        outputs=2,
        aliases=("linalg_slogdet",),
        doc="The signs of determinants, and the logarithms of their magnitudes. A singular matrix has sign "
        "0, logarithm minus infinity, and a gradient of zeros.",
    ),
    Op(
        "_linalg_sumlogdiag",
        inputs=("A",),
        shape=linalg.number,
        dtype=types.same,
        grad=RULES,
        aliases=("linalg_sumlogdiag",),
        doc="The sums of the logarithms of the diagonals of square matrices.",
    ),
    Op(
        "_linalg_extractdiag",
        inputs=("A",),
        attrs=(_OFFSET,),
        shape=linalg.extractdiag,
        dtype=types.same,
        grad=RULES,
        aliases=("linalg_extractdiag",),
        doc="The diagonals of square matrices; with `offset` those above (below, where it is negative).",
    ),
    Op(
        "_linalg_makediag",
        inputs=("A",),
        attrs=(_OFFSET,),
        shape=linalg.makediag,
        dtype=types.same,
        grad=RULES,
        aliases=("linalg_makediag",),
        doc="Square matrices with the given diagonals, or diagonals `offset` above the main one, and zeros.",
    ),
    Op(
        "_linalg_extracttrian",
        inputs=("A",),
        attrs=(_OFFSET, _LOWER),
        shape=linalg.extracttrian,
        dtype=types.same,
        grad=RULES,
        aliases=("linalg_extracttrian",),
        doc="The lower triangles of square matrices row by row, or the upper ones column by column, in one "
        "axis. With an `offset` above zero it is the upper triangle that begins at that diagonal, below zero "
        "the lower one, whatever `lower` says.",
    ),
    Op(
        "_linalg_maketrian",
        inputs=("A",),
        attrs=(_OFFSET, _LOWER),
        shape=linalg.maketrian,
        dtype=types.same,
        grad=RULES,
        aliases=("linalg_maketrian",),
        doc="Square matrices with the given triangles and zeros: the inverse of `_linalg_extracttrian`.",
    ),
)
