"""When checkpoints are made, and by real servers and signals."""

from __future__ import annotations

import signal
import threading
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from remx_contract import errors
from remx_contract.v1 import stream_pb2 as pb
from remx_server import keeping, memory
from remx_server.checkpoints import Store
from remx_server.owners import ANYBODY
from remx_server.service import Service
from remx_server.session import Session
from support.checkpoints import (
    LIMITS,
    ME,
    connect,
    fetch,
    make,
    own,
    restore,
    save,
    session_of,
    wait_until,
)
from support.wire import Closed, Remote, ServerProcess, Wire, hello, stream_of

# When they are made.


def test_a_goodbye_removes_the_sessions_own(service: Service) -> None:
    wire = connect(service)
    wire.put([1.0])
    save(wire, own=True)
    save(wire, name="stays")
    path = own(service, wire)
    assert path.exists()
    wire.close()
    wait_until(lambda: not service.session_count)
    assert not path.exists()
    store = service.keeper.store
    assert store is not None
    assert len(store.list("anybody")) == 1
    wire = connect(service)
    save(wire, own=True)
    path = own(service, wire)
    wire.hang_up()
    wait_until(lambda: not service.session_count)
    assert path.exists()


def test_sessions_that_change_are_checkpointed_now_and_then(tmp_path: Path) -> None:
    service = make(tmp_path, checkpoint_seconds=0.05)
    wire, idle = connect(service), connect(service)
    x = wire.put([1.0])
    wire.settle()
    path = own(service, wire)
    wait_until(path.exists)
    store = service.keeper.store
    assert store is not None
    written = path.stat().st_mtime_ns
    time.sleep(0.3)
    assert path.stat().st_mtime_ns == written
    wire.put([2.0], write_to=x)
    wire.settle()
    wait_until(lambda: path.stat().st_mtime_ns != written)
    assert store.load(path).memories[0].array.tolist() == [2.0]
    assert not own(service, idle).exists()
    wire.close()
    idle.close()
    service.drain(0)
    assert not path.exists()


def test_a_session_goes_on_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = make(tmp_path)
    wire = connect(service)
    x = wire.put([1.0])
    wire.settle()
    go_on, begun = threading.Event(), threading.Event()
    real = Store.save

    def slow(self: Store, *arguments: Any) -> None:
        begun.set()
        assert go_on.wait(10)
        real(self, *arguments)

    monkeypatch.setattr(Store, "save", slow)
    session = session_of(service, wire)
    service.keeper.begin([session])
    assert begun.wait(10)
    wire.put([2.0], write_to=x)
    assert wire.read(x).tolist() == [2.0]
    go_on.set()
    path = own(service, wire)
    wait_until(path.exists)
    assert service.keeper.store is not None
    assert service.keeper.store.load(path).memories[0].array.tolist() == [1.0]
    # Without room for a copy, the session's own thread writes it.
    monkeypatch.setattr(memory, "available", lambda: 0)
    begun.clear()
    go_on.clear()
    service.keeper.begin([session])
    assert begun.wait(10)
    wire.op("square", x)
    wire.flush()
    time.sleep(0.1)
    assert session.ops == 0
    go_on.set()
    wire.settle()
    assert session.ops == 1
    wire.close()
    service.drain(0)


