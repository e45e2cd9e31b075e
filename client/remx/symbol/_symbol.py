"""Symbol: one or more outputs of a graph of ops."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from remx_contract.dtypes import DType, as_dtype
from remx_contract.errors import (
    ArgumentError,
    NotAnArrayError,
    OutOfRangeError,
    UnsupportedTypeError,
    ValueRangeError,
)
from remx_contract.spec import Shape

from . import _json
from ._graph import Entry, Node, states, walk
from ._inference import DTYPES, SHAPES, Known, Rules
from ._names import next_name

T = TypeVar("T")

Shapes = list[Shape]
Types = list[type[np.generic] | None]

_LISTED = 10
"""How many arguments a warning names."""


class Symbol:
    """One or more outputs of a graph of ops, as MXNet's class of that name.

    Symbols are made by :func:`remx.autograd.get_symbol` and :func:`load`. They are values: nothing changes
    them, and all that is known of them is in this process.

    Parameters
    ----------
    outputs : sequence of Entry
    """

    __slots__ = ("_outputs",)

    def __init__(self, outputs: Sequence[Entry]) -> None:
        self._outputs = tuple(outputs)

    # What it is.

    @property
    def name(self) -> str | None:
        """The name of its node; None for a group of outputs of several nodes."""
        node = self._node
        return None if node is None else node.name

    @property
    def _node(self) -> Node | None:
        """The node, where all outputs are of the same."""
        node = self._outputs[0].node
        return node if all(entry.node is node for entry in self._outputs) else None

    @property
    def num_outputs(self) -> int:
        """How many outputs it has; also its length."""
        return len(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __repr__(self) -> str:
        if self.name is not None:
            return f"<Symbol {self.name}>"
        return f"<Symbol group [{', '.join(entry.node.name for entry in self._outputs)}]>"

    def __iter__(self) -> Iterator[Symbol]:
        return (Symbol([entry]) for entry in self._outputs)

    def __getitem__(self, index: int | str | slice) -> Symbol:
        """An output by its number or its name, or several by a slice.

        Raises
        ------
        IndexError
            For a number beyond the last output.
        ValueError
            For a name that none or several outputs have.
        """
        if isinstance(index, str):
            found = [at for at, name in enumerate(self.list_outputs()) if name == index]
            if len(found) != 1:
                problem = (
                    "Cannot find output that matches name"
                    if not found
                    else "There are multiple outputs with name"
                )
                raise ValueRangeError(f'{problem} "{index}"')
            return Symbol([self._outputs[found[0]]])
        if isinstance(index, slice):
            return Symbol(self._outputs[index])
        if not isinstance(index, (int, np.integer)):
            raise UnsupportedTypeError(
                f"Symbol only support integer index to fetch i-th output, not {index!r}"
            )
        if index < 0:
            raise ArgumentError(argument="index", got=f"{index}", expected="a number that is not negative")
        if index >= len(self._outputs):
            raise OutOfRangeError(f"output {index} of a symbol with {len(self._outputs)}")
        return Symbol([self._outputs[index]])

    def __copy__(self) -> Symbol:
        return Symbol(self._outputs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Symbol:
        return Symbol(self._outputs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.tojson(),)

    def __eq__(self, other: object) -> Symbol:  # type: ignore[override]
        """A symbol that compares the elements."""
        return self._compared(other, "_equal")

    def __ne__(self, other: object) -> Symbol:  # type: ignore[override]
        return self._compared(other, "_not_equal")

    __hash__ = None  # type: ignore[assignment]
    """As in MXNet: what ``==`` gives is no answer, so that a symbol cannot be a key."""

    def __bool__(self) -> bool:
        raise UnsupportedTypeError("a Symbol has no truth value: it has no elements")

    def _compared(self, other: object, op: str) -> Symbol:
        if isinstance(other, Symbol):
            return _composed(op, [self, other], {})
        if isinstance(other, (int, float, np.number)):
            return _composed(f"{op}_scalar", [self], {"scalar": str(float(other))})
        raise NotAnArrayError(f"type {type(other)} not supported")

    # Attributes.

    def attr(self, key: str) -> str | None:
        """An attribute of its node; None where it has none of that name."""
        return self._own_attrs().get(key)

    def list_attr(self, recursive: bool = False) -> dict[str, str]:
        """The attributes of its node; those of all nodes are in :meth:`attr_dict`."""
        if recursive:
            raise DeprecationWarning(
                "Symbol.list_attr with recursive=True has been deprecated. Please use attr_dict instead."
            )
        return dict(self._own_attrs())

    def _own_attrs(self) -> Mapping[str, str]:
        node = self._node
        return {} if node is None else node.attrs

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """The attributes of all nodes that have any, by the nodes' names."""
        return {node.name: dict(node.attrs) for node in self._walk() if node.attrs}

    # The graph around it.

    def _walk(self) -> list[Node]:
        return walk(self._outputs)

    def get_internals(self) -> Symbol:
        """A group of all outputs in the graph, those of variables included."""
        return Symbol([Entry(node, index) for node in self._walk() for index in range(node.visible)])

    def get_children(self) -> Symbol | None:
        """A group of its nodes' inputs; None where they have none."""
        seen: set[int] = set()
        inputs: list[Entry] = []
        for entry in self._outputs:
            if id(entry.node) not in seen:
                seen.add(id(entry.node))
                inputs.extend(entry.node.inputs)
        return Symbol(inputs) if inputs else None

    def _variables(self) -> tuple[list[Node], list[Node]]:
        """The arguments and the auxiliary states."""
        order = self._walk()
        kept = states(order)
        variables = [node for node in order if node.variable]
        return [node for node in variables if id(node) not in kept], [
            node for node in variables if id(node) in kept
        ]

    def list_arguments(self) -> list[str]:
        """The names of its variables, auxiliary states left out."""
        return [node.name for node in self._variables()[0]]

    def list_auxiliary_states(self) -> list[str]:
        """The names of the variables in which ops keep state, such as moving means."""
        return [node.name for node in self._variables()[1]]

    def list_inputs(self) -> list[str]:
        """The names of all its variables."""
        return [node.name for node in self._walk() if node.variable]

    def list_outputs(self) -> list[str]:
        """The names of its outputs."""
        return [entry.node.output_name(entry.output) for entry in self._outputs]

    # Inference.

    def infer_shape(self, *args: Shape | None, **kwargs: Shape) -> tuple[Any, Any, Any]:
        """The shapes of arguments, outputs and auxiliary states, from those of some arguments.

        Parameters
        ----------
        *args : tuple of int or None
            In the order of :meth:`list_arguments`; or
        **kwargs : tuple of int
            by their names. A length of 0 is not known.

        Returns
        -------
        arg_shapes, out_shapes, aux_shapes : list of tuple, or None
            Three Nones, and a warning, where something cannot be decided.

        Raises
        ------
        MXNetError
            If shapes contradict each other, or for an op that remx has no rules of.
        """
        found = self._shapes(args, kwargs)
        if any(shape is None for part in found for shape in part):
            partial = self._partial_shapes(found, args, kwargs)
            _warn(
                "shape",
                " (0s in shape means unknown dimensions)",
                self.list_arguments(),
                partial[0],
                found[0],
            )
            return None, None, None
        return found

    def infer_shape_partial(self, *args: Shape | None, **kwargs: Shape) -> tuple[Shapes, Shapes, Shapes]:
        """Like :meth:`infer_shape`; what cannot be decided is ``()``, or what was given."""
        return self._partial_shapes(self._shapes(args, kwargs), args, kwargs)

    def _shapes(self, args: Any, kwargs: Any) -> tuple[Known[Shape], Known[Shape], Known[Shape]]:
        given = self._given("shape", _shape, args, kwargs)
        # A shape with an unknown length tells the rules nothing.
        return self._inferred(SHAPES, {n: shape for n, shape in given.items() if shape and min(shape) > 0})

    def _partial_shapes(
        self, found: tuple[Known[Shape], ...], args: Any, kwargs: Any
    ) -> tuple[Shapes, Shapes, Shapes]:
        given = self._given("shape", _shape, args, kwargs)
        names = self.list_arguments()
        arguments = [
            tuple(max(0, length) for length in given.get(name, ())) if shape is None else shape
            for name, shape in zip(names, found[0], strict=True)
        ]
        return arguments, [shape or () for shape in found[1]], [shape or () for shape in found[2]]

    def infer_type(self, *args: npt.DTypeLike, **kwargs: npt.DTypeLike) -> tuple[Any, Any, Any]:
        """The dtypes of arguments, outputs and auxiliary states, from those of some arguments.

        Parameters
        ----------
        *args : dtype or None
            In the order of :meth:`list_arguments`; or
        **kwargs : dtype
            by their names.

        Returns
        -------
        arg_types, out_types, aux_types : list of type, or None
            Three Nones, and a warning, where something cannot be decided.
        """
        found = self.infer_type_partial(*args, **kwargs)
        if any(kind is None for part in found for kind in part):
            _warn("type", "", self.list_arguments(), found[0], found[0])
            return None, None, None
        return found

    def infer_type_partial(self, *args: npt.DTypeLike, **kwargs: npt.DTypeLike) -> tuple[Types, Types, Types]:
        """Like :meth:`infer_type`; what cannot be decided is None."""
        found = self._inferred(DTYPES, self._given("type", _dtype, args, kwargs))
        arguments, outputs, aux = ([None if one is None else one.type for one in part] for part in found)
        return arguments, outputs, aux

    def _inferred(self, rules: Rules[T], given: Mapping[str, T]) -> tuple[Known[T], Known[T], Known[T]]:
        known = rules.infer(self._outputs, given)
        arguments, kept = self._variables()
        return (
            [known.get((id(node), 0)) for node in arguments],
            [known.get((id(entry.node), entry.output)) for entry in self._outputs],
            [known.get((id(node), 0)) for node in kept],
        )

    def _given(self, what: str, parse: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if args and kwargs:
            raise ValueRangeError(
                f"Can only specify known argument {what}s either by positional or kwargs way."
            )
        names = self.list_arguments()
        if len(args) > len(names):
            raise ArgumentError(
                op=f"infer_{what}",
                got=f"{len(args)} {what}s",
                expected=f"at most {len(names)}, one for each argument",
            )
        unknown = [name for name in kwargs if name not in names]
        if unknown:
            candidates = "\n".join(f"\t[{at}]{name}" for at, name in enumerate(names))
            raise ArgumentError(
                f"Keyword argument name {unknown[0]} not found.\nCandidate arguments:\n{candidates}",
                op=f"infer_{what}",
            )
        found = {name: parse(f"argument {at}", args[at]) for at, name in enumerate(names[: len(args)])}
        found.update((name, parse(repr(name), value)) for name, value in kwargs.items())
        return {name: value for name, value in found.items() if value is not None}

    # Texts.

    def tojson(self, remove_amp_cast: bool = True) -> str:
        """The graph as MXNet's JSON, which MXNet itself can load.

        Raises
        ------
        NotTranslatableError
            For a recorded op that MXNet has no operators for.
        """
        return _json.write(self._outputs)

    def save(self, fname: str, remove_amp_cast: bool = True) -> None:
        """Write :meth:`tojson` to a file."""
        Path(fname).write_text(self.tojson(), encoding="utf-8")

    def debug_str(self) -> str:
        """The graph as text for the eye."""
        lines = []
        if len(self._outputs) > 1 or not self._outputs[0].node.variable:
            lines.append("Symbol Outputs:")
            lines += [f"\toutput[{at}]={one.node.name}({one.output})" for at, one in enumerate(self._outputs)]
        for node in self._walk():
            lines += _described(node)
        return "\n".join(lines) + "\n"


def _described(node: Node) -> list[str]:
    if node.variable:
        return [f"Variable:{node.name}"]
    lines = ["--------------------", f"Op:{node.op}, Name={node.name}"]
    if node.inputs:
        lines.append("Inputs:")
    for at, entry in enumerate(node.inputs):
        version = f" version={entry.version}" if entry.node.variable else ""
        lines.append(f"\targ[{at}]={entry.node.name}({entry.output}){version}")
    if node.attrs:
        lines.append("Attrs:")
        lines += [f"\t{name}={value}" for name, value in sorted(node.attrs.items())]
    return lines


def _shape(argument: str, value: Any) -> Shape | None:
    if value is not None and not isinstance(value, tuple):
        raise UnsupportedTypeError(f"Arguments need to be shapes (tuple), but {argument} is {type(value)}.")
    return value


def _dtype(argument: str, value: Any) -> DType | None:
    return None if value is None else as_dtype(value)


def _warn(what: str, hint: str, names: list[str], told: Sequence[Any], found: Sequence[Any]) -> None:
    """Say which arguments are not known, as MXNet does."""
    unknown = [f"{name}: {one}" for name, one, fact in zip(names, told, found, strict=True) if fact is None]
    if len(unknown) > _LISTED:
        unknown[_LISTED:] = ["..."]
    listed = "\n\t".join(unknown)
    warnings.warn(
        f"Cannot decide {what} for the following arguments{hint}. "
        f"Consider providing them as input:\n\t{listed}",
        stacklevel=3,
    )


def _composed(op: str, inputs: Sequence[Symbol], attrs: Mapping[str, str]) -> Symbol:
    """An op on symbols of one output each."""
    for one in inputs:
        if len(one._outputs) != 1:
            raise ArgumentError(op=op, got=repr(one), expected="a symbol with one output")
    return Symbol([Entry(Node(op, next_name(op), attrs, [one._outputs[0] for one in inputs]))])


def load_json(json_str: str) -> Symbol:
    """The symbol in a text of MXNet's JSON.

    Its ops may be any of MXNet's; only inference needs those that remx has.

    Raises
    ------
    FileFormatError
        For a text that is not such JSON.
    """
    if not isinstance(json_str, str):
        raise UnsupportedTypeError(f"fname required to be string, not {type(json_str)}", op="load_json")
    return Symbol(_json.read(json_str))


_restored = load_json


def load(fname: str) -> Symbol:
    """The symbol in a file that :meth:`Symbol.save` wrote, here or in MXNet."""
    if not isinstance(fname, str):
        raise UnsupportedTypeError("fname need to be string", op="load")
    return load_json(Path(fname).read_text(encoding="utf-8"))
