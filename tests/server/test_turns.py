"""Sessions take turns by the time that they use, and nobody has to wait for what somebody else waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from remx_contract import codec
from remx_contract.v1 import stream_pb2 as pb
from remx_server import executor, runner, turns
from remx_server.backend import Devices
from remx_server.config import Config, Limits
from remx_server.service import Service
from remx_server.turns import Aside, Seat, Turns
from support.wire import Wire, stream_of

PATIENCE = 5.0
"""Seconds after which a test that waits has failed."""


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No turn is taken away."""
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 60.0)


def eventually(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never was"
        time.sleep(0.001)


def started(work: Callable[[], None]) -> threading.Thread:
    """A thread that works."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def queue(places: Turns, seats: list[Seat]) -> list[Seat]:
    """Let seats wait for the turn, one behind the other, and give it up at once; returns them in the order in
    which they had it, which is complete when all have been joined."""
    had: list[Seat] = []

    def have(seat: Seat) -> None:
        with seat:
            had.append(seat)

    for number, seat in enumerate(seats):
        started(lambda seat=seat: have(seat))  # type: ignore[misc]
        eventually(lambda number=number: len(places._waiting) == number + 1)
    return had


def test_the_one_that_has_used_least_is_next(patient: None) -> None:
    places = Turns()
    seats = [Seat(places) for _ in range(4)]
    for seat, used in zip(seats, (3.0, 1.0, 4.0, 2.0), strict=True):
        seat.used = used
    holder = Seat(places)
    with holder:
        had = queue(places, seats)
        assert places.contended
        assert had == []
    eventually(lambda: len(had) == 4)
    assert [seat.used > at for seat, at in zip(had, (1.0, 2.0, 3.0, 4.0), strict=True)] == [True] * 4
    assert [seats.index(seat) for seat in had] == [1, 3, 0, 2]
    eventually(lambda: places.holder is None)


def test_equals_come_in_the_order_of_their_asking(patient: None) -> None:
    places = Turns()
    seats = [Seat(places) for _ in range(5)]
    with Seat(places):
        had = queue(places, seats)
    eventually(lambda: len(had) == 5)
    assert had == seats


def test_who_was_away_has_not_saved_time_up() -> None:
    places = Turns()
    busy, away = Seat(places), Seat(places)
    with busy:
        pass
    busy.used = 100.0
    with busy:
        pass
    with away:
        assert away.used == 100.0
        assert away.seconds < 1.0
    fresh = Seat(places)
    with fresh:
        assert fresh.used >= 100.0


def test_a_turn_counts_as_time_used() -> None:
    seat = Seat(Turns())
    with seat:
        time.sleep(0.02)
        with Aside():
            # Waiting is not using.
            time.sleep(0.05)
        with Aside(works=True):
            time.sleep(0.02)
    assert 0.04 <= seat.seconds < 0.085


def test_looking_is_giving_up_only_when_somebody_waits_and_the_slice_is_over(
    patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = Turns()
    mine, other = Seat(places), Seat(places)
    with mine:
        time.sleep(turns.SLICE_SECONDS)
        mine.look()
        assert mine.waits == 0
        monkeypatch.setattr(turns, "SLICE_SECONDS", 60.0)
        had = queue(places, [other])
        mine.look()
        assert had == []
        monkeypatch.setattr(turns, "SLICE_SECONDS", 0.0)
        mine.look()
        assert had == [other]
        assert mine.waits == 1


def test_a_turn_is_given_back_whatever_happens() -> None:
    places = Turns()
    with pytest.raises(ZeroDivisionError), Seat(places):
        raise ZeroDivisionError
    assert places.holder is None
    with pytest.raises(ZeroDivisionError), Seat(places), Aside():
        raise ZeroDivisionError
    assert places.holder is None


def test_what_waits_aside_holds_up_nobody(patient: None) -> None:
    places = Turns()
    mine, other = Seat(places), Seat(places)
    with mine:
        with Aside():
            assert not mine.settled
            with other:
                pass
            # One in another does nothing.
            with Aside():
                pass
        assert places.holder is mine
        assert not mine.idle
    assert mine.idle


def test_a_turn_that_lasts_too_long_is_taken_away() -> None:
    places = Turns()
    slow, other = Seat(places), Seat(places)
    with slow:
        had = queue(places, [other])
        eventually(lambda: had)
        # It goes on beside the others, and must not be touched.
        assert not slow.settled
        slow.look()
        assert places.holder is slow
    eventually(lambda: places.holder is None)


def test_a_turn_that_is_kept_is_not_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.005)
    places = Turns()
    mine, other = Seat(places), Seat(places)
    with mine, places.kept(mine):
        had = queue(places, [other])
        time.sleep(0.05)
        assert had == []
        assert other.idle
    eventually(lambda: had)
    # One that was taken away is waited for.
    with mine:
        had = queue(places, [other])
        eventually(lambda: had)
        with places.kept(mine):
            assert places.holder is mine


def test_the_watch_goes_when_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "WATCH_SECONDS", 0.05)
    places = Turns()
    with Seat(places):
        had = queue(places, [Seat(places)])
        assert places._watched
    eventually(lambda: had and not places._watched)
    with Seat(places):
        had = queue(places, [Seat(places)])
        eventually(lambda: had)


# Sessions.


@pytest.fixture
def service() -> Service:
    limits = Limits(transfer_seconds=PATIENCE, unread_bytes=2000, call_seconds=PATIENCE)
    return Service(Config(limits=limits), Devices("cpu"))


@pytest.fixture
def pair(service: Service, patient: None) -> Iterator[tuple[Wire, Wire]]:
    """Two sessions, of which the second one never waits for a turn that is not given up."""
    pair = Wire(stream_of(service)), Wire(stream_of(service))
    for wire in pair:
        wire.settle()
    yield pair
    for wire in pair:
        wire.close()


def seat_of(service: Service, wire: Wire) -> Seat:
    return service._sessions[wire.welcome.session].seat


def works(wire: Wire) -> bool:
    """Whether a session gets its turns."""
    return bool((wire.read(wire.op("elemwise_add", wire.put([1, 2]), wire.put([3, 4]))) == [4, 6]).all())


def test_a_session_that_waits_for_its_upload_holds_up_nobody(
    service: Service, pair: tuple[Wire, Wire]
) -> None:
    waiting, other = pair
    waiting.upload_to(np.ones(5, np.float32))
    waiting.flush()
    eventually(lambda: seat_of(service, waiting).inside)
    assert works(other)
    assert seat_of(service, waiting).inside


def test_a_session_whose_client_does_not_read_holds_up_nobody(
    service: Service, pair: tuple[Wire, Wire]
) -> None:
    waiting, other = pair
    handle = waiting.put(np.ones(100))
    for request in range(1000, 1030):
        waiting.command(read=pb.Read(request=request, handle=handle))
    waiting.flush()
    eventually(lambda: seat_of(service, waiting).inside)
    assert works(other)
    assert seat_of(service, waiting).inside


def test_a_session_whose_pass_is_paused_holds_up_nobody(service: Service, pair: tuple[Wire, Wire]) -> None:
    waiting, other = pair
    variable, _ = waiting.variable([1.0, 2.0])
    made = waiting.put([3.0, 4.0])
    waiting.command(record=pb.Record(function=7, inputs=[variable], outputs=[made]))
    waiting.command(backward=pb.Backward(request=99, heads=[made], train_mode=True))
    waiting.flush()
    waiting.receive("call")
    assert works(other)
    eventually(lambda: seat_of(service, waiting).idle)


def test_a_large_kernel_holds_up_nobody(
    service: Service, pair: tuple[Wire, Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, other = pair
    began, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(executor, "ASIDE_BYTES", 100)

    def slow(data: Any) -> Any:
        began.set()
        assert go_on.wait(PATIENCE)
        return np.tanh(data)

    with monkeypatch.context() as patch:
        patch.setattr("remx_server.registry.UfuncKernel.bind", lambda *arguments: slow)
        made = waiting.op("tanh", waiting.put(np.zeros(30)))
        waiting.flush()
        assert began.wait(PATIENCE)
    assert not seat_of(service, waiting).settled
    assert works(other)
    go_on.set()
    assert waiting.read(made).tolist() == [0] * 30


def test_a_session_that_is_closed_while_it_waits_leaves_no_turn_behind(
    service: Service, pair: tuple[Wire, Wire]
) -> None:
    waiting, other = pair
    mine = Seat(service.commons.turns)
    with mine:
        waiting.put([1.0])
        waiting.flush()
        eventually(lambda: service.commons.turns.contended)
        waiting.send(pb.Up(goodbye=pb.Goodbye()))
        assert service.session_count == 2
    eventually(lambda: service.session_count == 1)
    assert works(other)
    eventually(lambda: service.commons.turns.holder is None)


def test_a_session_that_crashes_leaves_no_turn_behind(service: Service, pair: tuple[Wire, Wire]) -> None:
    crashing, other = pair
    crashing.code += [3]
    crashing.flush()
    eventually(lambda: service.session_count == 1)
    assert works(other)


def test_sessions_of_small_ops_get_the_same_and_long_ones_are_cut(service: Service) -> None:
    wires = [Wire(stream_of(service)) for _ in range(4)]
    lengths = (20, 200, 2000, 20_000)
    for wire in wires:
        one = wire.put(np.ones(10))
        add = wire.define("elemwise_add", 2)
        wire.settle()
        wire.code = [add << codec.SPEC_SHIFT, 0, one, one, 9, codec.RELEASE | 1 << codec.COUNT_SHIFT, 9]
    end = time.monotonic() + 2.0

    def work(wire: Wire, length: int) -> None:
        code = wire.code * length
        while time.monotonic() < end:
            wire.code = list(code)
            wire.flush()
            wire.code = list(code)
            wire.settle()
        wire.code = []

    threads = [
        started(lambda pair=pair: work(*pair))  # type: ignore[misc]
        for pair in zip(wires, lengths, strict=True)
    ]
    time.sleep(0.5)
    seats = [seat_of(service, wire) for wire in wires]
    before = [seat.seconds for seat in seats]
    time.sleep(1.2)
    used = [seat.seconds - at for seat, at in zip(seats, before, strict=True)]
    for thread in threads:
        thread.join()
    for wire in wires:
        wire.close()
    # The short ones wait for their clients at times, so that they may get less, but not the long ones more.
    assert max(used[2:]) < 1.6 * min(used[2:])
    assert sum(used) > 0.8


def test_a_slice_is_as_long_as_its_ops_allow(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(stream_of(service))
    running = service._sessions[wire.welcome.session].runner
    one = wire.put(np.ones(10))
    add = wire.define("elemwise_add", 2)
    wire.settle()
    for handle in range(1000, 9000):
        wire.invoke(add, [one, one], outputs=[handle])
    wire.settle()
    assert running._slice_words > 8 * runner._SLICE_WORDS[0]
    monkeypatch.setattr(runner, "SLICE_SECONDS", 0.0)
    for handle in range(10_000, 12_000):
        wire.invoke(add, [one, one], outputs=[handle])
    wire.settle()
    assert running._slice_words == runner._SLICE_WORDS[0]
    wire.close()
