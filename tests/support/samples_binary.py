"""Samples of the ops of two arrays, or an array and a scalar, element by element."""

from __future__ import annotations

from .samples_base import Input, Sample, Table, away, bools, ints, sample, values, x

INF = float("inf")
NAN = float("nan")

# Pairs of shapes that broadcast: either side, both sides, fewer axes, single elements, many axes.
PAIRS = (
    ((2, 3), (2, 3)),
    ((2, 3), (1, 3)),
    ((2, 1), (2, 3)),
    ((2, 1, 4), (1, 3, 1)),
    ((1,), (4,)),
    ((3,), (2, 3)),
    ((2, 3, 1, 2), (1, 1, 2, 1)),
    ((1, 2, 1, 2, 1), (2, 1, 2, 1, 2)),
)
FEW_PAIRS = PAIRS[:4] + PAIRS[5:6]

# Smooth ops with the intervals of their left and right sides.
ARITHMETIC = {
    "broadcast_add": ((-2.0, 2.0), (-2.0, 2.0)),
    "broadcast_sub": ((-2.0, 2.0), (-2.0, 2.0)),
    "broadcast_mul": ((-2.0, 2.0), (-2.0, 2.0)),
    "broadcast_div": ((-2.0, 2.0), (0.4, 2.0)),
    "broadcast_mod": ((-4.0, 4.0), (0.495, 0.505)),
    "broadcast_power": ((0.4, 2.0), (-2.0, 2.0)),
    "broadcast_hypot": ((-2.0, 2.0), (0.4, 2.0)),
    "broadcast_maximum": ((-2.0, 2.0), (-2.0, 2.0)),
    "broadcast_minimum": ((-2.0, 2.0), (-2.0, 2.0)),
}
# Ops whose outputs are 0 and 1, by the middle of their names.
TRUTHS = (
    "equal",
    "greater",
    "greater_equal",
    "lesser",
    "lesser_equal",
    "not_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
)


def _arithmetic(op: str) -> tuple[Sample, ...]:
    (low, high), (low2, high2) = ARITHMETIC[op]
    # Numbers away from halves, divided by about one half, are away from the integers, where mod jumps.
    draw = away if op == "broadcast_mod" else x
    made = [sample(draw(*lhs, low=low, high=high), x(*rhs, low=low2, high=high2)) for lhs, rhs in PAIRS]
    made += [
        sample(draw(2, 3, low=low, high=high, dtype=dtype), x(2, 1, low=low2, high=high2, dtype=dtype))
        for dtype in ("float64", "float16")
    ]
    if op != "broadcast_hypot":
        made += [
            sample(ints(2, 3, low=1, high=6, dtype=dtype), ints(1, 3, low=1, high=4, dtype=dtype))
            for dtype in ("int32", "int64", "int8", "uint8")
        ]
    return tuple(made)


def _compared() -> tuple[Sample, ...]:
    def ternary(*shape: int, dtype: str = "float32") -> Input:
        return ints(*shape, low=-1, high=2, dtype=dtype)

    made = [sample(ternary(*lhs), ternary(*rhs), smooth=False) for lhs, rhs in FEW_PAIRS]
    made += [
        sample(ternary(2, 3, dtype=dtype), ternary(1, 3, dtype=dtype), smooth=False)
        for dtype in ("float64", "float16", "int32", "int64")
    ]
    made.append(sample(ints(4, low=0, high=2, dtype="uint8"), ints(4, low=0, high=2, dtype="uint8")))
    made.append(sample(values(NAN, NAN, INF, -INF, -0.0), values(NAN, 1.0, INF, INF, 0.0), grad=False))
    return tuple(made)


BINARY_BCAST: Table = {op: _arithmetic(op) for op in ARITHMETIC}
BINARY_BCAST |= {f"broadcast_{truth}": _compared() for truth in TRUTHS}

