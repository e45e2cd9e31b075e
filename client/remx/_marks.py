"""What the client knows of an array's place in recorded computations, and how an array becomes a variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from remx_contract.errors import ShapeError, UnknownKeyError
from remx_contract.v1 import stream_pb2

from . import _dispatch

if TYPE_CHECKING:
    from .ndarray import NDArray

TRACKED: Final = 1
CALLING: Final = 2
PASSED_BY: Final = 4
"""The bits of ``_tracked``: the array is part of a recorded computation, in which there is a
:class:`~remx.autograd.Function`, or a variable of ``grad_req="null"``, which has no gradient but must not be
written in place while recording either. Ops hand on their inputs' bits."""

GRAD_REQUESTS: Final = {"null": 0, "write": 1, "add": 3}
"""MXNet's names and codes of what happens to a gradient that arrives."""


def mark(variables: Sequence[NDArray], gradients: Sequence[NDArray], requests: Sequence[str]) -> None:
    """Make arrays variables, whose gradients backward passes leave in the given arrays."""
    codes = []
    for request in requests:
        if request not in GRAD_REQUESTS:
            raise UnknownKeyError(argument="grad_req", got=repr(request), expected="'write', 'add' or 'null'")
        codes.append(GRAD_REQUESTS[request])
    for variable, gradient in zip(variables, gradients, strict=True):
        if gradient._spec is not variable._spec:
            raise ShapeError(argument="gradients", got=f"{gradient._spec}", expected=f"{variable._spec}")
    session = variables[0]._session
    _dispatch._check_session([*variables, *gradients], session)
    message = stream_pb2.Mark(
        handles=[variable._handle for variable in variables],
        gradients=[gradient._handle for gradient in gradients],
        requests=codes,
    )
    session.command(stream_pb2.Command(mark=message))
    for variable, gradient, code in zip(variables, gradients, codes, strict=True):
        variable._tracked = TRACKED if code else PASSED_BY
        variable._gradient = gradient
