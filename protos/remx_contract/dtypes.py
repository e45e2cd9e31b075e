"""The dtype table: the element types of MXNet 1.9.1, with MXNet's own type codes.

The codes are those of MXNet's ``.params`` files and of the wire. ``bfloat16`` (code 12) is not here, because
NumPy has no such type; neither are the types MXNet refuses (int16, uint16, uint32, uint64, complex).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .errors import DTypeError

DType = np.dtype[Any]

float32: Final[DType] = np.dtype(np.float32)
float64: Final[DType] = np.dtype(np.float64)
float16: Final[DType] = np.dtype(np.float16)
uint8: Final[DType] = np.dtype(np.uint8)
int32: Final[DType] = np.dtype(np.int32)
int8: Final[DType] = np.dtype(np.int8)
int64: Final[DType] = np.dtype(np.int64)
bool_: Final[DType] = np.dtype(np.bool_)

CODE_OF: Final[dict[DType, int]] = {
    float32: 0,
    float64: 1,
    float16: 2,
    uint8: 3,
    int32: 4,
    int8: 5,
    int64: 6,
    bool_: 7,
}
DTYPE_OF: Final[dict[int, DType]] = {code: dtype for dtype, code in CODE_OF.items()}

FLOATS: Final = frozenset({float16, float32, float64})
INTEGERS: Final = frozenset({uint8, int8, int32, int64})

_NAMES = ", ".join(dtype.name for dtype in CODE_OF)


def as_dtype(value: object) -> DType:
    """The dtype that ``value`` names, in native byte order.

    Parameters
    ----------
    value : numpy.dtype, type or str
        ``np.float32``, ``"float32"``, ``np.dtype("<f4")``; ``bool``, ``int``, ``float`` as NumPy reads them.

    Raises
    ------
    DTypeError
        If it names no dtype, or one that MXNet does not have.
    """
    try:
        dtype = np.dtype(value).newbyteorder("=")  # type: ignore[call-overload]
    except TypeError:
        raise DTypeError(argument="dtype", got=repr(value), expected=f"one of {_NAMES}") from None
    if dtype not in CODE_OF:
        raise DTypeError(argument="dtype", got=dtype.name, expected=f"one of {_NAMES}")
    return dtype  # type: ignore[no-any-return]


def from_code(code: int) -> DType:
    """The dtype of an MXNet type code; DTypeError for a code that is not in the table."""
    try:
        return DTYPE_OF[code]
    except KeyError:
        raise DTypeError(argument="dtype", got=f"type code {code}", expected="a code from 0 to 7") from None
