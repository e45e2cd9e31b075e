"""The tape: what was recorded, and the backward pass over it.

Recording makes a :class:`Node` for each op one of whose inputs is tracked. A node points at the producers of
its inputs and keeps what its rules name; it never points at its outputs, so a graph that nobody can reach
frees itself.

A backward pass walks the nodes from the newest to the oldest (their ranks count up as they are made, so no
input is newer than its user), asks each node's rules for its input gradients, and leaves what arrives at the
leaves in their gradients. It is a generator: at a node whose rule runs elsewhere it can yield and be resumed,
with no thread blocked meanwhile.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Final

from remx_contract.errors import (
    GraphFreedError,
    NotDifferentiableError,
    OverwrittenValueError,
    ShapeError,
)
from remx_contract.op import Grad

from .registry import ALL_INPUTS, KERNELS, REST, Rule
from .value import Value

if TYPE_CHECKING:
    from .executor import Executor, OpSpec

NULL: Final = 0
WRITE: Final = 1
ADD: Final = 3


class Leaf:
    """What makes a value a variable: where its gradient goes, and how.

    Attributes
    ----------
    gradient : Value
    request : int
        WRITE or ADD.
    """

    __slots__ = ("gradient", "request")
    rank = 0

    def __init__(self, gradient: Value, request: int) -> None:
        self.gradient = gradient
        self.request = request


class Saved:
    """An array kept for a rule, with the number of writes its memory had seen.

    An output is saved without its producer, which is the node that keeps it: so no cycle keeps memory alive.
    """

    __slots__ = ("backend", "count", "data", "index", "producer", "spec", "writes")

    def __init__(self, value: Value, producer: Node | Leaf | None) -> None:
        self.data = value.data
        self.spec = value.spec
        self.backend = value.backend
        self.producer = producer
        self.index = value.index
        memory = value.base or value
        if memory.writes is None:
            memory.writes = [0]
        self.writes = memory.writes
        self.count = memory.writes[0]

    def restore(self, op: str, producer: Node | Leaf | None) -> Value:
        """The value as it was; OverwrittenValueError if its memory was written since."""
        if self.writes[0] != self.count:
            raise OverwrittenValueError(
                op=op,
                message=f"its gradient needs an array of {self.spec}, written over since it was recorded",
            )
        return Value(self.data, self.spec, self.backend, producer, self.index)


class Node:
    """One recorded op.

    Attributes
    ----------
    spec : OpSpec
    per_call : dict
        The attributes that travelled with the call.
    edges : list of (producer, index) or None
        One for each input; None where it is not tracked.
    inputs : dict of int to Saved
    outputs : dict of int to Saved
    freed : list of Leaf, or None
        Once a pass has freed the node: the leaves that the pass had reached.
    """

    __slots__ = (
        "backend",
        "edges",
        "freed",
        "in_specs",
        "inputs",
        "out_specs",
        "outputs",
        "per_call",
        "rank",
        "site",
        "spec",
        "training",
    )

    def __init__(
        self,
        spec: OpSpec,
        per_call: dict[str, Any],
        values: Sequence[Value],
        outputs: Sequence[Value],
        rank: int,
        training: bool,
        site: int,
    ) -> None:
        self.spec = spec
        self.per_call = per_call
        self.rank = rank
        self.training = training
        self.site = site
        self.freed: list[Leaf] | None = None
        self.backend = outputs[0].backend
        self.in_specs = [value.spec for value in values]
        self.out_specs = [value.spec for value in outputs]
        tracked = 0
        edges: list[tuple[Node | Leaf, int] | None] = []
        for position, value in enumerate(values):
            producer = value.producer
            if producer is None:
                edges.append(None)
            else:
                tracked |= 1 << position
                edges.append((producer, value.index))
        self.edges = edges
        saved_inputs, saved_outputs = spec.kernel.saved(tracked)
        if saved_inputs in (ALL_INPUTS, REST):
            saved_inputs = tuple(range(saved_inputs == REST, len(values)))
        # A rule may name an optional input or output that this call does not have; it gets None for it.
        given = len(values)
        self.inputs = {
            index: Saved(values[index], values[index].producer) for index in saved_inputs if index < given
        }
        for index, value in enumerate(outputs):
            value.producer = self
            value.index = index
        made = len(outputs)
        self.outputs = {index: Saved(outputs[index], None) for index in saved_outputs if index < made}

    def free(self) -> None:
        """Drop the saved arrays, as soon as a pass is done with this node."""
        self.inputs = {}
        self.outputs = {}

    def cut(self, leaves: list[Leaf]) -> None:
        """Drop the way to the inputs, once the pass that freed this node is over; another one is an error."""
        self.freed = leaves
        self.edges = []


class Broken:
    """Stands in for the node of an op that failed while it was recorded: its way to the leaves is left."""

    __slots__ = ("edges", "freed", "rank")

    def __init__(self, edges: list[tuple[Any, int] | None]) -> None:
        self.edges = edges
        self.freed: list[Leaf] | None = None
        self.rank = 0


def broken(values: Sequence[Value | None]) -> Broken | None:
    """The producer of an op's failed outputs; None where none of its inputs is tracked."""
    edges: list[tuple[Any, int] | None] = [
        (value.producer, value.index) for value in values if value is not None and value.producer is not None
    ]
    return Broken(edges) if edges else None


