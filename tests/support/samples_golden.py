"""The golden vectors: the real MXNet's answers to the op samples, read from ``tests/golden``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from .samples import FAMILY_OF

FOLDER = Path(__file__).resolve().parents[1] / "golden"


@dataclass(frozen=True)
class Golden:
    """What MXNet answered to one sample.

    Parameters
    ----------
    outputs
        The op's outputs, in order.
    gradients
        By input position, the gradient of the outputs' sum weighted by ``head_gradient``; empty where the
        sample's ``grad`` is false.
    after
        By input position, what the input was after the backward pass, where that is not what it was before.
    states
        By input position, what the op made of an input that it writes in place.
    """

    outputs: tuple[np.ndarray, ...]
    gradients: dict[int, np.ndarray]
    after: dict[int, np.ndarray]
    states: dict[int, np.ndarray]


@cache
def _family(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"{name}.npz") as stored:
        made = {key: stored[key] for key in stored.files}
    for array in made.values():
        array.flags.writeable = False
    return made


def golden(op: str, index: int) -> Golden:
    """Look up the golden vectors of a sample.

    Parameters
    ----------
    op
        Canonical name.
    index
        Position of the sample in ``SAMPLES[op]``.

    Returns
    -------
    Golden
        Read-only arrays.

    Raises
    ------
    KeyError
        If the sample has none: it was added and the golden vectors were not made again.
    """
    stored = _family(FAMILY_OF[op])
    found: dict[str, dict[int, np.ndarray]] = {"out": {}, "grad": {}, "after": {}, "state": {}}
    for key, array in stored.items():
        name, position, what = key.rsplit("/", 2)
        if name == op and int(position) == index:
            kind = what.rstrip("0123456789")
            found[kind][int(what.removeprefix(kind))] = array
    outputs = found["out"]
    if not outputs and not found["state"]:
        raise KeyError(f"{op}/{index} has no golden vectors")
    return Golden(tuple(outputs[k] for k in sorted(outputs)), found["grad"], found["after"], found["state"])
