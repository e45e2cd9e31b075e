"""Random numbers: MXNet's distributions, drawn on the server from MXNet's own generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from remx_contract.catalogue import OPS
from remx_contract.errors import NotAnArrayError, PreconditionError, ValueRangeError
from remx_contract.v1 import stream_pb2

from ._current import current
from ._dispatch import invoke
from ._state import STATE
from .context import Context
from .ndarray import DTypeLike, NDArray

Shape = int | Sequence[int] | None
Parameter = float | NDArray

__all__ = [
    "exponential",
    "exponential_like",
    "gamma",
    "gamma_like",
    "generalized_negative_binomial",
    "generalized_negative_binomial_like",
    "multinomial",
    "negative_binomial",
    "negative_binomial_like",
    "normal",
    "normal_like",
    "poisson",
    "poisson_like",
    "randint",
    "randn",
    "seed",
    "shuffle",
    "uniform",
    "uniform_like",
]

_MAX_SEED: Final = 1 << 63
_GENERATORS: Final = {"mxnet": stream_pb2.Seed.MXNET, "philox": stream_pb2.Seed.PHILOX}


def seed(seed_state: int, ctx: str | Context = "all", *, generator: str = "mxnet") -> None:
    """Seed the random numbers of this thread's ops; the same seed gives the numbers of MXNet 1.9.1 on a CPU.

    Parameters
    ----------
    seed_state : int
    ctx : Context, optional
        Seed as MXNet does for one context; ``"all"`` by default.
    generator : {"mxnet", "philox"}
        What this thread draws from until it is seeded again. ``"philox"`` is the fast choice for much
        sampling and dropout: drawn by the device itself, the same numbers for the same seed, kind of device
        and version of the server's NumPy or CuPy, and not those of MXNet.

    Raises
    ------
    ValueError
        If the seed is no integer, or the generator has another name.
    """
    if not isinstance(seed_state, (int, np.integer)):
        raise ValueRangeError("seed_state must be int", op="seed")
    if not -_MAX_SEED <= seed_state < _MAX_SEED:
        raise ValueRangeError(
            op="seed", argument="seed_state", got=str(seed_state), expected="a 64-bit integer"
        )
    kind = _GENERATORS.get(generator)
    if kind is None:
        expected = " or ".join(map(repr, _GENERATORS))
        raise ValueRangeError(op="seed", argument="generator", got=repr(generator), expected=expected)
    message = stream_pb2.Seed(
        thread=STATE.random_stream, seed=int(seed_state), for_context=ctx != "all", generator=kind
    )
    current().command(stream_pb2.Command(seed=message))


def _draw(
    name: str,
    parameters: dict[str, Parameter],
    shape: Shape,
    dtype: DTypeLike,
    ctx: Context | None,
    out: NDArray | None,
) -> NDArray:
    """Draw with numbers as parameters, or for each element of arrays of them."""
    given: dict[str, Any] = {} if dtype is None else {"dtype": dtype}
    arrays = [value for value in parameters.values() if isinstance(value, NDArray)]
    if arrays:
        if len(arrays) != len(parameters):
            kinds = " and ".join(str(type(value)) for value in parameters.values())
            raise PreconditionError(
                f"Distribution parameters must all have the same type, but got both {kinds}.", op=name
            )
        if shape is not None:
            given["shape"] = shape
        made: NDArray = invoke(OPS[f"_sample_{name}"], arrays, given, out)
        return made
    for label, value in parameters.items():
        if not isinstance(value, (int, float, np.generic)):
            raise ValueRangeError(
                f"Distribution parameters must be either NDArray or numbers, but got {type(value)}.",
                op=name,
                argument=label,
            )
    if out is not None and shape is None:
        given |= {"shape": out.shape, "dtype": out.dtype}
    elif shape is not None:
        given["shape"] = shape
    drawn: NDArray = invoke(OPS[f"_random_{name}"], (), parameters | given, out, ctx)
    return drawn


def uniform(
    low: Parameter = 0,
    high: Parameter = 1,
    shape: Shape = None,
    dtype: DTypeLike = None,
    ctx: Context | None = None,
    out: NDArray | None = None,
) -> NDArray:
    """Samples of the uniform distribution from ``low`` to ``high``.

    Parameters
    ----------
    low, high : float, or NDArray of the same shape
        With arrays, ``shape`` samples are drawn for each of their elements.
    shape : int or tuple of int, default (1,)
    dtype : float16, float32 or float64
    ctx : Context
    out : NDArray
        Where to write the samples.
    """
    return _draw("uniform", {"low": low, "high": high}, shape, dtype, ctx, out)


def normal(
    loc: Parameter = 0,
    scale: Parameter = 1,
    shape: Shape = None,
    dtype: DTypeLike = None,
    ctx: Context | None = None,
    out: NDArray | None = None,
) -> NDArray:
    """Samples of the normal distribution of mean ``loc`` and deviation ``scale``; see :func:`uniform`."""
    return _draw("normal", {"loc": loc, "scale": scale}, shape, dtype, ctx, out)


def randn(
    *shape: int,
    loc: Parameter = 0,
    scale: Parameter = 1,
    dtype: DTypeLike = None,
    ctx: Context | None = None,
    out: NDArray | None = None,
) -> NDArray:
    """Samples of the normal distribution, with the shape as separate arguments; see :func:`normal`."""
    return normal(loc, scale, shape or None, dtype, ctx, out)


def exponential(
    scale: Parameter = 1,
    shape: Shape = None,
    dtype: DTypeLike = None,
    ctx: Context | None = None,
    out: NDArray | None = None,
) -> NDArray:
    """Samples of the exponential distribution of mean ``scale``; see :func:`uniform`."""
    return _draw("exponential", {"lam": 1.0 / scale}, shape, dtype, ctx, out)


def randint(
    low: int,
    high: int,
    shape: Shape = None,
    dtype: DTypeLike = None,
    ctx: Context | None = None,
    out: NDArray | None = None,
) -> NDArray:
    """Integers from ``low`` to below ``high``; int32 by default, or int64."""
    return _draw("randint", {"low": low, "high": high}, shape, dtype, ctx, out)


def gamma(
    alpha: Parameter = 1,
    beta: Parameter = 1,
    shape: Shape = None,
    dtype: DTypeLike = None,
    ctx: Context | None = None,
    out: NDArray | None = None,
) -> NDArray:
    """Samples of the gamma distribution of shape ``alpha`` and scale ``beta``; see :func:`uniform`."""
    return _draw("gamma", {"alpha": alpha, "beta": beta}, shape, dtype, ctx, out)


def poisson(
    lam: Parameter = 1,
    shape: Shape = None,
    dtype: DTypeLike = None,
    ctx: Context | None = None,
    out: NDArray | None = None,
) -> NDArray:
    """Samples of the poisson distribution of rate ``lam``; see :func:`uniform`."""
    return _draw("poisson", {"lam": lam}, shape, dtype, ctx, out)


def negative_binomial(
    k: Parameter = 1,
    p: Parameter = 1,
    shape: Shape = None,
    dtype: DTypeLike = None,
    ctx: Context | None = None,
    out: NDArray | None = None,
) -> NDArray:
    """How many failures come before ``k`` successes of probability ``p``; see :func:`uniform`."""
    return _draw("negative_binomial", {"k": k, "p": p}, shape, dtype, ctx, out)


def generalized_negative_binomial(
    mu: Parameter = 1,
    alpha: Parameter = 1,
    shape: Shape = None,
    dtype: DTypeLike = None,
    ctx: Context | None = None,
    out: NDArray | None = None,
) -> NDArray:
    """Samples of the negative binomial distribution of mean ``mu`` and dispersion ``alpha``; see
    :func:`uniform`."""
    return _draw("generalized_negative_binomial", {"mu": mu, "alpha": alpha}, shape, dtype, ctx, out)


def multinomial(
    data: NDArray,
    shape: Shape = None,
    get_prob: bool = False,
    out: NDArray | None = None,
    dtype: DTypeLike = "int32",
) -> NDArray | list[NDArray]:
    """Class numbers drawn with the probabilities in the last axis of ``data``.

    Parameters
    ----------
    data : NDArray
        Each row sums to 1.
    shape : int or tuple of int, optional
        How many for each row; one, without an axis, by default.
    get_prob : bool
        Return the logarithms of the probabilities of what was drawn, too; gradients flow through them.
    """
    given: dict[str, Any] = {"get_prob": get_prob, "dtype": dtype}
    if shape is not None:
        given["shape"] = shape
    made: NDArray | list[NDArray] = invoke(OPS["_sample_multinomial"], (data,), given, out)
    return made


def shuffle(data: NDArray, out: NDArray | None = None) -> NDArray:
    """The elements of a vector, or the rows of an array along its first axis, in random order."""
    if not isinstance(data, NDArray):
        raise NotAnArrayError(op="shuffle", argument="data", got=f"{type(data)}", expected="an NDArray")
    made: NDArray = invoke(OPS["_shuffle"], (data,), {}, out)
    return made


def uniform_like(data: NDArray, low: float = 0, high: float = 1, out: NDArray | None = None) -> NDArray:
    """Samples of the uniform distribution, of the shape and dtype of ``data``."""
    made: NDArray = invoke(OPS["_random_uniform_like"], (data,), {"low": low, "high": high}, out)
    return made


def normal_like(data: NDArray, loc: float = 0, scale: float = 1, out: NDArray | None = None) -> NDArray:
    """Samples of the normal distribution, of the shape and dtype of ``data``."""
    made: NDArray = invoke(OPS["_random_normal_like"], (data,), {"loc": loc, "scale": scale}, out)
    return made


def exponential_like(data: NDArray, lam: float = 1, out: NDArray | None = None) -> NDArray:
    """Samples of the exponential distribution of rate ``lam``, of the shape and dtype of ``data``."""
    made: NDArray = invoke(OPS["_random_exponential_like"], (data,), {"lam": lam}, out)
    return made


def gamma_like(data: NDArray, alpha: float = 1, beta: float = 1, out: NDArray | None = None) -> NDArray:
    """Samples of the gamma distribution, of the shape and dtype of ``data``."""
    made: NDArray = invoke(OPS["_random_gamma_like"], (data,), {"alpha": alpha, "beta": beta}, out)
    return made


def poisson_like(data: NDArray, lam: float = 1, out: NDArray | None = None) -> NDArray:
    """Samples of the poisson distribution of rate ``lam``, of the shape and dtype of ``data``."""
    made: NDArray = invoke(OPS["_random_poisson_like"], (data,), {"lam": lam}, out)
    return made


def negative_binomial_like(data: NDArray, k: int = 1, p: float = 1, out: NDArray | None = None) -> NDArray:
    """Samples of the negative binomial distribution, of the shape and dtype of ``data``."""
    made: NDArray = invoke(OPS["_random_negative_binomial_like"], (data,), {"k": k, "p": p}, out)
    return made


def generalized_negative_binomial_like(
    data: NDArray, mu: float = 1, alpha: float = 1, out: NDArray | None = None
) -> NDArray:
    """Samples of the generalized negative binomial distribution, of the shape and dtype of ``data``."""
    attrs = {"mu": mu, "alpha": alpha}
    made: NDArray = invoke(OPS["_random_generalized_negative_binomial_like"], (data,), attrs, out)
    return made
