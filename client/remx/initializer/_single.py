"""How MXNet reads the parameters of its distributions."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

_MAX_DIGITS = 19
_EIGHT = np.float32(1e8)
_TEN = np.float32(10)


def as_single(value: Any) -> float:
    """A number as the float32 that MXNet makes of its decimal text.

    It adds the parts before and behind the point after each was rounded, and scales by the exponent in
    float32, so that it can miss the nearest float32 by one. Weights equal MXNet's bit for bit only with the
    same parameter.
    """
    if not isfinite(value):
        return float(value)
    digits, _, exponent = str(abs(value)).partition("e")
    whole, _, behind = digits.partition(".")
    behind = behind[:_MAX_DIGITS]
    with np.errstate(over="ignore"):
        single: Any = np.float32(int(whole)) + np.float32(int(behind or "0") / 10 ** len(behind))
        scale = np.float32(1)
        steps = abs(int(exponent or "0"))
        for _ in range(steps // 8):
            scale *= _EIGHT
        for _ in range(steps % 8):
            scale *= _TEN
        single = single / scale if exponent.startswith("-") else single * scale
    return float(single) if value >= 0 else -float(single)
