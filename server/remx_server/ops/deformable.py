"""Regions of feature maps whose bins are moved: kernels and gradient rules."""

from __future__ import annotations

from ..boxes import wide
from ..patches import (
    channels_first,
    channels_last,
    clamped,
    elements,
    rounded,
    spread_rows,
    weighted_rows,
    within,
)
from ..registry import KERNELS, kernel
from .regions import blank_like, images_of

# Bins that are moved.


def _moved(xp, rois, trans, axis, scale, pooled_size, part_size, samples, trans_std):
    """Of each region, class, bin and sample the place along an axis, and how far a move of 1 goes.

    Shapes (regions, classes, bins, bins, samples) and (regions, 1, 1, 1, 1).
    """
    kind = rois.dtype.type
    corners = rounded(xp, rois[:, 1:])
    start = corners[:, 1 - axis] * kind(scale) - kind(0.5)
    end = (corners[:, 3 - axis] + kind(1)) * kind(scale) - kind(0.5)
    length = xp.maximum(end - start, kind(0.1)).reshape(-1, 1, 1, 1, 1)
    step = length / kind(pooled_size)
    bins = xp.arange(pooled_size).astype(rois.dtype)
    bins = bins.reshape(-1, 1, 1) if axis == 0 else bins.reshape(1, -1, 1)
    place = start.reshape(-1, 1, 1, 1, 1) + bins * step
    reach = length * kind(trans_std)
    if trans is not None:
        each = xp.arange(pooled_size) * part_size // pooled_size
        moves = trans[:, 1 - axis :: 2][:, :, each[:, None], each]
        place = place + moves[..., None] * reach
    shape = (len(rois), place.shape[1], pooled_size, pooled_size, samples)
    place = place + xp.arange(samples).astype(rois.dtype) * (step / kind(samples))
    return xp.broadcast_to(place, shape), reach


