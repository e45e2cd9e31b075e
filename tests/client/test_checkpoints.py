"""mx.session.save and restore: a program goes back to where it was, bit for bit."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import remx
from remx import _current, errors
from remx._checkpoints import Checkpoint, restore, save
from remx._session import Session
from remx._transport import GrpcTransport
from remx_server.backend import Devices
from remx_server.config import Config
from remx_server.serve import Server
from remx_server.service import Service
from support.inprocess import InProcessTransport

Array = np.ndarray[Any, Any]


@pytest.fixture(params=["inprocess", "grpc"])
def keeping(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ModuleType]:
    """The client, with a session on a server that keeps checkpoints."""
    config = Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0, state_dir=tmp_path / "state")
    if request.param == "inprocess":
        service = Service(config, Devices("cpu"))
        session = Session(InProcessTransport(service))
        stop = lambda: service.drain(0)  # noqa: E731
    else:
        server = Server(config)
        server.start()
        session = Session(GrpcTransport(server.address))
        stop = server.stop
    _current.use(session)
    yield remx
    _current.use(None)
    stop()


class Training:
    """A small program with all kinds of state: weights, gradients, momentum, dropout, a shuffled order."""

    def __init__(self, mx: ModuleType) -> None:
        self.mx = mx
        mx.random.seed(5)
        self.data = mx.nd.random.normal(shape=(40, 8))
        self.label = mx.nd.random.uniform(shape=(40, 1))
        self.weights = [mx.nd.random.normal(scale=0.3, shape=shape) for shape in ((8, 16), (16, 1))]
        self.momenta = [mx.nd.zeros(weight.shape) for weight in self.weights]
        for weight in self.weights:
            weight.attach_grad()

    def steps(self, count: int) -> list[Array]:
        """The losses of some steps."""
        mx, losses = self.mx, []
        for _ in range(count):
            order = mx.nd.random.shuffle(mx.nd.arange(40))[:16]
            data, label = mx.nd.take(self.data, order), mx.nd.take(self.label, order)
            with mx.autograd.record():
                hidden = mx.nd.Dropout(mx.nd.relu(mx.nd.dot(data, self.weights[0])), p=0.3)
                loss = ((mx.nd.dot(hidden, self.weights[1]) - label) ** 2).mean()
            loss.backward()
            for weight, momentum in zip(self.weights, self.momenta, strict=True):
                momentum[:] = 0.9 * momentum - 0.1 * weight.grad
                weight[:] = weight + momentum
            losses.append(loss.asnumpy())
        return losses

    def state(self) -> list[Array]:
        """All arrays that a step changes."""
        grads = [weight.grad for weight in self.weights]
        return [each.asnumpy() for each in (*self.weights, *self.momenta, *grads)]


def same(one: list[Array], other: list[Array]) -> bool:
    return all(mine.tobytes() == its.tobytes() for mine, its in zip(one, other, strict=True))


@pytest.mark.parametrize("where", ["file", "name", "own"])
def test_training_goes_on_as_it_did(keeping: ModuleType, tmp_path: Path, where: str) -> None:
    path = {"file": tmp_path / "checkpoint", "name": "server:run-1", "own": None}[where]
    training = Training(keeping)
    training.steps(3)
    save(path)
    state = training.state()
    losses = training.steps(4)
    end = training.state()
    assert not same(state, end)
    for _ in range(2):
        restore(path)
        assert same(training.state(), state)
        assert same(training.steps(4), losses)
        assert same(training.state(), end)


def test_a_checkpoint_says_what_is_in_it(mx: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "x.remx"
    x = mx.nd.ones((2, 3))
    x.attach_grad()
    with mx.autograd.record():
        y = x * x
    saved = save(str(path))
    assert isinstance(saved, Checkpoint)
    assert saved.nbytes == path.stat().st_size
    assert saved.names == ()
    assert saved.tensors == 3
    assert saved.left_graphs == 1
    assert "3 arrays" in str(saved)
    assert "1 without what was recorded" in str(saved)
    assert restore(path) == []
    y.backward()
    with pytest.raises(errors.OverwrittenValueError):
        x.grad.asnumpy()


def test_gradients_after_a_restore_are_those_of_before(mx: ModuleType, tmp_path: Path) -> None:
    x = mx.nd.array([1.0, 2.0, 3.0])
    x.attach_grad("add")

    def gradient() -> Array:
        with mx.autograd.record():
            y = (x**3).sum()
        y.backward()
        return x.grad.asnumpy()  # type: ignore[no-any-return]

    gradient()
    save(tmp_path / "x")
    second = gradient()
    x[:] = 0
    x.grad[:] = 99
    restore(tmp_path / "x")
    assert gradient().tobytes() == second.tobytes()


def test_views_are_of_the_same_memory_after_a_restore(mx: ModuleType, tmp_path: Path) -> None:
    x = mx.nd.arange(12).reshape((3, 4))
    row, flat = x[1], x.reshape((12,))
    save(tmp_path / "x")
    x[:] = -1
    restore(tmp_path / "x")
    assert row.asnumpy().tolist() == [4, 5, 6, 7]
    row[:] = 0
    assert flat.asnumpy().tolist() == [0, 1, 2, 3, 0, 0, 0, 0, 8, 9, 10, 11]


def test_every_dtype_comes_back(mx: ModuleType, tmp_path: Path) -> None:
    names = ("float16", "float32", "float64", "uint8", "int8", "int32", "int64", "bool")
    arrays = [mx.nd.array([0, 1, 1], dtype=name) for name in names]
    large = mx.nd.array(np.arange(100_000.0))
    save(tmp_path / "x")
    for each in (*arrays, large):
        each[:] = 0
    restore(tmp_path / "x")
    assert [each.asnumpy().tolist() for each in arrays] == [[0, 1, 1]] * len(names)
    assert large.asnumpy().tolist() == list(range(100_000))


def test_arrays_of_another_session_stay_there(
    mx: ModuleType, session: Session, open_session: Any, tmp_path: Path
) -> None:
    # One process, two sessions: handles are never the same.
    other = open_session()
    try:
        _current._current = other
        there = mx.nd.array([1.0])
        mx.random.seed(3)
        numbers = mx.nd.random.uniform(shape=(4,)).asnumpy()
        path = tmp_path / "x"
        mx.random.seed(3)
        save(path)
        there[:] = 2
        _current._current = session
        here = mx.nd.array([7.0])
        restore(path)
        assert here.asnumpy().tolist() == [7.0]
        assert mx.nd.random.uniform(shape=(4,)).asnumpy().tobytes() == numbers.tobytes()
        assert there.asnumpy().tolist() == [2.0]
    finally:
        _current._current = session
        other.close()


# What goes wrong.


def test_a_server_that_keeps_none_says_so(mx: ModuleType) -> None:
    for path in (None, "server:x"):
        with pytest.raises(errors.CheckpointError, match="state-dir"):
            save(path)
        with pytest.raises(errors.CheckpointError, match="state-dir"):
            restore(path)


def test_what_is_not_there_is_an_error(keeping: ModuleType, tmp_path: Path) -> None:
    x = keeping.nd.ones((2,))
    for path in (None, "server:x"):
        with pytest.raises(errors.CheckpointError, match="no such checkpoint"):
            restore(path)
    with pytest.raises(FileNotFoundError):
        restore(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        save(tmp_path / "no folder" / "x")
    assert x.asnumpy().tolist() == [1, 1]


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", ".x", "x" * 129])
def test_names_that_are_none(keeping: ModuleType, name: str) -> None:
    for function in (save, restore):
        with pytest.raises(errors.ArgumentError, match="1 to 128 letters"):
            function(f"server:{name}")


@pytest.mark.parametrize("path", [3, b"x", ["x"]])
def test_paths_that_are_none(mx: ModuleType, path: Any) -> None:
    for function in (save, restore):
        with pytest.raises(errors.UnsupportedTypeError):
            function(path)


def test_files_that_are_none_change_nothing(mx: ModuleType, tmp_path: Path) -> None:
    x = mx.nd.array([1.0])
    save(tmp_path / "good")
    good = (tmp_path / "good").read_bytes()
    x[:] = 2
    mx.nd.save(str(tmp_path / "params"), [x])
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 4
    files = {"empty": b"", "cut": good[:-5], "flipped": bytes(flipped), "params": None, "long": good + b"x"}
    for name, content in files.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(errors.FileFormatError):
            restore(tmp_path / name)
        assert x.asnumpy().tolist() == [2.0]
    restore(tmp_path / "good")
    assert x.asnumpy().tolist() == [1.0]


def test_a_download_that_fails_leaves_the_older_file(
    mx: ModuleType, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    x = mx.nd.array([1.0])
    save(path)
    before = path.read_bytes()
    x[:] = 2

    def fail(transfer: int, into: memoryview) -> None:
        into[:10] = bytes(10)
        raise errors.TransferError("it broke off")

    monkeypatch.setattr(session, "download", fail)
    with pytest.raises(errors.TransferError, match="it broke off"):
        save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x"]
    save(path)
    assert path.read_bytes() != before


def test_a_full_disk_leaves_the_older_file(mx: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "x"
    x = mx.nd.array([1.0])
    save(path)
    before = path.read_bytes()
    big = mx.nd.zeros((1000,))
    big.wait_to_read()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Of this process's files; those of a server in the same process are as short.
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))
    try:
        with pytest.raises((OSError, errors.CheckpointError)):
            save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x"]
    assert x.asnumpy().tolist() == [1.0]


def test_saving_and_restoring_take_little_memory(mx: ModuleType, tmp_path: Path) -> None:
    x = mx.nd.ones((16, 1 << 20))
    x.wait_to_read()
    path = tmp_path / "x"
    tracemalloc.start()
    try:
        # Client and server are in this process: what either of them keeps is counted.
        save(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 64 << 20
    assert peak < 32 << 20
    x[:] = 0
    restore(path)
    assert x.sum().asscalar() == 16 << 20


def test_a_forked_process_is_another_client() -> None:
    program = (
        "import os, sys\n"
        "from remx._identity import client_id\n"
        "mine = client_id()\n"
        "if os.fork() == 0:\n"
        "    os._exit(client_id() == mine or len(client_id()) != 16)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.wait()[1]) or client_id() != mine)\n"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
