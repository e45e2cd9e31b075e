"""Boxes: overlaps, suppression of what overlaps, anchors and their targets, proposals."""

from __future__ import annotations

from ..attributes import BOOL, FLOAT, FLOATS, INT, choice
from ..op import RULES, ZERO, Attr, Op
from ..rules import detection, types

_VARIANCES = Attr("variances", FLOATS, (0.1, 0.1, 0.2, 0.2))
_FORMAT = choice("center", "corner")
_FORMATS = (Attr("in_format", _FORMAT, "corner"), Attr("out_format", _FORMAT, "corner"))
_KEPT = (Attr("coord_start", INT, 2), *_FORMATS)
_PROPOSAL = (
    Attr("rpn_pre_nms_top_n", INT, 6000),
    Attr("rpn_post_nms_top_n", INT, 300),
    Attr("threshold", FLOAT, 0.7),
    Attr("rpn_min_size", INT, 16),
    Attr("scales", FLOATS, (4.0, 8.0, 16.0, 32.0)),
    Attr("ratios", FLOATS, (0.5, 1.0, 2.0)),
    Attr("feature_stride", INT, 16),
    Attr("output_score", BOOL, False),
    Attr("iou_loss", BOOL, False),
)
_PROPOSAL_DOC = (
    "Boxes that may hold objects, from the scores `cls_prob`, (batch, 2 * kinds, height, width), and the "
    "offsets `bbox_pred`, (batch, 4 * kinds, height, width), of the anchors of every place of a feature map. "
    "Anchors are `scales` and `ratios` of squares of `feature_stride` pixels. A row of `im_info` is the "
    "height, width and scale of an image. Boxes are limited to the image; those with a side below "
    "`rpn_min_size` come last; of the best `rpn_pre_nms_top_n` those are kept that overlap no better one by "
    "more than `threshold`. The result has `rpn_post_nms_top_n` rows of image number and corners, with "
    "`output_score` a column of scores too; where fewer boxes are left, they are repeated. `iou_loss` says "
    "that offsets are added to the corners. "
)


