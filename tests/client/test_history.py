"""Histories: ``autograd.get_symbol`` against what the real MXNet gives."""

from __future__ import annotations

import gzip
import hashlib
import json
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


MXNET_REFUSES = {"no shapes", "no types", "doubles", "summary with shapes", "narrow summary"}
"""What MXNet raises errors at where too little is known, or where a table has vectors in it."""

CONCAT = "nd.concat(x, y, c, dim=1)"
FURTHER = {(CONCAT, "shapes of variables"), (CONCAT, "partial shapes")}
"""What MXNet knows further: a shape of which one length is unknown."""


@pytest.mark.parametrize("code", table(EXACT))
def test_everything_is_what_mxnet_says(mx: ModuleType, code: str) -> None:
    recorded = Recorded(code, mx)
    golden = dict(SNIPPETS[code])
    assert list(recorded.array.shape) == golden.pop("shape")
    got = recorded.facts(mx)
    assert got.keys() == golden.keys()
    for name, fact in got.items():
        wanted = golden[name]
        if (code, name) in FURTHER:
            assert fact != wanted
        elif "error" in fact and "error" in wanted:
            assert wanted["error"][0] in fact["error"], name
        elif "error" in wanted:
            assert name in MXNET_REFUSES
        else:
            assert fact == wanted, name


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
    text = recorded.text(recorded.history.tojson())
    assert hashlib.sha256(text.encode()).hexdigest() == CHECKED[code]["sha256"]


def test_rows_that_mxnet_lacks_are_translated() -> None:
    assert set(OPS) - set(GOLDEN["ops"]) == OWN
