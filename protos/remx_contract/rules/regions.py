"""The shape and dtype rules of ops that pool regions of feature maps."""

from __future__ import annotations

from collections.abc import Sequence

from ..dtypes import DType, int64
from ..errors import ArgumentError, ShapeError
from ..op import Attrs
from ..spec import Shape

REGION = 5
ROTATED = 6


def axes(shape: Shape, count: int, argument: str) -> None:
    if len(shape) != count:
        raise ShapeError(argument=argument, got=f"shape {shape}", expected=f"{count} axes")


def exactly(shape: Shape, wanted: Shape, argument: str) -> None:
    if shape != wanted:
        raise ShapeError(argument=argument, got=f"shape {shape}", expected=f"{wanted}")


def size_of(attrs: Attrs, name: str) -> Shape:
    """The height and width that an attribute says."""
    size: Shape = getattr(attrs, name)
    if len(size) != 2 or min(size) < 1:
        raise ArgumentError(argument=name, got=f"{size}", expected="a height and a width of at least 1")
    return size


def positive(attrs: Attrs, *names: str) -> None:
    for name in names:
        if getattr(attrs, name) < 1:
            raise ArgumentError(argument=name, got=f"{getattr(attrs, name)}", expected="at least 1")


def _regions(data: Shape, rois: Shape, columns: int = REGION) -> None:
    axes(data, 4, "data")
    axes(rois, 2, "rois")
    if rois[1] != columns:
        raise ShapeError(argument="rois", got=f"shape {rois}", expected=f"{columns} columns")


def roi_pooling(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(regions, channels, pooled height, pooled width)."""
    data, rois = shapes
    _regions(data, rois)
    return ((rois[0], data[1], *size_of(attrs, "pooled_size")),)


def place_dtype(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """int64, for places in an array."""
    return (int64,)


def placed(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``; there is a place for each element."""
    data, index = shapes
    exactly(index, data, "index")
    return (attrs.shape,)


def at_places(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the places."""
    return (shapes[1],)


def roi_align(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(regions, channels, pooled height, pooled width); there may be channels for each bin."""
    data, rois = shapes
    _regions(data, rois)
    size = size_of(attrs, "pooled_size")
    channels = data[1]
    if attrs.position_sensitive:
        if channels % (size[0] * size[1]):
            raise ShapeError(
                argument="data", got=f"shape {data}", expected="channels for each of the pooled places"
            )
        channels //= size[0] * size[1]
    return ((rois[0], channels, *size),)


def roi_align_back(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, of data of which the aligned regions have the shape of the first input."""
    result, rois = shapes
    axes(attrs.shape, 4, "shape")
    exactly(result, roi_align([attrs.shape, rois], attrs)[0], "data")
    return (attrs.shape,)


def rotated_align(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(regions, channels, pooled height, pooled width)."""
    data, rois = shapes
    _regions(data, rois, ROTATED)
    return ((rois[0], data[1], *size_of(attrs, "pooled_size")),)


def group(attrs: Attrs) -> int:
    """How many groups of channels an axis of a position-sensitive pooling has."""
    return int(attrs.group_size or attrs.pooled_size)


def ps_pooling(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(regions, output_dim, pooled_size, pooled_size)."""
    data, rois = shapes
    _regions(data, rois)
    positive(attrs, "output_dim", "pooled_size")
    if attrs.group_size < 0:
        raise ArgumentError(argument="group_size", got=f"{attrs.group_size}", expected="at least 0")
    least = attrs.output_dim * group(attrs) ** 2
    if data[1] < least:
        raise ShapeError(argument="data", got=f"shape {data}", expected=f"at least {least} channels")
    return ((rois[0], attrs.output_dim, attrs.pooled_size, attrs.pooled_size),)


def ps_pooling_back(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, of the data of a pooling whose result has the shape of the first."""
    result, *others = shapes
    exactly(result, ps_pooling([attrs.shape, others[0]], attrs)[0], "data")
    return (attrs.shape,)


def _trans(trans: Shape, rois: Shape, attrs: Attrs) -> None:
    axes(trans, 4, "trans")
    part = attrs.part_size or attrs.pooled_size
    classes = trans[1] // 2
    exactly(trans, (rois[0], 2 * classes, part, part), "trans")
    if classes < 1 or attrs.output_dim % classes:
        raise ShapeError(
            argument="trans",
            got=f"shape {trans}",
            expected="two channels for each of some classes of channels",
        )


def deformable(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(regions, output_dim, pooled_size, pooled_size)."""
    positive(attrs, "group_size", "sample_per_part")
    if attrs.part_size < 0:
        raise ArgumentError(argument="part_size", got=f"{attrs.part_size}", expected="at least 0")
    made = ps_pooling(shapes[:2], attrs)
    if not attrs.no_trans:
        _trans(shapes[2], shapes[1], attrs)
    return made


def deformable_back(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, of the data of a pooling whose result has the shape of the first."""
    result, *others = shapes
    exactly(result, deformable([attrs.shape, *others], attrs)[0], "data")
    return (attrs.shape,)


def parts(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(regions, classes, part size, part size) from (regions, channels, pooled size, pooled size)."""
    (shape,) = shapes
    axes(shape, 4, "data")
    positive(attrs, "classes", "part_size")
    if shape[1] % attrs.classes:
        raise ShapeError(
            argument="data", got=f"shape {shape}", expected=f"{attrs.classes} classes of channels"
        )
    return ((shape[0], attrs.classes, attrs.part_size, attrs.part_size),)


def parts_back(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The attribute ``shape``, whose parts have the shape of the data."""
    exactly(shapes[0], parts([attrs.shape], attrs)[0], "data")
    return (attrs.shape,)