ROWS = (
    Op(
        "_contrib_box_nms",
        inputs=("data",),
        attrs=(
            Attr("overlap_thresh", FLOAT, 0.5),
            Attr("valid_thresh", FLOAT, 0.0),
            Attr("topk", INT, -1),
            Attr("coord_start", INT, 2),
            Attr("score_index", INT, 1),
            Attr("id_index", INT, -1),
            Attr("background_id", INT, -1),
            Attr("force_suppress", BOOL, False),
            *_FORMATS,
        ),
        shape=detection.nms,
        dtype=detection.nms_dtype,
        grad=RULES,
        hidden=1,
        aliases=("_contrib_box_non_maximum_suppression",),
        doc="Of boxes that overlap by more than `overlap_thresh` only the one with the best score, the best "
        "first; the rows that are left over become -1. A row has a score, four coordinates, and, with "
        "`id_index`, a class: boxes of other classes do not count unless `force_suppress`. Rows with a score "
        "of at most `valid_thresh` or of class `background_id` are dropped, and those beyond the best "
        "`topk`; `topk=0` changes nothing. The gradient goes to the rows that are kept; between two formats "
        "it is the derivative, where MXNet copies it.",
    ),
    Op(
        "_box_nms_rows",
        inputs=("data", "index"),
        attrs=_KEPT,
        shape=detection.kept_rows,
        dtype=types.data,
        grad=RULES,
        doc="The rows at positions, with coordinates in another format; zeros for position -1.",
    ),
    Op(
        "_box_nms_back",
        inputs=("data", "index"),
        attrs=_KEPT,
        shape=detection.kept_rows,
        dtype=types.data,
        grad=RULES,
        doc="Rows put back to the positions that `_box_nms_rows` took them from: its gradient.",
    ),
    Op(
        "_contrib_box_iou",
        inputs=("lhs", "rhs"),
        attrs=(Attr("format", _FORMAT, "corner"),),
        shape=detection.iou,
        dtype=types.same,
        grad=ZERO,
        doc="The area that two boxes share divided by the area that they cover, for every pair; boxes are "
        "corners (left, top, right, bottom) or center, width and height. Its gradient is zero, as in MXNet.",
    ),
    Op(
        "_contrib_bipartite_matching",
        inputs=("data",),
        attrs=(Attr("is_ascend", BOOL, False), Attr("threshold", FLOAT), Attr("topk", INT, -1)),
        shape=detection.matching,
        dtype=types.same,
        grad=ZERO,
        outputs=2,
        doc="Pairs of rows and columns, the best score first, no row or column twice, as long as scores are "
        "above `threshold` (below, with `is_ascend`): for each row its column and for each column its row, "
        "or -1. With `topk` above 0, at most `topk` + 1 pairs, as MXNet counts them.",
    ),
    Op(
        "_contrib_box_encode",
        inputs=("samples", "matches", "anchors", "refs", "means", "stds"),
        shape=detection.encode,
        dtype=types.same,
        grad=ZERO,
        outputs=2,
        doc="What a network should predict for anchors, (batch, anchors, 4) corners: center and logarithm "
        "of the size of the box of `refs` that `matches` names, relative to the anchor, less `means`, "
        "divided by `stds`; and a mask. Both are 0 where `samples` is not 1.",
    ),
    Op(
        "_contrib_box_decode",
        inputs=("data", "anchors"),
        attrs=(
            *(Attr(f"std{number}", FLOAT, 1.0) for number in range(4)),
            Attr("clip", FLOAT, -1.0),
            Attr("format", _FORMAT, "center"),
        ),
        shape=detection.decode,
        dtype=types.same,
        grad=ZERO,
        doc="Boxes as corners from predicted offsets and the anchors, (1, anchors, 4) in `format` "
        "or, unlike in MXNet, some for each image: `_contrib_box_encode` backwards. "
        "With `clip` above 0, logarithms of sizes are at most that.",
    ),
    Op(
        "_contrib_MultiBoxPrior",
        inputs=("data",),
        attrs=(
            Attr("sizes", FLOATS, (1.0,)),
            Attr("ratios", FLOATS, (1.0,)),
            Attr("clip", BOOL, False),
            Attr("steps", FLOATS, (-1.0, -1.0)),
            Attr("offsets", FLOATS, (0.5, 0.5)),
        ),
        shape=detection.prior,
        dtype=detection.single,
        grad=ZERO,
        doc="Anchors for every place of a feature map, as corners between 0 and 1: one of each of `sizes` "
        "with the first of `ratios`, and one of each further ratio with the first size. Centers are `steps` "
        "apart (vertical, horizontal; by default a place's share) and begin at `offsets` of a step; `clip` "
        "limits corners to the picture.",
    ),
    Op(
        "_contrib_MultiBoxTarget",
        inputs=("anchor", "label", "cls_pred"),
        attrs=(
            Attr("overlap_threshold", FLOAT, 0.5),
            Attr("ignore_label", FLOAT, -1.0),
            Attr("negative_mining_ratio", FLOAT, -1.0),
            Attr("negative_mining_thresh", FLOAT, 0.5),
            Attr("minimum_negative_samples", INT, 0),
            _VARIANCES,
        ),
        shape=detection.target,
        dtype=detection.single,
        grad=ZERO,
        outputs=3,
        doc="What a network should predict for anchors: offsets, their mask, and classes, of which 0 is "
        "background. Each box of `label` (class and corners; the first with class -1 ends them) gets the "
        "anchor that overlaps it best, and anchors that overlap a box by more than `overlap_threshold` get "
        "that. With `negative_mining_ratio` above 0 only so many times as many anchors are background, "
        "those with the smallest predicted background whose overlap is below `negative_mining_thresh`, and "
        "the others get `ignore_label`; where there are fewer, all of them, which MXNet refuses. "
        "`minimum_negative_samples` does nothing, as in MXNet on a CPU.",
    ),
    Op(
        "_contrib_MultiBoxDetection",
        inputs=("cls_prob", "loc_pred", "anchor"),
        attrs=(
            Attr("clip", BOOL, True),
            Attr("threshold", FLOAT, 0.01),
            Attr("background_id", INT, 0),
            Attr("nms_threshold", FLOAT, 0.5),
            Attr("force_suppress", BOOL, False),
            _VARIANCES,
            Attr("nms_topk", INT, -1),
        ),
        shape=detection.detection,
        dtype=detection.single,
        grad=ZERO,
        doc="Rows of class, score and corners for anchors whose best class has a score of at least "
        "`threshold`, the best first. Class -1 marks those that overlap a better one of their class (of any, "
        "with `force_suppress`) by `nms_threshold` or more, and those behind the best `nms_topk`; all "
        "numbers of what is no detection are -1. Class 0 of `cls_prob` is the background whatever "
        "`background_id` says, as in MXNet.",
    ),
    Op(
        "_contrib_Proposal",
        inputs=("cls_prob", "bbox_pred", "im_info"),
        attrs=_PROPOSAL,
        shape=detection.proposal,
        dtype=detection.single,
        grad=ZERO,
        outputs=lambda attrs: 2 if attrs.output_score else 1,
        doc=_PROPOSAL_DOC + "MXNet takes one image only.",
    ),
    Op(
        "_contrib_MultiProposal",
        inputs=("cls_prob", "bbox_pred", "im_info"),
        attrs=_PROPOSAL,
        shape=detection.proposal,
        dtype=detection.single,
        grad=ZERO,
        outputs=lambda attrs: 2 if attrs.output_score else 1,
        doc=_PROPOSAL_DOC + "Images come one after the other.",
    ),
)
