"""``python -m remx_server.worker CONTROL TRACE [CORES]``: the process of one session.

The numbers are open files that its parent (``worker_process.py``) left it.

It has no address. What it is told comes over the control link, a socket that its parent made, and so do the
sockets of the calls that the parent passes on; they run by the same edge and service as in a server without
workers. Standard input is a pipe whose other end only the parent has: when the parent ends, however it ends,
so does this process. It ends by itself when its session has.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import logging
import os
import resource
import signal
import socket
import sys
from typing import Final

from . import blas, log
from .frames import Control, LinkBrokenError, unpack_config

_OUT_OF_MEMORY_SCORE: Final = "300"
"""Added to what the system thinks of this process when it looks for one to kill: workers go before the front,
whose end would be the end of all."""


def tie_to_parent(pipe: int) -> None:
    """End with the writer of a pipe that nothing is written to, even if Python is in the middle of a call
    that does not return: the system's signal needs no thread."""
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)


def set_up_process(trace: int) -> None:
    """What a process needs that may crash, beside others that must not."""
    # The parent decides when this process ends; a signal to all processes of a terminal or a service must not
    # come before it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # A file with all of the user's tensors would take long to write and belongs nowhere.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    faulthandler.enable(trace)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(_OUT_OF_MEMORY_SCORE)


def main() -> None:
    """Serve one session."""
    control_end, trace, *more = map(int, sys.argv[1:])
    cores = more[0] if more else None
    set_up_process(trace)
    tie_to_parent(0)
    control = Control(socket.socket(fileno=control_end))
    try:
        first, _ = control.receive()
    except LinkBrokenError:
        os._exit(0)
    config = unpack_config(first["config"])
    log.set_up(config.log_level, config.log_format)
    # These import NumPy.
    blas.set_up_environment()
    from remx_contract.errors import MXNetError

    from . import process
    from .one_session import Host
    from .shares import Shares

    try:
        process.set_up()
        if cores is not None:
            blas.THREADS.shares = Shares(cores, first["slot"])
        host = Host(control, config)
        control.send(host.warm_up())
    except MXNetError as error:
        control.send({"failed": str(error)})
        os._exit(1)
    host.run()
    logging.shutdown()
    # Tearing down the interpreter below threads and a CUDA context could crash; nothing is left to tidy up.
    os._exit(0)


if __name__ == "__main__":
    main()
