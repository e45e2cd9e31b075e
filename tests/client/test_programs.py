"""Random programs of views, writes, copies and reads, against the same program in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import remx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from remx._session import Session

ROWS, COLUMNS = 4, 6

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "row",
                "rows",
                "column",
                "flat",
                "copy",
                "add",
                "sum",
                "fill",
                "write",
                "into",
                "out",
                "negate",
                "drop",
            ]
        ),
        st.integers(0, 50),
        st.integers(0, 50),
    ),
    min_size=3,
    max_size=25,
)


def view(pool: list[Any], kind: str, first: int, second: int) -> Any:
    """A new array made of one of the pool: a view of the same memory, or a copy, alike in NumPy and MXNet."""
    source = pool[first % len(pool)]
    if kind == "row":
        number = second % source.shape[0]
        # One element is an array of shape (1,) in MXNet.
        return source[number : number + 1] if len(source.shape) == 1 else source[number]
    if kind == "rows":
        start = second % source.shape[0]
        return source[start : start + 2]
    if kind == "column":
        part = source[..., ::2]
        return part.copy()
    return source.reshape((-1,)) if kind == "flat" else source.copy()


def update(pool: list[Any], kind: str, first: int, second: int) -> Any:
    """A write into one array of the pool, or a new array of two; None where nothing new comes of it."""
    target, other = pool[first % len(pool)], pool[second % len(pool)]
    if kind == "add":
        return target + second
    if kind == "negate":
        return -target * 0.5
    if kind == "fill":
        target[:] = second
    elif kind == "write":
        target[0] = float(first)
    elif kind == "into":
        target += second
        target *= 0.5
    elif target.shape == other.shape:
        if kind == "out":
            target[:] = other.copy() + 1
        else:
            return target + other
    return None


def run(pool: list[Any], steps: list[tuple[str, int, int]]) -> list[Any]:
    """Run a program; the arrays that it leaves."""
    for kind, first, second in steps:
        if kind == "drop":
            if len(pool) > 1:
                del pool[first % len(pool)]
        elif kind in ("row", "rows", "column", "flat", "copy"):
            pool.append(view(pool, kind, first, second))
        else:
            made = update(pool, kind, first, second)
            if made is not None:
                pool.append(made)
    return pool


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_a_program_gives_what_it_gives_in_numpy(session: Session, steps: list[tuple[str, int, int]]) -> None:
    start = np.arange(ROWS * COLUMNS, dtype=np.float64).reshape(ROWS, COLUMNS)
    expected = run([start.copy()], steps)
    got = run([remx.nd.array(start, dtype="float64")], steps)
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one.asnumpy(), other, 1e-12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_gradients_of_a_program_are_finite_differences(
    session: Session, steps: list[tuple[str, int, int]]
) -> None:
    # Without writes, which recording refuses.
    steps = [step for step in steps if step[0] not in ("fill", "write", "into", "out", "drop")]
    start = np.random.default_rng(0).normal(size=(ROWS, COLUMNS))
    x = remx.nd.array(start, dtype="float64")
    x.attach_grad()
    with remx.autograd.record():
        total = sum((one * one).sum() for one in run([x], steps))
    total.backward()

    def value(values: Any) -> float:
        return float(sum((one * one).sum() for one in run([values], steps)))

    direction = np.random.default_rng(1).normal(size=start.shape)
    slope = (value(start + 1e-5 * direction) - value(start - 1e-5 * direction)) / 2e-5
    np.testing.assert_allclose((x.grad.asnumpy() * direction).sum(), slope, 1e-5, 1e-6)
