"""Spilling: tensors of sessions that do nothing make room on a GPU, and come back when they are used.

What moves is a memory: an array, all views of it, and what the tape has saved of it, together. A spilled
tensor has an array of NumPy in the place of its own, and says as before on which device it belongs. A memory
that somebody else holds on to (a pass that waits for its client, a download) stays where it is, since moving
it would free nothing.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from remx_contract.errors import OutOfMemoryError

from . import holdings
from .backend import GPU, Array, Backend
from .log import log
from .tape import Leaf, Node, reachable
from .value import Value

if TYPE_CHECKING:
    from .config import Limits
    from .session import Session

RECENT_BATCHES: Final = 8
"""Of how many batches a session with a GPU keeps the code, to tell what it used last."""


class Memory:
    """A memory and all that is known to refer to it.

    Attributes
    ----------
    backend : Backend
        Where it belongs.
    root : array
        The one that has the memory.
    values : list of Value
    saved : list of (dict, int)
        Places of saved arrays in recorded ops.
    used : int
        When it was used last, by the code words of the last batches; -1 for long ago.
    """

    __slots__ = ("backend", "root", "saved", "used", "values")

    def __init__(self, root: Array, backend: Backend) -> None:
        self.root = root
        self.backend = backend
        self.values: list[Value] = []
        self.saved: list[tuple[dict[int, Any], int]] = []
        self.used = -1

    def move(self, place: Callable[[Array], Array]) -> None:
        """Give everything that refers to the memory the array that ``place`` has for its own."""
        made: dict[int, Array] = {}
        kept = []
        for value in self.values:
            kept.append(value.data)
            if id(value.data) not in made:
                made[id(value.data)] = place(value.data)
            value.data = made[id(value.data)]
        for where, index in self.saved:
            array, writes, count = where[index]
            kept.append(array)
            if id(array) not in made:
                made[id(array)] = place(array)
            where[index] = made[id(array)], writes, count


def memories(session: Session, *, spilled: bool) -> dict[int, Memory]:
    """The memories of a session that are on a GPU, or those that were spilled, by the ids of their roots."""
    found: dict[int, Memory] = {}
    values: dict[int, Value] = {}
    # Not those of passes that have begun: these go on where they are.
    for value in holdings.named_values(session):
        values[id(value)] = value
        if value.base is not None:
            values[id(value.base)] = value.base
    nodes = []
    for producer in holdings.nodes_of(session):
        if producer.__class__ is Leaf:
            values[id(producer.gradient)] = producer.gradient
        elif producer.__class__ is Node:
            nodes.append(producer)

    def memory(array: Array, backend: Backend) -> Memory | None:
        if array is None or backend.device_type != GPU or is_spilled(array, backend) != spilled:
            return None
        root = holdings.root_of(array)
        return found.setdefault(id(root), Memory(root, backend))

    for value in values.values():
        place = memory(value.data, value.backend)
        if place is not None:
            place.values.append(value)
    for node in nodes:
        for kept in (node.inputs, node.outputs):
            for index, (array, _, _) in kept.items():
                place = memory(array, node.backend)
                if place is not None:
                    place.saved.append((kept, index))
    return found


def is_spilled(array: Array, backend: Backend) -> bool:
    """Whether an array that belongs on a backend's device is in host memory instead."""
    return array is not None and not isinstance(array, backend.ndarray)


def _references(session: Session, found: dict[int, Memory]) -> set[int]:
    """The ids of the roots of those memories that nothing refers to but what is known."""
    arrays: dict[int, Array] = {}
    known: dict[int, int] = {}
    roots: dict[int, int] = {}

    def note(array: Array, root: int) -> None:
        """An array that a value or a recorded op has, and those that it is a view of."""
        known[id(array)] = known.get(id(array), 0) + 1
        while id(array) not in arrays:
            arrays[id(array)] = array
            roots[id(array)] = root
            if id(array) == root:
                return
            array = array.base
            known[id(array)] = known.get(id(array), 0) + 1

    for key, memory in found.items():
        for value in memory.values:
            note(value.data, key)
        for where, index in memory.saved:
            note(where[index][0], key)
        # This function's caller has it as well.
        known[key] = known.get(key, 0) + 1
        arrays.setdefault(key, memory.root)
        roots[key] = key
    held = set()
    for key, array in arrays.items():
        if sys.getrefcount(array) > known[key] + _OVERHEAD:
            held.add(roots[key])
    return set(found) - held


