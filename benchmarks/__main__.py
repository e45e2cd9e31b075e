"""``python -m benchmarks``: measure, print the table, write the results."""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import sys
from pathlib import Path
from typing import Any

from . import filling, gradients, measurements, sampling, table
from .conditions import conditions
from .processes import ROOT, ChildError
from .rounds import Disagreement
from .stage import Options, Stage

QUICK_ROUNDS = 3
MEASUREMENTS = {
    **measurements.MEASUREMENTS,
    **gradients.MEASUREMENTS,
    **filling.MEASUREMENTS,
    **sampling.MEASUREMENTS,
}


def _arguments() -> argparse.Namespace:
    rows = [row for _, rows in MEASUREMENTS.values() for row in rows]
    names = sorted({*MEASUREMENTS, *rows})
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", metavar="NAME", choices=names, help="one measurement or row")
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds instead of {Options.rounds}"
    )
    parser.add_argument("--gpu", action="store_true", help="remx computes on the first GPU")
    parser.add_argument(
        "--mxnet", type=Path, default=Options.mxnet, help="the interpreter that has MXNet 1.9.1"
    )
    parser.add_argument(
        "--output", type=Path, help="where the results go; default: a whole run's, beside the code"
    )
    return parser.parse_args()


def missing_gpu() -> str:
    """Return why there is no GPU to measure on; empty if there is one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no CUDA driver"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return "no CUDA device"
    return "" if importlib.util.find_spec("cupy") else "CuPy is not installed"


def _conditions(stage: Stage) -> dict[str, Any]:
    return {
        **conditions(),
        "device": stage.options.device,
        "rounds": stage.options.rounds,
        "sides": measurements.versions(stage),
    }


def _measure(stage: Stage, only: str | None) -> tuple[list[table.Row], bool]:
    """Return the rows and whether every measurement came to an end."""
    rows: list[table.Row] = []
    complete = True
    for name, (measure, names) in MEASUREMENTS.items():
        if only not in (None, name, *names):
            continue
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            found = measure(stage)
        except (ChildError, Disagreement) as error:
            complete = False
            print(error, file=sys.stderr)
            found = [table.Row(row, "failed", None, "", note=str(error).splitlines()[0]) for row in names]
        rows += [row for row in found if only in (None, name, row.name)]
    return rows, complete


def main() -> int:
    """Run; return 1 if something could not be measured, which is not the same as a missed target."""
    arguments = _arguments()
    if arguments.gpu and (reason := missing_gpu()):
        print(f"no GPU: {reason}")
        return 0
    options = Options(
        rounds=QUICK_ROUNDS if arguments.quick else Options.rounds,
        device="gpu" if arguments.gpu else "cpu",
        mxnet=arguments.mxnet,
    )
    with Stage(options) as stage:
        rows, complete = _measure(stage, arguments.only)
        print(table.as_text(rows))
        output = arguments.output
        if output is None and arguments.only is None:
            output = ROOT / "benchmarks" / ("results-gpu.json" if arguments.gpu else "results.json")
        if output is not None:
            table.write_json(output, rows, _conditions(stage))
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
