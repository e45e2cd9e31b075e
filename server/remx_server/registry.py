"""Kernels and gradient rules: how an op of the catalogue is computed and differentiated.

A kernel is a function called like its row; its parameters are the array module ``xp``, the row's inputs,
and those of the row's attributes (and of the specials below) that it wants, which are passed by name. Both
are checked against the row at import. A rule is a function of the output gradient and of whatever it names;
what it names is what gets saved.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from remx_contract.catalogue import find
from remx_contract.dtypes import DType, int64
from remx_contract.errors import DTypeError
from remx_contract.op import Grad, Op

if TYPE_CHECKING:
    from .executor import Executor
    from .value import Value

SPECIALS: Final = frozenset({"training", "random", "out_specs", "attrs"})
"""What a kernel may ask for beside inputs and attributes: whether the calling thread is training, its
RandomState, the specs of the outputs, and all attributes but per-call ones at once."""

ALL_INPUTS: Final = (-1,)
REST: Final = (-2,)
"""What a rule of a variadic op saves: all inputs, or all but the first."""

KernelType = TypeVar("KernelType", bound="Kernel")

KERNELS: Final[dict[str, Kernel]] = {}
"""Canonical op name -> kernel."""


class _Current(threading.local):
    executor: Executor | None = None


CURRENT: Final = _Current()
"""The executor whose backward pass runs in this thread; gradient rules compute through it."""


class Rule:
    """A gradient rule with what it needs.

    Attributes
    ----------
    function : callable
    inputs, outputs : tuple of int
        Which input and output arrays are saved for it.
    """

    def __init__(self, op: Op, function: Callable[..., Any]) -> None:
        self.function = function
        self.op = op
        # Parameter name -> where its value comes from: (kind, index or name).
        self.sources: list[tuple[str, str, Any]] = []
        input_index = {name.lstrip("*"): index for index, name in enumerate(op.inputs)}
        for name in inspect.signature(function).parameters:
            self.sources.append((name, *_source(op, name, input_index)))
        self.all_inputs = any(kind == "all_inputs" for _, kind, _ in self.sources)
        self.rest = any(kind == "rest" for _, kind, _ in self.sources)
        self.inputs = tuple(which for _, kind, which in self.sources if kind in ("input", "place"))
        self.outputs = tuple(which for _, kind, which in self.sources if kind == "output")


def _source(op: Op, name: str, input_index: dict[str, int]) -> tuple[str, Any]:
    if name in ("g", "gs", "needs", "training", "attrs"):
        return name, None
    if name == "out":
        return "output", 0
    if name.startswith("out") and name[3:].isdigit():
        return "output", int(name[3:])
    if name in ("out_specs", "in_specs"):
        return name, None
    if op.variadic and name == op.inputs[0][1:]:
        return "all_inputs", None
    if op.variadic and name == "rest":
        return "rest", None
    if name in input_index:
        return "input", input_index[name]
    if name.endswith("_spec") and name[:-5] in input_index:
        return "in_spec", input_index[name[:-5]]
    if name.endswith("_place") and name[:-6] in input_index:
        return "place", input_index[name[:-6]]
    if name in op.attr_of:
        return "attr", name
    raise TypeError(f"a gradient rule of {op.name} asks for {name!r}, which its row does not have")


class Kernel:
    """The computation of one op, and its gradient rules.

    Calling a kernel with values runs the op through the executor of the running backward pass: that is how
    gradient rules compute.

    Attributes
    ----------
    op : Op
    per_call : dict
        The per-call attributes with their defaults.
    function : callable
    rules : dict of int to Rule
        By input index.
    rule_for_all : Rule or None
        A rule that gives the gradients of all inputs at once.
    ufunc : str
        The name of the array module's ufunc that the kernel consists of, if that is all it does.
    takes_out : bool
        Whether the function takes ``out``, the array to write the result into, or a tuple of them for several
        outputs.
    kinds : str
        The kinds of dtypes (NumPy's letters) that the first output may have; others are refused as the op
        runs.
    """

    def __init__(self, op: Op, function: Callable[..., Any], ufunc: str = "", kinds: str = "fiub") -> None:
        self.op = op
        self.per_call = {attr.name: attr.default for attr in op.per_call}
        self.function = function
        self.ufunc = ufunc
        self.kinds = kinds
        self.rules: dict[int, Rule] = {}
        self.rule_for_all: Rule | None = None
        self._saved: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {}
        if not ufunc:
            self._check_signature()

    def _check_signature(self) -> None:
        parameters = list(inspect.signature(self.function).parameters)
        names = [name.lstrip("*") for name in self.op.inputs]
        if parameters[: len(names) + 1] != ["xp", *names]:
            raise TypeError(f"the kernel of {self.op.name} takes {parameters}, its row says xp, {names}")
        self.takes_out = "out" in parameters
        self.attr_names = tuple(name for name in parameters[len(names) + 1 :] if name != "out")
        known = self.op.attr_of.keys() | SPECIALS
        if unknown := set(self.attr_names) - known:
            raise TypeError(f"the kernel of {self.op.name} asks for {unknown}, which its row does not have")
        self.wants_training = "training" in self.attr_names
        self.wants_random = "random" in self.attr_names
        self.wants_out_specs = "out_specs" in self.attr_names
        self.wants_attrs = "attrs" in self.attr_names

    attr_names: tuple[str, ...] = ()
    takes_out = False
    wants_training = False
    wants_random = False
    wants_out_specs = False
    wants_attrs = False

    def vjp(self, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register the gradient rule of the input ``name``: ``rule(g, ...) -> gradient`` or None for zero.

        A rule names what it wants: ``g`` (the gradient of the output; ``gs`` for the list of all of them),
        input names and ``out`` (``out1`` for the second output) for values, which are then saved,
        ``<input>_place`` for an input whose memory the rule writes, whatever was written there since,
        ``<input>_spec``, ``in_specs``, ``out_specs``, attribute names, ``attrs`` for all of them at once,
        ``training`` and ``needs`` (one bool for each input).
        """
        index = self.op.inputs.index(name)

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            self.rules[index] = Rule(self.op, function)
            return function

        return register

    def vjp_all(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register one rule that returns the gradients of all inputs, None for those it leaves out."""
        self.rule_for_all = Rule(self.op, function)
        return function

    def saved(self, tracked: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Which inputs and outputs to save when the inputs of the bit mask ``tracked`` want gradients."""
        found = self._saved.get(tracked)
        if found is None:
            rules = [rule for index, rule in self.rules.items() if tracked >> index & 1]
            if self.rule_for_all is not None:
                rules.append(self.rule_for_all)
            inputs = tuple(sorted({index for rule in rules for index in rule.inputs}))
            outputs = tuple(sorted({index for rule in rules for index in rule.outputs}))
            if any(rule.all_inputs for rule in rules):
                inputs = ALL_INPUTS
            elif any(rule.rest for rule in rules):
                inputs = REST
            found = self._saved[tracked] = (inputs, outputs)
        return found

    def bind(self, xp: Any, attrs: dict[str, Any], training: bool, out_specs: Any) -> Callable[..., Any]:
        """The kernel as a function of arrays (and of per-call attributes and ``random`` by name) alone."""
        self._check_kind(out_specs)
        fixed = {
            name: attrs[name]
            for name in self.attr_names
            if name in attrs and not self.op.attr_of[name].per_call
        }
        if self.wants_training:
            fixed["training"] = training
        if self.wants_out_specs:
            fixed["out_specs"] = out_specs
        if self.wants_attrs:
            fixed["attrs"] = attrs
        return partial(self.function, xp, **fixed)

    def _check_kind(self, out_specs: Any) -> None:
        if out_specs and out_specs[0].dtype.kind not in self.kinds:
            raise DTypeError(
                op=self.op.name, got=out_specs[0].dtype.name, expected="a dtype that it computes with"
            )

    def __call__(self, *values: Value, **attrs: Any) -> Any:
        executor = CURRENT.executor
        if executor is None:
            raise RuntimeError(f"{self.op.name} was called outside of a backward pass")
        return executor.apply(self, values, attrs)

    def __repr__(self) -> str:
        return f"Kernel({self.op.name!r})"


class UfuncKernel(Kernel):
    """A kernel that is one ufunc of the array module, so that it can write straight into a given array.

    Attributes
    ----------
    integers : callable or None
        ``integers(xp, *operands)`` computes results that are not floating-point instead of the ufunc.
    scalar, reverse : bool
        Whether there is a per-call attribute ``scalar``, and whether it is the left operand.
    """

    def __init__(
        self,
        op: Op,
        ufunc: str,
        kinds: str,
        integers: Callable[..., Any] | None,
        scalar: bool = False,
        reverse: bool = False,
    ) -> None:
        super().__init__(op, lambda: None, ufunc, kinds)
        self.takes_out = True
        self.integers = integers
        self.scalar = scalar
        self.reverse = reverse

    def bind(self, xp: Any, attrs: dict[str, Any], training: bool, out_specs: Any) -> Callable[..., Any]:
        """The ufunc, or what stands in for it, as a function of arrays, ``scalar`` and ``out``."""
        self._check_kind(out_specs)
        dtype = out_specs[0].dtype
        compute: Callable[..., Any] = getattr(xp, self.ufunc)
        if dtype.kind != "f" and self.integers is not None:
            compute = _with_target(partial(self.integers, xp))
        return _with_scalar(compute, dtype, self.reverse) if self.scalar else compute


def _with_target(compute: Callable[..., Any]) -> Callable[..., Any]:
    """``compute`` with a ufunc's parameter ``out``."""

    def call(*operands: Any, out: Any = None) -> Any:
        result = compute(*operands)
        if out is None:
            return result
        out[...] = result
        return out

    return call


def _with_scalar(compute: Callable[..., Any], dtype: DType, reverse: bool) -> Callable[..., Any]:
    """``compute`` of an array and a scalar that is first cast to ``dtype``, as MXNet does."""
    cast_scalar = scalar_cast(dtype)

    if reverse:

        def call(data: Any, scalar: float, out: Any = None) -> Any:
            return compute(cast_scalar(scalar), data, out=out)

    else:

        def call(data: Any, scalar: float, out: Any = None) -> Any:
            return compute(data, cast_scalar(scalar), out=out)

    if dtype != int64:
        return call

    def call_widened(data: Any, scalar: float, out: Any = None) -> Any:
        # The result is int64 for an array of bool too.
        return call(data if data.dtype == int64 else data.astype(int64), scalar, out)

    return call_widened


def scalar_cast(dtype: DType) -> Callable[[float], Any]:
    """The cast of a Python float to ``dtype`` as C does it: truncated, and wrapped around."""
    made = dtype.type
    if dtype.kind == "f":
        return made
    return lambda scalar: np.float64(scalar).astype(np.int64).astype(made)


def kernel(function: Callable[..., Any] | None = None, *, op: str = "", kinds: str = "fiub") -> Any:
    """Decorate the kernel of an op: of the one called like the function, or of ``op``.

    ``kinds`` restricts the dtype kinds of the first output; others are refused when the op runs.
    """

    def register(function: Callable[..., Any]) -> Kernel:
        return _add(Kernel(find(op or function.__name__), function, kinds=kinds))

    return register if function is None else register(function)


def ufunc_kernel(
    op: str, ufunc: str, kinds: str = "fiu", integers: Callable[..., Any] | None = None
) -> UfuncKernel:
    """Register the array module's ufunc of that name as the whole kernel of ``op``.

    For outputs that are not floating-point, ``integers(xp, *inputs)`` computes instead, where given.
    """
    return _add(UfuncKernel(find(op), ufunc, kinds, integers))


def scalar_ufunc_kernel(
    op: str, ufunc: str, integers: Callable[..., Any] | None = None, reverse: bool = False
) -> UfuncKernel:
    """Register a ufunc of the input and the per-call attribute ``scalar`` as the whole kernel of ``op``.

    The scalar is cast to the output's dtype first; ``reverse`` makes it the left operand.
    """
    return _add(UfuncKernel(find(op), ufunc, "fiu", integers, True, reverse))


def _add(made: KernelType) -> KernelType:
    name = made.op.name
    if name in KERNELS:
        raise TypeError(f"{name} has two kernels")
    KERNELS[name] = made
    return made


def check_complete(ops: Sequence[Op]) -> None:
    """TypeError unless every row has a kernel and every RULES row a rule."""
    for op in ops:
        found = KERNELS.get(op.name)
        if found is None:
            raise TypeError(f"{op.name} is in the catalogue but has no kernel")
        if op.grad is Grad.RULES and not found.rules and found.rule_for_all is None:
            raise TypeError(f"{op.name} says it has gradient rules but has none")
        if op.grad is not Grad.RULES and (found.rules or found.rule_for_all is not None):
            raise TypeError(f"{op.name} has gradient rules but its row says {op.grad.value}")
