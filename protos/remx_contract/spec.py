"""TensorSpec: the shape and dtype of a tensor, without its values."""

from __future__ import annotations

import math
from typing import ClassVar
from weakref import WeakValueDictionary

from .dtypes import DType

Shape = tuple[int, ...]


class TensorSpec:
    """The shape and dtype of a tensor.

    Specs are interned: two specs of the same shape and dtype are the same object, so that comparing and
    hashing one on the hot path costs what it costs for an identity. Make them with :meth:`of`.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    size : int
        The number of elements; 1 for a 0-d tensor.
    nbytes : int
    """

    __slots__ = ("__weakref__", "dtype", "nbytes", "shape", "size")

    _interned: ClassVar[WeakValueDictionary[tuple[Shape, DType], TensorSpec]] = WeakValueDictionary()

    shape: Shape
    dtype: DType
    size: int
    nbytes: int

    @classmethod
    def of(cls, shape: Shape, dtype: DType) -> TensorSpec:
        """The one spec of this shape and dtype."""
        key = (shape, dtype)
        found = cls._interned.get(key)
        if found is not None:
            return found
        spec = object.__new__(cls)
        spec.shape = shape
        spec.dtype = dtype
        spec.size = math.prod(shape)
        spec.nbytes = spec.size * dtype.itemsize
        # Two threads may get here at once: setdefault lets the first one win for both.
        return cls._interned.setdefault(key, spec)

    def __reduce__(self) -> tuple[object, ...]:
        return TensorSpec.of, (self.shape, self.dtype)

    def __repr__(self) -> str:
        return f"{self.dtype.name}{list(self.shape)}"
