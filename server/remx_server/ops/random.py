"""Random numbers, from the random state of the client's thread.

MXNet's generator draws on the host for every device, so that a seed gives the same numbers everywhere; Philox
draws on the device.
"""

from __future__ import annotations

from math import prod

import numpy as np
from remx_contract.errors import DTypeError

from ..registry import KERNELS, kernel


def _check(holds, what):
    if not holds:
        raise ValueError(what)


def _placed(xp, random, array):
    """An array where a random state takes it: in host memory unless it draws on the device."""
    return xp.asnumpy(array) if random.on_host and hasattr(xp, "asnumpy") else array


def _floats(data):
    if data.dtype.kind != "f":
        raise DTypeError(argument="data", got=data.dtype.name, expected="float16, float32 or float64")
    return data


def _drawn(xp, random, distribution, parameters, spec):
    """Samples of a distribution, named like the method of the random states."""
    return xp.asarray(getattr(random.on(xp), distribution)(*parameters, spec.shape, spec.dtype))


@kernel(op="_random_uniform")
def random_uniform(xp, low, high, out_specs, random):
    _check(low <= high, f"low must be at most high, got low={low} and high={high}")
    return _drawn(xp, random, "uniform", (low, high), out_specs[0])


@kernel(op="_random_normal")
def random_normal(xp, loc, scale, out_specs, random):
    _check(scale > 0, f"scale must be positive, got {scale}")
    return _drawn(xp, random, "normal", (loc, scale), out_specs[0])


@kernel(op="_random_exponential")
def random_exponential(xp, lam, out_specs, random):
    _check(lam > 0, f"lam must be positive, got {lam}")
    return _drawn(xp, random, "exponential", (lam,), out_specs[0])


@kernel(op="_random_gamma")
def random_gamma(xp, alpha, beta, out_specs, random):
    _check(alpha > 0 and beta > 0, f"alpha and beta must be positive, got alpha={alpha} and beta={beta}")
    return _drawn(xp, random, "gamma", (alpha, beta), out_specs[0])


@kernel(op="_random_poisson")
def random_poisson(xp, lam, out_specs, random):
    _check(lam >= 0, f"lam must not be negative, got {lam}")
    return _drawn(xp, random, "poisson", (lam,), out_specs[0])


@kernel(op="_random_negative_binomial")
def random_negative_binomial(xp, k, p, out_specs, random):
    _check(k >= 0 and p >= 0, f"k and p must not be negative, got k={k} and p={p}")
    return _drawn(xp, random, "negative_binomial", (k, p), out_specs[0])


@kernel(op="_random_generalized_negative_binomial")
def random_generalized_negative_binomial(xp, mu, alpha, out_specs, random):
    _check(mu >= 0 and alpha >= 0, f"mu and alpha must not be negative, got mu={mu} and alpha={alpha}")
    return _drawn(xp, random, "generalized_negative_binomial", (mu, alpha), out_specs[0])


@kernel(op="_random_randint")
def random_randint(xp, low, high, out_specs, random):
    _check(low < high, f"low must be below high, got low={low} and high={high}")
    return _drawn(xp, random, "randint", (low, high), out_specs[0])


@kernel(op="_random_uniform_like")
def random_uniform_like(xp, data, low, high, out_specs, random):
    _floats(data)
    return random_uniform.function(xp, low, high, out_specs, random)


@kernel(op="_random_normal_like")
def random_normal_like(xp, data, loc, scale, out_specs, random):
    _floats(data)
    return random_normal.function(xp, loc, scale, out_specs, random)


@kernel(op="_random_exponential_like")
def random_exponential_like(xp, data, lam, out_specs, random):
    _floats(data)
    return random_exponential.function(xp, lam, out_specs, random)


@kernel(op="_random_gamma_like")
def random_gamma_like(xp, data, alpha, beta, out_specs, random):
    _floats(data)
    return random_gamma.function(xp, alpha, beta, out_specs, random)


@kernel(op="_random_poisson_like")
def random_poisson_like(xp, data, lam, out_specs, random):
    _floats(data)
    return random_poisson.function(xp, lam, out_specs, random)


@kernel(op="_random_negative_binomial_like")
def random_negative_binomial_like(xp, data, k, p, out_specs, random):
    _floats(data)
    return random_negative_binomial.function(xp, k, p, out_specs, random)


@kernel(op="_random_generalized_negative_binomial_like")
def random_generalized_negative_binomial_like(xp, data, mu, alpha, out_specs, random):
    _floats(data)
    return random_generalized_negative_binomial.function(xp, mu, alpha, out_specs, random)


