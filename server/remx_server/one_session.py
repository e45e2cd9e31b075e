"""One session and its service: what a worker process serves, and how its parent has it done."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable
from typing import Final

from remx_contract.errors import MXNetError
from remx_contract.status import CLASS_OF

from .answering import Calls
from .backend import Devices
from .config import Config
from .frames import Control, Json, LinkBrokenError, unpack_owner
from .grants import SHARED
from .owners import Owner
from .service import Service
from .servicer import handlers
from .session import Session

LAST_CALLS_SECONDS: Final = 2.0
"""How long the calls of a session that has ended get to tell their clients."""


class OneSession(Service):
    """The service of one session, whose calls say who makes them: only the parent can make any.

    Parameters
    ----------
    config : Config
    devices : Devices
    on_end : callable
        Called when the session has ended, with the error that ended it if there was one.
    """

    def __init__(self, config: Config, devices: Devices, on_end: Callable[[MXNetError | None], None]) -> None:
        super().__init__(config, devices)
        self._on_end = on_end
        self._name = ""

    def authorize(self, token: str, peer: str = "") -> Owner:
        """The owner that stands where a client's token would."""
        return unpack_owner(json.loads(token))

    def name_session(self, name: str) -> None:
        """Say what the log calls the session, here and in the parent."""
        self._name = name

    def _new_name(self) -> str:
        return self._name

    def sessions(self) -> list[Session]:
        """The session, once there is one."""
        with self._changed:
            return list(self._sessions.values())

    def change_owner(self, owner: Owner) -> None:
        """What the session's owner may do has changed."""
        for session in self.sessions():
            session.owner = owner

    def close_session(self, failure: tuple[str, str] | None) -> None:
        """End the session for a reason and with a message, if there are such; without a session, just end."""
        sessions = self.sessions()
        for session in sessions:
            session.close(CLASS_OF[failure[0]](failure[1]) if failure else None)
        if not sessions:
            self._on_end(None)

    def usage(self) -> Json:
        """What the session has done, and holds."""
        sessions = self.sessions()
        held = [session.usage() for session in sessions]
        facts = [self.facts_of(session).pack() for session in sessions]
        return {
            **({"facts": facts[0]} if facts else {}),
            "ops": sum(session.ops for session in sessions),
            "applied": sum(session.applied for session in sessions),
            **{kind: sum(getattr(usage, kind) for usage in held) for kind in SHARED},
        }

    def _ended(self, session: Session) -> None:
        super()._ended(session)
        self._on_end(session.ended_with)


class Host:
    """Serves one session, as the parent says over the control link.

    Parameters
    ----------
    control : Control
    config : Config
    """

    def __init__(self, control: Control, config: Config) -> None:
        self._control = control
        self._ended = threading.Event()
        self._devices = Devices(config.device)
        self._service = OneSession(config, self._devices, self._end)
        self._calls = Calls(handlers(self._service).service)

    def warm_up(self) -> Json:
        """Do now what would hold up the session's first ops; returns what to tell the parent."""
        for gpu in self._devices.gpus:
            # Makes the context, which takes the better part of a second.
            gpu.activate()
            gpu.synchronize()
        return {"ready": [vars(info) for info in self._devices.infos()]}

    def run(self) -> None:
        """Serve until the session has ended."""
        threading.Thread(target=self._listen, name="control", daemon=True).start()
        self._ended.wait()
        self._calls.wait(LAST_CALLS_SECONDS)

    def _end(self, error: MXNetError | None) -> None:
        """The session has ended; whoever comes back to it will want to know why."""
        if error is not None:
            with contextlib.suppress(LinkBrokenError):
                self._control.send({"ended": [error.reason, str(error)]})
        self._ended.set()

    def _listen(self) -> None:
        """Do what the parent says, until it is gone."""
        try:
            while True:
                self._obey(*self._control.receive())
        except LinkBrokenError:
            os._exit(0)

    def _drain(self) -> None:
        """The server stops: have the session do what sessions do then, and end whatever still runs."""
        self._service.drain(0.0)
        self._ended.set()

    def _obey(self, message: Json, end: socket.socket | None) -> None:
        if end is not None:
            if message["opens"]:
                self._service.name_session(message["opens"])
            self._calls.start(message["call"], message, end)
        elif "give_up" in message:
            self._calls.give_up(message["give_up"])
        elif "owner" in message:
            self._service.change_owner(unpack_owner(message["owner"]))
        elif "close" in message:
            self._service.close_session(message["close"])
        elif "drain" in message:
            threading.Thread(target=self._drain, name="drain", daemon=True).start()
        elif "ask" in message:
            self._control.send({"answer": message["ask"], "usage": self._service.usage()})
