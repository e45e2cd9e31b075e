"""remx: MXNet's imperative API as a thin client of a compute server.

>>> import remx as mx
>>> x = mx.nd.array([[1, 2], [3, 4]])
>>> (x * 2).sum().asscalar()
20.0

With nothing set, the first array starts an embedded server for this process. ``REMX_SERVER=host:port`` (and
``REMX_TOKEN``), or :func:`connect`, use a running one.
"""

from __future__ import annotations

from . import (
    autograd,
    base,
    context,
    errors,
    initializer,
    nd,
    ndarray,
    random,
    session,
    symbol,
    visualization,
)
from . import initializer as init
from . import random as rnd
from . import symbol as sym
from . import visualization as viz
from ._connect import InsecureConnectionWarning, connect, disconnect
from ._stats import PerformanceWarning, Statistics
from ._version import __version__
from .base import MXNetError
from .context import Context, cpu, cpu_pinned, current_context, gpu, gpu_memory_info, num_gpus
from .nd import waitall
from .ndarray import NDArray


def stats() -> Statistics:
    """What the session has counted since it was opened; zeros without one.

    A slow program shows here why it is slow: every round trip is a wait for the server.
    """
    from ._current import peek

    session = peek()
    return Statistics() if session is None else session.statistics()


__all__ = [
    "Context",
    "InsecureConnectionWarning",
    "MXNetError",
    "NDArray",
    "PerformanceWarning",
    "Statistics",
    "__version__",
    "autograd",
    "base",
    "connect",
    "context",
    "cpu",
    "cpu_pinned",
    "current_context",
    "disconnect",
    "errors",
    "gpu",
    "gpu_memory_info",
    "init",
    "initializer",
    "nd",
    "ndarray",
    "num_gpus",
    "random",
    "rnd",
    "session",
    "stats",
    "sym",
    "symbol",
    "visualization",
    "viz",
    "waitall",
]
