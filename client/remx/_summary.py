"""What the tape keeps, as a table."""

from __future__ import annotations

from dataclasses import dataclass

from remx_contract.v1 import stream_pb2

from . import _sites


@dataclass(frozen=True)
class TapeRow:
    """What one op has recorded from one line of the program.

    Attributes
    ----------
    op : str
        ``"Function"`` for all of :class:`~remx.autograd.Function`.
    line : str
        ``file:line in function``; empty where it is not known.
    nodes : int
    nbytes : int
        Bytes of the values that were saved for gradients. What several ops saved counts for the oldest.
    tape_only : int
        The part of them that no array of the program keeps: what dropping the graph would free.
    """

    op: str
    line: str
    nodes: int
    nbytes: int
    tape_only: int


@dataclass(frozen=True)
class TapeSummary:
    """What the tape keeps.

    Attributes
    ----------
    rows : tuple of TapeRow
        The largest first, at most 1,000.
    nodes, nbytes, tape_only : int
        Of all rows.
    """

    rows: tuple[TapeRow, ...]
    nodes: int
    nbytes: int
    tape_only: int

    @classmethod
    def of(cls, message: stream_pb2.TapeSummary) -> TapeSummary:
        """The summary in a server's message."""
        rows = [
            TapeRow(row.op, _sites.describe(row.site), row.nodes, row.nbytes, row.tape_only)
            for row in message.rows
        ]
        return cls(tuple(rows), message.nodes, message.nbytes, message.tape_only)

    def __str__(self) -> str:
        lines = [f"{'op':<24}{'nodes':>10}{'saved bytes':>16}{'only by tape':>16}  line"]
        lines += [
            f"{row.op:<24}{row.nodes:>10,}{row.nbytes:>16,}{row.tape_only:>16,}  {row.line}"
            for row in self.rows
        ]
        lines.append(f"{'all':<24}{self.nodes:>10,}{self.nbytes:>16,}{self.tape_only:>16,}")
        return "\n".join(line.rstrip() for line in lines)
