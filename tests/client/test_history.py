"""Histories: ``autograd.get_symbol`` against what the real MXNet gives."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from remx_contract.catalogue import OPS
from remx_contract.translation import OWN
from support.histories import EXACT, MEANING, Recorded, table

GOLDEN_FOLDER = Path(__file__).parents[1] / "golden"
GOLDEN: dict[str, Any] = json.loads(gzip.decompress((GOLDEN_FOLDER / "history.json.gz").read_bytes()))
CHECKED: dict[str, Any] = json.loads((GOLDEN_FOLDER / "history_checked.json").read_text())

SNIPPETS = GOLDEN["snippets"]


def test_the_golden_file_is_of_these_snippets() -> None:
    assert set(SNIPPETS) == {*table(EXACT), *table(MEANING)}


@pytest.mark.parametrize("code", table(EXACT))
def test_everything_is_what_mxnet_says(mx: ModuleType, code: str) -> None:
    recorded = Recorded(code, mx)
    golden = dict(SNIPPETS[code])
    assert list(recorded.array.shape) == golden.pop("shape")
    got = recorded.facts(mx)
    for name in got:
        assert got[name] == golden[name], name


@pytest.mark.parametrize("code", table(MEANING))
def test_the_result_is_what_mxnet_says(mx: ModuleType, code: str) -> None:
    recorded = Recorded(code, mx)
    golden = SNIPPETS[code]
    shapes = recorded.symbol.infer_shape(**recorded.shapes)
    assert [list(shape) for shape in shapes[1]] == [golden["shape"]]
    assert recorded.symbol.tojson() != golden["json"]["answer"]


@pytest.mark.parametrize("code", CHECKED)
def test_json_is_what_mxnet_has_computed(mx: ModuleType, code: str) -> None:
    recorded = Recorded(code, mx)
    text = recorded.text(recorded.symbol.tojson())
    assert hashlib.sha256(text.encode()).hexdigest() == CHECKED[code]["sha256"]


def test_rows_that_mxnet_lacks_are_translated() -> None:
    assert set(OPS) - set(GOLDEN["ops"]) == OWN
