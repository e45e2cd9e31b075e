"""How a weight and the states of its optimizer are updated in place: block by block, in float32 at least.

A *step* is a function of blocks: of what is read (``w`` the weight, ``g`` the gradient), then of the states,
which it changes in place; it returns the new weight. Nothing here is as large as a weight, but for the result
where the caller has no place for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import Any, Final

import numpy as np
from remx_contract.dtypes import DType, float32

from .backend import Array

Step = Callable[..., Array]

_BLOCK: Final = 1 << 16
"""Elements of a block on a CPU: few enough for its caches, and enough that the calls do not count."""
_DEVICE_BLOCK: Final = 1 << 24
"""On a GPU, where a launch costs what some hundred thousand elements do."""


def single(number: float) -> float:
    """A parameter in the precision that MXNet keeps it in."""
    return float(np.float32(number))


def rest(number: float) -> float:
    """1 - number in that precision, which is far from exact for a number near 1."""
    return float(np.float32(1) - np.float32(number))


def blocks(xp: Any, size: int) -> list[slice]:
    """The parts that so many elements are worked on in."""
    length = _BLOCK if xp is np else _DEVICE_BLOCK
    return [slice(start, start + length) for start in range(0, size, length)]


def wide(dtype: DType) -> DType:
    """The dtype that arrays of ``dtype`` are computed in."""
    return float32 if dtype.itemsize < 4 else dtype


def update(
    xp: Any,
    step: Step,
    reads: Sequence[Array],
    states: Sequence[Array],
    out: Array | None = None,
    *,
    dtype: DType | None = None,
    result: DType | None = None,
) -> Array:
    """Run a step over all blocks.

    Parameters
    ----------
    xp : module
    step : callable
    reads : sequence of array
        What it reads, all of one size. The result has the shape of the first.
    states : sequence of array
        What it changes.
    out : array, optional
        Where the result goes: a new array by default. It may be one of the arrays read.
    dtype : numpy.dtype, optional
        What blocks are computed in; by default what the first array's are.
    result : numpy.dtype, optional
        The result's; by default the first array's.
    """
    first = reads[0]
    made = out
    if out is None or _overlaps(xp, out, (*reads, *states)):
        made = xp.empty(first.shape, result or first.dtype)
    visit(xp, step, reads, states, dtype or wide(first.dtype), made)
    if out is None or made is out:
        return made
    out[...] = made
    return out


def visit(
    xp: Any,
    step: Callable[..., Any],
    reads: Sequence[Array],
    states: Sequence[Array],
    dtype: DType,
    target: Array | None = None,
) -> None:
    """Run a step over all blocks, in a dtype; what it returns goes to the target, if there is one."""
    flats = [array.reshape(-1) for array in (*reads, *states)]
    place = None if target is None else target.reshape(-1)
    exact = all(flat.dtype == dtype for flat in flats)
    for block in blocks(xp, flats[0].size):
        parts = [flat[block] for flat in flats]
        if exact:
            result = step(*parts)
        else:
            wides = [part.astype(dtype, copy=False) for part in parts]
            result = step(*wides)
            for part, changed in zip(parts[len(reads) :], wides[len(reads) :], strict=True):
                if changed is not part:
                    part[...] = changed
        if place is not None:
            place[block] = result


def update_master(
    xp: Any,
    step: Step,
    weight: Array,
    grad: Array,
    states: Sequence[Array],
    master: Array,
    out: Array | None = None,
) -> Array:
    """Run a step over a weight in float32, and let the result, the weight in its own dtype, follow it."""

    def of_master(g: Array, *rest: Array) -> Array:
        *changed, w = rest
        w[...] = step(w, g, *changed)
        return w

    return update(xp, of_master, (grad,), (*states, master), out, dtype=float32, result=weight.dtype)


def _overlaps(xp: Any, out: Array, arrays: Sequence[Array]) -> bool:
    """Whether a result shares memory with an array that is another place of it."""
    # Arrays that are no views share nothing with each other.
    whole = out.base is None
    return any(
        array is not out and not (whole and array.base is None) and xp.may_share_memory(array, out)
        for array in arrays
    )


def sum_of_squares(xp: Any, parts: Iterable[Array], dtype: DType = float32) -> Array:
    """The sum of the squares of all elements of some blocks, without axes."""
    total = xp.zeros((), dtype)
    for part in parts:
        total = total + xp.dot(part, part)
    return total


def row_blocks(xp: Any, array: Array) -> list[slice]:
    """The parts along the first axis of an array that it is worked on in."""
    rows = array.shape[0]
    length = max(1, (_BLOCK if xp is np else _DEVICE_BLOCK) * rows // max(1, array.size))
    return [slice(start, start + length) for start in range(0, rows, length)]


# Gradients, as the steps begin with them: new arrays, which a step may change.


def scaled(xp: Any, g: Array, rescale: Any, clip: float) -> Array:
    """The gradient, scaled and limited."""
    g = g * rescale
    return limited(xp, g, clip)


def limited(xp: Any, g: Array, clip: float) -> Array:
    """An array limited to a distance from zero, in place; one that is negative is none."""
    if clip >= 0:
        xp.clip(g, -clip, clip, out=g)
    return g


def averaged(state: Array, new: Array, beta: float, share: float) -> None:
    """Move a state towards a new array, which is changed too."""
    state *= beta
    new *= share
    state += new


# Steps.


def descent(xp: Any, lr: Any, wd: Any, rescale: float, clip: float) -> Step:
    """A step of gradient descent."""

    def step(w: Array, g: Array) -> Array:
        g = scaled(xp, g, rescale, clip)
        g += w * wd
        g *= lr
        return xp.subtract(w, g, out=g)

    return step


def descent_with_momentum(xp: Any, lr: Any, momentum: float, wd: Any, rescale: float, clip: float) -> Step:
    """A step of gradient descent with momentum."""

    def step(w: Array, g: Array, mom: Array) -> Array:
        g = scaled(xp, g, rescale, clip)
        g += w * wd
        g *= lr
        mom *= momentum
        mom -= g
        return w + mom

    return step


def nesterov(
    xp: Any, lr: float, momentum: float, wd: float, rescale: float, clip: float, *, late: bool = False
) -> Step:
    """A step of Nesterov's accelerated gradient; ``late`` has the new weight's decay in the state."""

    def step(w: Array, g: Array, mom: Array) -> Array:
        g = scaled(xp, g, rescale, clip)
        move = g + w * wd
        move *= lr
        mom *= momentum
        ahead = mom - move
        ahead *= momentum
        ahead -= move
        ahead += w
        if late:
            g += ahead * wd
            g *= lr
            move = g
        mom -= move
        return ahead

    return step


def _moments(xp: Any, g: Array, mean: Array, var: Array, betas: Sequence[float]) -> None:
    """Move the averages of the gradient and of its square."""
    beta1, beta2 = map(single, betas)
    averaged(var, g * g, beta2, rest(beta2))
    averaged(mean, g, beta1, rest(beta1))


def adam(
    xp: Any, lr: float, betas: Sequence[float], epsilon: float, wd: float, rescale: float, clip: float
) -> Step:
    """A step of Adam."""

    def step(w: Array, g: Array, mean: Array, var: Array) -> Array:
        g = g * rescale
        g += w * wd
        _moments(xp, limited(xp, g, clip), mean, var, betas)
        below = xp.sqrt(var)
        below += epsilon
        move = mean * lr
        move /= below
        return xp.subtract(w, move, out=move)

    return step


def adamw(
    xp: Any,
    lr: float,
    eta: float,
    betas: Sequence[float],
    epsilon: float,
    wd: float,
    rescale: float,
    clip: float,
) -> Step:
    """A step of Adam with decoupled weight decay."""

    def step(w: Array, g: Array, mean: Array, var: Array) -> Array:
        _moments(xp, scaled(xp, g, rescale, clip), mean, var, betas)
        below = xp.sqrt(var)
        below += epsilon
        move = mean * lr
        move /= below
        move += w * wd
        move *= eta
        return xp.subtract(w, move, out=move)

    return step


def lamb_averages(xp: Any, betas: Sequence[float], rescale: float, clip: float) -> Step:
    """The first half of LAMB's direction: moves the averages, and returns the weight."""

    def step(w: Array, g: Array, mean: Array, var: Array) -> Array:
        _moments(xp, scaled(xp, g, rescale, clip), mean, var, betas)
        return w

    return step


