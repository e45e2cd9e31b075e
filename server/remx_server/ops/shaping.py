"""Shapes, the order of elements, and joining: kernels and their gradient rules."""

from __future__ import annotations

import numpy as np
from remx_contract.rules.layout import tile_lengths, transpose_axes

from ..registry import KERNELS, kernel
from .creation import blank


def reshaped(g, shape):
    """A gradient with the shape of the input; the input's own gradient where nothing changes."""
    return g if g.spec.shape == shape else exact_reshape(g, shape=shape)


def _copy_of_shape(xp, data, out_specs):
    return data.reshape(out_specs[0].shape).copy()


def _reshape_gradient(g, data_spec):
    return reshaped(g, data_spec.shape)


def _register_reshapes():
    for name in ("Reshape", "_reshape", "Flatten", "expand_dims", "squeeze"):
        kernel(op=name)(_copy_of_shape).vjp("data")(_reshape_gradient)


_register_reshapes()
exact_reshape = KERNELS["_reshape"]


@kernel
def reshape_like(xp, lhs, rhs, out_specs):
    return lhs.reshape(out_specs[0].shape).copy()


@reshape_like.vjp("lhs")
def _(g, lhs_spec):
    return reshaped(g, lhs_spec.shape)


@reshape_like.vjp("rhs")
def _(g, rhs_spec):
    return blank(g, shape=rhs_spec.shape)


@kernel
def transpose(xp, data, axes):
    return data.transpose(axes or None).copy()


@transpose.vjp("data")
def _(g, data_spec, axes):
    order = transpose_axes(axes, len(data_spec.shape))
    return transpose(g, axes=tuple(order.index(axis) for axis in range(len(order))))


@kernel(op="SwapAxis")
def swap_axes(xp, data, dim1, dim2):
    return data.swapaxes(dim1, dim2).copy()


@swap_axes.vjp("data")
def _(g, dim1, dim2):
    return swap_axes(g, dim1=dim1, dim2=dim2)


@kernel
def reverse(xp, data, axis):
    turned = {one % data.ndim for one in axis}
    key = tuple(slice(None, None, -1 if one in turned else 1) for one in range(data.ndim))
    return data[key].copy()


@reverse.vjp("data")
def _(g, axis):
    return reverse(g, axis=axis)


@kernel
def depth_to_space(xp, data, block_size):
    batch, channels, height, width = data.shape
    depth = channels // (block_size * block_size)
    blocks = data.reshape(batch, block_size, block_size, depth, height, width)
    pixels = blocks.transpose(0, 3, 4, 1, 5, 2)
    return pixels.copy().reshape(batch, depth, height * block_size, width * block_size)


@depth_to_space.vjp("data")
def _(g, block_size):
    return space_to_depth(g, block_size=block_size)


