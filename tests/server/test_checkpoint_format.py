"""The format of checkpoints: what is written is read, and nothing else is."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import signal
import struct
import subprocess
import sys
from copy import deepcopy
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from remx_contract.errors import CheckpointError, FileFormatError, OutOfMemoryError
from remx_contract.spec import TensorSpec
from remx_server import checkpoint, memory, stored
from remx_server.backend import Devices
from remx_server.checkpoint import ALIGNMENT, DTYPES, MAGIC, Blob
from remx_server.config import Limits
from remx_server.parameters import Filling
from remx_server.positions import Position
from remx_server.session import Session
from remx_server.snapshot import Snapshot, capture
from remx_server.tape import WRITE, Leaf
from remx_server.value import Failure, Value

FRONT = struct.Struct("<8sIQ")
MORE = settings(max_examples=400, deadline=None)


def written(snapshot: Snapshot) -> bytes:
    """A file's bytes."""
    file = BytesIO()
    checkpoint.write(file, snapshot.front, snapshot.blobs)
    return file.getvalue()


def as_array(raw: bytes) -> checkpoint.Bytes:
    return np.frombuffer(raw, np.uint8)


def sealed(raw: bytes) -> bytes:
    """A file without its checksum, with the right one."""
    return raw + hashlib.sha256(raw).digest()


@cache
def sample() -> bytes:
    """The file of a session that has some of everything."""
    devices = Devices("cpu")
    session = Session(devices, Limits(), "sample")
    base = Value(np.arange(6.0, dtype=np.float32), TensorSpec.of((6,), np.dtype(np.float32)), devices.cpu)
    view = Value(base.data[2:4], TensorSpec.of((2,), base.spec.dtype), devices.cpu)
    view.base = base
    gradient = Value(np.ones(6, np.float32), base.spec, devices.cpu)
    base.producer = Leaf(gradient, WRITE)
    flags = Value(np.array([[True], [False]]), TensorSpec.of((2, 1), np.dtype(bool)), devices.cpu)
    failed = Value.failed(Failure(OutOfMemoryError("no room", op="dot"), 3), None, devices.cpu)
    session.table.update({1: base, 2: view, 5: flags, 6: failed})
    session.names.update({"weights": base, "lost": failed})
    assert failed.failure is not None
    session.failures.append(failed.failure)
    session.random.seed(0, 5, for_context=True)
    session.random_of(0).uniform(0, 1, (200,))
    session.random.seed_philox(3, 9)
    position = Position(5, True, np.array([7, 7]), 2)
    session.parameters.take_back({1: Filling("w", "{}", "", position), 2: Filling("v", "", "x", position)})
    raw = written(capture(session))
    session.close()
    return raw


def parts(raw: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and arrays of a file."""
    _, _, length = FRONT.unpack(raw[: FRONT.size])
    end = FRONT.size + length
    return json.loads(raw[FRONT.size : end]), raw[end + -end % ALIGNMENT : -32]


def joined(header: object, arrays: bytes) -> bytes:
    """A file with any header, and the right checksum."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    front = FRONT.pack(MAGIC, checkpoint.VERSION, len(text)) + text
    return sealed(front + bytes(-len(front) % ALIGNMENT) + arrays)


# Round trips.


@pytest.mark.parametrize("name", sorted(DTYPES))
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (5, 7)])
def test_arrays_come_back(name: str, shape: tuple[int, ...]) -> None:
    count = int(np.prod(shape))
    array = (np.arange(count) % 2).astype(DTYPES[name]).reshape(shape)
    blobs = [Blob.of(np.array([1], np.uint8)), Blob.of(array), Blob.of(array[..., None].T)]
    snapshot = Snapshot({"note": "ä"}, blobs)
    raw = written(snapshot)
    assert len(raw) == snapshot.nbytes
    content = checkpoint.read(as_array(raw))
    assert content.header["note"] == "ä"
    assert content.arrays[1].dtype == array.dtype
    np.testing.assert_array_equal(content.arrays[1], array, strict=True)
    np.testing.assert_array_equal(content.arrays[2], array[..., None].T, strict=True)


