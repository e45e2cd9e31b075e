"""Two owners on one server, one of whom tries to reach what the other has, by every message.

Alice computes. Mallory has a token too, and knows all numbers that Alice uses, and her session's token; but
not her user token. Nothing that Mallory can name is Alice's, answers about it are those about things that do
not exist, and Alice notices nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from remx_contract import codec, errors
from remx_contract.v1 import stream_pb2 as pb
from remx_server.config import Config, Limits
from remx_server.owners import Owner
from remx_server.serve import Server
from support.wire import CPU, UNIT, Closed, Remote, Wire, chunks, hello

from benchmarks.soak.messages import Chance

SECRET = b"0ur5ecr3"
VALUE = float(np.frombuffer(SECRET, "float64")[0])
OWNERS = {name: Owner(name) for name in ("alice", "mallory")}
SEEDS = 12
"""Messages of each kind that Mallory tries."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits = Limits(transfer_seconds=0.2, call_seconds=60.0, random_threads=3)
    folder = tmp_path_factory.mktemp("state")
    config = Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0.0, limits=limits, state_dir=folder)
    server = Server(config)

    def authorize(token: str, *_: Any) -> Owner:
        if token not in OWNERS:
            raise errors.UnauthenticatedError("the server wants a token and this one is missing or wrong")
        return OWNERS[token]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server.service, "authorize", authorize)
        patch.setattr("remx_server.memory.host_memory", lambda: (2**34, 2**24))
        patch.setattr("remx_server.executor.memory.LARGE_BYTES", 2**18)
        server.start()
        yield server
    assert server.stop()


class Alice(Wire):
    """A session that has something of everything."""

    def __init__(self, remote: Remote) -> None:
        super().__init__(remote.stream)
        self.remote = remote
        self.secret = self.put([VALUE] * 3, "float64")
        self.x, self.gradient = self.variable([1, 2])
        self.square = self.define("square", 1)
        self.recorded = self.invoke(self.square, [self.x], flags=codec.RECORDING)
        self.uniform = self.define("_random_uniform", 0, {"shape": (2,)}, context=CPU)
        self.command(seed=pb.Seed(thread=0, seed=5))
        self.published = self.publish(self.secret)
        self.taken, self.upload_number = self.upload_to(np.zeros(2, "float32"), write_to=self.put([0, 0]))
        self.remote.upload(self.welcome.session, chunks(self.upload_number, np.ones(2, "float32").tobytes()))
        # A pass that waits for her Function, in call 1.
        self.out = self.put([0, 0])
        self.command(record=pb.Record(function=77, inputs=[self.x], outputs=[self.out]))
        self.command(backward=pb.Backward(heads=[self.out], retain_graph=True, request=next(self.numbers)))
        self.flush()
        self.call = self.receive("call").call.call
        self.live = self.settle().live_handles

    def numbers_in_use(self) -> list[int]:
        """Whatever names something of hers."""
        return sorted({*range(1, self.out + 1), self.published, self.call, 77})

    def check(self) -> None:
        """Everything is as it was, and goes on."""
        assert self.settle().live_handles == self.live
        assert self.read(self.secret).tobytes() == SECRET * 3
        assert self.read(self.x).tolist() == [1, 2]
        assert self.read(self.recorded).tolist() == [1, 4]
        assert self.read(self.taken).tolist() == [1, 1]
        assert self.remote.download(self.welcome.session, self.published) == SECRET * 3
        self.published = self.publish(self.secret)
        # Draws go on where they were, and the seed is her own.
        first = self.invoke(self.uniform, [], [*UNIT, 0])
        self.command(seed=pb.Seed(thread=0, seed=5))
        again = self.invoke(self.uniform, [], [*UNIT, 0])
        self.command(seed=pb.Seed(thread=0, seed=5))
        assert self.read(first).tolist() == self.read(again).tolist()
        for handle in (first, again):
            self.release(handle)
        # The tape too.
        self.command(backward=pb.Backward(heads=[self.recorded], retain_graph=True))
        assert self.read(self.gradient).tolist() == [2, 4]
        # And the pass that waits does.
        one = self.put([3, 3])
        self.command(resume=pb.Resume(call=self.call, gradients=[one]))
        self.release(one)
        assert self.read(self.gradient).tolist() == [3, 3]
        self.command(backward=pb.Backward(heads=[self.out], retain_graph=True, request=next(self.numbers)))
        self.flush()
        self.call = self.receive("call").call.call
        self.barrier()


@pytest.fixture(scope="module")
def alice(server: Server) -> Iterator[Alice]:
    remote = Remote(server.address, "alice")
    alice = Alice(remote)
    alice.check()
    yield alice
    alice.check()
    alice.close()
    remote.close()


@pytest.fixture
def mallory(server: Server) -> Iterator[Remote]:
    remote = Remote(server.address, "mallory")
    yield remote
    remote.close()


