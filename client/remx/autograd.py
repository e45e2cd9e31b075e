"""Automatic differentiation: MXNet's ``autograd``, with the tape on the server.

What is recorded inside :func:`record` stays on the server; :func:`backward` and :func:`grad` are one command
each and wait for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from remx_contract import codec
from remx_contract.errors import (
    GraphFreedError,
    NotAnArrayError,
    NotDifferentiableError,
    PreconditionError,
    ShapeError,
)
from remx_contract.v1 import stream_pb2

from . import _dispatch
from ._current import current
from ._custom import Function, run_pass
from ._marks import CALLING, TRACKED, mark
from ._session import next_handle
from ._sites import site
from ._state import STATE
from ._summary import TapeSummary
from .ndarray import NDArray
from .symbol import Symbol
from .symbol._history import head_of

__all__ = [
    "Function",
    "backward",
    "get_symbol",
    "grad",
    "is_recording",
    "is_training",
    "mark_variables",
    "pause",
    "predict_mode",
    "record",
    "set_recording",
    "set_training",
    "tape_summary",
    "train_mode",
]

_RECORDING, _TRAINING = codec.RECORDING, codec.TRAINING

Arrays = NDArray | Sequence[NDArray]
Gradients = NDArray | Sequence[NDArray | None] | None


def _set(bit: int, on: bool) -> bool:
    before = bool(STATE.mode & bit)
    STATE.mode = STATE.mode | bit if on else STATE.mode & ~bit
    return before


def set_recording(is_recording: bool) -> bool:
    """Turn recording on or off for this thread; returns what it was."""
    return _set(_RECORDING, is_recording)


def set_training(train_mode: bool) -> bool:
    """Turn training mode on or off for this thread; returns what it was."""
    return _set(_TRAINING, train_mode)


def is_recording() -> bool:
    """Whether this thread is recording."""
    return bool(STATE.mode & _RECORDING)


def is_training() -> bool:
    """Whether this thread is in training mode."""
    return bool(STATE.mode & _TRAINING)


class _Scope:
    """A ``with`` block in which some mode bits of the thread are set or cleared.

    At its end it turns back the bits that it has turned, and no others: what ``set_recording`` and
    ``set_training`` did to those inside stays.
    """

    def __init__(self, recording: bool | None, training: bool | None) -> None:
        self._bits = 0
        self._on = 0
        for bit, on in ((_RECORDING, recording), (_TRAINING, training)):
            if on is not None:
                self._bits |= bit
                self._on |= bit if on else 0
        self._turned: list[int] = []

    def __enter__(self) -> None:
        self._turned.append((STATE.mode ^ self._on) & self._bits)
        STATE.mode = STATE.mode & ~self._bits | self._on

    def __exit__(self, *exception: object) -> None:
        turned = self._turned.pop()
        STATE.mode = STATE.mode & ~turned | turned & ~self._on


def record(train_mode: bool = True) -> _Scope:
    """A ``with`` block whose ops are recorded, in training mode unless told otherwise.

    Examples
    --------
    >>> with autograd.record():
    ...     loss = model(x)
    >>> loss.backward()
    """
    return _Scope(True, train_mode)


def pause(train_mode: bool = False) -> _Scope:
    """A ``with`` block whose ops are not recorded, not in training mode unless told otherwise."""
    return _Scope(False, train_mode)


def train_mode() -> _Scope:
    """A ``with`` block in training mode; recording stays as it is."""
    return _Scope(None, True)


def predict_mode() -> _Scope:
    """A ``with`` block out of training mode; recording stays as it is."""
    return _Scope(None, False)


def mark_variables(variables: Arrays, gradients: Arrays, grad_reqs: str | Sequence[str] = "write") -> None:
    """Make arrays variables, whose gradients backward passes leave in the given arrays.

    Parameters
    ----------
    variables, gradients : NDArray, or lists of the same length
        A gradient may be a view of other memory, and several variables may share one.
    grad_reqs : str or list of str
        ``"write"``, ``"add"`` or ``"null"`` for each.

    Raises
    ------
    AssertionError
        For lists of different lengths.
    KeyError
        For any other request.
    MXNetError
        For a gradient of another shape or dtype than its variable's.
    """
    if isinstance(variables, NDArray) != isinstance(gradients, NDArray):
        raise PreconditionError(
            "variables and gradients must be two arrays or two lists", op="mark_variables"
        )
    several, places = _list(variables), _list(gradients)
    requests = [grad_reqs] * len(several) if isinstance(grad_reqs, str) else list(grad_reqs)
    if not len(several) == len(places) == len(requests):
        raise PreconditionError(
            op="mark_variables",
            got=f"{len(several)} variables, {len(places)} gradients, {len(requests)} requests",
            expected="equally many",
        )
    if several:
        mark(several, places, requests)


def _list(arrays: Arrays) -> list[NDArray]:
    return [arrays] if isinstance(arrays, NDArray) else list(arrays)


def _check_heads(heads: list[NDArray], given: Gradients) -> list[NDArray | None]:
    """The head gradients as a list, after a look at what can be known here."""
    if not heads:
        raise NotDifferentiableError(op="backward", argument="heads", got="no array", expected="at least one")
    if given is None:
        gradients: list[NDArray | None] = []
    else:
        gradients = [given] if isinstance(given, NDArray) else list(given)
        if len(gradients) != len(heads):
            raise PreconditionError("heads and head_grads must be lists of the same length", op="backward")
    for head in heads:
        if head._tracked & TRACKED:
            continue
        if getattr(head, "_freed", False):
            raise GraphFreedError(
                "the graph was freed by an earlier backward pass; pass retain_graph=True to that one",
                op="backward",
            )
        raise NotDifferentiableError(
            "Cannot differentiate node because it is not in a computational graph; compute it inside "
            "autograd.record() from arrays with attach_grad()"
        )
    for head, gradient in zip(heads, gradients, strict=False):
        if gradient is not None and gradient._spec is not head._spec:
            raise ShapeError(
                op="backward", argument="head_grads", got=f"{gradient._spec}", expected=f"{head._spec}"
            )
    return gradients


def _message(
    heads: list[NDArray], head_grads: Gradients, retain_graph: bool, create_graph: bool, train_mode: bool
) -> stream_pb2.Backward:
    gradients = _check_heads(heads, head_grads)
    arrays = [*heads, *(gradient for gradient in gradients if gradient is not None)]
    _dispatch._check_session(arrays, heads[0]._session)
    return stream_pb2.Backward(
        heads=[head._handle for head in heads],
        head_gradients=[0 if gradient is None else gradient._handle for gradient in gradients],
        retain_graph=retain_graph,
        create_graph=create_graph,
        train_mode=train_mode,
        site=site(3),
    )


def backward(
    heads: Arrays, head_grads: Gradients = None, retain_graph: bool = False, train_mode: bool = True
) -> None:
    """Compute the gradients of the variables that the heads were computed from, into their ``grad``.

    Parameters
    ----------
    heads : NDArray or list of NDArray
    head_grads : NDArray, or list of NDArray and None, optional
        The heads' own gradients; ones by default.
    retain_graph : bool
        Keep what was recorded for another pass.
    train_mode : bool
        Whether ops that differ in training do so in the pass.

    Raises
    ------
    MXNetError
        At the call, if a head is not part of a recorded computation; at the next read of a gradient, for what
        fails on the server.
    """
    several = _list(heads)
    message = _message(several, head_grads, retain_graph, False, train_mode)
    _send(several, message, retain_graph)


def _send(heads: list[NDArray], message: stream_pb2.Backward, retain_graph: bool) -> None:
    """Send a pass; waits for nothing, unless there is a Function to run on the way."""
    bits = 0
    for head in heads:
        bits |= head._tracked
    session = heads[0]._session
    if session.dead:
        # A pass makes arrays, large ones perhaps: what was dropped is to be gone before.
        session.release_now()
    try:
        if bits & CALLING:
            run_pass(session, message, bits if message.create_graph else 0)
        else:
            session.command(stream_pb2.Command(backward=message))
    finally:
        if not retain_graph:
            _forget(heads)


def _forget(heads: list[NDArray]) -> None:
    """The graph of these heads is freed: another pass from one of them is an error at the call."""
    for head in heads:
        if head.grad is None:
            head._tracked = 0
            head._freed = True


def get_symbol(x: NDArray) -> Symbol:
    """What was recorded to compute an array, as a symbol; waits for the server.

    Variables are called ``var0`` and so on, arrays that were not part of the computation ``null1``, ops
    ``node_0``, with numbers that count up in the session.

    Parameters
    ----------
    x : NDArray

    Raises
    ------
    NotDifferentiableError
        If the array is not part of a recorded computation.
    GraphFreedError
        If a backward pass has freed a part of it.
    LimitError
        If it is too long.
    """
    if not isinstance(x, NDArray):
        raise NotAnArrayError(f"get_symbol takes an NDArray, not {type(x)}", op="get_symbol")
    (reply,) = x._session.ask(
        lambda number: stream_pb2.Command(history=stream_pb2.History(request=number, handle=x._handle))
    )
    return Symbol([head_of(reply.graph)])


def grad(
    heads: Arrays,
    variables: Arrays,
    head_grads: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    train_mode: bool = True,
) -> list[NDArray]:
    """The gradients of variables as new arrays; their ``grad`` stays as it is.

    Parameters
    ----------
    heads, variables : NDArray or list of NDArray
    head_grads : NDArray, or list of NDArray and None, optional
        The heads' own gradients; ones by default.
    retain_graph : bool, optional
        Keep what was recorded for another pass; by default what ``create_graph`` is.
    create_graph : bool
        Record the pass itself, so that its results can be differentiated.
    train_mode : bool
        Whether ops that differ in training do so in the pass.

    Returns
    -------
    list of NDArray
        One for each variable, in a list also where one variable was given.

    Raises
    ------
    AssertionError
        For an empty list of variables.
    MXNetError
        At the call, for a variable without ``attach_grad`` and what :func:`backward` refuses; at the next
        read of a result, for what fails on the server, and for a variable that the heads do not depend on.
    """
    several, wanted = _list(heads), _list(variables)
    if not wanted:
        raise PreconditionError(op="grad", argument="variables", got="none", expected="at least one")
    for variable in wanted:
        if variable.grad is None or not variable._tracked & TRACKED:
            raise NotDifferentiableError(
                op="grad", argument="variables", got="an array without attach_grad()", expected="variables"
            )
    retain = create_graph if retain_graph is None else retain_graph
    message = _message(several, head_grads, retain, create_graph, train_mode)
    session = several[0]._session
    _dispatch._check_session(wanted, session)
    handles = [next_handle() for _ in wanted]
    message.variables.extend(variable._handle for variable in wanted)
    message.outputs.extend(handles)
    bits = 0
    if create_graph:
        for head in several:
            bits |= head._tracked
    gradients = [
        NDArray(session, handle, variable._spec, variable._context, bits)
        for handle, variable in zip(handles, wanted, strict=True)
    ]
    _send(several, message, retain)
    return gradients


def tape_summary() -> TapeSummary:
    """What the tape keeps: how many nodes, and the bytes of the values that they saved, by op and line.

    Printed, it is a table. Waits for the server. MXNet has nothing like it.
    """
    session = current()
    # What was dropped so far is to be gone; releases else ride behind the commands.
    session.release_now()
    (reply,) = session.ask(lambda number: stream_pb2.Command(summarize=stream_pb2.Summarize(request=number)))
    return TapeSummary.of(reply.summary)
