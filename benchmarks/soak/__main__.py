"""``python -m benchmarks.soak``: run the soak, print the table, write the results."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from .. import table
from ..conditions import conditions
from ..processes import ROOT, ChildError
from . import crowd, faults, hostile, quotas, restart, volume
from .ground import Ground

Figure = Callable[[Ground], list[table.Row]]

FIGURES: dict[str, tuple[Figure, tuple[str, ...]]] = {
    **faults.FIGURES,
    **restart.FIGURES,
    **crowd.FIGURES,
    **hostile.FIGURES,
    **volume.FIGURES,
    **quotas.FIGURES,
}
"""Every figure, with the names of its rows."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description="Measure what a shared server must survive. Exit status 1 says that a target was missed.",
    )
    parser.add_argument("--only", metavar="NAME", choices=sorted(FIGURES), help="one figure: %(choices)s")
    parser.add_argument("--quick", action="store_true", help="a small part of everything, in seconds")
    parser.add_argument(
        "--output", type=Path, help="where the results go; default: a whole run's, beside the code"
    )
    return parser.parse_args()


def run(figure: str, quick: bool) -> list[table.Row]:
    """The rows of a figure; where it came to no end, its rows say why."""
    measure, names = FIGURES[figure]
    print(f"running {figure} ...", file=sys.stderr, flush=True)
    started = time.monotonic()
    try:
        with Ground(quick) as ground:
            rows = measure(ground)
    except Exception as error:
        # One that fails does not keep the others from being seen.
        print("" if isinstance(error, ChildError) else traceback.format_exc(), error, file=sys.stderr)
        # Without a value, a row with a target would count as not judged: it is a miss.
        rows = [
            table.Row(name, "failed", 1, "", target=0, note=f"{error}\n".splitlines()[0]) for name in names
        ]
    print(f"{figure} took {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return rows


def main() -> int:
    """Run; return 1 if a target was missed."""
    arguments = _arguments()
    rows = [row for name in FIGURES if arguments.only in (None, name) for row in run(name, arguments.quick)]
    print(table.as_text(rows))
    output = arguments.output
    if output is None and arguments.only is None and not arguments.quick:
        output = ROOT / "benchmarks" / "soak.json"
    if output is not None:
        table.write_json(output, rows, {**conditions(), "quick": arguments.quick})
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
