"""Samples of the optimizers' updates and of the ops for mixed precision."""

from __future__ import annotations

from .samples_base import Input, Sample, Table, ints, sample, values, x

_STATE = {"low": 0.1, "high": 2.0}


def _arrays(kinds: str, *shape: int, dtype: str = "float32") -> tuple[Input, ...]:
    """Inputs by letters: ``w`` any numbers, ``v`` positive ones, in ``dtype``; ``W`` and ``V`` in float32."""
    return tuple(
        x(*shape, dtype=dtype if kind.islower() else "float32", **(_STATE if kind in "vV" else {}))
        for kind in kinds
    )


def _calls(kinds: str, *variants: dict[str, object], dtypes: tuple[str, ...]) -> tuple[Sample, ...]:
    """Every variant in the first dtype, and the last one in all the others."""
    made = [sample(*_arrays(kinds, 3, 4, dtype=dtypes[0]), grad=False, **attrs) for attrs in variants]
    made += [
        sample(*_arrays(kinds, 5, dtype=dtype), grad=False, **variants[-1])
        for dtype in dtypes
        if dtype != dtypes[0]
    ]
    return tuple(made)


_FLOATS = ("float32", "float64", "float16")
_MIXED = ("float16", "float32")
_PLAIN: dict[str, object] = {"lr": 0.1}
_ALL: dict[str, object] = {"lr": 0.1, "wd": 0.05, "rescale_grad": 0.7, "clip_gradient": 0.8}
_STILL: dict[str, object] = {"lr": 0.1, "wd": 0.3, "clip_gradient": 0.0}
_MOM: dict[str, object] = _ALL | {"momentum": 0.9}
_MOMENTA = ({**_PLAIN, "momentum": 0.8}, _STILL, _MOM)
_ADAM: dict[str, object] = _ALL | {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}
_RMS: dict[str, object] = _ALL | {"gamma1": 0.8, "epsilon": 0.01}
_LAMB: dict[str, object] = {
    "t": 3,
    "wd": 0.05,
    "beta1": 0.8,
    "beta2": 0.95,
    "epsilon": 1e-3,
    "rescale_grad": 0.7,
    "clip_gradient": 0.8,
}
_LAMBS = ({"t": 1, "wd": 0.0}, _LAMB | {"bias_correction": False}, _LAMB)
_BOUNDED: dict[str, object] = {"lr": 0.1, "lower_bound": 0.5, "upper_bound": 1.5}


def _norms(kinds: str, dtype: str = "float32", r1: float = 2.5, r2: float = 3.0) -> tuple[Input, ...]:
    weight, direction, *rest = _arrays(kinds, 3, 4, dtype=dtype)
    norm = rest[0].dtype if rest else direction.dtype
    return weight, direction, values(r1, dtype=norm), values(r2, dtype=norm), *rest


def _phase2(kinds: str, *dtypes: str) -> tuple[Sample, ...]:
    given = [(2.5, 3.0, _PLAIN), (2.5, 3.0, _BOUNDED), (0.2, 3.0, _BOUNDED), (0.0, 3.0, _PLAIN)]
    given += [(2.5, 0.0, _PLAIN)]
    made = [sample(*_norms(kinds, dtypes[0], r1, r2), grad=False, **attrs) for r1, r2, attrs in given]
    made += [sample(*_norms(kinds, dtype), grad=False, **_BOUNDED) for dtype in dtypes[1:]]
    return tuple(made)


def _adamws(kinds: str, *dtypes: str) -> tuple[Sample, ...]:
    attrs = _ADAM | {"eta": 0.5}
    del attrs["rescale_grad"]
    plain = {"lr": 0.1, "eta": 1.0}
    given = [(dtypes[0], 0.7, plain), *((dtype, 0.7, attrs) for dtype in dtypes)]
    return tuple(
        sample(*_arrays(kinds, 3, 4, dtype=dtype), values(factor), grad=False, **chosen)
        for dtype, factor, chosen in given
    )


def _several(
    kinds: str, dtypes: tuple[str, ...], *attrs: dict[str, object], shared: tuple[Input, ...] = ()
) -> tuple[Sample, ...]:
    """Calls with two weights of different shapes."""
    made = []
    for dtype in dtypes:
        arrays = (*_arrays(kinds, 3, 4, dtype=dtype), *_arrays(kinds, 5, dtype=dtype), *shared)
        made += [sample(*arrays, grad=False, **chosen) for chosen in attrs]
    return tuple(made)


