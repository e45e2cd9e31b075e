"""Images: arrays of (height, width, channels), and how they are changed for training."""

from __future__ import annotations

from ..attributes import BOOL, FLOAT, FLOATS, INT, SHAPE
from ..op import NONE, RULES, Attr, Op
from ..rules import image, types

_FACTORS = (Attr("min_factor", FLOAT), Attr("max_factor", FLOAT))
_PASSES = "The gradient passes unchanged, as in MXNet."


def _varied(name: str, what: str) -> Op:
    return Op(
        name,
        inputs=("data",),
        attrs=_FACTORS,
        shape=image.varied,
        dtype=types.same,
        grad=RULES,
        random=True,
        doc=f"{what}, by a factor drawn between `min_factor` and `max_factor`. {_PASSES}",
    )


_FIXED = (
    Op(
        "_image_to_tensor",
        inputs=("data",),
        shape=image.to_tensor,
        dtype=image.single,
        grad=RULES,
        doc="Images with numbers from 0 to 255 as float32 tensors of (channels, height, width) with numbers "
        "from 0 to 1. MXNet's gradient is an error.",
    ),
    Op(
        "_image_normalize",
        inputs=("data",),
        attrs=(Attr("mean", FLOATS, (0.0,) * 4), Attr("std", FLOATS, (1.0,) * 4)),
        shape=image.normalize,
        dtype=types.same,
        grad=RULES,
        doc="Tensors of (channels, height, width), minus `mean`, divided by `std`; each is one number, or "
        "one for each of 1 or 3 channels.",
    ),
    Op(
        "_image_resize",
        inputs=("data",),
        attrs=(Attr("size", SHAPE, ()), Attr("keep_ratio", BOOL, False), Attr("interp", INT, 1)),
        shape=image.resize,
        dtype=types.same,
        grad=NONE,
        doc="Images of another size: (width, height), or one length for both, or with `keep_ratio` for the "
        "shorter. `interp` says how the new pixels are computed, as OpenCV does: 0 takes the nearest, 1 is "
        "bilinear and 2 bicubic; MXNet has further ones. For uint8 and floats.",
    ),
    Op(
        "_image_crop",
        inputs=("data",),
        attrs=(Attr("x", INT), Attr("y", INT), Attr("width", INT), Attr("height", INT)),
        shape=image.crop,
        dtype=types.same,
        grad=RULES,
        doc="The part of images of `width` and `height` that begins `x` from the left and `y` from the top. "
        "One that is not inside is an error; MXNet takes negative `x` and `y`.",
    ),
    Op(
        "_image_flip_left_right",
        inputs=("data",),
        shape=image.one,
        dtype=types.same,
        grad=RULES,
        doc="An image, mirrored. So is the gradient; MXNet's is not, and it leaves a column in the middle "
        "unset.",
    ),
    Op(
        "_image_flip_top_bottom",
        inputs=("data",),
        shape=image.one,
        dtype=types.same,
        grad=RULES,
        doc="An image, upside down. So is the gradient; MXNet's is not, and it leaves a row in the middle "
        "unset.",
    ),
    Op(
        "_image_adjust_lighting",
        inputs=("data",),
        attrs=(Attr("alpha", FLOATS),),
        shape=image.lit,
        dtype=types.same,
        grad=RULES,
        doc="An image of three channels, to which the principal components of the colours of natural images "
        "are added, times `alpha`; missing numbers are 0. One channel is left as it is; MXNet leaves its "
        "memory unset.",
    ),
)

_RANDOM = (
    _varied("_image_random_brightness", "An image that is brighter or darker"),
    _varied("_image_random_contrast", "An image of more or less contrast"),
    _varied(
        "_image_random_saturation",
        "An image of more or less saturated colours (the gray that is mixed in is of blue alone, as in "
        "MXNet)",
    ),
    _varied("_image_random_hue", "An image whose hue is turned, where 1 is a full turn"),
    Op(
        "_image_random_color_jitter",
        inputs=("data",),
        attrs=tuple(Attr(name, FLOAT) for name in ("brightness", "contrast", "saturation", "hue")),
        shape=image.jittered,
        dtype=types.same,
        grad=RULES,
        random=True,
        doc="An image whose brightness, contrast, saturation and hue are changed in random order, each by a "
        f"random factor that is at most so far from 1 (hue: from 0). {_PASSES}",
    ),
    Op(
        "_image_random_lighting",
        inputs=("data",),
        attrs=(Attr("alpha_std", FLOAT, 0.05),),
        shape=image.one,
        dtype=types.same,
        grad=RULES,
        random=True,
        doc="As `adjust_lighting`, with three normal random numbers of standard deviation `alpha_std`.",
    ),
    Op(
        "_image_random_flip_left_right",
        inputs=("data",),
        shape=image.one,
        dtype=types.same,
        grad=RULES,
        random=True,
        doc=f"An image, mirrored or not. {_PASSES}",
    ),
    Op(
        "_image_random_flip_top_bottom",
        inputs=("data",),
        shape=image.one,
        dtype=types.same,
        grad=RULES,
        random=True,
        doc=f"An image, upside down or not. {_PASSES}",
    ),
)

ROWS = (*_FIXED, *_RANDOM)
