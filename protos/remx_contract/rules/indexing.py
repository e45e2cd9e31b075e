"""Shape rules of the ops that pick, place or mask elements by position, and of NumPy-like indexing."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ..errors import ArgumentError, OutOfRangeError, ShapeError
from ..op import Attrs
from ..spec import Shape
from .shapes import normalize_axis

Key = tuple[tuple[Any, ...], ...]
"""An indexing key, one item for each of the user's: ("slice", start, stop, step) with None for what is left
out, ("int", position), ("new",) for a new axis, ("all",) for an ellipsis, and ("array",) for the next of the
index arrays."""

_ITEM_LENGTHS = {"slice": 4, "int": 2, "new": 1, "all": 1, "array": 1}


def checked_key(key: Any) -> Key:
    """The key, if it has the form of one; else ArgumentError."""
    good = isinstance(key, tuple) and all(
        isinstance(item, tuple) and item and len(item) == _ITEM_LENGTHS.get(item[0]) for item in key
    )
    if (
        not good
        or sum(item[0] == "all" for item in key) > 1
        or any(item[1] is None for item in key if item[0] == "int")
    ):
        raise ArgumentError(
            argument="key", got=f"{key!r}", expected="slices, integers, new axes and index arrays"
        )
    if any(item[0] == "slice" and item[3] == 0 for item in key):
        raise ArgumentError(argument="key", got="a slice with step 0", expected="steps other than 0")
    return key  # type: ignore[no-any-return]


def broadcast_shapes(shapes: Sequence[Shape]) -> Shape:
    """The shape that all of the given ones broadcast to; ShapeError where there is none."""
    ndim = max(map(len, shapes), default=0)
    made = [1] * ndim
    for shape in shapes:
        for axis, length in enumerate(shape, ndim - len(shape)):
            if length != 1 and made[axis] not in (1, length):
                raise ShapeError(
                    got=f"index arrays of shapes {tuple(shapes)}", expected="shapes that broadcast"
                )
            made[axis] = length if length != 1 else made[axis]
    return tuple(made)


def indexed(shape: Shape, key: Key, arrays: Sequence[Shape]) -> Shape:
    """The shape of ``array[key]``, as NumPy has it.

    Parameters
    ----------
    shape : tuple of int
        The indexed array's.
    key : Key
    arrays : sequence of tuple of int
        The shapes of the index arrays.

    Raises
    ------
    OutOfRangeError
        For more items than axes, or an integer outside of its axis.
    ArgumentError, ShapeError
        For a malformed key, the wrong number of index arrays, or such that do not broadcast.
    """
    key = checked_key(key)
    if sum(item[0] == "array" for item in key) != len(arrays):
        raise ArgumentError(
            argument="key", got=f"{len(arrays)} index arrays", expected="one for each in the key"
        )
    rest = len(shape) - sum(item[0] in ("slice", "int", "array") for item in key)
    if rest < 0:
        raise OutOfRangeError(f"{len(shape) - rest} indices for an array with {len(shape)} axes")
    if not any(item[0] == "all" for item in key):
        key = (*key, ("all",))
    made: list[int] = []
    advanced_at: list[tuple[int, int]] = []
    axis = 0
    for position, item in enumerate(key):
        kind = item[0]
        if kind == "new":
            made.append(1)
        elif kind == "all":
            made.extend(shape[axis : axis + rest])
            axis += rest
        elif kind == "slice":
            made.append(len(range(*slice(*item[1:]).indices(shape[axis]))))
            axis += 1
        else:
            if kind == "int" and not -shape[axis] <= item[1] < shape[axis]:
                raise OutOfRangeError(
                    f"index {item[1]} is out of bounds for axis {axis} with size {shape[axis]}"
                )
            advanced_at.append((position, len(made)))
            axis += 1
    if not arrays:
        return tuple(made)
    # Integers beside index arrays count as arrays. The common shape of the arrays stands where they stood, if
    # they stood side by side, and in front otherwise.
    first, at = advanced_at[0]
    together = advanced_at[-1][0] - first == len(advanced_at) - 1
    at = at if together else 0
    return (*made[:at], *broadcast_shapes(arrays), *made[at:])


def index(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """``array[key]`` for an array and its index arrays."""
    return (indexed(shapes[0], attrs.key, shapes[1:]),)


def index_put(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """No outputs, for an array, a value that broadcasts to the selection, and index arrays."""
    if len(shapes) < 2:
        raise ArgumentError(argument="data", got="one array", expected="an array, a value and index arrays")
    selection = indexed(shapes[0], attrs.key, shapes[2:])
    value = shapes[1]
    while len(value) > len(selection) and value[0] == 1:
        value = value[1:]
    tail = selection[len(selection) - len(value) :]
    if len(value) > len(selection) or any(a not in (1, b) for a, b in zip(value, tail, strict=True)):
        raise ShapeError(
            argument="value", got=f"shape {shapes[1]}", expected=f"a shape that broadcasts to {selection}"
        )
    return ()


def index_add(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, of which the key selects the first input's shape."""
    selection = indexed(attrs.shape, attrs.key, shapes[1:])
    if shapes[0] != selection:
        raise ShapeError(
            got=f"values of shape {shapes[0]}", expected=f"{selection}, the shape of the selection"
        )
    return (attrs.shape,)


