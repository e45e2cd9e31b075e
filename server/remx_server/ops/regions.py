"""Regions of feature maps: kernels and gradient rules."""

from __future__ import annotations

from math import pi

from ..boxes import wide
from ..patches import (
    channels_first,
    channels_last,
    clamped,
    elements,
    rounded,
    spread_rows,
    weighted_rows,
    whole,
    windows,
)
from ..registry import KERNELS, kernel


def blank_like(rule_of, name):
    """Regions and places get zeros."""
    index = rule_of.op.inputs.index(name)

    def rule(g, in_specs):
        return KERNELS["_blank"](g, shape=in_specs[index].shape)

    rule_of.vjp(name)(rule)


def images_of(xp, rois, batch):
    """The numbers of the images of regions, IndexError for one that is not there."""
    numbers = whole(xp, rois[:, 0])
    if bool((numbers >= batch).any()):
        raise IndexError(f"index {int(numbers.max())} is out of bounds for axis 0 with size {batch}")
    return numbers


# The largest element of each bin.


def _bins(xp, rois, scale, size, lengths):
    """The first row and column of each bin of regions of whole elements, and those behind the last.

    Both have shape (regions * bins, 2).
    """
    corners = rounded(xp, rois[:, 1:] * rois.dtype.type(scale))
    start = whole(xp, corners[:, [1, 0]])
    length = xp.maximum(whole(xp, corners[:, [3, 2]]) - start + 1, 1)
    ends = []
    for axis in 0, 1:
        step = length[:, axis, None].astype(rois.dtype) / rois.dtype.type(size[axis])
        at = xp.arange(size[axis] + 1).astype(rois.dtype) * step
        low = whole(xp, xp.floor(at[:, :-1])) + start[:, axis, None]
        high = whole(xp, xp.ceil(at[:, 1:])) + start[:, axis, None]
        ends.append([xp.clip(end, 0, lengths[axis]) for end in (low, high)])
    return [_crossed(xp, ends[0][end], ends[1][end]) for end in (0, 1)]


def _crossed(xp, down, across):
    """Pairs of a row's and a column's numbers, (regions * rows * columns, 2)."""
    shape = (*down.shape, across.shape[1], 2)
    made = xp.empty(shape, down.dtype)
    made[..., 0] = down[:, :, None]
    made[..., 1] = across[:, None, :]
    return made.reshape(-1, 2)


def _largest(xp, data, rois, pooled_size, spatial_scale):
    """For blocks of bins: which they are, the rows of the matrix of channels, and these rows' numbers."""
    batch, channels, height, width = data.shape
    image = xp.repeat(images_of(xp, rois, batch), pooled_size[0] * pooled_size[1])
    low, high = _bins(xp, wide(xp, rois), spatial_scale, pooled_size, (height, width))
    high = xp.where(image[:, None] < 0, low, high)
    rows = channels_last(data)
    for bins, down, across, _ in windows(xp, low, high, channels):
        index = (image[bins, None] * height + down) * width + across
        yield bins, index, rows.take(index.reshape(-1), axis=0).reshape(*index.shape, channels)


def _regions_first(xp, made, shape):
    """(regions * bins, channels) as (regions, channels, rows, columns)."""
    regions, channels, rows, columns = shape
    moved = made.reshape(regions, rows, columns, channels).transpose(0, 3, 1, 2)
    return xp.ascontiguousarray(moved)


def _bins_first(data):
    """The reverse of ``_regions_first``."""
    regions, channels, rows, columns = data.shape
    return data.transpose(0, 2, 3, 1).reshape(regions * rows * columns, channels)


@kernel(op="ROIPooling", kinds="f")
def roi_pooling(xp, data, rois, pooled_size, spatial_scale, out_specs):
    shape = out_specs[0].shape
    made = xp.zeros((shape[0] * shape[2] * shape[3], shape[1]), data.dtype)
    for bins, _, picked in _largest(xp, data, rois, pooled_size, spatial_scale):
        made[bins] = picked.max(axis=1)
    return _regions_first(xp, made, shape)


