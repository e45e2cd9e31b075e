"""Requests: every call has an id of its own, which the log and the error that the caller sees both show."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Request:
    """A call.

    Attributes
    ----------
    id : str
    on_error : callable
        Takes the reason of the error that ends it.
    """

    id: str
    on_error: Callable[[str], None]


REQUEST: Final[ContextVar[Request | None]] = ContextVar("REQUEST", default=None)
"""The call that the running code serves; None beside calls."""


def request_id() -> str:
    """The id of the call that the running code serves; empty beside calls."""
    request = REQUEST.get()
    return "" if request is None else request.id
