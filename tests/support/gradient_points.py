"""Calls at the points where gradients are special: kinks, ties, poles, ends of domains, no numbers.

Nothing here imports remx or MXNet: MXNet's gradients at these points are in tests/golden/gradient_points.npz.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .samples_base import Input, positions, values
from .samples_unary import FINITE_EDGES, KINKED, SMOOTH

PATH = Path(__file__).resolve().parents[1] / "golden" / "gradient_points.npz"
INF = float("inf")
NAN = float("nan")


class Point(NamedTuple):
    """One call; ``name`` is its key in the golden file."""

    name: str
    op: str
    inputs: tuple[Input, ...]
    attrs: Mapping[str, object]

    def arrays(self) -> list[np.ndarray]:
        """The inputs."""
        return [given.make(np.random.RandomState(0)) for given in self.inputs]

    def head(self, output: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        """The head gradient of an output: 1, 2, -1, 2, ... so that no two neighbours are alike."""
        cycle = np.resize([1.0, 2.0, -1.0 - output], int(np.prod(shape)))
        return cycle.reshape(shape).astype(dtype)


Call = tuple[str, tuple[Input, ...], dict[str, object]]

_LINE = (-INF, -2.0, -1.0, -0.0, 0.0, 1.0, 2.0, INF, NAN)
_UNARY = (*SMOOTH, *KINKED)
_ACTIVATIONS = ("relu", "sigmoid", "softrelu", "softsign", "tanh")
_LEAKY = ("leaky", "elu", "gelu")
_PAIRED = ("add", "sub", "mul", "div", "mod", "power", "maximum", "minimum", "hypot")


def _unary() -> Iterator[Call]:
    for op in _UNARY:
        yield op, (values(*sorted({*_LINE[:-1], *FINITE_EDGES.get(op, ())}), NAN),), {}
    for low, high in (-1.0, 1.0), (0.0, 0.0), (-INF, 1.0):
        yield "clip", (values(*_LINE),), {"a_min": low, "a_max": high}
    for scalar in (1.0, 2.0, 0.5):
        corner = 1 / scalar**2
        yield "smooth_l1", (values(*_LINE, corner, -corner, corner / 2),), {"scalar": scalar}
    for act_type in _ACTIVATIONS:
        yield "Activation", (values(*_LINE),), {"act_type": act_type}
    for act_type in _LEAKY:
        yield "LeakyReLU", (values(*_LINE),), {"act_type": act_type}
    yield "LeakyReLU", (values(*_LINE, shape=(1, 9)), values(*([0.5] * 9))), {"act_type": "prelu"}
    for dtype in ("float16", "float64"):
        yield "Cast", (values(*_LINE),), {"dtype": dtype}
    yield "BlockGrad", (values(*_LINE),), {}
    yield "make_loss", (values(*_LINE),), {}
    yield "MakeLoss", (values(*_LINE),), {"grad_scale": 0.5}


def _binary() -> Iterator[Call]:
    left, right = np.meshgrid(_LINE, _LINE)
    for name in _PAIRED:
        op = f"elemwise_{name}" if name in ("add", "sub", "mul", "div") else f"_{name}"
        yield op, (values(*left.flat), values(*right.flat)), {}
        # Summed over an axis of the short side.
        column, row = values(-1.0, 0.0, 2.0, shape=(3, 1)), values(2.0, 0.0, -1.0, 2.0, shape=(1, 4))
        yield f"broadcast_{name}", (column, row), {}


def _scalar() -> Iterator[Call]:
    for name in ("power", "rpower", "div", "rdiv", "mod", "rmod", "hypot", "maximum", "minimum", "mul"):
        for scalar in (0.0, 1.0, 2.0, 3.0, 0.5, -1.0, -2.0):
            yield f"_{name}_scalar", (values(*_LINE),), {"scalar": scalar}


def _reduced() -> Iterator[Call]:
    tied = values(1.0, 3.0, 3.0, 2.0, 2.0, 2.0, shape=(2, 3))
    holed = values(1.0, NAN, 3.0, NAN, NAN, NAN, 0.0, -0.0, 0.0, 2.0, INF, -INF, shape=(4, 3))
    zeros = values(0.0, 2.0, 3.0, 0.0, 0.0, 4.0, 1.0, 5.0, 4.0, 0.0, 0.0, 0.0, shape=(4, 3))
    for op in ("sum", "mean", "prod", "nansum", "nanprod", "max", "min"):
        for given in (tied, holed, zeros):
            yield op, (given,), {"axis": 1}
            yield op, (given,), {}
    for order in (1, 2):
        for given in (tied, holed, zeros):
            yield "norm", (given,), {"axis": 1, "ord": order}
    for given in (tied, holed, zeros):
        yield "moments", (given,), {"axes": (1,)}
        yield "L2Normalization", (given,), {}
        yield "_np_cumsum", (given,), {"axis": 1}
    for given in (tied, zeros):
        for ascending in (True, False):
            yield "sort", (given,), {"axis": 1, "is_ascend": ascending}
            yield "topk", (given,), {"axis": 1, "k": 2, "ret_typ": "value", "is_ascend": ascending}
            yield "topk", (given,), {"axis": 1, "k": 2, "ret_typ": "both", "is_ascend": ascending}
        yield "topk", (given,), {"axis": 1, "k": 2, "ret_typ": "mask"}


def _softmaxes() -> Iterator[Call]:
    rows = values(-INF, 0.0, 1.0, -INF, -INF, 2.0, 0.0, 0.0, 0.0, 100.0, -100.0, 0.0, shape=(4, 3))
    lost = values(-INF, -INF, -INF, INF, 0.0, 0.0, NAN, 0.0, 1.0, shape=(3, 3))
    for op in ("softmax", "log_softmax", "softmin"):
        for given in (rows, lost):
            yield op, (given,), {"axis": 1}
            yield op, (given,), {"axis": 1, "temperature": 0.5}
    yield "softmax", (rows, positions(0, 1, 2, 3)), {"axis": 1, "use_length": True}
    yield "SoftmaxActivation", (rows,), {}


def _picked() -> Iterator[Call]:
    data = values(1.0, INF, NAN, 0.0, -0.0, 2.0, -INF, 3.0, shape=(4, 2))
    for mode in ("clip", "wrap"):
        yield "take", (data, positions(-5, -1, 0, 0, 3, 4, 9, 3)), {"mode": mode}
        yield "take", (data, positions(-3, 0, 1, 1, 2)), {"mode": mode, "axis": 1}
        yield "pick", (data, positions(-1, 0, 1, 5)), {"mode": mode, "axis": 1}
        yield "pick", (data, positions(-1, 7)), {"mode": mode, "axis": 0}
    yield "Embedding", (positions(-1, 0, 0, 3, 9, 3), data), {"input_dim": 4, "output_dim": 2}
    yield "gather_nd", (data, positions(0, 0, 3, 0, 0, 1, shape=(2, 3))), {}
    yield (
        "where",
        (positions(0, 1, 1, 0, dtype="float32"), values(NAN, 1.0, INF, NAN), values(1.0, NAN, 2.0, INF)),
        {},
    )
    yield "where", (values(NAN, -0.0, 0.0, INF), values(1.0, 2.0, 3.0, 4.0), values(1.0, 2.0, 3.0, 4.0)), {}
    yield (
        "SequenceMask",
        (data, positions(0, 4, dtype="float32")),
        {"use_sequence_length": True, "value": NAN},
    )
    yield "broadcast_to", (values(NAN, shape=(1, 1)),), {"shape": (2, 3)}
    yield "broadcast_axis", (values(1.0, INF, shape=(1, 2)),), {"axis": 0, "size": 3}


def _calls() -> Iterator[Call]:
    for group in (_unary, _binary, _scalar, _reduced, _softmaxes, _picked):
        yield from group()


# Ops without arithmetic, or of which MXNet lacks the other kernels.
_SINGLE = {"Embedding", "SequenceMask", "SoftmaxActivation", "where", "BlockGrad", "Cast", "sort", "topk"}


@cache
def points() -> tuple[Point, ...]:
    """Every call in float32, and in float16 and float64 too."""
    made = []
    for op, inputs, attrs in _calls():
        for dtype in ("float32", "float16", "float64"):
            if dtype != "float32" and op in _SINGLE:
                continue
            given = tuple(
                replace(one, dtype=dtype) if one.differentiable and one.dtype == "float32" else one
                for one in inputs
            )
            made.append(Point(f"{op}/{len(made)}", op, given, attrs))
    return tuple(made)


@cache
def golden_points() -> dict[str, np.ndarray]:
    """MXNet's gradients, by the name of the point and the position of the input."""
    with np.load(PATH) as stored:
        return {key: stored[key] for key in stored.files}
