"""Functions that make arrays, and those of MXNet's nd that are more than one op."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from remx_contract.catalogue import OPS
from remx_contract.dtypes import as_dtype, float32
from remx_contract.errors import (
    ArgumentError,
    PreconditionError,
    ShapeError,
    UnsupportedTypeError,
    ValueRangeError,
)
from remx_contract.spec import TensorSpec

from . import _values
from ._current import current, peek
from ._dispatch import invoke
from ._session import next_handle
from .context import Context, current_context
from .ndarray import DTypeLike, NDArray

Shape = int | Sequence[int]


def array(source_array: Any, ctx: Context | None = None, dtype: DTypeLike = None) -> NDArray:
    """An array with the values of anything like one.

    Parameters
    ----------
    source_array : NDArray, numpy.ndarray, number, nested sequence, or an object with ``__array__``
    ctx : Context, optional
        Where it goes; the thread's default.
    dtype : optional
        float32 by default, whatever NumPy makes of the values; the source's for an NDArray.

    Raises
    ------
    TypeError
        For something that is no array, or a dtype that MXNet does not have.
    """
    context = ctx or current_context()
    if isinstance(source_array, NDArray):
        made = source_array if dtype is None else source_array.astype(dtype, copy=False)
        copied: NDArray = invoke(OPS["_copyto"], (made,), {}, context=context)
        return copied
    wanted = float32 if dtype is None else as_dtype(dtype)
    return _from_host(_host_array(source_array, wanted), context)


def _host_array(source: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    if isinstance(source, (list, tuple)):
        source = _with_values(source)
    try:
        # A value that is too large becomes an infinity, silently, as everywhere else.
        with np.errstate(all="ignore"):
            return np.asarray(source).astype(dtype, order="C", copy=False)
    except (TypeError, ValueError) as error:
        raise UnsupportedTypeError(f"source_array must be array like object: {error}") from None


def _with_values(source: Sequence[Any]) -> list[Any]:
    """A nested sequence with the values of the arrays in it."""
    return [
        item.asnumpy()
        if isinstance(item, NDArray)
        else _with_values(item)
        if isinstance(item, (list, tuple))
        else item
        for item in source
    ]


def _from_host(host: np.ndarray[Any, Any], context: Context) -> NDArray:
    session = current()
    session.check_context(context)
    handle = next_handle()
    _values.put(session, host, context, handle)
    return NDArray(session, handle, TensorSpec.of(host.shape, host.dtype), context)


def _shape_of(op: str, shape: Shape) -> tuple[int, ...]:
    lengths = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if not lengths or any(not isinstance(length, (int, np.integer)) or length < 1 for length in lengths):
        raise ShapeError(
            op=op,
            argument="shape",
            got=f"{lengths}",
            expected="at least one axis and lengths from 1 up (MXNet has no arrays without axes or elements)",
        )
    return tuple(int(length) for length in lengths)


def _check_dense(op: str, stype: str | None) -> None:
    if stype not in (None, "default"):
        raise ArgumentError(op=op, argument="stype", got=repr(stype), expected="'default'")


def _filled(
    op: str, shape: Shape, ctx: Context | None, dtype: DTypeLike, out: NDArray | None, **given: Any
) -> NDArray:
    given |= {"shape": _shape_of(op, shape), "dtype": float32 if dtype is None else dtype}
    made: NDArray = invoke(OPS[op], (), given, out, ctx)
    return made


def zeros(
    shape: Shape,
    ctx: Context | None = None,
    dtype: DTypeLike = None,
    stype: str | None = None,
    out: NDArray | None = None,
) -> NDArray:
    """An array of zeros, float32 by default."""
    _check_dense("zeros", stype)
    return _filled("_zeros", shape, ctx, dtype, out)


def ones(
    shape: Shape, ctx: Context | None = None, dtype: DTypeLike = None, out: NDArray | None = None
) -> NDArray:
    """An array of ones, float32 by default."""
    return _filled("_ones", shape, ctx, dtype, out)


def empty(
    shape: Shape, ctx: Context | None = None, dtype: DTypeLike = None, stype: str | None = None
) -> NDArray:
    """An array of zeros: nobody else's memory is handed out."""
    return zeros(shape, ctx, dtype, stype)


def full(
    shape: Shape,
    val: float,
    ctx: Context | None = None,
    dtype: DTypeLike = np.float32,
    out: NDArray | None = None,
) -> NDArray:
    """An array filled with ``val``, which integer dtypes truncate."""
    return _filled("_full", shape, ctx, dtype, out, value=val)


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool | None = None,
    ctx: Context | None = None,
    dtype: DTypeLike = np.float32,
) -> NDArray:
    """Evenly spaced numbers from ``start`` up to but excluding ``stop``, each ``repeat`` times.

    Without ``stop`` they go from 0 to ``start``. ``infer_range`` has no meaning here and is ignored, as in
    MXNet.
    """
    given = {"start": start, "stop": stop, "step": step, "repeat": repeat, "dtype": dtype}
    made: NDArray = invoke(OPS["_arange"], (), given, context=ctx)
    return made


