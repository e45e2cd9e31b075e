"""Boxes: kernels, and the gradient rules of those that have one."""

from __future__ import annotations

from ..boxes import CORNERS, anchors, as_center, as_corners, overlaps, suppressed, wide
from ..conversion import as_positions
from ..registry import KERNELS, kernel
from .ordering import sorted_positions

# Suppression of boxes that overlap a better one.


def _rows(xp, data, index):
    """The rows of (batch, n, width) at positions of (batch, k)."""
    return xp.take_along_axis(data, index[:, :, None], axis=1)


@kernel(op="_contrib_box_nms", kinds="f")
def box_nms(
    xp,
    data,
    overlap_thresh,
    valid_thresh,
    topk,
    coord_start,
    score_index,
    id_index,
    background_id,
    force_suppress,
    in_format,
    out_format,
):
    shape = data.shape
    count = shape[-2]
    rows = data.reshape(-1, count, shape[-1])
    if topk == 0:
        index = xp.broadcast_to(xp.arange(count), shape[:-1])
        return data.copy(), xp.ascontiguousarray(index)
    scores = rows[..., score_index]
    valid = scores > data.dtype.type(valid_thresh)
    if id_index >= 0 and background_id >= 0:
        valid &= rows[..., id_index].astype(xp.int64) != background_id
    order = sorted_positions(xp, xp.where(valid, scores, scores.dtype.type("-inf")), 1, False)
    if topk > 0:
        order = order[:, :topk]
    best = wide(xp, _rows(xp, rows, order))
    boxes = as_corners(xp, best[..., coord_start : coord_start + CORNERS], in_format)
    groups = None if force_suppress or id_index < 0 else best[..., id_index].astype(xp.int32)
    alive = xp.take_along_axis(valid, order, axis=1)
    kept = suppressed(xp, boxes, alive, lambda found: found > overlap_thresh, groups)
    index = xp.full(rows.shape[:2], -1, xp.int64)
    # The kept ones come first, in their order.
    places = sorted_positions(xp, ~kept, 1, True)
    index[:, : order.shape[1]] = xp.where(
        xp.take_along_axis(kept, places, axis=1), xp.take_along_axis(order, places, axis=1), -1
    )
    made = _picked(xp, rows, index, -1, coord_start, in_format, out_format)
    return made.reshape(shape), index.reshape(shape[:-1])


@box_nms.vjp("data")
def _(gs, out1, topk, coord_start, in_format, out_format):
    if topk == 0:
        in_format = out_format
    return box_nms_back(gs[0], out1, coord_start=coord_start, in_format=in_format, out_format=out_format)


def _picked(xp, rows, index, missing, coord_start, in_format, out_format):
    """Rows at positions, their coordinates in another format, and ``missing`` where there is no position."""
    made = _rows(xp, rows, xp.maximum(index, 0))
    if in_format != out_format:
        boxes = wide(xp, made[..., coord_start : coord_start + CORNERS])
        boxes = as_center(xp, boxes) if out_format == "center" else as_corners(xp, boxes, in_format)
        made[..., coord_start : coord_start + CORNERS] = boxes
    made[index < 0] = missing
    return made


@kernel(op="_box_nms_rows", kinds="f")
def box_nms_rows(xp, data, index, coord_start, in_format, out_format):
    count, width = data.shape[-2:]
    rows, places = data.reshape(-1, count, width), index.reshape(-1, count)
    return _picked(xp, rows, places, 0, coord_start, in_format, out_format).reshape(data.shape)


@box_nms_rows.vjp("data")
def _(g, index, coord_start, in_format, out_format):
    return box_nms_back(g, index, coord_start=coord_start, in_format=in_format, out_format=out_format)


def _turned(xp, boxes, in_format, out_format):
    """The transposed change of format."""
    if in_format == out_format:
        return boxes
    first, second = boxes[..., :2], boxes[..., 2:]
    if out_format == "center":
        return xp.concatenate((first / 2 - second, first / 2 + second), axis=-1)
    return xp.concatenate((first + second, (second - first) / 2), axis=-1)


