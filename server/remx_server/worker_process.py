"""A worker as the front sees it: its process, how that ends, and the calls that are passed on to it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, Final

from remx_contract.errors import (
    InternalError,
    MXNetError,
    ServerUnreachableError,
    SessionCrashedError,
    SessionLostError,
)
from remx_contract.status import CLASS_OF

from .config import Config
from .frames import END, Control, Json, Link, LinkBrokenError, Outcome, pack_config, pack_metadata
from .log import log

START_SECONDS: Final = 60.0
"""How long a worker may take to start; with a GPU, most of it goes to CuPy and the driver."""
END_SECONDS: Final = 5.0
"""How long a process may take to be gone once it has closed its control link."""
MAX_TRACE: Final = 1 << 16


class Call:
    """A call that a worker answers. One thread sends, another one reads the answers.

    Parameters
    ----------
    link : Link
    give_up : callable
        Tells the worker that nobody waits for the call any more.

    Attributes
    ----------
    outcome : Outcome or None
        How it ended, when it has.
    given_up : bool
    """

    def __init__(self, link: Link, give_up: Callable[[], None]) -> None:
        self._link = link
        self._give_up = give_up
        self.outcome: Outcome | None = None
        self.given_up = False

    def send_all(self, messages: Iterator[bytes]) -> None:
        """Pass on what the client says, to its end."""
        try:
            for message in messages:
                self._link.send(message)
            self._link.send(b"", END)
        except LinkBrokenError:
            # Whoever reads the answers finds out why.
            pass
        except Exception:
            # gRPC raises its own classes when a client is gone, and then breaks the call off itself.
            self.break_off()
        finally:
            self._link.done_writing()

    def answers(self) -> Iterator[bytes]:
        """What the worker answers; LinkBrokenError where it stops before the end."""
        try:
            while True:
                kind, data = self._link.receive()
                if kind == END:
                    self.outcome = Outcome.from_bytes(data)
                    return
                yield data
        finally:
            self._link.break_off()
            self._link.done_reading()

    def break_off(self) -> None:
        """The client is gone."""
        if self.outcome is None:
            self.given_up = True
            self._link.break_off()
            # The worker may be busy neither reading nor writing.
            self._give_up()


class WorkerProcess:
    """A process for one session.

    Parameters
    ----------
    config : Config
    slot : int
        Its place among the workers that share the cores.
    cores : int or None
        The file in which they do.
    on_ready : callable
        Called with the worker when it can take its session.
    on_end : callable
        Called with the worker when its process is gone.

    Attributes
    ----------
    pid : int
    devices : list of dict
        What its devices are, once it is ready.
    failure : str
        Why it could not start, if it says so.
    ended_with : MXNetError or None
        Why its session ended, if it says so.
    """

    def __init__(
        self,
        config: Config,
        slot: int,
        cores: int | None,
        on_ready: Callable[[WorkerProcess], None],
        on_end: Callable[[WorkerProcess], None],
    ) -> None:
        self.devices: list[Json] = []
        self.failure = ""
        self.ended_with: MXNetError | None = None
        self.trace = ""
        self.ready = False
        self.stopped = False
        self.gone = threading.Event()
        self.slot = slot
        self._on_ready = on_ready
        self._on_end = on_end
        self._numbers = count(1)
        self._questions: dict[int, SimpleQueue[Json | None]] = {}
        self._started = time.monotonic()
        mine, theirs = socket.socketpair()
        tie, self._tie = os.pipe()
        self._trace, trace = os.pipe()
        passed = (theirs.fileno(), trace) if cores is None else (theirs.fileno(), trace, cores)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, *map(str, passed)],
                stdin=tie,
                stdout=subprocess.DEVNULL,
                env=_environment(),
                pass_fds=passed,
                # Its own process group, so that an interrupt typed at the terminal reaches the front alone.
                start_new_session=True,
            )
        except BaseException:
            mine.close()
            os.close(self._tie)
            os.close(self._trace)
            raise
        finally:
            theirs.close()
            os.close(tie)
            os.close(trace)
        self.pid = self._process.pid
        self._control = Control(mine)
        threading.Thread(target=self._follow, args=(config,), name=f"worker-{self.pid}", daemon=True).start()

    # What the service does with it.

    def call(self, method: str, metadata: Any, peer: str, opens: str = "") -> Call:
        """Pass a call on. SessionCrashedError, or what else has become of the process, where it is gone.

        Parameters
        ----------
        method : str
            As gRPC names it.
        metadata : iterable of (str, str or bytes)
        peer : str
            The client's address.
        opens : str
            The name of the session that the call opens; empty for a call of one that there is.
        """
        number = next(self._numbers)
        mine, theirs = socket.socketpair()
        header = {
            "call": number,
            "method": method,
            "metadata": pack_metadata(metadata),
            "peer": peer,
            "opens": opens,
        }
        try:
            self._control.send(header, theirs)
        except LinkBrokenError:
            mine.close()
            raise self.why_it_ended() from None
        finally:
            theirs.close()
        return Call(Link(mine), lambda: self.tell({"give_up": number}))

    def tell(self, message: Json) -> None:
        """Send a message, if the process is still there."""
        with contextlib.suppress(LinkBrokenError):
            self._control.send(message)

    def usage(self, timeout: float) -> Json | None:
        """What its session has done and holds; None where it does not say so in time."""
        number = next(self._numbers)
        answers = self._questions[number] = SimpleQueue()
        self.tell({"ask": number})
        try:
            if self.gone.is_set():
                return None
            return answers.get(timeout=timeout)
        except Empty:
            return None
        finally:
            del self._questions[number]

    def close(self, error: MXNetError | None = None) -> None:
        """End its session, for a reason if there is an error; the process ends by itself then."""
        self.tell({"close": [error.reason, str(error)] if error else None})

    def kill(self) -> None:
        """End the process at once; that is not a crash."""
        self.stopped = True
        self._process.kill()

    # How it ends.

    @property
    def crashed(self) -> bool:
        """Whether the process has ended otherwise than it should."""
        return self._process.returncode not in (None, 0) and not self.stopped

    def how_it_ended(self) -> str:
        """How the process has ended, in words."""
        status = self._process.returncode
        if status is None:
            return "has not ended"
        if status >= 0:
            return f"exited with status {status}"
        name = _signal_name(-status)
        # The usual sender of the one signal that leaves no trace.
        hint = ", which the system sends when memory runs out" if name == "SIGKILL" else ""
        return f"was ended by {name}{hint}"

    def why_it_ended(self) -> MXNetError:
        """The error for whoever still wants something of the session."""
        if not self.gone.wait(END_SECONDS):
            return InternalError("the session's process has closed its links and still runs")
        if self.stopped:
            return ServerUnreachableError("the server is shutting down")
        if not self.crashed:
            return SessionLostError(f"the session has ended: {self.ended_with or 'it was closed'}")
        return SessionCrashedError(
            f"the process of this session {self.how_it_ended()}, and its arrays are lost; other sessions "
            "are not affected. Connect again for a new session"
        )

    def _follow(self, config: Config) -> None:
        """Take what the worker says until its process is gone; in a thread of its own."""
        try:
            self._control.send({"config": pack_config(config), "slot": self.slot})
            message, _ = self._control.receive(START_SECONDS)
            self.failure = message.get("failed", "")
            if "ready" in message:
                self._be_ready(message["ready"])
                while True:
                    message, _ = self._control.receive()
                    self._hear(message)
        except LinkBrokenError:
            pass
        self._bury()

    def _hear(self, message: Json) -> None:
        if "ended" in message:
            reason, text = message["ended"]
            self.ended_with = CLASS_OF[reason](text)
        elif (answers := self._questions.get(message["answer"])) is not None:
            answers.put(message["usage"])

    def _be_ready(self, devices: list[Json]) -> None:
        self.devices = devices
        self.ready = True
        seconds = round(time.monotonic() - self._started, 3)
        log.info("worker ready", extra={"worker": self.pid, "seconds": seconds})
        self._on_ready(self)

    def _bury(self) -> None:
        """Wait for the process, which leaves nothing behind then, and tell of its end."""
        if not self.ready and not self.failure and self._process.poll() is None:
            self.failure = f"it was not ready within {START_SECONDS:g} seconds"
            self._process.kill()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.set_blocking(self._trace, False)
        with contextlib.suppress(BlockingIOError):
            self.trace = os.read(self._trace, MAX_TRACE).decode(errors="replace")
        os.close(self._trace)
        os.close(self._tie)
        self._control.close()
        self.gone.set()
        for answers in list(self._questions.values()):
            answers.put(None)
        self._on_end(self)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


_START: Final = (
    "import sys; sys.path[:] = [place for place in sys.path if place]; import runpy; "
    f"runpy.run_module('{__package__}.worker', run_name='__main__')"
)
"""Runs a worker without the working directory among the places of modules, where Python 3.10 puts it
whatever the environment says."""


def _environment() -> dict[str, str]:
    """The environment of a worker: this process's without settings, which it is told, and among them secrets;
    with the places that this process's modules come from, and not the working directory."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REMX_")}
    places = [place or os.getcwd() for place in sys.path]
    return {**kept, "PYTHONPATH": os.pathsep.join(places), "PYTHONSAFEPATH": "1"}
