"""Interceptors: what happens to every call, of whatever service, before its handler runs."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import grpc

from .requests import REQUEST, Request


class Requests(grpc.ServerInterceptor):
    """Gives each call its :class:`Request`; gRPC runs the call's handler in the context that is set here.

    Parameters
    ----------
    on_error : callable
    """

    def __init__(self, on_error: Callable[[str], None]) -> None:
        self._on_error = on_error

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Begin a call."""
        REQUEST.set(Request(secrets.token_hex(6), self._on_error))
        return continuation(handler_call_details)
