"""What all suites share: tests marked ``gpu`` are left out where CuPy finds no GPU."""

from __future__ import annotations

from functools import cache

import pytest


@cache
def _has_gpu() -> bool:
    from remx_server.backend import find_gpus

    return bool(find_gpus())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU, saying so, where there is none."""
    wanted = [item for item in items if item.get_closest_marker("gpu")]
    if wanted and not _has_gpu():
        for item in wanted:
            item.add_marker(pytest.mark.skip(reason="CuPy finds no GPU here"))