@roi_pooling.vjp("data")
def _(g, data, rois, pooled_size, spatial_scale):
    places = roi_places(data, rois, pooled_size=pooled_size, spatial_scale=spatial_scale)
    return place_add(g, places, shape=data.spec.shape)


@kernel(op="_roi_places")
def roi_places(xp, data, rois, pooled_size, spatial_scale, out_specs):
    shape = out_specs[0].shape
    area = data.shape[2] * data.shape[3]
    made = xp.full((shape[0] * shape[2] * shape[3], shape[1]), -1, xp.int64)
    channel = xp.arange(shape[1]) * area
    for bins, index, picked in _largest(xp, data, rois, pooled_size, spatial_scale):
        best = xp.take_along_axis(index, _first_largest(xp, picked), axis=1)
        made[bins] = best // area * (area * shape[1]) + best % area + channel
    return _regions_first(xp, made, shape)


def _first_largest(xp, picked):
    """Where along the middle axis the first of the largest elements is; argmax takes much longer there."""
    largest = picked.max(axis=1)
    made = xp.zeros(largest.shape, xp.int64)
    for at in range(picked.shape[1] - 1, 0, -1):
        xp.copyto(made, at, where=picked[:, at] == largest)
    xp.copyto(made, 0, where=picked[:, 0] == largest)
    return made


@kernel(op="_place_add", kinds="f")
def place_add(xp, data, index, shape):
    size = 1
    for length in shape:
        size *= length
    # The last element takes what has no place. Half precision is summed in single precision.
    made = xp.zeros(size + 1, wide(xp, data).dtype)
    places = xp.where(index < 0, size, index).reshape(-1)
    xp.add.at(made, places, wide(xp, data).reshape(-1))
    return made[:size].astype(data.dtype).reshape(shape)


@place_add.vjp("data")
def _(g, index):
    return place_take(g, index)


@kernel(op="_place_take", kinds="f")
def place_take(xp, data, index):
    if not data.size:
        return xp.zeros(index.shape, data.dtype)
    return xp.where(index < 0, data.dtype.type(0), data.reshape(-1).take(xp.maximum(index, 0)))


@place_take.vjp("data")
def _(g, index, data_spec):
    return place_add(g, index, shape=data_spec.shape)


# The mean of interpolated samples of each bin.


def _samples(xp, start, step, ratio, count):
    """Where samples lie along an axis, (regions, bins, samples), and which are there.

    ``ratio`` is the number of samples of each region; where others have more, some are not there.
    """
    most = int(ratio.max()) if ratio.size else 0
    number = xp.arange(most)
    part = (number + 0.5).astype(start.dtype) * (step / xp.maximum(ratio, 1).astype(start.dtype))[:, None]
    place = start[:, None] + xp.arange(count).astype(start.dtype) * step[:, None]
    return place[:, :, None] + part[:, None, :], number < ratio[:, None]


def _aligned(xp, rois, shape, size, scale, sample_ratio, aligned):
    """Of regions, and each axis: the start, the length of a bin, and the number of samples of each bin."""
    rois = rois[:, 1:] * rois.dtype.type(scale) - rois.dtype.type(0.5 if aligned else 0)
    made = []
    for axis in 0, 1:
        start, end = rois[:, 1 - axis], rois[:, 3 - axis]
        length = end - start if aligned else xp.maximum(end - start, rois.dtype.type(1))
        step = length / rois.dtype.type(size[axis])
        # A region far larger than the map has few samples in it.
        ratio = xp.clip(xp.ceil(step), 0, 4 * shape[2 + axis] + 4).astype(xp.int64)
        if sample_ratio > 0:
            ratio = xp.where(length > 0, sample_ratio, 0) if aligned else xp.full_like(ratio, sample_ratio)
        made.append((start, step, ratio))
    return made


