"""Arrays as places: views, copies between places, and writes."""

from __future__ import annotations

from math import prod

from ..registry import kernel


@kernel(op="_view")
def view(xp, data, shape, offset):
    size = prod(shape)
    if offset < 0 or offset + size > data.size:
        raise IndexError(f"elements {offset} to {offset + size} of an array of {data.size}")
    return data.reshape(-1)[offset : offset + size].reshape(shape)


@view.vjp("data")
def _(g, data_spec, offset):
    return unview(g, shape=data_spec.shape, offset=offset)


@kernel(op="_unview")
def unview(xp, data, shape, offset):
    made = xp.zeros(prod(shape), data.dtype)
    if offset < 0 or offset + data.size > made.size:
        raise IndexError(f"elements {offset} to {offset + data.size} of an array of {made.size}")
    made[offset : offset + data.size] = data.reshape(-1)
    return made.reshape(shape)


@unview.vjp("data")
def _(g, data_spec, offset):
    return view(g, shape=data_spec.shape, offset=offset)


@kernel(op="_copyto")
def copyto(xp, data):
    return data.copy()


@copyto.vjp("data")
def _(g):
    return g


@kernel(op="_detach")
def detach(xp, data):
    return data[...]
