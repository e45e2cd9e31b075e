"""Densities of distributions at given points: MXNet's ``random_pdf_*``."""

from __future__ import annotations

from ..attributes import BOOL
from ..op import RULES, Attr, Op
from ..rules import sampling, types


def _density(name: str, of: str, *parameters: str, vector: bool = False) -> Op:
    """A row of a density; ``vector`` where a point is a vector, along the last axis."""
    return Op(
        f"_random_pdf_{name}",
        inputs=("sample", *parameters),
        attrs=(Attr("is_log", BOOL, False),),
        shape=sampling.density_of_vectors if vector else sampling.density,
        dtype=types.same,
        grad=RULES,
        aliases=(f"random_pdf_{name}",),
        doc=f"The density {of} at each element of `sample`"
        f"{' but those of the last axis, along which a point lies' if vector else ''}, or its logarithm with "
        "`is_log`. The shape of the parameters is how that of `sample` begins: each of their elements is for "
        "all the points in the axes that follow. All are float16, float32 or float64.",
    )


ROWS = (
    _density(
        "uniform",
        "of the uniform distribution from `low` to `high` (also for points outside, as in MXNet)",
        "low",
        "high",
    ),
    _density("normal", "of the normal distribution of mean `mu` and deviation `sigma`", "mu", "sigma"),
    _density(
        "gamma",
        "of the gamma distribution of shape `alpha` and rate `beta` (the sampling ops take its inverse, the "
        "scale)",
        "alpha",
        "beta",
    ),
    _density("exponential", "of the exponential distribution of rate `lam`", "lam"),
    _density("poisson", "of the poisson distribution of rate `lam`", "lam"),
    _density(
        "negative_binomial",
        "of the number of failures before `k` successes of probability `p`",
        "k",
        "p",
    ),
    _density(
        "generalized_negative_binomial",
        "of the negative binomial distribution of mean `mu` and dispersion `alpha`",
        "mu",
        "alpha",
    ),
    _density("dirichlet", "of the dirichlet distribution of concentration `alpha`", "alpha", vector=True),
)
