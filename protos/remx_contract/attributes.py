"""The types of operator attributes: how a value that a user gives becomes the canonical one.

MXNet sends every attribute as text, so it takes ``axis='1'``, ``axis=[0]``, ``np.int64(1)`` and
``keepdims='True'``. The same values are taken here; each type turns them into one canonical Python value or
refuses them.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from .dtypes import as_dtype

AttrValue = Any
"""A canonical value: None, bool, int, float, str, numpy.dtype, or a tuple of such values."""

MAX_TEXT: Final = 1024
"""A longer text is not read as a literal: Python's parser recurses, and texts come over the wire too."""


@dataclass(frozen=True)
class AttrType:
    """How one kind of attribute is parsed.

    Attributes
    ----------
    name : str
        What error messages call it.
    annotation : str
        How the generated signatures spell it.
    parse : callable
        From a user's value to the canonical one; raises ValueError or TypeError for a value it refuses.
    """

    name: str
    annotation: str
    parse: Callable[[object], AttrValue] = field(repr=False)


def _literal(value: object) -> object:
    """The value that a text spells, as MXNet's own parser would read it."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if len(text) > MAX_TEXT:
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def _int(value: object) -> int:
    value = _literal(value)
    if isinstance(value, (bool, np.bool_)):
        # MXNet refuses them too: `sum(x, True)` is a keepdims in the place of the axis.
        raise ValueError
    number = operator.index(value)  # type: ignore[arg-type]
    if not -(2**63) <= number < 2**63:
        raise OverflowError
    return number


def _float(value: object) -> float:
    value = _literal(value)
    # The text may be "nan" or "inf", which are no literals.
    if isinstance(value, (int, float, str, np.number, np.bool_)):
        return float(value)
    raise ValueError


def _bool(value: object) -> bool:
    value = _literal(value)
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)) and value in (0, 1):
        return bool(value)
    raise ValueError


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _shape(value: object) -> tuple[int, ...]:
    value = _literal(value)
    if isinstance(value, (list, tuple, np.ndarray)):
        return tuple(_int(item) for item in value)
    return (_int(value),)


def _axes(value: object) -> int | tuple[int, ...]:
    value = _literal(value)
    if isinstance(value, (list, tuple, np.ndarray)):
        return tuple(_int(item) for item in value)
    return _int(value)


def _optional_items(value: object) -> tuple[int | None, ...]:
    value = _literal(value)
    if not isinstance(value, (list, tuple)):
        value = (value,)
    return tuple(None if item is None else _int(item) for item in value)


def _floats(value: object) -> tuple[float, ...]:
    value = _literal(value)
    if isinstance(value, (list, tuple, np.ndarray)):
        return tuple(_float(item) for item in value)
    return (_float(value),)


def _key(value: object) -> AttrValue:
    if value is None or isinstance(value, (int, str)):
        return value
    if isinstance(value, tuple):
        return tuple(_key(item) for item in value)
    raise ValueError


INT: Final = AttrType("int", "int", _int)
FLOAT: Final = AttrType("float", "float", _float)
BOOL: Final = AttrType("bool", "bool", _bool)
STRING: Final = AttrType("str", "str", _string)
SHAPE: Final = AttrType("tuple of int", "int | Sequence[int]", _shape)
"""A tuple of integers; a single integer becomes a tuple of one."""
AXES: Final = AttrType("int or tuple of int", "int | Sequence[int]", _axes)
"""An integer or a tuple of integers, kept apart."""
OPTIONAL_ITEMS: Final = AttrType("tuple of int or None", "int | None | Sequence[int | None]", _optional_items)
"""A tuple whose items may be None, like the begin and end of a slice."""
FLOATS: Final = AttrType("tuple of float", "float | Sequence[float]", _floats)
DTYPE: Final = AttrType("dtype", "DTypeLike", as_dtype)
KEY: Final = AttrType("indexing key", "object", _key)
"""A nested tuple of integers, texts and None: an indexing key in its wire form (the client's indexing.py)."""


def optional(kind: AttrType) -> AttrType:
    """``kind``, or None (also spelled ``'None'``)."""

    def parse(value: object) -> AttrValue:
        if value is None or (isinstance(value, str) and value.strip().lower() == "none"):
            return None
        return kind.parse(value)

    return AttrType(f"{kind.name} or None", f"{kind.annotation} | None", parse)


def choice(*names: str) -> AttrType:
    """One of several texts."""

    def parse(value: object) -> str:
        if value not in names:
            raise ValueError
        return str(value)

    expected = "one of " + ", ".join(repr(name) for name in names)
    return AttrType(expected, "str", parse)


def spell(value: AttrValue) -> str:
    """A canonical value as MXNet spells it in a symbol."""
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, tuple):
        items = ", ".join(map(spell, value))
        return f"({items},)" if len(value) == 1 else f"({items})"
    return str(value)