def _deformed(xp, data_shape, rois, trans, attrs):
    """For blocks of regions: their range, and the index and weight of what a bin of a class is the sum of."""
    group_size, pooled_size, samples = attrs.group_size, attrs.pooled_size, attrs.sample_per_part
    part_size = attrs.part_size or pooled_size
    height, width = data_shape[2:]
    rois = wide(xp, rois)
    trans = None if trans is None else wide(xp, trans)
    image = images_of(xp, rois, data_shape[0])
    classes = 1 if trans is None else trans.shape[1] // 2
    each = xp.arange(pooled_size) * group_size // pooled_size
    groups = each[:, None] * group_size + each
    step = max(elements(xp) // max(classes * pooled_size**2 * 4 * samples**2, 1), 1)
    for low in range(0, len(rois), step):
        high = min(low + step, len(rois))
        positions, weights, inside = [], [], []
        for axis, derivative in (0, attrs.get("dy", 0)), (1, attrs.get("dx", 0)):
            length = data_shape[2 + axis]
            place, reach = _moved(
                xp,
                rois[low:high],
                None if trans is None else trans[low:high],
                axis,
                attrs.spatial_scale,
                pooled_size,
                part_size,
                samples,
                attrs.trans_std,
            )
            position, weight = clamped(xp, place, length, 0.5, derivative)
            positions.append(position.reshape(*place.shape[:4], -1))
            weight = weight.reshape(*place.shape[:4], -1)
            weights.append(weight * reach if derivative else weight)
            inside.append(within(xp, place, length, 0.5).sum(axis=-1))
        first = image[low:high].reshape(-1, 1, 1, 1) * group_size**2 + groups
        index = first[..., None, None] * height + positions[0][..., :, None]
        index = (index * width + positions[1][..., None, :]) * classes
        index = index + xp.arange(classes).reshape(-1, 1, 1, 1, 1)
        count = xp.maximum(inside[0] * inside[1], 1).astype(rois.dtype)
        there = (image[low:high] >= 0).reshape(-1, 1, 1, 1)
        weight = weights[0][..., :, None] * weights[1][..., None, :] * (there / count)[..., None, None]
        flat = (-1, 4 * samples**2)
        rows = classes * pooled_size**2
        index = xp.where(there[..., None, None], index, 0)
        yield slice(low * rows, high * rows), index.reshape(flat), weight.reshape(flat).astype(rois.dtype)


def _classes_first(xp, made, shape, classes):
    """(regions * classes * bins, channels of a class) as (regions, channels, rows, columns)."""
    regions, channels, rows, columns = shape
    moved = made.reshape(regions, classes, rows, columns, channels // classes).transpose(0, 1, 4, 2, 3)
    return xp.ascontiguousarray(moved.reshape(shape))


@kernel(op="_contrib_DeformablePSROIPooling", kinds="f")
def deformable_ps_roi_pooling(xp, data, rois, trans=None, *, attrs, out_specs):
    shape = out_specs[0].shape
    groups = attrs.group_size**2
    classes = 1 if trans is None else trans.shape[1] // 2
    rows = wide(xp, channels_last(data[:, : attrs.output_dim * groups], groups))
    rows = rows.reshape(-1, attrs.output_dim // classes)
    made = xp.empty((shape[0] * classes * shape[2] * shape[3], rows.shape[1]), data.dtype)
    for part, index, weight in _deformed(xp, data.shape, rois, trans, attrs):
        made[part] = weighted_rows(xp, rows, index, weight)
    return _classes_first(xp, made, shape, classes)


deformable_pool = kernel(op="_deformable_pool", kinds="f")(deformable_ps_roi_pooling.function)


@kernel(op="_deformable_back", kinds="f")
def deformable_back(xp, data, rois, trans=None, *, attrs):
    shape, output_dim = attrs.shape, attrs.output_dim
    groups = attrs.group_size**2
    classes = 1 if trans is None else trans.shape[1] // 2
    regions, channels, rows, columns = data.shape
    each = channels // classes
    moved = wide(xp, data).reshape(regions, classes, each, rows, columns).transpose(0, 1, 3, 4, 2)
    values = moved.reshape(regions * classes * rows * columns, each)
    made = xp.zeros((shape[0] * groups * shape[2] * shape[3] * classes, each), values.dtype)
    for part, index, weight in _deformed(xp, shape, rois, trans, attrs):
        spread_rows(xp, made, values[part], index, weight)
    used = (shape[0], output_dim * groups, *shape[2:])
    whole_map = xp.zeros(shape, data.dtype)
    whole_map[:, : used[1]] = channels_first(xp, made.reshape(-1, output_dim), used, groups)
    return whole_map


# Their gradients: by the data, and by how far bins are moved.


def _common(attrs, **others):
    """The attributes that all of the ops have, and others."""
    return {**{attr.name: attrs[attr.name] for attr in deformable_ps_roi_pooling.op.attrs}, **others}


def _with(trans):
    return () if trans is None else (trans,)


def _by_moves(g, data, rois, trans, attrs):
    """The gradient of moves: ``g`` times the derivatives of the result, summed over what moves together."""
    part = attrs.part_size or attrs.pooled_size
    classes = trans.spec.shape[1] // 2
    parts = []
    for by_x, by_y in (1, 0), (0, 1):
        dx, dy = attrs.get("dx", 0) + by_x, attrs.get("dy", 0) + by_y
        if dx > 1 or dy > 1:
            # A weight is linear in either.
            parts.append(KERNELS["_blank"](g, shape=(rois.spec.shape[0], classes, part, part)))
        else:
            moved = deformable_pool(data, rois, trans, **_common(attrs, dx=dx, dy=dy))
            parts.append(part_sum(g * moved, classes=classes, part_size=part))
    both = KERNELS["stack"](*parts, axis=2)
    return KERNELS["_reshape"](both, shape=trans.spec.shape)


@deformable_ps_roi_pooling.vjp("data")
def _(g, rois, trans, data_spec, attrs):
    return deformable_back(g, rois, *_with(trans), **_common(attrs, shape=data_spec.shape))


@deformable_pool.vjp("data")
def _(g, rois, trans, data_spec, attrs):
    derivative = {"dx": attrs.dx, "dy": attrs.dy}
    return deformable_back(g, rois, *_with(trans), **_common(attrs, shape=data_spec.shape, **derivative))


@deformable_back.vjp("data")
def _(g, rois, trans, attrs):
    return deformable_pool(g, rois, *_with(trans), **_common(attrs, dx=attrs.dx, dy=attrs.dy))


@deformable_ps_roi_pooling.vjp("trans")
@deformable_pool.vjp("trans")
def _(g, data, rois, trans, attrs):
    return _by_moves(g, data, rois, trans, attrs)


@deformable_back.vjp("trans")
def _(g, data, rois, trans, attrs):
    # What is put to a place is a product of the values and the weights, as what is read there.
    return _by_moves(data, g, rois, trans, attrs)


for _kernel in (deformable_ps_roi_pooling, deformable_pool, deformable_back):
    blank_like(_kernel, "rois")


def _selector(xp, bins, parts, dtype):
    """Ones where a bin, by row, is in a part, by column."""
    each = xp.arange(bins) * parts // bins
    return (each[:, None] == xp.arange(parts)).astype(dtype)


@kernel(op="_part_sum", kinds="f")
def part_sum(xp, data, classes, part_size):
    regions, channels, bins, _ = data.shape
    given = wide(xp, data).reshape(regions, classes, channels // classes, bins, bins).sum(axis=2)
    choice = _selector(xp, bins, part_size, given.dtype)
    return xp.matmul(xp.matmul(choice.T, given), choice).astype(data.dtype, copy=False)


@part_sum.vjp("data")
def _(g, data_spec, classes, part_size):
    return part_spread(g, classes=classes, part_size=part_size, shape=data_spec.shape)


@kernel(op="_part_spread", kinds="f")
def part_spread(xp, data, classes, part_size, shape):
    regions, channels, bins, _ = shape
    each = xp.arange(bins) * part_size // bins
    made = xp.empty((regions, classes, channels // classes, bins, bins), data.dtype)
    made[...] = data[:, :, each[:, None], each][:, :, None]
    return made.reshape(shape)


@part_spread.vjp("data")
def _(g, classes, part_size):
    return part_sum(g, classes=classes, part_size=part_size)
