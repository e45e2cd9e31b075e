"""Every initializer fills what MXNet's does, for all shapes, names, dtypes and seeds, and refuses it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from support import initializers
from support.initializers import Case

GOLDEN: dict[str, Any] = json.loads(
    gzip.decompress((Path(__file__).parents[1] / "golden" / "initializers.json.gz").read_bytes())
)
# remx raises what opening a file raises, as its nd.load does.
OTHER_ERRORS = {"Load('no_such_file.params')": "FileNotFoundError"}


def cases(kind: str) -> list[tuple[Case, dict[str, Any]]]:
    """The cases of the golden file, as they are now."""
    return [(Case(fields[0], tuple(fields[1]), *fields[2:]), answer) for fields, answer in GOLDEN[kind]]


def test_the_golden_file_is_of_these_cases() -> None:
    assert [case for case, _ in cases("cases")] == list(initializers.cases())
    assert [case for case, _ in cases("orthogonal")] == list(initializers.orthogonal())


@pytest.mark.parametrize("code", sorted({case.initializer for case in initializers.cases()}))
def test_same_as_mxnet(mx: ModuleType, code: str) -> None:
    wrong = []
    for case, expected in cases("cases"):
        if case.initializer != code:
            continue
        got = initializers.result(mx, case)
        same = got == expected
        if "error" in expected:
            kind = OTHER_ERRORS.get(code, expected["error"][0])
            same = "error" in got and kind in got["error"]
        if not same:
            wrong.append((case, got, expected))
    assert not wrong, f"{len(wrong)} differ, the first: {wrong[0]}"


@pytest.mark.parametrize("code", initializers.ORTHOGONAL)
def test_orthogonal_is_mxnet_s_but_for_signs(mx: ModuleType, code: str) -> None:
    for case, expected in cases("orthogonal"):
        if case.initializer != code:
            continue
        weights, behind = initializers.fill(mx, case)
        if len(case.shape) == 1:
            # MXNet gives its op a shape that it refuses; here a vector is one column.
            assert expected["error"][0] == "MXNetError"
            length = {"Orthogonal()": 1.414}.get(code, 2.0)
            np.testing.assert_allclose(np.linalg.norm(weights), length, rtol=1e-5)
            continue
        assert weights.dtype.name == expected["dtype"]
        rounding = 1e-3 if case.dtype == "float16" else 1e-5
        np.testing.assert_allclose(initializers.upright(weights), expected["vectors"], atol=rounding)
        assert behind.tolist() == expected["behind"]