def leaves(heads: Sequence[Value]) -> list[Leaf]:
    """The leaves that a pass from these heads reaches, or reached if it has freed the graph."""
    found: dict[int, Leaf] = {}
    seen: set[int] = set()
    stack: list[Any] = [head.producer for head in heads]
    while stack:
        producer = stack.pop()
        if producer is None or id(producer) in seen:
            continue
        seen.add(id(producer))
        if isinstance(producer, Leaf):
            found[id(producer)] = producer
        elif producer.freed is not None:
            found.update((id(leaf), leaf) for leaf in producer.freed)
        else:
            stack.extend(edge[0] for edge in producer.edges if edge is not None)
    return list(found.values())


def gradients_of(node: Node, gs: list[Value | None], executor: Executor) -> list[Value | None]:
    """The gradients of a node's inputs, given those of its outputs (None stands for zero)."""
    op = node.spec.op
    if op.grad is Grad.NONE:
        raise NotDifferentiableError(op=op.name, message="it has no gradient")
    needs = [edge is not None for edge in node.edges]
    if op.grad is Grad.ZERO:
        return [
            executor.zeros(spec, node.backend) if need else None
            for spec, need in zip(node.in_specs, needs, strict=True)
        ]
    filled = [
        executor.zeros(spec, node.backend) if g is None else g
        for g, spec in zip(gs, node.out_specs, strict=False)
    ]
    kernel = node.spec.kernel
    if kernel.rule_for_all is not None:
        results = list(_apply_rule(kernel.rule_for_all, node, filled, needs))
    else:
        results = [
            _apply_rule(kernel.rules[index], node, filled, needs) if need and index in kernel.rules else None
            for index, need in enumerate(needs)
        ]
    return [
        _checked(node, index, result) if need else None
        for index, (need, result) in enumerate(zip(needs, results, strict=True))
    ]


def _apply_rule(rule: Rule, node: Node, gs: list[Value], needs: list[bool]) -> Any:
    return rule.function(*[_argument(node, source, gs, needs) for source in rule.sources])


def _argument(node: Node, source: tuple[str, str, Any], gs: list[Value], needs: list[bool]) -> Any:
    name, kind, which = source
    op = node.spec.op.name
    if kind == "g":
        return gs[0]
    if kind == "input":
        saved = node.inputs.get(which)
        return saved and saved.restore(op, saved.producer)
    if kind == "output":
        saved = node.outputs.get(which)
        return saved and saved.restore(op, node)
    if kind == "attr":
        return node.per_call[name] if name in node.per_call else node.spec.attrs[name]
    if kind == "in_spec":
        return node.in_specs[which]
    if kind in ("all_inputs", "rest"):
        return [saved.restore(op, saved.producer) for saved in node.inputs.values()]
    return {
        "gs": gs,
        "needs": needs,
        "training": node.training,
        "in_specs": node.in_specs,
        "out_specs": node.out_specs,
    }[kind]


