"""The shape and dtype rules of ops that work with boxes."""

from __future__ import annotations

from collections.abc import Sequence

from ..dtypes import DType, float32, int64
from ..errors import ArgumentError, DTypeError, ShapeError
from ..op import Attrs
from ..spec import Shape

CORNERS = 4


def boxes(shape: Shape, argument: str) -> None:
    """ShapeError unless the last axis has the four numbers of a box."""
    if not shape or shape[-1] != CORNERS:
        raise ShapeError(argument=argument, got=f"shape {shape}", expected="a last axis of length 4")


def _axes(shape: Shape, count: int, argument: str) -> None:
    if len(shape) != count:
        raise ShapeError(argument=argument, got=f"shape {shape}", expected=f"{count} axes")


def _shape(shape: Shape, wanted: Shape, argument: str) -> None:
    if shape != wanted:
        raise ShapeError(argument=argument, got=f"shape {shape}", expected=f"{wanted}")


def _above(value: float, least: float, argument: str) -> None:
    if value < least:
        raise ArgumentError(argument=argument, got=f"{value}", expected=f"at least {least}")


def single(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """float32, which is all that some ops of MXNet take."""
    for dtype in dtypes:
        if dtype != float32:
            raise DTypeError(got=dtype.name, expected="float32")
    return (float32,)


def nms_dtype(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """The dtype of the data, and the positions that the gradient needs."""
    return (dtypes[0], int64)


def nms(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the data, (..., boxes, numbers); with the positions of the rows that are kept."""
    (shape,) = shapes
    if len(shape) < 2:
        raise ShapeError(argument="data", got=f"shape {shape}", expected="at least 2 axes")
    width = shape[-1]
    taken = range(attrs.coord_start, attrs.coord_start + CORNERS)
    for name in ("score_index", "id_index"):
        index = getattr(attrs, name)
        if index < 0 and name == "id_index":
            continue
        if not 0 <= index < width or index in taken:
            raise ArgumentError(
                argument=name,
                got=f"{index}",
                expected=f"a column of {width} that is not one of the coordinates",
            )
    if not 0 <= attrs.coord_start <= width - CORNERS:
        raise ArgumentError(
            argument="coord_start", got=f"{attrs.coord_start}", expected=f"4 columns of {width} from there on"
        )
    if attrs.id_index == attrs.score_index:
        raise ArgumentError(argument="id_index", got=f"{attrs.id_index}", expected="not the score's column")
    return (shape, shape[:-1])


def kept_rows(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the rows; there is a position for each."""
    rows, index = shapes
    _shape(index, rows[:-1], "index")
    if len(rows) < 2:
        raise ShapeError(argument="data", got=f"shape {rows}", expected="at least 2 axes")
    return (rows,)


def iou(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """All but the last axes of both."""
    for shape, name in zip(shapes, ("lhs", "rhs"), strict=True):
        boxes(shape, name)
        if len(shape) < 2:
            raise ShapeError(argument=name, got=f"shape {shape}", expected="at least 2 axes")
    return (shapes[0][:-1] + shapes[1][:-1],)


def matching(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """From (..., rows, columns): what each row, and what each column is matched with."""
    (shape,) = shapes
    if len(shape) < 2:
        raise ShapeError(argument="data", got=f"shape {shape}", expected="at least 2 axes")
    return (shape[:-1], (*shape[:-2], shape[-1]))


def encode(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Targets and masks of the shape of the anchors, (batch, anchors, 4)."""
    samples, matches, anchors, refs, means, stds = shapes
    _axes(anchors, 3, "anchors")
    _axes(refs, 3, "refs")
    boxes(anchors, "anchors")
    boxes(refs, "refs")
    _shape(samples, anchors[:-1], "samples")
    _shape(matches, anchors[:-1], "matches")
    _shape(refs[:1], anchors[:1], "refs")
    _shape(means, (CORNERS,), "means")
    _shape(stds, (CORNERS,), "stds")
    return (anchors, anchors)


def decode(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """The shape of the data, (batch, anchors, 4)."""
    data, anchors = shapes
    _axes(data, 3, "data")
    boxes(data, "data")
    _shape(anchors, (data[0] if anchors[:1] == data[:1] else 1, *data[1:]), "anchors")
    return (data,)


def prior(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(1, height * width * kinds of boxes, 4) for data of (batch, channels, height, width)."""
    (shape,) = shapes
    if len(shape) < 4:
        raise ShapeError(argument="data", got=f"shape {shape}", expected="at least 4 axes")
    for name in ("sizes", "ratios"):
        _above(len(getattr(attrs, name)), 1, name)
    for name in ("steps", "offsets"):
        if len(getattr(attrs, name)) != 2:
            raise ArgumentError(argument=name, got=f"{getattr(attrs, name)}", expected="two numbers")
    if attrs.steps[0] * attrs.steps[1] < 0:
        raise ArgumentError(argument="steps", got=f"{attrs.steps}", expected="both above zero, or neither")
    count = shape[2] * shape[3] * (len(attrs.sizes) + len(attrs.ratios) - 1)
    return ((1, count, CORNERS),)


def target(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Offsets and mask of (batch, 4 * anchors), classes of (batch, anchors)."""
    anchor, label, classes = shapes
    _single_anchors(anchor)
    _axes(label, 3, "label")
    _axes(classes, 3, "cls_pred")
    if label[2] < 5:
        raise ShapeError(argument="label", got=f"shape {label}", expected="a class and 4 corners for a box")
    count = anchor[1]
    _shape(classes, (label[0], classes[1], count), "cls_pred")
    _variances(attrs)
    return ((label[0], CORNERS * count), (label[0], CORNERS * count), (label[0], count))


def detection(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(batch, anchors, 6): class, score and corners."""
    probabilities, offsets, anchor = shapes
    _axes(probabilities, 3, "cls_prob")
    _axes(offsets, 2, "loc_pred")
    _single_anchors(anchor)
    batch, _, count = probabilities
    _shape(anchor, (1, count, CORNERS), "anchor")
    _shape(offsets, (batch, CORNERS * count), "loc_pred")
    _variances(attrs)
    return ((batch, count, 6),)


def _single_anchors(shape: Shape) -> None:
    _axes(shape, 3, "anchor")
    boxes(shape, "anchor")
    _shape(shape[:1], (1,), "anchor")
    _above(shape[1], 1, "anchor")


def _variances(attrs: Attrs) -> None:
    if len(attrs.variances) != CORNERS:
        raise ArgumentError(argument="variances", got=f"{attrs.variances}", expected="four numbers")


def proposal(shapes: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """(batch * rpn_post_nms_top_n, 5): number of the image and corners; with a column of scores behind."""
    scores, deltas, info = shapes
    for shape, name in (scores, "cls_prob"), (deltas, "bbox_pred"):
        _axes(shape, 4, name)
    kinds = len(attrs.scales) * len(attrs.ratios)
    batch, _, height, width = scores
    _shape(scores, (batch, 2 * kinds, height, width), "cls_prob")
    _shape(deltas, (batch, CORNERS * kinds, height, width), "bbox_pred")
    _shape(info, (batch, 3), "im_info")
    for name in ("rpn_post_nms_top_n", "feature_stride"):
        _above(getattr(attrs, name), 1, name)
    count = batch * attrs.rpn_post_nms_top_n
    return ((count, 5), (count, 1))[: 2 if attrs.output_score else 1]
