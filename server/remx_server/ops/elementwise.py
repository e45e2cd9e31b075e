"""Element-wise functions of one array: kernels and their gradient rules."""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import log, pi, prod
from typing import Any

import numpy as np

from .. import special
from ..backend import Array
from ..numeric import through_double, to_whole, unchanged
from ..registry import KERNELS, Kernel, kernel, scalar_cast, ufunc_kernel

# Functions that are one ufunc; whole numbers go through float64.

arccos = ufunc_kernel("arccos", "arccos", integers=through_double("arccos"))
arccosh = ufunc_kernel("arccosh", "arccosh", integers=through_double("arccosh"))
arcsin = ufunc_kernel("arcsin", "arcsin", integers=through_double("arcsin"))
arcsinh = ufunc_kernel("arcsinh", "arcsinh", integers=through_double("arcsinh"))
arctan = ufunc_kernel("arctan", "arctan", integers=through_double("arctan"))
arctanh = ufunc_kernel("arctanh", "arctanh", integers=through_double("arctanh"))
cbrt = ufunc_kernel("cbrt", "cbrt", integers=through_double("cbrt"))
cos = ufunc_kernel("cos", "cos", integers=through_double("cos"))
cosh = ufunc_kernel("cosh", "cosh", integers=through_double("cosh"))
degrees = ufunc_kernel("degrees", "degrees", integers=through_double("degrees"))
expm1 = ufunc_kernel("expm1", "expm1", integers=through_double("expm1"))
log_ = ufunc_kernel("log", "log", integers=through_double("log"))
log10 = ufunc_kernel("log10", "log10", integers=through_double("log10"))
log1p = ufunc_kernel("log1p", "log1p", integers=through_double("log1p"))
log2 = ufunc_kernel("log2", "log2", integers=through_double("log2"))
radians = ufunc_kernel("radians", "radians", integers=through_double("radians"))
reciprocal = ufunc_kernel("reciprocal", "reciprocal", integers=through_double("reciprocal"))
sin = ufunc_kernel("sin", "sin", integers=through_double("sin"))
sinh = ufunc_kernel("sinh", "sinh", integers=through_double("sinh"))
sqrt = ufunc_kernel("sqrt", "sqrt", integers=through_double("sqrt"))
tan = ufunc_kernel("tan", "tan", integers=through_double("tan"))
tanh = ufunc_kernel("tanh", "tanh", integers=through_double("tanh"))


@kernel(kinds="fiu")
def exp(xp, data):
    if data.dtype.kind != "f":
        return through_double("exp")(xp, data)
    if xp is np and data.dtype.itemsize == 4:
        # NumPy's own is off by a unit in the last place for a third of all numbers, 1 among them.
        return np.exp(data, dtype=np.float64).astype(np.float32)
    return xp.exp(data)


# Functions that are one ufunc for whole numbers too, or leave them alone.

absolute = ufunc_kernel("abs", "absolute")
negative = ufunc_kernel("negative", "negative")
square = ufunc_kernel("square", "square")
ceil = ufunc_kernel("ceil", "ceil", integers=unchanged)
fix = ufunc_kernel("fix", "trunc", integers=unchanged)
floor = ufunc_kernel("floor", "floor", integers=unchanged)
trunc = ufunc_kernel("trunc", "trunc", integers=unchanged)


@absolute.vjp("data")
def _(g, data):
    return g * sign(data)


@negative.vjp("data")
def _(g):
    return -g


@square.vjp("data")
def _(g, data):
    return g * (data * 2)


@arccos.vjp("data")
def _(g, data):
    return -(g * rsqrt(1 - data * data))


@arccosh.vjp("data")
def _(g, data):
    return g * rsqrt(data * data - 1)


@arcsin.vjp("data")
def _(g, data):
    return g * rsqrt(1 - data * data)


@arcsinh.vjp("data")
def _(g, data):
    return g * rsqrt(data * data + 1)


@arctan.vjp("data")
def _(g, data):
    return g / (data * data + 1)


@arctanh.vjp("data")
def _(g, data):
    return g / (1 - data * data)


@cbrt.vjp("data")
def _(g, out):
    return g / (out * out * 3)


@cos.vjp("data")
def _(g, data):
    return -(g * sin(data))


@cosh.vjp("data")
def _(g, data):
    return g * sinh(data)


@degrees.vjp("data")
def _(g):
    return g * (180 / pi)


@exp.vjp("data")
def _(g, out):
    return g * out


@expm1.vjp("data")
def _(g, data):
    return g * exp(data)


@log_.vjp("data")
def _(g, data):
    return g / data


