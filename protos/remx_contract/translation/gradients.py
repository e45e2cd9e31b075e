"""What the gradient rules of sums, broadcasts, products and functions use, in MXNet's ops."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Final

from ..op import Attrs
from ..spec import Shape, TensorSpec
from .steps import Steps, Translator

Specs = Sequence[TensorSpec]


def _blank(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    steps.zeros(attrs.shape, outs[0])


def _sum_axes(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    data, have = 0, ins[0].shape
    axes = tuple(axis % len(have) for axis in attrs.axes)
    if axes:
        data = steps("sum", data, axis=axes, keepdims=True)
        have = tuple(1 if axis in axes else length for axis, length in enumerate(have))
    data = steps.scaled(data, attrs.scale)
    steps.reshape(data, have, attrs.shape)


def _spread_axes(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    want: Shape = attrs.shape
    kept = tuple(1 if axis in attrs.axes else length for axis, length in enumerate(want))
    data = steps.scaled(steps.reshape(0, ins[0].shape, kept), attrs.scale)
    steps.broadcast(data, kept, want)


def _sum_to(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    have, want = ins[0].shape, attrs.shape
    padded = (1,) * (len(have) - len(want)) + want
    axes = tuple(at for at, length in enumerate(have) if padded[at] != length)
    data = steps("sum", 0, axis=axes, keepdims=True) if axes else 0
    steps.reshape(data, padded, want)


def _spread_to(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    steps.broadcast(0, ins[0].shape, attrs.shape)


def _reverse_cumsum(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    axis = len(ins[0].shape) - 1 if attrs.axis is None else attrs.axis % len(ins[0].shape)
    data = steps("reverse", 0, axis=(axis,))
    data = steps("_np_cumsum", data, axis=axis)
    data = steps("reverse", data, axis=(axis,))
    steps.reshape(data, ins[0].shape, attrs.shape)


def _contract(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    """Both sides are made matrices."""
    left = _matrix(steps, 0, ins[0].shape, attrs.count, attrs.transpose_a)
    right = _matrix(steps, 1, ins[1].shape, attrs.count, not attrs.transpose_b)
    rows = ins[0].size // _summed(ins[0].shape, attrs.count, attrs.transpose_a)
    columns = ins[1].size // _summed(ins[1].shape, attrs.count, not attrs.transpose_b)
    product = steps("dot", left, right, transpose_a=attrs.transpose_a, transpose_b=attrs.transpose_b)
    steps.reshape(product, (rows, columns), outs[0].shape)


def _summed(shape: Shape, count: int, first: bool) -> int:
    return prod(shape[:count] if first else shape[len(shape) - count :])


def _matrix(steps: Steps, data: int, shape: Shape, count: int, first: bool) -> int:
    """As a matrix whose rows, if ``first``, or else columns are the axes that are summed over."""
    at = count if first else len(shape) - count
    return steps.reshape(data, shape, (prod(shape[:at]), prod(shape[at:])))


def _gate(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    above = steps("_greater_scalar", 1, scalar=0.0)
    steps("elemwise_mul", 0, above)


def _within(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    above = steps("_greater_equal_scalar", 0, scalar=attrs.a_min)
    below = steps("_lesser_equal_scalar", 0, scalar=attrs.a_max)
    steps("elemwise_mul", above, below)


def _log_softmax_back(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    total = steps("sum", 0, axis=(attrs.axis,), keepdims=True)
    shares = steps("exp", 1)
    steps("elemwise_sub", 0, steps("broadcast_mul", shares, total))


def _slice_into(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    zeros = steps.zeros(attrs.shape, ins[0])
    # Steps that were left out are an empty tuple, which MXNet reads as steps of 1.
    steps("_slice_assign", zeros, 0, begin=attrs.begin, end=attrs.end, step=attrs.step)


def _sequence_last_into(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    want: Shape = attrs.shape
    length = want[attrs.axis]
    kept = (*want[: attrs.axis], 1, *want[attrs.axis + 1 :])
    data = steps.reshape(0, ins[0].shape, kept)
    if len(ins) == 1:
        zeros = steps.zeros(want, ins[0])
        begin = (0,) * attrs.axis + (length - 1,)
        steps("_slice_assign", zeros, data, begin=begin, end=want[: attrs.axis + 1], step=(1,) * len(begin))
        return
    last = steps("_minus_scalar", 1, scalar=1.0)
    ones = steps("one_hot", last, depth=length, dtype=ins[0].dtype)
    if attrs.axis == 0:
        ones = steps("transpose", ones, axes=(1, 0))
    ones = steps.reshape(ones, want[:2], want[:2] + (1,) * (len(want) - 2))
    steps("broadcast_mul", ones, data)


def _diag_into(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    """The diagonals are every so many elements of flattened matrices."""
    want: Shape = attrs.shape
    rows, columns = attrs.axis1 % len(want), attrs.axis2 % len(want)
    order = [axis for axis in range(len(want)) if axis not in (rows, columns)] + [rows, columns]
    moved = tuple(want[axis] for axis in order)
    matrices, width = prod(moved[:-2]), moved[-1]
    count = ins[0].shape[-1]
    start = attrs.k if attrs.k >= 0 else -attrs.k * width
    zeros = steps.zeros((matrices, moved[-2] * width), ins[0])
    data = steps.reshape(0, ins[0].shape, (matrices, count))
    end = start + (count - 1) * (width + 1) + 1
    flat = steps("_slice_assign", zeros, data, begin=(0, start), end=(matrices, end), step=(1, width + 1))
    made = steps.reshape(flat, (matrices, moved[-2] * width), moved)
    steps.transpose(made, sorted(range(len(order)), key=order.__getitem__))


def _isnan(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    steps("_not_equal", 0, 0)


def _isinf(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    steps("_equal_scalar", steps("abs", 0), scalar=float("inf"))


def _isfinite(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    # Nothing that compares with a NaN is true but that it differs.
    steps("_lesser_scalar", steps("abs", 0), scalar=float("inf"))


def _sum_neighbours(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    shape = ins[0].shape
    total = 0
    for step in range(1, min((attrs.nsize - 1) // 2, shape[1] - 1) + 1):
        zeros = steps.zeros((shape[0], step, *shape[2:]), ins[0])
        before = steps("slice_axis", 0, axis=1, begin=0, end=shape[1] - step)
        behind = steps("slice_axis", 0, axis=1, begin=step, end=shape[1])
        total = steps("elemwise_add", total, steps("Concat", zeros, before, dim=1, num_args=2))
        total = steps("elemwise_add", total, steps("Concat", behind, zeros, dim=1, num_args=2))


def _inverse_or_zeros(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    """MXNet has no name for what its determinants' gradients do with singular matrices."""
    steps("_linalg_inverse", 0)


TRANSLATORS: Final[dict[str, Translator]] = {
    "_blank": _blank,
    "_contract": _contract,
    "_contrib_isfinite": _isfinite,
    "_contrib_isinf": _isinf,
    "_contrib_isnan": _isnan,
    "_diag_into": _diag_into,
    "_gate": _gate,
    "_inverse_or_zeros": _inverse_or_zeros,
    "_log_softmax_back": _log_softmax_back,
    "_reverse_cumsum": _reverse_cumsum,
    "_sequence_last_into": _sequence_last_into,
    "_slice_into": _slice_into,
    "_spread_axes": _spread_axes,
    "_spread_to": _spread_to,
    "_sum_axes": _sum_axes,
    "_sum_neighbours": _sum_neighbours,
    "_sum_to": _sum_to,
    "_within": _within,
}
