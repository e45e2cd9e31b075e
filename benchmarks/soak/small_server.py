"""A server for attacks: one whose machine has little memory and whose limits are near.

Whatever it is asked for is then either small, or refused. It prints its address as ``remx_server`` does, and
answers requests on standard input (see ``side``): ``sessions`` tells how many are open.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from remx_contract.errors import UnauthenticatedError
from remx_server import executor, log, memory
from remx_server.blas import THREADS
from remx_server.config import Config, Limits
from remx_server.owners import Owner
from remx_server.process import SWITCH_INTERVAL_SECONDS
from remx_server.serve import Server

from .. import side

LIMITS = Limits(
    transfer_seconds=0.5,
    call_seconds=0.5,
    hello_seconds=0.5,
    lease_seconds=0.5,
    detached_seconds=0.5,
    random_threads=4,
    early_bytes=1 << 20,
    upload_bytes=1 << 20,
    download_bytes=4 << 20,
)
FREE_BYTES = 32 << 20


def main(folder: str) -> None:
    """Serve the tokens ``victim`` and ``attacker``, which belong to two owners."""
    memory.host_memory = lambda: (2**34, FREE_BYTES)
    executor.memory.LARGE_BYTES = 1 << 18  # type: ignore[misc]
    THREADS.find()
    memory.keep_freed_memory()
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    log.set_up("ERROR")
    server = Server(
        Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0, limits=LIMITS, state_dir=Path(folder))
    )
    owners = {name: Owner(name) for name in ("victim", "attacker")}

    def authorize(token: str, *_: Any) -> Owner:
        if token not in owners:
            raise UnauthenticatedError("the server wants a token and this one is missing or wrong")
        return owners[token]

    server.service.authorize = authorize  # type: ignore[method-assign]
    server.start()
    print(f"listening on {server.address}", flush=True)
    side.serve({"sessions": lambda: {"count": server.service.session_count}})
    server.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as state:
        main(state)