def _overhead() -> int:
    """What looking for the references to an array adds to them."""
    for _, array in {0: np.empty(1)}.items():  # noqa: PERF102 - as above
        return sys.getrefcount(array)
    raise AssertionError


_OVERHEAD: Final = _overhead()


class Spills:
    """What one session has spilled.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    count : int
        How many of its memories may be spilled now; ops look at their inputs while there are any.
    spills, returns : int
        How many memories were spilled, and how many came back, since the session began.
    spilled_bytes : int
        How many bytes were spilled, since the session began.
    recent : deque of list of int
        The code of the last batches.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.count = 0
        self.spills = 0
        self.returns = 0
        self.spilled_bytes = 0
        self.recent: deque[list[int]] = deque(maxlen=RECENT_BATCHES)
        self._index: dict[int, Memory] | None = None

    # Away.

    def candidates(self, backend: Backend | None) -> list[Memory]:
        """The memories on a GPU (or on any) that can move, those first that were used least recently."""
        session = self._session
        found = memories(session, spilled=False)
        movable = _references(session, found)
        used = {word: at for at, word in enumerate(word for code in self.recent for word in code)}
        handles = {id(value): handle for handle, value in session.table.items()}
        chosen = []
        for key in movable:
            memory = found[key]
            if memory.root.nbytes and backend in (None, memory.backend):
                memory.used = max(
                    (used.get(handles.get(id(value), -1), -1) for value in memory.values), default=-1
                )
                chosen.append(memory)
        return sorted(chosen, key=lambda memory: memory.used)

    def spill(self, memory: Memory) -> int:
        """Move a memory to the host; returns how many bytes that frees, 0 for one that cannot move."""
        root, backend = memory.root, memory.backend
        if not (root.flags.c_contiguous or root.flags.f_contiguous):
            return 0
        dense = root if root.flags.c_contiguous else root.T
        size = int(root.nbytes)
        self._session.devices.cpu.check_room(size)
        host = np.ascontiguousarray(backend.to_host(dense)).reshape(-1).view(np.uint8)
        start = backend.address(root)
        memory.move(lambda array: _on_host(array, host, backend.address(array) - start))
        self.count += 1
        self.spills += 1
        self.spilled_bytes += size
        return size

    # And back.

    def bring(self, value: Value) -> None:
        """Bring a tensor back to its device, if it was spilled.

        Raises
        ------
        OutOfMemoryError
            Where there is no room, even after others were spilled; QuotaError where the quota has none.
        """
        if value.backend.device_type == GPU and is_spilled(value.data, value.backend):
            self._bring(value.data)

    def bring_graph(self, values: Iterable[Value | None]) -> None:
        """Bring back some tensors, and all that a pass from them may need; see :meth:`bring`."""
        given = [value for value in values if value is not None]
        for value in given:
            self.bring(value)
        for producer in reachable([value.producer for value in given]):
            if producer.__class__ is Leaf:
                self.bring(producer.gradient)
            elif producer.__class__ is Node:
                for array, _, _ in (*list(producer.inputs.values()), *list(producer.outputs.values())):
                    if producer.backend.device_type == GPU and is_spilled(array, producer.backend):
                        self._bring(array)

    def bring_all(self) -> None:
        """Bring back everything; see :meth:`bring`."""
        if self.count:
            for value in list(holdings.named_values(self._session)):
                self.bring(value)
                self.bring(value.memory)
                if isinstance(value.producer, Leaf):
                    self.bring(value.producer.gradient)

    def settle(self) -> None:
        """A batch is over: tensors may be dropped again."""
        self._index = None

    def _bring(self, array: Array) -> None:
        if self._index is None:
            self._index = memories(self._session, spilled=True)
            self.count = len(self._index)
        memory = self._index[id(holdings.root_of(array))]
        backend = memory.backend
        host = memory.root.reshape(-1).view(np.uint8)
        executor = self._session.executor
        executor.reserve(backend, host.nbytes)
        root = executor.attempt("array", backend, host.nbytes, lambda: backend.from_host(host))
        start = _address(host)
        memory.move(lambda view: _on_device(view, root, _address(view) - start, backend))
        del self._index[id(memory.root)]
        self.count -= 1
        self.returns += 1


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def _on_host(array: Array, host: np.ndarray[Any, Any], offset: int) -> Array:
    """The view of a host copy that is what an array is of its own memory."""
    return np.ndarray(array.shape, array.dtype, host, offset, array.strides)


def _on_device(array: Array, root: Array, offset: int, backend: Backend) -> Array:
    """The view of a device's copy that is what an array is of its memory on the host."""
    if array.flags.c_contiguous:
        return root[offset : offset + array.nbytes].view(array.dtype).reshape(array.shape)
    first = root[offset : offset + array.itemsize].view(array.dtype)
    return backend.xp.lib.stride_tricks.as_strided(first, array.shape, array.strides)


