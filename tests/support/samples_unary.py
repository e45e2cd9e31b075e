"""Samples of the ops of one array, element by element."""

from __future__ import annotations

from .samples_base import Sample, Table, away, bools, ints, sample, values, x

INF = float("inf")
NAN = float("nan")

# Every smooth op with the interval that its samples are drawn from.
SMOOTH = {
    "arccos": (-0.9, 0.9),
    "arccosh": (1.2, 4.0),
    "arcsin": (-0.9, 0.9),
    "arcsinh": (-3.0, 3.0),
    "arctan": (-3.0, 3.0),
    "arctanh": (-0.9, 0.9),
    "cbrt": (0.3, 4.0),
    "cos": (-3.0, 3.0),
    "cosh": (-2.0, 2.0),
    "degrees": (-3.0, 3.0),
    "erf": (-2.0, 2.0),
    "erfinv": (-0.9, 0.9),
    "exp": (-2.0, 2.0),
    "expm1": (-2.0, 2.0),
    "gamma": (0.3, 4.0),
    "gammaln": (0.3, 4.0),
    "log": (0.3, 4.0),
    "log10": (0.3, 4.0),
    "log1p": (-0.6, 3.0),
    "log2": (0.3, 4.0),
    "negative": (-3.0, 3.0),
    "radians": (-180.0, 180.0),
    "rcbrt": (0.3, 4.0),
    "reciprocal": (0.3, 4.0),
    "rsqrt": (0.3, 4.0),
    "sigmoid": (-4.0, 4.0),
    "sin": (-3.0, 3.0),
    "sinh": (-2.0, 2.0),
    "sqrt": (0.3, 4.0),
    "square": (-3.0, 3.0),
    "tan": (-1.2, 1.2),
    "tanh": (-2.0, 2.0),
    "_copy": (-3.0, 3.0),
}
# Ops whose kinks or jumps lie on multiples of one half.
KINKED = ("abs", "ceil", "fix", "floor", "relu", "rint", "round", "sign", "softsign", "trunc", "hard_sigmoid")

# Finite arguments where a kink, a pole, a tie of rounding or the end of a domain lies: outputs and gradients.
FINITE_EDGES: dict[str, tuple[float, ...]] = {
    "abs": (-2.0, -0.0, 0.0, 2.0),
    "arccos": (-1.0, -0.5, 0.0, 1.0, 1.5),
    "arccosh": (0.5, 1.0, 2.0),
    "arcsin": (-1.0, 0.0, 1.0, 1.5),
    "arctanh": (-1.0, 0.0, 1.0, 1.5),
    "cbrt": (-8.0, -1.0, 0.0, 1.0, 27.0),
    "ceil": (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5),
    "erfinv": (-1.0, 0.0, 1.0, 1.5),
    "exp": (-100.0, 0.0, 80.0, 100.0),
    "fix": (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5),
    "floor": (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5),
    "gamma": (0.5, 1.0, 2.0, 5.0),
    "gammaln": (0.5, 1.0, 2.0, 50.0),
    "log": (-1.0, 0.0, 1.0),
    "log10": (-1.0, 0.0, 1.0, 100.0),
    "log1p": (-2.0, -1.0, 0.0, 1e-6),
    "log2": (-1.0, 0.0, 1.0, 8.0),
    "rcbrt": (-8.0, 1.0, 27.0),
    "reciprocal": (-0.5, 0.0, 4.0),
    "relu": (-1.0, -0.0, 0.0, 1.0),
    "rint": (-3.5, -2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5, 3.5),
    "round": (-3.5, -2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5, 3.5),
    "rsqrt": (-1.0, 0.0, 4.0),
    "sigmoid": (-100.0, -20.0, 0.0, 20.0, 100.0),
    "sign": (-2.0, -0.0, 0.0, 3.0),
    "softsign": (-50.0, 0.0, 50.0),
    "sqrt": (-1.0, 0.0, 4.0),
    "tanh": (-50.0, 0.0, 50.0),
    "trunc": (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5),
    "hard_sigmoid": (-3.0, -2.5, 0.0, 2.5, 3.0),
}
# Ops whose outputs at the infinities and at not-a-number are compared.
NON_FINITE = (
    "abs",
    "arctan",
    "cbrt",
    "ceil",
    "cosh",
    "erf",
    "exp",
    "expm1",
    "fix",
    "floor",
    "log",
    "log10",
    "log1p",
    "log2",
    "negative",
    "reciprocal",
    "relu",
    "rint",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "sqrt",
    "square",
    "tanh",
    "trunc",
    "_copy",
)

# Ops that MXNet computes on whole numbers, with numbers for which the truncated result is beyond doubt.
WHOLE = (
    "abs",
    "ceil",
    "fix",
    "floor",
    "negative",
    "relu",
    "rint",
    "round",
    "sign",
    "square",
    "trunc",
    "_copy",
)
WHOLE_ROOTS = ("sqrt", "exp", "log", "sigmoid", "tanh")


def _smooth(low: float, high: float) -> tuple[Sample, ...]:
    return (
        sample(x(2, 3, low=low, high=high)),
        sample(x(1, 3, 1, low=low, high=high)),
        sample(x(5, low=low, high=high, dtype="float64")),
        sample(x(2, 1, 2, 2, low=low, high=high)),
        sample(x(2, 2, low=low, high=high, dtype="float16")),
    )


