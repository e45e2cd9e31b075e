"""What a program notices of connections that break: that some waits take longer; and sessions that it
leaves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
import remx
from remx import _current, _link, errors
from remx._bulk import KEPT_BYTES
from remx._session import Session
from remx._transport import GrpcTransport
from remx_server.backend import Devices
from remx_server.config import Config, Limits
from remx_server.serve import Server
from remx_server.service import Service
from support.inprocess import InProcessTransport


def cut(session: Session) -> None:
    """Break the connection of a session's stream."""
    transport = session._transport
    if isinstance(transport, InProcessTransport):
        transport.cut()
    else:
        assert isinstance(transport, GrpcTransport)
        assert transport._stream is not None
        transport._stream._channel.close()


@pytest.fixture
def lively() -> Iterator[Server]:
    """A server whose sessions wait for half a second."""
    limits = Limits(lease_seconds=0.5)
    server = Server(Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0, limits=limits))
    server.start()
    yield server
    server.stop()


def test_reads_go_on_over_a_connection_that_breaks(mx: ModuleType, session: Session) -> None:
    x = mx.nd.zeros((3,))
    for step in range(20):
        x += 1
        if step % 4 == 0:
            cut(session)
        assert x.asnumpy().tolist() == [step + 1] * 3
    assert mx.stats().resumes == 5


def test_ops_without_reads_are_applied_once_each(mx: ModuleType, session: Session) -> None:
    x = mx.nd.zeros((1,))
    for step in range(5000):
        x += 1
        if step % 500 == 250:
            cut(session)
    assert x.asscalar() == 5000


def test_several_threads_wait_through_a_break(mx: ModuleType, session: Session) -> None:
    results: list[float] = []

    def work(start: int) -> None:
        y = mx.nd.full((1,), start)
        for _ in range(50):
            y = y + 1
            y.wait_to_read()
        results.append(y.asscalar())

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        cut(session)
        threads[0].join(0.02)
    for thread in threads:
        thread.join(30)
    assert sorted(results) == [50, 51, 52, 53]


