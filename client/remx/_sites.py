"""Sites: the client's source lines, by number.

Each invoke carries the number of the line that issued it, so that a failure minutes later can name that line.
Taking the number is on the hot path; finding file and line is not.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

_PACKAGE: Final = str(Path(__file__).resolve().parent)
_INTERNAL: Final = -1
# (id of the code object, instruction) -> number. The code objects are kept in _places, so ids stay unique.
_NUMBERS: Final[dict[tuple[int, int], int]] = {}
_places: list[tuple[CodeType, int]] = []


def site(depth: int) -> int:
    """The number of the line that is ``depth`` calls up, or of the first line further up that is not remx's
    own."""
    frame: FrameType | None = sys._getframe(depth)
    number = _NUMBERS.get((id(frame.f_code), frame.f_lasti))  # type: ignore[union-attr]
    if number is not None and number > 0:
        return number
    while frame is not None:
        number = _NUMBERS.get((id(frame.f_code), frame.f_lasti))
        if number is None:
            number = _add(frame)
        if number > 0:
            return number
        frame = frame.f_back
    return 0


def _add(frame: FrameType) -> int:
    code = frame.f_code
    _places.append((code, frame.f_lasti))
    number = _INTERNAL if code.co_filename.startswith(_PACKAGE) else len(_places)
    _NUMBERS[id(code), frame.f_lasti] = number
    return number


def describe(number: int) -> str:
    """``file.py:12 in function`` for a site's number; empty for an unknown one."""
    if not 0 < number <= len(_places):
        return ""
    code, instruction = _places[number - 1]
    line = code.co_firstlineno
    for start, end, at in code.co_lines():
        if start <= instruction < end and at is not None:
            line = at
    return f"{code.co_filename}:{line} in {code.co_name}"
