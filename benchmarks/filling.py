"""The measurements that are about filling parameters."""

from __future__ import annotations

import math
from functools import partial

from .measurements import FAR_ROUND_TRIP, Turns, median, spread
from .rounds import alternate
from .stage import Stage
from .table import Row

FILLED = {"parameters": 100, "width": 512}
KILOBYTE = 1e3


def far_fill(stage: Stage) -> list[Row]:
    """A fill of 100 parameters over a link of 40 ms, less one round trip, against the same without delay."""
    near = stage.client(stage.proxy(stage.address, 0.0))
    far = stage.client(stage.proxy(stage.address, FAR_ROUND_TRIP / 2))
    turns: Turns = {
        "far": partial(far.ask, "xavier", **FILLED),
        "near": partial(near.ask, "xavier", **FILLED),
    }
    answers = alternate(turns, math.ceil(stage.options.rounds / 2))
    value = median(answers, "far", 1e3)
    assert value is not None
    return [
        Row(
            "far_fill",
            f"Xavier fill of 100 parameters of 512 x 512 at {FAR_ROUND_TRIP * 1e3:g} ms, less one round trip",
            value - FAR_ROUND_TRIP * 1e3,
            "ms",
            compared_with="the same at 0 ms",
            baseline=median(answers, "near", 1e3),
            target=1.05,
            note=spread(answers, 1e3, "ms"),
        )
    ]


def fill_bytes(stage: Stage) -> list[Row]:
    """What a model of 100 million parameters sends to be made and filled."""
    answer = stage.remx.ask("transformer")
    # The wait at the end is the one round trip.
    assert answer["round_trips"] == 1
    return [
        Row(
            "fill_bytes",
            "bytes up for filling a 100 M-parameter model",
            answer["bytes_up"] / KILOBYTE,
            "kB",
            target=100.0,
            note=f"{answer['parameters']:,} parameters in {answer['arrays']} arrays, their making included",
        )
    ]


MEASUREMENTS = {
    "far_fill": (far_fill, ("far_fill",)),
    "fill_bytes": (fill_bytes, ("fill_bytes",)),
}
"""Every measurement, with the names of its rows."""
