"""The MXNet side: run by the interpreter that has MXNet 1.9.1, with its default engine and threads."""

from __future__ import annotations

import os
import platform
from functools import partial
from typing import Any

import mxnet as mx
import numpy as np

from . import graphs, side, workloads


def _versions() -> dict[str, Any]:
    tuned = {name: value for name, value in os.environ.items() if name.startswith(("MXNET_", "OMP_"))}
    return {
        "mxnet": mx.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "tuned": tuned,
    }


if __name__ == "__main__":
    programs = {
        name: partial(program, mx, "cpu") for name, program in (workloads.PROGRAMS | graphs.PROGRAMS).items()
    }
    side.serve({**programs, "versions": _versions})
