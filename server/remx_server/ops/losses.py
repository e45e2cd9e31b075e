"""Outputs that carry a loss: kernels and their gradient rules."""

from __future__ import annotations

from math import prod
from typing import Any

from ..backend import Array
from ..registry import CURRENT, KERNELS, kernel
from ..value import Value
from .elementwise import compute_sigmoid, in_float
from .softmax import compute_softmax


def _split(shape: tuple[int, ...], multi_output: bool, preserve_shape: bool) -> tuple[int, int, int]:
    """How many samples there are, how many classes, and how many places of a sample."""
    if multi_output:
        return shape[0], shape[1], prod(shape[2:])
    samples = prod(shape[:-1]) if preserve_shape else shape[0]
    return samples, prod(shape) // max(samples, 1), 1


@kernel(op="SoftmaxOutput", kinds="f")
def softmax_output(xp, data, label, multi_output, preserve_shape):
    split = _split(data.shape, multi_output, preserve_shape)
    return compute_softmax(xp, data.reshape(split), 1, None, data.dtype).reshape(data.shape)


@softmax_output.vjp("data")
def _(
    g,
    data,
    label,
    out,
    grad_scale,
    ignore_label,
    multi_output,
    use_ignore,
    preserve_shape,
    normalization,
    out_grad,
    smooth_alpha,
):
    if CURRENT.executor is not None and CURRENT.executor.recording:
        # The rule of the result is this one, which is that of the loss.
        out = _softmax(data, multi_output, preserve_shape)
    gradient = softmax_output_back(
        out,
        label,
        grad_scale=grad_scale,
        ignore_label=ignore_label,
        multi_output=multi_output,
        use_ignore=use_ignore,
        preserve_shape=preserve_shape,
        normalization=normalization,
        smooth_alpha=smooth_alpha,
    )
    return gradient * g if out_grad else gradient


def _softmax(data: Value, multi_output: bool, preserve_shape: bool) -> Value:
    """The softmax of SoftmaxOutput, in ops with rules."""
    shape = data.spec.shape
    split = _split(shape, multi_output, preserve_shape)
    made = KERNELS["softmax"](KERNELS["_reshape"](data, shape=split), axis=1)
    return KERNELS["_reshape"](made, shape=shape)


@kernel(op="_softmax_output_back", kinds="f")
def softmax_output_back(
    xp,
    data,
    label,
    grad_scale,
    ignore_label,
    multi_output,
    use_ignore,
    preserve_shape,
    normalization,
    smooth_alpha,
    slope,
):
    dtype = data.dtype
    data, label = _wide(xp, data), _wide(xp, label)
    scale = data.dtype.type(grad_scale)
    if label.shape == data.shape:
        return ((data if slope else data - label) * scale).astype(dtype, copy=False)
    split = samples, _, places = _split(data.shape, multi_output, preserve_shape)
    # MXNet too reads the first labels where there are more than samples.
    label = label.reshape(-1)[: samples * places].reshape(samples, places)
    result = data.reshape(split).copy()
    if not slope:
        _subtract_target(xp, result, label, 0 if multi_output else smooth_alpha)
    wanted = label != ignore_label
    if use_ignore:
        result *= wanted[:, None, :]
    divisor: Any = max(places, 1)
    if normalization == "batch":
        divisor = max(samples * places, 1)
    elif normalization == "valid":
        divisor = xp.maximum(wanted.sum(), 1).astype(data.dtype)
    result *= (scale / divisor).astype(data.dtype)
    return result.reshape(data.shape).astype(dtype, copy=False)


def _wide(xp: Any, data: Array) -> Array:
    """Half precision as single."""
    return data.astype(xp.float32) if data.dtype.itemsize == 2 else data


