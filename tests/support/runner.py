"""Runs ops of the catalogue straight through the server's executor, without a wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import remx_server.ops  # noqa: F401 - registers the kernels
from remx_contract import codec
from remx_contract.catalogue import find
from remx_contract.op import Attrs, Op
from remx_contract.spec import TensorSpec
from remx_server.backend import Backend, Devices
from remx_server.backward import Pass
from remx_server.executor import Executor, OpSpec
from remx_server.random_state import RandomState
from remx_server.tape import Leaf
from remx_server.value import Value

Array = np.ndarray[Any, Any]

DEVICES = ["cpu", pytest.param("gpu", marks=pytest.mark.gpu)]
"""What a test that runs kernels is parametrized over: ``pytest -m gpu`` runs it on CuPy."""


class Runner:
    """An executor with values made from NumPy arrays.

    Parameters
    ----------
    device : {"cpu", "gpu"}
    training : bool
        The mode ops run in.
    """

    def __init__(self, device: str = "cpu", *, training: bool = False) -> None:
        devices = Devices("cpu" if device == "cpu" else "gpu")
        self.backend: Backend = devices.cpu if device == "cpu" else devices.gpus[0]
        self.random = RandomState()
        self.executor = Executor(devices, lambda thread: self.random)
        self.mode = codec.TRAINING if training else 0
        self._specs: dict[Any, OpSpec] = {}

    def value(self, array: Array) -> Value:
        """A value of an array."""
        copied = np.array(array, order="C")
        return Value(self.backend.from_host(copied), TensorSpec.of(copied.shape, copied.dtype), self.backend)

    def variable(self, array: Array) -> Value:
        """A value that gradients are asked of."""
        value = self.value(array)
        value.producer = Leaf(self.executor.zeros(value.spec, self.backend), 1)
        return value

    def host(self, value: Value) -> Array:
        """The array of a value."""
        return np.array(self.backend.to_host(value.data))

    def apply(
        self, name: str, values: Sequence[Value], attrs: Mapping[str, object] = {}, training: bool = False
    ) -> list[Value]:
        """The outputs of an op on values, recorded where one of them is tracked."""
        op = find(name)
        parsed = op.parse(attrs)
        per_call: dict[str, Any] = {attr.name: parsed[attr.name] for attr in op.per_call}
        if op.random:
            per_call["random"] = self.random
        spec = self._spec(op, parsed, len(values))
        # As a session's thread does: infinities and not-a-numbers are results, not warnings.
        with np.errstate(all="ignore"):
            mode = self.mode | codec.RECORDING | (codec.TRAINING if training else 0)
            return self.executor.run(spec, values, per_call, mode, 0)

    def _spec(self, op: Op, parsed: Attrs, inputs: int) -> OpSpec:
        """The spec of an op with its attributes; the same one for the same, as in a session."""
        key = (op.name, inputs, repr([parsed[attr.name] for attr in op.static]))
        if key not in self._specs:
            self._specs[key] = OpSpec(op, parsed, inputs, None if inputs else self.backend)
        return self._specs[key]

    def call(self, name: str, arrays: Sequence[Array], attrs: Mapping[str, object] = {}) -> list[Array]:
        """The outputs of an op on arrays."""
        return [
            self.host(value) for value in self.apply(name, [self.value(array) for array in arrays], attrs)
        ]

    def gradients(
        self,
        heads: Sequence[Value],
        head_gradients: Sequence[Array | Value | None],
        variables: Sequence[Value],
        *,
        create_graph: bool = False,
    ) -> list[Value]:
        """The gradients of variables, as ``autograd.grad`` gives them."""
        return self._pass(heads, head_gradients, variables, retain_graph=True, create_graph=create_graph)

    def backward(self, heads: Sequence[Value], head_gradients: Sequence[Array | Value | None]) -> None:
        """A backward pass that leaves the gradients at the variables and frees the graph."""
        self._pass(heads, head_gradients, None, retain_graph=False)

    def _pass(
        self,
        heads: Sequence[Value],
        head_gradients: Sequence[Array | Value | None],
        variables: Sequence[Value] | None,
        *,
        retain_graph: bool,
        create_graph: bool = False,
    ) -> list[Value]:
        given = [self.value(head) if isinstance(head, np.ndarray) else head for head in head_gradients]
        steps = Pass(
            self.executor,
            heads,
            given,
            variables,
            retain_graph=retain_graph,
            create_graph=create_graph,
            train_mode=bool(self.mode & codec.TRAINING),
        )
        with np.errstate(all="ignore"):
            assert steps.advance() is None
        return steps.gradients


@cache
def runner_on(device: str) -> Runner:
    """A runner that tests share, so that inference and kernels are bound once."""
    return Runner(device)