def _checked(node: Node, index: int, gradient: Value | None) -> Value | None:
    """The gradient with the input's shape: broadcasting is undone here, any other mismatch is a bug in a
    rule."""
    if gradient is None:
        return None
    wanted = node.in_specs[index]
    if gradient.spec.shape != wanted.shape:
        if not node.spec.op.broadcast:
            raise ShapeError(
                op=node.spec.op.name,
                argument=node.spec.op.input_name(index),
                got=f"a gradient of shape {gradient.spec.shape}",
                expected=f"{wanted.shape}",
            )
        gradient = KERNELS["_sum_to"](gradient, shape=wanted.shape)
    if gradient.spec.dtype != wanted.dtype:
        gradient = KERNELS["Cast"](gradient, dtype=wanted.dtype)
    return gradient


def backward(
    executor: Executor,
    heads: Sequence[Value],
    head_gradients: Sequence[Value | None],
    variables: Sequence[Value] | None,
    *,
    retain_graph: bool,
) -> Generator[None, Any, list[Value]]:
    """One backward pass; the executor's mode says whether it is recorded.

    Parameters
    ----------
    executor : Executor
    heads : sequence of Value
    head_gradients : sequence
        One for each head; None stands for ones.
    variables : sequence of Value, optional
        Whose gradients to return instead of leaving them at the leaves.
    retain_graph : bool

    Returns
    -------
    list of Value
        The gradients of ``variables``; empty without.

    Raises
    ------
    NotDifferentiableError
        If a head or a variable is not part of a recorded computation.
    GraphFreedError, OverwrittenValueError, ShapeError
    """
    wanted = None if variables is None else [_leaf_of(value) for value in variables]
    pending: dict[Node, list[Value | None]] = {}
    at_leaves: dict[Leaf, Value] = {}
    heap: list[tuple[int, Node]] = []
    done: list[Node] = []

    def arrive(producer: Node | Leaf, index: int, gradient: Value) -> None:
        if isinstance(producer, Leaf):
            known = at_leaves.get(producer)
            at_leaves[producer] = gradient if known is None else KERNELS["elemwise_add"](known, gradient)
            return
        gs = pending.get(producer)
        if gs is None:
            gs = pending[producer] = [None] * len(producer.out_specs)
            heapq.heappush(heap, (-producer.rank, producer))
        other = gs[index]
        gs[index] = gradient if other is None else KERNELS["elemwise_add"](other, gradient)

    for head, given in zip(heads, head_gradients, strict=True):
        if head.producer is None:
            raise NotDifferentiableError(
                message="cannot differentiate an array that is not in a recorded computation; "
                "compute it inside autograd.record() from arrays with attach_grad()"
            )
        if given is not None and given.spec is not head.spec:
            raise ShapeError(argument="head_grads", got=f"{given.spec}", expected=f"{head.spec}")
        arrive(head.producer, head.index, executor.ones(head.spec, head.backend) if given is None else given)

    while heap:
        _, node = heapq.heappop(heap)
        if node.freed is not None:
            raise GraphFreedError(
                op=node.spec.op.name,
                message="the graph was freed by an earlier backward pass; pass retain_graph=True to that one",
            )
        edges = node.edges
        for edge, gradient in zip(edges, gradients_of(node, pending.pop(node), executor), strict=True):
            if edge is not None and gradient is not None:
                arrive(*edge, gradient)
        if not retain_graph:
            node.free()
            done.append(node)
    # Only now: a pass that fails half-way must still find the leaves whose gradients it spoils.
    reached = list(at_leaves)
    for node in done:
        node.cut(reached)
    if wanted is not None:
        return [_found(at_leaves, leaf) for leaf in wanted]
    for leaf, gradient in at_leaves.items():
        executor.deliver(leaf, gradient)
    return []
    yield  # Nothing pauses a pass yet; a node that runs in the client will.


def _leaf_of(variable: Value) -> Leaf:
    if not isinstance(variable.producer, Leaf):
        raise NotDifferentiableError(
            argument="variables", got="an array without attach_grad()", expected="marked variables"
        )
    return variable.producer


def _found(at_leaves: dict[Leaf, Value], leaf: Leaf) -> Value:
    try:
        return at_leaves[leaf]
    except KeyError:
        raise NotDifferentiableError(
            argument="variables",
            got="a variable that the heads do not depend on",
            expected="one they are computed from",
        ) from None
