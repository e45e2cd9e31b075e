"""Fills that the real MXNet and remx both make: initializers, shapes, names, dtypes, seeds, errors.

A case is a seed, an array of fives, the fill, and three uniforms drawn behind it, which show that the fill
used up as many random numbers. Nothing here imports either.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .snippets import error_names

SEEDS = (0, 42, 2**31 - 1)
SHAPES: tuple[tuple[int, ...], ...] = (
    (1,),
    (7,),
    (8,),
    (1, 1),
    (3, 5),
    (65, 63),
    (2, 3, 5),
    (4, 1, 3, 3),
    (3, 2, 4, 5),
    (2, 1, 3, 1, 2),
    (1, 3, 2, 3, 4),
    (257, 301),
)
NAMES = (
    "a_weight", "a_bias", "a_gamma", "a_beta", "a_min", "a_max", "a_weight_quantize", "a_bias_quantize",
    "a_running_mean", "a_running_var", "a_moving_mean", "a_moving_var", "a_moving_inv_var", "a_moving_avg",
    "upsampling_weight", "stn_loc_weight", "stn_loc_bias", "WEIGHT", "weight", "a", "",
)  # fmt: skip
INITIALIZERS = (
    "Zero()", "One()", "Constant(2.5)", "Constant(-3)", "Uniform()", "Uniform(3)", "Uniform(0)", "Normal()",
    "Normal(0.8)", "Xavier()", "Xavier('gaussian')", "Xavier('uniform', 'in', 2.45)",
    "Xavier('gaussian', 'out', 2)", "Xavier(magnitude=0)", "MSRAPrelu()", "MSRAPrelu('in', 0)", "Bilinear()",
    "LSTMBias()", "LSTMBias(forget_bias=2.5)", "Initializer()", "Uniform(1.2345e-05)", "Uniform(7.7777777)",
    "Uniform(123456.789)", "Uniform(3.3e+25)", "Normal(3.3000000000000003)", "Normal(1.1)",
    "Normal(9.87654321e-08)",
    "Xavier(magnitude=9e-9)", "Xavier('uniform', 'in', 2e4)", "Uniform(np.float32(1.1))", "LSTMBias(1.1)",
    "Constant(1.7320508075688772)", "Constant(np.pi)",
)  # fmt: skip
ORTHOGONAL = ("Orthogonal()", "Orthogonal(2.0, 'normal')")
REFUSED = (
    "Uniform(-1)", "Normal(0)", "Normal(-1)", "Xavier(magnitude=-1)", "Xavier('gaussian', magnitude=0)",
    "Xavier(factor_type='no')", "Xavier(rnd_type='no')", "Xavier(magnitude='a')", "Uniform('a')",
    "Normal('a')",
    "Constant('a')", "Constant([1.0] * 4)", "Constant(np.ones(4))", "Constant(mx.nd.ones(4))",
    "Mixed(['b'], [Zero()])", "Mixed(['b'], [])", "Load({'b': mx.nd.ones(3)})",
    "Load({'a_weight': mx.nd.ones(4)})", "Load([1])", "Load('no_such_file.params')", "create('nonsense')",
    "create('load')", "create('mixed')", "create('gaussian')", "create()", "create(3)", "create(None)",
    "create(Zero(), a=1)", "create('[bad')", "create('{}')", "create('[\"normal\"]')",
    "create('[1, {}]')", "create('[\"normal\", 3]')", "create('[\"normal\", {}]', sigma=1)",
    "create('normal', foo=1)", "create(' normal ')", "register(int)", "alias('x')(int)",
    "FusedRNN(Zero(), 2, 1, 'no')", "FusedRNN(Zero(), 2, 1, 'lstm')",
)  # fmt: skip
CREATED = (
    "create('normal', 0.3)", "create(initializer='normal', sigma=2)",
    "create({'initializer': 'normal', 'sigma': 2})", "create('Xavier', magnitude=2)",
    "create('[\"constant\", {\"value\": 3}]')", "create('{\"initializer\": \"MSRAPrelu\", \"slope\": 0.5}')",
    "create('bilinear')", "create('lstmbias')", "create('zeros')", "create('ones')",
    "Constant(np.arange(5.0))", "Constant([1, 2, 3, 4, 5])", "Constant(mx.nd.arange(5))",
    "Mixed(['b', '.*'], [Zero(), Normal(2)])", "Mixed(['a', '.*'], [Uniform(2), Normal(2)])",
    "Mixed(['.*bias', 'weight', 'a_'], [Zero(), One(), Xavier()])",
    "Load({'arg:a_weight': mx.nd.arange(15).reshape((3, 5))}, Zero())",
    "Load({'aux:b': mx.nd.ones(3)}, Uniform(2))",
)  # fmt: skip
OWN = (
    "One()", "Normal(2)", "Xavier()", "LSTMBias(3.0)", "Bilinear()", "Constant(4)", "Uniform(2)",
)  # fmt: skip
FUSED = [
    f"FusedRNN({inner}, {hidden}, {layers}, {mode!r}, {both}, 2.5)"
    for inner in ("Xavier('gaussian')", "Uniform(2)", "Zero()", "LSTMBias()")
    for hidden, layers in ((3, 1), (2, 3))
    for mode in ("lstm", "gru", "rnn_tanh", "rnn_relu")
    for both in (False, True)
]


class Case(NamedTuple):
    """One fill.

    Attributes
    ----------
    initializer : str
        Code, in which the names of ``mx.init`` are known.
    shape : tuple of int
    name : str
    own : str
        Code of the parameter's own initializer; or empty.
    dtype : str
    seed : int
    older : bool
        Call with a plain text instead of an InitDesc.
    """

    initializer: str
    shape: tuple[int, ...] = (3, 5)
    name: str = "a_weight"
    own: str = ""
    dtype: str = "float32"
    seed: int = 42
    older: bool = False


def cases() -> Iterator[Case]:
    """All of them."""
    for seed in SEEDS:
        for code in INITIALIZERS:
            yield from (Case(code, shape, seed=seed) for shape in SHAPES)
        for code in ("Uniform(3)", "Normal(0.8)", "One()", "Bilinear()", "LSTMBias()", "Initializer()"):
            for shape in ((7,), (6,), (3, 5), (3, 2, 4, 5)):
                yield from (Case(code, shape, name, seed=seed) for name in NAMES)
                yield from (Case(code, shape, name, seed=seed, older=True) for name in NAMES)
    for code in (*INITIALIZERS, *REFUSED, *CREATED):
        yield from (Case(code, name=name) for name in ("a_weight", "b", "a_bias"))
        for dtype in ("float16", "float64", "int32", "uint8", "int8"):
            yield from (Case(code, shape, dtype=dtype) for shape in ((3, 5), (1, 2, 4, 3)))
    for own in OWN:
        yield from (Case("Uniform(3)", shape, name, own) for shape in SHAPES for name in ("a", "a_bias"))
    for code in FUSED:
        yield from (Case(code, (length,)) for length in _lengths(code))
        yield Case(code, (_lengths(code)[0],), "a_bias")


def _lengths(code: str) -> tuple[int, int]:
    """The length of a fused RNN's vector for four inputs, and one that fits no number of them."""
    _, hidden, layers, mode, both, _ = eval(f"({code[9:-1]})", {"__builtins__": {}}, _Anything())
    gates, directions = {"lstm": 4, "gru": 3}.get(mode, 1), 1 + both
    rows = hidden * gates * directions
    length = rows * (4 + hidden + 2) + (layers - 1) * rows * (hidden * (directions + 1) + 2)
    return length, length + 1


