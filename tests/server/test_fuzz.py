"""Hostile messages: whatever comes, a status goes back, and nobody else notices."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from remx_contract import codec, errors
from remx_contract.catalogue import OPS
from remx_contract.v1 import stream_pb2 as pb
from remx_server.config import Config, Limits
from remx_server.owners import ANYBODY
from remx_server.serve import Server
from support.wire import CPU, Closed, Remote, Wire, reason_of, stream_of

FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
MORE = settings(FEW, max_examples=150)

# Numbers that are handles, specs or transfers of the session under attack, and numbers at the edges.
numbers = st.one_of(
    st.integers(0, 12), st.sampled_from([2**31, 2**32 - 1, 2**63, 2**64 - 1]), st.integers(0, 2**64 - 1)
)
small_numbers = st.one_of(st.integers(0, 12), st.integers(0, 2**32 - 1))
integers = st.one_of(
    st.integers(-3, 8), st.sampled_from([-(2**63), 2**63 - 1, 2**40]), st.integers(-(2**63), 2**63 - 1)
)
contexts = st.builds(pb.Context, device_type=st.integers(0, 6), device_id=small_numbers)
tensors = st.builds(
    pb.Tensor, dtype=st.integers(0, 9), shape=st.lists(numbers, max_size=4), data=st.binary(max_size=40)
)
TEXTS = ["", "None", "(1, 2)", "1" * 5000, "((", "-1", "nan", "True"]
leaves = st.one_of(
    st.builds(pb.Attribute, none=st.just(pb.Attribute.Nothing())),
    st.builds(pb.Attribute, boolean=st.booleans()),
    st.builds(pb.Attribute, integer=integers),
    st.builds(pb.Attribute, number=st.floats()),
    st.builds(
        pb.Attribute, text=st.sampled_from(["", "None", "(1, 2)", "1" * 5000, "((", "-1", "nan", "True"])
    ),
    st.builds(pb.Attribute, text=st.text(max_size=8)),
    st.builds(pb.Attribute, dtype=small_numbers),
    st.just(pb.Attribute()),
)
attributes = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda items: pb.Attribute(tuple=pb.Attribute.Tuple(items=items)), st.lists(inner, max_size=4)
    ),
    max_leaves=6,
)


@st.composite
def definitions(draw: st.DrawFn, spec_ids: st.SearchStrategy[int] = small_numbers) -> pb.Define:
    """A Define of a real op, mostly with its own attribute names and number of inputs."""
    op = draw(st.sampled_from(sorted(OPS)))
    names = [*OPS[op].attr_of, "no_such_attribute"]
    return pb.Define(
        spec_id=draw(spec_ids),
        op=op,
        attributes=draw(st.dictionaries(st.sampled_from(names), attributes, max_size=4)),
        inputs=draw(st.one_of(st.just(len(OPS[op].inputs)), st.integers(0, 4), small_numbers)),
        context=draw(st.one_of(st.none(), st.just(CPU), contexts)),
    )


# Far ways take long, and ways that are too far are refused.
ways = st.one_of(st.integers(0, 5000), st.sampled_from([2**41, 2**64 - 1]))
positions = st.builds(
    pb.Position,
    seed=integers,
    for_context=st.booleans(),
    parallel=st.one_of(st.lists(ways, max_size=6), st.just([1] * 1025)),
    single=ways,
)
handle_lists = st.lists(numbers, max_size=4)
commands = st.one_of(
    st.builds(pb.Command, define=definitions()),
    st.builds(
        pb.Command,
        put=st.builds(pb.Put, handle=numbers, context=contexts, tensor=tensors, write=st.booleans()),
    ),
    st.builds(
        pb.Command,
        upload=st.builds(
            pb.UploadTo,
            handle=numbers,
            context=contexts,
            tensor=tensors,
            transfer=numbers,
            write=st.booleans(),
        ),
    ),
    st.builds(
        pb.Command,
        read=st.builds(
            pb.Read, request=numbers, handle=numbers, only_wait=st.booleans(), only_tracked=st.booleans()
        ),
    ),
    st.builds(pb.Command, publish=st.builds(pb.Publish, request=numbers, handle=numbers, transfer=numbers)),
    st.builds(pb.Command, barrier=st.builds(pb.Barrier, request=numbers)),
    st.builds(
        pb.Command,
        mark=st.builds(
            pb.Mark,
            handles=handle_lists,
            gradients=handle_lists,
            requests=st.lists(small_numbers, max_size=4),
        ),
    ),
    st.builds(
        pb.Command,
        backward=st.builds(
            pb.Backward,
            heads=handle_lists,
            head_gradients=handle_lists,
            variables=handle_lists,
            outputs=handle_lists,
            retain_graph=st.booleans(),
            create_graph=st.booleans(),
            site=numbers,
            request=small_numbers,
        ),
    ),
    st.builds(
        pb.Command,
        record=st.builds(
            pb.Record, function=numbers, inputs=handle_lists, outputs=handle_lists, site=numbers
        ),
    ),
    st.builds(pb.Command, take=st.builds(pb.Take, call=small_numbers, handles=handle_lists)),
    st.builds(
        pb.Command,
        resume=st.builds(pb.Resume, call=small_numbers, gradients=handle_lists, failed=st.booleans()),
    ),
    st.builds(
        pb.Command,
        fill=st.builds(
            pb.Fill,
            thread=small_numbers,
            handle=numbers,
            name=st.text(max_size=4),
            initializer=st.sampled_from(TEXTS),
            start=st.one_of(st.none(), positions),
        ),
    ),
    st.builds(pb.Command, describe=st.builds(pb.Describe, request=numbers, handles=handle_lists)),
    st.builds(
        pb.Command,
        seed=st.builds(
            pb.Seed,
            thread=numbers,
            seed=integers,
            for_context=st.booleans(),
            generator=st.integers(0, 2),
        ),
    ),
    st.builds(
        pb.Command,
        save=st.one_of(
            st.builds(pb.Save, request=numbers),
            st.builds(pb.Save, request=numbers, transfer=numbers),
            st.builds(pb.Save, request=numbers, name=st.text(max_size=4)),
            st.builds(pb.Save, request=numbers, own=st.booleans()),
        ),
    ),
    st.builds(
        pb.Command,
        restore=st.one_of(
            st.builds(pb.Restore, request=numbers),
            st.builds(
                pb.Restore,
                request=numbers,
                stream=st.builds(pb.Restore.Stream, transfer=numbers, length=numbers),
            ),
            st.builds(pb.Restore, request=numbers, name=st.text(max_size=4)),
            st.builds(pb.Restore, request=numbers, own=st.booleans()),
        ),
    ),
    st.builds(pb.Command, forget=st.builds(pb.Forget, spec_ids=handle_lists)),
    st.just(pb.Command()),
)
# Words, many of which are heads of the specs below.
words = st.one_of(
    numbers,
    st.builds(lambda spec, flags: spec << codec.SPEC_SHIFT | flags, st.integers(0, 6), st.integers(0, 31)),
    st.builds(codec.float_to_word, st.floats()),
)
batches = st.builds(
    pb.Batch,
    sequence=st.one_of(st.just(2), numbers),
    code=st.one_of(
        st.lists(words, max_size=30),
        st.builds(lambda calls, rest: [codec.CALL] * calls + rest, st.integers(0, 5), st.lists(words)),
    ),
    commands=st.lists(commands, max_size=5),
)
ups = st.one_of(
    st.builds(pb.Up, batch=batches),
    st.builds(pb.Up, ping=st.builds(pb.Ping, number=numbers)),
    st.builds(pb.Up, hello=st.builds(pb.Hello, contract_version=small_numbers)),
    st.just(pb.Up()),
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    limits = Limits(transfer_seconds=0.02, hello_seconds=0.2, random_threads=4)
    server = Server(Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0.0, limits=limits))
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        # Nothing that an example asks for may take a long time or much memory.
        patch.setattr("remx_server.memory.host_memory", lambda: (2**34, 2**20))
        patch.setattr("remx_server.executor.memory.LARGE_BYTES", 2**18)
        yield server
    assert server.stop()


@pytest.fixture(scope="module")
def witness(server: Server) -> Iterator[Wire]:
    """Another session of the same server, which must not notice anything."""
    remote = Remote(server.address)
    wire = Wire(remote.stream)
    handle = wire.put([1.5, 2.5])
    wire.settle()
    yield wire
    assert wire.read(handle).tolist() == [1.5, 2.5]
    wire.close()
    remote.close()


def attacked(server: Server) -> Wire:
    """A session with a few tensors (handles 1 to 8), specs (1 to 6) and a pass that waits in call 1."""
    wire = Wire(stream_of(server.service))
    for handle in (1, 2, 3):
        tensor = codec.array_to_message(np.ones((2, handle), np.float32))
        wire.command(put=pb.Put(handle=handle, context=CPU, tensor=tensor))
    wire.command(mark=pb.Mark(handles=[1, 2], gradients=[1, 2], requests=[1, 3]))
    for spec_id, op, inputs in (
        (1, "broadcast_add", 2),
        (2, "dot", 2),
        (3, "_plus_scalar", 1),
        (4, "sum", 1),
        (5, "_random_uniform", 0),
        (6, "concat", 3),
    ):
        context = CPU if not inputs else None
        wire.command(define=pb.Define(spec_id=spec_id, op=op, inputs=inputs, context=context))
    wire.invoke(1, [1, 1], outputs=[4], flags=codec.RECORDING)
    wire.invoke(4, [4], outputs=[5], flags=codec.RECORDING)
    wire.invoke(2, [1, 1], outputs=[6])
    wire.invoke(1, [3, 3], outputs=[7])
    wire.command(record=pb.Record(function=1, inputs=[1], outputs=[7]))
    wire.invoke(4, [7], outputs=[8], flags=codec.RECORDING)
    wire.command(backward=pb.Backward(heads=[8], retain_graph=True, request=1))
    wire.settle()
    return wire


def survive(server: Server, witness: Wire, messages: list[pb.Up]) -> None:
    """Send messages; the session answers or ends with a reason, and is over when it is closed."""
    wire = attacked(server)
    session = server.service.session_of(wire.welcome.session, ANYBODY)
    for message in messages:
        wire.send(message)
    wire.send(pb.Up(ping=pb.Ping(number=5)))
    error = None
    try:
        wire.receive("pong")
        # A pong overtakes what runs; a batch of the right number is run to its end before this one.
        wire.sequence = session.client.received
        wire.settle()
    except Closed as end:
        error = end.error
    wire.close()
    assert session.join(10)
    assert session.table == {}
    assert not isinstance(error, errors.InternalError), error
    assert witness.read(witness.put([7])) == 7
    witness.settle()


@MORE
@given(messages=st.lists(ups, min_size=1, max_size=3))
def test_random_messages(server: Server, witness: Wire, messages: list[pb.Up]) -> None:
    survive(server, witness, messages)


@MORE
@given(code=st.lists(words, max_size=60))
def test_random_code(server: Server, witness: Wire, code: list[int]) -> None:
    survive(server, witness, [pb.Up(batch=pb.Batch(sequence=2, code=code))])


@MORE
@given(
    define=definitions(st.just(9)),
    inputs=st.lists(st.integers(1, 6), max_size=4),
    rest=st.lists(words, max_size=8),
    flags=st.sampled_from([0, codec.RECORDING, codec.RECORDING | codec.TRAINING, codec.WRITING]),
)
def test_random_ops(
    server: Server, witness: Wire, define: pb.Define, inputs: list[int], rest: list[int], flags: int
) -> None:
    code = [codec.CALL, 9 << codec.SPEC_SHIFT | flags, 0, *inputs, *rest]
    command = pb.Command(define=define)
    survive(server, witness, [pb.Up(batch=pb.Batch(sequence=2, code=code, commands=[command]))])


@FEW
@given(data=st.data())
def test_mutated_batches(server: Server, witness: Wire, data: st.DataObject) -> None:
    shape = codec.attribute_to_message((2, 3))
    good = pb.Batch(
        sequence=2,
        code=[
            codec.CALL,
            codec.CALL,
            9 << codec.SPEC_SHIFT,
            0,
            77,
            1 << codec.SPEC_SHIFT,
            0,
            77,
            77,
            78,
            codec.CALL,
        ],
        commands=[
            pb.Command(put=pb.Put(handle=70, context=CPU, tensor=pb.Tensor(shape=[2], data=bytes(8)))),
            pb.Command(define=pb.Define(spec_id=9, op="_ones", context=CPU, attributes={"shape": shape})),
            pb.Command(backward=pb.Backward(heads=[5])),
        ],
    )
    raw = bytearray(pb.Up(batch=good).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = pb.Up.FromString(bytes(raw))
    except DecodeError:
        return
    survive(server, witness, [message])


def status_of(answers: Iterator[bytes]) -> grpc.StatusCode:
    """How a call ends; UNKNOWN would be a crash of its handler."""
    try:
        for _ in answers:
            pass
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


@FEW
@given(messages=st.lists(st.binary(max_size=60), max_size=3))
def test_random_bytes_for_a_session(server: Server, witness: Wire, messages: list[bytes]) -> None:
    remote = Remote(server.address)
    # Bytes that are no message end the call in gRPC itself; others are answered with a Closed.
    assert status_of(remote.raw_stream(iter(messages))) in (grpc.StatusCode.OK, grpc.StatusCode.INTERNAL)
    remote.close()
    assert witness.read(witness.put([7])) == 7


@FEW
@given(
    messages=st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.builds(
                codec.write_chunk,
                numbers,
                st.one_of(st.just(0), numbers),
                st.binary(max_size=20),
                st.one_of(st.none(), st.integers(0, 2**32 - 1)),
            ),
        ),
        max_size=3,
    )
)
def test_random_bytes_for_an_upload(server: Server, witness: Wire, messages: list[bytes]) -> None:
    remote = Remote(server.address)
    wire = Wire(remote.stream)
    reason = ""
    try:
        remote.upload(wire.welcome.session, messages)
    except grpc.RpcError as error:
        reason = reason_of(error)
    assert reason in ("", "PROTOCOL", "TRANSFER", "LIMIT")
    assert wire.read(wire.put([1])) == 1
    wire.close()
    remote.close()
    assert witness.read(witness.put([7])) == 7


@FEW
@given(request=st.binary(max_size=30))
def test_random_bytes_for_a_download(server: Server, witness: Wire, request: bytes) -> None:
    remote = Remote(server.address)
    expected = (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT)
    assert status_of(remote.raw_download(witness.welcome.session, request)) in expected
    remote.close()
    assert witness.read(witness.put([7])) == 7
