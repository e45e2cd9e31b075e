"""Updates of optimizers. What they compute is in ``updates.py``; here are the ops of it."""

from __future__ import annotations

from math import prod

from remx_contract.errors import ArgumentError

from .. import updates
from ..backend import Array
from ..registry import kernel
from ..updates import averaged, limited, rest, scaled, single, update, update_master


@kernel(kinds="f")
def sgd_update(xp, weight, grad, lr, wd, rescale_grad, clip_gradient, out=None):
    step = updates.descent(xp, *map(single, (lr, wd, rescale_grad, clip_gradient)))
    return update(xp, step, (weight, grad), (), out)


@kernel(kinds="f")
def mp_sgd_update(xp, weight, grad, weight32, lr, wd, rescale_grad, clip_gradient, out=None):
    step = updates.descent(xp, *map(single, (lr, wd, rescale_grad, clip_gradient)))
    return update_master(xp, step, weight, grad, (), weight32, out)


@kernel(kinds="f")
def sgd_mom_update(xp, weight, grad, mom, lr, momentum, wd, rescale_grad, clip_gradient, out=None):
    step = updates.descent_with_momentum(xp, *map(single, (lr, momentum, wd, rescale_grad, clip_gradient)))
    return update(xp, step, (weight, grad), (mom,), out)


@kernel(kinds="f")
def mp_sgd_mom_update(
    xp, weight, grad, mom, weight32, lr, momentum, wd, rescale_grad, clip_gradient, out=None
):
    step = updates.descent_with_momentum(xp, *map(single, (lr, momentum, wd, rescale_grad, clip_gradient)))
    return update_master(xp, step, weight, grad, (mom,), weight32, out)


@kernel(kinds="f")
def nag_mom_update(xp, weight, grad, mom, lr, momentum, wd, rescale_grad, clip_gradient, out=None):
    step = updates.nesterov(xp, *map(single, (lr, momentum, wd, rescale_grad, clip_gradient)))
    return update(xp, step, (weight, grad), (mom,), out)


@kernel(kinds="f")
def mp_nag_mom_update(
    xp, weight, grad, mom, weight32, lr, momentum, wd, rescale_grad, clip_gradient, out=None
):
    numbers = map(single, (lr, momentum, wd, rescale_grad, clip_gradient))
    step = updates.nesterov(xp, *numbers, late=True)
    return update_master(xp, step, weight, grad, (mom,), weight32, out)


@kernel(kinds="f")
def adam_update(
    xp,
    weight,
    grad,
    mean,
    var,
    lr,
    beta1,
    beta2,
    epsilon,
    wd,
    rescale_grad,
    clip_gradient,
    out=None,
):
    others = map(single, (epsilon, wd, rescale_grad, clip_gradient))
    step = updates.adam(xp, single(lr), (beta1, beta2), *others)
    return update(xp, step, (weight, grad), (mean, var), out)


@kernel(kinds="f")
def ftml_update(
    xp, weight, grad, d, v, z, lr, beta1, beta2, epsilon, t, wd, rescale_grad, clip_grad, out=None
):
    lr, beta1, beta2, wd, rescale_grad = map(single, (lr, beta1, beta2, wd, rescale_grad))

    def step(w: Array, g: Array, d: Array, v: Array, z: Array) -> Array:
        g = g * rescale_grad
        g += w * wd
        g = limited(xp, g, single(clip_grad))
        averaged(v, g * g, beta2, rest(beta2))
        new = xp.sqrt(v / (1 - beta2**t))
        new += epsilon
        new *= 1 - beta1**t
        new /= lr
        slope = new - d * beta1
        slope *= w
        averaged(z, g, beta1, rest(beta1))
        z -= slope
        d[...] = new
        return -z / new

    return update(xp, step, (weight, grad), (d, v, z), out)


