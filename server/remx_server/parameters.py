"""What a session knows of the parameters that were filled in it: names, initializers, random positions."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from remx_contract.errors import LimitError
from remx_contract.v1 import stream_pb2

from .positions import Position

MAX_TEXT: Final = 1 << 16
"""Characters of a name or an initializer."""
_MIN_FILLINGS: Final = 1024


@dataclass(frozen=True)
class Filling:
    """How one tensor was filled, as its Fill said, and the random position it was filled from."""

    name: str
    initializer: str
    own: str
    position: Position | None

    def message(self) -> stream_pb2.Fillings.Filling:
        """The filling as it crosses the wire."""
        return stream_pb2.Fillings.Filling(
            known=True,
            name=self.name,
            initializer=self.initializer,
            own=self.own,
            position=self.position and self.position.message(),
        )


class Parameters:
    """The last filling of each tensor that has a handle."""

    def __init__(self) -> None:
        self._fillings: dict[int, Filling] = {}
        self._last: Filling | None = None
        self._bound = _MIN_FILLINGS

    def note(self, message: stream_pb2.Fill, position: Position | None, live: Container[int]) -> None:
        """Keep what a Fill says of a tensor.

        Parameters
        ----------
        message : Fill
        position : Position or None
            Where the random state is; None where it cannot tell.
        live : container of int
            The handles of the session's tensors; fillings of others are dropped now and then.
        """
        if max(len(message.name), len(message.initializer), len(message.own)) > MAX_TEXT:
            raise LimitError(f"the texts of a fill have at most {MAX_TEXT} characters")
        last = self._last
        if last is not None and last.position == position:
            # Biases draw nothing, so that many fillings share one position.
            position = last.position
        self._last = Filling(message.name, message.initializer, message.own, position)
        self._fillings[message.handle] = self._last
        if len(self._fillings) > self._bound:
            # Handles are not used twice, so that those which are gone can wait until there are many.
            self._fillings = {handle: kept for handle, kept in self._fillings.items() if handle in live}
            self._bound = max(_MIN_FILLINGS, 2 * len(self._fillings))

    def live(self, handles: Container[int]) -> dict[int, Filling]:
        """The fillings of tensors that are still there, by their handles."""
        return {handle: filling for handle, filling in self._fillings.items() if handle in handles}

    def take_back(self, fillings: Mapping[int, Filling]) -> None:
        """Have these fillings for their handles, as from a checkpoint."""
        self._fillings.update(fillings)

    def describe(self, handles: Iterable[int]) -> stream_pb2.Fillings:
        """The fillings of tensors, in their order."""
        answer = stream_pb2.Fillings()
        for handle in handles:
            filling = self._fillings.get(handle)
            answer.fillings.append(filling.message() if filling else stream_pb2.Fillings.Filling())
        return answer
