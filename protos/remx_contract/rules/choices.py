"""Attribute types for dtypes of which an op takes only some."""

from __future__ import annotations

from typing import Final

from ..attributes import AttrType, AttrValue
from ..dtypes import DType, as_dtype, float16, float32, float64, int8, int32, int64, uint8


def dtype_among(*dtypes: DType) -> AttrType:
    """One of some dtypes, where MXNet's own parameter names no others."""

    def parse(value: object) -> AttrValue:
        dtype = as_dtype(value)
        if dtype not in dtypes:
            raise ValueError
        return dtype

    return AttrType("a dtype out of " + ", ".join(dtype.name for dtype in dtypes), "DTypeLike", parse)


NUMBER_DTYPE: Final = dtype_among(float32, float64, float16, uint8, int32, int8, int64)
"""Any dtype but bool."""
