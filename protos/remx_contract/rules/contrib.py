"""The shape and dtype rules of MXNet's contributed ops."""

from __future__ import annotations

from collections.abc import Sequence

from ..dtypes import DType, int64, uint8
from ..errors import ArgumentError, ShapeError
from ..op import Attrs
from ..spec import Shape
from .shapes import normalize_axis

# Attention: arrays of shape (length, batch, heads * parts * size), in which the parts of a head (its query,
# key and value) lie side by side.


def _heads(shape: Shape, parts: int, attrs: Attrs, argument: str) -> int:
    """The size of a head's part."""
    if attrs.heads < 1:
        raise ArgumentError(argument="heads", got=f"{attrs.heads}", expected="at least 1")
    if len(shape) != 3 or not shape[2] or shape[2] % (parts * attrs.heads):
        wanted = f"(length, batch, a multiple of {parts * attrs.heads})"
        raise ShapeError(argument=argument, got=f"shape {shape}", expected=wanted)
    size: int = shape[2] // (parts * attrs.heads)
    return size


def _attention(shape: Shape, wanted: Shape) -> None:
    if shape != wanted:
        raise ShapeError(argument="attention", got=f"shape {shape}", expected=f"{wanted}")


def selfatt_qk(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A square matrix for each head and each element of the batch."""
    (length, batch, _), _ = shapes[0], _heads(shapes[0], 3, attrs, "queries_keys_values")
    return ((batch * attrs.heads, length, length),)


def selfatt_valatt(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A value for each place, head and element of the batch."""
    given, attention = shapes
    size = _heads(given, 3, attrs, "queries_keys_values")
    length, batch, _ = given
    _attention(attention, (batch * attrs.heads, length, length))
    return ((length, batch, attrs.heads * size),)


def encdec_qk(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A matrix for each head and each element of the batch."""
    queries, keys = shapes
    size = _heads(queries, 1, attrs, "queries")
    if _heads(keys, 2, attrs, "keys_values") != size or keys[1] != queries[1]:
        expected = f"(length, {queries[1]}, {2 * queries[2]})"
        raise ShapeError(argument="keys_values", got=f"shape {keys}", expected=expected)
    return ((queries[1] * attrs.heads, queries[0], keys[0]),)


def encdec_valatt(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A value for each query, head and element of the batch."""
    keys, attention = shapes
    size = _heads(keys, 2, attrs, "keys_values")
    length, batch, _ = keys
    queries = attention[1] if len(attention) == 3 else -1
    _attention(attention, (batch * attrs.heads, queries, length))
    return ((queries, batch, attrs.heads * size),)


# Signals.


def _width(shape: Shape, dims: tuple[int, ...]) -> int:
    if len(shape) not in dims or 0 in shape:
        raise ShapeError(
            argument="data", got=f"shape {shape}", expected=f"{' or '.join(map(str, dims))} axes"
        )
    return shape[-1]


def fft(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A real and an imaginary part in the place of each number of the last axis."""
    return ((*shapes[0][:-1], 2 * _width(shapes[0], (2, 4))),)


def ifft(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A number in the place of two of the last axis."""
    width = _width(shapes[0], (2, 4))
    if width < 2:
        raise ShapeError(argument="data", got=f"shape {shapes[0]}", expected="pairs in the last axis")
    return ((*shapes[0][:-1], width // 2),)


def count_sketch(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Rows of length ``out_dim``; a position and a sign for each column."""
    data = shapes[0]
    width = _width(data, (2,))
    if attrs.out_dim < 1:
        raise ArgumentError(argument="out_dim", got=f"{attrs.out_dim}", expected="at least 1")
    for name, shape in zip("hs", shapes[1:], strict=True):
        # MXNet reads the first row of them.
        if len(shape) != 2 or not shape[0] or shape[1] != width:
            raise ShapeError(argument=name, got=f"shape {shape}", expected=f"{(1, width)}")
    return ((data[0], attrs.out_dim),)


# Positions.


def index_copy(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the old array; a new row for each number of the index."""
    old, index, new = shapes
    if len(index) != 1:
        raise ShapeError(argument="index_vector", got=f"shape {index}", expected="a vector")
    if not old or new != (*index, *old[1:]):
        raise ShapeError(argument="new_tensor", got=f"shape {new}", expected=f"{(*index, *old[1:])}")
    return (old,)


def index_array(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A new last axis with a number for each axis."""
    ndim = len(shapes[0])
    if attrs.axes is None:
        return ((*shapes[0], ndim),)
    for axis in attrs.axes:
        normalize_axis(axis, ndim, "axes")
    return ((*shapes[0], len(attrs.axes)),)


def mask_rows(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """So many rows of the data; the mask is a vector with a number for each."""
    data, mask = shapes
    if not data or mask != data[:1]:
        raise ShapeError(argument="index", got=f"shape {mask}", expected=f"{data[:1] or 'a vector'}")
    if not 0 <= attrs.count <= data[0]:
        raise ArgumentError(argument="count", got=f"{attrs.count}", expected=f"at most {data[0]}")
    return ((attrs.count, *data[1:]),)


def mask_rows_into(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """As many rows as the mask has numbers."""
    data, mask = shapes
    if not data or len(mask) != 1 or data[0] > mask[0]:
        raise ShapeError(argument="index", got=f"shape {mask}", expected="a number for each row")
    return ((*mask, *data[1:]),)


# Further dtypes.


def places(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """int64."""
    return (int64,)


def truth(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """uint8."""
    return (uint8,)


def equal_shapes(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """One number for two arrays of one shape."""
    if shapes[0] != shapes[1]:
        raise ShapeError(argument="b", got=f"shape {shapes[1]}", expected=f"{shapes[0]}")
    return ((),)
