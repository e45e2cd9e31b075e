"""The runner: decodes the code words of a session's batches, looks handles up and hands values to the
executor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from remx_contract import codec
from remx_contract.errors import HandleError, MXNetError, ProtocolError
from remx_contract.v1 import stream_pb2

from . import tape
from .commands import Commands
from .executor import OpSpec, poison
from .turns import SLICE_SECONDS
from .value import Value

if TYPE_CHECKING:
    from .session import Session

_INVOKE: Final = codec.INVOKE
_RELEASE: Final = codec.RELEASE
_COUNT_SHIFT: Final = codec.COUNT_SHIFT
_CALL: Final = codec.CALL
_KIND: Final = codec.KIND_MASK
_MODE: Final = codec.RECORDING | codec.TRAINING
_SHIFT: Final = codec.SPEC_SHIFT
_WRITING: Final = codec.WRITING

_SLICE_WORDS: Final = (16, 4096)
"""The least and the most code words that are run before others may have their turn."""


class Runner:
    """Runs one session's batches, on the session's thread.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    ops : int
        How many ops were run so far.
    """

    def __init__(self, session: Session) -> None:
        self.ops = 0
        self._session = session
        self._table = session.table
        self._specs = session.specs
        self._executor = session.executor
        self._commands = Commands(session)
        self._slice_words = _SLICE_WORDS[0]

    def run(self, code: list[int], commands: Iterator[stream_pb2.Command]) -> None:
        """Run a batch in slices, between which others may have their turn. A slice has as many words as fit
        into its time, by those that came before."""
        least, most = _SLICE_WORDS
        at = 0
        start = time.perf_counter()
        try:
            while at < len(code):
                at = self._run_slice(code, commands, at, at + self._slice_words)
                now = time.perf_counter()
                if now - start > SLICE_SECONDS:
                    self._slice_words = max(self._slice_words >> 2, least)
                elif now - start < SLICE_SECONDS / 2:
                    self._slice_words = min(self._slice_words << 1, most)
                self._session.seat.look()
                start = time.perf_counter()
        except (StopIteration, IndexError):
            raise ProtocolError("a batch's code and commands do not fit together") from None

    def _run_slice(self, code: list[int], commands: Iterator[stream_pb2.Command], at: int, stop: int) -> int:
        """Run what begins before ``stop``; returns where the next slice begins."""
        table = self._table
        specs = self._specs
        drop = table.pop
        end = len(code)
        stop = min(stop, end)
        # No slice makes more tensors than it has words.
        easy = not self._session.spills.count and len(table) + stop - at <= self._session.meter.handles
        invoke = self._invoke if easy else self._invoke_with_care
        while at < stop:
            head = code[at]
            kind = head & _KIND
            if kind == _INVOKE:
                spec = specs.get(head >> _SHIFT)
                if spec is None:
                    raise ProtocolError(f"spec {head >> _SHIFT} is not defined")
                after = at + spec.length
                if after > end:
                    raise ProtocolError("a batch ends inside an invoke")
                invoke(spec, head, code, at + 1)
                at = after
            elif kind == _RELEASE:
                after = at + 1 + (head >> _COUNT_SHIFT)
                if after > end:
                    raise ProtocolError("a batch ends inside a release")
                for handle in code[at + 1 : after]:
                    drop(handle, None)
                at = after
            elif kind == _CALL:
                self._commands.run(next(commands))
                at += 1
                if at < end:
                    self._session.transfers.settle()
            else:
                raise ProtocolError(f"code word {head} has an unknown kind")
        return at

    def _invoke(self, spec: OpSpec, head: int, code: list[int], at: int) -> None:
        """Run one invoke whose words start at ``at`` with the site."""
        site = code[at]
        at += 1
        table = self._table
        inputs_end = at + spec.inputs
        values = list(map(table.get, code[at:inputs_end]))
        self.ops += 1
        for value in values:
            if value is None or value.failure is not None:
                self._fail_invoke(spec, head, code, inputs_end, values, site)
                return
        outputs_at = inputs_end + spec.words
        try:
            per_call = self._per_call(spec, code, inputs_end) if spec.words else {}
            if head & _WRITING:
                targets = list(map(self._session.value, code[outputs_at : outputs_at + spec.outputs]))
                self._executor.run_into(spec, values, per_call, head & _MODE, site, targets)  # type: ignore[arg-type]
                return
            outputs = self._executor.run(spec, values, per_call, head & _MODE, site)  # type: ignore[arg-type]
        except MXNetError as error:
            self._fail_invoke(spec, head, code, inputs_end, values, site, error.named(spec.op.name))
            return
        for value in outputs:
            handle = code[outputs_at]
            if handle in table:
                raise HandleError(op=spec.op.name, message=f"handle {handle} was used twice")
            table[handle] = value
            outputs_at += 1

    def _invoke_with_care(self, spec: OpSpec, head: int, code: list[int], at: int) -> None:
        """Run one invoke of a session that may have spilled some of its tensors, or have no right to more."""
        inputs_end = at + 1 + spec.inputs
        outputs_at = inputs_end + spec.words
        outputs = code[outputs_at : outputs_at + spec.outputs]
        values = list(map(self._table.get, code[at + 1 : inputs_end]))
        try:
            if head & _WRITING:
                values_at_hand = [*values, *map(self._table.get, outputs)]
            else:
                values_at_hand = values
                self._session.admit(len(outputs))
            if self._session.spills.count:
                for value in values_at_hand:
                    if value is not None:
                        self._session.spills.bring(value)
        except MXNetError as error:
            self.ops += 1
            self._fail_invoke(spec, head, code, inputs_end, values, code[at], error.named(spec.op.name))
            return
        self._invoke(spec, head, code, at)

    def _per_call(self, spec: OpSpec, code: list[int], at: int) -> dict[str, Any]:
        per_call: dict[str, Any] = {}
        for name, decode in spec.decoders:
            per_call[name] = decode(code[at])
            at += 1
        if spec.random:
            per_call["random"] = self._session.random_of(code[at])
        return per_call

    def _fail_invoke(
        self,
        spec: OpSpec,
        head: int,
        code: list[int],
        inputs_end: int,
        values: list[Value | None],
        site: int,
        error: MXNetError | None = None,
    ) -> None:
        """Give the outputs of an invoke that cannot run the failure that stands behind it."""
        failure = None
        if error is None:
            failure = next((value.failure for value in values if value is not None and value.failure), None)
            error = HandleError(op=spec.op.name, message="an input's handle names nothing")
        if failure is None:
            failure = self._session.fail(error, site)
        at = inputs_end + spec.words
        handles = code[at : at + spec.outputs]
        producer = tape.broken(values) if head & codec.RECORDING else None
        for index in spec.op.mutated(len(values)):
            mutated = values[index]
            if mutated is not None:
                mutated.spoil(failure)
        if head & _WRITING:
            for handle in handles:
                target = self._table.get(handle)
                if target is not None:
                    target.spoil(failure)
                    target.producer = producer or target.producer
            return
        backend = spec.backend or next(
            (value.backend for value in values if value), self._session.devices.cpu
        )
        for handle, value in zip(handles, poison(spec, values, failure, backend), strict=True):
            value.producer = producer
            self._session.new(handle, value)
