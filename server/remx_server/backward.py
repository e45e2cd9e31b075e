"""The backward pass over the tape.

A pass takes nodes from a heap, the newest first (ranks count up as nodes are made, so no input is newer than
its user), asks each node's rules for the gradients of its inputs, and adds up what arrives. In the end it
leaves what arrived at the leaves in their gradients, or returns it.

It is a generator. At a Function of the client, whose rule it cannot run, it yields a :class:`Pause` and is
resumed with the gradients of that node's inputs; no thread is blocked meanwhile, and nothing of the pass is
kept but the generator. A graph of a form that was seen before is not walked: see ``passes.py``.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from remx_contract import codec
from remx_contract.errors import GraphFreedError, NotDifferentiableError, ShapeError

from .passes import NOTHING, Guide, Tracer
from .registry import CURRENT, KERNELS
from .tape import FunctionNode, Leaf, Node, gradients_of, leaves, reachable
from .value import Value

if TYPE_CHECKING:
    from .executor import Executor


class Pause:
    """Where a pass waits for the client.

    Attributes
    ----------
    node : FunctionNode
    gradients : list of Value
        Of the node's outputs.
    last : bool
        Whether the pass cannot come to another Function.
    """

    __slots__ = ("gradients", "last", "node")

    def __init__(self, node: FunctionNode, gradients: list[Value], last: bool) -> None:
        self.node = node
        self.gradients = gradients
        self.last = last


Reply = list[Value | None]
"""The gradients of a Function's inputs; None stands for zeros."""
Steps = Generator[Pause, Reply, Any]


class Pass:
    """One backward pass, run up to its pauses.

    Parameters
    ----------
    executor : Executor
    heads : sequence of Value
    head_gradients : sequence of Value or None
        One for each head; None stands for ones.
    variables : sequence of Value, optional
        Whose gradients to return instead of leaving them at the leaves.
    retain_graph : bool
        Keep the graph for another pass.
    create_graph : bool
        Record the pass itself, which keeps the graph too.
    train_mode : bool
        The mode that ops of rules run in.

    Attributes
    ----------
    gradients : list of Value
        Those of ``variables``, at the end; empty without.
    """

    def __init__(
        self,
        executor: Executor,
        heads: Sequence[Value],
        head_gradients: Sequence[Value | None],
        variables: Sequence[Value] | None,
        *,
        retain_graph: bool,
        create_graph: bool,
        train_mode: bool,
    ) -> None:
        self.gradients: list[Value] = []
        self._executor = executor
        self._mode = (codec.RECORDING if create_graph else 0) | (codec.TRAINING if train_mode else 0)
        self._steps = _steps(executor, heads, head_gradients, variables, retain_graph or create_graph)

    def advance(self, reply: Reply | None = None) -> Pause | None:
        """Run to the next pause, or to the end (None).

        Parameters
        ----------
        reply : list of Value or None
            What the pass was paused for; None for the first call.

        Raises
        ------
        NotDifferentiableError
            If a head or a variable is not part of a recorded computation.
        GraphFreedError, OverwrittenValueError, ShapeError
        MXNetError
            What a kernel raised. The pass is over then.
        """
        executor = self._executor
        executor.mode = self._mode
        CURRENT.executor = executor
        try:
            return self._steps.send(reply)  # type: ignore[arg-type]
        except StopIteration as end:
            self.gradients = end.value
            return None
        finally:
            CURRENT.executor = None
            executor.mode = 0
            executor.tracer = None

    def stop(self) -> None:
        """End a paused pass without any effect but that its graph is freed as far as it got."""
        self._steps.close()


def _steps(
    executor: Executor,
    heads: Sequence[Value],
    head_gradients: Sequence[Value | None],
    variables: Sequence[Value] | None,
    retain_graph: bool,
) -> Steps:
    wanted = None if variables is None else [_leaf_of(value) for value in variables]
    at_leaves = yield from _arrivals(executor, heads, head_gradients, retain_graph)
    if wanted is not None:
        # Copies, since one array may be the gradient of two variables, or a head's that came with the call.
        return [KERNELS["_copyto"](_found(at_leaves, leaf)) for leaf in wanted]
    for leaf, gradient in at_leaves.items():
        executor.deliver(leaf, gradient)
    return []


def _arrivals(
    executor: Executor, heads: Sequence[Value], given: Sequence[Value | None], retain_graph: bool
) -> Steps:
    """The gradients that arrive at the leaves: by the program for a graph of this form, or by its rules."""
    found = None if executor.recording else executor.passes.survey(heads, given)
    if found is None:
        return (yield from _by_rules(executor, heads, given, retain_graph))
    program = executor.passes.program(found.form)
    if program is not None:
        at_leaves = program.run(executor, found, given, retain_graph)
        if not retain_graph:
            _free(found.nodes, list(at_leaves))
        return at_leaves
    if not executor.passes.wants_tracing(found.form, len(found.nodes)):
        return (yield from _by_rules(executor, heads, given, retain_graph))
    # Before the pass, which takes the graph apart.
    guide = Guide(found, heads[0]) if len(heads) == 1 and given[0] is None else None
    tracer = executor.tracer = Tracer(found, heads, given)
    at_leaves = yield from _by_rules(executor, heads, given, retain_graph)
    executor.passes.keep(found.form, tracer.finish(at_leaves), guide)
    return at_leaves


def _free(nodes: Iterable[Node | FunctionNode], reached: list[Leaf]) -> None:
    for node in nodes:
        node.free(reached)


