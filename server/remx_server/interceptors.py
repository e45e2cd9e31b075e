"""What every call passes before its handler: the token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from remx_contract.errors import MXNetError

from .service import Service
from .servicer import SERVICE_NAME, abort

TOKEN_KEY = "remx-token"


class TokenInterceptor(grpc.ServerInterceptor):
    """Refuses calls of the Remx service without the server's token; health checks need none."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def intercept_service(
        self, continuation: Callable[[Any], Any], details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler:
        """The handler of a call, or one that refuses it."""
        handler = continuation(details)
        if handler is None or not details.method.startswith(f"/{SERVICE_NAME}/"):
            return handler
        token = dict(details.invocation_metadata).get(TOKEN_KEY, "")
        try:
            self._service.authorize(token)
        except MXNetError as error:
            return _refusing(handler, error)
        return handler


def _refusing(handler: grpc.RpcMethodHandler, error: MXNetError) -> grpc.RpcMethodHandler:
    def refuse(request: Any, context: grpc.ServicerContext) -> Any:
        abort(context, error)

    serializers = (handler.request_deserializer, handler.response_serializer)
    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(refuse, *serializers)
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler(refuse, *serializers)
    return grpc.unary_stream_rpc_method_handler(refuse, *serializers)
