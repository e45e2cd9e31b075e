"""Initializers: what the snippets, which hold weights, names and texts against MXNet, leave out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from remx.errors import MXNetError, PreconditionError, UnsupportedTypeError, ValueRangeError
from remx.initializer import InitDesc, Initializer, _base

WEIGHT = InitDesc("fc_weight")


@pytest.fixture(autouse=True)
def same_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers is gone after it."""
    before = dict(_base._REGISTRY)
    yield
    _base._REGISTRY.clear()
    _base._REGISTRY.update(before)


ARGUMENTS = {
    "bilinear": {},
    "constant": {"value": 2},
    "fusedrnn": {"init": "xavier", "num_hidden": 30, "num_layers": 2, "mode": "gru"},
    "lstmbias": {},
    "msraprelu": {},
    "normal": {},
    "one": {},
    "ones": {},
    "orthogonal": {},
    "uniform": {},
    "xavier": {},
    "zero": {},
    "zeros": {},
}
"""Every name in MXNet's registry, with what its initializer cannot do without."""
NAMES = list(ARGUMENTS)
GRU = 3 * 30 * (40 + 30 + 2) + 3 * 30 * (30 + 30 + 2)
SHAPES = {"bilinear": (20, 10, 10, 10), "fusedrnn": (GRU,)}


def test_the_names_are_mxnet_s() -> None:
    assert sorted(_base._REGISTRY) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_no_weight_crosses_the_wire(mx: ModuleType, name: str) -> None:
    made = mx.init.create(name, **ARGUMENTS[name])
    weight = mx.nd.empty(SHAPES.get(name, (100, 200)))
    before = mx.stats()
    made(WEIGHT, weight)
    mx.nd.waitall()
    after = mx.stats()
    assert after.bytes_up - before.bytes_up < 4000
    assert after.round_trips - before.round_trips == 1
    if name not in ("zero", "zeros"):
        assert np.abs(weight.asnumpy()).max() > 0


@pytest.mark.parametrize("name", NAMES)
def test_what_dumps_writes_makes_the_same(mx: ModuleType, name: str) -> None:
    made = mx.init.create(name, **ARGUMENTS[name])
    again = mx.init.create(made.dumps())
    assert again == made
    assert json.loads(made.dumps()) == json.loads(again.dumps())


@pytest.mark.parametrize("name", [*NAMES, "xavier"])
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_the_array_keeps_its_dtype(mx: ModuleType, name: str, dtype: str) -> None:
    made = mx.init.create(name, **ARGUMENTS[name])
    weight = mx.nd.zeros(SHAPES.get(name, (3, 4)), dtype=dtype)
    made(WEIGHT, weight)
    assert weight.asnumpy().dtype == np.dtype(dtype)
    assert np.isfinite(weight.asnumpy()).all()


def test_a_seed_decides_the_weights(mx: ModuleType) -> None:
    def weights() -> list[Any]:
        made = []
        for one in (mx.init.Xavier(), mx.init.Normal(), mx.init.Orthogonal()):
            weight = mx.nd.zeros((4, 5))
            one(WEIGHT, weight)
            made.append(weight.asnumpy())
        return made

    mx.random.seed(8)
    first = weights()
    others = weights()
    mx.random.seed(8)
    for one, again, other in zip(first, weights(), others, strict=True):
        np.testing.assert_array_equal(one, again)
        assert (one != other).any()


def test_initializing_is_not_recorded(mx: ModuleType) -> None:
    weight = mx.nd.zeros((2, 2))
    mx.init.One()(WEIGHT, weight)
    weight.attach_grad()
    mx.init.Uniform(3)(WEIGHT, weight)
    with mx.autograd.record():
        y = (weight * 2).sum()
    y.backward()
    np.testing.assert_array_equal(weight.grad.asnumpy(), np.full((2, 2), 2))


def test_a_user_s_initializer_with_ops(mx: ModuleType) -> None:
    @mx.init.alias("diag", "Diagonal")
    @mx.init.register
    class Diagonally(Initializer):
        def __init__(self, scale: float = 2.0) -> None:
            super().__init__(scale=scale)
            self.scale = scale

        def _init_weight(self, name: str, arr: Any) -> None:
            arr[:] = mx.nd.eye(*arr.shape) * self.scale
            arr[0] += mx.nd.arange(arr.shape[1])

        def _init_bias(self, name: str, arr: Any) -> None:
            arr[:] = -1

    weight, bias = mx.nd.zeros((2, 3)), mx.nd.zeros((2,))
    for name in ("diag", "diagonal", "diagonally"):
        made = mx.init.create(name, scale=3)
        assert made.dumps() == '["diagonally", {"scale": 3}]'
        made(WEIGHT, weight)
        made(InitDesc("fc_bias"), bias)
        np.testing.assert_array_equal(weight.asnumpy(), [[3, 1, 2], [0, 3, 0]])
        np.testing.assert_array_equal(bias.asnumpy(), [-1, -1])
    own = InitDesc("whatever", {"__init__": '["diag", {"scale": 5}]'})
    mx.init.Zero()(own, weight)
    assert weight[1, 1].asscalar() == 5
    assert own.global_init == mx.init.Zero()


def test_an_array_as_constant(mx: ModuleType) -> None:
    values = np.arange(4.0).reshape(2, 2)
    for value in (values, mx.nd.array(values), values.tolist()):
        weight = mx.nd.zeros((2, 2))
        made = mx.init.Constant(value)
        made(WEIGHT, weight)
        np.testing.assert_array_equal(weight.asnumpy(), values)
        assert made.dumps() == '["constant", {"value": [[0.0, 1.0], [2.0, 3.0]]}]'
    with pytest.raises(ValueRangeError):
        mx.init.Constant(np.ones(3))(WEIGHT, mx.nd.zeros((2, 2)))


