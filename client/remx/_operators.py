"""Arithmetic of arrays with arrays and numbers: NDArray's operators, and the functions that take either.

``ELEMENTWISE`` is the one table: from the name of the function to the ops for array with array, array with
number and number with array.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from remx_contract.catalogue import OPS
from remx_contract.errors import NotAnArrayError
from remx_contract.op import Op

from ._dispatch import binary, binary_into, scalar_into, with_scalar

if TYPE_CHECKING:
    from .ndarray import NDArray

NUMBERS: Final = (float, int, np.generic)
"""What counts as a number beside an array; bool is an int."""


class Elementwise(NamedTuple):
    """The ops of one function of two operands, and what it does to two numbers."""

    arrays: Op
    scalar: Op
    reversed: Op
    numbers: Callable[[Any, Any], Any]
    doc: str


def _row(
    arrays: str, scalar: str, reversed_: str, numbers: Callable[[Any, Any], Any], doc: str
) -> Elementwise:
    return Elementwise(OPS[arrays], OPS[scalar], OPS[reversed_], numbers, doc)


def _truth(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], float]:
    return lambda lhs, rhs: 1 if compare(lhs, rhs) else 0


ELEMENTWISE: Final[dict[str, Elementwise]] = {
    "add": _row("broadcast_add", "_plus_scalar", "_plus_scalar", operator.add, "Sum"),
    "subtract": _row("broadcast_sub", "_minus_scalar", "_rminus_scalar", operator.sub, "Difference"),
    "multiply": _row("broadcast_mul", "_mul_scalar", "_mul_scalar", operator.mul, "Product"),
    "divide": _row("broadcast_div", "_div_scalar", "_rdiv_scalar", operator.truediv, "Quotient"),
    "modulo": _row("broadcast_mod", "_mod_scalar", "_rmod_scalar", operator.mod, "Remainder"),
    "power": _row("broadcast_power", "_power_scalar", "_rpower_scalar", operator.pow, "Power"),
    "maximum": _row("broadcast_maximum", "_maximum_scalar", "_maximum_scalar", max, "The larger"),
    "minimum": _row("broadcast_minimum", "_minimum_scalar", "_minimum_scalar", min, "The smaller"),
    "equal": _row("broadcast_equal", "_equal_scalar", "_equal_scalar", _truth(operator.eq), "lhs == rhs"),
    "not_equal": _row(
        "broadcast_not_equal", "_not_equal_scalar", "_not_equal_scalar", _truth(operator.ne), "lhs != rhs"
    ),
    "greater": _row(
        "broadcast_greater", "_greater_scalar", "_lesser_scalar", _truth(operator.gt), "lhs > rhs"
    ),
    "greater_equal": _row(
        "broadcast_greater_equal",
        "_greater_equal_scalar",
        "_lesser_equal_scalar",
        _truth(operator.ge),
        "lhs >= rhs",
    ),
    "lesser": _row("broadcast_lesser", "_lesser_scalar", "_greater_scalar", _truth(operator.lt), "lhs < rhs"),
    "lesser_equal": _row(
        "broadcast_lesser_equal",
        "_lesser_equal_scalar",
        "_greater_equal_scalar",
        _truth(operator.le),
        "lhs <= rhs",
    ),
    "logical_and": _row(
        "broadcast_logical_and",
        "_logical_and_scalar",
        "_logical_and_scalar",
        _truth(lambda lhs, rhs: lhs and rhs),
        "lhs and rhs",
    ),
    "logical_or": _row(
        "broadcast_logical_or",
        "_logical_or_scalar",
        "_logical_or_scalar",
        _truth(lambda lhs, rhs: lhs or rhs),
        "lhs or rhs",
    ),
    "logical_xor": _row(
        "broadcast_logical_xor",
        "_logical_xor_scalar",
        "_logical_xor_scalar",
        _truth(lambda lhs, rhs: bool(lhs) != bool(rhs)),
        "lhs xor rhs",
    ),
}


def refuse(value: object) -> NotAnArrayError:
    """The error for an operand that is neither an array nor a number."""
    hint = "; make it an array with nd.array()" if isinstance(value, (np.ndarray, list, tuple)) else ""
    return NotAnArrayError(f"type {type(value)} not supported{hint}")


def function(name: str) -> Callable[..., Any]:
    """The function of two operands, each an array or a number."""
    row = ELEMENTWISE[name]

    def compute(lhs: NDArray | float, rhs: NDArray | float) -> NDArray | float:
        if isinstance(lhs, Operators):
            if isinstance(rhs, Operators):
                return binary(row.arrays, lhs, rhs)
            if isinstance(rhs, NUMBERS):
                return with_scalar(row.scalar, lhs, rhs)
            raise refuse(rhs)
        if not isinstance(lhs, NUMBERS):
            raise refuse(lhs)
        if isinstance(rhs, Operators):
            return with_scalar(row.reversed, rhs, lhs)
        if not isinstance(rhs, NUMBERS):
            raise refuse(rhs)
        result: float = row.numbers(lhs, rhs)
        return result

    compute.__name__ = compute.__qualname__ = name
    compute.__doc__ = (
        f"{row.doc}, element by element, with broadcasting.\n\n"
        "Parameters\n----------\nlhs, rhs : NDArray or number\n\n"
        "Returns\n-------\nNDArray, or a number for two numbers\n"
    )
    return compute


def _operator(name: str) -> Any:
    row = ELEMENTWISE[name]
    arrays, scalar = row.arrays, row.scalar

    def method(self: NDArray, other: NDArray | float) -> NDArray:
        if other.__class__ is self.__class__:
            return binary(arrays, self, other)  # type: ignore[arg-type]
        if isinstance(other, NUMBERS):
            return with_scalar(scalar, self, other)
        if isinstance(other, Operators):
            return binary(arrays, self, other)
        raise refuse(other)

    return method


def _reflected(name: str) -> Any:
    reverse = ELEMENTWISE[name].reversed

    def method(self: NDArray, other: float) -> NDArray:
        if isinstance(other, NUMBERS):
            return with_scalar(reverse, self, other)
        raise refuse(other)

    return method


def _in_place(name: str) -> Any:
    row = ELEMENTWISE[name]
    arrays, scalar = row.arrays, row.scalar

    def method(self: NDArray, other: NDArray | float) -> NDArray:
        if isinstance(other, Operators):
            return binary_into(arrays, self, other)
        if isinstance(other, NUMBERS):
            return scalar_into(scalar, self, other)
        raise refuse(other)

    return method


class Operators:
    """NDArray's operators. Numbers are cast to the array's dtype first, as MXNet does."""

    __slots__ = ()

    __array_priority__ = 1000.0
    """NumPy's arrays and numbers leave an operator with an NDArray to the NDArray."""

    __add__ = _operator("add")
    __radd__ = _reflected("add")
    __iadd__ = _in_place("add")
    __sub__ = _operator("subtract")
    __rsub__ = _reflected("subtract")
    __isub__ = _in_place("subtract")
    __mul__ = _operator("multiply")
    __rmul__ = _reflected("multiply")
    __imul__ = _in_place("multiply")
    __truediv__ = _operator("divide")
    __rtruediv__ = _reflected("divide")
    __itruediv__ = _in_place("divide")
    __mod__ = _operator("modulo")
    __rmod__ = _reflected("modulo")
    __imod__ = _in_place("modulo")
    __pow__ = _operator("power")
    __rpow__ = _reflected("power")
    __eq__ = _operator("equal")
    __ne__ = _operator("not_equal")
    __gt__ = _operator("greater")
    __ge__ = _operator("greater_equal")
    __lt__ = _operator("lesser")
    __le__ = _operator("lesser_equal")

    def __hash__(self) -> int:
        return id(self) // 16

    def __neg__(self) -> NDArray:
        return with_scalar(ELEMENTWISE["multiply"].scalar, self, -1.0)  # type: ignore[arg-type]

    def __pos__(self) -> NDArray:
        return self  # type: ignore[return-value]

    def __matmul__(self, other: NDArray) -> NDArray:
        """``dot`` of matrices and vectors; stacks of matrices are multiplied one by one."""
        return matmul(self, other)  # type: ignore[arg-type]


def matmul(lhs: NDArray, rhs: NDArray) -> NDArray:
    """The matrix product as Python's ``@`` means it: NumPy's rules for vectors, matrices and stacks of
    them."""
    if not isinstance(rhs, Operators):
        raise refuse(rhs)
    if lhs.ndim <= 2 and rhs.ndim <= 2:
        return binary(OPS["dot"], lhs, rhs)
    if lhs.ndim == 1:
        return matmul(lhs.reshape((1, -1)), rhs).squeeze(axis=-2)
    if rhs.ndim == 1:
        return binary(OPS["dot"], lhs, rhs)
    stack = np.broadcast_shapes(lhs.shape[:-2], rhs.shape[:-2])
    left = _stacked(lhs, stack)
    right = _stacked(rhs, stack)
    product = binary(OPS["batch_dot"], left, right)
    return product.reshape((*stack, *product.shape[1:]))


def _stacked(array: NDArray, stack: tuple[int, ...]) -> NDArray:
    """A stack of matrices, broadcast to the shape ``stack`` and flattened to one axis."""
    matrix = array.shape[-2:]
    if array.shape[:-2] != stack:
        array = array.broadcast_to((*stack, *matrix))
    return array.reshape((-1, *matrix))
