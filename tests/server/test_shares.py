"""Workers that share the cores for large products."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from remx_server import shares
from remx_server.blas import LARGE_PRODUCT, Threads
from remx_server.shares import Shares, make_file


@pytest.fixture
def file() -> Iterator[int]:
    """A file for claims."""
    made = make_file()
    if made is None:
        pytest.skip("the system has no files in memory")
    yield made
    os.close(made)


def test_cores_are_divided_by_those_that_are_at_it(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("remx_server.shares.time.monotonic", lambda: clock[0])
    views = [Shares(file, slot) for slot in (0, 7, shares.SLOTS - 1)]
    assert views[0].claim(LARGE_PRODUCT, 16) == 16
    assert views[0].claim(LARGE_PRODUCT, 16) == 16, "one's own claim does not count twice"
    assert views[1].claim(LARGE_PRODUCT, 16) == 8
    assert views[2].claim(LARGE_PRODUCT, 16) == 5
    assert views[2].claim(LARGE_PRODUCT, 2) == 1, "there is always one"
    clock[0] += shares.SHORTEST_SECONDS
    assert views[0].claim(LARGE_PRODUCT, 16) == 16, "a claim runs out by itself"
    # A product of ten seconds is known to run for as long.
    views[1].claim(int(10 * shares.WORK_A_SECOND), 16)
    clock[0] += 9.0
    assert views[0].claim(LARGE_PRODUCT, 16) == 8


def test_other_processes_see_a_claim(file: int) -> None:
    program = (
        "import sys; from remx_server.shares import Shares\n"
        f"print(Shares({file}, 1).claim(10**13, 8), flush=True)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], pass_fds=(file,), capture_output=True, text=True, check=True
    )
    assert ended.stdout == "8\n"
    # Its process has ended, its claim has not.
    assert Shares(file, 2).claim(1, 8) == 4


def test_small_products_claim_nothing(file: int) -> None:
    threads = Threads()
    threads.most, threads.shares = 8, Shares(file, 0)
    threads.fit(LARGE_PRODUCT - 1)
    assert threads.now == 1
    assert Shares(file, 1).claim(1, 8) == 8
    threads.fit(LARGE_PRODUCT)
    assert threads.now == 4


def test_a_claim_costs_little_beside_a_product_that_makes_one(file: int) -> None:
    view = Shares(file, 0)
    started = time.perf_counter()
    for _ in range(1000):
        view.claim(LARGE_PRODUCT, 8)
    # A product that claims takes about a millisecond.
    assert (time.perf_counter() - started) / 1000 < 100e-6
