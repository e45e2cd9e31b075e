"""Pictures read along grids that bend them."""

from __future__ import annotations

from ..attributes import BOOL, FLOATS, INT, SHAPE, choice, optional
from ..op import RULES, Attr, Op
from ..rules import spatial, types

_SHAPE = Attr("shape", SHAPE)
_DERIVATIVE = (Attr("dx", INT, 0), Attr("dy", INT, 0))
_CUDNN_OFF = Attr("cudnn_off", optional(BOOL), None)


ROWS = (
    Op(
        "BilinearSampler",
        inputs=("data", "grid"),
        attrs=(_CUDNN_OFF,),
        shape=spatial.bilinear,
        dtype=types.same,
        grad=RULES,
        doc="The data, (batch, channels, height, width), interpolated at the points of `grid`, (batch, 2, "
        "height, width): x and y from -1 at the first element of a row or column to 1 at the last. Outside "
        "of the map is 0.",
    ),
    Op(
        "_bilinear_sample",
        inputs=("data", "grid"),
        attrs=_DERIVATIVE,
        shape=spatial.bilinear,
        dtype=types.same,
        grad=RULES,
        doc="BilinearSampler, or its derivative by x, by y or by both of the grid.",
    ),
    Op(
        "_bilinear_back",
        inputs=("data", "grid"),
        attrs=(*_DERIVATIVE, _SHAPE),
        shape=spatial.bilinear_back,
        dtype=types.same,
        grad=RULES,
        doc="The gradient of `_bilinear_sample` for data of a shape.",
    ),
    Op(
        "GridGenerator",
        inputs=("data",),
        attrs=(
            Attr("transform_type", choice("affine", "warp")),
            Attr("target_shape", SHAPE, (0, 0)),
        ),
        shape=spatial.grid_generator,
        dtype=types.same,
        grad=RULES,
        doc="A grid for BilinearSampler, (batch, 2, height, width): of `target_shape`, turned and moved by "
        "the two rows of three numbers of `data`, (batch, 6), or, for `warp`, moved by so many elements as "
        "data, (batch, 2, height, width), says. MXNet takes float32 only.",
    ),
    Op(
        "_affine_back",
        inputs=("data",),
        shape=spatial.affine_back,
        dtype=types.same,
        grad=RULES,
        doc="The gradient of an affine GridGenerator.",
    ),
    Op(
        "_scale_planes",
        inputs=("data",),
        attrs=(Attr("scales", FLOATS),),
        shape=spatial.planes,
        dtype=types.same,
        grad=RULES,
        doc="The data times a number for each place of its second axis.",
    ),
    Op(
        "SpatialTransformer",
        inputs=("data", "loc"),
        attrs=(
            Attr("target_shape", SHAPE, (0, 0)),
            Attr("transform_type", choice("affine")),
            Attr("sampler_type", choice("bilinear")),
            _CUDNN_OFF,
        ),
        shape=spatial.transformer,
        dtype=types.same,
        grad=RULES,
        doc="The data, interpolated at the points of the affine grid of `target_shape` that `loc`, (batch, "
        "6), gives: GridGenerator and BilinearSampler.",
    ),
)
