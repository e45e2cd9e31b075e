"""Files of arrays in MXNet's format: those of MXNet, those of remx, older and broken ones."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from remx.errors import FileFormatError, OutOfRangeError, UnsupportedTypeError

PARAMS = Path(__file__).parents[1] / "golden" / "params"
DTYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool")


def content(name: str, mx: ModuleType) -> Any:
    """What ``tests/golden/make_params.py`` put into a file."""
    nd = mx.nd
    return {
        "list": [nd.arange(3), nd.ones((2, 1, 2)) * 0.5],
        "single": nd.arange(4),
        "empty": [],
        "dict": {
            "arg:fc_weight": nd.arange(6).reshape((2, 3)),
            "aux:größe": nd.array([1], dtype="int64"),
        },
        "dtypes": {dtype: nd.array([[0, 1, 2], [3, 4, 120]], dtype=dtype) for dtype in DTYPES},
    }[name]


def assert_same(got: Any, expected: Any) -> None:
    assert type(got) is type(expected)
    if isinstance(expected, dict):
        assert list(got) == list(expected)
        got, expected = list(got.values()), list(expected.values())
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one.asnumpy(), other.asnumpy())


@pytest.mark.parametrize("name", ["list", "single", "empty", "dict", "dtypes"])
def test_files_of_mxnet_load(mx: ModuleType, name: str) -> None:
    expected = content(name, mx)
    path = PARAMS / f"{name}.params"
    assert_same(mx.nd.load(str(path)), [expected] if name == "single" else expected)
    assert_same(mx.nd.load_frombuffer(path.read_bytes()), [expected] if name == "single" else expected)


@pytest.mark.parametrize("name", ["list", "single", "empty", "dict", "dtypes"])
def test_files_are_those_of_mxnet_byte_for_byte(mx: ModuleType, name: str, tmp_path: Path) -> None:
    mx.nd.save(tmp_path / "x.params", content(name, mx))
    assert (tmp_path / "x.params").read_bytes() == (PARAMS / f"{name}.params").read_bytes()


def test_large_arrays_and_many_small_ones(mx: ModuleType, tmp_path: Path) -> None:
    arrays = [mx.nd.arange(100_000), *(mx.nd.ones((2,)) * i for i in range(300)), mx.nd.ones((300, 300))]
    mx.nd.save(str(tmp_path / "x"), arrays)
    assert_same(mx.nd.load(str(tmp_path / "x")), arrays)


def test_the_values_of_small_arrays_take_one_round_trip(mx: ModuleType, tmp_path: Path) -> None:
    arrays = [mx.nd.ones((2,)) * i for i in range(50)]
    mx.nd.save(str(tmp_path / "x"), arrays)
    assert mx.stats().round_trips == 1


HEADER = struct.pack("<QQQ", 0x112, 0, 1)
NAMES = struct.pack("<Q", 0)
CONTEXT_AND_TYPE = struct.pack("<iii", 1, 0, 4)
VALUES = np.arange(6, dtype="<i4").tobytes()


@pytest.mark.parametrize(
    "start",
    [
        # The first version names the axes' number and then lengths of 64 bits; the oldest one of 32 bits.
        struct.pack("<Iiqq", 0xF993FAC8, 2, 2, 3),
        struct.pack("<III", 2, 2, 3),
        struct.pack("<Iiiqq", 0xF993FACA, 0, 2, 2, 3),
    ],
    ids=["version 1", "oldest", "version 3"],
)
def test_other_versions_load(mx: ModuleType, start: bytes) -> None:
    (made,) = mx.nd.load_frombuffer(HEADER + start + CONTEXT_AND_TYPE + VALUES + NAMES)
    assert made.dtype is np.int32
    np.testing.assert_array_equal(made.asnumpy(), [[0, 1, 2], [3, 4, 5]])


def test_arrays_without_elements_survive(mx: ModuleType, tmp_path: Path) -> None:
    mx.nd.save(str(tmp_path / "x"), [mx.nd.arange(4)[2:2]])
    (made,) = mx.nd.load(str(tmp_path / "x"))
    assert made.shape == (0,)


@pytest.mark.parametrize("name", ["list", "dict"])
def test_truncated_files_are_refused(mx: ModuleType, name: str) -> None:
    whole = (PARAMS / f"{name}.params").read_bytes()
    for length in range(len(whole)):
        with pytest.raises(FileFormatError):
            mx.nd.load_frombuffer(whole[:length])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not a file of arrays",
        bytes(range(256)),
        HEADER + struct.pack("<Iiiq", 0xF993FAC9, 0, 1, 1 << 50) + CONTEXT_AND_TYPE,
        HEADER + struct.pack("<Iiiq", 0xF993FAC9, 0, 1, -1) + CONTEXT_AND_TYPE,
        HEADER + struct.pack("<Iii", 0xF993FAC9, 0, 1000),
        HEADER + struct.pack("<Iii", 0xF993FAC9, 1, 1),
        HEADER + struct.pack("<Iiiq", 0xF993FAC9, 0, 1, 1) + struct.pack("<iii", 1, 0, 99) + b"0000",
        HEADER + struct.pack("<I", 4_000_000_000),
        struct.pack("<QQQ", 0x112, 0, 1 << 60),
        HEADER
        + struct.pack("<Iiiq", 0xF993FAC9, 0, 1, 1)
        + CONTEXT_AND_TYPE
        + b"0000"
        + struct.pack("<QQ", 1, 2)
        + b"\xff\xfe",
        HEADER + struct.pack("<III", 2, 2, 3) + CONTEXT_AND_TYPE + VALUES + struct.pack("<Q", 2),
    ],
    ids=[
        "empty",
        "text",
        "noise",
        "huge",
        "negative",
        "axes",
        "sparse",
        "dtype",
        "magic",
        "many",
        "name",
        "names",
    ],
)
def test_broken_files_are_refused(mx: ModuleType, raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(raw)
    with pytest.raises(FileFormatError):
        mx.nd.load(str(tmp_path / "x"))


@pytest.mark.parametrize("change", range(24, 60))
def test_no_byte_can_do_worse_than_a_refusal(mx: ModuleType, change: int) -> None:
    raw = bytearray((PARAMS / "dict.params").read_bytes())
    raw[change] ^= 0x91
    with contextlib.suppress(FileFormatError):
        mx.nd.load_frombuffer(bytes(raw))


def test_a_missing_file(mx: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        mx.nd.load(str(tmp_path / "nothing"))


@pytest.mark.parametrize("data", [3, [np.ones(2)], {1: "x"}, "x", {"x": 3}])
def test_only_arrays_are_saved(mx: ModuleType, data: Any, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedTypeError):
        mx.nd.save(str(tmp_path / "x"), data)
    assert list(tmp_path.iterdir()) == []


def test_only_bytes_are_a_buffer(mx: ModuleType) -> None:
    with pytest.raises(UnsupportedTypeError):
        mx.nd.load_frombuffer("text")


def test_a_failed_save_leaves_the_older_file(mx: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "x.params"
    mx.nd.save(str(path), [mx.nd.ones((2,))])
    before = path.read_bytes()
    failed = mx.nd.take(mx.nd.arange(3), mx.nd.array([9]), mode="raise")
    with pytest.raises(OutOfRangeError):
        mx.nd.save(str(path), [mx.nd.zeros((2,)), failed])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_has_ordinary_permissions(mx: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    mx.nd.save(str(tmp_path / "x"), [mx.nd.ones((2,))])
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "other").stat().st_mode
