"""Mixed precision: casts, tests for overflow, and sums over many arrays at once."""

from __future__ import annotations

from typing import Any

from remx_contract.dtypes import float32

from ..backend import Array
from ..registry import kernel
from ..updates import blocks, sum_of_squares, wide
from .elementwise import cast


@kernel
def amp_cast(xp, data, out_specs):
    return cast.function(xp, data, out_specs[0].dtype)


@amp_cast.vjp("data")
def _(g, data_spec):
    return cast(g, dtype=data_spec.dtype)


@kernel
def amp_multicast(xp, *data, out_specs):
    return tuple(cast.function(xp, array, spec.dtype) for array, spec in zip(data, out_specs, strict=True))


@amp_multicast.vjp_all
def _(gs, in_specs):
    return [cast(g, dtype=spec.dtype) for g, spec in zip(gs, in_specs, strict=True)]


def _all_finite(xp: Any, arrays: tuple[Array, ...], init_output: bool, out: Array | None) -> Array:
    if out is None:
        out = xp.ones(1, float32)
    elif init_output:
        out[...] = 1
    for array in arrays:
        flat = array.reshape(-1)
        for block in blocks(xp, array.size):
            out *= xp.isfinite(flat[block]).all()
    return out


@kernel
def all_finite(xp, data, init_output, out=None):
    return _all_finite(xp, (data,), init_output, out)


@kernel
def multi_all_finite(xp, *data, init_output, out=None):
    return _all_finite(xp, data, init_output, out)


@kernel
def multi_sum_sq(xp, *data):
    made = xp.empty(len(data), float32)
    for position, array in enumerate(data):
        flat = array.reshape(-1)
        dtype = wide(array.dtype) if array.dtype.kind == "f" else float32
        parts = (flat[block].astype(dtype, copy=False) for block in blocks(xp, array.size))
        made[position] = sum_of_squares(xp, parts, dtype)
    return made


@kernel
def reset_arrays(xp, *data):
    for array in data:
        array[...] = 0
    return ()
