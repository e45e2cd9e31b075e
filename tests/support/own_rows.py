"""Rows of the catalogue that MXNet has no op for."""

from __future__ import annotations

# Views and indexing, which are no ops in MXNet: test_kernels.py, and the tests of the client.
PLACES = {"_view", "_detach", "_index", "_index_put"}
# Initial values that MXNet computes in Python: the client's test_initializer_weights.py.
INITIAL = {"_init_bilinear"}
# What gradient rules are written with, which the gradient suites run.
HELPERS = {
    "_batch_norm_back",
    "_affine_back",
    "_bilinear_back",
    "_bilinear_sample",
    "_blank",
    "_box_nms_back",
    "_box_nms_rows",
    "_contract",
    "_convolution_weight",
    "_diag_into",
    "_gate",
    "_group_norm_back",
    "_layer_norm_back",
    "_move_moments",
    "_log_softmax_back",
    "_mask_rows",
    "_mask_rows_into",
    "_index_add",
    "_inverse_or_zeros",
    "_deformable_back",
    "_deformable_pool",
    "_pad_back",
    "_part_spread",
    "_part_sum",
    "_pick_add",
    "_place_add",
    "_place_take",
    "_polygamma",
    "_pooling_pick",
    "_pooling_put",
    "_pooling_spread",
    "_pooling_sum",
    "_ps_roi_pool_back",
    "_put_along",
    "_resample",
    "_resample_back",
    "_reshape",
    "_reverse_cumsum",
    "_roi_align_back",
    "_roi_places",
    "_scale_planes",
    "_scatter_nd_add",
    "_sequence_last_into",
    "_softmax_output_back",
    "_sum_neighbours",
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
# Of these, what computes a gradient at once in passes that are not recorded, so that it needs no gradient.
UNRECORDED = {"_batch_norm_back", "_group_norm_back", "_layer_norm_back", "_move_moments"}
# Of MXNet's, those whose gradient is that of a loss, which is not their output.
LOSS_OUTPUTS = {
    "LinearRegressionOutput",
    "LogisticRegressionOutput",
    "MAERegressionOutput",
    "SVMOutput",
    "SoftmaxOutput",
}
# Ops of images that draw, which have samples all the same: of factors that leave nothing to chance.
DRAWN_IMAGES = {
    "_image_random_brightness",
    "_image_random_color_jitter",
    "_image_random_contrast",
    "_image_random_flip_left_right",
    "_image_random_flip_top_bottom",
    "_image_random_hue",
    "_image_random_lighting",
    "_image_random_saturation",
}
# Ops that MXNet has on GPUs only, which the interpreter of the golden vectors has none of: test_contrib.py.
GPU_ONLY = {"_contrib_count_sketch", "_contrib_fft", "_contrib_ifft"}