_TIES = (values(-1.0, 0.0, 1.0, 2.0), values(-1.0, 0.5, 1.0, 1.0))
BINARY_BCAST["broadcast_maximum"] += (sample(*_TIES, smooth=False),)
BINARY_BCAST["broadcast_minimum"] += (sample(*_TIES, smooth=False),)
BINARY_BCAST["broadcast_add"] += (
    sample(values(250.0, 7.0, dtype="uint8"), values(10.0, 1.0, dtype="uint8")),
)
BINARY_BCAST["broadcast_sub"] += (sample(values(3.0, 7.0, dtype="uint8"), values(10.0, 1.0, dtype="uint8")),)
BINARY_BCAST["broadcast_mul"] += (
    sample(values(200.0, 7.0, dtype="uint8"), values(2.0, 3.0, dtype="uint8")),
    sample(values(100000.0, -7.0, dtype="int32"), values(100000.0, 3.0, dtype="int32")),
)
BINARY_BCAST["broadcast_div"] += (
    sample(values(1.0, -1.0, 0.0), values(0.0, 0.0, 0.0), smooth=False),
    sample(values(-7.0, 7.0, -7.0, 7.0, dtype="int32"), values(2.0, -2.0, -2.0, 2.0, dtype="int32")),
)
BINARY_BCAST["broadcast_mod"] += (
    sample(values(-7.0, 7.0, -7.0, 7.0, 5.5), values(3.0, -3.0, -3.0, 3.0, 0.0), smooth=False),
    sample(
        values(-7.0, 7.0, -7.0, 7.0, 5.0, dtype="int32"), values(3.0, -3.0, -3.0, 3.0, 0.0, dtype="int32")
    ),
)
BINARY_BCAST["broadcast_power"] += (
    sample(values(-2.0, -2.0, 0.0, 0.0, 2.0), values(2.0, 3.0, 0.0, 2.0, -1.0), grad=False),
    sample(values(-2.0, 0.0), values(0.5, -1.0), grad=False),
)
BINARY_BCAST["broadcast_hypot"] += (sample(values(0.0, 3.0, INF), values(2.0, -4.0, 1.0), grad=False),)

_SAME_SHAPES = ((2, 3), (5,), (1, 3, 1), (2, 1, 2, 2))


def _elemwise(low: float) -> tuple[Sample, ...]:
    made = [sample(x(*shape), x(*shape, low=low)) for shape in _SAME_SHAPES]
    made += [sample(x(2, 3, dtype=dtype), x(2, 3, low=low, dtype=dtype)) for dtype in ("float64", "float16")]
    made += [
        sample(ints(2, 3, low=1, high=6, dtype=dtype), ints(2, 3, low=1, high=4, dtype=dtype))
        for dtype in ("int32", "int64", "int8", "uint8")
    ]
    return tuple(made)


BINARY_ELEMWISE: Table = {
    "elemwise_add": _elemwise(-2.0),
    "elemwise_sub": _elemwise(-2.0),
    "elemwise_mul": _elemwise(-2.0),
    "elemwise_div": (*_elemwise(0.4), sample(values(1.0, -1.0, 0.0), values(0.0, 0.0, 0.0), smooth=False)),
    "_grad_add": (
        sample(x(2, 3), x(2, 3), grad=False, smooth=True),
        sample(x(4, dtype="float64"), x(4, dtype="float64"), grad=False, smooth=True),
        sample(ints(2, 3), ints(2, 3)),
    ),
    "_identity_with_attr_like_rhs": (
        sample(x(2, 3), x(2, 3)),
        sample(x(4, dtype="float64"), x(4, dtype="float64")),
        sample(ints(2, 3), ints(2, 3)),
    ),
    "add_n": (
        sample(x(2, 3)),
        sample(x(2, 3), x(2, 3)),
        sample(x(1, 3, 1), x(1, 3, 1), x(1, 3, 1)),
        sample(*[x(5, dtype="float64") for _ in range(5)]),
        sample(*[x(2, 2, dtype="float16") for _ in range(4)]),
        sample(ints(2, 3), ints(2, 3), ints(2, 3)),
    ),
}
# The ops of equal shapes that only MXNet's operators for symbols use.
for _name in ("mod", "power", "maximum", "minimum", "hypot"):
    (_low, _high), (_low2, _high2) = ARITHMETIC[f"broadcast_{_name}"]
    _draw = away if _name == "mod" else x
    BINARY_ELEMWISE[f"_{_name}"] = tuple(
        sample(
            _draw(*_shape, low=_low, high=_high, dtype=_dtype),
            x(*_shape, low=_low2, high=_high2, dtype=_dtype),
        )
        for _shape, _dtype in (((2, 3), "float32"), ((4,), "float64"), ((2, 1, 2), "float16"))
    )
