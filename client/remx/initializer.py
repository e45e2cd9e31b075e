"""Initializers: how the first values of a model's parameters are made, on the server.

An initializer is called with a parameter's description and the array to fill. What it does depends on the
name's ending: weights get the initializer's own values, biases zeros, and so on, as in MXNet. Names,
arguments and shapes cross the wire, weights do not.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from math import prod, sqrt
from typing import Any, ClassVar, Final, TypeVar

from remx_contract.catalogue import OPS
from remx_contract.errors import PreconditionError, UnsupportedTypeError, ValueRangeError

from . import random
from ._dispatch import invoke
from .ndarray import NDArray

__all__ = [
    "Constant",
    "InitDesc",
    "Initializer",
    "MSRAPrelu",
    "Normal",
    "One",
    "Orthogonal",
    "Uniform",
    "Xavier",
    "Zero",
    "alias",
    "create",
    "register",
]


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

    A subclass defines ``_init_weight(name, arr)``; its ops on ``arr`` run on the server. Keyword arguments
    given to this constructor are what :meth:`dumps` writes and equality compares.
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
    # Further names that only the older call, with a plain text as name, knows.
    _LEGACY_ENDINGS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("moving_mean", "_init_zero"),
        ("moving_var", "_init_one"),
        ("moving_inv_var", "_init_zero"),
        ("moving_avg", "_init_zero"),
    )

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = kwargs
        self._verbose = False
        self._print_func: Callable[[NDArray], str] | None = None

    def set_verbosity(
        self, verbose: bool = False, print_func: Callable[[NDArray], str] | None = None
    ) -> Initializer:
        """Print what is initialized, with ``print_func`` of the array; by default its norm per element."""
        self._verbose = verbose
        self._print_func = print_func or (lambda arr: str((arr.norm() / sqrt(arr.size)).asscalar()))
        return self

    def dumps(self) -> str:
        """The initializer as JSON: its class's name in lower case, and its arguments."""
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._kwargs == other._kwargs  # type: ignore[attr-defined]

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
        if not isinstance(desc, str):
            raise UnsupportedTypeError(
                op=type(self).__name__, argument="desc", got=f"{type(desc)}", expected="an InitDesc"
            )
        if not isinstance(desc, InitDesc):
            warnings.warn(
                "calling an initializer with a plain text as name is deprecated; use InitDesc(name)",
                DeprecationWarning,
                stacklevel=2,
            )
            self._by_ending(desc, arr, self._LEGACY_ENDINGS + self._ENDINGS)
            return
        if desc.global_init is None:
            desc.global_init = self
        own = desc.attrs.get("__init__", "")
        if own:
            create(own)._init_weight(desc, arr)
            self._tell(desc, own, arr)
        else:
            self._by_ending(desc, arr, self._ENDINGS)

    def _by_ending(self, desc: str, arr: NDArray, endings: tuple[tuple[str, str], ...]) -> None:
        for ending, method in endings:
            if desc.endswith(ending):
                getattr(self, method)(desc, arr)
                self._tell(desc, ending, arr)
                return
        self._init_default(desc, arr)

    def _tell(self, desc: str, how: str, arr: NDArray) -> None:
        if self._verbose and self._print_func is not None:
            print(f"Initialized {desc} as {how}: {self._print_func(arr)}")

    def _init_weight(self, name: str, arr: NDArray) -> None:
        """Fill a weight; what subclasses define."""
        raise NotImplementedError(f"{type(self).__name__} must define _init_weight(name, arr)")

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


InitializerType = TypeVar("InitializerType", bound=type[Initializer])

_REGISTRY: Final[dict[str, type[Initializer]]] = {}


def register(klass: InitializerType) -> InitializerType:
    """Make an initializer known by its class's name, in lower case; a decorator."""
    _REGISTRY[klass.__name__.lower()] = klass
    return klass


def alias(*names: str) -> Callable[[InitializerType], InitializerType]:
    """Make an initializer known by further names; a decorator."""

    def decorate(klass: InitializerType) -> InitializerType:
        for name in names:
            _REGISTRY[name.lower()] = klass
        return klass

    return decorate


def create(initializer: str | Initializer, **kwargs: Any) -> Initializer:
    """An initializer from itself, its name with arguments, or the JSON that :meth:`Initializer.dumps` writes.

    Raises
    ------
    AssertionError
        For a name that nobody registered.
    """
    if isinstance(initializer, Initializer):
        return initializer
    text = initializer.strip()
    if text.startswith("["):
        name, arguments = json.loads(text)
        kwargs = arguments | kwargs
    elif text.startswith("{"):
        kwargs = json.loads(text) | kwargs
        name = kwargs.pop("initializer")
    else:
        name = text
    klass = _REGISTRY.get(str(name).lower())
    if klass is None:
        raise PreconditionError(
            f"{name} is not registered. Please register with initializer.register first",
            expected="one of " + ", ".join(sorted(_REGISTRY)),
        )
    return klass(**kwargs)


