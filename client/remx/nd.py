"""MXNet's ``nd``: arrays, and a function for every op of the catalogue.

The functions are made from the catalogue's rows when they are first asked for; ``nd.pyi``, generated from the
same rows, tells type checkers and editors of them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from remx_contract.signature import names

from . import _contrib, random
from ._counted import boolean_mask, histogram
from ._creation import (
    arange,
    array,
    concatenate,
    empty,
    eye,
    from_dlpack,
    from_numpy,
    full,
    linspace,
    moveaxis,
    onehot_encode,
    ones,
    split_v2,
    to_dlpack_for_read,
    to_dlpack_for_write,
    waitall,
    zeros,
)
from ._functions import build
from ._operators import ELEMENTWISE
from ._operators import function as _elementwise
from ._params import load, load_frombuffer, save
from .ndarray import NDArray


class _Namespace(ModuleType):
    """A module of ops' functions, made when they are first asked for."""

    def __init__(self, name: str, space: str) -> None:
        super().__init__(f"remx.nd.{name}", f"The ops of MXNet's ``nd.{name}``.")
        self._space = space

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = _function(name, self._space)
        if function is None:
            raise AttributeError(f"{self.__name__} has no {name!r}")
        setattr(self, name, function)
        return function

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *names(self._space)})


def _function(name: str, space: str) -> Callable[..., Any] | None:
    op = names(space).get(name)
    return None if op is None else build(op, name)


op = _Namespace("op", "")
contrib = _Namespace("contrib", "contrib")
contrib.boolean_mask = boolean_mask
for _name in _contrib.__all__:
    setattr(contrib, _name, getattr(_contrib, _name))
linalg = _Namespace("linalg", "linalg")
image = _Namespace("image", "image")
_internal = _Namespace("_internal", "_internal")

for _name in ELEMENTWISE:
    globals()[_name] = _elementwise(_name)
true_divide = globals()["divide"]

_PYTHON_LEVEL: Final = [
    "NDArray",
    "arange",
    "array",
    "concatenate",
    "contrib",
    "empty",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "histogram",
    "image",
    "linalg",
    "linspace",
    "load",
    "load_frombuffer",
    "moveaxis",
    "onehot_encode",
    "ones",
    "op",
    "random",
    "save",
    "split_v2",
    "to_dlpack_for_read",
    "to_dlpack_for_write",
    "true_divide",
    "waitall",
    "zeros",
    *ELEMENTWISE,
]


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return __dir__()
    function = _function(name, "")
    if function is None:
        raise AttributeError(f"remx.nd has no {name!r}")
    globals()[name] = function
    return function


def __dir__() -> list[str]:
    return sorted({*_PYTHON_LEVEL, *names("")})
