"""Backends: the array module, memory and synchronisation of one device. The only import of cupy."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from remx_contract.errors import DeviceError, OutOfMemoryError

from . import memory
from .owners import ANYBODY, Owner

CPU = 1
GPU = 2
CPU_PINNED = 3
CPU_SHARED = 5

Array = Any
"""A numpy.ndarray or a cupy.ndarray."""


@dataclass(frozen=True)
class DeviceInfo:
    """A device as the handshake tells of it; memory in bytes."""

    device_type: int
    device_id: int
    name: str
    memory: int
    memory_free: int

    @property
    def context(self) -> str:
        """How users write its context: ``cpu(0)``, ``gpu(1)``."""
        return f"{'gpu' if self.device_type == GPU else 'cpu'}({self.device_id})"


class Backend:
    """Host memory and NumPy.

    Attributes
    ----------
    xp : module
        The array module that kernels get: numpy here, cupy on a GPU.
    ndarray : type
    """

    xp: ModuleType = np
    ndarray: type = np.ndarray
    device_type = CPU
    device_id = 0

    @property
    def name(self) -> str:
        """What owners' lists of devices call it."""
        return f"gpu({self.device_id})" if self.device_type == GPU else "cpu"

    def from_host(self, array: np.ndarray[Any, Any]) -> Array:
        """The array on this device; may be the very array given."""
        return array

    def to_host(self, array: Array) -> np.ndarray[Any, Any]:
        """The array in host memory; may be the very array given."""
        return array

    def copy_from(self, array: Array, other: Backend) -> Array:
        """A copy, on this device, of an array that lives on another backend's device."""
        return self.from_host(np.array(other.to_host(array), order="C"))

    def overwrite(self, array: Array, host: np.ndarray[Any, Any]) -> None:
        """Write values of host memory into an array of the same form on this device."""
        array[...] = host

    def activate(self) -> None:
        """Make the device current for the calling thread."""

    def synchronize(self) -> None:
        """Wait until the device has done what was asked of it; errors of asynchronous kernels raise here."""

    def empty_cache(self) -> None:
        """Give unused memory back to the device."""

    def check_room(self, size: int) -> None:
        """OutOfMemoryError unless ``size`` more bytes fit into the device's memory."""
        free = memory.available()
        if free is not None and size > free:
            raise OutOfMemoryError(f"{size:,} bytes do not fit into the {free:,} that the host has left")

    def free(self) -> int:
        """Bytes that arrays can still have."""
        return memory.host_memory()[1]

    def address(self, array: Array) -> int:
        """Where an array's memory begins."""
        return int(array.__array_interface__["data"][0])

    def info(self) -> DeviceInfo:
        """What the handshake tells of the device."""
        total, free = memory.host_memory()
        return DeviceInfo(CPU, 0, platform.processor() or platform.machine(), total, free)


class CupyBackend(Backend):
    """One GPU and CuPy."""

    device_type = GPU

    def __init__(self, device_id: int) -> None:
        import cupy

        self.xp = cupy
        self.ndarray = cupy.ndarray
        self.device_id = device_id
        self.device = cupy.cuda.Device(device_id)

    def from_host(self, array: np.ndarray[Any, Any]) -> Array:
        """The array on this device; may be the very array given."""
        return self.xp.asarray(array)

    def to_host(self, array: Array) -> np.ndarray[Any, Any]:
        """The array in host memory."""
        host: np.ndarray[Any, Any] = self.xp.asnumpy(array)
        return host

    def copy_from(self, array: Array, other: Backend) -> Array:
        """A copy, on this device, of an array that lives on another backend's device."""
        if isinstance(other, CupyBackend):
            return self.xp.array(array)
        return self.xp.asarray(array)

    def overwrite(self, array: Array, host: np.ndarray[Any, Any]) -> None:
        """Write values of host memory into an array of the same form on this device, which needs no more
        memory for it."""
        array.set(np.ascontiguousarray(host))

    def activate(self) -> None:
        """Make the device current for the calling thread."""
        self.device.use()

    def synchronize(self) -> None:
        """Wait until the device has done what was asked of it; errors of asynchronous kernels raise here."""
        self.device.synchronize()

    def empty_cache(self) -> None:
        """Give unused memory back to the device."""
        self.xp.get_default_memory_pool().free_all_blocks()

    def check_room(self, size: int) -> None:
        """Nothing to check: CuPy's own allocator refuses what does not fit."""

    def free(self) -> int:
        """Bytes that arrays can still have: the device's, and what CuPy keeps for new ones."""
        with self.device:
            return int(self.device.mem_info[0]) + int(self.xp.get_default_memory_pool().free_bytes())

    def address(self, array: Array) -> int:
        """Where an array's memory begins."""
        return int(array.data.ptr)

    def info(self) -> DeviceInfo:
        """What the handshake tells of the device."""
        name = self.xp.cuda.runtime.getDeviceProperties(self.device_id)["name"]
        free, total = self.device.mem_info
        return DeviceInfo(
            GPU, self.device_id, name.decode() if isinstance(name, bytes) else str(name), total, free
        )


