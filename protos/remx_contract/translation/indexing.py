"""Views, NumPy-like keys and their gradients in MXNet's ops."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Final, NamedTuple

from ..op import Attrs
from ..rules.indexing import Key, broadcast_shapes
from ..spec import Shape, TensorSpec
from .steps import Steps, Translator, lengths

Specs = Sequence[TensorSpec]


def _view(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    """A block of memory: whole rows if its size is that of whole rows, else a part of the flat array."""
    have, want, offset = ins[0].shape, attrs.shape, attrs.offset
    size, row = prod(want), prod(have[1:])
    if size == ins[0].size:
        steps("Reshape", 0, shape=lengths(want))
        return
    if size % row or offset % row:
        flat, have, row = steps.reshape(0, have, (ins[0].size,)), (ins[0].size,), 1
    else:
        flat = 0
    first, count = offset // row, size // row
    rows = steps("slice", flat, begin=str(first), end=str(first + count))
    steps.reshape(rows, (count, *have[1:]), want)


def _unview(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    size = prod(attrs.shape)
    data = steps.reshape(0, ins[0].shape, (ins[0].size,))
    zeros = steps.zeros((size,), ins[0])
    whole = steps(
        "_slice_assign", zeros, data, begin=(attrs.offset,), end=(attrs.offset + ins[0].size,), step=(1,)
    )
    steps.reshape(whole, (size,), attrs.shape)


def _exact(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    steps.reshape(0, ins[0].shape, attrs.shape)


class Basic(NamedTuple):
    """The part of a key that is slices and integers, for every axis.

    Attributes
    ----------
    begin, end, step : tuple
        Attributes of MXNet's slice, one for each axis.
    shape : tuple of int
        What they leave, integers' axes kept with one element, index arrays' axes whole.
    kinds : list of str
        The key's items without the ellipsis: "slice", "int", "array" or "new".
    """

    begin: tuple[int | None, ...]
    end: tuple[int | None, ...]
    step: tuple[int | None, ...]
    shape: Shape
    kinds: list[str]

    @property
    def whole(self) -> bool:
        """Whether nothing is left out by it."""
        return all(item is None for item in (*self.begin, *self.end, *self.step))


def _basic(shape: Shape, key: Key) -> Basic:
    used = sum(item[0] in ("slice", "int", "array") for item in key)
    rest = (("slice", None, None, None),) * (len(shape) - used)
    if ("all",) in key:
        at = key.index(("all",))
        key = (*key[:at], *rest, *key[at + 1 :])
    else:
        key = (*key, *rest)
    parts: list[tuple[int | None, int | None, int | None]] = []
    lengths: list[int] = []
    for item in key:
        if item[0] == "new":
            continue
        length = shape[len(parts)]
        if item[0] == "int":
            parts.append((item[1], None if item[1] == -1 else item[1] + 1, None))
            lengths.append(1)
        elif item[0] == "array":
            parts.append((None, None, None))
            lengths.append(length)
        else:
            parts.append(item[1:])
            lengths.append(len(range(*slice(*item[1:]).indices(length))))
    begin, end, step = zip(*parts, strict=True)
    return Basic(begin, end, step, tuple(lengths), [item[0] for item in key])


def _index(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    basic = _basic(ins[0].shape, attrs.key)
    if len(ins) == 1:
        part = steps("slice", 0, begin=basic.begin, end=basic.end, step=basic.step)
        # MXNet records this one also where the shape stays.
        steps("Reshape", part, shape=lengths(outs[0].shape))
        return
    part = 0 if basic.whole else steps("slice", 0, begin=basic.begin, end=basic.end, step=basic.step)
    points = _Points(basic, ins[1:])
    part = steps.transpose(part, points.order)
    found = steps("gather_nd", part, points.indices(steps, 1))
    found = steps.transpose(found, points.places)
    steps.reshape(found, points.gathered, outs[0].shape)


def _index_add(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    basic = _basic(attrs.shape, attrs.key)
    if len(ins) == 1:
        part = steps.reshape(0, ins[0].shape, basic.shape)
    else:
        points = _Points(basic, ins[1:])
        data = steps.reshape(0, ins[0].shape, points.gathered)
        data = steps.transpose(data, _inverse(points.places))
        moved = tuple(basic.shape[axis] for axis in points.order)
        added = steps("_backward_gather_nd", data, points.indices(steps, 1), shape=moved)
        part = steps.transpose(added, _inverse(points.order))
    if basic.shape != attrs.shape or not basic.whole:
        zeros = steps.zeros(attrs.shape, ins[0])
        steps("_slice_assign", zeros, part, begin=basic.begin, end=basic.end, step=basic.step)


class _Points:
    """The index arrays of a key, on what its basic part has left.

    Attributes
    ----------
    order : list of int
        The axes with those of index arrays first.
    places : list of int
        The axes of what is gathered, with those of the index arrays where NumPy has them.
    gathered : tuple of int
        The shape after that, without the key's new axes, with integers' axes.
    """

    def __init__(self, basic: Basic, arrays: Specs) -> None:
        axes = [kind for kind in basic.kinds if kind != "new"]
        picked = [axis for axis, kind in enumerate(axes) if kind == "array"]
        rest = [axis for axis in range(len(axes)) if axis not in picked]
        self._arrays = arrays
        self._common = broadcast_shapes([spec.shape for spec in arrays])
        self.order = picked + rest
        # Integers count as index arrays where NumPy looks whether these stand side by side.
        advanced = [at for at, kind in enumerate(basic.kinds) if kind in ("array", "int")]
        together = advanced[-1] - advanced[0] == len(advanced) - 1
        kept = [axis for axis in rest if axes[axis] != "int"]
        front = sum(axis < picked[0] for axis in kept) if together else 0
        count = len(self._common)
        points = list(range(count))
        others = [count + at for at, axis in enumerate(rest) if axes[axis] != "int"]
        dropped = [count + at for at, axis in enumerate(rest) if axes[axis] == "int"]
        self.places = [*others[:front], *points, *others[front:], *dropped]
        lengths = [*self._common, *(basic.shape[axis] for axis in rest)]
        self.gathered = tuple(lengths[axis] for axis in self.places)

    def indices(self, steps: Steps, first: int) -> int:
        """The index arrays, which are inputs from number ``first`` on, as MXNet's gather_nd wants them."""
        dtypes = {spec.dtype for spec in self._arrays}
        made = []
        for number, spec in enumerate(self._arrays, first):
            array = steps("Cast", number, dtype="int64") if len(dtypes) > 1 else number
            made.append(steps.broadcast(array, spec.shape, self._common))
        if len(made) == 1:
            return steps.reshape(made[0], self._common, (1, *self._common))
        return steps("stack", *made, axis=0, num_args=len(made))


