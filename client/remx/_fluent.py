"""NDArray's methods that are ops: ``x.sum(axis=1)`` is ``nd.sum(x, axis=1)``.

``_fluent.pyi``, generated from the catalogue, tells type checkers of them.
"""

from __future__ import annotations

from typing import Any

from remx_contract.catalogue import find
from remx_contract.signature import METHODS

from ._functions import build


class Fluent:
    """The methods."""

    __slots__ = ()

    def split_v2(self, indices_or_sections: Any, axis: int = 0, squeeze_axis: bool = False) -> Any:
        """:func:`remx.nd.split_v2` of the array."""
        from ._creation import split_v2

        return split_v2(self, indices_or_sections, axis, squeeze_axis)  # type: ignore[arg-type]


for _name in METHODS:
    setattr(Fluent, _name, build(find(_name), _name))
