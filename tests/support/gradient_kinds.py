"""What a gradient is in MXNet, by op and input: the calls that find it out, and what they found.

The calls are those of the samples and of the random ops, with every input as a variable, whole numbers too.
Nothing here imports remx or MXNet.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .samples import SAMPLES, arrays
from .samples_random import SCRIPT

BEYOND = (
    "_grad_add",
    "_image_to_tensor",
    "_scatter_set_nd",
    "_slice_assign",
    "_slice_assign_scalar",
    "batch_take",
)
"""Ops that have a gradient here and none in MXNet: it is plain, and x[...] = y needs it."""
PATH = Path(__file__).resolve().parents[1] / "golden" / "gradient_kinds.json"


class Call(NamedTuple):
    """One call of an op; ``index`` seeds its head gradients."""

    op: str
    index: int
    inputs: list[np.ndarray]
    attrs: Mapping[str, object]


Answer = list["np.ndarray | None"] | str
"""The gradients of a call's inputs, None for one that was no variable; or what was raised instead."""

# MXNet's backward pass adds at negative positions without wrapping them, outside the array.
_UNSAFE = {("gather_nd", 7)}
# There is nothing to take a gradient of.
NO_OUTPUTS = ("reset_arrays",)


def calls() -> list[Call]:
    """Every call that has inputs, in the order of the ops' names."""
    made = [
        Call(op, index, arrays(op, index), sample.attrs)
        for op, samples in SAMPLES.items()
        for index, sample in enumerate(samples)
        if sample.inputs and (op, index) not in _UNSAFE and op not in NO_OUTPUTS
    ]
    made += [
        Call(op, index, [np.array(values, "float32") for values in inputs], attrs)
        for index, (op, inputs, attrs) in enumerate(SCRIPT)
        if inputs
    ]
    return sorted(made, key=lambda call: (call.op, call.index))


class Kinds(NamedTuple):
    """What was found of one op.

    Parameters
    ----------
    floats, whole
        By input position, "rules" if some call gave a gradient other than zero, else "zero"; of the inputs
        of floating-point numbers, and of the others.
    errors
        What the calls without a gradient raised, each once.
    """

    floats: dict[str, str]
    whole: dict[str, str]
    errors: list[str]

    @property
    def kind(self) -> str:
        """ "rules", "zero" or "none" for the op as a whole."""
        found = {*self.floats.values(), *self.whole.values()}
        return "none" if not found else "rules" if "rules" in found else "zero"


def collected(answers: Iterable[tuple[Call, Answer]]) -> dict[str, Kinds]:
    """What calls and their gradients, or the errors in place of them, say of each op."""
    made: dict[str, Kinds] = {}
    for call, answer in answers:
        kinds = made.setdefault(call.op, Kinds({}, {}, []))
        if isinstance(answer, str):
            if answer not in kinds.errors:
                kinds.errors.append(answer)
            continue
        for position, (given, gradient) in enumerate(zip(call.inputs, answer, strict=True)):
            if gradient is None:
                continue
            found = kinds.floats if given.dtype.kind == "f" else kinds.whole
            kind = "rules" if np.any(gradient != 0) else "zero"
            if found.get(str(position)) != "rules":
                found[str(position)] = kind
    return made


@cache
def golden_kinds() -> dict[str, Kinds]:
    """What MXNet's answers say, from the golden file."""
    return {op: Kinds(*kinds) for op, kinds in json.loads(PATH.read_text()).items()}
