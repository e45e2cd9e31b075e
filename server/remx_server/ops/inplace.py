"""Arrays as places: views, copies between places, and writes."""

from __future__ import annotations

from math import prod

from ..registry import KERNELS, kernel


@kernel(op="_view")
def view(xp, data, shape, offset):
    size = prod(shape)
    if offset < 0 or offset + size > data.size:
        raise IndexError(f"elements {offset} to {offset + size} of an array of {data.size}")
    return data.reshape(-1)[offset : offset + size].reshape(shape)


@view.vjp("data")
def _(g, data_spec, offset):
    return KERNELS["_unview"](g, shape=data_spec.shape, offset=offset)


@kernel(op="_detach")
def detach(xp, data):
    return data[...]
