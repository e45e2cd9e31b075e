"""Attributes: what MXNet takes is taken, in one canonical form; what it refuses is an error that names it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from remx_contract.attributes import (
    AXES,
    BOOL,
    DTYPE,
    FLOAT,
    FLOATS,
    INT,
    KEY,
    OPTIONAL_ITEMS,
    SHAPE,
    STRING,
    AttrType,
    choice,
    optional,
)
from remx_contract.catalogue import OPS
from remx_contract.errors import ArgumentError, DTypeError, MXNetError
from remx_contract.op import Attr

INF = float("inf")
MODE = choice("clip", "wrap")

TAKEN: tuple[tuple[AttrType, object, object], ...] = (
    (INT, 3, 3),
    (INT, "3", 3),
    (INT, " +3 ", 3),
    (INT, "-1", -1),
    (INT, np.int64(3), 3),
    (INT, np.uint8(3), 3),
    (INT, np.array(3), 3),
    (INT, 2**63 - 1, 2**63 - 1),
    (INT, -(2**63), -(2**63)),
    (FLOAT, 1, 1.0),
    (FLOAT, "0.5", 0.5),
    (FLOAT, "1e1", 10.0),
    (FLOAT, np.float32(0.5), 0.5),
    (FLOAT, np.int64(2), 2.0),
    (FLOAT, "-INF", -INF),
    (FLOAT, "infinity", INF),
    (FLOAT, INF, INF),
    (BOOL, True, True),
    (BOOL, 1, True),
    (BOOL, "0", False),
    (BOOL, "True", True),
    (BOOL, "true", True),
    (BOOL, "FALSE", False),
    (BOOL, np.bool_(True), True),
    (BOOL, np.int64(1), True),
    (STRING, "relu", "relu"),
    (SHAPE, (2, 3), (2, 3)),
    (SHAPE, [2, 3], (2, 3)),
    (SHAPE, "(2,3)", (2, 3)),
    (SHAPE, "[2, 3]", (2, 3)),
    (SHAPE, "(2)", (2,)),
    (SHAPE, 2, (2,)),
    (SHAPE, "2", (2,)),
    (SHAPE, (), ()),
    (SHAPE, (np.int64(2), 1), (2, 1)),
    (AXES, 1, 1),
    (AXES, [0], (0,)),
    (AXES, "(0,1)", (0, 1)),
    (AXES, np.array([1]), (1,)),
    (AXES, np.int64(1), 1),
    (OPTIONAL_ITEMS, (None, 2), (None, 2)),
    (OPTIONAL_ITEMS, "(None, 2)", (None, 2)),
    (OPTIONAL_ITEMS, [3], (3,)),
    (OPTIONAL_ITEMS, 3, (3,)),
    (FLOATS, (1, "0.5"), (1.0, 0.5)),
    (FLOATS, 2, (2.0,)),
    (DTYPE, "float16", np.dtype("float16")),
    (DTYPE, np.float16, np.dtype("float16")),
    (DTYPE, int, np.dtype("int64")),
    (KEY, (1, ("slice", None, -2)), (1, ("slice", None, -2))),
    (optional(INT), None, None),
    (optional(INT), "None", None),
    (optional(INT), 2, 2),
    (optional(AXES), "()", ()),
    (MODE, "wrap", "wrap"),
)

REFUSED: tuple[tuple[AttrType, object], ...] = (
    (INT, 2.0),
    (INT, "2.0"),
    (INT, "many"),
    (INT, None),
    (INT, True),
    (INT, np.bool_(True)),
    (INT, "True"),
    (INT, (0,)),
    (INT, [0]),
    (INT, np.array([3])),
    (INT, 2**63),
    (INT, -(2**63) - 1),
    (INT, "("),
    (FLOAT, "one"),
    (FLOAT, None),
    (FLOAT, (1.0,)),
    (FLOAT, 1j),
    (FLOAT, 10**400),
    (BOOL, 2),
    (BOOL, 1.0),
    (BOOL, "maybe"),
    (BOOL, None),
    (STRING, 3),
    (SHAPE, (2.0, 1)),
    (SHAPE, (None, 1)),
    (SHAPE, (True, 1)),
    (SHAPE, 2.0),
    (SHAPE, "first"),
    (SHAPE, None),
    (AXES, "first"),
    (AXES, True),
    (AXES, ((0,),)),
    (OPTIONAL_ITEMS, (0.5,)),
    (FLOATS, ("a",)),
    (DTYPE, "complex64"),
    (DTYPE, "float128x"),
    (KEY, 0.5),
    (KEY, [1]),
    (optional(INT), "nothing"),
    (MODE, "wrong"),
    (MODE, " wrap"),
    (MODE, None),
    (MODE, 1),
    (MODE, ["wrap"]),
)


@pytest.mark.parametrize(("kind", "value", "canonical"), TAKEN, ids=repr)
def test_taken(kind: AttrType, value: object, canonical: object) -> None:
    got = Attr("x", kind).parse("op", value)
    assert got == canonical
    assert type(got) is type(canonical)
    if isinstance(got, tuple):
        assert [type(item) for item in got] == [type(item) for item in canonical]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("kind", "value", "canonical"), TAKEN, ids=repr)
def test_a_canonical_value_is_its_own_form(kind: AttrType, value: object, canonical: object) -> None:
    assert Attr("x", kind).parse("op", canonical) == canonical


@pytest.mark.parametrize(("kind", "value"), REFUSED, ids=repr)
def test_refused(kind: AttrType, value: object) -> None:
    with pytest.raises(MXNetError, match=r"^some_op: argument") as caught:
        Attr("x", kind).parse("some_op", value)
    assert isinstance(caught.value, DTypeError if kind is DTYPE else ArgumentError)


def test_not_a_number_is_a_number() -> None:
    assert np.isnan(FLOAT.parse("nan"))


@pytest.mark.parametrize("text", ["(" * 900, "-" * 1000 + "1", "[" * 5000 + "]" * 5000, "9" * 5000])
def test_a_hostile_text_is_refused(text: str) -> None:
    for kind in (INT, SHAPE, AXES):
        with pytest.raises(ArgumentError):
            Attr("x", kind).parse("op", text)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([INT, FLOAT, BOOL, STRING, SHAPE, AXES, OPTIONAL_ITEMS, FLOATS, DTYPE, KEY, MODE]),
    st.text(max_size=12) | st.lists(st.integers() | st.text(max_size=3) | st.none(), max_size=3),
)
def test_anything_else_is_taken_or_an_error_of_ours(kind: AttrType, value: Any) -> None:
    try:
        got = Attr("x", kind).parse("op", value)
    except MXNetError:
        return
    assert Attr("x", kind).parse("op", got) == got


def test_op_fills_in_defaults() -> None:
    attrs = OPS["sum"].parse({"axis": "1"})
    assert attrs == {"axis": 1, "keepdims": False, "exclude": False}
    assert attrs.keepdims is False
    with pytest.raises(AttributeError):
        _ = attrs.dtype


@pytest.mark.parametrize(
    ("name", "given_attrs", "text"),
    [
        ("sum", {"axes": 1}, "sum: argument 'axes': got an unknown name, expected one of axis, keepdims"),
        ("relu", {"axis": 1}, "relu: argument 'axis': got an unknown name, expected no attributes"),
        ("Cast", {}, "Cast: argument 'dtype': expected dtype; it is required"),
        ("topk", {"k": 2.0}, r"topk: argument 'k': got 2\.0, expected int"),
        ("take", {"mode": "wrong"}, "take: argument 'mode': got 'wrong', expected one of 'clip'"),
        ("sum", {"axis": True}, "sum: argument 'axis': got True, expected int"),
        ("Cast", {"dtype": "int16"}, "Cast: argument 'dtype': got int16, expected one of float32"),
    ],
)
def test_op_refuses_by_name(name: str, given_attrs: dict[str, object], text: str) -> None:
    with pytest.raises(MXNetError, match=text):
        OPS[name].parse(given_attrs)


def test_only_numbers_travel_with_a_call() -> None:
    with pytest.raises(ValueError, match="per-call"):
        Attr("axis", AXES, per_call=True)
