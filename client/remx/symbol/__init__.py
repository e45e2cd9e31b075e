"""Symbols: graphs of ops as values, with MXNet's JSON, shape and dtype inference.

The nodes are in ``_graph``, their JSON in ``_json``, inference by the catalogue's rows in ``_inference``, and
what the server tells of a recorded computation in ``_history``.
"""

from __future__ import annotations

from ._symbol import Symbol, load, load_json

fromjson = load_json
"""Another name of :func:`load_json`."""

__all__ = ["Symbol", "fromjson", "load", "load_json"]
