"""History: what was recorded to compute a value, as a Graph message.

The walk goes into the inputs of each node in their order and puts a node behind them, as MXNet lists a
symbol's nodes. It keeps its own stack: a chain may be longer than Python's.
"""

from __future__ import annotations

from typing import Any, Final

from remx_contract import codec
from remx_contract.attributes import FLOAT
from remx_contract.errors import GraphFreedError, LimitError, NotDifferentiableError
from remx_contract.spec import TensorSpec
from remx_contract.v1 import stream_pb2

from .tape import Broken, FunctionNode, Leaf, tracked
from .value import Value

MAX_BYTES: Final = 48 << 20
"""Of a Graph; gRPC takes messages up to 64 MiB."""
MAX_SPELLED: Final = 1024
"""Characters of all the spellings of one spec; what is longer is shown as usual."""

_Graph = stream_pb2.Graph


def spelled(message: stream_pb2.Define) -> dict[str, str]:
    """The attributes of a spec as the user spelled them; empty where that is as usual."""
    texts = dict(message.spelled)
    return texts if sum(map(len, texts.values())) <= MAX_SPELLED else {}


def graph_of(value: Value, limit: int) -> stream_pb2.Graph:
    """What was recorded to compute a value.

    Parameters
    ----------
    value : Value
    limit : int
        How many nodes the graph may have.

    Raises
    ------
    NotDifferentiableError
        If no recorded op made or used the value.
    GraphFreedError
        If a backward pass has freed a part of the graph.
    LimitError
    """
    walk = _Walk(limit)
    if value.constant and not tracked(value):
        # Also what a freed graph had made, once another op has used it.
        walk.constant(value.constant, value.spec)
        return walk.graph
    if value.producer is not None:
        walk.go(value.producer)
        walk.graph.output = value.index
    else:
        raise NotDifferentiableError(
            "NDArray is not part of a computation graph; was it computed inside autograd.record()?",
            op="get_symbol",
        )
    if walk.graph.ByteSize() > MAX_BYTES:
        raise LimitError(op="get_symbol", got="a larger history", expected=f"at most {MAX_BYTES} bytes")
    return walk.graph


class _Walk:
    """Collects the nodes of a graph."""

    def __init__(self, limit: int) -> None:
        self.graph = _Graph()
        self._limit = limit
        self._places: dict[Any, int] = {}
        self._calls: dict[Any, int] = {}

    def go(self, head: Any) -> None:
        """Collect a producer and everything that it was computed from."""
        stack = [(head, iter(self._inputs(head)))]
        while stack:
            producer, inputs = stack[-1]
            for entered in inputs:
                if id(entered) not in self._places:
                    stack.append((entered, iter(self._inputs(entered))))
                    break
            else:
                stack.pop()
                self._add(producer)

    def _inputs(self, producer: Any) -> Any:
        """The producers of a node's inputs; constants are collected as they are passed."""
        if isinstance(producer, Leaf):
            return
        if isinstance(producer, Broken):
            raise NotDifferentiableError("an op of the computation failed", op="get_symbol")
        if producer.freed is not None:
            raise GraphFreedError(
                "the graph was freed by a backward pass; pass retain_graph=True to that one", op="get_symbol"
            )
        constants = iter(producer.constants)
        for edge, spec in zip(producer.edges, producer.pattern.in_specs, strict=True):
            if edge is None:
                self.constant(next(constants), spec)
            else:
                yield edge[0]

    def constant(self, number: int, spec: TensorSpec) -> None:
        """Collect an array that was not part of the recorded computation."""
        if ("constant", number) not in self._places:
            node = self._new(("constant", number), number - 1, self._source(spec))
            node.kind = _Graph.Node.CONSTANT

    def _add(self, producer: Any) -> None:
        if isinstance(producer, Leaf):
            node = self._new(id(producer), producer.number - 1, self._source(producer.gradient.spec))
            node.kind = _Graph.Node.VARIABLE
            return
        node = self._new(id(producer), producer.rank - 1, self._call(producer))
        node.words.extend(_words(producer))
        constants = iter(producer.constants)
        for edge in producer.edges:
            if edge is None:
                node.inputs.extend((self._places["constant", next(constants)], 0))
            else:
                node.inputs.extend((self._places[id(edge[0])], edge[1]))

    def _new(self, key: Any, number: int, call: int) -> stream_pb2.Graph.Node:
        if len(self._places) >= self._limit:
            raise LimitError(op="get_symbol", got="a longer history", expected=f"at most {self._limit} nodes")
        self._places[key] = len(self._places)
        return self.graph.nodes.add(number=number, call=call)

    def _source(self, spec: TensorSpec) -> int:
        """The number of the call that stands for an array that no op made."""
        return self._call_of(spec, lambda: _Graph.Call(outputs=[codec.spec_to_message(spec)]))

    def _call(self, producer: Any) -> int:
        spec = None if isinstance(producer, FunctionNode) else producer.spec
        out_specs = tuple(producer.pattern.out_specs)

        def make() -> stream_pb2.Graph.Call:
            call = _Graph.Call(outputs=[codec.spec_to_message(one) for one in out_specs])
            if spec is not None:
                call.op = spec.op.name
                for name, value in spec.op.changed(spec.attrs).items():
                    call.attributes[name].CopyFrom(codec.attribute_to_message(value))
                call.spelled.update(spec.spelled)
            return call

        return self._call_of((id(spec), out_specs), make)

    def _call_of(self, key: Any, make: Any) -> int:
        place = self._calls.get(key)
        if place is None:
            place = self._calls[key] = len(self.graph.calls)
            self.graph.calls.append(make())
        return place


def _words(producer: Any) -> list[int]:
    """The per-call attributes of a node as words."""
    if isinstance(producer, FunctionNode):
        return []
    return [
        (codec.float_to_word if attr.type is FLOAT else codec.int_to_word)(producer.per_call[attr.name])
        for attr in producer.spec.op.per_call
    ]
