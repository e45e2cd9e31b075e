"""The tape: what was recorded, and the backward pass over it.

Recording makes a :class:`Node` for each op one of whose inputs is tracked. A node points at the producers of
its inputs and keeps what its rules name; it never points at its outputs, so a graph that nobody can reach
frees itself.

A :class:`FunctionNode` stands for an op of the client's own: an ``autograd.Function``, whose forward and
backward are Python there. The passes over the tape are in ``backward.py``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from remx_contract.errors import NotDifferentiableError, OverwrittenValueError, ShapeError
from remx_contract.op import Grad, Op
from remx_contract.spec import TensorSpec

from .backend import Array
from .passes import NOTHING
from .registry import ALL_INPUTS, CURRENT, KERNELS, REST, Rule
from .value import Value

if TYPE_CHECKING:
    from .executor import Executor, OpSpec, Plan

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
    number : int
        Names the variable in histories.
    """

    __slots__ = ("gradient", "number", "request")
    rank = 0
    freed = None

    def __init__(self, gradient: Value, request: int, number: int = 0) -> None:
        self.gradient = gradient
        self.request = request
        self.number = number


Saved = tuple[Array, list[int], int]
"""An array kept for a rule, the counter of the writes to its memory, and where that stood."""


def save(value: Value) -> Saved:
    """Keep a value's array. Its producer is not kept: an output's is the node that keeps it, which would be a
    cycle, and an input's is in the node's edges."""
    memory = value.base or value
    writes = memory.writes
    if writes is None:
        writes = memory.writes = [0]
    return value.data, writes, writes[0]


class Pattern:
    """What is known of a recorded op once its plan is known, and which of its inputs are tracked.

    Attributes
    ----------
    in_specs, out_specs : tuple of TensorSpec
    needs : list of bool
        Which inputs want gradients.
    saved_inputs, saved_outputs : tuple of int
        What the rules name.
    rules : list of (int, callable, list of callable)
        Input index, rule, and what gets each of its arguments from a node and the gradients of its outputs.
    rule_for_all : (callable, list of callable) or None
        The rule that gives the gradients of all inputs at once.
    """

    __slots__ = ("in_specs", "needs", "out_specs", "rule_for_all", "rules", "saved_inputs", "saved_outputs")

    def __init__(
        self, spec: OpSpec, in_specs: Sequence[TensorSpec], outputs: int, plan: Plan, mask: int
    ) -> None:
        kernel = spec.kernel
        given = len(in_specs)
        self.in_specs = in_specs
        self.out_specs = plan.out_specs[:outputs]
        self.needs = [bool(mask >> index & 1) for index in range(given)]
        inputs, made = kernel.saved(mask)
        if inputs in (ALL_INPUTS, REST):
            inputs = tuple(range(inputs == REST, given))
        # A rule may name an optional input or output that this call does not have; it gets None for it.
        self.saved_inputs = tuple(index for index in inputs if index < given)
        self.saved_outputs = tuple(index for index in made if index < outputs)
        self.rules = [
            (index, rule.function, _getters(rule))
            for index, rule in sorted(kernel.rules.items())
            if index < given and self.needs[index]
        ]
        every = kernel.rule_for_all
        self.rule_for_all = None if every is None else (every.function, _getters(every))


class Overwritten(OverwrittenValueError):
    """A saved array was written over; carries the site of the op that needs it."""

    def __init__(self, op: str, spec: TensorSpec, site: int) -> None:
        super().__init__(f"its gradient needs an array of {spec}, written over since it was recorded", op=op)
        self.site = site


