"""Samples of the ops that reduce, search, sort or accumulate along axes."""

from __future__ import annotations

from .samples_base import Input, Sample, Table, bools, distinct, ints, sample, values, x

INF = float("inf")
NAN = float("nan")

# Axes as a caller writes them, each with a shape that gives it a meaning.
_AXES: tuple[tuple[tuple[int, ...], dict[str, object]], ...] = (
    ((2, 3), {}),
    ((2, 3), {"axis": 0}),
    ((2, 3), {"axis": -1, "keepdims": True}),
    ((2, 3, 4), {"axis": (0, 2)}),
    ((2, 3, 4), {"axis": (1,), "keepdims": True}),
    ((2, 3, 4), {"axis": 1, "exclude": True}),
    ((2, 3, 4), {"axis": (0, 1), "exclude": True, "keepdims": True}),
    ((2, 3, 2, 2), {"axis": (-1, 1)}),
    ((2, 3), {"axis": ()}),
    ((5,), {}),
    ((1, 3, 1), {"axis": 2}),
    ((1, 1), {"keepdims": True}),
    ((2, 1, 2, 1, 2), {"axis": (0, 2, 4)}),
)


def _reduction(low: float, high: float, *, far_apart: bool, whole: bool) -> tuple[Sample, ...]:
    def array(shape: tuple[int, ...], dtype: str = "float32") -> Input:
        if far_apart:
            return distinct(*shape, low=low, high=high, dtype=dtype)
        return x(*shape, low=low, high=high, dtype=dtype)

    made = [sample(array(shape), **attrs) for shape, attrs in _AXES]
    made.append(sample(array((3, 4), "float64"), axis=1))
    made.append(sample(array((2, 3), "float16"), axis=1))
    if whole:
        made.append(sample(ints(2, 3, low=1, high=5), axis=1))
        made.append(sample(ints(2, 3, low=1, high=5, dtype="int64"), axis=0))
        made.append(sample(ints(2, 3, low=1, high=5, dtype="int8")))
        made.append(sample(ints(2, 3, low=1, high=5, dtype="uint8"), axis=1, keepdims=True))
    return tuple(made)


_TIED = values(1.0, 3.0, 3.0, 2.0, 2.0, 1.0, shape=(2, 3))
_LOW_TIED = values(1.0, 1.0, 3.0, 2.0, 2.0, 2.0, shape=(2, 3))
_HOLED = values(1.0, NAN, 3.0, NAN, NAN, 2.0, shape=(2, 3))

REDUCE: Table = {
    "sum": (
        *_reduction(-2, 2, far_apart=False, whole=True),
        sample(values(100.0, 100.0, 100.0, dtype="uint8")),
        sample(bools(2, 3), axis=1),
        sample(values(1.0, INF, NAN), grad=False),
    ),
    "mean": (
        *_reduction(-2, 2, far_apart=False, whole=True),
        sample(values(1.0, 2.0, 255.0, dtype="uint8")),
        sample(values(1.0, 2.0, 4.0, -9.0, dtype="int32")),
    ),
    "prod": (
        *_reduction(0.5, 1.5, far_apart=False, whole=True),
        sample(values(0.0, 2.0, 3.0, 1.0, 5.0, 4.0, shape=(2, 3)), smooth=False, axis=1),
    ),
    "nansum": (
        *_reduction(-2, 2, far_apart=False, whole=False),
        sample(_HOLED, smooth=False, axis=1),
        sample(_HOLED, smooth=False),
    ),
    "nanprod": (
        *_reduction(0.5, 1.5, far_apart=False, whole=False),
        sample(_HOLED, smooth=False, axis=1),
    ),
    "max": (
        *_reduction(-2, 2, far_apart=True, whole=True),
        sample(_TIED, smooth=False, axis=1),
        sample(_TIED, smooth=False),
        sample(values(1.0, -INF, INF), grad=False),
        sample(values(-3.0, -2.0, -INF), grad=False),
    ),
    "min": (
        *_reduction(-2, 2, far_apart=True, whole=True),
        sample(_LOW_TIED, smooth=False, axis=1),
        sample(_LOW_TIED, smooth=False),
        sample(values(1.0, -INF, INF), grad=False),
    ),
    "norm": (
        sample(x(2, 3)),
        sample(x(2, 3), ord=2, axis=1),
        sample(x(2, 3), ord=1, axis=0),
        sample(x(2, 3, 4), ord=2, axis=(0, 2), keepdims=True),
        sample(x(2, 3, 4), ord=2, axis=(1, 2)),
        sample(x(2, 3), ord=1, axis=-1, keepdims=True),
        sample(x(5)),
        sample(x(1, 3, 1), axis=1),
        sample(x(3, 4, dtype="float64"), axis=1),
        sample(x(2, 3, dtype="float16"), axis=1),
        sample(x(2, 3), axis=1, out_dtype="float32"),
        sample(values(0.0, 0.0, 3.0, 4.0, shape=(2, 2)), smooth=False, axis=1),
    ),
}

REDUCE["moments"] = (
    sample(x(2, 3), axes=(0,)),
    sample(x(2, 3), axes=(0, 1)),
    sample(x(2, 3, 4), axes=(0, 2), keepdims=True),
    sample(x(2, 1, 3), axes=(-1,)),
    sample(x(4, 5, dtype="float64"), axes=(1,)),
)

