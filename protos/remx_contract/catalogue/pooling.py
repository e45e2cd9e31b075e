"""Pooling of windows, and what its gradients use."""

from __future__ import annotations

from ..attributes import BOOL, INT, SHAPE, choice, optional
from ..op import RULES, Attr, Op
from ..rules import types, windows

_WINDOW = (
    Attr("kernel", SHAPE),
    Attr("stride", SHAPE),
    Attr("pad", SHAPE),
    Attr("channels_last", BOOL, False),
)
_SUM = (*_WINDOW, Attr("mean", choice("inside", "none", "padded"), "none"), Attr("shape", SHAPE))

ROWS = (
    Op(
        "Pooling",
        inputs=("data",),
        attrs=(
            Attr("kernel", SHAPE, ()),
            Attr("pool_type", choice("avg", "lp", "max", "sum"), "max"),
            Attr("global_pool", BOOL, False),
            Attr("cudnn_off", BOOL, False),
            Attr("pooling_convention", choice("full", "same", "valid"), "valid"),
            Attr("stride", SHAPE, ()),
            Attr("pad", SHAPE, ()),
            Attr("p_value", optional(INT), None),
            Attr("count_include_pad", optional(BOOL), None),
            Attr("layout", optional(choice("NCDHW", "NCHW", "NCW", "NDHWC", "NHWC", "NWC")), None),
        ),
        shape=windows.pooling,
        dtype=types.same,
        grad=RULES,
        doc="The maximum, sum, average or norm of each window of `kernel` positions, in one to three axes; "
        "with `global_pool` of all positions. By `pooling_convention` the last window lies inside the padded "
        "data (valid), or begins inside of it (full); `same` needs one axis and pad=(0, 0, 0) and gives as "
        "many windows as strides begin. An average counts the padding unless `count_include_pad` is "
        "false, but never what lies beyond it. The norm of `lp` is the root of the sum of the powers, 1, 2 "
        "or 3, whose signs stay. Of equal maxima the first gets the gradient.",
    ),
    Op(
        "_pooling_sum",
        inputs=("data",),
        attrs=_SUM,
        shape=windows.as_said,
        dtype=types.same,
        grad=RULES,
        doc="The sums of windows, of which there are as many as `shape` says; or their means, of the numbers "
        "inside the data or of those in the padding too.",
    ),
    Op(
        "_pooling_spread",
        inputs=("data",),
        attrs=_SUM,
        shape=windows.as_said,
        dtype=types.same,
        grad=RULES,
        doc="The transpose of `_pooling_sum`: adds each number up over its window in an array of `shape`.",
    ),
    Op(
        "_pooling_put",
        inputs=("data", "pooled", "maxima"),
        attrs=_WINDOW,
        shape=windows.second,
        dtype=types.same,
        grad=RULES,
        doc="Adds each number of `data` up where `pooled` has the first maximum of its window; `maxima` are "
        "all of these.",
    ),
    Op(
        "_pooling_pick",
        inputs=("data", "pooled", "maxima"),
        attrs=_WINDOW,
        shape=windows.third,
        dtype=types.same,
        grad=RULES,
        doc="The numbers of `data` that are where `pooled` has the first maximum of each window; `maxima` "
        "are all of these.",
    ),
)
