"""Images made larger or smaller."""

from __future__ import annotations

from ..attributes import BOOL, FLOAT, INT, SHAPE, choice, optional
from ..op import RULES, Attr, Op
from ..rules import resizing, types

_SCALE = optional(FLOAT)
_MODES = ("like", "odd_scale", "size", "to_even_down", "to_even_up", "to_odd_down", "to_odd_up")
_KIND = Attr("kind", choice("average", "corners", "pixels"))

ROWS = (
    Op(
        "_contrib_AdaptiveAvgPooling2D",
        inputs=("data",),
        attrs=(Attr("output_size", SHAPE, ()),),
        shape=resizing.adaptive,
        dtype=types.same,
        grad=RULES,
        doc="Averages of images of shape (batch, channels, height, width) over as many windows as "
        "`output_size` says; one number counts for both axes, and with none the output is 1 by 1. Windows "
        "begin at the rounded down and end at the rounded up part of the image.",
    ),
    Op(
        "_contrib_BilinearResize2D",
        inputs=("data", "like"),
        attrs=(
            Attr("height", INT, 1),
            Attr("width", INT, 1),
            Attr("scale_height", _SCALE, None),
            Attr("scale_width", _SCALE, None),
            Attr("mode", choice(*_MODES), "size"),
            Attr("align_corners", BOOL, True),
        ),
        shape=resizing.bilinear,
        dtype=types.same,
        grad=RULES,
        arity=lambda attrs: 2 if attrs.mode == "like" else 1,
        doc="Images of shape (batch, channels, height, width) interpolated linearly: to `height` and "
        "`width`, or `scale_height` and `scale_width` times their size; in the mode `like` to the size of "
        "that input, in `odd_scale` scaled to an odd length where there was one, in `to_even_down` and the "
        "like to the nearest such length. With `align_corners` the corners' centres stay where they are, "
        "without it their edges.",
    ),
    Op(
        "_resample",
        inputs=("data",),
        attrs=(_KIND, Attr("size", SHAPE)),
        shape=resizing.shape_attr,
        dtype=types.same,
        grad=RULES,
        doc="Images with the height and width `size`: averages of windows, or linear interpolations.",
    ),
    Op(
        "_resample_back",
        inputs=("data",),
        attrs=(_KIND, Attr("size", SHAPE)),
        shape=resizing.shape_attr,
        dtype=types.same,
        grad=RULES,
        doc="The transpose of `_resample`, back to the height and width `size`.",
    ),
    Op(
        "UpSampling",
        inputs=("*data",),
        attrs=(
            Attr("scale", INT),
            Attr("num_filter", INT, 0),
            Attr("sample_type", choice("bilinear", "nearest")),
            Attr("multi_input_mode", choice("concat", "sum"), "concat"),
            Attr("workspace", INT, 512),
        ),
        shape=resizing.upsampling,
        dtype=types.same,
        grad=RULES,
        doc="Images `scale` times as high and wide. `nearest` repeats each pixel, and takes several inputs: "
        "all are enlarged to the first one's size and joined along the channels, or summed with "
        "`multi_input_mode`. `bilinear` is a deconvolution of each channel, with the second input as its "
        "weight of shape (channels, 1, k, k) where k is 2 * scale - scale % 2, and `num_filter` the "
        "channels. `workspace` has no effect.",
    ),
)
