"""Symbols: what the class does, apart from what ``test_history.py`` compares with MXNet."""

from __future__ import annotations

import copy
import json
import pickle
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from remx import symbol
from remx_contract.errors import (
    FileFormatError,
    GraphFreedError,
    MXNetError,
    NotAnArrayError,
    NotDifferentiableError,
    NotTranslatableError,
    UnknownOpError,
)

OLD = json.dumps(
    {
        "nodes": [
            {"op": "null", "name": "data", "attr": {"__shape__": "(2, 3)", "__dtype__": "1"}, "inputs": []},
            {"op": "null", "name": "bn_gamma", "inputs": []},
            {"op": "null", "name": "bn_beta", "inputs": []},
            {"op": "null", "name": "bn_moving_mean", "inputs": []},
            {"op": "null", "name": "bn_moving_var", "inputs": []},
            {
                "op": "BatchNorm",
                "name": "bn",
                "param": {"eps": "0.001"},
                "inputs": [[0, 0], [1, 0], [2, 0], [3, 0, 1], [4, 0, 1]],
            },
            {"op": "Activation", "name": "act", "param": {"act_type": "relu"}, "inputs": [[5, 0]]},
        ],
        "arg_nodes": [0, 1, 2, 3, 4],
        "heads": [[6, 0]],
    }
)
"""A network in the form of older versions, with an op that the catalogue lacks or may lack."""


@pytest.fixture
def network(mx: ModuleType) -> symbol.Symbol:
    """A dense layer's outputs, split, and put together again."""
    x, w = mx.nd.ones((2, 3)), mx.nd.ones((4, 3))
    x.attach_grad()
    with mx.autograd.record():
        hidden = mx.nd.FullyConnected(x, w, num_hidden=4, no_bias=True)
        first, second = mx.nd.split(hidden, 2, axis=1)
        return mx.autograd.get_symbol(first * 2 + second)


def test_names_count_from_the_start_of_the_session(network: symbol.Symbol) -> None:
    assert network.list_arguments() == ["var0", "null1"]
    assert network.get_internals().list_outputs() == [
        "var0",
        "null1",
        "node_0_output",
        "node_1_output0",
        "node_1_output1",
        "node_2_output",
        "node_3_output",
    ]


def test_a_constant_has_one_name_wherever_it_is_used(mx: ModuleType) -> None:
    x, c = mx.nd.ones((2,)), mx.nd.ones((2,))
    x.attach_grad()
    with mx.autograd.record():
        one = x * c
        two = (x + c) * c
    assert mx.autograd.get_symbol(one).list_arguments() == ["var0", "null1"]
    assert mx.autograd.get_symbol(two).list_arguments() == ["var0", "null1"]
    assert mx.autograd.get_symbol(c).list_outputs() == ["null1"]
    c.attach_grad()
    assert mx.autograd.get_symbol(c).list_outputs() == ["var2"]


def test_get_symbol_refuses_what_has_no_history(mx: ModuleType) -> None:
    x = mx.nd.ones((2,))
    with pytest.raises(NotDifferentiableError, match="not part of a computation graph"):
        mx.autograd.get_symbol(x)
    with pytest.raises(NotAnArrayError):
        mx.autograd.get_symbol(3)
    x.attach_grad()
    with mx.autograd.record():
        y = x * x
        z = y + 1
    y.backward()
    for freed in (y, z):
        with pytest.raises(GraphFreedError, match="retain_graph"):
            mx.autograd.get_symbol(freed)
    with mx.autograd.record():
        failed = mx.nd.take(x, mx.nd.array([7]), mode="raise") * x
    with pytest.raises(IndexError):
        mx.autograd.get_symbol(failed)


def test_functions_are_nodes(mx: ModuleType) -> None:
    class Both(mx.autograd.Function):  # type: ignore[misc, name-defined]
        def forward(self, a: Any, b: Any) -> Any:
            return a * b, a + b

        def backward(self, first: Any, second: Any) -> Any:
            return first, second

    x, c = mx.nd.ones((2,)), mx.nd.ones((2,))
    x.attach_grad()
    with mx.autograd.record():
        y = Both()(x, c)[1] * c
    made = mx.autograd.get_symbol(y)
    assert made.list_arguments() == ["var0", "null1"]
    assert made.get_internals().list_outputs()[2:] == ["node_0_output0", "node_0_output1", "node_1_output"]
    assert json.loads(made.tojson())["nodes"][2]["op"] == "_CustomFunction"
    with pytest.raises(UnknownOpError, match="_CustomFunction"):
        made.infer_shape(var0=(2,))


