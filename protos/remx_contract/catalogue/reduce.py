"""Reductions along axes: sums, products, extrema and where they are, norms, moments, and running sums."""

from __future__ import annotations

from collections.abc import Sequence

from ..attributes import AXES, BOOL, FLOAT, INT, SHAPE, choice, optional
from ..dtypes import DType, float16, float32, float64, int8, int32, int64
from ..op import NONE, RULES, ZERO, Attr, Attrs, DTypeRule, Grad, Op, ShapeRule
from ..rules import reductions, types
from ..rules.choices import dtype_among

_OUT_DTYPE = optional(dtype_among(float16, float32, float64, int8, int32, int64))


def _norm_dtype(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    return (dtypes[0] if attrs.out_dtype is None else attrs.out_dtype,)


def _scan_dtype(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    if attrs.dtype is not None:
        return (attrs.dtype,)
    return types.with_scalar(dtypes, attrs)


def _reduction(
    name: str, doc: str, shape: ShapeRule = reductions.reduction, aliases: tuple[str, ...] = ()
) -> Op:
    return Op(
        name,
        inputs=("data",),
        attrs=(
            Attr("axis", optional(AXES), None),
            Attr("keepdims", BOOL, False),
            Attr("exclude", BOOL, False),
        ),
        shape=shape,
        dtype=types.same,
        grad=RULES,
        aliases=aliases,
        doc=f"{doc} `axis` is an axis or several, all by default; `exclude=True` reduces all others instead. "
        "Where no axis is left the result has shape (1,).",
    )


def _position(name: str, doc: str) -> Op:
    return Op(
        name,
        inputs=("data",),
        attrs=(Attr("axis", optional(INT), None), Attr("keepdims", BOOL, False)),
        shape=reductions.extremum,
        dtype=types.same,
        grad=ZERO,
        doc=f"{doc} The first of several wins, and so does the first NaN. The result has the dtype of "
        "`data`, so large positions are rounded in float16; without `axis` it is the position in the "
        "flattened array.",
    )


def _internal(
    name: str, doc: str, shape: ShapeRule, *attrs: Attr, grad: Grad = RULES, dtype: DTypeRule = types.same
) -> Op:
    return Op(name, inputs=("data",), attrs=attrs, shape=shape, dtype=dtype, grad=grad, doc=doc)


ROWS = (
    _reduction(
        "sum",
        "The sum of the elements along axes. Integers keep their dtype and wrap around.",
        aliases=("sum_axis",),
    ),
    _reduction(
        "mean",
        "The mean of the elements along axes. Integers keep their dtype: the sum wraps around, and the "
        "quotient is truncated.",
    ),
    _reduction(
        "prod", "The product of the elements along axes. Its gradient is NaN where an element is zero."
    ),
    _reduction("nansum", "The sum of the elements along axes, NaNs counted as zeros."),
    _reduction("nanprod", "The product of the elements along axes, NaNs counted as ones."),
    _reduction(
        "max",
        "The largest element along axes; NaN if there is a NaN. All elements that tie receive the full "
        "gradient.",
        shape=reductions.extremum,
        aliases=("max_axis",),
    ),
    _reduction(
        "min",
        "The smallest element along axes; NaN if there is a NaN. All elements that tie receive the full "
        "gradient.",
        shape=reductions.extremum,
        aliases=("min_axis",),
    ),
    Op(
        "norm",
        inputs=("data",),
        attrs=(
            Attr("ord", INT, 2),
            Attr("axis", optional(AXES), None),
            Attr("out_dtype", _OUT_DTYPE, None),
            Attr("keepdims", BOOL, False),
        ),
        shape=reductions.norm,
        dtype=_norm_dtype,
        grad=RULES,
        doc="The norm of the elements along axes: the square root of the sum of squares for `ord=2`, the "
        "sum of absolute values for `ord=1`. Over several axes it is still the norm of a vector. An integer "
        "result is truncated; the gradient of the 2-norm at zero is NaN.",
    ),
    Op(
        "moments",
        inputs=("data",),
        attrs=(Attr("axes", optional(AXES), None), Attr("keepdims", BOOL, False)),
        shape=reductions.moments,
        dtype=types.same,
        grad=RULES,
        outputs=2,
        doc="Mean and variance of the elements along `axes`, which must be given. The variance divides by "
        "the number of elements.",
    ),
    Op(
        "L2Normalization",
        inputs=("data",),
        attrs=(Attr("eps", FLOAT, 1e-10), Attr("mode", choice("channel", "instance", "spatial"), "instance")),
        shape=reductions.l2,
        dtype=types.floating,
        grad=RULES,
        doc="`data / sqrt(sum(data**2) + eps)`, the sum running over all axes but the first (`instance`), "
        "over the second axis (`channel`), or over all from the third on (`spatial`).",
    ),
    _position("argmax", "The position of the largest element along an axis."),
    _position("argmin", "The position of the smallest element along an axis."),
    Op(
        "argmax_channel",
        inputs=("data",),
        shape=reductions.channel,
        dtype=types.same,
        grad=NONE,
        doc="The position of the largest element along the second axis, in the dtype of `data`.",
    ),
    Op(
        "_np_cumsum",
        inputs=("a",),
        attrs=(Attr("axis", optional(INT), None), Attr("dtype", _OUT_DTYPE, None)),
        shape=reductions.scan,
        dtype=_scan_dtype,
        grad=RULES,
        aliases=("cumsum",),
        doc="The running sum along an axis, of the flattened array without `axis`. With `dtype` the "
        "elements are converted before they are added; bool becomes int64.",
    ),
    _internal(
        "_reverse_cumsum",
        "The running sum from the end of an axis, of the flattened array without `axis`, with the shape "
        "given; the gradient of the running sum.",
        reductions.reshaped,
        Attr("axis", optional(INT)),
        Attr("shape", SHAPE),
    ),
    _internal(
        "_sum_axes",
        "The sum over `axes` times `scale`, with its result reshaped to `shape`; the gradient of "
        "`_spread_axes`.",
        reductions.to_shape,
        Attr("axes", SHAPE),
        Attr("shape", SHAPE),
        Attr("scale", FLOAT, 1.0),
    ),
    _internal(
        "_spread_axes",
        "A reduced array times `scale`, repeated along the `axes` that were reduced, up to `shape`; the "
        "gradient of sums and means.",
        reductions.from_shape,
        Attr("axes", SHAPE),
        Attr("shape", SHAPE),
        Attr("scale", FLOAT, 1.0),
    ),
)
