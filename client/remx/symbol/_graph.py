"""The graph of a symbol: nodes that never change, and the orders in which MXNet lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from remx_contract.catalogue import NAMES
from remx_contract.errors import MXNetError
from remx_contract.op import Attrs, Op

VARIABLE: Final = "null"
"""What MXNet calls the op of a variable."""


class Entry(NamedTuple):
    """One output of a node.

    Attributes
    ----------
    node : Node
    output : int
        Its number.
    version : int
        How often what comes before has written to it; above 0 only where an op keeps its state in a variable.
    """

    node: Node
    output: int = 0
    version: int = 0


class Node:
    """An op's call, or a variable.

    Parameters
    ----------
    op : str
        MXNet's name of the op; ``"null"`` for a variable.
    name : str
    attrs : mapping of str
        As they were given, as text.
    inputs : sequence of Entry
    outputs : int, optional
        How many outputs it has, where somebody knows; the catalogue is asked otherwise.
    """

    __slots__ = ("_outputs", "attrs", "inputs", "name", "op")

    def __init__(
        self,
        op: str,
        name: str,
        attrs: Mapping[str, str] | None = None,
        inputs: Sequence[Entry] = (),
        outputs: int | None = None,
    ) -> None:
        self.op = op
        self.name = name
        self.attrs: Mapping[str, str] = attrs or {}
        self.inputs = tuple(inputs)
        self._outputs = outputs

    @property
    def variable(self) -> bool:
        """Whether it is a variable."""
        return self.op == VARIABLE

    @property
    def outputs(self) -> int:
        """How many outputs it has, those included that a user does not see."""
        if self._outputs is None:
            self._outputs = _count(self)
        return self._outputs

    @property
    def visible(self) -> int:
        """How many of its outputs a user sees."""
        if self.op in _FIRST_ONLY and not _is_true(self.attrs.get(_FIRST_ONLY[self.op], "")):
            return 1
        return self.outputs

    def output_name(self, index: int) -> str:
        """MXNet's name of an output."""
        if self.variable:
            return self.name
        names = _OUTPUT_NAMES.get(self.op, ())
        if index < len(names):
            return f"{self.name}_{names[index]}"
        if self.outputs == 1 and self.op not in _ALWAYS_COUNTED:
            return f"{self.name}_output"
        return f"{self.name}_output{index}"


_OUTPUT_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "BatchNorm": ("output", "mean", "var"),
    "BatchNorm_v1": ("output", "mean", "var"),
    "Dropout": ("output", "mask"),
    "GroupNorm": ("output", "mean", "std"),
    "InstanceNorm": ("output", "mean", "var"),
    "L2Normalization": ("output", "norm"),
    "LRN": ("output", "tmp_norm"),
    "LayerNorm": ("output", "mean", "std"),
    "LeakyReLU": ("output", "mask"),
    "RNN": ("output", "state_output", "statecell_output"),
    "_contrib_SyncBatchNorm": ("output", "mean", "var"),
    "make_loss": ("loss",),
}
"""The outputs' names of the ops that name them; those of others are numbered, or are one."""

_FIRST_ONLY: Final = {
    "BatchNorm": "output_mean_var",
    "BatchNorm_v1": "output_mean_var",
    "Dropout": "",
    "GroupNorm": "output_mean_var",
    "InstanceNorm": "",
    "L2Normalization": "",
    "LRN": "",
    "LayerNorm": "output_mean_var",
    "_contrib_SyncBatchNorm": "output_mean_var",
    "sort": "",
}
"""Ops of whose outputs a user sees the first, unless the attribute says that they see all."""

_ALWAYS_COUNTED: Final = frozenset({"CTCLoss", "SliceChannel"})
"""Ops whose outputs are numbered also where there is one."""

_MORE_OUTPUTS: Final = {"L2Normalization": 1, "LRN": 1, "sort": 1}
"""Outputs of MXNet's that the catalogue's rows do not have, since only MXNet's gradient needs them."""

_STATES: Final[dict[str, tuple[int, ...]]] = {
    "BatchNorm": (3, 4),
    "BatchNorm_v1": (3, 4),
    "IdentityAttachKLSparseReg": (1,),
    "_contrib_BatchNormWithReLU": (3, 4),
    "_contrib_SyncBatchNorm": (3, 4),
    "_contrib_quantized_batch_norm": (3, 4),
}
"""The inputs in which ops keep their state."""

_ROWS: Final = {"_backward_gather_nd": "_scatter_nd_add"}
"""Rows that MXNet knows by other names."""


def row_of(node: Node) -> Op | None:
    """The row of a node's op; None for a variable, and for an op that the catalogue lacks."""
    return NAMES.get(_ROWS.get(node.op, node.op))


def attrs_of(node: Node, row: Op) -> Attrs:
    """A node's attributes as its row understands them; what is not about the op's results is left out.

    Raises
    ------
    ArgumentError
        For a value that the row does not take, or one that is missing.
    """
    return row.parse({name: value for name, value in node.attrs.items() if name in row.attr_of})


def _count(node: Node) -> int:
    row = row_of(node)
    if row is None:
        return len(_OUTPUT_NAMES.get(node.op, ("",))) if node.op in _FIRST_ONLY else 1
    try:
        attrs = attrs_of(node, row)
        return row.output_count(attrs) + row.hidden_count(attrs) + _MORE_OUTPUTS.get(row.name, 0)
    except MXNetError:
        # A graph may hold what the op would refuse; inference says so.
        return 1


def _is_true(text: str) -> bool:
    return text in ("1", "True", "true")


def walk(heads: Iterable[Entry]) -> list[Node]:
    """All nodes that lead to some outputs, each behind its inputs, as MXNet orders them."""
    order: list[Node] = []
    seen: set[int] = set()
    for head in heads:
        stack = [(head.node, iter(head.node.inputs))] if id(head.node) not in seen else []
        seen.add(id(head.node))
        while stack:
            node, inputs = stack[-1]
            for entry in inputs:
                if id(entry.node) not in seen:
                    seen.add(id(entry.node))
                    stack.append((entry.node, iter(entry.node.inputs)))
                    break
            else:
                stack.pop()
                order.append(node)
    return order


def states(order: Iterable[Node]) -> set[int]:
    """The variables in which ops keep their state, by their ids: MXNet's auxiliary states."""
    return {
        id(node.inputs[at].node)
        for node in order
        for at in _STATES.get(node.op, ())
        if at < len(node.inputs) and node.inputs[at].node.variable
    }
