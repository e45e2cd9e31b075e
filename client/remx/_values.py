"""Values on their way: reading tensors, waiting for them, and making them of arrays.

Small arrays ride the command stream; larger ones have byte streams of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from remx_contract import codec
from remx_contract.dtypes import CODE_OF
from remx_contract.spec import TensorSpec
from remx_contract.v1 import stream_pb2

from ._waiters import next_number

if TYPE_CHECKING:
    from ._session import Session
    from .context import Context

READS_IN_FLIGHT: Final = 256
"""How many answers are asked for at a time where many arrays are read together."""

Array = npt.NDArray[Any]


def read(session: Session, handle: int, spec: TensorSpec) -> Array:
    """The values of a tensor, in a new array."""
    return read_all(session, [(handle, spec)])[0]


def read_all(session: Session, tensors: Sequence[tuple[int, TensorSpec]]) -> list[Array]:
    """The values of several tensors; those that ride the command stream take one round trip together."""
    arrays: dict[int, Array] = {}
    small = [index for index, (_, spec) in enumerate(tensors) if spec.nbytes <= session.inline_limit]
    for first in range(0, len(small), READS_IN_FLIGHT):
        part = small[first : first + READS_IN_FLIGHT]
        replies = session.ask(*(_reading(tensors[index][0]) for index in part))
        arrays.update(
            (index, codec.array_from_message(reply.tensor))
            for index, reply in zip(part, replies, strict=True)
        )
    return [
        arrays[index] if index in arrays else _download(session, handle, spec)
        for index, (handle, spec) in enumerate(tensors)
    ]


def _download(session: Session, handle: int, spec: TensorSpec) -> Array:
    transfer = next_number()
    session.ask(
        lambda number: stream_pb2.Command(
            publish=stream_pb2.Publish(
                request=number, handle=handle, transfer=transfer, unchecked=not session.checked
            )
        )
    )
    array = np.empty(spec.shape, spec.dtype)
    session.download(transfer, _bytes_of(array))
    return array


def wait(session: Session, handle: int) -> None:
    """Return when a tensor is computed; raises its failure."""
    session.ask(_reading(handle, only_wait=True))


def is_tracked(session: Session, handle: int) -> bool:
    """Whether a tensor is part of a recorded computation that no pass has freed; one round trip."""
    (reply,) = session.ask(_reading(handle, only_tracked=True))
    return bool(reply.tracked)


def put(session: Session, array: Array, context: Context, handle: int, *, write: bool = False) -> None:
    """Make a tensor of an array's values under a new handle, or write them to the tensor that has it."""
    place = stream_pb2.Context(device_type=context.device_typeid, device_id=context.device_id)
    if array.nbytes <= session.inline_limit:
        tensor = codec.array_to_message(array)
        message = stream_pb2.Put(handle=handle, context=place, tensor=tensor, write=write)
        session.command(stream_pb2.Command(put=message), array.nbytes)
        return
    transfer = next_number()
    upload = stream_pb2.UploadTo(
        handle=handle,
        context=place,
        tensor=stream_pb2.Tensor(dtype=CODE_OF[array.dtype], shape=array.shape),
        transfer=transfer,
        write=write,
        unchecked=not session.checked,
    )
    session.command(stream_pb2.Command(upload=upload))
    session.upload(transfer, _bytes_of(np.ascontiguousarray(array)))


def _bytes_of(array: Array) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8).data)


def _reading(handle: int, **only: bool) -> Callable[[int], stream_pb2.Command]:
    return lambda number: stream_pb2.Command(read=stream_pb2.Read(request=number, handle=handle, **only))