@kernel
def space_to_depth(xp, data, block_size):
    batch, depth, height, width = data.shape
    pixels = data.reshape(batch, depth, height // block_size, block_size, width // block_size, block_size)
    blocks = pixels.transpose(0, 3, 5, 1, 2, 4)
    return blocks.copy().reshape(
        batch, depth * block_size * block_size, height // block_size, width // block_size
    )


@space_to_depth.vjp("data")
def _(g, block_size):
    return depth_to_space(g, block_size=block_size)


def _summed(g, parts, axes, shape):
    """A gradient cut into axes ``parts``, summed over some of them, as an array of the input's shape."""
    return reshaped(KERNELS["sum"](exact_reshape(g, shape=parts), axis=axes), shape)


@kernel
def repeat(xp, data, repeats, axis):
    return xp.repeat(data, repeats, axis)


@repeat.vjp("data")
def _(g, data_spec, repeats, axis):
    shape = data_spec.shape
    if axis is None:
        return _summed(g, (data_spec.size, repeats), (1,), shape)
    axis %= len(shape)
    return _summed(g, (*shape[: axis + 1], repeats, *shape[axis + 1 :]), (axis + 1,), shape)


@kernel
def tile(xp, data, reps):
    return xp.tile(data, reps)


@tile.vjp("data")
def _(g, data_spec, reps):
    lengths, times = tile_lengths(data_spec.shape, reps)
    parts = tuple(number for pair in zip(times, lengths, strict=True) for number in pair)
    return _summed(g, parts, tuple(range(0, len(parts), 2)), data_spec.shape)


def _grow(xp, data, out_specs):
    return xp.broadcast_to(data, out_specs[0].shape).copy()


def _register_growth():
    # The tape sums the gradient of a broadcasting row back to the input's shape.
    for name in ("broadcast_to", "broadcast_axis"):
        kernel(op=name)(_grow).vjp("data")(lambda g: g)


_register_growth()


@kernel
def broadcast_like(xp, lhs, rhs, out_specs):
    return xp.broadcast_to(lhs, out_specs[0].shape).copy()


@broadcast_like.vjp("lhs")
def _(g):
    return g


@broadcast_like.vjp("rhs")
def _(g, rhs_spec):
    return blank(g, shape=rhs_spec.shape)


def _inside(shape, pad_width):
    """Where the array of that shape lies inside the padded one."""
    return tuple(
        slice(pad_width[2 * axis], pad_width[2 * axis] + length) for axis, length in enumerate(shape)
    )


def _along(ndim, axis, key):
    return (slice(None),) * axis + (key,) + (slice(None),) * (ndim - axis - 1)


@kernel(op="Pad")
def pad(xp, data, mode, pad_width, constant_value, out_specs):
    if mode == "constant":
        made = xp.full(out_specs[0].shape, data.dtype.type(constant_value), data.dtype)
        made[_inside(data.shape, pad_width)] = data
        return made
    made = data
    for axis in range(2, data.ndim):
        before, after = pad_width[2 * axis : 2 * axis + 2]
        last = data.shape[axis] - 1
        wanted = np.arange(-before, last + 1 + after)
        if mode == "edge":
            source = wanted.clip(0, last)
        else:
            source = last - abs(last - abs(wanted))
        made = made.take(xp.asarray(source), axis=axis)
    return made


@pad.vjp("data")
def _(g, data_spec, mode, pad_width):
    return pad_back(g, mode=mode, pad_width=pad_width, shape=data_spec.shape)


@kernel(op="_pad_back")
def pad_back(xp, data, mode, pad_width, shape):
    if mode == "constant":
        return data[_inside(shape, pad_width)].copy()
    # Half precision is summed in single precision.
    made = data.astype(xp.float32) if data.dtype.itemsize == 2 else data
    for axis in range(2, data.ndim):
        made = _fold(made, mode, axis, pad_width[2 * axis], shape[axis])
    return made.astype(data.dtype, copy=False)


def _fold(padded, mode, axis, before, length):
    """The middle of an axis with what lies before and after it added to where it was copied from."""
    ndim = padded.ndim
    after = padded.shape[axis] - before - length
    made = padded[_along(ndim, axis, slice(before, before + length))].copy()
    head = padded[_along(ndim, axis, slice(None, before))]
    tail = padded[_along(ndim, axis, slice(before + length, None))]
    if mode == "edge":
        made[_along(ndim, axis, slice(0, 1))] += head.sum(axis, keepdims=True)
        made[_along(ndim, axis, slice(length - 1, None))] += tail.sum(axis, keepdims=True)
    else:
        backwards = _along(ndim, axis, slice(None, None, -1))
        made[_along(ndim, axis, slice(1, before + 1))] += head[backwards]
        made[_along(ndim, axis, slice(length - 1 - after, length - 1))] += tail[backwards]
    return made


@pad_back.vjp("data")
def _(g, mode, pad_width):
    return pad(g, mode=mode, pad_width=pad_width)


@kernel
def shape_array(xp, data):
    return xp.asarray(data.shape, dtype=xp.int64)


@kernel
def size_array(xp, data):
    return xp.asarray((data.size,), dtype=xp.int64)


@kernel(op="Concat")
def concat(xp, *data, dim):
    return xp.concatenate(data, dim)


@concat.vjp_all
def _(g, in_specs, needs, dim):
    axis = dim % len(in_specs[0].shape)
    gradients, first = [], 0
    for spec, need in zip(in_specs, needs, strict=True):
        last = first + spec.shape[axis]
        gradients.append(_part(g, axis, first, last, spec) if need else None)
        first = last
    return gradients


def _part(g, axis, first, last, spec):
    if first == last:
        # slice_axis refuses an empty part.
        return blank(g, shape=spec.shape)
    if last - first == g.spec.shape[axis]:
        return g
    return KERNELS["slice_axis"](g, axis=axis, begin=first, end=last)


@kernel
def stack(xp, *data, axis):
    return xp.stack(data, axis)


@stack.vjp_all
def _(g, in_specs, needs, axis):
    shape = in_specs[0].shape
    axis %= len(shape) + 1
    return [
        reshaped(KERNELS["slice_axis"](g, axis=axis, begin=number, end=number + 1), shape) if need else None
        for number, need in enumerate(needs)
    ]


@kernel
def cast_storage(xp, data):
    return data.copy()


@cast_storage.vjp("data")
def _(g):
    return g
