"""Backward passes that were seen before, run again as lists of kernel calls.

A training loop builds the same graph at every step. The second time that a graph of the same form comes, the
pass over it is traced: which kernels the gradient rules called, on what. From then on such a pass is a
:class:`Program`: the calls, without the rules, the heap and the checks that led to them.

Two graphs have the same form if the same ops with the same attributes, specs and tracked inputs are connected
in the same way. Rules see nothing else: they compute with ops, and never look at values. So the same calls
are right for both, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from remx_contract.spec import TensorSpec

from .backend import Backend
from .value import Value

if TYPE_CHECKING:
    from .executor import Executor, OpSpec
    from .tape import Leaf, Node

NOTHING: Final[dict[int, Any]] = {}
"""What a node has saved when a pass is done with it."""
MAX_FORMS: Final = 512
"""How many forms of graphs an executor knows before it starts anew."""
STEPS_PER_LOOK: Final = 64
"""After how many kernels of a program others may have their turn."""
MAX_NODES: Final = 60_000
"""How many nodes the graphs of the known forms have together before it starts anew; a larger graph is walked
each time. A node takes about 1.5 kB."""

_rank: Final = attrgetter("rank")


class Survey:
    """All that a pass from some heads will visit.

    Attributes
    ----------
    nodes : list of Node
        The newest first, which is the order of the pass.
    leaves : list of Leaf
    form : tuple
        What is the same for graphs of the same form.
    """

    __slots__ = ("form", "leaves", "nodes")

    def __init__(self, nodes: list[Node], leaves: list[Leaf], form: tuple[Any, ...]) -> None:
        self.nodes = nodes
        self.leaves = leaves
        self.form = form


def survey(heads: Sequence[Value], given: Sequence[Value | None]) -> Survey | None:
    """The survey of a graph; None where a pass over it will fail (a part of it was freed, or an op failed),
    where it will pause, or where the graph is too large to be kept."""
    nodes: list[Any] = []
    leaves: list[Any] = []
    # Leaves count down from -2, nodes up from 0; -1 stands for an input that is not tracked.
    numbers: dict[Any, int] = {}
    stack: list[Any] = [head.producer for head in heads]
    while stack:
        producer = stack.pop()
        if producer in numbers:
            continue
        if producer is None or producer.freed is not None or producer.rank < 0:
            return None
        if len(nodes) > MAX_NODES:
            return None
        if producer.rank == 0:
            leaves.append(producer)
            numbers[producer] = -1 - len(leaves)
            continue
        if producer.function is not None:
            return None
        nodes.append(producer)
        numbers[producer] = 0
        for edge in producer.edges:
            if edge is not None:
                stack.append(edge[0])  # noqa: PERF401 - a comprehension takes longer for one or two
    nodes.sort(key=_rank, reverse=True)
    numbers.update(zip(nodes, range(len(nodes)), strict=True))
    form: list[Any] = []
    for head, gradient in zip(heads, given, strict=True):
        form += (numbers[head.producer], head.index, head.spec, head.backend, gradient is None)
    for node in nodes:
        form += (node.pattern, node.backend, node.training)
        form += _scalars(node)
        for edge in node.edges:
            if edge is None:
                form.append(-1)
            else:
                form += (numbers[edge[0]], edge[1])
    return Survey(nodes, leaves, tuple(form))


class Guide:
    """The way through graphs of one form with one head: a quicker look than a survey, when a guess is right.

    Attributes
    ----------
    stations : list of tuple
        For each node of the survey: where to find it (the number of a node that uses it and the position of
        the edge; -1 for the head's), its pattern, backend, training flag and per-call attributes.
    indices : list of (node number, edge position, output index)
        Of the edges to nodes other than to their first output.
    crossings : list of (node number, edge position, node number)
        The edges to nodes that were found by another edge.
    leaves : list of (node number, edge position, leaf number)
        The edges to leaves.
    """

    __slots__ = ("count", "crossings", "form", "head", "indices", "leaves", "stations")

    def __init__(self, found: Survey, head: Value) -> None:
        self.form = found.form
        self.head = (head.index, head.spec)
        self.count = len(found.leaves)
        self.indices: list[tuple[int, int, int]] = []
        self.crossings: list[tuple[int, int, int]] = []
        self.leaves: list[tuple[int, int, int]] = []
        numbers = {node: number for number, node in enumerate(found.nodes)}
        leaves = {leaf: number for number, leaf in enumerate(found.leaves)}
        ways: dict[int, tuple[int, int]] = {0: (-1, 0)}
        for number, node in enumerate(found.nodes):
            for position, edge in enumerate(node.edges):
                if edge is None:
                    continue
                producer, index = edge
                if producer in leaves:
                    self.leaves.append((number, position, leaves[producer]))
                    continue
                if index:
                    self.indices.append((number, position, index))
                target = numbers[producer]
                if target in ways:
                    self.crossings.append((number, position, target))
                ways.setdefault(target, (number, position))
        self.stations = [
            (*ways[number], node.pattern, node.backend, node.training, _scalars(node))
            for number, node in enumerate(found.nodes)
        ]

    def follow(self, head: Value) -> Survey | None:
        """The survey of a graph of this form; None for one of another form."""
        nodes: list[Any] = []
        rank = None
        if (head.index, head.spec) != self.head:
            return None
        for user, position, pattern, backend, training, scalars in self.stations:
            node: Any = head.producer if user < 0 else nodes[user].edges[position][0]
            if (
                node.freed is not None
                # Ranks that fall from node to node make them different ones, in the order of the pass.
                or (rank is not None and node.rank >= rank)
                or node.rank <= 0
                or node.pattern is not pattern
                or node.training is not training
                or node.backend is not backend
                or (scalars and _scalars(node) != scalars)
            ):
                return None
            rank = node.rank
            nodes.append(node)
        for number, position, index in self.indices:
            if nodes[number].edges[position][1] != index:
                return None
        for number, position, target in self.crossings:
            if nodes[number].edges[position][0] is not nodes[target]:
                return None
        leaves: list[Any] = [None] * self.count
        for number, position, leaf in self.leaves:
            producer = nodes[number].edges[position][0]
            if leaves[leaf] is None:
                leaves[leaf] = producer
            if leaves[leaf] is not producer or producer.rank != 0:
                return None
        return Survey(nodes, leaves, self.form) if len(set(leaves)) == self.count else None


_NO_SCALARS: Final[list[str]] = []


def _scalars(node: Node) -> list[str]:
    """The per-call attributes of a node's op, as part of a form: 0.0 and -0.0 are different ones."""
    names = node.spec.kernel.per_call
    return [repr(node.per_call[name]) for name in names] if names else _NO_SCALARS


class Program:
    """A backward pass as a list of kernel calls on numbered slots.

    Attributes
    ----------
    backend : Backend
        Where everything lives.
    loads : list of (slot, node number, whether it is an output, index)
        The arrays that the nodes saved.
    places : list of (slot, node number, input index)
        The memories of inputs that the pass writes.
    given : list of (slot, head number)
        The gradients of heads that came with the pass.
    fills : list of (slot, TensorSpec, name of the array module's function)
        Arrays of zeros or ones.
    steps : list of (op name, call, argument slots, per-call attributes, result slots, dead slots)
        A slot is dead where no later step uses it.
    results : list of (leaf number, slot, TensorSpec)
        The gradients.
    peak : int
        The most bytes that it has in use at a time, beside those that were there before.
    """

    __slots__ = ("backend", "fills", "given", "loads", "peak", "places", "results", "slots", "steps")

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.peak = 0
        self.slots = 0
        self.loads: list[tuple[int, int, bool, int]] = []
        self.places: list[tuple[int, int, int]] = []
        self.given: list[tuple[int, int]] = []
        self.fills: list[tuple[int, TensorSpec, str]] = []
        self.steps: list[tuple[str, Callable[..., Any], Any, dict[str, Any], Any, Any]] = []
        self.results: list[tuple[int, int, TensorSpec]] = []

    def run(
        self, executor: Executor, found: Survey, given: Sequence[Value | None], retain_graph: bool
    ) -> dict[Leaf, Value]:
        """The gradients that arrive at the leaves of a graph of the program's form.

        Raises
        ------
        OverwrittenValueError
            If a saved array's memory was written since.
        MXNetError
            Whatever a kernel raised, named and classed.
        """
        backend = self.backend
        executor.reserve(backend, self.peak)
        slots = self._loaded(found.nodes, given, executor)
        if not retain_graph:
            for node in found.nodes:
                node.inputs = node.outputs = NOTHING
        steps = self.steps
        for start in range(0, len(steps), STEPS_PER_LOOK):
            if start:
                executor.look()
            self._run_steps(steps[start : start + STEPS_PER_LOOK], slots, executor)
        return {
            found.leaves[number]: Value(slots[slot], spec, backend) for number, slot, spec in self.results
        }

    def _run_steps(self, steps: Sequence[Any], slots: list[Any], executor: Executor) -> None:
        at = slots.__getitem__
        backend = self.backend
        ndarray = backend.ndarray
        for op, call, arguments, per_call, targets, dead in steps:
            try:
                result = call(*map(at, arguments), **per_call) if per_call else call(*map(at, arguments))
            except Exception as error:
                result = executor.again(error, op, backend, self.peak, call, map(at, arguments), per_call)
            if result.__class__ is ndarray:
                slots[targets] = result
            elif result.__class__ is tuple:
                for target, part in zip(targets, result, strict=False):
                    slots[target] = part
            else:
                # A ufunc on arrays without axes gives NumPy scalars.
                slots[targets] = backend.xp.asarray(result)
            for slot in dead:
                slots[slot] = None

    def _loaded(self, nodes: list[Node], given: Sequence[Value | None], executor: Executor) -> list[Any]:
        """The slots before the first step."""
        slots: list[Any] = [None] * self.slots
        for slot, number, output, index in self.loads:
            node = nodes[number]
            data, writes, count = (node.outputs if output else node.inputs)[index]
            # The common case of saved_array, which raises what is wrong.
            slots[slot] = data if writes[0] == count else node.saved_array(output, index)
        for slot, number, index in self.places:
            slots[slot], writes, _ = nodes[number].inputs[index]
            writes[0] += 1
        for slot, number in self.given:
            value = given[number]
            slots[slot] = value and value.data
        for slot, spec, function in self.fills:
            slots[slot] = executor.filled_array(function, spec, self.backend)
        return slots


class Tracer:
    """Watches a pass and writes down its program.

    Attributes
    ----------
    program : Program or None
        None once the pass did what a program cannot: move between devices, draw random numbers.
    """

    def __init__(self, found: Survey, heads: Sequence[Value], given: Sequence[Value | None]) -> None:
        self._numbers = {node: number for number, node in enumerate(found.nodes)}
        self._leaves = {leaf: number for number, leaf in enumerate(found.leaves)}
        self.program: Program | None = Program(heads[0].backend)
        self._slots: dict[int, int] = {}
        # Kept so that the ids of values stay their own.
        self._values: list[Value] = []
        for number, value in enumerate(given):
            if value is not None and (slot := self._new(value)) is not None and self.program:
                self.program.given.append((slot, number))

    def _new(self, value: Value) -> int | None:
        program = self.program
        if program is None or value.backend is not program.backend:
            self.program = None
            return None
        slot = self._slots[id(value)] = program.slots
        program.slots += 1
        self._values.append(value)
        return slot

    def load(self, value: Value, node: Node, output: bool, index: int) -> None:
        """A rule gets a saved array."""
        slot = self._new(value)
        if slot is not None and self.program:
            self.program.loads.append((slot, self._numbers[node], output, index))

    def place(self, value: Value, node: Node, index: int) -> None:
        """A rule gets the memory of an input to write."""
        slot = self._new(value)
        if slot is not None and self.program:
            self.program.places.append((slot, self._numbers[node], index))

    def fill(self, value: Value, function: str) -> None:
        """A pass makes an array of zeros or ones."""
        slot = self._new(value)
        if slot is not None and self.program:
            self.program.fills.append((slot, value.spec, function))

    def step(
        self,
        spec: OpSpec,
        call: Callable[..., Any],
        values: Sequence[Value],
        per_call: dict[str, Any],
        outputs: Sequence[Value],
    ) -> None:
        """A rule runs an op."""
        arguments = [self._slots.get(id(value)) for value in values]
        made = [self._new(value) for value in outputs]
        if self.program is None:
            return
        places = {slot for slot, _, _ in self.program.places}
        if (
            any(arguments[index] not in places for index in spec.op.mutated(len(arguments)))
            or spec.op.random
            or spec.op.hidden
            or not (made or spec.op.mutates)
            or None in arguments
        ):
            self.program = None
            return
        targets: Any = made[0] if len(made) == 1 else tuple(made)
        self.program.steps.append(
            (spec.op.name, call, tuple(arguments), dict(per_call) if per_call else NOTHING, targets, ())
        )

    def finish(self, at_leaves: dict[Leaf, Value]) -> Program | None:
        """The program, when the gradients have arrived."""
        program = self.program
        if program is None:
            return None
        program.results = [
            (self._leaves[leaf], self._slots[id(value)], value.spec) for leaf, value in at_leaves.items()
        ]
        used = {slot for _, slot, _ in program.results}
        # From the last step to the first: a slot dies where it is used for the last time.
        for at in range(len(program.steps) - 1, -1, -1):
            name, call, arguments, per_call, targets, _ = program.steps[at]
            made = targets if targets.__class__ is tuple else (targets,)
            dead = tuple({slot for slot in (*arguments, *made) if slot not in used})
            used.update(arguments)
            program.steps[at] = (name, call, arguments, per_call, targets, dead)
        program.peak = self._peak(program)
        return program

    def _peak(self, program: Program) -> int:
        """The most bytes that the slots have at a time, without those that a program finds; views count as
        what they are views of, which may live as long."""
        sizes = [value.spec.nbytes for value in self._values]
        for slot, *_ in (*program.loads, *program.places, *program.given):
            sizes[slot] = 0
        used = peak = sum(sizes[slot] for slot, _, _ in program.fills)
        for _, _, _, _, targets, dead in program.steps:
            used += sum(sizes[slot] for slot in (targets if targets.__class__ is tuple else (targets,)))
            peak = max(peak, used)
            used -= sum(sizes[slot] for slot in dead)
        return peak


class Passes:
    """The forms of graphs that an executor has seen, with their programs."""

    def __init__(self) -> None:
        # A form that came once has None; one whose pass cannot be traced has False.
        self._programs: dict[tuple[Any, ...], Program | bool | None] = {}
        self._nodes = 0
        # By the pattern of the head: the guess at the form of the next graph that ends so.
        self._guides: dict[Any, Guide] = {}

    def survey(self, heads: Sequence[Value], given: Sequence[Value | None]) -> Survey | None:
        """See :func:`survey`; quicker for a graph like the last one with such a head."""
        head = heads[0]
        if len(heads) == 1 and given[0] is None:
            guide = self._guides.get(getattr(head.producer, "pattern", None))
            if guide is not None:
                found = guide.follow(head)
                if found is not None:
                    return found
        return survey(heads, given)

    def program(self, form: tuple[Any, ...]) -> Program | None:
        """The program for a form, if there is one."""
        found = self._programs.get(form)
        return found if found.__class__ is Program else None  # type: ignore[return-value]

    def wants_tracing(self, form: tuple[Any, ...], nodes: int) -> bool:
        """Whether the pass over a graph of this form, with so many nodes, is to be traced: when it comes for
        the second time."""
        if form in self._programs:
            return self._programs[form] is None
        self._nodes += nodes
        if len(self._programs) >= MAX_FORMS or self._nodes > MAX_NODES:
            self._programs.clear()
            self._guides.clear()
            self._nodes = nodes
        self._programs[form] = None
        return False

    def keep(self, form: tuple[Any, ...], program: Program | None, guide: Guide | None) -> None:
        """Remember what tracing a pass gave: a program or nothing, and the way through such graphs."""
        self._programs[form] = False if program is None else program
        if program is not None and guide is not None and guide.stations:
            self._guides[guide.stations[0][2]] = guide