def _sampled(xp, random, distribution, parameters, shape, spec):
    """Samples for each element of some arrays, which get trailing axes for those of each."""
    placed = []
    for parameter in parameters:
        if parameter.dtype.kind == "b":
            raise DTypeError(got="bool", expected="parameters of another dtype")
        array = _placed(xp, random, parameter)
        placed.append(array.reshape(array.shape + (1,) * len(shape)))
    return _drawn(xp, random, distribution, placed, spec)


@kernel(op="_sample_uniform")
def sample_uniform(xp, low, high, shape, out_specs, random):
    return _sampled(xp, random, "uniform", (low, high), shape, out_specs[0])


@kernel(op="_sample_normal")
def sample_normal(xp, mu, sigma, shape, out_specs, random):
    return _sampled(xp, random, "normal", (mu, sigma), shape, out_specs[0])


@kernel(op="_sample_exponential")
def sample_exponential(xp, lam, shape, out_specs, random):
    return _sampled(xp, random, "exponential", (lam,), shape, out_specs[0])


@kernel(op="_sample_gamma")
def sample_gamma(xp, alpha, beta, shape, out_specs, random):
    return _sampled(xp, random, "gamma", (alpha, beta), shape, out_specs[0])


@kernel(op="_sample_poisson")
def sample_poisson(xp, lam, shape, out_specs, random):
    return _sampled(xp, random, "poisson", (lam,), shape, out_specs[0])


@kernel(op="_sample_negative_binomial")
def sample_negative_binomial(xp, k, p, shape, out_specs, random):
    return _sampled(xp, random, "negative_binomial", (k, p), shape, out_specs[0])


@kernel(op="_sample_generalized_negative_binomial")
def sample_generalized_negative_binomial(xp, mu, alpha, shape, out_specs, random):
    return _sampled(xp, random, "generalized_negative_binomial", (mu, alpha), shape, out_specs[0])


@kernel(op="_sample_multinomial")
def sample_multinomial(xp, data, get_prob, out_specs, random):
    rows = _placed(xp, random, _floats(data)).reshape(-1, data.shape[-1])
    shape = out_specs[0].shape
    classes = random.on(xp).multinomial(rows, prod(shape) // max(len(rows), 1))
    samples = xp.asarray(classes.astype(out_specs[0].dtype).reshape(shape))
    if not get_prob:
        return samples
    where = np if random.on_host else xp
    chosen = where.log(where.take_along_axis(rows, classes, axis=1))
    return samples, xp.asarray(chosen.reshape(shape))


@sample_multinomial.vjp("data")
def _(gs, data, out0, get_prob):
    if not get_prob:
        return KERNELS["zeros_like"](data)
    # The logarithm of the chosen probability depends on that probability alone; samples of a row add up.
    *rows, classes = data.spec.shape
    shape = out0.spec.shape
    drawn = tuple(range(len(rows), len(shape)))
    spread = KERNELS["_spread_axes"](gs[1], axes=(len(shape),), shape=(*shape, classes))
    picked = spread * KERNELS["one_hot"](out0, depth=classes, dtype=data.spec.dtype)
    return KERNELS["_sum_axes"](picked, axes=drawn, shape=data.spec.shape) / data


@kernel(op="_sample_unique_zipfian")
def sample_unique_zipfian(xp, range_max, shape, random):
    _check(range_max > 0, f"range_max must be positive, got {range_max}")
    samples, tries = random.on(xp).unique_zipfian(range_max, shape)
    return xp.asarray(samples), xp.asarray(tries)


@kernel(op="_shuffle")
def shuffle(xp, data, random):
    count = len(data)
    state = random.on(xp)
    order = state.shuffle_order(count) if data.ndim == 1 else state.shuffle_rows_order(count)
    return xp.take(data, xp.asarray(order), axis=0)


@kernel(op="Dropout")
def dropout(xp, data, p, mode, training, out_specs, random):
    mask_spec = out_specs[1]
    if p == 0 or not (training or mode == "always"):
        # A mask of ones without memory of its own.
        return data.copy(), xp.broadcast_to(xp.ones((), data.dtype), mask_spec.shape)
    kept = xp.asarray(random.on(xp).keep_mask(p, mask_spec.shape, _floats(data).dtype))
    # MXNet computes the scale in float32 whatever the dtype; for p=1 it is infinite, and zero times that NaN.
    scale = xp.float32(1) / (xp.float32(1) - xp.float32(p))
    mask = kept.astype(data.dtype) * data.dtype.type(scale)
    return data * mask, mask


@dropout.vjp("data")
def _(g, out1):
    return g * out1
