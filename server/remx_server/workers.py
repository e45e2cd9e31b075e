"""``--isolation process``: a service that has a process for each session, so that a crash takes one with it.

This process listens, knows tokens and limits, and passes on; of a session it looks at the first message in
each direction and no other. Everything else happens in the worker (``worker.py``), by the code that runs
sessions in threads. A worker that dies costs its own session, whose client is told so.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from remx_contract.errors import (
    MXNetError,
    ProtocolError,
    SessionCrashedError,
    SessionLostError,
)
from remx_contract.status import to_failure
from remx_contract.v1 import stream_pb2

from .backend import GPU, DeviceInfo
from .census import Facts
from .config import Config
from .frames import LinkBrokenError, Outcome, pack_owner
from .grants import ANSWER_SECONDS, Grants
from .log import log
from .owners import ANYBODY, Owner, Quota
from .pool import Pool
from .reader import HeadReader
from .service import Service
from .servicer import SERVICE_NAME, SESSION_KEY, TOKEN_KEY, abort, handlers
from .worker_process import Call, WorkerProcess

DRAIN_SECONDS: Final = 3.0
"""How long workers whose sessions are ended get to tell their clients."""

_SESSION_METHOD: Final = f"/{SERVICE_NAME}/Session"


class WorkerSession:
    """A session that is in a process of its own.

    Parameters
    ----------
    name : str
        What the log calls it.
    owner : Owner
    worker : WorkerProcess
    client : str
        What the client says that it is.
    """

    def __init__(self, name: str, owner: Owner, worker: WorkerProcess, client: str) -> None:
        self.name = name
        self._owner = owner
        self._part: Quota | None = None
        self.worker = worker
        self.client = client
        # Until the worker says what it is. Nobody else knows this one.
        self.token = secrets.token_bytes(16)
        self.welcomed = False
        self.ended_with: MXNetError | None = None
        self.streams = 0
        # As its worker has told last.
        self.facts = Facts(name, owner.name, client)

    @property
    def owner(self) -> Owner:
        """Whoever it belongs to; its worker learns of a change."""
        return self._owner

    @owner.setter
    def owner(self, owner: Owner) -> None:
        if owner != self._owner:
            self._owner = owner
            self.worker.tell({"owner": pack_owner(self.owner_inside)})

    @property
    def labels(self) -> dict[str, str]:
        """What every line of the log about it has."""
        return {"session": self.name, "owner": self.owner.name}

    @property
    def part(self) -> Quota | None:
        """The session's part of its owner's quota; None before it was given one. Its worker takes it for the
        whole."""
        return self._part

    @part.setter
    def part(self, part: Quota) -> None:
        if part != self._part:
            self._part = part
            self.worker.tell({"owner": pack_owner(self.owner_inside)})

    @property
    def owner_inside(self) -> Owner:
        """The owner as the worker knows it."""
        return self._owner if self._part is None else replace(self._owner, quota=self._part)

    @property
    def closing(self) -> bool:
        """Whether the session is over, or nearly."""
        return self.worker.gone.is_set()

    @property
    def attached(self) -> bool:
        """Whether its client is there."""
        return self.streams > 0

    def close(self, error: MXNetError | None = None) -> None:
        """End the session; its client is told the error."""
        self.worker.close(error)


class WorkerDevices:
    """The devices, as a worker told of them: this process makes no CUDA context."""

    def __init__(self, infos: list[dict[str, Any]]) -> None:
        self._infos = infos

    def infos(self, owner: Owner = ANYBODY) -> list[DeviceInfo]:
        """An owner's devices, the host first, with the memory that was free when the server started."""
        infos = [DeviceInfo(**info) for info in self._infos]
        return [info for info in infos if owner.may_use(_name(info))]


def _name(info: DeviceInfo) -> str:
    return f"gpu({info.device_id})" if info.device_type == GPU else "cpu"


