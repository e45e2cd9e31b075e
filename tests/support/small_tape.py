"""A tape of some sixty lines on NumPy arrays: what the tests of random programs expect of the real one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = Any
Rule = Callable[[Array], Array]


class Refused(Exception):
    """No pass can come through: a graph was freed, or what a rule needs was written over."""


class Leaf:
    """Where a variable's gradient goes."""

    rank = 0

    def __init__(self, like: Array, add: bool) -> None:
        self.gradient = np.zeros_like(like)
        self.add = add


class Tensor:
    """An array with what made it; views share the list that counts the writes."""

    def __init__(self, data: Array, writes: list[int] | None = None, producer: Any = None) -> None:
        self.data = data
        self.writes = [0] if writes is None else writes
        self.producer = producer

    @property
    def tracked(self) -> bool:
        """Whether it is a variable, or made of one in a graph that is still there."""
        return self.producer is not None and not getattr(self.producer, "freed", False)


class Node:
    """A recorded op: for each input what made it, its rule, and what the rule needs."""

    def __init__(self, rank: int, edges: Sequence[tuple[Any, Rule, Sequence[Tensor]]]) -> None:
        self.rank = rank
        self.edges = [
            (made, rule, [(one.writes, one.writes[0]) for one in needs]) for made, rule, needs in edges
        ]
        self.freed = False


class SmallTape:
    """Records ops and runs backward passes."""

    def __init__(self) -> None:
        self.ranks = 0

    def record(self, out: Tensor, *inputs: tuple[Tensor, Rule, Sequence[Tensor]]) -> Tensor:
        """Note how an array was made: of which inputs, with which rules, and what these need."""
        edges = [(one.producer, rule, needs) for one, rule, needs in inputs if one.tracked]
        self.ranks += 1
        out.producer = Node(self.ranks, edges) if edges else None
        return out

    def arrivals(self, head: Tensor, retain: bool) -> dict[Leaf, Array]:
        """What a pass from a head brings to the leaves."""
        if not head.tracked:
            raise Refused
        waiting = {head.producer: np.ones_like(head.data)}
        done = []
        while nodes := [producer for producer in waiting if isinstance(producer, Node)]:
            node = max(nodes, key=lambda one: one.rank)
            gradient = waiting.pop(node)
            done.append(node)
            if node.freed:
                raise Refused
            for made, rule, needs in node.edges:
                if any(writes[0] != count for writes, count in needs):
                    raise Refused
                waiting[made] = waiting.get(made, 0) + rule(gradient)
        for node in done:
            node.freed = not retain
        return waiting

    def backward(self, head: Tensor, retain: bool) -> None:
        """Leave at the leaves what arrives there."""
        for leaf, gradient in self.arrivals(head, retain).items():
            leaf.gradient[...] = gradient + (leaf.gradient if leaf.add else 0)
