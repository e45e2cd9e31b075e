"""Smooth samples beyond those with golden vectors, for gradients alone.

They are of the ops that MXNet does not have, mostly those that gradient rules are made of, and of attributes
and orders of axes that the other samples leave out.
"""

from __future__ import annotations

from dataclasses import replace

from .samples_base import Sample, Table, away, distinct, index, positions, regular, sample, x
from .samples_convolution import CONVOLUTION_PARTS
from .samples_norm import NORMALIZATION_SMOOTH

_KEY = (("slice", 1, None, None), ("int", 0), ("array",))
_CORNERS, _TURNED = positions(0, 2, shape=(2, 1)), positions(3, 0)
_COLUMNS = positions(0, 2, 1, 2, 2, shape=(1, 5), dtype="float64")
_SIGNS = positions(1, -1, 1, 1, -1, shape=(1, 5), dtype="float64")

_REGIONS = positions(0, 0.3, 0.2, 4.4, 3.1, 1, 1, 2, 5.2, 4.6, shape=(2, 5), dtype="float32")
_DEFORMED: dict[str, object] = {
    "spatial_scale": 1.0,
    "output_dim": 2,
    "group_size": 2,
    "pooled_size": 2,
    "trans_std": 0.1,
    "sample_per_part": 2,
}

