"""Dispatch: plans and specs are kept and let go, batches fill and flush, threads do not mix."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from remx import _dispatch, _session, _sites
from remx._session import Session
from remx.errors import ShapeError
from support.inprocess import InProcessTransport


def step(mx: ModuleType, x: Any, rate: float) -> Any:
    with mx.autograd.record():
        loss = ((x * 2 + 1) ** 2).sum()
    loss.backward()
    x[:] = x - rate * x.grad
    x *= 0.5
    x[0] = rate
    return mx.nd.clip(loss, 0, 1e30)


def test_a_loop_makes_no_new_specs_and_plans(mx: ModuleType, session: Session) -> None:
    x = mx.nd.ones((3,))
    x.attach_grad()
    for number in range(3):
        step(mx, x, number / 10)
    specs, plans = len(session.spec_refs), len(session.plans)
    for number in range(30):
        step(mx, x, number / 7)
    assert len(session.spec_refs) == specs
    # Only the numbers that are written into an element are attributes of an op.
    assert len(session.plans) - plans <= 30


def test_numbers_travel_with_the_call(mx: ModuleType, session: Session) -> None:
    x = mx.nd.ones((3,))
    for number in range(50):
        assert (x * number + number / 3)[0].asscalar() == pytest.approx(number + number / 3)
    assert len([ref for ref in session.spec_refs.values() if "scalar" in ref.op.name]) == 2


def test_dropped_plans_are_forgotten_on_the_server(
    mx: ModuleType, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_dispatch, "MAX_PLANS", 10)
    sent: list[int] = []
    send = session._transport.send

    def watch(message: Any) -> None:
        for command in message.batch.commands:
            sent.extend(command.forget.spec_ids)
        send(message)

    monkeypatch.setattr(session._transport, "send", watch)
    for length in range(1, 60):
        total = mx.nd.ones((length,)).reshape((length, 1)).expand_dims(0)
        assert total.shape == (1, length, 1)
    gc.collect()
    mx.nd.waitall()
    assert len(session.plans) <= 10
    assert len(sent) >= 40
    assert len(sent) == len(set(sent))
    # What was forgotten is defined anew.
    assert mx.nd.ones((1,)).reshape((1, 1)).asscalar() == 1


def test_attributes_that_look_alike_are_told_apart(mx: ModuleType) -> None:
    x = mx.nd.array([[1, 2], [3, 4]])
    shapes = [mx.nd.sum(x, axis=0, keepdims=keep).shape for keep in (0, True, False, 1)]
    assert shapes == [(2,), (1, 2), (2,), (1, 2)]
    assert [1 / mx.nd.full((1,), value).asscalar() for value in (0.5, -0.5)] == [2, -2]
    zeros = [mx.nd.one_hot(mx.nd.array([0]), 1, on_value=zero).asscalar() for zero in (0.0, -0.0, 0.0)]
    assert [bool(np.signbit(zero)) for zero in zeros] == [False, True, False]


def test_a_refused_call_leaves_nothing_behind(mx: ModuleType, session: Session) -> None:
    x, y = mx.nd.ones((2,)), mx.nd.ones((3,))
    plans, ops = len(session.plans), session.ops
    for _ in range(5):
        with pytest.raises(ShapeError):
            x + y
    assert (len(session.plans), session.ops) == (plans, ops)
    mx.nd.waitall()


def test_the_first_op_leaves_at_once(mx: ModuleType, session: Session) -> None:
    x = mx.nd.ones((2,))
    deadline = time.monotonic() + 5
    while not session.statistics().live_handles and time.monotonic() < deadline:
        time.sleep(0.001)
    assert session.statistics().live_handles == 1
    assert session.statistics().round_trips == 0
    assert x.shape == (2,)


def test_the_window_fills_and_empties(
    mx: ModuleType, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_session, "WINDOW_WORDS", 64)
    flying: list[int] = []
    send = session._transport.send

    def watch(message: Any) -> None:
        flying.append(session._flying_words - len(message.batch.code))
        send(message)

    monkeypatch.setattr(session._transport, "send", watch)
    x = mx.nd.zeros((2,))
    for _ in range(20_000):
        x = x + 1
    np.testing.assert_array_equal(x.asnumpy(), [20_000, 20_000])
    # A batch is sent only while what is in flight already fits the window.
    assert max(flying) <= 64


def test_inline_data_fills_the_window_too(
    mx: ModuleType, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_session, "WINDOW_BYTES", 1000)
    arrays = [mx.nd.array(np.full((100,), number)) for number in range(100)]
    assert [one[0].asscalar() for one in arrays[::10]] == list(range(0, 100, 10))


def test_releases_ride_the_batches(mx: ModuleType, session: Session) -> None:
    for _ in range(3000):
        mx.nd.ones((2,))
    mx.nd.waitall()
    deadline = time.monotonic() + 5
    while session.statistics().live_handles > 1 and time.monotonic() < deadline:
        mx.nd.waitall()
    assert session.statistics().live_handles <= 1
    assert session.statistics().batches < 1500


def test_big_arrays_are_released_before_the_next_one_is_made(mx: ModuleType, session: Session) -> None:
    x = mx.nd.zeros((1 << 18,))
    for _ in range(5):
        x = x + 1
        assert len(session.dead) <= 1


def in_threads(number: int, work: Callable[[int], None]) -> None:
    """Run work in several threads at once; raises what one of them raised."""
    errors: list[BaseException] = []
    start = threading.Barrier(number)

    def run(index: int) -> None:
        start.wait()
        try:
            work(index)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error


def test_threads_issue_ops_at_once(mx: ModuleType) -> None:
    shared = mx.nd.ones((4,))
    results: dict[int, Any] = {}

    def work(index: int) -> None:
        x = shared * index
        for _ in range(300):
            x = x + shared
        results[index] = x.asnumpy()

    in_threads(6, work)
    for index in range(6):
        np.testing.assert_array_equal(results[index], np.full(4, index + 300))


def test_threads_record_apart(mx: ModuleType) -> None:
    results: dict[int, Any] = {}

    def work(index: int) -> None:
        x = mx.nd.ones((2,)) * index
        x.attach_grad()
        for _ in range(20):
            if index % 2:
                with mx.autograd.record():
                    y = x * x
                y.backward()
            else:
                assert not mx.autograd.is_recording()
                x * x
        results[index] = x.grad.asnumpy()

    in_threads(4, work)
    for index in range(4):
        np.testing.assert_array_equal(results[index], np.full(2, 2.0 * index if index % 2 else 0))


def test_threads_read_and_upload_at_once(mx: ModuleType) -> None:
    def work(index: int) -> None:
        for number in range(5):
            values = np.full(30_000, index * 10 + number, "float32")
            np.testing.assert_array_equal(mx.nd.array(values).asnumpy(), values)

    in_threads(4, work)


def test_arrays_die_in_any_thread(mx: ModuleType, session: Session) -> None:
    arrays = [mx.nd.ones((2,)) + number for number in range(200)]
    in_threads(4, lambda index: arrays.__delitem__(slice(0, 50)))
    assert arrays == []
    gc.collect()
    deadline = time.monotonic() + 5
    while session.statistics().live_handles and time.monotonic() < deadline:
        mx.nd.waitall()
    assert session.statistics().live_handles == 0


def test_an_array_in_a_cycle_is_collected_in_the_middle_of_an_op(mx: ModuleType) -> None:
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(50):
            cycle: list[Any] = [mx.nd.ones((2,))]
            cycle.append(cycle)
            del cycle
            assert (mx.nd.ones((2,)) + 1).asnumpy()[0] == 2
    finally:
        gc.set_threshold(*before)


def test_sites_name_the_user_s_line(mx: ModuleType) -> None:
    def issue() -> Any:
        return mx.nd.take(mx.nd.arange(3), mx.nd.array([7]), mode="raise")

    failures = [
        issue(),
        mx.nd.arange(3).take(mx.nd.array([7]), mode="raise"),
    ]
    lines = [issue.__code__.co_firstlineno + 1, issue.__code__.co_firstlineno + 5]
    for failed, line in zip(failures, lines, strict=True):
        with pytest.raises(IndexError) as raised:
            failed.wait_to_read()
        assert f"{__file__}:{line} in " in str(raised.value)


def test_unknown_sites_are_silent() -> None:
    assert _sites.describe(0) == ""
    assert _sites.describe(10**12) == ""


def test_goodbye_is_said(service: Any) -> None:
    transport = InProcessTransport(service)
    Session(transport).close()
    assert transport.sent[0] == "hello"
    assert transport.sent[-1] == "goodbye"
