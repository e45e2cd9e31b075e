"""Densities: computed in double precision, and differentiated by the slopes of their logarithms."""

from __future__ import annotations

from math import pi

from .. import special
from ..registry import KERNELS, kernel
from .elementwise import log_, polygamma


def _wide(xp, sample, *parameters):
    """A sample and its parameters in float64, with axes for the points that each parameter is for."""
    return [
        array.astype(xp.float64).reshape(array.shape + (1,) * (sample.ndim - array.ndim))
        for array in (sample, *parameters)
    ]


def _answer(xp, logarithm, sample, is_log):
    return (logarithm if is_log else xp.exp(logarithm)).astype(sample.dtype)


def _spread(parameter, spec):
    """A parameter for each of the points of the sample of that spec."""
    ndim, shape = len(parameter.spec.shape), spec.shape
    if ndim == len(shape):
        return parameter
    return KERNELS["_spread_axes"](parameter, axes=tuple(range(ndim, len(shape))), shape=shape)


def _summed(g, parameter):
    """The gradient of a parameter from those at the points."""
    ndim, points = len(parameter.spec.shape), len(g.spec.shape)
    if ndim == points:
        return g
    return KERNELS["_sum_axes"](g, axes=tuple(range(ndim, points)), shape=parameter.spec.shape)


def _chained(g, out, is_log, needs, parameters, slope_of_sample, *slopes):
    """The gradients of the inputs that need one, from the slopes of the logarithm.

    A slope is a function that computes it, so that those that nobody needs are not; None is zero.
    """
    if not is_log:
        g = g * out
    by_sample = None
    if needs[0]:
        by_sample = KERNELS["zeros_like"](g) if slope_of_sample is None else g * slope_of_sample()
    by_parameters = [
        _summed(g * slope(), given) if need else None
        for given, need, slope in zip(parameters, needs[1:], slopes, strict=True)
    ]
    return by_sample, *by_parameters


@kernel(op="_random_pdf_uniform", kinds="f")
def pdf_uniform(xp, sample, low, high, is_log):
    points, low, high = _wide(xp, sample, low, high)
    density = 1 / (high - low) + xp.zeros_like(points)
    return (xp.log(density) if is_log else density).astype(sample.dtype)


@pdf_uniform.vjp_all
def _(g, out, sample_spec, low, high, is_log, needs):
    inverse = 1 / (high - low)
    up, down = lambda: _spread(inverse, sample_spec), lambda: -_spread(inverse, sample_spec)
    return _chained(g, out, is_log, needs, (low, high), None, up, down)


@kernel(op="_random_pdf_normal", kinds="f")
def pdf_normal(xp, sample, mu, sigma, is_log):
    points, mu, sigma = _wide(xp, sample, mu, sigma)
    exponent = -0.5 * ((points - mu) / sigma) ** 2
    scale = sigma * (2 * pi) ** 0.5
    return (exponent - xp.log(scale) if is_log else xp.exp(exponent) / scale).astype(sample.dtype)


@pdf_normal.vjp_all
def _(g, out, sample, mu, sigma, is_log, needs):
    scale = _spread(sigma, sample.spec)
    z = (sample - _spread(mu, sample.spec)) / scale
    slopes = lambda: -(z / scale), lambda: z / scale, lambda: (z * z - 1) / scale
    return _chained(g, out, is_log, needs, (mu, sigma), *slopes)


@kernel(op="_random_pdf_gamma", kinds="f")
def pdf_gamma(xp, sample, alpha, beta, is_log):
    points, alpha, beta = _wide(xp, sample, alpha, beta)
    constant = alpha * xp.log(beta) - special.gammaln(xp, alpha)
    return _answer(xp, constant + (alpha - 1) * xp.log(points) - beta * points, sample, is_log)


@pdf_gamma.vjp_all
def _(g, out, sample, alpha, beta, is_log, needs):
    a, b = _spread(alpha, sample.spec), _spread(beta, sample.spec)
    slopes = (
        lambda: (a - 1) / sample - b,
        lambda: log_(b) + log_(sample) - polygamma(a, n=0),
        lambda: a / b - sample,
    )
    return _chained(g, out, is_log, needs, (alpha, beta), *slopes)


@kernel(op="_random_pdf_exponential", kinds="f")
def pdf_exponential(xp, sample, lam, is_log):
    points, lam = _wide(xp, sample, lam)
    return _answer(xp, xp.log(lam) - lam * points, sample, is_log)


@pdf_exponential.vjp_all
def _(g, out, sample, lam, is_log, needs):
    rate = _spread(lam, sample.spec)
    slopes = lambda: -rate, lambda: 1 / rate - sample
    return _chained(g, out, is_log, needs, (lam,), *slopes)


