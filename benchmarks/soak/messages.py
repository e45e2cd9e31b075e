"""Messages that nobody should send: of every type and with every field, made by chance from a seed.

What a message can have is read from its descriptor, so that a field that is added tomorrow is filled too.
Chance prefers what goes deep: numbers that name something, numbers at the edges, ops with their own
attributes.
"""

from __future__ import annotations

import random
import struct
from typing import Any, Final

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from remx_contract import CONTRACT_VERSION, codec
from remx_contract.catalogue import OPS, digest
from remx_contract.v1 import stream_pb2 as pb

_EDGES: Final = (0, 1, 2**7, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1)
_NUMBERS: Final = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"))
_TEXTS: Final = (
    "", "None", "(1, 2)", "((", "-1", "nan", "True", "1" * 5000, "tanh", "float32", "cpu(0)", "../../x",
    "/etc/passwd", "\0", "a\nb", "\U0001f600" * 20, "<script>alert(1)</script>", "%s%n{0}", "'; drop table x",
)  # fmt: skip
_DEPTH: Final = 6

_BITS: Final = {
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT64: (-(2**63), 2**63 - 1),
}
_OP_NAMES: Final = sorted(OPS)


class Chance:
    """Makes messages.

    Parameters
    ----------
    seed : int or str
    """

    def __init__(self, seed: int | str) -> None:
        self.random = random.Random(seed)

    def message(self, descriptor: Descriptor, depth: int = _DEPTH) -> Message:
        """A message with fields by chance."""
        made = message_factory.GetMessageClass(descriptor)()
        chance = self.random
        skipped = set()
        for oneof in descriptor.oneofs:
            chosen = chance.choice(oneof.fields) if chance.random() < 0.97 else None
            skipped.update(field.name for field in oneof.fields if field is not chosen)
        for field in descriptor.fields:
            whole = field.containing_oneof is not None
            if field.name not in skipped and (whole or chance.random() < 0.75):
                self._fill(made, field, depth)
        special = getattr(self, f"_good_{descriptor.name.lower()}", None)
        if special is not None and (chance.random() < 0.8 or descriptor.name == "Position"):
            special(made)
        return made

    def _fill(self, made: Message, field: FieldDescriptor, depth: int) -> None:
        chance = self.random
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            kind = field.message_type
            assert kind is not None
            if depth == 0:
                return
            if kind.GetOptions().map_entry:
                for _ in range(chance.randrange(3)):
                    self._entry(getattr(made, field.name), kind, depth)
            elif field.is_repeated:
                getattr(made, field.name).extend(
                    self.message(kind, depth - 1) for _ in range(chance.choice((0, 1, 1, 2, 4)))
                )
            else:
                getattr(made, field.name).CopyFrom(self.message(kind, depth - 1))
        elif field.is_repeated:
            count = chance.choice((0, 1, 1, 2, 3, 4, 12))
            getattr(made, field.name).extend(self._value(field) for _ in range(count))
        else:
            setattr(made, field.name, self._value(field))

    def _entry(self, entries: Any, kind: Descriptor, depth: int) -> None:
        key = self._value(kind.fields_by_name["key"])
        value = kind.fields_by_name["value"]
        if value.type == FieldDescriptor.TYPE_MESSAGE:
            assert value.message_type is not None
            entries[key].CopyFrom(self.message(value.message_type, depth - 1))
        else:
            entries[key] = self._value(value)

    def _value(self, field: FieldDescriptor) -> Any:
        chance = self.random
        if field.type in _BITS:
            return self.number(*_BITS[field.type])
        if field.type == FieldDescriptor.TYPE_BOOL:
            return chance.random() < 0.5
        if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
            return chance.choice(_NUMBERS)
        if field.type == FieldDescriptor.TYPE_ENUM:
            return chance.choice((0, 1, 2, 3, 77, -1))
        if field.type == FieldDescriptor.TYPE_STRING:
            return chance.choice(_TEXTS)
        return self.bytes()

    def number(self, least: int = 0, most: int = 2**64 - 1) -> int:
        """A number: mostly a small one, which names something, or one at an edge."""
        chance = self.random
        draw = chance.random()
        if draw < 0.7:
            found = chance.randrange(13)
        elif draw < 0.9:
            found = chance.choice(_EDGES) * chance.choice((1, 1, 1, -1))
        else:
            found = chance.randrange(least, most + 1)
        return min(max(found, least), most)

    def bytes(self) -> bytes:
        """Bytes, mostly few."""
        chance = self.random
        return chance.randbytes(chance.choice((0, 1, 4, 8, 16, 16, 40, 300)))

    # Messages that would come to nothing if all of them were left to chance.

    def _good_context(self, made: Any) -> None:
        made.device_type, made.device_id = 1, 0

    def _good_tensor(self, made: Any) -> None:
        size = self.random.randrange(4)
        made.dtype = self.random.choice((0, 0, 0, 1, 3, 6))
        made.shape[:] = [2, size][: self.random.randrange(3)]
        count = 1
        for axis in made.shape:
            count *= axis
        made.data = bytes(count * {0: 4, 1: 8, 3: 1, 6: 8}[made.dtype])

    def _good_define(self, made: Any) -> None:
        op = OPS[self.random.choice(_OP_NAMES)]
        made.op = op.name
        made.spec_id = self.number(0, 2**32 - 1)
        if self.random.random() < 0.7:
            made.inputs = len(op.inputs)
        values = list(made.attributes.values())
        made.ClearField("attributes")
        for value in values:
            if op.attr_of:
                made.attributes[self.random.choice(list(op.attr_of))].CopyFrom(value)

    def _good_hello(self, made: Any) -> None:
        # Otherwise none would get past the comparison of contracts.
        made.CopyFrom(good_hello())
        made.session = self.bytes()

    def _good_position(self, made: Any) -> None:
        # A long way is a long computation, which is its owner's right; one that is too far is refused.
        ways = (0, 1, 623, 5000, 2**41, 2**64 - 1)
        made.single = self.random.choice(ways)
        made.parallel[:] = [self.random.choice(ways) for _ in made.parallel]

    def batch(self, sequence: int) -> pb.Batch:
        """A batch with the right number, mostly: wrong ops, which its session outlives, or commands by chance
        among words by chance, which it seldom does."""
        chance = self.random
        if chance.random() < 0.6:
            return self._ops(sequence)
        made = pb.Batch()
        made.CopyFrom(self.message(pb.Batch.DESCRIPTOR))
        if chance.random() < 0.98:
            made.sequence = sequence
        if chance.random() < 0.9:
            made.code[:] = self._code(len(made.commands))
        return made

    def _code(self, calls: int) -> list[int]:
        code: list[int] = []
        for _ in range(calls):
            code.append(codec.CALL)
            if self.random.random() < 0.5:
                code += self.invoke()
        if self.random.random() < 0.5:
            code += [self.number() for _ in range(self.random.randrange(8))]
        return code

    def _ops(self, sequence: int) -> pb.Batch:
        """Ops on tensors whose shapes do not fit, that have failed, or that are not there; one is read."""
        chance = self.random
        code: list[int] = []
        for _ in range(chance.randrange(1, 6)):
            spec, inputs, words = chance.choice(((1, 2, 0), (2, 2, 0), (3, 1, 1), (4, 1, 0), (6, 3, 0)))
            code += [spec << codec.SPEC_SHIFT | chance.choice((0, 4, 8, 12)), self.number()]
            code += [chance.randrange(1, 13) for _ in range(inputs)]
            code += [chance.getrandbits(64) for _ in range(words)]
            code.append(chance.getrandbits(64))
        read = pb.Command(read=pb.Read(request=chance.randrange(100), handle=chance.randrange(1, 9)))
        return pb.Batch(sequence=sequence, code=[*code, codec.CALL], commands=[read])

    def invoke(self) -> list[int]:
        """An invoke of one of the specs that an attacker has, or of none."""
        spec, flags = self.random.randrange(8), self.random.choice((0, 0, 4, 8, 12, 16, 28))
        words = [self.number() for _ in range(self.random.randrange(1, 5))]
        return [spec << codec.SPEC_SHIFT | flags, *words]

    def mutated(self, raw: bytes) -> bytes:
        """Bytes with some of them changed, left out, or doubled."""
        chance = self.random
        data = bytearray(raw)
        for _ in range(chance.randrange(1, 5)):
            at = chance.randrange(len(data) + 1)
            how = chance.randrange(4)
            if how == 0:
                data[at : at + 1] = chance.randbytes(1)
            elif how == 1:
                del data[at : at + chance.randrange(1, 9)]
            elif how == 2:
                data[at:at] = data[at : at + chance.randrange(1, 9)]
            else:
                del data[at:]
        return bytes(data)


