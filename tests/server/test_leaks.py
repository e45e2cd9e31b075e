"""What is dropped is gone: tensors, graphs, specs, transfers."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator

import grpc
import numpy as np
import psutil
import pytest
from grpc import _server
from remx_contract import codec, errors
from remx_contract.v1 import stream_pb2 as pb
from remx_server.backend import Devices
from remx_server.config import Config, Limits
from remx_server.owners import ANYBODY
from remx_server.serve import Server
from remx_server.service import Service
from remx_server.tape import Node
from remx_server.value import Value
from support.wire import Closed, Wire, stream_of

ROUNDS = 40
OPS_IN_A_BATCH = 500


@pytest.fixture
def service() -> Service:
    return Service(Config(limits=Limits(transfer_seconds=1.0)), Devices("cpu"))


@pytest.fixture
def wire(service: Service) -> Iterator[Wire]:
    wire = Wire(stream_of(service))
    yield wire
    wire.close()


def alive(kind: type) -> int:
    """How many objects of a class there are."""
    gc.collect()
    return sum(type(found) is kind for found in gc.get_objects())


def test_many_ops_whose_results_are_dropped_leave_nothing(wire: Wire) -> None:
    ones = wire.put(np.ones(10))
    add = wire.define("broadcast_add", 2)
    wire.settle()
    before = alive(Value)
    memory = []
    for _ in range(ROUNDS):
        last = ones
        for _ in range(OPS_IN_A_BATCH):
            made = wire.invoke(add, [last, ones])
            if last != ones:
                wire.release(last)
            last = made
        wire.release(last)
        assert wire.settle().live_handles == 1
        memory.append(psutil.Process().memory_info().rss)
    assert alive(Value) == before
    # The first rounds fill caches and free lists; after them a leak of one small object per op would show.
    assert memory[-1] - memory[ROUNDS // 2] < ROUNDS // 2 * OPS_IN_A_BATCH * 50


def test_a_training_loop_leaves_only_its_parameters(wire: Wire) -> None:
    nodes = alive(Node)
    values = alive(Value)
    weight, gradient = wire.variable(np.ones((4, 4)))
    data = wire.put(np.ones((4, 4)))
    dot, square, total = wire.define("dot", 2), wire.define("square", 1), wire.define("sum", 1)
    step = wire.define("_mul_scalar", 1)
    subtract = wire.define("broadcast_sub", 2)
    for _ in range(20):
        handles = [wire.invoke(dot, [data, weight], flags=codec.RECORDING)]
        handles.append(wire.invoke(square, [handles[-1]], flags=codec.RECORDING))
        handles.append(wire.invoke(total, [handles[-1]], flags=codec.RECORDING))
        wire.command(backward=pb.Backward(heads=[handles[-1]]))
        handles.append(wire.invoke(step, [gradient], words=[codec.float_to_word(0.001)]))
        wire.invoke(subtract, [weight, handles[-1]], outputs=[weight], flags=codec.WRITING)
        for handle in handles:
            wire.release(handle)
    assert wire.settle().live_handles == 3
    assert np.isfinite(wire.read(weight)).all()
    assert alive(Node) == nodes
    assert alive(Value) == values + 3


@pytest.mark.parametrize("how", ["released", "replaced", "failed"])
def test_a_graph_that_nobody_can_reach_is_gone(service: Service, wire: Wire, how: str) -> None:
    before = alive(Node)
    x, _ = wire.variable([1, 2])
    last = x
    tanh = wire.define("tanh", 1)
    chain = []
    for _ in range(100):
        last = wire.invoke(tanh, [last], flags=codec.RECORDING)
        chain.append(last)
    wire.settle()
    assert alive(Node) == before + 100
    for handle in chain[:-1]:
        wire.release(handle)
    wire.settle()
    assert alive(Node) == before + 100
    if how == "released":
        wire.release(last)
    elif how == "replaced":
        wire.command(mark=pb.Mark(handles=[last], gradients=[0], requests=[0]))
    else:
        wire.invoke(
            wire.define("broadcast_add", 2),
            [wire.put([1, 2]), wire.put([1, 2, 3])],
            outputs=[last],
            flags=codec.WRITING | codec.RECORDING,
        )
        wire.release(last)
    wire.settle()
    assert alive(Node) == before


def test_a_pass_that_fails_keeps_nothing_alive(wire: Wire) -> None:
    before = alive(Node)
    x, _ = wire.variable([1, 2])
    total = wire.put([0, 0])
    add, tanh = wire.define("broadcast_add", 2), wire.define("tanh", 1)
    for _ in range(50):
        loss = wire.invoke(tanh, [x], flags=codec.RECORDING)
        more = wire.invoke(add, [total, loss], flags=codec.RECORDING)
        wire.command(backward=pb.Backward(heads=[loss]))
        wire.release(total)
        wire.release(loss)
        total = more
    # The graphs of the losses have been freed, so this fails.
    wire.command(backward=pb.Backward(heads=[total]))
    wire.release(total)
    with pytest.raises(errors.GraphFreedError):
        wire.barrier()
    assert alive(Node) == before


def test_failures_are_few(service: Service, wire: Wire) -> None:
    add = wire.define("broadcast_add", 2)
    inputs = [wire.put([1, 2]), wire.put([1, 2, 3])]
    for _ in range(200):
        wire.release(wire.invoke(add, inputs))
    assert wire.settle().live_handles == 2
    assert len(service.session_of(wire.welcome.session, ANYBODY).failures) <= 16


def test_forgotten_specs_are_gone(service: Service, wire: Wire) -> None:
    session = service.session_of(wire.welcome.session, ANYBODY)
    for _ in range(100):
        spec = wire.define("tanh", 1)
        wire.command(forget=pb.Forget(spec_ids=[spec]))
    wire.settle()
    assert session.specs == {}


def test_fetched_downloads_and_taken_uploads_are_gone(service: Service, wire: Wire) -> None:
    session = service.session_of(wire.welcome.session, ANYBODY)
    for _ in range(5):
        transfer = wire.publish(wire.put([1]))
        assert list(session.transfers.send(transfer, 0))
        wire.fetched.append(transfer)
        handle, transfer = wire.upload_to(np.zeros(1, "float32"))
        session.transfers.receive_all([codec.write_chunk(transfer, 0, bytes(4), 0x2144DF1C)])
        assert wire.read(handle) == 0
    assert session.transfers._downloads == {}
    assert session.transfers._uploads == {}


def test_a_session_that_ended_is_gone_whole(service: Service) -> None:
    wire = Wire(stream_of(service))
    x, _ = wire.variable([1, 2])
    wire.op("square", x, flags=codec.RECORDING)
    wire.settle()
    session = service.session_of(wire.welcome.session, ANYBODY)
    gone = weakref.ref(session)
    wire.close()
    assert session.join(5)
    del session, wire
    gc.collect()
    assert gone() is None


def test_a_session_that_was_ended_is_gone_whole_too(service: Service) -> None:
    wire = Wire(stream_of(service))
    session = service.session_of(wire.welcome.session, ANYBODY)
    gone = weakref.ref(session)
    wire.send(pb.Up(batch=pb.Batch(sequence=7)))
    with pytest.raises(Closed):
        wire.receive("reply")
    wire.hang_up()
    assert session.join(5)
    del session, wire
    # The reader's thread may still be on its way out.
    deadline = time.monotonic() + 5
    while gone() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert gone() is None


@pytest.mark.parametrize(
    "method",
    [
        "/remx.v1.Remx/Session",
        "/remx.v1.Remx/Download",
        "/remx.v1.Remx/Received",
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ],
)
def test_requests_that_are_no_messages_leave_nothing_behind(method: str) -> None:
    server = Server(Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0))
    server.start()

    def calls() -> int:
        gc.collect()
        return sum(type(found) is _server._RPCState for found in gc.get_objects())

    before = calls()
    with grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        if method.endswith(("Session", "Info")):
            for _ in range(20):
                # Answered with a Closed, and with an error_response.
                assert list(channel.stream_stream(method)(iter([b"\xff\xff"]), timeout=10))
        else:
            for _ in range(20):
                with pytest.raises(grpc.RpcError) as caught:
                    channel.unary_unary(method)(b"\xff\xff", timeout=10)
                assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    deadline = time.monotonic() + 5
    while calls() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert calls() <= before
    assert server.stop()
