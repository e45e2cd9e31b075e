"""Connections that break in the middle of training, again and again."""

from __future__ import annotations

import time
from typing import Any

from ..fault_proxy import DROPS, TROUBLES
from ..processes import Child
from ..table import Row
from .ground import Ground, log_lines, together, wait_until

CLIENTS = 4
STEPS = 10
"""Steps between two looks at how often connections were dropped."""
GAP_SECONDS = 0.15
"""Between two faults, at most."""
PATIENCE_SECONDS = 240.0


def _ends(server: Child) -> list[int]:
    """The numbers of ops with which sessions have ended, in their order."""
    return [int(line["ops"]) for line in log_lines(server) if line.get("event") == "session closed"]


def _leave(server: Child, sides: list[Child]) -> tuple[int, int]:
    """End the sides' sessions; returns how many of their ops were lost, and repeated."""
    lost = repeated = 0
    for side in sides:
        ended = len(_ends(server))
        issued = int(side.ask("leave")["ops"])
        wait_until(lambda ended=ended: len(_ends(server)) > ended, 20.0, "the end of a session")  # type: ignore[misc]
        run = _ends(server)[ended]
        lost += max(issued - run, 0)
        repeated += max(run - issued, 0)
    return lost, repeated


def drops(ground: Ground) -> list[Row]:
    """Training through a proxy that drops its connections, against the same training undisturbed."""
    wanted = ground.size(500, 12)
    server, address = ground.server()
    proxy = ground.fault_proxy(address)
    sides = [ground.side(proxy.address) for _ in range(ground.size(CLIENTS, 2))]
    started = time.monotonic()

    def begin(numbered: tuple[int, Child]) -> None:
        number, side = numbered
        side.ask("connect")
        side.ask("begin", seed=number)
        side.ask("train", steps=STEPS)

    together(begin, list(enumerate(sides)))
    proxy.do("leave_to_chance", drops=wanted, seed=1, gap=GAP_SECONDS)

    def train(side: Child) -> int:
        steps = 0
        while proxy.counts()["drops"] < wanted and time.monotonic() - started < PATIENCE_SECONDS:
            steps = int(side.ask("train", steps=STEPS)["steps"])
        # What was dropped last is seen to be survived too.
        return int(side.ask("train", steps=STEPS)["steps"]) or steps

    steps = together(train, sides)
    counts = proxy.counts()
    proxy.do("calm")
    disturbed = together(lambda side: side.ask("digest"), sides)
    lost, repeated = _leave(server, sides)
    undisturbed = together(lambda each: _undisturbed(ground, address, *each), list(enumerate(steps)))
    different = sum(a["digest"] != b["digest"] for a, b in zip(disturbed, undisturbed, strict=True))
    done = ", ".join(f"{counts.get(kind, 0)} {kind}" for kind in (*DROPS, *TROUBLES))
    note = (
        f"{len(sides)} clients, {sum(steps):,} steps in {time.monotonic() - started:.0f} s; {done}; "
        f"{counts['connections']} connections"
    )
    return [
        Row(
            "drops",
            "connections dropped during training",
            counts["drops"],
            "",
            target=wanted,
            at_least=True,
            note=note,
        ),
        Row("drops_different", "runs whose numbers differ from an undisturbed one", different, "", target=0),
        Row("drops_lost", "ops lost by that", lost, "", target=0),
        Row("drops_repeated", "ops repeated by that", repeated, "", target=0),
    ]


def _undisturbed(ground: Ground, address: str, seed: int, steps: int) -> dict[str, Any]:
    side = ground.side(address)
    side.ask("connect")
    side.ask("begin", seed=seed)
    side.ask("train", steps=steps)
    answer = side.ask("digest")
    side.ask("leave")
    return answer


FIGURES = {"drops": (drops, ("drops", "drops_different", "drops_lost", "drops_repeated"))}
