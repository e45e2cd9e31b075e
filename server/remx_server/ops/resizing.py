"""Images made larger or smaller: kernels and gradient rules.

Averages of windows and linear interpolations in two axes are two products with a matrix each, one for the
height and one for the width.
"""

from __future__ import annotations

import numpy as np
from remx_contract.rules.resizing import upsampling_weight

from ..blas import THREADS
from ..correlation import Geometry, in_three, scatter, working
from ..registry import KERNELS, kernel
from .creation import blank
from .shaping import exact_reshape


def _window_means(length, count):
    """The matrix of the means of ``count`` windows."""
    number = np.arange(count)
    first, after = number * length // count, -(-(number + 1) * length // count)
    places = np.arange(length)
    inside = (places >= first[:, None]) & (places < after[:, None])
    return inside / (after - first)[:, None]


def _interpolation(length, count, corners):
    """The matrix of linear interpolations at ``count`` places."""
    number = np.arange(count)
    if corners:
        places = number * ((length - 1) / (count - 1) if count > 1 else 0.0)
    else:
        places = np.maximum(((number + 0.5) * (length / count) - 0.5) if count > 1 else number, 0)
    lower = np.minimum(places.astype(int), length - 1)
    upper = np.minimum(lower + 1, length - 1)
    share = places - lower
    made = np.zeros((count, length))
    np.add.at(made, (number, lower), 1 - share)
    np.add.at(made, (number, upper), share)
    return made


def _matrix(kind, length, count):
    if kind == "average":
        return _window_means(length, count)
    return _interpolation(length, count, kind == "corners")


def _applied(xp, data, high, wide):
    """(batch, channels, height, width) by matrices for height and width; the cheaper one first."""
    images = working(data)
    high, wide = (xp.asarray(matrix.astype(images.dtype)) for matrix in (high, wide))
    height_first = high.shape[0] * images.shape[3] <= wide.shape[0] * images.shape[2]
    for tall in (height_first, not height_first):
        images = _high(xp, high, images) if tall else _wide(xp, images, wide)
    return xp.ascontiguousarray(images).astype(data.dtype, copy=False)


def _high(xp, matrix, images):
    if xp is np:
        THREADS.fit(matrix.size * images.shape[3])
    return xp.matmul(matrix, images)


def _wide(xp, images, matrix):
    rows = images.reshape(-1, images.shape[3])
    if xp is np:
        THREADS.fit(rows.size * len(matrix))
    return rows.dot(matrix.T).reshape(*images.shape[:3], len(matrix))


def _resampled(xp, data, kind, size):
    return _applied(xp, data, *(_matrix(kind, *pair) for pair in zip(data.shape[2:], size, strict=True)))


@kernel(op="_resample", kinds="f")
def resample(xp, data, kind, size):
    return _resampled(xp, data, kind, size)


@resample.vjp("data")
def _(g, data_spec, kind):
    return resample_back(g, kind=kind, size=data_spec.shape[2:])


@kernel(op="_resample_back", kinds="f")
def resample_back(xp, data, kind, size):
    matrices = (_matrix(kind, *pair).T for pair in zip(size, data.shape[2:], strict=True))
    return _applied(xp, data, *matrices)


@resample_back.vjp("data")
def _(g, data_spec, kind):
    return resample(g, kind=kind, size=data_spec.shape[2:])


@kernel(op="_contrib_AdaptiveAvgPooling2D", kinds="f")
def adaptive_avg_pooling(xp, data, out_specs):
    return _resampled(xp, data, "average", out_specs[0].shape[2:])


@adaptive_avg_pooling.vjp("data")
def _(g, data_spec):
    return resample_back(g, kind="average", size=data_spec.shape[2:])


@kernel(op="_contrib_BilinearResize2D", kinds="f")
def bilinear_resize(xp, data, like=None, *, align_corners, out_specs):
    return _resampled(xp, data, "corners" if align_corners else "pixels", out_specs[0].shape[2:])


@bilinear_resize.vjp("data")
def _(g, data_spec, align_corners):
    return resample_back(g, kind="corners" if align_corners else "pixels", size=data_spec.shape[2:])


@bilinear_resize.vjp("like")
def _(g, like_spec):
    return blank(g, shape=like_spec.shape)


def _weighted(scale, num_filter):
    """The attributes of the deconvolution that enlarges each channel with a weight."""
    side, pad = upsampling_weight(scale)
    return {
        "kernel": (side, side),
        "stride": (scale, scale),
        "dilate": (),
        "pad": (pad, pad),
        "num_group": num_filter,
    }


def _squares(enlarged, shape):
    """A view with the pixels of an image of that shape as axes, and the places of each one's square."""
    batch, channels, height, width = shape
    times = enlarged.shape[2] // height
    return enlarged.reshape(batch, channels, height, times, width, times)


@kernel(op="UpSampling", kinds="f")
def upsampling(xp, *data, scale, num_filter, sample_type, multi_input_mode, out_specs):
    out = out_specs[0]
    if sample_type == "bilinear":
        made = xp.empty(out.shape, out.dtype)
        attrs = _weighted(scale, num_filter)
        scatter(xp, *(in_three(one, False) for one in (*data, made)), Geometry.of(*attrs.values()))
        return made
    made = xp.zeros(out.shape, out.dtype)
    first = 0
    for image in data:
        last = first + image.shape[1]
        squares = _squares(made if multi_input_mode == "sum" else made[:, first:last], image.shape)
        squares += image[:, :, :, None, :, None]
        first = last
    return made


@upsampling.vjp_all
def _(g, data, needs, scale, num_filter, sample_type, multi_input_mode):
    if sample_type == "bilinear":
        attrs = _weighted(scale, num_filter)
        weighted = KERNELS["Convolution"], KERNELS["_convolution_weight"]
        image, weight = data
        return [
            weighted[0](g, weight, **attrs, num_filter=num_filter, no_bias=True) if needs[0] else None,
            weighted[1](image, g, **attrs) if needs[1] else None,
        ]
    gradients, first = [], 0
    for image, need in zip(data, needs, strict=True):
        last = first + image.spec.shape[1]
        part = g
        if multi_input_mode == "concat" and len(data) > 1:
            part = KERNELS["slice_axis"](g, axis=1, begin=first, end=last)
        gradients.append(_summed_squares(part, image.spec.shape) if need else None)
        first = last
    return gradients


def _summed_squares(g, shape):
    batch, channels, height, width = shape
    times = g.spec.shape[2] // height
    cells = exact_reshape(g, shape=(batch, channels, height, times, width, times))
    return KERNELS["sum"](cells, axis=(3, 5))
