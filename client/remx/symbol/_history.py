"""Histories: from the server's Graph message to the nodes of a symbol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from remx_contract import codec
from remx_contract.attributes import FLOAT, spell
from remx_contract.catalogue import find
from remx_contract.errors import NotTranslatableError
from remx_contract.op import Op
from remx_contract.spec import TensorSpec
from remx_contract.translation import TRANSLATORS, translate
from remx_contract.v1 import stream_pb2

from ._graph import VARIABLE, Entry, Node

_PREFIXES: Final = {stream_pb2.Graph.Node.VARIABLE: "var", stream_pb2.Graph.Node.CONSTANT: "null"}


def head_of(graph: stream_pb2.Graph) -> Entry:
    """The output that a history is of."""
    calls = [_Call(message) for message in graph.calls]
    made: list[tuple[Node, _Call]] = []
    for message in graph.nodes:
        call = calls[message.call]
        if message.kind in _PREFIXES:
            made.append((Node(VARIABLE, f"{_PREFIXES[message.kind]}{message.number}"), call))
            continue
        numbers = iter(message.inputs)
        pairs = [(made[place], index) for place, index in zip(numbers, numbers, strict=True)]
        inputs = [Entry(node, index) for (node, _), index in pairs]
        specs = [source.outputs[index] for (_, source), index in pairs]
        made.append((call.node(message.number, message.words, inputs, specs), call))
    return Entry(made[-1][0], graph.output)


class _Call:
    """An op with its attributes, which many nodes may share.

    Attributes
    ----------
    outputs : list of TensorSpec
    """

    def __init__(self, message: stream_pb2.Graph.Call) -> None:
        self.outputs = [codec.tensor_spec(tensor) for tensor in message.outputs]
        self._op: Op | None = find(message.op) if message.op else None
        given = {name: codec.attribute_from_message(value) for name, value in message.attributes.items()}
        self._given = given
        self._texts = dict(message.spelled) or {name: spell(value) for name, value in given.items()}

    def node(
        self, number: int, words: Sequence[int], inputs: Sequence[Entry], specs: Sequence[TensorSpec]
    ) -> Node:
        """The node of one call; where that is several ops in MXNet, the last one's."""
        name = f"node_{number}"
        op = self._op
        if op is None:
            return Node("_CustomFunction", name, {}, inputs, len(self.outputs))
        per_call = {
            attr.name: codec.word_to_float(word) if attr.type is FLOAT else codec.word_to_int(word)
            for attr, word in zip(op.per_call, words, strict=True)
        }
        if op.name in TRANSLATORS:
            attrs = {**op.parse_static(self._given), **per_call}
            try:
                return _translated(op, attrs, number, inputs, specs, self.outputs)
            except NotTranslatableError:
                pass
        texts = self._texts
        if per_call or op.variadic:
            texts = {**texts, **{name: spell(value) for name, value in per_call.items()}}
            if op.variadic:
                texts["num_args"] = str(len(inputs))
        return Node(op.name, name, texts, inputs)


def _translated(
    op: Op,
    attrs: Mapping[str, Any],
    number: int,
    inputs: Sequence[Entry],
    specs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
) -> Node:
    """The last of the nodes that an op is in MXNet; they have the numbers up to the op's own."""
    steps = translate(op, attrs, specs, outputs)
    entries = list(inputs)
    for place, step in enumerate(steps, number - len(steps) + 1):
        node = Node(step.op, f"node_{place}", step.attrs, [entries[at] for at in step.inputs])
        entries.append(Entry(node))
    return entries[-1].node
