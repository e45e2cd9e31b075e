"""Make history.json.gz: what the histories of recorded computations are in MXNet; and check remx's there.

Run by an interpreter that has MXNet 1.9.1 (CPU) and NumPy 1.23; it needs nothing of remx::

    python tests/golden/make_history.py             # write history.json.gz
    python tests/golden/make_history.py --check     # compute again and compare with the file
    python tests/golden/make_history.py --evaluate FILE

The last one takes what ``tests/golden/history_program.py FILE`` has written: remx's JSON of each snippet, the
values of its arguments and of its result. MXNet loads each, binds it and computes; history_checked.json has
the digests of the JSON whose results were the same, and how far they were apart.
"""

from __future__ import annotations

import hashlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FILE = HERE / "history.json.gz"
CHECKED = HERE / "history_checked.json"
sys.path.insert(0, str(HERE.parent))

import mxnet as mx  # noqa: E402
import numpy as np  # noqa: E402
from support.answers import keep  # noqa: E402
from support.histories import EXACT, MEANING, Recorded, table  # noqa: E402

TOLERANCE = 2e-6
"""Of results, relative to the largest number in them: sums are added up in another order."""


def golden() -> dict[str, Any]:
    """The facts of all snippets, and the names of MXNet's ops."""
    facts = {}
    for code in table(EXACT) + table(MEANING):
        recorded = Recorded(code, mx)
        facts[code] = {**recorded.facts(mx), "shape": list(recorded.array.shape)}
    return {"snippets": facts, "ops": sorted(names())}


def names() -> set[str]:
    """The names of all ops, the internal ones included."""
    from ctypes import POINTER, byref, c_char_p, c_uint

    size, array = c_uint(), POINTER(c_char_p)()
    mx.base.check_call(mx.base._LIB.MXListAllOpNames(byref(size), byref(array)))
    return {array[at].decode() for at in range(size.value)}


def evaluate(entry: dict[str, Any]) -> float:
    """How far MXNet's result of a symbol is from remx's, relative to the largest number."""
    symbol = mx.sym.load_json(entry["json"])
    given = {
        name: mx.nd.array(np.array(value), dtype=dtype) for name, (dtype, value) in entry["arguments"].items()
    }
    bound = symbol.bind(mx.cpu(), given)
    result = bound.forward(is_train=False)[0].asnumpy()
    wanted = np.array(entry["result"])
    if result.shape != wanted.shape or result.dtype.name != entry["dtype"]:
        raise SystemExit(
            f"{entry['code']}: {result.dtype}{result.shape} instead of {entry['dtype']}{wanted.shape}"
        )
    return float(np.abs(result - wanted).max() / max(1e-30, np.abs(wanted).max()))


def check_remx(file: str) -> None:
    """Evaluate remx's symbols and write down which were right."""
    checked = {}
    for entry in json.loads(Path(file).read_text()):
        print(entry["code"], end=" ", flush=True)
        distance = evaluate(entry)
        print(distance)
        if not distance <= TOLERANCE:
            raise SystemExit(f"{entry['code']}: the results are {distance} apart")
        checked[entry["code"]] = {
            "sha256": hashlib.sha256(entry["json"].encode()).hexdigest(),
            "nodes": len(json.loads(entry["json"])["nodes"]),
            "apart": float(f"{distance:.2g}"),
        }
    CHECKED.write_text(json.dumps(checked, indent=1) + "\n")


def main(arguments: list[str]) -> None:
    """Parse the command line and do it."""
    warnings.simplefilter("ignore")
    if arguments[:1] == ["--evaluate"]:
        check_remx(arguments[1])
        return
    text = json.dumps(golden(), indent=0, sort_keys=True)
    keep(FILE, text, check="--check" in arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
