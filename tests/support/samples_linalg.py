"""Samples of linear algebra."""

from __future__ import annotations

from .samples_base import Table, definite, regular, sample, spaced, values, x

LINALG: Table = {
    "_linalg_gemm": (
        sample(x(2, 3), x(3, 4), x(2, 4)),
        sample(x(3, 2), x(4, 3), x(2, 4), transpose_a=True, transpose_b=True, alpha=-0.5, beta=2.0),
        sample(x(2, 2, 3), x(2, 3, 1), x(2, 2, 1), alpha=2, beta=0.0),
        sample(x(3, 2), x(3, 4), x(2, 4), transpose_a=True),
        sample(x(2, 3), x(4, 3), x(2, 4), transpose_b=True, beta=-1),
        sample(x(2, 3, 4), x(4, 3, 2), x(2, 3, 2), axis=0),
        sample(*[x(2, 2, dtype="float64")] * 3, alpha=0.3, beta=0.7),
    ),
    "_linalg_potrf": (
        sample(definite(3, 3)),
        sample(definite(2, 3, 3)),
        sample(definite(1, 1)),
        sample(definite(2, 2, 4, 4, dtype="float64")),
        sample(definite(20, 20, dtype="float64")),
    ),
    "_linalg_potri": (
        sample(regular(3, 3)),
        sample(regular(2, 3, 3)),
        sample(regular(1, 1)),
        sample(regular(2, 1, 4, 4, dtype="float64")),
        sample(regular(18, 18, dtype="float64")),
    ),
    **{
        op: (
            sample(regular(3, 3), x(3, 2)),
            sample(regular(3, 3), x(2, 3), rightside=True),
            sample(regular(3, 3), x(3, 2), transpose=True, alpha=-0.5),
            sample(regular(3, 3), x(3, 2), lower=False),
            sample(regular(3, 3), x(2, 3), transpose=True, rightside=True),
            sample(regular(3, 3), x(3, 4), transpose=True, lower=False, alpha=2),
            sample(regular(3, 3), x(1, 3), rightside=True, lower=False),
            sample(regular(3, 3), x(4, 3), transpose=True, rightside=True, lower=False),
            sample(regular(2, 3, 3), x(2, 3, 2)),
            sample(regular(1, 1), x(1, 3)),
            sample(regular(2, 2, 2, 2, dtype="float64"), x(2, 2, 2, 3, dtype="float64"), alpha=0.3),
            sample(regular(37, 37, dtype="float64"), x(37, 5, dtype="float64"), lower=False),
        )
        for op in ("_linalg_trmm", "_linalg_trsm")
    },
    "_linalg_syrk": (
        sample(x(2, 3)),
        sample(x(2, 3), transpose=True, alpha=0.5),
        sample(x(2, 2, 3), alpha=-2),
        sample(x(1, 1)),
        sample(x(2, 3, 3, 2, dtype="float64"), transpose=True),
    ),
    "_linalg_gelqf": (
        sample(regular(3, 3)),
        sample(x(2, 4)),
        sample(x(2, 2, 5)),
        sample(x(1, 3)),
        sample(x(2, 1, 2, 3, dtype="float64")),
    ),
    "_linalg_syevd": (
        sample(spaced(3, 3)),
        sample(spaced(2, 3, 3)),
        sample(spaced(1, 1)),
        sample(spaced(2, 1, 4, 4, dtype="float64")),
    ),
    "_linalg_inverse": (
        sample(regular(3, 3)),
        sample(regular(2, 3, 3)),
        sample(regular(1, 1)),
        sample(regular(2, 1, 4, 4, dtype="float64")),
    ),
    **{
        op: (
            sample(regular(3, 3)),
            sample(regular(2, 3, 3)),
            sample(regular(1, 1)),
            sample(values(0.0, 1.0, 2.0, 0.5, shape=(2, 2))),
            sample(values(1.0, 2.0, 2.0, 4.0, shape=(2, 2)), smooth=False),
            sample(values(1.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 3.0, shape=(2, 2, 2)), smooth=False),
            sample(regular(2, 1, 4, 4, dtype="float64")),
        )
        for op in ("_linalg_det", "_linalg_slogdet")
    },
    "_linalg_sumlogdiag": (
        sample(x(3, 3, low=0.5)),
        sample(x(2, 2, 2, low=0.5)),
        sample(x(1, 1, low=0.5)),
        sample(x(2, 2, 3, 3, low=0.5, dtype="float64")),
        sample(values(0.0, 1.0, 1.0, 1.0, shape=(2, 2)), grad=False),
    ),
    "_linalg_extractdiag": (
        sample(x(3, 3)),
        sample(x(2, 3, 3), offset=1),
        sample(x(3, 3), offset=-2),
        sample(x(1, 1)),
        sample(x(2, 1, 4, 4, dtype="float64"), offset=-1),
    ),
    "_linalg_makediag": (
        sample(x(3)),
        sample(x(2, 3), offset=1),
        sample(x(2, 2), offset=-2),
        sample(x(1)),
        sample(x(2, 1, 3, dtype="float64"), offset=-1),
    ),
    "_linalg_extracttrian": (
        sample(x(3, 3)),
        sample(x(3, 3), lower=False),
        sample(x(2, 4, 4), offset=1),
        sample(x(4, 4), offset=-2),
        sample(x(4, 4), offset=-1, lower=False),
        sample(x(3, 3), offset=1, lower=False),
        sample(x(1, 1)),
        sample(x(2, 1, 3, 3, dtype="float64"), offset=-1),
    ),
    "_linalg_maketrian": (
        sample(x(6)),
        sample(x(6), lower=False),
        sample(x(2, 3), offset=1),
        sample(x(3), offset=-2),
        sample(x(3), offset=-1, lower=False),
        sample(x(3), offset=1, lower=False),
        sample(x(1)),
        sample(x(2, 1, 6, dtype="float64"), offset=-1),
    ),
}
