"""What an op's Python function looks like: its signature, its docstring, and the names it goes by."""

from __future__ import annotations

from functools import cache
from inspect import Parameter, Signature
from typing import Any, Final

from .catalogue import FAMILY_OF, NAMES
from .op import REQUIRED, Op

PREFIXES: Final = {"_contrib_": "contrib", "_linalg_": "linalg", "_image_": "image"}
"""MXNet's namespaces of ops whose names begin so; other names with an underscore are its internal ones."""

# fmt: off
METHODS: Final = (
    "abs", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "argmax",
    "argmax_channel", "argmin", "argsort", "broadcast_axes", "cbrt", "ceil", "clip", "cos", "cosh",
    "degrees", "depth_to_space", "diag", "exp", "expm1", "fix", "flip", "floor", "log", "log10",
    "log1p", "log2", "log_softmax", "max", "mean", "min", "nanprod", "nansum", "norm", "one_hot",
    "ones_like", "pad", "pick", "prod", "radians", "rcbrt", "reciprocal", "relu", "repeat",
    "reshape_like", "rint", "round", "rsqrt", "shape_array", "sigmoid", "sign", "sin", "sinh",
    "size_array", "slice", "slice_axis", "slice_like", "softmax", "softmin", "sort",
    "space_to_depth", "split", "sqrt", "square", "sum", "swapaxes", "take", "tan", "tanh", "tile",
    "topk", "transpose", "trunc", "zeros_like",
)
# fmt: on
"""The methods of MXNet's NDArray that are ops whose first input is the array."""


@cache
def names(space: str) -> dict[str, Op]:
    """The ops of a namespace by their names there.

    Parameters
    ----------
    space : {"", "contrib", "linalg", "image", "_internal"}
        The empty one is MXNet's ``nd`` itself.
    """
    found: dict[str, Op] = {}
    for name, op in NAMES.items():
        prefix = next((prefix for prefix in PREFIXES if name.startswith(prefix)), "")
        place = PREFIXES.get(prefix, "_internal" if name.startswith("_") else "")
        if place == space:
            found[name.removeprefix(prefix)] = op
    return found


def signature(op: Op) -> Signature:
    """The signature of an op's function.

    Inputs and attributes in the row's order, ``ctx`` for an op without inputs, ``out`` and ``name``.
    """
    parameters: list[Parameter] = []
    if op.variadic:
        parameters.append(Parameter(op.inputs[0][1:], Parameter.VAR_POSITIONAL, annotation="NDArray"))
    else:
        for index, name in enumerate(op.inputs):
            # An op with an arity can do without some of its inputs, though never without the first.
            if op.arity is None or index == 0:
                parameters.append(Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation="NDArray"))
            else:
                parameters.append(_optional(name, Parameter.POSITIONAL_OR_KEYWORD, "NDArray | None"))
    for attr in op.attrs:
        kind = Parameter.KEYWORD_ONLY if op.variadic else Parameter.POSITIONAL_OR_KEYWORD
        required = attr.default is REQUIRED
        if required and (not parameters or parameters[-1].default is Parameter.empty):
            parameters.append(Parameter(attr.name, kind, annotation=attr.type.annotation))
        else:
            # Python wants parameters without a default first, which MXNet's order does not heed: the call
            # checks them.
            default = None if required else attr.default
            annotation = attr.type.annotation
            parameters.append(Parameter(attr.name, kind, default=default, annotation=annotation))
    keyword = Parameter.KEYWORD_ONLY
    if not op.inputs:
        parameters.append(_optional("ctx", keyword, "Context | None"))
    parameters.append(_optional("out", keyword, "NDArray | Sequence[NDArray] | None"))
    parameters.append(_optional("name", keyword, "str | None"))
    return Signature(parameters, return_annotation=returns(op))


def _optional(name: str, kind: Any, annotation: str) -> Parameter:
    return Parameter(name, kind, default=None, annotation=annotation)


def returns(op: Op) -> str:
    """The annotation of what an op's function returns."""
    if not isinstance(op.outputs, int):
        return "NDArray | list[NDArray]"
    return {0: "None", 1: "NDArray"}.get(op.outputs, "list[NDArray]")


def docstring(op: Op) -> str:
    """The docstring of an op's function, in numpydoc's form: its prose stands in the catalogue."""
    lines = [op.doc, "", "Parameters", "----------"]
    lines += [f"{name} : NDArray" for name in op.inputs]
    for attr in op.attrs:
        default = "" if attr.default is REQUIRED else f", default {attr.default!r}"
        lines.append(f"{attr.name} : {attr.type.name}{default}")
    if not op.inputs:
        lines.append("ctx : Context, default the thread's")
    lines += [
        "out : NDArray, optional",
        "    Where to write the result.",
        "",
        "Returns",
        "-------",
        returns(op),
    ]
    lines += [
        "",
        "Notes",
        "-----",
        f"The semantics are those of MXNet 1.9.1's {op.name} ({FAMILY_OF[op.name]}).",
    ]
    return "\n".join(lines)
