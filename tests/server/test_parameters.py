"""Fillings on the wire: what is noted, what is told, and what is forgotten."""

from __future__ import annotations

import pytest
from remx_contract.errors import HandleError, LimitError
from remx_contract.v1 import stream_pb2 as pb
from remx_server import parameters
from remx_server.owners import ANYBODY
from remx_server.parameters import Parameters
from remx_server.positions import CountedState
from remx_server.random_state import RandomState
from remx_server.service import Service
from support.wire import CPU, UNIT, Closed, Wire, stream_of


def describe(wire: Wire, *handles: int) -> list[pb.Fillings.Filling]:
    request = next(wire.numbers)
    wire.command(describe=pb.Describe(request=request, handles=handles))
    return list(wire.answer(request).fillings.fillings)


def test_the_position_is_that_of_the_moment(wire: Wire) -> None:
    first, second = wire.put([1.0]), wire.put([2.0])
    draw = wire.define("_random_uniform", 0, {"shape": (70,)}, context=CPU)
    wire.command(seed=pb.Seed(thread=2, seed=9, for_context=True))
    wire.command(fill=pb.Fill(thread=2, handle=first, name="a", initializer="x"))
    wire.invoke(draw, [], words=[*UNIT, 2])
    wire.command(fill=pb.Fill(thread=2, handle=second, name="b", initializer="y", own="z"))
    wire.invoke(draw, [], words=[*UNIT, 1])
    wire.command(fill=pb.Fill(thread=1, handle=first, name="c", initializer="x"))
    assert describe(wire, second, 999, first) == [
        pb.Fillings.Filling(
            known=True,
            name="b",
            initializer="y",
            own="z",
            position=pb.Position(seed=9, for_context=True, parallel=[35, 35]),
        ),
        pb.Fillings.Filling(),
        pb.Fillings.Filling(known=True, name="c", initializer="x", position=pb.Position(parallel=[35, 35])),
    ]


def test_a_fill_goes_to_its_start(wire: Wire) -> None:
    target = wire.put([1.0])
    draw = wire.define("_random_uniform", 0, {"shape": (5,)}, context=CPU)
    wire.command(seed=pb.Seed(thread=0, seed=3))
    wire.invoke(draw, [], words=[*UNIT, 0])
    again = wire.read(wire.invoke(draw, [], words=[*UNIT, 0]))
    wire.command(fill=pb.Fill(handle=target, start=pb.Position(seed=3, parallel=[5])))
    assert wire.read(wire.invoke(draw, [], words=[*UNIT, 0])).tolist() == again.tolist()


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (pb.Fill(handle=99), HandleError),
        (pb.Fill(handle=1, name="n" * (parameters.MAX_TEXT + 1)), LimitError),
        (pb.Fill(handle=1, start=pb.Position(parallel=[2**50])), LimitError),
    ],
)
def test_a_wrong_fill_ends_the_session(service: Service, message: pb.Fill, error: type[Exception]) -> None:
    wire = Wire(stream_of(service))
    wire.command(put=pb.Put(handle=1, context=CPU, tensor=pb.Tensor(data=bytes(4))))
    wire.command(fill=message)
    with pytest.raises(Closed) as closed:
        wire.settle()
    assert isinstance(closed.value.error, error)
    wire.hang_up()


def test_fillings_of_dropped_tensors_are_forgotten() -> None:
    known = Parameters()
    state = CountedState()
    live = {handle for handle in range(10_000) if handle % 100 == 0}
    for handle in range(10_000):
        known.note(pb.Fill(handle=handle, name=str(handle)), state.position, live)
    assert len(known._fillings) < 2000
    told = known.describe(sorted(live)).fillings
    assert [filling.name for filling in told] == [str(handle) for handle in sorted(live)]


def test_fillings_that_draw_nothing_share_a_position() -> None:
    known = Parameters()
    state = CountedState()
    state.uniform(0, 1, (100,))
    for handle in (1, 2):
        known.note(pb.Fill(handle=handle), state.position, {1, 2})
    assert known._fillings[1].position is known._fillings[2].position


def test_a_generator_without_positions(service: Service) -> None:
    wire = Wire(stream_of(service))
    target = wire.put([1.0])
    wire.settle()
    session = service.session_of(wire.welcome.session, ANYBODY)
    session.random._states[0] = other = RandomState()
    wire.command(fill=pb.Fill(handle=target, name="a"))
    assert describe(wire, target) == [pb.Fillings.Filling(known=True, name="a")]
    assert session.random.of_thread(0) is other
    # To repeat a fill, the thread draws from one that has them again; and so it does when it is seeded.
    wire.command(fill=pb.Fill(handle=target, name="a", start=pb.Position(seed=3, parallel=[2])))
    assert describe(wire, target)[0].position == pb.Position(seed=3, parallel=[2])
    session.random._states[0] = other
    wire.command(seed=pb.Seed(seed=7))
    wire.command(fill=pb.Fill(handle=target, name="b"))
    assert describe(wire, target)[0].position == pb.Position(seed=7)
    wire.close()
