"""Convolutions, their transposes, and what they are computed by."""

from __future__ import annotations

from ..attributes import BOOL, INT, SHAPE, choice, optional
from ..op import RULES, Attr, Op
from ..rules import types, windows

_KERNEL = Attr("kernel", SHAPE)
_STRIDE, _DILATE, _PAD = (Attr(name, SHAPE, ()) for name in ("stride", "dilate", "pad"))
_WINDOW = (_KERNEL, _STRIDE, _DILATE, _PAD)
_GROUP = Attr("num_group", INT, 1)
_FILTERS = (Attr("num_filter", INT), _GROUP)
_TUNING = (
    Attr("cudnn_tune", optional(choice("fastest", "limited_workspace", "off")), None),
    Attr("cudnn_off", BOOL, False),
)
_LAYOUT = Attr("layout", optional(choice("NCDHW", "NCHW", "NCW", "NDHWC", "NHWC")), None)

ROWS = (
    Op(
        "Convolution",
        inputs=("data", "weight", "bias"),
        attrs=(
            *_WINDOW,
            *_FILTERS,
            Attr("workspace", INT, 1024),
            Attr("no_bias", BOOL, False),
            *_TUNING,
            _LAYOUT,
        ),
        shape=windows.convolution,
        dtype=types.same,
        grad=RULES,
        arity=lambda attrs: 2 if attrs.no_bias else 3,
        doc="A convolution in one to three axes, as many as `kernel` has numbers: of `data` of shape (batch, "
        "channels, places) with `weight` of shape (num_filter, channels / num_group, kernel), plus "
        "`bias` of shape (num_filter,). With `num_group` above 1 the channels and the filters are cut into "
        "groups, each convolved for itself. In layouts with the channels last, so are those of the "
        "weight; MXNet has these and float16 on GPUs only. `workspace` and what is said of cuDNN have no "
        "effect.",
    ),
    Op(
        "Deconvolution",
        inputs=("data", "weight", "bias"),
        attrs=(
            *_WINDOW,
            Attr("adj", SHAPE, ()),
            Attr("target_shape", SHAPE, ()),
            *_FILTERS,
            Attr("workspace", INT, 512),
            Attr("no_bias", BOOL, True),
            *_TUNING,
            _LAYOUT,
        ),
        shape=windows.deconvolution,
        dtype=types.same,
        grad=RULES,
        arity=lambda attrs: 2 if attrs.no_bias else 3,
        doc="The transpose of `Convolution`: what a convolution makes of its output's gradient. `weight` has "
        "the shape (channels, num_filter / num_group, kernel). The output's lengths are stride * (length "
        "- 1) + kernel - 2 * pad + adj, for a dilated kernel with what it spans; or they are "
        "`target_shape`, and the padding follows. `adj` is less than the stride.",
    ),
    Op(
        "_convolution_weight",
        inputs=("result", "data"),
        attrs=(*_WINDOW, _GROUP, _LAYOUT),
        shape=windows.weight_back,
        dtype=types.same,
        grad=RULES,
        doc="The gradient of a convolution's weight, from its output's gradient, `result`, and its data.",
    ),
    Op(
        "im2col",
        inputs=("data",),
        attrs=_WINDOW,
        shape=windows.im2col,
        dtype=types.same,
        grad=RULES,
        doc="The windows that a convolution sees, as the columns of a matrix for each of the batch: of shape "
        "(batch, channels * kernel positions, windows). `kernel` has one to three numbers (MXNet fails "
        "for any other number than two). A negative `pad` cuts positions off.",
    ),
    Op(
        "col2im",
        inputs=("data",),
        attrs=(Attr("output_size", SHAPE), *_WINDOW),
        shape=windows.col2im,
        dtype=types.same,
        grad=RULES,
        doc="The transpose of `im2col`: adds columns up where their windows are, in an array of shape "
        "(batch, channels, output_size).",
    ),
)
