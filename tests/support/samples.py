"""The one list of op samples that every suite iterates.

``SAMPLES[op]`` are the calls of an op; ``arrays`` makes the inputs of one, the same numbers in every process
and NumPy version; the golden vectors in ``tests/golden`` are the real MXNet's answers to the same calls.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np

from .samples_base import Input, Refusal, Sample, Table
from .samples_binary import BINARY_BCAST, BINARY_ELEMWISE, BINARY_SCALAR
from .samples_contrib import CONTRIB
from .samples_convolution import CONVOLUTION, POOLING, RESIZING
from .samples_densities import DENSITIES
from .samples_detection import DETECTION
from .samples_image import IMAGE
from .samples_index import INDEX, SEQUENCE
from .samples_linalg import LINALG
from .samples_nn import MATMUL, NN_ACT, NN_NORM, NN_SOFTMAX
from .samples_norm import NN_LOSSOUT, NORMALIZATION
from .samples_optimizers import AMP, OPTIMIZERS
from .samples_reduce import ARGREDUCE, ORDERING, REDUCE, SCAN
from .samples_refused import REFUSED, REFUSED_LATE
from .samples_shape import CONCAT, CREATE, GRAD_CTL, SHAPE, SLICE
from .samples_spatial import SPATIAL
from .samples_unary import UNARY

__all__ = [
    "CASES",
    "FAMILIES",
    "FAMILY_OF",
    "REFUSED",
    "REFUSED_LATE",
    "SAMPLES",
    "Input",
    "Refusal",
    "Sample",
    "arrays",
    "head_gradient",
    "variables",
]

# Each family is one file of golden vectors.
FAMILIES: dict[str, Table] = {
    "amp": AMP,
    "argreduce": ARGREDUCE,
    "binary_bcast": BINARY_BCAST,
    "binary_elemwise": BINARY_ELEMWISE,
    "binary_scalar": BINARY_SCALAR,
    "concat": CONCAT,
    "contrib": CONTRIB,
    "convolution": CONVOLUTION,
    "create": CREATE,
    "densities": DENSITIES,
    "detection": DETECTION,
    "grad_ctl": GRAD_CTL,
    "image": IMAGE,
    "index": INDEX,
    "linalg": LINALG,
    "matmul": MATMUL,
    "nn_act": NN_ACT,
    "nn_lossout": NN_LOSSOUT,
    "nn_norm": NN_NORM,
    "nn_softmax": NN_SOFTMAX,
    "normalization": NORMALIZATION,
    "optimizers": OPTIMIZERS,
    "ordering": ORDERING,
    "pooling": POOLING,
    "reduce": REDUCE,
    "resizing": RESIZING,
    "scan": SCAN,
    "sequence": SEQUENCE,
    "shape": SHAPE,
    "slice": SLICE,
    "spatial": SPATIAL,
    "unary": UNARY,
}
SAMPLES: Table = {op: samples for table in FAMILIES.values() for op, samples in table.items()}
FAMILY_OF: dict[str, str] = {op: family for family, table in FAMILIES.items() for op in table}
# Every sample by op and index: what a test is parametrized over.
CASES: tuple[tuple[str, int], ...] = tuple((op, k) for op in SAMPLES for k in range(len(SAMPLES[op])))


def _random(op: str, index: int, purpose: str) -> np.random.RandomState:
    return np.random.RandomState(crc32(f"{op}/{index}/{purpose}".encode()))


def arrays(op: str, index: int) -> list[np.ndarray]:
    """Make the inputs of a sample.

    Parameters
    ----------
    op
        Canonical name.
    index
        Position of the sample in ``SAMPLES[op]``.

    Returns
    -------
    list of numpy.ndarray
        New arrays of the inputs' shapes and dtypes, with the same numbers at every call.
    """
    random = _random(op, index, "inputs")
    return [given.make(random) for given in SAMPLES[op][index].inputs]


def variables(op: str, index: int) -> list[int]:
    """Positions of the inputs of a sample with respect to which gradients can be taken."""
    return [k for k, given in enumerate(SAMPLES[op][index].inputs) if given.differentiable]


def head_gradient(op: str, index: int, output_index: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Make the head gradient of one output of a sample.

    Parameters
    ----------
    op, index
        The sample.
    output_index
        Position of the output.
    shape, dtype
        What the output is.

    Returns
    -------
    numpy.ndarray
        Multiples of 1/8 between -2 and 2, exact in every floating-point dtype; zeros and ones for the other
        dtypes.
    """
    random = _random(op, index, f"head{output_index}")
    size = int(np.prod(shape, dtype=np.int64))
    if np.issubdtype(np.dtype(dtype), np.floating):
        flat = random.randint(-16, 17, size, dtype=np.int64) / 8
    else:
        flat = random.randint(0, 2, size, dtype=np.int64)
    return flat.reshape(shape).astype(dtype)
