"""A service that keeps checkpoints, and a connection to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from remx_server.service import Service
from support.checkpoints import connect, make
from support.wire import Wire


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = make(tmp_path)
    yield service
    service.drain(0)


@pytest.fixture
def wire(service: Service) -> Iterator[Wire]:
    wire = connect(service)
    yield wire
    wire.close()
