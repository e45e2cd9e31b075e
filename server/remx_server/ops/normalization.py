"""Normalizations with learned scales: kernels and their gradient rules.

A rule computes with one kernel for all three gradients, or where the pass is recorded with ops that have
rules.
"""

from __future__ import annotations

from math import prod
from typing import Any

from ..backend import Array
from ..channels import (
    Channels,
    gradient_sums,
    gradient_through,
    layer_gradients,
    layer_normalized,
    moments,
    normalized,
)
from ..registry import CURRENT, KERNELS, kernel
from ..value import Value

Gradients = tuple[Value | None, ...]
Kept = tuple[int, ...]


def _recording() -> bool:
    """Whether the pass that runs a rule is recorded, so that an op without rules will not do."""
    executor = CURRENT.executor
    return executor is not None and executor.recording


def _computed_in(xp: Any, data: Array) -> Any:
    """The dtype in which data is normalized."""
    return xp.dtype(xp.float32) if data.dtype.itemsize == 2 else data.dtype


def _gradients_in_ops(g: Value, data: Value, gamma: Value, kept: Kept, eps: float) -> Gradients:
    """The gradients of ``normalized data * gamma + beta``, in ops with rules.

    ``kept`` is the shape of the mean, and ``gamma`` has one that broadcasts with the data's.
    """
    data, g = _cast(data, gamma), _cast(g, gamma)
    count = max(data.spec.size, 1) / max(prod(kept), 1)
    centred = data - _total(data, kept) / count
    scale = KERNELS["rsqrt"](_total(centred * centred, kept) / count + eps)
    hat, flow = centred * scale, g * gamma
    flow = flow - (_total(flow, kept) + hat * _total(flow * hat, kept)) / count
    return flow * scale, _total(g * hat, gamma.spec.shape), _total(g, gamma.spec.shape)


def _total(value: Value, kept: Kept) -> Value:
    return KERNELS["_sum_to"](value, shape=kept)


def _shaped(value: Value, shape: Kept) -> Value:
    return KERNELS["_reshape"](value, shape=shape)


def _cast(value: Value, like: Value) -> Value:
    dtype = like.spec.dtype
    return value if value.spec.dtype == dtype else KERNELS["Cast"](value, dtype=dtype)


def _constant(value: Value) -> Value:
    """The value as one that is no part of the recorded computation."""
    return Value(value.data, value.spec, value.backend)


# Over a batch.


def _normalize_batch(
    xp: Any, arrays: tuple[Array, ...], axis: int, eps: float, fix_gamma: bool, batch: bool
) -> tuple[Array, Array, Array]:
    """The result, and the mean and the scale of each channel."""
    data, gamma, beta, mean, variance = arrays
    dtype = _computed_in(xp, data)
    channels = Channels(xp, data.shape, axis % data.ndim, dtype)
    if batch:
        mean, variance = moments(channels, data)
    scale = (1 / xp.sqrt(variance.astype(xp.float64) + eps)).astype(dtype)
    mean = mean.astype(dtype)
    out = normalized(channels, data, mean, scale if fix_gamma else scale * gamma, beta, data.dtype)
    return out, mean, scale


@kernel(op="BatchNorm", kinds="f")
def batch_norm(
    xp, data, gamma, beta, moving_mean, moving_var, axis, eps, fix_gamma, use_global_stats, training
):
    arrays = data, gamma, beta, moving_mean, moving_var
    return _normalize_batch(xp, arrays, axis, eps, fix_gamma, training and not use_global_stats)


@batch_norm.vjp_all
def _(
    g,
    data,
    gamma,
    out1,
    out2,
    moving_mean_place,
    moving_var_place,
    axis,
    eps,
    momentum,
    fix_gamma,
    use_global_stats,
    training,
):
    batch = training and not use_global_stats
    if batch:
        _move(moving_mean_place, moving_var_place, out1, out2, eps, momentum)
    return _batch_gradients(g, data, gamma, out1, out2, axis, eps, fix_gamma, batch)


@kernel(op="_contrib_BatchNormWithReLU", kinds="f")
def batch_norm_with_relu(
    xp, data, gamma, beta, moving_mean, moving_var, axis, eps, fix_gamma, use_global_stats, training
):
    arrays = data, gamma, beta, moving_mean, moving_var
    made = _normalize_batch(xp, arrays, axis, eps, fix_gamma, training and not use_global_stats)
    xp.maximum(made[0], 0, out=made[0])
    return made