@kernel(kinds="f")
def ftrl_update(xp, weight, grad, z, n, lr, lamda1, beta, wd, rescale_grad, clip_gradient, out=None):
    lr, lamda1, beta, wd, rescale_grad = map(single, (lr, lamda1, beta, wd, rescale_grad))

    def step(w: Array, g: Array, z: Array, n: Array) -> Array:
        g = scaled(xp, g, rescale_grad, single(clip_gradient))
        z += g
        g *= g
        g += n
        root = xp.sqrt(g)
        z -= (root - xp.sqrt(n)) * w / lr
        n[...] = g
        root += beta
        root /= lr
        root += wd
        beyond = xp.maximum(xp.abs(z) - lamda1, 0)
        return -xp.sign(z) * beyond / root

    return update(xp, step, (weight, grad), (z, n), out)


@kernel(kinds="f")
def rmsprop_update(
    xp, weight, grad, n, lr, gamma1, epsilon, wd, rescale_grad, clip_gradient, clip_weights, out=None
):
    lr, gamma1, epsilon, wd, rescale_grad = map(single, (lr, gamma1, epsilon, wd, rescale_grad))

    def step(w: Array, g: Array, n: Array) -> Array:
        g = g * rescale_grad
        g += w * wd
        g = limited(xp, g, single(clip_gradient))
        averaged(n, g * g, gamma1, rest(gamma1))
        g *= lr
        g /= xp.sqrt(n + epsilon)
        return limited(xp, w - g, single(clip_weights))

    return update(xp, step, (weight, grad), (n,), out)


@kernel(kinds="f")
def rmspropalex_update(
    xp,
    weight,
    grad,
    n,
    g,
    delta,
    lr,
    gamma1,
    gamma2,
    epsilon,
    wd,
    rescale_grad,
    clip_gradient,
    clip_weights,
    out=None,
):
    lr, gamma1, gamma2, epsilon = map(single, (lr, gamma1, gamma2, epsilon))
    wd, rescale_grad = single(wd), single(rescale_grad)

    def step(w: Array, new: Array, n: Array, mean: Array, delta: Array) -> Array:
        new = new * rescale_grad
        new += w * wd
        new = limited(xp, new, single(clip_gradient))
        averaged(n, new * new, gamma1, rest(gamma1))
        averaged(mean, new * 1, gamma1, rest(gamma1))
        spread = n - mean * mean
        spread += epsilon
        new *= lr
        new /= xp.sqrt(spread)
        delta *= gamma2
        delta -= new
        return limited(xp, w + delta, single(clip_weights))

    return update(xp, step, (weight, grad), (n, g, delta), out)


@kernel(kinds="f")
def signsgd_update(xp, weight, grad, lr, wd, rescale_grad, out=None):
    # The scale, which travels with the call, changes no sign that MXNet would look at.
    lr, wd = single(lr), single(wd)

    def step(w: Array, g: Array) -> Array:
        return w * (1 - lr * wd) - xp.sign(g) * lr

    return update(xp, step, (weight, grad), (), out)


@kernel(kinds="f")
def signum_update(xp, weight, grad, mom, lr, momentum, wd, rescale_grad, clip_gradient, wd_lh, out=None):
    lr, momentum, wd, rescale_grad, wd_lh = map(single, (lr, momentum, wd, rescale_grad, wd_lh))

    def step(w: Array, g: Array, mom: Array) -> Array:
        g = scaled(xp, g, rescale_grad, single(clip_gradient))
        g += w * wd
        averaged(mom, g, momentum, -rest(momentum))
        return w * (1 - lr * wd_lh) + xp.sign(mom) * lr

    return update(xp, step, (weight, grad), (mom,), out)


@kernel(op="_sparse_adagrad_update", kinds="f")
def adagrad_update(xp, weight, grad, history, lr, epsilon, wd, rescale_grad, clip_gradient, out=None):
    if wd != 0:
        raise ArgumentError(op="_sparse_adagrad_update", argument="wd", got=f"{wd}", expected="0")
    lr, epsilon, rescale_grad = map(single, (lr, epsilon, rescale_grad))

    def step(w: Array, g: Array, history: Array) -> Array:
        g = scaled(xp, g, rescale_grad, single(clip_gradient))
        history += g * g
        g /= xp.sqrt(history + epsilon)
        g *= lr
        return xp.subtract(w, g, out=g)

    return update(xp, step, (weight, grad), (history,), out)