def test_an_answer_says_nothing_of_batches_that_left_behind_its_own(
    mx: ModuleType, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = mx.nd.zeros((1,)), mx.nd.ones((1,))
    y.wait_to_read()
    flush, send = session.flush, session._link.send

    def flush_and_lose_another() -> None:
        flush()
        # As from another thread, right behind: a batch that the connection loses.
        monkeypatch.setattr(session, "flush", flush)
        monkeypatch.setattr(session._link, "send", lambda message: None)
        x[:] = 7
        flush()
        monkeypatch.setattr(session._link, "send", send)

    monkeypatch.setattr(session, "flush", flush_and_lose_another)
    assert y.asscalar() == 1
    cut(session)
    assert x.asscalar() == 7


@pytest.mark.parametrize("when", ["before", "in backward"])
def test_a_function_is_called_once_through_a_break(mx: ModuleType, session: Session, when: str) -> None:
    calls = []

    class Twice(mx.autograd.Function):  # type: ignore[misc, name-defined]
        def forward(self, x: remx.NDArray) -> remx.NDArray:
            return x * 2

        def backward(self, g: remx.NDArray) -> remx.NDArray:
            calls.append(1)
            if when == "in backward":
                cut(session)
            return g * 2

    x = mx.nd.array([1, 2])
    x.attach_grad()
    with mx.autograd.record():
        y = Twice()(x)
    if when == "before":
        cut(session)
    y.backward()
    assert x.grad is not None
    assert x.grad.asnumpy().tolist() == [2, 2]
    assert calls == [1]


def test_large_arrays_go_on_over_a_connection_that_breaks(mx: ModuleType, session: Session) -> None:
    values = np.random.RandomState(0).rand(1500, 1000).astype("float32")
    arrays = []
    for step in range(6):
        cut(session)
        arrays.append(mx.nd.array(values + step))
        # It may change as soon as the call has returned.
    for step, array in enumerate(arrays):
        cut(session)
        assert (array.asnumpy() == values + step).all()


def test_an_upload_may_change_once_it_is_made() -> None:
    server = Server(Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0))
    server.start()
    session = Session(GrpcTransport(server.address))
    _current.use(session)
    transport = session._transport
    values = np.ones(10_000_000, "float32")
    stop = threading.Event()

    def reset() -> None:
        while not stop.wait(0.01):
            transport.reset_bulk()

    breaking = threading.Thread(target=reset)
    breaking.start()
    try:
        for size in (KEPT_BYTES // 8, KEPT_BYTES // 2):
            array = remx.nd.array(values[:size])
            values[:] += 1
            assert (array.asnumpy() == values[0] - 1).all()
    finally:
        stop.set()
        breaking.join()
        _current.use(None)
        server.stop()


def test_a_session_is_lost_once_its_lease_is_over(lively: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(GrpcTransport(lively.address))
    _current.use(session)
    x = remx.nd.ones((2,))
    x.wait_to_read()
    monkeypatch.setattr(_link, "FIRST_DELAY_SECONDS", 3.0)
    monkeypatch.setattr(_link, "random", _Half)
    monkeypatch.setattr(GrpcTransport, "open", _once_unreachable(GrpcTransport.open))
    cut(session)
    with pytest.raises(errors.SessionLostError, match=r"away for 0\.5 seconds"):
        x.asnumpy()
    with pytest.raises(errors.SessionLostError):
        x + 1


class _Half:
    @staticmethod
    def uniform(low: float, high: float) -> float:
        return low


def _once_unreachable(connect):  # type: ignore[no-untyped-def]
    """Fails the next time, then does what it did."""
    failed = []

    def open(self, hello, listener):  # type: ignore[no-untyped-def]
        if failed:
            connect(self, hello, listener)
        else:
            failed.append(1)
            listener.on_end(errors.ServerUnreachableError("nobody is there"))

    return open


def test_without_patience_a_break_is_the_end(lively: Server) -> None:
    session = Session(GrpcTransport(lively.address), patience=0)
    _current.use(session)
    x = remx.nd.ones((2,))
    x.wait_to_read()
    cut(session)
    read = iter(x.asnumpy, None)
    with pytest.raises(errors.SessionError):
        list(read)


def test_a_server_that_stays_away_ends_the_session_and_the_user_is_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_link, "TELL_SECONDS", 0.1)
    server = Server(Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0))
    server.start()
    session = Session(GrpcTransport(server.address), patience=0.6)
    _current.use(session)
    x = remx.nd.ones((2,))
    x.wait_to_read()
    server._grpc.stop(0).wait()
    with (
        caplog.at_level(logging.WARNING, "remx"),
        pytest.raises(errors.ServerUnreachableError, match="could not be reached again"),
    ):
        x.asnumpy()
    assert "to connect again" in caplog.text
    server.stop()


def test_an_idle_client_notices_that_its_connection_is_gone(
    session: Session, mx: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_link, "IDLE_TICKS", 1)
    monkeypatch.setattr(_link, "SILENCE_SECONDS", 1.0)
    mx.nd.ones((2,)).wait_to_read()
    # Nothing arrives any more, and nothing says so.
    stream = session._link._stream
    assert stream is not None
    monkeypatch.setattr(stream, "on_message", lambda message: None)
    deadline = threading.Event()
    for _ in range(100):
        if mx.stats().resumes:
            break
        deadline.wait(0.1)
    assert mx.stats().resumes == 1


def test_a_program_that_ends_says_goodbye(lively: Server) -> None:
    session = Session(GrpcTransport(lively.address))
    _current.use(session)
    remx.nd.ones((2,)).wait_to_read()
    _current.use(None)
    assert lively.service.session_count == 0 or not next(iter(lively.service._sessions.values())).attached


# Sessions that are left and taken over.


@pytest.fixture
def server_alone() -> Iterator[Server]:
    server = Server(Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0))
    server.start()
    yield server
    _current.use(None)
    server.stop()


