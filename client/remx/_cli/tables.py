"""Numbers and tables as people read them in a terminal."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Sequence

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def plain(text: str) -> str:
    """Text of somebody else's for a terminal: what could move the cursor or change colours is spelled out."""
    return "".join(
        json.dumps(char)[1:-1] if unicodedata.category(char) in _HIDDEN else char
        for char in text.encode("utf-8", "replace").decode("utf-8")
    )


def size(count: float) -> str:
    """Bytes with a unit: ``1.5 GiB``."""
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    step = 0
    while count >= 1024 and step < len(units) - 1:
        count /= 1024
        step += 1
    return f"{count:.0f} {units[step]}" if step == 0 or count >= 100 else f"{count:.1f} {units[step]}"


def number(count: float) -> str:
    """A count with separators."""
    return f"{count:,.0f}"


def span(seconds: float) -> str:
    """A time in its two largest units: ``2 h 5 min``."""
    total = math.floor(seconds)
    if total < 60:
        return f"{total} s"
    for unit, name, below, small in ((60, "min", 1, "s"), (3600, "h", 60, "min"), (86400, "d", 3600, "h")):
        if total < unit * (24 if name == "h" else 60) or name == "d":
            return f"{total // unit} {name} {total % unit // below} {small}"
    raise AssertionError(seconds)


def milliseconds(seconds: float) -> str:
    """A short time: ``0.42 ms``, ``35 ms``."""
    value = seconds * 1e3
    return f"{value:.2f} ms" if value < 10 else f"{value:.0f} ms"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> str:
    """Columns below their heads.

    Parameters
    ----------
    heads : sequence of str
    rows : sequence of sequences of str
    right : sequence of str
        The heads of columns of numbers, which end at the right.
    """
    clean = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *clean, strict=True)]
    lines = []
    for row in (list(heads), *clean):
        cells = [
            cell.rjust(width) if head in right else cell.ljust(width)
            for cell, width, head in zip(row, widths, heads, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
