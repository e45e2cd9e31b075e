"""Threads of matrix products: one for small ones, all for large ones, and what the user set stays."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from remx_server import blas
from remx_server.blas import LARGE_PRODUCT, THREADS, Threads
from support.runner import Runner


def test_small_products_take_one_thread_and_large_ones_all() -> None:
    threads, calls = Threads(), []
    threads.most = threads.now = 8
    threads._set = calls.append
    for work in (1, LARGE_PRODUCT - 1, LARGE_PRODUCT, LARGE_PRODUCT * 2, 5, 6):
        threads.fit(work)
    assert calls == [1, 8, 1], "the number changes only when it has to"


def test_nothing_happens_without_openblas() -> None:
    threads = Threads()
    threads.fit(LARGE_PRODUCT)
    threads.fit(1)


@pytest.mark.parametrize(
    ("op", "shapes", "work"),
    [
        ("dot", [(2, 3), (3, 4)], 24),
        ("dot", [(3,), (3,)], 3),
        ("batch_dot", [(5, 2, 3), (5, 3, 4)], 24),
        ("FullyConnected", [(2, 3), (4, 3), (4,)], 24),
    ],
)
def test_kernels_say_how_large_a_product_is(
    op: str, shapes: list[tuple[int, ...]], work: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(THREADS, "fit", seen.append)
    attrs = {"num_hidden": 4} if op == "FullyConnected" else {}
    Runner().call(op, [np.ones(shape, np.float32) for shape in shapes], attrs)
    assert seen == [work]


def test_what_the_user_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_THREAD_TIMEOUT", "20")
    blas.set_up_environment()
    assert os.environ["OPENBLAS_THREAD_TIMEOUT"] == "20"
    monkeypatch.delenv("OPENBLAS_THREAD_TIMEOUT")
    blas.set_up_environment()
    assert os.environ.pop("OPENBLAS_THREAD_TIMEOUT") == "10"


def test_the_real_library_follows() -> None:
    # In a process of its own, since the number of threads is the process's.
    program = """
import threading, numpy
from remx_server.blas import THREADS, LARGE_PRODUCT
from threadpoolctl import threadpool_info
def number():
    return max(entry["num_threads"] for entry in threadpool_info() if entry["user_api"] == "blas")
before = number()
THREADS.find()
seen = [number()]
def work():
    THREADS.fit(LARGE_PRODUCT)
    seen.append(number())
    THREADS.fit(1)
    seen.append(number())
thread = threading.Thread(target=work); thread.start(); thread.join()
print(before, *seen, "openblas" in str(threadpool_info()))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    before, first, large, small, openblas = ended.stdout.split()
    if openblas != "True" or before == "1":
        pytest.skip("NumPy has no OpenBLAS with threads here")
    assert (first, large, small) == ("1", before, "1")