@log10.vjp("data")
def _(g, data):
    return g / (data * log(10))


@log1p.vjp("data")
def _(g, data):
    return g / (data + 1)


@log2.vjp("data")
def _(g, data):
    return g / (data * log(2))


@radians.vjp("data")
def _(g):
    return g * (pi / 180)


@reciprocal.vjp("data")
def _(g, out):
    return -(g * (out * out))


@sin.vjp("data")
def _(g, data):
    return g * cos(data)


@sinh.vjp("data")
def _(g, data):
    return g * cosh(data)


@sqrt.vjp("data")
def _(g, out):
    return g / (out * 2)


@tan.vjp("data")
def _(g, out):
    return g * (out * out + 1)


@tanh.vjp("data")
def _(g, out):
    return g * (1 - out * out)


# Functions of several steps. Half precision goes through single, so that only the result is rounded to it.


def in_float(function: Callable[..., Array]) -> Callable[..., Array]:
    """A kernel of one float array for all numbers: half precision through single, whole through double."""

    @functools.wraps(function)
    def call(xp: Any, data: Array, **attrs: Any) -> Array:
        dtype = data.dtype
        if dtype.kind != "f":
            return to_whole(xp, function(xp, data.astype(xp.float64), **attrs), dtype)
        if dtype.itemsize == 2:
            return function(xp, data.astype(xp.float32), **attrs).astype(dtype)
        result = function(xp, data, **attrs)
        # NumPy 1 makes float64 of a 0-d float32 and a Python number.
        return result if result.dtype == dtype else result.astype(dtype)

    return call


def in_double(function: Callable[..., Array]) -> Callable[..., Array]:
    """A kernel of one float64 array for all numbers."""

    @functools.wraps(function)
    def call(xp: Any, data: Array, **attrs: Any) -> Array:
        result = function(xp, data.astype(xp.float64), **attrs)
        return result.astype(data.dtype) if data.dtype.kind == "f" else to_whole(xp, result, data.dtype)

    return call


def compute_relu(xp: Any, data: Array) -> Array:
    """max(data, 0), in the data's dtype."""
    return xp.maximum(data, data.dtype.type(0))


def compute_sigmoid(xp: Any, data: Array) -> Array:
    """1 / (1 + exp(-data)) of floating-point numbers, in one piece of memory."""
    result = xp.empty_like(data)
    xp.negative(data, out=result)
    xp.exp(result, out=result)
    result += 1
    xp.reciprocal(result, out=result)
    return result


@kernel(kinds="fiu")
def relu(xp, data):
    return compute_relu(xp, data)


@relu.vjp("data")
def _(g, out):
    return gate(g, out)


@kernel(op="_gate", kinds="fiu")
def gate(xp, data, by):
    return xp.multiply(data, by > 0)


@gate.vjp("data")
def _(g, by):
    return gate(g, by)


@kernel(kinds="fiu")
@in_float
def sigmoid(xp, data):
    return compute_sigmoid(xp, data)


@sigmoid.vjp("data")
def _(g, out):
    return g * (out * (1 - out))


@kernel(kinds="fiu")
@in_float
def softsign(xp, data):
    return data / (xp.abs(data) + 1)


@softsign.vjp("data")
def _(g, data):
    return g / square(absolute(data) + 1)


@kernel(kinds="fiu")
@in_float
def rsqrt(xp, data):
    return xp.reciprocal(xp.sqrt(data))


@rsqrt.vjp("data")
def _(g, out):
    return g * (out * out * out * -0.5)


@kernel(kinds="fiu")
@in_float
def rcbrt(xp, data):
    return xp.reciprocal(xp.cbrt(data))


@rcbrt.vjp("data")
def _(g, out):
    return g * (square(square(out)) * (-1 / 3))


@kernel(kinds="fiu")
def sign(xp, data):
    zero = data.dtype.type(0)
    return xp.greater(data, zero).astype(data.dtype) - xp.less(data, zero).astype(data.dtype)


@kernel(op="round", kinds="fiu")
def round_half_away(xp, data):
    if data.dtype.kind != "f":
        return data.copy()
    whole = xp.trunc(data)
    return xp.where(xp.abs(data - whole) >= 0.5, whole + xp.copysign(whole.dtype.type(1), data), whole)


@kernel(kinds="fiu")
def rint(xp, data):
    if data.dtype.kind != "f":
        return data.copy()
    below, above = xp.floor(data), xp.ceil(data)
    return xp.where(data - below <= above - data, below, above)


@kernel(kinds="fiu")
def logical_not(xp, data):
    return xp.logical_not(data).astype(data.dtype)


