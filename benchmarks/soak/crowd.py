"""Many sessions at once, and a light one beside a heavy one."""

from __future__ import annotations

from ..table import Row
from .ground import Ground

SESSIONS = 32


def crowd(ground: Ground) -> list[Row]:
    """Small ops of many sessions at once, against one session alone."""
    from ..fairness import many_sessions

    _, address = ground.server()
    found = many_sessions(address, SESSIONS, float(ground.size(8, 2)))
    errors = found["errors"]
    return [
        Row(
            "crowd",
            f"ops per second of {SESSIONS} sessions at once",
            found["together"],
            "",
            compared_with="one session alone",
            baseline=found["alone"],
            target=0.8,
            at_least=True,
        ),
        Row("crowd_least", "what the slowest got of the mean", found["least"], "", target=0.8, at_least=True),
        Row("crowd_most", "what the fastest got of the mean", found["most"], "", target=1.25),
        Row("crowd_errors", "errors", len(errors), "", target=0, note=str(errors[0])[:200] if errors else ""),
    ]


def light(ground: Ground) -> list[Row]:
    """The waits of a session with small ops while another multiplies large matrices."""
    from ..fairness import light_beside_heavy

    _, address = ground.server()
    found = light_beside_heavy(address, float(ground.size(6, 2)))
    return [
        Row(
            "light",
            "p95 wait of a light session beside a heavy one",
            found["beside"] * 1e3,
            "ms",
            compared_with="3 x its p95 alone + one kernel",
            baseline=found["bound"] * 1e3,
            target=1.0,
            note=f"alone {found['alone'] * 1e3:.2f} ms, one kernel {found['kernel'] * 1e3:.1f} ms",
        )
    ]


FIGURES = {
    "crowd": (crowd, ("crowd", "crowd_least", "crowd_most", "crowd_errors")),
    "light": (light, ("light",)),
}