@kernel(op="_random_pdf_poisson", kinds="f")
def pdf_poisson(xp, sample, lam, is_log):
    points, lam = _wide(xp, sample, lam)
    logarithm = points * xp.log(lam) - special.gammaln(xp, points + 1) - lam
    return _answer(xp, logarithm, sample, is_log)


@pdf_poisson.vjp_all
def _(g, out, sample, lam, is_log, needs):
    slopes = None, lambda: sample / _spread(lam, sample.spec) - 1
    return _chained(g, out, is_log, needs, (lam,), *slopes)


def _log_negative_binomial(xp, points, k, p):
    ways = special.gammaln(xp, points + k) - special.gammaln(xp, points + 1) - special.gammaln(xp, k)
    return ways + k * xp.log(p) + points * xp.log(1 - p)


def _slope_of_count(points, k, p):
    return polygamma(points + k, n=0) - polygamma(k, n=0) + log_(p)


def _slope_of_probability(points, k, p):
    return k / p - points / (1 - p)


@kernel(op="_random_pdf_negative_binomial", kinds="f")
def pdf_negative_binomial(xp, sample, k, p, is_log):
    points, k, p = _wide(xp, sample, k, p)
    return _answer(xp, _log_negative_binomial(xp, points, k, p), sample, is_log)


@pdf_negative_binomial.vjp_all
def _(g, out, sample, k, p, is_log, needs):
    count, probability = _spread(k, sample.spec), _spread(p, sample.spec)
    slopes = (
        None,
        lambda: _slope_of_count(sample, count, probability),
        lambda: _slope_of_probability(sample, count, probability),
    )
    return _chained(g, out, is_log, needs, (k, p), *slopes)


@kernel(op="_random_pdf_generalized_negative_binomial", kinds="f")
def pdf_generalized_negative_binomial(xp, sample, mu, alpha, is_log):
    points, mu, alpha = _wide(xp, sample, mu, alpha)
    logarithm = _log_negative_binomial(xp, points, 1 / alpha, 1 / (mu * alpha + 1))
    return _answer(xp, logarithm, sample, is_log)


@pdf_generalized_negative_binomial.vjp_all
def _(g, out, sample, mu, alpha, is_log, needs):
    mean, dispersion = _spread(mu, sample.spec), _spread(alpha, sample.spec)
    k, p = 1 / dispersion, 1 / (mean * dispersion + 1)
    by_p = _slope_of_probability(sample, k, p) * (p * p)
    slopes = (
        None,
        lambda: -(by_p * dispersion),
        lambda: -(_slope_of_count(sample, k, p) * (k * k) + by_p * mean),
    )
    return _chained(g, out, is_log, needs, (mu, alpha), *slopes)


def _concentrations(sample, alpha):
    """The concentrations of each point, along the last axis as in the sample."""
    ndim, shape = len(alpha.spec.shape), sample.spec.shape
    if ndim == len(shape):
        return alpha
    return KERNELS["_spread_axes"](alpha, axes=tuple(range(ndim - 1, len(shape) - 1)), shape=shape)


@kernel(op="_random_pdf_dirichlet", kinds="f")
def pdf_dirichlet(xp, sample, alpha, is_log, out_specs):
    wide = alpha.astype(xp.float64)
    wide = wide.reshape(*alpha.shape[:-1], *(1,) * (sample.ndim - alpha.ndim), alpha.shape[-1])
    constant = special.gammaln(xp, wide.sum(axis=-1)) - special.gammaln(xp, wide).sum(axis=-1)
    logarithm = constant + ((wide - 1) * xp.log(sample.astype(xp.float64))).sum(axis=-1)
    return _answer(xp, logarithm, sample, is_log).reshape(out_specs[0].shape)


@pdf_dirichlet.vjp_all
def _(g, out, sample, alpha, is_log, needs):
    a, shape = _concentrations(sample, alpha), sample.spec.shape
    ndim, last = len(alpha.spec.shape), len(shape) - 1
    if not is_log:
        g = g * out
    g = KERNELS["_spread_axes"](g, axes=(last,), shape=shape)
    by_sample = g * ((a - 1) / sample) if needs[0] else None
    if not needs[1]:
        return by_sample, None
    total = KERNELS["_sum_axes"](a, axes=(last,), shape=(*shape[:-1], 1))
    whole = KERNELS["_spread_axes"](polygamma(total, n=0), axes=(last,), shape=shape)
    by_alpha = g * (log_(sample) - polygamma(a, n=0) + whole)
    if ndim <= last:
        by_alpha = KERNELS["_sum_axes"](by_alpha, axes=tuple(range(ndim - 1, last)), shape=alpha.spec.shape)
    return by_sample, by_alpha
