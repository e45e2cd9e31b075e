"""Convolutions and what they are computed by: kernels and gradient rules."""

from __future__ import annotations

from remx_contract.op import Attrs
from remx_contract.rules.windows import channel_last, deconvolution_margins, spatial, windows

from ..correlation import Geometry, correlate, correlate_weight, fold, in_three, scatter, unfold, working
from ..registry import KERNELS, kernel


def _bias_gradient(g, layout):
    axes = len(g.spec.shape)
    channel = axes - 1 if channel_last(layout) else 1
    return KERNELS["sum"](g, axis=tuple(axis for axis in range(axes) if axis != channel))


@kernel(op="Convolution", kinds="f")
def convolution(xp, data, weight, bias=None, *, kernel, stride, dilate, pad, num_group, layout, out_specs):
    last = channel_last(layout)
    out = xp.empty(out_specs[0].shape, data.dtype)
    geometry = Geometry.of(kernel, stride, dilate, pad, num_group)
    correlate(xp, in_three(data, last), in_three(weight, last), bias, in_three(out, last), geometry)
    return out


@convolution.vjp("data")
def _(g, data_spec, weight, kernel, stride, dilate, pad, num_group, layout):
    return _transposed(g, weight, data_spec, kernel, stride, dilate, pad, num_group, layout)


@convolution.vjp("weight")
def _(g, data, kernel, stride, dilate, pad, num_group, layout):
    return convolution_weight(
        g, data, kernel=kernel, stride=stride, dilate=dilate, pad=pad, num_group=num_group, layout=layout
    )


@convolution.vjp("bias")
def _(g, layout):
    return _bias_gradient(g, layout)


def _transposed(g, weight, data_spec, kernel, stride, dilate, pad, num_group, layout):
    """What a convolution makes of its output's gradient: the gradient of its data."""
    counts, lengths = spatial(g.spec.shape, layout), spatial(data_spec.shape, layout)
    geometry = Geometry.of(kernel, stride, dilate, pad)
    # What the last stride left over at the far end.
    adj = tuple(
        length - (step * (count - 1) + spread * (size - 1) + 1 - 2 * before)
        for length, count, size, step, spread, before in zip(
            lengths,
            counts,
            kernel,
            *(given[3 - len(kernel) :] for given in (geometry.stride, geometry.dilate, geometry.pad)),
            strict=True,
        )
    )
    return deconvolution(
        g,
        weight,
        kernel=kernel,
        stride=stride,
        dilate=dilate,
        pad=pad,
        adj=adj,
        num_filter=data_spec.shape[-1 if channel_last(layout) else 1],
        num_group=num_group,
        layout=layout,
    )


@kernel(op="_convolution_weight", kinds="f")
def convolution_weight(xp, result, data, kernel, stride, dilate, pad, num_group, layout, out_specs):
    last = channel_last(layout)
    out = xp.empty(out_specs[0].shape, data.dtype)
    geometry = Geometry.of(kernel, stride, dilate, pad, num_group)
    correlate_weight(xp, in_three(result, last), in_three(data, last), in_three(out, last), geometry)
    return out


@convolution_weight.vjp("result")
def _(g, data, kernel, stride, dilate, pad, num_group, layout):
    return convolution(
        data,
        g,
        kernel=kernel,
        stride=stride,
        dilate=dilate,
        pad=pad,
        num_filter=g.spec.shape[0],
        num_group=num_group,
        no_bias=True,
        layout=layout,
    )


@convolution_weight.vjp("data")
def _(g, result, data_spec, kernel, stride, dilate, pad, num_group, layout):
    return _transposed(result, g, data_spec, kernel, stride, dilate, pad, num_group, layout)


@kernel(op="Deconvolution", kinds="f")
def deconvolution(
    xp,
    data,
    weight,
    bias=None,
    *,
    kernel,
    stride,
    dilate,
    pad,
    adj,
    target_shape,
    num_group,
    layout,
    out_specs,
):
    last = channel_last(layout)
    out = xp.empty(out_specs[0].shape, data.dtype)
    pads = _margins(data.shape, kernel, stride, dilate, pad, adj, target_shape, layout)
    geometry = Geometry.of(kernel, stride, dilate, pads, num_group)
    scatter(xp, in_three(data, last), in_three(weight, last), in_three(out, last), geometry)
    if bias is not None:
        out += bias if last else bias.reshape(-1, *(1,) * len(kernel))
    return out


def _margins(shape, kernel, stride, dilate, pad, adj, target_shape, layout):
    attrs = Attrs(kernel=kernel, stride=stride, dilate=dilate, pad=pad, adj=adj, target_shape=target_shape)
    return deconvolution_margins(spatial(shape, layout), attrs)[0]


@deconvolution.vjp("data")
def _(g, data_spec, weight, kernel, stride, dilate, pad, adj, target_shape, num_group, layout):
    return convolution(
        g,
        weight,
        kernel=kernel,
        stride=stride,
        dilate=dilate,
        pad=_margins(data_spec.shape, kernel, stride, dilate, pad, adj, target_shape, layout),
        num_filter=data_spec.shape[-1 if channel_last(layout) else 1],
        num_group=num_group,
        no_bias=True,
        layout=layout,
    )


@deconvolution.vjp("weight")
def _(g, data, kernel, stride, dilate, pad, adj, target_shape, num_group, layout):
    return convolution_weight(
        data,
        g,
        kernel=kernel,
        stride=stride,
        dilate=dilate,
        pad=_margins(data.spec.shape, kernel, stride, dilate, pad, adj, target_shape, layout),
        num_group=num_group,
        layout=layout,
    )


@deconvolution.vjp("bias")
def _(g, layout):
    return _bias_gradient(g, layout)


@kernel(kinds="f")
def im2col(xp, data, kernel, stride, dilate, pad, out_specs):
    geometry = Geometry.of(kernel, stride, dilate, pad)
    image = in_three(data, False)
    out = xp.zeros(out_specs[0].shape, data.dtype)
    counts = _window_counts(data.shape[2:], kernel, stride, dilate, pad)
    unfold(xp, image, out.reshape(*image.shape[:2], *geometry.kernel, *counts), geometry)
    return out


def _window_counts(places, kernel, stride, dilate, pad):
    attrs = Attrs(kernel=kernel, stride=stride, dilate=dilate, pad=pad)
    counts = windows(places, attrs)
    return (1,) * (3 - len(counts)) + counts


@im2col.vjp("data")
def _(g, data_spec, kernel, stride, dilate, pad):
    return col2im(g, output_size=data_spec.shape[2:], kernel=kernel, stride=stride, dilate=dilate, pad=pad)


@kernel(kinds="f")
def col2im(xp, data, output_size, kernel, stride, dilate, pad, out_specs):
    geometry = Geometry.of(kernel, stride, dilate, pad)
    total = xp.zeros(out_specs[0].shape, working(data[:0]).dtype)
    out = in_three(total, False)
    counts = _window_counts(output_size, kernel, stride, dilate, pad)
    fold(xp, data.reshape(*out.shape[:2], *geometry.kernel, *counts), out, geometry)
    return total.astype(data.dtype, copy=False)


@col2im.vjp("data")
def _(g, kernel, stride, dilate, pad):
    return im2col(g, kernel=kernel, stride=stride, dilate=dilate, pad=pad)
