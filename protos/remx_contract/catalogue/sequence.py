"""Ops on batches of sequences of different lengths."""

from __future__ import annotations

from ..attributes import BOOL, FLOAT, INT, SHAPE
from ..op import RULES, Attr, Attrs, Op
from ..rules import indexing, types

_USE = Attr("use_sequence_length", BOOL, False)
_AXIS = Attr("axis", INT, 0)


def _inputs(attrs: Attrs) -> int:
    return 2 if attrs.use_sequence_length else 1


ROWS = (
    Op(
        "SequenceMask",
        inputs=("data", "sequence_length"),
        attrs=(_USE, Attr("value", FLOAT, 0.0), _AXIS),
        shape=indexing.sequence_mask,
        dtype=types.data,
        grad=RULES,
        arity=_inputs,
        doc="Sets what lies beyond the length of each sequence to `value`. Time runs along `axis`, 0 or 1, "
        "the batch along the other of the two first axes; without `use_sequence_length` nothing changes "
        "and there are no lengths.",
    ),
    Op(
        "SequenceLast",
        inputs=("data", "sequence_length"),
        attrs=(_USE, _AXIS),
        shape=indexing.sequence_last,
        dtype=types.data,
        grad=RULES,
        arity=_inputs,
        doc="The last step of each sequence, at its length less one, without the time axis, which is "
        "`axis`, 0 or 1. Without `use_sequence_length` it is the last one for all. A length outside of "
        "the time axis raises an IndexError at the next wait.",
    ),
    Op(
        "_sequence_last_into",
        inputs=("data", "sequence_length"),
        attrs=(_USE, _AXIS, Attr("shape", SHAPE)),
        shape=indexing.sequence_last_into,
        dtype=types.data,
        grad=RULES,
        arity=_inputs,
        doc="The gradient of SequenceLast: zeros of `shape` with the array at the last steps.",
    ),
    Op(
        "SequenceReverse",
        inputs=("data", "sequence_length"),
        attrs=(_USE, _AXIS),
        shape=indexing.sequence_reverse,
        dtype=types.data,
        grad=RULES,
        arity=_inputs,
        doc="Reverses each sequence along the first axis, time, up to its length, and leaves what lies "
        "beyond in place. Without `use_sequence_length` the whole axis is reversed. `axis` can only be "
        "0.",
    ),
)
