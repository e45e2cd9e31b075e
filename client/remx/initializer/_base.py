"""What all initializers share: dispatch on a parameter's name, texts, and the registry of names."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any, ClassVar, Final, TypeVar

import numpy as np
from remx_contract.catalogue import OPS
from remx_contract.errors import (
    OutOfRangeError,
    PreconditionError,
    UnknownKeyError,
    UnsupportedTypeError,
    ValueRangeError,
)

from .. import random
from .._dispatch import invoke
from ..ndarray import NDArray

_BILINEAR_AXES: Final = 4


class InitDesc(str):
    """The description of a parameter: its name, with attributes.

    Parameters
    ----------
    name : str
    attrs : dict of str to str, optional
        ``attrs["__init__"]`` names an initializer of its own, as :meth:`Initializer.dumps` writes one.
    global_init : Initializer, optional
        For parameters whose own initializer is empty.
    """

    attrs: dict[str, str]
    global_init: Initializer | None

    def __new__(
        cls, name: str, attrs: dict[str, str] | None = None, global_init: Initializer | None = None
    ) -> InitDesc:
        made = super().__new__(cls, name)
        made.attrs = attrs or {}
        made.global_init = global_init
        return made


class Initializer:
    """The base of all initializers.

    A subclass defines ``_init_weight(name, arr)``; its ops on ``arr`` run on the server. It may define
    ``_init_bias``, ``_init_gamma``, ``_init_beta`` and ``_init_default`` too. Keyword arguments given to this
    constructor are what :meth:`dumps` writes and equality compares.
    """

    # By the ending of the name, in this order.
    _ENDINGS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("weight", "_init_weight"),
        ("bias", "_init_bias"),
        ("gamma", "_init_gamma"),
        ("beta", "_init_beta"),
        ("min", "_init_zero"),
        ("max", "_init_one"),
        ("weight_quantize", "_init_quantized_weight"),
        ("bias_quantize", "_init_quantized_bias"),
    )
    # By the beginning and the ending, for the older call with a plain text as name.
    _OLDER: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("upsampling", "", "_init_bilinear"),
        ("stn_loc", "weight", "_init_zero"),
        ("stn_loc", "bias", "_init_loc_bias"),
        ("", "bias", "_init_bias"),
        ("", "gamma", "_init_gamma"),
        ("", "beta", "_init_beta"),
        ("", "weight", "_init_weight"),
        ("", "moving_mean", "_init_zero"),
        ("", "moving_var", "_init_one"),
        ("", "moving_inv_var", "_init_zero"),
        ("", "moving_avg", "_init_zero"),
        ("", "min", "_init_zero"),
        ("", "max", "_init_one"),
    )

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = kwargs
        self._verbose = False
        self._print_func: Callable[[NDArray], str] | None = None

    def set_verbosity(
        self, verbose: bool = False, print_func: Callable[[NDArray], str] | None = None
    ) -> Initializer:
        """Log what is initialized, at level INFO of the root logger, as MXNet does.

        Parameters
        ----------
        verbose : bool
        print_func : callable, optional
            From the array to what is logged of it; by default its norm divided by the root of its size. It
            waits for the server if it reads a value, as the default does.
        """
        self._verbose = verbose
        self._print_func = print_func or _norm_per_element
        return self

    def dumps(self) -> str:
        """The initializer as JSON: its class's name in lower case, and its arguments.

        Examples
        --------
        >>> import remx as mx
        >>> mx.init.Normal(0.8).dumps()
        '["normal", {"sigma": 0.8}]'
        >>> mx.init.Xavier(factor_type="in", magnitude=2.45).dumps()
        '["xavier", {"rnd_type": "uniform", "factor_type": "in", "magnitude": 2.45}]'
        >>> mx.init.create(mx.init.Normal(0.8).dumps()) == mx.init.Normal(0.8)
        True
        """
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def _described(self) -> str:
        """What :func:`~remx.initializer.describe` tells of it: `dumps()`, or the name alone where the
        arguments are no JSON. Never reads a value."""
        try:
            return self.dumps()
        except (TypeError, ValueError):
            return json.dumps([type(self).__name__.lower()])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Initializer):
            return NotImplemented
        return type(self) is type(other) and self._kwargs == other._kwargs

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, desc: str, arr: NDArray) -> None:
        """Fill an array.

        Parameters
        ----------
        desc : InitDesc
            The parameter's name and attributes. A plain text is taken as in older code, with a
            DeprecationWarning.
        arr : NDArray

        Raises
        ------
        ValueError
            If the name ends in nothing known.
        """
        if not isinstance(desc, InitDesc):
            warnings.warn(
                "calling an initializer with a plain text as name is deprecated; use InitDesc(name)",
                DeprecationWarning,
                stacklevel=2,
            )
            self._older_call(desc, arr)
            return
        if not isinstance(arr, NDArray):
            raise UnsupportedTypeError(
                op=type(self).__name__, argument="arr", got=f"{type(arr)}", expected="an NDArray"
            )
        if desc.global_init is None:
            desc.global_init = self
        own = desc.attrs.get("__init__", "")
        if own:
            create(own)._init_weight(desc, arr)
            self._tell(desc, own, arr)
            return
        for ending, method in self._ENDINGS:
            if desc.endswith(ending):
                getattr(self, method)(desc, arr)
                self._tell(desc, ending, arr)
                return
        self._init_default(desc, arr)

    def _older_call(self, name: object, arr: object) -> None:
        for argument, value, kind in (("name", name, str), ("arr", arr, NDArray)):
            if not isinstance(value, kind):
                raise UnsupportedTypeError(
                    op=type(self).__name__,
                    argument=argument,
                    got=f"{type(value)}",
                    expected="an InitDesc" if kind is str else "an NDArray",
                )
        assert isinstance(name, str)
        for beginning, ending, method in self._OLDER:
            if name.startswith(beginning) and name.endswith(ending):
                getattr(self, method)(name, arr)
                return
        self._init_default(name, arr)  # type: ignore[arg-type]

    def _tell(self, desc: str, how: str, arr: NDArray) -> None:
        if self._verbose and self._print_func is not None:
            logging.info("Initialized %s as %s: %s", desc, how, self._print_func(arr))

    def _init_weight(self, name: str, arr: NDArray) -> None:
        """Fill a weight; what subclasses define."""
        raise NotImplementedError(f"{type(self).__name__} must define _init_weight(name, arr)")

    def _init_bilinear(self, name: str, arr: NDArray) -> None:
        """Weights of an upsampling by linear interpolation."""
        if arr.ndim < _BILINEAR_AXES:
            raise OutOfRangeError(
                op="Bilinear",
                argument=name,
                got=f"shape {arr.shape}",
                expected="at least 4 axes, the weight of a deconvolution",
            )
        given = {"shape": arr.shape, "dtype": arr.dtype}
        invoke(OPS["_init_bilinear"], (), given, out=arr, context=arr.context)

    def _init_loc_bias(self, name: str, arr: NDArray) -> None:
        """The identity as an affine transformation, where a spatial transformer starts."""
        if arr.shape[0] != 6:
            raise PreconditionError(
                op=type(self).__name__, argument=name, got=f"shape {arr.shape}", expected="6 numbers"
            )
        arr[:] = np.array([1.0, 0, 0, 0, 1.0, 0])

    def _init_zero(self, name: str, arr: NDArray) -> None:
        arr[:] = 0.0

    def _init_one(self, name: str, arr: NDArray) -> None:
        arr[:] = 1.0

    def _init_bias(self, name: str, arr: NDArray) -> None:
        arr[:] = 0.0

    def _init_gamma(self, name: str, arr: NDArray) -> None:
        arr[:] = 1.0

    def _init_beta(self, name: str, arr: NDArray) -> None:
        arr[:] = 0.0

    def _init_quantized_weight(self, name: str, arr: NDArray) -> None:
        # One number for all elements, as in MXNet.
        arr[:] = random.randint(-127, 127, (1,), "int32")

    def _init_quantized_bias(self, name: str, arr: NDArray) -> None:
        arr[:] = 0

    def _init_default(self, name: str, arr: NDArray) -> None:
        raise ValueRangeError(
            f"Unknown initialization pattern for {name}. A name ends in weight, bias, gamma or beta; "
            "InitDesc(name, attrs={'__init__': ...}) names an initializer for any other"
        )


def _norm_per_element(arr: NDArray) -> str:
    return str((arr.norm() / sqrt(arr.size)).asscalar())


InitializerType = TypeVar("InitializerType", bound=type[Initializer])

_REGISTRY: Final[dict[str, type[Initializer]]] = {}


def register(klass: InitializerType) -> InitializerType:
    """Make an initializer known by its class's name, in lower case; a decorator.

    Examples
    --------
    >>> import remx as mx
    >>> @mx.init.register
    ... @mx.init.alias("small")
    ... class Small(mx.init.Initializer):
    ...     def _init_weight(self, name, arr):
    ...         arr[:] = 0.001
    >>> mx.init.create("small").dumps()
    '["small", {}]'
    """
    return _enter(klass, klass.__name__)


def alias(*names: str) -> Callable[[InitializerType], InitializerType]:
    """Make an initializer known by further names; a decorator."""

    def decorate(klass: InitializerType) -> InitializerType:
        for name in names:
            _enter(klass, name)
        return klass

    return decorate


def _enter(klass: InitializerType, name: str) -> InitializerType:
    if not issubclass(klass, Initializer):
        raise PreconditionError(f"Can only register subclass of Initializer, not {klass}")
    known = _REGISTRY.get(name.lower())
    if known is not None and known is not klass:
        warnings.warn(
            f"the initializer {klass.__module__}.{klass.__name__} takes the name {name.lower()} from "
            f"{known.__module__}.{known.__name__}",
            UserWarning,
            stacklevel=3,
        )
    _REGISTRY[name.lower()] = klass
    return klass


def create(*args: Any, **kwargs: Any) -> Initializer:
    """An initializer from itself, its name with arguments, or the JSON that :meth:`Initializer.dumps` writes.

    ``create(initializer, *args, **kwargs)``, with the first argument by position or by name.

    Parameters
    ----------
    initializer : Initializer, str or dict
        A name in any case, ``'["name", {arguments}]'``, ``'{"initializer": "name", ...arguments}'``, or such
        a dict.

    Raises
    ------
    AssertionError
        For a name that nobody registered, or arguments where they mean nothing.
    """
    if not args and "initializer" not in kwargs:
        raise UnknownKeyError(op="create", argument="initializer", got="no name", expected="an initializer's")
    initializer = args[0] if args else kwargs.pop("initializer")
    rest = args[1:]
    if isinstance(initializer, Initializer):
        _refuse_arguments(initializer, rest, kwargs)
        return initializer
    if isinstance(initializer, Mapping):
        return create(**initializer)
    if not isinstance(initializer, str):
        raise PreconditionError(
            "initializer must be of string type", op="create", got=f"{type(initializer)}", expected="a name"
        )
    if initializer[:1] in ("[", "{"):
        _refuse_arguments(initializer, rest, kwargs)
        name, kwargs = _parsed(initializer)
        return create(name, **kwargs)
    klass = _REGISTRY.get(initializer.lower())
    if klass is None:
        raise PreconditionError(
            f"{initializer} is not registered. Please register with initializer.register first",
            expected="one of " + ", ".join(sorted(_REGISTRY)),
        )
    return klass(*rest, **kwargs)


def _refuse_arguments(given: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if args or kwargs:
        raise PreconditionError(
            f"{given!r} has its arguments already", op="create", got=f"{[*args, *kwargs]} beside it"
        )


def _parsed(text: str) -> tuple[Any, dict[str, Any]]:
    """Name and arguments of an initializer's JSON."""
    try:
        found = json.loads(text)
        if isinstance(found, dict):
            return found.pop("initializer"), found
        name, arguments = found
    except KeyError:
        raise UnknownKeyError(op="create", got=text, expected='a name under "initializer"') from None
    except ValueError as error:
        raise ValueRangeError(
            f"not an initializer's JSON: {error}", op="create", got=text, expected='["name", {arguments}]'
        ) from None
    if not isinstance(arguments, dict):
        raise UnsupportedTypeError(op="create", got=text, expected='["name", {arguments}]')
    return name, arguments
