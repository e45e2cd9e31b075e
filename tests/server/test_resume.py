"""Sessions outlive their streams: leases, resending in both directions, and clients that take over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from remx_contract import codec, errors
from remx_contract.v1 import stream_pb2 as pb
from remx_server.backend import Devices
from remx_server.config import Config, Limits
from remx_server.outbox import Outbox
from remx_server.owners import ANYBODY, Owner
from remx_server.service import Service
from remx_server.session import Session
from support.wire import Closed, Wire, chunks, hello, stream_of


@pytest.fixture
def service() -> Iterator[Service]:
    limits = Limits(lease_seconds=20.0, transfer_seconds=0.3, detached_seconds=30.0)
    service = Service(Config(limits=limits), Devices("cpu"))
    yield service
    service.drain(0.0)


@pytest.fixture
def wire(service: Service) -> Wire:
    return Wire(stream_of(service))


def again(service: Service, wire: Wire, owner: Owner = ANYBODY, **fields: Any) -> Wire:
    """Another stream of the wire's session."""
    other = Wire(stream_of(service, owner), hello(session=wire.welcome.session, **fields))
    other.numbers = wire.numbers
    return other


def session_of(service: Service, wire: Wire) -> Session:
    return service.session_of(wire.welcome.session, ANYBODY)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def adds(wire: Wire, start: int, times: int) -> int:
    """Commands that add one to a tensor so many times; returns the last result."""
    plus = wire.define("_plus_scalar", 1)
    for _ in range(times):
        start = wire.invoke(plus, [start], [codec.float_to_word(1.0)])
    return start


# Leases.


def test_a_session_outlives_a_broken_stream_by_its_lease() -> None:
    service = Service(Config(limits=Limits(lease_seconds=0.2)), Devices("cpu"))
    wire = Wire(stream_of(service))
    handle = wire.put([7])
    wire.settle()
    session = session_of(service, wire)
    for _ in range(3):
        wire.hang_up()
        wait_until(lambda: not session.attached)
        time.sleep(0.1)
        wire = again(service, wire, heard=wire.last_number)
        wire.sequence = wire.welcome.received
        assert wire.read(handle) == 7
    assert session.resumes == 3
    wire.hang_up()
    assert session.join(5)
    with pytest.raises(Closed) as caught:
        again(service, wire)
    assert type(caught.value.error) is errors.SessionLostError
    assert "away for 0.2 seconds" in str(caught.value.error)


def test_a_session_without_a_lease_ends_with_its_stream() -> None:
    service = Service(Config(limits=Limits(lease_seconds=0.0)), Devices("cpu"))
    wire = Wire(stream_of(service))
    session = session_of(service, wire)
    wire.hang_up()
    assert session.join(5)


def test_a_goodbye_ends_the_session_whatever_its_lease(service: Service, wire: Wire) -> None:
    session = session_of(service, wire)
    wire.close()
    assert session.join(5)
    assert service.session_count == 0


def test_a_session_that_failed_says_why_to_a_client_that_comes_back(service: Service, wire: Wire) -> None:
    wire.code = [3]
    wire.flush()
    with pytest.raises(Closed):
        wire.receive("acknowledgement")
    with pytest.raises(Closed) as caught:
        again(service, wire)
    assert type(caught.value.error) is errors.SessionLostError
    assert "unknown kind" in str(caught.value.error)


def test_work_goes_on_without_a_stream(service: Service, wire: Wire) -> None:
    last = adds(wire, wire.put([0]), 100)
    wire.flush()
    wire.hang_up()
    session = session_of(service, wire)
    wait_until(lambda: session.applied == 1)
    wire = again(service, wire)
    assert wire.welcome.received == 1
    wire.sequence = 1
    assert wire.read(last) == 100


# Both directions, exactly once.


def test_batches_that_were_received_are_skipped_and_the_others_are_applied(
    service: Service, wire: Wire
) -> None:
    x = wire.put([0])
    wire.settle()
    batches = []
    plus = wire.define("_plus_scalar", 1)
    for _ in range(6):
        # In place, so that a repeated batch would show.
        wire.code += [plus << codec.SPEC_SHIFT | codec.WRITING, 0, x, codec.float_to_word(1.0), x]
        batches.append(pb.Batch(sequence=2 + len(batches), code=wire.code, commands=wire.commands))
        wire.code, wire.commands = [], []
    for batch in batches[:3]:
        wire.send(pb.Up(batch=batch))
    session = session_of(service, wire)
    wait_until(lambda: session.applied == 4)
    wire.hang_up()
    wire = again(service, wire, heard=wire.last_number)
    assert wire.welcome.received == 4
    for batch in batches:
        wire.send(pb.Up(batch=batch))
    wire.sequence = 7
    assert wire.read(x) == 6
    assert session.ops == 6


