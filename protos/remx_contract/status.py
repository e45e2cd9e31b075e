"""The one table of errors: class <-> reason <-> gRPC code, and both directions of crossing the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from . import errors
from .errors import MXNetError
from .v1 import stream_pb2

DOMAIN: Final = "remx"

# gRPC's status codes by number, so that the contract does not import grpc.
INVALID_ARGUMENT: Final = 3
DEADLINE_EXCEEDED: Final = 4
NOT_FOUND: Final = 5
RESOURCE_EXHAUSTED: Final = 8
FAILED_PRECONDITION: Final = 9
ABORTED: Final = 10
OUT_OF_RANGE: Final = 11
UNIMPLEMENTED: Final = 12
INTERNAL: Final = 13
UNAVAILABLE: Final = 14
UNAUTHENTICATED: Final = 16

CODE_OF: Final[dict[type[MXNetError], int]] = {
    errors.MXNetError: INTERNAL,
    errors.ArgumentError: INVALID_ARGUMENT,
    errors.PreconditionError: INVALID_ARGUMENT,
    errors.NotAnArrayError: INVALID_ARGUMENT,
    errors.UnsupportedTypeError: INVALID_ARGUMENT,
    errors.UnknownKeyError: INVALID_ARGUMENT,
    errors.UnknownOpError: UNIMPLEMENTED,
    errors.ShapeError: INVALID_ARGUMENT,
    errors.DTypeError: INVALID_ARGUMENT,
    errors.OutOfRangeError: OUT_OF_RANGE,
    errors.OutOfMemoryError: RESOURCE_EXHAUSTED,
    errors.QuotaError: RESOURCE_EXHAUSTED,
    errors.KernelError: INTERNAL,
    errors.ValueRangeError: INVALID_ARGUMENT,
    errors.NotDifferentiableError: FAILED_PRECONDITION,
    errors.GraphFreedError: FAILED_PRECONDITION,
    errors.OverwrittenValueError: FAILED_PRECONDITION,
    errors.InPlaceRecordedError: FAILED_PRECONDITION,
    errors.FunctionTimeoutError: DEADLINE_EXCEEDED,
    errors.NotTranslatableError: UNIMPLEMENTED,
    errors.FileFormatError: INVALID_ARGUMENT,
    errors.CheckpointError: FAILED_PRECONDITION,
    errors.TransferError: FAILED_PRECONDITION,
    errors.ProtocolError: INVALID_ARGUMENT,
    errors.HandleError: INVALID_ARGUMENT,
    errors.ContractMismatchError: FAILED_PRECONDITION,
    errors.UnauthenticatedError: UNAUTHENTICATED,
    errors.DeviceError: INVALID_ARGUMENT,
    errors.LimitError: RESOURCE_EXHAUSTED,
    errors.SessionError: FAILED_PRECONDITION,
    errors.SessionLostError: NOT_FOUND,
    errors.SessionCrashedError: ABORTED,
    errors.ServerUnreachableError: UNAVAILABLE,
    errors.ServerStartError: UNAVAILABLE,
    errors.InternalError: INTERNAL,
}
CLASS_OF: Final[dict[str, type[MXNetError]]] = {cls.reason: cls for cls in CODE_OF}

# gRPC drops the real status when its trailers grow past about 12 kB, so texts are clipped well below.
MAX_TEXT: Final = 4096


def clip(text: str, limit: int = MAX_TEXT) -> str:
    """``text``, shortened in the middle to at most ``limit`` characters."""
    if len(text) <= limit:
        return text
    half = (limit - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def to_failure(error: MXNetError, site: int = 0) -> stream_pb2.Failure:
    """The message of an error; ``site`` is the number of the client line that issued the op."""
    return stream_pb2.Failure(
        reason=error.reason,
        message=clip(error.message),
        op=clip(error.op, 256),
        argument=clip(error.argument, 256),
        got=clip(error.got),
        expected=clip(error.expected),
        site=site,
    )


def from_failure(failure: stream_pb2.Failure) -> MXNetError:
    """The error that a message describes; an unknown reason becomes the root class."""
    cls = CLASS_OF.get(failure.reason, MXNetError)
    return cls(
        failure.message,
        op=failure.op,
        argument=failure.argument,
        got=failure.got,
        expected=failure.expected,
    )


def classes() -> Iterator[type[MXNetError]]:
    """Every error class, the root first."""
    queue: list[type[MXNetError]] = [MXNetError]
    while queue:
        cls = queue.pop(0)
        yield cls
        queue.extend(cls.__subclasses__())
