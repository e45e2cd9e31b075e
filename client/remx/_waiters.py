"""Who waits for what of the server: answers by the number of the request."""

from __future__ import annotations

from itertools import count
from queue import SimpleQueue
from typing import Final

from remx_contract.v1 import stream_pb2

next_number: Final = count(1).__next__
"""Requests, transfers and pings are numbered together, uniquely in the process."""

Answer = stream_pb2.Reply | stream_pb2.Call


class Waiter:
    """Somebody who waits: for one Reply, or for the Calls of a backward pass and the Reply at its end.

    Attributes
    ----------
    number : int
        The request's.
    answers : SimpleQueue
        What has come; None when the session is over and nothing will.
    """

    __slots__ = ("answers", "number")

    def __init__(self) -> None:
        self.number = next_number()
        self.answers: SimpleQueue[Answer | None] = SimpleQueue()


class Waiters:
    """All waiters of a session. Answers come on the transport's thread."""

    def __init__(self) -> None:
        self._waiting: dict[int, Waiter] = {}

    def new(self) -> Waiter:
        """A waiter for a request that is about to be sent."""
        waiter = Waiter()
        self._waiting[waiter.number] = waiter
        return waiter

    def reply(self, reply: stream_pb2.Reply) -> None:
        """The answer to a request came."""
        waiter = self._waiting.pop(reply.request, None)
        if waiter is not None:
            waiter.answers.put(reply)

    def call(self, call: stream_pb2.Call) -> bool:
        """A backward pass has come to a Function; False where nobody waits for that pass any more."""
        waiter = self._waiting.get(call.request)
        if waiter is None:
            return False
        waiter.answers.put(call)
        return True

    def drop(self, waiter: Waiter) -> None:
        """A waiter has heard enough."""
        self._waiting.pop(waiter.number, None)

    def end(self) -> None:
        """Nothing will come any more."""
        for number in list(self._waiting):
            waiter = self._waiting.pop(number, None)
            if waiter is not None:
                waiter.answers.put(None)
