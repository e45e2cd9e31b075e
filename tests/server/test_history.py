"""Histories on the wire: what a Graph holds, and requests that are wrong or too large."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from remx_contract import codec
from remx_contract.errors import GraphFreedError, HandleError, LimitError, NotDifferentiableError
from remx_contract.v1 import stream_pb2 as pb
from remx_server.backend import Devices
from remx_server.config import Config, Limits
from remx_server.service import Service
from support.wire import CPU, Wire, stream_of

RECORDING = codec.RECORDING


@pytest.fixture(scope="module")
def service() -> Service:
    return Service(Config(limits=Limits(history_nodes=20)), Devices("cpu"))


def history(wire: Wire, handle: int) -> pb.Graph:
    request = next(wire.numbers)
    wire.command(history=pb.History(request=request, handle=handle))
    return wire.answer(request).graph


def shapes(graph: pb.Graph, node: int) -> list[tuple[int, ...]]:
    return [tuple(tensor.shape) for tensor in graph.calls[graph.nodes[node].call].outputs]


def test_nodes_come_behind_their_inputs(wire: Wire) -> None:
    x, _ = wire.variable([1.0, 2.0])
    c = wire.put([3.0, 4.0])
    scaled = wire.invoke(wire.define("_mul_scalar", 1), [x], [codec.float_to_word(2.5)], flags=RECORDING)
    total = wire.op("broadcast_add", c, scaled, flags=RECORDING)
    graph = history(wire, total)
    kinds = [(node.kind, node.number, list(node.inputs)) for node in graph.nodes]
    node = pb.Graph.Node
    assert kinds == [
        (node.CONSTANT, 1, []),
        (node.VARIABLE, 0, []),
        (node.OP, 0, [1, 0]),
        (node.OP, 1, [0, 0, 2, 0]),
    ]
    assert [codec.word_to_float(word) for word in graph.nodes[2].words] == [2.5]
    assert [graph.calls[node.call].op for node in graph.nodes] == ["", "", "_mul_scalar", "broadcast_add"]
    assert shapes(graph, 0) == shapes(graph, 3) == [(2,)]
    assert graph.output == 0


def test_equal_calls_are_told_once(wire: Wire) -> None:
    x, _ = wire.variable(np.ones((2, 3)))
    spec = wire.define("sum", 1, {"axis": 1, "keepdims": True})
    first = wire.invoke(spec, [x], flags=RECORDING)
    second = wire.invoke(spec, [first], flags=RECORDING)
    third = wire.invoke(spec, [second], flags=RECORDING)
    graph = history(wire, third)
    assert len(graph.nodes) == 4
    # The specs of the outputs are a part of a call: the first two have the same.
    assert [node.call for node in graph.nodes] == [0, 1, 1, 1]
    assert codec.attribute_from_message(graph.calls[1].attributes["axis"]) == 1


def test_outputs_that_only_rules_see_are_told(wire: Wire) -> None:
    x, _ = wire.variable(np.ones((2, 3)))
    spec = wire.define("Dropout", 1, {"p": 0.5})
    dropped = wire.invoke(spec, [x], [0], flags=RECORDING | codec.TRAINING)
    assert shapes(history(wire, dropped), 1) == [(2, 3), (2, 3)]


def test_spellings_come_back_unless_they_are_long(wire: Wire) -> None:
    x, _ = wire.variable(np.ones((2, 3)))
    for text, told in (("[0]", {"axis": "[0]"}), ("0" * 2000, {})):
        spec = wire.define("sum", 1, {"axis": 0}, spelled={"axis": text})
        total = wire.invoke(spec, [x], flags=RECORDING)
        assert dict(history(wire, total).calls[-1].spelled) == told


def test_numbers_leave_room_for_the_ops_of_a_translation(wire: Wire) -> None:
    x, _ = wire.variable(np.ones((2, 3)))
    row = wire.invoke(wire.define("_view", 1, {"shape": (3,)}), [x], [3], flags=RECORDING)
    last = wire.op("exp", row, flags=RECORDING)
    assert [node.number for node in history(wire, last).nodes] == [0, 1, 2]


def test_arrays_without_elements_are_recorded_as_ever(wire: Wire) -> None:
    x, _ = wire.variable(np.ones((2, 0, 3)))
    view = wire.invoke(wire.define("_view", 1, {"shape": (0, 6)}), [x], [0], flags=RECORDING)
    part = wire.op("_index", view, flags=RECORDING, key=(("slice", None, None, -1), ("int", 1)))
    product = wire.op("_contract", part, part, flags=RECORDING, count=1)
    assert wire.read(product).tolist() == 0.0
    assert [node.number for node in history(wire, product).nodes] == [0, 0, 1, 2]


def test_what_has_no_history(wire: Wire) -> None:
    plain = wire.put([1.0])
    with pytest.raises(NotDifferentiableError):
        history(wire, plain)
    with pytest.raises(HandleError):
        history(wire, 10**6)
    x, _ = wire.variable([1.0])
    y = wire.op("exp", x, flags=RECORDING)
    z = wire.op("exp", y, flags=RECORDING)
    wire.command(backward=pb.Backward(heads=[y]))
    for freed in (y, z):
        with pytest.raises(GraphFreedError):
            history(wire, freed)
    # What was freed is a constant of what comes after.
    again = wire.op("elemwise_mul", x, y, flags=RECORDING)
    assert [node.kind for node in history(wire, again).nodes] == [1, 2, 0]
    assert [node.kind for node in history(wire, y).nodes] == [2]
    # The session goes on.
    assert wire.read(plain).tolist() == [1.0]


def test_a_failed_tensor_raises_its_failure(wire: Wire) -> None:
    x, _ = wire.variable([1.0, 2.0])
    index = wire.put([7.0])
    taken = wire.op("take", x, index, flags=RECORDING, mode="raise", site=9)
    with pytest.raises(IndexError) as caught:
        history(wire, taken)
    assert caught.value.site == 9  # type: ignore[attr-defined]


def test_long_histories_are_refused(wire: Wire) -> None:
    x, _ = wire.variable([1.0])
    spec = wire.define("exp", 1)
    y = x
    for _ in range(19):
        y = wire.invoke(spec, [y], flags=RECORDING)
    assert len(history(wire, y).nodes) == 20
    y = wire.invoke(spec, [y], flags=RECORDING)
    with pytest.raises(LimitError, match="at most 20 nodes"):
        history(wire, y)


@pytest.fixture
def roomy() -> Iterator[Wire]:
    wire = Wire(stream_of(Service(Config(), Devices("cpu"))))
    yield wire
    wire.close()


def test_deep_and_wide_graphs(roomy: Wire) -> None:
    wire = roomy
    x, _ = wire.variable([1.0])
    spec = wire.define("elemwise_add", 2)
    y = x
    for _ in range(50_000):
        # Two ways lead to every node: 2**50,000 paths.
        y = wire.invoke(spec, [y, y], flags=RECORDING)
    graph = history(wire, y)
    assert len(graph.nodes) == 50_001
    assert list(graph.nodes[-1].inputs) == [49_999, 0, 49_999, 0]
    assert graph.ByteSize() < 1_500_000


def test_what_a_command_leaves_out_is_refused(wire: Wire) -> None:
    wire.command(
        put=pb.Put(handle=next(wire.numbers), context=CPU, tensor=codec.array_to_message(np.ones(1)))
    )
    with pytest.raises(HandleError):
        history(wire, 0)