def test_a_checkpoint_that_fails_is_logged_and_nothing_else(
    service: Service, wire: Wire, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = wire.put([1.0])
    wire.settle()
    monkeypatch.setattr(keeping, "capture", lambda session: 1 / 0)
    service.keeper.begin([session_of(service, wire)])
    assert wire.read(x).tolist() == [1.0]
    assert "checkpoint failed" in caplog.text
    with pytest.raises(errors.MXNetError):
        save(wire, own=True)
    assert wire.read(x).tolist() == [1.0]


def test_a_busy_session_is_asked_once(service: Service, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    wire.put([1.0])
    wire.settle()
    session, blocked, taken = session_of(service, wire), threading.Event(), []
    real = keeping.capture

    def counted(session: Session) -> Any:
        taken.append(session)
        if len(taken) == 2:
            raise RuntimeError("this once")
        return real(session)

    monkeypatch.setattr(keeping, "capture", counted)
    session.between_batches(lambda: blocked.wait(20) and None)
    for _ in range(3):
        service.keeper.begin([session])
    blocked.set()
    wait_until(own(service, wire).exists)
    wire.settle()
    assert len(taken) == 1
    # One that fails is no reason not to ask again.
    for number in (2, 3):
        wire.put([2.0])
        wire.settle()
        service.keeper.begin([session])
        wait_until(lambda number=number: len(taken) == number)  # type: ignore[misc]
        keeping.on_thread(session, lambda: None)


def test_a_session_that_ends_answers_nobody(service: Service) -> None:
    session = Session(service.devices, LIMITS, "ended")
    session.close()
    assert session.join(10)
    with pytest.raises(errors.SessionLostError, match="just ended"):
        keeping.on_thread(session, lambda: None)


def test_a_drain_checkpoints_what_is_open(tmp_path: Path) -> None:
    service = make(tmp_path)
    wire = connect(service)
    x = wire.put([1.0])
    wire.settle()
    path = own(service, wire)
    thread = threading.Thread(target=service.drain, args=(0.5,))
    thread.start()
    # At once, and again after the grace, in which the session may go on.
    wait_until(path.exists)
    wire.put([2.0], write_to=x)
    wire.settle()
    thread.join()
    again = make(tmp_path)
    assert again.keeper.store is not None
    assert again.keeper.store.load(path).memories[0].array.tolist() == [2.0]
    session = again.revive(ANYBODY, wire.welcome.session, ME)
    assert session.table[x].data.tolist() == [2.0]
    again.drain(0)


def test_a_busy_session_does_not_hold_a_drain_up_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = make(tmp_path)
    wire = connect(service)
    wire.put([1.0])
    wire.settle()
    blocked = threading.Event()
    session = session_of(service, wire)
    session.between_batches(lambda: blocked.wait(20) and None)
    monkeypatch.setattr("remx_server.service.CHECKPOINT_SECONDS", 0.2)
    assert not service.drain(0)
    assert any("busy for too long" in str(vars(record)) for record in caplog.records)
    blocked.set()
    assert session.join(10)


# A real server, and real signals.


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_is_stopped_leaves_the_last_checkpoint(tmp_path: Path, number: int) -> None:
    every = 0.1 if number == signal.SIGKILL else 0
    flags = (f"--state-dir={tmp_path}", f"--checkpoint-every={every}", "--grace=0.1")
    with ServerProcess(*flags) as server:
        remote = Remote(server.address)
        wire = Wire(remote.stream, hello(client_id=ME))
        x = wire.put([1.0, 2.0])
        wire.command(name=pb.Name(name="x", handle=x))
        wire.settle()
        token = wire.welcome.session
        if number == signal.SIGKILL:
            wait_until(lambda: list(tmp_path.glob("*/sessions/*.remx")))
        server.signal(number)
        server.wait_while_open()
        wire.hang_up()
        remote.close()
    with ServerProcess(*flags) as server:
        remote = Remote(server.address)
        with pytest.raises(Closed) as caught:
            Wire(remote.stream, hello(session=token, client_id=ME))
        assert type(caught.value.error) is errors.SessionLostError
        assert "attach" in str(caught.value.error)
        other = bytes(16)
        wire = Wire(remote.stream, hello(session=token, client_id=other, take_over=True))
        assert wire.welcome.session == token
        wire.numbers = count(100)
        assert wire.read(fetch(wire, "x")).tolist() == [1.0, 2.0]
        with pytest.raises(errors.HandleError):
            wire.read(x)
        wire.close()
        wait_until(lambda: not list(tmp_path.glob("*/sessions/*.remx")))
        remote.close()


def test_a_session_belongs_to_the_client_that_took_it_over(service: Service, wire: Wire) -> None:
    x = wire.put([1.0])
    wire.command(name=pb.Name(name="x", handle=x))
    wire.settle()
    other = bytes(16)
    second = Wire(stream_of(service), hello(session=wire.welcome.session, client_id=other, take_over=True))
    second.numbers = count(50)
    mine = fetch(second, "x")
    assert session_of(service, second).client_id == other
    save(second, name="it")
    second.put([2.0], write_to=mine)
    restore(second, name="it")
    assert second.read(mine).tolist() == [1.0]
    store = service.keeper.store
    assert store is not None
    assert store.load(store.named("anybody", "it")).client_id == other
    second.close()
