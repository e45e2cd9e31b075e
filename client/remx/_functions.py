"""Functions of ops: from a row of the catalogue to a Python function with its signature and docstring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from remx_contract.errors import ArgumentError, NotAnArrayError, UnsupportedTypeError
from remx_contract.op import REQUIRED, Op
from remx_contract.signature import docstring, signature
from remx_contract.status import clip

from ._dispatch import binary, invoke, unary
from ._operators import Operators
from .context import Context

if TYPE_CHECKING:
    from .ndarray import NDArray


def build(op: Op, name: str) -> Callable[..., Any]:
    """The function of an op under one of its names.

    It takes the op's inputs and attributes in their order or by name, ``out`` for arrays to write the results
    into, and ``name``, which MXNet takes and ignores. An op without inputs takes ``ctx``.
    """
    if op.variadic:
        function = _variadic(op)
    elif _is_plain(op) and len(op.inputs) == 1:
        function = _plain_unary(op)
    elif _is_plain(op) and len(op.inputs) == 2:
        function = _plain_binary(op)
    else:
        function = _general(op)
    function.__name__ = function.__qualname__ = name
    function.__module__ = "remx.nd"
    function.__doc__ = docstring(op)
    function.__signature__ = signature(op)  # type: ignore[attr-defined]
    return function


def _is_plain(op: Op) -> bool:
    """Whether a call with nothing but the inputs is all an op needs, and gives one array."""
    return (
        op.arity is None
        and op.outputs == 1
        and not (op.random or op.mutates or op.per_call)
        and all(attr.default is not REQUIRED for attr in op.attrs)
    )


def _plain_unary(op: Op) -> Callable[..., Any]:
    def function(*args: Any, out: Any = None, name: str | None = None, **given: Any) -> Any:
        if len(args) == 1 and not given and out is None and isinstance(args[0], Operators):
            return unary(op, args[0])  # type: ignore[arg-type]
        return _call(op, args, out, given)

    return function


def _plain_binary(op: Op) -> Callable[..., Any]:
    def function(*args: Any, out: Any = None, name: str | None = None, **given: Any) -> Any:
        if len(args) == 2 and not given and out is None:
            lhs, rhs = args
            if isinstance(lhs, Operators) and isinstance(rhs, Operators):
                return binary(op, lhs, rhs)  # type: ignore[arg-type]
        return _call(op, args, out, given)

    return function


def _general(op: Op) -> Callable[..., Any]:
    def function(*args: Any, out: Any = None, name: str | None = None, **given: Any) -> Any:
        return _call(op, args, out, given)

    return function


def _variadic(op: Op) -> Callable[..., Any]:
    label = op.inputs[0][1:]

    def function(*args: Any, out: Any = None, name: str | None = None, **given: Any) -> Any:
        given.pop("num_args", None)
        for array in args:
            _check_array(op, label, array)
        _check_out(op, out)
        return invoke(op, args, given, out)

    return function


def _call(op: Op, args: Sequence[Any], out: Any, given: dict[str, Any]) -> Any:
    context = _context(given.pop("ctx", None)) if not op.inputs else None
    names = len(op.inputs) + len(op.attrs)
    if names < len(args) <= names + 2 and out is None:
        # By position, MXNet's functions take `out` and `name` after the attributes.
        args, out = args[:names], args[names]
    _check_out(op, out)
    inputs, attrs = bind(op, args, given)
    return invoke(op, inputs, attrs, out, context)


def _check_out(op: Op, out: Any) -> None:
    targets = out if isinstance(out, (list, tuple)) else (out,)
    for target in targets:
        if target is not None and not isinstance(target, Operators):
            raise UnsupportedTypeError(
                op=op.name,
                argument="out",
                got=_described(target),
                expected="an NDArray, or a list of them",
            )


def _described(value: object) -> str:
    """A value for a message; of what may hold arrays only the type, since their values would have to be
    fetched."""
    if value is None or isinstance(value, (str, int, float)):
        return clip(repr(value), 200)
    return f"a {type(value).__name__}"


def _context(value: Any) -> Context | None:
    """A context as ops take it: also MXNet's text form, ``"gpu(0)"``."""
    if isinstance(value, str):
        kind, _, number = value.partition("(")
        return Context(kind, int(number.rstrip(")") or 0))
    return value  # type: ignore[no-any-return]


def bind(op: Op, args: Sequence[Any], given: Mapping[str, Any]) -> tuple[list[NDArray], dict[str, Any]]:
    """Positional and named arguments as inputs and attributes.

    Raises
    ------
    TypeError
        For too many arguments, or one given twice.
    NotAnArrayError
        For an input that is not an array.
    """
    names = [*op.inputs, *op.attr_of]
    if len(args) > len(names):
        raise UnsupportedTypeError(
            f"{op.name}() takes from 0 to {len(names)} positional arguments but {len(args)} were given"
        )
    values = dict(zip(names, args, strict=False))
    for name, value in given.items():
        if name in values:
            raise UnsupportedTypeError(f"{op.name}() got multiple values for argument {name!r}")
        values[name] = value
    inputs: list[NDArray] = []
    missing = ""
    for name in op.inputs:
        value = values.pop(name, None)
        if value is None:
            missing = missing or name
            continue
        _check_array(op, name, value)
        inputs.append(value)
    if missing and op.arity is None:
        raise ArgumentError(op=op.name, argument=missing, expected="an NDArray; it is missing")
    return inputs, values


def _check_array(op: Op, name: str, value: Any) -> None:
    if not isinstance(value, Operators):
        kind = " (make it one with nd.array())" if isinstance(value, (np.ndarray, list, tuple)) else ""
        raise NotAnArrayError(
            f"Argument {name} must have NDArray type, but got {_described(value)}{kind}", op=op.name
        )
