"""Sites: the client's source lines, by number.

Each invoke carries the number of the line that issued it, so that a failure minutes later can name that line.
Taking the number is on the hot path; finding file and line is not.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

MAX_PLACES: Final = 50_000
"""Places that are known at a time; a program that keeps compiling new code would fill the memory
otherwise."""

_PACKAGE: Final = str(Path(__file__).resolve().parent)
_INTERNAL: Final = -1
# (id of the code object, instruction) -> number. The code objects are kept in _places, so ids stay unique.
_numbers: Final[dict[tuple[int, int], int]] = {}
_places: Final[dict[int, tuple[CodeType, int]]] = {}
_next_number: Final = count(1).__next__


def site(depth: int) -> int:
    """The number of the line ``depth`` calls up, or of the first one further up that is not remx's own."""
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None:
        number = _numbers.get((id(frame.f_code), frame.f_lasti)) or _add(frame)
        if number > 0:
            return number
        frame = frame.f_back
    return 0


def _add(frame: FrameType) -> int:
    code = frame.f_code
    if len(_places) >= MAX_PLACES:
        _numbers.clear()
        _places.clear()
    number = _next_number()
    _places[number] = code, frame.f_lasti
    if code.co_filename.startswith(_PACKAGE):
        number = _INTERNAL
    _numbers[id(code), frame.f_lasti] = number
    return number


def describe(number: int) -> str:
    """``file.py:12 in function`` for a site's number; empty for an unknown one."""
    if number not in _places:
        return ""
    code, instruction = _places[number]
    line = code.co_firstlineno
    for start, end, at in code.co_lines():
        if start <= instruction < end and at is not None:
            line = at
    return f"{code.co_filename}:{line} in {code.co_name}"
