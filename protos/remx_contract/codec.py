"""Values <-> messages, in both directions, and the byte streams' chunks written and read by hand."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .attributes import AttrValue
from .dtypes import CODE_OF, from_code
from .errors import ProtocolError, ShapeError
from .infer import MAX_DIMENSIONS, MAX_ELEMENTS
from .spec import TensorSpec
from .v1 import stream_pb2

Array = npt.NDArray[Any]

# The code words of a Batch; v1/stream.proto has the format.
INVOKE: Final = 0
RELEASE: Final = 1
CALL: Final = 2
KIND_MASK: Final = 3
RECORDING: Final = 4
TRAINING: Final = 8
WRITING: Final = 16
SPEC_SHIFT: Final = 5
COUNT_SHIFT: Final = 2

MAX_NAME: Final = 256
"""Characters of a tensor's name."""

_WORD_MASK: Final = (1 << 64) - 1
_DOUBLE: Final = struct.Struct("<d")
_WORD: Final = struct.Struct("<Q")


def int_to_word(value: int) -> int:
    """A signed 64-bit integer as a code word."""
    return value & _WORD_MASK


def word_to_int(word: int) -> int:
    """The signed integer that a code word holds."""
    return word - (1 << 64) if word >> 63 else word


def float_to_word(value: float) -> int:
    """The bits of a float64 as a code word."""
    return _WORD.unpack(_DOUBLE.pack(value))[0]  # type: ignore[no-any-return]


@lru_cache(maxsize=4096)
def word_to_float(word: int) -> float:
    """The float64 whose bits a code word holds."""
    return _DOUBLE.unpack(_WORD.pack(word))[0]  # type: ignore[no-any-return]


def attribute_to_message(value: AttrValue) -> stream_pb2.Attribute:
    """The message of a canonical attribute value."""
    if value is None:
        return stream_pb2.Attribute(none=stream_pb2.Attribute.Nothing())
    if isinstance(value, bool):
        return stream_pb2.Attribute(boolean=value)
    if isinstance(value, int):
        return stream_pb2.Attribute(integer=value)
    if isinstance(value, float):
        return stream_pb2.Attribute(number=value)
    if isinstance(value, str):
        return stream_pb2.Attribute(text=value)
    if isinstance(value, np.dtype):
        return stream_pb2.Attribute(dtype=CODE_OF[value] + 1)
    items = [attribute_to_message(item) for item in value]
    return stream_pb2.Attribute(tuple=stream_pb2.Attribute.Tuple(items=items))


def attribute_from_message(message: stream_pb2.Attribute) -> AttrValue:
    """The attribute value that a message holds."""
    kind = message.WhichOneof("kind")
    if kind == "tuple":
        return tuple(attribute_from_message(item) for item in message.tuple.items)
    if kind == "dtype":
        return from_code(message.dtype - 1)
    if kind == "none" or kind is None:
        return None
    return getattr(message, kind)


def attributes_to_messages(attrs: Mapping[str, AttrValue]) -> dict[str, stream_pb2.Attribute]:
    """The messages of several attributes by name."""
    return {name: attribute_to_message(value) for name, value in attrs.items()}


def check_shape(shape: Iterable[int]) -> tuple[int, ...]:
    """A shape that came over the wire, or ShapeError where it is beyond all bounds."""
    lengths = tuple(shape)
    size = 1
    for length in lengths:
        size *= length
    if len(lengths) > MAX_DIMENSIONS or size > MAX_ELEMENTS or max(lengths, default=0) > MAX_ELEMENTS:
        raise ShapeError(
            got=f"a shape of {len(lengths)} axes", expected=f"at most {MAX_DIMENSIONS} axes, 2**48 elements"
        )
    return lengths


def tensor_spec(message: stream_pb2.Tensor) -> TensorSpec:
    """The spec that a Tensor message claims; ShapeError or DTypeError where it cannot be one."""
    return TensorSpec.of(check_shape(message.shape), from_code(message.dtype))


def spec_to_message(spec: TensorSpec) -> stream_pb2.Tensor:
    """A spec as a Tensor without its data."""
    return stream_pb2.Tensor(dtype=CODE_OF[spec.dtype], shape=spec.shape)


def array_to_message(array: Array) -> stream_pb2.Tensor:
    """An array with its values as a message."""
    return stream_pb2.Tensor(
        dtype=CODE_OF[array.dtype],
        shape=array.shape,
        data=array.tobytes(),
    )


def array_from_message(message: stream_pb2.Tensor) -> Array:
    """The array in a message, writable and owning its memory; ProtocolError where the length does not fit."""
    spec = tensor_spec(message)
    if len(message.data) != spec.nbytes:
        raise ProtocolError(
            f"a tensor of {spec} came with {len(message.data)} bytes instead of {spec.nbytes}"
        )
    return np.frombuffer(bytearray(message.data), dtype=spec.dtype).reshape(spec.shape)


# Field numbers and wire types of Chunk, as protobuf writes them.
_TRANSFER_TAG: Final = b"\x08"
_OFFSET_TAG: Final = b"\x10"
_DATA_TAG: Final = b"\x1a"
_LAST_TAIL: Final = b"\x20\x01\x2d"


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def write_chunk(transfer: int, offset: int, data: memoryview | bytes, checksum: int | None = None) -> bytes:
    """A Chunk in wire form, with one copy of the data; ``checksum`` marks the last one."""
    head = b"".join(
        (_TRANSFER_TAG, _varint(transfer), _OFFSET_TAG, _varint(offset), _DATA_TAG, _varint(len(data)))
    )
    if checksum is None:
        return b"".join((head, data))
    return b"".join((head, data, _LAST_TAIL, checksum.to_bytes(4, "little")))


def _read_varint(raw: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(raw) or shift > 63:
            raise ProtocolError("a chunk ends inside a number")
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            # As protobuf does, bits beyond the 64th are dropped.
            return value & _WORD_MASK, at
        shift += 7


def read_chunk(raw: bytes) -> tuple[int, int, memoryview, int | None]:
    """A Chunk from wire form without copying its data: transfer, offset, data, checksum (None unless last).

    Raises
    ------
    ProtocolError
        For bytes that are no Chunk.
    """
    view = memoryview(raw)
    transfer = offset = checksum = 0
    last = False
    data = view[:0]
    at = 0
    while at < len(view):
        tag, at = _read_varint(view, at)
        if tag == 0x1A:
            length, at = _read_varint(view, at)
            if length > len(view) - at:
                raise ProtocolError("a chunk ends inside its data")
            data = view[at : at + length]
            at += length
        elif tag == 0x2D:
            if len(view) - at < 4:
                raise ProtocolError("a chunk ends inside its checksum")
            checksum = int.from_bytes(view[at : at + 4], "little")
            at += 4
        elif tag in (0x08, 0x10, 0x20):
            value, at = _read_varint(view, at)
            if tag == 0x08:
                transfer = value
            elif tag == 0x10:
                offset = value
            else:
                last = bool(value)
        else:
            raise ProtocolError(f"a chunk has an unknown field (tag {tag})")
    return transfer, offset, data, checksum if last else None
