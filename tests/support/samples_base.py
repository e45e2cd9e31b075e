"""The vocabulary of the op samples: what an input array, a sample and a refusal are.

Nothing here imports remx or MXNet, so the same samples drive the project's suites and the real MXNet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

FLOATS = frozenset({"float16", "float32", "float64"})

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Input:
    """One input array of a sample, as a recipe.

    Parameters
    ----------
    shape
        Shape of the array.
    dtype
        MXNet's name of the element type.
    low, high
        Bounds of the values: half-open for ``integers``, and for ``away`` first rounded to halves.
    kind
        ``uniform``; ``integers`` (as any dtype); ``values`` (those given); ``distinct`` (evenly spaced and
        shuffled); ``away`` (at least 0.1 from every multiple of one half, where kinks and jumps lie);
        ``regular``, ``definite`` and ``spaced`` (square matrices: far from singular, symmetric and positive
        definite, symmetric with eigenvalues far apart).
    values
        The numbers of an array of kind ``values``, in C order.
    variable
        Whether a gradient is taken with respect to this input; no for indices, lengths and conditions.
    """

    shape: Shape
    dtype: str = "float32"
    low: float = -2.0
    high: float = 2.0
    kind: str = "uniform"
    values: tuple[float, ...] | None = None
    variable: bool = True

    @property
    def differentiable(self) -> bool:
        """Whether this input is a variable of floating-point numbers."""
        return self.variable and self.dtype in FLOATS

    def make(self, random: np.random.RandomState) -> np.ndarray:
        """Draw the array.

        Parameters
        ----------
        random
            Source of the numbers; its methods used here give the same numbers in every NumPy version.

        Returns
        -------
        numpy.ndarray
            C-contiguous array of the input's shape and dtype.

        Raises
        ------
        ValueError
            For a kind that does not exist, or ``values`` without values.
        """
        size = int(np.prod(self.shape, dtype=np.int64))
        if self.kind == "uniform":
            flat = random.uniform(self.low, self.high, size)
        elif self.kind == "integers":
            flat = random.randint(int(self.low), int(self.high), size, dtype=np.int64)
        elif self.kind == "distinct":
            flat = random.permutation(np.linspace(self.low, self.high, size))
        elif self.kind == "away":
            halves = random.randint(int(2 * self.low), int(2 * self.high), size, dtype=np.int64)
            flat = halves / 2 + random.uniform(0.1, 0.4, size)
        elif self.kind in _MATRICES:
            flat = _MATRICES[self.kind](random.uniform(-1, 1, self.shape))
        elif self.kind == "values" and self.values is not None:
            flat = np.array(self.values)
        else:
            raise ValueError(f"no recipe for an input of kind {self.kind!r}")
        return np.ascontiguousarray(flat.reshape(self.shape).astype(self.dtype))


def _regular(matrices: np.ndarray) -> np.ndarray:
    size = matrices.shape[-1]
    signs = np.where(np.arange(size) % 3 == 1, -1.0, 1.0)
    return matrices / np.sqrt(size) + 2 * np.diag(signs)


def _definite(matrices: np.ndarray) -> np.ndarray:
    size = matrices.shape[-1]
    return matrices @ np.swapaxes(matrices, -1, -2) / size + np.eye(size)


def _spaced(matrices: np.ndarray) -> np.ndarray:
    size = matrices.shape[-1]
    return (matrices + np.swapaxes(matrices, -1, -2)) / (2 * size) + np.diag(np.arange(size) - 1.25)


_MATRICES = {"regular": _regular, "definite": _definite, "spaced": _spaced}


@dataclass(frozen=True)
class Sample:
    """One call of an op.

    Parameters
    ----------
    inputs
        The op's arrays, in its order. How many a variadic op takes is their count, never an attribute.
    attrs
        Attributes as a caller writes them in Python.
    grad
        Whether the golden vectors hold gradients to compare.
    smooth
        Whether central differences around the inputs approximate the gradient: no kink, jump or tie is near,
        and the op's gradient is the true derivative.
    training
        Whether it is called in training mode. MXNet's gradients are always of calls in that mode, so that an
        op that tells the modes apart has samples with ``grad`` in that mode only.
    """

    inputs: tuple[Input, ...]
    attrs: Mapping[str, object] = field(default_factory=dict)
    grad: bool = True
    smooth: bool = True
    training: bool = False


@dataclass(frozen=True)
class Refusal:
    """One call that MXNet refuses: at once, or when its result is read.

    Parameters
    ----------
    op
        Canonical name.
    inputs
        The arrays it is called with.
    attrs
        Attributes as a caller writes them in Python.
    error
        Name of the exception class.
    """

    op: str
    inputs: tuple[Input, ...]
    attrs: Mapping[str, object] = field(default_factory=dict)
    error: str = "MXNetError"


Table = dict[str, tuple[Sample, ...]]


def sample(
    *inputs: Input, grad: bool = True, smooth: bool | None = None, training: bool = False, **attrs: object
) -> Sample:
    """Make a sample: neither with a gradient nor smooth without a floating-point variable.

    ``smooth`` is what ``grad`` is unless given: ``grad=False, smooth=True`` is for gradients that exist and
    that MXNet cannot compute.
    """
    variable = any(given.differentiable for given in inputs)
    return Sample(
        inputs, attrs, grad and variable, (grad if smooth is None else smooth) and variable, training
    )


def refusal(op: str, *inputs: Input, error: str = "MXNetError", **attrs: object) -> Refusal:
    """Make a refusal."""
    return Refusal(op, inputs, attrs, error)


def x(*shape: int, low: float = -2.0, high: float = 2.0, dtype: str = "float32") -> Input:
    """Uniform numbers."""
    return Input(shape, dtype, low, high)


def away(*shape: int, low: float = -2.0, high: float = 2.0, dtype: str = "float32") -> Input:
    """Numbers away from every multiple of one half."""
    return Input(shape, dtype, low, high, "away")


def distinct(*shape: int, low: float = -2.0, high: float = 2.0, dtype: str = "float32") -> Input:
    """Shuffled numbers of which no two are near each other."""
    return Input(shape, dtype, low, high, "distinct")


def ints(*shape: int, low: int = -4, high: int = 5, dtype: str = "int32") -> Input:
    """Whole numbers from ``low`` up to but excluding ``high``; of a floating-point dtype they give ties."""
    return Input(shape, dtype, low, high, "integers")


def bools(*shape: int) -> Input:
    """Truth values."""
    return Input(shape, "bool", 0, 2, "integers")


def index(*shape: int, high: int, low: int = 0, dtype: str = "int32") -> Input:
    """Whole numbers used as positions or lengths: never a variable."""
    return Input(shape, dtype, low, high, "integers", None, False)


def values(*numbers: float, shape: Shape | None = None, dtype: str = "float32") -> Input:
    """Given numbers, by default as a vector."""
    return Input((len(numbers),) if shape is None else shape, dtype, kind="values", values=numbers)


def fixed(given: Input) -> Input:
    """The same array, never a variable: what an op keeps its state in."""
    return replace(given, variable=False)


def positions(*numbers: float, shape: Shape | None = None, dtype: str = "int32") -> Input:
    """Given positions, lengths or conditions: never a variable."""
    return replace(values(*numbers, shape=shape, dtype=dtype), variable=False)


def regular(*shape: int, dtype: str = "float32") -> Input:
    """Square matrices, and triangles, that are far from singular."""
    return Input(shape, dtype, kind="regular")


def definite(*shape: int, dtype: str = "float32") -> Input:
    """Symmetric positive definite matrices."""
    return Input(shape, dtype, kind="definite")


def spaced(*shape: int, dtype: str = "float32") -> Input:
    """Symmetric matrices whose eigenvalues are far apart."""
    return Input(shape, dtype, kind="spaced")