class _Anything(dict):  # type: ignore[type-arg]
    """Every name is a function that gives None."""

    def __missing__(self, key: str) -> Any:
        return lambda *args: None


def fill(mx: Any, case: Case) -> tuple[Any, Any]:
    """Make a fill; returns the weights and what is drawn behind it."""
    known = {name: getattr(mx.init, name) for name in dir(mx.init) if not name.startswith("_")}
    known |= {"mx": mx, "np": np}
    mx.random.seed(case.seed)
    initializer = eval(case.initializer, known)
    array = mx.nd.ones(case.shape, dtype=case.dtype) * 5
    attrs = {"__init__": eval(case.own, known).dumps()} if case.own else None
    name = case.name if case.older else mx.init.InitDesc(case.name, attrs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        initializer(name, array)
    return array.asnumpy(), mx.nd.random.uniform(shape=3).asnumpy()


def result(mx: Any, case: Case) -> dict[str, Any]:
    """What comes of a case, as JSON: the first numbers and a hash of all, or the classes of the error."""
    try:
        weights, behind = fill(mx, case)
    except Exception as error:  # What it raises is its result.
        return {"error": error_names(type(error))}
    # Zeros of either sign are the same weights.
    digest = hashlib.sha256((weights + weights.dtype.type(0)).tobytes()).hexdigest()
    return {
        "dtype": weights.dtype.name,
        "first": [float(number) for number in weights.ravel()[:3]],
        "sha256": digest[:16],
        "behind": [float(number) for number in behind],
    }


def orthogonal() -> Iterator[Case]:
    """The fills that are compared as numbers, since they come out of a decomposition."""
    for code in ORTHOGONAL:
        for shape in SHAPES[:-1]:
            yield from (Case(code, shape, seed=seed) for seed in SEEDS)
        yield from (Case(code, dtype=dtype) for dtype in ("float16", "float64", "int32"))


def upright(weights: Any) -> Any:
    """Singular vectors with signs that are nobody's choice: the largest element of each is positive."""
    matrix = np.asarray(weights, np.float64).reshape(weights.shape[0], -1)
    vectors = matrix if matrix.shape[0] < matrix.shape[1] else matrix.T
    largest = abs(vectors).argmax(axis=1)
    signs = np.where(vectors[np.arange(len(vectors)), largest] < 0, -1, 1)
    return vectors * signs[:, None]
