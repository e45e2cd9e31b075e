"""Session: everything the server holds for one client, and the thread that runs its commands.

Batches come in through :meth:`Session.submit`; acknowledgements, replies and the last word go out through the
outbox. In between, one thread runs them: code words are decoded in ``runner.py``, commands that are messages
are in ``commands.py``, backward passes in ``calls.py``. What streams see of a session is in ``intake.py``.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from queue import Empty
from typing import Final

import numpy as np
from remx_contract.errors import (
    HandleError,
    InternalError,
    KernelError,
    LimitError,
    MXNetError,
)
from remx_contract.v1 import stream_pb2

from .backend import Backend, Devices
from .calls import Calls
from .commons import Commons
from .config import Limits
from .executor import Executor, OpSpec
from .holdings import Usage, usage
from .intake import Client, Entry, Intake
from .keeping import Keeper
from .log import log
from .lost_gpu import LostGpuError
from .owners import ANYBODY, Owner
from .parameters import Parameters
from .philox import PhiloxState
from .positions import CountedStreams
from .random_state import RandomState
from .runner import Runner
from .spills import Spills
from .turns import Aside, Seat
from .value import Failure, Value

_MAX_FAILURES: Final = 16
"""How many failures wait for a barrier; the first ones are those that matter."""
_FAILED_HANDLES: Final = 1 << 20
"""How many tensors a session can have beyond its quota, all of which have failed."""


class Session(Intake):
    """One client's tensors, specs, tape and random state, and the thread that runs its commands.

    Parameters
    ----------
    devices : Devices
    limits : Limits
    name : str
        What the log calls it.
    on_end : callable, optional
        Called by the session's thread when it is over and everything is freed.
    owner : Owner
        Whoever it belongs to.
    commons : Commons, optional
        What it shares with the other sessions of the server.
    """

    def __init__(
        self,
        devices: Devices,
        limits: Limits,
        name: str,
        on_end: Callable[[Session], None] = lambda session: None,
        owner: Owner = ANYBODY,
        commons: Commons | None = None,
    ) -> None:
        super().__init__(limits, name, owner)
        self._owner_known = owner
        self.commons = commons or Commons(limits)
        self.seat = Seat(self.commons.turns)
        self.token = secrets.token_bytes(16)
        # The client's process, and what keeps checkpoints; both are set by whoever opens the session.
        self.client_id = b""
        self.keeper = Keeper()
        self.devices = devices
        self.random = CountedStreams()
        self.executor = Executor(devices, self.random_of)
        self.parameters = Parameters()
        self.table: dict[int, Value] = {}
        self.specs: dict[int, OpSpec] = {}
        self.names: dict[str, Value] = {}
        self.applied = 0
        self.resumes = 0
        self.failures: list[Failure] = []
        # Of the client that the session's thread works for; where another one has just taken the session
        # over, its own come when the thread has done what was asked before.
        self.outbox = self.client.outbox
        self.transfers = self.client.transfers
        # The client's Functions that the tape cannot come to any more.
        self.dropped_functions: deque[int] = deque()
        self.calls = Calls(self, limits.call_seconds)
        self.runner = Runner(self)
        self.spills = Spills(self)
        self.last_used = time.monotonic()
        self.meter = self.commons.accounts.open(self)
        self._set_up_executor()
        self._random_threads: set[int] = set()
        # Why it has ended.
        self.ended_with: MXNetError | None = None
        self._on_end = on_end
        self.commons.spiller.add(self)
        self._thread = threading.Thread(target=self._work, name=f"session-{name}", daemon=True)
        self._thread.start()

    def _set_up_executor(self) -> None:
        """Tie the executor to what the session shares with others."""
        executor, spiller = self.executor, self.commons.spiller
        executor.look = self.seat.look_inside
        executor.left = executor.left_elsewhere = executor.last_rank = 0
        executor.more_bytes = self.meter.more_bytes
        executor.more_nodes = self.meter.more_nodes
        executor.relieve = partial(spiller.relieve, self)
        executor.after_failure = partial(spiller.after_failure, self)

    def between_batches(self, function: Callable[[], None]) -> None:
        """Have the session's thread call a function when it has done what is queued; it must not raise."""
        self._inbox.put(function)

    def usage(self) -> Usage:
        """What the session holds now; for any thread. It walks over all that there is."""
        return usage(self)

    @property
    def ops(self) -> int:
        """How many ops the client has had run."""
        return self.runner.ops

    @property
    def seconds(self) -> float:
        """The time that the session has used."""
        return self.seat.seconds

    def close(self, error: MXNetError | None = None) -> None:
        """End the session: its thread stops after the command it is in, and frees everything."""
        if error is not None and not self._closing.is_set():
            self.counters.errors.count(error.reason)
        if error is not None and self.ended_with is None:
            # Another one of its class: the traceback would keep what the session held.
            self.ended_with = type(error)(str(error))
        client = self.client
        client.outbox.close(error)
        self._closing.set()
        self._end_lease()
        for transfers in (client.transfers, self.transfers):
            transfers.close()
        self.outbox.close(error)
        # Without specs, a batch that is running ends at its next invoke.
        self.specs.clear()
        self._inbox.put(None)
        self._progress.set()

    def join(self, timeout: float) -> bool:
        """Wait for the thread of a closed session; False if the command it is in takes longer."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # The session's own thread.

    def _work(self) -> None:
        try:
            # Infinities and not-a-numbers are results of kernels, not warnings.
            with np.errstate(all="ignore"):
                while (entry := self._next()) is not None and not self._closing.is_set():
                    if isinstance(entry, Client):
                        with self.seat:
                            self._start_anew(entry)
                        continue
                    if callable(entry):
                        # Without the turn, but as in the middle of an op: what it needs stays in its place.
                        with self.seat, Aside():
                            entry()
                        continue
                    batch, size = entry
                    with self.seat:
                        self.apply(batch)
                    self._finished += size
                    self._progress.set()
        except MXNetError as error:
            if not self._closing.is_set():
                log.warning("session failed", extra={**self.labels, "reason": error.reason})
            self.close(error)
        except LostGpuError as error:
            log.exception("session lost its GPU", extra={"session": self.name})
            self.close(error.closing())
        except Exception as error:
            log.exception("session crashed", extra=self.labels)
            self.close(InternalError(f"{type(error).__name__}: {error}"))
        finally:
            self.close()
            with self.seat:
                self.calls.close()
                self.table.clear()
                self.names.clear()
                self.failures.clear()
                self.commons.spiller.remove(self)
                self.meter.close()
            self._on_end(self)

    def _start_anew(self, client: Client) -> None:
        """Forget what only the client before could name."""
        self.calls.close()
        self.table.clear()
        self.specs.clear()
        self.failures.clear()
        # Another one: the tape may still hold Functions of the client before.
        self.dropped_functions = deque()
        for value in self.names.values():
            if value.failure is not None:
                # A line of the client before.
                value.failure.site = 0
        self.parameters = Parameters()
        self.applied = 0
        self.client_id = client.client_id
        self.outbox, self.transfers = client.outbox, client.transfers

    def _next(self) -> Entry | None:
        """The next batch; meanwhile, backward passes that wait for the client for too long are ended."""
        while (seconds := self.calls.seconds_left()) is not None:
            try:
                if seconds:
                    return self._inbox.get(timeout=seconds)
            except Empty:
                pass
            with self.seat:
                self.calls.expire()
        return self._inbox.get()

    def apply(self, batch: stream_pb2.Batch) -> None:
        """Run one batch and acknowledge it; raises what breaks the contract."""
        started = self.counters.started()
        if self.owner is not self._owner_known:
            self._learn_owner()
        self.transfers.settle()
        code = list(batch.code)
        if self.executor.several_devices:
            self.spills.recent.append(code)
        self.runner.run(code, iter(batch.commands))
        self.spills.settle()
        self.counters.finished(started)
        self.last_used = time.monotonic()
        self.applied = batch.sequence
        self.outbox.acknowledge(batch.sequence, len(self.table), self.dropped_functions)

    # What commands use.

    def admit(self, handles: int) -> None:
        """QuotaError where the session cannot have so many tensors more."""
        self.meter.more_handles(handles)

    def fail(self, error: MXNetError, site: int) -> Failure:
        """The failure that an error makes, noted for the next barrier."""
        if isinstance(error, KernelError):
            log.error("kernel failed", extra={**self.labels, "op": error.op}, exc_info=error)
        self.counters.errors.count(error.reason)
        failure = Failure(error, site)
        if len(self.failures) >= _MAX_FAILURES:
            self.failures[:] = [known for known in self.failures if not known.reported]
        if len(self.failures) < _MAX_FAILURES:
            self.failures.append(failure)
        return failure

    def new(self, handle: int, value: Value) -> None:
        """Give a value its handle; HandleError if it has been given already."""
        if handle in self.table:
            raise HandleError(f"handle {handle} was used twice")
        if len(self.table) > self.meter.handles + _FAILED_HANDLES:
            raise LimitError(f"{len(self.table):,} tensors are too many by far")
        self.table[handle] = value

    def value(self, handle: int) -> Value:
        """The value of a handle; HandleError if there is none."""
        try:
            return self.table[handle]
        except KeyError:
            raise HandleError(f"handle {handle} names nothing") from None

    def backend(self, context: stream_pb2.Context) -> Backend:
        """The backend of a context, which refuses everything where the owner may not use it; DeviceError if
        the server has no such device."""
        return self.devices.find(context.device_type, context.device_id, self.owner)

    def _learn_owner(self) -> None:
        """The owner was replaced by one with another quota or other devices: specs that have a device are
        looked up again. Arrays stay where they are."""
        self._owner_known = owner = self.owner
        for spec in self.specs.values():
            if (backend := spec.backend) is not None:
                spec.backend = self.devices.find(backend.device_type, backend.device_id, owner)

    def random_of(self, thread: int) -> RandomState | PhiloxState:
        """The random state of one of the client's threads; LimitError beyond the number it can have."""
        if thread not in self._random_threads:
            if len(self._random_threads) >= self.limits.random_threads:
                raise LimitError(f"random numbers come to at most {self.limits.random_threads} threads")
            self._random_threads.add(thread)
        return self.random.of_thread(thread)

    def replace_random(self, states: Mapping[int, RandomState | PhiloxState]) -> None:
        """Have these random states of the client's threads, and no others."""
        self.random.replace(states)
        self._random_threads = set(states)
