"""Reflection: gRPC's own service that tells what a server offers, for those who have a token.

A stream of it holds one of the server's threads for as long as its client likes, so it is not for everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from .service import Service
from .servicer import authorize


class _Reflection(reflection.ReflectionServicer):  # type: ignore[misc]
    def __init__(self, names: Sequence[str], service: Service) -> None:
        super().__init__(names)
        self._service = service

    def ServerReflectionInfo(
        self, request_iterator: Iterator[Any], context: grpc.ServicerContext
    ) -> Iterator[Any]:
        """Answer questions, where the token is one of the server's."""
        authorize(self._service, context)
        yield from super().ServerReflectionInfo(request_iterator, context)


def add_reflection(names: Sequence[str], service: Service, server: grpc.Server) -> None:
    """Let a server tell of the services that have these names, and of reflection itself."""
    servicer = _Reflection((*names, reflection.SERVICE_NAME), service)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
