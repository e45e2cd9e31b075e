"""Smooth samples of the ops that gradient rules are made of, which MXNet does not have."""

from __future__ import annotations

from .samples_base import Table, positions, sample, x

_KEY = (("slice", 1, None, None), ("int", 0), ("array",))

RULE_OPS: Table = {
    "_gate": (sample(x(2, 3), positions(-1, 1, 2, -2, 1, 0, shape=(2, 3), dtype="float64")),),
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
    "_index": (sample(x(3, 2, 4), positions(0, 3, 3, -1), key=_KEY),),
    "_index_add": (sample(x(2, 4), positions(0, 3, 3, -1), key=_KEY, shape=(3, 2, 4)),),
    "_take_add": (sample(x(2, 4), positions(2, 2), axis=0, mode="clip", shape=(3, 4)),),
    "_pick_add": (sample(x(3), positions(0, 3, 1), axis=1, mode="clip", shape=(3, 4)),),
    "_scatter_nd_add": (sample(x(3), positions(0, 2, 0, 1, 3, 1, shape=(2, 3)), shape=(3, 4)),),
}
