"""Calls of the Admin service, without the client package."""

from __future__ import annotations

from typing import Any

import grpc
from remx_contract.v1 import admin_pb2

REQUESTS = {
    "Status": (admin_pb2.StatusRequest, admin_pb2.ServerStatus),
    "Sessions": (admin_pb2.SessionsRequest, admin_pb2.SessionList),
    "Kill": (admin_pb2.KillRequest, admin_pb2.KillReply),
    "Probe": (admin_pb2.ProbeRequest, admin_pb2.ProbeReply),
}


def ask(address: str, method: str, token: str = "", **fields: Any) -> Any:
    """The answer of the Admin service of a server."""
    request, reply = REQUESTS[method]
    metadata = (("remx-token", token),) if token else ()
    options = (("grpc.max_receive_message_length", 64 << 20),)
    with grpc.insecure_channel(address, options=options) as channel:
        call = channel.unary_unary(
            f"/remx.v1.Admin/{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=reply.FromString,
        )
        return call(request(**fields), metadata=metadata, timeout=10)
