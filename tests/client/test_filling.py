"""Filling a model's parameters in one message, telling how it was done, and doing it again."""

from __future__ import annotations

import doctest
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import remx as mx
from remx import _current
from remx._session import Session
from remx.errors import (
    DTypeError,
    FileFormatError,
    PreconditionError,
    SessionError,
    ShapeError,
    UnsupportedTypeError,
    ValueRangeError,
)
from remx.initializer import Description, InitDesc, Initializer, _base, _filling

LSTM = '["lstmbias", {"forget_bias": 2.0}]'
SHAPES = {"a_weight": (64, 33), "a_bias": (64,), "a_gamma": (7,), "b_weight": (3, 64, 2, 2), "b_bias": (3,)}


@pytest.fixture(autouse=True)
def same_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(_base, "_REGISTRY", dict(_base._REGISTRY))


def model(mx: ModuleType) -> dict[str, Any]:
    return {name: mx.nd.empty(shape) for name, shape in SHAPES.items()}


def values(params: dict[str, Any]) -> dict[str, Any]:
    return {str(name): array.asnumpy().tolist() for name, array in params.items()}


def one_by_one(mx: ModuleType, initializer: Any) -> dict[str, Any]:
    params = model(mx)
    for name, array in params.items():
        initializer(InitDesc(name), array)
    return values(params)


def fillers(mx: ModuleType) -> dict[str, Any]:
    return {
        "xavier": mx.init.Xavier("gaussian", "in", 2.45),
        "name": "uniform",
        "json": '["normal", {"sigma": 0.8}]',
        "orthogonal": mx.init.Orthogonal(),
        "mixed": mx.init.Mixed(["a_", ".*bias", ".*"], [mx.init.Normal(2), mx.init.One(), mx.init.Xavier()]),
        "load": mx.init.Load({"arg:a_weight": mx.nd.ones((64, 33)) * 3}, mx.init.Uniform(2)),
    }


KINDS = ["xavier", "name", "json", "orthogonal", "mixed", "load"]


@pytest.mark.parametrize("kind", KINDS)
def test_one_message_and_no_round_trip(mx: ModuleType, kind: str) -> None:
    filler = fillers(mx)[kind]
    params = model(mx)
    mx.random.seed(5)
    mx.nd.waitall()
    before = mx.stats()
    mx.init.fill(params, filler)
    after = mx.stats()
    assert (after.batches - before.batches, after.round_trips - before.round_trips) == (1, 0)
    mx.nd.waitall()
    assert mx.stats().bytes_up - before.bytes_up < 4000
    mx.random.seed(5)
    expected = one_by_one(mx, mx.init.create(filler) if isinstance(filler, str) else filler)
    assert values(params) == expected


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_what_is_described_can_be_repeated(kind: str, open_session: Callable[[], Session]) -> None:
    _current.use(open_session())
    mx.random.seed(2**40 + 3, ctx=mx.cpu())
    mx.nd.random.normal(shape=1001)
    mx.nd.random.shuffle(mx.nd.arange(10))
    params = model(mx)
    mx.init.fill(params, fillers(mx)[kind])
    description = mx.init.describe(params)
    expected = values(params)
    behind = [mx.nd.random.uniform(shape=5).asnumpy().tolist(), mx.nd.random.shuffle(mx.nd.arange(9))]
    behind[1] = behind[1].asnumpy().tolist()
    saved = description.dumps()
    # In another session, at another place of another seed.
    _current.use(open_session())
    mx.random.seed(1)
    mx.nd.random.uniform(shape=300)
    before = mx.stats().round_trips
    again = mx.init.refill(Description.loads(saved))
    assert mx.stats().round_trips == before
    assert values(again) == expected
    assert mx.nd.random.uniform(shape=5).asnumpy().tolist() == behind[0]
    assert mx.nd.random.shuffle(mx.nd.arange(9)).asnumpy().tolist() == behind[1]
    # What was repeated is described as before, so that it can be repeated from there.
    assert mx.init.describe(again) == description


