"""Ops that make an array from nothing but their attributes."""

from __future__ import annotations

from ..attributes import DTYPE, SHAPE, optional
from ..dtypes import float32
from ..op import ZERO, Attr, Op
from ..rules import shapes, types

ROWS = (
    Op(
        "_zeros",
        inputs=(),
        attrs=(Attr("shape", SHAPE), Attr("dtype", optional(DTYPE), float32)),
        shape=shapes.shape_attr,
        dtype=types.attr,
        grad=ZERO,
        doc="An array of zeros.",
    ),
)