_RATES: dict[str, object] = {"lrs": (0.1, 0.2), "wds": (0.05, 0.0), "num_weights": 2}
_LIMITS: dict[str, object] = {"rescale_grad": 0.7, "clip_gradient": 0.8}
_SGDS = (_RATES, _RATES | _LIMITS)
_SGD_MOMS = (_RATES | {"momentum": 0.9}, _RATES | _LIMITS | {"momentum": 0.8})
_LOADED = (values(0.1, 0.2), values(0.05, 0.0))
_LOADS: tuple[dict[str, object], ...] = ({"num_weights": 2}, {"num_weights": 2} | _LIMITS)
_LOADED_MOMS = tuple(attrs | {"momentum": 0.9} for attrs in _LOADS)
_ADAMWS: dict[str, object] = _RATES | {
    "etas": (0.5, 1.0),
    "beta1": 0.8,
    "beta2": 0.95,
    "epsilon": 1e-3,
    "clip_gradient": 0.8,
}
_MULTI_LAMB: dict[str, object] = {
    "learning_rates": (0.1, 0.2),
    "wds": (0.05, 0.0),
    "step_count": (1, 3),
    "num_tensors": 2,
}
_MULTI_LAMBS = (
    _MULTI_LAMB,
    _MULTI_LAMB | {"bias_correction": False, "lower_bound": 0.5, "upper_bound": 1.5} | _LIMITS,
    _MULTI_LAMB | {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3} | _LIMITS,
)

OPTIMIZERS: Table = {
    "sgd_update": _calls("ww", _PLAIN, _STILL, _ALL, dtypes=_FLOATS),
    "sgd_mom_update": _calls("www", *_MOMENTA, dtypes=_FLOATS),
    "nag_mom_update": _calls("www", *_MOMENTA, dtypes=_FLOATS),
    "adam_update": _calls("wwwv", _PLAIN, _STILL, _ADAM, dtypes=_FLOATS),
    "mp_sgd_update": _calls("wwW", _PLAIN, _STILL, _ALL, dtypes=(*_MIXED, "float64")),
    "mp_sgd_mom_update": _calls("wwWW", *_MOMENTA, dtypes=_MIXED),
    "mp_nag_mom_update": _calls("wwWW", *_MOMENTA, dtypes=_MIXED),
    "ftml_update": _calls(
        "wwvvw",
        {"lr": 0.1, "t": 1},
        {"lr": 0.1, "t": 2, "clip_grad": 0.0, "wd": 0.1},
        {
            "lr": 0.1,
            "t": 3,
            "beta1": 0.5,
            "beta2": 0.9,
            "epsilon": 1e-3,
            "wd": 0.05,
            "rescale_grad": 0.7,
            "clip_grad": 0.8,
        },
        dtypes=_FLOATS,
    ),
    "ftrl_update": _calls("wwwv", _PLAIN, _STILL, _ALL | {"lamda1": 0.5, "beta": 0.7}, dtypes=_FLOATS),
    "rmsprop_update": _calls("wwv", _PLAIN, _STILL, _RMS | {"clip_weights": 1.2}, _RMS, dtypes=_FLOATS),
    "rmspropalex_update": _calls(
        "wwvvw",
        _PLAIN | {"gamma2": 0.8, "epsilon": 4.0},
        _STILL | {"epsilon": 4.0},
        _RMS | {"clip_weights": 1.2, "epsilon": 4.0},
        _RMS | {"epsilon": 4.0},
        dtypes=_FLOATS,
    ),
    "signsgd_update": (
        *_calls("ww", _PLAIN, _ALL, _PLAIN | {"rescale_grad": -1.0}, dtypes=_FLOATS),
        sample(values(1.0, 2.0, 3.0), values(0.0, -1.0, 2.0), grad=False, lr=0.1),
    ),
    "signum_update": _calls("www", *_MOMENTA, _MOM | {"wd_lh": 0.1}, dtypes=_FLOATS),
    "_sparse_adagrad_update": _calls(
        "wwv",
        _PLAIN,
        {"lr": 0.1, "clip_gradient": 0.0},
        {"lr": 0.1, "rescale_grad": 0.7, "clip_gradient": 0.8, "epsilon": 1e-3},
        dtypes=("float32",),
    ),
    "_contrib_group_adagrad_update": tuple(
        sample(x(4, 3), x(4, 3), x(*history, low=0.1, high=2.0), grad=False, **attrs)
        for history, attrs in (
            ((4, 1), _PLAIN),
            ((4,), {"lr": 0.1, "rescale_grad": 0.7, "clip_gradient": 0.8, "epsilon": 1e-3}),
        )
    ),
    "lamb_update_phase1": _calls("wwwv", *_LAMBS, dtypes=_FLOATS),
    "mp_lamb_update_phase1": _calls("wwWVW", *_LAMBS, dtypes=("float16",)),
    "lamb_update_phase2": _phase2("ww", *_FLOATS),
    "mp_lamb_update_phase2": _phase2("wWW", *_MIXED, "float64"),
    "_adamw_update": _adamws("wwwv", *_FLOATS),
    "_mp_adamw_update": _adamws("wwWVW", *_MIXED),
    "multi_sgd_update": _several("ww", _FLOATS, *_SGDS),
    "multi_sgd_mom_update": _several("www", _FLOATS, *_SGD_MOMS),
    "multi_mp_sgd_update": _several("wwW", _MIXED, *_SGDS),
    "multi_mp_sgd_mom_update": _several("wwWW", _MIXED, *_SGD_MOMS),
    "preloaded_multi_sgd_update": _several("ww", _FLOATS, *_LOADS, shared=_LOADED),
    "preloaded_multi_sgd_mom_update": _several("www", _FLOATS, *_LOADED_MOMS, shared=_LOADED),
    "preloaded_multi_mp_sgd_update": _several("wwW", _MIXED, *_LOADS, shared=_LOADED),
    "preloaded_multi_mp_sgd_mom_update": _several("wwWW", _MIXED, *_LOADED_MOMS, shared=_LOADED),
    "_multi_adamw_update": _several("wwwv", ("float32",), _ADAMWS, shared=(values(0.7),)),
    "_multi_mp_adamw_update": _several("wwWVW", _MIXED, _ADAMWS, shared=(values(0.7),)),
    "_multi_lamb_update": _several("wwwv", _FLOATS, *_MULTI_LAMBS),
    "_multi_mp_lamb_update": _several("wwWVW", _MIXED, *_MULTI_LAMBS),
    "multi_lars": (
        sample(*_arrays("vvvv", 4), grad=False, eta=0.1, eps=1e-3, rescale_grad=0.7),
        sample(
            values(0.1, 0.2, 0.3),
            values(0.0, 2.0, 3.0),
            values(1.0, 0.0, 2.0),
            values(0.1, 0.1, 0.0),
            grad=False,
            eta=0.1,
            eps=0.0,
        ),
    ),
}

