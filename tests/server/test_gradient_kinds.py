"""What a gradient is: other than zero, zero, or an error, for every op and input as in MXNet 1.9.1."""

from __future__ import annotations

import pytest
from remx_contract.catalogue import OPS
from remx_contract.errors import MXNetError
from support.gradient_kinds import BEYOND, NO_OUTPUTS, Answer, Call, Kinds, calls, collected, golden_kinds
from support.own_rows import GPU_ONLY, HELPERS, PLACES
from support.runner import Runner
from support.samples import head_gradient

REFUSED_VARIABLES = {"Embedding", "softmax_cross_entropy"}


def gradients(runner: Runner, call: Call) -> Answer:
    """The gradients of all inputs of a call, or the error."""
    inputs = [runner.variable(array) for array in call.inputs]
    try:
        outputs = runner.apply(call.op, inputs, call.attrs)
        heads = [
            head_gradient(call.op, call.index, k, output.spec.shape, output.spec.dtype.name)
            for k, output in enumerate(outputs)
        ]
        return [runner.host(value) for value in runner.gradients(outputs, heads, inputs)]
    except MXNetError as error:
        return str(error)


@pytest.fixture(scope="module")
def ours() -> dict[str, Kinds]:
    """What our own answers to the calls say."""
    runner = Runner()
    return collected((call, gradients(runner, call)) for call in calls())


def test_every_row_with_inputs_was_asked(ours: dict[str, Kinds]) -> None:
    asked = {op for op, row in OPS.items() if row.inputs} - HELPERS - PLACES - GPU_ONLY - {*NO_OUTPUTS}
    assert set(ours) == set(golden_kinds()) == asked


@pytest.mark.parametrize("op", [op for op in golden_kinds() if op not in BEYOND])
def test_each_input_gets_what_mxnet_gives_it(op: str, ours: dict[str, Kinds]) -> None:
    wanted = golden_kinds()[op]
    for found, known in (ours[op].floats, wanted.floats), (ours[op].whole, wanted.whole):
        # Positions and labels that MXNet refuses as variables get zeros as everywhere.
        extra = {position: kind for position, kind in found.items() if position not in known}
        assert not extra or (op in REFUSED_VARIABLES and set(extra.values()) == {"zero"})
        assert {position: found[position] for position in known} == known
    if wanted.kind == "none":
        assert ours[op].errors == [f"{op}: it has no gradient"]
    else:
        assert not ours[op].errors


@pytest.mark.parametrize("op", BEYOND)
def test_a_gradient_that_mxnet_lacks_reaches_every_array(op: str, ours: dict[str, Kinds]) -> None:
    assert golden_kinds()[op].kind == "none"
    assert ours[op].floats
    assert set(ours[op].floats.values()) == {"rules"}
    assert not ours[op].errors
