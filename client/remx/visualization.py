"""Symbols for the eye: a table of their layers, and their graph for Graphviz."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from remx_contract.errors import UnsupportedTypeError, ValueRangeError
from remx_contract.spec import Shape

from .symbol import Symbol
from .symbol._graph import Node, walk

T = TypeVar("T")

_COLUMNS: Final = ("Layer (type)", "Output Shape", "Param #", "Previous Layer")
_POSITIONS: Final = (0.44, 0.64, 0.74, 1.0)


def print_summary(
    symbol: Symbol,
    shape: Mapping[str, Shape] | None = None,
    line_length: int = 120,
    positions: Sequence[float] = _POSITIONS,
) -> None:
    """Print a table of a symbol's layers: name, output shape, number of parameters, and what comes before.

    Parameters
    ----------
    symbol : Symbol
    shape : mapping of str to tuple of int, optional
        The shapes of the arguments; without, the table has none, nor parameters that follow from them.
    line_length : int
    positions : sequence of float
        Where the columns end, in characters, or as parts of the line.

    Raises
    ------
    ValueError
        If the shapes are too few to know the others.
    """
    _check(symbol)
    shapes = {} if shape is None else _inferred(symbol, Symbol.infer_shape, shape, "shape")
    order = _nodes(symbol)
    ends = (
        [int(line_length * end) for end in positions]
        if positions[-1] <= 1
        else [int(end) for end in positions]
    )
    # MXNet asks whether a node's place is one of the first head's numbers: place, output and version.
    head = symbol._outputs[0]
    heads = {order.index(head.node), head.output, head.version}
    places = {id(node): place for place, node in enumerate(order)}
    print("_" * line_length)
    _print_row(_COLUMNS, ends)
    print("=" * line_length)
    total = 0
    for place, node in enumerate(order):
        if node.variable and place > 0:
            continue
        before = [
            entry.node for entry in node.inputs if not entry.node.variable or places[id(entry.node)] in heads
        ]
        made: Shape = () if node.variable and place not in heads else shapes.get(_key(node), ())[1:]
        count = _parameters(node, before, shapes)
        total += count
        names = [one.name for one in before] or [""]
        _print_row((f"{node.name}({node.op})", "x".join(map(str, made)), str(count), names[0]), ends)
        for name in names[1:]:
            _print_row(("", "", "", name), ends)
        print(("=" if place == len(order) - 1 else "_") * line_length)
    print(f"Total params: {total}")
    print("_" * line_length)


def _check(symbol: object) -> None:
    if not isinstance(symbol, Symbol):
        raise UnsupportedTypeError(f"symbol must be Symbol, not {type(symbol)}")


def _nodes(symbol: Symbol) -> list[Node]:
    # What cannot be written as JSON cannot be shown either.
    symbol.tojson()
    return walk(symbol._outputs)


def _inferred(
    symbol: Symbol, infer: Callable[..., tuple[Any, list[T] | None, Any]], given: Mapping[str, Any], what: str
) -> dict[str, T]:
    """What is inferred of all outputs in the graph, by their names."""
    internals = symbol.get_internals()
    _, made, _ = infer(internals, **given)
    if made is None:
        raise ValueRangeError(f"Input {what} is incomplete")
    return dict(zip(internals.list_outputs(), made, strict=True))


def _key(node: Node) -> str:
    """The name under which a layer's shape is looked up: that of an op with one output."""
    return node.name if node.variable else f"{node.name}_output"


def _print_row(fields: Sequence[str], ends: Sequence[int]) -> None:
    line = ""
    for field, end in zip(fields, ends, strict=False):
        line = (line + field)[:end].ljust(end)
    print(line)


def _parameters(node: Node, before: Sequence[Node], shapes: Mapping[str, Shape]) -> int:
    """How many parameters a layer has, as far as its attributes and the shapes tell."""
    attrs = node.attrs
    features = sum(shapes[_key(one)][1] for one in before if len(shapes.get(_key(one), ())) > 1)
    biased = attrs.get("no_bias") != "True"
    if node.op == "Convolution":
        filters = int(attrs["num_filter"])
        count = features * filters // int(attrs.get("num_group", "1"))
        for length in _numbers(attrs["kernel"]):
            count *= int(length)
        return count + filters * biased
    if node.op == "FullyConnected":
        return (features + biased) * int(attrs["num_hidden"])
    if node.op == "BatchNorm":
        return shapes[_key(node)][1] * 2 if shapes else 0
    if node.op == "Embedding":
        return int(attrs["input_dim"]) * int(attrs["output_dim"])
    return 0


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+", text)