class RefusedBackend(Backend):
    """A device that is there and that the owner may not use: whatever would make an array there fails.

    Parameters
    ----------
    of : Backend
    error : DeviceError
        What it fails with.
    """

    def __init__(self, of: Backend, error: DeviceError) -> None:
        self.device_type = of.device_type
        self.device_id = of.device_id
        self._error = error

    @property
    def xp(self) -> ModuleType:  # type: ignore[override]
        """Raises DeviceError, as all that follows does."""
        # A fresh one, since raising the same object again would pile up tracebacks.
        raise DeviceError(argument=self._error.argument, got=self._error.got, expected=self._error.expected)

    def from_host(self, array: np.ndarray[Any, Any]) -> Array:
        """Raises DeviceError."""
        return self.xp

    def copy_from(self, array: Array, other: Backend) -> Array:
        """Raises DeviceError."""
        return self.xp

    def activate(self) -> None:
        """Raises DeviceError."""
        self.xp  # noqa: B018


def find_gpus() -> list[CupyBackend]:
    """The GPUs that CuPy can use; none where CuPy is not installed or finds no driver."""
    try:
        import cupy

        return [CupyBackend(index) for index in range(cupy.cuda.runtime.getDeviceCount())]
    except Exception:
        # CuPy raises its own classes for a missing driver, ImportError for missing libraries: all mean no
        # GPU.
        return []


@dataclass(frozen=True)
class GpuSoftware:
    """What stands between the server and its GPUs; versions are empty where the part is not there."""

    cupy: str = ""
    driver: str = ""
    runtime: str = ""
    problem: str = ""


@cache
def gpu_software() -> GpuSoftware:
    """The versions of CuPy, of CUDA in the driver and in CuPy, and why there is no GPU, if there is none."""
    try:
        import cupy
    except Exception as error:
        return GpuSoftware(problem=f"CuPy cannot be imported ({type(error).__name__})")
    found = {"cupy": str(cupy.__version__)}
    try:
        runtime = cupy.cuda.runtime
        found["driver"] = _cuda_version(runtime.driverGetVersion())
        found["runtime"] = _cuda_version(runtime.runtimeGetVersion())
        return GpuSoftware(**found, problem="" if runtime.getDeviceCount() else "CuPy finds no GPU")
    except Exception as error:
        return GpuSoftware(**found, problem=f"{type(error).__name__}: {error}"[:300])


def _cuda_version(number: int) -> str:
    """12040 as "12.4"; empty for 0, which stands for none."""
    return f"{number // 1000}.{number % 1000 // 10}" if number else ""


class Devices:
    """The backends of a server, by MXNet context.

    Parameters
    ----------
    choice : {"auto", "cpu", "gpu"}
        ``cpu`` uses no GPU, ``gpu`` insists on one.

    Raises
    ------
    DeviceError
        For ``gpu`` where there is none.
    """

    def __init__(self, choice: str = "auto") -> None:
        self.cpu = Backend()
        self.gpus: list[CupyBackend] = [] if choice == "cpu" else find_gpus()
        if choice == "gpu" and not self.gpus:
            raise DeviceError("--device gpu: CuPy finds no GPU (install remx[cuda12] and an NVIDIA driver)")

    def find(self, device_type: int, device_id: int, owner: Owner = ANYBODY) -> Backend:
        """The backend of an MXNet context; all CPU contexts share one. DeviceError for a GPU that is not
        there; one that the owner may not use is a :class:`RefusedBackend`."""
        found: Backend | None = None
        if device_type in (CPU, CPU_PINNED, CPU_SHARED, 0):
            found = self.cpu
        elif device_type == GPU and device_id < len(self.gpus):
            found = self.gpus[device_id]
        if found is not None and owner.may_use(found.name):
            return found
        names = ", ".join(backend.name for backend in self.of(owner)) or "none"
        whose = "this server" if owner.devices is None else f"this server that {owner.name} may use"
        got = f"gpu({device_id})" if device_type == GPU else f"device type {device_type}"
        error = DeviceError(
            argument="ctx", got=found.name if found else got, expected=f"a device of {whose}: {names}"
        )
        if found is None:
            raise error
        return RefusedBackend(found, error)

    def of(self, owner: Owner) -> list[Backend]:
        """The devices that an owner may use, the host first."""
        return [backend for backend in (self.cpu, *self.gpus) if owner.may_use(backend.name)]

    def infos(self, owner: Owner = ANYBODY) -> list[DeviceInfo]:
        """What the handshake tells an owner of their devices, the host first."""
        return [backend.info() for backend in self.of(owner)]
