"""Make snippets.json.gz: what the real MXNet answers to the snippets of the client's tests.

Run by an interpreter that has MXNet 1.9.1 (CPU) and NumPy 1.23; it needs nothing of remx::

    python tests/golden/make_snippets.py             # write the file
    python tests/golden/make_snippets.py --check     # compute again and compare with the file
    python tests/golden/make_snippets.py --show indexing.GET
"""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILE = HERE / "snippets.json.gz"
sys.path.insert(0, str(HERE.parent))

import mxnet as mx  # noqa: E402
from support.answers import keep  # noqa: E402
from support.snippet_tables import TABLES  # noqa: E402
from support.snippets import Differs, run  # noqa: E402


def answer(name: str) -> dict[str, object]:
    """MXNet's results of one table, by the snippets' names."""
    results = {}
    for key, snippet in TABLES[name].items():
        mx.autograd.set_recording(False)
        mx.autograd.set_training(False)
        results[key] = run(snippet.code if isinstance(snippet, Differs) else snippet, mx)
        # What failed in the background and nobody read would come up in a later snippet.
        with contextlib.suppress(Exception):
            mx.nd.waitall()
    return results


def main(arguments: list[str]) -> None:
    """Parse the command line and do it."""
    warnings.simplefilter("ignore")
    if arguments[:1] == ["--show"]:
        for key, result in answer(arguments[1]).items():
            print(key, "->", json.dumps(result))
        return
    text = json.dumps({name: answer(name) for name in TABLES}, indent=0, sort_keys=True)
    keep(FILE, text, check="--check" in arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