@kernel(op="_contrib_group_adagrad_update", kinds="f")
def group_adagrad_update(xp, weight, grad, history, lr, rescale_grad, clip_gradient, epsilon, out=None):
    lr, epsilon, rescale_grad = map(single, (lr, epsilon, rescale_grad))
    rows = weight.shape[0]
    width = prod(weight.shape[1:])
    wide = updates.wide(weight.dtype)
    made = xp.empty_like(weight) if out is None else out
    for part in updates.row_blocks(xp, weight):
        g = scaled(xp, grad[part].reshape(len(grad[part]), width).astype(wide), rescale_grad, clip_gradient)
        sums = history.reshape(-1)[:rows][part]
        sums += (g * g).sum(axis=1) / max(1, width)
        g /= xp.sqrt(sums.astype(wide) + epsilon)[:, None]
        g *= lr
        made[part] = weight[part] - g.reshape(weight[part].shape)
    return made


# LAMB.


@kernel(kinds="f")
def lamb_update_phase1(
    xp,
    weight,
    grad,
    mean,
    var,
    beta1,
    beta2,
    epsilon,
    t,
    bias_correction,
    wd,
    rescale_grad,
    clip_gradient,
    out=None,
):
    betas = beta1, beta2
    averages = updates.lamb_averages(xp, betas, single(rescale_grad), single(clip_gradient))
    direction = updates.lamb_direction(xp, betas, single(epsilon), bias_correction, t, single(wd))

    def step(w: Array, g: Array, mean: Array, var: Array) -> Array:
        averages(w, g, mean, var)
        return direction(w, mean, var)

    return update(xp, step, (weight, grad), (mean, var), out)


@kernel(kinds="f")
def mp_lamb_update_phase1(
    xp,
    weight,
    grad,
    mean,
    var,
    weight32,
    beta1,
    beta2,
    epsilon,
    t,
    bias_correction,
    wd,
    rescale_grad,
    clip_gradient,
    out=None,
):
    return lamb_update_phase1.function(
        xp,
        weight32,
        grad,
        mean,
        var,
        beta1,
        beta2,
        epsilon,
        t,
        bias_correction,
        wd,
        rescale_grad,
        clip_gradient,
        out,
    )


@kernel(kinds="f")
def lamb_update_phase2(xp, weight, g, r1, r2, lr, lower_bound, upper_bound, out=None):
    step = updates.lamb_move(xp, r1, r2, lr, lower_bound, upper_bound)
    return update(xp, step, (weight, g), (), out)


@kernel(kinds="f")
def mp_lamb_update_phase2(xp, weight, g, r1, r2, weight32, lr, lower_bound, upper_bound, out=None):
    step = updates.lamb_move(xp, r1, r2, lr, lower_bound, upper_bound)
    return update_master(xp, step, weight, g, (), weight32, out)


# Adam with decoupled weight decay.


@kernel(op="_adamw_update", kinds="f")
def adamw_update(
    xp,
    weight,
    grad,
    mean,
    var,
    rescale_grad,
    lr,
    beta1,
    beta2,
    epsilon,
    wd,
    eta,
    clip_gradient,
    out=None,
):
    factor = updates.factor(rescale_grad)
    if not factor:
        return updates.unchanged(weight, out)
    others = single(epsilon), single(wd), factor, single(clip_gradient)
    step = updates.adamw(xp, single(lr), single(eta), (beta1, beta2), *others)
    return update(xp, step, (weight, grad), (mean, var), out)


@kernel(op="_mp_adamw_update", kinds="f")
def mp_adamw_update(
    xp,
    weight,
    grad,
    mean,
    var,
    weight32,
    rescale_grad,
    lr,
    beta1,
    beta2,
    epsilon,
    wd,
    eta,
    clip_gradient,
    out=None,
):
    factor = updates.factor(rescale_grad)
    if not factor:
        return updates.unchanged(weight, out)
    others = single(epsilon), single(wd), factor, single(clip_gradient)
    step = updates.adamw(xp, single(lr), single(eta), (beta1, beta2), *others)
    return update_master(xp, step, weight, grad, (mean, var), weight32, out)
