"""Make params/*.params: files of arrays that the real MXNet writes.

Run by an interpreter that has MXNet 1.9.1 (CPU)::

    python tests/golden/make_params.py           # write the files
    python tests/golden/make_params.py --read F  # print the arrays of a file as JSON
"""

import json
import sys
from pathlib import Path

import mxnet as mx
import numpy as np

HERE = Path(__file__).resolve().parent / "params"
DTYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool")


def described(array):
    """An array as JSON."""
    return {"dtype": np.dtype(array.dtype).name, "values": array.asnumpy().tolist()}


def read(path):
    """The arrays of a file."""
    made = mx.nd.load(path)
    if isinstance(made, dict):
        return {name: described(array) for name, array in made.items()}
    return [described(array) for array in made]


def main():
    """Write the files."""
    HERE.mkdir(exist_ok=True)
    mx.nd.save(str(HERE / "list.params"), [mx.nd.arange(3), mx.nd.ones((2, 1, 2)) * 0.5])
    named = {"arg:fc_weight": mx.nd.arange(6).reshape((2, 3)), "aux:größe": mx.nd.array([1], dtype="int64")}
    mx.nd.save(str(HERE / "dict.params"), named)
    values = {dtype: mx.nd.array([[0, 1, 2], [3, 4, 120]], dtype=dtype) for dtype in DTYPES}
    mx.nd.save(str(HERE / "dtypes.params"), values)
    mx.nd.save(str(HERE / "single.params"), mx.nd.arange(4))
    mx.nd.save(str(HERE / "empty.params"), [])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        print(json.dumps(read(sys.argv[2])))
    else:
        main()
