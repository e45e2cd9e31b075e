"""What a checkpoint file says, checked: nothing in it is believed before it is known to be possible."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from remx_contract.codec import MAX_NAME
from remx_contract.dtypes import DTYPE_OF
from remx_contract.errors import FileFormatError
from remx_contract.spec import TensorSpec
from remx_contract.status import from_failure
from remx_contract.v1 import stream_pb2

from .checkpoint import Array, Bytes, Content, integer, read, rows, shape, text
from .drawing import LANES
from .parameters import MAX_TEXT, Filling
from .philox import PhiloxState
from .positions import CountedState, Position
from .snapshot import DEVICE, MT19937, PHILOX
from .tape import ADD, WRITE
from .value import Failure

_TENSOR_DTYPES: Final = {dtype.name: dtype for dtype in DTYPE_OF.values()}
_WORD: Final = 1 << 64
_HALF_WORD: Final = 1 << 63
_MANY: Final = 1 << 32
_FAILURE_TEXTS: Final = 6
_ID_BYTES: Final = 16
_DIGEST_DIGITS: Final = 64

Context = tuple[int, int]
"""Device type and number."""


@dataclass(frozen=True)
class Memory:
    """Memory that values are parts of.

    Attributes
    ----------
    array : array
        Its content, in the bytes of the file.
    context : tuple of int
    owner : int
        The number of the value that is all of it; -1 where that was not saved.
    """

    array: Array
    context: Context
    owner: int


@dataclass(frozen=True)
class Entry:
    """A value.

    Attributes
    ----------
    spec : TensorSpec
    context : tuple of int
    memory : int
        The number of its memory; -1 for a failed one.
    offset : int
        Where it starts there, in elements.
    failure : int
        The number of its failure; -1 for a healthy one.
    """

    spec: TensorSpec
    context: Context
    memory: int
    offset: int
    failure: int


@dataclass(frozen=True)
class RandomWords:
    """The random state of one thread: its kind, and arrays by name."""

    kind: str
    arrays: dict[str, Array]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read.

    Attributes
    ----------
    nbytes : int
    created : float
    owner, session : str
        Whose it is, and the digest of its session's token.
    client_id : bytes
    memories, entries, failures : list
    handles, names : dict
        To the numbers of values.
    variables : dict of int to (int, int)
        From a value's number to its gradient's and the request.
    unheard : list of int
        Failures that no wait had reported.
    random : dict of int to RandomWords
    fillings : dict of int to Filling
        By handle.
    """

    nbytes: int
    created: float
    owner: str
    session: str
    client_id: bytes
    memories: list[Memory]
    entries: list[Entry]
    failures: list[Failure]
    handles: dict[int, int]
    names: dict[str, int]
    variables: dict[int, tuple[int, int]]
    unheard: list[int]
    random: dict[int, RandomWords]
    fillings: dict[int, Filling]


def load(data: Bytes) -> Checkpoint:
    """The checkpoint in a file's bytes, which its memories share.

    Raises
    ------
    FileFormatError
    """
    return _Reading(read(data), len(data)).checkpoint()


