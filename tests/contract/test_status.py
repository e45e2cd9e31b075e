"""The table of errors: complete, unique, and the same on both sides of the wire."""

from __future__ import annotations

import pickle
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from remx_contract import errors, status
from remx_contract.errors import MXNetError
from remx_contract.v1 import stream_pb2

# A side may have subclasses of its own that never cross the wire.
CLASSES = [cls for cls in status.classes() if cls.__module__ == errors.__name__]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def test_every_class_is_in_the_table() -> None:
    declared = {cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, MXNetError)}
    assert set(CLASSES) == declared == set(status.CODE_OF)
    assert CLASSES[0] is MXNetError


def test_reasons_are_unique_constants() -> None:
    reasons = [cls.reason for cls in CLASSES]
    assert len(set(reasons)) == len(reasons)
    assert all(re.fullmatch(r"[A-Z][A-Z_]*[A-Z]", reason) for reason in reasons)
    assert {reason: cls for reason, cls in status.CLASS_OF.items() if cls.reason != reason} == {}
    assert set(status.CLASS_OF.values()) == set(CLASSES)


@pytest.mark.parametrize("cls", CLASSES)
def test_class_states_its_own_reason_code_and_meaning(cls: type[MXNetError]) -> None:
    assert "reason" in vars(cls), "it would share its parent's reason"
    # gRPC's codes end at 16; 0 is success, 1 and 2 say nothing.
    assert 3 <= status.CODE_OF[cls] <= 16
    assert cls.__doc__


@pytest.mark.parametrize(
    ("cls", "builtin"),
    [
        (errors.OutOfRangeError, IndexError),
        (errors.OutOfMemoryError, MemoryError),
        (errors.ValueRangeError, ValueError),
        (errors.DTypeError, TypeError),
        (errors.SessionError, ConnectionError),
        (errors.MXNetError, RuntimeError),
    ],
)
def test_code_written_for_mxnet_catches_the_builtin(cls: type[MXNetError], builtin: type[Exception]) -> None:
    with pytest.raises(builtin, match="it"):
        raise cls("it")


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(CLASSES), TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, st.integers(0, 2**64 - 1))
def test_errors_survive_the_wire(
    cls: type[MXNetError], message: str, op: str, argument: str, got: str, expected: str, site: int
) -> None:
    error = cls(message, op=op, argument=argument, got=got, expected=expected)
    failure = stream_pb2.Failure.FromString(status.to_failure(error, site).SerializeToString())
    back = status.from_failure(failure)
    assert type(back) is cls
    assert vars(back) == vars(error)
    assert str(back) == str(error)
    assert failure.site == site


def test_an_unknown_reason_is_the_root_class_with_its_text() -> None:
    error = status.from_failure(stream_pb2.Failure(reason="FROM_THE_FUTURE", message="new", op="dot"))
    assert type(error) is MXNetError
    assert str(error) == "dot: new"


@pytest.mark.parametrize("length", [10, 11, 100])
def test_clip_keeps_both_ends(length: int) -> None:
    text = "".join(chr(0x4E00 + index) for index in range(length))
    clipped = status.clip(text, 10)
    assert len(clipped) <= 10
    assert (clipped[0], clipped[-1]) == (text[0], text[-1])
    assert (clipped == text) == (length == 10)


def test_a_failure_fits_where_grpc_keeps_it() -> None:
    long = "x" * 100_000
    error = errors.KernelError(long, op=long, argument=long, got=long, expected=long)
    assert status.to_failure(error).ByteSize() < 3 * status.MAX_TEXT + 1024


def test_text_says_who_what_and_why() -> None:
    error = errors.ShapeError(op="dot", argument="rhs", got="shape (2, 3)", expected="(3, n)")
    assert str(error) == "dot: argument 'rhs': got shape (2, 3), expected (3, n)"
    assert str(errors.ArgumentError(op="sum", argument="axis", expected="int")) == (
        "sum: argument 'axis': expected int"
    )


def test_an_error_is_named_once() -> None:
    error = errors.ShapeError("odd")
    assert error.named("dot") is error
    assert error.named("sum").op == "dot"


@pytest.mark.parametrize("cls", CLASSES)
def test_errors_survive_pickling(cls: type[MXNetError]) -> None:
    error = cls("text", op="op", argument="argument", got="this", expected="that")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is cls
    assert vars(back) == vars(error)