def test_arrays_lie_where_they_can_be_mapped() -> None:
    raw = written(Snapshot({}, [Blob.of(np.full(3, 7, np.uint8)), Blob.of(np.full(2, 9.0))]))
    places = [raw.index(bytes([7] * 3)), raw.index(np.full(2, 9.0).tobytes())]
    assert [place % ALIGNMENT for place in places] == [0, 0]


def test_a_sample_says_what_was_in_the_session() -> None:
    found = stored.load(as_array(sample()))
    assert found.handles == {1: 0, 2: 1, 5: 2, 6: 3}
    assert found.names == {"lost": 3, "weights": 0}
    assert found.variables == {0: (4, WRITE)}
    assert [entry.offset for entry in found.entries] == [0, 2, 0, 0, 0]
    assert found.entries[0].memory == found.entries[1].memory
    assert len(found.memories) == 3
    assert str(found.failures[0].error) == "dot: no room"
    assert found.failures[0].site == 3
    assert found.unheard == [0]
    assert sorted(found.random) == [0, 3]
    assert found.fillings[1].position is found.fillings[2].position
    assert found.fillings[1].position == Position(5, True, np.array([7, 7]), 2)


# Damage.


def refused(raw: bytes) -> str:
    with pytest.raises(FileFormatError) as caught:
        stored.load(as_array(raw))
    return str(caught.value)


@MORE
@given(st.data())
def test_a_truncated_file_is_refused(data: st.DataObject) -> None:
    refused(sample()[: data.draw(st.integers(0, len(sample()) - 1))])


@MORE
@given(st.data())
def test_a_flipped_bit_is_found(data: st.DataObject) -> None:
    raw = bytearray(sample())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    refused(bytes(raw))


def test_what_is_appended_is_found() -> None:
    refused(sample() + b"\0")
    refused(sealed(sample()))


@given(st.binary(max_size=200))
def test_anything_else_is_refused(raw: bytes) -> None:
    refused(raw)
    refused(sealed(raw))
    refused(sealed(MAGIC + raw))


def test_refusals_say_what_is_wrong() -> None:
    header, arrays = parts(sample())
    assert "version 7" in refused(sealed(FRONT.pack(MAGIC, 7, 2) + b"{}" + bytes(50)))
    assert "damaged" in refused(sample()[:-1] + b"\0")
    assert "not JSON" in refused(joined(b"\xff", arrays))
    assert "no table" in refused(joined([], arrays))
    assert "ends inside" in refused(joined(header, arrays[:-64]))
    assert "end at" in refused(joined(header, arrays + bytes(64)))


# Hostile headers: the checksum is right, since whoever writes a file can compute it.


