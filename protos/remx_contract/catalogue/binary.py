"""Element-wise functions of two arrays, of equal shapes or broadcast, and sums of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ..attributes import SHAPE
from ..errors import ShapeError
from ..op import RULES, ZERO, Attr, Attrs, Grad, Op
from ..rules import shapes, types
from ..spec import Shape


class _Pair(NamedTuple):
    """One function of two arrays and its two ops: for equal shapes, and with broadcasting."""

    name: str
    same: str
    same_aliases: tuple[str, ...]
    broadcast: str
    broadcast_aliases: tuple[str, ...]
    grad: Grad
    doc: str


_WHOLE_DIVISION = "Whole numbers are divided without remainder, towards zero, and x / 0 is 0 for them."
_MODULO = "Remainder of lhs / rhs with the sign of rhs; where rhs is 0, it is 0."
_TRUTH = "The result has the inputs' dtype."

PAIRS: Final = (
    _Pair(
        "add",
        "elemwise_add",
        ("_Plus", "_add", "_plus"),
        "broadcast_add",
        ("broadcast_plus",),
        RULES,
        "Sum, element-wise.",
    ),
    _Pair(
        "sub",
        "elemwise_sub",
        ("_Minus", "_minus", "_sub"),
        "broadcast_sub",
        ("broadcast_minus",),
        RULES,
        "Difference lhs - rhs, element-wise. Unsigned numbers wrap around.",
    ),
    _Pair("mul", "elemwise_mul", ("_Mul", "_mul"), "broadcast_mul", (), RULES, "Product, element-wise."),
    _Pair(
        "div",
        "elemwise_div",
        ("_Div", "_div"),
        "broadcast_div",
        (),
        RULES,
        f"Quotient lhs / rhs, element-wise. {_WHOLE_DIVISION}",
    ),
    _Pair("mod", "_mod", ("_Mod",), "broadcast_mod", (), RULES, _MODULO),
    _Pair(
        "power",
        "_power",
        ("_Power",),
        "broadcast_power",
        (),
        RULES,
        "lhs to the power of rhs, element-wise. Whole numbers go through single precision.",
    ),
    _Pair(
        "maximum",
        "_maximum",
        ("_Maximum",),
        "broadcast_maximum",
        (),
        RULES,
        "The larger one, element-wise; nan where either is nan. At a tie the gradient goes to lhs.",
    ),
    _Pair(
        "minimum",
        "_minimum",
        ("_Minimum",),
        "broadcast_minimum",
        (),
        RULES,
        "The smaller one, element-wise; nan where either is nan. At a tie the gradient goes to lhs.",
    ),
    _Pair(
        "hypot",
        "_hypot",
        ("_Hypot",),
        "broadcast_hypot",
        (),
        RULES,
        "Length sqrt(lhs**2 + rhs**2) of the hypotenuse, element-wise.",
    ),
    _Pair(
        "equal",
        "_equal",
        ("_Equal",),
        "broadcast_equal",
        (),
        ZERO,
        f"1 where lhs == rhs, else 0. {_TRUTH}",
    ),
    _Pair(
        "not_equal",
        "_not_equal",
        ("_Not_Equal",),
        "broadcast_not_equal",
        (),
        ZERO,
        f"1 where lhs != rhs, else 0. {_TRUTH}",
    ),
    _Pair(
        "greater",
        "_greater",
        ("_Greater",),
        "broadcast_greater",
        (),
        ZERO,
        f"1 where lhs > rhs, else 0. {_TRUTH}",
    ),
    _Pair(
        "greater_equal",
        "_greater_equal",
        ("_Greater_Equal",),
        "broadcast_greater_equal",
        (),
        ZERO,
        f"1 where lhs >= rhs, else 0. {_TRUTH}",
    ),
    _Pair(
        "lesser",
        "_lesser",
        ("_Lesser",),
        "broadcast_lesser",
        (),
        ZERO,
        f"1 where lhs < rhs, else 0. {_TRUTH}",
    ),
    _Pair(
        "lesser_equal",
        "_lesser_equal",
        ("_Lesser_Equal",),
        "broadcast_lesser_equal",
        (),
        ZERO,
        f"1 where lhs <= rhs, else 0. {_TRUTH}",
    ),
    _Pair(
        "logical_and",
        "_logical_and",
        ("_Logical_And",),
        "broadcast_logical_and",
        (),
        ZERO,
        f"1 where both are nonzero, else 0. {_TRUTH}",
    ),
    _Pair(
        "logical_or",
        "_logical_or",
        ("_Logical_Or",),
        "broadcast_logical_or",
        (),
        ZERO,
        f"1 where either is nonzero, else 0. {_TRUTH}",
    ),
    _Pair(
        "logical_xor",
        "_logical_xor",
        ("_Logical_Xor",),
        "broadcast_logical_xor",
        (),
        ZERO,
        f"1 where exactly one is nonzero, else 0. {_TRUTH}",
    ),
)
"""Every function that exists both for equal shapes and with broadcasting."""


def _same_row(pair: _Pair) -> Op:
    return Op(
        pair.same,
        inputs=("lhs", "rhs"),
        shape=shapes.all_same,
        dtype=types.same,
        grad=pair.grad,
        aliases=pair.same_aliases,
        doc=f"{pair.doc} Both inputs have one shape.",
    )


def _broadcast_row(pair: _Pair) -> Op:
    return Op(
        pair.broadcast,
        inputs=("lhs", "rhs"),
        shape=shapes.broadcast,
        dtype=types.same,
        grad=pair.grad,
        aliases=pair.broadcast_aliases,
        broadcast=True,
        doc=f"{pair.doc} Shapes are broadcast as NumPy does.",
    )


def _sum_to_shape(inputs: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    _check_spread(small=attrs.shape, large=inputs[0])
    return (attrs.shape,)


def _spread_to_shape(inputs: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    _check_spread(small=inputs[0], large=attrs.shape)
    return (attrs.shape,)


def _check_spread(small: Shape, large: Shape) -> None:
    """ShapeError unless ``small`` broadcasts to ``large``."""
    kept = large[len(large) - len(small) :] if len(small) <= len(large) else ()
    if len(kept) != len(small) or any(a not in (1, b) for a, b in zip(small, kept, strict=True)):
        raise ShapeError(argument="shape", got=f"{small}", expected=f"a shape that broadcasts to {large}")


_SHAPE = Attr("shape", SHAPE)

ROWS = (
    *[_same_row(pair) for pair in PAIRS],
    *[_broadcast_row(pair) for pair in PAIRS],
    Op(
        "_grad_add",
        inputs=("lhs", "rhs"),
        shape=shapes.all_same,
        dtype=types.same,
        grad=RULES,
        doc="Sum of two gradients of one shape.",
    ),
    Op(
        "_scatter_elemwise_div",
        inputs=("lhs", "rhs"),
        shape=shapes.all_same,
        dtype=types.same,
        grad=RULES,
        doc=f"Quotient lhs / rhs of arrays of one shape. {_WHOLE_DIVISION}",
    ),
    Op(
        "_identity_with_attr_like_rhs",
        inputs=("lhs", "rhs"),
        shape=shapes.all_same,
        dtype=types.same,
        grad=RULES,
        doc="A copy of lhs; rhs only has to have its shape and dtype.",
    ),
    Op(
        "add_n",
        inputs=("*args",),
        shape=shapes.all_same,
        dtype=types.same,
        grad=RULES,
        aliases=("ElementWiseSum",),
        doc="Sum of any number of arrays of one shape and one dtype.",
    ),
    Op(
        "_sum_to",
        inputs=("data",),
        attrs=(_SHAPE,),
        shape=_sum_to_shape,
        dtype=types.same,
        grad=RULES,
        doc="Sums over the axes that broadcasting `shape` to the shape of `data` adds or stretches: the "
        "gradient of a broadcast input.",
    ),
    Op(
        "_spread_to",
        inputs=("data",),
        attrs=(_SHAPE,),
        shape=_spread_to_shape,
        dtype=types.same,
        grad=RULES,
        doc="Broadcasts to `shape`, adding leading axes where it has more.",
    ),
)
