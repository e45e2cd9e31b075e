"""Tables and drawings of symbols, apart from what ``test_history.py`` compares with MXNet."""

from __future__ import annotations

import builtins
import json
import sys
from types import ModuleType
from typing import Any

import pytest
from support.digraph import Digraph
from support.histories import drawn, printed

LAYERS = json.dumps(
    {
        "nodes": [
            {"op": "null", "name": "data", "inputs": []},
            {"op": "null", "name": "conv_weight", "inputs": []},
            {"op": "null", "name": "conv_bias", "inputs": []},
            {
                "op": "Convolution",
                "name": "conv",
                "attrs": {"kernel": "(3, 3)", "num_filter": "8", "stride": "(2, 2)"},
                "inputs": [[0, 0, 0], [1, 0, 0], [2, 0, 0]],
            },
            {
                "op": "Pooling",
                "name": "pool",
                "attrs": {"kernel": "(2, 2)", "pool_type": "max"},
                "inputs": [[3, 0, 0]],
            },
            {"op": "Softmax", "name": "softmax", "inputs": [[4, 0, 0]]},
        ],
        "arg_nodes": [0, 1, 2],
        "node_row_ptr": [0, 1, 2, 3, 4, 5, 6],
        "heads": [[5, 0, 0]],
    }
)


def labels(calls: list[list[Any]]) -> dict[str, str]:
    """The nodes' labels."""
    return {options["name"]: options["label"] for kind, options in calls if kind == "node"}


def test_layers_that_the_catalogue_lacks_are_drawn(mx: ModuleType) -> None:
    net = mx.sym.load_json(LAYERS)
    assert labels(drawn(mx.viz.plot_network, net)) == {
        "data": "data",
        "conv": "Convolution\n3x3/2x2, 8",
        "pool": "Pooling\nmax, 2x2/1",
        "softmax": "softmax",
    }
    calls = drawn(mx.viz.plot_network, net, hide_weights=False)
    # MXNet draws no node for them either; Graphviz makes one of the edge.
    assert [options["head_name"] for kind, options in calls if kind == "edge"][1:3] == [
        "conv_weight",
        "conv_bias",
    ]
    assert "conv_weight" not in labels(calls)


def test_parameters_without_shapes(mx: ModuleType) -> None:
    lines = printed(mx.visualization.print_summary, mx.sym.load_json(LAYERS)).splitlines()
    assert [line.split()[:2] for line in lines if line.startswith("conv")] == [["conv(Convolution)", "8"]]
    assert "Total params: 8" in lines


def test_names_that_repeat_are_warned_of(mx: ModuleType) -> None:
    net = mx.sym.load_json(LAYERS.replace('"pool"', '"conv"'))
    with pytest.warns(RuntimeWarning, match="Repeated names: conv"):
        drawn(mx.viz.plot_network, net)


def test_graphviz_is_asked_for_only_when_needed(mx: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "graphviz":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.delitem(sys.modules, "graphviz", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match="requires graphviz"):
        mx.viz.plot_network(mx.sym.load_json(LAYERS))


def test_wrong_arguments(mx: ModuleType) -> None:
    net = mx.sym.load_json(LAYERS).get_internals()["data"]
    same: Any = net == net
    for function in (
        lambda *a, **k: printed(mx.viz.print_summary, *a, **k),
        lambda *a, **k: drawn(mx.viz.plot_network, *a, **k),
    ):
        with pytest.raises(TypeError, match="must be"):
            function("net")
        with pytest.warns(UserWarning, match="Cannot decide"), pytest.raises(ValueError, match="incomplete"):
            function(same, shape={})
    with pytest.warns(UserWarning, match="Cannot decide"), pytest.raises(ValueError, match="incomplete"):
        drawn(mx.viz.plot_network, same, dtype={})
    assert Digraph(name="plot").calls == [["graph", {"name": "plot"}]]
