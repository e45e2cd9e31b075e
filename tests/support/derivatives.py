"""Samples as functions of float64 variables, to compare gradients with central differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
from remx_server.value import Value

from .own_rows import DRAWN_IMAGES
from .runner import Array, Runner
from .samples import SAMPLES
from .samples_base import FLOATS, Sample
from .samples_smooth import SMOOTH

STEP = 1e-5
"""Of the central differences: their error is its square, and rounding adds about 1e-11."""

LINEAR_SINGLE = {"Crop", "_image_to_tensor"}
"""Ops that take float32 only. They are linear, so that a difference need not be small to be exact."""

STRAIGHT = {"_contrib_round_ste", "_contrib_sign_ste", *DRAWN_IMAGES}
"""Ops whose gradient is meant not to be their derivative."""
SYMMETRIC = {"_linalg_potrf", "_linalg_syevd"}
"""Ops of symmetric matrices: their gradients are those of functions of symmetric matrices alone. Here the
matrices are made symmetric first, as part of the function."""


class Derivatives:
    """A sample in float64, and its derivatives along random directions.

    The function of order 0 is the outputs, weighted with the head gradients and summed up; that of each
    further order is the gradient of the one before, weighted with random numbers and summed up. A gradient of
    order 1 is one of the op's own variables; beyond, the head gradients are variables too, and every pair of
    them meets in the mixed derivatives.

    Parameters
    ----------
    runner : Runner
    op : str
    sample : Sample
    name : str
        Names the sample, and with it the random numbers.
    shared : bool
        Whether one variable is all the inputs that can be variables.

    Attributes
    ----------
    points : list of array
        The variables, followed by one head gradient for each output.
    """

    def __init__(self, runner: Runner, op: str, sample: Sample, name: str, shared: bool = False) -> None:
        self.random = np.random.RandomState(crc32(name.encode()))
        self.runner = runner
        self.op = op
        self.training = sample.training
        single = op in LINEAR_SINGLE
        self.step = 0.25 if single else STEP
        self.attrs = {
            name: "float64" if name in ("dtype", "out_dtype") and value in FLOATS else value
            for name, value in sample.attrs.items()
        }
        made = [given.make(self.random) for given in sample.inputs]
        wide = np.float32 if single else np.float64
        self.inputs = [array.astype(wide) if array.dtype.kind == "f" else array for array in made]
        positions = [k for k, given in enumerate(sample.inputs) if given.differentiable]
        # For each variable, the inputs that it is.
        self.places = [positions] if shared else [[position] for position in positions]
        self.count = len(self.places)
        self.points = [self.inputs[positions[0]] for positions in self.places]
        outputs = self.outputs([runner.value(point) for point in self.points])
        self.points += [self.direction(runner.host(output)) for output in outputs]

    def direction(self, like: Array) -> Array:
        """A random array of the shape and dtype of another, of length about one in each element."""
        return np.asarray(self.random.uniform(-1, 1, like.shape)).astype(like.dtype)

    def directions(self, count: int | None = None) -> list[Array]:
        """A random direction for each of the first points."""
        return [self.direction(point) for point in self.points[:count]]

    def outputs(self, variables: Sequence[Value]) -> list[Value]:
        """The op's outputs as a function of its variables; always with the same random numbers."""
        inputs = [self.runner.value(array) for array in self.inputs]
        for positions, variable in zip(self.places, variables, strict=True):
            for position in positions:
                inputs[position] = variable
        if self.op in SYMMETRIC:
            (halves,) = self.runner.apply("_mul_scalar", inputs, {"scalar": 0.5})
            turned = self.runner.apply("SwapAxis", [halves], {"dim1": -2, "dim2": -1})
            inputs = self.runner.apply("elemwise_add", [halves, *turned])
        self.runner.random.seed(0)
        return self.runner.apply(self.op, inputs, self.attrs, self.training)

    def value(self, points: Sequence[Array]) -> float:
        """The function of order 0."""
        outputs = self.outputs([self.runner.value(point) for point in points[: self.count]])
        return _inner([self.runner.host(output) for output in outputs], points[self.count :])

    def gradients(self, points: Sequence[Array], weights: Sequence[Sequence[Array]]) -> list[Array]:
        """The gradients of the function whose order is the number of the weights."""
        given = [self.runner.variable(point) for point in points]
        heads, along = self.outputs(given[: self.count]), given[self.count :]
        wanted = given[: self.count]
        for passed in range(len(weights) + 1):
            last = passed == len(weights)
            made = self.runner.gradients(heads, along, wanted, create_graph=not last)
            if last:
                return [self.runner.host(value) for value in made]
            tracked = [
                (value, weight)
                for value, weight in zip(made, weights[passed], strict=True)
                if value.producer is not None
            ]
            # A function need not depend on each variable: as a head with a gradient of zero each is reached.
            zeros = [np.zeros_like(point) for point in points]
            heads = [*(value for value, _ in tracked), *given]
            along = [*(weight for _, weight in tracked), *zeros]
            wanted = given
        raise AssertionError("the last pass returns")

    def derivative(self, order: int) -> tuple[float, float]:
        """The derivative of the function of order ``order - 1`` along a direction: by rules and differences.

        Parameters
        ----------
        order : int
            At least 1.

        Returns
        -------
        tuple of float
        """
        weights = [self.directions(self.count if n == 0 else None) for n in range(order - 1)]
        if order == 1:
            along = self.directions(self.count)
            still = [np.zeros_like(point) for point in self.points[self.count :]]
            by_rules = _inner(self.gradients(self.points, ()), along)
            return by_rules, self.difference(self.value, [*along, *still])
        along = self.directions()
        by_rules = _inner(self.gradients(self.points, weights), along)

        def before(points: Sequence[Array]) -> float:
            return _inner(self.gradients(points, weights[:-1]), weights[-1])

        return by_rules, self.difference(before, along)

    def difference(self, function: Any, along: Sequence[Array]) -> float:
        """The central difference of a function of the points along a direction."""
        ahead, back = (
            [point + (step * way).astype(way.dtype) for point, way in zip(self.points, along, strict=True)]
            for step in (self.step, -self.step)
        )
        return float((function(ahead) - function(back)) / (2 * self.step))


def _inner(values: Sequence[Array], weights: Sequence[Array]) -> float:
    pairs = zip(values, weights, strict=True)
    return float(sum(np.vdot(value.astype(float), weight.astype(float)) for value, weight in pairs))


def smooth_samples(op: str) -> dict[str, Sample]:
    """By name, the smooth samples of an op that differ in more than their dtypes: all run in float64."""
    chosen: dict[str, tuple[str, Sample]] = {}
    for index, sample in enumerate((*SAMPLES.get(op, ()), *SMOOTH.get(op, ()))):
        if sample.smooth:
            form = repr(([given.shape for given in sample.inputs], sample.attrs, sample.training))
            chosen.setdefault(form, (f"{op}/{index}", sample))
    return dict(chosen.values())
