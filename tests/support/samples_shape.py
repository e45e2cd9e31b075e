"""Samples of the ops that make arrays, move their elements about, join them or cut them."""

from __future__ import annotations

from dataclasses import replace

from .samples_base import Sample, Table, bools, ints, sample, values, x

NAN = float("nan")


def _dtypes(*shape: int, **attrs: object) -> tuple[Sample, ...]:
    """One attribute setting for the other element types: ops that only move elements take them all."""
    return (
        sample(x(*shape, dtype="float64"), **attrs),
        sample(x(*shape, dtype="float16"), **attrs),
        sample(ints(*shape), **attrs),
        sample(ints(*shape, dtype="int64"), **attrs),
        sample(ints(*shape, low=0, high=200, dtype="uint8"), **attrs),
    )


CREATE: Table = {
    "_zeros": (
        sample(shape=(2, 3)),
        sample(shape=(4,), dtype="int32"),
        sample(shape=(1, 2, 1), dtype="float64"),
        sample(shape=(2,), dtype="bool"),
        sample(shape=(2,), dtype="uint8"),
    ),
    "_ones": (
        sample(shape=(2, 3)),
        sample(shape=(4,), dtype="int64"),
        sample(shape=(1, 2, 1), dtype="float16"),
        sample(shape=(2,), dtype="bool"),
        sample(shape=(2,), dtype="int8"),
    ),
    "_full": (
        sample(shape=(2, 3), value=2.5),
        sample(shape=(4,), value=-3, dtype="int32"),
        sample(shape=(2,), value=2.7, dtype="int64"),
        sample(shape=(1, 2, 1), value=0.1, dtype="float64"),
        sample(shape=(2,), value=0.1, dtype="float16"),
        sample(shape=(2,), value=3, dtype="bool"),
        sample(shape=(2,), value=NAN),
    ),
    "_arange": (
        sample(start=5),
        sample(start=0, stop=5),
        sample(start=2, stop=8, step=2, dtype="int32"),
        sample(start=5, stop=-1, step=-2, dtype="float64"),
        sample(start=0, stop=1, step=0.3),
        sample(start=0, stop=3, repeat=2, dtype="int64"),
        sample(start=-1.5, stop=2.5, step=0.5, dtype="float16"),
        sample(start=5, stop=None, step=3, infer_range=False),
    ),
    "_linspace": (
        sample(start=0, stop=1, num=5),
        sample(start=0.0, stop=2.0, num=4, endpoint=False, dtype="float64"),
        sample(start=-1, stop=3, num=1),
        sample(start=3, stop=-3, num=4, dtype="int32"),
    ),
    "_eye": (
        sample(N=3),
        sample(N=2, M=4, k=1),
        sample(N=4, M=3, k=-2, dtype="int32"),
        sample(N=3, M=0, k=0, dtype="float64"),
        sample(N=2, M=3, k=5, dtype="uint8"),
    ),
    "zeros_like": (sample(x(2, 3)), sample(x(4, dtype="float64")), *_dtypes(1, 2), sample(bools(3))),
    "ones_like": (sample(x(2, 3)), sample(x(4, dtype="float64")), *_dtypes(1, 2), sample(bools(3))),
    "_contrib_arange_like": (
        sample(x(2, 3), smooth=False),
        sample(x(2, 3), smooth=False, axis=1),
        sample(x(2, 3), smooth=False, start=1.5, step=-0.5),
        sample(x(2, 4), smooth=False, axis=-1, repeat=2),
        sample(x(4, dtype="float64"), smooth=False, start=1),
    ),
}

_BLOCKS: Table = {
    "depth_to_space": (
        sample(x(1, 4, 2, 3), block_size=2),
        sample(x(2, 9, 1, 2), block_size=3),
        sample(x(1, 2, 2, 2), block_size=1),
        *_dtypes(1, 8, 2, 1, block_size=2),
    ),
    "space_to_depth": (
        sample(x(1, 1, 4, 6), block_size=2),
        sample(x(2, 2, 3, 3), block_size=3),
        sample(x(1, 2, 2, 2), block_size=1),
        *_dtypes(1, 2, 4, 2, block_size=2),
    ),
}

