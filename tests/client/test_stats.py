"""What a session counts, and when it warns."""

from __future__ import annotations

import gc
import time
from types import ModuleType

import pytest
import remx
from remx._session import Session
from remx._stats import ReadWatch, Statistics


def wait_for_handles(mx: ModuleType, number: int) -> None:
    """Wait a while for the server to tell that it holds so many arrays."""
    deadline = time.monotonic() + 5
    while mx.stats().live_handles != number and time.monotonic() < deadline:
        time.sleep(0.002)
    assert mx.stats().live_handles == number


def settled(mx: ModuleType, number: int) -> None:
    """The server holds so many arrays once it has run and released everything."""
    gc.collect()
    mx.nd.waitall()
    wait_for_handles(mx, number)


def test_without_a_session_everything_is_zero() -> None:
    assert remx.stats() == Statistics()


def test_a_training_loop_makes_no_round_trip(mx: ModuleType) -> None:
    weight, data = mx.nd.ones((3, 4)), mx.nd.ones((5, 4))
    weight.attach_grad()
    losses = []
    for _ in range(50):
        with mx.autograd.record():
            loss = (mx.nd.FullyConnected(data, weight, no_bias=True, num_hidden=3) ** 2).mean()
        loss.backward()
        weight -= 0.1 * weight.grad
        losses.append(loss)
    assert mx.stats().round_trips == 0
    assert losses[-1].asscalar() < losses[0].asscalar()
    assert mx.stats().round_trips == 2


def test_what_is_known_needs_no_round_trip(mx: ModuleType) -> None:
    x = mx.nd.zeros((2, 3))
    y = (x + 1).reshape((3, 2))[0:1]
    assert (y.shape, y.dtype, y.size, y.ndim, y.context, len(y)) == (
        (1, 2),
        mx.nd.array([1]).dtype,
        2,
        2,
        mx.cpu(),
        1,
    )
    assert x.grad is None
    assert mx.stats().round_trips == 0


def test_ops_are_counted(mx: ModuleType) -> None:
    x = mx.nd.ones((2,))
    before = mx.stats().ops
    for _ in range(10):
        x = x + 1
    assert mx.stats().ops == before + 10


def test_live_handles_fall_to_zero(mx: ModuleType) -> None:
    x = mx.nd.ones((2,))
    x.attach_grad()
    for _ in range(100):
        with mx.autograd.record():
            y = (x * x).sum()
        y.backward()
    kept = [x[0], x.reshape((2, 1)), x * 3]
    settled(mx, 2 + 1 + len(kept))
    del x, y, kept
    settled(mx, 0)


def test_an_idle_program_releases_what_it_dropped(mx: ModuleType) -> None:
    x = mx.nd.ones((2,))
    mx.nd.waitall()
    wait_for_handles(mx, 1)
    del x
    wait_for_handles(mx, 0)


def test_bytes_are_those_of_the_data(mx: ModuleType) -> None:
    size = 300_000
    before = mx.stats()
    x = mx.nd.zeros((size,))
    mx.nd.waitall()
    made = mx.stats()
    assert made.bytes_up - before.bytes_up < 1000
    values = x.asnumpy()
    read = mx.stats()
    assert 4 * size <= read.bytes_down - made.bytes_down < 4 * size + 10_000
    mx.nd.array(values)
    mx.nd.waitall()
    assert 4 * size <= mx.stats().bytes_up - read.bytes_up < 4 * size + 10_000


def test_a_batch_carries_many_ops(mx: ModuleType) -> None:
    x = mx.nd.ones((2,))
    for _ in range(2000):
        x = x + 1
    assert x.asnumpy()[0] == 2001
    assert mx.stats().batches < 200


def test_statistics_read_by_name_and_print(mx: ModuleType) -> None:
    mx.nd.ones((2,)).asnumpy()
    statistics = mx.stats()
    assert statistics["ops"] == statistics.ops == 1
    assert statistics.seconds_waited > 0
    with pytest.raises(KeyError):
        statistics["nonsense"]
    for word in ("ops", "batches", "round trips", "bytes up", "bytes down", "live handles", "seconds waited"):
        assert word in str(statistics)


def test_statistics_are_a_copy(session: Session) -> None:
    session.statistics().ops += 5
    assert session.statistics().ops == 0


def test_many_slow_reads_warn_once() -> None:
    watch = ReadWatch()
    ops = 0
    for _ in range(49):
        ops += 3
        watch.note(ops, 0.05)
    with pytest.warns(remx.PerformanceWarning, match=r"50 reads.*2\.5 seconds"):
        watch.note(ops + 3, 0.05)
    for _ in range(200):
        ops += 3
        watch.note(ops, 0.05)


@pytest.mark.parametrize(("ops", "seconds"), [(9, 0.05), (3, 0.001)])
def test_rare_or_quick_reads_do_not_warn(ops: int, seconds: float) -> None:
    watch = ReadWatch()
    for number in range(200):
        watch.note(number * ops, seconds)


def test_the_warning_names_the_line_that_reads(mx: ModuleType, session: Session) -> None:
    session._reads.LONG_SECONDS = 0.0  # type: ignore[misc]
    x = mx.nd.ones((1,))

    def read_often() -> None:
        for _ in range(120):
            (x + 1).asscalar()

    with pytest.warns(remx.PerformanceWarning) as caught:
        read_often()
    assert len(caught) == 1
    assert caught[0].filename == __file__
