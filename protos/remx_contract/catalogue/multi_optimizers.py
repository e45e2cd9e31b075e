"""Updates of several weights at once, and LARS' learning rates."""

from __future__ import annotations

from typing import Final

from ..attributes import BOOL, FLOAT, FLOATS, INT, SHAPE
from ..op import NONE, Attr, Op
from ..rules import shapes, types, updates
from ..rules.updates import Several
from .optimizers import (
    ADAMW,
    BETAS,
    BOUNDS,
    CLIP,
    GRADIENT,
    MASTER,
    MOMENTUM,
    RATIO,
    RESCALE,
    SGD,
    WITH_MOMENTUM,
    epsilon,
)

_SEVERAL: Final = "For several weights at once; the arrays of a weight stand together: weight, gradient"
_MIXED: Final = f"{MASTER} Of weights in float32 it is neither read nor written."
_LATE: Final = "MXNet can only be called with `out`."


def _several(
    name: str,
    inputs: Several,
    states: tuple[int, ...],
    *attrs: Attr,
    doc: str,
    own: int | None = None,
    single: bool = False,
    per_weight: bool = False,
) -> Op:
    """An op of several weights; ``states`` are those of a weight's arrays that it writes in place."""
    check = None
    if inputs.shared:
        check = updates.one_for_each if per_weight else updates.a_factor
    return Op(
        name,
        inputs=("*data",),
        attrs=attrs,
        shape=inputs.shape(check),
        dtype=inputs.dtype(inputs.each if own is None else own, single),
        grad=NONE,
        outputs=inputs.outputs,
        mutates=inputs.mutated(*states) if states else (),
        doc=f"{doc} {_LATE}",
    )


_LISTS: Final = (Attr("lrs", FLOATS), Attr("wds", FLOATS))
_NUMBER: Final = Attr("num_weights", INT, 1)
_SGD_TAIL: Final = (RESCALE, CLIP, _NUMBER)
_ADAMW_LISTS: Final = (
    Attr("lrs", FLOATS),
    *BETAS,
    epsilon(1e-8),
    Attr("wds", FLOATS),
    Attr("etas", FLOATS),
    CLIP,
    _NUMBER,
)
_LAMB_LISTS: Final = (
    Attr("learning_rates", FLOATS),
    *BETAS,
    epsilon(1e-6),
    Attr("wds", FLOATS),
    RESCALE,
    *BOUNDS,
    CLIP,
    Attr("bias_correction", BOOL, True),
    Attr("step_count", SHAPE),
    Attr("num_tensors", INT, 1),
)


def _sgds() -> tuple[Op, ...]:
    rows = []
    for preloaded, mp, mom in (
        (p, m, o) for p in (False, True) for m in (False, True) for o in (False, True)
    ):
        names = ["weight", "gradient", *["mom"] * mom, *["weight32"] * mp]
        step = (WITH_MOMENTUM if mom else SGD) + (f" {_MIXED}" if mp else "")
        rates = "`lrs` and `wds` have a number for each weight."
        if preloaded:
            rates = "Two more arrays follow, of float32: the learning rates and the weight decays."
        rows.append(
            _several(
                f"{'preloaded_' * preloaded}multi_{'mp_' * mp}sgd_{'mom_' * mom}update",
                Several("num_weights", len(names), 2 * preloaded, () if preloaded else ("lrs", "wds")),
                tuple(range(2, len(names))),
                *(() if preloaded else _LISTS),
                *[MOMENTUM] * mom,
                *_SGD_TAIL,
                own=2 if mp else None,
                single=preloaded,
                per_weight=True,
                doc=f"{step} {_SEVERAL}{', '.join(['', *names[2:]])}. {rates}",
            )
        )
    return tuple(rows)


ROWS = (
    *_sgds(),
    _several(
        "_multi_adamw_update",
        Several("num_weights", 4, 1, ("lrs", "wds", "etas")),
        (2, 3),
        *_ADAMW_LISTS,
        doc=f"{ADAMW} {_SEVERAL}, mean, var; `rescale_grad`, of the weights' dtype, is the last array. In "
        "dtypes other than float32 MXNet misreads it.",
    ),
    _several(
        "_multi_mp_adamw_update",
        Several("num_weights", 5, 1, ("lrs", "wds", "etas")),
        (2, 3, 4),
        *_ADAMW_LISTS,
        own=2,
        single=True,
        doc=f"{ADAMW} {_MIXED} {_SEVERAL}, mean, var, weight32; `rescale_grad` is the last array.",
    ),
    _several(
        "_multi_lamb_update",
        Several("num_tensors", 4, 0, ("learning_rates", "wds", "step_count")),
        (2, 3),
        *_LAMB_LISTS,
        doc=f"Both phases of LAMB. {RATIO}. {GRADIENT}. {_SEVERAL}, mean, var.",
    ),
    _several(
        "_multi_mp_lamb_update",
        Several("num_tensors", 5, 0, ("learning_rates", "wds", "step_count")),
        (2, 3, 4),
        *_LAMB_LISTS,
        own=2,
        doc=f"Both phases of LAMB. {RATIO}. {GRADIENT}. {_MIXED} {_SEVERAL}, mean, var, weight32.",
    ),
    Op(
        "multi_lars",
        inputs=("lrs", "weights_sum_sq", "grads_sum_sq", "wds"),
        attrs=(Attr("eta", FLOAT), Attr("eps", FLOAT), RESCALE),
        shape=shapes.all_same,
        dtype=types.same,
        grad=NONE,
        doc="The learning rates of LARS: lrs * eta * w / (g * rescale_grad + wds * w + eps), where w and g "
        "are the norms whose squares are given; lrs where one of them is 0. MXNet computes in float32 only.",
    ),
)
