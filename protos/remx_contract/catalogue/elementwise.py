"""Element-wise functions of one array."""

from __future__ import annotations

from typing import Final

from ..attributes import DTYPE, FLOAT, INT, choice
from ..op import RULES, ZERO, Attr, Grad, Op
from ..rules import shapes, types

_WHOLE = "Of whole numbers, the truncated value."

_PLAIN: Final[tuple[tuple[str, Grad, str], ...]] = (
    ("abs", RULES, "Absolute value; the gradient at 0 is 0."),
    ("arccos", RULES, f"Inverse cosine, in radians from 0 to pi; nan outside of [-1, 1]. {_WHOLE}"),
    ("arccosh", RULES, f"Inverse hyperbolic cosine; nan below 1. {_WHOLE}"),
    ("arcsin", RULES, f"Inverse sine, in radians from -pi/2 to pi/2; nan outside of [-1, 1]. {_WHOLE}"),
    ("arcsinh", RULES, f"Inverse hyperbolic sine. {_WHOLE}"),
    ("arctan", RULES, f"Inverse tangent, in radians from -pi/2 to pi/2. {_WHOLE}"),
    ("arctanh", RULES, f"Inverse hyperbolic tangent; infinite at -1 and 1, nan beyond. {_WHOLE}"),
    ("cbrt", RULES, f"Cube root, also of negative numbers. {_WHOLE}"),
    ("ceil", ZERO, "The smallest whole number not below each element."),
    ("cos", RULES, f"Cosine of radians. {_WHOLE}"),
    ("cosh", RULES, f"Hyperbolic cosine. {_WHOLE}"),
    ("degrees", RULES, f"Radians as degrees. {_WHOLE}"),
    ("erf", RULES, f"Gauss error function. {_WHOLE}"),
    ("erfinv", RULES, f"Inverse of the Gauss error function; infinite at -1 and 1, nan beyond. {_WHOLE}"),
    ("exp", RULES, f"Exponential function. {_WHOLE}"),
    ("expm1", RULES, f"exp(data) - 1, exact near 0. {_WHOLE}"),
    ("fix", ZERO, "The nearest whole number towards zero."),
    ("floor", ZERO, "The largest whole number not above each element."),
    ("gamma", RULES, f"Gamma function; nan at the negative whole numbers. {_WHOLE}"),
    ("gammaln", RULES, f"Logarithm of the gamma function's absolute value; infinite at its poles. {_WHOLE}"),
    ("log", RULES, f"Natural logarithm; -inf at 0, nan below. {_WHOLE}"),
    ("log10", RULES, f"Logarithm to base 10; -inf at 0, nan below. {_WHOLE}"),
    ("log1p", RULES, f"log(1 + data), exact near 0. {_WHOLE}"),
    ("log2", RULES, f"Logarithm to base 2; -inf at 0, nan below. {_WHOLE}"),
    ("logical_not", ZERO, "1 where an element is 0, else 0, in the array's dtype."),
    ("negative", RULES, "The numbers with their signs changed; unsigned ones wrap around."),
    ("radians", RULES, f"Degrees as radians. {_WHOLE}"),
    ("rcbrt", RULES, f"Reciprocal of the cube root. {_WHOLE}"),
    ("reciprocal", RULES, f"1 / data. {_WHOLE}"),
    ("relu", RULES, "max(data, 0); nan stays nan, and the gradient at 0 is 0."),
    ("rint", ZERO, "The nearest whole number; a half goes down, so that 2.5 gives 2 and -2.5 gives -3."),
    ("round", ZERO, "The nearest whole number; a half goes away from zero, so that -2.5 gives -3."),
    ("rsqrt", RULES, f"Reciprocal of the square root; infinite at 0, nan below. {_WHOLE}"),
    ("sigmoid", RULES, f"1 / (1 + exp(-data)). {_WHOLE}"),
    ("sign", ZERO, "-1, 0 or 1, the sign of each element; 0 for nan. Its gradient is 0."),
    ("sin", RULES, f"Sine of radians. {_WHOLE}"),
    ("sinh", RULES, f"Hyperbolic sine. {_WHOLE}"),
    ("softsign", RULES, f"data / (1 + abs(data)). {_WHOLE}"),
    ("sqrt", RULES, f"Square root; nan below 0, and the gradient at 0 is infinite. {_WHOLE}"),
    ("square", RULES, "data * data."),
    ("tan", RULES, f"Tangent of radians. {_WHOLE}"),
    ("tanh", RULES, f"Hyperbolic tangent. {_WHOLE}"),
    ("trunc", ZERO, "The nearest whole number towards zero."),
)