class Spiller:
    """The memory of a server's GPUs, and who has to make room in it.

    Parameters
    ----------
    limits : Limits

    Attributes
    ----------
    spills, spilled_bytes : int
        How many memories were spilled, and of how many bytes, since the server began.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._sessions: list[Session] = []
        self.spills = 0
        self.spilled_bytes = 0

    def add(self, session: Session) -> None:
        """A session may have to make room from now on."""
        with self._lock:
            self._sessions.append(session)

    def remove(self, session: Session) -> None:
        """A session is over."""
        with self._lock:
            self._sessions.remove(session)

    def margin(self, backend: Backend) -> int:
        """How much of a device's memory is to stay free."""
        return backend.info().memory * self._limits.spill_percent // 100

    def relieve(self, session: Session, backend: Backend, size: int) -> None:
        """Spill where an op that allocates so many bytes would leave too little free."""
        if backend.device_type == GPU and self._limits.spill:
            short = size + self.margin(backend) - backend.free()
            if short > 0:
                self._spill(session, short, backend, self._others(session))

    def after_failure(self, session: Session, backend: Backend, size: int) -> bool:
        """The device has no memory left for an op: see whether there can be some; returns whether it is worth
        another try."""
        if backend.device_type != GPU:
            return False
        backend.empty_cache()
        self.relieve(session, backend, size)
        return True

    def for_quota(self, session: Session, size: int) -> bool:
        """Spill so much of the other sessions of an owner, whose quota of memory on devices is used up;
        returns whether any was."""
        same = [other for other in self._others(session) if other.owner.name == session.owner.name]
        return self._limits.spill and self._spill(session, size, None, same) > 0

    def _others(self, session: Session) -> list[Session]:
        """The other sessions, the one first that has done nothing for longest."""
        with self._lock:
            others = [other for other in self._sessions if other is not session]
        return sorted(others, key=lambda other: other.last_used)

    def _spill(self, session: Session, size: int, backend: Backend | None, others: list[Session]) -> int:
        """Move at least so many bytes of sessions that do nothing to the host, if there are so many."""
        moved = 0
        with session.seat.turns.kept(session.seat):
            for other in others:
                if moved >= size:
                    break
                if other.seat.idle and not other.closing:
                    moved += self._spill_one(other, size - moved, backend)
            if moved:
                for gpu in session.devices.gpus:
                    gpu.activate()
                    gpu.empty_cache()
                session.executor.active.activate()
        return moved

    def _spill_one(self, other: Session, size: int, backend: Backend | None) -> int:
        moved = 0
        # As the quota of host memory sees it.
        other.meter.audit()
        try:
            for memory in other.spills.candidates(backend):
                if moved >= size:
                    break
                memory.backend.activate()
                if not other.meter.has_host_room(memory.root.nbytes):
                    break
                freed = other.spills.spill(memory)
                other.meter.moved_to_host(freed)
                moved += freed
                self.spills += freed > 0
        except OutOfMemoryError:
            # The host has no room for it either.
            pass
        if moved:
            self.spilled_bytes += moved
            log.info("spilled", extra={**other.labels, "bytes": moved})
        return moved
