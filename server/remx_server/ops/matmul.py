"""Products of matrices: kernels and gradient rules."""

from __future__ import annotations

from math import prod

import numpy as np

from ..blas import THREADS
from ..registry import KERNELS, kernel


def _product(lhs, rhs):
    """The product of two matrices, accumulated in float32 for float16."""
    if lhs.__class__ is np.ndarray:
        THREADS.fit(lhs.size * rhs.shape[-1])
    if lhs.dtype.char == "e":
        return lhs.astype("float32").dot(rhs.astype("float32")).astype("float16")
    return lhs.dot(rhs)


def _products(xp, lhs, rhs):
    """The products of stacks of matrices, accumulated in float32 for float16."""
    if xp is np:
        THREADS.fit(prod(lhs.shape[-2:]) * rhs.shape[-1])
    if lhs.dtype.char == "e":
        return xp.matmul(lhs.astype("float32"), rhs.astype("float32")).astype("float16")
    return xp.matmul(lhs, rhs)


def _matrix(array, count, first):
    """The array as a matrix whose columns are its last ``count`` axes, or with ``first`` its first ones."""
    shape = array.shape
    if first:
        return array.reshape(prod(shape[:count]), prod(shape[count:])).T
    kept = len(shape) - count
    return array.reshape(prod(shape[:kept]), prod(shape[kept:]))


@kernel
def dot(xp, lhs, rhs, transpose_a, transpose_b, out_specs):
    return contract.function(xp, lhs, rhs, 1, transpose_a, transpose_b, out_specs)


@dot.vjp("lhs")
def _(g, lhs_spec, rhs, transpose_a, transpose_b):
    if len(lhs_spec.shape) == len(rhs.spec.shape) == 1:
        return g * rhs
    return _lhs_gradient(g, rhs, 1, transpose_a, transpose_b)


@dot.vjp("rhs")
def _(g, lhs, rhs_spec, transpose_a, transpose_b):
    if len(lhs.spec.shape) == len(rhs_spec.shape) == 1:
        return g * lhs
    return _rhs_gradient(g, lhs, 1, transpose_a, transpose_b)


@kernel(op="_contract")
def contract(xp, lhs, rhs, count, transpose_a, transpose_b, out_specs):
    if count == 1 and lhs.ndim == rhs.ndim == 2:
        return _product(lhs.T if transpose_a else lhs, rhs.T if transpose_b else rhs)
    # Both are made matrices whose contracted axes are columns.
    left = _matrix(lhs, count, transpose_a)
    right = _matrix(rhs, count, not transpose_b)
    return _product(left, right.T).reshape(out_specs[0].shape)


@contract.vjp("lhs")
def _(g, rhs, count, transpose_a, transpose_b):
    return _lhs_gradient(g, rhs, count, transpose_a, transpose_b)


@contract.vjp("rhs")
def _(g, lhs, count, transpose_a, transpose_b):
    return _rhs_gradient(g, lhs, count, transpose_a, transpose_b)


def _lhs_gradient(g, rhs, count, transpose_a, transpose_b):
    free = len(rhs.spec.shape) - count
    if transpose_a:
        return contract(rhs, g, count=free, transpose_a=transpose_b, transpose_b=True)
    return contract(g, rhs, count=free, transpose_b=not transpose_b)


def _rhs_gradient(g, lhs, count, transpose_a, transpose_b):
    free = len(lhs.spec.shape) - count
    if transpose_b:
        return contract(g, lhs, count=free, transpose_a=True, transpose_b=transpose_a)
    return contract(lhs, g, count=free, transpose_a=not transpose_a)


@kernel
def batch_dot(xp, lhs, rhs, transpose_a, transpose_b):
    return _products(xp, _transposed(lhs, transpose_a), _transposed(rhs, transpose_b))


def _transposed(matrices, transpose):
    return matrices.swapaxes(-1, -2) if transpose else matrices


@batch_dot.vjp("lhs")
def _(g, rhs, transpose_a, transpose_b):
    if transpose_a:
        return batch_dot(rhs, g, transpose_a=transpose_b, transpose_b=True)
    return batch_dot(g, rhs, transpose_b=not transpose_b)


@batch_dot.vjp("rhs")
def _(g, lhs, transpose_a, transpose_b):
    if transpose_b:
        return batch_dot(g, lhs, transpose_a=True, transpose_b=transpose_a)
    return batch_dot(lhs, g, transpose_a=not transpose_a)


@kernel(op="_linalg_gemm2")
def gemm2(xp, A, B, transpose_a, transpose_b, alpha, axis):
    left = _transposed(xp.moveaxis(A, axis, -2), transpose_a)
    right = _transposed(xp.moveaxis(B, axis, -2), transpose_b)
    product = _products(xp, left, right)
    if alpha != 1:
        product *= product.dtype.type(alpha)
    return xp.ascontiguousarray(xp.moveaxis(product, -2, axis))


@gemm2.vjp("A")
def _(g, B, transpose_a, transpose_b, alpha, axis):
    if transpose_a:
        return gemm2(B, g, transpose_a=transpose_b, transpose_b=True, alpha=alpha, axis=axis)
    return gemm2(g, B, transpose_b=not transpose_b, alpha=alpha, axis=axis)


@gemm2.vjp("B")
def _(g, A, transpose_a, transpose_b, alpha, axis):
    if transpose_b:
        return gemm2(g, A, transpose_a=True, transpose_b=transpose_a, alpha=alpha, axis=axis)
    return gemm2(A, g, transpose_a=not transpose_a, alpha=alpha, axis=axis)


@kernel(op="FullyConnected")
def fully_connected(xp, data, weight, bias=None, *, out_specs):
    shape = out_specs[0].shape
    rows = data if data.ndim == 2 else data.reshape(prod(shape[:-1]), weight.shape[1])
    out = _product(rows, weight.T)
    if bias is not None:
        out += bias
    return out if out.ndim == len(shape) else out.reshape(shape)


@fully_connected.vjp("data")
def _(g, data_spec, weight):
    gradient = contract(g, weight, count=1)
    if gradient.spec.shape == data_spec.shape:
        return gradient
    return KERNELS["Reshape"](gradient, shape=data_spec.shape)


@fully_connected.vjp("weight")
def _(g, data, weight_spec, flatten):
    free = 1 if flatten else len(g.spec.shape) - 1
    rows = data
    if flatten and len(data.spec.shape) != 2:
        rows = KERNELS["Reshape"](data, shape=(data.spec.shape[0], weight_spec.shape[1]))
    return contract(g, rows, count=free, transpose_a=True)


@fully_connected.vjp("bias")
def _(g):
    last = len(g.spec.shape) - 1
    return KERNELS["sum"](g, axis=tuple(range(last))) if last else g


@kernel
def khatri_rao(xp, *args):
    product = args[0].copy()
    for matrix in args[1:]:
        rows, columns = len(product) * len(matrix), product.shape[1]
        product = (product[:, None] * matrix[None]).reshape(rows, columns)
    return product
