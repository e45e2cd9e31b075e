"""Value: a tensor on the server, with what the tape and the error handling know about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from remx_contract.dtypes import float32
from remx_contract.errors import MXNetError
from remx_contract.spec import TensorSpec

from .backend import Array, Backend
from .registry import KERNELS

if TYPE_CHECKING:
    from .tape import Broken, FunctionNode, Leaf, Node


class Failure:
    """Why a tensor has no value: the error of the command that should have made it, and who issued that
    command.

    Attributes
    ----------
    error : MXNetError
    site : int
        The number of the client's source line; 0 if unknown.
    reported : bool
        Whether a wait has raised it already; ``waitall`` raises each failure once.
    """

    __slots__ = ("error", "reported", "site")

    def __init__(self, error: MXNetError, site: int = 0) -> None:
        # The frames of its traceback would keep every array that the failing command had at hand.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        self.error = error
        self.site = site
        self.reported = False


class Value:
    """A tensor: an array on a device, or the failure that stands in its place.

    Attributes
    ----------
    data : array or None
        None exactly where ``failure`` is set.
    spec : TensorSpec
    backend : Backend
        Where ``data`` lives.
    base : Value or None
        The value whose memory this one shares; None for one that has its own.
    writes : list of one int, or None
        How often the memory was written since somebody first saved it; kept on the base.
    producer : Node, Leaf or None
        What the tape knows: the node that made it, or the leaf that makes it a variable.
    index : int
        Which of the producer's outputs it is.
    constant : int
        Names it in histories, once a recorded op has used it while it had no producer; 0 before.
    failure : Failure or None
    """

    __slots__ = ("backend", "base", "constant", "data", "failure", "index", "producer", "spec", "writes")

    def __init__(
        self,
        data: Array,
        spec: TensorSpec,
        backend: Backend,
        producer: Node | FunctionNode | Leaf | Broken | None = None,
        index: int = 0,
    ) -> None:
        self.data = data
        self.spec = spec
        self.backend = backend
        self.producer = producer
        self.index = index
        self.constant = 0
        self.base: Value | None = None
        self.writes: list[int] | None = None
        self.failure: Failure | None = None

    @classmethod
    def failed(cls, failure: Failure, spec: TensorSpec | None, backend: Backend) -> Value:
        """A value that could not be computed."""
        value = cls(None, spec or _UNKNOWN, backend)
        value.failure = failure
        return value

    def spoil(self, failure: Failure) -> None:
        """Put a failure in the place of the data."""
        self.failure, self.data = failure, None

    @property
    def memory(self) -> Value:
        """The value that counts the writes to this one's memory."""
        return self if self.base is None else self.base

    def __repr__(self) -> str:
        return f"Value({self.spec}{', failed' if self.failure else ''})"

    # Gradient rules are written with these. The executor of the running backward pass does the work, so that
    # they are recorded like any op where the pass itself is recorded.

    def __add__(self, other: Value | float) -> Value:
        return _binary("broadcast_add", "_plus_scalar", self, other)

    def __radd__(self, other: float) -> Value:
        return _scalar("_plus_scalar", self, other)

    def __sub__(self, other: Value | float) -> Value:
        return _binary("broadcast_sub", "_minus_scalar", self, other)

    def __rsub__(self, other: float) -> Value:
        return _scalar("_rminus_scalar", self, other)

    def __mul__(self, other: Value | float) -> Value:
        return _binary("broadcast_mul", "_mul_scalar", self, other)

    def __rmul__(self, other: float) -> Value:
        return _scalar("_mul_scalar", self, other)

    def __truediv__(self, other: Value | float) -> Value:
        return _binary("broadcast_div", "_div_scalar", self, other)

    def __rtruediv__(self, other: float) -> Value:
        return _scalar("_rdiv_scalar", self, other)

    def __pow__(self, other: Value | float) -> Value:
        return _binary("broadcast_power", "_power_scalar", self, other)

    def __neg__(self) -> Value:
        return _scalar("_mul_scalar", self, -1.0)


_UNKNOWN = TensorSpec.of((0,), float32)


def _binary(op: str, scalar_op: str, lhs: Value, rhs: Any) -> Value:
    if isinstance(rhs, Value):
        return KERNELS[op](lhs, rhs)
    return KERNELS[scalar_op](lhs, scalar=float(rhs))


def _scalar(op: str, operand: Value, scalar: float) -> Value:
    return KERNELS[op](operand, scalar=float(scalar))


class Failed(MXNetError):
    """Carries the failure of a value that somebody needs."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure.error))
        self.failure = failure


def healthy(value: Value) -> Value:
    """The value; raises its failure if it has one."""
    if value.failure is not None:
        raise Failed(value.failure)
    return value


def mark_written(value: Value) -> None:
    """Count a write to the memory of a value, so that a backward pass that needs the old content notices."""
    writes = (value.base or value).writes
    if writes is not None:
        writes[0] += 1