class Workers(Service):
    """All sessions of a server, each in a process of its own.

    Parameters
    ----------
    config : Config

    Raises
    ------
    DeviceError
        Where no worker can be started, or finds the device that the config insists on.
    """

    def __init__(self, config: Config) -> None:
        # The workers keep checkpoints themselves, in the same folder.
        super().__init__(replace(config, state_dir=None), WorkerDevices([]))
        self.keeps_checkpoints = config.state_dir is not None
        self._by_worker: dict[WorkerProcess, WorkerSession] = {}
        self._opening: list[str] = []
        self.pool = Pool(config, self._worker_ended)
        self.devices = WorkerDevices(self.pool.first().devices)
        self._grants = Grants(self._open_sessions)

    # Sessions.

    def open(self, owner: Owner, client: str, token: bytes = b"") -> WorkerSession:
        """A worker for a new session; with a token, for one that was lost and may have a checkpoint."""
        with self._changed:
            # Those that wait for a worker count, too.
            self._check_room(owner, self._opening)
            name = self._new_name()
            self._opening.append(owner.name)
        try:
            session = self._take(name, owner, client, token)
        finally:
            with self._changed:
                self._opening.remove(owner.name)
                self._changed.notify_all()
        self._grants.renew(owner.name)
        return session

    def _take(self, name: str, owner: Owner, client: str, token: bytes) -> WorkerSession:
        while True:
            worker = self.pool.take()
            try:
                with self._changed:
                    # The token file may have been read again meanwhile, and the worker may have died.
                    session = WorkerSession(name, self.access.renewed(owner), worker, client)
                    if token in self._sessions:
                        raise SessionLostError("the session is ending, or being taken over by another client")
                    session.token = token or session.token
                    if not session.closing:
                        self._sessions[session.token] = self._by_worker[worker] = session
                        return session
            except MXNetError:
                self.pool.give_back(worker)
                raise

    def _open_sessions(self) -> list[WorkerSession]:
        with self._changed:
            return list(self._by_worker.values())

    def resume(self, owner: Owner, token: bytes) -> WorkerSession:
        """The session that a Hello or a byte stream names; SessionCrashedError where its process has crashed,
        SessionLostError where there is none."""
        with self._changed:
            name, ending = self._endings.get(token, ("", None))
        if isinstance(ending, SessionCrashedError) and name == owner.name:
            raise SessionCrashedError(str(ending))
        found: WorkerSession = self.session_of(token, owner)
        return found

    def resume_or_open(self, owner: Owner, hello: stream_pb2.Hello) -> WorkerSession:
        """The session that a stream is for."""
        client = hello.client[:200]
        if not hello.session:
            return self.open(owner, client)
        try:
            return self.resume(owner, hello.session)
        except SessionLostError:
            if not (hello.take_over and self.keeps_checkpoints):
                raise
            # A worker finds out whether there is a checkpoint.
            return self.open(owner, client, hello.session)

    @contextmanager
    def attached(self, session: WorkerSession) -> Iterator[None]:
        """Inside, the client of a session is there."""
        with self._changed:
            session.streams += 1
        try:
            yield
        finally:
            with self._changed:
                session.streams -= 1
                self._changed.notify_all()

    def welcome(self, session: WorkerSession, token: bytes) -> None:
        """The worker has made the session."""
        with self._changed:
            if self._sessions.pop(session.token, None) is not None:
                session.token = token
                self._sessions[token] = session
            session.token, session.welcomed = token, True

    def refused(self, session: WorkerSession, reusable: bool) -> None:
        """There is no session: the worker has refused to make it, and can make another; or the client went
        before it knew, and nobody can ever come back to it."""
        if not reusable:
            session.close()
            return
        with self._changed:
            self._sessions.pop(session.token, None)
            self._by_worker.pop(session.worker, None)
            self._changed.notify_all()
        self.pool.give_back(session.worker)

    def _worker_ended(self, worker: WorkerProcess) -> None:
        with self._changed:
            session = self._by_worker.pop(worker, None)
            if session is None:
                return
            self._sessions.pop(session.token, None)
            self.census.retire(session.facts)
            session.ended_with = worker.why_it_ended() if worker.crashed else worker.ended_with
            self._remember_ending(session)
            self._changed.notify_all()
        if worker.crashed:
            log.error(
                "session crashed",
                extra={
                    **session.labels,
                    "client": session.client,
                    "worker": worker.pid,
                    "end": worker.how_it_ended(),
                    "traceback": worker.trace,
                },
            )

    def facts_of(self, session: WorkerSession) -> Facts:  # type: ignore[override]
        """What the session's worker says of it; what it has said last where it does not answer in time."""
        told = session.worker.usage(ANSWER_SECONDS) if session.welcomed else None
        if told is not None and "facts" in told:
            mine = {"id": session.name, "owner": session.owner.name, "client": session.client}
            session.facts = Facts.unpack({**told["facts"], **mine})
        return session.facts

    def drain(self, timeout: float) -> bool:
        """Take no new sessions and let the running ones end by themselves; after ``timeout`` end those that
        are still open, and all processes. A kernel that runs is no obstacle."""
        with self._changed:
            self._draining = True
            self._wait_while_busy(timeout)
            sessions = list(self._sessions.values())
        for session in sessions:
            session.worker.tell({"drain": True})
        with self._changed:
            self._changed.wait_for(lambda: not self._sessions, DRAIN_SECONDS)
        self._grants.stop()
        self.pool.stop()
        return True


