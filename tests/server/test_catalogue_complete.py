"""Every row has a kernel and a sample, every rule is run, and recorded ops leave nothing behind."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from remx_contract.catalogue import FAMILIES, FAMILY_OF, OPS
from remx_contract.errors import GraphFreedError, OverwrittenValueError
from remx_contract.op import Grad
from remx_server import backward
from remx_server.registry import KERNELS, check_complete
from remx_server.tape import Leaf, Node
from remx_server.value import Value
from support.derivatives import STRAIGHT, Derivatives, smooth_samples
from support.own_rows import DRAWN_IMAGES, GPU_ONLY, HELPERS, INITIAL, LOSS_OUTPUTS, PLACES
from support.runner import Runner
from support.samples import SAMPLES, arrays

# Rows without samples: MXNet has no such op, or its answers depend on a seed.
# Of LeakyReLU only one kind of many draws. test_random.py has the others.
RANDOM = {name for name in OPS if OPS[name].random} - {"LeakyReLU"} - DRAWN_IMAGES
# Rules that no smooth sample reaches: test_gradient_orders.py and test_losses.py have them.
LOSSES = {"make_loss", "MakeLoss", *LOSS_OUTPUTS, *STRAIGHT}


def test_every_row_has_a_kernel() -> None:
    assert set(KERNELS) == set(OPS)
    check_complete(list(OPS.values()))


def test_a_kernel_is_in_the_family_of_its_row() -> None:
    for name, kernel in KERNELS.items():
        module = kernel.function.__module__
        if not kernel.ufunc:
            assert module.rpartition(".")[2] == FAMILY_OF[name], name
    assert set(FAMILY_OF.values()) == set(FAMILIES)


def test_every_row_has_a_sample() -> None:
    assert set(OPS) - set(SAMPLES) == RANDOM | PLACES | HELPERS | INITIAL | GPU_ONLY
    assert not set(SAMPLES) - set(OPS)


@pytest.fixture(scope="module")
def passed() -> Iterator[Counter[str]]:
    """How often each op's rules ran in backward passes at order 1 and 2 of the smooth samples."""
    counted: Counter[str] = Counter()
    original = backward.gradients_of

    def count(node: Node, gs: list[Value | None], executor: Any) -> list[tuple[int, Value]]:
        counted[node.spec.op.name] += 1
        return original(node, gs, executor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backward, "gradients_of", count)
        runner = Runner()
        for op, row in OPS.items():
            if row.grad is Grad.RULES:
                for name, sample in smooth_samples(op).items():
                    Derivatives(runner, op, sample, name).derivative(2)
        yield counted


def test_rules_are_written_in_ops_that_have_been_run(passed: Counter[str]) -> None:
    with_rules = {op for op, row in OPS.items() if row.grad is Grad.RULES}
    assert with_rules - set(passed) == LOSSES


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[type]]:
    """How many nodes, leaves, saved arrays and values made since are alive; no garbage is collected."""
    counted: Counter[type] = Counter()

    def watch(cls: type) -> None:
        initialize = cls.__init__

        def made(self: Any, *args: Any, **kwargs: Any) -> None:
            counted[cls] += 1
            initialize(self, *args, **kwargs)

        def dropped(self: Any) -> None:
            counted[cls] -= 1

        monkeypatch.setattr(cls, "__init__", made)
        monkeypatch.setattr(cls, "__del__", dropped, raising=False)

    for cls in (Node, Leaf, Value):
        watch(cls)
    gc.collect()
    gc.disable()
    yield counted
    gc.enable()


@pytest.mark.parametrize("stage", ["recorded", "backward", "create_graph"])
def test_samples_leave_nothing_behind(alive: Counter[type], stage: str) -> None:
    runner = Runner()
    seen = 0
    for op, samples in SAMPLES.items():
        for index, sample in enumerate(samples):
            if OPS[op].grad is Grad.NONE or not sample.inputs:
                continue
            inputs = [runner.variable(array) for array in arrays(op, index)]
            outputs = runner.apply(op, inputs, sample.attrs)
            seen = max(seen, alive[Node])
            if stage == "backward":
                runner.backward(outputs, [None] * len(outputs))
            elif stage == "create_graph":
                made = runner.gradients(outputs, [None] * len(outputs), inputs, create_graph=True)
                del made
            del inputs, outputs
            assert not +alive, f"{op} sample {index}"
    assert seen > 0


def test_a_failed_pass_leaves_nothing_behind(alive: Counter[type]) -> None:
    runner = Runner()
    for _ in range(2):
        data = runner.variable(np.ones(3))
        (squared,) = runner.apply("square", [data])
        data.data[...] = 2
        data.memory.writes[0] += 1
        with pytest.raises(OverwrittenValueError, match="square"):
            runner.backward([squared], [None])
        del data, squared
    # The exception and its traceback are gone with the block, and with them what they held.
    gc.collect()
    assert not +alive


def test_an_unreachable_graph_frees_its_memory() -> None:
    runner = Runner()
    gc.disable()
    try:
        data = runner.variable(np.ones(3))
        (squared,) = runner.apply("square", [data])
        (root,) = runner.apply("exp", [squared])
        kept = weakref.ref(squared.data), weakref.ref(root.data)
        del squared
        assert kept[0]() is None, "square needs its input only, and exp its output"
        assert kept[1]() is not None
        del root
        assert kept[1]() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("retain", [False, True])
def test_a_backward_pass_frees_what_was_saved(retain: bool) -> None:
    runner = Runner()
    data = runner.variable(np.full(3, 2.0))
    (first,) = runner.apply("_mul_scalar", [data], {"scalar": 3.0})
    (second,) = runner.apply("square", [first])
    (third,) = runner.apply("_mul_scalar", [second], {"scalar": 1.0})
    saved = weakref.ref(first.data)
    del first, second
    assert saved() is not None
    if retain:
        runner.gradients([third], [None], [data])
        assert saved() is not None
        (again,) = runner.gradients([third], [None], [data])
        np.testing.assert_array_equal(runner.host(again), 36)
    else:
        runner.backward([third], [None])
        assert saved() is None
        np.testing.assert_array_equal(runner.host(data.producer.gradient), 36)
        with pytest.raises(GraphFreedError, match="retain_graph"):
            runner.backward([third], [None])
