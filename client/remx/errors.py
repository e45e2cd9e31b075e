"""The error classes of remx; each is an :class:`MXNetError` with a ``reason``."""

from __future__ import annotations

from remx_contract import errors as _errors
from remx_contract.errors import *  # noqa: F403
from remx_contract.status import classes

__all__ = sorted({cls.__name__ for cls in classes() if getattr(_errors, cls.__name__, None) is cls})