@kernel(op="_box_nms_back", kinds="f")
def box_nms_back(xp, data, index, coord_start, in_format, out_format):
    count, width = data.shape[-2:]
    rows, places = data.reshape(-1, count, width).copy(), index.reshape(-1, count)
    columns = slice(coord_start, coord_start + CORNERS)
    rows[..., columns] = _turned(xp, wide(xp, rows[..., columns]), in_format, out_format)
    # Each position comes once; what has none goes to a row that is cut off.
    made = xp.zeros((len(rows), count + 1, width), data.dtype)
    made[xp.arange(len(rows))[:, None], xp.where(places < 0, count, places)] = rows
    return xp.ascontiguousarray(made[:, :count]).reshape(data.shape)


@box_nms_back.vjp("data")
def _(g, index, coord_start, in_format, out_format):
    return box_nms_rows(g, index, coord_start=coord_start, in_format=in_format, out_format=out_format)


def _no_gradient(rule_of):
    def rule(g, in_specs):
        return KERNELS["_blank"](g, shape=in_specs[1].shape)

    rule_of.vjp("index")(rule)


for _kernel in (box_nms_rows, box_nms_back):
    _no_gradient(_kernel)


# Overlaps and matches.


@kernel(op="_contrib_box_iou", kinds="f")
def box_iou(xp, lhs, rhs, format, out_specs):
    left = as_corners(xp, wide(xp, lhs).reshape(-1, 1, CORNERS), format)
    right = as_corners(xp, wide(xp, rhs).reshape(1, -1, CORNERS), format)
    return overlaps(xp, left, right).astype(lhs.dtype, copy=False).reshape(out_specs[0].shape)


def _best_pairs(xp, scores, limit, good):
    """Rows and columns paired up, the best score first.

    Parameters
    ----------
    xp : module
    scores : array, shape (batch, rows, columns)
        The larger the better; overwritten.
    limit : int
        The number of pairs at most.
    good : callable
        From scores to whether they are good enough for a pair.

    Returns
    -------
    tuple of array
        The column of each row and the row of each column, or -1, as int64.
    """
    batch, rows, columns = scores.shape
    of_rows = xp.full((batch, rows), -1, xp.int64)
    of_columns = xp.full((batch, columns), -1, xp.int64)
    lanes = xp.arange(batch)
    for _ in range(min(limit, rows, columns)):
        flat = scores.reshape(batch, -1)
        best = flat.argmax(axis=1)
        found = good(flat[lanes, best])
        if not bool(found.any()):
            break
        row, column = best // columns, best % columns
        of_rows[lanes, row] = xp.where(found, column, of_rows[lanes, row])
        of_columns[lanes, column] = xp.where(found, row, of_columns[lanes, column])
        scores[lanes, row] = -xp.inf
        scores[lanes, :, column] = -xp.inf
    return of_rows, of_columns


@kernel(op="_contrib_bipartite_matching", kinds="f")
def bipartite_matching(xp, data, is_ascend, threshold, topk, out_specs):
    scores = data.reshape(-1, *data.shape[-2:])
    scores = -scores if is_ascend else scores.copy()
    least = data.dtype.type(-threshold if is_ascend else threshold)
    limit = topk + 1 if topk > 0 else scores.shape[1]
    if not scores.size:
        found = [xp.full(spec.shape, -1, data.dtype) for spec in out_specs]
        return found[0], found[1]
    pairs = _best_pairs(xp, scores, limit, lambda score: score > least)
    rows, columns = (
        found.reshape(spec.shape).astype(data.dtype) for found, spec in zip(pairs, out_specs, strict=True)
    )
    return rows, columns


# Offsets from anchors.


def _offsets(xp, boxes, bases):
    """Where boxes lie seen from others, both given by corners: the center and the logarithm of the size."""
    box, base = as_center(xp, boxes), as_center(xp, bases)
    moved = (box[..., :2] - base[..., :2]) / base[..., 2:]
    return xp.concatenate((moved, xp.log(box[..., 2:] / base[..., 2:])), axis=-1)


