"""The backward passes of a session, and the calls in which they wait for the client.

A pass runs at once, up to its end or to a Function of the client. There it is put aside under the number of a
call, the client is told, and the session goes on with the commands that come; they take the gradients that
have arrived, compute those that are asked for, and resume the pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

from remx_contract.errors import FunctionTimeoutError, MXNetError, NotDifferentiableError, ProtocolError
from remx_contract.status import to_failure
from remx_contract.v1 import stream_pb2

from .backward import Pass, Pause
from .classifying import classify
from .tape import Overwritten, leaves
from .value import Failed, Value, healthy

if TYPE_CHECKING:
    from .session import Session


class _Running:
    """A pass that was begun, with the command that asked for it.

    Attributes
    ----------
    pause : Pause
        Where it waits, if it does.
    deadline : float
        Until when, by ``time.monotonic``.
    answered : bool
        Whether the client was told that nothing more will come from this pass.
    """

    def __init__(self, message: stream_pb2.Backward, heads: list[Value], variables: list[Value] | None):
        self.message = message
        self.heads = heads
        self.variables = variables
        self.steps: Pass
        self.pause: Pause
        self.deadline = 0.0
        self.answered = not message.request


class Calls:
    """Runs one session's backward passes, on the session's thread.

    Parameters
    ----------
    session : Session
    seconds : float
        How long a pass waits for the client.
    """

    def __init__(self, session: Session, seconds: float) -> None:
        self._session = session
        self._seconds = seconds
        self._numbers = count(1)
        # By the numbers of their calls; the oldest first, since all wait for the same time.
        self._waiting: dict[int, _Running] = {}

    def begin(self, message: stream_pb2.Backward) -> None:
        """Begin the pass that a command asks for."""
        session = self._session
        if message.head_gradients and len(message.head_gradients) != len(message.heads):
            raise ProtocolError("a backward pass has neither one head gradient for each head nor none")
        if len(message.variables) != len(message.outputs):
            raise ProtocolError("a backward pass has not one output for each variable")
        heads = [session.value(handle) for handle in message.heads]
        given: list[Value | None] = [None] * len(heads)
        if message.head_gradients:
            given = [session.value(handle) if handle else None for handle in message.head_gradients]
        variables = [session.value(handle) for handle in message.variables] if message.outputs else None
        running = _Running(message, heads, variables)

        def start() -> Pause | None:
            for value in (*heads, *given, *(variables or ())):
                if value is not None:
                    healthy(value)
            session.admit(len(message.outputs))
            if session.spills.count:
                session.spills.bring_graph((*heads, *given))
            running.steps = Pass(
                session.executor,
                heads,
                given,
                variables,
                retain_graph=message.retain_graph,
                create_graph=message.create_graph,
                train_mode=message.train_mode,
            )
            return running.steps.advance()

        self._go_on(running, start)

    def take(self, message: stream_pb2.Take) -> None:
        """Give handles to the gradients that a call was made with."""
        session = self._session
        running = self._waiting.get(message.call)
        if running is None:
            # It has ended meanwhile, for which the client cannot be blamed.
            failure = session.fail(self._too_late(), 0)
            for handle in message.handles:
                session.new(handle, Value.failed(failure, None, session.devices.cpu))
            return
        gradients = running.pause.gradients
        if len(message.handles) != len(gradients):
            raise ProtocolError(f"call {message.call} has {len(gradients)} gradients")
        for handle, gradient in zip(message.handles, gradients, strict=True):
            # Values of the client's own, on which it can attach what it likes; the memory is the same.
            taken = Value(gradient.data, gradient.spec, gradient.backend, gradient.producer, gradient.index)
            taken.base = gradient.memory
            session.new(handle, taken)

    def resume(self, message: stream_pb2.Resume) -> None:
        """Go on with the pass that waits in a call."""
        running = self._waiting.get(message.call)
        if running is None:
            return
        inputs = len(running.pause.node.edges)
        if not message.failed and len(message.gradients) != inputs:
            raise ProtocolError(f"call {message.call} is answered with {inputs} gradients")
        reply = [self._session.value(handle) if handle else None for handle in message.gradients]
        del self._waiting[message.call]
        if message.failed:
            running.steps.stop()
            return

        def go_on() -> Pause | None:
            try:
                for value in reply:
                    if value is not None:
                        healthy(value)
                if self._session.spills.count:
                    self._session.spills.bring_graph((*running.heads, *reply))
            except MXNetError:
                running.steps.stop()
                raise
            return running.steps.advance(reply)

        self._go_on(running, go_on)

    def _go_on(self, running: _Running, step: Callable[[], Pause | None]) -> None:
        """Run a pass to its next pause or its end, and tell the client what it waits for."""
        try:
            pause = step()
            if pause is not None and (why := self._why_not(running, pause)):
                running.steps.stop()
                raise NotDifferentiableError(op="Function", message=why)
        except Exception as error:
            self._fail(running, error)
        else:
            if pause is not None:
                self._call(running, pause)
                return
            for handle, gradient in zip(running.message.outputs, running.steps.gradients, strict=True):
                self._session.new(handle, gradient)
        if not running.answered:
            reply = stream_pb2.Reply(request=running.message.request, done=True)
            self._session.outbox.put(stream_pb2.Down(reply=reply))

    def _why_not(self, running: _Running, pause: Pause) -> str:
        """Why the client cannot run the Function that a pass has come to; empty where it can."""
        ticket = pause.node.function
        if ticket is not None and ticket.dropped is not self._session.dropped_functions:
            return "it was a client's that has left the session"
        return "the client does not expect it in this backward pass" if running.answered else ""

    def _call(self, running: _Running, pause: Pause) -> None:
        """Put a paused pass aside and call the client."""
        number = next(self._numbers)
        ticket = pause.node.function
        assert ticket is not None
        running.pause = pause
        running.answered = pause.last
        running.deadline = time.monotonic() + self._seconds
        self._waiting[number] = running
        call = stream_pb2.Call(
            request=running.message.request, call=number, function=ticket.number, last=pause.last
        )
        self._session.outbox.put(stream_pb2.Down(call=call))

    def _fail(self, running: _Running, error: Exception) -> None:
        """Spoil what a pass should have computed: its outputs, or the gradients of the leaves it would
        reach."""
        session = self._session
        if isinstance(error, Failed):
            failure = error.failure
        else:
            # The line that recorded the op says more than that of the pass.
            site = error.site if isinstance(error, Overwritten) else running.message.site
            failure = session.fail(classify(error, "backward"), site)
        if running.variables is not None:
            for handle, variable in zip(running.message.outputs, running.variables, strict=True):
                session.new(handle, Value.failed(failure, variable.spec, variable.backend))
            return
        reached = leaves(running.heads)
        for leaf in reached:
            leaf.gradient.spoil(failure)
        if not reached and not running.answered:
            # No array stands for the failure, so that the one who waits has to be told.
            failure.reported = running.answered = True
            reply = stream_pb2.Reply(
                request=running.message.request, failure=to_failure(failure.error, failure.site)
            )
            session.outbox.put(stream_pb2.Down(reply=reply))

    def heads(self) -> list[Value]:
        """The heads of the passes that wait, whose graphs are kept by nothing else perhaps."""
        return [head for running in self._waiting.values() for head in running.heads]

    # Deadlines.

    def seconds_left(self) -> float | None:
        """How long until the next deadline; None while no pass waits."""
        for running in self._waiting.values():
            return max(running.deadline - time.monotonic(), 0.0)
        return None

    def expire(self) -> None:
        """End the passes whose client has not answered in time."""
        now = time.monotonic()
        for number, running in list(self._waiting.items()):
            if running.deadline > now:
                return
            del self._waiting[number]
            running.steps.stop()
            error = self._too_late()
            self._fail(running, error)
            if not running.answered:
                reply = stream_pb2.Reply(request=running.message.request, failure=to_failure(error))
                self._session.outbox.put(stream_pb2.Down(reply=reply))

    def _too_late(self) -> MXNetError:
        return FunctionTimeoutError(
            f"the backward pass was given up: its backward took longer than {self._seconds:g} seconds",
            op="Function",
        )

    def close(self) -> None:
        """Drop the passes that wait; the session is over."""
        for running in self._waiting.values():
            running.steps.stop()
        self._waiting.clear()
