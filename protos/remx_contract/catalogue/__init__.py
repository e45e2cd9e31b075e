"""The catalogue: one row per operator, by family. Adding an op starts with a row in one of these modules."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import import_module
from typing import Final

from ..errors import UnknownOpError
from ..op import REQUIRED, Op

FAMILIES: Final = (
    "elementwise",
    "binary",
    "scalar",
    "softmax",
    "activation",
    "creation",
    "inplace",
    "shaping",
    "slicing",
    "indexing",
    "sequence",
    "reduce",
    "ordering",
    "matmul",
    "normalization",
    "losses",
    "convolution",
    "pooling",
    "resizing",
    "random",
    "densities",
    "detection",
    "regions",
    "deformable",
    "spatial",
    "initializers",
    "linalg",
    "contrib",
    "image",
    "optimizers",
    "multi_optimizers",
    "amp",
)
"""The modules of this package and, under the same names, of the server's ``ops``."""

OPS: Final[dict[str, Op]] = {}
"""Canonical name -> row."""
NAMES: Final[dict[str, Op]] = {}
"""Every name, aliases included -> row."""
FAMILY_OF: Final[dict[str, str]] = {}
"""Canonical name -> family."""


def _collect() -> None:
    for family in FAMILIES:
        for op in import_module(f".{family}", __name__).ROWS:
            for name in (op.name, *op.aliases):
                if name in NAMES:
                    raise ValueError(f"two rows of the catalogue are called {name}")
                NAMES[name] = op
            OPS[op.name] = op
            FAMILY_OF[op.name] = family


_collect()


def find(name: str) -> Op:
    """The row of an op by any of its names; UnknownOpError where there is none."""
    try:
        return NAMES[name]
    except KeyError:
        raise UnknownOpError(op=name, message="there is no such operator") from None


@cache
def digest() -> bytes:
    """SHA-256 over the rows' names and signatures: what the handshake compares."""
    lines = []
    for name in sorted(OPS):
        op = OPS[name]
        attrs = [
            (
                attr.name,
                attr.type.name,
                "required" if attr.default is REQUIRED else repr(attr.default),
                attr.per_call,
            )
            for attr in op.attrs
        ]
        hidden = op.hidden if isinstance(op.hidden, int) else "by attributes"
        # A function has no text of its own.
        mutates = op.mutates if isinstance(op.mutates, tuple) else "several"
        lines.append(repr((name, op.inputs, attrs, hidden, mutates, op.view, op.random)))
    return hashlib.sha256("\n".join(lines).encode()).digest()
