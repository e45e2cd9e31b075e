"""Make gradient_kinds.json: for each op and input, what a backward pass of MXNet 1.9.1 gives.

Run by an interpreter that has MXNet 1.9.1 (CPU); it needs nothing of remx::

    python tests/golden/make_gradient_kinds.py

A process of its own makes the calls one after another and is started again after one that ends it.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from make import HERE, destination, function, on_device, setting

sys.path.insert(0, str(HERE.parent))

import mxnet as mx
from support.gradient_kinds import PATH, Answer, Call, calls, collected
from support.samples import FAMILY_OF, SAMPLES, head_gradient

ENDED = "the process ends"


def gradients(call: Call) -> Answer:
    """The gradients of the inputs of a call, or what was raised.

    Where MXNet refuses all inputs as variables, those without positions and the like are.
    """
    answer = attempt(call, set(range(len(call.inputs))))
    if isinstance(answer, str) and call.op in SAMPLES:
        chosen = {k for k, given in enumerate(SAMPLES[call.op][call.index].inputs) if given.variable}
        if len(chosen) < len(call.inputs):
            return attempt(call, chosen)
    return answer


def named(op: str) -> Callable[..., Any]:
    """The function of an op; three are methods of another module."""
    short = op.removeprefix("_random_")
    return (
        getattr(mx.nd.random, short)
        if op.endswith("_like") and hasattr(mx.nd.random, short)
        else function(op)
    )


def attempt(call: Call, chosen: set[int]) -> Answer:
    """The gradients of the chosen inputs, None for the others, or what was raised."""
    inputs = on_device(call.inputs)
    for position in chosen:
        inputs[position].attach_grad()
    try:
        with mx.autograd.record():
            made = named(call.op)(*inputs, **call.attrs, **destination(call.op, inputs, call.attrs))
        outputs = list(made) if isinstance(made, (list, tuple)) else [made]
        heads = [
            head_gradient(call.op, call.index, k, output.shape, np.dtype(output.dtype).name)
            for k, output in enumerate(outputs)
        ]
        mx.autograd.backward(outputs, on_device(heads))
        return [given.grad.asnumpy() if k in chosen else None for k, given in enumerate(inputs)]
    except Exception as error:  # Whatever MXNet raises, the file tells.
        return said(error)


def said(error: Exception) -> str:
    """The line of an error that says what is wrong."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    line = next((line for line in lines if "Error: " in line), lines[-1] if lines else "")
    # Without numbers of nodes, times and places in MXNet's source.
    line = re.sub(r"^.*?Error: |node_\d+_?|\[\d\d:\d\d:\d\d\] \S+: |\(name=.*", "", line)
    return f"{type(error).__name__}: {line[:120].strip()}"


def packed(answer: Answer) -> str:
    """An answer as one line."""
    if isinstance(answer, str):
        return json.dumps(answer)
    file = io.BytesIO()
    np.savez(file, **{str(k): array for k, array in enumerate(answer) if array is not None})
    return json.dumps([len(answer), base64.b64encode(file.getvalue()).decode()])


def unpacked(line: str) -> Answer:
    """What ``packed`` packed."""
    made = json.loads(line)
    if isinstance(made, str):
        return made
    count, data = made
    with np.load(io.BytesIO(base64.b64decode(data))) as stored:
        return [stored[str(k)] if str(k) in stored.files else None for k in range(count)]


def environment(call: Call) -> dict[str, str]:
    """What the environment of a call's process has to have."""
    return setting(FAMILY_OF.get(call.op, ""))


def answered(every: list[Call]) -> list[Answer]:
    """The answers to all calls, from as many processes as it takes."""
    made: list[Answer] = []
    while len(made) < len(every):
        command = [sys.executable, __file__, str(len(made))]
        needed = os.environ | environment(every[len(made)])
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=needed)
        made += [unpacked(line) for line in done.stdout.splitlines()]
        if done.returncode:
            made.append(ENDED)
    return made


def main() -> None:
    """Answer the calls from the one whose number is given, or write the file."""
    every = calls()
    if len(sys.argv) > 1:
        first = int(sys.argv[1])
        for call in every[first:]:
            if environment(call) != environment(every[first]):
                break
            print(packed(gradients(call)), flush=True)
        return
    found = collected(zip(every, answered(every), strict=True))
    rows = [f"{json.dumps(op)}: {json.dumps(kinds)}" for op, kinds in found.items()]
    PATH.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
