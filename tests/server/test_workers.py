"""Sessions in processes of their own: how those start, crash and end, and what that does to the others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
from remx_contract import errors
from remx_contract.v1 import admin_pb2
from remx_contract.v1 import stream_pb2 as pb
from remx_server import pool as pool_module
from remx_server import tokens, worker_process
from remx_server.admin import Admin
from remx_server.config import Config, Limits
from remx_server.owners import ANYBODY, Owner, Quota
from remx_server.pool import Pool
from remx_server.serve import Server
from remx_server.worker_process import WorkerProcess
from remx_server.workers import Workers
from support.wire import Closed, Remote, ServerProcess, Wire, chunks, hello, reason_of

CONFIG = Config(
    listen="127.0.0.1:0",
    device="cpu",
    grace_seconds=0.0,
    isolation="process",
    workers=1,
    limits=Limits(sessions=6, queued_bytes=1 << 20, lease_seconds=0.0),
)
DEATHS = [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server(CONFIG)
    server.start()
    yield server
    assert server.stop()
    assert psutil.Process().children() == []


@pytest.fixture
def remote(server: Server) -> Iterator[Remote]:
    remote = Remote(server.address)
    yield remote
    remote.close()
    wait_until(lambda: server.service.session_count == 0)


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Return as soon as a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def worker_of(server: Server, wire: Wire) -> WorkerProcess:
    """The process of a session."""
    service = server.service
    assert isinstance(service, Workers)
    session = service.session_of(wire.welcome.session, ANYBODY)
    return session.worker  # type: ignore[attr-defined, no-any-return]


def work_for_long(wire: Wire) -> None:
    """Have a session compute for some seconds."""
    left = wire.op("_ones", shape=(1500, 1500))
    dot = wire.define("dot", 2)
    wire.settle()
    for _ in range(200):
        wire.invoke(dot, [left, left])
    wire.flush()


def end_of(wire: Wire) -> errors.MXNetError | None:
    """The error that the server ends a session with."""
    with pytest.raises(Closed) as caught:
        wire.receive("nothing")
    return caught.value.error


def refused(server: ServerProcess) -> errors.MXNetError | None:
    """The error that a new session gets; None if it gets none."""
    try:
        Wire(Remote(server.address).stream).close()
    except Closed as end:
        return end.error
    return None


def over(process: psutil.Process) -> bool:
    """Whether a process runs no more; whoever adopts an orphan may take its time to bury it."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


# Crashes.


@pytest.mark.parametrize("number", DEATHS)
@pytest.mark.parametrize("busy", [False, True])
def test_a_crash_takes_one_session_and_its_client_is_told_at_once(
    server: Server, remote: Remote, number: signal.Signals, busy: bool
) -> None:
    mine, other = Wire(remote.stream), Wire(remote.stream)
    kept = other.put([5])
    other.settle()
    worker = worker_of(server, mine)
    if busy:
        work_for_long(mine)
    started = time.monotonic()
    os.kill(worker.pid, number)
    error = end_of(mine)
    assert time.monotonic() - started < 2
    assert type(error) is errors.SessionCrashedError
    assert isinstance(error, errors.SessionLostError)
    assert signal.Signals(number).name in str(error)
    assert "other sessions are not affected" in str(error)
    assert other.read(kept) == 5
    other.close()


@pytest.mark.parametrize("number", DEATHS)
def test_other_sessions_go_on_in_mid_computation(
    server: Server, remote: Remote, number: signal.Signals
) -> None:
    mine, other = Wire(remote.stream), Wire(remote.stream)
    total = other.put(np.zeros(4))
    add = other.define("broadcast_add", 2)
    one = other.put(np.ones(4))
    other.settle()
    victim = worker_of(server, mine)
    work_for_long(mine)
    for step in range(300):
        before, total = total, other.invoke(add, [total, one])
        other.release(before)
        other.flush()
        if step == 100:
            os.kill(victim.pid, number)
    assert other.read(total).tolist() == [300.0] * 4
    assert type(end_of(mine)) is errors.SessionCrashedError
    other.close()


