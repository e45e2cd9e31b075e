"""Reductions along axes: kernels and gradient rules."""

from __future__ import annotations

from math import prod

from remx_contract.rules.reductions import l2_axes, reduced_axes

from ..conversion import as_element
from ..numeric import total
from ..registry import KERNELS, kernel


def _wide(xp, data):
    """The dtype to accumulate in: float32 for float16, else the data's own, in which integers wrap around."""
    return xp.float32 if data.dtype.char == "e" else data.dtype


def _as(dtype, array):
    """The array in a dtype; an integer dtype takes a float's lowest bits, as MXNet does on a CPU."""
    if array.dtype == dtype:
        return array
    if dtype.kind in "iu" and array.dtype.kind == "f":
        array = array.astype("int64")
    return array.astype(dtype)


def _spread(g, data_spec, axes, scale=1.0):
    return KERNELS["_spread_axes"](g, axes=axes, shape=data_spec.shape, scale=scale)


def _scaled(data, scale):
    return data if scale == 1.0 else data * as_element(scale, data.dtype)


# The pair of which most gradients are made.


@kernel(op="_sum_axes")
def sum_axes(xp, data, axes, shape, scale):
    summed = total(xp, data, axes, _wide(xp, data))
    return _scaled(summed, scale).astype(data.dtype, copy=False).reshape(shape)


@sum_axes.vjp("data")
def _(g, data_spec, axes, scale):
    return _spread(g, data_spec, axes, scale)


@kernel(op="_spread_axes")
def spread_axes(xp, data, axes, shape, scale):
    spread = xp.empty(shape, data.dtype)
    kept = [1 if axis in axes else length for axis, length in enumerate(shape)]
    spread[...] = _scaled(data, scale).reshape(kept)
    return spread


@spread_axes.vjp("data")
def _(g, data_spec, axes, scale):
    return KERNELS["_sum_axes"](g, axes=axes, shape=data_spec.shape, scale=scale)


# Sums and products.


@kernel(op="sum")
def sum_(xp, data, axis, exclude, out_specs):
    axes = reduced_axes(axis, data.ndim, exclude)
    if data.dtype.char == "e":
        return data.sum(axis=axes, dtype=xp.float32).astype(data.dtype).reshape(out_specs[0].shape)
    return total(xp, data, axes, data.dtype).reshape(out_specs[0].shape)


@sum_.vjp("data")
def _(g, data_spec, axis, exclude):
    return _spread(g, data_spec, reduced_axes(axis, len(data_spec.shape), exclude))


@kernel
def mean(xp, data, axis, exclude, out_specs):
    axes = reduced_axes(axis, data.ndim, exclude)
    summed = total(xp, data, axes, _wide(xp, data))
    return _divided(xp, summed, _count(data.shape, axes), data.dtype).reshape(out_specs[0].shape)


@mean.vjp("data")
def _(g, data_spec, axis, exclude):
    axes = reduced_axes(axis, len(data_spec.shape), exclude)
    return _spread(g, data_spec, axes, _reciprocal(_count(data_spec.shape, axes)))


def _count(shape, axes):
    return prod(shape[axis] for axis in axes)


def _reciprocal(count):
    return 1.0 / count if count else 0.0