_LOOK: Final = {"shape": "box", "fixedsize": "true", "width": "1.3", "height": "0.8034", "style": "filled"}
_VARIABLE, _LAYER, _ACTIVATION, _NORM, _POOL, _SHAPE, _SOFTMAX, _OTHER = (
    "#8dd3c7",
    "#fb8072",
    "#ffffb3",
    "#bebada",
    "#80b1d3",
    "#fdb462",
    "#b3de69",
    "#fccde5",
)
_COLOURS: Final = {
    "Activation": _ACTIVATION,
    "BatchNorm": _NORM,
    "Concat": _SHAPE,
    "Convolution": _LAYER,
    "Flatten": _SHAPE,
    "FullyConnected": _LAYER,
    "LeakyReLU": _ACTIVATION,
    "Pooling": _POOL,
    "Reshape": _SHAPE,
    "Softmax": _SOFTMAX,
    "null": _VARIABLE,
}
_WEIGHTS: Final = (
    "_weight",
    "_bias",
    "_beta",
    "_gamma",
    "_moving_var",
    "_moving_mean",
    "_running_var",
    "_running_mean",
)


def plot_network(
    symbol: Symbol,
    title: str = "plot",
    save_format: str = "pdf",
    shape: Mapping[str, Shape] | None = None,
    dtype: Mapping[str, Any] | None = None,
    node_attrs: Mapping[str, str] | None = None,
    hide_weights: bool = True,
) -> Any:
    """The graph of a symbol as a ``graphviz.Digraph``, for which the package graphviz has to be installed.

    Parameters
    ----------
    symbol : Symbol
    title, save_format : str
        The digraph's name and format.
    shape, dtype : mapping, optional
        The shapes and dtypes of the arguments; edges are labelled with what follows from them.
    node_attrs : mapping of str, optional
        Graphviz attributes of the nodes.
    hide_weights : bool
        Leave variables out that are called like weights.

    Raises
    ------
    ImportError
        Without the package graphviz.
    ValueError
        If the shapes or dtypes are too few to know the others.
    """
    try:
        from graphviz import Digraph
    except ImportError:
        raise ImportError("Draw network requires graphviz library (pip install graphviz)") from None
    _check(symbol)
    shapes = None if shape is None else _inferred(symbol, Symbol.infer_shape, shape, "shape")
    dtypes = None if dtype is None else _inferred(symbol, Symbol.infer_type, dtype, "type")
    order = _nodes(symbol)
    _warn_of_names(order)
    dot = Digraph(name=title, format=save_format)
    hidden = set()
    for node in order:
        if node.variable and node.name.endswith(_WEIGHTS):
            if hide_weights:
                hidden.add(node.name)
            continue
        look = {**_LOOK, **(node_attrs or {})}
        if node.variable:
            look["shape"] = "oval"
        look["fillcolor"] = _COLOURS.get(node.op, _OTHER)
        dot.node(name=node.name, label=_label(node), **look)
    for node in order:
        # MXNet's graph leaves out the second input of this op, which only lends its size.
        inputs = node.inputs[:1] if node.op == "_contrib_BilinearResize2D" else node.inputs
        for entry in inputs:
            if entry.node.name not in hidden:
                label = _edge_label(entry.node, shapes, dtypes)
                dot.edge(
                    tail_name=node.name, head_name=entry.node.name, dir="back", arrowtail="open", label=label
                )
    return dot


def _warn_of_names(order: Sequence[Node]) -> None:
    repeated = [name for name, count in Counter(node.name for node in order).items() if count > 1]
    if repeated:
        warnings.warn(
            "There are multiple variables with the same name in your graph, this may result in cyclic graph. "
            f"Repeated names: {','.join(repeated)}",
            RuntimeWarning,
            stacklevel=3,
        )


def _label(node: Node) -> str:
    attrs = node.attrs
    stride = "x".join(_numbers(attrs["stride"])) if "stride" in attrs else "1"
    if node.op == "Convolution":
        return f"Convolution\n{'x'.join(_numbers(attrs['kernel']))}/{stride}, {attrs['num_filter']}"
    if node.op == "FullyConnected":
        return f"FullyConnected\n{attrs['num_hidden']}"
    if node.op == "Activation":
        return f"Activation\n{attrs['act_type']}"
    if node.op == "LeakyReLU":
        return f"LeakyReLU\n{attrs.get('act_type', 'Leaky')}"
    if node.op == "Pooling":
        kernel = "x".join(_numbers(attrs["kernel"])) if "kernel" in attrs else "[]"
        return f"Pooling\n{attrs['pool_type']}, {kernel}/{stride}"
    if node.op == "Custom":
        return attrs["op_type"]
    return node.name


def _edge_label(node: Node, shapes: Mapping[str, Shape] | None, dtypes: Mapping[str, type] | None) -> str:
    """The shape, without the batch axis, and the dtype of what flows along an edge; of an op with several
    outputs, the last one's."""
    key = _key(node)
    if not node.variable and "num_outputs" in node.attrs:
        key += str(int(node.attrs["num_outputs"]) - 1)
    label = "" if shapes is None else "x".join(map(str, _found(shapes, key)[1:]))
    return label if dtypes is None else f"{label}({_found(dtypes, key).__name__})"


def _found(facts: Mapping[str, T], key: str) -> T:
    """The fact of an output, also where the op numbers its outputs."""
    return facts[key] if key in facts else facts[f"{key}0"]
