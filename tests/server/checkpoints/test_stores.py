"""Whose checkpoints are, where they are, and sessions that were lost."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from remx_contract import errors
from remx_contract.v1 import stream_pb2 as pb
from remx_server import checkpoints
from remx_server.backend import Devices
from remx_server.checkpoints import Store
from remx_server.config import Config
from remx_server.owners import ANYBODY
from remx_server.service import Service
from remx_server.snapshot import digest_of
from support.checkpoints import (
    ALICE,
    BOB,
    LIMITS,
    ME,
    connect,
    draw,
    fetched,
    lost,
    make,
    name,
    restore,
    save,
    sent_back,
    view,
    wait_until,
)
from support.wire import Closed, Wire, hello, stream_of

# Whose they are, and where.


def test_owners_have_stores_of_their_own(service: Service) -> None:
    alice, bob = connect(service, ALICE), connect(service, BOB)
    x = alice.put([1.0])
    save(alice, name="it")
    with pytest.raises(errors.CheckpointError, match="no such"):
        restore(bob, name="it")
    bob.put([2.0])
    save(bob, name="it")
    alice.put([5.0], write_to=x)
    restore(alice, name="it")
    assert alice.read(x).tolist() == [1.0]
    store = service.keeper.store
    assert store is not None
    assert [found.name for found in store.list("alice")] == ["it"]
    assert store.list("carol") == []
    for each in (alice, bob):
        each.close()


def test_a_file_in_a_foreign_folder_is_not_believed(service: Service) -> None:
    alice, bob = connect(service, ALICE), connect(service, BOB)
    alice.put([1.0])
    save(alice, name="it")
    save(bob, name="mine")
    store = service.keeper.store
    assert store is not None
    store.named("bob", "mine").write_bytes(store.named("alice", "it").read_bytes())
    with pytest.raises(errors.CheckpointError, match="no such"):
        restore(bob, name="mine")
    store.named("bob", "link").symlink_to(store.named("alice", "it"))
    with pytest.raises(errors.CheckpointError, match="cannot be read"):
        restore(bob, name="link")
    for each in (alice, bob):
        each.close()


@pytest.mark.parametrize("owner", ["../..", "a/b", "ä" * 300, "", "x" * 5000, ".", "lock"])
def test_owners_names_make_folders_of_their_own(tmp_path: Path, owner: str) -> None:
    store = Store(tmp_path / "state", 1 << 20)
    folders = {store.named(each, "x").parent.parent for each in (owner, "a/b", "a_b", "A/b")}
    assert len(folders) == len({owner, "a/b", "a_b", "A/b"})
    assert all(folder.parent == store.folder and len(folder.name) < 100 for folder in folders)
    store.close()


@pytest.mark.parametrize(
    "bad", ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", "a\0b", ".hidden", "x" * 129, "ä", "a b"]
)
def test_names_lead_nowhere_else(wire: Wire, bad: str) -> None:
    for ask in (save, restore):
        with pytest.raises(errors.ArgumentError, match="expected 1 to 128"):
            ask(wire, name=bad)


@pytest.mark.parametrize("good", ["a", "x" * 128, "Model_3.v1-b", "-", "a..b"])
def test_names_can_be(wire: Wire, good: str) -> None:
    save(wire, name=good)
    restore(wire, name=good)


def test_what_an_owner_stores_is_bounded(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = connect(service, ALICE), connect(service, BOB)
    x = alice.put(np.zeros(10_000))
    alice.op("tile", x, reps=(10,))
    for _ in range(3):
        # Replacing one takes no more than it is.
        save(alice, name="a")
    save(alice, name="b")
    with pytest.raises(errors.LimitError, match="do not fit"):
        save(alice, name="c")
    with pytest.raises(errors.LimitError, match="do not fit"):
        save(alice, own=True)
    save(bob, name="c")
    monkeypatch.setattr(checkpoints, "MAX_FILES", 1)
    with pytest.raises(errors.LimitError, match="which is the limit"):
        save(bob, name="d")
    assert alice.read(x).shape == (10_000,)
    for each in (alice, bob):
        each.close()


def test_a_server_without_a_folder_says_so() -> None:
    service = Service(Config(limits=LIMITS), Devices("cpu"))
    wire = connect(service)
    x = wire.put([1.0])
    for ask in (save, restore):
        for where in ({"own": True}, {"name": "x"}):
            with pytest.raises(errors.CheckpointError, match="state-dir"):
                ask(wire, **where)
    data = fetched(service, wire)
    wire.put([2.0], write_to=x)
    sent_back(service, wire, data)
    assert wire.read(x).tolist() == [1.0]
    wire.close()
    service.drain(0)


def test_commands_that_say_nothing_break_nothing(wire: Wire) -> None:
    for ask in (save, restore):
        with pytest.raises(errors.ProtocolError):
            ask(wire)
    with pytest.raises(errors.CheckpointError, match="no such"):
        restore(wire, own=True)


def test_the_folder_belongs_to_one_server(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "b", 1 << 20)
    assert oct(store.folder.stat().st_mode & 0o777) == "0o700"
    with pytest.raises(errors.CheckpointError, match="another server"):
        Store(store.folder, 1 << 20)
    Store(store.folder, 1 << 20, exclusive=False).close()
    store.close()
    Store(store.folder, 1 << 20).close()
    (tmp_path / "file").touch()
    with pytest.raises(errors.CheckpointError, match="cannot be used"):
        Store(tmp_path / "file", 1 << 20)


def test_a_start_tidies_up(service: Service, wire: Wire, tmp_path: Path) -> None:
    wire.put([1.0])
    save(wire, name="old")
    save(wire, own=True)
    store = service.keeper.store
    assert store is not None
    assert [found.name for found in store.sessions()] == [digest_of(wire.welcome.session)]
    paths = [store.named("anybody", "old"), store.of_session("anybody", wire.welcome.session)]
    unfinished = paths[0].with_name(".writing-it.remx.1")
    unfinished.touch()
    for path in paths:
        os.utime(path, (1.0, 1.0))
    store.close()
    Store(tmp_path, 1 << 20).close()
    assert [path.exists() for path in (*paths, unfinished)] == [True, False, False]


# Sessions that were lost.


def test_a_lost_session_is_told_of_its_checkpoint(tmp_path: Path) -> None:
    token = lost(tmp_path, lambda service, wire: None, ALICE)
    service = make(tmp_path)
    with pytest.raises(Closed) as caught:
        Wire(stream_of(service, ALICE), hello(session=token))
    assert type(caught.value.error) is errors.SessionLostError
    assert re.search(r"checkpoint of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC .*attach", str(caught.value.error))
    # Whoever else comes with it learns nothing.
    answers = set()
    for owner, named in ((BOB, token), (BOB, bytes(16)), (ALICE, bytes(16))):
        with pytest.raises(Closed) as caught:
            Wire(stream_of(service, owner), hello(session=named))
        answers.add(str(caught.value.error))
    assert len(answers) == 1
    assert "attach" not in answers.pop()
    service.drain(0)


def test_a_lost_session_is_revived(tmp_path: Path) -> None:
    known: dict[str, Any] = {}

    def fill(service: Service, wire: Wire) -> None:
        x, grad = wire.variable([3.0, 4.0])
        part = view(wire, x, 1, (1,))
        bad = wire.op("take", x, wire.put([7.0]), mode="raise")
        wire.command(fill=pb.Fill(handle=x, name="w", initializer="i"))
        wire.command(seed=pb.Seed(thread=0, seed=5))
        draw(wire)
        name(service, wire, w=x)
        known.update(x=x, grad=grad, part=part, bad=bad)

    token = lost(tmp_path, fill)
    service = make(tmp_path)
    for owner in (ALICE, BOB):
        with pytest.raises(errors.SessionLostError, match="does not have the session"):
            service.revive(owner, token, ME)
    session = service.revive(ANYBODY, token, ME)
    assert session.token == token
    assert service.session_of(token, ANYBODY) is session
    table = session.table
    x, grad, part = (table[known[each]] for each in ("x", "grad", "part"))
    assert x.data.tolist() == [3.0, 4.0]
    assert x.producer.gradient is grad  # type: ignore[union-attr]
    assert part.base is x
    assert np.shares_memory(part.data, x.data)
    assert session.names == {"w": x}
    assert session.parameters.live(table)[known["x"]].name == "w"
    assert [failure.error.reason for failure in session.failures] == ["INDEX_OUT_OF_RANGE"]
    assert table[known["bad"]].failure is session.failures[0]
    with pytest.raises(errors.SessionLostError, match="being taken over"):
        service.revive(ANYBODY, token, ME)
    expected = session.random_of(0).uniform(0, 1, (5,)).tolist()
    session.close()
    assert session.join(10)
    wait_until(lambda: not service.session_count)
    # Another client: names, and what they reach.
    session = service.revive(ANYBODY, token, bytes(16))
    assert not session.table
    assert session.names["w"].data.tolist() == [3.0, 4.0]
    assert session.names["w"].producer.gradient.data.tolist() == [0.0, 0.0]  # type: ignore[union-attr]
    assert session.random_of(0).uniform(0, 1, (5,)).tolist() == expected
    service.drain(0)


def test_a_damaged_checkpoint_revives_nothing(tmp_path: Path) -> None:
    token = lost(tmp_path, lambda service, wire: None)
    service = make(tmp_path)
    store = service.keeper.store
    assert store is not None
    path = store.of_session("anybody", token)
    raw = path.read_bytes()
    path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(errors.FileFormatError, match="damaged"):
        service.revive(ANYBODY, token, ME)
    store.of_session("anybody", bytes(16)).write_bytes(raw)
    with pytest.raises(errors.CheckpointError, match="another session"):
        service.revive(ANYBODY, bytes(16), ME)
    wait_until(lambda: not service.session_count)
    service.drain(0)


def test_tokens_are_nowhere_in_the_folder(tmp_path: Path) -> None:
    token = lost(tmp_path, lambda service, wire: None)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(digest_of(token) in path.name for path in files)
    for path in files:
        for form in (token, token.hex().encode()):
            assert form not in path.read_bytes()
            assert form not in bytes(path)