def _placed(xp, offsets, base, limit=-1.0):
    """Corners of the boxes at offsets from bases, given by center and size."""
    center = offsets[..., :2] * base[..., 2:] + base[..., :2]
    grown = offsets[..., 2:]
    if limit > 0:
        grown = xp.minimum(grown, grown.dtype.type(limit))
    half = xp.exp(grown) * (base[..., 2:] / 2)
    return xp.concatenate((center - half, center + half), axis=-1)


@kernel(op="_contrib_box_encode", kinds="f")
def box_encode(xp, samples, matches, anchors, refs, means, stds):
    dtype = anchors.dtype
    samples, anchors, refs, means, stds = (wide(xp, array) for array in (samples, anchors, refs, means, stds))
    chosen = samples > 0.5
    which = xp.clip(as_positions(xp, matches), 0, refs.shape[1] - 1)
    # Anchors that do not count may be anything, without a logarithm of it.
    box = xp.where(chosen[..., None], _rows(xp, refs, which), anchors)
    with_size = xp.where(chosen[..., None], anchors, xp.asarray((0, 0, 1, 1), dtype=anchors.dtype))
    box = xp.where(chosen[..., None], box, with_size)
    made = (_offsets(xp, box, with_size) - means) / stds
    mask = xp.broadcast_to(chosen[..., None], made.shape)
    return xp.where(mask, made, made.dtype.type(0)).astype(dtype, copy=False), mask.astype(dtype)


@kernel(op="_contrib_box_decode", kinds="f")
def box_decode(xp, data, anchors, std0, std1, std2, std3, clip, format):
    dtype = data.dtype
    data, base = wide(xp, data), wide(xp, anchors)
    if format == "corner":
        base = as_center(xp, base)
    scale = xp.asarray((std0, std1, std2, std3), dtype=data.dtype)
    return _placed(xp, data * scale, base, clip).astype(dtype, copy=False)


# Anchors of several sizes, their targets and what is found at them.


@kernel(op="_contrib_MultiBoxPrior", kinds="f")
def multi_box_prior(xp, data, sizes, ratios, clip, steps, offsets, out_specs):
    height, width = data.shape[2:4]
    single = xp.float32
    step_y, step_x = (
        step if step > 0 else 1 / max(length, 1) for step, length in zip(steps, (height, width), strict=True)
    )
    y = (xp.arange(height, dtype=single) + single(offsets[0])) * single(step_y)
    x = (xp.arange(width, dtype=single) + single(offsets[1])) * single(step_x)
    kinds = [(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]]
    stretch = height / max(width, 1)
    across = [size * stretch * ratio**0.5 / 2 for size, ratio in kinds]
    along = [size / ratio**0.5 / 2 for size, ratio in kinds]
    half = xp.asarray([(w, h) for w, h in zip(across, along, strict=True)], dtype=single)
    center = xp.empty((height, width, 1, 2), single)
    center[..., 0] = x[None, :, None]
    center[..., 1] = y[:, None, None]
    made = xp.concatenate((center - half, center + half), axis=-1).reshape(out_specs[0].shape)
    return xp.clip(made, 0, 1) if clip else made