def test_detach_and_attach(server_alone: Server) -> None:
    mx = remx
    mx.connect(server_alone.address)
    mx.random.seed(5)
    expected = [mx.nd.random.uniform(shape=(1,)).asscalar() for _ in range(4)]
    mx.random.seed(5)
    w = mx.nd.array([[1, 2], [3, 4]])
    w.attach_grad()
    with mx.autograd.record():
        y = (w * w).sum()
    y.backward()
    big = mx.nd.array(np.arange(100_000))
    assert [mx.nd.random.uniform(shape=(1,)).asscalar() for _ in range(2)] == expected[:2]
    mx.session.put("w", w)
    mx.session.put("big", big)
    mx.session.put("numbers", [1, 2, 3])
    mx.session.put("gone", w * 2)
    mx.session.remove("gone")
    assert mx.session.names() == ["w", "big", "numbers"]
    w[:] = w + 1
    token = mx.session.detach(keep=60)
    with pytest.raises(errors.SessionError, match="was detached"):
        w.asnumpy()
    assert token.endswith("@" + server_alone.address)
    taken = mx.session.attach(token)
    assert taken.alive
    found = mx.session.get("w")
    assert found.asnumpy().tolist() == [[2, 3], [4, 5]], "the name is the array's, not its values'"
    assert found.grad is not None
    assert found.grad.asnumpy().tolist() == [[2, 4], [6, 8]]
    assert (mx.session.get("big").asnumpy() == np.arange(100_000)).all()
    assert mx.session.get("numbers").dtype == np.float32
    assert [mx.nd.random.uniform(shape=(1,)).asscalar() for _ in range(2)] == expected[2:]
    with mx.autograd.record():
        y = (found * 3).sum()
    y.backward()
    assert found.grad.asnumpy().tolist() == [[3, 3], [3, 3]]
    assert mx.session.get("w").grad.asnumpy().tolist() == [[3, 3], [3, 3]]


def test_attach_without_a_token_takes_the_last_one(server_alone: Server) -> None:
    remx.connect(server_alone.address)
    with pytest.raises(errors.SessionError, match="no session"):
        remx.session.attach()
    remx.session.put("x", remx.nd.ones((2,)))
    remx.session.detach()
    remx.session.attach()
    assert remx.session.get("x").asnumpy().tolist() == [1, 1]


def test_a_session_is_taken_from_a_client_that_is_still_there(server_alone: Server) -> None:
    first = remx.connect(server_alone.address)
    x = remx.nd.ones((2,))
    remx.session.put("x", x)
    x.wait_to_read()
    _current.let_go(first)
    remx.session.attach(first.token)
    assert remx.session.get("x").asnumpy().tolist() == [1, 1]
    with pytest.raises(errors.SessionError, match="another client"):
        x.asnumpy()
    first.close()
    assert remx.session.get("x").asnumpy().tolist() == [1, 1], (
        "the first one's end is not that of the session"
    )


@pytest.mark.parametrize("token", ["", "@host:1", "nonsense@host:1", "abc"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(errors.MXNetError):
        remx.session.attach(token)


def test_an_unknown_session_is_lost(server_alone: Server) -> None:
    with pytest.raises(errors.SessionLostError):
        remx.session.attach(f"{'00' * 16}@{server_alone.address}")


def test_names_that_are_not_there_and_names_that_cannot_be(mx: ModuleType, session: Session) -> None:
    with pytest.raises(KeyError, match="nothing"):
        mx.session.get("nothing")
    for name in ("", "x" * 257, 5):
        with pytest.raises(errors.ArgumentError):
            mx.session.put(name, mx.nd.ones((1,)))
    with pytest.raises(errors.ArgumentError):
        mx.session.detach(keep=0)
    mx.session.remove("nothing")
    assert mx.session.names() == []


def test_get_raises_what_went_wrong(mx: ModuleType, session: Session) -> None:
    broken = mx.nd.array([1, 2, 3]).take(mx.nd.array([9]), mode="raise")
    mx.session.put("broken", broken)
    with pytest.raises(IndexError):
        mx.session.get("broken")


def test_an_embedded_server_s_session_cannot_be_left() -> None:
    service = Service(Config(device="cpu"), Devices("cpu"))
    session = Session(InProcessTransport(service), on_close=lambda: None)
    _current.use(session)
    with pytest.raises(errors.SessionError, match="remx-server"):
        remx.session.detach()
    assert session.alive
    _current.use(None)
