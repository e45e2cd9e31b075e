"""Random positions: where a state is, and that it goes there again, whatever has drawn from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from remx_contract.errors import LimitError
from remx_contract.v1 import stream_pb2 as pb
from remx_server.positions import MAX_WORDS, CountedState, Position
from remx_server.random_state import LANES, RandomState

Draw = Callable[[RandomState], Any]

DRAWS: list[Draw] = [
    lambda state: state.uniform(0, 1, (5,)),
    lambda state: state.uniform(0, 1, (300, 301)),
    lambda state: state.uniform(0, 1, (70,), np.float64),
    lambda state: state.normal(0, 1, (70_001,)),
    lambda state: state.normal(0, 1, (129,), np.float16),
    lambda state: state.exponential(1, (100,)),
    lambda state: state.randint(0, 9, (200,)),
    lambda state: state.keep_mask(0.5, (40, 50)),
    lambda state: state.shuffle_order(100),
    lambda state: state.shuffle_rows_order(50),
    lambda state: state.multinomial(np.full((2, 4), 0.25), 10),
    lambda state: state.uniform(0, 1, (0,)),
]


def sample(state: RandomState) -> list[Any]:
    """What comes next, from all lanes and the single generator."""
    return [state.uniform(0, 1, (100_000,)).tolist(), state.shuffle_order(20).tolist()]


@pytest.mark.parametrize("for_context", [False, True])
def test_a_state_goes_to_where_another_was(for_context: bool) -> None:
    state = CountedState()
    (state.seed_context if for_context else state.seed)(11)
    places = [state.position]
    for draw in DRAWS:
        draw(state)
        places.append(state.position)
    behind = sample(state)
    for start in (CountedState(), state):
        start.go_to(places[-1])
        assert start.position == places[-1]
        assert sample(start) == behind
    # One after the other, forwards and backwards, through the wire's form.
    walker = CountedState()
    for order in (range(len(DRAWS)), reversed(range(len(DRAWS)))):
        for number in order:
            walker.go_to(Position.of(pb.Position.FromString(places[number].message().SerializeToString())))
            DRAWS[number](walker)
            assert walker.position == places[number + 1]


def test_what_is_drawn_is_what_an_uncounted_state_draws() -> None:
    counted, plain = CountedState(), RandomState()
    for draw in DRAWS:
        np.testing.assert_array_equal(draw(counted), draw(plain))


def test_a_fresh_state_is_at_the_start_of_seed_0() -> None:
    fresh, seeded = CountedState(), CountedState()
    seeded.seed(0)
    assert fresh.position == seeded.position == Position(0, False, np.array([], np.int64), 0)
    fresh.uniform(0, 1, (128,))
    assert fresh.position.parallel.tolist() == [64, 64]
    assert fresh.position != seeded.position


def test_a_position_does_not_change_with_the_state() -> None:
    state = CountedState()
    state.uniform(0, 1, (3,))
    before = state.position
    state.uniform(0, 1, (4,))
    assert before.parallel.tolist() == [3]
    assert state.position.parallel.tolist() == [7]


@pytest.mark.parametrize(
    "message",
    [
        pb.Position(parallel=[1] * (LANES + 1)),
        pb.Position(parallel=[MAX_WORDS + 1]),
        pb.Position(single=2**64 - 1),
    ],
)
def test_what_no_state_can_be_is_refused(message: pb.Position) -> None:
    with pytest.raises(LimitError, match="random position"):
        Position.of(message)


def test_a_long_way_can_be_stopped() -> None:
    asked = iter([False, False, True, True, True])
    state = CountedState()
    state.go_to(Position(0, False, np.array([MAX_WORDS]), 0), lambda: next(asked))
    assert 0 < state.position.parallel[0] < MAX_WORDS