@kernel(op="_copy")
def copy(xp, data):
    return data.copy()


@copy.vjp("data")
def _(g):
    return g


@kernel(op="BlockGrad")
def block_grad(xp, data):
    return data.copy()


@kernel(op="Cast")
def cast(xp, data, dtype):
    if data.dtype.kind == "f" and dtype.kind in "iu":
        return to_whole(xp, data, dtype)
    return data.astype(dtype)


@cast.vjp("data")
def _(g, data_spec):
    return cast(g, dtype=data_spec.dtype)


@kernel
def make_loss(xp, data):
    return data.copy()


@make_loss.vjp("data")
def _(g):
    return KERNELS["ones_like"](g)


@kernel(op="MakeLoss")
def make_scaled_loss(xp, data):
    return data.copy()


@make_scaled_loss.vjp("data")
def _(g, data, grad_scale, valid_thresh, normalization):
    ones = KERNELS["ones_like"](g)
    if normalization == "batch":
        return ones * (grad_scale / max(1, prod(data.spec.shape[:-1])))
    if normalization == "valid":
        valid = KERNELS["_greater_scalar"](data, scalar=valid_thresh)
        count = KERNELS["_sum_to"](valid, shape=(1,) * len(data.spec.shape))
        return ones * grad_scale / KERNELS["_maximum_scalar"](count, scalar=1.0)
    return ones * grad_scale


@kernel(kinds="fiu")
def clip(xp, data, a_min, a_max):
    as_data = scalar_cast(data.dtype)
    low, high = as_data(a_min), as_data(a_max)
    raised = xp.maximum(data, low)
    if low > high:
        # With its bounds the wrong way round MXNet gives each element one of them.
        return xp.where(data > high, high, raised)
    return xp.minimum(raised, high)


@clip.vjp("data")
def _(g, data, a_min, a_max):
    return g * within(data, a_min=a_min, a_max=a_max)


@kernel(op="_within", kinds="fiu")
def within(xp, data, a_min, a_max):
    as_data = scalar_cast(data.dtype)
    # What is no number is neither below nor above, and passes.
    return (~((data < as_data(a_min)) | (data > as_data(a_max)))).astype(data.dtype)


@kernel(kinds="fiu")
@in_float
def smooth_l1(xp, data, scalar):
    bound = 1 / scalar**2 if scalar else float("inf")
    size = xp.abs(data)
    return xp.where(size < bound, 0.5 * scalar**2 * data * data, size - 0.5 * bound)


@smooth_l1.vjp("data")
def _(g, data, scalar):
    return g * clip(data * scalar**2, a_min=-1.0, a_max=1.0)


@kernel(kinds="fiu")
@in_float
def hard_sigmoid(xp, data, alpha, beta):
    return xp.clip(data * alpha + beta, 0, 1)


@hard_sigmoid.vjp("data")
def _(g, out, alpha):
    return gate(gate(g * alpha, out), 1 - out)


# Questions about floating-point numbers.


def _question(op: str, ufunc: str) -> Kernel:
    def answer(xp, data):
        return getattr(xp, ufunc)(data).astype(data.dtype)

    return kernel(answer, op=op, kinds="fiu")


is_nan = _question("_contrib_isnan", "isnan")
is_infinite = _question("_contrib_isinf", "isinf")
is_finite = _question("_contrib_isfinite", "isfinite")


# Special functions.


@kernel(kinds="fiu")
@in_float
def erf(xp, data):
    return special.erf_single(xp, data) if data.dtype.itemsize == 4 else special.erf(xp, data)


@erf.vjp("data")
def _(g, data):
    return g * (exp(-(data * data)) * (2 / pi**0.5))


@kernel(kinds="fiu")
@in_double
def erfinv(xp, data):
    return special.erfinv(xp, data)


@erfinv.vjp("data")
def _(g, out):
    return g * (exp(out * out) * (pi**0.5 / 2))


@kernel(kinds="fiu")
@in_double
def gamma(xp, data):
    return special.gamma(xp, data)


@gamma.vjp("data")
def _(g, data):
    return g * (gamma(data) * polygamma(data, n=0))


@kernel(kinds="fiu")
@in_double
def gammaln(xp, data):
    return special.gammaln(xp, data)


@gammaln.vjp("data")
def _(g, data):
    return g * polygamma(data, n=0)


@kernel(op="_polygamma", kinds="fiu")
@in_double
def polygamma(xp, data, n):
    return special.polygamma(xp, n, data)


@polygamma.vjp("data")
def _(g, data, n):
    return g * polygamma(data, n=n + 1)
