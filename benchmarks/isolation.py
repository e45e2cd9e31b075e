"""What a process for each session costs: both kinds of isolation, one after the other, several times.

``python -m benchmarks.isolation`` prints a table. Two servers run side by side, and the same client measures
them in turn, so that whatever else the machine does meets both.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from contextlib import ExitStack
from typing import Any

import psutil
import remx as mx

from .processes import Child, module

KINDS = ("thread", "process")


def latency(reads: int) -> float:
    """The median seconds of reading an array of three elements that an op has just made."""
    ones = mx.nd.ones((3,))
    seconds = []
    for _ in range(reads):
        start = time.perf_counter()
        (ones + 1).asnumpy()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def per_op(ops: int) -> float:
    """Seconds per op of a long chain of small ones."""
    array = mx.nd.ones((10,))
    array.wait_to_read()
    start = time.perf_counter()
    for _ in range(ops):
        array = array + 1
    array.wait_to_read()
    return (time.perf_counter() - start) / ops


def bulk(megabytes: int) -> tuple[float, float]:
    """Bytes a second, down and up, of one large array."""
    array = mx.nd.ones((megabytes, 1 << 18))
    array.wait_to_read()
    start = time.perf_counter()
    values = array.asnumpy()
    between = time.perf_counter()
    mx.nd.array(values).wait_to_read()
    end = time.perf_counter()
    return values.nbytes / (between - start), values.nbytes / (end - between)


def start_up(address: str, ready: bool) -> float:
    """Seconds from connecting to the first value; after a pause in which a worker can get ready, or not."""
    mx.disconnect()
    if ready:
        time.sleep(1.5)
    else:
        # This one takes the worker that waits, if there is one, and the next has to wait for its own.
        mx.connect(address)
    start = time.perf_counter()
    mx.connect(address)
    mx.nd.ones((1,)).asscalar()
    return time.perf_counter() - start


def measure(address: str, quick: bool) -> dict[str, float]:
    """One round of all measurements."""
    warm, cold = start_up(address, True), start_up(address, False)
    down, up = bulk(16 if quick else 128)
    return {
        "small read, us": latency(100 if quick else 2000) * 1e6,
        "op, us": per_op(2_000 if quick else 100_000) * 1e6,
        "download, MB/s": down / 1e6,
        "upload, MB/s": up / 1e6,
        "session with a worker ready, ms": warm * 1e3,
        "session without, ms": cold * 1e3,
    }


def memory(server: Child, address: str, sessions: int) -> float:
    """Bytes that each of several idle sessions takes, memory that processes share counted once."""
    process = psutil.Process(server.pid)

    def held() -> int:
        return sum(each.memory_full_info().pss for each in (process, *process.children()))

    mx.disconnect()
    time.sleep(1.5)
    before = held()
    from remx._session import Session
    from remx._transport import GrpcTransport

    opened = [Session(GrpcTransport(address)) for _ in range(sessions)]
    time.sleep(1.5)
    taken = (held() - before) / sessions
    for session in opened:
        session.close()
    return taken


def run(rounds: int, quick: bool) -> dict[str, dict[str, float]]:
    """The medians of several rounds, by kind of isolation."""
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    with ExitStack() as stack:
        servers: dict[str, tuple[Child, str]] = {}
        for kind in KINDS:
            flags = ("--listen=127.0.0.1:0", "--device=cpu", "--log-level=ERROR", f"--isolation={kind}")
            server = Child(f"server with {kind}", module("remx_server", *flags))
            stack.callback(server.close)
            servers[kind] = server, server.address()
        for _ in range(rounds):
            for kind in KINDS:
                mx.connect(servers[kind][1])
                found[kind].append(measure(servers[kind][1], quick))
        medians: dict[str, dict[str, Any]] = {
            kind: {name: statistics.median(each[name] for each in each_round) for name in each_round[0]}
            for kind, each_round in found.items()
        }
        for kind in KINDS:
            medians[kind]["memory of an idle session, MB"] = memory(*servers[kind], 2 if quick else 8) / 1e6
        mx.disconnect()
    return medians


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    medians = run(options.rounds, options.quick)
    if options.json:
        json.dump(medians, sys.stdout, indent=2)
        return
    print(f"{'':34}{KINDS[0]:>12}{KINDS[1]:>12}")
    for name in medians[KINDS[0]]:
        print(f"{name:34}" + "".join(f"{medians[kind][name]:12.2f}" for kind in KINDS))


if __name__ == "__main__":
    main()
