"""The measurements that are about autograd."""

from __future__ import annotations

from functools import partial

from .graphs import step_by_hand
from .measurements import (
    FAR_ROUND_TRIP,
    FLAT_MEGABYTES,
    LARGE,
    SMALL,
    Turns,
    against_mxnet,
    both,
    course,
    growth,
    median,
    spread,
)
from .rounds import alternate
from .stage import Stage
from .table import Row

BACKWARD_OPS = 200
BACKWARD_PASSES = 50
RECORDED_OPS = 2_000
DEEP_NODES = 50_000
SHALLOW_NODES = 5_000
PEAK_STEPS = 5
FLAT_STEPS = 10_000
PAUSED_STEPS = 20
PAUSES = 2


def backward(stage: Stage) -> list[Row]:
    """The backward pass over 200 ops on ten floats, against MXNet."""
    arguments = {"ops": BACKWARD_OPS, "passes": BACKWARD_PASSES}
    answers = alternate(both(stage, "backward_chain", **arguments), stage.options.rounds)
    scale = 1e6 / (BACKWARD_OPS * BACKWARD_PASSES)
    what = f"backward per op, chain of {BACKWARD_OPS} ops"
    fresh = alternate(both(stage, "backward_chain", **arguments, fresh=True), stage.options.rounds)
    return [
        against_mxnet(answers, "backward_chain", what, scale, "us", 0.5),
        against_mxnet(fresh, "backward_fresh", f"recording and {what}", scale, "us", 0.5),
    ]


def recording(stage: Stage) -> list[Row]:
    """What recording adds to the cost of an op."""
    turns: Turns = {
        name: partial(stage.remx.ask, "chain", ops=RECORDED_OPS, record=name == "recorded")
        for name in ("recorded", "plain")
    }
    # The two differ by a few tenths of a microsecond, so that it takes more rounds to tell.
    answers = alternate(turns, 3 * stage.options.rounds)
    scale = 1e6 / RECORDED_OPS
    return [
        Row(
            "recording",
            f"time per recorded op, chain of {RECORDED_OPS:,} adds",
            median(answers, "recorded", scale),
            "us",
            compared_with="the same, not recorded",
            baseline=median(answers, "plain", scale),
            target=1.3,
            note=spread(answers, scale, "us"),
        )
    ]


def deep(stage: Stage) -> list[Row]:
    """A backward pass over a chain of 50,000 nodes, against one of 5,000."""
    deep_ones = [stage.remx.ask("deep", nodes=DEEP_NODES) for _ in range(stage.options.rounds)]
    shallow = [stage.remx.ask("deep", nodes=SHALLOW_NODES) for _ in range(stage.options.rounds)]
    for nodes, found in ((DEEP_NODES, deep_ones), (SHALLOW_NODES, shallow)):
        assert {answer["check"] for answer in found} == {nodes + 1.0}
    answers = {"deep": deep_ones, "shallow": shallow}
    return [
        Row(
            "deep_graph",
            f"backward pass over {DEEP_NODES:,} nodes",
            median(answers, "deep", 1e3),
            "ms",
            compared_with=f"over {SHALLOW_NODES:,} nodes",
            baseline=median(answers, "shallow", 1e3),
            target=12.0,
            note=spread(answers, 1e3, "ms"),
        )
    ]


def step_peak(stage: Stage) -> list[Row]:
    """How much memory the server's arrays take at most in a training step, against the step by hand."""
    server, address = stage.traced_server()
    side = stage.client(address)
    side.ask("training", **LARGE, steps=1)
    for _ in range(2):
        # Releases ride behind the commands of a batch: then all that is there is the server's own.
        side.ask("dropped", ops=2)
    empty = server.ask("reset")["bytes"]
    side.ask("training", **LARGE, steps=PEAK_STEPS)
    return [
        Row(
            "step_peak",
            "peak of the server's arrays in a training step, batch 256, 784-1024-10",
            (server.ask("peak")["bytes"] - empty) / 1e6,
            "MB",
            compared_with="the step by hand in NumPy",
            baseline=step_by_hand(**LARGE) / 1e6,
            target=1.2,
            note=f"by tracemalloc, over {PEAK_STEPS} steps and what makes their arrays",
        )
    ]


def steps_memory(stage: Stage) -> list[Row]:
    """How much the server grows in 10,000 training steps."""
    parts = 5
    sizes, _ = growth(stage, parts, "training", **SMALL, steps=FLAT_STEPS // parts)
    return [
        Row(
            "steps_memory",
            f"server growth in {FLAT_STEPS:,} training steps",
            sizes[-1] - sizes[0],
            "MB",
            target=FLAT_MEGABYTES,
            note=f"every {FLAT_STEPS // parts:,} steps: {course(sizes)} MB resident",
        )
    ]


def functions(stage: Stage) -> list[Row]:
    """What an ``autograd.Function`` costs over a link of 40 ms: round trips, by count and by the clock."""
    far = stage.client(stage.proxy(stage.address, FAR_ROUND_TRIP / 2))
    far.ask("paused", functions=PAUSES, steps=2)
    before = {name: far.ask("statistic", name=name)["value"] for name in ("pauses", "round_trips")}
    taken = far.ask("paused", functions=PAUSES, steps=PAUSED_STEPS)["seconds"]
    counts = {name: far.ask("statistic", name=name)["value"] - before[name] for name in before}
    pauses = PAUSES * PAUSED_STEPS
    assert counts == {"pauses": pauses, "round_trips": pauses + 1}
    return [
        Row(
            "function_pause",
            f"backward's pause at a Function at {FAR_ROUND_TRIP * 1e3:g} ms",
            taken / (pauses + 1) * 1e3,
            "ms",
            compared_with="the round trip",
            baseline=FAR_ROUND_TRIP * 1e3,
            target=1.2,
            note=f"{PAUSED_STEPS} steps with {PAUSES} Functions each: {pauses} pauses and one read were "
            f"{counts['round_trips']:g} round trips by the client's count",
        )
    ]


MEASUREMENTS = {
    "backward": (backward, ("backward_chain", "backward_fresh")),
    "recording": (recording, ("recording",)),
    "deep": (deep, ("deep_graph",)),
    "step_peak": (step_peak, ("step_peak",)),
    "steps_memory": (steps_memory, ("steps_memory",)),
    "functions": (functions, ("function_pause",)),
}
"""Every measurement, with the names of its rows."""
