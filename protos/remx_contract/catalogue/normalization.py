"""Normalizations with learned scales: over a batch, a layer, a sample's channels or groups of them."""

from __future__ import annotations

from typing import Final

from ..attributes import BOOL, FLOAT, INT, STRING, optional
from ..op import NONE, RULES, ZERO, Attr, Attrs, Op
from ..rules import losses, normalizations, types

# MXNet keeps most of these numbers in single precision, and computes in double with them.
_MILLI: Final = 0.0010000000474974513
_TINY: Final = 9.99999974738e-06


def _with_moments(attrs: Attrs) -> int:
    return 3 if attrs.output_mean_var else 1


def _without_moments(attrs: Attrs) -> int:
    return 0 if attrs.output_mean_var else 2


_BATCH_ATTRS = (
    Attr("eps", FLOAT, _MILLI),
    Attr("momentum", FLOAT, 0.9),
    Attr("fix_gamma", BOOL, True),
    Attr("use_global_stats", BOOL, False),
    Attr("output_mean_var", BOOL, False),
)
_AXIS_ATTRS = (
    Attr("axis", INT, 1),
    Attr("cudnn_off", BOOL, False),
    Attr("min_calib_range", optional(FLOAT), None),
    Attr("max_calib_range", optional(FLOAT), None),
)
_BATCH_DOC = (
    "In training the mean and variance are those of the batch, and the backward pass moves `moving_mean` and "
    "`moving_var` towards them: they become `momentum` times themselves plus the rest times the batch's. "
    "Otherwise, or with `use_global_stats`, the moving ones are used and stay. With `fix_gamma`, the "
    "default, gamma counts as 1 and its gradient is 0; MXNet also writes ones into it. With "
    "`output_mean_var` the mean and 1 / sqrt(variance + eps) come too; no gradient flows through them. "
    "Data of float16 has parameters of float32."
)