def _plain(name: str, grad: Grad, doc: str) -> Op:
    return Op(name, inputs=("data",), shape=shapes.same, dtype=types.same, grad=grad, doc=doc)


ROWS = (
    *[_plain(*fields) for fields in _PLAIN],
    Op(
        "_copy",
        inputs=("data",),
        shape=shapes.same,
        dtype=types.same,
        grad=RULES,
        aliases=("identity",),
        doc="A copy with memory of its own.",
    ),
    Op(
        "Cast",
        inputs=("data",),
        attrs=(Attr("dtype", DTYPE),),
        shape=shapes.same,
        dtype=types.attr,
        grad=RULES,
        aliases=("cast",),
        doc="The numbers as another dtype: whole ones are truncated and wrap around, a bool is whether an "
        "element is not 0. The gradient is cast back, also through whole numbers.",
    ),
    Op(
        "BlockGrad",
        inputs=("data",),
        shape=shapes.same,
        dtype=types.same,
        grad=ZERO,
        aliases=("stop_gradient",),
        doc="A copy that no gradient flows through.",
    ),
    Op(
        "make_loss",
        inputs=("data",),
        shape=shapes.same,
        dtype=types.same,
        grad=RULES,
        doc="A copy whose gradient is 1 for every element, whatever gradient arrives at it.",
    ),
    Op(
        "MakeLoss",
        inputs=("data",),
        attrs=(
            Attr("grad_scale", FLOAT, 1.0),
            Attr("valid_thresh", FLOAT, 0.0),
            Attr("normalization", choice("batch", "null", "valid"), "null"),
        ),
        shape=shapes.same,
        dtype=types.same,
        grad=RULES,
        doc="A copy whose gradient is `grad_scale` for every element, whatever gradient arrives at it: "
        "divided by the product of all axes but the last (normalization 'batch'), as in MXNet, so not for a "
        "vector; or by how many elements exceed `valid_thresh` ('valid').",
    ),
    Op(
        "clip",
        inputs=("data",),
        attrs=(Attr("a_min", FLOAT, per_call=True), Attr("a_max", FLOAT, per_call=True)),
        shape=shapes.same,
        dtype=types.same,
        grad=RULES,
        doc="Limits every element to the interval from `a_min` to `a_max`; nan stays nan. The gradient "
        "passes inside and at both ends. For whole numbers the ends are truncated first.",
    ),
    Op(
        "_within",
        inputs=("data",),
        attrs=(Attr("a_min", FLOAT, per_call=True), Attr("a_max", FLOAT, per_call=True)),
        shape=shapes.same,
        dtype=types.same,
        grad=ZERO,
        doc="1 where an element lies in the interval from `a_min` to `a_max`, ends included, else 0.",
    ),
    Op(
        "_gate",
        inputs=("data", "by"),
        shape=shapes.all_same,
        dtype=types.same,
        grad=RULES,
        doc="`data` where `by` is above 0, times 0 elsewhere: the gradient of relu.",
    ),
    Op(
        "smooth_l1",
        inputs=("data",),
        attrs=(Attr("scalar", FLOAT, 1.0),),
        shape=shapes.same,
        dtype=types.same,
        grad=RULES,
        doc="(scalar * data)**2 / 2 where abs(data) < 1 / scalar**2, abs(data) - 0.5 / scalar**2 elsewhere.",
    ),
    Op(
        "hard_sigmoid",
        inputs=("data",),
        attrs=(Attr("alpha", FLOAT, 0.2), Attr("beta", FLOAT, 0.5)),
        shape=shapes.same,
        dtype=types.same,
        grad=RULES,
        doc="alpha * data + beta, limited to [0, 1]; where it reaches an end the gradient is 0.",
    ),
    Op(
        "_contrib_isnan",
        inputs=("data",),
        shape=shapes.same,
        dtype=types.same,
        grad=ZERO,
        doc="1 where an element is nan, else 0, in the array's dtype.",
    ),
    Op(
        "_contrib_isinf",
        inputs=("data",),
        shape=shapes.same,
        dtype=types.same,
        grad=ZERO,
        doc="1 where an element is inf or -inf, else 0, in the array's dtype.",
    ),
    Op(
        "_contrib_isfinite",
        inputs=("data",),
        shape=shapes.same,
        dtype=types.same,
        grad=ZERO,
        doc="1 where an element is neither nan nor infinite, else 0, in the array's dtype.",
    ),
    Op(
        "_polygamma",
        inputs=("data",),
        attrs=(Attr("n", INT, 0),),
        shape=shapes.same,
        dtype=types.same,
        grad=RULES,
        doc="Derivative n + 1 of the gamma function's logarithm: the digamma function for n 0.",
    ),
)
