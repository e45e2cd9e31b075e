"""Softmaxes."""

from __future__ import annotations

from ..attributes import BOOL, FLOAT, INT, optional
from ..dtypes import float16, float32, float64
from ..op import RULES, Attr, Attrs, Op
from ..rules import activations, types
from ..rules.choices import dtype_among

_ATTRS = (
    Attr("axis", INT, -1),
    Attr("temperature", optional(FLOAT), None),
    Attr("dtype", optional(dtype_among(float16, float32, float64)), None),
    Attr("use_length", optional(BOOL), False),
)


def _inputs(attrs: Attrs) -> int:
    return 2 if attrs.use_length else 1


ROWS = (
    Op(
        "softmax",
        inputs=("data", "length"),
        attrs=_ATTRS,
        shape=activations.softmax,
        dtype=activations.softmax_dtype,
        grad=RULES,
        arity=_inputs,
        doc="exp(data / temperature) divided by its sum over `axis`. With `use_length`, only the first "
        "`length` elements of the axis take part and the others become 0; `length` is an integer array with "
        "the shape of data without the axis. The result has dtype `dtype` if given.",
    ),
    Op(
        "softmin",
        inputs=("data",),
        attrs=_ATTRS,
        shape=activations.softmax_without_length,
        dtype=activations.softmax_dtype,
        grad=RULES,
        doc="Softmax of -data over `axis`: the smallest element gets the largest share.",
    ),
    Op(
        "log_softmax",
        inputs=("data",),
        attrs=_ATTRS,
        shape=activations.softmax_without_length,
        dtype=activations.softmax_dtype,
        grad=RULES,
        doc="Logarithm of the softmax over `axis`, computed without overflow.",
    ),
    Op(
        "_log_softmax_back",
        inputs=("data", "result"),
        attrs=(Attr("axis", INT),),
        shape=activations.softmax_gradient,
        dtype=types.same,
        grad=RULES,
        doc="The gradient of log_softmax without a temperature: `data`, the gradient of its result, less its "
        "sum over `axis` times exp(`result`).",
    ),
)
