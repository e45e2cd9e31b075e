"""Snapshots: what of a session goes into a checkpoint. ``stored.py`` reads what is written here.

A session's tensors are values, and values share memory. A snapshot has each memory once, the values as parts
of memories, and names everything else by the numbers of values: handles, names, and which value is the
gradient of which. What was recorded is left out; its values and variables are not.
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from remx_contract import CONTRACT_VERSION
from remx_contract.catalogue import digest
from remx_contract.status import to_failure
from remx_contract.v1 import stream_pb2

from . import checkpoint
from .checkpoint import Array, Blob
from .philox import PhiloxState
from .positions import CountedState, Position
from .tape import Leaf, tracked
from .value import Failure, Value

if TYPE_CHECKING:
    from .session import Session

MT19937: Final = "mt19937"
PHILOX: Final = "philox"
"""The kinds of random states."""
DEVICE: Final = "device "
"""Before the number of a GPU, the name of what a Philox state has there."""


def digest_of(token: bytes) -> str:
    """What stands for a session's token where the token itself must not be: names and contents of files."""
    return hashlib.sha256(b"remx session " + token).hexdigest()


@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint of a session is to hold.

    Attributes
    ----------
    header : dict
    blobs : list of Blob
        They may name the session's own memory, which must not be written to before they are.
    """

    header: dict[str, Any]
    blobs: list[Blob]

    @cached_property
    def front(self) -> bytes:
        """What the file starts with."""
        return checkpoint.encode_header(self.header, self.blobs)

    @property
    def nbytes(self) -> int:
        """Length of the file."""
        return checkpoint.size_of(self.front, self.blobs)

    def owned(self) -> Snapshot:
        """The same with copies of everything in host memory; on the session's thread."""
        return Snapshot(self.header, [Blob.of(np.array(blob.fetch(), order="C")) for blob in self.blobs])

    def message(self) -> stream_pb2.Checkpoint:
        """What the client is told of it."""
        return stream_pb2.Checkpoint(
            nbytes=self.nbytes,
            created=self.header["created"],
            names=[name for name, _ in self.header["names"]],
            tensors=len(self.header["values"]),
            left_graphs=self.header["left_graphs"],
        )


def capture(session: Session) -> Snapshot:
    """A snapshot of a session as it is now; on the session's thread."""
    return _Capture(session).snapshot()