@batch_norm_with_relu.vjp_all
def _(
    g,
    data,
    gamma,
    out,
    out1,
    out2,
    moving_mean_place,
    moving_var_place,
    axis,
    eps,
    momentum,
    fix_gamma,
    use_global_stats,
    training,
):
    batch = training and not use_global_stats
    if batch:
        _move(moving_mean_place, moving_var_place, out1, out2, eps, momentum)
    return _batch_gradients(KERNELS["_gate"](g, out), data, gamma, out1, out2, axis, eps, fix_gamma, batch)


@kernel(op="_contrib_SyncBatchNorm", kinds="f")
def sync_batch_norm(
    xp, data, gamma, beta, moving_mean, moving_var, eps, fix_gamma, use_global_stats, training
):
    arrays = data, gamma, beta, moving_mean, moving_var
    out, mean, scale = _normalize_batch(xp, arrays, 1, eps, fix_gamma, training and not use_global_stats)
    return out, mean, _variance(xp, scale, eps)


@sync_batch_norm.vjp_all
def _(
    g,
    data,
    gamma,
    out1,
    out2,
    moving_mean_place,
    moving_var_place,
    eps,
    momentum,
    fix_gamma,
    use_global_stats,
    training,
):
    batch = training and not use_global_stats
    scale = KERNELS["rsqrt"](out2 + eps)
    if batch:
        _move(moving_mean_place, moving_var_place, out1, scale, eps, momentum)
    return _batch_gradients(g, data, gamma, out1, scale, 1, eps, fix_gamma, batch)


def _variance(xp: Any, scale: Array, eps: float) -> Array:
    """The variance of which ``scale`` is 1 / sqrt(variance + eps)."""
    wide = scale.astype(xp.float64)
    return (1 / (wide * wide) - eps).astype(scale.dtype)


def _move(moving_mean: Value, moving_var: Value, mean: Value, scale: Value, eps: float, momentum: float):
    """Move the moving moments, as MXNet does in its backward pass."""
    if _recording():
        mean, scale = _constant(mean), _constant(scale)
    KERNELS["_move_moments"](moving_mean, moving_var, mean, scale, eps=eps, momentum=momentum)


def _batch_gradients(
    g: Value,
    data: Value,
    gamma: Value,
    mean: Value,
    scale: Value,
    axis: int,
    eps: float,
    fix_gamma: bool,
    batch: bool,
) -> Gradients:
    """The gradients of a BatchNorm's inputs; with ``batch`` the moments depend on the data."""
    if not _recording():
        made = batch_norm_back(
            g, data, gamma, mean, scale, axis=axis, fix_gamma=fix_gamma, constant=not batch
        )
        return (*made, None, None)
    axis %= len(data.spec.shape)
    kept = tuple(length if at == axis else 1 for at, length in enumerate(data.spec.shape))
    laid = _shaped(KERNELS["ones_like"](gamma) if fix_gamma else gamma, kept)
    if batch:
        made = _gradients_in_ops(g, data, laid, kept, eps)
    else:
        mean, scale = (_shaped(_constant(value), kept) for value in (mean, scale))
        data, g = _cast(data, gamma), _cast(g, gamma)
        made = g * laid * scale, _total(g * (data - mean) * scale, kept), _total(g, kept)
    vector = gamma.spec.shape
    return made[0], None if fix_gamma else _shaped(made[1], vector), _shaped(made[2], vector), None, None


@kernel(op="_batch_norm_back")
def batch_norm_back(xp, g, data, gamma, mean, scale, axis, fix_gamma, constant):
    channels = Channels(xp, data.shape, axis % data.ndim, mean.dtype)
    sums, products = gradient_sums(channels, g, data, mean)
    slope = scale if fix_gamma else scale * gamma
    if constant:
        shape = [1] * data.ndim
        shape[axis] = -1
        made = xp.multiply(g, slope.reshape(shape), dtype=mean.dtype).astype(data.dtype, copy=False)
    else:
        made = _through_moments(channels, g, data, mean, scale, slope, sums, products)
    gamma_gradient = xp.zeros_like(gamma) if fix_gamma else (products * scale).astype(gamma.dtype)
    return made, gamma_gradient, sums.astype(gamma.dtype)


