"""The typing stubs of the client's functions and methods of ops, as text; ``generate.py`` writes them."""

from __future__ import annotations

import re
from inspect import Parameter, Signature

import numpy as np

from .catalogue import NAMES
from .op import Op
from .signature import METHODS, names, signature

_HEADER = '''"""Generated from the catalogue by `make gen`; not to be edited."""

'''

_ND = (
    _HEADER
    + """from collections.abc import Sequence
from types import ModuleType

from numpy.typing import DTypeLike

from . import _contrib
from . import random as random
from ._creation import arange as arange
from ._creation import array as array
from ._creation import concatenate as concatenate
from ._creation import empty as empty
from ._creation import eye as eye
from ._creation import from_dlpack as from_dlpack
from ._creation import from_numpy as from_numpy
from ._creation import full as full
from ._creation import linspace as linspace
from ._creation import moveaxis as moveaxis
from ._creation import onehot_encode as onehot_encode
from ._creation import ones as ones
from ._creation import split_v2 as split_v2
from ._creation import to_dlpack_for_read as to_dlpack_for_read
from ._creation import to_dlpack_for_write as to_dlpack_for_write
from ._creation import waitall as waitall
from ._creation import zeros as zeros
from ._counted import histogram as histogram
from ._params import load as load
from ._params import load_frombuffer as load_frombuffer
from ._params import save as save
from .context import Context
from .ndarray import NDArray as NDArray

op: ModuleType
_internal: ModuleType

"""
)

_MEMBERS = {
    "contrib": (
        "    @staticmethod",
        "    def boolean_mask(data: NDArray, index: NDArray, axis: int = 0, *, out: NDArray | None = None, "
        "name: str | None = None) -> NDArray: ...",
    ),
}
"""The functions of the namespaces that are not made from rows."""

_FLUENT = (
    _HEADER
    + """from collections.abc import Sequence

from numpy.typing import DTypeLike

from .ndarray import NDArray

class Fluent:
    def split_v2(
        self, indices_or_sections: int | Sequence[int], axis: int = 0, squeeze_axis: bool = False
    ) -> NDArray | list[NDArray]: ...
"""
)

# fmt: off
PYTHON_LEVEL = (
    "add", "subtract", "multiply", "divide", "true_divide", "modulo", "power", "maximum", "minimum",
    "equal", "not_equal", "greater", "greater_equal", "lesser", "lesser_equal", "logical_and",
    "logical_or", "logical_xor",
)
# fmt: on
"""The client's functions of two operands, each an array or a number."""

# fmt: off
CONTRIB = (
    "adamw_update", "mp_adamw_update", "multi_adamw_update", "multi_mp_adamw_update",
    "multi_lamb_update", "multi_mp_lamb_update",
)
# fmt: on
"""The client's functions of ``nd.contrib`` that are no ops."""

_TAKEN = set(re.findall(r" as (\w+)$", _ND, re.MULTILINE)) | set(PYTHON_LEVEL)


def module() -> str:
    """The stub of the client's ``nd``."""
    lines = [_ND]
    lines += [
        f"def {name}(lhs: NDArray | float, rhs: NDArray | float) -> NDArray: ..." for name in PYTHON_LEVEL
    ]
    lines += [_function(name, op) for name, op in sorted(names("").items()) if name not in _TAKEN]
    for space in ("contrib", "linalg", "image"):
        lines += ["", f"class {space}:", *_MEMBERS.get(space, ())]
        functions = sorted(names(space).items())
        lines += [f"    @staticmethod\n    {_function(name, op)}" for name, op in functions] or ["    ..."]
        if space == "contrib":
            lines += [f"    {name} = staticmethod(_contrib.{name})" for name in CONTRIB]
    return "\n".join(lines) + "\n"


def methods() -> str:
    """The stub of the methods of NDArray that are ops."""
    lines = [_FLUENT]
    for name in METHODS:
        found = signature(NAMES[name])
        first, *others = found.parameters.values()
        assert first.kind is not Parameter.VAR_POSITIONAL
        lines.append(
            f"    def {name}({_parameters([first.replace(name='self'), *others])}) -> {_returns(found)}: ..."
        )
    return "".join(f"{line.removesuffix(chr(10))}\n" for line in lines)


def _function(name: str, op: Op) -> str:
    found = signature(op)
    return f"def {name}({_parameters(list(found.parameters.values()))}) -> {_returns(found)}: ..."


def _returns(found: Signature) -> str:
    return str(found.return_annotation)


def _parameters(parameters: list[Parameter]) -> str:
    parts = []
    starred = False
    for parameter in parameters:
        if parameter.name == "self":
            parts.append("self")
            continue
        star = "*" if parameter.kind is Parameter.VAR_POSITIONAL else ""
        if parameter.kind is Parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
        starred = starred or bool(star) or parameter.kind is Parameter.KEYWORD_ONLY
        default = "" if parameter.default is Parameter.empty else f" = {_literal(parameter.default)}"
        annotation = parameter.annotation
        if parameter.default is None and "None" not in annotation:
            annotation += " | None"
        parts.append(f"{star}{parameter.name}: {annotation}{default}")
    return ", ".join(parts)


def _literal(value: object) -> str:
    return repr(value.name) if isinstance(value, np.dtype) else repr(value)