def good_hello() -> pb.Hello:
    """A Hello that opens a session."""
    return pb.Hello(contract_version=CONTRACT_VERSION, catalogue_digest=digest(), client="attacker")


_FRAME_TYPES: Final = 14
_OTHER_PROTOCOLS: Final = (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00", b"SSH-2.0-x\r\n")
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def http2_garbage(chance: random.Random) -> bytes:
    """What a stranger may say on the port: noise, another protocol, frames of HTTP/2 that make no sense."""
    draw = chance.random()
    if draw < 0.2:
        return chance.randbytes(chance.choice((1, 20, 1000, 20_000)))
    if draw < 0.3:
        return chance.choice(
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00", b"SSH-2.0-x\r\n")
        )
    frames = [_frame(chance) for _ in range(chance.randrange(1, 12))]
    start = _PREFACE if draw < 0.95 else _PREFACE[: chance.randrange(len(_PREFACE))]
    said = start + b"\0\0\0\x04\0\0\0\0\0" * (chance.random() < 0.8) + b"".join(frames)
    return said[: chance.randrange(len(said))] if chance.random() < 0.3 else said


def _frame(chance: random.Random) -> bytes:
    payload = chance.randbytes(chance.choice((0, 4, 5, 8, 9, 100, 5000)))
    length = len(payload) if chance.random() < 0.8 else chance.choice((0, 1, 2**14, 2**24 - 1))
    stream = chance.choice((0, 1, 2, 3, 2**31 - 1, 2**32 - 1))
    head = struct.pack(">IBBI", length, chance.randrange(_FRAME_TYPES), chance.randrange(256), stream)
    return head[1:] + payload