def answer_to(call: Callable[[], object]) -> tuple[object, ...]:
    """Everything that a refusal says."""
    try:
        call()
    except grpc.RpcError as error:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
        assert status is not None
        info = error_details_pb2.ErrorInfo()
        assert status.details[0].Unpack(info)
        # The id of the request itself is another each time.
        said = {name: value for name, value in info.metadata.items() if name != "request"}
        return error.code(), status.message, info.reason, said
    except Closed as end:
        return type(end.error), str(end.error)
    except errors.MXNetError as error:
        return type(error), str(error)
    raise AssertionError("it was answered")


# Sessions, by their token.


def received(remote: Remote, token: bytes) -> object:
    """The Received method."""
    method = remote.channel.unary_unary("/remx.v1.Remx/Received")
    metadata = [("remx-token", "mallory"), ("remx-session-bin", token)]
    return method(pb.ReceivedRequest(transfer=1).SerializeToString(), metadata=metadata, timeout=30)


WAYS: dict[str, Callable[[Remote, bytes], object]] = {
    "upload": lambda remote, token: remote.upload(token, [b""]),
    "download": lambda remote, token: remote.download(token, 1),
    "received": received,
    "resume": lambda remote, token: Wire(remote.stream, hello(session=token)),
    "take over": lambda remote, token: Wire(remote.stream, hello(session=token, take_over=True)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_stolen_session_token_is_refused_like_an_unknown_one(
    alice: Alice, mallory: Remote, way: str
) -> None:
    stolen = answer_to(lambda: WAYS[way](mallory, alice.welcome.session))
    assert stolen == answer_to(lambda: WAYS[way](mallory, bytes(16)))
    assert "SESSION_LOST" in stolen or errors.SessionLostError in stolen
    alice.check()


def test_every_method_that_takes_a_session_was_tried() -> None:
    methods = {method.name for method in pb.DESCRIPTOR.services_by_name["Remx"].methods}
    assert methods == {"Upload", "Download", "Session", "Received"}


@pytest.mark.parametrize("token", ["", "alic", "alice2", "Alice"])
def test_without_a_user_token_a_stolen_session_token_tells_nothing(
    server: Server, alice: Alice, token: str
) -> None:
    remote = Remote(server.address, token)
    for session in (alice.welcome.session, bytes(16)):
        for call in (
            lambda session=session: remote.upload(session, [b""]),
            lambda session=session: remote.download(session, alice.published),
            lambda session=session: list(remote.stream(iter([hello(session=session)]))),
        ):
            assert "UNAUTHENTICATED" in answer_to(call)
    remote.close()


# Numbers, in a session of Mallory's own.


class _Her(Chance):
    """Makes messages whose numbers are all Alice's."""

    def __init__(self, seed: int, numbers: list[int]) -> None:
        super().__init__(seed)
        self._numbers = numbers

    def number(self, least: int = 0, most: int = 2**64 - 1) -> int:
        return self.random.choice(self._numbers)


KINDS = [field.name for field in pb.Command.DESCRIPTOR.fields]


@pytest.mark.parametrize("kind", KINDS)
def test_no_command_reaches_what_has_the_same_number_elsewhere(
    server: Server, alice: Alice, mallory: Remote, kind: str
) -> None:
    field = pb.Command.DESCRIPTOR.fields_by_name[kind]
    said = b""
    for seed in range(SEEDS):
        chance = _Her(seed, alice.numbers_in_use())
        command = pb.Command()
        getattr(command, kind).MergeFromString(chance.message(field.message_type).SerializeToString())
        wire = Wire(mallory.stream)
        wire.commands, wire.code = [command], [codec.CALL]
        try:
            acknowledged = wire.settle()
            # What was made is Mallory's own, and counts for Mallory alone.
            assert acknowledged.live_handles <= 5
            wire.close()
        except Closed as end:
            said += str(end.error).encode()
        said += b"".join(message.SerializeToString() for message in wire.heard)
    assert SECRET not in said
    alice.check()


def test_no_handle_that_is_hers_names_anything(alice: Alice, mallory: Remote) -> None:
    unknown = 2**40
    for handle in alice.numbers_in_use():
        refusals = []
        for number in (handle, unknown):
            wire = Wire(mallory.stream)
            refusals.append(
                [str(part).replace(str(number), "N") for part in answer_to(lambda: wire.read(number))]  # noqa: B023
            )
        assert refusals[0] == refusals[1]
    alice.check()


def test_no_op_reads_or_writes_hers(alice: Alice, mallory: Remote) -> None:
    for handle in alice.numbers_in_use():
        wire = Wire(mallory.stream)
        wire.numbers = iter(range(2**40, 2**41))  # type: ignore[assignment]
        square, copy = wire.define("square", 1), wire.define("_copy", 1)
        mine = wire.put([7])
        for write in (
            lambda: wire.wait(wire.invoke(square, [handle])),  # noqa: B023
            lambda: wire.invoke(copy, [mine], outputs=[handle], flags=codec.WRITING) and wire.barrier(),  # noqa: B023
        ):
            assert errors.HandleError in answer_to(write)
        wire.release(handle)
        wire.settle()
        wire.close()
    alice.check()


def test_transfers_are_looked_for_in_the_own_session_only(alice: Alice, mallory: Remote) -> None:
    wire = Wire(mallory.stream)
    unknown = answer_to(lambda: mallory.download(wire.welcome.session, 2**40))
    for number in alice.numbers_in_use():
        found = answer_to(lambda: mallory.download(wire.welcome.session, number))  # noqa: B023
        assert [str(part).replace(f" {number}", " N") for part in found] == [
            str(part).replace(f" {2**40}", " N") for part in unknown
        ]
        # Bytes for a transfer that she has named go to none of hers.
        mallory.upload(wire.welcome.session, chunks(number, np.full(2, 9, "float32").tobytes()))
    wire.close()
    alice.check()


def test_an_upload_that_she_waits_for_is_brought_by_nobody_else(alice: Alice, mallory: Remote) -> None:
    wire = Wire(mallory.stream)
    _, number = alice.upload_to(np.zeros(2, "float32"), write_to=alice.taken)
    alice.flush()
    mallory.upload(wire.welcome.session, chunks(number, np.full(2, 9, "float32").tobytes()))
    alice.remote.upload(alice.welcome.session, chunks(number, np.ones(2, "float32").tobytes()))
    wire.close()
    alice.check()


# What a session is told of itself.


def test_counts_failures_tapes_and_random_numbers_are_the_own_session_s(
    alice: Alice, mallory: Remote
) -> None:
    wire = Wire(mallory.stream)
    assert wire.settle().live_handles == 0
    alice.invoke(alice.square, [2**40], outputs=[2**41])
    alice.flush()
    # A barrier raises the failures of its own session.
    wire.barrier()
    with pytest.raises(errors.HandleError):
        alice.barrier()
    alice.release(2**41)
    wire.command(summarize=pb.Summarize(request=1))
    assert wire.answer(1).summary.nodes == 0
    for thread in range(3):
        wire.command(seed=pb.Seed(thread=thread, seed=99))
    wire.settle()
    alice.check()
    wire.close()


def test_the_same_numbers_mean_each_owner_s_own(server: Server, alice: Alice, mallory: Remote) -> None:
    remotes = [Remote(server.address, "alice"), mallory]
    wires = [Wire(remote.stream) for remote in remotes]
    for value, wire in enumerate(wires):
        handle = wire.put([value])
        transfer = wire.publish(handle)
        assert wire.read(handle) == value
        wires[value].theirs = (handle, transfer)  # type: ignore[attr-defined]
    for value, (remote, wire) in enumerate(zip(remotes, wires, strict=True)):
        handle, transfer = wire.theirs  # type: ignore[attr-defined]
        assert (handle, transfer) == wires[0].theirs  # type: ignore[attr-defined]
        assert np.frombuffer(remote.download(wire.welcome.session, transfer), "float32") == value
        wire.close()
    remotes[0].close()
    alice.check()


# Names.


def asked(wire: Wire, **kind: Any) -> pb.Reply:
    """The answer to a command."""
    (message,) = kind.values()
    wire.command(**kind)
    return wire.answer(message.request)


def test_names_are_looked_for_in_the_own_session_only(alice: Alice, mallory: Remote) -> None:
    alice.command(name=pb.Name(name="weights", handle=alice.secret))
    alice.settle()
    wire = Wire(mallory.stream)
    refusals = [
        answer_to(lambda: asked(wire, fetch=pb.Fetch(request=1, name=name, handle=50, gradient=51)))  # noqa: B023
        for name in ("weights", "nothing")
    ]
    assert [str(part).replace("weights", "nothing") for part in refusals[0]] == list(map(str, refusals[1]))
    assert asked(wire, names=pb.Names(request=2)).names.names == []
    # A name of their own is another's.
    mine = wire.put([1])
    wire.command(name=pb.Name(name="weights", handle=mine))
    wire.command(name=pb.Name(name="weights"))
    wire.settle()
    assert asked(alice, names=pb.Names(request=3)).names.names == ["weights"]
    alice.command(name=pb.Name(name="weights"))
    wire.close()
    alice.check()


@pytest.mark.parametrize("path", ["run", "../alice/run", "alice/run", "/run"])
def test_checkpoints_are_looked_for_among_the_own_only(alice: Alice, mallory: Remote, path: str) -> None:
    saved = asked(alice, save=pb.Save(request=1, name="run")).checkpoint
    asked(alice, save=pb.Save(request=2, own=True))
    wire = Wire(mallory.stream)
    own = answer_to(lambda: asked(wire, restore=pb.Restore(request=3, own=True)))
    by_name = answer_to(lambda: asked(wire, restore=pb.Restore(request=4, name=path)))
    unknown = answer_to(
        lambda: asked(wire, restore=pb.Restore(request=5, name=path.replace("run", "nothing")))
    )
    assert [str(part).replace("run", "nothing") for part in by_name] == list(map(str, unknown))
    assert SECRET not in str((own, by_name)).encode()
    if path == "run":
        # The same name is another's file.
        wire.put([5])
        asked(wire, save=pb.Save(request=6, name="run"))
    restored = asked(alice, restore=pb.Restore(request=7, name="run")).checkpoint
    assert (restored.nbytes, restored.created) == (saved.nbytes, saved.created)
    wire.close()