def test_whoever_comes_back_to_a_crashed_session_is_told_why(server: Server, remote: Remote) -> None:
    wire = Wire(remote.stream)
    transfer = wire.publish(wire.put([1]))
    token = wire.welcome.session
    os.kill(worker_of(server, wire).pid, signal.SIGKILL)
    assert type(end_of(wire)) is errors.SessionCrashedError
    with pytest.raises(Closed) as caught:
        Wire(remote.stream, hello(session=token))
    assert type(caught.value.error) is errors.SessionCrashedError
    assert "SIGKILL" in str(caught.value.error)
    for call in (lambda: remote.upload(token, [b""]), lambda: remote.download(token, transfer)):
        with pytest.raises(grpc.RpcError) as refused:
            call()
        assert refused.value.code() is grpc.StatusCode.ABORTED
        assert reason_of(refused.value) == "SESSION_CRASHED"
    service = server.service
    assert isinstance(service, Workers)
    with pytest.raises(errors.SessionLostError) as stranger:
        service.resume(Owner("a stranger"), token)
    assert type(stranger.value) is errors.SessionLostError, "a stranger learns nothing"


def test_crashes_are_not_remembered_for_ever(
    server: Server, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remx_server.service.REMEMBERED_ENDINGS", 2)
    service = server.service
    assert isinstance(service, Workers)
    tokens = []
    for _ in range(3):
        wire = Wire(remote.stream)
        tokens.append(wire.welcome.session)
        os.kill(worker_of(server, wire).pid, signal.SIGKILL)
        end_of(wire)
    for token in tokens[1:]:
        with pytest.raises(errors.SessionCrashedError):
            service.resume(ANYBODY, token)
    with pytest.raises(errors.SessionLostError) as caught:
        service.resume(ANYBODY, tokens[0])
    assert type(caught.value) is errors.SessionLostError


def test_byte_streams_end_with_a_worker_that_crashes(server: Server, remote: Remote) -> None:
    wire = Wire(remote.stream)
    _, transfer = wire.upload_to(np.zeros(1 << 20, "float32"))
    wire.flush()
    stop = threading.Event()

    def slow() -> Iterator[bytes]:
        yield chunks(transfer, bytes(4 << 20))[0]
        stop.wait(20)

    call = remote.channel.stream_unary("/remx.v1.Remx/Upload").future(
        slow(), metadata=(("remx-session-bin", wire.welcome.session),)
    )
    time.sleep(0.2)
    assert not call.done()
    os.kill(worker_of(server, wire).pid, signal.SIGKILL)
    error = call.exception(5)
    assert reason_of(error) == "SESSION_CRASHED"
    stop.set()
    end_of(wire)


def test_an_exit_is_a_crash_too(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    # The interpreter itself gives up then.
    monkeypatch.setattr(worker_process, "_environment", lambda: {"PYTHONHOME": "/nowhere"})
    worker = WorkerProcess(CONFIG, 0, None, lambda worker: None, lambda worker: ended.set())
    assert ended.wait(20)
    assert worker.crashed
    assert worker.how_it_ended() == "exited with status 1"
    assert type(worker.why_it_ended()) is errors.SessionCrashedError


def test_a_segmentation_fault_leaves_its_place_in_the_log() -> None:
    with ServerProcess("--isolation=process") as server:
        wire = Wire(Remote(server.address).stream)
        [pid, *_] = sorted(child.pid for child in psutil.Process(server.process.pid).children())
        os.kill(pid, signal.SIGSEGV)
        end_of(wire)
        server.signal()
        assert server.wait() == 0
    events = [json.loads(line) for line in server.log.splitlines()]
    [crash] = [event for event in events if event["event"] == "session crashed"]
    assert crash["end"] == "was ended by SIGSEGV"
    assert crash["worker"] == pid
    assert "Segmentation fault" in crash["traceback"]
    assert "one_session.py" in crash["traceback"]


# What each worker is.


def test_sessions_share_no_process_and_a_worker_ends_with_its_session(server: Server, remote: Remote) -> None:
    wires = [Wire(remote.stream) for _ in range(3)]
    workers = [worker_of(server, wire) for wire in wires]
    assert len({worker.pid for worker in workers} | {os.getpid()}) == 4
    for wire, worker in zip(wires, workers, strict=True):
        wire.close()
        assert worker.gone.wait(5)
        assert not worker.crashed
        assert worker.how_it_ended() == "exited with status 0"
    wait_until(lambda: server.service.session_count == 0)
    assert all(not psutil.pid_exists(worker.pid) for worker in workers), "no zombies"


def test_a_client_that_vanishes_ends_its_worker_even_while_the_stream_is_held_up(
    server: Server,
) -> None:
    remote = Remote(server.address)
    wire = Wire(remote.stream)
    worker = worker_of(server, wire)
    work_for_long(wire)
    dot, ones = wire.define("dot", 2), wire.op("_ones", shape=(2, 2))
    for _ in range(20):
        for _ in range(10_000):
            wire.code += [dot << 5, 0, ones, ones, next(wire.numbers)]
        wire.flush()
    time.sleep(0.2)
    remote.close()
    assert worker.gone.wait(5)


def test_a_refused_handshake_costs_no_worker(server: Server, remote: Remote) -> None:
    service = server.service
    assert isinstance(service, Workers)
    wait_until(lambda: service.pool.ready_count == 1)
    before = psutil.Process().children()
    for _ in range(5):
        with pytest.raises(Closed) as caught:
            Wire(remote.stream, hello(contract_version=99))
        assert type(caught.value.error) is errors.ContractMismatchError
        wait_until(lambda: service.pool.ready_count == 1)
    assert before[0] in psutil.Process().children()
    wire = Wire(remote.stream)
    assert wire.read(wire.put([3])) == 3
    wire.close()


def test_a_worker_says_what_its_session_holds(server: Server, remote: Remote) -> None:
    wire = Wire(remote.stream)
    for value in range(3):
        wire.put([value])
    wire.settle()
    usage = worker_of(server, wire).usage(5)
    assert usage is not None
    assert (usage["handles"], usage["applied"]) == (3, 1)
    worker = worker_of(server, wire)
    wire.close()
    worker.gone.wait(5)
    assert worker.usage(5) is None


def test_a_session_can_be_ended_for_a_reason(server: Server, remote: Remote) -> None:
    wire = Wire(remote.stream)
    worker = worker_of(server, wire)
    worker.close(errors.UnauthenticatedError("the token was taken back"))
    error = end_of(wire)
    assert type(error) is errors.UnauthenticatedError
    assert "taken back" in str(error)
    assert worker.gone.wait(5)
    assert not worker.crashed


def test_a_change_of_the_owner_reaches_the_worker(server: Server, remote: Remote) -> None:
    """The session is another's then, in the worker's eyes too."""
    wire = Wire(remote.stream)
    transfer = wire.publish(wire.put([1]))
    session = server.service.session_of(wire.welcome.session, ANYBODY)
    session.owner = Owner("another")
    with pytest.raises(grpc.RpcError) as caught:
        remote.download(wire.welcome.session, transfer)
    assert reason_of(caught.value) == "SESSION_LOST"
    session.owner = ANYBODY
    assert np.frombuffer(remote.download(wire.welcome.session, transfer), "float32") == 1
    wire.close()


def test_the_sessions_of_an_owner_share_the_quota_and_get_what_others_free(server: Server) -> None:
    service = server.service
    assert isinstance(service, Workers)
    owner = Owner("anna", Quota(handles=100))
    service.authorize = lambda token, peer="": owner  # type: ignore[method-assign]
    remote = Remote(server.address)
    try:
        first = Wire(remote.stream)
        mine = service.session_of(first.welcome.session, owner)
        assert mine.part == owner.quota  # type: ignore[attr-defined]
        handles = [first.put([1]) for _ in range(40)]
        first.settle()
        second = Wire(remote.stream)
        other = service.session_of(second.welcome.session, owner)
        # 40 are in use; of the 60 others each has a half, before the second one does anything.
        assert (mine.part.handles, other.part.handles) == (70, 30)  # type: ignore[attr-defined]
        for handle in handles:
            first.release(handle)
        first.settle()
        wait_until(lambda: other.part.handles == 50)  # type: ignore[attr-defined]
        assert mine.part.handles == 50  # type: ignore[attr-defined]
        first.close()
        wait_until(lambda: other.part.handles == 100)  # type: ignore[attr-defined]
        second.close()
    finally:
        del service.authorize
        remote.close()


def test_a_token_that_is_removed_ends_its_sessions_in_their_workers(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    (alice, first), (bob, second) = tokens.make("alice"), tokens.make("bob")
    file.write_text(first + second)
    with ServerProcess("--isolation=process", f"--token-file={file}") as server:
        kept = Wire(Remote(server.address, alice).stream)
        removed = Wire(Remote(server.address, bob).stream)
        # Nobody finds another's session, whatever process it is in.
        with pytest.raises(Closed) as caught:
            Wire(Remote(server.address, bob).stream, hello(session=kept.welcome.session))
        assert type(caught.value.error) is errors.SessionLostError
        file.write_text(first)
        server.signal(signal.SIGHUP)
        error = end_of(removed)
        assert type(error) is errors.UnauthenticatedError
        assert kept.read(kept.put([4])) == 4
        kept.close()


def test_a_worker_sees_neither_settings_nor_secrets_of_the_front(tmp_path: Path) -> None:
    secret = "not-for-workers"
    with ServerProcess("--isolation=process", environment={"REMX_TOKEN": secret}) as server:
        wire = Wire(Remote(server.address, secret).stream)
        for child in psutil.Process(server.process.pid).children():
            assert secret not in " ".join(child.cmdline())
            assert not any(name.startswith("REMX_") for name in child.environ())
            assert child.net_connections("inet") == []
        wire.close()


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="the program itself has its working directory among its places"
)
def test_a_module_in_the_working_directory_is_not_taken_for_the_server_s(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')\n")
    code = (
        "import os\n"
        "from remx_server.config import Config\n"
        "from remx_server.workers import Workers\n"
        f"os.chdir({str(tmp_path)!r})\n"
        "workers = Workers(Config(device='cpu', isolation='process'))\n"
        "print(workers.drain(0))\n"
    )
    safe = {**os.environ, "PYTHONSAFEPATH": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=safe, check=False
    )
    assert ended.stdout == "True\n", ended.stderr


# Sessions that outlive their streams.


@pytest.fixture(scope="module")
def patient() -> Iterator[Server]:
    """A server with a lease."""
    server = Server(replace(CONFIG, limits=Limits(lease_seconds=1.0)))
    server.start()
    yield server
    assert server.stop()


def test_a_session_is_found_again_in_its_worker(patient: Server) -> None:
    remote = Remote(patient.address)
    wire = Wire(remote.stream)
    handle = wire.put([7])
    wire.settle()
    worker = worker_of(patient, wire)
    remote.close()
    wait_until(lambda: not patient.service.session_of(wire.welcome.session, ANYBODY).attached)
    again = Wire(Remote(patient.address).stream, hello(session=wire.welcome.session))
    assert worker_of(patient, again) is worker
    assert again.welcome.received == 1
    again.sequence, again.numbers = 1, wire.numbers
    assert again.read(handle) == 7
    again.close()
    assert worker.gone.wait(5)


def test_a_lease_that_is_over_ends_the_worker_and_is_told(patient: Server) -> None:
    remote = Remote(patient.address)
    wire = Wire(remote.stream)
    worker = worker_of(patient, wire)
    remote.close()
    assert worker.gone.wait(5)
    assert not worker.crashed
    with pytest.raises(Closed) as caught:
        Wire(Remote(patient.address).stream, hello(session=wire.welcome.session))
    assert type(caught.value.error) is errors.SessionLostError
    assert "away for 1 seconds" in str(caught.value.error)


def test_a_worker_that_crashes_while_its_client_is_away_is_told_later(patient: Server) -> None:
    remote = Remote(patient.address)
    wire = Wire(remote.stream)
    worker = worker_of(patient, wire)
    remote.close()
    os.kill(worker.pid, signal.SIGSEGV)
    worker.gone.wait(5)
    wait_until(lambda: patient.service.session_count == 0)
    with pytest.raises(Closed) as caught:
        Wire(Remote(patient.address).stream, hello(session=wire.welcome.session))
    assert type(caught.value.error) is errors.SessionCrashedError
    assert "SIGSEGV" in str(caught.value.error)


def test_a_session_that_crashed_comes_back_from_its_checkpoint(tmp_path: Path) -> None:
    server = Server(replace(CONFIG, state_dir=tmp_path))
    server.start()
    try:
        wire = Wire(Remote(server.address).stream)
        wire.command(name=pb.Name(name="w", handle=wire.put([1, 2])))
        request = next(wire.numbers)
        wire.command(save=pb.Save(request=request, own=True))
        wire.answer(request)
        os.kill(worker_of(server, wire).pid, signal.SIGSEGV)
        assert type(end_of(wire)) is errors.SessionCrashedError
        revived = Wire(Remote(server.address).stream, hello(session=wire.welcome.session, take_over=True))
        assert revived.welcome.session == wire.welcome.session
        handle = 1 << 40
        revived.command(fetch=pb.Fetch(request=7, name="w", handle=handle))
        revived.answer(7)
        assert revived.read(handle).tolist() == [1, 2]
        revived.close()
    finally:
        assert server.stop()


# The end of the front.


@pytest.mark.parametrize("busy", [False, True])
def test_workers_end_at_once_with_a_front_that_is_killed(busy: bool) -> None:
    with ServerProcess("--isolation=process", "--workers=2") as server:
        wire = Wire(Remote(server.address).stream)
        if busy:
            work_for_long(wire)
        front = psutil.Process(server.process.pid)
        wait_until(lambda: len(front.children()) == 3)
        workers = front.children()
        server.signal(signal.SIGKILL)
        wait_until(lambda: all(map(over, workers)), 3.0)


def test_a_stopped_worker_ends_with_the_front_too() -> None:
    """It cannot run Python any more, as one that is stuck in a driver cannot; the system ends it."""
    with ServerProcess("--isolation=process") as server:
        front = psutil.Process(server.process.pid)
        [worker] = front.children()
        worker.suspend()
        server.signal(signal.SIGKILL)
        server.process.wait()
        # A stopped process takes its signal when it goes on, before it runs anything else.
        worker.resume()
        wait_until(lambda: over(worker), 3.0)


def test_a_drain_lets_a_session_finish_and_leaves_nothing(tmp_path: Path) -> None:
    with ServerProcess("--isolation=process", "--grace=10", environment={"TMPDIR": str(tmp_path)}) as server:
        front = psutil.Process(server.process.pid)
        wire = Wire(Remote(server.address).stream)
        workers = front.children()
        server.signal()
        wait_until(lambda: type(refused(server)) is errors.ServerUnreachableError)
        assert wire.read(wire.put([5])) == 5
        wire.close()
        assert server.wait() == 0
        assert not any(worker.is_running() for worker in workers)
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in server.log
    names = [json.loads(line)["event"] for line in server.log.splitlines()]
    assert "session crashed" not in names
    assert names[-1] == "stopped"


@pytest.mark.parametrize("busy", [False, True])
def test_after_the_grace_sessions_are_closed_whatever_they_do(busy: bool) -> None:
    with ServerProcess("--isolation=process", "--grace=0.3") as server:
        front = psutil.Process(server.process.pid)
        wire = Wire(Remote(server.address).stream)
        if busy:
            work_for_long(wire)
        workers = front.children()
        started = time.monotonic()
        server.signal()
        assert type(end_of(wire)) is errors.ServerUnreachableError
        assert server.wait_while_open() == 0
        assert 0.3 <= time.monotonic() - started < 8
        assert not any(worker.is_running() for worker in workers)


def test_a_signal_to_all_processes_drains_in_good_order() -> None:
    """As a service manager sends it, and a terminal."""
    with ServerProcess("--isolation=process", "--grace=10") as server:
        wire = Wire(Remote(server.address).stream)
        for process in (psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children()):
            process.terminate()
        assert wire.read(wire.put([5])) == 5
        wire.close()
        assert server.wait() == 0
    assert "crashed" not in server.log


# The pool.


def test_a_device_that_is_not_there_is_an_error_at_the_start() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "remx_server", "--listen=127.0.0.1:0", "--device=gpu", "--isolation=process"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if ended.returncode == 0:
        pytest.skip("a GPU is there")
    assert ended.returncode == 1
    assert "CuPy finds no GPU" in ended.stderr.splitlines()[-1]


def test_workers_start_in_parallel_and_are_replaced(server: Server) -> None:
    ended: list[WorkerProcess] = []
    pool = Pool(replace(CONFIG, workers=3), ended.append)
    wait_until(lambda: pool.ready_count == 3)
    worker = pool.take()
    wait_until(lambda: pool.ready_count == 3)
    pool.give_back(worker)
    assert pool.take() is worker
    pool.stop()
    assert len(ended) == 4
    assert all(worker.gone.is_set() for worker in ended)


def test_without_any_ready_a_session_waits_for_one() -> None:
    pool = Pool(replace(CONFIG, workers=0), lambda worker: None)
    first = pool.first()
    assert pool.take() is first
    started = time.monotonic()
    assert pool.take() is not first
    assert time.monotonic() - started < 5
    pool.stop()


def test_an_idle_worker_that_dies_is_replaced() -> None:
    pool = Pool(CONFIG, lambda worker: None)
    first = pool.first()
    os.kill(first.pid, signal.SIGKILL)
    first.gone.wait(5)
    assert pool.take() is not first
    pool.stop()


def test_a_worker_that_does_not_start_is_tried_again_after_pauses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pool_module, "FIRST_PAUSE_SECONDS", 0.05)
    attempts: list[float] = []
    real = worker_process.WorkerProcess

    def flaky(*arguments: Any) -> WorkerProcess:
        attempts.append(time.monotonic())
        if len(attempts) < 4:
            raise OSError("no more processes")
        return real(*arguments)

    monkeypatch.setattr(pool_module, "WorkerProcess", flaky)
    pool_module.log.propagate = True
    pool = Pool(CONFIG, lambda worker: None)
    worker = pool.take(20)
    pauses = np.diff(attempts)[:3]
    assert (pauses >= [0.05, 0.1, 0.2]).all(), pauses
    failures = [record for record in caplog.records if record.getMessage() == "worker failed"]
    assert [record.retry_seconds for record in failures] == [0.05, 0.1, 0.2]  # type: ignore[attr-defined]
    assert "no more processes" in failures[0].failure  # type: ignore[attr-defined]
    assert worker.ready
    pool.stop()


def test_a_session_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: object) -> WorkerProcess:
        raise OSError("no more processes")

    monkeypatch.setattr(pool_module, "WorkerProcess", never)
    pool = Pool(CONFIG, lambda worker: None)
    with pytest.raises(errors.ServerUnreachableError, match="no more processes"):
        pool.take(0.2)
    pool.stop()


def test_a_worker_that_never_gets_ready_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "START_SECONDS", 0.01)
    gone = threading.Event()
    worker = WorkerProcess(CONFIG, 0, None, lambda worker: None, lambda worker: gone.set())
    assert gone.wait(10)
    assert "not ready within" in worker.failure
    assert not psutil.pid_exists(worker.pid)


