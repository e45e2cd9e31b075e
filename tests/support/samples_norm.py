"""Samples of normalizations with learned scales."""

from __future__ import annotations

from dataclasses import replace

from .samples_base import Input, Sample, Table, fixed, index, positions, sample, values, x


def _batch(*shape: int, axis: int = 1, dtype: str = "float32") -> tuple[Input, ...]:
    """Data, gamma, beta, and the moving mean and variance, for the channels of an axis."""
    kind = "float32" if dtype == "float16" else dtype
    channels = shape[axis]
    return (
        x(*shape, dtype=dtype),
        x(channels, low=0.5, high=2.0, dtype=kind),
        x(channels, low=-3.0, high=-1.0, dtype=kind),
        fixed(x(channels, dtype=kind)),
        fixed(x(channels, low=0.5, high=2.0, dtype=kind)),
    )


def _both_modes(inputs: tuple[Input, ...], **attrs: object) -> tuple[Sample, ...]:
    """The batch's moments, and the moving ones: by the mode without a gradient of MXNet's, and by the
    attribute."""
    return (
        sample(*inputs, training=True, **attrs),
        sample(*inputs, grad=False, smooth=True, **attrs),
        sample(*inputs, use_global_stats=True, **attrs),
    )


_BATCH = (
    *_both_modes(_batch(2, 3, 2, 2), fix_gamma=False),
    *_both_modes(_batch(3, 2, 2, 2)),
    *_both_modes(_batch(2, 2, 9, 8), fix_gamma=False, eps=0.01, momentum=0.6),
    sample(*_batch(2, 3, 2, 2), training=True, smooth=False, output_mean_var=True),
)
# No gradient flows through the moments, which here are constants.
_WITH_MOMENTS = sample(*_batch(2, 3, 2, 2), use_global_stats=True, output_mean_var=True, fix_gamma=False)
_BATCH_AXES = (
    *_both_modes(_batch(2, 3, 2, 4, axis=3), axis=3, fix_gamma=False),
    *_both_modes(_batch(3, 2, 2, 2, axis=0), axis=-4, fix_gamma=False),
)
_LAYER_ATTRS = {"output_mean_var": True}


def _affine(*shape: int, count: int, dtype: str = "float32") -> tuple[Input, ...]:
    """Data, gamma and beta."""
    return x(*shape, dtype=dtype), x(count, low=0.5, high=2.0, dtype=dtype), x(count, dtype=dtype)


NORMALIZATION: Table = {
    "BatchNorm": (
        *_BATCH,
        *_BATCH_AXES,
        _WITH_MOMENTS,
        *_both_modes(_batch(2, 3, 2, 2, dtype="float64"), fix_gamma=False, eps=1e-5),
        *_both_modes(_batch(5, 3), fix_gamma=False),
        *_both_modes(_batch(2, 3, 4), fix_gamma=False),
        *_both_modes(_batch(2, 2, 2, 2, 3), fix_gamma=False),
        *_both_modes(_batch(3, 2, 4, 4, dtype="float16"), fix_gamma=False),
        sample(*_batch(1, 2, 1, 1), training=True, smooth=False, fix_gamma=False),
    ),
    "_contrib_BatchNormWithReLU": (*_BATCH, _WITH_MOMENTS),
    "_contrib_SyncBatchNorm": tuple(
        replace(given, attrs={"key": f"sample{k}", **given.attrs}) for k, given in enumerate(_BATCH)
    ),
    "LayerNorm": (
        sample(*_affine(2, 3, 4, count=4)),
        sample(*_affine(2, 3, 4, count=3), axis=1),
        sample(*_affine(2, 3, 4, count=2), axis=-3, eps=0.1),
        sample(*_affine(3, 70, count=70)),
        sample(*_affine(5, count=5)),
        sample(*_affine(2, 3, 4, count=4), smooth=False, **_LAYER_ATTRS),
        sample(*_affine(2, 3, 4, count=3), smooth=False, axis=1, **_LAYER_ATTRS),
        sample(*_affine(2, 5, count=5, dtype="float64")),
        sample(*_affine(2, 5, count=5, dtype="float16")),
        sample(values(3.0, 3.0, 3.0, 3.0, shape=(2, 2)), x(2), x(2), smooth=False),
    ),
    "InstanceNorm": (
        sample(*_affine(2, 3, 4, count=3)),
        sample(*_affine(2, 3, 2, 3, count=3), eps=0.1),
        sample(*_affine(2, 2, 9, 8, count=2)),
        sample(*_affine(2, 2, 2, 2, 2, count=2)),
    ),
    "GroupNorm": (
        sample(*_affine(2, 4, 3, count=2), num_groups=2),
        sample(*_affine(2, 3, 2, 2, count=1)),
        sample(*_affine(2, 4, 5, 5, count=2), num_groups=2, eps=0.1),
        sample(*_affine(1, 3, 4, count=3), num_groups=3),
        sample(*_affine(2, 4, 3, count=2), smooth=False, num_groups=2, **_LAYER_ATTRS),
        sample(*_affine(2, 4, 3, count=2, dtype="float64"), num_groups=2),
        sample(*_affine(2, 4, 3, count=2, dtype="float16"), num_groups=2),
    ),
}

