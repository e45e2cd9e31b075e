"""Contexts: on which of the server's devices arrays live."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from ._state import STATE


class Context:
    """A device of the server.

    Parameters
    ----------
    device_type : {"cpu", "gpu", "cpu_pinned", "cpu_shared"} or Context
        A context to copy, or a type. All CPU types are the server's host memory.
    device_id : int
        Which one, from 0.

    Raises
    ------
    KeyError
        For any other type, as in MXNet.

    Examples
    --------
    >>> with mx.Context("cpu", 0):
    ...     x = mx.nd.zeros((2, 3))
    """

    devtype2str: ClassVar[dict[int, str]] = {1: "cpu", 2: "gpu", 3: "cpu_pinned", 5: "cpu_shared"}
    devstr2type: ClassVar[dict[str, int]] = {name: code for code, name in devtype2str.items()}

    __slots__ = ("device_id", "device_typeid")

    device_typeid: int
    device_id: int

    def __init__(self, device_type: str | Context, device_id: int = 0) -> None:
        if isinstance(device_type, Context):
            self.device_typeid, self.device_id = device_type.device_typeid, device_type.device_id
        else:
            self.device_typeid = self.devstr2type[device_type]
            self.device_id = int(device_id)

    @property
    def device_type(self) -> str:
        """The type's name."""
        return self.devtype2str[self.device_typeid]

    def __hash__(self) -> int:
        return hash((self.device_typeid, self.device_id))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Context)
            and self.device_typeid == other.device_typeid
            and self.device_id == other.device_id
        )

    def __repr__(self) -> str:
        return f"{self.device_type}({self.device_id})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[Any, ...]:
        return Context, (self.device_type, self.device_id)

    def __enter__(self) -> Context:
        STATE.contexts.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        STATE.contexts.pop()

    def empty_cache(self) -> None:
        """Do nothing: the server manages its memory pools itself (in MXNet it frees the GPU memory pool)."""

    @classmethod
    def default_ctx(cls) -> Context:
        """The calling thread's default context."""
        return current_context()


_CPU: Final = Context("cpu", 0)


def cpu(device_id: int = 0) -> Context:
    """The server's host memory; every ``device_id`` is the same memory under another name."""
    return Context("cpu", device_id) if device_id else _CPU


def cpu_pinned(device_id: int = 0) -> Context:
    """The server's host memory, under the name that MXNet gives page-locked memory."""
    return Context("cpu_pinned", device_id)


def gpu(device_id: int = 0) -> Context:
    """A GPU of the server; using one that is not there is an error at the call."""
    return Context("gpu", device_id)


def num_gpus() -> int:
    """How many GPUs the server has; connects if need be."""
    from ._current import current

    return sum(device.context.device_type == 2 for device in current().devices)


def gpu_memory_info(device_id: int = 0) -> tuple[int, int]:
    """Free and total bytes of a GPU, as they were when the session was opened.

    Raises
    ------
    MXNetError
        If the server has no such GPU.
    """
    from ._current import current
    from .base import MXNetError

    for device in current().devices:
        if device.context.device_type == 2 and device.context.device_id == device_id:
            return device.memory_free, device.memory
    raise MXNetError(
        argument="device_id", got=str(device_id), expected=f"one of the server's {num_gpus()} GPUs"
    )


def current_context() -> Context:
    """The calling thread's default context: of the innermost ``with`` block, else ``cpu(0)``."""
    contexts = STATE.contexts
    return contexts[-1] if contexts else _CPU
