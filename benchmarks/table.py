"""Results as rows, and rows as a printed table and a JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Row:
    """One measured quantity.

    Attributes
    ----------
    name : str
        What ``--only`` calls it.
    what : str
        What was measured, in words.
    value : float or None
        The measured value of remx, in ``unit``; None if there was nothing to measure.
    unit : str
        ``us``, ``ms``, ``s``, ``MB`` (a million bytes), ``MB/s``, or empty for a plain count.
    compared_with : str
        What the ratio's other side is; empty where there is no ratio.
    baseline : float or None
        The other side's value, in ``unit``.
    target : float or None
        The bound; None in a row that is there for information.
    at_least : bool
        Whether the bound is a lower one.
    note : str
        How it was measured or why it was not.
    """

    name: str
    what: str
    value: float | None
    unit: str
    compared_with: str = ""
    baseline: float | None = None
    target: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The value over the baseline, where both were measured."""
        if self.value is None or not self.baseline:
            return None
        return self.value / self.baseline

    @property
    def met(self) -> bool | None:
        """Whether the ratio, or the value where nothing is compared, keeps the bound."""
        judged = self.ratio if self.compared_with else self.value
        if self.target is None or judged is None:
            return None
        return judged >= self.target if self.at_least else judged <= self.target

    @property
    def bound(self) -> str:
        """The target as it is printed."""
        if self.target is None:
            return ""
        unit = "" if self.compared_with or not self.unit else f" {self.unit}"
        return f"{'>=' if self.at_least else '<='} {self.target:g}{unit}"


def as_record(row: Row) -> dict[str, Any]:
    """Return a row as the JSON file holds it."""
    record = asdict(row)
    del record["at_least"]
    return {**record, "target": row.bound or None, "ratio": row.ratio, "met": row.met}


_HEADINGS = ("row", "what", "value", "compared with", "its value", "ratio", "target", "met")
_VERDICTS = {True: "yes", False: "NO", None: ""}


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        row.what,
        _quantity(row.value, row.unit),
        row.compared_with,
        _quantity(row.baseline, row.unit) if row.compared_with else "",
        "" if row.ratio is None else f"{row.ratio:.3g}",
        row.bound,
        _VERDICTS[row.met],
    )


def _quantity(value: float | None, unit: str) -> str:
    if value is None:
        return NOT_MEASURED
    digits = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{digits} {unit}".rstrip()


def as_text(rows: Sequence[Row]) -> str:
    """Return the rows as a table for a terminal, with their notes below it."""
    lines = [_HEADINGS, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [_line(cells, widths) for cells in lines]
    texts.insert(1, "  ".join("-" * width for width in widths))
    notes = [f"{row.name}: {row.note}" for row in rows if row.note]
    return "\n".join([*texts, "", *notes] if notes else texts)


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def write_json(path: Path, rows: Sequence[Row], conditions: Mapping[str, Any]) -> None:
    """Write the rows and the conditions they were measured under."""
    document = {"conditions": dict(conditions), "rows": [as_record(row) for row in rows]}
    path.write_text(json.dumps(document, indent=2) + "\n")
