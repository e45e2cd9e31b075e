"""A stand-in for the Python package graphviz: it notes what is drawn."""

from __future__ import annotations

from typing import Any


class Digraph:
    """Notes the calls that make a digraph, in order."""

    def __init__(self, **options: Any) -> None:
        self.calls: list[list[Any]] = [["graph", options]]

    def node(self, **options: Any) -> None:
        """A node."""
        self.calls.append(["node", options])

    def edge(self, **options: Any) -> None:
        """An edge."""
        self.calls.append(["edge", options])
