"""Passes that were seen before give what the rules give, and only for graphs of the same form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from remx_contract import errors
from remx_server.passes import Passes
from remx_server.value import Value, mark_written
from support.runner import Runner

BINARY = ("broadcast_add", "broadcast_sub", "broadcast_mul", "elemwise_add", "broadcast_maximum")
UNARY = ("tanh", "square", "abs", "negative", "_copy")

Graph = Callable[[Runner, Sequence[Value]], Value]


class NoPrograms(Passes):
    """Every pass goes by the rules."""

    def survey(self, heads: Sequence[Value], given: Sequence[Value | None]) -> None:
        """Nothing is known."""


def by_rules(graph: Graph, arrays: Sequence[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """The gradients of a graph's leaves, without programs."""
    runner = Runner()
    runner.executor.passes = NoPrograms()
    return gradients(runner, graph, arrays)


def gradients(
    runner: Runner, graph: Graph, arrays: Sequence[np.ndarray[Any, Any]]
) -> list[np.ndarray[Any, Any]]:
    """The gradients that a pass leaves at a graph's leaves; NaN where none arrived."""
    leaves = [runner.variable(array) for array in arrays]
    for leaf in leaves:
        leaf.producer.gradient.data[...] = np.nan
    run_pass(runner, [graph(runner, leaves)])
    return [runner.host(leaf.producer.gradient) for leaf in leaves]


def run_pass(runner: Runner, heads: Sequence[Value], given: Sequence[Value | None] | None = None) -> None:
    """A backward pass that frees the graph, as ``loss.backward()`` runs one."""
    runner.backward(heads, given or [None] * len(heads))


def program_count(runner: Runner) -> int:
    """How many programs the runner's executor has."""
    return sum(bool(program) for program in runner.executor.passes._programs.values())


