"""Element-wise functions of an array and a number."""

from __future__ import annotations

from typing import Final

from ..attributes import FLOAT
from ..op import RULES, ZERO, Attr, Grad, Op
from ..rules import shapes, types

_CAST = "The scalar is first cast to the array's dtype (truncated if need be); an array of bool gives int64."
_WHOLE = "Whole numbers are divided towards zero, and x / 0 is 0 for them."
_TRUTH = "else 0, in the array's dtype."

_FUNCTIONS: Final[tuple[tuple[str, tuple[str, ...], Grad, str], ...]] = (
    ("_plus_scalar", ("_PlusScalar",), RULES, "data + scalar."),
    ("_minus_scalar", ("_MinusScalar",), RULES, "data - scalar."),
    ("_rminus_scalar", ("_RMinusScalar",), RULES, "scalar - data."),
    ("_mul_scalar", ("_MulScalar",), RULES, "data * scalar."),
    (
        "_div_scalar",
        ("_DivScalar",),
        RULES,
        f"data / scalar. {_WHOLE}",
    ),
    (
        "_rdiv_scalar",
        ("_RDivScalar",),
        RULES,
        f"scalar / data. {_WHOLE}",
    ),
    (
        "_mod_scalar",
        ("_ModScalar",),
        RULES,
        "Remainder of data / scalar, signed like scalar; 0 for scalar 0.",
    ),
    (
        "_rmod_scalar",
        ("_RModScalar",),
        RULES,
        "Remainder of scalar / data, signed like data; 0 where data is 0.",
    ),
    ("_power_scalar", ("_PowerScalar",), RULES, "data ** scalar."),
    ("_rpower_scalar", ("_RPowerScalar",), RULES, "scalar ** data."),
    (
        "_maximum_scalar",
        ("_MaximumScalar",),
        RULES,
        "The larger of data and scalar; at a tie the gradient goes to data.",
    ),
    (
        "_minimum_scalar",
        ("_MinimumScalar",),
        RULES,
        "The smaller of data and scalar; at a tie the gradient goes to data.",
    ),
    ("_hypot_scalar", ("_HypotScalar",), RULES, "sqrt(data**2 + scalar**2)."),
    ("_scatter_plus_scalar", (), RULES, "data + scalar."),
    ("_scatter_minus_scalar", (), RULES, "data - scalar."),
    ("_equal_scalar", ("_EqualScalar",), ZERO, f"1 where data == scalar, {_TRUTH}"),
    (
        "_not_equal_scalar",
        ("_NotEqualScalar",),
        ZERO,
        f"1 where data != scalar, {_TRUTH}",
    ),
    ("_greater_scalar", ("_GreaterScalar",), ZERO, f"1 where data > scalar, {_TRUTH}"),
    (
        "_greater_equal_scalar",
        ("_GreaterEqualScalar",),
        ZERO,
        f"1 where data >= scalar, {_TRUTH}",
    ),
    ("_lesser_scalar", ("_LesserScalar",), ZERO, f"1 where data < scalar, {_TRUTH}"),
    (
        "_lesser_equal_scalar",
        ("_LesserEqualScalar",),
        ZERO,
        f"1 where data <= scalar, {_TRUTH}",
    ),
    ("_logical_and_scalar", ("_LogicalAndScalar",), ZERO, "1 where data and scalar are nonzero, else 0."),
    ("_logical_or_scalar", ("_LogicalOrScalar",), ZERO, "1 where data or scalar is nonzero, else 0."),
    (
        "_logical_xor_scalar",
        ("_LogicalXorScalar",),
        ZERO,
        "1 where exactly one of both is nonzero, else 0.",
    ),
)

ROWS = tuple(
    Op(
        name,
        inputs=("data",),
        attrs=(Attr("scalar", FLOAT, 1.0, per_call=True),),
        shape=shapes.same,
        dtype=types.with_scalar,
        grad=grad,
        aliases=aliases,
        doc=f"{doc} {_CAST}",
    )
    for name, aliases, grad, doc in _FUNCTIONS
)
