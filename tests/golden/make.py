"""Make the golden vectors: the real MXNet's outputs and gradients of every op sample.

Run by an interpreter that has MXNet 1.9.1 (CPU) and NumPy 1.23; it needs nothing of remx::

    python tests/golden/make.py             # write every family
    python tests/golden/make.py unary       # write some
    python tests/golden/make.py --check     # compute again and compare with the files, bit for bit

A family is ``<family>.npz``, with ``<op>/<index>/out<k>`` for every output of a sample,
``<op>/<index>/state<i>`` for every input that the op changed and, where the sample has gradients,
``<op>/<index>/grad<i>``: the gradient of ``sum_k(out_k * head_k)`` for input ``i``. Of an op whose backward
pass keeps a state, ``after<i>`` is what that left in input ``i``. Each family runs in a process of its own,
as a kernel can end the process that calls it. Refusals are checked, not stored.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import mxnet as mx  # noqa: E402
from support.samples import (  # noqa: E402
    FAMILIES,
    REFUSED,
    REFUSED_LATE,
    SAMPLES,
    Refusal,
    Sample,
    arrays,
    head_gradient,
    variables,
)

# The one op that MXNet's front end offers only under its alias.
ALIASES = {"_np_cumsum": "cumsum"}
# Ops that MXNet has for sparse gradients only, and that write the weight.
SPARSE = ("_sparse_adagrad_update", "_contrib_group_adagrad_update")
# MXNet's kernels of oneDNN refuse most dtypes of these.
WITHOUT_ONEDNN = ("amp",)
REFUSALS = "refusals"
# The inputs that backward passes keep the state of ops in.
STATES = dict.fromkeys(("BatchNorm", "_contrib_BatchNormWithReLU", "_contrib_SyncBatchNorm"), (3, 4))


def setting(family: str) -> dict[str, str]:
    """What the environment of a family's process has to have."""
    return {"MXNET_MKLDNN_ENABLED": "0"} if family in WITHOUT_ONEDNN else {}


def function(op: str) -> Callable[..., Any]:
    """The generated function of an op, by canonical name."""
    name = ALIASES.get(op, op)
    if name == "_sparse_adagrad_update":
        return mx.nd.sparse.adagrad_update
    for prefix, module in ("_contrib_", mx.nd.contrib), ("_linalg_", mx.nd.linalg), ("_image_", mx.nd.image):
        if name.startswith(prefix):
            return getattr(module, name.removeprefix(prefix))
    return getattr(mx.nd._internal if name.startswith("_") else mx.nd.op, name)


def destination(op: str, inputs: list[mx.nd.NDArray], attrs: Mapping[str, object]) -> dict[str, Any]:
    """The output arrays of the ops that MXNet runs only with one: an input itself, or new ones."""
    if op == "_scatter_set_nd" or op in SPARSE:
        return {"out": inputs[0]}
    weights: Any = attrs.get("num_weights", attrs.get("num_tensors"))
    if weights is not None:
        # A few arrays for each weight, and for some of the ops one or two more.
        each = (len(inputs) - 2 * ("preloaded" in op) - ("adamw" in op)) // weights
        return {"out": [inputs[each * k].copy() for k in range(weights)]}
    if op == "_copyto":
        return {"out": mx.nd.zeros(inputs[0].shape, dtype=inputs[0].dtype)}
    return {}


def call(op: str, attrs: Mapping[str, object], inputs: list[mx.nd.NDArray]) -> list[mx.nd.NDArray]:
    """Call an op and return its outputs as a list."""
    given = list(inputs)
    if op in SPARSE:
        given[1] = given[1].tostype("row_sparse")
    made = function(op)(*given, **attrs, **destination(op, inputs, attrs))
    return list(made) if isinstance(made, (list, tuple)) else [made]


def on_device(values: list[np.ndarray]) -> list[mx.nd.NDArray]:
    """Copy arrays into MXNet, keeping their dtypes."""
    return [mx.nd.array(value, dtype=value.dtype) for value in values]


