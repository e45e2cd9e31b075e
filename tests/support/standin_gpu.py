"""A GPU for machines that have none: NumPy's arrays under another name, in a memory that has a bound.

It refuses what CuPy refuses: arrays that are not its own, and more memory than it has.
"""

from __future__ import annotations

import types
import weakref
from typing import Any

import numpy as np
from remx_server.backend import GPU, Backend, DeviceInfo, Devices


class OutOfMemoryError(MemoryError):
    """What CuPy's error is called."""


class DeviceArray(np.ndarray[Any, Any]):
    """An array on the stand-in."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **named: Any) -> Any:
        if out:
            named["out"] = tuple(map(_plain, out))
        result = getattr(ufunc, method)(*map(_plain, inputs), **named)
        if out:
            return out[0] if len(out) == 1 else out
        return tuple(map(_owned, result)) if isinstance(result, tuple) else _owned(result)

    def __array_finalize__(self, other: object) -> None:
        key = id(self)
        ALIVE[key] = weakref.ref(self, lambda dead: ALIVE.pop(key, None) and None)


ALIVE: dict[int, weakref.ref[DeviceArray]] = {}


def bytes_in_use() -> int:
    """Bytes of all arrays on stand-ins, each memory once."""
    roots: dict[int, int] = {}
    for reference in list(ALIVE.values()):
        root: Any = reference()
        if root is not None:
            root = _root(root)
            if isinstance(root, DeviceArray):
                roots[id(root)] = root.nbytes
    return sum(roots.values())


def _plain(array: Any) -> Any:
    return array.view(np.ndarray) if isinstance(array, DeviceArray) else array


def _owned(array: Any) -> Any:
    """An array in the device's memory, and not in that of one of NumPy's."""
    if isinstance(array, np.generic):
        # A GPU has no scalars.
        array = np.asarray(array)
    if not isinstance(array, np.ndarray):
        return array
    if isinstance(_root(array), DeviceArray):
        return array if isinstance(array, DeviceArray) else array.view(DeviceArray)
    order = "C" if array.flags.c_contiguous or not array.flags.f_contiguous else "F"
    made = DeviceArray(array.shape, array.dtype, order=order)
    made.view(np.ndarray)[...] = array
    return made


def _root(array: Any) -> Any:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


class StandInGpu(Backend):
    """The backend of a stand-in.

    Parameters
    ----------
    capacity : int
        Bytes of its memory.

    Attributes
    ----------
    refusals : int
        How often it had no memory for a result.
    emptied : int
        How often it was asked to give unused memory back.
    """

    device_type = GPU
    ndarray = DeviceArray

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.refusals = self.emptied = self.synchronized = 0
        self.xp = _Module(np, self)  # type: ignore[assignment]

    def own(self, result: Any) -> Any:
        """What a function of NumPy returned, as arrays of the device, if they fit."""
        if isinstance(result, (tuple, list)):
            return type(result)(map(self.own, result))
        if isinstance(result, (np.ndarray, np.generic)):
            result = _owned(result)
            if bytes_in_use() > self.capacity:
                self.refusals += 1
                raise OutOfMemoryError(f"out of memory allocating {result.nbytes:,} bytes")
        return result

    def from_host(self, array: Any) -> Any:
        return self.own(np.array(array, subok=False))

    def to_host(self, array: Any) -> Any:
        return np.array(_plain(array), order="A")

    def copy_from(self, array: Any, other: Backend) -> Any:
        return self.from_host(other.to_host(array))

    def synchronize(self) -> None:
        self.synchronized += 1

    def empty_cache(self) -> None:
        self.emptied += 1

    def check_room(self, size: int) -> None:
        pass

    def free(self) -> int:
        return self.capacity - bytes_in_use()

    def info(self) -> DeviceInfo:
        return DeviceInfo(GPU, 0, "stand-in", self.capacity, self.free())


class _Module:
    """A module of functions whose results are the device's."""

    def __init__(self, module: Any, device: StandInGpu) -> None:
        self._module = module
        self._device = device

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if isinstance(found, types.ModuleType):
            return _Module(found, self._device)
        if isinstance(found, type) or not callable(found):
            return found
        device = self._device

        def call(*arguments: Any, **named: Any) -> Any:
            for each in (*arguments, *named.values()):
                if type(each) is np.ndarray:
                    raise TypeError("Unsupported type <class 'numpy.ndarray'>")
            return device.own(found(*arguments, **named))

        return call


def devices(capacity: int) -> tuple[Devices, StandInGpu]:
    """The devices of a machine that has such a GPU."""
    found = Devices("cpu")
    gpu = StandInGpu(capacity)
    found.gpus = [gpu]  # type: ignore[list-item]
    return found, gpu
