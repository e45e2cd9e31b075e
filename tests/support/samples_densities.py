"""Samples of densities."""

from __future__ import annotations

from dataclasses import replace

from .samples_base import Input, Table, ints, sample, values, x


def _points(*shape: int, dtype: str = "float32") -> Input:
    """Whole numbers, of which there is no derivative."""
    return replace(ints(*shape, low=0, high=7, dtype=dtype), variable=False)


def _between(*shape: int, dtype: str = "float32") -> Input:
    """Numbers well inside the unit interval."""
    return x(*shape, low=0.1, high=0.9, dtype=dtype)


def _positive(*shape: int, dtype: str = "float32") -> Input:
    return x(*shape, low=0.4, high=2.5, dtype=dtype)


_FIXED = replace(x(2, 3), variable=False)
_LOW, _HIGH = x(2, low=-3.0, high=-1.0), x(2, low=1.0, high=3.0)
_SUMS = values(0.2, 0.3, 0.5, 0.6, 0.1, 0.3, 0.1, 0.1, 0.8, 0.25, 0.5, 0.25, shape=(2, 2, 3))
_WIDE = "float64"

DENSITIES: Table = {
    "_random_pdf_uniform": (
        sample(_FIXED, _LOW, _HIGH),
        sample(_FIXED, _LOW, _HIGH, is_log=True),
        sample(replace(x(3, dtype=_WIDE), variable=False), x(3, low=-3.0, high=-1.0, dtype=_WIDE),
               x(3, low=1.0, high=3.0, dtype=_WIDE)),
    ),
    "_random_pdf_normal": (
        sample(x(2, 3), x(2), _positive(2)),
        sample(x(2, 3), x(2), _positive(2), is_log=True),
        sample(x(4, dtype=_WIDE), x(4, dtype=_WIDE), _positive(4, dtype=_WIDE)),
        sample(x(2, 3, dtype="float16"), x(2, dtype="float16"), _positive(2, dtype="float16")),
    ),
    "_random_pdf_gamma": (
        sample(_positive(2, 3), _positive(2), _positive(2)),
        sample(_positive(2, 3, 2), _positive(2, 3), _positive(2, 3), is_log=True),
        sample(_positive(4), _positive(4), _positive(4)),
    ),
    "_random_pdf_exponential": (
        sample(_positive(2, 3), _positive(2)),
        sample(_positive(2, 3), _positive(2), is_log=True),
        sample(_positive(4, dtype=_WIDE), _positive(4, dtype=_WIDE)),
    ),
    "_random_pdf_poisson": (
        sample(_points(2, 3), _positive(2)),
        sample(_points(2, 3), _positive(2), is_log=True),
        sample(_points(4), _positive(4)),
    ),
    "_random_pdf_negative_binomial": (
        sample(_points(2, 3), _between(2), _between(2)),
        sample(_points(2, 3), _between(2), _between(2), is_log=True),
        sample(_points(4), _between(4), _between(4)),
    ),
    "_random_pdf_generalized_negative_binomial": (
        sample(_points(2, 3), _positive(2), _positive(2)),
        sample(_points(2, 3), _positive(2), _positive(2), is_log=True),
        sample(_points(4), _positive(4), _positive(4)),
    ),
    "_random_pdf_dirichlet": (
        sample(_SUMS, _positive(2, 3)),
        sample(_SUMS, _positive(2, 3), is_log=True),
        sample(values(0.2, 0.3, 0.5), _positive(3)),
        sample(values(0.2, 0.8, 0.6, 0.4, shape=(2, 2)), _positive(2, 2)),
        sample(_SUMS, _positive(3), is_log=True),
    ),
}  # fmt: skip
