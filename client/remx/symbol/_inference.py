"""Shapes and dtypes through a graph, by the rules of the catalogue's rows.

What goes in is what is known of the variables. It goes forward through the rows' rules; backward, from data
to parameters, only where an op leaves no choice: equal shapes, one dtype, the weight of a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, Final, Generic, TypeVar

from remx_contract.dtypes import DType, float16, float32, from_code
from remx_contract.errors import MXNetError, UnknownOpError
from remx_contract.infer import check_arity
from remx_contract.op import Attrs, Op
from remx_contract.rules import normalizations, shapes, types
from remx_contract.spec import Shape

from ._graph import Entry, Node, attrs_of, row_of, walk

T = TypeVar("T")

Known = list[T | None]


class Rules(Generic[T]):
    """What inference does for one kind of fact.

    Parameters
    ----------
    forward : callable
        The row's rule: (row, facts of all inputs, attributes) -> facts of the outputs.
    backward : callable
        (row, known facts of the inputs, of the outputs, attributes): fills inputs in.
    declared : callable
        What a variable's attributes say of it, or None.
    """

    def __init__(
        self,
        forward: Callable[[Op, list[T], Attrs], Sequence[T]],
        backward: Callable[[Op, Known[T], Known[T], Attrs], None],
        declared: Callable[[Mapping[str, str]], T | None],
    ) -> None:
        self._forward = forward
        self._backward = backward
        self._declared = declared

    def infer(self, heads: Sequence[Entry], given: Mapping[str, T]) -> dict[tuple[int, int], T]:
        """What is known of all outputs of all nodes, by the node's id and the output's number.

        Parameters
        ----------
        heads : sequence of Entry
        given : mapping
            By the variables' names.

        Raises
        ------
        MXNetError
            If facts contradict each other, naming the node; for an op that the catalogue lacks.
        """
        order = walk(heads)
        known: dict[tuple[int, int], T] = {}
        for node in order:
            if node.variable:
                fact = given.get(node.name, self._declared(node.attrs))
                if fact is not None:
                    known[id(node), 0] = fact
        ops = [(node, *_row(node)) for node in order if not node.variable]
        # A pass that fills in a variable may help ops before it. Each pass but the last fills in something.
        while sum(self._visit(node, row, attrs, known) for node, row, attrs in ops):
            pass
        return known

    def _visit(self, node: Node, row: Op, attrs: Attrs, known: dict[tuple[int, int], T]) -> bool:
        """Infer what one node's op says; returns whether that was news of an input."""
        ins: Known[T] = [known.get((id(entry.node), entry.output)) for entry in node.inputs]
        news = False
        if None in ins:
            outs = [known.get((id(node), index)) for index in range(node.outputs)]
            filled = list(ins)
            self._backward(row, filled, outs, attrs)
            for entry, before, after in zip(node.inputs, ins, filled, strict=True):
                if before is None and after is not None:
                    known[id(entry.node), entry.output] = after
                    news = True
            ins = filled
        if (id(node), 0) not in known:
            facts = [fact for fact in ins if fact is not None]
            if len(facts) == len(ins):
                try:
                    made = self._forward(row, facts, attrs)
                except MXNetError as error:
                    raise type(error)(f"Error in operator {node.name}: {error.named(row.name)}") from None
                for index in range(node.outputs):
                    known[id(node), index] = made[min(index, len(made) - 1)]
        return news


def _row(node: Node) -> tuple[Op, Attrs]:
    row = row_of(node)
    if row is None:
        raise UnknownOpError(f"Error in operator {node.name}: there are no rules to infer with", op=node.op)
    try:
        attrs = attrs_of(node, row)
        check_arity(row, len(node.inputs), attrs)
    except MXNetError as error:
        raise type(error)(f"Error in operator {node.name}: {error}") from None
    return row, attrs


_NORMALIZATIONS: Final = (
    "BatchNorm",
    "GroupNorm",
    "InstanceNorm",
    "LayerNorm",
    "_contrib_BatchNormWithReLU",
    "_contrib_SyncBatchNorm",
)

# Shapes.


def _shapes_forward(row: Op, known: list[Shape], attrs: Attrs) -> Sequence[Shape]:
    return [tuple(shape) for shape in row.shape(known, attrs)]


def _shapes_backward(row: Op, ins: Known[Shape], outs: Known[Shape], attrs: Attrs) -> None:
    special = _PARAMETERS.get(row.name)
    if special is not None:
        special(ins, attrs)
    elif row.shape is shapes.all_same or (row.shape is shapes.same and len(ins) == 1):
        _fill(ins, outs)


def _fill(ins: Known[T], outs: Known[T]) -> None:
    """All are the same."""
    fact = next((one for one in (*ins, *outs[:1]) if one is not None), None)
    ins[:] = [fact if one is None else one for one in ins]