@kernel(op="_contrib_MultiBoxTarget", kinds="f")
def multi_box_target(
    xp,
    anchor,
    label,
    cls_pred,
    overlap_threshold,
    ignore_label,
    negative_mining_ratio,
    negative_mining_thresh,
    variances,
    out_specs,
):
    batch, count = len(label), anchor.shape[1]
    # The first class of -1 ends the boxes.
    real = xp.cumprod((label[..., 0] != -1).astype(xp.int64), axis=1) > 0
    if not label.shape[1] or not batch:
        zeros = xp.zeros(out_specs[0].shape, anchor.dtype)
        return zeros, zeros.copy(), xp.full((batch, count), ignore_label, anchor.dtype)
    shared = overlaps(xp, anchor[0][None, :, None], label[:, None, :, 1:5])
    shared = xp.where(real[:, None, :], shared, shared.dtype.type(-1))
    best, match = shared.max(axis=2), shared.argmax(axis=2)
    forced, _ = _best_pairs(xp, shared, label.shape[1], lambda score: score > 1e-6)
    positive = forced >= 0
    match = xp.where(positive, forced, match)
    if overlap_threshold > 0:
        positive |= best > overlap_threshold
    negative = ~positive
    if negative_mining_ratio > 0:
        candidates = negative & (best < negative_mining_thresh)
        negative = _hardest(xp, cls_pred, candidates, positive, negative_mining_ratio)
    some = real.any(axis=1)[:, None]
    negative &= some
    box = _rows(xp, label, match)
    # Boxes at anchors that are not positive may have no size.
    corners = xp.where(positive[..., None], box[..., 1:5], anchor)
    made = _offsets(xp, corners, anchor) / xp.asarray(variances, dtype=anchor.dtype)
    mask = xp.broadcast_to(positive[..., None], made.shape)
    made = xp.where(mask, made, made.dtype.type(0))
    classes = xp.where(negative, anchor.dtype.type(0), anchor.dtype.type(ignore_label))
    classes = xp.where(positive, box[..., 0] + 1, classes)
    return made.reshape(batch, -1), mask.astype(anchor.dtype).reshape(batch, -1), classes


def _hardest(xp, predicted, candidates, positive, ratio):
    """Of the candidates those whose background is predicted least, in proportion to the positive ones."""
    odds = xp.exp(predicted - predicted.max(axis=1, keepdims=True))
    background = xp.where(candidates, odds[:, 0] / odds.sum(axis=1), xp.float32(2))
    order = sorted_positions(xp, background, 1, True)
    found = positive.sum(axis=1)
    wanted = xp.minimum((found * xp.float32(ratio)).astype(xp.int64), positive.shape[1] - found)
    rank = sorted_positions(xp, order, 1, True)
    return candidates & (rank < wanted[:, None])


@kernel(op="_contrib_MultiBoxDetection", kinds="f")
def multi_box_detection(
    xp, cls_prob, loc_pred, anchor, clip, threshold, nms_threshold, force_suppress, variances, nms_topk
):
    batch, classes, count = cls_prob.shape
    single = xp.float32
    if classes < 2 or not batch:
        return xp.full((batch, count, 6), -1, single)
    score = cls_prob[:, 1:].max(axis=1)
    which = cls_prob[:, 1:].argmax(axis=1)
    valid = (score >= single(threshold)) & (score > -1)
    offsets = loc_pred.reshape(batch, count, CORNERS) * xp.asarray(variances, dtype=single)
    boxes = _placed(xp, offsets, as_center(xp, anchor))
    if clip:
        boxes = xp.clip(boxes, 0, 1)
    found = xp.concatenate((which.astype(single)[..., None], score[..., None], boxes), axis=2)
    # Detections first: in the order of the anchors, and then the best first.
    places = sorted_positions(xp, ~valid, 1, True)
    found, valid = _rows(xp, found, places), xp.take_along_axis(valid, places, axis=1)
    if 0 < nms_threshold <= 1:
        found = _suppress(xp, found, valid, nms_threshold, force_suppress, nms_topk)
    found[~valid] = -1
    return found


def _suppress(xp, found, valid, threshold, force_suppress, topk):
    """Detections, the best first, those that a better one removes or that are too many in class -1."""
    order = sorted_positions(xp, xp.where(valid, found[..., 1], xp.float32("-inf")), 1, False)
    best = _rows(xp, found, order)
    count = found.shape[1]
    few = xp.arange(count) < (topk if topk > 0 else count)
    alive = valid & few
    groups = None if force_suppress else best[..., 0]
    kept = suppressed(xp, best[..., 2:], alive, lambda shared: shared >= threshold, groups)
    # MXNet sorts no more rows than it keeps.
    made = xp.where(few[:, None], best, found)
    made[..., 0] = xp.where(kept, made[..., 0], xp.float32(-1))
    return made


# Proposals.


