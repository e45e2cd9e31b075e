"""Generates what is committed beside the sources: the protobuf stubs, and the client's typing stubs of ops.

``python -m remx_contract.generate`` writes them; ``--check`` writes nothing and fails where they differ.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from . import pyi

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]


def stubs(target: Path) -> dict[Path, bytes]:
    """The protobuf stubs, generated under ``target``: path in the repository -> content."""
    protos = sorted(str(path.relative_to(HERE.parent)) for path in HERE.glob("v1/*.proto"))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"-I{HERE.parent}",
            f"--python_out={target}",
            f"--pyi_out={target}",
            *protos,
        ],
        check=True,
        cwd=HERE.parent,
    )
    return {
        HERE.parent / path.relative_to(target): path.read_bytes()
        for path in sorted(target.rglob("*_pb2.py*"))
    }


def typing_stubs() -> dict[Path, bytes]:
    """The client's typing stubs, made from the catalogue."""
    client = REPOSITORY / "client" / "remx"
    return {client / "nd.pyi": pyi.module().encode(), client / "_fluent.pyi": pyi.methods().encode()}


def main(arguments: list[str]) -> int:
    """Write the generated files, or compare them with what is committed."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = stubs(Path(folder))
    wanted.update(typing_stubs())
    stale = [path for path, content in wanted.items() if not path.exists() or path.read_bytes() != content]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(REPOSITORY)} is not what its source generates; run `make gen`")
        return 1 if stale else 0
    for path in stale:
        path.write_bytes(wanted[path])
        print(f"wrote {path.relative_to(REPOSITORY)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