def test_sessions_that_come_together_get_a_worker_each(server: Server, remote: Remote) -> None:
    wires: list[Wire] = []
    threads = [threading.Thread(target=lambda: wires.append(Wire(remote.stream))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len({worker_of(server, wire).pid for wire in wires}) == 6
    with pytest.raises(Closed) as caught:
        Wire(remote.stream)
    assert type(caught.value.error) is errors.LimitError
    for wire in wires:
        wire.send(pb.Up(goodbye=pb.Goodbye()))


def test_an_administrator_sees_and_ends_sessions_wherever_they_run(server: Server, remote: Remote) -> None:
    admin = Admin(server.service)
    wire, other = Wire(remote.stream, hello(client="a laptop")), Wire(remote.stream)
    wire.op("tanh", wire.put([[1.0] * 100] * 100))
    wire.settle()
    rows = {row.client: row for row in admin.sessions(ANYBODY, admin_pb2.SessionsRequest()).sessions}
    row = rows["a laptop"]
    assert (row.ops, row.handles, row.host_bytes, row.batches) == (1, 2, 2 * 100 * 100 * 4, 1)
    assert admin.status(ANYBODY, admin_pb2.StatusRequest()).totals.sessions == 2
    admin.kill(ANYBODY, admin_pb2.KillRequest(id=row.id))
    error = end_of(wire)
    assert type(error) is errors.SessionLostError
    assert "remx kill" in str(error)
    assert other.read(other.put([3])) == 3
    other.close()
    wait_until(lambda: server.service.session_count == 0)
    assert admin.status(ANYBODY, admin_pb2.StatusRequest()).totals.ops >= 1
    assert server.service.traffic.received("stream") > 0
