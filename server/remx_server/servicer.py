"""The gRPC edge: messages in, messages out, errors to status. It decides nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from remx_contract.errors import InternalError, MXNetError, UnauthenticatedError
from remx_contract.status import CODE_OF, DOMAIN, clip
from remx_contract.v1 import stream_pb2

from .log import log
from .owners import Owner
from .requests import REQUEST, request_id
from .service import Service
from .session import Session

SERVICE_NAME = "remx.v1.Remx"
TOKEN_KEY = "remx-token"
SESSION_KEY = "remx-session-bin"


def handlers(service: Service) -> grpc.GenericRpcHandler:
    """The handlers of the Remx service. The byte streams carry raw bytes, which codec.py reads and writes."""
    edge = _Edge(service)
    traffic = service.traffic
    return grpc.method_handlers_generic_handler(
        SERVICE_NAME,
        {
            "Session": grpc.stream_stream_rpc_method_handler(
                edge.session,
                request_deserializer=lambda raw: stream_pb2.Up.FromString(traffic.receive("stream", raw)),
                response_serializer=lambda down: traffic.send("stream", down.SerializeToString()),
            ),
            "Upload": grpc.stream_unary_rpc_method_handler(
                lambda chunks, context: edge.upload(traffic.receiving("bulk", chunks), context),
                response_serializer=stream_pb2.Receipt.SerializeToString,
            ),
            "Download": grpc.unary_stream_rpc_method_handler(
                edge.download,
                request_deserializer=stream_pb2.DownloadRequest.FromString,
                response_serializer=lambda raw: traffic.send("bulk", raw),
            ),
            "Received": grpc.unary_unary_rpc_method_handler(
                edge.received,
                request_deserializer=stream_pb2.ReceivedRequest.FromString,
                response_serializer=stream_pb2.Receipt.SerializeToString,
            ),
        },
    )


class _Edge:
    def __init__(self, service: Service) -> None:
        self._service = service

    def session(
        self, requests: Iterator[stream_pb2.Up], context: grpc.ServicerContext
    ) -> Iterator[stream_pb2.Down]:
        owner = authorize(self._service, context)
        yield from self._service.stream(owner, requests, context.add_callback)

    def upload(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> stream_pb2.Receipt:
        return guard(context, lambda: self._upload(requests, context))

    def _upload(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> stream_pb2.Receipt:
        transfers = self._session(context).client.transfers
        return stream_pb2.Receipt(received=transfers.receive_all(_until_broken(requests)))

    def download(self, request: stream_pb2.DownloadRequest, context: grpc.ServicerContext) -> Iterator[bytes]:
        session = guard(context, lambda: self._session(context))
        chunks = session.client.transfers.send(request.transfer, request.offset)
        while (chunk := guard(context, lambda: next(chunks, None))) is not None:
            yield chunk

    def received(
        self, request: stream_pb2.ReceivedRequest, context: grpc.ServicerContext
    ) -> stream_pb2.Receipt:
        session = guard(context, lambda: self._session(context))
        return stream_pb2.Receipt(received=session.client.transfers.received(request.transfer))

    def _session(self, context: grpc.ServicerContext) -> Session:
        """The session that a byte stream belongs to."""
        return self._service.session_of(metadata_value(context, SESSION_KEY), _owner(self._service, context))


def authorize(service: Service, context: grpc.ServicerContext) -> Owner:
    """Whoever makes a call; ends the call where the token is not one of the server's."""
    return guard(context, lambda: _owner(service, context))


def _owner(service: Service, context: grpc.ServicerContext) -> Owner:
    """Whoever makes a call; UnauthenticatedError for a token that is not known."""
    return service.authorize(metadata_value(context, TOKEN_KEY), context.peer())


def _until_broken(requests: Iterator[bytes]) -> Iterator[bytes]:
    """The messages of a call, up to where its connection broke if it did; gRPC raises then, or just ends."""
    # It raises its own classes, and nobody is left to tell.
    with contextlib.suppress(Exception):
        yield from requests


def guard(context: grpc.ServicerContext, function: Callable[[], Any]) -> Any:
    """Call ``function``; its errors end the call with a status that says the reason."""
    try:
        return function()
    except MXNetError as error:
        abort(context, error)
    except Exception as error:
        if not context.is_active():
            raise
        log.exception("call failed")
        abort(context, InternalError(f"{type(error).__name__}: {error}"))


def metadata_value(context: grpc.ServicerContext, key: str) -> Any:
    return dict(context.invocation_metadata()).get(key, b"" if key.endswith("-bin") else "")


def to_status(error: MXNetError) -> status_pb2.Status:
    """An error as google.rpc.Status with one ErrorInfo."""
    detail = any_pb2.Any()
    metadata = {
        name: clip(value, 512)
        for name in ("op", "argument", "got", "expected")
        if (value := getattr(error, name))
    }
    if request := request_id():
        # What a user can quote, and an operator find in the log.
        metadata["request"] = request
    detail.Pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata))
    return status_pb2.Status(code=CODE_OF[type(error)], message=clip(str(error)), details=[detail])


def abort(context: grpc.ServicerContext, error: MXNetError) -> None:
    """End a call with the error's status."""
    if (request := REQUEST.get()) is not None:
        request.on_error(error.reason)
        if not isinstance(error, UnauthenticatedError):
            # Those have a line of their own, of which there are only so many.
            log.warning("call refused", extra={"reason": error.reason})
    context.abort_with_status(rpc_status.to_status(to_status(error)))
