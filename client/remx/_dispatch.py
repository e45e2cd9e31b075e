"""Dispatch: the one path of every op, from arrays and attributes to numbers in the session's queue.

What can be known once is kept in a plan: the op with its attributes under a spec id, and the specs of the
outputs. A plan is found by (op, attributes, input specs), so a training loop does no inference after its
first step.

:func:`invoke` is the general form. :func:`binary`, :func:`unary`, :func:`with_scalar` and :func:`binary_into`
are the same for the calls that programs are full of; they only leave out what these calls do not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from remx_contract import codec
from remx_contract.attributes import FLOAT, spell
from remx_contract.errors import (
    ArgumentError,
    DTypeError,
    InPlaceRecordedError,
    SessionError,
    ShapeError,
    ValueRangeError,
)
from remx_contract.infer import infer
from remx_contract.op import Attrs, Op
from remx_contract.spec import TensorSpec
from remx_contract.v1 import stream_pb2

from ._current import current
from ._session import Session, next_handle
from ._sites import site
from ._state import STATE
from .context import Context, current_context

if TYPE_CHECKING:
    from .ndarray import NDArray

MAX_PLANS: Final = 20_000
"""Plans that a session keeps before it starts anew; ever new shapes would fill the memory otherwise."""
BIG_BYTES: Final = 1 << 20
"""Before an op with a result of this size, dropped arrays are released at once, not at the batch's end."""

RECORDING: Final = codec.RECORDING
WRITING: Final = codec.WRITING

_NOTHING: Final[Mapping[str, object]] = {}

_SPELLED: Final = (int, float, bool, str, type(None))
"""Values that are shown in a history as they were given; others are shown as they were understood."""

_new_spec_id: Final = count(1).__next__