def test_a_chain_of_50_000_ops(mx: ModuleType) -> None:
    x = mx.nd.ones((2,))
    x.attach_grad()
    y = x
    with mx.autograd.record():
        for _ in range(50_000):
            y = y + 1
    y.wait_to_read()
    started = time.monotonic()
    made = mx.autograd.get_symbol(y)
    assert made.name == "node_49999"
    assert made.infer_shape(var0=(2,)) == ([(2,)], [(2,)], [])
    text = made.tojson()
    assert mx.sym.load_json(text).tojson() == text
    assert len(made.get_internals()) == 50_001
    assert made.debug_str().count("Op:_plus_scalar") == 50_000
    # A recursion or a quadratic walk would take minutes.
    assert time.monotonic() - started < 30


def test_outputs_by_number_name_and_slice(network: symbol.Symbol) -> None:
    internals = network.get_internals()
    assert internals[3].list_outputs() == ["node_1_output0"]
    assert internals["node_1_output1"].list_outputs() == ["node_1_output1"]
    assert internals[1:3].list_outputs() == ["null1", "node_0_output"]
    assert [one.name for one in internals[:2]] == ["var0", "null1"]
    assert repr(internals[1:3]) == "<Symbol group [null1, node_0]>"
    assert internals[1:3].name is None
    with pytest.raises(IndexError):
        network[1]
    with pytest.raises(MXNetError):
        network[-1]
    with pytest.raises(TypeError):
        network[1.5]
    for name in ("node_3", "var0"):
        with pytest.raises(ValueError, match="Cannot find output"):
            network[name]
    twice = symbol.Symbol([*internals[:1]._outputs, *internals[:1]._outputs])
    with pytest.raises(ValueError, match="multiple outputs"):
        twice["var0"]


def test_copies_files_and_pickles(mx: ModuleType, network: symbol.Symbol, tmp_path: Path) -> None:
    file = str(tmp_path / "net.json")
    network.save(file)
    text = network.tojson()
    for other in (
        copy.copy(network),
        copy.deepcopy(network),
        pickle.loads(pickle.dumps(network)),
        mx.symbol.load(file),
        mx.sym.load_json(text),
        mx.sym.fromjson(text),
    ):
        assert isinstance(other, mx.sym.Symbol)
        assert other.tojson() == text
    for wrong in (mx.sym.load, mx.sym.load_json):
        with pytest.raises(TypeError):
            wrong(3)


def test_comparisons_are_symbols(network: symbol.Symbol) -> None:
    same: Any = network == network
    other: Any = network != 2
    assert json.loads(same.tojson())["nodes"][-1]["op"] == "_equal"
    assert json.loads(other.tojson())["nodes"][-1]["attrs"] == {"scalar": "2.0"}
    assert same.infer_shape(var0=(2, 3))[1] == [(2, 2)]
    with pytest.raises(TypeError, match="unhashable"):
        hash(network)
    with pytest.raises(TypeError, match="truth value"):
        bool(network)
    with pytest.raises(TypeError, match="not supported"):
        _ = network == "a"
    with pytest.raises(MXNetError, match="one output"):
        _ = network == network.get_internals()


def test_attributes(network: symbol.Symbol) -> None:
    dense = network.get_internals()["node_0_output"]
    assert dense.attr("num_hidden") == "4"
    assert dense.attr("nothing") is None
    assert dense.list_attr() == {"no_bias": "True", "num_hidden": "4"}
    assert network.attr_dict()["node_2"] == {"scalar": "2.0"}
    assert network.get_internals().list_attr() == {}
    with pytest.raises(DeprecationWarning):
        dense.list_attr(recursive=True)


def test_inference_by_position_and_name(network: symbol.Symbol) -> None:
    assert network.infer_shape((2, 3)) == ([(2, 3), (4, 3)], [(2, 2)], [])
    assert network.infer_shape_partial(var0=(0, 3)) == ([(0, 3), ()], [()], [])
    arguments, outputs, _ = network.infer_type("float16")
    assert [kind.__name__ for kind in (*arguments, *outputs)] == ["float16"] * 3
    assert network.infer_type_partial() == ([None, None], [None], [])


