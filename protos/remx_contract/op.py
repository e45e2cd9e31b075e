"""Op: one row of the catalogue, all that both sides know about an operator."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .attributes import FLOAT, INT, AttrType, AttrValue
from .dtypes import DType
from .errors import ArgumentError, DTypeError
from .spec import Shape


class Attrs(dict[str, AttrValue]):
    """An op's attributes in canonical form, every one present; ``attrs.axis`` is ``attrs["axis"]``."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Grad(enum.Enum):
    """What a row says about its gradient."""

    RULES = "rules"
    """The kernel has rules for its differentiable inputs."""
    ZERO = "zero"
    """Piecewise constant: gradients are zero and the graph ends here."""
    NONE = "none"
    """A gradient through it is an error that names the op."""


RULES: Final = Grad.RULES
ZERO: Final = Grad.ZERO
NONE: Final = Grad.NONE

REQUIRED: Final = object()
"""The default of an attribute that has none."""

ShapeRule = Callable[[Sequence[Shape], Attrs], Sequence[Shape]]
"""Input shapes and attributes -> the shapes of all outputs; raises ShapeError."""
DTypeRule = Callable[[Sequence[DType], Attrs], Sequence[DType]]
"""Input dtypes and attributes -> the dtypes of all outputs; raises DTypeError."""


@dataclass(frozen=True)
class Attr:
    """One attribute of an op.

    Attributes
    ----------
    name : str
    type : AttrType
    default : canonical value, or REQUIRED
    per_call : bool
        The value travels with each invoke instead of being part of the interned spec; for values that change
        from call to call (a learning rate, an offset). INT or FLOAT only, and shape and dtype rules do not
        see it.
    """

    name: str
    type: AttrType
    default: AttrValue = REQUIRED
    per_call: bool = False

    def __post_init__(self) -> None:
        if self.per_call and self.type not in (INT, FLOAT):
            raise ValueError(f"{self.name}: a per-call attribute is an INT or a FLOAT")

    def parse(self, op: str, value: object) -> AttrValue:
        """The canonical form of a user's value; ArgumentError where the type refuses it."""
        try:
            return self.type.parse(value)
        except DTypeError as error:
            raise error.named(op) from None
        except (ValueError, TypeError, OverflowError):
            raise ArgumentError(op=op, argument=self.name, got=repr(value), expected=self.type.name) from None


@dataclass(frozen=True, eq=False)
class Op:
    """One operator: its name, signature, shape and dtype rule, and what its gradient is.

    Attributes
    ----------
    name : str
        MXNet's canonical name.
    inputs : tuple of str
        Input names in order; ``("*data",)`` for a variadic op.
    attrs : tuple of Attr
    shape, dtype : rules
        See :data:`ShapeRule` and :data:`DTypeRule`.
    grad : Grad
    doc : str
        The op's prose, the only place where it is written.
    aliases : tuple of str
        MXNet's other names for it.
    arity : callable, optional
        How many of the inputs are used with given attributes, where some are optional (``no_bias``).
    outputs : int or callable
        How many outputs the user sees, as a number or from the attributes.
    hidden : int or callable
        Further outputs that only the gradient rules see (a dropout mask), as a number or from the attributes.
    mutates : tuple of int or callable
        Inputs that the kernel writes in place, by their positions or from how many inputs there are. Such an
        op may have no outputs.
    view : bool
        The output shares the first input's memory.
    random : bool
        The kernel draws from the session's random state of the calling thread.
    broadcast : bool
        Gradients are summed back to the input shapes by the tape.
    """

    name: str
    inputs: tuple[str, ...]
    shape: ShapeRule
    dtype: DTypeRule
    grad: Grad
    doc: str
    attrs: tuple[Attr, ...] = ()
    aliases: tuple[str, ...] = ()
    arity: Callable[[Attrs], int] | None = None
    outputs: int | Callable[[Attrs], int] = 1
    hidden: int | Callable[[Attrs], int] = 0
    mutates: tuple[int, ...] | Callable[[int], tuple[int, ...]] = ()
    view: bool = False
    random: bool = False
    broadcast: bool = False
    attr_of: Mapping[str, Attr] = field(init=False)
    static: tuple[Attr, ...] = field(init=False)
    per_call: tuple[Attr, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "attr_of", {attr.name: attr for attr in self.attrs})
        object.__setattr__(self, "static", tuple(attr for attr in self.attrs if not attr.per_call))
        object.__setattr__(self, "per_call", tuple(attr for attr in self.attrs if attr.per_call))

    def __repr__(self) -> str:
        return f"Op({self.name!r})"

    @property
    def variadic(self) -> bool:
        """Whether it takes any number of inputs."""
        return len(self.inputs) == 1 and self.inputs[0].startswith("*")

    def parse(self, given: Mapping[str, object]) -> Attrs:
        """The attributes in canonical form, defaults filled in, per-call ones included.

        Raises
        ------
        ArgumentError
            For a name the op does not have, a value it cannot take, or a required attribute left out.
        """
        return self._parse(given, self.attrs)

    def parse_static(self, given: Mapping[str, object]) -> Attrs:
        """Like :meth:`parse`, for the attributes that make up a spec: all but the per-call ones."""
        return self._parse(given, self.static)

    def _parse(self, given: Mapping[str, object], known: tuple[Attr, ...]) -> Attrs:
        attrs = Attrs()
        names = {attr.name for attr in known}
        for name in given:
            if name not in names:
                raise ArgumentError(
                    op=self.name, argument=name, got="an unknown name", expected=self._names_text()
                )
        for attr in known:
            if attr.name in given:
                attrs[attr.name] = attr.parse(self.name, given[attr.name])
            elif attr.default is REQUIRED:
                raise ArgumentError(
                    op=self.name, argument=attr.name, expected=f"{attr.type.name}; it is required"
                )
            else:
                attrs[attr.name] = attr.default
        return attrs

    def changed(self, attrs: Mapping[str, AttrValue]) -> dict[str, AttrValue]:
        """Those of a spec's attributes that are not at their default."""
        return {
            attr.name: attrs[attr.name]
            for attr in self.static
            if attrs[attr.name] != attr.default or attrs[attr.name].__class__ is not attr.default.__class__
        }

    def _names_text(self) -> str:
        return "one of " + ", ".join(self.attr_of) if self.attrs else "no attributes"

    def input_count(self, attrs: Attrs) -> int:
        """How many inputs it takes with these attributes; -1 for any number above zero."""
        if self.variadic:
            return -1
        return self.arity(attrs) if self.arity is not None else len(self.inputs)

    def input_name(self, index: int) -> str:
        """The name of input ``index``, for messages."""
        return f"{self.inputs[0][1:]}[{index}]" if self.variadic else self.inputs[index]

    def output_count(self, attrs: Attrs) -> int:
        """How many outputs the user sees."""
        return self.outputs if isinstance(self.outputs, int) else self.outputs(attrs)

    def hidden_count(self, attrs: Attrs) -> int:
        """How many further outputs there are."""
        return self.hidden if isinstance(self.hidden, int) else self.hidden(attrs)

    def mutated(self, count: int) -> tuple[int, ...]:
        """The positions of those of ``count`` inputs that the kernel writes in place."""
        return self.mutates if isinstance(self.mutates, tuple) else self.mutates(count)