SHAPE: Table = {
    "cast_storage": (
        sample(x(2, 3), stype="default"),
        sample(x(4, dtype="float64"), stype="default"),
        sample(ints(2, 2), stype="default"),
    ),
    "expand_dims": (
        sample(x(2, 3), axis=0),
        sample(x(2, 3), axis=1),
        sample(x(2, 3), axis=-1),
        sample(x(4), axis=-2),
        *_dtypes(2, 2, axis=1),
        sample(bools(3), axis=0),
    ),
    "squeeze": (
        sample(x(1, 3, 1)),
        sample(x(1, 3, 1), axis=0),
        sample(x(1, 3, 1), axis=-1),
        sample(x(1, 3, 1, 1), axis=(0, 2)),
        sample(x(1, 1)),
        *_dtypes(2, 1, 2, axis=(1,)),
    ),
    "Reshape": (
        sample(x(2, 3), shape=(3, 2)),
        sample(x(2, 3, 4), shape=(0, -1)),
        sample(x(2, 3, 4), shape=(-1, 0), reverse=True),
        sample(x(2, 3, 4), shape=(-2,)),
        sample(x(2, 3, 4), shape=(2, -2)),
        sample(x(2, 3, 4), shape=(-3, -2)),
        sample(x(2, 3, 4), shape=(0, -3)),
        sample(x(2, 6, 2), shape=(0, -4, 2, 3, -2)),
        sample(x(2, 6, 2), shape=(0, -4, -1, 3, 0)),
        sample(x(2, 3, 4, 5), shape=(-3, -3)),
        sample(x(2, 3, 5, 5), shape=(0, 3, 0, -1), reverse=True),
        sample(x(8, 3, 3, 3, 4, 4), shape=(-4, 2, -1, 0, 0, 0, 0, 0)),
        sample(x(2, 3, 4), shape=(-1,)),
        sample(x(1), shape=(1, 1, 1)),
        sample(x(2, 3, 4), target_shape=(2, 0)),
        sample(x(2, 3, 4), target_shape=(0, 12), keep_highest=True),
        *_dtypes(2, 3, shape=(-1, 2)),
        sample(bools(4), shape=(2, 2)),
    ),
    "reshape_like": (
        sample(x(2, 3), x(3, 2)),
        sample(x(6), x(1, 2, 3)),
        sample(x(30, 7), x(15, 2, 4), lhs_begin=0, lhs_end=1, rhs_begin=0, rhs_end=2),
        sample(x(2, 12), x(9, 3, 4), lhs_begin=1, rhs_begin=1),
        sample(x(2, 12), x(9, 3, 4), lhs_begin=-1, lhs_end=None, rhs_begin=-2, rhs_end=None),
        sample(ints(2, 3), x(3, 2)),
    ),
    "Flatten": (
        sample(x(2, 3)),
        sample(x(2, 3, 4)),
        sample(x(1, 2, 1, 3)),
        sample(x(4)),
        *_dtypes(2, 1, 2),
    ),
    "transpose": (
        sample(x(2, 3)),
        sample(x(2, 3, 4)),
        sample(x(2, 3, 4), axes=(1, 0, 2)),
        sample(x(2, 1, 3, 2), axes=(0, 2, 3, 1)),
        sample(x(2, 1, 3, 2, 2), axes=(4, 0, 3, 1, 2)),
        sample(x(4)),
        sample(x(2, 3), axes=(0, 1)),
        *_dtypes(2, 3),
    ),
    "SwapAxis": (
        sample(x(2, 3), dim1=0, dim2=1),
        sample(x(2, 3, 4), dim1=0, dim2=2),
        sample(x(2, 3, 4), dim1=-1, dim2=0),
        sample(x(1, 2, 3, 2), dim1=1, dim2=3),
        sample(x(2, 3)),
        *_dtypes(2, 3, dim1=0, dim2=1),
    ),
    "broadcast_to": (
        sample(x(1, 3), shape=(2, 3)),
        sample(x(1, 3, 1), shape=(2, 3, 4)),
        sample(x(2, 1), shape=(0, 3)),
        sample(x(1), shape=(4,)),
        sample(x(2, 3), shape=(2, 3)),
        *_dtypes(1, 2, shape=(2, 2)),
    ),
    "broadcast_axis": (
        sample(x(1, 3), axis=0, size=2),
        sample(x(1, 3, 1), axis=(0, 2), size=(2, 4)),
        sample(x(1, 3, 1), axis=(2,), size=(3,)),
        sample(x(2, 1, 1, 2), axis=(1, 2), size=(2, 3)),
        *_dtypes(1, 2, axis=0, size=3),
    ),
    "broadcast_like": (
        sample(x(1, 3), x(2, 3)),
        sample(x(1, 3, 1), x(2, 3, 4)),
        sample(x(1, 1, 2), x(4, 3), lhs_axes=(0, 1), rhs_axes=(1, 0)),
        sample(x(9, 1), x(9, 5), lhs_axes=(-1,), rhs_axes=(-1,)),
        sample(x(1, 2, dtype="float64"), x(3, 2, dtype="float64")),
        sample(ints(1, 2), ints(3, 2)),
    ),
    "repeat": (
        sample(x(2, 3), repeats=2),
        sample(x(2, 3), repeats=2, axis=0),
        sample(x(2, 3), repeats=3, axis=-1),
        sample(x(2, 1, 3), repeats=2, axis=1),
        sample(x(4), repeats=1),
        *_dtypes(2, 2, repeats=2, axis=1),
    ),
    "tile": (
        sample(x(2, 3), reps=(2, 2)),
        sample(x(2, 3), reps=(3,)),
        sample(x(2, 3), reps=2),
        sample(x(3), reps=(2, 1, 2)),
        sample(x(1, 2, 1), reps=(2, 1, 3)),
        *_dtypes(2, 2, reps=(1, 2)),
    ),
    "reverse": (
        sample(x(2, 3), axis=0),
        sample(x(2, 3), axis=1),
        sample(x(2, 3, 4), axis=(0, 2)),
        sample(x(5), axis=(0,)),
        sample(x(1, 2, 1, 3), axis=3),
        *_dtypes(2, 3, axis=1),
    ),
    "Pad": (
        sample(x(1, 2, 3, 3), mode="constant", pad_width=(0, 0, 0, 0, 1, 2, 2, 1), constant_value=1.5),
        sample(x(1, 2, 3, 3), mode="constant", pad_width=(0, 0, 0, 0, 1, 0, 0, 1)),
        sample(x(2, 1, 3, 3), mode="edge", pad_width=(0, 0, 0, 0, 1, 2, 2, 1)),
        sample(x(1, 2, 3, 4), mode="reflect", pad_width=(0, 0, 0, 0, 2, 1, 1, 3)),
        sample(
            x(1, 1, 2, 2, 2), mode="constant", pad_width=(0, 0, 0, 0, 1, 1, 0, 1, 1, 0), constant_value=-1
        ),
        sample(x(1, 1, 2, 2, 2), mode="edge", pad_width=(0, 0, 0, 0, 1, 1, 0, 1, 1, 0)),
        sample(x(1, 1, 3, 3, 3), mode="reflect", pad_width=(0, 0, 0, 0, 1, 2, 2, 0, 1, 1)),
        sample(x(1, 1, 2, 2, dtype="float64"), mode="edge", pad_width=(0, 0, 0, 0, 1, 1, 1, 1)),
        sample(x(1, 1, 2, 2, dtype="float16"), mode="constant", pad_width=(0, 0, 0, 0, 1, 1, 1, 1)),
    ),
    "shape_array": (sample(x(2, 3)), sample(x(1, 2, 3, 4)), sample(ints(5))),
    "size_array": (sample(x(2, 3)), sample(x(1, 2, 3, 4)), sample(ints(5))),
    **_BLOCKS,
}