ARGREDUCE: Table = {
    op: (
        sample(distinct(2, 3)),
        sample(distinct(2, 3), axis=0),
        sample(distinct(2, 3), axis=-1, keepdims=True),
        sample(distinct(2, 3, 4), axis=1),
        sample(distinct(2, 1, 3, 2), axis=2, keepdims=True),
        sample(distinct(5), axis=0),
        sample(distinct(2, 3), axis=None, keepdims=True),
        sample(distinct(3, 4, dtype="float64"), axis=1),
        sample(distinct(2, 3, dtype="float16"), axis=1),
        sample(ints(3, 4), axis=1),
        sample(ints(3, 4, dtype="int64"), axis=0),
        sample(ints(3, 4, low=0, high=9, dtype="uint8"), axis=0),
        sample(_TIED, smooth=False, axis=1),
        sample(_LOW_TIED, smooth=False, axis=0),
        sample(values(1.0, INF, -INF, 2.0), grad=False, axis=0),
    )
    for op in ("argmax", "argmin")
}
ARGREDUCE["argmax_channel"] = (
    sample(distinct(2, 3), grad=False),
    sample(distinct(2, 3, dtype="float64"), grad=False),
    sample(distinct(2, 3, 4), grad=False),
    sample(_TIED, grad=False),
)

ORDERING: Table = {
    "sort": (
        sample(distinct(2, 3), axis=-1),
        sample(distinct(4, 3), axis=0),
        sample(distinct(2, 3), axis=1, is_ascend=False),
        sample(distinct(2, 3, 4), axis=1),
        sample(distinct(5), axis=0),
        # MXNet's backward pass cannot read back an axis of none.
        sample(distinct(2, 3), grad=False, smooth=True, axis=None),
        # Nor the default axis, if it was not given.
        sample(distinct(2, 3), grad=False, smooth=True),
        sample(distinct(2, 1, 3, 2), axis=2, is_ascend=False),
        sample(distinct(3, 4, dtype="float64"), axis=1),
        sample(ints(3, 4), axis=1),
        sample(ints(3, 4, dtype="int64"), axis=0, is_ascend=False),
        sample(ints(6, low=0, high=200, dtype="uint8"), axis=0),
        sample(_TIED, smooth=False, axis=1),
    ),
    "argsort": (
        sample(distinct(2, 3), axis=-1),
        sample(distinct(4, 3), axis=0),
        sample(distinct(2, 3), axis=1, is_ascend=False),
        sample(distinct(2, 3, 4), axis=1),
        sample(distinct(5), axis=0, dtype="int32"),
        sample(distinct(2, 3), axis=None),
        sample(distinct(2, 3)),
        sample(distinct(3, 4, dtype="float64"), axis=1, dtype="int64"),
        sample(distinct(3, 4), axis=1, dtype="float64"),
        sample(distinct(3, 4), axis=1, dtype="uint8"),
        sample(distinct(3, 4), axis=1, dtype="float16"),
        sample(ints(3, 4), axis=1),
        sample(_TIED, smooth=False, axis=1),
        sample(_TIED, smooth=False, axis=1, is_ascend=False),
    ),
    "topk": (
        sample(distinct(2, 5)),
        sample(distinct(2, 5), k=2, ret_typ="indices"),
        sample(distinct(2, 5), k=2, is_ascend=True),
        sample(distinct(4, 3), k=2, axis=0),
        sample(distinct(2, 5), k=2, ret_typ="value"),
        sample(distinct(2, 5), k=3, ret_typ="value", is_ascend=True),
        sample(distinct(2, 5), k=2, ret_typ="both"),
        sample(distinct(2, 5), k=2, ret_typ="both", dtype="int32"),
        sample(distinct(2, 3, 4), k=2, ret_typ="both", axis=1),
        sample(distinct(2, 5), k=2, ret_typ="mask"),
        sample(distinct(4, 3), k=1, ret_typ="mask", axis=0),
        sample(distinct(2, 5), k=0, ret_typ="value"),
        sample(distinct(2, 3), k=2, ret_typ="value", axis=None),
        sample(distinct(2, 3), k=2, axis=None),
        sample(distinct(2, 5, dtype="float64"), k=2, ret_typ="both", dtype="float64"),
        sample(distinct(2, 5), k=2, dtype="int64"),
        sample(distinct(2, 5), k=2, dtype="uint8"),
        sample(distinct(2, 5), k=2, dtype="float16"),
        sample(ints(3, 4), k=2, ret_typ="value"),
        sample(_TIED, smooth=False, k=2, ret_typ="both"),
        sample(_LOW_TIED, smooth=False, k=2, ret_typ="both", is_ascend=True),
        sample(_TIED, smooth=False, k=1, ret_typ="mask"),
    ),
}

SCAN: Table = {
    "_np_cumsum": (
        sample(x(2, 3)),
        sample(x(2, 3), axis=0),
        sample(x(2, 3, 2), axis=2),
        sample(x(2, 3, 2), axis=1),
        sample(x(5), axis=0),
        sample(x(3, 4, dtype="float64"), axis=1),
        sample(x(2, 3, dtype="float16"), axis=1),
        sample(x(2, 3), axis=1, dtype="float64"),
        sample(ints(2, 3), axis=1),
        sample(ints(2, 3, dtype="int64")),
        sample(ints(2, 3), axis=0, dtype="float32"),
        sample(ints(4, dtype="int8"), axis=0, dtype="int32"),
    ),
}
