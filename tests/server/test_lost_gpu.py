"""CUDA errors that last end the session with a clear error; others are the failure of one op."""

from __future__ import annotations

import pytest
from remx_contract import errors
from remx_server.backend import Devices
from remx_server.blas import THREADS
from remx_server.config import Config
from remx_server.lost_gpu import LostGpuError, check
from remx_server.service import Service
from support.wire import Closed, Wire, stream_of


class CUDARuntimeError(RuntimeError):
    """What CuPy's class of this name looks like."""

    def __init__(self, status: int) -> None:
        super().__init__(f"cudaError{status}: as the driver says it")
        self.status = status


def raising(error: Exception) -> object:
    """Something to call in place of another that raises an error."""

    def call(*arguments: object) -> None:
        raise error

    return call


@pytest.mark.parametrize("at_once", [True, False], ids=["kernel", "wait"])
def test_an_error_that_lasts_ends_the_session(monkeypatch: pytest.MonkeyPatch, at_once: bool) -> None:
    service = Service(Config(), Devices("cpu"))
    wire, other = Wire(stream_of(service)), Wire(stream_of(service))
    handle = wire.put([[1.0]])
    wire.settle()
    with monkeypatch.context() as patch:
        error = CUDARuntimeError(700)
        if at_once:
            patch.setattr(THREADS, "fit", raising(error))
            wire.op("dot", handle, handle)
        else:
            # As a kernel that has been launched is heard of.
            patch.setattr(service.devices.cpu, "synchronize", raising(error))
        with pytest.raises(Closed) as caught:
            wire.wait(handle)
    assert type(caught.value.error) is errors.SessionCrashedError
    assert "cudaError700" in str(caught.value.error)
    assert "Connect again" in str(caught.value.error)
    assert other.read(other.put([2])) == 2
    other.close()
    assert service.drain(5)


def test_another_error_is_the_op_s_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(Config(), Devices("cpu"))
    wire = Wire(stream_of(service))
    handle = wire.put([[3.0]])
    with monkeypatch.context() as patch:
        patch.setattr(THREADS, "fit", raising(CUDARuntimeError(1)))
        with pytest.raises(errors.KernelError, match="cudaError1"):
            wire.wait(wire.op("dot", handle, handle))
    assert wire.read(wire.op("dot", handle, handle)) == 9
    wire.close()
    assert service.drain(5)


def test_the_cause_counts_too() -> None:
    try:
        try:
            raise CUDARuntimeError(719)
        except CUDARuntimeError as error:
            raise ValueError("wrapped") from error
    except ValueError as error:
        with pytest.raises(LostGpuError, match="cudaError719"):
            check(error)
    check(ValueError("status 700"))


def test_an_error_that_is_its_own_cause_is_looked_at_once() -> None:
    error = ValueError("mine")
    error.__cause__ = error
    check(error)
