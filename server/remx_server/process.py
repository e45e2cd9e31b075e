"""What a process that runs sessions sets up once, before it serves."""

from __future__ import annotations

import gc
import sys
from typing import Final

from . import memory
from .blas import THREADS

SWITCH_INTERVAL_SECONDS: Final = 0.0005
"""Small enough that the stream's threads get the interpreter soon while a session's thread is busy."""

COLLECT_AFTER: Final = 50_000
"""How many new objects start a garbage collection; Python's 700 are what a few training steps make."""


def set_up() -> None:
    """Set up NumPy's threads, the allocator, the garbage collector and the interpreter; after the imports."""
    THREADS.find()
    memory.keep_freed_memory()
    _settle_collector()
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)


def _settle_collector() -> None:
    """Keep the garbage collector from walking what stays; graphs and tensors free themselves, without
    cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
