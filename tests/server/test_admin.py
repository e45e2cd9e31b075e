"""The Admin service: what it tells whom, and what a session hears that is ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from remx_contract import CONTRACT_VERSION
from remx_contract.catalogue import digest
from remx_contract.errors import LimitError, SessionLostError, UnauthenticatedError
from remx_contract.v1 import admin_pb2
from remx_server.admin import PROBE_BYTES, PROBES, Admin
from remx_server.backend import Devices
from remx_server.config import Config
from remx_server.owners import Owner
from remx_server.serve import Server
from remx_server.service import Service
from support.admin import REQUESTS, ask
from support.wire import Closed, Remote, ServerProcess, Wire, hello, reason_of, stream_of

ALICE = Owner("alice")
BOB = Owner("bob")
ADMIN = Owner("root", admin=True)


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service(Config(device="cpu"), Devices("cpu"))
    yield service
    service.drain(0)


def sessions(service: Service, owner: Owner) -> list[admin_pb2.SessionStatus]:
    """The sessions that an owner is told of."""
    return list(Admin(service).sessions(owner, admin_pb2.SessionsRequest()).sessions)


def kill(service: Service, owner: Owner, name: str) -> None:
    """End a session."""
    Admin(service).kill(owner, admin_pb2.KillRequest(id=name))


def test_a_session_tells_what_it_did_and_holds(service: Service) -> None:
    wire = Wire(stream_of(service, ALICE), hello(client="a laptop"))
    data = wire.put([[1.0] * 100] * 100)
    wire.op("tanh", data)
    # A view has no memory of its own.
    wire.invoke(wire.define("_view", 1, {"shape": (50, 100)}), [data], words=[0])
    wire.settle()
    [row] = sessions(service, ALICE)
    assert (row.owner, row.client) == ("alice", "a laptop")
    assert row.state == admin_pb2.SessionStatus.RUNNING
    assert (row.ops, row.handles) == (2, 3)
    assert row.host_bytes == 2 * 100 * 100 * 4
    assert row.device_bytes == 0
    assert row.batches == 1
    assert 0 < row.age_seconds < 60
    assert (row.errors, row.last_error) == (0, "")
    wire.close()


def test_a_session_goes_from_running_to_idle(service: Service) -> None:
    wire = Wire(stream_of(service, ALICE))
    wire.read(wire.put([1]))
    deadline = time.monotonic() + 10
    while sessions(service, ALICE)[0].state != admin_pb2.SessionStatus.IDLE:
        assert time.monotonic() < deadline
    left = wire.op("_ones", shape=(1500, 1500))
    dot = wire.define("dot", 2)
    for _ in range(20):
        wire.invoke(dot, [left, left])
    wire.flush()
    while sessions(service, ALICE)[0].state != admin_pb2.SessionStatus.RUNNING:
        assert time.monotonic() < deadline
    kill(service, ALICE, sessions(service, ALICE)[0].id)


def test_a_session_without_a_client_is_detached_and_can_be_ended(service: Service) -> None:
    wire = Wire(stream_of(service, ALICE))
    token = wire.welcome.session
    wire.settle()
    wire.hang_up()
    deadline = time.monotonic() + 10
    while sessions(service, ALICE)[0].state != admin_pb2.SessionStatus.DETACHED:
        assert time.monotonic() < deadline
    again = Wire(stream_of(service, ALICE), hello(session=token))
    [row] = sessions(service, ALICE)
    assert row.state != admin_pb2.SessionStatus.DETACHED
    assert row.resumes == 1
    again.hang_up()
    kill(service, ALICE, row.id)
    # Whoever comes back hears what became of it.
    with pytest.raises(Closed, match="ended by its owner"):
        Wire(stream_of(service, ALICE), hello(session=token))


def test_a_rate_is_there_at_the_first_look(service: Service) -> None:
    wire = Wire(stream_of(service, ALICE))
    data = wire.put([1])
    tanh = wire.define("tanh", 1)
    wire.settle()
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            for _ in range(10):
                wire.release(wire.invoke(tanh, [data]))
            wire.settle()

    worker = threading.Thread(target=work)
    worker.start()
    [row] = sessions(service, ALICE)
    stop.set()
    worker.join()
    assert row.ops_per_second > 0
    wire.close()


def test_errors_are_counted_and_the_last_one_is_named(service: Service) -> None:
    wire = Wire(stream_of(service, ALICE))
    bad = wire.op("gather_nd", wire.put([1, 2, 3]), wire.put([[7]]))
    # What follows from a failure is no failure of its own.
    wire.op("tanh", bad)
    wire.settle()
    [row] = sessions(service, ALICE)
    assert (row.errors, row.last_error) == (1, "INDEX_OUT_OF_RANGE")
    wire.close()


def test_to_others_a_session_does_not_exist(service: Service) -> None:
    of_alice = Wire(stream_of(service, ALICE))
    of_bob = [Wire(stream_of(service, BOB)) for _ in range(3)]
    of_alice.read(of_alice.put([1]))
    [row] = sessions(service, ALICE)
    assert [row.owner for row in sessions(service, BOB)] == ["bob"] * 3
    assert sorted(row.owner for row in sessions(service, ADMIN)) == ["alice", "bob", "bob", "bob"]
    assert Admin(service).status(ALICE, admin_pb2.StatusRequest()).totals.sessions == 1
    assert Admin(service).status(ADMIN, admin_pb2.StatusRequest()).totals.sessions == 4
    assert sessions(service, Owner("nobody")) == []
    # The answers for another's session and for one that is not there differ in nothing but the id.
    told = []
    for name in (row.id, "01234567"):
        with pytest.raises(SessionLostError) as caught:
            kill(service, BOB, name)
        told.append(str(caught.value).replace(name, "?"))
    assert told[0] == told[1]
    assert of_alice.read(of_alice.put([2])) == 2
    # Ids are drawn: their number tells nothing.
    assert len({row.id for row in sessions(service, ADMIN)}) == 4
    assert all(len(row.id) == 8 for row in sessions(service, ADMIN))
    for wire in (of_alice, *of_bob):
        wire.close()


def test_what_is_over_counts_for_administrators_alone(service: Service) -> None:
    wire = Wire(stream_of(service, BOB))
    wire.read(wire.op("tanh", wire.put([1])))
    wire.close()
    deadline = time.monotonic() + 10
    while service.session_count:
        assert time.monotonic() < deadline
    asked = admin_pb2.StatusRequest()
    assert Admin(service).status(ADMIN, asked).totals.ops == 1
    for owner in (ALICE, BOB):
        told = Admin(service).status(owner, asked)
        assert told.totals.ops == 0
        assert (told.resident_bytes, told.cpu_seconds) == (0, 0)


@pytest.mark.parametrize(
    ("owner", "words"), [(ALICE, "by its owner"), (ADMIN, "by an administrator")], ids=["owner", "admin"]
)
def test_a_session_that_is_ended_hears_why_at_once(service: Service, owner: Owner, words: str) -> None:
    wire = Wire(stream_of(service, ALICE))
    wire.settle()
    [row] = sessions(service, ALICE)
    started = time.monotonic()
    kill(service, owner, row.id)
    with pytest.raises(Closed) as caught:
        wire.receive("reply")
    assert time.monotonic() - started < 1
    assert type(caught.value.error) is SessionLostError
    assert words in str(caught.value.error)
    assert service.drain(5)
    # Its errors stay in the totals.
    assert service.overview().ended.errors == {"SESSION_LOST": 1}
    with pytest.raises(SessionLostError):
        kill(service, owner, row.id)


def test_a_busy_session_can_be_ended(service: Service) -> None:
    wire = Wire(stream_of(service, ALICE))
    left = wire.op("_ones", shape=(1000, 1000))
    dot = wire.define("dot", 2)
    wire.settle()
    for _ in range(5000):
        wire.release(wire.invoke(dot, [left, left]))
    wire.flush()
    kill(service, ALICE, sessions(service, ALICE)[0].id)
    with pytest.raises(Closed) as caught:
        wire.receive("acknowledgement")
    assert type(caught.value.error) is SessionLostError
    deadline = time.monotonic() + 10
    while service.session_count:
        assert time.monotonic() < deadline


def test_status_says_what_a_doctor_needs(service: Service) -> None:
    before = time.time_ns()
    status = Admin(service).status(ADMIN, admin_pb2.StatusRequest())
    assert before <= status.time_ns <= time.time_ns()
    assert status.contract_version == CONTRACT_VERSION
    assert status.catalogue_digest == digest()
    assert status.server.startswith("remx ")
    assert (status.owner, status.admin, status.draining) == ("root", True, False)
    [cpu] = status.devices
    assert (cpu.context, cpu.memory > cpu.memory_free > 0) == ("cpu(0)", True)
    assert status.resident_bytes > 1 << 20
    assert status.gpu_software.cupy or status.gpu_software.problem
    service.drain(0)
    assert Admin(service).status(ADMIN, admin_pb2.StatusRequest()).draining


@pytest.mark.parametrize(("allowed", "seen"), [(None, ["cpu(0)"]), ({"cpu"}, ["cpu(0)"]), ({"gpu(0)"}, [])])
def test_devices_that_one_may_not_use_are_not_told(
    service: Service, allowed: set[str] | None, seen: list[str]
) -> None:
    owner = Owner("alice", devices=None if allowed is None else frozenset(allowed))
    status = Admin(service).status(owner, admin_pb2.StatusRequest())
    assert [device.context for device in status.devices] == seen


def test_a_probe_carries_bytes_both_ways_up_to_a_bound(service: Service) -> None:
    admin = Admin(service)
    reply = admin.probe(ALICE, admin_pb2.ProbeRequest(data=b"x" * PROBE_BYTES, wanted=PROBE_BYTES))
    assert len(reply.data) == PROBE_BYTES
    assert admin.probe(ALICE, admin_pb2.ProbeRequest()).data == b""
    for fields in ({"data": b"x" * (PROBE_BYTES + 1)}, {"wanted": PROBE_BYTES + 1}):
        with pytest.raises(LimitError, match="at most 4194304 bytes"):
            admin.probe(ALICE, admin_pb2.ProbeRequest(**fields))  # type: ignore[arg-type]
    for _ in range(PROBES):
        assert admin._probes.acquire(blocking=False)
    with pytest.raises(LimitError, match="at a time"):
        admin.probe(ALICE, admin_pb2.ProbeRequest())


def test_over_the_network_every_method_wants_the_token() -> None:
    with ServerProcess("--grace=0", environment={"REMX_TOKEN": "right"}) as server:
        for method in REQUESTS:
            for token in ("", "wrong"):
                with pytest.raises(grpc.RpcError) as caught:
                    ask(server.address, method, token)
                assert reason_of(caught.value) == UnauthenticatedError.reason
        wire = Wire(Remote(server.address, "right").stream)
        [row] = ask(server.address, "Sessions", "right").sessions
        assert ask(server.address, "Status", "right").totals.sessions == 1
        assert len(ask(server.address, "Probe", "right", wanted=1000).data) == 1000
        ask(server.address, "Kill", "right", id=row.id)
        with pytest.raises(Closed) as caught_by_client:
            wire.receive("reply")
        assert type(caught_by_client.value.error) is SessionLostError


def test_each_refused_call_has_a_request_id_of_its_own() -> None:
    server = Server(Config(listen="127.0.0.1:0", device="cpu", token="right", grace_seconds=0))
    server.start()
    try:
        ids = set()
        for _ in range(3):
            with pytest.raises(grpc.RpcError) as caught:
                ask(server.address, "Status", "wrong")
            info = error_details_pb2.ErrorInfo()
            status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
            assert status is not None
            assert status.details[0].Unpack(info)
            ids.add(info.metadata["request"])
        assert len(ids) == 3
        assert server.service.census.refused.counts() == {"UNAUTHENTICATED": 3}
    finally:
        server.stop()
