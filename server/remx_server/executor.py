"""The executor: the only caller of kernels. It runs one session's ops in order, on one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from operator import attrgetter
from typing import Any, Final

from remx_contract import codec, translation
from remx_contract.attributes import FLOAT
from remx_contract.catalogue import find
from remx_contract.errors import (
    ArgumentError,
    HandleError,
    InPlaceRecordedError,
    KernelError,
    MXNetError,
    ShapeError,
)
from remx_contract.infer import check_arity, infer
from remx_contract.op import Attrs, Op
from remx_contract.spec import TensorSpec

from . import memory, tape
from .allowance import Allowance, aside, with_room
from .backend import Array, Backend, Devices
from .classifying import classify
from .passes import Passes, Tracer
from .registry import KERNELS, Kernel
from .tape import Broken, FunctionNode, Leaf, Node, Pattern, Ticket
from .value import Failure, Value, mark_written

MAX_CACHED_PLANS: Final = 4096
"""How many inferences (of one spec) and specs (of gradient rules) are kept before the cache starts anew."""

ASIDE_BYTES: Final = 1 << 20
"""Of how many bytes of inputs and outputs on an op is run aside, while other sessions have their turns: about
a tenth of a millisecond's worth at least."""

RECORDING: Final = codec.RECORDING
TRAINING: Final = codec.TRAINING
WRITING: Final = codec.WRITING


# Maps of these cost half of what list comprehensions do, and every op needs both.
_spec_of: Final = attrgetter("spec")
_data_of: Final = attrgetter("data")


class Plan:
    """What is known of an op once its input specs are: output specs, the bound kernel, what is recorded."""

    __slots__ = ("calls", "large", "nbytes", "only", "out_specs", "patterns", "steps", "training_calls")

    def __init__(self, out_specs: tuple[TensorSpec, ...], steps: int, read: int, made: int) -> None:
        self.out_specs = out_specs
        # Bytes that the op allocates.
        self.nbytes = made
        self.large = read + made >= ASIDE_BYTES
        # How many of MXNet's ops stand for this one in a history: so many numbers a node takes.
        self.steps = steps
        # Most ops have one output, and its spec is looked at for every call.
        self.only = out_specs[0] if len(out_specs) == 1 else None
        self.calls: dict[Backend, Callable[..., Any]] = {}
        self.training_calls: dict[Backend, Callable[..., Any]] = {}
        # By the bit mask of the tracked inputs.
        self.patterns: dict[int, Pattern] = {}


class OpSpec:
    """An op with its attributes, parsed and checked once.

    Attributes
    ----------
    op : Op
    kernel : Kernel
    attrs : Attrs
    inputs, words, outputs : int
        How many input handles, per-call words and output handles an invoke carries.
    backend : Backend or None
        Where the outputs go; None for the first input's device.
    spelled : dict of str
        The attributes as the user spelled them, for histories; empty where that is as usual.
    """

    __slots__ = (
        "attrs",
        "backend",
        "decoders",
        "inputs",
        "kernel",
        "length",
        "op",
        "outputs",
        "plain",
        "plans",
        "random",
        "spelled",
        "words",
    )

    def __init__(self, op: Op, attrs: Attrs, inputs: int, backend: Backend | None) -> None:
        check_arity(op, inputs, attrs)
        self.spelled: dict[str, str] = {}
        self.op = op
        self.kernel: Kernel = KERNELS[op.name]
        self.attrs = attrs
        self.inputs = inputs
        self.backend = backend
        self.random = op.random
        self.decoders = [
            (attr.name, codec.word_to_float if attr.type is FLOAT else codec.word_to_int)
            for attr in op.per_call
        ]
        self.words = len(self.decoders) + self.random
        self.outputs = op.output_count(attrs)
        if self.outputs < 0:
            raise ArgumentError(
                op=op.name, got=f"{self.outputs} outputs", expected="a number that is not negative"
            )
        # Nothing but outputs comes of it: no view, nothing written in place, nothing hidden.
        self.plain = not (op.view or op.mutates or op.hidden)
        self.length = 2 + inputs + self.words + self.outputs
        self.plans: dict[tuple[TensorSpec, ...], Plan] = {}

    def plan(self, key: tuple[TensorSpec, ...]) -> Plan:
        """The plan for these input specs; raises what inference raises."""
        try:
            out_specs = infer(self.op, key, self.attrs)
            steps = translation.count(self.op, self.attrs, key, out_specs)
            sizes = (0, 0) if self.op.view else (_nbytes(key), _nbytes(out_specs))
            made = Plan(out_specs, steps, *sizes)
        except Exception as error:
            raise classify(error, self.op.name) from error
        if len(made.out_specs) != self.outputs + self.op.hidden_count(self.attrs):
            raise KernelError(
                op=self.op.name, got=f"{len(made.out_specs)} output specs", expected=f"{self.outputs}"
            )
        if len(self.plans) >= MAX_CACHED_PLANS:
            self.plans.clear()
        self.plans[key] = made
        return made


