"""Random programs of recorded ops, writes, views and backward passes, against a small tape on NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import remx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from remx import autograd, nd
from remx._session import Session
from remx.errors import InPlaceRecordedError, MXNetError
from support.small_tape import Leaf, Refused, SmallTape, Tensor

ROWS, COLUMNS = 2, 3
OPS = ("add", "multiply", "scale", "sin", "tanh", "floor", "row", "flat", "total", "detach", "into")
OTHERS = ("attach", "accumulate", "fill", "increase", "backward", "backward", "keep", "grad", "drop")
STEPS = st.lists(
    st.tuples(st.sampled_from(OPS * 2 + OTHERS), st.integers(0, 30), st.integers(0, 30)),
    min_size=4,
    max_size=30,
)


class Program:
    """A pool of arrays, each there twice: on the server, and on the small tape."""

    def __init__(self) -> None:
        start = np.linspace(-1, 1.5, ROWS * COLUMNS).reshape(ROWS, COLUMNS)
        self.pool: list[tuple[Any, Tensor]] = [(nd.array(start, dtype="float64"), Tensor(start.copy()))]
        self.tape = SmallTape()
        self.attach(0, add=False)

    def attach(self, at: int, add: bool) -> None:
        """Make an array a variable."""
        array, tensor = self.pool[at]
        array.attach_grad("add" if add else "write")
        tensor.producer = Leaf(tensor.data, add)

    def op(self, kind: str, one: int, other: int) -> None:
        """Record an op, of which a new array comes."""
        (a, x), (b, y) = self.pool[one], self.pool[other]
        if kind in ("add", "multiply") and a.shape != b.shape:
            return
        with autograd.record():
            made = _computed(kind, a, b, other)
        self.pool.append((made, _expected(self.tape, kind, x, y, other)))

    def fill(self, at: int, number: int) -> None:
        """Write over an array outside of the recording."""
        array, tensor = self.pool[at]
        array[:] = number
        tensor.data[...] = number
        tensor.writes[0] += 1

    def increase(self, at: int) -> None:
        """Add in place while recording, which is for arrays that nothing was recorded of."""
        array, tensor = self.pool[at]
        with autograd.record():
            if tensor.tracked:
                with pytest.raises(InPlaceRecordedError):
                    array += 1
                return
            array += 1
        tensor.data += 1
        tensor.writes[0] += 1

    def backward(self, at: int, retain: bool) -> bool:
        """Run a pass; returns whether it came through."""
        array, tensor = self.pool[at]
        return self._pass(
            lambda: self.tape.backward(tensor, retain),
            lambda: array.backward(retain_graph=retain),
            lambda _: None,
        )

    def grad(self, at: int, retain: bool) -> bool:
        """Ask for the gradients of all variables that there are; returns whether it came through."""
        array, tensor = self.pool[at]
        variables = [(a, x.producer) for a, x in self.pool if isinstance(x.producer, Leaf)]
        if not variables:
            return True

        def expected() -> list[Any]:
            found = self.tape.arrivals(tensor, retain)
            if any(leaf not in found for _, leaf in variables):
                raise Refused
            return [found[leaf] for _, leaf in variables]

        def check(expected: list[Any], got: list[Any]) -> None:
            for one, other in zip(got, expected, strict=True):
                np.testing.assert_allclose(one.asnumpy(), other, 1e-10, 1e-12)

        wanted: list[Any] = []
        return self._pass(
            lambda: wanted.extend(expected()),
            lambda: autograd.grad(array, [a for a, _ in variables], retain_graph=retain),
            lambda got: check(wanted, got),
        )

    def _pass(self, expect: Callable[[], None], run: Callable[[], Any], check: Callable[[Any], None]) -> bool:
        try:
            expect()
        except Refused:
            with pytest.raises(MXNetError):
                _completed(run)
            return False
        check(run())
        return True

    def compare(self) -> None:
        """Values and gradients are what the small tape says."""
        for array, tensor in self.pool:
            np.testing.assert_allclose(array.asnumpy(), tensor.data, 1e-10, 1e-12)
            if isinstance(tensor.producer, Leaf):
                np.testing.assert_allclose(array.grad.asnumpy(), tensor.producer.gradient, 1e-10, 1e-12)


def _completed(run: Callable[[], Any]) -> None:
    run()
    nd.waitall()


def _computed(kind: str, a: Any, b: Any, number: int) -> Any:
    if kind == "into":
        fresh = nd.zeros(a.shape, dtype="float64")
        fresh[:] = a
        return fresh
    return {
        "add": lambda: a + b,
        "multiply": lambda: a * b,
        "scale": lambda: a * (number % 3 - 1),
        "sin": lambda: nd.sin(a),
        "tanh": lambda: nd.tanh(a),
        "floor": lambda: nd.floor(a),
        "row": lambda: a[number % a.shape[0] : number % a.shape[0] + 1],
        "flat": lambda: a.reshape((-1,)),
        "total": lambda: a.sum(),
        "detach": lambda: a.detach(),
    }[kind]()


def _expected(tape: SmallTape, kind: str, x: Tensor, y: Tensor, number: int) -> Tensor:
    data, shape = x.data, x.data.shape
    if kind == "detach":
        return Tensor(data, x.writes)
    if kind == "add":
        return tape.record(Tensor(data + y.data), (x, lambda g: g, ()), (y, lambda g: g, ()))
    if kind == "multiply":
        # The rule computes with what is there when it runs, which is the same unless the pass is refused.
        return tape.record(
            Tensor(data * y.data), (x, lambda g: g * y.data, [y]), (y, lambda g: g * data, [x])
        )
    if kind == "tanh":
        out = Tensor(np.tanh(data))
        return tape.record(out, (x, lambda g: g * (1 - out.data**2), [out]))
    if kind == "row":
        at = slice(number % shape[0], number % shape[0] + 1)

        def place(g: Any) -> Any:
            full = np.zeros(shape)
            full[at] = g
            return full

        return tape.record(Tensor(data[at], x.writes), (x, place, ()))
    if kind == "flat":
        return tape.record(Tensor(data.reshape(-1), x.writes), (x, lambda g: g.reshape(shape), ()))
    factor = number % 3 - 1
    value, rule, needs = {
        "scale": (data * factor, lambda g: g * factor, ()),
        "sin": (np.sin(data), lambda g: g * np.cos(data), (x,)),
        "floor": (np.floor(data), lambda g: g * 0, ()),
        "total": (data.sum().reshape(1), lambda g: np.broadcast_to(g, shape), ()),
        "into": (data.copy(), lambda g: g, ()),
    }[kind]
    return tape.record(Tensor(value), (x, rule, needs))


def step(program: Program, kind: str, first: int, second: int) -> bool:
    """Run one step; returns whether the program can go on."""
    one, other = first % len(program.pool), second % len(program.pool)
    if kind in OPS:
        program.op(kind, one, other)
    elif kind in ("attach", "accumulate"):
        program.attach(one, kind == "accumulate")
    elif kind == "fill":
        program.fill(one, second)
    elif kind == "increase":
        program.increase(one)
    elif kind == "grad":
        return program.grad(-1 - first % 3 % len(program.pool), bool(second % 2))
    elif kind == "drop":
        if len(program.pool) > 1:
            del program.pool[one]
    else:
        return program.backward(-1 - first % 3 % len(program.pool), kind == "keep")
    return True


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_a_program_gives_the_gradients_of_a_small_tape(
    session: Session, steps: list[tuple[str, int, int]]
) -> None:
    program = Program()
    for kind, first, second in steps:
        if not step(program, kind, first, second):
            # The gradients that the refused pass would have changed are failures now.
            return
    program.compare()
    remx.nd.waitall()
