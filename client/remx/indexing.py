"""Indexing: what ``x[key]`` and ``x[key] = value`` mean, and which ops do it.

A key becomes the wire form of :mod:`remx_contract.rules.indexing`. What it selects is one block of memory, or
it is not: a block is read as a view, which shares the memory as in MXNet; anything else is a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import prod
from operator import index as as_int
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from remx_contract.catalogue import OPS
from remx_contract.errors import (
    ArgumentError,
    OutOfRangeError,
    ShapeError,
    UnsupportedTypeError,
    ValueRangeError,
)
from remx_contract.rules.indexing import Key, indexed
from remx_contract.spec import Shape, TensorSpec

from . import _dispatch, _values
from ._operators import NUMBERS, Operators
from ._session import next_handle
from ._state import STATE

if TYPE_CHECKING:
    from .ndarray import NDArray

_INDEX, _PUT, _FULL = OPS["_index"], OPS["_index_put"], OPS["_full"]
_ALL: Final = ("all",)
_NEW: Final = ("new",)
_ARRAY: Final = ("array",)


class Selection(NamedTuple):
    """What a key selects.

    Attributes
    ----------
    key : Key
        In its wire form.
    arrays : list of NDArray
        Its index arrays.
    shape : tuple of int
        Of the selection, as NumPy has it.
    offset : int
        Where its block of memory starts, in elements; -1 if it is not one block.
    """

    key: Key
    arrays: list[NDArray]
    shape: Shape
    offset: int


def get(array: NDArray, key: Any) -> NDArray:
    """``array[key]``."""
    if key.__class__ is int and len(array.shape) > 1:
        return _row(array, key)
    if _is_whole(key):
        return array
    selection = select(array, key)
    # MXNet has no arrays without axes: one element is an array of shape (1,).
    shape = selection.shape or (1,)
    if selection.offset >= 0:
        return array._view(shape, selection.offset)
    made: NDArray = _dispatch.invoke(_INDEX, (array, *selection.arrays), {"key": selection.key})
    return made if made.shape == shape else made.reshape(shape)


def _is_whole(key: Any) -> bool:
    """Whether a key gives the array itself, not a view of all of it: ``x[:]`` and ``x[()]``."""
    if key.__class__ is slice:
        return key.start is None and key.stop is None and (key.step is None or key.step == 1)
    return key.__class__ is tuple and not key


def _row(array: NDArray, number: int) -> NDArray:
    """``array[number]`` of an array with several axes: what iteration and batches are made of."""
    length, *rest = array.shape
    if not -length <= number < length:
        raise _out_of_range(number, 0, length)
    shape = tuple(rest)
    return array._view(shape, (number % length) * prod(shape))


def put(array: NDArray, key: Any, value: Any) -> None:
    """``array[key] = value``."""
    selection = select(array, key)
    whole = selection.offset == 0 and prod(selection.shape) == array.size
    if isinstance(value, NUMBERS):
        _put_number(array, selection, whole, float(value))
        return
    if not isinstance(value, Operators):
        if _write_host(array, selection, whole, value):
            return
        value = _host_value(array, value)
    try:
        if whole:
            _write_whole(array, selection.shape, value)
        else:
            _dispatch.invoke(_PUT, (array, value, *selection.arrays), {"key": selection.key})
    except ShapeError as error:
        raise ValueRangeError(
            "operands could not be broadcast together",
            argument="value",
            got=f"shape {value.shape}",
            expected=f"a shape that broadcasts to {selection.shape}",
        ) from error


def _put_number(array: NDArray, selection: Selection, whole: bool, number: float) -> None:
    if prod(selection.shape) == 0:
        return
    if whole:
        _fill(array, number)
        return
    if STATE.mode & _dispatch.RECORDING and array._tracked:
        _dispatch._refuse_tracked(_PUT, (array,))
    if selection.offset >= 0:
        _fill(array._view(selection.shape or (1,), selection.offset), number)
        return
    given = {"shape": (1,), "dtype": array._spec.dtype, "value": number}
    one = _dispatch.invoke(_FULL, (), given, context=array._context)
    _dispatch.invoke(_PUT, (array, one, *selection.arrays), {"key": selection.key})


def _fill(array: NDArray, number: float) -> None:
    given = {"shape": array.shape, "dtype": array._spec.dtype, "value": number}
    _dispatch.invoke(_FULL, (), given, out=array, context=array._context)


def _as_host(array: NDArray, value: Any) -> np.ndarray[Any, Any]:
    if value is None or isinstance(value, str):
        raise UnsupportedTypeError(f"an NDArray does not take {value!r} of type {type(value)} as values")
    if isinstance(value, (list, tuple)):
        value = [item.asnumpy() if isinstance(item, Operators) else item for item in value]  # type: ignore[attr-defined]
    try:
        with np.errstate(all="ignore"):
            return np.asarray(value).astype(array._spec.dtype, copy=False)
    except (TypeError, ValueError) as error:
        raise UnsupportedTypeError(
            f"an NDArray does not take an object of type {type(value)} as values: {error}"
        ) from None


def _write_host(array: NDArray, selection: Selection, whole: bool, value: Any) -> bool:
    """Write NumPy values straight into the array's memory, where they are all of it."""
    if not whole or STATE.mode & _dispatch.RECORDING:
        return False
    host = _as_host(array, value)
    if host.shape != array.shape:
        return False
    _values.put(array._session, host, array._context, array._handle, write=True)
    return True


