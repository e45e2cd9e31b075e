"""Initializers: how the first values of a model's parameters are made, on the server.

An initializer is called with a parameter's description and the array to fill. What it does depends on the
name's ending: weights get the initializer's own values, biases zeros, and so on, as in MXNet. Names,
arguments and shapes cross the wire, weights do not.

Beyond MXNet, :func:`fill` fills all parameters of a model in one message, :func:`describe` tells how each was
filled, and :func:`refill` repeats that.
"""

from __future__ import annotations

from ._base import InitDesc, Initializer, alias, create, register
from ._containers import Load, Mixed
from ._filling import Description, Filling, Position, describe, fill, refill
from ._fused import FusedRNN
from ._values import (
    Bilinear,
    Constant,
    LSTMBias,
    MSRAPrelu,
    Normal,
    One,
    Orthogonal,
    Uniform,
    Xavier,
    Zero,
)

__all__ = [
    "Bilinear",
    "Constant",
    "Description",
    "Filling",
    "FusedRNN",
    "InitDesc",
    "Initializer",
    "LSTMBias",
    "Load",
    "MSRAPrelu",
    "Mixed",
    "Normal",
    "One",
    "Orthogonal",
    "Position",
    "Uniform",
    "Xavier",
    "Zero",
    "alias",
    "create",
    "describe",
    "fill",
    "refill",
    "register",
]