def _inverse(order: Sequence[int]) -> list[int]:
    return sorted(range(len(order)), key=order.__getitem__)


def _take_add(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    """Added up along the first of three axes: the one taken from, those before it, those behind it."""
    shape: Shape = attrs.shape
    axis = attrs.axis % len(shape)
    length, before, behind = shape[axis], prod(shape[:axis]), prod(shape[axis + 1 :])
    count = ins[1].size
    data = steps("Reshape", 0, shape=(before, count, behind))
    data = steps("transpose", data, axes=(1, 0, 2))
    index = _bounded(steps, 1, length, attrs.mode)
    index = steps("Reshape", index, shape=(1, count))
    added = steps("_backward_gather_nd", data, index, shape=(length, before, behind))
    added = steps("transpose", added, axes=(1, 0, 2))
    steps("Reshape", added, shape=shape)


def _bounded(steps: Steps, index: int, length: int, mode: str) -> int:
    """Whole positions within an axis, as ``take`` and ``pick`` understand them."""
    whole = steps("Cast", index, dtype="int64")
    if mode == "wrap":
        return steps("_mod_scalar", whole, scalar=float(length))
    return steps("clip", whole, a_min=0.0, a_max=float(length - 1))


def _pick_add(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    """The picked elements spread along the axis, times 1 at the position and 0 elsewhere."""
    shape: Shape = attrs.shape
    axis = None if attrs.axis is None else attrs.axis % len(shape)
    flat = shape if axis is not None else (prod(shape),)
    at = 0 if axis is None else axis
    kept = (*flat[:at], 1, *flat[at + 1 :])
    others = (*flat[:at], *flat[at + 1 :])
    index = _bounded(steps, 1, flat[at], attrs.mode)
    index = steps("Reshape", index, shape=others or (1,))
    ones = steps("one_hot", index, depth=flat[at], dtype=ins[0].dtype)
    ones = steps.reshape(ones, (*(others or (1,)), flat[at]), (*others, flat[at]))
    axes = list(range(len(others)))
    ones = steps.transpose(ones, [*axes[:at], len(others), *axes[at:]])
    data = steps.reshape(0, ins[0].shape, kept)
    made = steps("broadcast_mul", ones, data)
    steps.reshape(made, flat, shape)


def _flat_positions(steps: Steps, index: int, have: Shape, shape: Shape, axis: int | None) -> int:
    """Positions along an axis as positions in the flat array."""
    index = steps("Cast", index, dtype="int64")
    if axis is None:
        return index
    axis %= len(shape)
    total: Any = index
    stride = prod(shape)
    for at, length in enumerate(shape):
        stride //= length
        if at == axis:
            part = steps("_mul_scalar", index, scalar=float(stride))
            total = part if total is index else steps("broadcast_add", total, part)
            continue
        lane = steps("Cast", steps.integers(0, have[at]), dtype="int64")
        lane = steps("_mul_scalar", lane, scalar=float(stride))
        lane = steps("Reshape", lane, shape=(1,) * at + (have[at],) + (1,) * (len(shape) - at - 1))
        if total is index and at < axis:
            total = lane
        else:
            total = steps("broadcast_add", total, lane)
    return int(total)


def _take_along(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    flat = steps("Reshape", 0, shape=(-1,))
    steps("take", flat, _flat_positions(steps, 1, ins[1].shape, ins[0].shape, attrs.axis))


def _put_along(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    places = _flat_positions(steps, 1, ins[1].shape, attrs.shape, attrs.axis)
    places = steps("Reshape", places, shape=(1, -1))
    data = steps("Reshape", 0, shape=(-1,))
    flat = steps("scatter_nd", data, places, shape=(prod(attrs.shape),))
    steps("Reshape", flat, shape=attrs.shape)


def _scatter_nd_add(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    steps("_backward_gather_nd", 0, 1, shape=attrs.shape)


def _copyto(steps: Steps, attrs: Attrs, ins: Specs, outs: Specs) -> None:
    """MXNet records this op, too, but cannot run a symbol that has it."""
    steps("_copy", 0)


TRANSLATORS: Final[dict[str, Translator]] = {
    "_copyto": _copyto,
    "_index": _index,
    "_index_add": _index_add,
    "_pick_add": _pick_add,
    "_put_along": _put_along,
    "_reshape": _exact,
    "_scatter_nd_add": _scatter_nd_add,
    "_take_add": _take_add,
    "_take_along": _take_along,
    "_unview": _unview,
    "_view": _view,
}
