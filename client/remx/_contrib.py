"""The functions of ``nd.contrib`` that prepare a call of an op: updates of optimizers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from remx_contract.catalogue import OPS

from ._creation import full
from ._dispatch import invoke
from .ndarray import NDArray

Numbers = Sequence[float]
Arrays = Sequence[NDArray]

__all__ = [
    "adamw_update",
    "mp_adamw_update",
    "multi_adamw_update",
    "multi_lamb_update",
    "multi_mp_adamw_update",
    "multi_mp_lamb_update",
]


def adamw_update(
    weight: NDArray,
    grad: NDArray,
    mean: NDArray,
    var: NDArray,
    rescale_grad: NDArray | float,
    lr: float,
    eta: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wd: float = 0,
    clip_gradient: float = -1,
    out: NDArray | None = None,
    name: str | None = None,
    **kwargs: Any,
) -> NDArray:
    """One step of Adam with decoupled weight decay, as the op ``_adamw_update`` says.

    Parameters
    ----------
    rescale_grad : NDArray or float
        What the gradient is multiplied by. Where it is 0, infinite or not a number, nothing is done.

    Returns
    -------
    NDArray
        The new weight.
    """
    attrs = {"lr": lr, "eta": eta, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "wd": wd}
    arrays = (weight, grad, mean, var, _factor(rescale_grad, weight))
    made: NDArray = invoke(
        OPS["_adamw_update"], arrays, {**attrs, "clip_gradient": clip_gradient, **kwargs}, out
    )
    return made


def mp_adamw_update(
    weight: NDArray,
    grad: NDArray,
    mean: NDArray,
    var: NDArray,
    weight32: NDArray,
    rescale_grad: NDArray | float,
    lr: float,
    eta: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wd: float = 0,
    clip_gradient: float = -1,
    out: NDArray | None = None,
    name: str | None = None,
    **kwargs: Any,
) -> NDArray:
    """:func:`adamw_update` for a weight in float16 with an exact one in float32, ``weight32``."""
    attrs = {"lr": lr, "eta": eta, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "wd": wd}
    arrays = (weight, grad, mean, var, weight32, _factor(rescale_grad, weight))
    made: NDArray = invoke(
        OPS["_mp_adamw_update"], arrays, {**attrs, "clip_gradient": clip_gradient, **kwargs}, out
    )
    return made


def multi_adamw_update(
    weights: Arrays,
    grads: Arrays,
    mean: Arrays,
    var: Arrays,
    rescale_grad: NDArray | float,
    lrs: Numbers,
    wds: Numbers,
    etas: Numbers,
    out: Arrays | None = None,
    name: str | None = None,
    size: int = 0,
    **kwargs: Any,
) -> Any:
    """:func:`adamw_update` for several weights, with a number of each list for each of them."""
    arrays = [*_together(weights, grads, mean, var), _factor(rescale_grad, weights[0])]
    attrs = {"num_weights": size or len(weights), "lrs": lrs, "wds": wds, "etas": etas}
    return invoke(OPS["_multi_adamw_update"], arrays, {**attrs, **kwargs}, out)


def multi_mp_adamw_update(
    weights: Arrays,
    grads: Arrays,
    mean: Arrays,
    var: Arrays,
    weights32: Arrays,
    rescale_grad: NDArray | float,
    lrs: Numbers,
    wds: Numbers,
    etas: Numbers,
    out: Arrays | None = None,
    name: str | None = None,
    size: int = 0,
    **kwargs: Any,
) -> Any:
    """:func:`mp_adamw_update` for several weights, with a number of each list for each of them."""
    arrays = [*_together(weights, grads, mean, var, weights32), _factor(rescale_grad, weights[0])]
    attrs = {"num_weights": size or len(weights), "lrs": lrs, "wds": wds, "etas": etas}
    return invoke(OPS["_multi_mp_adamw_update"], arrays, {**attrs, **kwargs}, out)


def multi_lamb_update(
    weights: Arrays,
    grads: Arrays,
    mean: Arrays,
    var: Arrays,
    step_count: Sequence[int],
    lrs: Numbers,
    wds: Numbers,
    out: Arrays | None = None,
    num_tensors: int = 0,
    **kwargs: Any,
) -> Any:
    """One step of LAMB for several weights, as the op ``_multi_lamb_update`` says."""
    attrs = {"num_tensors": num_tensors or len(weights), "step_count": step_count}
    attrs |= {"learning_rates": lrs, "wds": wds, **kwargs}
    return invoke(OPS["_multi_lamb_update"], _together(weights, grads, mean, var), attrs, out)


def multi_mp_lamb_update(
    weights: Arrays,
    grads: Arrays,
    mean: Arrays,
    var: Arrays,
    weights32: Arrays,
    step_count: Sequence[int],
    lrs: Numbers,
    wds: Numbers,
    out: Arrays | None = None,
    num_tensors: int = 0,
    **kwargs: Any,
) -> Any:
    """:func:`multi_lamb_update` for weights in float16 with exact ones in float32, ``weights32``."""
    attrs = {"num_tensors": num_tensors or len(weights), "step_count": step_count}
    attrs |= {"learning_rates": lrs, "wds": wds, **kwargs}
    return invoke(OPS["_multi_mp_lamb_update"], _together(weights, grads, mean, var, weights32), attrs, out)


def _together(*lists: Arrays) -> list[NDArray]:
    """The arrays of each weight next to each other."""
    return list(chain.from_iterable(zip(*lists, strict=True)))


def _factor(rescale_grad: NDArray | float, weight: NDArray) -> NDArray:
    """What the gradient is multiplied by as an array where the weight is."""
    if isinstance(rescale_grad, NDArray):
        return rescale_grad.as_in_context(weight.context)
    return full((1,), rescale_grad, ctx=weight.context)
