"""Snippets: lines of Python that the real MXNet and remx both run, and what they give.

The tables hold code in which ``mx``, ``nd``, ``autograd`` and ``np`` are known; the value of its last
expression, or the error that it raises, is the result. ``tests/golden/make_snippets.py`` stores MXNet's
results; the client's tests compare remx's with them. Nothing here imports either.
"""

from __future__ import annotations

import ast
import builtins
import re
from typing import Any, NamedTuple

import numpy as np

Result = Any
"""A result in a form that JSON can hold."""


class Differs(NamedTuple):
    """A snippet that remx answers otherwise than MXNet, on purpose.

    Attributes
    ----------
    code : str
    instead : str
        Code that gives remx's result; or the name of the error class that remx raises.
    why : str
    """

    code: str
    instead: str
    why: str


WHEN = (
    "def when(*steps):\n"
    "  for number, step in enumerate(steps):\n"
    "    try: step()\n"
    "    except Exception as error: return number, isinstance(error, mx.MXNetError)\n"
    "  return len(steps)\n"
)
"""The beginning of a snippet that asks which of several steps raises, the call or the read, and whether it is
an MXNetError."""

Table = dict[str, "str | Differs"]
"""Snippets by name."""


def table(*snippets: str | Differs) -> Table:
    """Snippets under their own code as names."""
    return {one.code if isinstance(one, Differs) else one: one for one in snippets}


def run(code: str, mx: Any) -> Result:
    """The result of a snippet."""
    known = {"mx": mx, "nd": mx.nd, "autograd": mx.autograd, "np": np}
    body = ast.parse(code).body
    last = body.pop()
    try:
        exec(compile(ast.Module(body, []), "<snippet>", "exec"), known)
        if not isinstance(last, ast.Expr):
            raise SyntaxError("a snippet ends in an expression")
        return encode(eval(compile(ast.Expression(last.value), "<snippet>", "eval"), known))
    except SyntaxError:
        raise
    except Exception as error:  # What it raises is its result.
        return {"error": error_names(type(error))}


def error_names(kind: type[BaseException]) -> list[str]:
    """The classes of an error that both sides know, MXNetError and builtins, the most special one first."""
    names = [cls.__name__ for cls in kind.__mro__]
    return [name for name in names if name == "MXNetError" or hasattr(builtins, name)]


def encode(value: Any) -> Result:
    """A value as JSON."""
    if hasattr(value, "asnumpy"):
        host = value.asnumpy()
        return {"array": host.dtype.name, "shape": list(host.shape), "values": host.ravel().tolist()}
    if isinstance(value, np.ndarray):
        return {"numpy": value.dtype.name, "shape": list(value.shape), "values": value.ravel().tolist()}
    if isinstance(value, np.generic):
        return {"scalar": value.dtype.name, "value": value.item()}
    if isinstance(value, dict):
        return {"dict": {str(key): encode(item) for key, item in value.items()}}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [encode(item) for item in value]}
    if isinstance(value, type):
        return {"type": value.__name__.rstrip("_")}
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return {"repr": re.sub(r" at 0x[0-9a-f]+", "", repr(value))}


def compare(got: Result, expected: Result) -> None:
    """AssertionError unless two results are the same: numbers within float rounding, and an error as at least
    the class that is expected."""
    if isinstance(expected, dict) and "error" in expected:
        assert "error" in got, f"it gives {got}, and does not raise {expected['error'][0]}"
        assert expected["error"][0] in got["error"]
    elif isinstance(expected, dict) and "values" in expected and "values" in got:
        kind = expected.get("array") or expected.get("numpy")
        assert {**got, "values": None} == {**expected, "values": None}
        rtol = {"float32": 2e-6, "float16": 1e-3, "float64": 1e-12}.get(kind, 0.0)
        np.testing.assert_allclose(got["values"], expected["values"], rtol, rtol / 10)
    elif isinstance(expected, dict) and isinstance(got, dict) and expected.keys() == got.keys():
        for key, value in expected.items():
            compare(got[key], value)
    elif isinstance(expected, list) and isinstance(got, list):
        assert len(got) == len(expected)
        for one, other in zip(got, expected):  # noqa: B905 - read by MXNet's older Python too
            compare(one, other)
    elif isinstance(expected, float) and isinstance(got, float):
        np.testing.assert_allclose(got, expected, 2e-6)
    else:
        assert got == expected
        assert type(got) is type(expected)