def take(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The axis of the first input replaced by the shape of the indices."""
    data, indices = shapes
    axis = normalize_axis(attrs.axis, len(data))
    if not indices:
        raise ShapeError(argument="indices", got="no axes", expected="at least one axis")
    return ((*data[:axis], *indices, *data[axis + 1 :]),)


def take_add(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, from which the indices take the first input's shape."""
    (taken,) = take((attrs.shape, shapes[1]), attrs)
    if shapes[0] != taken:
        raise ShapeError(argument="data", got=f"shape {shapes[0]}", expected=f"{taken}")
    return (attrs.shape,)


def embedding(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the indices with a new last axis of length ``output_dim``."""
    data, weight = shapes
    if weight != (attrs.input_dim, attrs.output_dim):
        raise ShapeError(
            argument="weight", got=f"shape {weight}", expected=f"{(attrs.input_dim, attrs.output_dim)}"
        )
    return ((*data, attrs.output_dim),)


def pick(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The first shape without the axis, or with length 1 there; the index has either shape."""
    data, given = shapes
    if attrs.axis is None:
        raise ArgumentError(argument="axis", got="None", expected="an axis")
    axis = normalize_axis(attrs.axis, len(data))
    kept = (*data[:axis], 1, *data[axis + 1 :])
    gone = data[:axis] + data[axis + 1 :] or (1,)
    if given not in (kept, gone):
        raise ShapeError(argument="index", got=f"shape {given}", expected=f"{gone} or {kept}")
    return (kept if attrs.keepdims else gone,)


def pick_add(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, from which the index picks the first input's shape."""
    (picked,) = pick((attrs.shape, shapes[1]), attrs)
    if shapes[0] != picked:
        raise ShapeError(argument="data", got=f"shape {shapes[0]}", expected=f"{picked}")
    return (attrs.shape,)


def batch_take(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the indices: one for each row of a matrix."""
    data, indices = shapes
    if len(data) < 2 or prod(indices) != prod(data[:-1]):
        raise ShapeError(
            argument="indices", got=f"shape {indices}", expected=f"one index for each row of {data}"
        )
    return (indices,)


def one_hot(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The input's shape with a new last axis of length ``depth``."""
    if attrs.depth < 0:
        raise ArgumentError(argument="depth", got=f"{attrs.depth}", expected="a number from 0 up")
    return ((*shapes[0], attrs.depth),)


def where(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The common shape of x and y; the condition has it too, or is a vector with one item for each row."""
    condition, x, y = shapes
    if x != y:
        raise ShapeError(argument="y", got=f"shape {y}", expected=f"{x}, the shape of x")
    if condition not in (x, x[:1]):
        raise ShapeError(argument="condition", got=f"shape {condition}", expected=f"{x} or {x[:1]}")
    return (x,)


def gather_nd(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the indices without their first axis, then that of what they do not index."""
    data, indices = shapes
    if len(indices) < 2 or not 1 <= indices[0] <= len(data):
        raise ShapeError(
            argument="indices",
            got=f"shape {indices}",
            expected=f"two axes or more, the first of 1 to {len(data)}",
        )
    return ((*indices[1:], *data[indices[0] :]),)


def scatter_nd(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, of which the indices gather the data's shape."""
    data, indices = shapes
    (gathered,) = gather_nd((attrs.shape, indices), attrs)
    if data != gathered:
        raise ShapeError(argument="data", got=f"shape {data}", expected=f"{gathered}")
    return (attrs.shape,)


def scatter_set_nd(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The first shape, which is the attribute's, of which the indices gather the second."""
    if shapes[0] != attrs.shape:
        raise ShapeError(argument="lhs", got=f"shape {shapes[0]}", expected=f"{attrs.shape}")
    return scatter_nd(shapes[1:], attrs)


def diagonal_length(rows: int, columns: int, k: int) -> int:
    """How many elements diagonal ``k`` of a matrix has; below zero where there is no such diagonal."""
    return min(rows, columns - k) if k >= 0 else min(rows + k, columns)


def diag(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A matrix for a vector; otherwise the other axes, and the diagonal as the last one."""
    shape = shapes[0]
    if len(shape) == 1:
        side = shape[0] + abs(attrs.k)
        return ((side, side),)
    first = normalize_axis(attrs.axis1, len(shape), "axis1")
    second = normalize_axis(attrs.axis2, len(shape), "axis2")
    if first == second:
        raise ArgumentError(argument="axis2", got=f"{attrs.axis2}", expected="another axis than axis1")
    length = diagonal_length(shape[first], shape[second], attrs.k)
    if length < 0:
        raise ArgumentError(argument="k", got=f"{attrs.k}", expected=f"a diagonal of {shape}")
    return ((*(one for axis, one in enumerate(shape) if axis not in (first, second)), length),)


def ravel(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A vector, for a matrix with one row of positions for each axis of ``shape``."""
    data = shapes[0]
    if not attrs.shape:
        raise ArgumentError(argument="shape", got=f"{attrs.shape}", expected="at least one length")
    if len(data) != 2 or data[0] != len(attrs.shape):
        raise ShapeError(
            argument="data", got=f"shape {data}", expected=f"a matrix of {len(attrs.shape)} rows"
        )
    return (data[1:],)


def unravel(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A new first axis with one position for each axis of ``shape``."""
    if not attrs.shape:
        raise ArgumentError(argument="shape", got=f"{attrs.shape}", expected="at least one length")
    return ((len(attrs.shape), *shapes[0]),)


def _sequence_shape(shapes: Sequence[Shape], data: Shape, axis: int, axes: int) -> None:
    if len(data) < 2:
        raise ShapeError(argument="data", got=f"shape {data}", expected="at least two axes")
    if not 0 <= axis < axes:
        raise ArgumentError(argument="axis", got=f"{axis}", expected="0 or 1" if axes == 2 else "0")
    if len(shapes) > 1 and shapes[1] != (data[1 - axis],):
        raise ShapeError(
            argument="sequence_length", got=f"shape {shapes[1]}", expected=f"{(data[1 - axis],)}"
        )


def sequence_mask(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The data's shape; time along ``axis`` and the batch along the other of the first two."""
    _sequence_shape(shapes, shapes[0], attrs.axis, 2)
    return (shapes[0],)


def sequence_reverse(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The data's shape, whose first axis is time."""
    _sequence_shape(shapes, shapes[0], attrs.axis, 1)
    return (shapes[0],)


def sequence_last(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The data's shape without the time axis."""
    data = shapes[0]
    _sequence_shape(shapes, data, attrs.axis, 2)
    return (data[: attrs.axis] + data[attrs.axis + 1 :],)


def sequence_last_into(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, of which the data are the last steps."""
    _sequence_shape((attrs.shape, *shapes[1:]), attrs.shape, attrs.axis, 2)
    if shapes[0] != attrs.shape[: attrs.axis] + attrs.shape[attrs.axis + 1 :]:
        raise ShapeError(argument="data", got=f"shape {shapes[0]}", expected=f"the steps of {attrs.shape}")
    return (attrs.shape,)


def _rows(shapes: Sequence[Shape], matrix: Shape, names: Sequence[str]) -> None:
    """Raise ShapeError unless each shape is a vector with a number for each row of the matrix."""
    if len(matrix) != 2:
        raise ShapeError(got=f"shape {matrix}", expected="a matrix")
    for name, shape in zip(names, shapes, strict=True):
        if shape != matrix[:1]:
            raise ShapeError(argument=name, got=f"shape {shape}", expected=f"{matrix[:1]}")


def onehot_encode(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The second shape, of a matrix with a row for each position."""
    _rows(shapes[:1], shapes[1], ("lhs",))
    return (shapes[1],)


def fill_element_0index(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The first shape, of a matrix; a value and a position for each row."""
    _rows(shapes[1:], shapes[0], ("mhs", "rhs"))
    return (shapes[0],)


def histogram(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A count for each bin, and one edge more."""
    if attrs.bin_cnt is None:
        edges = shapes[1]
        if len(edges) != 1 or edges[0] < 2:
            raise ShapeError(argument="bins", got=f"shape {edges}", expected="a vector of at least two edges")
        return ((edges[0] - 1,), edges)
    if attrs.bin_cnt < 1:
        raise ArgumentError(argument="bin_cnt", got=f"{attrs.bin_cnt}", expected="at least 1")
    if attrs.range is None or len(attrs.range) != 2 or not attrs.range[0] < attrs.range[1]:
        raise ArgumentError(argument="range", got=f"{attrs.range}", expected="two numbers, the smaller first")
    return ((attrs.bin_cnt,), (attrs.bin_cnt + 1,))
