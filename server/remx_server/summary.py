"""What the tape keeps, for a user who wonders where the memory is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from remx_contract.v1 import stream_pb2

from .tape import Node, reachable
from .value import Value

MAX_ROWS: Final = 1_000


def summarize(values: Iterable[Value], heads: Iterable[Value]) -> stream_pb2.TapeSummary:
    """Sum up the nodes that a backward pass could still come to.

    Parameters
    ----------
    values : iterable of Value
        All that the client has handles of.
    heads : iterable of Value
        Those of passes that wait.
    """
    held = []
    producers = []
    for value in values:
        producers.append(value.producer)
        if value.data is not None:
            held.append(id(_memory(value.data)))
    producers.extend(head.producer for head in heads)
    counted = set(held)
    seen: set[int] = set()
    rows: dict[tuple[str, int], stream_pb2.TapeSummary.Row] = {}
    # What failed and what is a leaf have rank -1 and 0.
    nodes = [producer for producer in reachable(producers) if producer.rank > 0]
    for node in sorted(nodes, key=lambda node: node.rank):
        key = node.name, node.site
        row = rows.get(key)
        if row is None:
            row = rows[key] = stream_pb2.TapeSummary.Row(op=node.name, site=node.site)
        row.nodes += 1
        for memory in _saved(node):
            if id(memory) in seen:
                continue
            seen.add(id(memory))
            row.nbytes += memory.nbytes
            if id(memory) not in counted:
                row.tape_only += memory.nbytes
    ordered = sorted(rows.values(), key=lambda row: (row.nbytes, row.nodes), reverse=True)
    return stream_pb2.TapeSummary(
        rows=ordered[:MAX_ROWS],
        nodes=sum(row.nodes for row in ordered),
        nbytes=sum(row.nbytes for row in ordered),
        tape_only=sum(row.tape_only for row in ordered),
    )


def _saved(node: Any) -> list[Any]:
    """The memory of what a node saved for its rules."""
    if not isinstance(node, Node):
        return []
    return [_memory(saved[0]) for kept in (node.inputs, node.outputs) for saved in kept.values()]


def _memory(array: Any) -> Any:
    """The array whose memory an array is a view of, or itself."""
    while (base := array.base) is not None and hasattr(base, "nbytes") and hasattr(base, "base"):
        array = base
    return array
