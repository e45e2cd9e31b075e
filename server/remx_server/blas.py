"""How many threads NumPy's matrix products take.

BLAS splits even small products over all cores and makes its threads wait for each other busily. On a machine
where every core has other work, a product then takes many times longer than on one thread; and the server
always has other work, its clients and its own streams at least. So only products that are worth it get more
than one thread.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .shares import Shares

LARGE_PRODUCT: Final = 1 << 24
"""Multiplications from which on a product takes all threads: about a millisecond's worth on one."""

_SPIN_EXPONENT: Final = "10"
"""An idle thread of BLAS waits busily for two to the power of this many cycles before it sleeps."""


def set_up_environment() -> None:
    """Make BLAS's idle threads sleep soon; only before NumPy is imported. What the user has set stays."""
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", _SPIN_EXPONENT)


_SETTERS: Final = tuple(
    f"{prefix}openblas_set_num_threads{suffix}" for prefix in ("", "scipy_") for suffix in ("", "64_")
)


class Threads:
    """The threads of the OpenBLAS that NumPy uses; does nothing where NumPy uses another BLAS.

    Attributes
    ----------
    most : int
        How many a large product takes: what BLAS chose, or the user by its environment variables.
    shares : Shares or None
        How the process shares the cores with others that do the same, if there are such.
    """

    def __init__(self) -> None:
        self._set: Callable[[int], Any] | None = None
        self.most = self.now = 1
        self.shares: Shares | None = None

    def find(self) -> None:
        """Look for OpenBLAS and start with one thread."""
        from threadpoolctl import threadpool_info

        for library in threadpool_info():
            if library["internal_api"] == "openblas" and library["num_threads"] > 1:
                # By hand: threadpoolctl changes OpenBLAS from one thread alone, and products come from many.
                functions = ctypes.PyDLL(library["filepath"])
                name = next((name for name in _SETTERS if hasattr(functions, name)), None)
                if name is not None:
                    self._set = getattr(functions, name)
                    self.most = library["num_threads"]
                    self._change(1)

    def fit(self, work: int) -> None:
        """Choose the threads for a product of so many multiplications."""
        wanted = self.most if work >= LARGE_PRODUCT else 1
        if wanted > 1 and self.shares is not None:
            wanted = self.shares.claim(work, wanted)
        if wanted != self.now:
            self._change(wanted)

    def _change(self, number: int) -> None:
        self.now = number
        if self._set is not None:
            self._set(number)


THREADS: Final = Threads()
"""This process's."""
