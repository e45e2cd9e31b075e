"""Requests that are no messages are refused here, for every service of the server.

gRPC would refuse them by itself, but what it keeps for such a call it keeps for ever, and it writes a
traceback to the log; both without asking for a token (tests/server/test_leaks.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from remx_contract.errors import ProtocolError

from .servicer import abort

_NONSENSE: Final = object()
"""Stands for a request that is no message."""

Decode = Callable[[bytes], Any]


class Decoding(grpc.ServerInterceptor):
    """Decodes the requests of all methods.

    A call with one request ends with a status. In a stream, the empty message takes the place of one that is
    none: it has no meaning in any of them, so that each says what it says of messages that have no place.
    """

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """A method's handler, with a way to decode that does not raise."""
        handler = continuation(handler_call_details)
        if handler is None or handler.request_deserializer is None:
            return handler
        decode = handler.request_deserializer
        if handler.request_streaming:
            return handler._replace(request_deserializer=_or_empty(decode))
        kind = "unary_stream" if handler.response_streaming else "unary_unary"
        behavior = _unless_nonsense(getattr(handler, kind))
        return handler._replace(request_deserializer=_or_nonsense(decode), **{kind: behavior})


def _or_empty(decode: Decode) -> Decode:
    def decoded(raw: bytes) -> Any:
        try:
            return decode(raw)
        except DecodeError:
            return decode(b"")

    return decoded


def _or_nonsense(decode: Decode) -> Decode:
    def decoded(raw: bytes) -> Any:
        try:
            return decode(raw)
        except DecodeError:
            return _NONSENSE

    return decoded


def _unless_nonsense(behavior: Callable[..., Any]) -> Callable[..., Any]:
    def answer(request: Any, context: grpc.ServicerContext, *rest: Any) -> Any:
        if request is _NONSENSE:
            abort(context, ProtocolError("the request is not a message of this method"))
        return behavior(request, context, *rest)

    # What gRPC looks for on a behavior, of the health service's Watch for one.
    answer.__dict__.update(getattr(behavior, "__dict__", {}))
    return answer