class Node:
    """One recorded op.

    Attributes
    ----------
    spec : OpSpec
    pattern : Pattern
    per_call : dict
        The attributes that travelled with the call.
    edges : list of (producer, index) or None
        One for each input; None where it is not tracked.
    constants : tuple of int
        The numbers of the inputs that are not tracked.
    inputs, outputs : dict of int to Saved
    freed : list of Leaf, or None
        Once a pass has freed the node: the leaves that the pass had reached.
    function : None
        A :class:`FunctionNode` has one.
    """

    function = None

    __slots__ = (
        "backend",
        "constants",
        "edges",
        "freed",
        "inputs",
        "outputs",
        "pattern",
        "per_call",
        "rank",
        "site",
        "spec",
        "training",
    )

    def __init__(
        self,
        spec: OpSpec,
        plan: Plan,
        per_call: dict[str, Any],
        values: Sequence[Value],
        outputs: Sequence[Value],
        rank: int,
        training: bool,
        site: int,
        numbers: Iterator[int],
    ) -> None:
        self.spec = spec
        self.per_call = per_call
        self.rank = rank
        self.training = training
        self.site = site
        self.freed: list[Leaf] | None = None
        self.backend = outputs[0].backend
        mask = 0
        bit = 1
        edges: list[tuple[Node | Leaf | Broken, int] | None] = []
        constants: tuple[int, ...] = ()
        for value in values:
            producer = value.producer
            # What was computed in a graph that is freed is a constant from then on.
            if producer is None or producer.freed is not None:
                edges.append(None)
                if not value.constant:
                    value.constant = next(numbers)
                constants += (value.constant,)
            else:
                mask |= bit
                edges.append((producer, value.index))
            bit <<= 1
        self.edges = edges
        self.constants = constants
        pattern = plan.patterns.get(mask)
        if pattern is None:
            in_specs = tuple([value.spec for value in values])
            pattern = plan.patterns[mask] = Pattern(spec, in_specs, len(outputs), plan, mask)
        self.pattern = pattern
        self.inputs = NOTHING
        if pattern.saved_inputs:
            self.inputs = inputs = {}
            for index in pattern.saved_inputs:
                inputs[index] = save(values[index])
        index = 0
        for value in outputs:
            value.producer = self
            value.index = index
            index += 1
        self.outputs = NOTHING
        if pattern.saved_outputs:
            self.outputs = saved = {}
            for index in pattern.saved_outputs:
                saved[index] = save(outputs[index])

    def saved_array(self, output: bool, index: int) -> Array:
        """What was saved of an output or an input; OverwrittenValueError if its memory was written since."""
        data, writes, count = (self.outputs if output else self.inputs)[index]
        if writes[0] != count:
            specs = self.pattern.out_specs if output else self.pattern.in_specs
            raise Overwritten(self.spec.op.name, specs[index], self.site)
        return data

    @property
    def name(self) -> str:
        """The op's."""
        return self.spec.op.name

    def free(self, reached: list[Leaf]) -> None:
        """A pass is done with the node, and reached these leaves: another pass over it is an error."""
        self.inputs = self.outputs = NOTHING
        self.freed = reached
        self.edges = _NO_EDGES


_NO_EDGES: Final[list[tuple[Any, int] | None]] = []
"""What a freed node has."""


class Ticket:
    """Stands for a Function of the client, for as long as the tape can come to it.

    Attributes
    ----------
    number : int
    dropped : deque of int
        Where the number goes in the end; the client's, so that it also says whose the Function is.
    """

    __slots__ = ("dropped", "number")

    def __init__(self, number: int, dropped: deque[int]) -> None:
        self.number = number
        self.dropped = dropped

    def __del__(self) -> None:
        self.dropped.append(self.number)


class Signature:
    """The specs of a Function's inputs and outputs."""

    __slots__ = ("in_specs", "out_specs")

    def __init__(self, inputs: Sequence[Value], outputs: Sequence[Value]) -> None:
        self.in_specs = tuple([value.spec for value in inputs])
        self.out_specs = tuple([value.spec for value in outputs])


class FunctionNode:
    """One recorded call of a Function, whose rule is the client. See :class:`Node` for the attributes.

    Attributes
    ----------
    function : Ticket or None
        None once the node is freed.
    backends : list of Backend
        Where the outputs live.
    """

    __slots__ = ("backends", "constants", "edges", "freed", "function", "pattern", "rank", "site")
    name = "Function"

    def __init__(
        self,
        function: Ticket,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        rank: int,
        site: int,
        numbers: Iterator[int],
    ) -> None:
        self.function: Ticket | None = function
        self.rank = rank
        self.site = site
        self.freed: list[Leaf] | None = None
        self.backends = [value.backend for value in outputs]
        self.pattern = Signature(inputs, outputs)
        self.edges: list[tuple[Any, int] | None] = [
            (value.producer, value.index) if tracked(value) else None for value in inputs
        ]
        constants = [value for value in inputs if not tracked(value)]
        for value in constants:
            value.constant = value.constant or next(numbers)
        self.constants = tuple(value.constant for value in constants)
        for index, value in enumerate(outputs):
            value.producer = self
            value.index = index

    def free(self, reached: list[Leaf]) -> None:
        """A pass is done with the node; the client's Function is not needed any more."""
        self.freed = reached
        self.edges = _NO_EDGES
        self.function = None


class Broken:
    """Stands in for the node of an op that failed while it was recorded: its way to the leaves is left."""

    __slots__ = ("edges", "freed", "rank")
    function = None

    def __init__(self, edges: list[tuple[Any, int] | None]) -> None:
        self.edges = edges
        self.freed: list[Leaf] | None = None
        self.rank = -1


def broken(values: Sequence[Value | None]) -> Broken | None:
    """The producer of an op's failed outputs; None where none of its inputs is tracked."""
    edges: list[tuple[Any, int] | None] = [
        (value.producer, value.index) for value in values if value is not None and tracked(value)
    ]
    return Broken(edges) if edges else None


