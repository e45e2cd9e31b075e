"""Softmaxes: kernels and their gradient rules."""

from __future__ import annotations

from typing import Any

from remx_contract.errors import DTypeError

from ..backend import Array
from ..numeric import kept_total, largest
from ..registry import KERNELS, kernel
from ..value import Value
from .creation import blank


def _shifted(xp: Any, data: Array, axis: int, temperature: float | None, dtype: Any, sign: int = 1) -> Array:
    """``sign * data`` less its maximum, over the temperature, in the dtype that is computed in."""
    if data.dtype.kind != "f":
        raise DTypeError(argument="data", got=data.dtype.name, expected="a floating-point dtype")
    if data.dtype != dtype or dtype.itemsize == 2:
        data = data.astype(xp.result_type(data.dtype, dtype, xp.float32))
    if sign < 0:
        result = xp.subtract(data.min(axis=axis, keepdims=True), data)
    else:
        result = xp.subtract(data, largest(xp, data, axis))
    if temperature is not None and temperature != 1:
        result /= result.dtype.type(temperature)
    return result


def _normalized(xp: Any, shifted: Array, axis: int, dtype: Any) -> Array:
    """The softmax of what ``_shifted`` gave, in its memory."""
    xp.exp(shifted, out=shifted)
    shifted /= kept_total(xp, shifted, axis, shifted.dtype)
    return shifted.astype(dtype, copy=False)


def compute_softmax(xp: Any, data: Array, axis: int, temperature: float | None, dtype: Any) -> Array:
    """The softmax over one axis, as ``dtype``."""
    if not data.size:
        return xp.empty(data.shape, dtype)
    return _normalized(xp, _shifted(xp, data, axis, temperature, dtype), axis, dtype)


def softmax_gradient(g: Value, out: Value, axis: int, temperature: float | None) -> Value:
    """The gradient of a softmax's data, given its result."""
    gradient = out * (g - _summed(g * out, axis))
    return gradient if temperature in (None, 1) else gradient / temperature


def _summed(value: Value, axis: int) -> Value:
    """The sum over one axis, which is kept."""
    shape = list(value.spec.shape)
    shape[axis] = 1
    return KERNELS["_sum_to"](value, shape=tuple(shape))


@kernel
def softmax(xp, data, length=None, *, axis, temperature, out_specs):
    dtype = out_specs[0].dtype
    if length is None or not data.size:
        return compute_softmax(xp, data, axis, temperature, dtype)
    axis %= data.ndim
    positions = xp.arange(data.shape[axis]).reshape((-1,) + (1,) * (data.ndim - 1 - axis))
    inside = positions < xp.expand_dims(length, axis)
    masked = xp.where(inside, data, data.dtype.type(-xp.inf)) if data.dtype.kind == "f" else data
    result = compute_softmax(xp, masked, axis, temperature, dtype)
    # Where the length is 0 there is nothing to divide by.
    result[~inside] = 0
    return result


@softmax.vjp("data")
def _(g, out, axis, temperature):
    return softmax_gradient(g, out, axis, temperature)


@softmax.vjp("length")
def _(g, length_spec):
    return blank(g, shape=length_spec.shape)


@kernel
def softmin(xp, data, axis, temperature, out_specs):
    dtype = out_specs[0].dtype
    if not data.size:
        return xp.empty(data.shape, dtype)
    return _normalized(xp, _shifted(xp, data, axis, temperature, dtype, -1), axis, dtype)


@softmin.vjp("data")
def _(g, out, axis, temperature):
    return -softmax_gradient(g, out, axis, temperature)


@kernel
def log_softmax(xp, data, axis, temperature, out_specs):
    dtype = out_specs[0].dtype
    if not data.size:
        return xp.empty(data.shape, dtype)
    shifted = _shifted(xp, data, axis, temperature, dtype)
    shifted -= xp.log(kept_total(xp, xp.exp(shifted), axis, shifted.dtype))
    return shifted.astype(dtype, copy=False)


@log_softmax.vjp("data")
def _(g, out, axis, temperature):
    gradient = log_softmax_back(g, out, axis=axis)
    return gradient if temperature in (None, 1) else gradient / temperature


@kernel(op="_log_softmax_back")
def log_softmax_back(xp, data, result, axis):
    dtype = xp.float32 if data.dtype.itemsize == 2 else data.dtype
    share = xp.exp(result, dtype=dtype)
    share *= kept_total(xp, data, axis, dtype)
    return xp.subtract(data, share, out=share).astype(data.dtype, copy=False)


@log_softmax_back.vjp("data")
def _(g, result, axis):
    return g - _summed(g * KERNELS["exp"](result), axis)


@log_softmax_back.vjp("result")
def _(g, data, result, axis):
    return -(g * KERNELS["exp"](result) * _summed(data, axis))
