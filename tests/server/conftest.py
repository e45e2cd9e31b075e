"""A service for a module's tests, and a connection to it for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from remx_server.backend import Devices
from remx_server.config import Config
from remx_server.service import Service
from support.wire import LIMITS, Wire, stream_of


@pytest.fixture(scope="module")
def service() -> Service:
    return Service(Config(limits=LIMITS), Devices("cpu"))


@pytest.fixture
def wire(service: Service) -> Iterator[Wire]:
    wire = Wire(stream_of(service))
    yield wire
    wire.close()