def test_replies_that_were_not_heard_come_again_once_each(service: Service, wire: Wire) -> None:
    handles = [wire.put([value]) for value in range(5)]
    for number, handle in enumerate(handles):
        wire.command(read=pb.Read(request=100 + number, handle=handle))
    wire.flush()
    first = [wire.receive("reply") for _ in range(2)]
    session = session_of(service, wire)
    wait_until(lambda: session.applied == 1)
    wire.hang_up()
    wire = again(service, wire, heard=first[-1].number)
    replies = [wire.receive("reply") for _ in range(3)]
    assert [message.reply.request for message in replies] == [102, 103, 104]
    assert [message.number for message in replies] == [3, 4, 5]
    assert wire.receive("acknowledgement").acknowledgement.sequence == 1


def test_a_call_that_was_not_heard_comes_again(service: Service, wire: Wire) -> None:
    x, _ = wire.variable([1, 2])
    y = wire.op("identity", x, flags=0)
    wire.command(record=pb.Record(function=5, inputs=[x], outputs=[y]))
    wire.command(backward=pb.Backward(heads=[y], request=77, train_mode=True))
    wire.flush()
    first = wire.receive("call").call
    wire.hang_up()
    wire = again(service, wire)
    second = wire.receive("call").call
    assert first == second


def test_the_outbox_keeps_only_what_the_client_has_not_seen() -> None:
    outbox = Outbox(10_000)
    line = outbox.attach(0)
    for number in range(10):
        outbox.put(pb.Down(reply=pb.Reply(request=number, done=True)))
    outbox.confirm(7)
    outbox.detach(line)
    later = outbox.attach(8)
    outbox.close()
    assert [message.number for message in later] == [9, 10]
    assert len(list(line)) == 10, "what was in the line of the first stream is its own"


def test_an_outbox_that_is_full_waits_for_the_client_to_see_something() -> None:
    outbox = Outbox(1000)
    putting = threading.Thread(
        target=lambda: [outbox.put(pb.Down(reply=pb.Reply(request=n, done=True))) for n in range(10)]
    )
    putting.start()
    putting.join(0.1)
    assert putting.is_alive()
    while putting.is_alive():
        outbox.confirm(outbox._number)
        putting.join(0.01)
    outbox.confirm(10)
    assert outbox._kept_bytes == 0


def test_a_new_stream_ends_the_one_before_and_its_late_messages_are_ignored(
    service: Service, wire: Wire
) -> None:
    wire.put([1])
    wire.settle()
    other = again(service, wire, heard=wire.last_number)
    assert list(wire.down) == []
    # Nothing of this reaches the session, though it breaks the contract.
    wire.flush(sequence=99)
    other.sequence = 1
    assert other.read(other.put([5])) == 5


# Byte streams.


def test_an_upload_goes_on_where_it_broke_off(service: Service, wire: Wire) -> None:
    values = np.arange(3000, dtype="float32")
    handle, transfer = wire.upload_to(values)
    wire.flush()
    pieces = chunks(transfer, values.tobytes())
    transfers = session_of(service, wire).client.transfers

    def breaking() -> Iterator[bytes]:
        yield from pieces[:5]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        transfers.receive_all(breaking())
    assert transfers.received(transfer) == 5000
    # One of them comes once more.
    assert transfers.receive_all(pieces[4:]) == values.nbytes
    wire.wait(handle)
    assert transfers.received(transfer) == values.nbytes
    assert transfers.receive_all(pieces[-1:]) == values.nbytes, "the last one, sent again, does no harm"
    assert transfers._uploads == {}


def test_nothing_is_late_while_the_client_is_away(service: Service, wire: Wire) -> None:
    values = np.arange(1000, dtype="float32")
    handle, transfer = wire.upload_to(values)
    wire.flush()
    session = session_of(service, wire)
    wire.hang_up()
    wait_until(lambda: not session.attached)
    time.sleep(0.8)
    wire = again(service, wire)
    wire.sequence = 1
    session.client.transfers.receive_all(chunks(transfer, values.tobytes()))
    wire.wait(handle)


def test_a_client_that_is_there_and_sends_nothing_is_late(service: Service, wire: Wire) -> None:
    handle, _ = wire.upload_to(np.arange(1000, dtype="float32"))
    with pytest.raises(errors.TransferError, match="stopped after 0"):
        wire.wait(handle)


# Clients that leave and others that take over.


def test_a_session_that_was_left_waits_for_longer(service: Service, wire: Wire) -> None:
    session = session_of(service, wire)
    wire.send(pb.Up(detach=pb.Detach(keep_seconds=1000.0)))
    assert wire.receive("detached").detached.keep_seconds == 30.0
    wire.send(pb.Up(detach=pb.Detach(keep_seconds=0.3)))
    assert wire.receive("detached").detached.keep_seconds == 0.3
    wire.hang_up()
    wait_until(lambda: not session.attached)
    again(service, wire).hang_up()
    wait_until(lambda: not session.attached)
    assert not session.join(0.5), "a client that came back has the ordinary lease again"
    wire.send(pb.Up(detach=pb.Detach()))