def _alignments(xp, rois, shape, size, scale, sample_ratio, position_sensitive, aligned):
    """For blocks of regions: their range, and the index and weight of what a bin is the sum of."""
    batch, _, height, width = shape
    bins = size[0] * size[1]
    groups = bins if position_sensitive else 1
    rois = wide(xp, rois)
    image = images_of(xp, rois, batch)
    axes = _aligned(xp, rois, shape, size, scale, sample_ratio, aligned)
    most = [int(ratio.max()) if len(rois) else 0 for _, _, ratio in axes]
    step = elements(xp) // max(bins * 4 * most[0] * most[1], 1)
    step = max(step, 1)
    for low in range(0, len(rois), step):
        high = min(low + step, len(rois))
        positions, weights = [], []
        for axis in 0, 1:
            start, length, ratio = (array[low:high] for array in axes[axis])
            place, there = _samples(xp, start, length, ratio, size[axis])
            # A place may be a whole element outside, and then counts as the first or last.
            position, weight = clamped(xp, place, shape[2 + axis], 1)
            weight = weight * there[:, None, :, None]
            weight = weight / xp.maximum(ratio, 1).astype(weight.dtype)[:, None, None, None]
            positions.append(position.reshape(high - low, size[axis], -1))
            weights.append(weight.reshape(high - low, size[axis], -1))
        first = xp.maximum(image[low:high], 0)[:, None, None] * groups
        if position_sensitive:
            first = first + xp.arange(groups).reshape(size)
        index = first[:, :, :, None, None] * height + positions[0][:, :, None, :, None]
        index = index * width + positions[1][:, None, :, None, :]
        weight = weights[0][:, :, None, :, None] * weights[1][:, None, :, None, :]
        weight = weight * (image[low:high] >= 0)[:, None, None, None, None]
        count = (high - low) * bins
        yield slice(low * bins, high * bins), index.reshape(count, -1), weight.reshape(count, -1)


@kernel(op="_contrib_ROIAlign", kinds="f")
def roi_align(
    xp, data, rois, pooled_size, spatial_scale, sample_ratio, position_sensitive, aligned, out_specs
):
    shape = out_specs[0].shape
    groups = shape[2] * shape[3] if position_sensitive else 1
    rows = wide(xp, channels_last(data, groups))
    made = xp.empty((shape[0] * shape[2] * shape[3], shape[1]), data.dtype)
    for part, index, weight in _alignments(
        xp, rois, data.shape, pooled_size, spatial_scale, sample_ratio, position_sensitive, aligned
    ):
        made[part] = weighted_rows(xp, rows, index, weight)
    return _regions_first(xp, made, shape)


@roi_align.vjp("data")
def _(g, rois, data_spec, pooled_size, spatial_scale, sample_ratio, position_sensitive, aligned):
    return roi_align_back(
        g,
        rois,
        pooled_size=pooled_size,
        spatial_scale=spatial_scale,
        sample_ratio=sample_ratio,
        position_sensitive=position_sensitive,
        aligned=aligned,
        shape=data_spec.shape,
    )


@kernel(op="_roi_align_back", kinds="f")
def roi_align_back(
    xp, data, rois, pooled_size, spatial_scale, sample_ratio, position_sensitive, aligned, shape
):
    groups = data.shape[2] * data.shape[3] if position_sensitive else 1
    values = wide(xp, _bins_first(data))
    made = xp.zeros((shape[0] * groups * shape[2] * shape[3], values.shape[1]), values.dtype)
    for part, index, weight in _alignments(
        xp, rois, shape, pooled_size, spatial_scale, sample_ratio, position_sensitive, aligned
    ):
        spread_rows(xp, made, values[part], index, weight)
    return channels_first(xp, made.astype(data.dtype, copy=False), shape, groups)