ROWS = (
    Op(
        "BatchNorm",
        inputs=normalizations.BATCH_INPUTS,
        attrs=(*_BATCH_ATTRS, *_AXIS_ATTRS),
        shape=normalizations.batch,
        dtype=normalizations.batch_dtype,
        grad=RULES,
        outputs=_with_moments,
        hidden=_without_moments,
        doc="(data - mean) / sqrt(variance + eps) * gamma + beta, for each channel: each position of `axis`. "
        + _BATCH_DOC
        + " The last three attributes choose among MXNet's libraries and change nothing here.",
    ),
    Op(
        "_batch_norm_back",
        inputs=("g", "data", "gamma", "mean", "scale"),
        attrs=(Attr("axis", INT, 1), Attr("fix_gamma", BOOL, True), Attr("constant", BOOL, False)),
        shape=normalizations.batch_gradient,
        dtype=normalizations.batch_gradient_dtype,
        grad=NONE,
        outputs=3,
        doc="The gradients of data, gamma and beta of a BatchNorm, given that of its result, its mean and "
        "1 / sqrt(variance + eps), which are `constant` or depend on the data. Unrecorded passes use it.",
    ),
    Op(
        "_move_moments",
        inputs=("moving_mean", "moving_var", "mean", "scale"),
        attrs=(Attr("eps", FLOAT), Attr("momentum", FLOAT)),
        shape=normalizations.nothing,
        dtype=normalizations.no_dtypes,
        grad=ZERO,
        outputs=0,
        mutates=(0, 1),
        doc="Moves the moving mean and variance of a BatchNorm towards those of a batch, of which `mean` and "
        "1 / sqrt(variance + eps) are given.",
    ),
    Op(
        "_contrib_BatchNormWithReLU",
        inputs=normalizations.BATCH_INPUTS,
        attrs=(*_BATCH_ATTRS, *_AXIS_ATTRS),
        shape=normalizations.batch,
        dtype=normalizations.batch_dtype,
        grad=RULES,
        outputs=_with_moments,
        hidden=_without_moments,
        doc="BatchNorm, and 0 where its result is below 0. " + _BATCH_DOC + " MXNet takes 4 axes only.",
    ),
    Op(
        "_contrib_SyncBatchNorm",
        inputs=normalizations.BATCH_INPUTS,
        attrs=(*_BATCH_ATTRS, Attr("ndev", INT, 1), Attr("key", STRING)),
        shape=normalizations.batch,
        dtype=normalizations.batch_dtype,
        grad=RULES,
        outputs=_with_moments,
        hidden=_without_moments,
        doc="BatchNorm over the batches of `ndev` devices, which find each other by `key`, with the channels "
        "on axis 1. A session's batch is whole, so that its moments are those of all, whatever `ndev` is. "
        + _BATCH_DOC.replace("1 / sqrt(variance + eps)", "variance"),
    ),
    Op(
        "LayerNorm",
        inputs=("data", "gamma", "beta"),
        attrs=(Attr("axis", INT, -1), Attr("eps", FLOAT, _TINY), Attr("output_mean_var", BOOL, False)),
        shape=normalizations.layer,
        dtype=types.same,
        grad=RULES,
        outputs=_with_moments,
        hidden=_without_moments,
        doc="(data - mean) / deviation * gamma + beta, where the mean and the deviation, which is "
        "sqrt(variance + eps), are taken over `axis`, whose positions have a gamma and a beta each. With "
        "`output_mean_var` mean and deviation come too; no gradient flows through them.",
    ),
    Op(
        "InstanceNorm",
        inputs=("data", "gamma", "beta"),
        attrs=(Attr("eps", FLOAT, _MILLI),),
        shape=normalizations.instance,
        dtype=normalizations.instance_dtype,
        grad=RULES,
        hidden=2,
        doc="(data - mean) / sqrt(variance + eps) * gamma + beta, with a mean and variance for each sample "
        "and channel (axes 0 and 1), and a gamma and beta for each channel. MXNet takes float32 only; "
        "here the other floating-point dtypes are taken too.",
    ),
    Op(
        "GroupNorm",
        inputs=("data", "gamma", "beta"),
        attrs=(Attr("num_groups", INT, 1), Attr("eps", FLOAT, _TINY), Attr("output_mean_var", BOOL, False)),
        shape=normalizations.group,
        dtype=types.same,
        grad=RULES,
        outputs=_with_moments,
        hidden=_without_moments,
        doc="(data - mean) / deviation * gamma + beta, where the mean and the deviation, which is "
        "sqrt(variance + eps), are those of a sample's group of channels; groups, not channels, have a "
        "gamma and a beta each. With `output_mean_var` mean and deviation come too; no gradient flows "
        "through them.",
    ),
    Op(
        "LRN",
        inputs=("data",),
        attrs=(
            Attr("alpha", FLOAT, 1e-4),
            Attr("beta", FLOAT, 0.75),
            Attr("knorm", FLOAT, 2.0),
            Attr("nsize", INT),
        ),
        shape=losses.channels,
        dtype=types.same,
        grad=RULES,
        doc="data / (knorm + alpha / nsize * sum) ** beta, where the sum is that of the squares of a channel "
        "(axis 1) and of its (nsize - 1) // 2 neighbours on either side, as far as there are any. MXNet "
        "takes float32 with 2 or 4 axes only.",
    ),
    Op(
        "_sum_neighbours",
        inputs=("data",),
        attrs=(Attr("nsize", INT),),
        shape=losses.channels,
        dtype=types.same,
        grad=RULES,
        doc="The sum of each channel (axis 1) and its (nsize - 1) // 2 neighbours on either side.",
    ),
    Op(
        "_layer_norm_back",
        inputs=("g", "data", "gamma", "mean", "deviation"),
        attrs=(Attr("axis", INT, -1),),
        shape=normalizations.batch_gradient,
        dtype=normalizations.batch_gradient_dtype,
        grad=NONE,
        outputs=3,
        doc="The gradients of data, gamma and beta of a LayerNorm, given that of its result, its mean and "
        "its deviation. Unrecorded passes use it.",
    ),
    Op(
        "_group_norm_back",
        inputs=("g", "data", "gamma", "mean", "deviation"),
        shape=normalizations.batch_gradient,
        dtype=normalizations.batch_gradient_dtype,
        grad=NONE,
        outputs=3,
        doc="The gradients of data, gamma and beta of a GroupNorm or InstanceNorm, given that of its result, "
        "and of each sample's groups the mean and the deviation. Unrecorded passes use it.",
    ),
)
