"""How much host memory is left, as the system and the container see it.

Linux promises more memory than it has and kills the process that takes it at its word, which would end every
session. So large results are refused while there is still somebody to refuse them.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

LARGE_BYTES: Final = 64 << 20
"""Allocations below this size are not looked at."""
MAPPED_BYTES: Final = 32 << 20
"""Arrays from this size on are mapped from the system one by one; the most that glibc takes for it."""
KEPT_BYTES: Final = 256 << 20
"""How much freed memory the allocator keeps for the next arrays."""

_MEMINFO: Final = Path("/proc/meminfo")
_CGROUP: Final = Path("/sys/fs/cgroup")


def host_memory() -> tuple[int, int]:
    """Total and available bytes of host memory; zeros where the system does not say."""
    try:
        fields = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        total, available = (int(fields[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError):
        return 0, 0
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text()) - _reclaimable()
    except (OSError, ValueError):
        # No container, or one without a limit ("max").
        return total, available
    return min(total, limit), max(0, min(available, limit - used))


def _reclaimable() -> int:
    """Bytes of the container's memory that are only a cache of files."""
    lines = (_CGROUP / "memory.stat").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)


def resident_bytes() -> int:
    """Bytes of this process that are in memory; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def available() -> int | None:
    """Bytes of host memory that can still be used; None where the system does not say."""
    total, free = host_memory()
    return free if total else None


# glibc's names for what mallopt sets.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3


def keep_freed_memory() -> None:
    """Let glibc's allocator keep up to ``KEPT_BYTES`` that are free for the next arrays.

    By default it gives a freed array's pages back at once, and has them zeroed again for the next one, which
    takes longer than most ops do with them. Does nothing with another C library.
    """
    mallopt = getattr(_c_library(), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)


def give_back() -> None:
    """Give the operating system what is free, as when a session has ended."""
    trim = getattr(_c_library(), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _c_library() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
