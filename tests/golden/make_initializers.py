"""Make initializers.json.gz: what MXNet's initializers fill, for the cases of the client's tests.

Run by an interpreter that has MXNet 1.9.1 (CPU); it needs nothing of remx::

    python tests/golden/make_initializers.py           # write the file
    python tests/golden/make_initializers.py --check   # compute again and compare with the file
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILE = HERE / "initializers.json.gz"
sys.path.insert(0, str(HERE.parent))

import mxnet as mx  # noqa: E402
from support import initializers  # noqa: E402
from support.answers import keep  # noqa: E402


def decomposed(case: initializers.Case) -> dict[str, object]:
    """An orthogonal matrix in full, or the error."""
    try:
        weights, behind = initializers.fill(mx, case)
    except Exception as error:
        return {"error": initializers.error_names(type(error))}
    vectors = initializers.upright(weights).round(7)
    return {"dtype": weights.dtype.name, "vectors": vectors.tolist(), "behind": behind.tolist()}


def main(arguments: list[str]) -> None:
    """Parse the command line and do it."""
    results = {
        "cases": [[list(case), initializers.result(mx, case)] for case in initializers.cases()],
        "orthogonal": [[list(case), decomposed(case)] for case in initializers.orthogonal()],
    }
    text = json.dumps(results, indent=0)
    keep(FILE, text, check="--check" in arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
