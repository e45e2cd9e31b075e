"""What a session holds: every array that its tensors and its tape keep, and the memory behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .backend import GPU, Array, Backend
from .tape import FunctionNode, Leaf, Node, reachable
from .value import Value

if TYPE_CHECKING:
    from .session import Session


@dataclass(frozen=True)
class Usage:
    """What one session holds at a time.

    Attributes
    ----------
    device_bytes, host_bytes : int
        Each memory once, however many views share it.
    spilled_bytes : int
        The part of ``host_bytes`` that belongs on a device.
    handles : int
        Tensors that the client holds.
    tape_nodes : int
        Recorded ops that are alive.
    """

    device_bytes: int = 0
    host_bytes: int = 0
    spilled_bytes: int = 0
    handles: int = 0
    tape_nodes: int = 0


def named_values(session: Session) -> Iterator[Value]:
    """The tensors that a session can name, and those that its passes began from; the same one may come more
    than once."""
    yield from list(session.table.values())
    yield from list(session.names.values())
    yield from session.calls.heads()


def values_of(session: Session) -> Iterator[Value]:
    """Those, and the gradients that passes have at hand."""
    yield from named_values(session)
    for front in list(session.executor.fronts):
        yield from front.values()


def nodes_of(session: Session) -> Iterator[Node | FunctionNode | Leaf]:
    """The recorded ops that are alive, and the leaves of their graphs, each once."""
    producers = [value.producer for value in values_of(session)]
    for front in list(session.executor.fronts):
        producers += front.producers()
    return reachable(producers)


def root_of(array: Array) -> Array:
    """The array whose memory this one is a view of, or the array itself."""
    base = array.base
    while base is not None and hasattr(base, "base"):
        array, base = base, base.base
    return array


def on_device(array: Array, backend: Backend) -> bool:
    """Whether an array is on its GPU; one that was spilled is not."""
    return backend.device_type == GPU and isinstance(array, backend.ndarray)


def usage(session: Session) -> Usage:
    """What a session holds now.

    Exact while the session is between two ops. At other times what the op has at hand is missing; but other
    threads may ask.
    """
    seen: set[int] = set()
    sizes = {"device": 0, "host": 0, "spilled": 0}

    def count(array: Any, backend: Backend) -> None:
        if array is None:
            return
        root = root_of(array)
        if id(root) in seen:
            return
        seen.add(id(root))
        if on_device(array, backend):
            sizes["device"] += root.nbytes
        else:
            sizes["host"] += root.nbytes
            if backend.device_type == GPU:
                sizes["spilled"] += root.nbytes

    for value in values_of(session):
        count(value.data, value.backend)
    nodes = 0
    for producer in nodes_of(session):
        if producer.__class__ is Leaf:
            count(producer.gradient.data, producer.gradient.backend)
            continue
        nodes += producer.rank > 0
        if producer.__class__ is Node:
            for saved in (*list(producer.inputs.values()), *list(producer.outputs.values())):
                count(saved[0], producer.backend)
    return Usage(sizes["device"], sizes["host"], sizes["spilled"], len(session.table), nodes)
