"""Updates of optimizers: a new weight from a weight, its gradient and states, which are written in place.

With ``out=weight`` the weight is written in place too. Ops whose names begin with ``mp`` have a weight in
float16 (or any dtype) and keep an exact one in float32 beside it.
"""

from __future__ import annotations

from typing import Final

from ..attributes import BOOL, FLOAT, INT, AttrType
from ..op import NONE, Attr, DTypeRule, Op, ShapeRule
from ..rules import shapes, types, updates

LR: Final = Attr("lr", FLOAT, per_call=True)
ETA: Final = Attr("eta", FLOAT, per_call=True)
WD: Final = Attr("wd", FLOAT, 0.0, per_call=True)
RESCALE: Final = Attr("rescale_grad", FLOAT, 1.0, per_call=True)
CLIP: Final = Attr("clip_gradient", FLOAT, -1.0)
LAZY: Final = Attr("lazy_update", BOOL, True)
MOMENTUM: Final = Attr("momentum", FLOAT, 0.0)
BETAS: Final = (Attr("beta1", FLOAT, 0.9), Attr("beta2", FLOAT, 0.999))
_STEP: Final = Attr("t", INT, per_call=True)
BOUNDS: Final = (Attr("lower_bound", FLOAT, -1.0), Attr("upper_bound", FLOAT, -1.0))


def epsilon(default: float, kind: AttrType = FLOAT) -> Attr:
    return Attr("epsilon", kind, default)


GRADIENT: Final = (
    "The gradient is scaled by `rescale_grad`, and limited to [-clip_gradient, clip_gradient] where that is "
    "not negative"
)
_DECAYED: Final = f"{GRADIENT}; then wd * weight is added to it."
_DECAYED_FIRST: Final = (
    "The gradient is scaled by `rescale_grad`, wd * weight is added to it, and it is limited to "
    "[-clip_gradient, clip_gradient] where that is not negative."
)
SGD: Final = f"One step of gradient descent: weight - lr * gradient. {_DECAYED}"
WITH_MOMENTUM: Final = (
    f"One step of gradient descent with momentum: momentum * mom - lr * gradient is the new `mom`, and is "
    f"added to the weight. {_DECAYED}"
)
_NAG: Final = f"One step of Nesterov's accelerated gradient with the state `mom`. {_DECAYED}"
_ADAM: Final = (
    "One step of Adam: weight - lr * mean / (sqrt(var) + epsilon), with moving averages of the gradient and "
    "of its square in `mean` and `var`. The bias is not corrected: the caller's `lr` does that."
)
ADAMW: Final = (
    "One step of Adam with decoupled weight decay: weight - eta * (lr * mean / (sqrt(var) + epsilon) + wd * "
    "weight). The gradient is multiplied by the first element of `rescale_grad`; where that is 0, infinite "
    "or not a number the weight and the states stay as they are."
)
_LAMB: Final = (
    "LAMB's direction mean / (sqrt(var) + epsilon) + wd * weight, whose averages are corrected for step `t` "
    "with `bias_correction`"
)
RATIO: Final = (
    "`lr` is multiplied by the norm of the weight, limited by bounds that are not negative, over that of the "
    "direction, unless one of them is 0"
)
MASTER: Final = "The computation uses `weight32`, the weight in float32, and writes it in place."
_LAZY: Final = "`lazy_update` is taken, and matters for sparse arrays only."


def _update(
    name: str,
    states: tuple[str, ...],
    *attrs: Attr,
    doc: str,
    inputs: tuple[str, ...] = ("weight", "grad"),
    mutates: tuple[int, ...] | None = None,
    shape: ShapeRule = shapes.all_same,
    dtype: DTypeRule = types.same,
) -> Op:
    """An op of one weight; it writes its states in place."""
    every = (*inputs, *states)
    if mutates is None:
        mutates = tuple(range(2, len(every)))
    return Op(name, inputs=every, attrs=attrs, shape=shape, dtype=dtype, grad=NONE, mutates=mutates, doc=doc)


