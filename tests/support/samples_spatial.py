"""Samples of the ops that read feature maps at places."""

from __future__ import annotations

from dataclasses import replace

from .samples_base import Input, Sample, Table, distinct, sample, values, x


def _regions(*rows: tuple[float, ...], dtype: str = "float32") -> Input:
    """Regions, whose gradient is zero whatever the result does."""
    given = values(*(number for row in rows for number in row), shape=(len(rows), len(rows[0])), dtype=dtype)
    return replace(given, variable=False)


_SOME = ((0, 1.3, 1.2, 4.4, 5.1), (1, 0, 2, 7, 7), (1, 5, 5, 2, 2), (0, 2, 3, 2.2, 3.1))
_FAR = ((0, 20, 20, 30, 30), (0, -9, -9, -2, -2), (1, -3, -2, 3, 4.5), (1, 4, 3, 40, 50))
_EXACT = ((1, 0.5, 1, 4.5, 5), (0, 0, 0, 6, 6))
_MANY = tuple((k % 2, k % 5, k % 3, 2 + k % 5, 3 + k % 4) for k in range(60))


def _pooled(op: str) -> tuple[Sample, ...]:
    def data(*shape: int, dtype: str = "float32") -> Input:
        return distinct(*shape, dtype=dtype)

    made = [
        sample(data(2, 3, 6, 7), _regions(*_SOME), pooled_size=(2, 2), spatial_scale=1.0),
        sample(data(2, 3, 6, 7), _regions(*_FAR), pooled_size=(3, 2), spatial_scale=1.0),
        sample(data(2, 2, 6, 7), _regions(*_SOME), pooled_size=(1, 4), spatial_scale=0.5),
        sample(data(2, 2, 5, 5, dtype="float64"), _regions(*_SOME, dtype="float64"), pooled_size=(2, 3),
               spatial_scale=0.5),
        sample(data(2, 3, 6, 7, dtype="float16"), _regions(*_EXACT, dtype="float16"), pooled_size=(2, 2),
               spatial_scale=1.0),
        sample(data(2, 8, 9, 9), _regions(*_MANY), pooled_size=(7, 7), spatial_scale=1.0),
        sample(data(1, 2, 3, 3), replace(_regions(*_SOME[:1]), variable=True), smooth=False,
               pooled_size=(2, 2), spatial_scale=1.0),
    ]  # fmt: skip
    if op == "_contrib_ROIAlign":
        size = {"pooled_size": (2, 3), "spatial_scale": 1.0}
        made += [
            sample(data(2, 3, 6, 7), _regions(*_SOME), sample_ratio=2, **size),
            sample(data(2, 3, 6, 7), _regions(*_FAR), sample_ratio=1, **size),
            sample(data(2, 12, 6, 7), _regions(*_SOME), position_sensitive=True, **size),
            sample(data(2, 12, 6, 7), _regions(*_FAR), position_sensitive=True, sample_ratio=3, **size),
            sample(data(2, 3, 6, 7), _regions(*_SOME[:2]), aligned=True, **size),
            sample(data(2, 3, 6, 7), _regions(*_SOME[:2]), aligned=True, sample_ratio=2, **size),
        ]
    return tuple(made)


def _position_sensitive() -> tuple[Sample, ...]:
    def made(channels: int, regions: Input, dtype: str = "float32", **attrs: object) -> Sample:
        return sample(x(2, channels, 6, 7, dtype=dtype), regions, **{"spatial_scale": 1.0, **attrs})

    return (
        made(8, _regions(*_SOME), output_dim=2, pooled_size=2),
        made(9, _regions(*_FAR), output_dim=1, pooled_size=3),
        made(2, _regions(*_SOME), output_dim=2, pooled_size=3, group_size=1),
        made(12, _regions(*_SOME), output_dim=3, pooled_size=3, group_size=2, spatial_scale=0.5),
        made(9, _regions(*_SOME), output_dim=2, pooled_size=2),
        made(8, _regions(*_EXACT, dtype="float64"), "float64", output_dim=2, pooled_size=2),
        made(8, _regions(*_EXACT, dtype="float16"), "float16", output_dim=2, pooled_size=2),
        made(18, _regions(*_MANY), output_dim=2, pooled_size=3),
    )


