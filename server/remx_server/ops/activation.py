"""Activations of neural networks: kernels and their gradient rules."""

from __future__ import annotations

from math import pi
from typing import Any

from remx_contract.rules.activations import slopes_shape

from .. import special
from ..backend import Array
from ..registry import KERNELS, kernel
from .elementwise import compute_relu, compute_sigmoid, erf, exp, gate, in_float
from .softmax import compute_softmax, softmax_gradient

# The fixed point of Klambauer et al., "Self-normalizing neural networks" (2017).
_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_SLOPE = 1.6732632423543772848170429916717


def _softrelu(xp: Any, data: Array) -> Array:
    # log(1 + exp(x)) as the maximum of x and 0 plus a term that never overflows.
    return xp.maximum(data, 0) + xp.log1p(xp.exp(-xp.abs(data)))


def _softsign(xp: Any, data: Array) -> Array:
    return data / (xp.abs(data) + 1)


_SMOOTH = {"sigmoid": compute_sigmoid, "softrelu": _softrelu, "softsign": _softsign}


@in_float
def _smooth(xp: Any, data: Array, act_type: str) -> Array:
    return _SMOOTH[act_type](xp, data)


@kernel(op="Activation", kinds="f")
def activation(xp, data, act_type):
    if act_type == "relu":
        return compute_relu(xp, data)
    if act_type == "tanh":
        return xp.tanh(data)
    return _smooth(xp, data, act_type=act_type)


@activation.vjp("data")
def _(g, out, act_type):
    # Every slope follows from the result, so that the data need not be kept.
    if act_type == "relu":
        return gate(g, out)
    if act_type == "sigmoid":
        return g * (out * (1 - out))
    if act_type == "tanh":
        return g * (1 - out * out)
    if act_type == "softrelu":
        return -(g * KERNELS["expm1"](-out))
    return g * KERNELS["square"](1 - KERNELS["abs"](out))


@in_float
def _bent(xp: Any, data: Array, act_type: str, slope: float) -> Array:
    if act_type == "gelu":
        return data * _normal_cdf(xp, data)
    below = xp.expm1(xp.minimum(data, 0)) * slope
    return xp.where(data > 0, data, below)


def _normal_cdf(xp: Any, data: Array) -> Array:
    argument = data * 0.5**0.5
    single = data.dtype.itemsize == 4
    return ((special.erf_single if single else special.erf)(xp, argument) + 1) * 0.5


def _straight(xp: Any, data: Array, slope: Any) -> Array:
    return xp.where(data > 0, data, data * slope)


@kernel(op="LeakyReLU", kinds="f")
def leaky_relu(
    xp, data, gamma=None, *, act_type, slope, lower_bound, upper_bound, training, random, out_specs
):
    cast = data.dtype.type
    if act_type == "leaky":
        return _straight(xp, data, cast(slope))
    if act_type == "prelu":
        return _straight(xp, data, gamma.reshape(slopes_shape(gamma.shape, data.shape)))
    if act_type == "selu":
        return _bent(xp, data, act_type=act_type, slope=_SELU_SLOPE) * cast(_SELU_SCALE)
    if act_type in ("elu", "gelu"):
        return _bent(xp, data, act_type=act_type, slope=slope)
    if training:
        slopes = xp.asarray(random.uniform(lower_bound, upper_bound, data.shape, data.dtype))
    else:
        slopes = xp.full(data.shape, (lower_bound + upper_bound) / 2, data.dtype)
    return _straight(xp, data, slopes), slopes


@leaky_relu.vjp("data")
def _(g, data, gamma, out1, act_type, slope):
    if act_type == "gelu":
        density = exp(data * data * -0.5) * (2 * pi) ** -0.5
        return g * ((erf(data * 0.5**0.5) + 1) * 0.5 + data * density)
    above = gate(g, data)
    below = g - above
    if act_type == "leaky":
        return above + below * slope
    if act_type == "prelu":
        return above + below * _laid_out(gamma, data.spec.shape)
    if act_type == "rrelu":
        return above + below * out1
    falling = exp(KERNELS["_minimum_scalar"](data, scalar=0.0))
    if act_type == "elu":
        return above + below * (falling * slope)
    return (above + below * (falling * _SELU_SLOPE)) * _SELU_SCALE


@leaky_relu.vjp("gamma")
def _(g, data, gamma_spec):
    shape = slopes_shape(gamma_spec.shape, data.spec.shape)
    below = KERNELS["_sum_to"](g * KERNELS["_minimum_scalar"](data, scalar=0.0), shape=shape)
    return KERNELS["_reshape"](below, shape=gamma_spec.shape)


def _laid_out(gamma: Any, data_shape: tuple[int, ...]) -> Any:
    return KERNELS["_reshape"](gamma, shape=slopes_shape(gamma.spec.shape, data_shape))


def _softmax_axis(mode: str) -> int:
    return 1 if mode == "channel" else -1


@kernel(op="SoftmaxActivation", kinds="f")
def softmax_activation(xp, data, mode):
    return compute_softmax(xp, data, _softmax_axis(mode), None, data.dtype)


@softmax_activation.vjp("data")
def _(g, out, mode):
    return softmax_gradient(g, out, _softmax_axis(mode), None)
