"""``autograd.Function``: ops whose forward and backward are the user's Python, in this process.

Forward runs unrecorded, and a ``Record`` command puts the whole of it on the server's tape as one node. When
a backward pass comes to the node, it pauses there and the server sends a ``Call``; the thread that asked for
the pass runs backward, whose ops are ordinary commands, and resumes the pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from typing import Any, Final

from remx_contract import codec
from remx_contract.errors import (
    InPlaceRecordedError,
    MXNetError,
    NotAnArrayError,
    PreconditionError,
    ValueRangeError,
)
from remx_contract.spec import TensorSpec
from remx_contract.v1 import stream_pb2

from . import _dispatch
from ._marks import CALLING, TRACKED
from ._session import Session, next_handle
from ._sites import site
from ._state import STATE
from .context import Context
from .ndarray import NDArray

_new_number: Final = count(1).__next__

Place = tuple[TensorSpec, Context]
"""Of what form an array is, and where."""


class Function:
    """An op with a gradient of one's own: subclass it, and write ``forward`` and ``backward``.

    An instance is for one call. Attributes that ``forward`` sets on it are there in ``backward``, which runs
    in this process too, in the thread that called ``autograd.backward`` or ``grad``. A backward pass pauses
    for it, which takes one round trip to the server for each Function (``mx.stats().pauses``).

    Attributes
    ----------
    saved_tensors : tuple of NDArray
        What ``forward`` gave to :meth:`save_for_backward`.

    Notes
    -----
    As in MXNet, but that gradients of ``grad_req='add'`` arrive too, that inputs may be anything (no gradient
    goes to what is not an NDArray), that a gradient may be None, which stands for zeros, and that what
    ``backward`` does can be differentiated again where the pass has ``create_graph``.

    Examples
    --------
    >>> class Swish(mx.autograd.Function):
    ...     def forward(self, x):
    ...         gate = mx.nd.sigmoid(x)
    ...         self.save_for_backward(x, gate)
    ...         return x * gate
    ...
    ...     def backward(self, dy):
    ...         x, gate = self.saved_tensors
    ...         return dy * (gate + x * gate * (1 - gate))
    >>> x = mx.nd.array([-1, 0, 2])
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = Swish()(x)
    >>> y.backward()
    """

    _used = False
    _input_places: Sequence[Place | None] = ()
    _output_places: Sequence[Place] = ()
    saved_tensors: tuple[NDArray, ...] = ()

    def save_for_backward(self, *args: NDArray) -> None:
        """Keep arrays for ``backward``, which finds them in ``saved_tensors``."""
        self.saved_tensors = args

    def forward(self, *inputs: Any) -> NDArray | Sequence[NDArray]:
        """Compute the outputs; what it does is not recorded."""
        raise NotImplementedError

    def backward(self, *output_grads: Any) -> NDArray | Sequence[NDArray | None]:
        """Compute the gradients of forward's arguments, one for each, from those of its outputs."""
        raise NotImplementedError

    def __call__(self, *inputs: Any) -> Any:
        """Run ``forward``, and record it if the thread is recording.

        Returns
        -------
        NDArray, tuple or list
            What ``forward`` returned.

        Raises
        ------
        AssertionError
            For an instance that was called before.
        MXNetError
            If ``forward`` returns something else than new NDArrays.
        """
        if self._used:
            raise PreconditionError(
                "Each Function instance can only be called once. Please create another instance.",
                op=type(self).__name__,
            )
        self._used = True
        mode = STATE.mode
        STATE.mode = mode & ~codec.RECORDING
        try:
            outputs = self.forward(*inputs)
        finally:
            STATE.mode = mode
        if mode & codec.RECORDING:
            self._record(inputs, outputs)
        return outputs

    def _record(self, arguments: tuple[Any, ...], returned: Any) -> None:
        """Put this call on the tape, if one of its inputs is tracked."""
        inputs = [value for value in arguments if isinstance(value, NDArray)]
        outputs = list(returned) if isinstance(returned, (tuple, list)) else [returned]
        self._check_outputs(inputs, outputs)
        bits = 0
        for array in inputs:
            bits |= array._tracked
        if not bits & (TRACKED | CALLING):
            return
        session = inputs[0]._session
        _dispatch._check_session([*inputs, *outputs], session)
        # The arrays themselves are the user's to keep.
        self._input_places = [_place(value) if isinstance(value, NDArray) else None for value in arguments]
        self._output_places = [_place(array) for array in outputs]
        number = _new_number()
        session.functions[number] = self
        record = stream_pb2.Record(
            function=number,
            inputs=[array._handle for array in inputs],
            outputs=[array._handle for array in outputs],
            site=site(3),
        )
        session.command(stream_pb2.Command(record=record))
        for array in outputs:
            array._tracked = bits | TRACKED | CALLING

    def _check_outputs(self, inputs: Sequence[NDArray], outputs: Sequence[Any]) -> None:
        name = type(self).__name__
        if not outputs:
            raise NotAnArrayError(op=name, got="no output of forward", expected="an NDArray or several")
        for output in outputs:
            if not isinstance(output, NDArray):
                raise NotAnArrayError(
                    op=name,
                    got=f"a {type(output).__name__} from forward",
                    expected="an NDArray (make it one with nd.array())",
                )
            if output._tracked or any(output._handle == array._handle for array in inputs):
                raise InPlaceRecordedError(
                    "forward returned an array that it was given, or that is part of a recorded computation; "
                    "return a copy of it",
                    op=name,
                )

    def _gradients(self, taken: Sequence[NDArray]) -> list[NDArray | None]:
        """What ``backward`` returns for the inputs that are arrays, with their shapes and dtypes."""
        returned: Any = self.backward(*taken)
        gradients = [returned] if isinstance(returned, NDArray) else returned
        name = f"{type(self).__name__}.backward"
        if not isinstance(gradients, (tuple, list)):
            raise NotAnArrayError(
                op=name, got=f"a {type(returned).__name__}", expected="an NDArray, or a tuple of them"
            )
        if len(gradients) != len(self._input_places):
            raise PreconditionError(
                "it must return exactly as many gradients as forward has arguments",
                op=name,
                got=f"{len(gradients)}",
                expected=f"{len(self._input_places)}",
            )
        fitted: list[NDArray | None] = []
        for argument, gradient in zip(self._input_places, gradients, strict=True):
            if gradient is not None and not isinstance(gradient, NDArray):
                raise NotAnArrayError(
                    op=name, got=f"a {type(gradient).__name__} as a gradient", expected="an NDArray or None"
                )
            if argument is not None:
                fitted.append(None if gradient is None else _fitted(gradient, *argument))
        return fitted


