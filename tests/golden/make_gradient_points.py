"""Make gradient_points.npz: MXNet 1.9.1's gradients at kinks, ties, poles and what is no number.

Run by an interpreter that has MXNet 1.9.1 (CPU); it needs nothing of remx::

    python tests/golden/make_gradient_points.py

``<name>/<i>`` is the gradient of input ``i`` of the point ``name``.
"""

from __future__ import annotations

import sys

import numpy as np
from make import HERE, call, on_device

sys.path.insert(0, str(HERE.parent))

import mxnet as mx
from support.gradient_points import PATH, Point, points


def gradients(point: Point) -> dict[str, np.ndarray]:
    """The gradients of the variables of a point."""
    inputs = on_device(point.arrays())
    chosen = [k for k, given in enumerate(point.inputs) if given.differentiable]
    for position in chosen:
        inputs[position].attach_grad()
    with mx.autograd.record():
        outputs = call(point.op, point.attrs, inputs)
    heads = [point.head(k, output.shape, np.dtype(output.dtype).name) for k, output in enumerate(outputs)]
    mx.autograd.backward(outputs, on_device(heads))
    return {f"{point.name}/{k}": inputs[k].grad.asnumpy() for k in chosen}


def main() -> None:
    """Write the file."""
    made: dict[str, np.ndarray] = {}
    for point in points():
        made.update(gradients(point))
    np.savez_compressed(PATH, **made)


if __name__ == "__main__":
    main()
