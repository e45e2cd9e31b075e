"""What each worker may use of its owner's quota, so that all of the owner's together keep to it.

A worker knows its own session only, and takes its quota to be all that it may use. So the parent gives each
one what it uses now, and an even part of what is left: these never add up to more than the quota. The parts
are made anew when a session comes, and every second: so what is freed, others can have soon; and what several
allocate in the same moment can exceed a quota by as much, until the next round gives nobody any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final

from .owners import Quota

if TYPE_CHECKING:
    from .workers import WorkerSession

ROUND_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 0.5
"""How long a worker has to say what it uses; otherwise all that it may use counts as used."""
SHARED: Final = ("device_bytes", "host_bytes", "handles", "tape_nodes")
"""What all sessions of an owner hold together; other bounds are each session's."""

Usage = Mapping[str, int]
"""How much of each kind a session uses; what is not known counts as nothing."""


def divide(quota: Quota, used: Sequence[Usage]) -> list[Quota]:
    """Each session's part of a quota."""
    parts = [quota] * len(used)
    for kind in SHARED:
        whole = getattr(quota, kind)
        if whole is None or not used:
            continue
        using = [usage.get(kind, 0) for usage in used]
        # The first ones get what does not divide.
        more, rest = divmod(max(0, whole - sum(using)), len(used))
        parts = [
            replace(part, **{kind: mine + more + (place < rest)})
            for place, (part, mine) in enumerate(zip(parts, using, strict=True))
        ]
    return parts


def is_shared(quota: Quota) -> bool:
    """Whether there is something to divide."""
    return any(getattr(quota, kind) is not None for kind in SHARED)


class Grants:
    """Divides the quotas of owners among their sessions.

    Parameters
    ----------
    sessions : callable
        The sessions that there are.
    """

    def __init__(self, sessions: Callable[[], list[WorkerSession]]) -> None:
        self._sessions = sessions
        self._one_at_a_time = threading.Lock()
        self._stopped = threading.Event()
        threading.Thread(target=self._keep, name="grants", daemon=True).start()

    def renew(self, name: str) -> None:
        """Divide the quota of one owner anew."""
        with self._one_at_a_time:
            sessions = [session for session in self._sessions() if session.owner.name == name]
            if not sessions:
                return
            if len(sessions) == 1 or not is_shared(sessions[0].owner.quota):
                for session in sessions:
                    session.part = session.owner.quota
                return
            parts = divide(sessions[0].owner.quota, [_used(session) for session in sessions])
            # Whoever gets less is told before anybody gets more.
            for session, part in sorted(zip(sessions, parts, strict=True), key=_is_raised):
                session.part = part

    def stop(self) -> None:
        """Divide no more."""
        self._stopped.set()

    def _keep(self) -> None:
        while not self._stopped.wait(ROUND_SECONDS):
            for name in {session.owner.name for session in self._sessions()}:
                self.renew(name)


def _used(session: WorkerSession) -> Usage:
    if not session.welcomed:
        return {}
    usage = session.worker.usage(ANSWER_SECONDS)
    if usage is None and session.part is not None:
        return {kind: most for kind, most in asdict(session.part).items() if most is not None}
    return usage or {}


def _is_raised(pair: tuple[WorkerSession, Quota]) -> bool:
    session, part = pair
    before = session.part
    return before is not None and any(
        (getattr(part, kind) or 0) > (getattr(before, kind) or 0) for kind in SHARED
    )