class _Reading:
    """Goes through a header, each part with what it refers to."""

    def __init__(self, content: Content, nbytes: int) -> None:
        self._header = content.header
        self._arrays = content.arrays
        self._nbytes = nbytes

    def checkpoint(self) -> Checkpoint:
        """Everything, or FileFormatError."""
        header = self._header
        failures = [_failure(row) for row in rows(header, "failures", _FAILURE_TEXTS + 2)]
        memories = self._memories()
        entries = self._entries(memories, len(failures))
        for number, memory in enumerate(memories):
            if memory.owner >= 0:
                owner = _at(entries, memory.owner)
                whole = (number, 0, memory.array.shape)
                if (owner.memory, owner.offset, owner.spec.shape) != whole:
                    raise FileFormatError("the checkpoint has a memory of another value")
        created = header.get("created")
        if type(created) is not float or not 0 <= created < _MANY:
            raise FileFormatError("the checkpoint does not say when it was made")
        return Checkpoint(
            self._nbytes,
            created,
            text(header.get("owner")),
            _hexadecimal(header.get("session"), _DIGEST_DIGITS).hex(),
            _hexadecimal(header.get("client"), 2 * _ID_BYTES),
            memories,
            entries,
            failures,
            self._table("handles", lambda key: integer(key, 1, _WORD), len(entries)),
            self._table("names", lambda key: text(key, MAX_NAME), len(entries)),
            self._variables(entries),
            [integer(each, 0, len(failures)) for each in _list(header, "unheard")],
            self._random(),
            self._fillings(),
        )

    def _array(self, number: object) -> Array:
        array: Array = self._arrays[integer(number, 0, len(self._arrays))]
        return array

    def _memories(self) -> list[Memory]:
        found = []
        taken = set()
        for number, device_type, device_id, owner in rows(self._header, "memories", 4):
            array = self._array(number)
            if number in taken or array.dtype.name not in _TENSOR_DTYPES:
                raise FileFormatError("the checkpoint has a memory of what is no tensor's")
            # Or else a small file could stand for a lot of memory.
            taken.add(number)
            found.append(Memory(array, _context(device_type, device_id), integer(owner, -1, _MANY)))
        return found

    def _entries(self, memories: list[Memory], failures: int) -> list[Entry]:
        failed = rows(self._header, "failed", 4)
        found = []
        for number, at, lengths in rows(self._header, "values", 3):
            axes = shape(lengths)
            if integer(number, -1, len(memories)) < 0:
                failure, name, device_type, device_id = failed[integer(at, 0, len(failed))]
                dtype = _TENSOR_DTYPES.get(text(name))
                if dtype is None:
                    raise FileFormatError("the checkpoint has a value of an unknown dtype")
                spec = TensorSpec.of(axes, dtype)
                context = _context(device_type, device_id)
                found.append(Entry(spec, context, -1, 0, integer(failure, 0, failures)))
                continue
            memory = memories[number]
            if integer(at, 0, _HALF_WORD) + math.prod(axes) > memory.array.size:
                raise FileFormatError("the checkpoint has a value outside of its memory")
            spec = TensorSpec.of(axes, _TENSOR_DTYPES[memory.array.dtype.name])
            found.append(Entry(spec, memory.context, number, at, -1))
        return found

    def _table(self, name: str, key_of: Any, entries: int) -> dict[Any, int]:
        found = {key_of(key): integer(value, 0, entries) for key, value in rows(self._header, name, 2)}
        if len(found) != len(self._header[name]):
            raise FileFormatError(f"the checkpoint has two {name} that are equal")
        return found

    def _variables(self, entries: list[Entry]) -> dict[int, tuple[int, int]]:
        found: dict[int, tuple[int, int]] = {}
        for value, gradient, request in rows(self._header, "variables", 3):
            one, other = _at(entries, value), _at(entries, gradient)
            healthy = one.failure < 0 and other.failure < 0
            if value in found or request not in (WRITE, ADD) or (healthy and one.spec is not other.spec):
                raise FileFormatError("the checkpoint has a variable that cannot be one")
            found[value] = (gradient, request)
        return found

    def _random(self) -> dict[int, RandomWords]:
        found = {}
        for thread, kind, numbers in rows(self._header, "random", 3):
            if kind not in (MT19937, PHILOX) or not isinstance(numbers, dict):
                raise FileFormatError("the checkpoint has a random state of an unknown kind")
            words = RandomWords(kind, {text(name): self._array(number) for name, number in numbers.items()})
            random_state(words)
            found[integer(thread, 0, _WORD)] = words
        return found

    def _fillings(self) -> dict[int, Filling]:
        positions = self._positions()
        found = {}
        for handle, *texts, position in rows(self._header, "fillings", 5):
            number = integer(position, -1, len(positions))
            name, initializer, own = (text(each, MAX_TEXT) for each in texts)
            filling = Filling(name, initializer, own, None if number < 0 else positions[number])
            found[integer(handle, 1, _WORD)] = filling
        return found

    def _positions(self) -> list[Position]:
        words = self._array(self._header.get("position_words"))
        if words.dtype != np.int64 or words.ndim != 1 or (words < 0).any():
            raise FileFormatError("the checkpoint has random positions that are no counts")
        found = []
        at = 0
        for seed, for_context, single, length in rows(self._header, "positions", 4):
            end = at + integer(length, 0, LANES + 1)
            if end > len(words):
                raise FileFormatError("the checkpoint has a random position that is not there")
            seed = integer(seed, -_HALF_WORD, _HALF_WORD)
            parallel = np.array(words[at:end], np.int64)
            found.append(
                Position(seed, bool(integer(for_context, 0, 2)), parallel, integer(single, 0, _HALF_WORD))
            )
            at = end
        return found


def random_state(words: RandomWords) -> CountedState | PhiloxState:
    """The random state of a checkpoint, as far as it is on the host; FileFormatError where it cannot be."""
    try:
        if words.kind == MT19937:
            counted = CountedState()
            counted.setstate({name: _native(array) for name, array in words.arrays.items()})
            return counted
        seed = words.arrays["seed"]
        if seed.dtype != np.uint64 or seed.shape:
            raise ValueError("a seed is one number")
        philox = PhiloxState(int(seed))
        philox.setstate(_native(words.arrays["state"]))
        for name in words.arrays.keys() - {"seed", "state"}:
            device_of(name)
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"the checkpoint has a random state that cannot be one: {error}") from None
    return philox


def device_of(name: str) -> int:
    """The number of the GPU that an array of a Philox state belongs to."""
    if not name.startswith(DEVICE):
        raise ValueError(f"a random state has no {name[:40]!r}")
    return integer(int(name[len(DEVICE) :]), 0, _MANY)


def _native(array: Array) -> Array:
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _context(device_type: object, device_id: object) -> Context:
    return integer(device_type, 0, 256), integer(device_id, 0, _MANY)


def _at(entries: list[Entry], number: object) -> Entry:
    return entries[integer(number, 0, len(entries))]


def _list(header: dict[str, Any], name: str) -> list[Any]:
    found = header.get(name)
    if not isinstance(found, list):
        raise FileFormatError(f"the checkpoint has no list of {name!r}")
    return found


def _hexadecimal(entry: object, digits: int) -> bytes:
    """The bytes of so many digits, or none at all."""
    try:
        found = bytes.fromhex(text(entry))
    except ValueError:
        found = b"?"
    if len(found) not in (0, digits // 2):
        raise FileFormatError("the checkpoint does not say whose it is")
    return found


def _failure(row: list[Any]) -> Failure:
    reason, message, op, argument, got, expected = (text(each) for each in row[:_FAILURE_TEXTS])
    site, reported = integer(row[-2], 0, _WORD), bool(integer(row[-1], 0, 2))
    made = stream_pb2.Failure(
        reason=reason, message=message, op=op, argument=argument, got=got, expected=expected
    )
    failure = Failure(from_failure(made), site)
    failure.reported = reported
    return failure