_LRN = (
    sample(x(2, 7, 2, 3), nsize=3),
    sample(x(2, 7, 2, 3), nsize=5, alpha=0.5, beta=0.6, knorm=1.5),
    sample(x(1, 3, 2, 2), nsize=9, alpha=2.0),
    sample(x(2, 5, 2, 2), nsize=4, alpha=1.0),
    sample(x(3, 6), nsize=1, alpha=0.5),
    sample(x(3, 6), nsize=3, alpha=0.5, knorm=1.0),
)
NORMALIZATION["LRN"] = _LRN


def _labels(*shape: int, high: int, dtype: str = "float32") -> Input:
    return index(*shape, low=0, high=high, dtype=dtype)


def _softmax_outputs(data: Input, label: Input, **attrs: object) -> tuple[Sample, ...]:
    return tuple(
        sample(data, label, smooth=False, **attrs, **more)
        for more in (
            {},
            {"grad_scale": 2.5},
            {"use_ignore": True, "ignore_label": 1.0},
            {"normalization": "batch"},
            {"normalization": "valid", "ignore_label": 1.0},
            {"normalization": "valid", "use_ignore": True, "ignore_label": 1.0, "grad_scale": 0.5},
            {"smooth_alpha": 0.2},
            {"smooth_alpha": 0.2, "use_ignore": True, "ignore_label": 2.0},
        )
    )


_ROWS = x(3, 4), fixed(x(3, 4, low=0.0, high=1.0))
_REGRESSIONS = (
    sample(x(3, 4), fixed(x(3, 4)), smooth=False),
    sample(x(3, 4), fixed(x(3, 4)), smooth=False, grad_scale=2.5),
    sample(x(5, 1), fixed(x(5)), smooth=False),
    sample(x(2, 3, 2), fixed(x(2, 6)), smooth=False, grad_scale=0.5),
    sample(x(4), fixed(x(4)), smooth=False),
    sample(x(2, 3, dtype="float64"), fixed(x(2, 3, dtype="float64")), smooth=False),
    sample(x(2, 3, dtype="float16"), fixed(x(2, 3, dtype="float16")), smooth=False),
)

