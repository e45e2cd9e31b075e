"""The inference vectors: calls of MXNet's own shape and dtype inference, with its answers."""

from __future__ import annotations

import ast
import gzip
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple


class Case(NamedTuple):
    """One call of MXNet's inference; ``outputs`` is None where it refuses."""

    attrs: Mapping[str, str]
    inputs: list[Any]
    outputs: list[Any] | None

    def value(self, name: str) -> Any:
        """An attribute's value; an empty tuple where the call leaves it out."""
        return ast.literal_eval(self.attrs[name]) if name in self.attrs else ()


@cache
def vectors(kind: str) -> dict[str, list[Case]]:
    """The cases of every op for ``shape`` or ``dtype`` inference."""
    path = Path(__file__).resolve().parents[1] / "golden" / "inference.json.gz"
    stored = json.loads(gzip.decompress(path.read_bytes()))[kind]
    return {name: [Case(*case) for case in cases] for name, cases in stored.items()}