_PARTS: Table = {
    "_gate": (sample(x(2, 3), positions(-1, 1, 2, -2, 1, 0, shape=(2, 3), dtype="float64")),),
    "_box_nms_rows": (
        sample(x(4, 6), positions(2, -1, 0, 3, dtype="int64"), coord_start=2, out_format="center"),
        sample(x(1, 2, 5), positions(1, 0, shape=(1, 2), dtype="int64"), coord_start=0, in_format="center"),
    ),
    "_box_nms_back": (
        sample(x(4, 6), positions(2, -1, 0, 3, dtype="int64"), coord_start=2, out_format="center"),
        sample(x(1, 2, 5), positions(1, 0, shape=(1, 2), dtype="int64"), coord_start=0, in_format="center"),
    ),
    "_place_add": (sample(x(2, 3), positions(3, -1, 0, 3, 2, 5, shape=(2, 3), dtype="int64"), shape=(3, 2)),),
    "_place_take": (sample(x(3, 2), positions(3, -1, 0, 3, shape=(2, 2), dtype="int64")),),
    "_bilinear_sample": tuple(
        sample(x(2, 3, 4, 5), x(2, 2, 3, 2, low=-1.2, high=1.2), dx=dx, dy=dy)
        for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1))
    ),
    "_bilinear_back": tuple(
        sample(x(2, 3, 3, 2), x(2, 2, 3, 2, low=-1.2, high=1.2), dx=dx, dy=dy, shape=(2, 3, 4, 5))
        for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1))
    ),
    "_affine_back": (sample(x(2, 2, 3, 4)),),
    "_scale_planes": (sample(x(2, 3, 2, 2), scales=(1.0, 2.0, -0.5)),),
    "_roi_align_back": tuple(
        sample(x(2, 3, 2, 2), _REGIONS, pooled_size=(2, 2), spatial_scale=1.0, **attrs)
        for attrs in (
            {"shape": (2, 3, 5, 6)},
            {"shape": (2, 3, 5, 6), "aligned": True, "sample_ratio": 2},
            {"shape": (2, 12, 5, 6), "position_sensitive": True},
        )
    ),
    "_ps_roi_pool_back": (
        sample(x(2, 2, 2, 2), _REGIONS, spatial_scale=1.0, output_dim=2, pooled_size=2, shape=(2, 9, 5, 6)),
    ),
    "_deformable_pool": (
        *(
            sample(x(2, 8, 5, 6), _REGIONS, x(2, 4, 2, 2), dx=dx, dy=dy, **_DEFORMED)
            for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1))
        ),
        sample(x(2, 8, 5, 6), _REGIONS, no_trans=True, **_DEFORMED),
    ),
    "_deformable_back": (
        *(
            sample(x(2, 2, 2, 2), _REGIONS, x(2, 4, 2, 2), dx=dx, dy=dy, shape=(2, 9, 5, 6), **_DEFORMED)
            for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1))
        ),
        sample(x(2, 2, 2, 2), _REGIONS, no_trans=True, shape=(2, 8, 5, 6), **_DEFORMED),
    ),
    "_part_sum": (sample(x(2, 4, 3, 3), classes=2, part_size=2),),
    "_part_spread": (sample(x(2, 2, 2, 2), classes=2, part_size=2, shape=(2, 4, 3, 3)),),
    "_polygamma": (sample(x(5, low=0.5, high=4.0)), sample(x(5, low=0.5, high=4.0), n=2)),
    "_sum_to": (sample(x(2, 3, 4), shape=(3, 1)), sample(x(2, 3), shape=(1,))),
    "_spread_to": (sample(x(3, 1), shape=(2, 3, 4)), sample(x(2, 3), shape=(2, 3))),
    "_sum_axes": (sample(x(2, 3, 4), axes=(0, 2), shape=(1, 3, 1)), sample(x(2, 3), axes=(0, 1), shape=(1,))),
    "_spread_axes": (
        sample(x(3), axes=(0, 2), shape=(2, 3, 4)),
        sample(x(3), axes=(0, 2), shape=(2, 3, 4), scale=0.125),
    ),
    "_log_softmax_back": (sample(x(2, 3), x(2, 3), axis=1), sample(x(3, 2, 2), x(3, 2, 2), axis=0)),
    "_reverse_cumsum": (sample(x(2, 3), axis=1, shape=(2, 3)), sample(x(6), axis=None, shape=(2, 3))),
    "_take_along": (
        # Each element at most once: they come from sorting.
        sample(x(3, 4), positions(2, 0, 1, 1, 0, 2, 0, 2, shape=(2, 4)), axis=0),
        sample(x(3, 4), positions(11, 3, 0), axis=None),
    ),
    "_put_along": (sample(x(1, 2), positions(3, 0, shape=(1, 2)), axis=1, shape=(1, 4)),),
    "_view": (sample(x(3, 4), shape=(2, 2), offset=3),),
    "_unview": (sample(x(2, 2), shape=(3, 4), offset=3),),
    "_reshape": (sample(x(3, 4), shape=(2, 6)),),
    "_index": (
        sample(x(3, 2, 4), positions(0, 3, 3, -1), key=_KEY),
        sample(x(3, 2, 4), key=(("new",), ("all",), ("slice", None, None, -2))),
        sample(x(3, 2, 4), _CORNERS, _TURNED, key=(("array",), ("all",), ("array",))),
    ),
    "_index_add": (
        sample(x(2, 4), positions(0, 3, 3, -1), key=_KEY, shape=(3, 2, 4)),
        sample(x(2, 2, 2), _CORNERS, _TURNED, key=(("array",), ("all",), ("array",)), shape=(3, 2, 4)),
    ),
    "_take_add": (
        sample(x(2, 4), positions(2, 2), axis=0, mode="clip", shape=(3, 4)),
        sample(x(2, 3, 2), positions(-1, 0, 4), axis=-2, mode="wrap", shape=(2, 4, 2)),
        sample(x(2, 1), positions(1), axis=1, mode="raise", shape=(2, 3)),
    ),
    "_pick_add": (
        sample(x(3), positions(0, 3, 1), axis=1, mode="clip", shape=(3, 4)),
        sample(x(3, 1), positions(0, 7, -1), axis=-1, mode="wrap", keepdims=True, shape=(3, 4)),
        sample(x(1, 3), positions(0, 1, 1, shape=(1, 3)), axis=0, keepdims=True, shape=(2, 3)),
    ),
    "_pad_back": (
        sample(x(1, 1, 5, 4), mode="constant", pad_width=(0, 0, 0, 0, 1, 2, 1, 0), shape=(1, 1, 2, 3)),
        sample(x(1, 1, 5, 4), mode="edge", pad_width=(0, 0, 0, 0, 1, 2, 1, 0), shape=(1, 1, 2, 3)),
        sample(x(1, 1, 6, 4), mode="reflect", pad_width=(0, 0, 0, 0, 1, 2, 1, 0), shape=(1, 1, 3, 3)),
    ),
    "_slice_into": (
        sample(x(2, 2), shape=(3, 4), begin=(1, 0), end=(3, 4), step=(1, 2)),
        sample(x(2), shape=(5,), begin=(3,), end=(None,), step=(-2,)),
        sample(x(2, 4), shape=(3, 4), begin=(-2,), end=(None,)),
    ),
    "_diag_into": (
        sample(x(3), shape=(3, 4), k=1),
        sample(x(2, 2), shape=(2, 3, 4), k=-1, axis1=1, axis2=-1),
        sample(x(3, 2), shape=(2, 3, 4), axis1=-1, axis2=0),
    ),
    "_sequence_last_into": (
        sample(x(2, 3), shape=(4, 2, 3)),
        sample(x(2, 3), positions(1, 4), use_sequence_length=True, axis=1, shape=(2, 4, 3)),
    ),
    "_contract": (
        sample(x(2, 3, 2), x(3, 2, 4), count=2),
        sample(x(3, 2, 2), x(2, 4, 3, 2), count=2, transpose_a=True, transpose_b=True),
        sample(x(3, 4), x(2, 3), count=1, transpose_a=True, transpose_b=True),
        sample(x(2, 3), x(2, 3), count=2),
    ),
    "_scatter_nd_add": (sample(x(3), positions(0, 2, 0, 1, 3, 1, shape=(2, 3)), shape=(3, 4)),),
}