def tracked(value: Value) -> bool:
    """Whether a value is part of a recorded computation that a pass can still go through."""
    return value.producer is not None and value.producer.freed is None


def reachable(producers: Iterable[Any]) -> Iterator[Any]:
    """The producers that a pass from these can still come to, each once, without freed ones."""
    seen: set[Any] = set()
    stack = list(producers)
    while stack:
        producer = stack.pop()
        if producer is None or producer in seen or producer.freed is not None:
            continue
        seen.add(producer)
        yield producer
        if producer.__class__ is not Leaf:
            stack.extend(edge[0] for edge in producer.edges if edge is not None)


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


Getter = Callable[[Node, list[Any]], Any]


def _getters(rule: Rule) -> list[Getter]:
    return [_getter(rule.op, *source) for source in rule.sources]


def _getter(op: Op, name: str, kind: str, which: Any) -> Getter:
    """What gets an argument of a rule from a node and the gradients of its outputs."""
    if kind == "input":
        return partial(_saved_input, which)
    if kind == "output":
        return partial(_saved_output, which)
    if kind == "place":
        return partial(_place, which)
    if kind == "in_spec":
        return lambda node, gs: node.pattern.in_specs[which]
    if kind == "attr":
        if op.attr_of[name].per_call:
            return lambda node, gs: node.per_call[name]
        return lambda node, gs: node.spec.attrs[name]
    return _GETTERS[kind]


def _saved_input(index: int, node: Node, gs: list[Any]) -> Value | None:
    if index not in node.inputs:
        return None
    edge = node.edges[index] or (None, 0)
    return _restored(node, False, index, Value(None, node.pattern.in_specs[index], node.backend, *edge))


def _place(index: int, node: Node, gs: list[Any]) -> Value:
    """An input's memory as it is now, for an op that writes it; such a write is counted like any other."""
    data, writes, _ = node.inputs[index]
    value = Value(data, node.pattern.in_specs[index], node.backend)
    value.writes = writes
    tracer = CURRENT.executor.tracer  # type: ignore[union-attr]
    if tracer is not None:
        tracer.place(value, node, index)
    return value


def _saved_output(index: int, node: Node, gs: list[Any]) -> Value | None:
    if index not in node.outputs:
        return None
    return _restored(node, True, index, Value(None, node.pattern.out_specs[index], node.backend, node, index))


def _restored(node: Node, output: bool, index: int, value: Value) -> Value:
    value.data = node.saved_array(output, index)
    tracer = CURRENT.executor.tracer  # type: ignore[union-attr]
    if tracer is not None:
        tracer.load(value, node, output, index)
    return value


def _first_gradient(node: Node, gs: list[Any]) -> Any:
    return gs[0]


_GETTERS: Final[dict[str, Getter]] = {
    "g": _first_gradient,
    "gs": lambda node, gs: gs,
    "needs": lambda node, gs: node.pattern.needs,
    "training": lambda node, gs: node.training,
    "attrs": lambda node, gs: node.spec.attrs,
    "in_specs": lambda node, gs: node.pattern.in_specs,
    "out_specs": lambda node, gs: node.pattern.out_specs,
    "all_inputs": lambda node, gs: [_saved_input(index, node, gs) for index in node.inputs],
    "rest": lambda node, gs: [_saved_input(index, node, gs) for index in node.inputs],
}


def gradients_of(node: Node, gs: list[Value | None], executor: Executor) -> list[tuple[int, Value]]:
    """The gradients of a node's inputs by index, given those of its outputs (None stands for zero)."""
    op = node.spec.op
    pattern = node.pattern
    if op.grad is not Grad.RULES:
        if op.grad is Grad.NONE:
            raise NotDifferentiableError(op=op.name, message="it has no gradient")
        return [
            (index, executor.zeros(pattern.in_specs[index], node.backend))
            for index, need in enumerate(pattern.needs)
            if need
        ]
    if None in gs:
        gs = [
            executor.zeros(spec, node.backend) if g is None else g
            for g, spec in zip(gs, pattern.out_specs, strict=False)
        ]
    found = []
    if pattern.rule_for_all is not None:
        function, getters = pattern.rule_for_all
        for index, gradient in enumerate(function(*[get(node, gs) for get in getters])):
            if gradient is not None and pattern.needs[index]:
                found.append((index, _fitted(node, index, gradient)))
        return found
    in_specs = pattern.in_specs
    for index, function, getters in pattern.rules:
        gradient = function(*[get(node, gs) for get in getters])
        if gradient is not None:
            found.append(
                (index, gradient if gradient.spec is in_specs[index] else _fitted(node, index, gradient))
            )
    return found


def _fitted(node: Node, index: int, gradient: Value) -> Value:
    """The gradient with the input's shape and dtype: broadcasting is undone here, any other shape is a bug in
    a rule."""
    wanted = node.pattern.in_specs[index]
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
