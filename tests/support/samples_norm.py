"""Samples of normalizations with learned scales."""

from __future__ import annotations

from dataclasses import replace

from .samples_base import Input, Sample, Table, fixed, sample, values, x


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

NORMALIZATION_SMOOTH: Table = {
    # MXNet takes the channels on axis 1 only.
    "_contrib_BatchNormWithReLU": _BATCH_AXES,
    # MXNet leaves the outputs of moving moments as the memory was.
    "_contrib_SyncBatchNorm": (replace(_WITH_MOMENTS, attrs={"key": "moments", **_WITH_MOMENTS.attrs}),),
}
