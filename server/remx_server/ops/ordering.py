"""Sorting and the largest elements: kernels and gradient rules."""

from __future__ import annotations

from remx_contract.rules.ordering import topk_count

from ..registry import KERNELS, kernel


def sorted_positions(xp, data, axis, is_ascend):
    """Positions in sorted order along an axis; of equal elements the first comes first in either order."""
    if is_ascend:
        return xp.argsort(data, axis=axis, kind="stable")
    # Sorting the reversed array, and reversing the result, keeps equal elements in place.
    backwards = xp.argsort(xp.flip(data, axis), axis=axis, kind="stable")
    return data.shape[axis] - 1 - xp.flip(backwards, axis)


def _flat(data, axis):
    return (data.reshape(-1), 0) if axis is None else (data, axis)


def _head(array, count, axis):
    """The first elements along an axis."""
    return array[(slice(None),) * (axis % array.ndim) + (slice(count),)]


@kernel
def sort(xp, data, axis, is_ascend):
    data, axis = _flat(data, axis)
    found = xp.sort(data, axis=axis)
    return found if is_ascend else xp.ascontiguousarray(xp.flip(found, axis))


@sort.vjp("data")
def _(g, data, axis, is_ascend):
    index = KERNELS["argsort"](data, axis=axis, is_ascend=is_ascend, dtype="int64")
    return KERNELS["_put_along"](g, index, axis=axis, shape=data.spec.shape)


@kernel
def argsort(xp, data, axis, is_ascend, dtype):
    data, axis = _flat(data, axis)
    return xp.ascontiguousarray(sorted_positions(xp, data, axis, is_ascend).astype(dtype, copy=False))


@kernel
def topk(xp, data, axis, k, ret_typ, is_ascend, dtype):
    flat, along = _flat(data, axis)
    order = _head(sorted_positions(xp, flat, along, is_ascend), topk_count(k, flat.shape[along]), along)
    if ret_typ == "mask":
        ones = xp.ones(order.shape, data.dtype)
        return put_along.function(xp, ones, order, along, flat.shape).reshape(data.shape)
    if ret_typ == "value":
        return xp.take_along_axis(flat, order, along)
    positions = xp.ascontiguousarray(order.astype(dtype))
    return positions if ret_typ == "indices" else (xp.take_along_axis(flat, order, along), positions)


@topk.vjp("data")
def _(gs, data, axis, k, ret_typ, is_ascend):
    if ret_typ in ("indices", "mask"):
        return KERNELS["zeros_like"](data)
    index = KERNELS["topk"](data, axis=axis, k=k, is_ascend=is_ascend, dtype="int64")
    return KERNELS["_put_along"](gs[0], index, axis=axis, shape=data.spec.shape)


@kernel(op="_take_along")
def take_along(xp, data, index, axis):
    data, axis = _flat(data, axis)
    return xp.ascontiguousarray(xp.take_along_axis(data, index, axis))


@take_along.vjp("data")
def _(g, data_spec, index, axis):
    return put_along(g, index, axis=axis, shape=data_spec.shape)


@kernel(op="_put_along")
def put_along(xp, data, index, axis, shape):
    whole = xp.zeros(shape, data.dtype)
    places, axis = _flat(whole, axis)
    # CuPy lacks put_along_axis in its older releases; indexing every axis does the same.
    lanes = list(xp.ogrid[tuple(slice(length) for length in index.shape)])
    lanes[axis] = index
    places[tuple(lanes)] = data
    return whole


@put_along.vjp("data")
def _(g, index, axis):
    return take_along(g, index, axis=axis)
