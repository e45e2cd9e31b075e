"""Sequences of different lengths: kernels and their gradient rules."""

from __future__ import annotations

from ..conversion import as_element, as_positions, check_range
from ..registry import kernel
from .creation import blank


def _register_lengths(*kernels):
    """Lengths get zeros, whatever they are."""
    for one in kernels:
        one.vjp("sequence_length")(lambda g, in_specs: blank(g, shape=in_specs[1].shape))


def _with_lengths(op, value, lengths, **attrs):
    """An op called as its forward pass was: with lengths where there were any."""
    return (
        op(value, use_sequence_length=False, **attrs)
        if lengths is None
        else op(value, lengths, use_sequence_length=True, **attrs)
    )


@kernel(op="SequenceMask")
def sequence_mask(xp, data, sequence_length=None, *, value, axis):
    if sequence_length is None:
        return data.copy()
    steps, lengths = xp.arange(data.shape[axis]), as_positions(xp, sequence_length)
    inside = steps[:, None] < lengths if axis == 0 else steps < lengths[:, None]
    inside = inside.reshape(inside.shape + (1,) * (data.ndim - 2))
    return xp.where(inside, data, as_element(value, data.dtype))


@sequence_mask.vjp("data")
def _(g, sequence_length, axis):
    return _with_lengths(sequence_mask, g, sequence_length, axis=axis)


def _last_steps(xp, lengths, shape, axis):
    """The key of the last step of each sequence."""
    if lengths is None:
        return (slice(None),) * axis + (shape[axis] - 1,)
    lengths = as_positions(xp, lengths)
    check_range(xp, lengths - 1, 0, shape[axis], axis, always=True)
    batch = xp.arange(lengths.size)
    return (lengths - 1, batch) if axis == 0 else (batch, lengths - 1)


@kernel(op="SequenceLast")
def sequence_last(xp, data, sequence_length=None, *, axis):
    return data[_last_steps(xp, sequence_length, data.shape, axis)].copy()


@sequence_last.vjp("data")
def _(g, data_spec, sequence_length, axis):
    return _with_lengths(sequence_last_into, g, sequence_length, axis=axis, shape=data_spec.shape)


@kernel(op="_sequence_last_into")
def sequence_last_into(xp, data, sequence_length=None, *, axis, shape):
    made = xp.zeros(shape, data.dtype)
    made[_last_steps(xp, sequence_length, shape, axis)] = data
    return made


@sequence_last_into.vjp("data")
def _(g, sequence_length, axis):
    return _with_lengths(sequence_last, g, sequence_length, axis=axis)


@kernel(op="SequenceReverse")
def sequence_reverse(xp, data, sequence_length=None):
    if sequence_length is None:
        return data[::-1].copy()
    steps, lengths = xp.arange(data.shape[0])[:, None], as_positions(xp, sequence_length)
    lengths = lengths.clip(0, data.shape[0])
    source = xp.where(steps < lengths, lengths - 1 - steps, steps)
    return data[source, xp.arange(lengths.size)]


@sequence_reverse.vjp("data")
def _(g, sequence_length):
    return _with_lengths(sequence_reverse, g, sequence_length)


_register_lengths(sequence_mask, sequence_last, sequence_last_into, sequence_reverse)
