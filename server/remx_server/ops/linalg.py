"""Linear algebra on stacks of matrices: kernels and gradient rules."""

from __future__ import annotations

from functools import wraps

import numpy as np
from remx_contract.errors import DTypeError, ValueRangeError

from ..registry import KERNELS, kernel
from .matmul import _products, gemm2

BLOCK = 16
"""Triangular systems of at most so many equations are solved row by row, larger ones by halves."""


def precise(function):
    """A kernel that computes in float32 and float64 only, as MXNet's do."""

    @wraps(function)
    def checked(xp, first, *args, **kwargs):
        if first.dtype.char not in "fd":
            raise DTypeError(got=first.dtype.name, expected="float32 or float64")
        return function(xp, first, *args, **kwargs)

    return checked


def _transposed(matrices):
    """The transposes of stacked matrices that are an operand of a product or of a loop."""
    return matrices.swapaxes(-1, -2)


def _flipped(value):
    """The transposes, in a gradient rule."""
    count = len(value.spec.shape)
    return KERNELS["transpose"](value, axes=(*range(count - 2), count - 1, count - 2))


def _triangle(value, lower=True):
    """The matrices with zeros in place of the other triangle, in a gradient rule."""
    return maketrian(extracttrian(value, lower=lower), lower=lower)


def _mirrored(value):
    """The symmetric matrices that have the lower triangles of the given ones, in a gradient rule."""
    lower = _triangle(value)
    return lower + _flipped(lower) - makediag(extractdiag(value))


# Products.


@kernel(op="_linalg_gemm", kinds="f")
@precise
def gemm(xp, A, B, C, transpose_a, transpose_b, alpha, beta, axis):
    made = gemm2.function(xp, A, B, transpose_a, transpose_b, alpha, axis)
    made += C if beta == 1 else C * C.dtype.type(beta)
    return made


@gemm.vjp("A")
def _(g, B, transpose_a, transpose_b, alpha, axis):
    return gemm2.rules[0].function(g, B, transpose_a, transpose_b, alpha, axis)


@gemm.vjp("B")
def _(g, A, transpose_a, transpose_b, alpha, axis):
    return gemm2.rules[1].function(g, A, transpose_a, transpose_b, alpha, axis)


@gemm.vjp("C")
def _(g, beta):
    return g * beta


@kernel(op="_linalg_syrk", kinds="f")
@precise
def syrk(xp, A, transpose, alpha):
    made = _products(xp, _transposed(A), A) if transpose else _products(xp, A, _transposed(A))
    if alpha != 1:
        made *= made.dtype.type(alpha)
    return made


@syrk.vjp("A")
def _(g, A, transpose, alpha):
    both = g + _flipped(g)
    return gemm2(A, both, alpha=alpha) if transpose else gemm2(both, A, alpha=alpha)


@kernel(op="_linalg_trmm", kinds="f")
@precise
def trmm(xp, A, B, transpose, rightside, lower, alpha):
    factor = xp.tril(A) if lower else xp.triu(A)
    if transpose:
        factor = _transposed(factor)
    made = _products(xp, B, factor) if rightside else _products(xp, factor, B)
    if alpha != 1:
        made *= made.dtype.type(alpha)
    return made


@trmm.vjp("A")
def _(g, B, transpose, rightside, lower, alpha):
    left, right = (B, g) if rightside else (g, B)
    if transpose:
        left, right = right, left
    product = gemm2(left, right, transpose_a=rightside, transpose_b=not rightside, alpha=alpha)
    return _triangle(product, lower)


@trmm.vjp("B")
def _(g, A, transpose, rightside, lower, alpha):
    return trmm(A, g, transpose=not transpose, rightside=rightside, lower=lower, alpha=alpha)


# Triangular systems of equations.


def _solve_lower(xp, A, B):
    """What the lower triangles of A must be multiplied with to give B; overwrites B with it."""
    size = A.shape[-1]
    if size > BLOCK:
        half = size // 2
        first = _solve_lower(xp, A[..., :half, :half], B[..., :half, :])
        B[..., half:, :] -= _products(xp, A[..., half:, :half], first)
        _solve_lower(xp, A[..., half:, half:], B[..., half:, :])
        return B
    for row in range(size):
        if row:
            B[..., row : row + 1, :] -= xp.matmul(A[..., row : row + 1, :row], B[..., :row, :])
        B[..., row, :] /= A[..., row, row, None]
    return B


