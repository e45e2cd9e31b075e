"""Links between the front and its workers: frames, sockets on their way, and what crosses as JSON."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest
from remx_server.config import Config, Limits
from remx_server.frames import (
    END,
    FOR_THE_FRONT,
    FOR_WORKERS,
    MESSAGE,
    Control,
    Link,
    LinkBrokenError,
    Outcome,
    _pack,
    _unpack,
    pack_config,
    pack_owner,
    unpack_config,
    unpack_owner,
)
from remx_server.owners import ANYBODY, Owner, Quota


@pytest.fixture
def links() -> Iterator[tuple[Link, Link]]:
    """Both ends of a call."""
    ends = [Link(end) for end in socket.socketpair()]
    yield ends[0], ends[1]
    for link in ends:
        link.done_writing()
        link.done_reading()


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 5 << 20])
def test_a_frame_of_any_size_arrives_as_it_was(links: tuple[Link, Link], size: int) -> None:
    near, far = links
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    sender = threading.Thread(target=lambda: (near.send(data), near.send(b"over", END)))
    sender.start()
    assert far.receive() == (MESSAGE, data)
    assert far.receive() == (END, b"over")
    sender.join(5)


def test_the_two_directions_do_not_wait_for_each_other(links: tuple[Link, Link]) -> None:
    near, far = links
    data = bytes(8 << 20)
    senders = [threading.Thread(target=link.send, args=(data,)) for link in links]
    for sender in senders:
        sender.start()
    assert near.receive() == far.receive() == (MESSAGE, data)
    for sender in senders:
        sender.join(5)


def test_a_reader_and_a_writer_are_woken_when_a_link_breaks(links: tuple[Link, Link]) -> None:
    near, far = links
    ends: list[str] = []

    def until_it_breaks(what: str) -> None:
        with pytest.raises(LinkBrokenError):
            near.receive() if what == "read" else near.send(bytes(64 << 20))
        ends.append(what)

    threads = [threading.Thread(target=until_it_breaks, args=(what,)) for what in ("read", "write")]
    for thread in threads:
        thread.start()
    far.break_off()
    for thread in threads:
        thread.join(5)
    assert sorted(ends) == ["read", "write"]


def test_what_was_said_before_the_end_is_heard(links: tuple[Link, Link]) -> None:
    near, far = links
    # What the near side never reads must not cost the far one its answer.
    far.send(b"unheard")
    near.send(b"last words", END)
    near.done_writing()
    near.done_reading()
    assert far.receive() == (END, b"last words")
    with pytest.raises(LinkBrokenError):
        far.receive()


@pytest.mark.parametrize("raw", [b"\x01", b"\x05\x00\x00\x00\x00abc", b"\xff\xff\xff\xff\x00", b""])
def test_half_a_frame_is_none(raw: bytes) -> None:
    near, far = socket.socketpair()
    near.sendall(raw)
    near.close()
    link = Link(far)
    with pytest.raises(LinkBrokenError):
        link.receive()
    link.done_writing()
    link.done_reading()


def test_sockets_arrive_with_their_message() -> None:
    near, far = (Control(end) for end in socket.socketpair())
    pairs = [socket.socketpair() for _ in range(3)]
    for number, (mine, theirs) in enumerate(pairs):
        near.send({"number": number, "text": "x" * 5000 * number}, theirs if number != 1 else None)
        theirs.close()
        mine.sendall(b"%d" % number) if number != 1 else None
    for number in range(3):
        message, passed = far.receive()
        assert message["number"] == number
        assert (passed is None) == (number == 1)
        if passed is not None:
            assert passed.recv(10) == b"%d" % number
            passed.close()
        pairs[number][0].close()
    near.close()
    with pytest.raises(LinkBrokenError):
        far.receive()
    far.close()


def test_a_message_that_does_not_come_in_time_is_none() -> None:
    near, far = (Control(end) for end in socket.socketpair())
    with pytest.raises(LinkBrokenError):
        far.receive(0.05)
    near.send({"late": True})
    assert far.receive() == ({"late": True}, None)
    near.close()
    far.close()


def test_an_outcome_crosses_with_bytes_and_text() -> None:
    outcome = Outcome(5, "gone: \u00e9", (("grpc-status-details-bin", b"\x00\xff"), ("plain", "text")))
    assert Outcome.from_bytes(outcome.to_bytes()) == outcome
    assert Outcome.from_bytes(Outcome().to_bytes()) == Outcome()


@pytest.mark.parametrize(
    "owner",
    [
        ANYBODY,
        Owner("anna"),
        Owner("ben", Quota(device_bytes=1 << 40, handles=0), frozenset({"cpu", "gpu(0)"}), True),
        Owner("cleo", devices=frozenset()),
    ],
)
def test_an_owner_crosses(owner: Owner) -> None:
    assert unpack_owner(pack_owner(owner)) == owner
    assert unpack_owner(pack_owner(replace(owner, credential=b"secret"))) == owner


def test_a_worker_learns_the_settings_and_no_secret() -> None:
    config = Config(
        listen="10.1.2.3:4",
        token="a-secret",
        device="cpu",
        grace_seconds=3.5,
        state_dir=Path("/state"),
        isolation="process",
        workers=7,
        limits=Limits(sessions=3, lease_seconds=12.5),
    )
    packed = pack_config(config)
    assert "a-secret" not in str(packed)
    assert "10.1.2.3" not in str(packed)
    assert unpack_config(json.loads(json.dumps(packed))) == Config(
        device="cpu", state_dir=Path("/state"), limits=config.limits
    )


def test_of_every_setting_it_is_decided_who_needs_it() -> None:
    """Fails for a new setting, until it is in one of the two sets of frames.py."""
    assert {each.name for each in fields(Config)} == FOR_WORKERS | FOR_THE_FRONT
    assert not FOR_WORKERS & FOR_THE_FRONT
    for each in fields(Limits):
        assert isinstance(getattr(Limits(), each.name), (str, int, float, bool, type(None))), each.name


def test_settings_of_several_kinds_cross() -> None:
    settings = {"path": Path("/a/b"), "tuple": ("a", "b"), "nothing": None, "text": "c", "number": 1.5}

    class Holder:
        """Has the settings as attributes."""

    holder = Holder()
    vars(holder).update(settings)
    assert _unpack(json.loads(json.dumps(_pack(holder, settings)))) == settings
