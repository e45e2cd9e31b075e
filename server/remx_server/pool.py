"""The workers that are ready before their sessions come."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Final

from remx_contract.errors import DeviceError, ServerUnreachableError

from .config import Config
from .log import log
from .shares import SLOTS, make_file
from .worker_process import START_SECONDS, WorkerProcess

WAIT_SECONDS: Final = 8.0
"""How long a session waits for a worker: less than its client waits for the server."""
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
"""How long to wait after a worker that did not start, and after the next ones, twice as long each time."""


class Pool:
    """Keeps workers ready, and starts others where sessions wait for one.

    Parameters
    ----------
    config : Config
    on_end : callable
        Called with each worker whose process is gone.
    """

    def __init__(self, config: Config, on_end: Callable[[WorkerProcess], None]) -> None:
        self._config = config
        self._on_end = on_end
        self._changed = threading.Condition()
        self._ready: deque[WorkerProcess] = deque()
        self._starting = 0
        self._alive: set[WorkerProcess] = set()
        self._cores = make_file()
        self._slots = count()
        self._free_slots: list[int] = []
        self._waiting = 1
        self._failed = 0
        self._last_failure = ""
        self._not_before = 0.0
        self._stopping = False
        self._at_once = max(config.workers, os.cpu_count() or 1)
        threading.Thread(target=self._keep, name="workers", daemon=True).start()

    def first(self) -> WorkerProcess:
        """Wait for the first worker, which stays ready; DeviceError where it finds no device that it should
        have."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._failed, START_SECONDS)
            self._waiting -= 1
            self._changed.notify_all()
            if self._ready:
                return self._ready[0]
            failure = self._last_failure or "it does not answer"
        self.stop()
        raise DeviceError(f"no process for sessions can be started: {failure}")

    def take(self, timeout: float = WAIT_SECONDS) -> WorkerProcess:
        """A worker for a new session; ServerUnreachableError where none is ready in time."""
        with self._changed:
            self._waiting += 1
            self._changed.notify_all()
            try:
                self._changed.wait_for(lambda: self._ready or self._stopping, timeout)
                if self._ready and not self._stopping:
                    return self._ready.popleft()
                failure = f": the last one {self._last_failure}" if self._failed else ""
            finally:
                self._waiting -= 1
                self._changed.notify_all()
        raise ServerUnreachableError(f"no process for the session was ready in time{failure}")

    def give_back(self, worker: WorkerProcess) -> None:
        """A worker that had no session after all can have another."""
        with self._changed:
            if not worker.gone.is_set():
                self._ready.appendleft(worker)
                self._changed.notify_all()

    def stop(self) -> None:
        """End all processes, at once, and wait until they are gone."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            for worker in self._alive:
                worker.kill()
            self._changed.wait_for(lambda: not self._alive, START_SECONDS)
            if self._cores is not None:
                os.close(self._cores)
                self._cores = None

    @property
    def ready_count(self) -> int:
        """How many workers wait for a session."""
        return len(self._ready)

    # The thread that starts workers, and those that follow them.

    def _keep(self) -> None:
        while True:
            with self._changed:
                while not self._stopping and (pause := self._pause()) != 0.0:
                    self._changed.wait(pause)
                if self._stopping:
                    return
                self._starting += 1
                try:
                    # Under the lock, so that a stop misses none.
                    self._start()
                except OSError as error:
                    self._starting -= 1
                    self._note_failure(f"could not be started: {error}")

    def _start(self) -> None:
        slot = self._free_slots.pop() if self._free_slots else next(self._slots) % SLOTS
        try:
            worker = WorkerProcess(self._config, slot, self._cores, self._became_ready, self._ended)
        except BaseException:
            self._free_slots.append(slot)
            raise
        self._alive.add(worker)

    def _pause(self) -> float | None:
        """Seconds until the next worker is to be started; None where there are enough."""
        wanted = max(self._config.workers, self._waiting)
        if len(self._ready) + self._starting >= wanted or self._starting >= self._at_once:
            return None
        return max(0.0, self._not_before - time.monotonic())

    def _became_ready(self, worker: WorkerProcess) -> None:
        with self._changed:
            self._starting -= 1
            self._failed = 0
            self._ready.append(worker)
            self._changed.notify_all()

    def _ended(self, worker: WorkerProcess) -> None:
        with self._changed:
            self._alive.discard(worker)
            self._free_slots.append(worker.slot)
            if not worker.ready:
                self._starting -= 1
                self._note_failure(worker.failure or worker.how_it_ended())
            elif worker in self._ready:
                self._ready.remove(worker)
                self._note_failure(worker.how_it_ended())
            self._changed.notify_all()
        self._on_end(worker)

    def _note_failure(self, failure: str) -> None:
        """After a worker that ended before it had a session, wait a little with the next one."""
        if self._stopping:
            return
        pause = min(FIRST_PAUSE_SECONDS * 2**self._failed, LONGEST_PAUSE_SECONDS)
        self._failed += 1
        self._last_failure = failure
        self._not_before = time.monotonic() + pause
        log.error("worker failed", extra={"failure": failure, "retry_seconds": pause})