def test_a_part_can_be_repeated_in_any_order(mx: ModuleType) -> None:
    mx.random.seed(4)
    params = model(mx)
    mx.init.fill(params, mx.init.Normal(2))
    description = mx.init.describe(params)
    expected = values(params)
    for names in (["b_weight"], ["b_weight", "a_bias", "a_weight"]):
        fresh = {name: mx.nd.empty(SHAPES[name]) for name in names}
        filled = mx.init.refill({name: description[name] for name in names}, fresh)
        assert all(filled[name] is fresh[name] for name in names)
        assert values(filled) == {name: expected[name] for name in names}


def test_a_model_filled_under_two_seeds(mx: ModuleType) -> None:
    params = model(mx)
    parts = list(params.items())
    mx.random.seed(8)
    mx.init.fill(dict(parts[:2]), mx.init.Uniform(3))
    mx.random.seed(9)
    mx.init.fill(dict(parts[2:]), mx.init.Normal(3))
    description = mx.init.describe(params)
    assert [one.position.seed for one in description.values()] == [8, 8, 9, 9, 9]
    expected = values(params)
    assert values(mx.init.refill(description)) == expected


def test_what_a_description_says(mx: ModuleType) -> None:
    params = {
        "w_weight": mx.nd.empty((128, 2)),
        InitDesc("w_bias", {"__init__": '["lstmbias", {"forget_bias": 2.0}]'}): mx.nd.empty(
            (8,), dtype="float64"
        ),
        "v_weight": mx.nd.empty((3, 4)),
    }
    mx.random.seed(7)
    mx.init.fill(params, mx.init.Uniform(0.5))
    description = mx.init.describe({"mine": params["w_weight"], **params})
    assert description["mine"].name == "w_weight"
    bias = description["w_bias"]
    assert (bias.initializer, bias.own) == (
        '["uniform", {"scale": 0.5}]',
        LSTM,
    )
    assert (bias.shape, bias.dtype) == ((8,), "float64")
    assert (bias.position.seed, bias.position.parallel, bias.position.words) == (7, (64,) * 4, 256)
    assert str(description).splitlines()[3].split("  ")[-1] == "seed 7 + 256 words"
    assert "lstmbias" in str(description).splitlines()[3]
    again = mx.init.refill(description)
    assert values(again) == values({"mine": params["w_weight"], **params})
    assert again["w_bias"].dtype is np.float64
    # Training it changes nothing about how it was filled; filling it again does.
    params["v_weight"] += 1
    assert mx.init.describe(params)["v_weight"] == description["v_weight"]
    mx.init.fill({"v_weight": params["v_weight"]}, "zeros")
    assert mx.init.describe(params)["v_weight"].initializer == '["zero", {}]'


def test_threads_have_positions_of_their_own(mx: ModuleType) -> None:
    mx.random.seed(3)
    mx.nd.random.uniform(shape=70)
    params = {"w_weight": mx.nd.empty((2, 3))}
    thread = threading.Thread(target=mx.init.fill, args=(params, mx.init.Normal()))
    thread.start()
    thread.join()
    position = mx.init.describe(params)["w_weight"].position
    assert (position.seed, position.words) == (0, 0)
    assert values(mx.init.refill(mx.init.describe(params))) == values(params)


