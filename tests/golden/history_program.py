"""Write remx's histories, with the values of their arguments and results, for MXNet to check.

Run by an interpreter that has remx and its server::

    python tests/golden/history_program.py FILE

``make_history.py --evaluate FILE`` takes it from there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import remx as mx
from remx import _current
from remx._session import Session
from remx_server import tape
from remx_server.backend import Devices
from remx_server.config import Config
from remx_server.service import Service
from support.histories import EXACT, MEANING, OWN, Recorded, table
from support.inprocess import InProcessTransport

SNIPPETS = [code for code in table(EXACT + MEANING + OWN) if "Dropout" not in code]
"""Those whose results can be computed again."""

CONSTANTS: dict[str, np.ndarray[Any, Any]] = {}
"""The values of the constants of all histories, by their names. A history has only the names."""

_make = tape.Node.__init__


def _note_constants(node: tape.Node, *arguments: Any) -> None:
    _make(node, *arguments)
    for value in arguments[3]:
        if value.constant and value.producer is None:
            CONSTANTS[f"null{value.constant - 1}"] = value.data.copy()


def entry(code: str) -> dict[str, Any]:
    """A snippet's history and all that it takes to compute it."""
    recorded = Recorded(code, mx)
    arguments = {}
    for name in recorded.history.list_arguments():
        short = recorded.text(name)
        host = CONSTANTS[name] if name in CONSTANTS else recorded.known[short].asnumpy()
        arguments[short] = (host.dtype.name, host.tolist())
    result = recorded.array.asnumpy()
    return {
        "code": code,
        "json": recorded.symbol.tojson(),
        "arguments": arguments,
        "dtype": result.dtype.name,
        "result": result.tolist(),
    }


def main(file: str) -> None:
    """Run the snippets in a session whose server is this process."""
    tape.Node.__init__ = _note_constants  # type: ignore[method-assign]
    _current.use(Session(InProcessTransport(Service(Config(device="cpu"), Devices("cpu")))))
    Path(file).write_text(json.dumps([entry(code) for code in SNIPPETS]))


if __name__ == "__main__":
    main(sys.argv[1])
