"""What the rows with gradient rules keep for the backward pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from remx_contract.catalogue import OPS
from remx_contract.op import Grad

from .derivatives import Derivatives, smooth_samples
from .runner import Runner
from .samples import SAMPLES
from .samples_base import Sample

PATH = Path(__file__).resolve().parents[1] / "golden" / "saved.json"

Table = dict[str, dict[str, dict[str, int]]]
"""Op -> the input that is a variable -> what is kept -> its bytes."""


def example(op: str) -> Sample:
    """The sample of an op that has the most inputs, and of these the first with the most elements."""
    samples = [*smooth_samples(op).values(), *SAMPLES.get(op, ())]
    return max(
        samples,
        key=lambda one: (len(one.inputs), sum(int(np.prod(given.shape)) for given in one.inputs)),
    )


def kept(op: str, variable: int) -> dict[str, int]:
    """Bytes by name of what is saved for the gradient of one input of the op's example."""
    runner, row = Runner(), OPS[op]
    call = Derivatives(runner, op, example(op), op)
    inputs = [runner.value(array) for array in call.inputs]
    inputs[variable] = runner.variable(call.inputs[variable])
    node: Any = runner.apply(op, inputs, call.attrs)[0].producer
    made = {row.input_name(k): saved[0].nbytes for k, saved in sorted(node.inputs.items())}
    made.update((f"out{k}", saved[0].nbytes) for k, saved in sorted(node.outputs.items()))
    return made


def table() -> Table:
    """What every row with rules keeps for each of its variables; for a variadic op, for the first."""
    made: Table = {}
    for op, row in sorted(OPS.items()):
        if row.grad is Grad.RULES:
            positions = [k for k, given in enumerate(example(op).inputs) if given.differentiable]
            shown = positions[:1] if row.variadic else positions
            made[op] = {row.input_name(k): kept(op, k) for k in shown}
    return made


def text(made: Table) -> str:
    """The table as the golden file has it: an op a line."""
    lines = [f"{json.dumps(op)}: {json.dumps(kept)}" for op, kept in made.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"