def _proposals(
    xp,
    cls_prob,
    bbox_pred,
    im_info,
    rpn_pre_nms_top_n,
    rpn_post_nms_top_n,
    threshold,
    rpn_min_size,
    scales,
    ratios,
    feature_stride,
    output_score,
    iou_loss,
):
    batch, channels, height, width = cls_prob.shape
    kinds = channels // 2
    scores = cls_prob[:, kinds:].transpose(0, 2, 3, 1).reshape(batch, -1)
    boxes = _seen(xp, bbox_pred, im_info, feature_stride, scales, ratios, iou_loss)
    inside = _inside(xp, im_info, height, width, kinds, feature_stride)
    scores = xp.where(inside, scores, xp.float32(-1))
    least = (im_info[:, 2] * xp.float32(rpn_min_size))[:, None]
    small = ((boxes[..., 2:] - boxes[..., :2] + 1) < least[..., None]).any(axis=-1)
    grow = xp.where(small, least / 2, xp.float32(0))[..., None]
    boxes = xp.concatenate((boxes[..., :2] - grow, boxes[..., 2:] + grow), axis=-1)
    scores = xp.where(small, xp.float32(-1), scores)

    order = sorted_positions(xp, scores, 1, False)
    if rpn_pre_nms_top_n > 0:
        order = order[:, :rpn_pre_nms_top_n]
    boxes, scores = _rows(xp, boxes, order), xp.take_along_axis(scores, order, axis=1)
    everything = xp.ones(order.shape, bool)
    kept = suppressed(xp, boxes, everything, lambda shared: shared > threshold, None, 1, rpn_post_nms_top_n)
    places = sorted_positions(xp, ~kept, 1, True)
    # Where there are too few, they are repeated.
    found = xp.minimum(kept.sum(axis=1), rpn_post_nms_top_n)
    which = xp.arange(rpn_post_nms_top_n) % xp.maximum(found, 1)[:, None]
    chosen = xp.take_along_axis(places, which, axis=1)
    made = xp.empty((batch, rpn_post_nms_top_n, 5), xp.float32)
    made[..., 0] = xp.arange(batch)[:, None]
    made[..., 1:] = _rows(xp, boxes, chosen)
    made = made.reshape(-1, 5)
    if not output_score:
        return made
    return made, xp.ascontiguousarray(xp.take_along_axis(scores, chosen, axis=1)).reshape(-1, 1)


def _seen(xp, deltas, im_info, stride, scales, ratios, iou_loss):
    """The corners of all predicted boxes of images, (batch, boxes, 4), limited to the images."""
    batch, _, height, width = deltas.shape
    first = anchors(xp, stride, scales, ratios)
    shift = xp.zeros((height, width, 1, CORNERS), xp.float32)
    shift[..., 0::2] = (xp.arange(width) * stride)[None, :, None, None]
    shift[..., 1::2] = (xp.arange(height) * stride)[:, None, None, None]
    bases = (first + shift).reshape(-1, CORNERS)
    given = deltas.reshape(batch, len(first), CORNERS, height, width).transpose(0, 3, 4, 1, 2)
    given = given.reshape(batch, -1, CORNERS)
    if iou_loss:
        boxes = bases + given
    else:
        # The last pixel belongs to a box.
        size = bases[:, 2:] - bases[:, :2] + 1
        middle = bases[:, :2] + (size - 1) / 2
        center = given[..., :2] * size + middle
        half = (xp.exp(given[..., 2:]) * size - 1) / 2
        boxes = xp.concatenate((center - half, center + half), axis=-1)
    last = im_info[:, None, [1, 0, 1, 0]] - 1
    return xp.maximum(xp.minimum(boxes, last), 0)


def _inside(xp, im_info, height, width, kinds, stride):
    """Which anchors have their place in the image, which may be smaller than the feature map."""
    places = (im_info[:, :2] / xp.float32(stride)).astype(xp.int64)
    rows = xp.arange(height) < places[:, :1]
    columns = xp.arange(width) < places[:, 1:]
    inside = rows[:, :, None] & columns[:, None, :]
    return xp.repeat(inside.reshape(len(im_info), -1), kinds, axis=1)


for _name in ("_contrib_Proposal", "_contrib_MultiProposal"):
    kernel(_proposals, op=_name, kinds="f")
