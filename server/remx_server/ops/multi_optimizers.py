"""Updates of several weights at once, and LARS' learning rates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from remx_contract.dtypes import float32

from .. import updates
from ..backend import Array
from ..registry import kernel
from ..updates import single, update, update_master, visit, wide

Outputs = tuple[Array, ...]


def _weights(data: Sequence[Array], each: int, count: int, out: Any) -> Iterator[tuple[Any, ...]]:
    """For each weight: its number, where its result goes, and its arrays."""
    targets = (None,) * count if out is None else out if isinstance(out, tuple) else (out,)
    for number, target in enumerate(targets):
        yield number, target, data[number * each : (number + 1) * each]


def _descend(
    xp: Any,
    data: Sequence[Array],
    rates: Callable[[int], tuple[Any, Any]],
    count: int,
    momentum: float | None,
    others: tuple[float, float],
    out: Any,
    master: bool = False,
) -> Outputs:
    """A step of gradient descent for each weight, whose learning rate and decay ``rates`` gives."""
    others = single(others[0]), single(others[1])
    each = 2 + (momentum is not None) + master
    made = []
    for number, target, arrays in _weights(data, each, count, out):
        lr, wd = rates(number)
        if momentum is None:
            step = updates.descent(xp, lr, wd, *others)
        else:
            step = updates.descent_with_momentum(xp, lr, single(momentum), wd, *others)
        weight, grad, *states = arrays
        if master and weight.dtype == float32:
            # As in MXNet, where nothing is mixed `weight32` is neither read nor written.
            made.append(update(xp, step, (weight, grad), states[:-1], target))
        elif master:
            made.append(update_master(xp, step, weight, grad, states[:-1], states[-1], target))
        else:
            made.append(update(xp, step, (weight, grad), states, target))
    return tuple(made)


def _given(lrs: Sequence[float], wds: Sequence[float]) -> Callable[[int], tuple[float, float]]:
    return lambda number: (single(lrs[number]), single(wds[number]))


def _loaded(data: Sequence[Array]) -> Callable[[int], tuple[Array, Array]]:
    # Arrays of one element: numbers would have to be fetched from the device.
    lrs, wds = (array.reshape(-1) for array in data[-2:])
    return lambda number: (lrs[number : number + 1], wds[number : number + 1])


@kernel(kinds="f")
def multi_sgd_update(xp, *data, lrs, wds, rescale_grad, clip_gradient, num_weights, out=None):
    others = rescale_grad, clip_gradient
    return _descend(xp, data, _given(lrs, wds), num_weights, None, others, out)


@kernel(kinds="f")
def multi_mp_sgd_update(xp, *data, lrs, wds, rescale_grad, clip_gradient, num_weights, out=None):
    others = rescale_grad, clip_gradient
    return _descend(xp, data, _given(lrs, wds), num_weights, None, others, out, master=True)


@kernel(kinds="f")
def multi_sgd_mom_update(xp, *data, lrs, wds, momentum, rescale_grad, clip_gradient, num_weights, out=None):
    others = rescale_grad, clip_gradient
    return _descend(xp, data, _given(lrs, wds), num_weights, momentum, others, out)


@kernel(kinds="f")
def multi_mp_sgd_mom_update(
    xp, *data, lrs, wds, momentum, rescale_grad, clip_gradient, num_weights, out=None
):
    others = rescale_grad, clip_gradient
    return _descend(xp, data, _given(lrs, wds), num_weights, momentum, others, out, master=True)


@kernel(kinds="f")
def preloaded_multi_sgd_update(xp, *data, rescale_grad, clip_gradient, num_weights, out=None):
    return _descend(xp, data, _loaded(data), num_weights, None, (rescale_grad, clip_gradient), out)


@kernel(kinds="f")
def preloaded_multi_mp_sgd_update(xp, *data, rescale_grad, clip_gradient, num_weights, out=None):
    others = rescale_grad, clip_gradient
    return _descend(xp, data, _loaded(data), num_weights, None, others, out, master=True)


@kernel(kinds="f")
def preloaded_multi_sgd_mom_update(xp, *data, momentum, rescale_grad, clip_gradient, num_weights, out=None):
    return _descend(xp, data, _loaded(data), num_weights, momentum, (rescale_grad, clip_gradient), out)


@kernel(kinds="f")
def preloaded_multi_mp_sgd_mom_update(
    xp, *data, momentum, rescale_grad, clip_gradient, num_weights, out=None
):
    others = rescale_grad, clip_gradient
    return _descend(xp, data, _loaded(data), num_weights, momentum, others, out, master=True)


@kernel(op="_multi_adamw_update", kinds="f")
def multi_adamw_update(
    xp, *data, lrs, beta1, beta2, epsilon, wds, etas, clip_gradient, num_weights, out=None
):
    factor, made = updates.factor(data[-1]), []
    for number, target, (weight, grad, *states) in _weights(data, 4, num_weights, out):
        if factor:
            rates = single(lrs[number]), single(etas[number])
            others = single(epsilon), single(wds[number]), factor, single(clip_gradient)
            step = updates.adamw(xp, *rates, (beta1, beta2), *others)
            made.append(update(xp, step, (weight, grad), states, target))
        else:
            made.append(updates.unchanged(weight, target))
    return tuple(made)


@kernel(op="_multi_mp_adamw_update", kinds="f")
def multi_mp_adamw_update(
    xp, *data, lrs, beta1, beta2, epsilon, wds, etas, clip_gradient, num_weights, out=None
):
    factor, made = updates.factor(data[-1]), []
    for number, target, (weight, grad, *states) in _weights(data, 5, num_weights, out):
        if factor:
            rates = single(lrs[number]), single(etas[number])
            others = single(epsilon), single(wds[number]), factor, single(clip_gradient)
            step = updates.adamw(xp, *rates, (beta1, beta2), *others)
            if weight.dtype == float32:
                made.append(update(xp, step, (weight, grad), states[:-1], target))
            else:
                made.append(update_master(xp, step, weight, grad, states[:-1], states[-1], target))
        else:
            made.append(updates.unchanged(weight, target))
    return tuple(made)


class _Lamb:
    """Both phases of LAMB. A direction is computed twice, for its norm and for the step, so that it is never
    there as a whole."""

    def __init__(
        self,
        xp: Any,
        betas: tuple[float, float],
        epsilon: float,
        correct: bool,
        others: tuple[float, float],
        bounds: tuple[float, float],
    ) -> None:
        self.xp = xp
        self.averages = updates.lamb_averages(xp, betas, single(others[0]), single(others[1]))
        self.direction = partial(updates.lamb_direction, xp, betas, single(epsilon), correct)
        self.bounds = bounds

    def step(
        self,
        weight: Array,
        exact: Array,
        grad: Array,
        mean: Array,
        var: Array,
        lr: float,
        wd: float,
        t: int,
    ) -> Callable[..., Array]:
        """Move the averages of one weight; returns a step of the exact weight and these."""
        xp, averages, direction = self.xp, self.averages, self.direction(t, single(wd))
        dtype = wide(exact.dtype)
        squares = [xp.zeros((), dtype), xp.zeros((), dtype)]

        def measure(weight: Array, w: Array, g: Array, mean: Array, var: Array) -> None:
            averages(w, g, mean, var)
            for position, vector in enumerate((weight, direction(w, mean, var))):
                squares[position] = squares[position] + xp.dot(vector, vector)

        visit(xp, measure, (weight, exact, grad), (mean, var), dtype)
        move = updates.lamb_move(xp, *map(xp.sqrt, squares), lr, *self.bounds)
        return lambda w, mean, var: move(w, direction(w, mean, var))


@kernel(op="_multi_lamb_update", kinds="f")
def multi_lamb_update(
    xp,
    *data,
    learning_rates,
    beta1,
    beta2,
    epsilon,
    wds,
    rescale_grad,
    lower_bound,
    upper_bound,
    clip_gradient,
    bias_correction,
    step_count,
    num_tensors,
    out=None,
):
    others, bounds = (rescale_grad, clip_gradient), (lower_bound, upper_bound)
    lamb, made = _Lamb(xp, (beta1, beta2), epsilon, bias_correction, others, bounds), []
    for number, target, (weight, grad, mean, var) in _weights(data, 4, num_tensors, out):
        rates = learning_rates[number], wds[number], step_count[number]
        step = lamb.step(weight, weight, grad, mean, var, *rates)
        made.append(update(xp, step, (weight, mean, var), (), target))
    return tuple(made)


@kernel(op="_multi_mp_lamb_update", kinds="f")
def multi_mp_lamb_update(
    xp,
    *data,
    learning_rates,
    beta1,
    beta2,
    epsilon,
    wds,
    rescale_grad,
    lower_bound,
    upper_bound,
    clip_gradient,
    bias_correction,
    step_count,
    num_tensors,
    out=None,
):
    others, bounds = (rescale_grad, clip_gradient), (lower_bound, upper_bound)
    lamb, made = _Lamb(xp, (beta1, beta2), epsilon, bias_correction, others, bounds), []
    for number, target, (weight, grad, mean, var, weight32) in _weights(data, 5, num_tensors, out):
        rates = learning_rates[number], wds[number], step_count[number]
        if weight.dtype == float32:
            step = lamb.step(weight, weight, grad, mean, var, *rates)
            made.append(update(xp, step, (weight, mean, var), (), target))
        else:
            step = lamb.step(weight, weight32, grad, mean, var, *rates)
            made.append(update_master(xp, step, weight, mean, (var,), weight32, target))
    return tuple(made)


@kernel(kinds="f")
def multi_lars(xp, lrs, weights_sum_sq, grads_sum_sq, wds, eta, eps, rescale_grad):
    dtype = wide(lrs.dtype)
    rates, squares, other_squares, decays = (
        array.astype(dtype, copy=False) for array in (lrs, weights_sum_sq, grads_sum_sq, wds)
    )
    usual = (squares > 0) & (other_squares > 0)
    norm = xp.sqrt(squares)
    below = xp.sqrt(other_squares) * single(rescale_grad) + decays * norm + single(eps)
    trusted = rates * (norm * single(eta) / below)
    return xp.where(usual, trusted, rates).astype(lrs.dtype, copy=False)