NN_LOSSOUT: Table = {
    "SoftmaxOutput": (
        *_softmax_outputs(x(6, 4), _labels(6, high=4)),
        *_softmax_outputs(x(2, 3, 4), _labels(2, 3, high=4), preserve_shape=True),
        *_softmax_outputs(x(2, 4, 2, 2), _labels(2, 2, 2, high=4), multi_output=True),
        sample(x(2, 4, 2, 2), _labels(2, 4, high=4), smooth=False, multi_output=True),
        sample(x(2, 4, 3), _labels(2, 1, 3, high=4), smooth=False, multi_output=True, preserve_shape=True),
        # Labels that are no class, and labels of numbers of which the first are read.
        sample(x(4, 3), positions(3, -1, 1, 0, dtype="float32"), smooth=False),
        sample(x(2, 3, 4), _labels(2, 3, high=4), smooth=False),
        # No valid label.
        sample(
            x(2, 3), positions(1, 1, dtype="float32"), smooth=False, normalization="valid", ignore_label=1
        ),
        # Probabilities.
        sample(*_ROWS, smooth=False),
        sample(*_ROWS, smooth=False, grad_scale=3.0, normalization="batch", use_ignore=True),
        sample(x(2, 3, 2, 2), fixed(x(2, 3, 2, 2)), smooth=False, multi_output=True),
        sample(x(2, 3, 2), fixed(x(2, 3, 2)), smooth=False, preserve_shape=True),
        sample(x(2, 3, 2), fixed(x(2, 3, 2)), smooth=False),
        sample(x(4), fixed(x(4)), smooth=False),
        # MXNet multiplies by the result instead of by the gradient that arrives.
        sample(x(3, 4), _labels(3, high=4), smooth=False, out_grad=True),
        sample(x(3, 4, dtype="float64"), _labels(3, high=4, dtype="float64"), smooth=False),
        sample(x(3, 4, dtype="float16"), _labels(3, high=4, dtype="float16"), smooth=False),
    ),
    "LinearRegressionOutput": _REGRESSIONS,
    "LogisticRegressionOutput": _REGRESSIONS,
    "MAERegressionOutput": _REGRESSIONS,
    "SVMOutput": (
        *[
            sample(x(4, 5), _labels(4, high=5), smooth=False, **attrs)
            for attrs in (
                {},
                {"margin": 0.5},
                {"regularization_coefficient": 0.3},
                {"use_linear": True},
                {"use_linear": True, "margin": 0.5, "regularization_coefficient": 0.3},
            )
        ],
        sample(x(3, 2), positions(2, -1, 1, dtype="float32"), smooth=False),
        sample(x(3, 2, dtype="float64"), _labels(3, high=2, dtype="float64"), smooth=False),
        sample(x(3, 2, dtype="float16"), _labels(3, high=2, dtype="float16"), smooth=False),
    ),
    "softmax_cross_entropy": (
        sample(x(4, 5), _labels(4, high=5)),
        sample(x(1, 2), _labels(1, high=2)),
        sample(x(3, 4, dtype="float64"), _labels(3, high=4, dtype="float64")),
        sample(x(3, 4, dtype="float16"), _labels(3, high=4, dtype="float16")),
        sample(values(0.0, 100.0, shape=(1, 2)), positions(0, dtype="float32"), smooth=False),
    ),
}

NORMALIZATION_SMOOTH: Table = {
    "_sum_neighbours": (sample(x(2, 5, 2), nsize=3), sample(x(2, 3), nsize=9)),
    "_softmax_output_back": tuple(
        replace(given, smooth=True, attrs={"slope": True, **given.attrs})
        for given in NN_LOSSOUT["SoftmaxOutput"][:-3]
    )
    + tuple(
        replace(given, smooth=True, attrs={**given.attrs, "out_grad": out_grad})
        for given, out_grad in zip(NN_LOSSOUT["SoftmaxOutput"][3:], (True, False), strict=False)
    ),
    # MXNet takes the channels on axis 1 only.
    "_contrib_BatchNormWithReLU": _BATCH_AXES,
    # MXNet leaves the outputs of moving moments as the memory was.
    "_contrib_SyncBatchNorm": (replace(_WITH_MOMENTS, attrs={"key": "moments", **_WITH_MOMENTS.attrs}),),
}
