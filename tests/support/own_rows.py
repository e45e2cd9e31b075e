"""Rows of the catalogue that MXNet has no op for."""

from __future__ import annotations

# Views and indexing, which are no ops in MXNet: test_kernels.py, and the tests of the client.
PLACES = {"_view", "_detach", "_index", "_index_put"}
# Initial values that MXNet computes in Python: the client's test_initializer_weights.py.
INITIAL = {"_init_bilinear"}
# What gradient rules are written with, which the gradient suites run.
HELPERS = {
    "_affine_back",
    "_bilinear_back",
    "_bilinear_sample",
    "_blank",
    "_box_nms_back",
    "_box_nms_rows",
    "_contract",
    "_deformable_back",
    "_deformable_pool",
    "_diag_into",
    "_gate",
    "_index_add",
    "_log_softmax_back",
    "_pad_back",
    "_part_spread",
    "_part_sum",
    "_pick_add",
    "_place_add",
    "_place_take",
    "_polygamma",
    "_ps_roi_pool_back",
    "_put_along",
    "_reshape",
    "_reverse_cumsum",
    "_roi_align_back",
    "_roi_places",
    "_scale_planes",
    "_scatter_nd_add",
    "_sequence_last_into",
    "_slice_into",
    "_spread_axes",
    "_spread_to",
    "_sum_axes",
    "_sum_to",
    "_take_add",
    "_take_along",
    "_unview",
    "_within",
}