BINARY_ELEMWISE |= {
    f"_{truth}": (
        *[
            sample(
                ints(4, 3, low=-1, high=2, dtype=dtype), ints(4, 3, low=-1, high=2, dtype=dtype), smooth=False
            )
            for dtype in ("float32", "float64", "float16")
        ],
        sample(ints(5, low=-1, high=2), ints(5, low=-1, high=2)),
    )
    for truth in TRUTHS
}
BINARY_ELEMWISE["_scatter_elemwise_div"] = (
    sample(x(2, 3), x(2, 3, low=0.4), grad=False, smooth=True),
    sample(x(4, dtype="float64"), x(4, low=0.4, dtype="float64"), grad=False, smooth=True),
)

# Scalars of the arithmetic ops with the interval of the array: away from poles and the ends of domains.
_SCALARS: dict[str, tuple[tuple[float, ...], float, float]] = {
    "_plus_scalar": ((2.5, -3.0, 0.0), -2.0, 2.0),
    "_minus_scalar": ((2.5, -3.0, 0.0), -2.0, 2.0),
    "_rminus_scalar": ((2.5, -3.0, 0.0), -2.0, 2.0),
    "_mul_scalar": ((2.5, -3.0, 0.0), -2.0, 2.0),
    "_div_scalar": ((2.5, -3.0, 0.1), -2.0, 2.0),
    "_rdiv_scalar": ((2.5, -3.0, 0.0), 0.4, 2.0),
    "_mod_scalar": ((2.5, -3.0, 0.7), -4.0, 4.0),
    "_rmod_scalar": ((2.5, -3.0, 0.7), 1.55, 1.9),
    "_power_scalar": ((2.5, -3.0, 0.0), 0.4, 2.0),
    "_rpower_scalar": ((2.5, 0.5, 1.0), -2.0, 2.0),
    "_maximum_scalar": ((0.3, -3.0, 0.0), -2.0, 2.0),
    "_minimum_scalar": ((0.3, -3.0, 0.0), -2.0, 2.0),
    "_hypot_scalar": ((2.5, -3.0, 0.7), 0.4, 2.0),
}
_FRACTIONAL = ("_hypot_scalar", "_rpower_scalar")


def _with_scalar(op: str) -> tuple[Sample, ...]:
    scalars, low, high = _SCALARS[op]
    first, second, third = scalars
    made = [
        sample(x(2, 3, low=low, high=high), scalar=first),
        sample(x(5, low=low, high=high, dtype="float64"), scalar=second),
        sample(x(1, 3, 1, low=low, high=high), scalar=third),
        sample(x(2, 2, low=low, high=high, dtype="float16"), scalar=first),
        sample(x(2, 1, 2, 2, low=low, high=high), scalar=int(second) or 1),
    ]
    if op not in _FRACTIONAL:
        made += [
            sample(ints(2, 3, low=1, high=6), scalar=2.0),
            sample(ints(4, low=1, high=6, dtype="int64"), scalar=3.0),
            sample(ints(4, low=1, high=3, dtype="int8"), scalar=3.0),
            sample(ints(4, low=3, high=6, dtype="uint8"), scalar=2.0),
            sample(ints(2, 3, low=1, high=6), scalar=2.9),
        ]
    return tuple(made)


