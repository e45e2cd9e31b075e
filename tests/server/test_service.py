"""The service: handshakes, tokens, limits, and what sessions never see of each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from queue import SimpleQueue

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from remx_contract import CONTRACT_VERSION, codec, errors
from remx_contract.v1 import stream_pb2 as pb
from remx_server.backend import Devices
from remx_server.config import ISOLATIONS, Config, Limits
from remx_server.owners import ANYBODY
from remx_server.serve import Server
from remx_server.service import Service
from support.wire import Closed, Remote, Wire, chunks, hello, reason_of, stream_of

TOKEN = "a token for tests"


CONFIG = Config(
    listen="127.0.0.1:0",
    device="cpu",
    token=TOKEN,
    grace_seconds=0.0,
    limits=Limits(sessions=3, hello_seconds=0.3, transfer_seconds=0.5, lease_seconds=0.0),
)


@pytest.fixture(scope="module", params=ISOLATIONS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server; with threads for its sessions, and with processes."""
    server = Server(replace(CONFIG, isolation=request.param))
    server.start()
    yield server
    assert server.stop()


@pytest.fixture(scope="module")
def thread_server() -> Iterator[Server]:
    """A server whose sessions can be looked into."""
    server = Server(CONFIG)
    server.start()
    yield server
    assert server.stop()


@pytest.fixture
def remote(server: Server) -> Iterator[Remote]:
    remote = Remote(server.address, TOKEN)
    yield remote
    remote.close()
    wait_until(lambda: server.service.session_count == 0)