_BAD = float("nan")

AMP: Table = {
    "amp_cast": (
        sample(x(2, 3), dtype="float16"),
        sample(x(2, 3), dtype="float32"),
        sample(x(2, 3), dtype="float64"),
        sample(x(3, dtype="float16"), dtype="float32"),
        sample(x(3, dtype="float64"), dtype="float16"),
        sample(x(3), dtype="int32", smooth=False),
        sample(ints(3), dtype="float16"),
    ),
    "amp_multicast": (
        sample(x(2, 3), x(2, 3), num_outputs=2),
        sample(x(2), x(3, dtype="float16"), num_outputs=2),
        sample(x(2), x(3, dtype="float16"), num_outputs=2, cast_narrow=True),
        sample(x(2, dtype="float64"), x(2), x(3, dtype="float16"), num_outputs=3),
        sample(ints(2), x(2), x(3, dtype="float16"), num_outputs=3),
        sample(x(2, dtype="float64"), x(2), num_outputs=2, cast_narrow=True),
    ),
    "all_finite": (
        sample(x(2, 3), grad=False),
        sample(values(1.0, _BAD, 2.0), grad=False),
        sample(values(1.0, float("inf"), dtype="float16"), grad=False),
        sample(x(3, dtype="float64"), grad=False),
    ),
    "multi_all_finite": (
        sample(x(2, 3), x(4), grad=False, num_arrays=2),
        sample(x(2, 3), values(1.0, -float("inf")), grad=False, num_arrays=2),
    ),
    "multi_sum_sq": (
        sample(x(2, 3), x(4), grad=False, num_arrays=2),
        sample(x(2, 3, dtype="float16"), x(4, dtype="float16"), grad=False, num_arrays=2),
        sample(x(5, dtype="float64"), grad=False, num_arrays=1),
    ),
    "reset_arrays": (
        sample(x(2, 3), x(4), grad=False, num_arrays=2),
        sample(x(3, dtype="float16"), grad=False, num_arrays=1),
    ),
}
