"""What a session counts, for the reader of a slow program."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass, fields
from pathlib import Path
from types import FrameType
from typing import Final


class PerformanceWarning(UserWarning):
    """A program waits for the server more often than it needs to."""


@dataclass
class Statistics:
    """Counters of a session, since it was opened.

    Attributes
    ----------
    ops : int
        Ops issued.
    batches : int
        Messages that carried them.
    round_trips : int
        Waits for an answer of the server: reads, ``wait_to_read``, ``waitall``, pauses.
    pauses : int
        How often a backward pass has come to a :class:`~remx.autograd.Function`, whose backward runs here.
    resumes : int
        How often a connection that broke was made again.
    bytes_up, bytes_down : int
        Bytes sent and received, without what gRPC adds.
    live_handles : int
        Arrays that the server holds for the session, as far as it has told.
    seconds_waited : float
        Time spent waiting for the server.
    """

    ops: int = 0
    batches: int = 0
    round_trips: int = 0
    pauses: int = 0
    resumes: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    live_handles: int = 0
    seconds_waited: float = 0.0

    def __getitem__(self, name: str) -> float:
        if name not in {field.name for field in fields(self)}:
            raise KeyError(name)
        value: float = getattr(self, name)
        return value

    def __str__(self) -> str:
        return "\n".join(
            (
                f"ops            {self.ops:>14,}",
                f"batches        {self.batches:>14,}",
                f"round trips    {self.round_trips:>14,}",
                f"pauses         {self.pauses:>14,}",
                f"resumes        {self.resumes:>14,}",
                f"bytes up       {self.bytes_up:>14,}",
                f"bytes down     {self.bytes_down:>14,}",
                f"live handles   {self.live_handles:>14,}",
                f"seconds waited {self.seconds_waited:>14.3f}",
            )
        )


class ReadWatch:
    """Notices a loop that reads a value every few ops, and warns once."""

    FEW_OPS: Final = 8
    MANY_READS: Final = 50
    LONG_SECONDS: Final = 1.0

    def __init__(self) -> None:
        self._ops = 0
        self._reads = 0
        self._waited = 0.0
        self._warned = False

    def note(self, ops: int, waited: float) -> None:
        """A value was read after ``ops`` ops in all, and it took ``waited`` seconds."""
        few = ops - self._ops <= self.FEW_OPS
        self._ops = ops
        if not few:
            self._reads, self._waited = 0, 0.0
            return
        self._reads += 1
        self._waited += waited
        if self._warned or self._reads < self.MANY_READS or self._waited < self.LONG_SECONDS:
            return
        self._warned = True
        warnings.warn(
            f"the last {self._reads} reads of a value came after at most {self.FEW_OPS} ops each and waited "
            f"{self._waited:.1f} seconds for the server; read less often (keep losses as arrays and "
            f"read them "
            "together), see mx.stats()",
            PerformanceWarning,
            stacklevel=levels_outside(),
        )


def levels_outside() -> int:
    """How many frames above :meth:`ReadWatch.note` the caller is that is not of remx itself."""
    package = str(Path(__file__).resolve().parent)
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and frame.f_code.co_filename.startswith(package):
        frame = frame.f_back
        level += 1
    return level