def wait_until(condition: object, seconds: float = 10.0) -> None:
    """Return as soon as a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def refusal(remote: Remote, first: pb.Up) -> errors.MXNetError | None:
    """The error that the server ends a stream with that starts with this message."""
    with pytest.raises(Closed) as caught:
        Wire(remote.stream, first)
    return caught.value.error


# Handshakes.


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (hello(contract_version=CONTRACT_VERSION + 1), errors.ContractMismatchError),
        (hello(catalogue_digest=b"another"), errors.ContractMismatchError),
        (hello(session=bytes(16)), errors.SessionLostError),
        (hello(client_id=bytes(15)), errors.ProtocolError),
        (pb.Up(ping=pb.Ping(number=1)), errors.ProtocolError),
        (pb.Up(batch=pb.Batch(sequence=1)), errors.ProtocolError),
        (pb.Up(), errors.ProtocolError),
    ],
    ids=["version", "catalogue", "resume", "identity", "ping", "batch", "empty"],
)
def test_a_wrong_first_message_is_refused(remote: Remote, first: pb.Up, expected: type[Exception]) -> None:
    assert type(refusal(remote, first)) is expected


def test_a_mismatch_says_who_is_who(remote: Remote) -> None:
    error = refusal(remote, hello(contract_version=99, client="remx 9.9"))
    assert "remx 9.9" in str(error)
    assert "numpy" in str(error)


def test_a_stream_that_stays_silent_is_ended(remote: Remote) -> None:
    silent: SimpleQueue[pb.Up | None] = SimpleQueue()
    [message] = list(remote.stream(iter(silent.get, None)))
    assert message.closed.reason == "PROTOCOL"
    silent.put(None)


def test_a_stream_without_messages_is_ended(remote: Remote) -> None:
    [message] = list(remote.stream(iter([])))
    assert message.closed.reason == "PROTOCOL"


def test_a_second_hello_ends_the_session(remote: Remote) -> None:
    wire = Wire(remote.stream)
    wire.send(hello())
    with pytest.raises(Closed) as caught:
        wire.receive("reply")
    assert type(caught.value.error) is errors.ProtocolError


# Tokens.


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN[:-1]])
def test_a_wrong_token_is_refused_by_every_method(server: Server, token: str) -> None:
    remote = Remote(server.address, token)
    for call in (
        lambda: list(remote.stream(iter([hello()]))),
        lambda: remote.upload(b"", [b""]),
        lambda: remote.download(b"", 1),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert reason_of(caught.value) == "UNAUTHENTICATED"
        assert TOKEN not in str(caught.value)
    remote.close()


def test_health_needs_no_token(server: Server) -> None:
    with grpc.insecure_channel(server.address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


# Limits.


def test_sessions_are_limited_and_make_room_when_they_end(server: Server, remote: Remote) -> None:
    wires = [Wire(remote.stream) for _ in range(3)]
    assert type(refusal(remote, hello())) is errors.LimitError
    wires[0].close()
    wait_until(lambda: server.service.session_count == 2)
    Wire(remote.stream).close()
    for wire in wires[1:]:
        wire.close()


# Sessions are strangers to each other.


def test_handles_of_another_session_name_nothing(remote: Remote) -> None:
    mine, theirs = Wire(remote.stream), Wire(remote.stream)
    handle = theirs.put([42])
    theirs.settle()
    with pytest.raises(errors.HandleError):
        mine.read(handle)
    theirs.release(handle)
    mine.numbers = iter([handle, handle + 1])  # type: ignore[assignment]
    assert mine.read(mine.put([1])) == 1
    mine.close()
    theirs.close()


def test_transfers_of_another_session_name_nothing(remote: Remote) -> None:
    mine, theirs = Wire(remote.stream), Wire(remote.stream)
    transfer = theirs.publish(theirs.put([42]))
    with pytest.raises(grpc.RpcError) as caught:
        remote.download(mine.welcome.session, transfer)
    assert reason_of(caught.value) == "TRANSFER"
    handle, number = theirs.upload_to(np.zeros(2, "float32"))
    theirs.flush()
    data, other = (np.array(values, "float32").tobytes() for values in ([1, 2], [8, 9]))
    with_my_token = threading.Thread(
        target=remote.upload,
        args=(mine.welcome.session, chunks(number, other)),
    )
    with_my_token.start()
    remote.upload(theirs.welcome.session, chunks(number, data))
    with_my_token.join()
    assert theirs.read(handle).tolist() == [1, 2]
    assert np.frombuffer(remote.download(theirs.welcome.session, transfer), "float32") == 42
    mine.close()
    theirs.close()


@pytest.mark.parametrize("session", [b"", bytes(16), b"x" * 1000])
def test_an_unknown_session_has_no_byte_streams(remote: Remote, session: bytes) -> None:
    for call in (lambda: remote.upload(session, [b""]), lambda: remote.download(session, 1)):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert reason_of(caught.value) == "SESSION_LOST"


def test_a_broken_session_ends_alone(remote: Remote) -> None:
    good, bad = Wire(remote.stream), Wire(remote.stream)
    handle = good.put([5])
    bad.code = [3]
    with pytest.raises(Closed):
        bad.settle()
    assert good.read(handle) == 5
    good.close()


def test_a_busy_session_does_not_hold_up_another(remote: Remote) -> None:
    busy, quick = Wire(remote.stream), Wire(remote.stream)
    left = busy.op("_ones", shape=(1200, 1200))
    dot = busy.define("dot", 2)
    for _ in range(20):
        left = busy.invoke(dot, [left, left])
    busy.flush()
    started = time.monotonic()
    assert quick.read(quick.put([1])) == 1
    answered = time.monotonic() - started
    busy.wait(left)
    assert answered < (time.monotonic() - started) / 2
    busy.close()
    quick.close()


# Ends.


def test_a_client_that_vanishes_takes_its_session_with_it(thread_server: Server) -> None:
    server = thread_server
    remote = Remote(server.address, TOKEN)
    wire = Wire(remote.stream)
    wire.put([1])
    wire.settle()
    session = server.service.session_of(wire.welcome.session, server.service.authorize(TOKEN))
    remote.close()
    assert session.join(5)
    assert session.table == {}
    wait_until(lambda: server.service.session_count == 0)


def test_a_client_that_vanishes_while_its_stream_is_held_up_frees_it(
    thread_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = thread_server
    remote = Remote(server.address, TOKEN)
    wire = Wire(remote.stream)
    session = server.service.session_of(wire.welcome.session, server.service.authorize(TOKEN))
    monkeypatch.setattr(session, "limits", Limits(queued_bytes=0))
    wire.op("_ones", shape=(2500, 2500))
    left = wire.sequence
    dot = wire.define("dot", 2)
    ones = wire.op("_ones", shape=(1000, 1000))
    for _ in range(200):
        wire.invoke(dot, [ones, ones])
    wire.flush()
    for _ in range(50):
        wire.invoke(dot, [ones, ones])
        wire.flush()
    wait_until(lambda: session.ops > 3)
    started = time.monotonic()
    remote.close()
    assert session.join(5)
    assert time.monotonic() - started < 1.5
    assert session.applied == left


def test_a_goodbye_ends_the_stream_in_good_order(remote: Remote) -> None:
    wire = Wire(remote.stream)
    wire.send(pb.Up(goodbye=pb.Goodbye()))
    assert list(wire.down) == []
    assert wire.down.code() is grpc.StatusCode.OK  # type: ignore[attr-defined]


def test_draining_refuses_new_sessions_and_waits_for_running_ones() -> None:
    service = Service(Config(), Devices("cpu"))
    wire = Wire(stream_of(service))
    drained: list[bool] = []
    draining = threading.Thread(target=lambda: drained.append(service.drain(20.0)))
    draining.start()
    while type(refused(service)) is not errors.ServerUnreachableError:
        time.sleep(0.01)
    assert wire.read(wire.put([3])) == 3
    started = time.monotonic()
    wire.close()
    draining.join(10)
    assert drained == [True]
    assert time.monotonic() - started < 5


def refused(service: Service) -> errors.MXNetError | None:
    """The error that a new session gets; None if it gets none."""
    try:
        Wire(stream_of(service)).close()
    except Closed as end:
        return end.error
    return None


@pytest.mark.parametrize("hurried", [False, True])
def test_a_drain_closes_what_does_not_end_by_itself(hurried: bool) -> None:
    service = Service(Config(), Devices("cpu"))
    wire = Wire(stream_of(service))
    if hurried:
        threading.Timer(0.1, service.hurry).start()
    assert service.drain(20.0 if hurried else 0.05)
    with pytest.raises(Closed) as caught:
        wire.receive("reply")
    assert type(caught.value.error) is errors.ServerUnreachableError


def test_a_drain_does_not_wait_for_a_kernel_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remx_server.service.CLOSE_SECONDS", 0.1)
    service = Service(Config(), Devices("cpu"))
    wire = Wire(stream_of(service))
    gate = threading.Event()
    session = service.session_of(wire.welcome.session, ANYBODY)
    monkeypatch.setattr(session, "apply", lambda batch: gate.wait(10))
    wire.put([1])
    wire.flush()
    reader = threading.Thread(target=lambda: list(wire.down))
    reader.start()
    wait_until(lambda: session.client.received == 1)
    time.sleep(0.05)
    assert not service.drain(0.0)
    gate.set()
    reader.join(5)
    assert session.join(5)


def test_a_context_that_the_server_lacks_is_an_error(remote: Remote) -> None:
    wire = Wire(remote.stream)
    tensor = codec.array_to_message(np.zeros(1, "float32"))
    wire.command(put=pb.Put(handle=1, context=pb.Context(device_type=2, device_id=0), tensor=tensor))
    with pytest.raises(Closed) as caught:
        wire.settle()
    assert type(caught.value.error) is errors.DeviceError