def _divided(xp, summed, count, dtype):
    """A sum divided by a number of elements: truncated for integers, NaN for floats without elements."""
    if dtype.kind == "b":
        return summed
    if dtype.kind == "f":
        return (summed / summed.dtype.type(count)).astype(dtype, copy=False)
    summed = summed.astype("int64")
    return (xp.sign(summed) * (abs(summed) // max(count, 1))).astype(dtype)


@kernel(op="prod")
def prod_(xp, data, axis, exclude, out_specs):
    axes = reduced_axes(axis, data.ndim, exclude)
    product = data.prod(axis=axes, dtype=_wide(xp, data))
    return product.astype(data.dtype, copy=False).reshape(out_specs[0].shape)


@prod_.vjp("data")
def _(g, data, axis, exclude):
    return _times_the_others(g, data, reduced_axes(axis, len(data.spec.shape), exclude))


def _times_the_others(g, data, axes):
    """The gradient of a product along axes: for each element, ``g`` times the product of the others.

    Halves are multiplied with each other until one column is left; on the way back each half gets what
    arrives times the other half. Nothing is divided, so that zeros are right at every order.
    """
    shape = data.spec.shape
    if not data.spec.size:
        return KERNELS["zeros_like"](data)
    order = (*(axis for axis in range(len(shape)) if axis not in axes), *axes)
    count = _count(shape, axes)
    rows = data.spec.size // count
    level = KERNELS["_reshape"](KERNELS["transpose"](data, axes=order), shape=(rows, count))
    halves = []
    while count > 1:
        half = count // 2
        left, right = _columns(level, 0, half), _columns(level, half, 2 * half)
        rest = [_columns(level, count - 1, count)] if count % 2 else []
        halves.append((left, right))
        level = KERNELS["Concat"](left * right, *rest, dim=1) if rest else left * right
        count = half + len(rest)
    gradient = KERNELS["_reshape"](g, shape=(rows, 1))
    for left, right in reversed(halves):
        half, width = left.spec.shape[1], gradient.spec.shape[1]
        pairs = _columns(gradient, 0, half) if width > half else gradient
        rest = [_columns(gradient, half, width)] if width > half else []
        gradient = KERNELS["Concat"](pairs * right, pairs * left, *rest, dim=1)
    gradient = KERNELS["_reshape"](gradient, shape=tuple(shape[axis] for axis in order))
    return KERNELS["transpose"](gradient, axes=tuple(order.index(axis) for axis in range(len(shape))))


def _columns(matrix, first, last):
    return KERNELS["slice_axis"](matrix, axis=1, begin=first, end=last)


def _without_nans(xp, data, instead):
    if data.dtype.kind != "f":
        return data
    return xp.where(xp.isnan(data), data.dtype.type(instead), data)


@kernel
def nansum(xp, data, axis, exclude, out_specs):
    return sum_.function(xp, _without_nans(xp, data, 0), axis, exclude, out_specs)


@nansum.vjp("data")
def _(g, data, axis, exclude):
    # A NaN is not equal to itself.
    present = KERNELS["_equal"](data, data)
    return _spread(g, data.spec, reduced_axes(axis, len(data.spec.shape), exclude)) * present


@kernel
def nanprod(xp, data, axis, exclude, out_specs):
    return prod_.function(xp, _without_nans(xp, data, 1), axis, exclude, out_specs)


@nanprod.vjp("data")
def _(g, data, axis, exclude):
    present = KERNELS["_equal"](data, data)
    # Chosen, not multiplied: zero times NaN would not take it out.
    factors = KERNELS["where"](present, data, KERNELS["ones_like"](data))
    gradient = _times_the_others(g, factors, reduced_axes(axis, len(data.spec.shape), exclude))
    return KERNELS["where"](present, gradient, KERNELS["zeros_like"](data))


# Extrema.


@kernel(op="max")
def max_(xp, data, axis, exclude, out_specs):
    return data.max(axis=reduced_axes(axis, data.ndim, exclude)).reshape(out_specs[0].shape)


@kernel(op="min")
def min_(xp, data, axis, exclude, out_specs):
    return data.min(axis=reduced_axes(axis, data.ndim, exclude)).reshape(out_specs[0].shape)


@max_.vjp("data")
@min_.vjp("data")
def _(g, data, out, axis, exclude):
    axes = reduced_axes(axis, len(data.spec.shape), exclude)
    return _spread(g, data.spec, axes) * KERNELS["_equal"](data, _spread(out, data.spec, axes))


@kernel
def argmax(xp, data, axis, out_specs):
    return data.argmax(axis=axis).astype(data.dtype).reshape(out_specs[0].shape)


@kernel
def argmin(xp, data, axis, out_specs):
    return data.argmin(axis=axis).astype(data.dtype).reshape(out_specs[0].shape)


@kernel
def argmax_channel(xp, data):
    return data.argmax(axis=1).astype(data.dtype)


# Norms and moments.


@kernel
def norm(xp, data, ord, axis, out_specs):
    wide = data.astype(_wide(xp, data) if data.dtype.kind == "f" else xp.float64, copy=False)
    axes = reduced_axes(axis, data.ndim)
    if ord == 1:
        found = abs(wide).sum(axis=axes)
    else:
        found = xp.sqrt((wide * wide).sum(axis=axes))
    return _as(out_specs[0].dtype, found).reshape(out_specs[0].shape)


@norm.vjp("data")
def _(g, data, out, ord, axis):
    axes = reduced_axes(axis, len(data.spec.shape))
    converted = data if data.spec.dtype == g.spec.dtype else KERNELS["Cast"](data, dtype=g.spec.dtype)
    if ord == 1:
        return _spread(g, data.spec, axes) * KERNELS["sign"](converted)
    return _spread(g / out, data.spec, axes) * converted


@kernel
def moments(xp, data, axes, out_specs):
    dtype = data.dtype
    over = reduced_axes(axes, data.ndim)
    count = _count(data.shape, over)
    wide = data.astype(xp.float32) if dtype.char == "e" else data
    accumulator = xp.int64 if dtype.kind in "biu" else wide.dtype
    summed = wide.sum(axis=over, dtype=accumulator, keepdims=True)
    mean = _divided(xp, summed, count, xp.dtype(accumulator))
    deviation = wide - mean
    squares = (deviation * deviation).sum(axis=over, dtype=accumulator)
    variance = _divided(xp, squares, count, xp.dtype(accumulator))
    shape = out_specs[0].shape
    return mean.astype(dtype).reshape(shape), variance.astype(dtype).reshape(shape)


@moments.vjp("data")
def _(gs, data, out0, axes):
    over = reduced_axes(axes, len(data.spec.shape))
    share = _reciprocal(_count(data.spec.shape, over))
    deviation = data - _spread(out0, data.spec, over)
    return _spread(gs[0] * share, data.spec, over) + _spread(gs[1] * (2 * share), data.spec, over) * deviation


@kernel(op="L2Normalization")
def l2_normalization(xp, data, eps, mode):
    wide = data.astype(_wide(xp, data), copy=False)
    squares = (wide * wide).sum(axis=l2_axes(mode, data.ndim), keepdims=True)
    return (wide / xp.sqrt(squares + squares.dtype.type(eps))).astype(data.dtype, copy=False)


@l2_normalization.vjp("data")
def _(g, data, eps, mode):
    axes = l2_axes(mode, len(data.spec.shape))

    def total(array):
        return KERNELS["sum"](array, axis=axes, keepdims=True) if axes else array

    scale = (total(data * data) + eps) ** -0.5
    return g * scale - data * (scale * scale * scale * total(g * data))


# Running sums.


@kernel(op="_np_cumsum")
def cumsum(xp, a, axis, out_specs):
    dtype = out_specs[0].dtype
    if axis is None:
        a, axis = a.reshape(-1), 0
    a = _as(dtype, a)
    return xp.cumsum(a, axis=axis, dtype=_wide(xp, a)).astype(dtype, copy=False)


@cumsum.vjp("a")
def _(g, a_spec, axis):
    return KERNELS["_reverse_cumsum"](g, axis=axis, shape=a_spec.shape)


@kernel(op="_reverse_cumsum")
def reverse_cumsum(xp, data, axis, shape):
    along = -1 if axis is None else axis
    running = xp.cumsum(xp.flip(data, along), axis=along, dtype=_wide(xp, data))
    return xp.ascontiguousarray(xp.flip(running, along)).astype(data.dtype, copy=False).reshape(shape)


@reverse_cumsum.vjp("data")
def _(g, axis):
    return KERNELS["_np_cumsum"](g, axis=axis)
