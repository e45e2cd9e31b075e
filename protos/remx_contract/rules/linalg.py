"""The shape rules of linear algebra: stacks of matrices in the last two axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

from ..errors import ArgumentError, ShapeError
from ..op import Attrs
from ..spec import Shape
from .products import gemm2


def _matrices(shape: Shape, argument: str = "A") -> Shape:
    if len(shape) < 2 or 0 in shape[-2:]:
        raise ShapeError(argument=argument, got=f"shape {shape}", expected="matrices in the last two axes")
    return shape


def _square(shape: Shape, argument: str = "A") -> Shape:
    if len(shape) < 2 or not 0 < shape[-1] == shape[-2]:
        raise ShapeError(argument=argument, got=f"shape {shape}", expected="square matrices in the last axes")
    return shape


def _batch(shape: Shape) -> Shape:
    """What a number for each matrix has; the one number of a single matrix has an axis, too."""
    return shape[:-2] or (1,)


def square(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Square matrices give matrices of the same shape."""
    return (_square(shapes[0]),)


def gemm(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """As :func:`products.gemm2`; the third input has the product's shape."""
    (made,) = gemm2(shapes[:2], attrs)
    if shapes[2] != made:
        raise ShapeError(argument="C", got=f"shape {shapes[2]}", expected=f"{made}, that of the product")
    return (made,)


def triangular(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Square A that goes with the rows of B, or from the right with its columns."""
    a, b = shapes
    _square(a)
    size = b[-1 if attrs.rightside else -2] if len(b) >= 2 else -1
    if len(b) != len(a) or b[:-2] != a[:-2] or size != a[-1]:
        expected = f"a shape that fits {a} from the {'left' if attrs.rightside else 'right'}"
        raise ShapeError(argument="B", got=f"shape {b}", expected=expected)
    return (b,)


def syrk(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Matrices times their own transposes."""
    shape = _matrices(shapes[0])
    size = shape[-1 if attrs.transpose else -2]
    return ((*shape[:-2], size, size),)


def gelqf(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Q as A, and the square L."""
    shape = _matrices(shapes[0])
    rows, columns = shape[-2:]
    if rows > columns:
        raise ShapeError(argument="A", got=f"shape {shape}", expected="no more rows than columns")
    return (shape, (*shape[:-1], rows))


def syevd(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The eigenvectors as A, and the eigenvalues."""
    shape = _square(shapes[0])
    return (shape, shape[:-1])


def number(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A number for each square matrix."""
    return (_batch(_square(shapes[0])),)


def two_numbers(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Two numbers for each square matrix."""
    return [*number(shapes, attrs), *number(shapes, attrs)]


def _diagonal(size: int, offset: int) -> int:
    """The length of a diagonal."""
    length = size - abs(offset)
    if length < 1:
        raise ArgumentError(
            argument="offset", got=f"{offset}", expected=f"a diagonal of matrices with {size} rows"
        )
    return length


def extractdiag(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The elements of a diagonal in one axis."""
    shape = _square(shapes[0])
    return ((*shape[:-2], _diagonal(shape[-1], attrs.offset)),)


def makediag(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Matrices large enough for the last axis to be a diagonal of theirs."""
    return (_grown(shapes[0], _last(shapes[0]), attrs.offset),)


def extracttrian(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The elements of a triangle in one axis."""
    shape = _square(shapes[0])
    length = _diagonal(shape[-1], attrs.offset)
    return ((*shape[:-2], length * (length + 1) // 2),)


def maketrian(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Matrices large enough for the last axis to be a triangle of theirs."""
    count = _last(shapes[0])
    length = (isqrt(8 * count + 1) - 1) // 2
    if length * (length + 1) // 2 != count:
        raise ShapeError(
            argument="A", got=f"shape {shapes[0]}", expected="1, 3, 6, 10, ... elements in the last axis"
        )
    return (_grown(shapes[0], length, attrs.offset),)


def _last(shape: Shape) -> int:
    if not shape or not shape[-1]:
        raise ShapeError(argument="A", got=f"shape {shape}", expected="elements in a last axis")
    return shape[-1]


def _grown(shape: Shape, length: int, offset: int) -> Shape:
    size = length + abs(offset)
    return (*shape[:-1], size, size)
