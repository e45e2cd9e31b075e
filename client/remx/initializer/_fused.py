"""The initializer of the flat parameter vector of the fused RNN op."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Final, NamedTuple

from remx_contract.errors import PreconditionError, UnknownKeyError, ValueRangeError

from ..ndarray import NDArray
from ._base import InitDesc, Initializer, create, register

GATES: Final = {
    "rnn_relu": ("",),
    "rnn_tanh": ("",),
    "lstm": ("_i", "_f", "_c", "_o"),
    "gru": ("_r", "_z", "_o"),
}
"""The gates of each mode, as they end the names of their parts and in the order of the vector."""


class Part(NamedTuple):
    """A weight or bias of one gate in the vector."""

    name: str
    shape: tuple[int, ...]


@register
class FusedRNN(Initializer):
    """Fills the parameter vector of a fused RNN part by part.

    The vector has all weights, then all biases: by layer, by direction, first those of the input and then
    those of the hidden state, by gate. Each part is filled in place under a name of its own,
    ``l0_i2h_f_weight`` say (``r0_...`` for the backward direction), so that the inner initializer does with
    it what it does with such a weight or bias. The forget gate's biases of an LSTM are ``forget_bias``.

    Parameters
    ----------
    init : Initializer, str or None
        The inner initializer, or its name or JSON; None for the one that the whole model is filled with.
    num_hidden, num_layers : int
    mode : {"rnn_relu", "rnn_tanh", "lstm", "gru"}
    bidirectional : bool
    forget_bias : float
    """

    def __init__(
        self,
        init: Initializer | str | None,
        num_hidden: int,
        num_layers: int,
        mode: str,
        bidirectional: bool = False,
        forget_bias: float = 1.0,
    ) -> None:
        inner = None if init is None else create(init)
        super().__init__(
            init=None if inner is None else inner.dumps(),
            num_hidden=num_hidden,
            num_layers=num_layers,
            mode=mode,
            bidirectional=bidirectional,
            forget_bias=forget_bias,
        )
        self._init = inner
        self._num_hidden = num_hidden
        self._num_layers = num_layers
        self._mode = mode
        self._directions = "lr" if bidirectional else "l"
        self._forget_bias = forget_bias

    def _init_weight(self, name: str, arr: NDArray) -> None:
        whole = getattr(name, "global_init", None)
        inner = self._init or whole
        if inner is None or inner is self:
            raise ValueRangeError(
                "there is no initializer for the parts; give one as init, or name this one in "
                "InitDesc(name, attrs={'__init__': ...}) and fill with the model's",
                op="FusedRNN",
                argument="init",
                got="None",
            )
        start = 0
        for part in self._parts(self._inputs(name, arr)):
            view = arr[start : start + prod(part.shape)].reshape(part.shape)
            start += prod(part.shape)
            if self._mode == "lstm" and part.name.endswith("_f_bias"):
                view[:] = self._forget_bias
            else:
                inner(InitDesc(part.name, global_init=whole), view)

    def _inputs(self, name: str, arr: NDArray) -> int:
        """The number of the network's inputs, which follows from the vector's length."""
        if self._mode not in GATES:
            raise UnknownKeyError(
                op="FusedRNN", argument="mode", got=repr(self._mode), expected=f"one of {', '.join(GATES)}"
            )
        hidden, directions = self._num_hidden, len(self._directions)
        rows = hidden * len(GATES[self._mode]) * directions
        later = (self._num_layers - 1) * rows * (hidden * (directions + 1) + 2)
        inputs = (arr.size - later) // rows - hidden - 2
        if arr.ndim != 1 or inputs < 1 or arr.size != later + rows * (inputs + hidden + 2):
            raise PreconditionError(
                "Invalid parameters size for FusedRNN",
                op="FusedRNN",
                argument=name,
                got=f"shape {arr.shape}",
                expected=f"a vector of {later + rows * (hidden + 2)} elements and {rows} for each input",
            )
        return inputs

    def _parts(self, inputs: int) -> Iterator[Part]:
        """The parts in the order of the vector."""
        hidden, directions = self._num_hidden, self._directions
        runs = [(layer, direction) for layer in range(self._num_layers) for direction in directions]
        for layer, direction in runs:
            for source, columns in (
                ("i2h", hidden * len(directions) if layer else inputs),
                ("h2h", hidden),
            ):
                for gate in GATES[self._mode]:
                    yield Part(f"{direction}{layer}_{source}{gate}_weight", (hidden, columns))
        for layer, direction in runs:
            for source in ("i2h", "h2h"):
                for gate in GATES[self._mode]:
                    yield Part(f"{direction}{layer}_{source}{gate}_bias", (hidden,))