_TAIL: Final = (WD, RESCALE, CLIP)

_SINGLE = (
    _update("sgd_update", (), LR, *_TAIL, LAZY, doc=f"{SGD} {_LAZY}"),
    _update("sgd_mom_update", ("mom",), LR, MOMENTUM, *_TAIL, LAZY, doc=f"{WITH_MOMENTUM} {_LAZY}"),
    _update("nag_mom_update", ("mom",), LR, MOMENTUM, *_TAIL, doc=_NAG),
    _update(
        "adam_update",
        ("mean", "var"),
        LR,
        *BETAS,
        epsilon(1e-8),
        *_TAIL,
        LAZY,
        doc=f"{_ADAM} {_DECAYED_FIRST} {_LAZY}",
    ),
    _update(
        "ftml_update",
        ("d", "v", "z"),
        LR,
        Attr("beta1", FLOAT, 0.6),
        Attr("beta2", FLOAT, 0.999),
        epsilon(1e-8),
        _STEP,
        WD,
        RESCALE,
        Attr("clip_grad", FLOAT, -1.0),
        doc="One step of FTML (follow the moving leader), `t` being the number of the step. The gradient is "
        "scaled by `rescale_grad`, wd * weight is added to it, and it is limited to [-clip_grad, clip_grad] "
        "where that is not negative.",
    ),
    _update(
        "ftrl_update",
        ("z", "n"),
        LR,
        Attr("lamda1", FLOAT, 0.01),
        Attr("beta", FLOAT, 1.0),
        *_TAIL,
        doc=f"One step of FTRL-proximal: the weight is 0 where |z| is at most `lamda1`. {GRADIENT}.",
    ),
    _update(
        "rmsprop_update",
        ("n",),
        LR,
        Attr("gamma1", FLOAT, 0.95),
        epsilon(1e-8),
        *_TAIL,
        Attr("clip_weights", FLOAT, -1.0),
        doc="One step of RMSProp: weight - lr * gradient / sqrt(n + epsilon), with a moving average of the "
        f"gradient's square in `n`. {_DECAYED_FIRST} The new weight is limited to [-clip_weights, "
        "clip_weights] where that is not negative.",
    ),
    _update(
        "rmspropalex_update",
        ("n", "g", "delta"),
        LR,
        Attr("gamma1", FLOAT, 0.95),
        Attr("gamma2", FLOAT, 0.9),
        epsilon(1e-8),
        *_TAIL,
        Attr("clip_weights", FLOAT, -1.0),
        doc="One step of Graves' RMSProp: gamma2 * delta - lr * gradient / sqrt(n - g**2 + epsilon) is the "
        f"new `delta`, and is added to the weight. {_DECAYED_FIRST} The new weight is limited to "
        "[-clip_weights, clip_weights] where that is not negative.",
    ),
    _update(
        "signsgd_update",
        (),
        LR,
        *_TAIL,
        doc="(1 - lr * wd) * weight - lr * sign(grad). `rescale_grad` and `clip_gradient` change no sign and "
        "are not looked at.",
    ),
    _update(
        "signum_update",
        ("mom",),
        LR,
        MOMENTUM,
        *_TAIL,
        Attr("wd_lh", FLOAT, 0.0),
        doc="(1 - lr * wd_lh) * weight + lr * sign(mom), where momentum * mom - (1 - momentum) * gradient is "
        f"the new `mom`. {_DECAYED}",
    ),
    _update(
        "_sparse_adagrad_update",
        ("history",),
        LR,
        epsilon(1e-7),
        WD,
        RESCALE,
        CLIP,
        doc="One step of AdaGrad: weight - lr * gradient / sqrt(history + epsilon), with the sum of the "
        f"gradient's squares in `history`. {GRADIENT}. `wd` must be 0. MXNet has it for sparse arrays only.",
    ),
    _update(
        "_contrib_group_adagrad_update",
        ("history",),
        LR,
        RESCALE,
        CLIP,
        epsilon(1e-5),
        shape=updates.group_update,
        doc="One step of AdaGrad with one number of `history` for each row of the weight: the sum of the "
        f"mean squares of the row's gradient. {GRADIENT}. Of a longer history the first elements are used. "
        "MXNet has it for sparse gradients only.",
    ),
)

