"""Errors after which a process can do nothing more on its GPU.

CUDA reports them once for what caused them, and then for every call that follows: the context, with all that
was on the GPU, is lost, and a process cannot make another one.
"""

from __future__ import annotations

from typing import Final

from remx_contract.errors import SessionCrashedError

_LASTING: Final = frozenset({214, 220, 700, 702, 710, 714, 715, 716, 717, 718, 719, 721})
"""CUDA's numbers for: uncorrectable errors of memory and links, an illegal address, a launch that took too
long, an assertion, errors of the hardware's stack, instructions, alignment and address spaces, and a failed
launch."""
_CLASSES: Final = frozenset({"CUDARuntimeError", "CUDADriverError"})


class LostGpuError(Exception):
    """The process's CUDA context is lost, and its sessions with it. No MXNetError, so that nobody takes it
    for the failure of one op."""

    def closing(self) -> SessionCrashedError:
        """What to tell the client."""
        return SessionCrashedError(
            f"the GPU reported an error that loses all that was on it: {self}. Connect again for a new "
            "session: with --isolation process the server has a fresh context for it, with threads it has to "
            "be restarted first"
        )


def check(error: BaseException) -> None:
    """LostGpuError where an error, or one that it came of, is one of CUDA's that last."""
    seen: BaseException | None = error
    known: set[int] = set()
    # An error can be its own cause, where one was classified that was of remx already.
    while seen is not None and id(seen) not in known:
        known.add(id(seen))
        if type(seen).__name__ in _CLASSES and getattr(seen, "status", None) in _LASTING:
            raise LostGpuError(f"{type(seen).__name__}: {seen}") from error
        seen = seen.__cause__