def _through_moments(
    channels: Channels,
    g: Array,
    data: Array,
    mean: Array,
    scale: Array,
    slope: Array,
    sums: Array,
    products: Array,
) -> Array:
    """The gradient of data whose moments are those it is normalized by, from what ``gradient_sums`` gave."""
    count = max(channels.size, 1)
    factors = scale * scale * products / -count, sums / count, slope
    return gradient_through(channels, g, data, mean, factors)


@kernel(op="_move_moments")
def move_moments(xp, moving_mean, moving_var, mean, scale, eps, momentum):
    # MXNet's momentum has single precision whatever the moments have.
    kept = xp.float32(momentum)
    added = xp.float32(1) - kept
    for moving, new in (moving_mean, mean), (moving_var, _variance(xp, scale, eps)):
        moving *= kept
        moving += new * added
    return ()


# Over an axis.


def _rows(xp: Any, array: Array, axis: int) -> Array:
    """The array as a matrix whose rows lie along an axis."""
    moved = array if axis in (-1, array.ndim - 1) else xp.moveaxis(array, axis, -1)
    return xp.ascontiguousarray(moved).reshape(-1 if array.size else 0, array.shape[axis])


def _from_rows(xp: Any, matrix: Array, shape: tuple[int, ...], axis: int) -> Array:
    """The matrix of ``_rows`` as an array again."""
    if axis in (-1, len(shape) - 1):
        return matrix.reshape(shape)
    axis %= len(shape)
    moved = matrix.reshape((*shape[:axis], *shape[axis + 1 :], shape[axis]))
    return xp.ascontiguousarray(xp.moveaxis(moved, -1, axis))


def _deviation(xp: Any, variance: Array, eps: float, dtype: Any) -> Array:
    return xp.sqrt(variance + eps).astype(dtype)


@kernel(op="LayerNorm", kinds="f")
def layer_norm(xp, data, gamma, beta, axis, eps, out_specs):
    dtype = _computed_in(xp, data)
    rows = _rows(xp, data, axis)
    mean, variance = moments(Channels(xp, rows.shape, 0, dtype), rows)
    mean, deviation = mean.astype(dtype), _deviation(xp, variance, eps, dtype)
    made = layer_normalized(xp, rows, mean, 1 / deviation, gamma, beta)
    kept = out_specs[1].shape
    mean, deviation = (given.astype(data.dtype, copy=False).reshape(kept) for given in (mean, deviation))
    return _from_rows(xp, made, data.shape, axis), mean, deviation


@layer_norm.vjp_all
def _(g, data, gamma, out1, out2, axis, eps):
    if not _recording():
        return layer_norm_back(g, data, gamma, out1, out2, axis=axis)
    shape = [1] * len(data.spec.shape)
    shape[axis] = gamma.spec.size
    made = _gradients_in_ops(g, data, _shaped(gamma, tuple(shape)), out1.spec.shape, eps)
    return made[0], _shaped(made[1], gamma.spec.shape), _shaped(made[2], gamma.spec.shape)


@kernel(op="_layer_norm_back")
def layer_norm_back(xp, g, data, gamma, mean, deviation, axis):
    dtype = _computed_in(xp, data)
    mean, deviation = (given.astype(dtype, copy=False).reshape(-1) for given in (mean, deviation))
    made, *sums = layer_gradients(
        xp, _rows(xp, g, axis), _rows(xp, data, axis), gamma.astype(dtype, copy=False), mean, 1 / deviation
    )
    return (_from_rows(xp, made, data.shape, axis), *(given.astype(gamma.dtype) for given in sums))


# Over a sample's channels or groups of them.


