"""Element-wise functions of two arrays: kernels and their gradient rules."""

from __future__ import annotations

from math import log

from remx_contract.catalogue.binary import PAIRS
from remx_contract.dtypes import float16, float32

from ..numeric import divide_whole, hypot_whole, modulo, power_whole, total
from ..registry import KERNELS, Kernel, kernel, ufunc_kernel
from ..value import Value

# Function -> the ufunc that is all of it, and what computes with whole numbers instead where they differ.
_ARITHMETIC = {
    "add": ("add", None),
    "sub": ("subtract", None),
    "mul": ("multiply", None),
    "div": ("true_divide", divide_whole),
    "power": ("power", power_whole),
    "maximum": ("maximum", None),
    "minimum": ("minimum", None),
    "hypot": ("hypot", hypot_whole),
}
TRUTHS = {
    "equal": "equal",
    "not_equal": "not_equal",
    "greater": "greater",
    "greater_equal": "greater_equal",
    "lesser": "less",
    "lesser_equal": "less_equal",
    "logical_and": "logical_and",
    "logical_or": "logical_or",
    "logical_xor": "logical_xor",
}
"""Function -> the ufunc that gives its truth values."""


def _truth_kernel(op: str, ufunc: str) -> Kernel:
    def compare(xp, lhs, rhs):
        return getattr(xp, ufunc)(lhs, rhs).astype(lhs.dtype)

    return kernel(compare, op=op, kinds="fiu")


def _mod_kernel(op: str) -> Kernel:
    return kernel(lambda xp, lhs, rhs: modulo(xp, lhs, rhs), op=op, kinds="fiu")


def _add_rules(made: Kernel) -> None:
    made.vjp("lhs")(lambda g: g)
    made.vjp("rhs")(lambda g: g)


def _sub_rules(made: Kernel) -> None:
    made.vjp("lhs")(lambda g: g)
    made.vjp("rhs")(lambda g: -g)


def _mul_rules(made: Kernel) -> None:
    made.vjp("lhs")(lambda g, rhs: g * rhs)
    made.vjp("rhs")(lambda g, lhs: g * lhs)


def _div_rules(made: Kernel) -> None:
    made.vjp("lhs")(lambda g, rhs: g / rhs)
    made.vjp("rhs")(lambda g, lhs, rhs: -(g * lhs / (rhs * rhs)))


def of_mod(gradient: Value) -> Value:
    """A gradient of mod, which is zero for whole numbers, as in MXNet."""
    return gradient if gradient.spec.dtype.kind == "f" else KERNELS["zeros_like"](gradient)


def _mod_rules(made: Kernel) -> None:
    made.vjp("lhs")(lambda g: of_mod(g))
    made.vjp("rhs")(lambda g, lhs, rhs: of_mod(-(g * KERNELS["floor"](lhs / rhs))))


def times_log(power: Value, base: Value | float) -> Value:
    """``power * log(base)``; rounded only when it is done, where the power is whole."""
    wide = power if power.spec.dtype.kind == "f" else KERNELS["Cast"](power, dtype="float64")
    if isinstance(base, Value):
        made = wide * KERNELS["log"](KERNELS["Cast"](base, dtype="float64") if wide is not power else base)
    else:
        made = wide * _log(base)
    return made if wide is power else KERNELS["Cast"](made, dtype=power.spec.dtype)


def _log(number: float) -> float:
    """The logarithm as C gives it: nan below zero, -inf at zero."""
    if number > 0:
        return log(number)
    return float("-inf") if number == 0 else float("nan")


def _not_both_zero(base: Value, exponent: Value) -> Value:
    """1, or 0 where base and exponent are 0: the slope there is 0 * 0**0, while 0 * 0**-1 is no number."""
    made: Value = KERNELS["broadcast_logical_or"](base, exponent)
    return made


def _power_rules(made: Kernel) -> None:
    made.vjp("lhs")(lambda g, lhs, rhs: g * rhs * lhs ** (rhs - _not_both_zero(lhs, rhs)))
    made.vjp("rhs")(lambda g, lhs, out: g * times_log(out, lhs))


def _maximum_rules(made: Kernel) -> None:
    made.vjp("lhs")(lambda g, lhs, rhs: g * KERNELS["broadcast_greater_equal"](lhs, rhs))
    made.vjp("rhs")(lambda g, lhs, rhs: g * KERNELS["broadcast_lesser"](lhs, rhs))


def _minimum_rules(made: Kernel) -> None:
    made.vjp("lhs")(lambda g, lhs, rhs: g * KERNELS["broadcast_lesser_equal"](lhs, rhs))
    made.vjp("rhs")(lambda g, lhs, rhs: g * KERNELS["broadcast_greater"](lhs, rhs))


def _hypot_rules(made: Kernel) -> None:
    # The result is computed again, so that the two sides are all that is kept.
    made.vjp("lhs")(lambda g, lhs, rhs: g * lhs / KERNELS["broadcast_hypot"](lhs, rhs))
    made.vjp("rhs")(lambda g, lhs, rhs: g * rhs / KERNELS["broadcast_hypot"](lhs, rhs))


_RULES = {
    "add": _add_rules,
    "sub": _sub_rules,
    "mul": _mul_rules,
    "div": _div_rules,
    "mod": _mod_rules,
    "power": _power_rules,
    "maximum": _maximum_rules,
    "minimum": _minimum_rules,
    "hypot": _hypot_rules,
}


def _register(op: str, name: str) -> None:
    """The kernel of ``op`` that computes the function ``name``, with its rules."""
    if name in TRUTHS:
        _truth_kernel(op, TRUTHS[name])
        return
    if name == "mod":
        made = _mod_kernel(op)
    else:
        ufunc, integers = _ARITHMETIC[name]
        made = ufunc_kernel(op, ufunc, integers=integers)
    _RULES[name](made)


for _pair in PAIRS:
    _register(_pair.same, _pair.name)
    _register(_pair.broadcast, _pair.name)
_register("_grad_add", "add")
_register("_scatter_elemwise_div", "div")


@kernel(op="_identity_with_attr_like_rhs")
def identity_like(xp, lhs, rhs):
    return lhs.copy()


@identity_like.vjp_all
def _(g, needs):
    return g, KERNELS["zeros_like"](g) if needs[1] else None


@kernel(kinds="fiu")
def add_n(xp, *args):
    if len(args) == 1:
        return args[0].copy()
    total = xp.asarray(xp.add(args[0], args[1]))
    for term in args[2:]:
        total += term
    return total


@add_n.vjp_all
def _(g, needs):
    return [g] * len(needs)


@kernel(op="_sum_to")
def sum_to(xp, data, shape):
    added = data.ndim - len(shape)
    if data.shape[added:] == shape:
        axes = tuple(range(added))
    else:
        kept = enumerate(shape, added)
        axes = (*range(added), *(axis for axis, length in kept if length == 1 != data.shape[axis]))
    if not axes:
        return data.copy()
    dtype = float32 if data.dtype == float16 else data.dtype
    return total(xp, data, axes, dtype).astype(data.dtype, copy=False).reshape(shape)


@sum_to.vjp("data")
def _(g, data_spec):
    return spread_to(g, shape=data_spec.shape)


@kernel(op="_spread_to")
def spread_to(xp, data, shape):
    return xp.broadcast_to(data, shape).copy()


@spread_to.vjp("data")
def _(g, data_spec):
    return sum_to(g, shape=data_spec.shape)
