"""Inference: a row, input specs and attributes -> output specs, or an error that names the op.

The client infers before it sends anything, so that a wrong shape raises at the call; the server infers again,
since it does not trust what comes over the wire. Both cache the answer by (op, attributes, input specs).
"""

from __future__ import annotations

from collections.abc import Sequence

from .errors import ArgumentError, LimitError, MXNetError
from .op import Attrs, Op
from .spec import TensorSpec

MAX_ELEMENTS = 2**48
"""No tensor has more; a shape beyond it is a mistake, refused before any arithmetic on sizes goes astray."""
MAX_DIMENSIONS = 32
"""NumPy 1.26's bound."""


def check_arity(op: Op, count: int, attrs: Attrs) -> None:
    """ArgumentError unless the op takes ``count`` inputs with these attributes."""
    wanted = op.input_count(attrs)
    if wanted < 0:
        if count < 1:
            raise ArgumentError(
                op=op.name, argument=op.inputs[0][1:], got="no input", expected="at least one"
            )
    elif count != wanted:
        names = ", ".join(op.inputs[:wanted])
        raise ArgumentError(op=op.name, got=f"{count} inputs", expected=f"{wanted} ({names})")


def infer(op: Op, specs: Sequence[TensorSpec], attrs: Attrs) -> tuple[TensorSpec, ...]:
    """The specs of all outputs of an op, hidden ones included.

    Parameters
    ----------
    op : Op
    specs : sequence of TensorSpec
        One for each input.
    attrs : Attrs
        As :meth:`Op.parse` gives them.

    Raises
    ------
    ArgumentError, ShapeError, DTypeError
        Naming the op, the argument, what came and what was expected.
    LimitError
        For an output of more than 2**48 elements or more than 32 axes.
    """
    check_arity(op, len(specs), attrs)
    try:
        dtypes = op.dtype([spec.dtype for spec in specs], attrs)
        shapes = op.shape([spec.shape for spec in specs], attrs)
    except MXNetError as error:
        raise error.named(op.name) from None
    if op.mutates:
        # What the kernel writes in place has its spec already; the rules only check the inputs.
        return tuple(
            _bounded(op, TensorSpec.of(tuple(shape), dtype))
            for shape, dtype in zip(shapes, dtypes, strict=True)
        )
    count = op.output_count(attrs) + op.hidden_count(attrs)
    if len(dtypes) == 1 and count > 1:
        dtypes = [dtypes[0]] * count
    return tuple(
        _bounded(op, TensorSpec.of(tuple(shape), dtype)) for shape, dtype in zip(shapes, dtypes, strict=True)
    )


def _bounded(op: Op, spec: TensorSpec) -> TensorSpec:
    if spec.size > MAX_ELEMENTS or len(spec.shape) > MAX_DIMENSIONS:
        raise LimitError(
            op=op.name,
            got=f"an output of shape {spec.shape}",
            expected=f"at most {MAX_DIMENSIONS} axes and 2**48 elements",
        )
    return spec