def linspace(
    start: float,
    stop: float,
    num: int,
    endpoint: bool = True,
    ctx: Context | None = None,
    dtype: DTypeLike = np.float32,
) -> NDArray:
    """``num`` evenly spaced numbers from ``start`` to ``stop``, which is the last one unless ``endpoint`` is
    False."""
    given = {"start": start, "stop": stop, "num": num, "endpoint": endpoint, "dtype": dtype}
    made: NDArray = invoke(OPS["_linspace"], (), given, context=ctx)
    return made


def eye(
    N: int,
    M: int = 0,
    k: int = 0,
    ctx: Context | None = None,
    dtype: DTypeLike = None,
) -> NDArray:
    """A matrix of ``N`` rows and ``M`` columns (``N`` where that is 0) with ones on the diagonal ``k``."""
    given = {"N": N, "M": M, "k": k, "dtype": float32 if dtype is None else dtype}
    made: NDArray = invoke(OPS["_eye"], (), given, context=ctx)
    return made


def moveaxis(tensor: NDArray, source: Shape, destination: Shape) -> NDArray:
    """A copy with some axes at other places; the others keep their order."""
    sources = [source] if isinstance(source, int) else list(source)
    destinations = [destination] if isinstance(destination, int) else list(destination)
    if len(sources) != len(destinations):
        raise ValueRangeError(
            "`source` and `destination` arguments must have the same number of elements", op="moveaxis"
        )
    ndim = tensor.ndim
    if any(not -ndim <= axis < ndim for axis in (*sources, *destinations)):
        raise ValueRangeError(
            op="moveaxis", got=f"axes {sources} to {destinations}", expected=f"axes of an array with {ndim}"
        )
    sources = [axis % ndim for axis in sources]
    order = [axis for axis in range(ndim) if axis not in sources]
    for place, axis in sorted(zip([axis % ndim for axis in destinations], sources, strict=True)):
        order.insert(place, axis)
    made: NDArray = invoke(OPS["transpose"], (tensor,), {"axes": tuple(order)})
    return made


def concatenate(arrays: Sequence[NDArray], axis: int = 0, always_copy: bool = True) -> NDArray:
    """Arrays joined along an axis. A single array is returned itself with ``always_copy=False``."""
    if not arrays:
        raise PreconditionError(op="concatenate", argument="arrays", got="no array", expected="at least one")
    if len(arrays) == 1 and not always_copy:
        return arrays[0]
    made: NDArray = invoke(OPS["Concat"], arrays, {"dim": axis})
    return made


def split_v2(
    ary: NDArray, indices_or_sections: int | Sequence[int], axis: int = 0, squeeze_axis: bool = False
) -> NDArray | list[NDArray]:
    """An array split along an axis into equal parts, or before the given positions.

    Raises
    ------
    ValueError
        If the axis has no such equal parts.
    """
    given: dict[str, Any] = {"axis": axis, "squeeze_axis": squeeze_axis}
    if isinstance(indices_or_sections, (int, np.integer)):
        sections = int(indices_or_sections)
        if sections < 1 or ary.shape[axis] % sections:
            raise ValueRangeError("array split does not result in an equal division", op="split_v2")
        given |= {"indices": (), "sections": sections}
    else:
        given |= {"indices": (0, *indices_or_sections), "sections": 0}
    made: NDArray | list[NDArray] = invoke(OPS["_split_v2"], (ary,), given)
    return made


def onehot_encode(indices: NDArray, out: NDArray) -> NDArray:
    """Write the one-hot rows of ``indices`` into ``out``."""
    encoded = invoke(OPS["one_hot"], (indices,), {"depth": out.shape[1], "dtype": out.dtype}, out)
    assert isinstance(encoded, NDArray)
    return encoded


def from_numpy(ndarray: np.ndarray[Any, Any], zero_copy: bool = True, array_cls: type = NDArray) -> NDArray:
    """An array with the values and dtype of a NumPy array.

    The values cross to the server, so nothing is shared; ``zero_copy`` is accepted and changes nothing.
    """
    return array(ndarray, dtype=ndarray.dtype)


class _Capsule:
    """A DLPack capsule as an object of the DLPack protocol."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def from_dlpack(dlpack: Any) -> NDArray:
    """An array with a copy of the values of a DLPack capsule, or of an object with ``__dlpack__``, in host
    memory."""
    source = dlpack if hasattr(dlpack, "__dlpack__") else _Capsule(dlpack)
    host = np.from_dlpack(source)
    return array(host, dtype=host.dtype)


def to_dlpack_for_read(data: NDArray) -> Any:
    """A DLPack capsule of a copy of an array's values in this process's memory."""
    return data.to_dlpack_for_read()


def to_dlpack_for_write(data: NDArray) -> Any:
    """Not possible; see :meth:`NDArray.to_dlpack_for_write`."""
    return data.to_dlpack_for_write()


def waitall() -> None:
    """Return when everything that was asked for is computed.

    Raises
    ------
    MXNetError
        The first failure on the server that no wait has raised yet.
    """
    session = peek()
    if session is not None:
        session.barrier()
