"""Element-wise functions of one array."""

from __future__ import annotations

from ..op import RULES, Op
from ..rules import shapes, types

ROWS = (
    Op(
        "tanh",
        inputs=("data",),
        shape=shapes.same,
        dtype=types.same,
        grad=RULES,
        doc="Hyperbolic tangent, element-wise.",
    ),
)
