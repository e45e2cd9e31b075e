"""The measurements that are about random numbers."""

from __future__ import annotations

from functools import partial

from .measurements import against_mxnet, both, median, spread
from .rounds import alternate
from .stage import Stage
from .table import Row

SIZE = 10_000_000
DRAWS = 3
SCALE = 1e3 / DRAWS


def _drawn(stage: Stage, distribution: str) -> list[Row]:
    """10 million samples of a distribution, the same ones as MXNet's, against MXNet."""
    task = {"distribution": distribution, "size": SIZE, "draws": DRAWS}
    what = f"{SIZE // 10**6} M samples, {distribution}, float32"
    answers = alternate(both(stage, "sampling", **task), stage.options.rounds)
    fast = alternate(
        {"philox": partial(stage.remx.ask, "sampling", **task, generator="philox")}, stage.options.rounds
    )
    return [
        against_mxnet(answers, f"{distribution}_samples", what, SCALE, "ms", 1.0),
        Row(
            f"{distribution}_philox",
            f"{what}, by Philox",
            median(fast, "philox", SCALE),
            "ms",
            note=spread(fast, SCALE, "ms"),
        ),
    ]


def uniform(stage: Stage) -> list[Row]:
    """10 million uniform samples, against MXNet."""
    return _drawn(stage, "uniform")


def normal(stage: Stage) -> list[Row]:
    """10 million normal samples, against MXNet."""
    return _drawn(stage, "normal")


MEASUREMENTS = {
    "uniform": (uniform, ("uniform_samples", "uniform_philox")),
    "normal": (normal, ("normal_samples", "normal_philox")),
}
"""Every measurement, with the names of its rows."""
