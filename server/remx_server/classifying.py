"""Which error of remx stands for whatever a kernel, a rule or NumPy has raised."""

from __future__ import annotations

from remx_contract.errors import (
    KernelError,
    MXNetError,
    OutOfMemoryError,
    OutOfRangeError,
    ValueRangeError,
)

from . import lost_gpu


def classify(error: Exception, op: str) -> MXNetError:
    """The error of remx for whatever a kernel raised; LostGpuError where no kernel can run any more."""
    lost_gpu.check(error)
    if isinstance(error, MXNetError):
        return error.named(op)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return OutOfMemoryError(str(error) or "no memory for the result", op=op)
    if isinstance(error, IndexError):
        return OutOfRangeError(str(error), op=op)
    if isinstance(error, (ValueError, ZeroDivisionError)):
        return ValueRangeError(str(error), op=op)
    return KernelError(f"{type(error).__name__}: {error}", op=op)