def _kinked() -> tuple[Sample, ...]:
    return (
        sample(away(2, 3)),
        sample(away(1, 3, 1)),
        sample(away(5, dtype="float64")),
        sample(away(2, 1, 2, 2)),
        sample(away(2, 2, dtype="float16")),
    )


def _edges(op: str) -> tuple[Sample, ...]:
    made = []
    if op in FINITE_EDGES:
        made.append(sample(values(*FINITE_EDGES[op]), smooth=False))
    if op in NON_FINITE:
        made.append(sample(values(-INF, INF, NAN), grad=False))
    if op in WHOLE:
        made.append(sample(ints(2, 3)))
        made.append(sample(ints(4, dtype="int64")))
        made.append(sample(ints(3, dtype="int8")))
        made.append(sample(ints(3, low=0, high=15, dtype="uint8")))
    if op in WHOLE_ROOTS:
        made.append(sample(values(1.0, 2.0, 3.0, 5.0, dtype="int32")))
    return tuple(made)


UNARY: Table = {op: _smooth(low, high) + _edges(op) for op, (low, high) in SMOOTH.items()}
UNARY |= {op: _kinked() + _edges(op) for op in KINKED}

UNARY["hard_sigmoid"] += (
    sample(away(2, 3), alpha=0.3, beta=0.35),
    sample(away(4, dtype="float64"), alpha=-0.5),
)
UNARY["clip"] = (
    sample(away(2, 3), a_min=-1.0, a_max=0.5),
    sample(away(5, dtype="float64"), a_min=0, a_max=1),
    sample(away(1, 2, 2, 1), a_min=-10, a_max=10),
    sample(away(4, dtype="float16"), a_min=-0.5, a_max=1.5),
    sample(values(-2.0, -1.0, 0.0, 1.0, 2.0), smooth=False, a_min=-1.0, a_max=1.0),
    sample(values(-INF, INF), grad=False, a_min=-1.0, a_max=1.0),
    sample(ints(2, 3), a_min=-2, a_max=2),
    sample(ints(6, low=0, high=5), a_min=1.5, a_max=2.5),
    sample(ints(4, low=0, high=9, dtype="uint8"), a_min=2, a_max=6),
)
UNARY["smooth_l1"] = (
    sample(away(2, 3), scalar=1.0),
    sample(away(5, dtype="float64"), scalar=2.0),
    sample(away(2, 2, dtype="float16"), scalar=1.0),
    sample(away(1, 3, 1), scalar=0.8),
    sample(values(-1.0, -0.25, 0.0, 0.25, 1.0), smooth=False, scalar=2.0),
)
UNARY["logical_not"] = (
    sample(values(-1.0, -0.0, 0.0, 0.5), smooth=False),
    sample(ints(2, 3, low=-1, high=2, dtype="float64"), smooth=False),
    sample(ints(2, 2, low=-1, high=2, dtype="float16"), smooth=False),
    sample(ints(2, 3, low=-1, high=2)),
    sample(ints(4, low=0, high=2, dtype="uint8")),
    sample(values(NAN, INF, 0.0), grad=False),
)
UNARY["Cast"] = (
    sample(x(2, 3), smooth=False, dtype="float16"),
    sample(x(2, 3), dtype="float64"),
    sample(x(3, dtype="float64"), dtype="float32"),
    sample(x(2, 2, dtype="float16"), dtype="float32"),
    sample(values(-2.5, -1.0, -0.5, 0.0, 0.5, 1.5, 2.0), smooth=False, dtype="int32"),
    sample(values(-2.5, 0.5, 100.0), smooth=False, dtype="int64"),
    sample(values(-2.5, 0.5, 100.0), smooth=False, dtype="int8"),
    sample(values(0.5, 3.9, 255.0), smooth=False, dtype="uint8"),
    sample(values(-0.5, -0.0, 0.0, 2.0), smooth=False, dtype="bool"),
    sample(ints(2, 3), dtype="float32"),
    sample(values(-1.0, 255.0, 256.0, 300.0, dtype="int32"), dtype="uint8"),
    sample(values(127.0, 128.0, 255.0, dtype="uint8"), dtype="int8"),
    sample(bools(2, 3), dtype="float32"),
    sample(bools(4), dtype="int32"),
    sample(values(0.0, 1.0, 2.0, dtype="int64"), dtype="bool"),
    # Out of the target's range: what x86 gives.
    sample(values(-1.0), grad=False, dtype="uint8"),
    sample(values(NAN, INF, -INF), grad=False, dtype="int32"),
)
UNARY["_copy"] += (sample(bools(3)),)

for _name in ("isnan", "isinf", "isfinite"):
    UNARY[f"_contrib_{_name}"] = (
        sample(values(-INF, INF, NAN, 0.0, 1.5), smooth=False),
        sample(values(-INF, INF, NAN, 2.0, shape=(2, 2), dtype="float64"), smooth=False),
        sample(values(INF, NAN, 1.0, dtype="float16"), smooth=False),
    )