class Front(grpc.GenericRpcHandler):
    """The handlers that pass calls on: of the shapes that the edge's have, without serializers.

    Parameters
    ----------
    service : Workers
    """

    def __init__(self, service: Workers) -> None:
        self._service = service
        self._edge = handlers(service)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The handler of a method; None for one that the edge does not have."""
        shape: Any = self._edge.service(handler_call_details)
        if shape is None:
            return None
        method = handler_call_details.method
        if method == _SESSION_METHOD:
            return grpc.stream_stream_rpc_method_handler(self._session)

        def answers(request: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
            messages = request if shape.request_streaming else iter((request,))
            return self._pass_on(method, messages, context)

        def answer(request: Any, context: grpc.ServicerContext) -> bytes:
            # Read to the end, which has the outcome.
            return next(iter(list(answers(request, context))), b"")

        kind = ("unary", "stream")
        maker = f"{kind[shape.request_streaming]}_{kind[shape.response_streaming]}_rpc_method_handler"
        made: grpc.RpcMethodHandler = getattr(grpc, maker)(answers if shape.response_streaming else answer)
        return made

    def _owner(self, context: grpc.ServicerContext) -> Owner:
        return self._service.authorize(str(_metadata(context).get(TOKEN_KEY, "")), context.peer())

    def _pass_on(
        self, method: str, messages: Iterator[bytes], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        """Pass a call of a session on to its worker, and the answers back."""
        try:
            owner = self._owner(context)
            session = self._service.resume(owner, _metadata(context).get(SESSION_KEY, b""))
            call = _call(session, method, context)
            traffic = self._service.traffic
            _start(call, traffic.receiving("bulk", messages), context)
            for raw in _answers(call, session):
                yield traffic.send("bulk", raw)
        except MXNetError as error:
            abort(context, error)
        _finish(call, context)

    def _session(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Find the session of a stream, or make one, and pass the stream on."""
        try:
            owner = self._owner(context)
        except MXNetError as error:
            abort(context, error)
        traffic = self._service.traffic
        reader = _Reader(traffic.receiving("stream", requests))
        call = None
        try:
            raw = reader.first(self._service.config.limits.hello_seconds)
            session, call = self._enter(owner, raw, context)
            reader.go_on(call)
            with self._service.attached(session):
                for answer in self._watched(call, session):
                    yield traffic.send("stream", answer)
        except MXNetError as error:
            log.warning("session refused" if call is None else "session lost", extra={"reason": error.reason})
            yield stream_pb2.Down(closed=to_failure(error)).SerializeToString()
            return
        except DecodeError:
            abort(context, ProtocolError("the first message is none"))
        finally:
            reader.stop()
        _finish(call, context)

    def _enter(
        self, owner: Owner, raw: bytes | None, context: grpc.ServicerContext
    ) -> tuple[WorkerSession, Call]:
        """The session that a stream is for, and the call that has its first message behind it."""
        hello = stream_pb2.Up.FromString(raw or b"").hello
        session = self._service.resume_or_open(owner, hello)
        call = _call(session, _SESSION_METHOD, context, opens="" if session.welcomed else session.name)
        if not context.add_callback(call.break_off):
            call.break_off()
        return session, call

    def _watched(self, call: Call, session: WorkerSession) -> Iterator[bytes]:
        """The answers as they are; the first one tells whether there is a session now, and its token."""
        answers = _answers(call, session)
        if not session.welcomed:
            head = [first] if (first := next(answers, None)) is not None else []
            down = stream_pb2.Down.FromString(first or b"")
            if down.WhichOneof("kind") == "welcome":
                self._service.welcome(session, down.welcome.session)
            else:
                head += answers
                self._service.refused(session, reusable=call.outcome is not None)
            yield from head
        yield from answers


def _metadata(context: grpc.ServicerContext) -> dict[str, Any]:
    return dict(context.invocation_metadata())


def _call(session: WorkerSession, method: str, context: grpc.ServicerContext, opens: str = "") -> Call:
    """A call to a session's worker. It says who makes it in the place of the token."""
    metadata = [(key, value) for key, value in context.invocation_metadata() if key != TOKEN_KEY]
    owner = (TOKEN_KEY, json.dumps(pack_owner(session.owner_inside)))
    return session.worker.call(method, (*metadata, owner), context.peer(), opens)


def _start(call: Call, messages: Iterator[bytes], context: grpc.ServicerContext) -> None:
    if not context.add_callback(call.break_off):
        call.break_off()
    threading.Thread(target=call.send_all, args=(messages,), name="pass-on", daemon=True).start()


def _answers(call: Call, session: WorkerSession) -> Iterator[bytes]:
    """What the worker answers; an error if it dies before the end."""
    try:
        yield from call.answers()
    except LinkBrokenError:
        if not call.given_up:
            raise session.worker.why_it_ended() from None


def _finish(call: Call | None, context: grpc.ServicerContext) -> None:
    """End a call as the worker has ended it."""
    outcome = call.outcome if call is not None else None
    if outcome is not None and outcome.code:
        context.abort_with_status(_Status(outcome))


class _Status(grpc.Status):
    """An Outcome as gRPC wants it."""

    def __init__(self, outcome: Outcome) -> None:
        self.code = next(code for code in grpc.StatusCode if code.value[0] == outcome.code)
        self.details = outcome.details
        self.trailing_metadata = outcome.trailers


class _Reader(HeadReader[bytes, Call]):
    """Hands a stream to a call, its first message too."""

    def pass_on(self, first: bytes | None, taker: Call) -> None:
        """Send the whole stream."""
        head = () if first is None else (first,)
        taker.send_all(chain(head, self.incoming if head else ()))