def _grouped(xp: Any, data: Array, groups: int) -> Channels:
    """Each sample's groups of channels as channels, a row each."""
    samples = len(data)
    return Channels(xp, (samples * groups, data.size // max(samples * groups, 1)), 0, _computed_in(xp, data))


def _normalize_groups(
    xp: Any, data: Array, gamma: Array, beta: Array, eps: float
) -> tuple[Array, Array, Array]:
    """The result, and of each sample's groups the mean and the deviation; groups have a gamma each."""
    channels = _grouped(xp, data, len(gamma))
    mean, variance = moments(channels, data)
    mean, deviation = mean.astype(channels.dtype), _deviation(xp, variance, eps, channels.dtype)
    slope, shift = xp.tile(gamma, len(data)) / deviation, xp.tile(beta, len(data))
    out = normalized(channels, data, mean, slope, shift, data.dtype)
    kept = len(data), len(gamma)
    return out, *(given.astype(data.dtype, copy=False).reshape(kept) for given in (mean, deviation))


def _group_gradients(
    g: Value, data: Value, gamma: Value, mean: Value, deviation: Value, eps: float
) -> Gradients:
    """The gradients of data, gamma and beta, where each sample's groups have a mean and a deviation."""
    if not _recording():
        return tuple(group_norm_back(g, data, gamma, mean, deviation))
    samples, groups = mean.spec.shape
    split = samples, groups, data.spec.size // max(samples * groups, 1)
    laid = _shaped(gamma, (1, groups, 1))
    made = _gradients_in_ops(_shaped(g, split), _shaped(data, split), laid, (samples, groups, 1), eps)
    return (
        _shaped(made[0], data.spec.shape),
        _shaped(made[1], gamma.spec.shape),
        _shaped(made[2], gamma.spec.shape),
    )


@kernel(op="_group_norm_back")
def group_norm_back(xp, g, data, gamma, mean, deviation):
    channels = _grouped(xp, data, len(gamma))
    mean, deviation = (given.astype(channels.dtype, copy=False).reshape(-1) for given in (mean, deviation))
    scale = 1 / deviation
    sums, products = gradient_sums(channels, g, data, mean)
    slope = xp.tile(gamma, len(data)) * scale
    made = _through_moments(channels, g, data, mean, scale, slope, sums, products)
    kept = len(data), len(gamma)
    slopes, shifts = (products * scale).reshape(kept), sums.reshape(kept)
    return made, slopes.sum(axis=0).astype(gamma.dtype), shifts.sum(axis=0).astype(gamma.dtype)


@kernel(op="InstanceNorm", kinds="f")
def instance_norm(xp, data, gamma, beta, eps):
    return _normalize_groups(xp, data, gamma, beta, eps)


@instance_norm.vjp_all
def _(g, data, gamma, out1, out2, eps):
    return _group_gradients(g, data, gamma, out1, out2, eps)


@kernel(op="GroupNorm", kinds="f")
def group_norm(xp, data, gamma, beta, eps):
    return _normalize_groups(xp, data, gamma, beta, eps)


@group_norm.vjp_all
def _(g, data, gamma, out1, out2, eps):
    return _group_gradients(g, data, gamma, out1, out2, eps)


# Over neighbouring channels.


def _sum_window(xp: Any, data: Array, nsize: int) -> Array:
    """The sums of channels and their neighbours."""
    if nsize < 1:
        raise ValueError(f"nsize is {nsize}, not at least 1")
    made = data.copy()
    for step in range(1, min((nsize - 1) // 2, data.shape[1] - 1) + 1):
        made[:, step:] += data[:, :-step]
        made[:, :-step] += data[:, step:]
    return made


@kernel(op="LRN", kinds="f")
def lrn(xp, data, alpha, beta, knorm, nsize):
    wide = data.astype(_computed_in(xp, data), copy=False)
    factor = _sum_window(xp, xp.square(wide), nsize)
    factor *= alpha / nsize
    factor += knorm
    xp.power(factor, -beta, out=factor)
    factor *= wide
    return factor.astype(data.dtype, copy=False)


@lrn.vjp("data")
def _(g, data, alpha, beta, knorm, nsize):
    base = sum_neighbours(data * data, nsize=nsize) * (alpha / nsize) + knorm
    factor = base**-beta
    through = sum_neighbours(g * data * factor / base, nsize=nsize)
    return g * factor - data * through * (2 * alpha * beta / nsize)


@kernel(op="_sum_neighbours")
def sum_neighbours(xp, data, nsize):
    return _sum_window(xp, data, nsize)


@sum_neighbours.vjp("data")
def _(g, nsize):
    return sum_neighbours(g, nsize=nsize)
