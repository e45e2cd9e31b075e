"""How much memory is left, as the system and the container say."""

from __future__ import annotations

from pathlib import Path

import pytest
from remx_server import memory


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "meminfo").write_text("MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  600 kB\n")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    return tmp_path


def limit(system: Path, maximum: str, current: int, inactive: int) -> None:
    """Put the process into a container."""
    (system / "memory.max").write_text(maximum + "\n")
    (system / "memory.current").write_text(f"{current}\n")
    (system / "memory.stat").write_text(f"anon 5\ninactive_file {inactive}\n")


def test_without_a_container_it_is_the_host_s(system: Path) -> None:
    assert memory.host_memory() == (1_024_000, 614_400)
    assert memory.available() == 614_400


def test_a_container_s_limit_counts_without_its_cache_of_files(system: Path) -> None:
    limit(system, "500000", 300_000, 100_000)
    assert memory.host_memory() == (500_000, 300_000)
    limit(system, "500000", 700_000, 0)
    assert memory.available() == 0


def test_a_container_without_a_limit_is_none(system: Path) -> None:
    limit(system, "max", 300_000, 0)
    assert memory.available() == 614_400


def test_a_system_that_does_not_say_sets_no_bound(system: Path) -> None:
    (system / "meminfo").unlink()
    assert memory.available() is None


def test_this_machine_has_memory() -> None:
    total, free = memory.host_memory()
    assert total >= free > 0


def test_keeping_and_giving_back_memory_does_no_harm() -> None:
    memory.keep_freed_memory()
    memory.give_back()
    assert memory._c_library() is not None or memory.host_memory() == (0, 0)
