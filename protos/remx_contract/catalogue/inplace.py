"""Ops about arrays as places: views that share memory, copies between places, and writes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..attributes import INT, SHAPE
from ..errors import ShapeError
from ..op import RULES, ZERO, Attr, Attrs, Op
from ..rules import shapes, types
from ..spec import Shape


def _view_shape(inputs: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    if prod(attrs.shape) > prod(inputs[0]) or any(length < 0 for length in attrs.shape):
        raise ShapeError(
            argument="shape", got=f"{attrs.shape}", expected=f"a part of an array of {inputs[0]}"
        )
    return (attrs.shape,)


def _unview_shape(inputs: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    if prod(attrs.shape) < prod(inputs[0]):
        raise ShapeError(argument="shape", got=f"{attrs.shape}", expected=f"room for an array of {inputs[0]}")
    return (attrs.shape,)


ROWS = (
    Op(
        "_view",
        inputs=("data",),
        attrs=(Attr("shape", SHAPE), Attr("offset", INT, 0, per_call=True)),
        shape=_view_shape,
        dtype=types.same,
        grad=RULES,
        view=True,
        doc="A block of a C-contiguous array, from element `offset` on, with another shape; shares its "
        "memory.",
    ),
    Op(
        "_unview",
        inputs=("data",),
        attrs=(Attr("shape", SHAPE), Attr("offset", INT, 0, per_call=True)),
        shape=_unview_shape,
        dtype=types.same,
        grad=RULES,
        doc="The gradient of _view: zeros of `shape` with the array's elements from element `offset` on.",
    ),
    Op(
        "_copyto",
        inputs=("data",),
        shape=shapes.same,
        dtype=types.same,
        grad=RULES,
        doc="A copy of the array, on the device that the call names.",
    ),
    Op(
        "_detach",
        inputs=("data",),
        shape=shapes.same,
        dtype=types.same,
        grad=ZERO,
        view=True,
        doc="The same memory as an array that no gradient flows through.",
    ),
)
