"""NDArray: an array on the server, as a handle.

The module is also MXNet's other name for :mod:`remx.nd`: what is not here is looked up there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from remx_contract.catalogue import OPS
from remx_contract.dtypes import DType, as_dtype
from remx_contract.errors import (
    ArgumentError,
    MXNetError,
    PreconditionError,
    ShapeError,
    UnsupportedTypeError,
    ValueRangeError,
)
from remx_contract.rules.reshape import reshape_codes
from remx_contract.spec import TensorSpec

from . import _dispatch, _values, indexing
from ._fluent import Fluent
from ._marks import TRACKED, mark
from ._operators import Operators
from ._printing import values_text
from ._session import Session
from ._state import STATE
from .context import Context

DTypeLike = npt.DTypeLike | None
"""What names a dtype; None is the default one."""

_ABS, _CAST, _COPY, _DETACH, _VIEW = (OPS[name] for name in ("abs", "Cast", "_copyto", "_detach", "_view"))
_TRANSPOSE, _DOT = OPS["transpose"], OPS["dot"]


class NDArray(Operators, Fluent):
    """A multi-dimensional array of one dtype, in the memory of one of the server's devices.

    Ops on it return at once; reading a value (``asnumpy``, ``print``, ``bool`` ...) waits for the server.
    Arrays are made by :func:`remx.nd.array`, ``zeros`` and the like, and by ops.

    Attributes
    ----------
    shape : tuple of int
    dtype : type
        A NumPy scalar type, ``numpy.float32`` say.
    size, ndim : int
    context, ctx : Context
        The device that holds it.
    grad : NDArray or None
        The gradient, for an array with ``attach_grad``; of zeros for ``grad_req="null"``.
    """

    _gradient: NDArray
    # Only there once a backward pass has freed the computation that the array was the head of.
    _freed: bool

    __slots__ = ("__weakref__", "_context", "_freed", "_gradient", "_handle", "_session", "_spec", "_tracked")

    def __init__(
        self, session: Session, handle: int, spec: TensorSpec, context: Context, tracked: int = 0
    ) -> None:
        self._session = session
        self._handle = handle
        self._spec = spec
        self._context = context
        self._tracked = tracked

    def __del__(self) -> None:
        self._session.release(self._handle)

    # What is known without asking.

    @property
    def shape(self) -> tuple[int, ...]:
        """The axes' lengths."""
        return self._spec.shape

    @property
    def dtype(self) -> type[np.generic]:
        """The elements' type, as a NumPy scalar type."""
        return self._spec.dtype.type

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._spec.size

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._spec.shape)

    @property
    def context(self) -> Context:
        """The device that holds the array."""
        return self._context

    ctx = context

    @property
    def stype(self) -> str:
        """The storage type; always ``"default"``, which is dense."""
        return "default"

    @property
    def handle(self) -> int:
        """The number by which the server knows the array."""
        return self._handle

    @property
    def writable(self) -> bool:
        """Always True."""
        return True

    @property
    def T(self) -> NDArray:
        """A copy with the axes in reverse order; a vector stays as it is."""
        return self if self.ndim < 2 else _dispatch.unary(_TRANSPOSE, self)

    def __len__(self) -> int:
        if not self.shape:
            raise UnsupportedTypeError("an array without axes has no length")
        return self.shape[0]

    # Values.

    def asnumpy(self) -> npt.NDArray[Any]:
        """The values as a new NumPy array; waits for the server."""
        return _values.read(self._session, self._handle, self._spec)

    def asscalar(self) -> Any:
        """The value of an array of one element, as a NumPy scalar; waits for the server.

        Raises
        ------
        ValueError
            For more or fewer elements.
        """
        if self.size != 1:
            raise ValueRangeError("The current array is not a scalar", got=f"shape {self.shape}")
        return self.asnumpy().reshape(1)[0]

    def item(self, *index: int) -> Any:
        """The value of an array of one element, or the one at a position, as a Python number."""
        if index:
            return self[index[0] if len(index) == 1 and self.ndim == 1 else index].item()
        return self.asscalar().item()

    def tolist(self) -> Any:
        """The values as a nested list of Python numbers."""
        return self.asnumpy().tolist()

    def wait_to_read(self) -> None:
        """Return when the array is computed; raises what went wrong on the server."""
        _values.wait(self._session, self._handle)

    def __array__(self, dtype: DTypeLike = None, copy: bool | None = None) -> npt.NDArray[Any]:
        array = self.asnumpy()
        return array if dtype is None else array.astype(dtype, copy=False)

    def __dlpack__(self, **options: Any) -> Any:
        return self.asnumpy().__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def to_dlpack_for_read(self) -> Any:
        """A DLPack capsule of a copy of the values in this process's memory."""
        return self.__dlpack__()

    def to_dlpack_for_write(self) -> Any:
        """Not possible: the array lives in another process, where writes to a copy would not arrive."""
        raise MXNetError("an array on a server cannot be written through DLPack; assign to x[:] instead")

    def __bool__(self) -> bool:
        if self.size == 0:
            return False
        if self.size != 1:
            raise ValueRangeError("The truth value of an NDArray with multiple elements is ambiguous.")
        return bool(self.asscalar())

    def __float__(self) -> float:
        return float(self.asscalar())

    def __int__(self) -> int:
        return int(self.asscalar())

    def __index__(self) -> int:
        if self._spec.dtype.kind not in "iu" or self.size != 1:
            raise UnsupportedTypeError("only an integer array of one element can be an index")
        return int(self.asscalar())

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.shape))
        return f"\n{values_text(self)}\n<NDArray {shape} @{self._context}>"

    def __str__(self) -> str:
        return repr(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self.asnumpy(),)

    def __copy__(self) -> NDArray:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> NDArray:
        return self.copy()

    # Indexing.

    def __getitem__(self, key: Any) -> NDArray:
        return indexing.get(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        indexing.put(self, key, value)

    def __iter__(self) -> Iterator[NDArray]:
        return (self[index] for index in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).asnumpy().any())

    def slice_assign(
        self, rhs: NDArray, begin: Sequence[int | None], end: Sequence[int | None], step: Sequence[int | None]
    ) -> NDArray:
        """Write an array into the part from ``begin`` to ``end``."""
        given = {"begin": begin, "end": end, "step": step}
        result: NDArray = _dispatch.invoke(OPS["_slice_assign"], (self, rhs), given, out=self)
        return result

    def slice_assign_scalar(
        self, value: float, begin: Sequence[int | None], end: Sequence[int | None], step: Sequence[int | None]
    ) -> NDArray:
        """Write a number into the part from ``begin`` to ``end``."""
        given = {"scalar": value, "begin": begin, "end": end, "step": step}
        result: NDArray = _dispatch.invoke(OPS["_slice_assign_scalar"], (self,), given, out=self)
        return result

    # Other shapes of the same memory, and copies.

    def reshape(self, *shape: Any, **options: Any) -> NDArray:
        """The same memory with another shape of the same size.

        Parameters
        ----------
        *shape : int, or one sequence of int
            Lengths, and MXNet's codes: 0 keeps the length at its place, -1 is inferred, -2 keeps all lengths
            left, -3 merges two, -4 splits one into the next two items.
        shape : sequence of int, optional
            The same by name.
        reverse : bool
            Match the lengths from the right.

        Raises
        ------
        ValueError
            If the size differs.
        """
        unknown = set(options) - {"shape", "reverse"}
        if unknown:
            raise UnsupportedTypeError(
                f"Got unknown keywords in reshape: {', '.join(sorted(unknown))}. "
                "Accepted keyword arguments are 'shape' and 'reverse'."
            )
        target = options.get("shape", shape)
        if len(target) == 1 and isinstance(target[0], (tuple, list)):
            target = target[0]
        if len(target) == 0 and "shape" not in options and not shape:
            raise PreconditionError("Shape must be provided.", op="reshape", argument="shape")
        codes = [int(length) for length in target]
        try:
            made = reshape_codes(self.shape, codes, bool(options.get("reverse", False)))
        except ShapeError as error:
            raise ValueRangeError(
                f"Cannot reshape array of size {self.size} into shape {tuple(codes)}",
                op="reshape",
                argument=error.argument,
                got=error.got,
                expected=error.expected,
            ) from None
        return self._view(made, 0)

    def _view(self, shape: tuple[int, ...], offset: int) -> NDArray:
        """A block of the array's memory, from element ``offset`` on, with another shape."""
        view: NDArray = _dispatch.invoke(_VIEW, (self,), {"shape": shape, "offset": offset})
        return view

    def flatten(self, inplace: bool = False) -> NDArray:
        """Two axes: the first one, and all others as one. A copy, or with ``inplace`` the same memory."""
        if inplace:
            return self.reshape((0, -1))
        return _dispatch.unary(OPS["Flatten"], self)

    def expand_dims(self, axis: int, inplace: bool = False) -> NDArray:
        """A new axis of length 1. A copy, or with ``inplace`` the same memory."""
        if not inplace:
            made: NDArray = _dispatch.invoke(OPS["expand_dims"], (self,), {"axis": axis})
            return made
        at = axis if axis >= 0 else axis + self.ndim + 1
        if not 0 <= at <= self.ndim:
            raise PreconditionError(
                op="expand_dims",
                argument="axis",
                got=str(axis),
                expected=f"from {-self.ndim - 1} to {self.ndim}",
            )
        return self._view((*self.shape[:at], 1, *self.shape[at:]), 0)

    def squeeze(self, axis: int | Sequence[int] | None = None, inplace: bool = False) -> NDArray:
        """Without axes of length 1: all, or those given. A copy, or with ``inplace`` the same memory."""
        if not inplace:
            made: NDArray = _dispatch.invoke(OPS["squeeze"], (self,), {"axis": axis})
            return made
        if axis is None:
            gone = {at for at, length in enumerate(self.shape) if length == 1}
        else:
            axes = [axis] if isinstance(axis, int) else list(axis)
            gone = {at % self.ndim for at in axes}
        for at in gone:
            if self.shape[at] != 1:
                raise PreconditionError(
                    op="squeeze", argument="axis", got=f"{axis}", expected="axes of length 1"
                )
        kept = tuple([n for at, n in enumerate(self.shape) if at not in gone])
        return self._view(kept or (1,), 0)

    def broadcast_to(self, shape: Sequence[int] | int) -> NDArray:
        """A copy with axes of length 1 repeated, and new ones in front as far as needed.

        Raises
        ------
        ValueError
            If the shape does not broadcast to the one wanted.
        """
        wanted = (shape,) if isinstance(shape, int) else tuple(shape)
        padded = (1,) * (len(wanted) - self.ndim) + self.shape
        if len(padded) != len(wanted) or any(
            have not in (1, want) for have, want in zip(padded, wanted, strict=True)
        ):
            raise ValueRangeError(
                "operands could not be broadcast together",
                op="broadcast_to",
                got=f"shape {self.shape}",
                expected=f"one that broadcasts to {wanted}",
            )
        if padded == wanted:
            return self if padded == self.shape else self.reshape(wanted)
        source = self if padded == self.shape else self.reshape(padded)
        made: NDArray = _dispatch.invoke(OPS["broadcast_to"], (source,), {"shape": wanted})
        return made

    def broadcast_like(self, other: NDArray) -> NDArray:
        """:meth:`broadcast_to` the shape of another array."""
        return self.broadcast_to(other.shape)

    def copy(self) -> NDArray:
        """A copy on the same device."""
        return _dispatch.unary(_COPY, self)

    def copyto(self, other: NDArray | Context) -> NDArray | bool:
        """Copy the values into another array of the same shape, or into a new one on a device.

        Returns
        -------
        NDArray
            The target; False for an attempt to copy an array to itself.
        """
        if isinstance(other, Context):
            made: NDArray = _dispatch.invoke(_COPY, (self,), {}, context=other)
            return made
        if not isinstance(other, NDArray):
            raise UnsupportedTypeError(f"copyto does not support type {type(other)}")
        if other is self or other._handle == self._handle:
            return False
        source = self if other._spec.dtype == self._spec.dtype else self.astype(other.dtype)
        _dispatch.invoke(_COPY, (source,), {}, out=other)
        return other

    def as_in_context(self, context: Context) -> NDArray:
        """The array itself if it is on that device, else a copy there."""
        if context == self._context:
            return self
        made = self.copyto(context)
        assert isinstance(made, NDArray)
        return made

    as_in_ctx = as_in_context

    def as_nd_ndarray(self) -> NDArray:
        """The array itself."""
        return self

    def astype(self, dtype: DTypeLike, copy: bool = True) -> NDArray:
        """A copy of another dtype; with ``copy=False`` the array itself where it has that dtype."""
        wanted: DType = as_dtype(dtype)
        if not copy and wanted == self._spec.dtype:
            return self
        made: NDArray = _dispatch.invoke(_CAST, (self,), {"dtype": wanted})
        return made

    def tostype(self, stype: str) -> NDArray:
        """The array itself: all arrays are dense."""
        if stype != "default":
            raise ArgumentError(op="tostype", argument="stype", got=repr(stype), expected="'default'")
        return self

    def __abs__(self) -> NDArray:
        return _dispatch.unary(_ABS, self)

    # Gradients.

    @property
    def grad(self) -> NDArray | None:
        """The array that backward passes leave the gradient in; None without :meth:`attach_grad`."""
        return getattr(self, "_gradient", None)

    def attach_grad(self, grad_req: str = "write", stype: str | None = None) -> None:
        """Make the array a variable, with a gradient of zeros.

        Parameters
        ----------
        grad_req : {"write", "add", "null"}
            Whether a backward pass overwrites the gradient, adds to it, or passes the array by.
        stype : None
            The gradient is dense.

        Raises
        ------
        KeyError
            For any other request.
        ValueError
            For any other storage type.
        """
        if stype not in (None, "default"):
            raise ValueRangeError(op="attach_grad", argument="stype", got=repr(stype), expected="'default'")
        mode, STATE.mode = STATE.mode, 0
        try:
            gradient = _dispatch.unary(OPS["zeros_like"], self)
        finally:
            STATE.mode = mode
        mark([self], [gradient], [grad_req])

    def _takes_part(self) -> bool:
        """Whether an array that was recorded still is part of a computation: a backward pass may have freed
        it, of which only the server knows, which costs a round trip."""
        if (
            self._tracked & TRACKED
            and self.grad is None
            and not _values.is_tracked(self._session, self._handle)
        ):
            self._tracked = 0
        return self._tracked != 0

    def detach(self) -> NDArray:
        """The same memory as an array that no gradient flows through."""
        mode, STATE.mode = STATE.mode, 0
        try:
            return _dispatch.unary(_DETACH, self)
        finally:
            STATE.mode = mode

    def backward(
        self, out_grad: NDArray | None = None, retain_graph: bool = False, train_mode: bool = True
    ) -> None:
        """Compute the gradients of the variables that this array was computed from.

        Parameters
        ----------
        out_grad : NDArray, optional
            The gradient of this array; ones by default.
        retain_graph : bool
            Keep what was recorded for another pass.
        train_mode : bool
            Whether ops that differ in training do so in the pass.
        """
        from . import autograd

        autograd.backward([self], None if out_grad is None else [out_grad], retain_graph, train_mode)


def _unpickled(values: npt.NDArray[Any]) -> NDArray:
    from ._creation import array

    return array(values, dtype=values.dtype)


_dispatch.new_array = NDArray


def __getattr__(name: str) -> Any:
    from . import nd

    return getattr(nd, name)
