"""Byte streams: what arrives in pieces, late, early, wrong or not at all."""

from __future__ import annotations

import contextlib
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import grpc
import numpy as np
import pytest
from remx_contract import codec, errors
from remx_contract.v1 import stream_pb2 as pb
from remx_server.config import ISOLATIONS, Config, Limits
from remx_server.owners import ANYBODY
from remx_server.serve import Server
from remx_server.transfers import CHUNK_BYTES, Download, Transfers
from support.wire import Closed, Remote, Wire, chunks, reason_of

LIMITS = Limits(
    lease_seconds=0.0,
    transfer_seconds=0.3,
    upload_bytes=1 << 20,
    early_bytes=10_000,
    early_uploads=3,
    download_bytes=5 << 20,
    downloads=3,
)
DATA = bytes(range(256)) * 10


@pytest.fixture
def transfers() -> Iterator[Transfers]:
    transfers = Transfers(LIMITS)
    yield transfers
    transfers.close()


CONFIG = Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0.0, limits=LIMITS)


@pytest.fixture(scope="module", params=ISOLATIONS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server; with threads for its sessions, and with processes."""
    server = Server(replace(CONFIG, isolation=request.param, workers=2))
    server.start()
    yield server
    assert server.stop()


@pytest.fixture(scope="module")
def thread_server() -> Iterator[Server]:
    """A server whose sessions can be looked into."""
    server = Server(CONFIG)
    server.start()
    yield server
    assert server.stop()


@pytest.fixture
def remote(server: Server) -> Iterator[Remote]:
    remote = Remote(server.address)
    yield remote
    remote.close()


@pytest.fixture
def wire(remote: Remote) -> Iterator[Wire]:
    wire = Wire(remote.stream)
    yield wire
    wire.close()


def in_thread(function: Callable[[], object]) -> threading.Thread:
    """A thread that runs a function; its errors are the business of who waits for the effect."""

    def run() -> None:
        with contextlib.suppress(errors.MXNetError):
            function()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


# Uploads.


@pytest.mark.parametrize("first", ["claim", "data", "both"])
def test_an_upload_can_come_before_and_after_its_claim(transfers: Transfers, first: str) -> None:
    pieces = chunks(1, DATA)
    if first == "claim":
        transfers.expect(1, len(DATA))
    if first == "both":
        transfers.receive(pieces[0])
        transfers.expect(1, len(DATA))
        pieces = pieces[1:]
    assert transfers.receive_all(pieces) == len(DATA)
    assert transfers.take(1, len(DATA)).tobytes() == DATA


def test_a_command_waits_for_its_upload(transfers: Transfers) -> None:
    def slowly() -> None:
        for chunk in chunks(1, DATA):
            time.sleep(0.05)
            transfers.receive(chunk)

    sending = in_thread(slowly)
    assert transfers.take(1, len(DATA)).tobytes() == DATA
    sending.join()


def test_an_upload_may_take_longer_than_a_piece_of_it(transfers: Transfers) -> None:
    def slowly() -> None:
        for chunk in chunks(1, DATA, 256):
            time.sleep(0.06)
            transfers.receive(chunk)

    started = time.monotonic()
    sending = in_thread(slowly)
    assert transfers.take(1, len(DATA)).tobytes() == DATA
    assert time.monotonic() - started > LIMITS.transfer_seconds
    sending.join()


def test_an_upload_that_never_comes_is_given_up(transfers: Transfers) -> None:
    started = time.monotonic()
    with pytest.raises(errors.TransferError, match="stopped after 0 of 1000000"):
        transfers.take(1, 1_000_000)
    assert time.monotonic() - started >= LIMITS.transfer_seconds


def test_an_upload_that_stops_half_way_is_given_up(transfers: Transfers) -> None:
    transfers.expect(1, len(DATA))
    transfers.receive(chunks(1, DATA)[0])
    with pytest.raises(errors.TransferError, match="stopped after 1000"):
        transfers.take(1, len(DATA))


@pytest.mark.parametrize("claimed", [True, False])
def test_a_stream_that_breaks_off_says_how_far_it_came(transfers: Transfers, claimed: bool) -> None:
    if claimed:
        transfers.expect(1, len(DATA))
    pieces = chunks(1, DATA)
    assert transfers.receive_all(pieces[:-1]) == transfers.received(1) == 1000 * (len(pieces) - 1)
    assert transfers.receive_all(pieces[-1:]) == len(DATA)
    assert transfers.take(1, len(DATA)).tobytes() == DATA


def test_a_wrong_checksum_is_noticed(transfers: Transfers) -> None:
    transfers.receive_all(chunks(1, DATA, checksum=1))
    with pytest.raises(errors.TransferError, match="checksum"):
        transfers.take(1, len(DATA))


@pytest.mark.parametrize("length", [len(DATA) - 1, len(DATA) + 1])
@pytest.mark.parametrize("claimed", [True, False])
def test_a_wrong_length_is_noticed(transfers: Transfers, length: int, claimed: bool) -> None:
    if claimed:
        transfers.expect(1, length)
    if claimed and length < len(DATA):
        with pytest.raises(errors.TransferError, match="more than its"):
            transfers.receive_all(chunks(1, DATA))
    else:
        transfers.receive_all(chunks(1, DATA))
    with pytest.raises(errors.TransferError):
        transfers.take(1, length)


def test_pieces_out_of_order_are_refused(transfers: Transfers) -> None:
    pieces = chunks(1, DATA)
    with pytest.raises(errors.ProtocolError):
        transfers.receive_all([pieces[1]])
    with pytest.raises(errors.ProtocolError):
        transfers.receive_all([pieces[0], pieces[2]])
    with pytest.raises(errors.ProtocolError):
        transfers.receive_all([chunks(2, DATA)[0], chunks(3, DATA)[1]])


def test_a_transfer_that_was_claimed_twice_is_refused(transfers: Transfers) -> None:
    transfers.expect(1, 10)
    with pytest.raises(errors.ProtocolError, match="twice"):
        transfers.expect(1, 10)


def test_a_claim_alone_takes_no_memory_and_too_large_a_claim_is_refused(transfers: Transfers) -> None:
    transfers.expect(1, LIMITS.upload_bytes)
    transfers.expect(2, LIMITS.upload_bytes + 1)
    with pytest.raises(errors.LimitError):
        transfers.take(2, LIMITS.upload_bytes + 1)
    transfers.expect(3, 2**50)
    with pytest.raises(errors.LimitError):
        transfers.receive_all(chunks(3, DATA))
    assert transfers._uploads[1].received == 0


def test_a_claim_beyond_the_host_s_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remx_server.memory.host_memory", lambda: (2**34, 100 << 20))
    transfers = Transfers(Limits())
    transfers.expect(1, 200 << 20)
    with pytest.raises(errors.LimitError, match="room"):
        transfers.take(1, 200 << 20)


def test_uploads_that_nobody_asked_for_are_held_up(transfers: Transfers) -> None:
    transfers.receive_all(chunks(1, bytes(9_000)))
    started = time.monotonic()
    with pytest.raises(errors.TransferError, match="no command"):
        transfers.receive_all(chunks(2, bytes(2_000), 2_000))
    assert time.monotonic() - started >= LIMITS.transfer_seconds
    waiting = in_thread(lambda: transfers.receive_all(chunks(3, bytes(2_000), 2_000)))
    assert transfers.take(1, 9_000).tobytes() == bytes(9_000)
    assert transfers.take(3, 2_000).tobytes() == bytes(2_000)
    waiting.join()


def test_uploads_that_nobody_asked_for_are_few(transfers: Transfers) -> None:
    for number in range(LIMITS.early_uploads):
        transfers.receive_all(chunks(number, b"x"))
    with pytest.raises(errors.TransferError, match="no command"):
        transfers.receive_all(chunks(99, b"x"))


def test_closing_wakes_whoever_waits(transfers: Transfers) -> None:
    waiting = Transfers(Limits(transfer_seconds=60))
    threads = [in_thread(lambda: waiting.take(1, 10))]
    waiting.receive_all(chunks(2, bytes(1000)))
    time.sleep(0.05)
    waiting.close()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    with pytest.raises(errors.TransferError, match="closed"):
        waiting.receive_all(chunks(3, DATA))


# Downloads.


def fetch(transfers: Transfers, transfer: int, offset: int = 0) -> bytes:
    """The data of a download."""
    pieces = [codec.read_chunk(raw) for raw in transfers.send(transfer, offset)]
    assert [piece[3] is None for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    return b"".join(bytes(piece[2]) for piece in pieces)


def test_a_download_can_start_before_its_checksum_is_known(transfers: Transfers) -> None:
    array = np.arange(CHUNK_BYTES, dtype=np.float32)
    download = transfers.publish(1, array, shared=True)
    got: list[bytes] = []
    fetching = in_thread(lambda: got.append(fetch(transfers, 1)))
    time.sleep(0.02)
    assert got == []
    transfers.finish(download)
    fetching.join(5)
    assert got == [array.tobytes()]
    assert fetch(transfers, 1) == array.tobytes(), "it stays until the client says that it has it"
    transfers.fetched([1])
    with pytest.raises(errors.TransferError):
        fetch(transfers, 1)


@pytest.mark.parametrize("started", [False, True])
def test_what_is_written_later_is_not_sent(transfers: Transfers, started: bool) -> None:
    array = np.ones(CHUNK_BYTES)
    transfers.finish(transfers.publish(1, array, shared=True))
    chunks_sent = transfers.send(1, 0)
    first = [next(chunks_sent)] if started else []
    transfers.settle()
    array[:] = 2
    data = b"".join(bytes(codec.read_chunk(raw)[2]) for raw in [*first, *chunks_sent])
    assert data == np.ones(CHUNK_BYTES).tobytes()


def test_nothing_is_copied_that_has_its_own_memory_or_is_sent_already(
    transfers: Transfers, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[Download] = []
    monkeypatch.setattr(Download, "own", lambda download: copied.append(download))
    transfers.finish(transfers.publish(1, np.ones(3), shared=True))
    transfers.finish(transfers.publish(2, np.ones(3), shared=False))
    kept = transfers.publish(3, np.ones(3), shared=True)
    assert fetch(transfers, 1)
    transfers.fetched([1])
    for _ in range(2):
        transfers.settle()
    assert copied == [kept]


@pytest.mark.parametrize("offset", [0, 1, CHUNK_BYTES, 3 * CHUNK_BYTES // 2, 2 * CHUNK_BYTES])
def test_a_download_goes_on_where_it_broke_off(transfers: Transfers, offset: int) -> None:
    array = np.arange(CHUNK_BYTES // 4 * 2, dtype=np.float32)
    transfers.finish(transfers.publish(1, array, shared=False))
    broken = transfers.send(1, 0)
    next(broken)
    broken.close()
    *_, last = transfers.send(1, offset)
    assert codec.read_chunk(last)[3] == zlib.crc32(array.tobytes())


def test_a_download_cannot_start_behind_its_end(transfers: Transfers) -> None:
    transfers.finish(transfers.publish(1, np.zeros(2, np.uint8), shared=True))
    with pytest.raises(errors.TransferError, match="ends before"):
        fetch(transfers, 1, 3)


def test_downloads_that_nobody_fetches_are_bounded_and_forgotten_in_time(transfers: Transfers) -> None:
    for number in range(LIMITS.downloads):
        transfers.publish(number, np.zeros(1), shared=True)
    with pytest.raises(errors.LimitError):
        transfers.publish(10, np.zeros(1), shared=True)
    time.sleep(LIMITS.transfer_seconds)
    transfers.publish(11, np.zeros(1), shared=True)
    with pytest.raises(errors.LimitError):
        transfers.publish(12, np.zeros(5 << 20, np.uint8), shared=True)


def test_one_download_may_be_of_any_size(transfers: Transfers) -> None:
    transfers.publish(1, np.zeros(6 << 20, np.uint8), shared=True)


def test_a_download_is_published_once(transfers: Transfers) -> None:
    transfers.publish(1, np.zeros(1), shared=True)
    with pytest.raises(errors.ProtocolError, match="twice"):
        transfers.publish(1, np.zeros(1), shared=True)


def test_a_download_that_will_not_be_finished_ends_with_its_session(transfers: Transfers) -> None:
    transfers.publish(1, np.zeros(1), shared=True)
    ended: list[bool] = []

    def wait() -> None:
        with pytest.raises(errors.TransferError, match="closed"):
            fetch(transfers, 1)
        ended.append(True)

    waiting = in_thread(wait)
    time.sleep(0.05)
    transfers.close()
    waiting.join(5)
    assert ended == [True]


# Through gRPC.


def test_large_arrays_go_up_and_down(remote: Remote, wire: Wire) -> None:
    array = np.arange(200_000, dtype=np.float32).reshape(400, 500)
    handle, transfer = wire.upload_to(array)
    wire.flush()
    receipt = remote.upload(wire.welcome.session, chunks(transfer, array.tobytes(), 100_000))
    assert receipt.received == array.nbytes
    doubled = wire.op("broadcast_add", handle, handle)
    back = remote.download(wire.welcome.session, wire.publish(doubled))
    assert np.frombuffer(back, np.float32).tolist() == (array * 2).reshape(-1).tolist()


def test_an_upload_can_write_into_a_tensor(remote: Remote, wire: Wire) -> None:
    target = wire.put(np.zeros(1000))
    array = np.arange(1000, dtype=np.float32)
    _, transfer = wire.upload_to(array, write_to=target)
    wire.flush()
    remote.upload(wire.welcome.session, chunks(transfer, array.tobytes()))
    assert wire.read(target).tolist() == array.tolist()


@pytest.mark.parametrize("shape", [(0, 5), (1,)])
def test_a_download_may_be_small(remote: Remote, wire: Wire, shape: tuple[int, ...]) -> None:
    values = np.ones(shape, "float32")
    assert remote.download(wire.welcome.session, wire.publish(wire.put(values))) == values.tobytes()


def test_two_gigabytes_that_never_come_cost_one_failure(wire: Wire) -> None:
    claimed = np.broadcast_to(np.float32(0), (2**29,))
    handle, _ = wire.upload_to(claimed)
    with pytest.raises(errors.LimitError):
        wire.read(handle)
    small, _ = wire.upload_to(np.zeros(10, "float32"))
    with pytest.raises(errors.TransferError):
        wire.read(small)
    assert wire.read(wire.put([1])) == 1


def test_an_upload_that_was_used_twice_ends_the_session(wire: Wire) -> None:
    for handle in (501, 502):
        tensor = pb.Tensor(dtype=0, shape=[3])
        wire.command(upload=pb.UploadTo(handle=handle, tensor=tensor, transfer=9))
    with pytest.raises(Closed) as caught:
        wire.settle()
    assert type(caught.value.error) is errors.ProtocolError


@pytest.mark.parametrize(
    ("up", "reason"),
    [
        ([b"\xff\xff"], "PROTOCOL"),
        ([codec.write_chunk(7, 5, b"late start", 1)], "PROTOCOL"),
    ],
    ids=["noise", "offset"],
)
def test_a_bad_upload_gets_a_status(remote: Remote, wire: Wire, up: list[bytes], reason: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        remote.upload(wire.welcome.session, up)
    assert reason_of(caught.value) == reason
    assert wire.read(wire.put([1])) == 1


@pytest.mark.parametrize(
    ("up", "received"),
    [([], 0), ([b""], 0), ([codec.write_chunk(7, 0, b"no end")], 6)],
    ids=["nothing", "empty", "no end"],
)
def test_an_upload_that_ends_early_can_go_on(
    remote: Remote, wire: Wire, up: list[bytes], received: int
) -> None:
    assert remote.upload(wire.welcome.session, up).received == received
    assert wire.read(wire.put([1])) == 1


def test_a_client_that_leaves_in_the_middle_of_an_upload_leaves_nothing(thread_server: Server) -> None:
    server = thread_server
    remote = Remote(server.address)
    wire = Wire(remote.stream)
    handle, transfer = wire.upload_to(np.zeros(1000, "float32"))
    wire.flush()
    stop = threading.Event()

    def endless() -> Iterator[bytes]:
        yield chunks(transfer, bytes(4000))[0]
        stop.wait(10)

    call = remote.channel.stream_unary("/remx.v1.Remx/Upload").future(
        endless(), metadata=(("remx-session-bin", wire.welcome.session),)
    )
    session = server.service.session_of(wire.welcome.session, ANYBODY)
    while not session.transfers._uploads or not session.transfers._uploads[transfer].received:
        time.sleep(0.01)
    remote.close()
    stop.set()
    assert call.exception() is not None
    assert session.join(5)
    assert session.transfers._uploads == {}
    assert handle not in session.table
