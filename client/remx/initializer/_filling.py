"""Filling all parameters of a model at once, and telling afterwards how that was done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Final

from remx_contract.errors import (
    DTypeError,
    FileFormatError,
    ShapeError,
    UnsupportedTypeError,
    ValueRangeError,
)
from remx_contract.v1 import stream_pb2

from .. import _creation, _dispatch
from .._state import STATE
from ..context import Context
from ..ndarray import NDArray
from ._base import InitDesc, Initializer, create
from ._containers import Filler, Load, Mixed

ASKED_AT_A_TIME: Final = 256
"""How many fillings one reply holds: some kilobytes each, where a message has its bounds."""
_LOAD: Final = "load"


@dataclass(frozen=True)
class Position:
    """How far a random state had come since it was seeded.

    Attributes
    ----------
    seed : int
        What :func:`remx.random.seed` got; 0 if it was not called.
    for_context : bool
        Whether it got a context.
    parallel : tuple of int
        How many 32-bit words each of the 1,024 parallel generators had given; those at the end that had given
        none are left out.
    single : int
        How many words the single generator had given, which serves ``shuffle`` and ``multinomial``.
    """

    seed: int
    for_context: bool
    parallel: tuple[int, ...]
    single: int

    @property
    def words(self) -> int:
        """The words of all generators."""
        return sum(self.parallel) + self.single

    def __str__(self) -> str:
        return f"seed {self.seed} + {self.words:,} words"

    def __repr__(self) -> str:
        return f"<Position {self}>"


_START: Final = Position(0, False, (), 0)


@dataclass(frozen=True)
class Filling:
    """How one parameter was filled.

    Attributes
    ----------
    name : str
        The name it had.
    initializer : str
        The JSON of the initializer; without arguments, ``'["load"]'`` say, where they are values that
        stay out of descriptions.
    own : str
        The JSON or name of the parameter's own initializer; empty for none.
    shape : tuple of int
    dtype : str
    position : Position or None
        Where the random state was; None for a generator that has no positions.
    """

    name: str
    initializer: str
    own: str
    shape: tuple[int, ...]
    dtype: str
    position: Position | None


class Description(dict[str, Filling]):
    """How parameters were filled, by their names. Printed, it is a table."""

    def dumps(self) -> str:
        """The description as JSON, to be kept beside what a run gives."""
        return json.dumps({name: asdict(filling) for name, filling in self.items()})

    @classmethod
    def loads(cls, text: str) -> Description:
        """The description that :meth:`dumps` wrote.

        Raises
        ------
        FileFormatError
            If the text is no description.
        """
        try:
            return cls({name: _filling_of(fields) for name, fields in json.loads(text).items()})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise FileFormatError(f"not a description of parameters: {error}") from None

    def __str__(self) -> str:
        rows = [("parameter", "shape", "initializer", "random state")]
        rows += [
            (name, "x".join(map(str, one.shape)), one.own or one.initializer, str(one.position or "unknown"))
            for name, one in self.items()
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        return "\n".join(
            "  ".join((*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[3]))
            for row in rows
        )


def _filling_of(fields: dict[str, Any]) -> Filling:
    place = fields.pop("position")
    position = place and Position(
        int(place["seed"]),
        bool(place["for_context"]),
        tuple(map(int, place["parallel"])),
        int(place["single"]),
    )
    shape = tuple(map(int, fields.pop("shape")))
    return Filling(**{name: str(value) for name, value in fields.items()}, shape=shape, position=position)


def fill(params: Mapping[str, NDArray], initializer: Filler | str) -> None:
    """Fill the parameters of a model: ``initializer(InitDesc(name), array)`` for each, in one message.

    Nothing waits, unless an initializer of your own reads a value. The server notes how each was filled, see
    :func:`describe`. If a parameter is refused, those before it have been filled.

    Parameters
    ----------
    params : dict of str to NDArray
        A name may be an :class:`InitDesc`, with attributes.
    initializer : Initializer, Mixed, Load, or str
        Or the name or JSON of one.

    Examples
    --------
    >>> import remx as mx
    >>> mx.random.seed(7)
    >>> params = {"fc_weight": mx.nd.empty((512, 512)), "fc_bias": mx.nd.empty((512,))}
    >>> mx.init.fill(params, mx.init.Uniform(0.1))
    >>> print(mx.init.describe(params))
    parameter  shape    initializer                  random state
    fc_weight  512x512  ["uniform", {"scale": 0.1}]  seed 7 + 0 words
    fc_bias    512      ["uniform", {"scale": 0.1}]  seed 7 + 262,144 words
    """
    chosen = create(initializer) if isinstance(initializer, str) else initializer
    if not callable(chosen):
        raise UnsupportedTypeError(
            op="fill", argument="initializer", got=f"{type(chosen)}", expected="an initializer"
        )
    _check(params, "fill")
    with _one_batch(params):
        for name, array in params.items():
            desc = name if isinstance(name, InitDesc) else InitDesc(name)
            _note(array, desc, _described(chosen, desc))
            chosen(desc, array)


def describe(params: Mapping[str, NDArray]) -> Description:
    """How each of these parameters was last filled by :func:`fill`. Waits for the server.

    Parameters
    ----------
    params : dict of str to NDArray

    Raises
    ------
    ValueError
        If one was not filled so.
    """
    _check(params, "describe")
    found = Description()
    if not params:
        return found
    session = next(iter(params.values()))._session
    handles = [array._handle for array in params.values()]
    parts = [handles[first : first + ASKED_AT_A_TIME] for first in range(0, len(handles), ASKED_AT_A_TIME)]
    replies = session.ask(*(_describing(part) for part in parts))
    answers = [answer for reply in replies for answer in reply.fillings.fillings]
    for (name, array), answer in zip(params.items(), answers, strict=True):
        if not answer.known:
            raise ValueRangeError(
                f"{name} was not filled by mx.init.fill, so that nothing is known of it", op="describe"
            )
        place = answer.position
        position = (
            Position(place.seed, place.for_context, tuple(place.parallel), place.single)
            if answer.HasField("position")
            else None
        )
        found[str(name)] = Filling(
            answer.name, answer.initializer, answer.own, array.shape, array._spec.dtype.name, position
        )
    return found


def refill(
    description: Mapping[str, Filling],
    params: Mapping[str, NDArray] | None = None,
    ctx: Context | None = None,
) -> dict[str, NDArray]:
    """Fill parameters again as a description says, with the same values. Nothing waits.

    The random state goes to where it was before each parameter was filled, as by
    :func:`remx.random.seed`, and is in the end where it was behind the last one: what a program draws then is
    what it drew after the first fill.

    Parameters
    ----------
    description : Description
    params : dict of str to NDArray, optional
        The arrays to fill, by the names in the description; new ones by default.
    ctx : Context, optional
        Where new arrays go.

    Returns
    -------
    dict of str to NDArray

    Raises
    ------
    ValueError
        If a parameter was filled with values that a description does not hold, those of a dict or array, or
        from a generator that has no positions.
    """
    if params is None:
        params = {
            name: _creation.empty(filling.shape, ctx, filling.dtype) for name, filling in description.items()
        }
    _check(params, "refill")
    for name, filling in description.items():
        _check_fits(name, filling, params)
    makers = {name: _again(name, filling) for name, filling in description.items()}
    with _one_batch(params):
        for name in _forwards(description):
            filling = description[name]
            desc = InitDesc(filling.name, {"__init__": filling.own} if filling.own else None)
            _note(params[name], desc, filling.initializer, filling.position)
            makers[name](desc, params[name])
    return {name: params[name] for name in description}


@contextmanager
def _one_batch(params: Mapping[str, NDArray]) -> Iterator[None]:
    """Send what is issued inside in one message."""
    array = next(iter(params.values()), None)
    with nullcontext() if array is None else array._session.one_batch():
        yield


def _check(params: Mapping[str, NDArray], op: str) -> None:
    for name, array in params.items():
        if not isinstance(name, str) or not isinstance(array, NDArray):
            raise UnsupportedTypeError(
                op=op, argument="params", got=f"{type(name)}: {type(array)}", expected="names and NDArrays"
            )
    arrays = list(params.values())
    if arrays:
        _dispatch._check_session(arrays, arrays[0]._session)


def _check_fits(name: str, filling: Filling, params: Mapping[str, NDArray]) -> None:
    array = params.get(name)
    if array is None:
        raise ValueRangeError(f"there is no {name} among them", op="refill", argument="params")
    if array.shape != filling.shape:
        raise ShapeError(op="refill", argument=name, got=f"shape {array.shape}", expected=f"{filling.shape}")
    if array._spec.dtype.name != filling.dtype:
        raise DTypeError(
            op="refill", argument=name, got=array._spec.dtype.name, expected=f"{filling.dtype}, as described"
        )


def _forwards(description: Mapping[str, Filling]) -> list[str]:
    """The names in an order that goes no way twice: by seed, and by how far the random state had come."""
    places = {name: filling.position or _START for name, filling in description.items()}
    seeds = list(dict.fromkeys((place.seed, place.for_context) for place in places.values()))
    return sorted(
        places,
        key=lambda name: (seeds.index((places[name].seed, places[name].for_context)), places[name].words),
    )


def _note(array: NDArray, desc: InitDesc, initializer: str, start: Position | None = None) -> None:
    """Tell the server how an array is about to be filled, and where the random state goes before."""
    message = stream_pb2.Fill(
        thread=STATE.random_stream,
        handle=array._handle,
        name=desc,
        initializer=initializer,
        own=desc.attrs.get("__init__", ""),
    )
    if start is not None:
        message.start.CopyFrom(stream_pb2.Position(**asdict(start)))
    array._session.command(stream_pb2.Command(fill=message))


def _describing(handles: Sequence[int]) -> Callable[[int], stream_pb2.Command]:
    return lambda number: stream_pb2.Command(describe=stream_pb2.Describe(request=number, handles=handles))


def _described(filler: Filler, desc: InitDesc) -> str:
    """The JSON of the initializer that fills a parameter in the end."""
    while isinstance(filler, (Mixed, Load)):
        chosen = filler.choose(desc)
        if chosen is filler:
            break
        filler = chosen
    if isinstance(filler, Initializer) and desc.attrs.get("__init__") and desc.global_init is not None:
        filler = desc.global_init
    describing: Callable[[], str] | None = getattr(filler, "_described", None)
    return describing() if describing else json.dumps([getattr(filler, "__name__", type(filler).__name__)])


def _again(name: str, filling: Filling) -> Filler:
    """The initializer that a description names."""
    if filling.position is None:
        raise ValueRangeError(
            f"{name} was filled from a generator that has no positions; only mx.random.seed(seed) starts one "
            "that has",
            op="refill",
        )
    kind = json.loads(filling.initializer)
    if len(kind) < 2:
        raise ValueRangeError(
            f"{name} was filled by {kind[0]} with values that the description does not hold; fill it "
            "yourself, and refill the others",
            op="refill",
        )
    return Load(kind[1]["param"]) if kind[0] == _LOAD else create(filling.initializer)