class _Capture:
    """Numbers what a session holds, and makes the rows of the header."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._blobs: list[Blob] = []
        self._values: list[Value] = []
        self._numbers: dict[int, int] = {}
        self._memories: dict[int, int] = {}
        self._memory_rows: list[list[int]] = []
        self._failures: list[Failure] = []
        self._failure_numbers: dict[int, int] = {}
        self._failed_rows: list[list[Any]] = []

    def snapshot(self) -> Snapshot:
        """Everything."""
        session = self._session
        handles = [[handle, self._number(value)] for handle, value in session.table.items()]
        names = [[name, self._number(value)] for name, value in session.names.items()]
        header = {
            "format": "remx checkpoint",
            "remx": _release(),
            "contract": CONTRACT_VERSION,
            "catalogue": digest().hex(),
            "numpy": np.__version__,
            "python": platform.python_version(),
            "created": time.time(),
            "owner": session.owner.name,
            "session": digest_of(session.token),
            "client": session.client_id.hex(),
            "left_graphs": sum(map(_in_graph, self._values)),
            "handles": handles,
            "names": names,
            # These find more values on their way.
            "variables": self._variables(),
            "values": [self._row(number, value) for number, value in enumerate(self._values)],
            "memories": self._memory_rows,
            "failed": self._failed_rows,
            "unheard": [self._failure(each) for each in session.failures if not each.reported],
            "failures": [_failure_row(failure) for failure in self._failures],
            "random": self._random(),
            **self._fillings(),
        }
        return Snapshot(header, self._blobs)

    def _number(self, value: Value) -> int:
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._values)
            self._values.append(value)
        return number

    def _array(self, array: Array) -> int:
        self._blobs.append(Blob.of(np.asarray(array)))
        return len(self._blobs) - 1

    def _variables(self) -> list[list[int]]:
        """Value, gradient and request of each variable; a gradient may be a variable itself."""
        found = []
        # The list grows while it is walked.
        for number, value in enumerate(self._values):
            leaf = value.producer
            if isinstance(leaf, Leaf):
                found.append([number, self._number(leaf.gradient), leaf.request])
        return found

    def _row(self, number: int, value: Value) -> list[Any]:
        """Memory, offset in elements, and shape; for a failed value -1 and the number of its other row."""
        shape = list(value.spec.shape)
        if value.failure is not None:
            self._failed_rows.append(
                [self._failure(value.failure), value.spec.dtype.name, *_context(value.backend)]
            )
            return [-1, len(self._failed_rows) - 1, shape]
        offset = offset_of(value)
        # A base that failed has no memory any more, and each of its views is on its own then.
        memory = value.memory if offset is not None else value
        return [self._memory(memory), offset or 0, shape]

    def _memory(self, owner: Value) -> int:
        """The number of a memory: array, device, and the value that is all of it, if that is saved too."""
        number = self._memories.get(id(owner))
        if number is None:
            number = self._memories[id(owner)] = len(self._memory_rows)
            self._blobs.append(self._blob(owner))
            known = self._numbers.get(id(owner), -1)
            self._memory_rows.append([len(self._blobs) - 1, *_context(owner.backend), known])
        return number

    def _blob(self, value: Value) -> Blob:
        data, backend, use = value.data, value.backend, self._session.executor.use

        def fetch() -> Array:
            use(backend)
            return backend.to_host(data)

        return Blob(value.spec.dtype, value.spec.shape, fetch)

    def _failure(self, failure: Failure) -> int:
        number = self._failure_numbers.get(id(failure))
        if number is None:
            number = self._failure_numbers[id(failure)] = len(self._failures)
            self._failures.append(failure)
        return number

    def _random(self) -> list[list[Any]]:
        """Thread, kind, and the arrays of each random state."""
        found: list[list[Any]] = []
        for thread, state in self._session.random.states().items():
            if isinstance(state, CountedState):
                arrays = state.getstate()
                found.append([thread, MT19937, {name: self._array(array) for name, array in arrays.items()}])
            elif isinstance(state, PhiloxState):
                words = state.getstate()
                arrays = {"seed": np.array(words["seed"], np.uint64), "state": words["state"]}
                arrays.update((f"{DEVICE}{device}", of) for device, of in words["devices"].items())
                found.append([thread, PHILOX, {name: self._array(array) for name, array in arrays.items()}])
        return found

    def _fillings(self) -> dict[str, Any]:
        """How tensors were filled. Many share a position, and positions are long: all in one array."""
        numbers: dict[int, int] = {}
        positions: list[Position] = []
        rows = []
        for handle, filling in self._session.parameters.live(self._session.table).items():
            number = -1
            if filling.position is not None:
                number = numbers.setdefault(id(filling.position), len(positions))
                if number == len(positions):
                    positions.append(filling.position)
            rows.append([handle, filling.name, filling.initializer, filling.own, number])
        counts = [position.parallel for position in positions]
        return {
            "fillings": rows,
            "positions": [
                [each.seed, int(each.for_context), each.single, len(each.parallel)] for each in positions
            ],
            "position_words": self._array(np.concatenate([np.zeros(0, np.int64), *counts])),
        }


def _release() -> str:
    try:
        return version("remx")
    except PackageNotFoundError:
        return "(source)"


def _in_graph(value: Value) -> bool:
    return tracked(value) and not isinstance(value.producer, Leaf)


def _context(backend: Any) -> tuple[int, int]:
    return backend.device_type, backend.device_id


def offset_of(value: Value) -> int | None:
    """Where a value starts in its memory, in elements; None where it is no part of that one."""
    base = value.memory
    if base is value:
        return 0
    if base.data is None or base.backend is not value.backend or base.spec.dtype != value.spec.dtype:
        return None
    if not (base.data.flags.c_contiguous and value.data.flags.c_contiguous):
        return None
    if not value.spec.size:
        return 0
    offset, rest = divmod(_address(value.data) - _address(base.data), value.spec.dtype.itemsize)
    inside = not rest and 0 <= offset <= base.spec.size - value.spec.size
    return offset if inside else None


def _address(array: Any) -> int:
    interface = getattr(array, "__array_interface__", None) or array.__cuda_array_interface__
    address: int = interface["data"][0]
    return address


def _failure_row(failure: Failure) -> list[Any]:
    message = to_failure(failure.error, failure.site)
    texts: Iterable[str] = (
        message.reason,
        message.message,
        message.op,
        message.argument,
        message.got,
        message.expected,
    )
    return [*texts, message.site, int(failure.reported)]