def _dense(ins: Known[Shape], attrs: Attrs) -> None:
    data = ins[0]
    if not data:
        return
    if ins[1] is None:
        ins[1] = (attrs.num_hidden, prod(data[1:]) if attrs.flatten else data[-1])
    if len(ins) > 2 and ins[2] is None:
        ins[2] = (attrs.num_hidden,)


def _embedding(ins: Known[Shape], attrs: Attrs) -> None:
    if ins[0] is not None and ins[1] is None:
        ins[1] = (attrs.input_dim, attrs.output_dim)


def _slopes(ins: Known[Shape], attrs: Attrs) -> None:
    data = ins[0]
    if len(ins) > 1 and ins[1] is None and data is not None and len(data) > 1:
        ins[1] = (data[1],)


def _picks(ins: Known[Shape], attrs: Attrs) -> None:
    data = ins[0]
    if ins[1] is None and data and attrs.axis is not None and len(data) > 1:
        axis = attrs.axis % len(data)
        middle = (1,) if attrs.keepdims else ()
        ins[1] = (*data[:axis], *middle, *data[axis + 1 :])


def _sequence_lengths(ins: Known[Shape], attrs: Attrs) -> None:
    data = ins[0]
    if len(ins) > 1 and ins[1] is None and data is not None and len(data) > 1:
        ins[1] = (data[1 - attrs.get("axis", 0)],)


def _channels(ins: Known[Shape], attrs: Attrs) -> None:
    """The vectors of a normalization are as long as an axis of the data, or as there are groups."""
    data, axis = ins[0], attrs.get("axis", 1)
    if not data or not -len(data) <= axis < len(data):
        return
    length = attrs["num_groups"] if "num_groups" in attrs else data[axis]
    ins[1:] = [(length,) if one is None else one for one in ins[1:]]


def _labels(ins: Known[Shape], attrs: Attrs) -> None:
    data = ins[0]
    if ins[1] is None and data and len(data) > 1:
        ins[1] = (data[0], prod(data[2:])) if attrs.get("multi_output") else data[:-1]


def _targets(ins: Known[Shape], attrs: Attrs) -> None:
    data = ins[0]
    if ins[1] is None and data is not None:
        ins[1] = data[:1] if len(data) == 2 and data[1] == 1 else data


_PARAMETERS: Final[dict[str, Callable[[Known[Shape], Attrs], None]]] = {
    **dict.fromkeys(_NORMALIZATIONS, _channels),
    **dict.fromkeys(("SVMOutput", "SoftmaxOutput", "softmax_cross_entropy"), _labels),
    **dict.fromkeys(("LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput"), _targets),
    "Embedding": _embedding,
    "FullyConnected": _dense,
    "LeakyReLU": _slopes,
    "SequenceLast": _sequence_lengths,
    "SequenceMask": _sequence_lengths,
    "SequenceReverse": _sequence_lengths,
    "pick": _picks,
}
"""Ops whose parameters' shapes follow from their data and attributes."""


def _declared_shape(attrs: Mapping[str, str]) -> Shape | None:
    text = attrs.get("__shape__", "")
    lengths = [item for item in text.strip("()[] ").split(",") if item.strip()]
    try:
        shape = tuple(map(int, lengths))
    except ValueError:
        return None
    return shape if shape and all(length > 0 for length in shape) else None


SHAPES: Final = Rules[Shape](_shapes_forward, _shapes_backward, _declared_shape)


# Dtypes.


def _dtypes_forward(row: Op, known: list[DType], attrs: Attrs) -> Sequence[DType]:
    return row.dtype(known, attrs)


_ONE_DTYPE: Final[frozenset[Any]] = frozenset(
    {types.same, types.floating, types.with_scalar, normalizations.instance_dtype}
)
"""The rules of ops whose inputs and outputs all have one dtype."""
_ASSUMED: Final = frozenset({"Embedding", "SequenceLast", "SequenceMask", "SequenceReverse"})
"""Ops that take any dtype for numbers beside the data; MXNet assumes the data's."""


def _dtypes_backward(row: Op, ins: Known[DType], outs: Known[DType], attrs: Attrs) -> None:
    if row.dtype in _ONE_DTYPE or row.name in _ASSUMED:
        _fill(ins, outs)
    elif row.dtype is normalizations.batch_dtype and ins[0] is not None:
        ins[1:] = [(float32 if ins[0] == float16 else ins[0]) if one is None else one for one in ins[1:]]


def _declared_dtype(attrs: Mapping[str, str]) -> DType | None:
    try:
        return from_code(int(attrs.get("__dtype__", "-1")))
    except (ValueError, MXNetError):
        return None


DTYPES: Final = Rules[DType](_dtypes_forward, _dtypes_backward, _declared_dtype)
