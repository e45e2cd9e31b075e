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
        doc="A matrix with orthogonal rows or columns of length `scale`, from the singular value "
        "decomposition of a random one: uniform from -1 to 1, or normal. Axes after the first are flattened "
        "into columns.",
    ),
)
