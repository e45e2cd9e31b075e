"""The initializers that make values of their own."""

from __future__ import annotations

import json
from math import copysign, prod, sqrt
from typing import Any, Final

import numpy as np
from remx_contract.catalogue import OPS
from remx_contract.errors import PreconditionError, UnsupportedTypeError, ValueRangeError

from .. import random
from .._dispatch import invoke
from ..ndarray import NDArray
from ._base import Initializer, alias, register
from ._single import as_single

_DESCRIBED_ELEMENTS: Final = 64
"""Arrays of more elements are left out of descriptions, so that no weights cross the wire."""
_NUMBERS: Final = (int, float, np.generic)


def _fill_uniform(arr: NDArray, scale: float, op: str, argument: str, given: float) -> None:
    if scale < 0:
        raise ValueRangeError(op=op, argument=argument, got=str(given), expected="0 or more")
    single = as_single(scale)
    random.uniform(-single, single, out=arr)


def _fill_normal(arr: NDArray, scale: float, op: str, argument: str, given: float) -> None:
    if scale <= 0:
        raise ValueRangeError(op=op, argument=argument, got=str(given), expected="more than 0")
    random.normal(0, as_single(scale), out=arr)


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
    value : float, NDArray, numpy.ndarray or list
        An array broadcasts to the parameter's shape.
    """

    def __init__(self, value: Any) -> None:
        super().__init__(value=value)
        self.value = value

    def _init_weight(self, name: str, arr: NDArray) -> None:
        arr[:] = self.value

    def dumps(self) -> str:
        """The initializer as JSON, an array as a nested list. An NDArray is read for it."""
        value = self.value.tolist() if hasattr(self.value, "tolist") else self.value
        return json.dumps([type(self).__name__.lower(), {"value": value}])

    def _described(self) -> str:
        if isinstance(self.value, NDArray) or np.size(self.value) > _DESCRIBED_ELEMENTS:
            return json.dumps([type(self).__name__.lower()])
        return super()._described()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Constant) or type(self) is not type(other):
            return super().__eq__(other)
        return bool(np.array_equal(_host(self.value), _host(other.value)))

    __hash__ = None


def _host(value: Any) -> Any:
    return value.asnumpy() if isinstance(value, NDArray) else value


@register
class Uniform(Initializer):
    """Numbers from the uniform distribution between ``-scale`` and ``scale``."""

    def __init__(self, scale: float = 0.07) -> None:
        super().__init__(scale=scale)
        self.scale = scale

    def _init_weight(self, name: str, arr: NDArray) -> None:
        if not isinstance(self.scale, _NUMBERS):
            raise UnsupportedTypeError(
                op="Uniform", argument="scale", got=repr(self.scale), expected="a number"
            )
        _fill_uniform(arr, self.scale, "Uniform", "scale", self.scale)


@register
class Normal(Initializer):
    """Numbers from the normal distribution of mean 0 and deviation ``sigma``."""

    def __init__(self, sigma: float = 0.01) -> None:
        super().__init__(sigma=sigma)
        self.sigma = sigma

    def _init_weight(self, name: str, arr: NDArray) -> None:
        if not isinstance(self.sigma, _NUMBERS):
            raise PreconditionError(op="Normal", argument="sigma", got=repr(self.sigma), expected="a number")
        _fill_normal(arr, self.sigma, "Normal", "sigma", self.sigma)


@register
class Orthogonal(Initializer):
    """Orthogonal rows or columns (Saxe and others, 2013).

    They are singular vectors of a random matrix, and MXNet's but for their signs, which are those of the
    LAPACK that its NumPy was built with. Here the largest element of each vector, by magnitude, is positive.

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
                f"Xavier initializer cannot be applied to vector {name}. It requires at least 2D. "
                "A vector's own initializer can be named in InitDesc(name, attrs={'__init__': ...})",
                got=f"shape {shape}",
            )
        area = float(prod(shape[2:]))
        fans = {"in": shape[1] * area, "out": shape[0] * area}
        fans["avg"] = (fans["in"] + fans["out"]) / 2.0
        if self.factor_type not in fans:
            raise _bad_choice("factor_type", self.factor_type, "'avg', 'in' or 'out'")
        square = self.magnitude / fans[self.factor_type]
        scale = copysign(sqrt(abs(square)), square)
        if self.rnd_type == "uniform":
            _fill_uniform(arr, scale, "Xavier", "magnitude", self.magnitude)
        elif self.rnd_type == "gaussian":
            _fill_normal(arr, scale, "Xavier", "magnitude", self.magnitude)
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


@register
class Bilinear(Initializer):
    """Weights of a deconvolution that upsamples by linear interpolation; for arrays of four axes."""

    def __init__(self) -> None:
        super().__init__()

    def _init_weight(self, name: str, arr: NDArray) -> None:
        self._init_bilinear(name, arr)


@register
class LSTMBias(Initializer):
    """Zeros, but for the bias of the forget gate, the second quarter of an LSTM cell's bias.

    Since it acts as weights do, it is named as a parameter's own initializer, in
    ``InitDesc(name, attrs={"__init__": LSTMBias().dumps()})``.

    Parameters
    ----------
    forget_bias : float
        A positive one lets the cell remember from the start (Jozefowicz and others, 2015).
    """

    def __init__(self, forget_bias: float = 1.0) -> None:
        super().__init__(forget_bias=forget_bias)
        self.forget_bias = forget_bias

    def _init_weight(self, name: str, arr: NDArray) -> None:
        arr[:] = 0.0
        hidden = arr.shape[0] // 4
        if hidden:
            arr[hidden : 2 * hidden] = self.forget_bias


def _bad_choice(argument: str, got: str, expected: str) -> ValueRangeError:
    return ValueRangeError(argument=argument, got=repr(got), expected=expected)
