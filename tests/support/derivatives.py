"""Samples as functions of float64 variables, to compare gradients with central differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
from remx_server.value import Value

from .runner import Array, Runner
from .samples import SAMPLES
from .samples_base import FLOATS, Sample
from .samples_rules import RULE_OPS

STEP = 1e-5
"""Of the central differences: their error is its square, and rounding adds about 1e-11."""


class Derivatives:
    """A sample in float64, and its derivatives along random directions.

    Parameters
    ----------
    runner : Runner
    op : str
    sample : Sample
    name : str
        Names the sample, and with it the random numbers.

    Attributes
    ----------
    points : list of array
        The variables, followed by one head gradient for each output.
    """

    def __init__(self, runner: Runner, op: str, sample: Sample, name: str) -> None:
        self.random = np.random.RandomState(crc32(name.encode()))
        self.runner = runner
        self.op = op
        self.attrs = {
            name: "float64" if name in ("dtype", "out_dtype") and value in FLOATS else value
            for name, value in sample.attrs.items()
        }
        made = [given.make(self.random) for given in sample.inputs]
        self.inputs = [array.astype(np.float64) if array.dtype.kind == "f" else array for array in made]
        self.positions = [k for k, given in enumerate(sample.inputs) if given.differentiable]
        outputs = runner.call(op, self.inputs, self.attrs)
        self.points = [self.inputs[position] for position in self.positions]
        self.points += [self.direction(output) for output in outputs]

    def direction(self, like: Array) -> Array:
        """A random array of the shape and dtype of another, of length about one in each element."""
        return np.asarray(self.random.uniform(-1, 1, like.shape)).astype(like.dtype)

    def directions(self) -> list[Array]:
        """A random direction for each of the points."""
        return [self.direction(point) for point in self.points]

    def outputs(self, variables: Sequence[Value]) -> list[Value]:
        """The op's outputs as a function of its variables."""
        inputs = [self.runner.value(array) for array in self.inputs]
        for position, variable in zip(self.positions, variables, strict=True):
            inputs[position] = variable
        return self.runner.apply(self.op, inputs, self.attrs)

    def value(self, points: Sequence[Array]) -> float:
        """The outputs, weighted with the heads and summed up."""
        count = len(self.positions)
        outputs = self.outputs([self.runner.value(point) for point in points[:count]])
        return _inner([self.runner.host(output) for output in outputs], points[count:])

    def gradients(self, points: Sequence[Array], create_graph: bool = False) -> list[list[Value]]:
        """The points as variables, and the gradients of ``value`` with respect to the op's own."""
        count = len(self.positions)
        given = [self.runner.variable(point) for point in points]
        outputs = self.outputs(given[:count])
        made = self.runner.gradients(outputs, given[count:], given[:count], create_graph=create_graph)
        return [given, made]

    def weighted(self, points: Sequence[Array], weights: Sequence[Array]) -> float:
        """The gradients, weighted and summed up."""
        return _inner([self.runner.host(value) for value in self.gradients(points)[1]], weights)

    def first(self) -> tuple[float, float]:
        """The derivative of ``value`` along a random direction: by rules and by differences."""
        count = len(self.positions)
        along = self.directions()[:count]
        by_rules = self.weighted(self.points, along)
        still = [np.zeros_like(point) for point in self.points[count:]]
        return by_rules, self.difference(self.value, [*along, *still])

    def second(self) -> tuple[float, float]:
        """The derivative of ``weighted`` along a random direction: by rules and by differences."""
        weights = self.directions()[: len(self.positions)]
        along = self.directions()
        given, made = self.gradients(self.points, create_graph=True)
        tracked = [(value, weight) for value, weight in zip(made, weights, strict=True) if value.producer]
        heads = [value for value, _ in tracked]
        # The gradients are left at the variables, since the first ones need not depend on each of them.
        self.runner.backward(heads, [weight for _, weight in tracked])
        leaves: list[Any] = [value.producer for value in given]
        by_rules = _inner([self.runner.host(leaf.gradient) for leaf in leaves], along)
        return by_rules, self.difference(lambda points: self.weighted(points, weights), along)

    def difference(self, function: Any, along: Sequence[Array]) -> float:
        """The central difference of a function of the points along a direction."""
        ahead = [
            point + (STEP * way).astype(way.dtype) for point, way in zip(self.points, along, strict=True)
        ]
        back = [point - (STEP * way).astype(way.dtype) for point, way in zip(self.points, along, strict=True)]
        return float((function(ahead) - function(back)) / (2 * STEP))


def _inner(values: Sequence[Array], weights: Sequence[Array]) -> float:
    pairs = zip(values, weights, strict=True)
    return float(sum(np.vdot(value.astype(float), weight.astype(float)) for value, weight in pairs))


def smooth_samples(op: str) -> dict[str, Sample]:
    """By name, the smooth samples of an op that differ in more than their dtypes: all run in float64."""
    chosen: dict[str, tuple[str, Sample]] = {}
    for index, sample in enumerate((*SAMPLES.get(op, ()), *RULE_OPS.get(op, ()))):
        if sample.smooth:
            form = repr(([given.shape for given in sample.inputs], sample.attrs))
            chosen.setdefault(form, (f"{op}/{index}", sample))
    return dict(chosen.values())
