"""Make random_ops.npz: what the random ops of MXNet 1.9.1 give. Run with a Python that has MXNet 1.9.1.

The result of output ``o`` of call ``c`` of the script after seed ``s`` is the array ``s/c/o``; the orthogonal
matrices are ``s/orthogonal/k``.
"""

import pathlib
import sys

import mxnet as mx
import numpy as np

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from support.samples_random import ORTHOGONAL, SCRIPT, SEEDS  # noqa: E402


def call(name, inputs, attrs):
    """Make one call, wherever MXNet has put the function; return the outputs as arrays."""
    arrays = [mx.nd.array(values) for values in inputs]
    short = name.replace("_random_", "")
    image = name.replace("_image_", "")
    for module, attribute in (
        (mx.nd.image, image),
        (mx.nd._internal, name),
        (mx.nd, name),
        (mx.nd.random, short),
    ):
        if hasattr(module, attribute):
            made = getattr(module, attribute)(*arrays, **attrs)
            return [output.asnumpy() for output in (made if isinstance(made, list) else [made])]
    raise AttributeError(name)


def orthogonal(shape, rand_type, scale):
    """Initialize a weight."""
    weight = mx.nd.zeros(shape)
    mx.init.Orthogonal(scale=scale, rand_type=rand_type)(mx.init.InitDesc("x_weight"), weight)
    return weight.asnumpy()


def main():
    """Run the script after each seed and write the file."""
    golden = {}
    for seed in SEEDS:
        mx.random.seed(seed)
        for index, (name, inputs, attrs) in enumerate(SCRIPT):
            for position, output in enumerate(call(name, inputs, attrs)):
                golden[f"{seed}/{index}/{position}"] = output
        for index, case in enumerate(ORTHOGONAL):
            golden[f"{seed}/orthogonal/{index}"] = orthogonal(*case)
    np.savez_compressed(HERE / "random_ops.npz", **golden)


if __name__ == "__main__":
    main()