def _subtract_target(xp: Any, result: Array, label: Array, smooth_alpha: float) -> None:
    """Subtract from the classes' probabilities what they should be."""
    samples, classes, places = result.shape
    share = smooth_alpha / max(classes - 1, 1)
    if share:
        result -= result.dtype.type(share)
    label = label.astype(xp.int64)
    known = (label >= 0) & (label < classes)
    at = xp.arange(samples)[:, None], xp.clip(label, 0, max(classes - 1, 0)), xp.arange(places)
    result[at] -= known.astype(result.dtype) * result.dtype.type(1 - smooth_alpha - share)


@softmax_output_back.vjp("data")
def _(
    g,
    label,
    grad_scale,
    ignore_label,
    multi_output,
    use_ignore,
    preserve_shape,
    normalization,
):
    return softmax_output_back(
        g,
        label,
        grad_scale=grad_scale,
        ignore_label=ignore_label,
        multi_output=multi_output,
        use_ignore=use_ignore,
        preserve_shape=preserve_shape,
        normalization=normalization,
        slope=True,
    )


# Regressions.


def _scaled(difference: Value, grad_scale: float) -> Value:
    """The gradient of a regression: scaled, and divided by the number of a sample's elements."""
    shape = difference.spec.shape
    scale = grad_scale / max(prod(shape[1:]), 1)
    return difference if scale == 1 else difference * scale


def _like(label: Value, data: Value) -> Value:
    shape = data.spec.shape
    return label if label.spec.shape == shape else KERNELS["_reshape"](label, shape=shape)


@kernel(op="LinearRegressionOutput", kinds="f")
def linear_regression_output(xp, data, label):
    return data.copy()


@linear_regression_output.vjp("data")
def _(g, data, label, grad_scale):
    return _scaled(data - _like(label, data), grad_scale)


@kernel(op="MAERegressionOutput", kinds="f")
def mae_regression_output(xp, data, label):
    return data.copy()


@mae_regression_output.vjp("data")
def _(g, data, label, grad_scale):
    return _scaled(KERNELS["sign"](data - _like(label, data)), grad_scale)


@in_float
def _sigmoid(xp: Any, data: Array) -> Array:
    return compute_sigmoid(xp, data)


@kernel(op="LogisticRegressionOutput", kinds="f")
def logistic_regression_output(xp, data, label):
    return _sigmoid(xp, data)


@logistic_regression_output.vjp("data")
def _(g, data, label, grad_scale):
    return _scaled(KERNELS["sigmoid"](data) - _like(label, data), grad_scale)


# Margins.


@kernel(op="SVMOutput", kinds="f")
def svm_output(xp, data, label):
    return data.copy()


@svm_output.vjp("data")
def _(g, data, label, margin, regularization_coefficient, use_linear):
    sign = _one_hot(label, data) * 2 - 1
    missing = KERNELS["relu"](margin - sign * data)
    if use_linear:
        missing = KERNELS["_greater_scalar"](missing, scalar=0.0)
    factor = -regularization_coefficient * (1 if use_linear else 2)
    return missing * sign * factor


def _one_hot(label: Value, data: Value) -> Value:
    """1 at each row's label, in the shape and dtype of the data."""
    return KERNELS["one_hot"](label, depth=data.spec.shape[-1], dtype=data.spec.dtype)


# Cross entropy.


@kernel(kinds="f")
def softmax_cross_entropy(xp, data, label):
    rows, classes = data.shape
    if not data.size:
        return xp.zeros(1, data.dtype)
    shares = compute_softmax(xp, data, 1, None, _wide(xp, data).dtype)
    at = label.astype(xp.int64)
    known = (at >= 0) & (at < classes)
    chosen = xp.maximum(shares[xp.arange(rows), xp.clip(at, 0, classes - 1)], 1e-8)
    return -(xp.log(chosen) * known).sum(keepdims=True).astype(data.dtype)


@softmax_cross_entropy.vjp("data")
def _(g, data, label):
    difference = KERNELS["softmax"](data, axis=1) - _one_hot(label, data)
    return difference * KERNELS["_reshape"](g, shape=(1, 1))