@kernel(op="_linalg_trsm", kinds="f")
@precise
def trsm(xp, A, B, transpose, rightside, lower, alpha):
    # Solutions from the right are the transposes of others from the left.
    factor, made = (_transposed(A), _transposed(B)) if rightside else (A, B)
    if transpose:
        factor = _transposed(factor)
    if lower == (transpose != rightside):
        # An upper triangle is a lower one, read backwards.
        factor, made = factor[..., ::-1, ::-1], made[..., ::-1, :]
    made = _solve_lower(xp, factor, made * made.dtype.type(alpha))
    if lower == (transpose != rightside):
        made = made[..., ::-1, :]
    return xp.ascontiguousarray(_transposed(made) if rightside else made)


@trsm.vjp_all
def _(g, A, out, transpose, rightside, lower, alpha, needs):
    spread = trsm(A, g, transpose=not transpose, rightside=rightside, lower=lower)
    gradients = [None, spread * alpha if needs[1] else None]
    if needs[0]:
        left, right = (out, spread) if rightside else (spread, out)
        if transpose:
            left, right = right, left
        product = gemm2(left, right, transpose_a=rightside, transpose_b=not rightside, alpha=-1.0)
        gradients[0] = _triangle(product, lower)
    return gradients


# Factors.


def _lapack(xp, function, A, what, fine):
    """What a function of the array module's ``linalg`` gives; ValueRangeError where the matrices are not
    ``what``. NumPy raises it, CuPy's results have to be looked at: ``fine`` says whether they are."""
    try:
        made = function(A)
    except np.linalg.LinAlgError:
        raise ValueRangeError(argument="A", got="others", expected=what) from None
    if xp is not np and not bool(fine(made).all()):
        raise ValueRangeError(argument="A", got="others", expected=what)
    return made


def _diagonal(xp, matrices):
    along = xp.arange(matrices.shape[-1])
    return matrices[..., along, along]


@kernel(op="_linalg_potrf", kinds="f")
@precise
def potrf(xp, A):
    what = "symmetric positive definite matrices"
    return _lapack(xp, xp.linalg.cholesky, A, what, lambda made: _diagonal(xp, made) > 0)


@potrf.vjp("A")
def _(g, out):
    inner = _mirrored(gemm2(out, g, transpose_a=True, alpha=0.5))
    return trsm(out, trsm(out, inner, rightside=True), transpose=True)


@kernel(op="_linalg_potri", kinds="f")
@precise
def potri(xp, A):
    if bool((_diagonal(xp, A) == 0).any()):
        raise ValueRangeError(argument="A", got="a zero on a diagonal", expected="Cholesky factors")
    identity = xp.zeros(A.shape, A.dtype)
    identity[...] = xp.eye(A.shape[-1], dtype=A.dtype)
    inverse = _solve_lower(xp, A, identity)
    return _products(xp, _transposed(inverse), inverse)


@potri.vjp("A")
def _(g, A, out):
    product = gemm2(out, g + _flipped(g), alpha=-1.0)
    return _triangle(trsm(A, product, rightside=True, transpose=True))


@kernel(op="_linalg_gelqf", kinds="f")
@precise
def gelqf(xp, A):
    q, r = xp.linalg.qr(_transposed(A))
    return xp.ascontiguousarray(_transposed(q)), xp.ascontiguousarray(_transposed(r))


@gelqf.vjp("A")
def _(gs, out0, out1):
    middle = gemm2(out1, gs[1], transpose_a=True) - gemm2(gs[0], out0, transpose_b=True)
    return trsm(out1, gs[0] + gemm2(_mirrored(middle), out0), transpose=True)


@kernel(op="_linalg_syevd", kinds="f")
@precise
def syevd(xp, A):
    values, vectors = xp.linalg.eigh(A)
    rows = _transposed(vectors)
    # The sign of an eigenvector is free: its largest element is positive.
    largest = xp.abs(rows).argmax(-1)
    chosen = xp.take_along_axis(rows, largest[..., None], -1)
    return xp.ascontiguousarray(xp.where(chosen < 0, -rows, rows)), values


@syevd.vjp("A")
def _(gs, out0, out1):
    shape = out1.spec.shape
    columns = KERNELS["_reshape"](out1, shape=(*shape, 1))
    rows = KERNELS["_reshape"](out1, shape=(*shape[:-1], 1, shape[-1]))
    apart = KERNELS["broadcast_sub"](rows, columns)
    # Only the diagonal is zero, where the numerator is zero, too; and where eigenvalues are equal, whose
    # eigenvectors have no gradient.
    apart = apart + KERNELS["_equal_scalar"](apart, scalar=0.0) * 1e-30
    turned = gemm2(out0, gs[0], transpose_b=True)
    inner = (turned - _flipped(turned)) / apart * 0.5 + makediag(gs[1])
    return gemm2(out0, gemm2(inner, out0), transpose_a=True)