def test_wrong_inference_is_refused(network: symbol.Symbol) -> None:
    with pytest.raises(MXNetError, match=r"(?s)Error in operator node_0.*weight"):
        network.infer_shape(var0=(2, 3), null1=(5, 5))
    with pytest.raises(TypeError, match="one dtype"):
        network.infer_type(var0="float64", null1="float32")
    with pytest.raises(MXNetError, match=r"(?s)foo not found.*\[0\]var0"):
        network.infer_shape(foo=(1,))
    with pytest.raises(ValueError, match="either by positional or kwargs"):
        network.infer_shape((2, 3), null1=(4, 3))
    with pytest.raises(TypeError, match="need to be shapes"):
        network.infer_shape([2, 3])
    with pytest.raises(MXNetError, match="at most 2"):
        network.infer_shape((2, 3), (4, 3), (1,))
    with pytest.raises(TypeError):
        network.infer_type(var0="bogus")


def test_undecided_inference_warns(network: symbol.Symbol) -> None:
    with pytest.warns(UserWarning, match=r"(?s)Cannot decide shape.*null1: \(\)"):
        assert network.infer_shape() == (None, None, None)
    with pytest.warns(UserWarning, match=r"(?s)Cannot decide type.*null1: None"):
        assert network.infer_type() == (None, None, None)


def test_older_files_with_ops_of_any_kind(mx: ModuleType) -> None:
    net = mx.sym.load_json(OLD)
    assert net.list_arguments() == ["data", "bn_gamma", "bn_beta"]
    assert net.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
    assert net.list_inputs() == [*net.list_arguments(), *net.list_auxiliary_states()]
    assert net.get_internals().list_outputs()[-2:] == ["bn_output", "act_output"]
    again = json.loads(net.tojson())
    assert again["node_row_ptr"] == [0, 1, 2, 3, 4, 5, 8, 9]
    assert again["nodes"][5]["inputs"][3:] == [[3, 0, 1], [4, 0, 1]]
    assert again["nodes"][0]["attrs"] == {"__shape__": "(2, 3)", "__dtype__": "1"}


def test_only_inference_needs_rows(mx: ModuleType) -> None:
    text = OLD.replace('"BatchNorm"', '"NoSuchOp"')
    net = mx.sym.load_json(text)
    assert mx.sym.load_json(net.tojson()).list_outputs() == ["act_output"]
    with pytest.raises(UnknownOpError, match="NoSuchOp"):
        net.infer_shape(data=(2, 3))
    data = net.get_internals()["data"]
    assert data.infer_shape() == ([(2, 3)], [(2, 3)], [])
    assert [kind.__name__ for kind in data.infer_type()[0]] == ["float64"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        "{}",
        '{"nodes": 1, "heads": []}',
        '{"nodes": [], "heads": []}',
        '{"nodes": [{"op": "null", "name": "x", "inputs": []}], "heads": [[1, 0, 0]]}',
        '{"nodes": [{"op": "null", "name": "x", "inputs": []}], "heads": [[-1, 0, 0]]}',
        '{"nodes": [{"op": "null", "name": 3, "inputs": []}], "heads": [[0, 0, 0]]}',
        '{"nodes": [{"op": "exp", "name": "x", "inputs": [[0, 0, 0]]}], "heads": [[0, 0, 0]]}',
        '{"nodes": [{"op": "exp", "name": "x", "attrs": {"a": 1}, "inputs": []}], "heads": [[0, 0, 0]]}',
        "[" * 100_000,
    ],
)
def test_what_is_no_symbol_is_refused(text: str) -> None:
    with pytest.raises(FileFormatError):
        symbol.load_json(text)


def test_what_mxnet_lacks_is_an_error_only_in_json(mx: ModuleType) -> None:
    x = mx.nd.array([1.5, 2.5])
    x.attach_grad()
    with mx.autograd.record():
        slope = mx.autograd.grad(mx.nd.gammaln(x), [x], create_graph=True)[0]
        second = mx.autograd.grad(slope, [x], create_graph=True)[0] * x
    made = mx.autograd.get_symbol(second)
    assert made.infer_shape(**dict.fromkeys(made.list_arguments(), (2,)))[1] == [(2,)]
    assert "_polygamma" in made.debug_str()
    with pytest.raises(NotTranslatableError, match="_polygamma"):
        made.tojson()
