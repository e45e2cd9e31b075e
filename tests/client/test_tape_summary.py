"""``autograd.tape_summary``: what the tape keeps, and by which ops."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def variable(mx: ModuleType, *shape: int) -> Any:
    x = mx.nd.ones(shape)
    x.attach_grad()
    return x


def counted(mx: ModuleType) -> dict[str, tuple[int, int, int]]:
    """Nodes, bytes and bytes only by the tape, by op."""
    return {row.op: (row.nodes, row.nbytes, row.tape_only) for row in mx.autograd.tape_summary().rows}


def test_an_empty_tape(mx: ModuleType) -> None:
    x = variable(mx, 2)
    x * x
    summary = mx.autograd.tape_summary()
    assert (summary.rows, summary.nodes, summary.nbytes, summary.tape_only) == ((), 0, 0, 0)


def test_what_is_saved_and_who_else_keeps_it(mx: ModuleType) -> None:
    x, w = mx.nd.ones((20, 100)), variable(mx, 100, 50)
    with mx.autograd.record():
        hidden = mx.nd.dot(x, w)
        y = mx.nd.tanh(hidden)
        loss = (y * y).sum()
    # The product's rule needs x; tanh's needs its output, which the multiplication saves too.
    assert counted(mx) == {
        "dot": (1, 8_000, 0),
        "tanh": (1, 4_000, 0),
        "broadcast_mul": (1, 0, 0),
        "sum": (1, 0, 0),
    }
    del x, y, hidden
    summary = mx.autograd.tape_summary()
    assert (summary.nodes, summary.nbytes, summary.tape_only) == (4, 12_000, 12_000)
    loss.backward()
    assert counted(mx) == {}


def test_a_saved_view_keeps_the_whole_memory(mx: ModuleType) -> None:
    x, w = mx.nd.ones((100, 10)), variable(mx, 10)
    with mx.autograd.record():
        y = x[3] * w
    assert counted(mx)["broadcast_mul"] == (1, 4_000, 0)
    del x
    assert counted(mx)["broadcast_mul"] == (1, 4_000, 4_000)
    del y
    assert counted(mx) == {}


def test_rows_are_by_op_and_line_with_the_largest_first(mx: ModuleType) -> None:
    x = variable(mx, 1000)
    small = variable(mx, 10)
    with mx.autograd.record():
        kept = [small.exp() for _ in range(3)]
        kept.append(x.exp())
    rows = mx.autograd.tape_summary().rows
    assert [(row.op, row.nodes, row.nbytes) for row in rows] == [("exp", 1, 4_000), ("exp", 3, 120)]
    assert rows[0].line != rows[1].line
    assert all(row.line.startswith(f"{__file__}:") for row in rows)


def test_functions_and_passes_that_wait_count(mx: ModuleType) -> None:
    seen = []

    class Looks(mx.autograd.Function):  # type: ignore[name-defined,misc]
        def forward(self, x: Any) -> Any:
            return x * 2

        def backward(self, dy: Any) -> Any:
            seen.append(counted(mx))
            return dy * 2

    x = variable(mx, 10)
    with mx.autograd.record():
        y = Looks()(x.square()).exp()
    y.backward()
    assert seen == [{"exp": (1, 0, 0), "Function": (1, 0, 0), "square": (1, 40, 0)}]
    assert counted(mx) == {}


def test_the_table(mx: ModuleType) -> None:
    x = variable(mx, 1000)
    with mx.autograd.record():
        y = mx.nd.exp(x)
    table = str(mx.autograd.tape_summary()).splitlines()
    assert table[0].split() == ["op", "nodes", "saved", "bytes", "only", "by", "tape", "line"]
    assert table[1].split()[:4] == ["exp", "1", "4,000", "0"]
    assert table[2].split() == ["all", "1", "4,000", "0"]
    del y


def test_a_deep_graph(mx: ModuleType) -> None:
    nodes = 50_000
    x = variable(mx, 1)
    with mx.autograd.record():
        y = x
        for _ in range(nodes):
            y = y + 1
    summary = mx.autograd.tape_summary()
    assert (summary.nodes, summary.nbytes) == (nodes, 0)
    y.backward()
    assert x.grad.asscalar() == 1
    assert mx.autograd.tape_summary().nodes == 0