def test_who_takes_over_finds_names_and_nothing_else(service: Service, wire: Wire) -> None:
    x, gradient = wire.variable([3])
    other = wire.put([4])
    wire.command(name=pb.Name(name="x", handle=x))
    wire.command(name=pb.Name(name="gone", handle=other))
    wire.command(name=pb.Name(name="gone"))
    wire.settle()
    taker = again(service, wire, take_over=True)
    assert taker.welcome.received == 0
    with pytest.raises(Closed) as caught:
        wire.receive("reply")
    assert type(caught.value.error) is errors.SessionError
    taker.command(names=pb.Names(request=1))
    taker.command(fetch=pb.Fetch(request=2, name="x", handle=1000, gradient=1001))
    taker.flush()
    assert list(taker.receive("reply").reply.names.names) == ["x"]
    named = taker.receive("reply").reply.named
    assert (named.tensor.shape, named.gradient_request) == ([1], 1)
    assert taker.read(1000) == 3
    session = session_of(service, taker)
    assert set(session.table) == {1000, 1001}
    assert session.table[1000].producer.gradient is session.table[1001]  # type: ignore[union-attr]
    for handle in (x, gradient, other):
        with pytest.raises(errors.HandleError):
            taker.read(handle)


def test_what_was_asked_before_is_done_before_another_client_begins(service: Service, wire: Wire) -> None:
    x = wire.put(np.zeros((100, 100)))
    wire.command(name=pb.Name(name="x", handle=x))
    dot, plus = wire.define("dot", 2), wire.define("_plus_scalar", 1)
    for _ in range(50):
        wire.invoke(dot, [x, x])
        wire.code += [plus << codec.SPEC_SHIFT | codec.WRITING, 0, x, codec.float_to_word(1.0), x]
    wire.flush()
    session = session_of(service, wire)
    wait_until(lambda: session.client.received == 1)
    taker = again(service, wire, take_over=True)
    taker.command(fetch=pb.Fetch(request=2, name="x", handle=1))
    taker.flush()
    assert taker.receive("reply").reply.WhichOneof("kind") == "named"
    assert (taker.read(1) == 50).all()


def test_the_function_of_a_client_that_left_is_not_called(service: Service, wire: Wire) -> None:
    x, _ = wire.variable([1, 2])
    y = wire.op("identity", x)
    wire.command(record=pb.Record(function=5, inputs=[x], outputs=[y]))
    wire.command(name=pb.Name(name="y", handle=y))
    wire.settle()
    taker = again(service, wire, take_over=True)
    taker.command(fetch=pb.Fetch(request=1, name="y", handle=1, gradient=2))
    taker.command(backward=pb.Backward(heads=[1], request=77, train_mode=True))
    taker.flush()
    assert taker.receive("reply").reply.request == 1
    taker.receive("reply")
    with pytest.raises(errors.NotDifferentiableError, match="left the session"):
        taker.barrier()


def test_uploads_of_the_client_before_end(service: Service, wire: Wire) -> None:
    wire.upload_to(np.zeros(1000, "float32"))
    wire.flush()
    session = session_of(service, wire)
    wait_until(lambda: session.client.received == 1)
    taker = again(service, wire, take_over=True)
    assert taker.read(taker.put([1])) == 1


def test_a_session_cannot_be_resumed_by_another_owner(service: Service, wire: Wire) -> None:
    wire.settle()
    unknown = None
    for owner, token in ((Owner("eve"), wire.welcome.session), (ANYBODY, bytes(16))):
        for take_over in (False, True):
            with pytest.raises(Closed) as caught:
                Wire(stream_of(service, owner), hello(session=token, take_over=take_over))
            assert type(caught.value.error) is errors.SessionLostError
            unknown = unknown or str(caught.value.error)
            assert str(caught.value.error) == unknown
    assert wire.read(wire.put([2])) == 2


@pytest.mark.parametrize("name", ["", "x" * 257])
def test_a_name_has_a_length(wire: Wire, name: str) -> None:
    wire.command(name=pb.Name(name=name, handle=wire.put([1])))
    with pytest.raises(Closed) as caught:
        wire.settle()
    assert type(caught.value.error) is errors.LimitError


def test_a_name_that_is_not_there(wire: Wire) -> None:
    wire.command(fetch=pb.Fetch(request=2, name="nothing", handle=1))
    wire.flush()
    assert wire.receive("reply").reply.failure.reason == "UNKNOWN_KEY"