_POSITIVE = x(2, 3, 2, low=0.5, high=1.5)
_AXES: tuple[dict[str, object], ...] = (
    {"axis": (-1, 0)},
    {"axis": (2, 0), "keepdims": True},
    {"axis": -2, "exclude": True},
    {"axis": (0, 1, 2), "exclude": True},
)

# Attributes and orders of axes that the samples with golden vectors leave out, and random numbers.
_FURTHER: Table = {
    **{
        op: tuple(sample(_POSITIVE, **attrs) for attrs in _AXES)
        for op in ("sum", "mean", "prod", "nansum", "nanprod")
    },
    **{op: tuple(sample(distinct(2, 3, 2), **attrs) for attrs in _AXES) for op in ("max", "min")},
    "norm": (
        sample(x(2, 3, 2), ord=2, axis=(-1, 0), keepdims=True),
        sample(away(2, 3, 2), ord=1, axis=(2, 1)),
        sample(away(2, 3), ord=1),
    ),
    "moments": (sample(x(2, 3, 2), axes=(-1, 0), keepdims=True), sample(x(2, 3), axes=1)),
    "softmin": (sample(x(2, 3, 2), axis=-3),),
    "log_softmax": (sample(x(2, 3, 2), axis=-3, temperature=3.0),),
    "_log_softmax_back": (sample(x(2, 3), x(2, 3), axis=-2),),
    "LeakyReLU": (sample(away(2, 3), act_type="rrelu", lower_bound=0.2, upper_bound=0.6),),
    "SwapAxis": (sample(x(2, 3, 2), dim1=1, dim2=-1),),
    "reverse": (sample(x(2, 3, 2), axis=(-1, 0)),),
    "repeat": (sample(x(2, 3, 2), repeats=3, axis=-2),),
    "transpose": (sample(x(2, 3, 2), axes=(2, 0, 1)),),
    "squeeze": (sample(x(1, 3, 1, 1), axis=(-1, 0)),),
    "take": (
        sample(x(2, 3, 2), positions(-1, 2, 5, 2, shape=(2, 2)), axis=-1, mode="wrap"),
        sample(x(2, 3), positions(1, 1, 0), axis=-1, mode="raise"),
    ),
    "pick": (sample(x(2, 3, 2), positions(0, 2, 1, 1, shape=(2, 2)), axis=-2),),
    "batch_take": (sample(x(2, 2, 3), index(2, 2, high=3)),),
    "where": (sample(positions(0, 1), x(2, 3, 2), x(2, 3, 2)),),
    "diag": (sample(x(2, 3, 4), k=-1, axis1=-1, axis2=1),),
    "_np_cumsum": (sample(x(2, 3, 2), axis=-2),),
    "_reverse_cumsum": (sample(x(2, 3, 2), axis=-2, shape=(2, 3, 2)),),
    "_take_along": (sample(x(2, 3), positions(2, 0, 1, 0, shape=(2, 2)), axis=-1),),
    "_put_along": (
        sample(x(2, 2), positions(2, 0, 1, 0, shape=(2, 2)), axis=-1, shape=(2, 3)),
        sample(x(2), positions(5, 0), axis=None, shape=(2, 3)),
    ),
    "sort": (sample(distinct(2, 3, 2), axis=-2, is_ascend=False),),
    "topk": (
        sample(distinct(2, 3, 2), axis=-3, k=1, ret_typ="value"),
        sample(distinct(2, 3), axis=None, k=4, ret_typ="both", is_ascend=True),
    ),
    "dot": (
        sample(x(3, 2, 2), x(4, 2, 3), transpose_a=True, transpose_b=True),
        sample(x(3, 2), x(3), transpose_a=True),
    ),
    "_linalg_gemm2": (
        sample(x(3, 2, 4), x(3, 2, 5), axis=0, transpose_a=True),
        sample(x(2, 4, 3), x(3, 4, 5), axis=-3, alpha=1.5),
        sample(x(2, 3, 4), x(5, 3, 4), axis=0, transpose_b=True),
    ),
    "_linalg_gemm": (sample(x(3, 2, 4), x(3, 2, 5), x(4, 2, 5), axis=-3, transpose_a=True),),
    "_contrib_fft": (sample(x(2, 3)), sample(x(2, 1, 2, 4))),
    "_contrib_ifft": (sample(x(2, 6)), sample(x(1, 2, 2, 5))),
    "_contrib_count_sketch": (sample(x(3, 5), _COLUMNS, _SIGNS, out_dim=3),),
    "_mask_rows": (sample(x(4, 2), positions(0, 1, -2, 0), count=2), sample(x(2), positions(1, 0), count=1)),
    "_mask_rows_into": (sample(x(2, 2), positions(0, 1, -2, 0)),),
    "_inverse_or_zeros": (sample(regular(3, 3)), sample(regular(2, 2, 2))),
    "FullyConnected": (sample(x(2, 2, 3), x(4, 3), x(4), num_hidden=4, flatten=False),),
    "SequenceMask": (sample(x(2, 3), positions(2, 0), use_sequence_length=True, axis=1, value=2.0),),
    "SliceChannel": (sample(x(2, 4, 3), num_outputs=2, axis=-2),),
    "_split_v2": (sample(x(5, 2), indices=(0, 2, 3), axis=-2),),
    "Concat": (sample(x(2, 3, 1), x(2, 1, 1), dim=-2),),
    "Crop": (
        sample(x(2, 3, 4, 5), h_w=(2, 3), offset=(1, 2)),
        sample(x(1, 2, 5, 6), h_w=(2, 3), center_crop=True),
        sample(x(1, 2, 4, 4), replace(x(1, 1, 2, 3), variable=False)),
    ),
    "_sample_multinomial": (
        sample(x(3, low=0.1, high=0.9), get_prob=True, shape=(4,)),
        sample(x(2, 3, low=0.1, high=0.9), get_prob=True, shape=(2, 2)),
        sample(x(2, 3, low=0.1, high=0.9), get_prob=True),
        sample(x(2, 3, low=0.1, high=0.9)),
    ),
    "Dropout": (
        sample(x(2, 3), p=0.5, mode="always"),
        sample(x(4, 3), p=0.25, mode="always", axes=(1,)),
        sample(x(2, 3)),
    ),
}


def _joined(*tables: Table) -> Table:
    made: dict[str, tuple[Sample, ...]] = {}
    for table in tables:
        for op, samples in table.items():
            made[op] = made.get(op, ()) + samples
    return made


SMOOTH: Table = _joined(_PARTS, _FURTHER, NORMALIZATION_SMOOTH, CONVOLUTION_PARTS)
