"""Accounts: what the sessions of one owner hold together, and may hold.

Ops do not count what they free. Each session has an allowance, from which it takes what its ops allocate, and
when that is used up it asks the account for more. The account gives small shares of what its quota leaves;
when nothing is left, the sessions are audited: what they really hold is counted, and all else comes back. So
the shares of the sessions never add up to more than the quota, and the counting is done when it matters.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from remx_contract.errors import QuotaError

from . import holdings
from .backend import GPU

if TYPE_CHECKING:
    from .session import Session

BYTES: Final = ("host_bytes", "device_bytes")
KINDS: Final = (*BYTES, "handles", "tape_nodes")
SHARES: Final = 64
"""Into how many shares a quota is divided, roughly."""
_LARGEST_SHARE: Final = 1 << 29
"""What a session gets at most beyond what it needs: numbers below 2**30 are those that Python computes with
fastest, and ops do."""
_WITHOUT_QUOTA: Final = {
    "host_bytes": _LARGEST_SHARE,
    "device_bytes": _LARGEST_SHARE,
    "handles": 1 << 20,
    "tape_nodes": 1 << 20,
}
"""The share of a session whose owner has no quota; it asks again, since the owner may get one."""


class Accounts:
    """The accounts of a server, by the names of the owners."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: dict[str, Account] = {}

    def open(self, session: Session) -> Meter:
        """A new session's meter, on its owner's account."""
        with self._lock:
            # Those of owners who have gone.
            self._accounts = {name: account for name, account in self._accounts.items() if account.meters}
            account = self._accounts.setdefault(session.owner.name, Account())
            with account.lock:
                meter = Meter(session, account)
                account.meters.append(meter)
                return meter


class Account:
    """What the sessions of one owner hold.

    Attributes
    ----------
    meters : list of Meter
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.meters: list[Meter] = []

    def given(self, kind: str) -> int:
        """How much of a kind the sessions hold, or may take without asking."""
        return sum(meter.share[kind] for meter in self.meters)


class Meter:
    """One session's part of an account. Its methods are for the session's own thread, with the turn.

    Parameters
    ----------
    session : Session
    account : Account

    Attributes
    ----------
    share : dict of str to int
        By kind: what the session holds, as the last audit counted it, and all that it was given since.
    handles : int
        How many tensors it may have without asking.
    """

    def __init__(self, session: Session, account: Account) -> None:
        self.session = session
        self.account = account
        self.share = dict.fromkeys(KINDS, 0)
        self.handles = 0

    def more_bytes(self, size: int) -> int:
        """Take ``size`` bytes of the executor's active device; returns what is left of the allowance then.

        Raises
        ------
        QuotaError
        """
        executor = self.session.executor
        self._ensure(BYTES[executor.active.device_type == GPU], size)
        return executor.left - size

    def more_nodes(self, count: int) -> None:
        """Take so many recorded ops, which the executor has counted already."""
        executor = self.session.executor
        executor.rank -= count
        self._ensure("tape_nodes", count)
        executor.rank += count

    def more_handles(self, count: int) -> None:
        """See to it that the session may have so many tensors more."""
        if len(self.session.table) + count > self.handles:
            self._ensure("handles", count)

    def audit(self) -> None:
        """Count what the session really holds, and leave it nothing to take without asking."""
        found = holdings.usage(self.session)
        for kind in KINDS:
            self.share[kind] = getattr(found, kind)
            self._set_left(kind, 0)

    def has_host_room(self, size: int) -> bool:
        """Whether so many bytes more of host memory are within the quota."""
        quota = self.session.owner.quota.host_bytes
        return quota is None or self.account.given("host_bytes") + size <= quota

    def moved_to_host(self, size: int) -> None:
        """So many bytes that the session has on a device are in host memory now."""
        with self.account.lock:
            self.share["device_bytes"] -= size
            self.share["host_bytes"] += size

    def close(self) -> None:
        """The session is over, and holds nothing any more."""
        with self.account.lock:
            self.account.meters.remove(self)

    def _ensure(self, kind: str, need: int) -> None:
        """See to it that so much of a kind is left to take."""
        session = self.session
        if kind == "device_bytes":
            session.commons.spiller.relieve(session, session.executor.active, 0)
        # Looked up each time: a reload of the tokens may have changed it.
        quota = getattr(session.owner.quota, kind)
        if quota is None:
            more = max(need - self._left(kind), _WITHOUT_QUOTA[kind])
            self.share[kind] += more
            self._set_left(kind, self._left(kind) + more)
            return
        if self._take(kind, need, quota):
            return
        with session.seat.turns.kept(session.seat):
            self._audit_all(kind)
            if self._take(kind, need, quota):
                return
            if kind == "device_bytes" and session.commons.spiller.for_quota(session, need):
                self._audit_all(kind)
                if self._take(kind, need, quota):
                    return
        raise QuotaError(
            f"the quota of {quota:,} {kind} is used up",
            got=f"{need:,} more beside the {self.account.given(kind):,} in use",
        )

    def _take(self, kind: str, need: int, quota: int) -> bool:
        """Take what is needed from the account, or a share where that is more; False if it is not there."""
        with self.account.lock:
            short = need - self._left(kind)
            free = quota - self.account.given(kind)
            if short > free:
                return False
            more = min(free, max(short, min(quota // SHARES, _LARGEST_SHARE)))
            self.share[kind] += more
            self._set_left(kind, self._left(kind) + more)
            return True

    def _audit_all(self, kind: str) -> None:
        """Audit this session, and the owner's others as far as they stand still."""
        with self.account.lock:
            meters = list(self.account.meters)
        for meter in meters:
            if meter is self or meter.session.seat.settled:
                if kind == "handles":
                    # Nothing has to be counted for these.
                    meter.share[kind] = meter.handles = len(meter.session.table)
                else:
                    meter.audit()

    def _left(self, kind: str) -> int:
        executor = self.session.executor
        if kind == "handles":
            return self.handles - len(self.session.table)
        if kind == "tape_nodes":
            return executor.last_rank - executor.rank
        return executor.left if self._active(kind) else executor.left_elsewhere

    def _set_left(self, kind: str, left: int) -> None:
        executor = self.session.executor
        if kind == "handles":
            self.handles = len(self.session.table) + left
        elif kind == "tape_nodes":
            executor.last_rank = executor.rank + left
        elif self._active(kind):
            executor.left = left
        else:
            executor.left_elsewhere = left

    def _active(self, kind: str) -> bool:
        return kind == BYTES[self.session.executor.active.device_type == GPU]
