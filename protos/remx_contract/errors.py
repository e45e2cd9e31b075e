"""The error classes of remx, the same on both sides of the wire.

Every class has a ``reason``, a constant in capitals that crosses the wire and never changes; ``status.py``
maps reasons to classes and to gRPC codes. Where MXNet raises a builtin (an index out of range is an
``IndexError``), the class here is that builtin too, so that code written for MXNet catches it.
"""

from __future__ import annotations

from typing import ClassVar


class MXNetError(RuntimeError):
    """The root of all errors of remx, and MXNet's own name for it.

    Parameters
    ----------
    message : str
        What happened. When empty, it is put together from the other arguments.
    op, argument : str
        The operator and the argument at fault.
    got, expected : str
        What came and what was expected instead.
    """

    reason: ClassVar[str] = "MXNET_ERROR"

    def __init__(
        self, message: str = "", *, op: str = "", argument: str = "", got: str = "", expected: str = ""
    ) -> None:
        self.message = message
        self.op = op
        self.argument = argument
        self.got = got
        self.expected = expected
        super().__init__(message)

    def __str__(self) -> str:
        parts = []
        if self.op:
            parts.append(self.op)
        if self.argument:
            parts.append(f"argument {self.argument!r}")
        if self.message:
            parts.append(self.message)
        if self.got:
            parts.append(f"got {self.got}" + (f", expected {self.expected}" if self.expected else ""))
        elif self.expected:
            parts.append(f"expected {self.expected}")
        return ": ".join(parts)

    def named(self, op: str) -> MXNetError:
        """This error with the op's name filled in, unless it already has one."""
        self.op = self.op or op
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.op, self.argument, self.got, self.expected)


def _rebuild(
    cls: type[MXNetError], message: str, op: str, argument: str, got: str, expected: str
) -> MXNetError:
    return cls(message, op=op, argument=argument, got=got, expected=expected)


# What is wrong with a call, found before anything crosses the wire.


class ArgumentError(MXNetError):
    """An attribute or input that the op does not have, lacks, or cannot take."""

    reason = "ARGUMENT"


class PreconditionError(ArgumentError, AssertionError):
    """What MXNet asserts of a call's arguments: lists of the same length, parameters of the same kind."""

    reason = "PRECONDITION"


class NotAnArrayError(PreconditionError, TypeError):
    """An input of an op that is not an NDArray."""

    reason = "NOT_AN_ARRAY"


class UnsupportedTypeError(ArgumentError, TypeError):
    """An operand or a value of a type that arrays do not work with."""

    reason = "TYPE"


class UnknownKeyError(ArgumentError, KeyError):
    """A name that is not in a table of MXNet's: a kind of device, a gradient request."""

    reason = "UNKNOWN_KEY"


class UnknownOpError(MXNetError):
    """An operator that the catalogue does not have."""

    reason = "UNKNOWN_OP"


class ShapeError(MXNetError):
    """Input shapes that the op's shape rule refuses."""

    reason = "SHAPE"


class DTypeError(MXNetError, TypeError):
    """Input dtypes that the op's dtype rule refuses, or a dtype that MXNet does not have."""

    reason = "DTYPE"


# What fails while a command runs. These raise at the next wait that depends on the command.


class OutOfRangeError(MXNetError, IndexError):
    """An index that lies outside of the indexed axis."""

    reason = "INDEX_OUT_OF_RANGE"


class OutOfMemoryError(MXNetError, MemoryError):
    """The host or the device has no room for an op's result, or the user's quota is used up."""

    reason = "OUT_OF_MEMORY"


class QuotaError(OutOfMemoryError):
    """The user's quota is used up: of memory, tensors, recorded ops, sessions, or the size of an upload."""

    reason = "QUOTA"


class KernelError(MXNetError):
    """A kernel raised: a bug in it, or values it cannot handle."""

    reason = "KERNEL"


class ValueRangeError(MXNetError, ValueError):
    """Values that an op refuses: a negative scale, a low bound above the high one."""

    reason = "VALUE"


class NotDifferentiableError(MXNetError):
    """A gradient through an op that has none, or of an array that is not in a recorded computation."""

    reason = "NOT_DIFFERENTIABLE"


class GraphFreedError(MXNetError):
    """A second backward pass over a graph that the first one freed (``retain_graph=True`` keeps it)."""

    reason = "GRAPH_FREED"


class OverwrittenValueError(MXNetError):
    """A backward pass needs a value that was written over after it was recorded."""

    reason = "VALUE_OVERWRITTEN"


class InPlaceRecordedError(MXNetError):
    """A write to an array that takes part in the computation being recorded."""

    reason = "IN_PLACE_RECORDED"


class FunctionTimeoutError(MXNetError):
    """A backward pass waited too long for the backward of an ``autograd.Function``, which the client runs."""

    reason = "FUNCTION_TIMEOUT"


class NotTranslatableError(MXNetError):
    """A recorded op is none that MXNet's symbols can have."""

    reason = "NOT_TRANSLATABLE"


class FileFormatError(MXNetError):
    """A file that is not in the format that it should have (MXNet's arrays, a checkpoint), or is damaged."""

    reason = "FILE_FORMAT"


class CheckpointError(MXNetError):
    """A checkpoint cannot be stored or found: the server keeps none, its disk is full, there is none of the
    name."""

    reason = "CHECKPOINT"


class TransferError(MXNetError):
    """A bulk upload or download that was cut short, is unknown, or whose checksum is wrong."""

    reason = "TRANSFER"


# What a client can do to the wire.


class ProtocolError(MXNetError):
    """A message that breaks the contract: malformed code words, a sequence number out of order."""

    reason = "PROTOCOL"


class HandleError(ProtocolError):
    """A handle that names nothing, or one that is defined twice."""

    reason = "HANDLE"


class ContractMismatchError(MXNetError):
    """Client and server were built from different contracts."""

    reason = "CONTRACT_MISMATCH"


class UnauthenticatedError(MXNetError):
    """No token, or one that the server does not know."""

    reason = "UNAUTHENTICATED"


class DeviceError(MXNetError):
    """A context that the server has no device for."""

    reason = "DEVICE"


class LimitError(MXNetError):
    """A bound of the server was reached: sessions, or the size of a message or an array."""

    reason = "LIMIT"


# What happens to a connection.


class SessionError(MXNetError, ConnectionError):
    """The session cannot be used: it was closed, or belongs to a process that this one was forked from."""

    reason = "SESSION"


class SessionLostError(SessionError):
    """The server does not have the session any more; its arrays are gone."""

    reason = "SESSION_LOST"


class SessionCrashedError(SessionLostError):
    """The server's process for this session alone was killed or crashed; other sessions go on."""

    reason = "SESSION_CRASHED"


class ServerUnreachableError(SessionError):
    """The server does not answer, was killed, or the connection broke."""

    reason = "SERVER_UNREACHABLE"


class ServerStartError(SessionError):
    """The embedded server could not be started."""

    reason = "SERVER_START"


class InternalError(MXNetError):
    """A failure in the server that is nobody's bad input: a bug to report."""

    reason = "INTERNAL"