def _host_value(array: NDArray, value: Any) -> NDArray:
    host = _as_host(array, value)
    return new_from_host(array, host)


def new_from_host(array: NDArray, host: np.ndarray[Any, Any]) -> NDArray:
    """NumPy values as an array beside another one."""
    session = array._session
    handle = next_handle()
    _values.put(session, host, array._context, handle)
    made: NDArray = _dispatch.new_array(
        session, handle, TensorSpec.of(host.shape, host.dtype), array._context
    )
    return made


def _write_whole(array: NDArray, shape: Shape, value: NDArray) -> None:
    """Write all of an array; recorded where the computation is."""
    if value._spec.dtype != array._spec.dtype:
        value = value.astype(array.dtype)
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = value.reshape(value.shape[1:])
    if value.shape != array.shape:
        value = value.broadcast_to(shape)
        value = value if value.shape == array.shape else value.reshape(array.shape)
    value.copyto(array)


def select(array: NDArray, key: Any) -> Selection:
    """What a key selects of an array.

    Raises
    ------
    IndexError
        For an integer outside of its axis, or more items than axes.
    ValueError
        For an item that indexes nothing.
    """
    wire, arrays = _wire_key(array, key if isinstance(key, tuple) else (key,))
    shape = array.shape
    used = sum(item[0] in ("slice", "int", "array") for item in wire)
    if used > len(shape):
        raise OutOfRangeError(f"too many indices ({used}) for array with {len(shape)} dimensions")
    try:
        selected = indexed(shape, wire, [one.shape for one in arrays])
    except (ArgumentError, ShapeError) as error:
        raise ValueRangeError(str(error)) from None
    return Selection(wire, arrays, selected, -1 if arrays else _block_offset(shape, wire, selected))


def _wire_key(array: NDArray, key: tuple[Any, ...]) -> tuple[Key, list[NDArray]]:
    items: list[tuple[Any, ...]] = []
    arrays: list[NDArray] = []
    for item in key:
        if isinstance(item, slice):
            if item.step is not None and as_int(item.step) == 0:
                raise ValueRangeError("slice step cannot be zero")
            items.append(
                ("slice", *(None if i is None else as_int(i) for i in (item.start, item.stop, item.step)))
            )
        elif item is None:
            items.append(_NEW)
        elif item is Ellipsis:
            items.append(_ALL)
        elif isinstance(item, (int, np.integer, np.bool_)):
            items.append(("int", int(item)))
        elif isinstance(item, Operators):
            items.append(_ARRAY)
            arrays.append(item)  # type: ignore[arg-type]
        elif isinstance(item, (np.ndarray, list, tuple, range)):
            items.append(_ARRAY)
            arrays.append(_index_array(array, item))
        else:
            raise ValueRangeError(f"NDArray does not support slicing with key {item} of type {type(item)}.")
    if items.count(_ALL) > 1:
        raise OutOfRangeError("an index can only have a single ellipsis ('...')")
    return tuple(items), arrays


def _index_array(array: NDArray, item: Sequence[int] | np.ndarray[Any, Any]) -> NDArray:
    host = np.asarray([one.asnumpy() if isinstance(one, Operators) else one for one in item])  # type: ignore[attr-defined]
    if host.dtype.kind not in "iufb":
        raise ValueRangeError(f"NDArray does not support slicing with key {item} of type {type(item)}.")
    return new_from_host(array, host.astype(np.int64))


def _block_offset(shape: Shape, key: Key, selected: Shape) -> int:
    """Where the block of memory that a basic key selects starts; -1 if it is not one block.

    It is one block if every axis behind the first one of which more than one element is selected is selected
    whole.
    """
    if prod(selected) == 0:
        return -1
    strides = list(accumulate(reversed(shape[1:]), int.__mul__, initial=1))[::-1]
    offset = axis = 0
    several = False
    for item in _without_ellipsis(key, len(shape)):
        if item[0] == "new":
            continue
        length = shape[axis]
        if item[0] == "int":
            start, count, step = item[1] % length, 1, 1
        else:
            rows = range(*slice(*item[1:]).indices(length))
            start, count, step = rows.start, len(rows), rows.step
        if several and count != length:
            return -1
        if count > 1:
            if step != 1:
                return -1
            several = True
        offset += start * strides[axis]
        axis += 1
    return offset


def _without_ellipsis(key: Key, ndim: int) -> Key:
    used = sum(item[0] in ("slice", "int") for item in key)
    whole = (("slice", None, None, None),) * (ndim - used)
    if _ALL not in key:
        return (*key, *whole)
    at = key.index(_ALL)
    return (*key[:at], *whole, *key[at + 1 :])


def _out_of_range(number: int, axis: int, length: int) -> OutOfRangeError:
    return OutOfRangeError(f"index {number} is out of bounds for axis {axis} with size {length}")