class Executor(Allowance):
    """Runs ops on values, and those of gradient rules.

    Parameters
    ----------
    devices : Devices
    random_of : callable
        From a client thread's number to its RandomState.
    """

    def __init__(self, devices: Devices, random_of: Callable[[int], Any]) -> None:
        super().__init__()
        self.devices = devices
        self.random_of = random_of
        self.several_devices = bool(devices.gpus)
        self.mode = 0
        self.rank = 0
        # Walks over graphs that have begun.
        self.fronts: list[Any] = []
        # Of variables and constants, as histories name them.
        self.numbers = count(1)
        self.active: Backend = devices.cpu
        self.passes = Passes()
        self.tracer: Tracer | None = None
        # Called between the kernels of a backward pass, where others may have their turn.
        self.look: Callable[[], None] = lambda: None
        self._rule_specs: dict[Any, OpSpec] = {}

    # Running one op.

    def run(
        self, spec: OpSpec, values: Sequence[Value], per_call: dict[str, Any], mode: int, site: int
    ) -> list[Value]:
        """Run an op on healthy values.

        Parameters
        ----------
        spec : OpSpec
        values : sequence of Value
            None of them failed.
        per_call : dict
            Per-call attributes, and ``random`` for an op that draws.
        mode : int
            RECORDING and TRAINING bits.
        site : int

        Returns
        -------
        list of Value
            The outputs, hidden ones left out.

        Raises
        ------
        MXNetError
            Whatever inference or the kernel raised, named and classed.
        """
        key = tuple(map(_spec_of, values))
        plan = spec.plans.get(key) or spec.plan(key)
        backend = spec.backend or (values[0].backend if values else self.devices.cpu)
        if self.several_devices:
            values = self._gather(values, backend)
        call = (plan.training_calls if mode & TRAINING else plan.calls).get(backend)
        if call is None:
            call = self._bind(spec, plan, backend, mode)
        plain = spec.plain
        if not plain and mode & RECORDING:
            self._check_in_place(spec, values)
        left = self.left - plan.nbytes
        self.left = left if left >= 0 else self.more_bytes(plan.nbytes)
        arrays = map(_data_of, values)
        try:
            results: Any = call(*arrays, **per_call) if per_call else call(*arrays)
        except Exception as error:
            if spec.op.mutates or spec.random:
                # It may have done a part of its work.
                raise classify(error, spec.op.name) from error
            arrays = map(_data_of, values)
            results = self.again(error, spec.op.name, backend, plan.nbytes, call, arrays, per_call)
        only = plan.only
        if only is not None and results.__class__ is backend.ndarray:
            # The common case of _wrap, spelled out.
            if results.dtype != only.dtype or results.shape != only.shape:
                raise _misfit(spec, only, results)
            outputs = [Value(results, only, backend)]
        else:
            outputs = self._wrap(spec, plan, results, backend)
        if not plain:
            self._note_sharing(spec, values, outputs)
        if mode & RECORDING and outputs:
            for value in values:
                producer = value.producer
                if producer is not None:
                    if producer.freed is None:
                        self.rank += plan.steps
                        if self.rank > self.last_rank:
                            self.more_nodes(plan.steps)
                        training = mode & TRAINING != 0
                        Node(spec, plan, per_call, values, outputs, self.rank, training, site, self.numbers)
                        break
                    # A constant; but a pass from here can say that the graph was freed, and to which leaves.
                    for output in outputs:
                        output.producer = producer
        return outputs if plain else outputs[: spec.outputs]

    def run_into(
        self,
        spec: OpSpec,
        values: Sequence[Value],
        per_call: dict[str, Any],
        mode: int,
        site: int,
        targets: Sequence[Value],
    ) -> None:
        """Run an op and write its outputs into existing values; see :meth:`run`."""
        if spec.kernel.takes_out and self._straight(spec, values, per_call, mode, targets):
            return
        for value, target in zip(self.run(spec, values, per_call, mode, site), targets, strict=True):
            self.write(target, value, mode)

    def _straight(
        self,
        spec: OpSpec,
        values: Sequence[Value],
        per_call: dict[str, Any],
        mode: int,
        targets: Sequence[Value],
    ) -> bool:
        """Let a kernel write straight into the targets' memory, where it fits; returns whether it did."""
        if mode & RECORDING and (spec.kernel.ufunc or any(map(tape.tracked, [*values, *targets]))):
            return False
        key = tuple(map(_spec_of, values))
        plan = spec.plans.get(key) or spec.plan(key)
        backend = spec.backend or values[0].backend
        for target, out_spec in zip(targets, plan.out_specs, strict=True):
            if target.spec is not out_spec or target.backend is not backend or target.failure is not None:
                return False
        if self.several_devices:
            values = self._gather(values, backend)
        call = plan.calls.get(backend) or self._bind(spec, plan, backend, 0)
        out = target.data if plan.only is not None else tuple(map(_data_of, targets))
        try:
            call(*map(_data_of, values), out=out, **per_call)
        except Exception as error:
            raise classify(error, spec.op.name) from error
        for target in targets:
            mark_written(target)
        if not spec.plain:
            self._note_sharing(spec, values, targets)
        return True

    def _bind(self, spec: OpSpec, plan: Plan, backend: Backend, mode: int) -> Callable[..., Any]:
        """The kernel for a plan on a device, kept in the plan."""
        training = bool(mode & TRAINING)
        try:
            call = spec.kernel.bind(backend.xp, spec.attrs, training, plan.out_specs)
        except Exception as error:
            raise classify(error, spec.op.name) from error
        if plan.large:
            call = aside(call, backend)
        if plan.nbytes >= memory.LARGE_BYTES:
            call = with_room(call, backend, plan.nbytes, self.relieve)
        (plan.training_calls if training else plan.calls)[backend] = call
        return call

    @staticmethod
    def _note_sharing(spec: OpSpec, values: Sequence[Value], outputs: Sequence[Value]) -> None:
        """Note whose memory a view shares, and the writes to what was mutated."""
        if spec.op.view:
            outputs[0].base = values[0].base or values[0]
        for index in spec.op.mutated(len(values)):
            mark_written(values[index])

    @staticmethod
    def _check_in_place(spec: OpSpec, values: Sequence[Value]) -> None:
        """InPlaceRecordedError for an op without outputs on what is part of the recorded computation."""
        if not spec.outputs and any(map(tape.tracked, values)):
            raise InPlaceRecordedError(
                op=spec.op.name,
                message="a part of an array cannot be written while recording "
                "if it or the value is part of the recorded computation",
            )

    def _wrap(self, spec: OpSpec, plan: Plan, results: Any, backend: Backend) -> list[Value]:
        outputs = []
        ndarray = backend.ndarray
        if results.__class__ is not tuple:
            results = (results,)
        for result, out_spec in zip(results, plan.out_specs, strict=True):
            if result.__class__ is not ndarray:
                # A ufunc on 0-d arrays gives NumPy scalars.
                result = backend.xp.asarray(result)
            if result.dtype != out_spec.dtype or result.shape != out_spec.shape:
                raise _misfit(spec, out_spec, result)
            outputs.append(Value(result, out_spec, backend))
        return outputs

    def _gather(self, values: Sequence[Value], backend: Backend) -> Sequence[Value]:
        """The values on one device; MXNet takes mixed CPU contexts, and here mixed devices are copied over
        too."""
        self.use(backend)
        if all(value.backend is backend for value in values):
            return values
        return [
            value
            if value.backend is backend
            else Value(
                backend.copy_from(value.data, value.backend), value.spec, backend, value.producer, value.index
            )
            for value in values
        ]

    def write(self, target: Value, source: Value, mode: int) -> None:
        """Write a value into an existing one's memory (`out=`, `x[:] = y`).

        Raises
        ------
        InPlaceRecordedError
            While recording, if the target is part of the recorded computation.
        ShapeError
        """
        if target.spec.shape != source.spec.shape:
            raise ShapeError(argument="out", got=f"{target.spec}", expected=f"{source.spec}")
        if mode & RECORDING and tape.tracked(target):
            raise InPlaceRecordedError(
                "an array of a recorded computation cannot be written in place while recording"
            )
        if target.failure is not None or target.data is None:
            self._heal(target, source)
        else:
            data = source.data
            if source.backend is not target.backend:
                data = target.backend.copy_from(data, source.backend)
            target.data[...] = data
            mark_written(target)
        if mode & RECORDING:
            target.producer = source.producer
            target.index = source.index

    def _heal(self, target: Value, source: Value) -> None:
        """A full write gives a failed value new memory; what shared the old memory stays failed."""
        self.reserve(target.backend, target.spec.nbytes)
        data = target.backend.copy_from(source.data, source.backend)
        target.data = data.astype(target.spec.dtype)
        target.failure = None
        target.base = None
        if isinstance(target.producer, Broken):
            target.producer = None

    # Running the ops of gradient rules.

    def apply(self, kernel: Kernel, values: Sequence[Value], attrs: dict[str, Any]) -> Any:
        """Run an op for a gradient rule: one value, or a list where the op has several outputs."""
        per_call: dict[str, Any] = {}
        if not attrs:
            key: Any = (kernel, len(values))
        elif kernel.per_call:
            per_call = {name: attrs[name] for name in kernel.per_call if name in attrs}
            attrs = {name: value for name, value in attrs.items() if name not in per_call}
            key = (kernel, len(values), *attrs.items())
        else:
            key = (kernel, len(values), *attrs.items())
        spec = self._rule_specs.get(key)
        if spec is None:
            spec = OpSpec(kernel.op, kernel.op.parse_static(attrs), len(values), None)
            if len(self._rule_specs) >= MAX_CACHED_PLANS:
                self._rule_specs.clear()
            self._rule_specs[key] = spec
        if len(per_call) != len(kernel.per_call):
            per_call = kernel.per_call | per_call
        outputs = self.run(spec, values, per_call, self.mode, 0)
        if self.tracer is not None:
            self._trace(spec, values, per_call, outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def _trace(
        self, spec: OpSpec, values: Sequence[Value], per_call: dict[str, Any], outputs: Sequence[Value]
    ) -> None:
        """Tell the tracer of an op that ran."""
        assert self.tracer is not None
        plan = spec.plans[tuple(map(_spec_of, values))]
        call = (plan.training_calls if self.mode & TRAINING else plan.calls)[(outputs or values)[0].backend]
        self.tracer.step(spec, call, values, per_call, outputs)

    def zeros(self, spec: TensorSpec, backend: Backend) -> Value:
        """A new value of zeros."""
        return self._filled("zeros", spec, backend)

    def ones(self, spec: TensorSpec, backend: Backend) -> Value:
        """A new value of ones."""
        return self._filled("ones", spec, backend)

    def filled_array(self, function: str, spec: TensorSpec, backend: Backend) -> Array:
        """A new array, as the array module's function of that name makes it."""
        make = partial(getattr(backend.xp, function), spec.shape, spec.dtype)
        return self.attempt(function, backend, spec.nbytes, make)

    def _filled(self, function: str, spec: TensorSpec, backend: Backend) -> Value:
        self.reserve(backend, spec.nbytes)
        value = Value(self.filled_array(function, spec, backend), spec, backend)
        if self.tracer is not None:
            self.tracer.fill(value, function)
        return value

    def use(self, backend: Backend) -> None:
        """Make a device the one that kernels run on."""
        if backend is not self.active:
            backend.activate()
            if backend.device_type != self.active.device_type:
                self.left, self.left_elsewhere = self.left_elsewhere, self.left
            self.active = backend

    # The tape.

    def mark(self, value: Value, gradient: Value | None, request: int) -> None:
        """Make a value a variable with a gradient, or with request NULL not one any more."""
        if request == tape.NULL or gradient is None:
            value.producer = None
        elif request not in (tape.WRITE, tape.ADD):
            raise HandleError(argument="grad_req", got=f"code {request}", expected="0 null, 1 write or 3 add")
        elif gradient.spec is not value.spec and value.failure is None and gradient.failure is None:
            raise ShapeError(argument="gradients", got=f"{gradient.spec}", expected=f"{value.spec}")
        else:
            value.producer = Leaf(gradient, request, next(self.numbers))
        value.index = 0

    def deliver(self, leaf: Leaf, gradient: Value) -> None:
        """Leave the gradient that arrived at a leaf where the leaf wants it."""
        place = leaf.gradient
        if leaf.request == tape.ADD:
            if place.failure is not None:
                # What was to be added to is gone, and so is the sum; a write, as of zeros, heals it.
                return
            gradient = KERNELS["elemwise_add"](place, gradient)
        elif place.failure is None and gradient.backend is place.backend and not self.mode & RECORDING:
            # The common case of write(), spelled out: their specs are the variable's.
            place.data[...] = gradient.data
            mark_written(place)
            return
        producer, index = gradient.producer, gradient.index
        self.write(place, gradient, 0)
        if self.mode & RECORDING:
            place.producer, place.index = producer, index

    def record(self, function: Ticket, inputs: Sequence[Value], outputs: Sequence[Value], site: int) -> None:
        """Put a Function of the client on the tape, if one of its inputs is tracked.

        Raises
        ------
        InPlaceRecordedError
            If an output is part of a recorded computation already.
        """
        if any(map(tape.tracked, outputs)):
            raise InPlaceRecordedError(
                op="Function", message="an output of forward is part of the recorded computation already"
            )
        if any(map(tape.tracked, inputs)):
            self.rank += 1
            if self.rank > self.last_rank:
                self.more_nodes(1)
            FunctionNode(function, inputs, outputs, self.rank, site, self.numbers)

    @property
    def recording(self) -> bool:
        """Whether the pass that runs is recorded itself."""
        return bool(self.mode & RECORDING)

    @staticmethod
    def classify(error: Exception, op: str) -> MXNetError:
        """The error of remx for whatever a kernel raised."""
        return classify(error, op)


def _nbytes(specs: Sequence[TensorSpec]) -> int:
    return sum([spec.nbytes for spec in specs])


def _misfit(spec: OpSpec, out_spec: TensorSpec, result: Array) -> KernelError:
    """The error of a kernel whose result is not what the row's rules say."""
    return KernelError(
        op=spec.op.name,
        got=f"{result.dtype.name}{list(result.shape)} from its kernel",
        expected=f"{out_spec} as its rules say",
    )


def make_spec(name: str, given: dict[str, Any], inputs: int, backend: Backend | None) -> OpSpec:
    """The OpSpec of a Define command; raises what parsing raises."""
    op = find(name)
    return OpSpec(op, op.parse_static(given), inputs, backend)


def poison(spec: OpSpec, values: Sequence[Value | None], failure: Failure, backend: Backend) -> list[Value]:
    """Failed outputs for an op that could not run."""
    out_specs: Sequence[TensorSpec | None]
    try:
        out_specs = infer(spec.op, [value.spec for value in values if value is not None], spec.attrs)
    except Exception:
        out_specs = [None] * spec.outputs
    return [Value.failed(failure, out_spec, backend) for out_spec in out_specs[: spec.outputs]]
