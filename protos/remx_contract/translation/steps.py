"""Steps: the ops of a translation, as they are put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..attributes import spell
from ..op import Attrs
from ..spec import Shape, TensorSpec


class Step(NamedTuple):
    """One of MXNet's ops in a translation.

    Attributes
    ----------
    op : str
        MXNet's name.
    attrs : dict of str
    inputs : tuple of int
        The first numbers are the translated op's inputs; behind them come the steps.
    """

    op: str
    attrs: dict[str, str]
    inputs: tuple[int, ...]


class Steps:
    """Collects steps. Calling it adds one and returns its number, for the inputs of later ones.

    Parameters
    ----------
    in_specs : sequence of TensorSpec
        Of the translated op's inputs.
    """

    def __init__(self, in_specs: Sequence[TensorSpec]) -> None:
        self._inputs = len(in_specs)
        self.made: list[Step] = []

    def __call__(self, op: str, *inputs: int, **attrs: Any) -> int:
        spelled = {name: value if isinstance(value, str) else spell(value) for name, value in attrs.items()}
        self.made.append(Step(op, spelled, inputs))
        return self._inputs + len(self.made) - 1

    def reshape(self, data: int, have: Shape, want: Shape) -> int:
        """``data`` with another shape, or itself where it has that."""
        if have == want:
            return data
        return self("Reshape", data, shape=lengths(want))

    def transpose(self, data: int, axes: Sequence[int]) -> int:
        """``data`` with its axes in another order, or itself where they are in order."""
        if list(axes) == sorted(axes):
            return data
        return self("transpose", data, axes=tuple(axes))

    def broadcast(self, data: int, have: Shape, want: Shape) -> int:
        """``data`` broadcast to a shape of at least as many axes."""
        padded = (1,) * (len(want) - len(have)) + have
        data = self.reshape(data, have, padded)
        return data if padded == want else self("broadcast_to", data, shape=want)

    def scaled(self, data: int, scale: float) -> int:
        """``data`` times a number."""
        return data if scale == 1.0 else self("_mul_scalar", data, scalar=float(scale))

    def zeros(self, shape: Shape, spec: TensorSpec) -> int:
        """Zeros of a shape, of the dtype of ``spec``."""
        return self("_zeros", shape=shape, dtype=spec.dtype)

    def integers(self, start: int, stop: int, step: int = 1) -> int:
        """The int32 numbers of a range, which is not empty."""
        return self("_arange", start=float(start), stop=float(stop), step=float(step), dtype="int32")


Translator = Callable[[Steps, Attrs, Sequence[TensorSpec], Sequence[TensorSpec]], Any]
"""Adds the steps of an op with these attributes, input and output specs."""


def lengths(shape: Shape) -> str:
    """A shape as MXNet spells it where it records a reshape itself."""
    return f"[{','.join(map(str, shape))}]"
