"""Snippets of operators: arrays with arrays and numbers, either way round and in place, in every dtype."""

from __future__ import annotations

from .snippets import Table, table

_ARITHMETIC = ("+", "-", "*", "/", "%", "**")
_COMPARISONS = ("==", "!=", ">", ">=", "<", "<=")
_START = "a = nd.array([[1, -2.5, 3], [4, 0.5, 6]]); b = nd.array([2, -2.5, 4]); "
_INT = "a = nd.array([7, -7, 5], dtype='{}'); b = nd.array([2, 3, 3], dtype='{}'); "

FLOAT: Table = table(
    *(f"{_START}a {sign} b" for sign in (*_ARITHMETIC, *_COMPARISONS)),
    *(f"{_START}a {sign} 2.5" for sign in (*_ARITHMETIC, *_COMPARISONS)),
    *(f"{_START}2.5 {sign} a" for sign in (*_ARITHMETIC, *_COMPARISONS)),
    *(f"{_START}a {sign} np.float64(2)" for sign in (*_ARITHMETIC, *_COMPARISONS)),
    *(f"{_START}np.float32(2) {sign} a" for sign in _ARITHMETIC),
    *(f"{_START}np.int32(2) {sign} a" for sign in ("+", "*")),
    *(f"{_START}c = a; a {sign}= b; (c is a, a)" for sign in _ARITHMETIC[:5]),
    *(f"{_START}c = a; a {sign}= 2; (c is a, a)" for sign in _ARITHMETIC[:5]),
    f"{_START}-a",
    f"{_START}b += a; b",
    f"{_START}a + True",
    f"{_START}a + b.reshape((1, 3))",
    f"{_START}a + nd.zeros((2,))",
    f"{_START}a += nd.zeros((4, 2, 3)); a",
    f"{_START}abs(a)",
    "nd.ones((2, 1)) + nd.ones((1, 3))",
    "nd.ones((3, 1, 2)) * nd.arange(4).reshape((4, 1))",
    "nd.array([1, 0, -1]) / 0",
    "nd.array([5.5, -5.5]) % -3",
    "nd.array([5.5, -5.5]) % 0",
    "nd.array([-8.0, 4]) ** 0.5",
    "2 ** nd.array([1, -1])",
)

INTEGER: Table = table(
    *(
        f"{_INT.format(dtype, dtype)}a {sign} b"
        for dtype in ("int32", "int64", "uint8", "int8")
        for sign in (*_ARITHMETIC, *_COMPARISONS)
    ),
    *(f"{_INT.format('int32', 'int32')}a {sign} 2.9" for sign in (*_ARITHMETIC, *_COMPARISONS)),
    *(f"{_INT.format('int32', 'int32')}2.9 {sign} b" for sign in (*_ARITHMETIC, *_COMPARISONS)),
    *(f"{_INT.format('uint8', 'uint8')}a {sign} 200" for sign in ("+", "-", "*")),
    *(f"{_INT.format('uint8', 'uint8')}100 {sign} b" for sign in ("+", "-", "*", "/", "%")),
    "nd.array([5], dtype='int32') * 0.5",
    "nd.array([100], dtype='int32') == 100.5",
    "nd.array([True, False], dtype='bool') + 1",
    "nd.array([True, False], dtype='bool') * nd.array([True, True], dtype='bool')",
    "nd.array([1, 2], dtype='float16') + 1",
    "nd.array([1, 2], dtype='float64') * 0.1",
    "nd.array([60000], dtype='float16') * 2",
    "-nd.array([1, 2], dtype='uint8')",
    "a = nd.array([1, 2], dtype='int32'); a /= 2; a",
    "a = nd.array([1, 2], dtype='int32'); a += 0.9; a",
)

REFUSED: Table = table(
    *(
        f"nd.ones((2,)) {sign} {other}"
        for sign in ("+", "-", "*", "/", "%", "**", "==", "!=", "<")
        for other in ("np.ones(2)", "None", "'x'", "[1, 2]")
    ),
    *(f"{other} {sign} nd.ones((2,))" for sign in ("+", "*") for other in ("np.ones(2)", "None", "[1, 2]")),
    "nd.ones((2,)) + nd.ones((2,), dtype='int32')",
    "nd.ones((2,), dtype='float64') * nd.ones((2,))",
    "a = nd.ones((2,)); a += nd.ones((2,), dtype='float64'); a",
    "a = nd.ones((2,)); a += np.ones(2); a",
    "a = nd.ones((2,)); a **= 2; a",
    "nd.ones((2,)) // 2",
    "nd.ones((2,)) & 1",
    "divmod(nd.ones((2,)), 2)",
    "1j + nd.ones((2,))",
)

FUNCTIONS: Table = table(
    *(
        f"nd.{name}({operands})"
        for name in (
            "add", "subtract", "multiply", "divide", "true_divide", "modulo", "power", "maximum",
            "minimum", "equal",
            "not_equal", "greater", "greater_equal", "lesser", "lesser_equal", "logical_and", "logical_or",
            "logical_xor",
        )
        for operands in ("nd.array([3, 0, -1]), nd.array([2, 0, 4])", "nd.array([3, 0, -1]), 2",
                         "2, nd.array([3, 1])",
                         "3, 2", "nd.array([1]), None", "np.ones(2), nd.ones((2,))")
    ),
    "nd.add(lhs=nd.ones((2,)), rhs=1)",
    "nd.broadcast_add(nd.ones((2, 1)), nd.ones((1, 2)))",
    "nd.elemwise_add(nd.ones((2, 1)), nd.ones((1, 2)))",
    "nd.elemwise_add(nd.ones((2,)), nd.ones((2,)))",
    "nd.add_n(nd.ones((2,)), nd.ones((2,)), nd.ones((2,)))",
)  # fmt: skip