@roi_align_back.vjp("data")
def _(g, rois, pooled_size, spatial_scale, sample_ratio, position_sensitive, aligned):
    return roi_align(
        g,
        rois,
        pooled_size=pooled_size,
        spatial_scale=spatial_scale,
        sample_ratio=sample_ratio,
        position_sensitive=position_sensitive,
        aligned=aligned,
    )


# The mean of each bin, of channels that are its own.


def _ps_windows(xp, rois, shape, scale, output_dim, pooled_size, group_size):
    """For blocks of bins: which they are, the index and the weight of their elements."""
    batch, _, height, width = shape
    rois = wide(xp, rois)
    kind = rois.dtype.type
    image = images_of(xp, rois, batch)
    corners = rounded(xp, rois[:, 1:])
    ends = []
    for axis, limit in (0, height), (1, width):
        start = corners[:, 1 - axis] * kind(scale)
        length = xp.maximum((corners[:, 3 - axis] + kind(1)) * kind(scale) - start, kind(0.1))
        step = (length / kind(pooled_size))[:, None]
        at = xp.arange(pooled_size + 1).astype(rois.dtype) * step + start[:, None]
        low, high = whole(xp, xp.floor(at[:, :-1])), whole(xp, xp.ceil(at[:, 1:]))
        ends.append([xp.clip(end, 0, limit) for end in (low, high)])
    low, high = (_crossed(xp, ends[0][end], ends[1][end]) for end in (0, 1))
    image = xp.repeat(image, pooled_size**2)
    high = xp.where(image[:, None] < 0, low, high)
    # Each bin's group of channels.
    each = xp.arange(pooled_size) * group_size // pooled_size
    groups = xp.tile((each[:, None] * group_size + each).reshape(-1), len(rois))
    first = image * group_size**2 + groups
    for bins, down, across, inside in windows(xp, low, high, output_dim):
        index = (first[bins, None] * height + down) * width + across
        weight = inside.astype(rois.dtype)
        yield bins, index, weight / weight.sum(axis=1, keepdims=True)


@kernel(op="_contrib_PSROIPooling", kinds="f")
def ps_roi_pooling(xp, data, rois, spatial_scale, output_dim, pooled_size, group_size, out_specs):
    shape = out_specs[0].shape
    group_size = group_size or pooled_size
    used = data[:, : output_dim * group_size**2]
    rows = wide(xp, channels_last(used, group_size**2))
    made = xp.zeros((shape[0] * shape[2] * shape[3], shape[1]), data.dtype)
    for bins, index, weight in _ps_windows(
        xp, rois, data.shape, spatial_scale, output_dim, pooled_size, group_size
    ):
        made[bins] = weighted_rows(xp, rows, index, weight)
    return _regions_first(xp, made, shape)


@ps_roi_pooling.vjp("data")
def _(g, rois, data_spec, spatial_scale, output_dim, pooled_size, group_size):
    return ps_roi_pool_back(
        g,
        rois,
        spatial_scale=spatial_scale,
        output_dim=output_dim,
        pooled_size=pooled_size,
        group_size=group_size,
        shape=data_spec.shape,
    )


@kernel(op="_ps_roi_pool_back", kinds="f")
def ps_roi_pool_back(xp, data, rois, spatial_scale, output_dim, pooled_size, group_size, shape):
    group_size = group_size or pooled_size
    values = wide(xp, _bins_first(data))
    groups = group_size**2
    made = xp.zeros((shape[0] * groups * shape[2] * shape[3], output_dim), values.dtype)
    for bins, index, weight in _ps_windows(
        xp, rois, shape, spatial_scale, output_dim, pooled_size, group_size
    ):
        spread_rows(xp, made, values[bins], index, weight)
    used = (shape[0], output_dim * groups, *shape[2:])
    whole_map = xp.zeros(shape, data.dtype)
    whole_map[:, : used[1]] = channels_first(xp, made, used, groups)
    return whole_map