CONCAT: Table = {
    "Concat": (
        sample(x(2, 3), x(2, 4)),
        sample(x(2, 3), x(4, 3), x(1, 3), dim=0),
        sample(x(2, 3, 1), x(2, 3, 2), dim=-1),
        sample(x(2, 1, 3, 2), x(2, 2, 3, 2), dim=1),
        sample(x(2, 3)),
        sample(x(3), x(2), dim=0),
        sample(*[x(2, 1) for _ in range(6)], dim=1),
        sample(x(2, 2, dtype="float64"), x(2, 1, dtype="float64"), dim=1),
        sample(x(2, 2, dtype="float16"), x(2, 1, dtype="float16"), dim=1),
        sample(ints(2, 2), ints(2, 1), dim=1),
        sample(ints(2, 2, dtype="int64"), ints(1, 2, dtype="int64"), dim=0),
        sample(ints(2, low=0, high=9, dtype="uint8"), ints(3, low=0, high=9, dtype="uint8"), dim=0),
    ),
    "stack": (
        sample(x(2, 3), x(2, 3)),
        sample(x(2, 3), x(2, 3), x(2, 3), axis=1),
        sample(x(2, 3), x(2, 3), axis=-1),
        sample(x(1, 2, 1), x(1, 2, 1), axis=-2),
        sample(x(4), x(4), axis=1),
        sample(x(4)),
        sample(x(2, dtype="float64"), x(2, dtype="float64"), axis=1),
        sample(x(2, dtype="float16"), x(2, dtype="float16")),
        sample(ints(2, 2), ints(2, 2), axis=2),
        sample(bools(2), bools(2)),
    ),
}

