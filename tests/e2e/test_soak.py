"""The soak's figures, a small part of each: what ``make soak`` measures in minutes is kept in seconds too."""

from __future__ import annotations

import pytest

from benchmarks.soak.__main__ import run


@pytest.mark.parametrize("figure", ["drops", "restart", "hostile", "volume", "quotas"])
def test_every_target_is_met(figure: str) -> None:
    missed = {row.name: (row.value, row.note) for row in run(figure, quick=True) if row.met is not True}
    assert not missed
