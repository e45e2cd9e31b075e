"""Values <-> messages: what goes in comes out, and malformed bytes are an error and nothing else."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from remx_contract import codec
from remx_contract.dtypes import CODE_OF, from_code
from remx_contract.errors import DTypeError, ProtocolError, ShapeError
from remx_contract.v1 import stream_pb2

WORDS = st.integers(0, 2**64 - 1)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
LEAVES = (
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False) | TEXTS | st.sampled_from(list(CODE_OF))
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=12)
few = settings(max_examples=60, deadline=None)


def typed(value: Any) -> Any:
    """A value with its types, since 1, 1.0 and True are equal."""
    if isinstance(value, tuple):
        return tuple(typed(item) for item in value)
    return type(value), repr(value)


@few
@given(INTEGERS)
def test_integers_survive_as_words(value: int) -> None:
    word = codec.int_to_word(value)
    assert 0 <= word < 2**64
    assert codec.word_to_int(word) == value


@few
@given(st.floats())
def test_floats_survive_as_words_bit_for_bit(value: float) -> None:
    word = codec.float_to_word(value)
    assert 0 <= word < 2**64
    assert struct.pack("<d", codec.word_to_float(word)) == struct.pack("<d", value)


def test_code_words_do_not_overlap() -> None:
    kinds = (codec.INVOKE, codec.RELEASE, codec.CALL)
    assert all(kind & codec.KIND_MASK == kind for kind in kinds)
    flags = (codec.KIND_MASK, codec.RECORDING, codec.TRAINING, codec.WRITING)
    assert sum(flags) == (1 << codec.SPEC_SHIFT) - 1, "the flags fill the bits below the spec id, once each"


@few
@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_attributes_survive(attrs: dict[str, Any]) -> None:
    define = stream_pb2.Define(attributes=codec.attributes_to_messages(attrs))
    read = stream_pb2.Define.FromString(define.SerializeToString())
    got = {name: codec.attribute_from_message(message) for name, message in read.attributes.items()}
    assert {name: typed(value) for name, value in got.items()} == {
        name: typed(value) for name, value in attrs.items()
    }


def test_an_attribute_of_no_kind_is_none() -> None:
    assert codec.attribute_from_message(stream_pb2.Attribute()) is None


@pytest.mark.parametrize("code", [0, 9, 13])
def test_an_attribute_of_an_unknown_dtype_is_an_error(code: int) -> None:
    with pytest.raises(DTypeError, match="type code"):
        codec.attribute_from_message(stream_pb2.Attribute(dtype=code))


SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@few
@given(st.sampled_from(list(CODE_OF)), SHAPES, st.randoms(use_true_random=False))
def test_tensors_survive(dtype: np.dtype[Any], shape: tuple[int, ...], random: Any) -> None:
    size = int(np.prod(shape, dtype=np.int64))
    raw = random.randbytes(size * dtype.itemsize)
    if dtype.kind == "b":
        raw = bytes(byte & 1 for byte in raw)
    array = np.frombuffer(raw, dtype).reshape(shape)
    message = stream_pb2.Tensor.FromString(codec.array_to_message(array).SerializeToString())
    assert codec.tensor_spec(message).shape == shape
    got = codec.array_from_message(message)
    assert (got.dtype, got.shape, got.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert got.flags.writeable
    assert got.flags.c_contiguous


def test_a_strided_array_is_sent_in_c_order() -> None:
    array = np.arange(12.0).reshape(3, 4).T[::2]
    np.testing.assert_array_equal(codec.array_from_message(codec.array_to_message(array)), array)


@pytest.mark.parametrize("length", [0, 23, 25])
def test_a_tensor_of_the_wrong_length_is_an_error(length: int) -> None:
    message = stream_pb2.Tensor(dtype=0, shape=(2, 3), data=bytes(length))
    with pytest.raises(ProtocolError, match=f"{length} bytes instead of 24"):
        codec.array_from_message(message)


@pytest.mark.parametrize(
    ("shape", "error"),
    [
        ((2**48 + 1,), ShapeError),
        ((2**30, 2**30), ShapeError),
        ((1,) * 33, ShapeError),
        # An axis beyond all bounds, though there is no element.
        ((2**63, 0), ShapeError),
    ],
)
def test_a_shape_beyond_all_bounds_is_an_error(shape: tuple[int, ...], error: type[Exception]) -> None:
    with pytest.raises(error, match="axes"):
        codec.tensor_spec(stream_pb2.Tensor(dtype=0, shape=shape))


def test_the_largest_shape_is_taken() -> None:
    assert codec.check_shape((2**24, 2**24)) == (2**24, 2**24)


def test_dtype_codes_survive() -> None:
    assert {from_code(code): code for code in range(8)} == CODE_OF
    with pytest.raises(DTypeError, match="8"):
        from_code(8)


CHUNKS = st.tuples(
    WORDS, WORDS, st.binary(max_size=300), st.none() | st.integers(0, 2**32 - 1).map(lambda number: number)
)


def chunk(transfer: int, offset: int, data: bytes, checksum: int | None) -> stream_pb2.Chunk:
    """The message of a chunk as the proto declares it."""
    last = checksum is not None
    return stream_pb2.Chunk(transfer=transfer, offset=offset, data=data, last=last, checksum=checksum or 0)


@few
@given(CHUNKS)
def test_protobuf_reads_chunks_written_by_hand(fields: tuple[int, int, bytes, int | None]) -> None:
    assert stream_pb2.Chunk.FromString(codec.write_chunk(*fields)) == chunk(*fields)


@few
@given(CHUNKS)
def test_chunks_written_by_protobuf_are_read_by_hand(fields: tuple[int, int, bytes, int | None]) -> None:
    transfer, offset, data, checksum = codec.read_chunk(chunk(*fields).SerializeToString())
    assert (transfer, offset, bytes(data), checksum) == fields


def test_chunk_data_is_not_copied() -> None:
    raw = codec.write_chunk(1, 2, b"x" * 100)
    assert codec.read_chunk(raw)[2].obj is raw


@few
@given(CHUNKS, st.data())
def test_a_chunk_cut_short_is_an_error_or_lacks_its_last_fields(
    fields: tuple[int, int, bytes, int | None], data: st.DataObject
) -> None:
    whole = codec.write_chunk(*fields)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        expected = stream_pb2.Chunk.FromString(cut)
    except DecodeError:
        with pytest.raises(ProtocolError, match="chunk"):
            codec.read_chunk(cut)
    else:
        transfer, offset, got, _ = codec.read_chunk(cut)
        assert (transfer, offset, bytes(got)) == (expected.transfer, expected.offset, expected.data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40))
def test_random_bytes_are_a_chunk_or_a_protocol_error(raw: bytes) -> None:
    try:
        transfer, offset, data, checksum = codec.read_chunk(raw)
    except ProtocolError:
        return
    # What the hand-written reader takes, protobuf takes too, and as the same.
    message = stream_pb2.Chunk.FromString(raw)
    assert (transfer, offset, bytes(data)) == (message.transfer, message.offset, message.data)
    assert checksum == (message.checksum if message.last else None)


# Random bytes are rarely a chunk: these put its fields together in any order and number.
FIELDS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([b"\x08", b"\x10", b"\x20"]), st.binary(min_size=1, max_size=11)).map(
            b"".join
        ),
        st.binary(max_size=5).map(lambda data: b"\x1a" + bytes([len(data)]) + data),
        st.binary(min_size=4, max_size=4).map(lambda data: b"\x2d" + data),
    ),
    max_size=6,
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(FIELDS)
def test_fields_in_any_order_are_read_as_protobuf_reads_them(raw: bytes) -> None:
    test_random_bytes_are_a_chunk_or_a_protocol_error.hypothesis.inner_test(raw)