def test_a_file_can_be_loaded_again(mx: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "some.params"
    mx.nd.save(str(path), {"arg:a_weight": mx.nd.arange(6).reshape((2, 3))})
    params = {"a_weight": mx.nd.empty((2, 3)), "a_bias": mx.nd.empty((2,))}
    mx.init.fill(params, mx.init.Load(path, mx.init.One()))
    description = mx.init.describe(params)
    assert json.loads(description["a_weight"].initializer) == ["load", {"param": str(path)}]
    assert description["a_bias"].initializer == '["one", {}]'
    assert values(mx.init.refill(description)) == values(params)


def test_values_stay_out_of_descriptions(mx: ModuleType) -> None:
    numbers = np.random.default_rng(0).normal(size=(100, 200))
    for filler, kind in (
        (mx.init.Constant(numbers), "constant"),
        (mx.init.Constant(mx.nd.ones((100, 200))), "constant"),
        (mx.init.Load({"a_weight": mx.nd.ones((100, 200))}), "load"),
    ):
        params = {"a_weight": mx.nd.empty((100, 200))}
        mx.init.fill(params, filler)
        description = mx.init.describe(params)
        assert description["a_weight"].initializer == json.dumps([kind])
        with pytest.raises(ValueRangeError, match=r"a_weight was filled by .* fill it yourself"):
            mx.init.refill(description)
    small = {"a_weight": mx.nd.empty((3,))}
    mx.init.fill(small, mx.init.Constant([1, 2, 3]))
    assert values(mx.init.refill(mx.init.describe(small))) == values(small)


def test_an_initializer_of_one_s_own(mx: ModuleType) -> None:
    @mx.init.register
    class Steps(Initializer):
        def __init__(self, step: float) -> None:
            super().__init__(step=step)
            self.step = step

        def _init_weight(self, name: str, arr: Any) -> None:
            arr[:] = mx.nd.arange(arr.size).reshape(arr.shape) * self.step + mx.nd.random.normal(
                shape=arr.shape
            )

        def _init_default(self, name: str, arr: Any) -> None:
            # Reading a value is possible, and waits.
            arr[:] = float(mx.nd.random.uniform(shape=1).asscalar())

    params = {"a_weight": mx.nd.empty((5, 7)), "scale": mx.nd.empty((2,)), "b_weight": mx.nd.empty((2,))}
    mx.init.fill(params, Steps(0.5))
    description = mx.init.describe(params)
    assert description["scale"].initializer == '["steps", {"step": 0.5}]'
    assert values(mx.init.refill(description)) == values(params)
    mx.init.fill(params, lambda desc, arr: mx.init.One()._init_weight(desc, arr))
    assert values(params)["scale"] == [1, 1]
    assert mx.init.describe(params)["scale"].initializer == '["<lambda>"]'


def test_a_global_initializer_reaches_the_parts_of_a_fused_rnn(mx: ModuleType) -> None:
    fused = mx.init.FusedRNN(None, 4, 2, "lstm", bidirectional=True, forget_bias=3.0)
    desc = InitDesc("rnn_parameters", {"__init__": fused.dumps()})
    rows = 4 * 4 * 2
    params = {desc: mx.nd.empty((rows * (3 + 4 + 2) + rows * (4 * 3 + 2),))}
    mx.random.seed(1)
    mx.init.fill(params, mx.init.Uniform(0.5))
    (vector,) = (array.asnumpy() for array in params.values())
    weights = rows * (3 + 4) + rows * 12
    assert (abs(vector[:weights]) <= 0.5).all()
    assert len(set(vector[:weights])) > 0.9 * weights
    # Layer, direction, then input's and hidden state's biases, by gates i f c o.
    biases = vector[weights:].reshape(2, 2, 2, 4, 4)
    assert (biases[..., 1, :] == 3).all()
    assert (biases[..., [0, 2, 3], :] == 0).all()
    assert values(mx.init.refill(mx.init.describe(params))) == values(params)


def test_a_filling_from_an_unknown_place(mx: ModuleType) -> None:
    params = {"a_weight": mx.nd.ones((2,))}
    mx.init.fill(params, "uniform")
    filling = replace(mx.init.describe(params)["a_weight"], position=None)
    description = Description.loads(Description(a_weight=filling).dumps())
    assert description["a_weight"] == filling
    assert str(description).endswith("unknown")
    with pytest.raises(ValueRangeError, match=r"a_weight .* no positions"):
        mx.init.refill(description)


def test_what_is_refused(mx: ModuleType) -> None:
    params = model(mx)
    with pytest.raises(PreconditionError, match=r"one of .*xavier"):
        mx.init.fill(params, "nonsense")
    with pytest.raises(UnsupportedTypeError, match="an initializer"):
        mx.init.fill(params, 3)
    with pytest.raises(UnsupportedTypeError, match="NDArrays"):
        mx.init.fill({"a_weight": np.ones(3)}, "zeros")
    with pytest.raises(ValueRangeError, match=r"running_mean.*InitDesc"):
        mx.init.fill({"running_mean": params["a_bias"]}, "zeros")
    with pytest.raises(ValueRangeError, match="at least 2D"):
        mx.init.fill({"v_weight": params["a_bias"]}, "xavier")
    with pytest.raises(ValueRangeError, match=r"'\.\*' pattern"):
        mx.init.fill(params, mx.init.Mixed(["nothing"], [mx.init.Zero()]))
    with pytest.raises(ValueRangeError, match=r"a_gamma was not filled by mx\.init\.fill"):
        mx.init.describe({"a_gamma": params["a_gamma"]})
    mx.init.fill(params, "uniform")
    description = mx.init.describe(params)
    with pytest.raises(ShapeError, match="a_weight"):
        mx.init.refill(description, {**params, "a_weight": mx.nd.ones((3, 3))})
    with pytest.raises(DTypeError, match="a_weight"):
        mx.init.refill(description, {**params, "a_weight": mx.nd.ones((64, 33), dtype="float64")})
    with pytest.raises(ValueRangeError, match="there is no b_bias"):
        mx.init.refill(description, dict(list(params.items())[:4]))
    for text in ("", "[]", '{"a": {}}', '{"a": 3}'):
        with pytest.raises(FileFormatError, match="description"):
            Description.loads(text)


def test_arrays_of_two_sessions(open_session: Callable[[], Session]) -> None:
    _current.use(open_session())
    params = model(mx)
    _current.use(open_session())
    with pytest.raises(SessionError, match="different sessions"):
        mx.init.fill({**params, "c": mx.nd.ones((2,))}, "zeros")


def test_nothing_to_fill(mx: ModuleType) -> None:
    mx.init.fill({}, "zeros")
    assert mx.init.describe({}) == {}
    assert mx.init.refill(Description()) == {}


def test_after_a_refused_fill_ops_leave_as_before(mx: ModuleType) -> None:
    with pytest.raises(ValueRangeError):
        mx.init.fill({"x_bias": mx.nd.ones((2,)), "x": mx.nd.ones((2,))}, "zeros")
    one = mx.nd.ones((2,))
    before = mx.stats().batches
    mx.nd.waitall()
    one += 1
    assert mx.stats().batches - before == 2
    assert one.asnumpy().tolist() == [2, 2]


def test_after_a_fill_that_queued_nothing_ops_leave_as_before(mx: ModuleType) -> None:
    one = mx.nd.ones((2,))
    mx.nd.waitall()
    before = mx.stats().batches
    with pytest.raises(ValueRangeError):
        mx.init.fill({"x": one}, mx.init.Mixed([], []))
    assert mx.stats().batches == before
    one += 1
    assert mx.stats().batches == before + 1


def test_many_parameters(mx: ModuleType) -> None:
    params = {f"p{number}_weight": mx.nd.empty((2, 1 + number % 7)) for number in range(3000)}
    mx.random.seed(6)
    mx.init.fill(params, mx.init.Uniform(1))
    before = mx.stats().round_trips
    description = mx.init.describe(params)
    assert mx.stats().round_trips - before == 1
    names = ["p0_weight", "p1500_weight", "p2999_weight"]
    again = mx.init.refill({name: description[name] for name in names})
    assert values(again) == values({name: params[name] for name in names})


@pytest.mark.parametrize("module", [_base, _filling], ids=["base", "filling"])
def test_examples(mx: ModuleType, module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted >= 5
    assert not found.failed