_LAMBS = (
    _update(
        "lamb_update_phase1",
        ("mean", "var"),
        *BETAS,
        epsilon(1e-6),
        _STEP,
        Attr("bias_correction", BOOL, True),
        Attr("wd", FLOAT, per_call=True),
        RESCALE,
        CLIP,
        doc=f"{_LAMB}. {GRADIENT}.",
    ),
    _update(
        "lamb_update_phase2",
        (),
        LR,
        *BOUNDS,
        inputs=("weight", "g", "r1", "r2"),
        mutates=(),
        shape=updates.with_norms,
        doc=f"LAMB's step weight - lr * g. {RATIO}: these are `r1` and `r2`.",
    ),
    _update(
        "mp_lamb_update_phase1",
        ("mean", "var", "weight32"),
        *BETAS,
        epsilon(1e-6),
        _STEP,
        Attr("bias_correction", BOOL, True),
        Attr("wd", FLOAT, per_call=True),
        RESCALE,
        CLIP,
        mutates=(2, 3),
        dtype=updates.half_with_masters,
        doc=f"{_LAMB}, in float32 with the weight in `weight32`. {GRADIENT}.",
    ),
    _update(
        "mp_lamb_update_phase2",
        (),
        LR,
        *BOUNDS,
        inputs=("weight", "g", "r1", "r2", "weight32"),
        mutates=(4,),
        shape=updates.with_norms,
        dtype=updates.masters(1),
        doc=f"LAMB's step weight32 - lr * g. {RATIO}: these are `r1` and `r2`. {MASTER}",
    ),
)

_MASTERS = (
    _update(
        "mp_sgd_update",
        ("weight32",),
        LR,
        *_TAIL,
        LAZY,
        dtype=updates.masters(2),
        doc=f"{SGD} {MASTER} {_LAZY}",
    ),
    _update(
        "mp_sgd_mom_update",
        ("mom", "weight32"),
        LR,
        MOMENTUM,
        *_TAIL,
        LAZY,
        dtype=updates.masters(2),
        doc=f"{WITH_MOMENTUM} {MASTER} {_LAZY}",
    ),
    _update(
        "mp_nag_mom_update",
        ("mom", "weight32"),
        LR,
        MOMENTUM,
        *_TAIL,
        dtype=updates.masters(2),
        doc=f"{_NAG} {MASTER} As in MXNet, what the decay adds to `mom` is that of the new weight.",
    ),
)

_ADAMW_ATTRS: Final = (LR, *BETAS, epsilon(1e-8), WD, ETA, CLIP)
_ADAMWS = (
    _update(
        "_adamw_update",
        ("mean", "var", "rescale_grad"),
        *_ADAMW_ATTRS,
        mutates=(2, 3),
        shape=updates.with_factor,
        dtype=updates.masters(4),
        doc=f"{ADAMW} It is limited to [-clip_gradient, clip_gradient] where that is not negative.",
    ),
    _update(
        "_mp_adamw_update",
        ("mean", "var", "weight32", "rescale_grad"),
        *_ADAMW_ATTRS,
        mutates=(2, 3, 4),
        shape=updates.with_factor,
        dtype=updates.masters(2),
        doc=f"{ADAMW} It is limited to [-clip_gradient, clip_gradient] where that is not negative. {MASTER}",
    ),
)


ROWS = (*_SINGLE, *_MASTERS, *_LAMBS, *_ADAMWS)
