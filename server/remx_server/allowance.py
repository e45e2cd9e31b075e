"""What an executor may allocate, and what it does where memory has run out."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Final

from remx_contract.errors import MXNetError, OutOfMemoryError, QuotaError

from .backend import CPU, Array, Backend
from .classifying import classify
from .turns import Aside

UNBOUNDED: Final = 1 << 62
"""An allowance that is never used up."""


class Allowance(ABC):
    """An executor's memory: how much it may have, and a second try where a device had none."""

    def __init__(self) -> None:
        # What may still be allocated without asking, on the active device and on the other kind of device,
        # and up to which rank may be recorded. A session puts its meter here.
        self.left = self.left_elsewhere = self.last_rank = UNBOUNDED
        self.more_bytes: Callable[[int], int] = lambda size: UNBOUNDED
        self.more_nodes: Callable[[int], None] = lambda count: None
        # Called where a device is short of memory, before an op and after one that failed.
        self.relieve: Callable[[Backend, int], None] = lambda backend, size: None
        self.after_failure: Callable[[Backend, int], bool] = lambda backend, size: False

    @abstractmethod
    def use(self, backend: Backend) -> None:
        """Make a device the one that kernels run on."""

    def reserve(self, backend: Backend, size: int) -> None:
        """Make a device the one that kernels run on, and take so many bytes of it from the allowance.

        Raises
        ------
        QuotaError
        """
        self.use(backend)
        left = self.left - size
        self.left = left if left >= 0 else self.more_bytes(size)

    def attempt(self, op: str, backend: Backend, size: int, make: Callable[[], Any]) -> Any:
        """What ``make`` makes, of so many bytes; tried once more where the device had no memory for it and
        some could be had."""
        try:
            return make()
        except Exception as error:
            failed = classify(error, op)
            self._prepare(failed, error, backend, size)
        try:
            return make()
        except Exception as error:
            raise classify(error, op) from error

    def again(
        self,
        error: Exception,
        op: str,
        backend: Backend,
        size: int,
        call: Callable[..., Any],
        arrays: Iterable[Array],
        per_call: dict[str, Any],
    ) -> Any:
        """Try a kernel that failed once more, if it was for memory that can be had now."""
        self._prepare(classify(error, op), error, backend, size)
        try:
            return call(*arrays, **per_call)
        except Exception as error:
            raise classify(error, op) from error

    def _prepare(self, failed: MXNetError, error: Exception, backend: Backend, size: int) -> None:
        """See to it that another try can go better; raises ``failed`` where it cannot."""
        if not isinstance(failed, OutOfMemoryError) or isinstance(failed, QuotaError):
            raise failed from error
        # Its frames have the arrays of the kernel that failed. Up to Python 3.10 they are kept elsewhere,
        # too, for as long as the error is being handled.
        traceback.clear_frames(error.__traceback__)
        error.__traceback__ = None
        if not self.after_failure(backend, size):
            raise failed from error


def with_room(
    call: Callable[..., Any], backend: Backend, size: int, relieve: Callable[[Backend, int], None]
) -> Callable[..., Any]:
    """``call``, before which room is made for ``size`` more bytes, and refused where the device has none."""

    def checked(*arrays: Array, **per_call: Any) -> Any:
        if "out" not in per_call:
            relieve(backend, size)
            backend.check_room(size)
        return call(*arrays, **per_call)

    return checked


def aside(call: Callable[..., Any], backend: Backend) -> Callable[..., Any]:
    """``call``, during which other sessions have their turns."""

    def beside(*arrays: Array, **per_call: Any) -> Any:
        with Aside(works=True):
            return call(*arrays, **per_call)

    def waiting(*arrays: Array, **per_call: Any) -> Any:
        result = call(*arrays, **per_call)
        with Aside(works=True) as shared:
            # A device would take any number of kernels at once, and let the others wait behind all of them.
            if shared:
                backend.synchronize()
        return result

    return beside if backend.device_type == CPU else waiting