def test_what_is_refused_names_what_is_known(mx: ModuleType) -> None:
    with pytest.raises(PreconditionError, match=r"nonsense is not registered.*xavier"):
        mx.init.create("nonsense")
    with pytest.raises(ValueRangeError, match="Unknown initialization pattern for strange"):
        mx.init.Zero()(InitDesc("strange"), mx.nd.zeros((2,)))
    with pytest.raises(ValueRangeError, match="at least 2D"):
        mx.init.Xavier()(WEIGHT, mx.nd.zeros((2,)))
    with (
        pytest.warns(DeprecationWarning, match="InitDesc"),
        pytest.raises(UnsupportedTypeError, match="InitDesc"),
    ):
        mx.init.Zero()(3, mx.nd.zeros((2,)))
    with pytest.raises(MXNetError, match="rand_type"):
        mx.init.Orthogonal(rand_type="nonsense")(WEIGHT, mx.nd.zeros((2, 2)))
    with pytest.raises(NotImplementedError, match="Initializer"):
        Initializer()(WEIGHT, mx.nd.zeros((2,)))
    assert mx.stats().round_trips == 0


def test_a_plain_name_is_deprecated(mx: ModuleType) -> None:
    weight = mx.nd.zeros((2,))
    with pytest.warns(DeprecationWarning, match="InitDesc") as caught:
        mx.init.One()("fc_weight", weight)
    assert caught[0].filename == __file__
    assert weight.asnumpy().tolist() == [1, 1]


def test_verbosity(mx: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    weight = mx.nd.zeros((2, 2))
    mx.init.One().set_verbosity(True)(WEIGHT, weight)
    mx.init.One().set_verbosity(True, lambda arr: f"sum {arr.sum().asscalar():g}")(InitDesc("b_bias"), weight)
    mx.init.One().set_verbosity(True)(InitDesc("own", {"__init__": "zeros"}), weight)
    mx.init.One().set_verbosity(False)(WEIGHT, weight)
    mx.init.One()(WEIGHT, weight)
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("root", "INFO", "Initialized fc_weight as weight: 1.0"),
        ("root", "INFO", "Initialized b_bias as bias: sum 0"),
        ("root", "INFO", "Initialized own as zeros: 0.0"),
    ]


def test_load_tells_where_values_came_from(mx: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    load = mx.init.Load({"arg:fc_weight": mx.nd.ones((2,))}, mx.init.Zero(), verbose=True)
    for name in ("fc_weight", "fc_bias"):
        load(InitDesc(name), mx.nd.zeros((2,)))
    mx.init.Load({"fc_weight": mx.nd.ones((2,))})(WEIGHT, mx.nd.zeros((2,)))
    assert [record.getMessage() for record in caplog.records] == [
        "Initialized fc_weight by loading",
        "Initialized fc_bias by default",
    ]


def test_load_wants_named_arrays_of_the_right_shape(mx: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "list.params"
    mx.nd.save(path, [mx.nd.ones((2,))])
    with pytest.raises(PreconditionError, match="without names"):
        mx.init.Load(str(path))
    load = mx.init.Load({"fc_weight": mx.nd.ones((2,)), "aux:other": np.ones(3)})
    with pytest.raises(PreconditionError, match=r"target \(3,\) vs loaded \(2,\)"):
        load(WEIGHT, mx.nd.zeros((3,)))
    with pytest.raises(PreconditionError, match="Loaded are fc_weight, other"):
        load(InitDesc("fc_bias"), mx.nd.zeros((3,)))


def test_mixed_says_which_patterns_there_are(mx: ModuleType) -> None:
    mixed = mx.init.Mixed(["bias", "x"], [mx.init.Zero(), mx.init.One()])
    with pytest.raises(ValueRangeError, match=r"fc_bias did not match any pattern \(of 'bias', 'x';.*'\.\*'"):
        mixed(InitDesc("fc_bias"), mx.nd.zeros((2,)))


def test_a_name_that_is_taken_changes_hands_with_a_warning(mx: ModuleType) -> None:
    with pytest.warns(UserWarning, match="takes the name zero from remx") as caught:

        @mx.init.register
        class Zero(Initializer):
            pass

    assert caught[0].filename == __file__
    assert type(mx.init.create("zero")) is Zero
    mx.init.register(Zero)


def test_constants_compare_by_their_elements(mx: ModuleType) -> None:
    constant = mx.init.Constant
    assert constant([1, 2]) == constant(np.array([1, 2])) == constant(mx.nd.array([1, 2]))
    assert constant([1, 2]) != constant([1, 3])
    assert constant(2) != constant([2, 2])
    assert constant(1) != mx.init.One()
    assert constant(1) != 1


@pytest.mark.parametrize("mode", ["lstm", "gru", "rnn_relu", "rnn_tanh"])
def test_a_fused_rnn_says_which_lengths_there_are(mx: ModuleType, mode: str) -> None:
    fused = mx.init.FusedRNN("zeros", 4, 3, mode, bidirectional=True)
    with pytest.raises(PreconditionError, match="a vector of") as caught:
        fused(WEIGHT, mx.nd.ones((10,)))
    least, each = (int(word) for word in str(caught.value).split() if word.isdigit())
    for inputs in (1, 7):
        vector = mx.nd.ones((least + inputs * each,))
        fused(WEIGHT, vector)
        assert vector.asnumpy().sum() == (mode == "lstm") * 3 * 2 * 2 * 4
    with pytest.raises(PreconditionError):
        fused(WEIGHT, mx.nd.ones((least,)))
    with pytest.raises(ValueRangeError, match="the model's"):
        mx.init.FusedRNN(None, 4, 3, mode)(InitDesc("p_weight"), vector)
