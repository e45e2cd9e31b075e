"""Arrays from nothing but attributes or a shape."""

from __future__ import annotations

from math import prod

from ..conversion import as_element
from ..registry import kernel


@kernel(op="_zeros")
def zeros(xp, out_specs):
    return xp.zeros(out_specs[0].shape, out_specs[0].dtype)


@kernel(op="_ones")
def ones(xp, out_specs):
    return xp.ones(out_specs[0].shape, out_specs[0].dtype)


@kernel(op="_full")
def full(xp, value, out_specs):
    out = out_specs[0]
    return xp.full(out.shape, as_element(value, out.dtype), out.dtype)


def _progression(xp, start, step, repeat, size, dtype):
    """``size`` numbers of an arithmetic progression, each ``repeat`` times, computed in the dtype."""
    # Half precision is computed in single precision and rounded once. (MXNet's own kernel drops the fraction
    # of a half precision step.)
    work = xp.float32 if dtype.itemsize == 2 else dtype
    start, step = as_element(start, dtype).astype(work), as_element(step, dtype).astype(work)
    count = -(-size // repeat)
    made = xp.arange(count).astype(work) * step + start
    if repeat > 1:
        made = xp.repeat(made, repeat)[:size]
    return made.astype(dtype)


@kernel(op="_arange")
def arange(xp, start, stop, step, repeat, out_specs):
    out = out_specs[0]
    return _progression(xp, 0.0 if stop is None else start, step, repeat, out.size, out.dtype)


@kernel(op="_linspace")
def linspace(xp, start, stop, num, endpoint, out_specs):
    gaps = num - 1 if endpoint else num
    step = (stop - start) / gaps if gaps > 0 else 0.0
    return (xp.arange(num) * step + start).astype(out_specs[0].dtype)


@kernel(op="_eye")
def eye(xp, k, out_specs):
    rows, columns = out_specs[0].shape
    return xp.eye(rows, columns, k, out_specs[0].dtype)


@kernel
def zeros_like(xp, data):
    return xp.zeros(data.shape, data.dtype)


@kernel
def ones_like(xp, data):
    return xp.ones(data.shape, data.dtype)


@kernel(op="_contrib_arange_like")
def arange_like(xp, data, start, step, repeat, out_specs):
    out = out_specs[0]
    return _progression(xp, start, step, repeat, prod(out.shape), out.dtype).reshape(out.shape)


@kernel(op="_blank")
def blank(xp, data, shape):
    return xp.zeros(shape, data.dtype)
