"""Samples of MXNet's contributed ops that belong to no other family."""

from __future__ import annotations

from .samples_base import Table, away, ints, positions, sample, values, x

_NAN = float("nan")

CONTRIB: Table = {
    "_contrib_interleaved_matmul_selfatt_qk": (
        sample(x(4, 2, 18), heads=3),
        sample(x(1, 1, 3), heads=1),
    ),
    "_contrib_interleaved_matmul_selfatt_valatt": (
        sample(x(4, 2, 18), x(6, 4, 4), heads=3),
        sample(x(1, 1, 3), x(1, 1, 1), heads=1),
    ),
    "_contrib_interleaved_matmul_encdec_qk": (
        sample(x(4, 2, 6), x(3, 2, 12), heads=3),
        sample(x(1, 1, 1), x(2, 1, 2), heads=1),
    ),
    "_contrib_interleaved_matmul_encdec_valatt": (
        sample(x(4, 2, 12), x(6, 3, 4), heads=3),
        sample(x(2, 1, 2), x(1, 1, 2), heads=1),
    ),
    "_contrib_div_sqrt_dim": (
        sample(x(2, 3)),
        sample(x(5)),
        sample(x(2, 1, 4, dtype="float64")),
        sample(x(2, 3, dtype="float16")),
        sample(ints(2, 3)),
    ),
    "_contrib_quadratic": (
        sample(x(2, 3), a=2.0, b=-3.0, c=0.5),
        sample(x(2, 3)),
        sample(x(4, dtype="float64"), a=0.5),
        sample(x(4, dtype="float16"), b=1.5, c=1.0),
        sample(ints(5), a=1.5, b=2.5, c=0.5),
    ),
    "_contrib_gradientmultiplier": (
        sample(x(2, 3), scalar=-0.5, smooth=False),
        sample(x(4)),
        sample(x(2, 1, 2, dtype="float64"), scalar=3.0, smooth=False),
        sample(ints(3), scalar=2.0),
    ),
    "_contrib_round_ste": (
        sample(away(2, 3), smooth=False),
        sample(values(-2.5, -0.5, 0.0, 0.5, 1.5, 2.5), smooth=False),
        sample(away(4, dtype="float64"), smooth=False),
        sample(ints(4)),
    ),
    "_contrib_sign_ste": (
        sample(away(2, 3), smooth=False),
        sample(values(-2.5, 0.0, 2.5), smooth=False),
        sample(away(4, dtype="float64"), smooth=False),
        sample(ints(4)),
    ),
    "_contrib_allclose": (
        sample(values(1.0, 2.0, _NAN), values(1.0, 2.00001, _NAN), grad=False),
        sample(values(1.0, 2.0, _NAN), values(1.0, 2.0, _NAN), equal_nan=False, grad=False),
        sample(values(1.0, 2.0), values(1.0, 2.01), grad=False),
        sample(values(1.0, 2.0), values(1.0, 2.01), rtol=0.01, grad=False),
        sample(values(0.0, 2.0, shape=(1, 2)), values(0.001, 2.0, shape=(1, 2)), atol=0.01, grad=False),
        sample(x(2, 3, dtype="float64"), x(2, 3, dtype="float64"), grad=False),
    ),
    "_contrib_index_copy": (
        sample(x(4, 2), positions(2, 0), x(2, 2)),
        sample(x(4), positions(1, 3, dtype="float32"), x(2)),
        sample(x(3, 2, 2), positions(1, dtype="int64"), x(1, 2, 2)),
        sample(x(4, 2), positions(1, 0, 1), x(3, 2), smooth=False),
        sample(x(3, 2, dtype="float64"), positions(0, 1, 2), x(3, 2, dtype="float64")),
    ),
    "_contrib_index_array": (
        sample(x(2, 3)),
        sample(x(2, 3, 2), axes=(2, 0)),
        sample(x(2, 3), axes=(-1,)),
        sample(ints(4)),
    ),
}