def _place(array: NDArray) -> Place:
    return array._spec, array._context


def _fitted(gradient: NDArray, spec: TensorSpec, context: Context) -> NDArray:
    """A gradient with its input's dtype, shape and place, as an assignment to a part of it would make it."""
    if gradient._spec.dtype != spec.dtype:
        gradient = gradient.astype(spec.dtype)
    if gradient._spec.shape != spec.shape:
        gradient = gradient.broadcast_to(spec.shape)
    return gradient.as_in_context(context)


class _Taken(NDArray):
    """The gradient of a Function's output, as ``backward`` gets it; the pass may use its memory too."""

    __slots__ = ("_is_own",)
    _is_own: bool

    @property
    def writable(self) -> bool:
        """Whether the memory is the array's own."""
        return getattr(self, "_is_own", False)

    def _refuse(self, other: Any) -> NDArray:
        raise ValueRangeError("trying to change a readonly NDArray in place; work on a copy of it")

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __imod__ = _refuse

    def __setitem__(self, key: Any, value: Any) -> None:
        if not self.writable:
            # MXNet lets an assignment pass; here it goes to memory of the array's own.
            mode, STATE.mode = STATE.mode, 0
            try:
                copy = self.copy()
            finally:
                STATE.mode = mode
            self._handle, copy._handle = copy._handle, self._handle
            self._is_own = True
        super().__setitem__(key, value)


def run_pass(session: Session, message: stream_pb2.Backward, tracked: int) -> None:
    """Send a backward pass, and run the Functions that it comes to.

    Parameters
    ----------
    session : Session
    message : Backward
        Without its request.
    tracked : int
        The bits that the pass's own results get.

    Raises
    ------
    Exception
        What a Function's backward raised; the pass is over then, and has changed no gradient.
    """
    mode = (codec.RECORDING if message.create_graph else 0) | (codec.TRAINING if message.train_mode else 0)
    waiter = session.waiters.new()
    message.request = waiter.number
    try:
        session.command(stream_pb2.Command(backward=message))
        while True:
            answer = session.receive(waiter)
            if isinstance(answer, stream_pb2.Reply):
                return
            _run(session, answer, mode, tracked)
            if answer.last:
                return
    finally:
        session.waiters.drop(waiter)


def _run(session: Session, call: stream_pb2.Call, mode: int, tracked: int) -> None:
    """Run the backward of the Function that a pass has come to, and resume the pass."""
    before, STATE.mode = STATE.mode, mode
    try:
        function = session.functions[call.function]
        handles = [next_handle() for _ in function._output_places]
        session.command(stream_pb2.Command(take=stream_pb2.Take(call=call.call, handles=handles)))
        taken = [
            _Taken(session, handle, spec, context, tracked)
            for handle, (spec, context) in zip(handles, function._output_places, strict=True)
        ]
        gradients = function._gradients(taken)
        _dispatch._check_session([array for array in gradients if array is not None], session)
    except BaseException:
        with suppress(MXNetError):
            session.command(stream_pb2.Command(resume=stream_pb2.Resume(call=call.call, failed=True)))
            session.flush()
        raise
    finally:
        STATE.mode = before
    resume = stream_pb2.Resume(
        call=call.call, gradients=[0 if array is None else array._handle for array in gradients]
    )
    session.command(stream_pb2.Command(resume=resume))
    session.flush()
