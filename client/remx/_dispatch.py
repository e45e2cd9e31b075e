"""Dispatch: the one path of every op, from arrays and attributes to numbers in the session's queue.

What can be known once is kept in a plan: the op with its attributes under a spec id, and the specs of the
outputs. A plan is found by (op, attributes, input specs), so a training loop does no inference after its
first step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from remx_contract import codec
from remx_contract.attributes import FLOAT
from remx_contract.catalogue import OPS
from remx_contract.errors import ArgumentError, DTypeError, InPlaceRecordedError, ShapeError
from remx_contract.infer import infer
from remx_contract.op import NONE, Attrs, Op
from remx_contract.spec import TensorSpec
from remx_contract.v1 import stream_pb2

from ._session import Session, current, next_handle
from ._sites import site
from ._state import STATE
from .context import Context, current_context

if TYPE_CHECKING:
    from .ndarray import NDArray

MAX_PLANS: Final = 20_000
"""Plans that a session keeps before it starts anew; a program with ever new shapes would fill the memory
otherwise."""
BIG_BYTES: Final = 1 << 20
"""Before an op with a result of this size, dropped arrays are released at once instead of at the batch's
end."""

RECORDING: Final = codec.RECORDING
WRITING: Final = codec.WRITING

_new_spec_id: Final = count(1).__next__


class SpecRef:
    """An op with attributes under a spec id. When the last plan that uses it is gone, the server may forget
    it."""

    __slots__ = ("__weakref__", "attrs", "number", "op", "session")

    def __init__(self, session: Session, op: Op, attrs: Attrs, inputs: int, context: Context | None) -> None:
        self.session = session
        self.op = op
        self.attrs = attrs
        self.number = _new_spec_id()
        static = {
            attr.name: attrs[attr.name]
            for attr in op.static
            if attrs[attr.name] != attr.default or attrs[attr.name].__class__ is not attr.default.__class__
        }
        define = stream_pb2.Define(
            spec_id=self.number, op=op.name, attributes=codec.attributes_to_messages(static), inputs=inputs
        )
        if context is not None:
            define.context.device_type = context.device_typeid
            define.context.device_id = context.device_id
        session.command(stream_pb2.Command(define=define))

    def __del__(self) -> None:
        self.session.dead_specs.append(self.number)


class Plan:
    """All that an op's call needs once its attributes and input specs are known.

    Attributes
    ----------
    head : int
        The code word of its invokes, without mode bits.
    out_specs : tuple of TensorSpec
        Of the outputs that the user sees.
    out_spec : TensorSpec
        The first of them.
    big : bool
        Whether a result is large.
    """

    __slots__ = ("big", "context", "differentiable", "head", "out_spec", "out_specs", "ref")

    def __init__(self, ref: SpecRef, out_specs: tuple[TensorSpec, ...], context: Context | None) -> None:
        self.ref = ref
        self.head = ref.number << codec.SPEC_SHIFT | codec.INVOKE
        self.out_specs = out_specs
        self.out_spec = out_specs[0] if out_specs else None
        self.context = context
        self.big = any(spec.nbytes >= BIG_BYTES for spec in out_specs)
        self.differentiable = ref.op.grad is not NONE


def make_plan(
    session: Session,
    op: Op,
    specs: Sequence[TensorSpec],
    attrs: Attrs,
    context: Context | None,
    key: Any,
) -> Plan:
    """Infer, define the spec if it is new, and keep the plan; raises what inference raises."""
    out_specs = infer(op, specs, attrs)[: op.output_count(attrs)]
    if context is not None:
        session.check_context(context)
    ref_key = (
        op,
        len(specs),
        context,
        tuple((name, _typed(attrs[name])) for name in (a.name for a in op.static)),
    )
    ref = session.spec_refs.get(ref_key)
    if ref is None:
        ref = session.spec_refs[ref_key] = SpecRef(session, op, attrs, len(specs), context)
    plan = Plan(ref, out_specs, context)
    if len(session.plans) >= MAX_PLANS:
        session.plans.clear()
    session.plans[key] = plan
    return plan


def _typed(value: Any) -> Any:
    """A value as part of a key: 1, 1.0 and True are different attributes, and so are 0.0 and -0.0."""
    if value.__class__ is tuple:
        return tuple(_typed(item) for item in value)
    if value.__class__ is float:
        return repr(value)
    return value.__class__, value


def attrs_key(attrs: Mapping[str, object]) -> Any:
    """Attributes as a user gave them, as a key for plans; None where they have none."""
    if not attrs:
        return ()
    key = tuple((name, _typed(value)) for name, value in attrs.items())
    try:
        hash(key)
    except TypeError:
        return None
    return key


def invoke(
    op: Op,
    inputs: Sequence[NDArray],
    given: Mapping[str, object],
    out: NDArray | Sequence[NDArray] | None = None,
    context: Context | None = None,
    depth: int = 3,
) -> Any:
    """Issue an op.

    Parameters
    ----------
    op : Op
    inputs : sequence of NDArray
    given : mapping
        Attributes as the user gave them.
    out : NDArray or list of NDArray, optional
        Arrays to write the results into.
    context : Context, optional
        Where the results go; needed by ops without inputs, which default to the thread's context.
    depth : int
        How many calls up the user's line is.

    Returns
    -------
    NDArray, list of NDArray or None
        One array, a list where the op has several outputs, None where it has none.

    Raises
    ------
    MXNetError
        For whatever is wrong with the call itself, before anything is sent.
    """
    session = inputs[0]._session if inputs else current()
    if context is None and not inputs:
        context = current_context()
    specs = [array._spec for array in inputs]
    parsed: Attrs | None = None
    if op.per_call:
        static = {
            name: value
            for name, value in given.items()
            if name not in op.attr_of or not op.attr_of[name].per_call
        }
        parsed = op.parse(given)
    else:
        static = given  # type: ignore[assignment]
    user_key = attrs_key(static)
    key = (op, user_key, context, *specs) if user_key is not None else None
    plan = session.plans.get(key) if key is not None else None
    if plan is None:
        if parsed is None:
            parsed = op.parse(given)
        plan = make_plan(session, op, specs, parsed, context, key if key is not None else object())
    words = [array._handle for array in inputs]
    if parsed is not None:
        for attr in op.per_call:
            value = parsed[attr.name]
            words.append(codec.float_to_word(value) if attr.type is FLOAT else codec.int_to_word(value))
    if op.random:
        words.append(STATE.random_stream)
    return issue(session, plan, inputs, words, out, depth)


def issue(
    session: Session,
    plan: Plan,
    inputs: Sequence[NDArray],
    words: list[int],
    out: NDArray | Sequence[NDArray] | None,
    depth: int,
) -> Any:
    """Queue the invoke of a plan with its input handles and per-call words; see :func:`invoke`."""
    mode = STATE.mode
    tracked = False
    if mode & RECORDING:
        tracked = any(array._tracked for array in inputs)
        if plan.ref.op.mutates:
            _refuse_tracked(plan.ref.op, [inputs[index] for index in plan.ref.op.mutates])
    if plan.big and session.dead:
        session.release_now()
    if out is not None:
        return _issue_into(session, plan, words, out, mode, tracked, depth + 1)
    first = inputs[0] if inputs else None
    context = plan.context or (first._context if first is not None else None)
    handles = [next_handle() for _ in plan.out_specs]
    session.extend((plan.head | mode, site(depth), *words, *handles))
    results = [
        NDArray_(session, handle, spec, context, tracked)
        for handle, spec in zip(handles, plan.out_specs, strict=True)
    ]
    session.ops += 1
    if len(session.code) >= session.limit:
        session.flush()
    if not results:
        return None
    return results[0] if len(results) == 1 else results


def _issue_into(
    session: Session,
    plan: Plan,
    words: list[int],
    out: NDArray | Sequence[NDArray],
    mode: int,
    tracked: bool,
    depth: int,
) -> Any:
    targets: Sequence[NDArray] = [out] if not isinstance(out, (list, tuple)) else out
    op = plan.ref.op
    if len(targets) != len(plan.out_specs):
        raise ArgumentError(
            op=op.name, argument="out", got=f"{len(targets)} arrays", expected=str(len(plan.out_specs))
        )
    for target, spec in zip(targets, plan.out_specs, strict=True):
        if target._spec is not spec:
            error = ShapeError if target._spec.shape != spec.shape else DTypeError
            raise error(op=op.name, argument="out", got=f"an array of {target._spec}", expected=f"{spec}")
    if mode & RECORDING:
        _refuse_tracked(op, targets)
        for target in targets:
            target._tracked = tracked
    session.extend((plan.head | mode | WRITING, site(depth), *words, *[target._handle for target in targets]))
    session.ops += 1
    if len(session.code) >= session.limit:
        session.flush()
    return out


def _refuse_tracked(op: Op, targets: Sequence[NDArray]) -> None:
    if any(target._tracked for target in targets):
        raise InPlaceRecordedError(
            "in-place operations (+=, -=, x[:]=, out=) are not possible on an array that takes part in the "
            "computation being recorded by autograd.record()",
            op=op.name,
        )


NDArray_: Any = None
"""The NDArray class, set by ndarray.py, which imports this module."""


def row(name: str) -> Op:
    """A row of the catalogue by its canonical name."""
    return OPS[name]
