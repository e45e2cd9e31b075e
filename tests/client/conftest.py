"""The client's tests run twice: against a service in the same process, and against a server over gRPC."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
import remx
from remx import _current
from remx._session import Session
from remx._state import STATE
from remx._transport import GrpcTransport
from remx_server.backend import Devices
from remx_server.config import Config
from remx_server.serve import Server
from remx_server.service import Service
from support.inprocess import InProcessTransport

Open = Callable[[], Session]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests read values all the time, which is what the client's performance warning is about."""
    ignore = pytest.mark.filterwarnings("ignore::remx._stats.PerformanceWarning")
    for item in items:
        if "tests/client/" in item.path.as_posix():
            item.add_marker(ignore)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One server for all tests over gRPC."""
    server = Server(Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """One service for all tests in the same process."""
    service = Service(Config(device="cpu"), Devices("cpu"))
    yield service
    service.drain(0)


@pytest.fixture(params=["inprocess", "grpc"])
def open_session(request: pytest.FixtureRequest) -> Open:
    """Opens sessions over one of the transports."""
    if request.param == "inprocess":
        service: Service = request.getfixturevalue("service")
        return lambda: Session(InProcessTransport(service))
    server: Server = request.getfixturevalue("server")
    return lambda: Session(GrpcTransport(server.address))


@pytest.fixture
def session(open_session: Open) -> Iterator[Session]:
    """A fresh session that new arrays go to; a test has to leave it and the thread's modes in good order."""
    session = open_session()
    _current.use(session)
    yield session
    assert session.alive
    _current.use(None)
    assert STATE.mode == 0
    assert STATE.contexts == []


@pytest.fixture
def mx(session: Session) -> ModuleType:
    """The client, with a fresh session."""
    return remx


@pytest.fixture(autouse=True)
def clean_modes() -> Iterator[None]:
    """No test starts in the modes that a failed one left behind."""
    STATE.mode = 0
    STATE.contexts.clear()
    yield
    _current.use(None)