@ps_roi_pool_back.vjp("data")
def _(g, rois, spatial_scale, output_dim, pooled_size, group_size):
    return ps_roi_pooling(
        g,
        rois,
        spatial_scale=spatial_scale,
        output_dim=output_dim,
        pooled_size=pooled_size,
        group_size=group_size,
    )


# Regions that are turned.


@kernel(op="_contrib_RROIAlign", kinds="f")
def rotated_roi_align(xp, data, rois, pooled_size, spatial_scale, sampling_ratio, out_specs):
    shape = out_specs[0].shape
    given = wide(xp, rois)
    image = images_of(xp, given, data.shape[0])
    kind = given.dtype.type
    sizes = xp.maximum(given[:, [4, 3]] * kind(spatial_scale), kind(1))
    steps = sizes / xp.asarray(pooled_size, dtype=given.dtype)
    limits = xp.asarray([4 * length + 4 for length in data.shape[2:]])
    ratios = xp.clip(xp.ceil(steps), 0, limits).astype(xp.int64)
    if sampling_ratio > 0:
        ratios = xp.full_like(ratios, sampling_ratio)
    rows = wide(xp, channels_last(data))
    made = xp.empty((shape[0] * shape[2] * shape[3], shape[1]), data.dtype)
    most = [int(ratios[:, axis].max()) if len(given) else 0 for axis in (0, 1)]
    bins = shape[2] * shape[3]
    step = max(elements(xp) // max(bins * 4 * most[0] * most[1], 1), 1)
    for low in range(0, len(given), step):
        part = slice(low, low + step)
        places, there = [], []
        for axis in 0, 1:
            start = -sizes[part, axis] / 2
            place, sample = _samples(xp, start, steps[part, axis], ratios[part, axis], pooled_size[axis])
            places.append(place)
            there.append(sample)
        index, weight = _turned(xp, given[part], image[part], places, kind(spatial_scale), data.shape[2:])
        count = xp.maximum(ratios[part, 0] * ratios[part, 1], 1).astype(given.dtype)
        used = there[0][:, :, None] & there[1][:, None, :] & (image[part] >= 0)[:, None, None]
        weight = weight * used[:, None, None, :, :, None] / count.reshape(-1, 1, 1, 1, 1, 1)
        flat = (len(count) * bins, -1)
        made[low * bins : low * bins + flat[0]] = weighted_rows(
            xp, rows, index.reshape(flat), weight.reshape(flat)
        )
    return _regions_first(xp, made, shape)


def _turned(xp, rois, image, places, scale, lengths):
    """The index and weight of the elements around samples of turned regions.

    Both have shape (regions, bins, bins, samples, samples, 4).
    """
    down, across = places[0][:, :, None, :, None], places[1][:, None, :, None, :]
    angle = rois[:, 5] * rois.dtype.type(pi / 180)
    one = (-1, 1, 1, 1, 1)
    cosine, sine = xp.cos(angle).reshape(one), xp.sin(angle).reshape(one)
    x = across * cosine + down * sine + (rois[:, 1] * scale).reshape(one)
    y = down * cosine - across * sine + (rois[:, 2] * scale).reshape(one)
    rows, row_weight = clamped(xp, y, lengths[0], 1)
    columns, column_weight = clamped(xp, x, lengths[1], 1)
    index = xp.maximum(image, 0).reshape(*one, 1, 1) * lengths[0] + rows[..., :, None]
    index = index * lengths[1] + columns[..., None, :]
    weight = row_weight[..., :, None] * column_weight[..., None, :]
    shape = (*x.shape, 4)
    return index.reshape(shape), weight.reshape(shape)


for _kernel in (roi_pooling, roi_align, roi_align_back, ps_roi_pooling, ps_roi_pool_back):
    blank_like(_kernel, "rois")
for _kernel in (place_add, place_take):
    blank_like(_kernel, "index")
