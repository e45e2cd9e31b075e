"""Parts of arrays along their axes: kernels and their gradient rules."""

from __future__ import annotations

from remx_contract.op import Attrs
from remx_contract.rules.slices import axis_bounds, crop_bounds, slice_key, split_cuts

from ..conversion import as_element
from ..registry import kernel
from .creation import blank
from .shaping import concat, reshaped


def _along(axis, first, last):
    return (slice(None),) * axis + (slice(first, last),)


def into(g, shape, starts_and_ends):
    """A gradient scattered into zeros of ``shape``; one pair of bounds for each of the first axes."""
    if g.spec.shape == shape:
        return g
    begin, end = zip(*starts_and_ends, strict=True)
    return slice_into(g, shape=shape, begin=begin, end=end)


@kernel(op="slice")
def slice_(xp, data, begin, end, step):
    return data[slice_key(data.shape, begin, end, step)].copy()


@slice_.vjp("data")
def _(g, data_spec, begin, end, step):
    return slice_into(g, shape=data_spec.shape, begin=begin, end=end, step=step)


@kernel(op="_slice_into")
def slice_into(xp, data, shape, begin, end, step):
    made = xp.zeros(shape, data.dtype)
    made[slice_key(shape, begin, end, step)] = data
    return made


@slice_into.vjp("data")
def _(g, begin, end, step):
    return slice_(g, begin=begin, end=end, step=step)


@kernel
def slice_axis(xp, data, axis, begin, end):
    return data[_along(*axis_bounds(data.shape, axis, begin, end))].copy()


@slice_axis.vjp("data")
def _(g, data_spec, axis, begin, end):
    axis, first, last = axis_bounds(data_spec.shape, axis, begin, end)
    return into(g, data_spec.shape, [(None, None)] * axis + [(first, last)])


@kernel
def slice_like(xp, data, shape_like, out_specs):
    return data[tuple(slice(length) for length in out_specs[0].shape)].copy()


@slice_like.vjp("data")
def _(g, data_spec):
    return into(g, data_spec.shape, [(0, length) for length in g.spec.shape])


@slice_like.vjp("shape_like")
def _(g, shape_like_spec):
    return blank(g, shape=shape_like_spec.shape)


@kernel(op="Crop")
def crop(xp, *data, offset, h_w, center_crop):
    attrs = Attrs(offset=offset, h_w=h_w, center_crop=center_crop)
    top, left, height, width = crop_bounds([one.shape for one in data], attrs)
    return data[0][:, :, top : top + height, left : left + width].copy()


@crop.vjp_all
def _(g, in_specs, offset, h_w, center_crop):
    attrs = Attrs(offset=offset, h_w=h_w, center_crop=center_crop)
    top, left, height, width = crop_bounds([spec.shape for spec in in_specs], attrs)
    bounds = [(None, None), (None, None), (top, top + height), (left, left + width)]
    return [into(g, in_specs[0].shape, bounds), *(blank(g, shape=spec.shape) for spec in in_specs[1:])]


def _cut(xp, data, axis, starts, out_specs):
    ends = [*starts[1:], data.shape[axis]]
    return tuple(
        data[_along(axis, first, last)].reshape(out.shape).copy()
        for first, last, out in zip(starts, ends, out_specs, strict=True)
    )


def _joined(gs, shape, axis, starts):
    """The gradients of the parts joined again."""
    ends = [*starts[1:], shape[axis]]
    parts = [
        reshaped(g, (*shape[:axis], last - first, *shape[axis + 1 :]))
        for g, first, last in zip(gs, starts, ends, strict=True)
    ]
    return parts[0] if len(parts) == 1 else concat(*parts, dim=axis)


@kernel(op="SliceChannel")
def split(xp, data, num_outputs, axis, out_specs):
    axis %= data.ndim
    part = data.shape[axis] // num_outputs
    return _cut(xp, data, axis, [part * number for number in range(num_outputs)], out_specs)


@split.vjp("data")
def _(gs, data_spec, num_outputs, axis):
    axis %= len(data_spec.shape)
    part = data_spec.shape[axis] // num_outputs
    return _joined(gs, data_spec.shape, axis, [part * number for number in range(num_outputs)])


@kernel(op="_split_v2")
def split_v2(xp, data, indices, axis, sections, out_specs):
    axis, starts = split_cuts(data.shape, Attrs(indices=indices, axis=axis, sections=sections))
    return _cut(xp, data, axis, starts, out_specs)


@split_v2.vjp("data")
def _(gs, data_spec, indices, axis, sections):
    axis, starts = split_cuts(data_spec.shape, Attrs(indices=indices, axis=axis, sections=sections))
    return _joined(gs, data_spec.shape, axis, starts)


@kernel(op="_slice_assign")
def slice_assign(xp, lhs, rhs, begin, end, step):
    made = lhs.copy()
    made[slice_key(lhs.shape, begin, end, step)] = rhs
    return made


@slice_assign.vjp("lhs")
def _(g, begin, end, step):
    return slice_assign_scalar(g, scalar=0.0, begin=begin, end=end, step=step)


@slice_assign.vjp("rhs")
def _(g, begin, end, step):
    return slice_(g, begin=begin, end=end, step=step)


@kernel(op="_slice_assign_scalar")
def slice_assign_scalar(xp, data, scalar, begin, end, step):
    made = data.copy()
    made[slice_key(data.shape, begin, end, step)] = as_element(scalar, data.dtype)
    return made


@slice_assign_scalar.vjp("data")
def _(g, begin, end, step):
    return slice_assign_scalar(g, scalar=0.0, begin=begin, end=end, step=step)
