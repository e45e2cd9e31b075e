"""Initial values of weights that need more than one op to make."""

from __future__ import annotations

from ..attributes import DTYPE, FLOAT, SHAPE, choice
from ..dtypes import float32
from ..op import NONE, Attr, Op
from ..rules import shapes, types

ROWS = (
    Op(
        "_init_orthogonal",
        inputs=(),
        attrs=(
            Attr("shape", SHAPE),
            Attr("scale", FLOAT, 1.414),
            Attr("rand_type", choice("normal", "uniform"), "uniform"),
            Attr("dtype", DTYPE, float32),
        ),
        shape=shapes.shape_attr,
        dtype=types.attr,
        grad=NONE,
        random=True,
        doc="A matrix with orthogonal rows or columns of length `scale`, made of the singular vectors of a "
        "random matrix, uniform from -1 to 1 or normal. Axes after the first are flattened into columns; "
        "the largest element of each vector, by magnitude, is positive.",
    ),
    Op(
        "_init_bilinear",
        inputs=(),
        attrs=(Attr("shape", SHAPE), Attr("dtype", DTYPE, float32)),
        shape=shapes.shape_attr,
        dtype=types.attr,
        grad=NONE,
        doc="The weights of a deconvolution that upsamples by linear interpolation: along the third and "
        "fourth of at least four axes, a pyramid as wide as the fourth one is long.",
    ),
)
