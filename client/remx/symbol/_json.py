"""Symbols as MXNet's JSON, in both directions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from remx_contract.errors import FileFormatError, NotTranslatableError
from remx_contract.translation import OWN

from ._graph import Entry, Node, walk

VERSION: Final = 10901
"""What MXNet 1.9.1 calls itself."""
_SHORT: Final = 10
"""Items of an array that stands in one line."""


def write(heads: Sequence[Entry]) -> str:
    """The JSON of a graph, laid out as MXNet does.

    Raises
    ------
    NotTranslatableError
        For an op that MXNet does not have.
    """
    order = walk(heads)
    places = {id(node): place for place, node in enumerate(order)}
    parts = [_node(node, places) for node in order]
    ends = [0]
    for node in order:
        ends.append(ends[-1] + node.outputs)
    arguments = [place for place, node in enumerate(order) if node.variable]
    top = "\n  "
    fields = (
        '"nodes": [\n    ' + ", \n    ".join(parts) + "\n  ]",
        f'"arg_nodes": {_array(map(str, arguments), top)}',
        f'"node_row_ptr": {_array(map(str, ends), top)}',
        f'"heads": {_entries(heads, places, top)}',
        f'"attrs": {{"mxnet_version": ["int", {VERSION}]}}',
    )
    return "{\n  " + ", \n  ".join(fields) + "\n}"


def _entries(entries: Sequence[Entry], places: Mapping[int, int], line: str) -> str:
    return _array([f"[{places[id(one.node)]}, {one.output}, {one.version}]" for one in entries], line)


def _array(items: Iterable[str], line: str) -> str:
    """An array; a long one has a line for each item. ``line`` starts one at the depth of its field."""
    items = list(items)
    if len(items) <= _SHORT:
        return f"[{', '.join(items)}]"
    return f"[{line}  " + f", {line}  ".join(items) + f"{line}]"


def _node(node: Node, places: Mapping[int, int]) -> str:
    if node.op in OWN:
        raise NotTranslatableError(op=node.op, message="MXNet has no operators that do this")
    fields = [f'"op": {_text(node.op)}', f'"name": {_text(node.name)}']
    if node.attrs:
        items = [f"{_text(name)}: {_text(value)}" for name, value in sorted(node.attrs.items())]
        if len(items) == 1:
            fields.append(f'"attrs": {{{items[0]}}}')
        else:
            fields.append('"attrs": {\n        ' + ", \n        ".join(items) + "\n      }")
    inputs = _entries(node.inputs, places, "\n      ")
    fields.append(f'"inputs": {inputs}')
    return "{\n      " + ", \n      ".join(fields) + "\n    }"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def read(text: str) -> list[Entry]:
    """The outputs of the graph in some JSON of MXNet's, whatever ops it has.

    Raises
    ------
    FileFormatError
        For text that is not such JSON.
    """
    try:
        graph = json.loads(text)
        nodes: list[Node] = []
        ends = graph.get("node_row_ptr")
        for place, fields in enumerate(graph["nodes"]):
            inputs = [_entry(nodes, item) for item in fields["inputs"]]
            outputs = int(ends[place + 1]) - int(ends[place]) if ends else None
            nodes.append(Node(_str(fields["op"]), _str(fields["name"]), _attrs(fields), inputs, outputs))
        heads = [_entry(nodes, item) for item in graph["heads"]]
    except RecursionError:
        raise FileFormatError("the text is nested too deeply to be a symbol") from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise FileFormatError(f"the text is not the JSON of a symbol: {error}") from None
    if not heads or any(node.variable and node.inputs for node in nodes):
        raise FileFormatError(
            "the text is not the JSON of a symbol: outputs, or inputs of a variable, are wrong"
        )
    return heads


def _entry(nodes: Sequence[Node], item: Sequence[Any]) -> Entry:
    # Files of older versions have no third number.
    place, index, version = (*item, 0)[:3]
    if place < 0 or index < 0:
        raise ValueError("a number is negative")
    return Entry(nodes[place], int(index), int(version))


def _attrs(fields: Mapping[str, Any]) -> dict[str, str]:
    """A node's attributes; in older files they are called otherwise, and in two groups."""
    found: dict[str, str] = {}
    for group in ("param", "attr", "attrs"):
        found.update({_str(name): _str(value) for name, value in (fields.get(group) or {}).items()})
    return found


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value
