"""Restoring: taking a session back to a checkpoint, all of it or nothing.

A plan is made first: which values of the checkpoint are wanted, which values of the session they are written
to, and which memories have to be made. Then everything that can fail is done on the side. Only then does the
session change.

What a value of the checkpoint is in the session is told by its handle where both come from the same client's
process, and by its name. Values that are neither do not come back.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from remx_contract.errors import CheckpointError, LimitError
from remx_contract.spec import TensorSpec
from remx_contract.v1 import stream_pb2

from .backend import Array, Backend
from .classifying import classify
from .philox import PhiloxState
from .positions import CountedState
from .snapshot import offset_of
from .stored import Checkpoint, Entry, Memory, RandomWords, device_of, random_state
from .tape import Leaf
from .value import Failure, Value, mark_written

if TYPE_CHECKING:
    from .session import Session


def restore(session: Session, checkpoint: Checkpoint) -> stream_pb2.Checkpoint:
    """Take a running session back to a checkpoint, on its thread; says what has come back.

    Arrays that the client has keep their handles, and get the values they had, as if these were written to
    them: what shares their memory sees them too. Where gradients go and whether an array is a variable stays
    as the program has made it since; gradients get their values back. Names of the checkpoint come back, and
    those that were given later stay. All random states are those of the checkpoint.

    Raises
    ------
    MXNetError
        The session is as it was.
    """
    same = bool(session.client_id) and checkpoint.client_id == session.client_id
    live = {handle: number for handle, number in checkpoint.handles.items() if handle in session.table}
    plan = _Plan(session, checkpoint, live if same else {})
    plan.load()
    return plan.commit()


def revive(session: Session, checkpoint: Checkpoint, client_id: bytes = b"") -> stream_pb2.Checkpoint:
    """Fill a new session, which has run nothing yet, with what a checkpoint holds; on its thread.

    Parameters
    ----------
    session : Session
        Without tensors.
    checkpoint : Checkpoint
    client_id : bytes
        Of the client that takes it over. Handles come back where it is the one that made them, with all
        values; otherwise names, and what they reach.

    Raises
    ------
    MXNetError
        The session is as it was.
    """
    same = bool(client_id) and checkpoint.client_id == client_id
    plan = _Plan(session, checkpoint, checkpoint.handles if same else {})
    plan.load()
    told = plan.commit()
    session.failures += [plan.failures[number] for number in checkpoint.unheard]
    return told


class _Plan:
    """How a checkpoint comes into a session.

    Parameters
    ----------
    session : Session
    checkpoint : Checkpoint
    handles : dict of int to int
        The handles that come back, with the numbers of their values.
    """

    def __init__(self, session: Session, checkpoint: Checkpoint, handles: dict[int, int]) -> None:
        self._session = session
        self._checkpoint = checkpoint
        self._handles = handles
        self.failures: list[Failure] = checkpoint.failures
        self._backends: dict[tuple[int, int], Backend] = {}
        # By the numbers of values: those of the session that stand for them, and in the end all of them.
        self._targets: dict[int, Value] = {}
        self._taken: set[int] = set()
        self._values: dict[int, Value] = {}
        self._wanted = self._closure([*handles.values(), *checkpoint.names.values()])
        self._find_targets()
        # By the numbers of memories: the session's own to write to, or new arrays.
        self._in_place: dict[int, Value] = {}
        self._new: dict[int, Array] = {}
        self._broken: dict[int, Failure] = {}
        self._random: dict[int, CountedState | PhiloxState] = {}

    def _closure(self, numbers: list[int]) -> list[int]:
        """The numbers of values, with those of their gradients, each once."""
        found: dict[int, None] = {}
        while numbers:
            number = numbers.pop()
            if number not in found:
                found[number] = None
                if number in self._checkpoint.variables:
                    numbers.append(self._checkpoint.variables[number][0])
        return list(found)

    def _backend(self, context: tuple[int, int]) -> Backend:
        backend = self._backends.get(context)
        if backend is None:
            device_type, device_id = context
            place = stream_pb2.Context(device_type=device_type, device_id=device_id)
            backend = self._backends[context] = self._session.backend(place)
        return backend

    # Which values of the session are meant.

    def _find_targets(self) -> None:
        session, entries = self._session, self._checkpoint.entries
        for number in self._wanted:
            self._backend(entries[number].context)
        for handle, number in self._handles.items():
            value = session.table.get(handle)
            if value is not None and not self._aim(number, value):
                raise CheckpointError(f"the checkpoint has another array of handle {handle}")
        for name, number in self._checkpoint.names.items():
            if name in session.names:
                self._aim(number, session.names[name])
        for number, (gradient, _) in self._checkpoint.variables.items():
            target = self._targets.get(number)
            if target is not None and isinstance(target.producer, Leaf):
                self._aim(gradient, target.producer.gradient)

    def _aim(self, number: int, value: Value) -> bool:
        """Have a value of the session stand for one of the checkpoint, if it can; says whether one does."""
        entry = self._checkpoint.entries[number]
        if self._targets.get(number) is value:
            return True
        fits = entry.failure >= 0 or (
            value.spec is entry.spec and value.backend is self._backend(entry.context)
        )
        if not fits:
            return False
        if number not in self._targets and id(value) not in self._taken:
            self._targets[number] = value
            self._taken.add(id(value))
        return True

    # What can fail.

    def load(self) -> None:
        """Make what has to be made, without touching the session."""
        most = self._session.limits.names
        if len(self._session.names.keys() | self._checkpoint.names.keys()) > most:
            raise LimitError(f"a session can have {most} named tensors")
        self._session.admit(len(self._handles.keys() - self._session.table.keys()))
        parts: dict[int, list[int]] = defaultdict(list)
        for number in self._wanted:
            if (memory := self._checkpoint.entries[number].memory) >= 0:
                parts[memory].append(number)
        claimed: set[int] = set()
        for memory, numbers in parts.items():
            base = self._shared_base(memory, [number for number in numbers if number in self._targets])
            if base is not None and id(base) not in claimed:
                claimed.add(id(base))
                self._in_place[memory] = base
        self._load_memories([memory for memory in parts if memory not in self._in_place])
        self._load_random()

    def _shared_base(self, memory: int, numbers: list[int]) -> Value | None:
        """The session's value whose memory all these values are still parts of, as they were; None if not."""
        stored = self._checkpoint.memories[memory]
        base = self._targets[numbers[0]].memory if numbers else None
        if base is None or base.failure is not None or base.spec.dtype != stored.array.dtype:
            return None
        if base.spec.size != stored.array.size or base.backend is not self._backend(stored.context):
            return None
        for number in numbers:
            target, entry = self._targets[number], self._checkpoint.entries[number]
            if target.failure is not None or target.memory is not base or offset_of(target) != entry.offset:
                return None
        return base if base.data.flags.c_contiguous else None

    def _load_memories(self, memories: list[int]) -> None:
        sizes: dict[Backend, int] = defaultdict(int)
        for memory in memories:
            stored = self._checkpoint.memories[memory]
            sizes[self._backend(stored.context)] += stored.array.nbytes
        host = self._session.devices.cpu
        try:
            for backend, size in sizes.items():
                backend.check_room(size)
            for memory in memories:
                stored = self._checkpoint.memories[memory]
                backend = self._backend(stored.context)
                self._session.executor.reserve(backend, stored.array.nbytes)
                self._new[memory] = backend.copy_from(_native(stored), host)
        except Exception as error:
            raise classify(error, "restore") from error

    def _load_random(self) -> None:
        longest = self._session.limits.random_threads
        if len(self._checkpoint.random) > longest:
            raise LimitError(f"random numbers come to at most {longest} threads")
        try:
            for thread, words in self._checkpoint.random.items():
                state = random_state(words)
                if isinstance(state, PhiloxState):
                    self._load_philox(state, words)
                self._random[thread] = state
        except Exception as error:
            raise classify(error, "restore") from error

    def _load_philox(self, state: PhiloxState, words: RandomWords) -> None:
        """The parts of a random state that are on GPUs."""
        for name in words.arrays.keys() - {"seed", "state"}:
            backend = self._backend((2, device_of(name)))
            self._session.executor.use(backend)
            state.on(backend.xp).setstate(words.arrays[name])

    # What cannot.

    def commit(self) -> stream_pb2.Checkpoint:
        """Change the session; says what has come back."""
        session, checkpoint = self._session, self._checkpoint
        bases = {memory: self._write(memory, base) for memory, base in self._in_place.items()}
        bases.update((memory, self._place(memory, array)) for memory, array in self._new.items())
        for number in self._wanted:
            self._values[number] = self._value(number, checkpoint.entries[number], bases)
        for number in self._wanted:
            if number in checkpoint.variables and number not in self._targets:
                gradient, request = checkpoint.variables[number]
                count = next(session.executor.numbers)
                self._values[number].producer = Leaf(self._values[gradient], request, count)
        for handle, number in self._handles.items():
            session.table.setdefault(handle, self._values[number])
        session.names.update((name, self._values[number]) for name, number in checkpoint.names.items())
        session.replace_random(self._random)
        session.parameters.take_back(
            {handle: filling for handle, filling in checkpoint.fillings.items() if handle in self._handles}
        )
        return stream_pb2.Checkpoint(
            nbytes=checkpoint.nbytes,
            created=checkpoint.created,
            names=list(checkpoint.names),
            tensors=len(self._wanted),
        )

    def _write(self, memory: int, base: Value) -> Value:
        """Write to a memory of the session."""
        content = _native(self._checkpoint.memories[memory]).reshape(base.spec.shape)
        mark_written(base)
        try:
            self._session.executor.use(base.backend)
            base.backend.overwrite(base.data, content)
        except Exception as error:
            # A device that fails in the middle of a copy; whoever reads the values gets to know.
            self._broken[memory] = self._session.fail(classify(error, "restore"), 0)
            base.spoil(self._broken[memory])
        return base

    def _place(self, memory: int, array: Array) -> Value:
        """The value that has a new memory: one that was saved, if it is wanted, or else one of no name."""
        stored = self._checkpoint.memories[memory]
        entry = self._checkpoint.entries[stored.owner] if stored.owner >= 0 else None
        base = self._targets.get(stored.owner)
        if base is None:
            # The spec is that of a tensor with this memory; of a value with a name, it is the same object.
            base = Value(array, entry.spec if entry else _spec_of(stored), self._backend(stored.context))
        else:
            _rebind(base, array, None)
        if stored.owner >= 0:
            self._values[stored.owner] = base
        return base

    def _value(self, number: int, entry: Entry, bases: dict[int, Value]) -> Value:
        """The value of the session for one of the checkpoint, with what it had."""
        target = self._targets.get(number)
        failure = self._broken.get(entry.memory)
        if entry.failure >= 0:
            failure = self.failures[entry.failure]
        if failure is not None:
            if target is None:
                return Value.failed(failure, entry.spec, self._backend(entry.context))
            target.spoil(failure)
            return target
        base = bases[entry.memory]
        if self._values.get(number) is base or (target is not None and entry.memory in self._in_place):
            return target or base
        end = entry.offset + entry.spec.size
        part = base.data.reshape(-1)[entry.offset : end].reshape(entry.spec.shape)
        if target is None:
            target = Value(part, entry.spec, base.backend)
        _rebind(target, part, base)
        return target


def _rebind(value: Value, data: Array, base: Value | None) -> None:
    """Give a value other memory; what shared the old one with it has that still."""
    # A pass that needs the values of before notices, as with any write.
    mark_written(value)
    value.data, value.failure, value.base = data, None, base


def _native(stored: Memory) -> Any:
    return stored.array.astype(stored.array.dtype.newbyteorder("="), copy=False)


def _spec_of(stored: Memory) -> TensorSpec:
    array = _native(stored)
    return TensorSpec.of(array.shape, array.dtype)