def _compared_with_scalar() -> tuple[Sample, ...]:
    return (
        sample(ints(2, 3, low=-1, high=2, dtype="float32"), smooth=False, scalar=1.0),
        sample(ints(5, low=-1, high=2, dtype="float64"), smooth=False, scalar=0.0),
        sample(ints(1, 3, 1, low=-1, high=2, dtype="float16"), smooth=False, scalar=-1.0),
        sample(x(2, 1, 2, 2), smooth=False, scalar=0.25),
        sample(ints(2, 3, low=-1, high=2), scalar=1.0),
        sample(ints(2, 3, low=0, high=3), scalar=1.5),
        sample(ints(4, low=0, high=3, dtype="int64"), scalar=1.0),
        sample(ints(4, low=0, high=3, dtype="uint8"), scalar=2.0),
        sample(bools(4), scalar=1.0),
        sample(values(NAN, INF, -INF), grad=False, scalar=1.0),
        sample(values(NAN, INF, 1.0), grad=False, scalar=NAN),
    )


BINARY_SCALAR: Table = {op: _with_scalar(op) for op in _SCALARS}
BINARY_SCALAR |= {f"_{truth}_scalar": _compared_with_scalar() for truth in TRUTHS}

BINARY_SCALAR |= {
    f"_scatter_{name}_scalar": (
        sample(x(2, 3), grad=False, smooth=True, scalar=2.5),
        sample(x(5, dtype="float64"), grad=False, smooth=True, scalar=-3),
    )
    for name in ("plus", "minus")
}
BINARY_SCALAR["_plus_scalar"] += (
    sample(bools(4), scalar=2.0),
    sample(values(250.0, 7.0, dtype="uint8"), scalar=10.0),
)
BINARY_SCALAR["_minus_scalar"] += (
    sample(bools(4), scalar=1.0),
    sample(values(3.0, dtype="uint8"), scalar=5.0),
)
BINARY_SCALAR["_mul_scalar"] += (
    sample(bools(4), scalar=3.0),
    sample(values(5.0, -5.0, dtype="int32"), scalar=0.5),
    sample(values(0.0, INF, NAN), grad=False, scalar=0.0),
)
BINARY_SCALAR["_div_scalar"] += (
    sample(values(5.0, -5.0, dtype="int32"), scalar=2.5),
    sample(values(1.0, -1.0, 0.0), smooth=False, scalar=0.0),
)
BINARY_SCALAR["_rdiv_scalar"] += (sample(values(-0.5, 0.0, 4.0), smooth=False, scalar=1.0),)
BINARY_SCALAR["_mod_scalar"] += (
    sample(values(-7.0, 7.0, 6.0, 0.0), smooth=False, scalar=3.0),
    sample(values(-7.0, 7.0, 6.0, 0.0), smooth=False, scalar=-3.0),
    sample(values(-7.0, 7.0, 0.0), grad=False, scalar=0.0),
    sample(values(-7.0, 7.0, 6.0, dtype="int32"), scalar=3.0),
    sample(values(-7.0, 7.0, 6.0, dtype="int32"), scalar=-3.0),
    sample(values(-7.0, 7.0, 6.0, dtype="int32"), scalar=0.0),
)
BINARY_SCALAR["_rmod_scalar"] += (
    sample(values(-3.0, 3.0, 2.0, 0.0), grad=False, scalar=7.0),
    sample(values(-3.0, 3.0, 2.0, 0.0, dtype="int32"), scalar=-7.0),
)
BINARY_SCALAR["_power_scalar"] += (
    sample(values(-2.0, 0.0, 3.0), smooth=False, scalar=2.0),
    sample(values(-2.0, 4.0), grad=False, scalar=0.5),
    sample(values(4.0, 9.0, dtype="int32"), scalar=0.5),
    sample(values(-2.0, 0.0, 2.0), smooth=False, scalar=0.0),
)
BINARY_SCALAR["_rpower_scalar"] += (sample(ints(4, low=0, high=5), scalar=2.0),)
BINARY_SCALAR["_maximum_scalar"] += (sample(values(-1.0, 0.5, 2.0, 0.5), smooth=False, scalar=0.5),)
BINARY_SCALAR["_minimum_scalar"] += (sample(values(-1.0, 0.5, 2.0, 0.5), smooth=False, scalar=0.5),)
BINARY_SCALAR["_hypot_scalar"] += (sample(values(3.0, 0.0, -3.0), smooth=False, scalar=4.0),)
