"""The Admin service: how the server is, which sessions run, an end to one of them, bytes to measure with."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Final, Protocol

import grpc
from google.protobuf.message import Message
from remx_contract import CONTRACT_VERSION
from remx_contract.catalogue import digest
from remx_contract.errors import LimitError, SessionLostError
from remx_contract.v1 import admin_pb2

from .backend import Devices, gpu_software
from .census import Census, Ended, Facts, Overview
from .log import log
from .memory import resident_bytes
from .owners import Owner
from .servicer import TOKEN_KEY, guard, metadata_value

SERVICE_NAME: Final = "remx.v1.Admin"
PROBE_BYTES: Final = 4 << 20
"""What a probe carries at most, each way."""
PROBES: Final = 4
"""How many at a time; they are there to measure a connection, not to fill it."""

_STATES: Final = {
    "running": admin_pb2.SessionStatus.RUNNING,
    "idle": admin_pb2.SessionStatus.IDLE,
    "detached": admin_pb2.SessionStatus.DETACHED,
}
_BASELINE_SECONDS: Final = 0.25


class Host(Protocol):
    """What the Admin service needs of the server's sessions, wherever they run."""

    devices: Devices
    census: Census

    def authorize(self, token: str, peer: str = "") -> Owner:
        """Whoever the token stands for."""

    def overview(self) -> Overview:
        """What is known of the sessions that run, and of those that are over."""

    def end(self, name: str, error: SessionLostError) -> bool:
        """End a session, telling its client why; False where there is none of that name."""

    @property
    def draining(self) -> bool:
        """Whether no new sessions are taken."""

    @property
    def product(self) -> str:
        """What the server is."""


def handlers(host: Host) -> grpc.GenericRpcHandler:
    """The handlers of the Admin service."""
    admin = Admin(host)
    calls: dict[str, tuple[Callable[[Owner, Any], Message], type[Message]]] = {
        "Status": (admin.status, admin_pb2.StatusRequest),
        "Sessions": (admin.sessions, admin_pb2.SessionsRequest),
        "Kill": (admin.kill, admin_pb2.KillRequest),
        "Probe": (admin.probe, admin_pb2.ProbeRequest),
    }
    return grpc.method_handlers_generic_handler(
        SERVICE_NAME,
        {
            name: grpc.unary_unary_rpc_method_handler(
                _edge(host, function), message.FromString, lambda reply: reply.SerializeToString()
            )
            for name, (function, message) in calls.items()
        },
    )


def _edge(
    host: Host, function: Callable[[Owner, Any], Message]
) -> Callable[[Any, grpc.ServicerContext], Message]:
    """A method of gRPC's out of one of an owner and a message."""

    def method(request: Any, context: grpc.ServicerContext) -> Message:
        def answer() -> Message:
            return function(host.authorize(metadata_value(context, TOKEN_KEY), context.peer()), request)

        found: Message = guard(context, answer)
        return found

    return method


