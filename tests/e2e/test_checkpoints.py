"""A server that is killed in the middle of training, and comes back with its checkpoints."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import remx as mx
from remx import errors
from support.wire import ServerProcess


@pytest.fixture(autouse=True)
def no_session() -> Iterator[None]:
    yield
    mx.disconnect()


def start() -> None:
    """Make what training needs, with names."""
    mx.random.seed(7)
    weight = mx.nd.random.normal(shape=(8, 1))
    weight.attach_grad()
    mx.session.put("weight", weight)
    mx.session.put("momentum", mx.nd.zeros((8, 1)))
    mx.session.put("data", mx.nd.random.normal(shape=(32, 8)))


def steps(count: int) -> list[float]:
    """The losses of some steps, with what has names."""
    weight, momentum, data = (mx.session.get(name) for name in ("weight", "momentum", "data"))
    losses = []
    for _ in range(count):
        noise = mx.nd.random.normal(shape=(32, 1))
        with mx.autograd.record():
            loss = ((mx.nd.dot(data, weight) - noise) ** 2).mean()
        loss.backward()
        momentum[:] = 0.9 * momentum - 0.05 * weight.grad
        weight[:] = weight + momentum
        losses.append(float(loss.asscalar()))
    return losses


def test_training_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    flags = f"--state-dir={tmp_path}"
    with ServerProcess(flags) as server:
        address = server.address
        mx.connect(address)
        start()
        steps(3)
        mx.session.save()
        expected = steps(5)
        server.signal(signal.SIGKILL)
        server.wait_while_open()
    with ServerProcess(flags, f"--listen={address}"):
        began = time.monotonic()
        with pytest.raises(
            errors.SessionLostError, match=r"checkpoint of .* UTC is there: mx.session.attach"
        ):
            steps(1)
        assert time.monotonic() - began < 5
        mx.session.attach()
        assert steps(5) == expected
        # And back again, to the same checkpoint.
        assert mx.session.restore() == ["weight", "momentum", "data"]
        assert steps(5) == expected


def test_a_checkpoint_goes_to_another_server(tmp_path: Path) -> None:
    path = tmp_path / "run.remx"
    with ServerProcess() as server:
        mx.connect(server.address)
        start()
        steps(3)
        saved = mx.session.save(path)
        assert saved.names == ("weight", "momentum", "data")
        expected = steps(5)
        mx.disconnect()
    with ServerProcess() as server:
        mx.connect(server.address)
        assert mx.session.restore(path) == ["weight", "momentum", "data"]
        assert steps(5) == expected