# Inverses and determinants.


@kernel(op="_linalg_inverse", kinds="f")
@precise
def inverse(xp, A):
    return _lapack(xp, xp.linalg.inv, A, "invertible matrices", xp.isfinite)


@kernel(op="_inverse_or_zeros", kinds="f")
@precise
def inverse_or_zeros(xp, A):
    singular = (xp.linalg.det(A) == 0)[..., None, None]
    made = xp.linalg.inv(xp.where(singular, xp.eye(A.shape[-1], dtype=A.dtype), A))
    return xp.where(singular, made.dtype.type(0), made)


def _inverse_gradient(g, out):
    return gemm2(gemm2(out, g, transpose_a=True), out, transpose_b=True, alpha=-1.0)


for _inverse in inverse, inverse_or_zeros:
    _inverse.vjp("A")(_inverse_gradient)


def _for_each(value, matrices_spec):
    """Numbers, one for each matrix, in the shape that broadcasts with the matrices; in a gradient rule."""
    return KERNELS["_reshape"](value, shape=(*matrices_spec.shape[:-2], 1, 1))


@kernel(op="_linalg_det", kinds="f")
@precise
def det(xp, A, out_specs):
    return xp.asarray(xp.linalg.det(A), dtype=A.dtype).reshape(out_specs[0].shape)


@det.vjp("A")
def _(g, A, out):
    inverted = _flipped(inverse_or_zeros(A))
    return KERNELS["broadcast_mul"](_for_each(g * out, A.spec), inverted)


@kernel(op="_linalg_slogdet", kinds="f")
@precise
def slogdet(xp, A, out_specs):
    return tuple(xp.asarray(part, dtype=A.dtype).reshape(out_specs[0].shape) for part in xp.linalg.slogdet(A))


@slogdet.vjp("A")
def _(gs, A):
    return KERNELS["broadcast_mul"](_for_each(gs[1], A.spec), _flipped(inverse_or_zeros(A)))


@kernel(op="_linalg_sumlogdiag", kinds="f")
@precise
def sumlogdiag(xp, A, out_specs):
    return xp.asarray(xp.log(_diagonal(xp, A)).sum(-1), dtype=A.dtype).reshape(out_specs[0].shape)


@sumlogdiag.vjp("A")
def _(g, A):
    each = KERNELS["_reshape"](g, shape=(*A.spec.shape[:-2], 1))
    return makediag(KERNELS["broadcast_div"](each, extractdiag(A)))


# Diagonals and triangles.


def _diagonal_places(xp, size, offset):
    along = xp.arange(size - abs(offset))
    return along + max(-offset, 0), along + max(offset, 0)


def _triangle_places(xp, size, offset, lower):
    """Rows and columns of the elements of a lower triangle, row by row, or of an upper one by columns."""
    rows, columns = xp.tril_indices(size, -abs(offset))
    return (rows, columns) if offset < 0 or (offset == 0 and lower) else (columns, rows)


@kernel(op="_linalg_extractdiag", kinds="f")
@precise
def extractdiag(xp, A, offset):
    rows, columns = _diagonal_places(xp, A.shape[-1], offset)
    return xp.ascontiguousarray(A[..., rows, columns])


@extractdiag.vjp("A")
def _(g, offset):
    return makediag(g, offset=offset)


@kernel(op="_linalg_makediag", kinds="f")
@precise
def makediag(xp, A, offset, out_specs):
    made = xp.zeros(out_specs[0].shape, A.dtype)
    rows, columns = _diagonal_places(xp, made.shape[-1], offset)
    made[..., rows, columns] = A
    return made


@makediag.vjp("A")
def _(g, offset):
    return extractdiag(g, offset=offset)


@kernel(op="_linalg_extracttrian", kinds="f")
@precise
def extracttrian(xp, A, offset, lower):
    rows, columns = _triangle_places(xp, A.shape[-1], offset, lower)
    return xp.ascontiguousarray(A[..., rows, columns])


@extracttrian.vjp("A")
def _(g, offset, lower):
    return maketrian(g, offset=offset, lower=lower)


@kernel(op="_linalg_maketrian", kinds="f")
@precise
def maketrian(xp, A, offset, lower, out_specs):
    made = xp.zeros(out_specs[0].shape, A.dtype)
    rows, columns = _triangle_places(xp, made.shape[-1], offset, lower)
    made[..., rows, columns] = A
    return made


@maketrian.vjp("A")
def _(g, offset, lower):
    return extracttrian(g, offset=offset, lower=lower)