def lamb_direction(xp: Any, betas: Sequence[float], epsilon: float, correct: bool, t: int, wd: float) -> Step:
    """The second half: the direction that a weight's averages give."""
    beta1, beta2 = map(single, betas)

    def step(w: Array, mean: Array, var: Array) -> Array:
        if correct:
            mean = mean / (1 - beta1**t)
            var = var / (1 - beta2**t)
        below = xp.sqrt(var)
        below += epsilon
        move = mean / below
        move += w * wd
        return move

    return step


def lamb_move(xp: Any, r1: Array, r2: Array, lr: float, lower: float, upper: float) -> Step:
    """A step along a direction: as long as the norms of the weight and of the direction say, which are the
    first elements of two arrays."""
    dtype = wide(r1.dtype)
    weight, direction = (norm.reshape(-1)[:1].astype(dtype) for norm in (r1, r2))
    if lower >= 0:
        weight = xp.maximum(weight, single(lower))
    if upper >= 0:
        weight = xp.minimum(weight, single(upper))
    usual = (weight != 0) & (direction != 0)
    factor = xp.where(usual, weight / xp.where(usual, direction, 1), 1).astype(dtype) * single(lr)

    def step(w: Array, direction: Array) -> Array:
        return w - direction * factor

    return step


def factor(rescale_grad: Array) -> float:
    """The number that a gradient is multiplied by; 0 where nothing is to be done."""
    number = float(rescale_grad.reshape(-1)[0].item())
    return number if isfinite(number) else 0.0


def unchanged(weight: Array, out: Array | None) -> Array:
    """The result where a weight stays as it is."""
    if out is None:
        return weight.copy()
    if out is not weight:
        out[...] = weight
    return out
