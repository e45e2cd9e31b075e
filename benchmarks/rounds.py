"""Alternating rounds: how two or more sides are measured so that their ratio means something."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

Answer = Mapping[str, Any]

PAUSE = 0.3
"""Seconds between turns, in which the last side's worker threads stop spinning for more work."""


class Disagreement(AssertionError):
    """Two sides ran the same program and got different results."""


def alternate(turns: Mapping[str, Callable[[], Answer]], rounds: int) -> dict[str, list[Answer]]:
    """Give every side its turn, round after round, in an order that turns round each time.

    One more round goes before, as a warm-up that is not counted.

    Parameters
    ----------
    turns : mapping
        Per side, a function that runs its program once.
    rounds : int
        Counted rounds.

    Returns
    -------
    dict
        Per side, its answers, one for each counted round.

    Raises
    ------
    Disagreement
        If the sides' ``check`` values differ by more than one in a thousand.
    """
    answers: dict[str, list[Answer]] = {name: [] for name in turns}
    for number in range(rounds + 1):
        names = list(turns) if number % 2 == 0 else list(turns)[::-1]
        for name in names:
            time.sleep(PAUSE)
            answer = turns[name]()
            if number > 0:
                answers[name].append(answer)
    _agree({name: answers[name][-1] for name in turns})
    return answers


def _agree(last: Mapping[str, Answer]) -> None:
    checks = {name: float(answer["check"]) for name, answer in last.items()}
    first = next(iter(checks.values()))
    if not all(math.isclose(first, other, rel_tol=1e-3) for other in checks.values()):
        raise Disagreement(f"the sides computed different results: {checks}")


def seconds(answers: list[Answer], key: str = "seconds") -> float:
    """Return the median over a side's rounds."""
    return statistics.median(float(answer[key]) for answer in answers)