def op(runner: Runner, name: str, *values: Value, **attrs: object) -> Value:
    """The only output of an op."""
    return runner.apply(name, values, attrs)[0]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A graph of random ops in which values are used any number of times, and the leaves in any role."""
    steps = draw(
        st.lists(
            st.one_of(
                st.tuples(st.sampled_from(UNARY), st.integers(0, 20)),
                st.tuples(st.sampled_from(BINARY), st.integers(0, 20), st.integers(0, 20)),
                st.tuples(st.just("_mul_scalar"), st.integers(0, 20), st.sampled_from([-0.0, 0.0, 0.5])),
            ),
            min_size=1,
            max_size=8,
        )
    )

    def graph(runner: Runner, leaves: Sequence[Value]) -> Value:
        made = list(leaves)
        for name, *sources in steps:
            if name == "_mul_scalar":
                made.append(op(runner, name, made[sources[0] % len(made)], scalar=sources[1]))
            else:
                made.append(op(runner, name, *[made[number % len(made)] for number in sources]))
        # The newest and the leaves all count, so that gradients reach them.
        total = made[-1]
        for value in made[:2]:
            total = op(runner, "broadcast_add", total, value)
        return total

    return graph


@settings(max_examples=150, deadline=None)
@given(graphs(), graphs(), st.integers(0, 2**32 - 1))
def test_programs_give_what_the_rules_give(first: Graph, second: Graph, seed: int) -> None:
    random = np.random.RandomState(seed)
    runner = Runner()
    # Turn by turn, so that the guess at a graph's form is wrong as often as it is right.
    for turn in range(8):
        graph = (first, second)[turn % 2]
        arrays = [random.randint(-8, 9, 3) / 4.0 for _ in range(2)]
        for got, wanted in zip(gradients(runner, graph, arrays), by_rules(graph, arrays), strict=True):
            np.testing.assert_array_equal(got, wanted, err_msg=f"turn {turn}")
    assert program_count(runner) >= 1


def similar() -> dict[str, Graph]:
    """Graphs that end alike and differ somewhere before."""
    return {
        "two nodes": lambda r, x: op(r, "broadcast_mul", op(r, "tanh", x[0]), op(r, "tanh", x[0])),
        "one node twice": lambda r, x: (lambda t: op(r, "broadcast_mul", t, t))(op(r, "tanh", x[0])),
        "two leaves": lambda r, x: op(r, "broadcast_mul", op(r, "tanh", x[0]), op(r, "tanh", x[1])),
        "swapped leaves": lambda r, x: op(r, "broadcast_mul", op(r, "tanh", x[1]), op(r, "tanh", x[0])),
        "scalar 2": lambda r, x: op(
            r, "broadcast_mul", op(r, "_mul_scalar", x[0], scalar=2.0), op(r, "tanh", x[1])
        ),
        "scalar 3": lambda r, x: op(
            r, "broadcast_mul", op(r, "_mul_scalar", x[0], scalar=3.0), op(r, "tanh", x[1])
        ),
        "one constant": lambda r, x: op(r, "broadcast_mul", op(r, "tanh", x[0]), r.value(np.full(3, 5.0))),
        "leaves themselves": lambda r, x: op(r, "broadcast_mul", x[0], x[1]),
        "one leaf twice": lambda r, x: op(r, "broadcast_mul", x[0], x[0]),
    }


def test_similar_graphs_are_not_taken_for_each_other() -> None:
    runner = Runner()
    random = np.random.RandomState(0)
    for turn in range(5):
        for name, graph in similar().items():
            arrays = [random.randint(-8, 9, 3) / 4.0 for _ in range(2)]
            for got, wanted in zip(gradients(runner, graph, arrays), by_rules(graph, arrays), strict=True):
                np.testing.assert_array_equal(got, wanted, err_msg=f"{name}, turn {turn}")
    # With leaves in each other's places a graph has the same form: which is which is found anew each time.
    assert program_count(runner) == len(similar()) - 1


def test_constants_that_were_one_array_when_traced_may_be_two_later() -> None:
    runner = Runner()

    def graph(first: Value, second: Value) -> Graph:
        return lambda r, x: op(
            r, "broadcast_add", op(r, "broadcast_mul", x[0], first), op(r, "broadcast_mul", x[1], second)
        )

    same = runner.value(np.full(3, 2.0))
    for _ in range(3):
        assert [g[0] for g in gradients(runner, graph(same, same), [np.ones(3)] * 2)] == [2.0, 2.0]
    other = runner.value(np.full(3, 7.0))
    assert [g[0] for g in gradients(runner, graph(same, other), [np.ones(3)] * 2)] == [2.0, 7.0]


def test_given_head_gradients_and_several_heads() -> None:
    runner = Runner()
    for scale in (1.0, 2.0, 3.0, 4.0):
        leaf = runner.variable(np.ones(3))
        heads = [op(runner, "_mul_scalar", leaf, scalar=2.0), op(runner, "square", leaf)]
        run_pass(runner, heads, [runner.value(np.full(3, scale)), None])
        assert runner.host(leaf.producer.gradient).tolist() == [2.0 * scale + 2.0] * 3
    assert program_count(runner) == 1


def test_gradients_that_add_up_do_so_with_programs() -> None:
    runner = Runner()
    leaf = runner.variable(np.ones(3))
    leaf.producer.request = 3
    for turn in range(1, 5):
        run_pass(runner, [op(runner, "square", leaf)])
        assert runner.host(leaf.producer.gradient).tolist() == [2.0 * turn] * 3


def traced(runner: Runner) -> None:
    """Run ``square`` often enough for a program."""
    for _ in range(3):
        gradients(runner, lambda r, x: op(r, "square", x[0]), [np.ones(3)])
    assert program_count(runner) == 1


def test_an_overwritten_value_is_an_error_in_a_program_too() -> None:
    runner = Runner()
    traced(runner)
    leaf = runner.variable(np.ones(3))
    head = op(runner, "square", leaf)
    mark_written(leaf)
    with pytest.raises(errors.OverwrittenValueError, match="square"):
        run_pass(runner, [head])


def test_a_freed_graph_is_an_error_in_a_program_too() -> None:
    runner = Runner()
    traced(runner)
    head = op(runner, "square", runner.variable(np.ones(3)))
    run_pass(runner, [head])
    with pytest.raises(errors.GraphFreedError):
        run_pass(runner, [head])


def test_a_kernel_that_fails_in_a_program_is_named() -> None:
    runner = Runner()
    traced(runner)
    [program] = [made for made in runner.executor.passes._programs.values() if made]

    def broken(*arrays: Any, **per_call: Any) -> Any:
        raise MemoryError("no room")

    name, _, *rest = program.steps[0]  # type: ignore[union-attr]
    program.steps[0] = (name, broken, *rest)  # type: ignore[union-attr,assignment]
    with pytest.raises(errors.OutOfMemoryError, match=name):
        gradients(runner, lambda r, x: op(r, "square", x[0]), [np.ones(3)])


def test_a_recorded_pass_goes_by_the_rules() -> None:
    runner = Runner()
    for _ in range(4):
        leaf = runner.variable(np.full(3, 2.0))
        [first] = runner.gradients([op(runner, "square", leaf)], [None], [leaf], create_graph=True)
        [second] = runner.gradients([op(runner, "square", first)], [None], [leaf])
        assert runner.host(second).tolist() == [16.0] * 3


def test_gradients_that_are_asked_for_are_arrays_of_their_own() -> None:
    runner = Runner()
    for _ in range(4):
        a, b = runner.variable(np.ones(3)), runner.variable(np.ones(3))
        found = runner.gradients([op(runner, "broadcast_add", a, b)], [np.full(3, 5.0)], [a, b])
        found[0].data[...] = 0
        assert runner.host(found[1]).tolist() == [5.0] * 3


def test_the_number_of_forms_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from remx_server import passes

    monkeypatch.setattr(passes, "MAX_FORMS", 5)
    runner = Runner()
    for length in range(1, 20):
        for _ in range(3):
            gradients(runner, lambda r, x: op(r, "square", x[0]), [np.ones(length)])
    assert len(runner.executor.passes._programs) <= 5
    assert len(runner.executor.passes._guides) <= 5
