"""No rule escapes the gradient checks: each row with rules, its inputs and its attributes have samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from remx_contract.attributes import BOOL
from remx_contract.catalogue import OPS
from remx_contract.op import Grad, Op
from remx_server.registry import KERNELS
from support.derivatives import STRAIGHT, Derivatives, smooth_samples
from support.gradient_kinds import BEYOND, golden_kinds
from support.own_rows import LOSS_OUTPUTS
from support.runner import Runner, runner_on
from support.samples_base import Sample

# Their gradient is not that of their output: test_a_loss_has_higher_orders and test_losses.py have them.
# Their gradient is not that of their output: test_a_loss_has_higher_orders has them, and test_contrib.py.
LOSSES = {"make_loss", "MakeLoss", *LOSS_OUTPUTS, *STRAIGHT}
WITH_RULES = [op for op, row in OPS.items() if row.grad is Grad.RULES and op not in LOSSES]
# Attributes that no gradient depends on, and values that are refused.
IDLE = {
    ("BatchNorm", "cudnn_off"),
    ("Dropout", "cudnn_off"),
    ("Embedding", "sparse_grad"),
    # No gradient flows through the moments.
    ("GroupNorm", "output_mean_var"),
    ("LayerNorm", "output_mean_var"),
    ("_contrib_BatchNormWithReLU", "cudnn_off"),
    ("Convolution", "cudnn_off"),
    ("Convolution", "cudnn_tune"),
    ("Deconvolution", "cudnn_off"),
    ("Deconvolution", "cudnn_tune"),
    ("Dropout", "cudnn_off"),
    ("Embedding", "sparse_grad"),
    ("Pooling", "cudnn_off"),
    ("batch_dot", "forward_stype"),
    ("cast_storage", "stype"),
    ("dot", "forward_stype"),
    ("log_softmax", "use_length"),
    ("softmin", "use_length"),
}
# An axis of these can only count from the front: what it says is refused, or the row is of an inner op.
FROM_THE_FRONT = {
    ("Dropout", "axes"),
    ("SequenceLast", "axis"),
    ("SequenceMask", "axis"),
    ("SequenceReverse", "axis"),
    ("_sequence_last_into", "axis"),
    ("_spread_axes", "axes"),
    ("_sum_axes", "axes"),
    ("broadcast_axis", "axis"),
    ("transpose", "axes"),
}
# Ops that refuse an axis of none.
NOT_ALL = {"_pick_add", "moments", "pick"}
AXES = ("axis", "axes", "axis1", "axis2", "dim", "dim1", "dim2", "lhs_axes", "rhs_axes")


def parsed(op: str, name: str) -> list[Any]:
    """The values of an attribute in the smooth samples of an op."""
    return [OPS[op].parse(sample.attrs)[name] for sample in smooth_samples(op).values()]


def attrs_of(*names: str) -> list[tuple[str, str]]:
    """The attributes of rows with rules, among those of these names if there are any."""
    return [(op, attr.name) for op in WITH_RULES for attr in OPS[op].attrs if not names or attr.name in names]


def test_every_row_with_rules_has_a_smooth_sample() -> None:
    assert [op for op in WITH_RULES if not smooth_samples(op)] == []


@pytest.mark.parametrize("op", WITH_RULES)
def test_every_input_with_a_gradient_is_a_variable_of_a_sample(op: str) -> None:
    varied = {
        k
        for sample in smooth_samples(op).values()
        for k, given in enumerate(sample.inputs)
        if given.differentiable
    }
    kinds = golden_kinds().get(op)
    if kinds is not None and op not in BEYOND:
        wanted = {int(k) for found in (kinds.floats, kinds.whole) for k in found if found[k] == "rules"}
        assert varied >= wanted or (OPS[op].variadic and len(varied) > 1)
        return
    # Ops of our own: positions have the names of positions.
    names = ("data", "A", "a", "lhs", "rhs", "result")
    assert varied >= {k for k, name in enumerate(OPS[op].inputs) if name.lstrip("*") in names}


@pytest.mark.parametrize(("op", "name"), [pair for pair in attrs_of() if pair not in IDLE])
def test_every_choice_of_an_attribute_is_in_a_sample(op: str, name: str) -> None:
    kind = OPS[op].attr_of[name].type
    choices: set[Any] = set()
    if kind.name.startswith(BOOL.name):
        choices = {True, False}
    elif kind.name.startswith("one of "):
        names = kind.name.removeprefix("one of ").removesuffix(" or None")
        choices = {text.strip(" '") for text in names.split(",")}
    assert {*parsed(op, name)} >= choices


@pytest.mark.parametrize(("op", "name"), [pair for pair in attrs_of(*AXES) if pair not in FROM_THE_FRONT])
def test_axes_count_from_both_ends_and_stand_for_all(op: str, name: str) -> None:
    given = parsed(op, name)
    numbers = [
        axis for one in given if one is not None for axis in (one if isinstance(one, tuple) else (one,))
    ]
    assert any(axis < 0 for axis in numbers)
    assert any(axis >= 0 for axis in numbers)
    if OPS[op].attr_of[name].type.name.endswith(" or None") and op not in NOT_ALL:
        assert None in given


@pytest.mark.parametrize("op", [op for op in WITH_RULES if OPS[op].broadcast and len(OPS[op].inputs) == 2])
def test_either_side_of_a_broadcast_is_the_short_one(op: str) -> None:
    if op == "broadcast_like":
        return
    pairs = [[given.shape for given in sample.inputs] for sample in smooth_samples(op).values()]
    for side in 0, 1:
        assert any(np.broadcast_shapes(*pair) != pair[side] for pair in pairs)


def shareable(op: Op, sample: Sample) -> bool:
    """Whether one array can be all the variables of a sample."""
    shapes = [given.shape for given in sample.inputs if given.differentiable]
    return len(shapes) > 1 and len(set(shapes)) == 1


SHARED = [
    (op, name)
    for op in WITH_RULES
    for name, sample in smooth_samples(op).items()
    # Where both sides of an extremum are one array there is a tie everywhere, mod jumps, and an interval is
    # empty.
    if shareable(OPS[op], sample) and not op.endswith(("maximum", "minimum", "mod", "pdf_uniform"))
]


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("op", sorted({op for op, _ in SHARED}))
def test_an_array_may_be_several_inputs(op: str, order: int) -> None:
    for name, sample in smooth_samples(op).items():
        if (op, name) in SHARED:
            whole = Derivatives(runner_on("cpu"), op, sample, name, shared=True)
            by_rules, by_differences = whole.derivative(order)
            assert by_rules == pytest.approx(by_differences, rel=1e-6, abs=1e-6), name


@pytest.mark.parametrize(
    ("op", "attrs", "scale"),
    [
        ("make_loss", {}, 1.0),
        ("MakeLoss", {"grad_scale": 3.0}, 3.0),
        ("MakeLoss", {"grad_scale": 3.0, "normalization": "batch"}, 1.5),
        # Of 0.5, 1 and 4, 9 two are above.
        ("MakeLoss", {"grad_scale": 3.0, "normalization": "valid", "valid_thresh": 2.0}, 1.5),
    ],
)
def test_a_loss_has_higher_orders(op: str, attrs: dict[str, object], scale: float) -> None:
    runner = Runner()
    x = runner.variable(np.array([[0.5, 1.0], [2.0, 3.0]]))
    (cube,) = runner.apply("_power_scalar", [x], {"scalar": 3.0})
    (loss,) = runner.apply(op, [cube], attrs)
    # The head gradient of a loss does not count.
    (first,) = runner.gradients([loss], [np.full((2, 2), 7.0)], [x], create_graph=True)
    (second,) = runner.gradients([first], [None], [x], create_graph=True)
    (third,) = runner.gradients([second], [None], [x])
    np.testing.assert_allclose(runner.host(first), scale * 3 * runner.host(x) ** 2)
    np.testing.assert_allclose(runner.host(second), scale * 6 * runner.host(x))
    np.testing.assert_allclose(runner.host(third), scale * np.full((2, 2), 6.0))


def test_a_rule_without_a_sample_would_be_seen() -> None:
    assert {op for op, kernel in KERNELS.items() if kernel.rules or kernel.rule_for_all} == {
        *WITH_RULES,
        *LOSSES,
    }
