"""Make signatures.json and inference.json.gz: what MXNet 1.9.1 says of the ops in the catalogue.

The source is a folder of data read off MXNet's runtime: ``ops.json`` (names, inputs, attributes, gradients),
``shape_vectors.json`` and ``dtype_vectors.json`` (calls of its own inference with their answers)::

    python tests/golden/make_contract.py FOLDER

To be run again when the catalogue gets new rows; a row without a signature fails the contract's tests.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

from remx_contract.catalogue import OPS

HERE = Path(__file__).resolve().parent
# Aliases of two other front ends, which the client does not mirror.
OTHER_FRONT_ENDS = ("_np", "_sparse_")
# MXNet's graphs infer these without their states: updates.json has the answers of its calls.
WITHOUT_STATES = "optimizer"


def signature(op: dict[str, Any]) -> dict[str, Any]:
    """The part of an op's description that a row of the catalogue states too."""
    attrs = []
    for attr in op["attrs"]:
        # How many arrays a variadic op takes is their count.
        if attr["name"] != op["key_var_num_args"]:
            kept = {key: attr[key] for key in ("name", "type", "choices", "default") if key in attr}
            attrs.append(kept | {"required": attr["required"]})
    return {
        "aliases": [name for name in op["aliases"] if not name.startswith(OTHER_FRONT_ENDS)],
        "inputs": [("*" if given["variadic"] else "") + given["name"] for given in op["inputs"]],
        "attrs": attrs,
        "gradient": op["gradient"],
    }


def vectors(folder: Path, kind: str, known: dict[str, Any]) -> dict[str, Any]:
    """The cases of the catalogue's ops as ``[attributes, inputs, outputs]``; None where MXNet refuses."""
    counts = {name: op["key_var_num_args"] for name, op in known.items()}
    made: dict[str, Any] = {name: [] for name in known if name in OPS}
    for name, cases in json.loads((folder / f"{kind}_vectors.json").read_text()).items():
        if name in OPS and known[name]["kernel_family"] != WITHOUT_STATES:
            made[name] = [
                [
                    {key: value for key, value in attrs.items() if key != counts[name]},
                    inputs,
                    None if outputs in ("err", None) else outputs,
                ]
                for attrs, inputs, outputs in cases
                # An output that MXNet leaves open is refused when the op is called, but not by _copyto,
                # which takes it from its destination.
                if outputs is not None or name != "_copyto"
            ]
    return made


def main() -> None:
    """Write both files."""
    folder = Path(sys.argv[1])
    known = {op["name"]: op for op in json.loads((folder / "ops.json").read_text())["ops"]}
    signatures = {name: signature(known[name]) for name in sorted(OPS) if name in known}
    lines = [f"{json.dumps(name)}: {json.dumps(made)}" for name, made in signatures.items()]
    (HERE / "signatures.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    inference = {kind: vectors(folder, kind, known) for kind in ("shape", "dtype")}
    text = json.dumps(inference, separators=(",", ":"))
    # Without a time stamp, so that the same data gives the same file.
    (HERE / "inference.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
