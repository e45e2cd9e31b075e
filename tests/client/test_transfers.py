"""Large arrays over gRPC: checked on a network, unchecked on one machine."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from remx import _bulk
from remx._creation import array
from remx._current import use
from remx._session import Session
from remx._transport import GrpcTransport, is_local
from remx_contract import codec
from remx_contract.errors import TransferError
from remx_server.serve import Server


@pytest.mark.parametrize(
    ("target", "local"),
    [
        ("unix:/tmp/socket", True),
        ("localhost:1", True),
        ("127.0.0.1:1", True),
        ("[::1]:1", True),
        ("127.evil.example:1", False),
        ("gpu-box:1", False),
        ("10.0.0.1:1", False),
        ("localhost.example:1", False),
    ],
)
def test_what_counts_as_this_machine(target: str, local: bool) -> None:
    assert is_local(target) is local


@pytest.fixture(params=[True, False], ids=["checked", "unchecked"])
def session(request: pytest.FixtureRequest, server: Server) -> Iterator[Session]:
    """A session over gRPC, as with a server elsewhere and as with one on this machine."""
    transport = GrpcTransport(server.address)
    assert not transport.checked
    transport.checked = request.param
    session = Session(transport)
    use(session)
    yield session
    use(None)


def test_large_arrays_survive(session: Session) -> None:
    for size in (1, 20_000, 300_000, 1_500_001):
        values = np.random.RandomState(size).normal(size=size)
        assert (array(values, dtype="float64") * 1).asnumpy().tobytes() == values.tobytes()


def test_a_wrong_checksum_is_noticed_only_where_there_is_one(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = array(np.ones(100_000))
    values.wait_to_read()

    def damaged(raw: bytes) -> tuple[int, int, memoryview, int | None]:
        transfer, offset, data, checksum = codec.read_chunk(raw)
        return transfer, offset, memoryview(bytes(data)[::-1]), checksum

    class Damaging:
        """The codec, with the bytes of each chunk in reverse."""

        write_chunk = staticmethod(codec.write_chunk)
        read_chunk = staticmethod(damaged)

    monkeypatch.setattr(_bulk, "codec", Damaging)
    if session._transport.checked:
        with pytest.raises(TransferError, match="checksum"):
            values.asnumpy()
    else:
        assert values.asnumpy().shape == (100_000,)
