"""Element-wise functions of an array and a number: kernels and their gradient rules."""

from __future__ import annotations

from ..numeric import divide_whole, hypot_whole, modulo, power_whole
from ..registry import KERNELS, Kernel, kernel, scalar_cast, scalar_ufunc_kernel
from .binary import TRUTHS, of_mod, times_log

plus = scalar_ufunc_kernel("_plus_scalar", "add")
scatter_plus = scalar_ufunc_kernel("_scatter_plus_scalar", "add")
minus = scalar_ufunc_kernel("_minus_scalar", "subtract")
scatter_minus = scalar_ufunc_kernel("_scatter_minus_scalar", "subtract")
reversed_minus = scalar_ufunc_kernel("_rminus_scalar", "subtract", reverse=True)
times = scalar_ufunc_kernel("_mul_scalar", "multiply")
divided = scalar_ufunc_kernel("_div_scalar", "true_divide", divide_whole)
reversed_divided = scalar_ufunc_kernel("_rdiv_scalar", "true_divide", divide_whole, reverse=True)
reversed_power = scalar_ufunc_kernel("_rpower_scalar", "power", power_whole, reverse=True)
maximum = scalar_ufunc_kernel("_maximum_scalar", "maximum")
minimum = scalar_ufunc_kernel("_minimum_scalar", "minimum")
hypot = scalar_ufunc_kernel("_hypot_scalar", "hypot", hypot_whole)

for _made in (plus, scatter_plus, minus, scatter_minus):
    _made.vjp("data")(lambda g: g)


@reversed_minus.vjp("data")
def _(g):
    return -g


@times.vjp("data")
def _(g, scalar):
    return g * scalar


@divided.vjp("data")
def _(g, scalar):
    return g / scalar


@reversed_divided.vjp("data")
def _(g, data, scalar):
    return g * reversed_divided(data * data, scalar=-scalar)


@reversed_power.vjp("data")
def _(g, out, scalar):
    return g * times_log(out, scalar)


@maximum.vjp("data")
def _(g, data, scalar):
    return g * KERNELS["_greater_equal_scalar"](data, scalar=scalar)


@minimum.vjp("data")
def _(g, data, scalar):
    return g * KERNELS["_lesser_equal_scalar"](data, scalar=scalar)


@hypot.vjp("data")
def _(g, data, scalar):
    return g * data / hypot(data, scalar=scalar)


def _widened(data, dtype):
    return data if data.dtype == dtype else data.astype(dtype)


@kernel(op="_power_scalar")
def power(xp, data, scalar, out_specs):
    dtype = out_specs[0].dtype
    data = _widened(data, dtype)
    exponent = scalar_cast(dtype)(scalar)
    if dtype.kind != "f":
        return power_whole(xp, data, exponent)
    if exponent == 2:
        # Exact either way, and many times faster than the general power.
        return xp.square(data)
    return xp.power(data, exponent)


@power.vjp("data")
def _(g, data, scalar):
    # Where the slope is constant nothing must be computed from zero to a negative power.
    if scalar == 0:
        return KERNELS["zeros_like"](g)
    if scalar == 1:
        return g
    if scalar == 2:
        return g * (data * 2)
    return g * (data ** (scalar - 1) * scalar)


@kernel(op="_mod_scalar")
def mod(xp, data, scalar, out_specs):
    dtype = out_specs[0].dtype
    return modulo(xp, _widened(data, dtype), scalar_cast(dtype)(scalar))


@mod.vjp("data")
def _(g):
    return of_mod(g)


@kernel(op="_rmod_scalar")
def reversed_mod(xp, data, scalar, out_specs):
    dtype = out_specs[0].dtype
    return modulo(xp, scalar_cast(dtype)(scalar), _widened(data, dtype))


@reversed_mod.vjp("data")
def _(g, data, scalar):
    return of_mod(-(g * KERNELS["floor"](reversed_divided(data, scalar=scalar))))


def _truth_kernel(op: str, ufunc: str) -> Kernel:
    def compare(xp, data, scalar, out_specs):
        dtype = out_specs[0].dtype
        return getattr(xp, ufunc)(data, scalar_cast(dtype)(scalar)).astype(dtype)

    return kernel(compare, op=op)


for _name, _ufunc in TRUTHS.items():
    _truth_kernel(f"_{_name}_scalar", _ufunc)