class SpecRef:
    """An op with attributes under a spec id. When the last plan that uses it is gone, so is the server's."""

    __slots__ = ("__weakref__", "attrs", "number", "op", "session")

    def __init__(
        self,
        session: Session,
        op: Op,
        attrs: Attrs,
        inputs: int,
        context: Context | None,
        spelled: Mapping[str, str],
    ) -> None:
        self.session = session
        self.op = op
        self.attrs = attrs
        self.number = _new_spec_id()
        define = stream_pb2.Define(
            spec_id=self.number,
            op=op.name,
            attributes=codec.attributes_to_messages(op.changed(attrs)),
            inputs=inputs,
            spelled=spelled,
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
    out_spec : TensorSpec or None
        The first of them.
    context : Context or None
        Where the outputs go; None for the first input's context.
    big : bool
        Whether a result is large.
    """

    __slots__ = ("big", "context", "head", "out_spec", "out_specs", "ref")

    def __init__(self, ref: SpecRef, out_specs: tuple[TensorSpec, ...], context: Context | None) -> None:
        self.ref = ref
        self.head = ref.number << codec.SPEC_SHIFT | codec.INVOKE
        self.out_specs = out_specs
        self.out_spec: Any = out_specs[0] if out_specs else None
        self.context = context
        self.big = any(spec.nbytes >= BIG_BYTES for spec in out_specs)


def _make_plan(
    session: Session,
    op: Op,
    inputs: Sequence[NDArray],
    attrs: Attrs,
    context: Context | None,
    key: Any,
    given: Mapping[str, object] = _NOTHING,
) -> Plan:
    """Infer, define the spec if it is new, and keep the plan under ``key`` unless that is None."""
    specs = [array._spec for array in inputs]
    out_specs = infer(op, specs, attrs)[: op.output_count(attrs)]
    if context is not None:
        session.check_context(context)
    static = tuple((attr.name, _typed(attrs[attr.name])) for attr in op.static)
    spelled = _spelled(op, given, attrs) if given else {}
    ref_key = (op, len(specs), context, static, *spelled.items())
    ref = session.spec_refs.get(ref_key)
    if ref is None:
        ref = session.spec_refs[ref_key] = SpecRef(session, op, attrs, len(specs), context, spelled)
    plan = Plan(ref, out_specs, context)
    if key is not None:
        if len(session.plans) >= MAX_PLANS:
            session.plans.clear()
        session.plans[key] = plan
    return plan


def _check_session(inputs: Sequence[NDArray], session: Session) -> None:
    if any(array._session is not session for array in inputs):
        raise SessionError(
            "arrays of different sessions cannot be used together: what was made before mx.connect() "
            "belongs to "
            "the session before it"
        )


def _plain_plan(session: Session, op: Op, inputs: Sequence[NDArray]) -> Plan:
    """The plan of a call without attributes, per-call ones aside."""
    _check_session(inputs, session)
    key = (op, *[array._spec for array in inputs])
    plan = session.plans.get(key)
    if plan is None:
        placeholders = {attr.name: 0 for attr in op.per_call}
        plan = _make_plan(session, op, inputs, op.parse(placeholders), None, key)
    return plan


def _spelled(op: Op, given: Mapping[str, object], attrs: Attrs) -> dict[str, str]:
    """The attributes as the user spelled them, where a history would spell them otherwise."""
    texts = {}
    for name, value in given.items():
        kind = attrs[name].__class__
        plain = value if value.__class__ is list or value.__class__ is tuple else (value,)
        if issubclass(kind, np.dtype) or not all(item.__class__ in _SPELLED for item in plain):  # type: ignore[attr-defined]
            texts[name] = spell(attrs[name])
        else:
            texts[name] = str(value)
    usual = {name: spell(value) for name, value in op.changed(attrs).items()}
    return {} if texts == usual else texts


def _typed(value: Any) -> Any:
    """A value as part of a key: 1, 1.0 and True are different attributes, and so are 0.0 and -0.0."""
    if value.__class__ is tuple:
        return tuple([_typed(item) for item in value])
    if value.__class__ is float:
        return repr(value)
    return value.__class__, value


def _attrs_key(attrs: Mapping[str, object]) -> Any:
    """Attributes as a user gave them, as a key for plans; None where they cannot be one."""
    if not attrs:
        return ()
    key = tuple([(name, _typed(value)) for name, value in attrs.items()])
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

    Returns
    -------
    NDArray, list of NDArray or None
        One array, a list where the op has several outputs, None where it has none.

    Raises
    ------
    MXNetError
        For whatever is wrong with the call itself, before anything is sent.
    """
    if inputs:
        session = inputs[0]._session
        _check_session(inputs, session)
    else:
        session = current()
        if context is None:
            context = current_context()
    parsed: Attrs | None = None
    static = given
    if op.per_call:
        parsed = op.parse(given)
        static = {name: value for name, value in given.items() if not op.attr_of[name].per_call}
    attrs_key = _attrs_key(static)
    plan = key = None
    if attrs_key is not None:
        key = (op, attrs_key, context, *[array._spec for array in inputs])
        plan = session.plans.get(key)
    if plan is None:
        plan = _make_plan(session, op, inputs, parsed or op.parse(given), context, key, static)
    words = [array._handle for array in inputs]
    if parsed is not None:
        for attr in op.per_call:
            value = parsed[attr.name]
            words.append(codec.float_to_word(value) if attr.type is FLOAT else codec.int_to_word(value))
    if op.random:
        words.append(STATE.random_stream)
    return _issue(session, plan, inputs, words, out)


def _issue(
    session: Session,
    plan: Plan,
    inputs: Sequence[NDArray],
    words: list[int],
    out: NDArray | Sequence[NDArray] | None,
) -> Any:
    """Queue the invoke of a plan with its input handles and per-call words; see :func:`invoke`."""
    mode = STATE.mode
    tracked = 0
    if mode & RECORDING:
        for array in inputs:
            tracked |= array._tracked
        op = plan.ref.op
        if op.mutates:
            # What an op writes in place must not be part of the recorded computation; nor what it writes
            # there, if it does nothing else.
            _refuse_tracked(op, [inputs[k] for k in op.mutated(len(inputs))] if plan.out_specs else inputs)
    if plan.big and session.dead:
        session.release_now()
    if out is not None:
        targets: list[NDArray] = list(out) if isinstance(out, (list, tuple)) else [out]  # type: ignore[list-item]
        _check_targets(plan, targets, mode, tracked)
        handles = [target._handle for target in targets]
        session.extend((plan.head | mode | WRITING, site(4), *words, *handles))
        results = targets
    else:
        context = plan.context or inputs[0]._context
        handles = [next_handle() for _ in plan.out_specs]
        session.extend((plan.head | mode, site(4), *words, *handles))
        results = [
            new_array(session, handle, spec, context, tracked)
            for handle, spec in zip(handles, plan.out_specs, strict=True)
        ]
    session.ops += 1
    if len(session.code) >= session.limit:
        session.flush()
    if out is not None:
        return out
    if not results:
        return None
    return results[0] if len(results) == 1 else results


def _check_targets(plan: Plan, targets: Sequence[NDArray], mode: int, tracked: int) -> None:
    """Whether results can be written into these arrays."""
    op = plan.ref.op
    if len(targets) != len(plan.out_specs):
        raise ArgumentError(
            op=op.name, argument="out", got=f"{len(targets)} arrays", expected=str(len(plan.out_specs))
        )
    _check_session(targets, plan.ref.session)
    for target, spec in zip(targets, plan.out_specs, strict=True):
        if target.__class__ is not new_array and not target.writable:
            raise ValueRangeError("trying to write to a readonly NDArray", op=op.name, argument="out")
        if target._spec is not spec:
            error = ShapeError if target._spec.shape != spec.shape else DTypeError
            raise error(op=op.name, argument="out", got=f"an array of {target._spec}", expected=f"{spec}")
    if mode & RECORDING:
        _refuse_tracked(op, targets)
        for target in targets:
            target._tracked = tracked


def _refuse_tracked(op: Op, arrays: Iterable[NDArray]) -> None:
    for array in arrays:
        if array._tracked and array._takes_part():
            raise InPlaceRecordedError(
                "in-place operations (+=, -=, x[:]=, x[i]=, out=) are not possible on an array that takes "
                "part in the computation being recorded by autograd.record()",
                op=op.name,
            )


def unary(op: Op, data: NDArray) -> NDArray:
    """Issue an op of one input and output without attributes."""
    session = data._session
    plan = session.plans.get((op, data._spec)) or _plain_plan(session, op, (data,))
    mode = STATE.mode
    if plan.big and session.dead:
        session.release_now()
    handle = next_handle()
    session.extend((plan.head | mode, site(3), data._handle, handle))
    session.ops += 1
    if len(session.code) >= session.limit:
        session.flush()
    return new_array(session, handle, plan.out_spec, data._context, mode & RECORDING and data._tracked)


def binary(op: Op, lhs: NDArray, rhs: NDArray) -> NDArray:
    """Issue an op of two inputs and one output without attributes."""
    session = lhs._session
    plan = session.plans.get((op, lhs._spec, rhs._spec))
    if plan is None or rhs._session is not session:
        plan = _plain_plan(session, op, (lhs, rhs))
    mode = STATE.mode
    if plan.big and session.dead:
        session.release_now()
    handle = next_handle()
    session.extend((plan.head | mode, site(3), lhs._handle, rhs._handle, handle))
    session.ops += 1
    if len(session.code) >= session.limit:
        session.flush()
    tracked = mode & RECORDING and lhs._tracked | rhs._tracked
    return new_array(session, handle, plan.out_spec, lhs._context, tracked)


def with_scalar(op: Op, data: NDArray, scalar: float) -> NDArray:
    """Issue an op of one input whose only attribute is a per-call scalar."""
    session = data._session
    plan = session.plans.get((op, data._spec)) or _plain_plan(session, op, (data,))
    mode = STATE.mode
    if plan.big and session.dead:
        session.release_now()
    handle = next_handle()
    session.extend((plan.head | mode, site(3), data._handle, codec.float_to_word(float(scalar)), handle))
    session.ops += 1
    if len(session.code) >= session.limit:
        session.flush()
    return new_array(session, handle, plan.out_spec, data._context, mode & RECORDING and data._tracked)


def binary_into(op: Op, lhs: NDArray, rhs: NDArray) -> NDArray:
    """``lhs op= rhs``."""
    session = lhs._session
    plan = session.plans.get((op, lhs._spec, rhs._spec))
    if plan is None or rhs._session is not session:
        plan = _plain_plan(session, op, (lhs, rhs))
    return _issue_into(session, plan, lhs, rhs._handle, rhs._tracked)


def scalar_into(op: Op, lhs: NDArray, scalar: float) -> NDArray:
    """``lhs op= scalar``."""
    session = lhs._session
    plan = session.plans.get((op, lhs._spec)) or _plain_plan(session, op, (lhs,))
    return _issue_into(session, plan, lhs, codec.float_to_word(float(scalar)), 0)


def _issue_into(session: Session, plan: Plan, lhs: NDArray, word: int, tracked: int) -> NDArray:
    mode = STATE.mode
    if plan.out_spec is not lhs._spec or mode & RECORDING:
        _check_targets(plan, (lhs,), mode, tracked)
    handle = lhs._handle
    session.extend((plan.head | mode | WRITING, site(4), handle, word, handle))
    session.ops += 1
    if len(session.code) >= session.limit:
        session.flush()
    return lhs


new_array: Callable[..., NDArray] = None  # type: ignore[assignment]
"""The NDArray class, set by ndarray.py, which imports this module."""
