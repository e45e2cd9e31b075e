"""What MXNet answers to several hundred snippets, remx answers too, but for the ones that say why not."""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path
from types import ModuleType

import pytest
from support.snippet_tables import TABLES
from support.snippets import Differs, Result, compare, run

GOLDEN: dict[str, dict[str, Result]] = json.loads(
    gzip.decompress((Path(__file__).parents[1] / "golden" / "snippets.json.gz").read_bytes())
)
SAME = [
    pytest.param(snippet, GOLDEN[table][name], id=f"{table}: {name}")
    for table, snippets in TABLES.items()
    for name, snippet in snippets.items()
    if isinstance(snippet, str)
]
DIFFERENT = [
    pytest.param(snippet, GOLDEN[table][name], id=f"{table}: {name}")
    for table, snippets in TABLES.items()
    for name, snippet in snippets.items()
    if isinstance(snippet, Differs)
]


@pytest.fixture(autouse=True)
def warnings_of_initializers() -> None:
    """The older call of an initializer warns, and so does a second one of the same name; what they do is
    compared all the same."""
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.filterwarnings("ignore", "the initializer", UserWarning)


def test_the_golden_file_is_of_these_snippets() -> None:
    assert {table: list(snippets) for table, snippets in GOLDEN.items()} == {
        table: sorted(snippets) for table, snippets in TABLES.items()
    }


@pytest.mark.parametrize(("code", "expected"), SAME)
def test_same_as_mxnet(mx: ModuleType, code: str, expected: Result) -> None:
    compare(run(code, mx), expected)


@pytest.mark.parametrize(("snippet", "golden"), DIFFERENT)
def test_known_differences(mx: ModuleType, snippet: Differs, golden: Result) -> None:
    got = run(snippet.code, mx)
    expected = {"error": [snippet.instead]} if snippet.instead.isidentifier() else run(snippet.instead, mx)
    compare(got, expected)
    with pytest.raises(AssertionError):
        compare(got, golden)
