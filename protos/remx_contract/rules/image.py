"""The shape and dtype rules of images, which are arrays of (height, width, channels)."""

from __future__ import annotations

from collections.abc import Sequence

from ..dtypes import DType, float32
from ..errors import ArgumentError, ShapeError
from ..op import Attrs
from ..spec import Shape


def _checked(shape: Shape, counts: tuple[int, ...], what: str) -> Shape:
    if len(shape) not in counts or 0 in shape:
        raise ShapeError(argument="data", got=f"shape {shape}", expected=what)
    return shape


def _images(shape: Shape) -> Shape:
    return _checked(shape, (3, 4), "(height, width, channels), perhaps with a batch before it")


def _coloured(shape: Shape) -> Shape:
    if shape[-1] not in (1, 3):
        raise ShapeError(argument="data", got=f"shape {shape}", expected="1 or 3 channels")
    return shape


def one(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """One image of 1 or 3 channels."""
    return (_coloured(_checked(shapes[0], (3,), "(height, width, channels)")),)


def varied(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """One image, and an interval of factors."""
    for name in ("min_factor", "max_factor"):
        if not attrs[name] >= 0:
            raise ArgumentError(argument=name, got=f"{attrs[name]}", expected="at least 0")
    return one(shapes, attrs)


def jittered(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """One image, and how much each of its properties may change."""
    for name in ("brightness", "contrast", "saturation", "hue"):
        if not attrs[name] >= 0:
            raise ArgumentError(argument=name, got=f"{attrs[name]}", expected="at least 0")
    return one(shapes, attrs)


def lit(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """One image, and a coefficient for each of three components; MXNet takes less, too."""
    if not 1 <= len(attrs.alpha) <= 3:
        raise ArgumentError(argument="alpha", got=f"{attrs.alpha}", expected="three numbers")
    return one(shapes, attrs)


def to_tensor(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The channels become the first axis of an image."""
    *batch, height, width, channels = _images(shapes[0])
    return ((*batch, channels, height, width),)


def normalize(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Tensors of (channels, height, width); a mean and a deviation for all channels or for each."""
    shape = _checked(shapes[0], (3, 4), "(channels, height, width), perhaps with a batch before it")
    channels = shape[-3]
    if channels not in (1, 3):
        raise ShapeError(argument="data", got=f"shape {shape}", expected="1 or 3 channels")
    for name in ("mean", "std"):
        if len(attrs[name]) not in (1, channels):
            raise ArgumentError(argument=name, got=f"{attrs[name]}", expected=f"1 or {channels} numbers")
    return (shape,)


def resized(shape: Shape, attrs: Attrs) -> tuple[int, int]:
    """The new height and width of images."""
    height, width = shape[-3:-1]
    size = attrs.size
    if len(size) not in (1, 2) or any(length < 1 for length in size):
        raise ArgumentError(argument="size", got=f"{size}", expected="a length, or a width and a height")
    if len(size) == 2:
        return size[1], size[0]
    (length,) = size
    if not attrs.keep_ratio:
        return length, length
    if height < width:
        return length, width * length // height
    return height * length // width, length


def resize(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Images of another height and width."""
    shape = _images(shapes[0])
    if attrs.interp not in (0, 1, 2):
        raise ArgumentError(argument="interp", got=f"{attrs.interp}", expected="0, 1 or 2")
    return ((*shape[:-3], *resized(shape, attrs), shape[-1]),)


def crop(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A part of images of 1 or 3 channels."""
    shape = _coloured(_images(shapes[0]))
    height, width = shape[-3:-1]
    for name, first, length, whole in (
        ("width", attrs.x, attrs.width, width),
        ("height", attrs.y, attrs.height, height),
    ):
        if first < 0 or length < 1 or first + length > whole:
            got = f"{length} from {first}"
            raise ArgumentError(argument=name, got=got, expected=f"a part of images of shape {shape}")
    return ((*shape[:-3], attrs.height, attrs.width, shape[-1]),)


def single(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """float32."""
    return (float32,)