def places(entry: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all entries of a header."""
    found = [path] if path else []
    if isinstance(entry, dict):
        inner = list(entry.items())
    elif isinstance(entry, list):
        inner = list(enumerate(entry))
    else:
        inner = []
    for key, value in inner:
        found += places(value, (*path, key))
    return found


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 9),
        st.sampled_from([2**31, 2**48, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30, 1e300, -0.5]),
        st.text(max_size=4),
        st.sampled_from(["float32", "uint32", "philox", "\ud800", "device 0", "w" * 70000]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_a_hostile_header_is_refused_or_harmless(data: st.DataObject) -> None:
    header, arrays = parts(sample())
    header = deepcopy(header)
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(places(header)))
        where = header
        for key in way:
            where = where[key]
        if data.draw(st.booleans()):
            where[last] = data.draw(values)
        else:
            del where[last]
    try:
        found = stored.load(as_array(joined(header, arrays)))
    except FileFormatError:
        return
    session = Session(Devices("cpu"), Limits(), "victim")
    try:
        revived(session, found)
    finally:
        session.close()
        assert session.join(10)


def revived(session: Session, found: stored.Checkpoint) -> None:
    """Restore as a session would, which says no or does it."""
    from remx_contract.errors import MXNetError
    from remx_server.restoring import revive

    try:
        revive(session, found, found.client_id)
    except MXNetError:
        assert not session.table
        assert not session.names
        return
    for value in [*session.table.values(), *session.names.values()]:
        assert value.failure is not None or value.data.shape == value.spec.shape


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"arrays": [["float32", [281474976710656]]]}',
        b'{"arrays": [["float32", [1000000, 1000000, 1000000]]]}',
        b'{"arrays": [["float32", [-1]]]}',
        b'{"arrays": [["object", [1]]]}',
        b'{"arrays": ' + b"9" * 100_000 + b"}",
        b'{"arrays": [], "created": NaN}',
        b"",
    ],
    ids=["lists", "tables", "huge", "overflow", "negative", "dtype", "digits", "nan", "empty"],
)
def test_a_header_cannot_take_the_server_down(text: bytes) -> None:
    refused(joined(text, b""))


def test_a_small_file_cannot_stand_for_much_memory() -> None:
    header, arrays = parts(sample())
    header["memories"] = [header["memories"][0]] * 1000
    assert "no tensor's" in refused(joined(header, arrays))


def test_a_large_header_needs_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 30 << 20)
    with pytest.raises(CheckpointError, match="no room"):
        checkpoint.read(as_array(joined(b'"' + b" " * (2 << 20) + b'"', b"")))


def test_the_header_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "MAX_HEADER_BYTES", 40)
    with pytest.raises(CheckpointError, match="too many"):
        _ = Snapshot({"note": "x" * 50}, []).front
    refused(sample())


def test_an_array_that_changed_its_form_is_not_written() -> None:
    blob = Blob(np.dtype(np.float32), (4,), lambda: np.zeros(3, np.float32))
    with pytest.raises(CheckpointError, match="12 bytes"):
        written(Snapshot({}, [blob]))


# Files.


def small(text: str) -> Snapshot:
    return Snapshot({"note": text}, [Blob.of(np.zeros(1000))])


def note(path: Path) -> str:
    return str(checkpoint.read(np.fromfile(path, np.uint8)).header["note"])


def write(path: Path, snapshot: Snapshot) -> None:
    checkpoint.write_file(path, snapshot.front, snapshot.blobs)


def test_a_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    write(path, small("old"))
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    monkeypatch.setattr(os, "replace", lambda *names: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
    with pytest.raises(CheckpointError, match="cannot store"):
        write(path, small("new"))
    assert note(path) == "old"
    assert os.listdir(tmp_path) == ["x"]
    monkeypatch.undo()
    write(path, small("new"))
    assert note(path) == "new"


def test_a_full_disk_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write(path, small("old"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system refuses what goes beyond, in the middle of a write, as a disk does that is full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(CheckpointError, match="cannot store"):
            write(path, small("new"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert note(path) == "old"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_kill_before_the_end_leaves_the_older_file(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "x"
    write(path, small("old"))
    program = (
        "import os, signal, sys; from pathlib import Path; import numpy as np\n"
        "from remx_server.checkpoint import Blob, write_file; from remx_server.snapshot import Snapshot\n"
        f"os.{moment} = lambda *args: os.kill(os.getpid(), signal.SIGKILL)\n"
        "new = Snapshot({'note': 'new'}, [Blob.of(np.zeros(1000))])\n"
        "write_file(Path(sys.argv[1]), new.front, new.blobs)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)])
    assert done.returncode == -signal.SIGKILL
    assert note(path) == "old"
    [left] = set(os.listdir(tmp_path)) - {"x"}
    assert left.startswith(checkpoint.TEMPORARY)


def test_writing_half_a_gigabyte_takes_little_memory(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path; import numpy as np\n"
        "from remx_contract.spec import TensorSpec\n"
        "from remx_server.backend import Devices; from remx_server.checkpoints import Store, spooled\n"
        "from remx_server.config import Limits; from remx_server.session import Session\n"
        "from remx_server.snapshot import capture; from remx_server.value import Value\n"
        "session = Session(Devices('cpu'), Limits(), 'large')\n"
        "array = np.ones((125, 1 << 20), np.float32)\n"
        "spec = TensorSpec.of(array.shape, array.dtype)\n"
        "session.table[1] = Value(array, spec, session.devices.cpu)\n"
        "store = Store(sys.argv[1], 1 << 40)\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10\n"
        "before = peak()\n"
        "path = store.named('me', 'large')\n"
        "store.save('me', path, capture(session))\n"
        "assert path.stat().st_size > 500 << 20\n"
        "spool = spooled(capture(session), None)\n"
        "print(peak() - before)\n"
        "session.close(); session.join(5)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 100