@alias("zeros")
@register
class Zero(Initializer):
    """Zeros."""

    def __init__(self) -> None:
        super().__init__()

    def _init_weight(self, name: str, arr: NDArray) -> None:
        arr[:] = 0


@alias("ones")
@register
class One(Initializer):
    """Ones."""

    def __init__(self) -> None:
        super().__init__()

    def _init_weight(self, name: str, arr: NDArray) -> None:
        arr[:] = 1


@register
class Constant(Initializer):
    """One value, or an array of values.

    Parameters
    ----------
    value : float, NDArray or numpy.ndarray
    """

    def __init__(self, value: Any) -> None:
        super().__init__(value=value)
        self.value = value

    def _init_weight(self, name: str, arr: NDArray) -> None:
        arr[:] = self.value

    def dumps(self) -> str:
        """The initializer as JSON, an array as a nested list."""
        value = self.value.tolist() if hasattr(self.value, "tolist") else self.value
        return json.dumps([type(self).__name__.lower(), {"value": value}])


@register
class Uniform(Initializer):
    """Numbers from the uniform distribution between ``-scale`` and ``scale``."""

    def __init__(self, scale: float = 0.07) -> None:
        super().__init__(scale=scale)
        self.scale = scale

    def _init_weight(self, name: str, arr: NDArray) -> None:
        random.uniform(-self.scale, self.scale, out=arr)


@register
class Normal(Initializer):
    """Numbers from the normal distribution of mean 0 and deviation ``sigma``."""

    def __init__(self, sigma: float = 0.01) -> None:
        super().__init__(sigma=sigma)
        self.sigma = sigma

    def _init_weight(self, name: str, arr: NDArray) -> None:
        random.normal(0, self.sigma, out=arr)


@register
class Orthogonal(Initializer):
    """Orthogonal rows or columns (Saxe and others, 2013).

    Parameters
    ----------
    scale : float
        The length of the rows or columns.
    rand_type : {"uniform", "normal"}
        The random matrix whose singular vectors they are.
    """

    def __init__(self, scale: float = 1.414, rand_type: str = "uniform") -> None:
        super().__init__(scale=scale, rand_type=rand_type)
        self.scale = scale
        self.rand_type = rand_type

    def _init_weight(self, name: str, arr: NDArray) -> None:
        given = {"shape": arr.shape, "scale": self.scale, "rand_type": self.rand_type, "dtype": arr.dtype}
        invoke(OPS["_init_orthogonal"], (), given, out=arr, context=arr.context)


@register
class Xavier(Initializer):
    """Numbers whose scale keeps that of activations and gradients alike (Glorot and Bengio, 2010).

    Parameters
    ----------
    rnd_type : {"uniform", "gaussian"}
    factor_type : {"avg", "in", "out"}
        Whether the number of inputs, of outputs, or their mean divides the magnitude.
    magnitude : float
    """

    def __init__(self, rnd_type: str = "uniform", factor_type: str = "avg", magnitude: float = 3) -> None:
        super().__init__(rnd_type=rnd_type, factor_type=factor_type, magnitude=magnitude)
        self.rnd_type = rnd_type
        self.factor_type = factor_type
        self.magnitude = float(magnitude)

    def _init_weight(self, name: str, arr: NDArray) -> None:
        shape = arr.shape
        if len(shape) < 2:
            raise ValueRangeError(
                f"Xavier initializer cannot be applied to vector {name}. It requires at least 2D."
            )
        area = float(prod(shape[2:]))
        fans = {"in": shape[1] * area, "out": shape[0] * area}
        fans["avg"] = (fans["in"] + fans["out"]) / 2.0
        if self.factor_type not in fans:
            raise _bad_choice("factor_type", self.factor_type, "'avg', 'in' or 'out'")
        scale = sqrt(self.magnitude / fans[self.factor_type])
        if self.rnd_type == "uniform":
            random.uniform(-scale, scale, out=arr)
        elif self.rnd_type == "gaussian":
            random.normal(0, scale, out=arr)
        else:
            raise _bad_choice("rnd_type", self.rnd_type, "'uniform' or 'gaussian'")


@register
class MSRAPrelu(Xavier):
    """Xavier's numbers for layers before a (parametric) ReLU (He and others, 2015).

    Parameters
    ----------
    factor_type : {"avg", "in", "out"}
    slope : float
        The ReLU's slope below zero.
    """

    def __init__(self, factor_type: str = "avg", slope: float = 0.25) -> None:
        super().__init__("gaussian", factor_type, 2.0 / (1 + slope**2))
        self._kwargs = {"factor_type": factor_type, "slope": slope}


def _bad_choice(argument: str, got: str, expected: str) -> ValueRangeError:
    return ValueRangeError(argument=argument, got=repr(got), expected=expected)