class _Front:
    """How far a walk by the rules has come: the gradients that wait at nodes, and those at leaves."""

    def __init__(self) -> None:
        self.at_leaves: dict[Leaf, Value] = {}
        self._pending: dict[Any, list[Value | None]] = {}
        self._heap: list[tuple[int, Any]] = []
        # How many Functions are still ahead; unknown before the first one.
        self._functions: int | None = None

    def arrive(self, producer: Any, index: int, gradient: Value) -> None:
        """A gradient has come for an output of a node, or for a leaf."""
        if producer.__class__ is Leaf:
            known = self.at_leaves.get(producer)
            self.at_leaves[producer] = gradient if known is None else KERNELS["elemwise_add"](known, gradient)
            return
        gs = self._pending.get(producer)
        if gs is None:
            gs = self._pending[producer] = [None] * len(producer.pattern.out_specs)
            heapq.heappush(self._heap, (-producer.rank, producer))
        other = gs[index]
        gs[index] = gradient if other is None else KERNELS["elemwise_add"](other, gradient)

    def __bool__(self) -> bool:
        return bool(self._heap)

    def values(self) -> list[Value]:
        """The gradients that have come so far."""
        waiting = [value for gs in list(self._pending.values()) for value in gs if value is not None]
        return [*waiting, *list(self.at_leaves.values())]

    def producers(self) -> list[Any]:
        """The nodes at which gradients wait."""
        return list(self._pending)

    def next(self) -> tuple[Any, list[Value | None]]:
        """The newest node that a gradient waits at, and the gradients of its outputs."""
        _, node = heapq.heappop(self._heap)
        if node.freed is not None:
            raise GraphFreedError(
                op=node.name,
                message="the graph was freed by an earlier backward pass; pass retain_graph=True to that one",
            )
        return node, self._pending.pop(node)

    def is_last(self, node: FunctionNode) -> bool:
        """Whether no Function is ahead but this one, which is next."""
        if self._functions is None:
            ahead = reachable([node, *(waiting for _, waiting in self._heap)])
            self._functions = sum(producer.__class__ is FunctionNode for producer in ahead)
        self._functions -= 1
        return self._functions == 0


def _by_rules(
    executor: Executor, heads: Sequence[Value], head_gradients: Sequence[Value | None], retain_graph: bool
) -> Steps:
    """The gradients that arrive at the leaves, node by node."""
    front = _Front()
    done: list[Node | FunctionNode] = []
    missed: list[Any] = []
    _start(executor, front, heads, head_gradients)
    arrive = front.arrive
    executor.fronts.append(front)
    try:
        while front:
            executor.look()
            node, gs = front.next()
            edges = node.edges
            if not retain_graph:
                done.append(node)
            if node.function is None:
                found = gradients_of(node, gs, executor)
                if not retain_graph:
                    node.inputs = node.outputs = NOTHING
            else:
                found = yield from _called(executor, front, node, gs)
            if len(found) + edges.count(None) != len(edges):
                missed += _missed(edges, found)
            for position, gradient in found:
                producer, index = edges[position]
                arrive(producer, index, gradient)
        if missed:
            reached = _zeros_for(missed, front.at_leaves, executor)
            if not retain_graph:
                done += reached
    except BaseException:
        # What the pass came through is as gone as if it had come to its end.
        _free(done, leaves(heads))
        raise
    finally:
        executor.fronts.remove(front)
    _free(done, list(front.at_leaves))
    return front.at_leaves


def _missed(edges: Sequence[Any], found: list[tuple[int, Value]]) -> list[Any]:
    """The producers of a node's inputs that its rules, or the client, had no gradient for."""
    positions = {position for position, _ in found}
    return [edge[0] for at, edge in enumerate(edges) if edge is not None and at not in positions]


def _zeros_for(producers: list[Any], at_leaves: dict[Leaf, Value], executor: Executor) -> list[Any]:
    """Give zeros to the leaves that can be reached from these producers and that nothing has arrived at: they
    are part of the computation, if only as indices or conditions. Returns the nodes on the way."""
    nodes = []
    for producer in reachable(producers):
        if producer.__class__ is not Leaf:
            nodes.append(producer)
        elif producer not in at_leaves:
            at_leaves[producer] = executor.zeros(producer.gradient.spec, producer.gradient.backend)
    return nodes


def _start(
    executor: Executor, front: _Front, heads: Sequence[Value], head_gradients: Sequence[Value | None]
) -> None:
    for head, given in zip(heads, head_gradients, strict=True):
        if head.producer is None:
            raise NotDifferentiableError(
                message="cannot differentiate an array that is not in a recorded computation; "
                "compute it inside autograd.record() from arrays with attach_grad()"
            )
        if given is not None and given.spec is not head.spec:
            raise ShapeError(argument="head_grads", got=f"{given.spec}", expected=f"{head.spec}")
        gradient = executor.ones(head.spec, head.backend) if given is None else given
        front.arrive(head.producer, head.index, gradient)


def _called(
    executor: Executor, front: _Front, node: FunctionNode, gs: list[Value | None]
) -> Generator[Pause, Reply, list[tuple[int, Value]]]:
    """The gradients of a Function's inputs, which the client computes."""
    signature = node.pattern
    gradients = [
        executor.zeros(spec, backend) if g is None else g
        for g, spec, backend in zip(gs, signature.out_specs, node.backends, strict=True)
    ]
    reply = yield Pause(node, gradients, front.is_last(node))
    found = []
    for index, (gradient, spec) in enumerate(zip(reply, signature.in_specs, strict=True)):
        if gradient is None or node.edges[index] is None:
            continue
        if gradient.spec is not spec:
            raise ShapeError(
                op="Function",
                got=f"a gradient of {gradient.spec} for input {index}",
                expected=f"{spec}",
            )
        found.append((index, gradient))
    return found


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