def _deformable() -> tuple[Sample, ...]:
    def made(
        channels: int,
        regions: Input,
        *trans: Input,
        dtype: str = "float32",
        smooth: bool = True,
        **attrs: object,
    ) -> Sample:
        given = {"spatial_scale": 1.0, "group_size": 2, "pooled_size": 2, "sample_per_part": 2, **attrs}
        return sample(x(2, channels, 6, 7, dtype=dtype), regions, *trans, smooth=smooth, **given)

    some, far = _regions(*_SOME), _regions(*_FAR)
    return (
        made(8, some, x(4, 2, 2, 2), output_dim=2, part_size=2, trans_std=0.1),
        made(8, some, x(4, 4, 2, 2), output_dim=2, trans_std=0.2, sample_per_part=3),
        made(16, far, x(4, 4, 3, 3), output_dim=4, part_size=3, trans_std=0.1, spatial_scale=0.5),
        made(8, some, output_dim=2, no_trans=True, part_size=2),
        made(2, far, output_dim=2, no_trans=True, group_size=1, pooled_size=3),
        made(4, some, x(4, 2, 1, 1), output_dim=1, pooled_size=4, part_size=1, trans_std=0.3),
        made(8, _regions(*_SOME, dtype="float64"), x(4, 2, 2, 2, dtype="float64"), dtype="float64",
             output_dim=2, trans_std=0.125),
    )  # fmt: skip


_ANGLED = ((0, 3, 3, 4, 4, 30), (1, 4, 2.5, 6, 3, -75), (1, 0, 0, 5, 4, 0), (0, 9, 3, 8, 0.5, 200))

SPATIAL: Table = {
    "ROIPooling": _pooled("ROIPooling"),
    "_contrib_ROIAlign": _pooled("_contrib_ROIAlign"),
    "_contrib_PSROIPooling": _position_sensitive(),
    "_contrib_DeformablePSROIPooling": _deformable(),
    "_contrib_RROIAlign": tuple(
        sample(x(2, 3, 6, 7, dtype=dtype), _regions(*_ANGLED, dtype=dtype), grad=False, **attrs)
        for dtype, attrs in (
            ("float32", {"pooled_size": (2, 2), "spatial_scale": 1.0}),
            ("float32", {"pooled_size": (2, 3), "spatial_scale": 0.5, "sampling_ratio": 2}),
            ("float64", {"pooled_size": (3, 2), "spatial_scale": 1.0, "sampling_ratio": 3}),
        )
    ),
    "BilinearSampler": (
        sample(x(2, 3, 4, 5), x(2, 2, 3, 4, low=-0.95, high=0.95)),
        sample(x(2, 3, 4, 5), x(2, 2, 6, 3, low=-1.7, high=1.7)),
        sample(x(1, 2, 3, 3), values(-1, 0, 1, -1, 0, 1, shape=(1, 2, 1, 3)), smooth=False),
        sample(x(1, 1, 4, 5, dtype="float64"), x(1, 2, 3, 4, low=-1.2, high=1.2, dtype="float64")),
        sample(x(1, 2, 3, 5, dtype="float16"),
               values(-0.5, 0.25, 0.5, -0.5, shape=(1, 2, 1, 2), dtype="float16"), smooth=False),
        sample(x(1, 2, 3, 3), x(1, 2, 2, 2), cudnn_off=True),
        sample(x(1, 2, 3, 3), x(1, 2, 2, 2), cudnn_off=False),
    ),
    "GridGenerator": (
        sample(x(2, 6), transform_type="affine", target_shape=(3, 4)),
        sample(x(1, 6), transform_type="affine", target_shape=(5, 2)),
        sample(x(2, 2, 3, 4), transform_type="warp"),
        sample(x(1, 2, 2, 5, low=-5, high=5), transform_type="warp"),
    ),
    "SpatialTransformer": tuple(
        sample(x(2, 3, 4, 5, dtype=dtype), x(2, 6, low=-1, high=1, dtype=dtype), transform_type="affine",
               sampler_type="bilinear", target_shape=size, **attrs)
        for dtype, size, attrs in (
            ("float32", (3, 4), {}),
            ("float32", (6, 7), {"cudnn_off": True}),
            ("float64", (3, 2), {"cudnn_off": False}),
        )
    ),
}  # fmt: skip
