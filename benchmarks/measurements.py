"""The measurements: each runs one comparison and returns the rows that follow from it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .processes import Child
from .rounds import Answer, alternate, seconds
from .stage import Stage
from .table import Row

MXNET = "MXNet 1.9.1, local CPU"
NO_MXNET = "no interpreter with MXNet 1.9.1 was found"

SMALL = {"batch": 64, "sizes": [64, 32, 10]}
LARGE = {"batch": 256, "sizes": [784, 1024, 10]}

CHAIN_OPS = 2_000
SMALL_STEPS = 300
LARGE_STEPS = 40
FAR_STEPS = 20_000
"""Enough that the one read at the end, one round trip of 40 ms, is a small part of the whole."""
FAR_ROUND_TRIP = 0.04
WITNESS_ROUND_TRIP = 0.4
WITNESS_STEPS = 100
TRANSFER_BYTES = 64 * 2**20
TRANSFER_CHUNK_BYTES = 2**20
DROPPED_OPS = 100_000
FLAT_MEGABYTES = 2.0
"""Growth that counts as flat: 20 bytes per op, less than the smallest Python object that could leak."""

Turns = dict[str, Callable[[], Answer]]


def both(stage: Stage, program: str, **arguments: Any) -> Turns:
    """Return the turns of remx and, where it is installed, of MXNet."""
    turns: Turns = {"remx": partial(stage.remx.ask, program, **arguments)}
    if stage.mxnet is not None:
        turns["mxnet"] = partial(stage.mxnet.ask, program, **arguments)
    return turns


def median(answers: Mapping[str, list[Answer]], side: str, scale: float) -> float | None:
    return seconds(answers[side]) * scale if side in answers else None


def spread(answers: Mapping[str, list[Answer]], scale: float, unit: str) -> str:
    """Say how far the rounds lay apart, so that a reader can judge the medians."""
    parts = []
    for side, rounds in answers.items():
        times = [float(answer["seconds"]) * scale for answer in rounds]
        parts.append(f"{side} {min(times):.3g} to {max(times):.3g} {unit}")
    return f"medians of {len(next(iter(answers.values())))} rounds; " + ", ".join(parts)


def chain(stage: Stage) -> list[Row]:
    """2,000 dependent additions of ten floats, against MXNet and against one unary call per op."""
    turns = both(stage, "chain", ops=CHAIN_OPS)
    turns["unary"] = partial(stage.baseline("unary_baseline").ask, "chain", ops=CHAIN_OPS)
    answers = alternate(turns, stage.options.rounds)
    scale = 1e6 / CHAIN_OPS
    value = median(answers, "remx", scale)
    note = spread(answers, scale, "us")
    what = f"time per op, chain of {CHAIN_OPS:,} adds"
    return [
        against_mxnet(answers, "chain_vs_mxnet", what, scale, "us", 0.5),
        Row(
            "chain_vs_unary",
            what,
            value,
            "us",
            compared_with="one unary gRPC call per op",
            baseline=median(answers, "unary", scale),
            target=0.03,
            note=note,
        ),
    ]


def against_mxnet(
    answers: Mapping[str, list[Answer]], name: str, what: str, scale: float, unit: str, target: float
) -> Row:
    note = spread(answers, scale, unit)
    return Row(
        name,
        what,
        median(answers, "remx", scale),
        unit,
        compared_with=MXNET,
        baseline=median(answers, "mxnet", scale),
        target=target,
        note=note if "mxnet" in answers else f"{note}; {NO_MXNET}",
    )


def small_step(stage: Stage) -> list[Row]:
    """The training step whose cost is dispatch, against MXNet."""
    answers = alternate(both(stage, "training", **SMALL, steps=SMALL_STEPS), stage.options.rounds)
    what = "training step, batch 64, 64-32-10"
    return [against_mxnet(answers, "small_step", what, 1e3 / SMALL_STEPS, "ms", 0.5)]


def large_step(stage: Stage) -> list[Row]:
    """The training step whose cost is arithmetic, against MXNet."""
    answers = alternate(both(stage, "training", **LARGE, steps=LARGE_STEPS), stage.options.rounds)
    what = "training step, batch 256, 784-1024-10"
    return [against_mxnet(answers, "large_step", what, 1e3 / LARGE_STEPS, "ms", 1.0)]


def far_step(stage: Stage) -> list[Row]:
    """The small training step over a link of 40 ms, against the same proxy without its delay."""
    near = stage.client(stage.proxy(stage.address, 0.0))
    far = stage.client(stage.proxy(stage.address, FAR_ROUND_TRIP / 2))
    task = {**SMALL, "steps": FAR_STEPS}
    turns: Turns = {
        "far": partial(far.ask, "training", **task),
        "near": partial(near.ask, "training", **task),
    }
    # One round takes seconds, so that fewer of them are as good.
    answers = alternate(turns, math.ceil(stage.options.rounds / 2))
    scale = 1e3 / FAR_STEPS
    return [
        Row(
            "far_step",
            "small training step at 40 ms round trip",
            median(answers, "far", scale),
            "ms",
            compared_with="the same at 0 ms",
            baseline=median(answers, "near", scale),
            target=1.05,
            note=f"{FAR_STEPS:,} steps and one read; {spread(answers, scale, 'ms')}",
        )
    ]


def round_trips(stage: Stage) -> list[Row]:
    """Round trips of a training loop that reads nothing: by the client's count, and by the clock.

    The clock is the witness: over a link of 400 ms, a loop with one round trip takes at least that long.
    """
    counted = stage.remx.ask("training", **SMALL, steps=SMALL_STEPS)["loop_count"]
    distant = stage.client(stage.proxy(stage.address, WITNESS_ROUND_TRIP / 2))
    loop_seconds = distant.ask("training", **SMALL, steps=WITNESS_STEPS)["loop_seconds"]
    witnessed = math.floor(loop_seconds / WITNESS_ROUND_TRIP)
    return [
        Row(
            "round_trips",
            "round trips in a training loop without a read",
            max(float(counted), float(witnessed)),
            "",
            target=0.0,
            note=f"{counted:g} by the client's count in {SMALL_STEPS} steps; over a link of "
            f"{WITNESS_ROUND_TRIP * 1e3:g} ms, {WITNESS_STEPS} steps took {loop_seconds * 1e3:.0f} ms",
        )
    ]


def transfer(stage: Stage) -> list[Row]:
    """64 MiB up and down, against a bare gRPC byte stream."""
    bare = stage.baseline("byte_stream_baseline")
    turns: Turns = {
        "remx": partial(stage.remx.ask, "transfer", size=TRANSFER_BYTES),
        "bare": partial(bare.ask, "transfer", size=TRANSFER_BYTES, chunk=TRANSFER_CHUNK_BYTES),
    }
    answers = alternate(turns, stage.options.rounds)
    megabytes = TRANSFER_BYTES / 1e6
    return [
        Row(
            f"transfer_{direction}",
            f"64 MiB {direction}",
            megabytes / seconds(answers["remx"], f"{direction}_seconds"),
            "MB/s",
            compared_with="bare gRPC byte stream",
            baseline=megabytes / seconds(answers["bare"], f"{direction}_seconds"),
            target=0.8,
            at_least=True,
            note=f"medians of {stage.options.rounds} rounds, chunks of {TRANSFER_CHUNK_BYTES // 1024} KiB",
        )
        for direction in ("up", "down")
    ]


def client(stage: Stage) -> list[Row]:
    """What importing the client costs in time, and the import and one op in memory."""
    times, sizes = [], []
    for _ in range(stage.options.rounds):
        probe = stage.probe(stage.address)
        times.append(float(probe.read()))
        sizes.append(probe.resident_bytes() / 1e6)
        probe.close()
    note = f"best of {stage.options.rounds} fresh processes"
    return [
        Row("client_import", "import of the client", min(times), "s", target=0.35, note=note),
        Row("client_memory", "client after import and one op", min(sizes), "MB", target=70.0, note=note),
    ]


def growth(stage: Stage, parts: int, program: str, **arguments: Any) -> tuple[list[float], float]:
    """How a fresh server's memory goes while a client runs a program again and again.

    Returns
    -------
    list of float
        Resident megabytes after a first run, which does not count, and after each of ``parts`` others.
    float
        How many live handles these have left.
    """
    server, address = stage.server()
    side = stage.client(address)
    side.ask(program, **arguments)
    sizes = [server.resident_bytes() / 1e6]
    handles = side.ask("statistic", name="live_handles")["value"]
    for _ in range(parts):
        side.ask(program, **arguments)
        sizes.append(server.resident_bytes() / 1e6)
    return sizes, side.ask("statistic", name="live_handles")["value"] - handles


def course(sizes: list[float]) -> str:
    """Sizes as text."""
    return ", ".join(f"{size:.1f}" for size in sizes)


def server_memory(stage: Stage) -> list[Row]:
    """How much the server grows by 100,000 ops whose results are dropped."""
    parts = 5
    sizes, kept = growth(stage, parts, "dropped", ops=DROPPED_OPS // parts)
    return [
        Row(
            "server_memory",
            f"server growth by {DROPPED_OPS:,} dropped ops",
            sizes[-1] - sizes[0],
            "MB",
            target=FLAT_MEGABYTES,
            note=f"every {DROPPED_OPS // parts:,} ops: {course(sizes)} MB resident; "
            f"{kept:g} more live handles",
        )
    ]


def proxy(stage: Stage) -> list[Row]:
    """What the delay proxy itself costs and how true its delay is; for judging ``far_step``."""
    calls, far_calls = 500, 20
    turns: Turns = {
        side: partial(stage.baseline("unary_baseline", through).ask, "chain", ops=calls)
        for side, through in {"direct": None, "proxied": 0.0}.items()
    }
    answers = alternate(turns, stage.options.rounds)
    far = stage.baseline("unary_baseline", FAR_ROUND_TRIP / 2)
    far_call = far.ask("chain", ops=far_calls, warm_ops=5)["seconds"] / far_calls
    bytes_turns: Turns = {
        side: partial(
            stage.baseline("byte_stream_baseline", through).ask,
            "transfer",
            size=TRANSFER_BYTES,
            chunk=TRANSFER_CHUNK_BYTES,
        )
        for side, through in {"direct": None, "proxied": 0.0}.items()
    }
    moved = alternate(bytes_turns, stage.options.rounds)
    rates = {
        side: statistics.median(2 * TRANSFER_BYTES / 1e6 / a["seconds"] for a in moved[side])
        for side in moved
    }
    scale = 1e6 / calls
    return [
        Row(
            "proxy_call",
            "unary call through the proxy at 0 ms",
            median(answers, "proxied", scale),
            "us",
            compared_with="direct",
            baseline=median(answers, "direct", scale),
        ),
        Row("proxy_delay", "unary call through the proxy at 40 ms", far_call * 1e3, "ms"),
        Row(
            "proxy_bytes",
            "64 MiB up and down through the proxy at 0 ms",
            rates["proxied"],
            "MB/s",
            compared_with="direct",
            baseline=rates["direct"],
        ),
    ]


MEASUREMENTS: dict[str, tuple[Callable[[Stage], list[Row]], tuple[str, ...]]] = {
    "chain": (chain, ("chain_vs_mxnet", "chain_vs_unary")),
    "small_step": (small_step, ("small_step",)),
    "large_step": (large_step, ("large_step",)),
    "far_step": (far_step, ("far_step",)),
    "round_trips": (round_trips, ("round_trips",)),
    "transfer": (transfer, ("transfer_up", "transfer_down")),
    "client": (client, ("client_import", "client_memory")),
    "server_memory": (server_memory, ("server_memory",)),
    "proxy": (proxy, ("proxy_call", "proxy_delay", "proxy_bytes")),
}
"""Every measurement, with the names of its rows."""


def versions(stage: Stage) -> dict[str, Any]:
    """Return what was compared with what."""
    sides: dict[str, Child | None] = {"remx": stage.remx, "mxnet": stage.mxnet}
    return {name: side.ask("versions") for name, side in sides.items() if side is not None}