class Admin:
    """The methods, each on behalf of an owner.

    Parameters
    ----------
    host : Host
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._probes = threading.Semaphore(PROBES)

    def _visible(self, owner: Owner, overview: Overview) -> list[Facts]:
        """The sessions that an owner may know of."""
        return [facts for facts in overview.sessions if owner.admin or facts.owner == owner.name]

    def status(self, owner: Owner, request: admin_pb2.StatusRequest) -> admin_pb2.ServerStatus:
        """How the server is."""
        overview = self._host.overview()
        software = gpu_software()
        reply = admin_pb2.ServerStatus(
            server=self._host.product,
            contract_version=CONTRACT_VERSION,
            catalogue_digest=digest(),
            uptime_seconds=time.monotonic() - self._host.census.started,
            draining=self._host.draining,
            owner=owner.name,
            admin=owner.admin,
            devices=[
                admin_pb2.DeviceStatus(
                    context=info.context, name=info.name, memory=info.memory, memory_free=info.memory_free
                )
                for info in self._host.devices.infos(owner)
            ],
            totals=totals(self._visible(owner, overview), overview.ended if owner.admin else Ended()),
            gpu_software=admin_pb2.GpuSoftware(
                cupy=software.cupy,
                driver=software.driver,
                runtime=software.runtime,
                problem=software.problem,
            ),
        )
        if owner.admin:
            reply.resident_bytes = resident_bytes()
            reply.cpu_seconds = time.process_time()
        # Last, so that whoever compares clocks measures the way back and not the work above.
        reply.time_ns = time.time_ns()
        return reply

    def sessions(self, owner: Owner, request: admin_pb2.SessionsRequest) -> admin_pb2.SessionList:
        """The sessions that the owner may see, those with most ops per second first."""
        census = self._host.census
        overview = self._host.overview()
        if overview.sessions and not census.has_rates():
            # Nobody has watched: a rate needs two looks.
            census.sample(overview)
            time.sleep(_BASELINE_SECONDS)
            overview = self._host.overview()
        rows = [message_of(facts, census.rate(facts)) for facts in self._visible(owner, overview)]
        census.sample(overview)
        return admin_pb2.SessionList(sessions=sorted(rows, key=lambda row: -row.ops_per_second))

    def kill(self, owner: Owner, request: admin_pb2.KillRequest) -> admin_pb2.KillReply:
        """End a session; SessionLostError where the owner has none of that id."""
        found = next(
            (facts for facts in self._visible(owner, self._host.overview()) if facts.id == request.id), None
        )
        own = found is not None and found.owner == owner.name
        reason = f"the session was ended {'by its owner' if own else 'by an administrator'} (remx kill)"
        if found is None or not self._host.end(found.id, SessionLostError(reason)):
            # The same answer for what is not there and for what is another's.
            raise SessionLostError(f"there is no session {request.id[:64]!r} that you can end")
        log.warning("session killed", extra={"session": found.id, "owner": found.owner, "by": owner.name})
        return admin_pb2.KillReply()

    def probe(self, owner: Owner, request: admin_pb2.ProbeRequest) -> admin_pb2.ProbeReply:
        """Send as many bytes as are wanted; those that came up are dropped."""
        if len(request.data) > PROBE_BYTES or request.wanted > PROBE_BYTES:
            raise LimitError(f"a probe carries at most {PROBE_BYTES} bytes each way")
        if not self._probes.acquire(blocking=False):
            raise LimitError(f"the server does at most {PROBES} probes at a time")
        try:
            return admin_pb2.ProbeReply(data=_noise()[: request.wanted])
        finally:
            self._probes.release()


@cache
def _noise() -> bytes:
    """Bytes that nothing on the way can compress."""
    return os.urandom(PROBE_BYTES)


def totals(sessions: list[Facts], ended: Ended) -> admin_pb2.Totals:
    """The sums over sessions."""
    return admin_pb2.Totals(
        sessions=len(sessions),
        ops=ended.ops + sum(facts.ops for facts in sessions),
        batches=ended.batches + sum(facts.batches for facts in sessions),
        handles=sum(facts.usage.handles for facts in sessions),
        device_bytes=sum(facts.usage.device_bytes for facts in sessions),
        host_bytes=sum(facts.usage.host_bytes for facts in sessions),
        errors=sum(ended.errors.values()) + sum(sum(facts.errors.values()) for facts in sessions),
    )


def message_of(facts: Facts, rate: float) -> admin_pb2.SessionStatus:
    """A session as the Admin service tells of it."""
    return admin_pb2.SessionStatus(
        id=facts.id,
        owner=facts.owner,
        client=facts.client,
        state=_STATES.get(facts.state, admin_pb2.SessionStatus.UNKNOWN),
        age_seconds=facts.age_seconds,
        ops=facts.ops,
        ops_per_second=rate,
        batches=facts.batches,
        handles=facts.usage.handles,
        device_bytes=facts.usage.device_bytes,
        host_bytes=facts.usage.host_bytes,
        queue_bytes=facts.queue_bytes,
        errors=sum(facts.errors.values()),
        last_error=facts.last_error,
        resumes=facts.resumes,
        spills=facts.spills,
    )