SLICE: Table = {
    "slice": (
        sample(x(4, 5), begin=(1, 2), end=(3, 4)),
        sample(x(4, 5), begin=(1,), end=(3,)),
        sample(x(4, 5), begin=(None, 1), end=(None, 4)),
        sample(x(4, 5), begin=(0, 0), end=(4, 5), step=(2, 3)),
        sample(x(4, 5), begin=(None, None), end=(None, None), step=(-1, -2)),
        sample(x(4, 5), begin=(-3, -4), end=(-1, None)),
        sample(x(2, 3, 4), begin=(0, 2, 3), end=(2, None, 0), step=(1, -1, -1)),
        sample(x(6), begin=(1,), end=(100,), step=(2,)),
        sample(x(2, 1, 3, 2), begin=(1, 0, 1), end=(2, 1, 3)),
        *_dtypes(3, 4, begin=(1, 0), end=(3, 4), step=(1, 2)),
        sample(bools(5), begin=(1,), end=(4,)),
    ),
    "slice_axis": (
        sample(x(4, 5), axis=0, begin=1, end=3),
        sample(x(4, 5), axis=1, begin=2, end=None),
        sample(x(4, 5), axis=-1, begin=-3, end=-1),
        sample(x(2, 3, 4), axis=1, begin=0, end=1),
        sample(x(6), axis=0, begin=0, end=6),
        *_dtypes(3, 4, axis=1, begin=1, end=3),
    ),
    "slice_like": (
        sample(x(4, 5), x(2, 3)),
        sample(x(4, 5), x(2, 9), axes=(0,)),
        sample(x(4, 5), x(9, 3), axes=(-1,)),
        sample(x(2, 3, 4), x(1, 2, 3), axes=(0, 2)),
        sample(x(3, 4, dtype="float64"), x(2, 2, dtype="float64")),
        sample(ints(3, 4), ints(2, 2)),
    ),
    "SliceChannel": (
        sample(x(2, 4), num_outputs=2),
        sample(x(4, 3), num_outputs=4, axis=0),
        sample(x(4, 3), num_outputs=4, axis=0, squeeze_axis=True),
        sample(x(2, 3, 4), num_outputs=2, axis=-1),
        sample(x(2, 3), num_outputs=1),
        sample(x(2, 1, 2), num_outputs=2, axis=2, squeeze_axis=True),
        *_dtypes(2, 4, num_outputs=2, axis=1),
    ),
    "_split_v2": (
        sample(x(6, 2), indices=(0, 2, 4), axis=0),
        sample(x(2, 6), indices=(0, 1, 4)),
        sample(x(2, 6), indices=(0,), axis=1),
        sample(x(4, 3), indices=(0, 1, 2, 3), axis=0, squeeze_axis=True),
        sample(x(2, 6), indices=(), axis=1, sections=3),
        sample(x(2, 3, 4), indices=(), axis=-1, sections=2),
        *_dtypes(4, 2, indices=(0, 1), axis=0),
    ),
    "_slice_assign": (
        sample(x(4, 5), x(2, 2), grad=False, smooth=True, begin=(1, 2), end=(3, 4)),
        sample(x(4, 5), x(4, 2), grad=False, smooth=True, begin=(None, 0), end=(None, 4), step=(1, 2)),
        sample(x(4, 5), x(2, 5), grad=False, smooth=True, begin=(3,), end=(None,), step=(-2,)),
        sample(x(3, 2, 2), x(1, 2, 2), grad=False, smooth=True, begin=(1,), end=(2,)),
        sample(ints(4), ints(2), begin=(1,), end=(3,)),
        sample(x(4, dtype="float64"), x(2, dtype="float64"), grad=False, smooth=True, begin=(1,), end=(3,)),
    ),
    "_slice_assign_scalar": (
        sample(x(4, 5), grad=False, smooth=True, scalar=1.5, begin=(1, 2), end=(3, 4)),
        sample(x(4, 5), grad=False, smooth=True, scalar=-1, begin=(None, 0), end=(None, 4), step=(1, 2)),
        sample(x(4, 5), grad=False, smooth=True, begin=(3,), end=(None,), step=(-2,)),
        sample(ints(4), scalar=2.7, begin=(1,), end=(3,)),
        sample(x(4, dtype="float64"), grad=False, smooth=True, scalar=0.1, begin=(1,), end=(3,)),
    ),
    # It takes float32 only, in which differences are too coarse.
    "Crop": (
        sample(x(2, 3, 4, 5), h_w=(2, 3), smooth=False),
        sample(x(2, 3, 4, 5), h_w=(2, 3), offset=(1, 2), smooth=False),
        sample(x(1, 2, 5, 6), h_w=(2, 3), center_crop=True, smooth=False),
        sample(x(1, 2, 4, 4), replace(x(1, 1, 2, 3), variable=False), smooth=False),
        sample(x(1, 2, 4, 4), replace(x(2, 5, 3, 2), variable=False), offset=(0, 1), smooth=False),
    ),
}

GRAD_CTL: Table = {
    "BlockGrad": (
        sample(x(2, 3), smooth=False),
        sample(x(4, dtype="float64"), smooth=False),
        sample(ints(2, 3)),
    ),
    "make_loss": (
        sample(x(2, 3), smooth=False),
        sample(x(4, dtype="float64"), smooth=False),
        sample(values(1.0, 2.0, dtype="float16"), smooth=False),
    ),
    "MakeLoss": (
        sample(x(2, 3), smooth=False),
        sample(x(2, 3), smooth=False, grad_scale=0.5),
        sample(x(4, 3), smooth=False, grad_scale=2, normalization="batch"),
        sample(x(4, 3), smooth=False, normalization="valid", valid_thresh=0.5),
        sample(x(4, dtype="float64"), smooth=False, normalization="batch"),
    ),
}