def compute(op: str, index: int, sample: Sample) -> dict[str, np.ndarray]:
    """Outputs and gradients of one sample, by golden key."""
    prefix = f"{op}/{index}"
    inputs = on_device(arrays(op, index))
    chosen = variables(op, index) if sample.grad else []
    for position in chosen:
        inputs[position].attach_grad()
    if chosen:
        with mx.autograd.record():
            outputs = call(op, sample.attrs, inputs)
    else:
        outputs = call(op, sample.attrs, inputs)
    made = {f"{prefix}/out{k}": output.asnumpy() for k, output in enumerate(outputs)}
    for k, before in enumerate(arrays(op, index) if op not in STATES else ()):
        after = inputs[k].asnumpy()
        if not any(inputs[k] is output for output in outputs) and after.tobytes() != before.tobytes():
            made[f"{prefix}/state{k}"] = after
    if chosen:
        heads = [
            head_gradient(op, index, k, output.shape, np.dtype(output.dtype).name)
            for k, output in enumerate(outputs)
        ]
        mx.autograd.backward(outputs, on_device(heads))
        made.update({f"{prefix}/grad{k}": inputs[k].grad.asnumpy() for k in chosen})
        made.update({f"{prefix}/after{k}": inputs[k].asnumpy() for k in STATES.get(op, ())})
    return made


def attempt(op: str, index: int, sample: Sample) -> dict[str, np.ndarray] | str:
    """What ``compute`` gives, or the line that says why MXNet has no golden vector for the sample."""
    try:
        return compute(op, index, sample)
    except Exception as error:  # Whatever MXNet raises, the line tells.
        return f"{op}/{index} {sample.attrs}: {type(error).__name__}: {str(error)[-300:].strip()}"


def compute_family(family: str) -> dict[str, np.ndarray]:
    """Golden vectors of a family; exits with the list of samples that MXNet cannot compute, if any."""
    made: dict[str, np.ndarray] = {}
    failures = []
    for op in FAMILIES[family]:
        print(f"  {op}", flush=True)
        for index, sample in enumerate(SAMPLES[op]):
            arrays_or_error = attempt(op, index, sample)
            if isinstance(arrays_or_error, str):
                failures.append(arrays_or_error)
            else:
                made.update(arrays_or_error)
    if failures:
        sys.exit("\n".join(failures))
    return made


def differences(family: str, made: dict[str, np.ndarray]) -> list[str]:
    """Keys whose arrays are not what the file holds."""
    with np.load(HERE / f"{family}.npz") as stored:
        keys = set(stored.files) ^ set(made)
        for key in set(stored.files) & set(made):
            same = stored[key].dtype == made[key].dtype and stored[key].tobytes() == made[key].tobytes()
            if not same or stored[key].shape != made[key].shape:
                keys.add(key)
    return sorted(keys)


def refused(case: Refusal, read: bool) -> str:
    """Make a refused call, read its outputs if asked, and return the name of what it raises."""
    inputs = on_device([given.make(np.random.RandomState(0)) for given in case.inputs])
    try:
        outputs = call(case.op, case.attrs, inputs)
        if read:
            for output in outputs:
                output.asnumpy()
    except Exception as error:  # The class is what is compared.
        return type(error).__name__
    return "nothing"


def check_refusals() -> None:
    """See that each refused call raises what the table says, when the table says."""
    wrong = []
    for late, case in [*((False, case) for case in REFUSED), *((True, case) for case in REFUSED_LATE)]:
        raised = refused(case, late)
        if raised != case.error:
            shapes = [given.shape for given in case.inputs]
            wrong.append(f"{case.op} {shapes} {case.attrs}: raises {raised}, not {case.error}")
    if wrong:
        sys.exit("\n".join(wrong))


def run_one(family: str, check: bool) -> None:
    """Do the work of one process."""
    if family == REFUSALS:
        check_refusals()
        return
    made = compute_family(family)
    if not check:
        np.savez_compressed(HERE / f"{family}.npz", **made)
    elif changed := differences(family, made):
        sys.exit(f"{family}: {len(changed)} arrays differ: {' '.join(changed[:20])}")


def main() -> None:
    """Parse the command line and run each family in a process of its own."""
    parser = argparse.ArgumentParser(description="Make or check the golden vectors.")
    parser.add_argument("families", nargs="*", help="families to do; all, and the refusals, by default")
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    families = options.families or [*FAMILIES, REFUSALS]
    if options.inside:
        run_one(families[0], options.check)
        return
    failed = []
    for family in families:
        print(family, flush=True)
        command = [sys.executable, __file__, family, "--inside", *(["--check"] if options.check else [])]
        if subprocess.run(command, check=False, env=os.environ | setting(family)).returncode:
            failed.append(family)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
