"""MXNet's contributed ops that belong to no other family: kernels and gradient rules."""

from __future__ import annotations

from math import sqrt

from remx_contract.errors import ValueRangeError

from ..conversion import as_positions, check_range
from ..numeric import divide_whole
from ..registry import KERNELS, kernel
from ..scatter import add_rows
from .creation import blank
from .elementwise import in_float, round_half_away
from .indexing import _no_gradient, take
from .matmul import _products, batch_dot

# Attention. The parts of the heads (queries, keys and values) are stacks of matrices of shape
# (batch * heads, length, size); in the arrays that the ops take they are interleaved.


def _part(array, heads, parts, which):
    """One part of the heads."""
    length, batch, width = array.shape
    size = width // (heads * parts)
    return array.reshape(length, batch * heads, parts, size)[:, :, which].transpose(1, 0, 2)


def _interleaved(xp, part, heads):
    """The array of a single part of the heads."""
    stacked, length, size = part.shape
    return xp.ascontiguousarray(part.transpose(1, 0, 2)).reshape(length, stacked // heads, heads * size)


def _part_of(value, heads, parts, which):
    """:func:`_part` in a gradient rule."""
    length, batch, width = value.spec.shape
    size = width // (heads * parts)
    split = KERNELS["_reshape"](value, shape=(length, batch * heads, parts, size))
    one = KERNELS["slice_axis"](split, axis=2, begin=which, end=which + 1)
    return KERNELS["transpose"](KERNELS["_reshape"](one, shape=(length, batch * heads, size)), axes=(1, 0, 2))


def _gradient_of(parts, shape):
    """The array of several parts of the heads, in a gradient rule; None stands for zeros."""
    given = next(part for part in parts if part is not None)
    filled = [blank(given, shape=given.spec.shape) if part is None else part for part in parts]
    turned = [KERNELS["transpose"](part, axes=(1, 0, 2)) for part in filled]
    return KERNELS["_reshape"](KERNELS["stack"](*turned, axis=2), shape=shape)


def _scores(xp, queries, keys):
    scale = queries.dtype.type(1 / sqrt(queries.shape[-1]))
    return _products(xp, queries * scale, keys.swapaxes(-1, -2))


def _scale(part):
    return 1 / sqrt(part.spec.shape[-1])


@kernel(op="_contrib_interleaved_matmul_selfatt_qk", kinds="f")
def selfatt_qk(xp, queries_keys_values, heads):
    return _scores(xp, *(_part(queries_keys_values, heads, 3, which) for which in (0, 1)))


@selfatt_qk.vjp("queries_keys_values")
def _(g, queries_keys_values, heads):
    queries, keys = (_part_of(queries_keys_values, heads, 3, which) for which in (0, 1))
    scaled = g * _scale(queries)
    parts = [batch_dot(scaled, keys), batch_dot(scaled, queries, transpose_a=True), None]
    return _gradient_of(parts, queries_keys_values.spec.shape)


@kernel(op="_contrib_interleaved_matmul_encdec_qk", kinds="f")
def encdec_qk(xp, queries, keys_values, heads):
    return _scores(xp, _part(queries, heads, 1, 0), _part(keys_values, heads, 2, 0))


@encdec_qk.vjp("queries")
def _(g, queries_spec, keys_values, heads):
    keys = _part_of(keys_values, heads, 2, 0)
    return _gradient_of([batch_dot(g * _scale(keys), keys)], queries_spec.shape)


@encdec_qk.vjp("keys_values")
def _(g, queries, keys_values_spec, heads):
    wanted = _part_of(queries, heads, 1, 0)
    return _gradient_of(
        [batch_dot(g * _scale(wanted), wanted, transpose_a=True), None], keys_values_spec.shape
    )


def _results(xp, attention, values, heads):
    return _interleaved(xp, _products(xp, attention, values), heads)


def _attention_gradient(g, values, heads):
    return batch_dot(_part_of(g, heads, 1, 0), values, transpose_b=True)


def _values_gradient(g, attention, heads):
    return batch_dot(attention, _part_of(g, heads, 1, 0), transpose_a=True)


@kernel(op="_contrib_interleaved_matmul_selfatt_valatt", kinds="f")
def selfatt_valatt(xp, queries_keys_values, attention, heads):
    return _results(xp, attention, _part(queries_keys_values, heads, 3, 2), heads)


@selfatt_valatt.vjp("queries_keys_values")
def _(g, attention, queries_keys_values_spec, heads):
    return _gradient_of([None, None, _values_gradient(g, attention, heads)], queries_keys_values_spec.shape)


@selfatt_valatt.vjp("attention")
def _(g, queries_keys_values, heads):
    return _attention_gradient(g, _part_of(queries_keys_values, heads, 3, 2), heads)


@kernel(op="_contrib_interleaved_matmul_encdec_valatt", kinds="f")
def encdec_valatt(xp, keys_values, attention, heads):
    return _results(xp, attention, _part(keys_values, heads, 2, 1), heads)


@encdec_valatt.vjp("keys_values")
def _(g, attention, keys_values_spec, heads):
    return _gradient_of([None, _values_gradient(g, attention, heads)], keys_values_spec.shape)


@encdec_valatt.vjp("attention")
def _(g, keys_values, heads):
    return _attention_gradient(g, _part_of(keys_values, heads, 2, 1), heads)


# Functions of each element.


@kernel(op="_contrib_div_sqrt_dim", kinds="fiu")
def div_sqrt_dim(xp, data):
    # The root is an element of the array's dtype, too.
    root = data.dtype.type(sqrt(data.shape[-1]) if data.ndim else 1)
    return data / root if data.dtype.kind == "f" else divide_whole(xp, data, root)


@div_sqrt_dim.vjp("data")
def _(g):
    return div_sqrt_dim(g)


@kernel(op="_contrib_quadratic", kinds="fiu")
@in_float
def quadratic(xp, data, a, b, c):
    return (data * a + b) * data + c


@quadratic.vjp("data")
def _(g, data, a, b):
    return g * (data * (2 * a) + b)


@kernel(op="_contrib_gradientmultiplier")
def gradientmultiplier(xp, data):
    return data.copy()


@gradientmultiplier.vjp("data")
def _(g, scalar):
    return g * scalar


@kernel(op="_contrib_round_ste", kinds="fiu")
def round_ste(xp, data):
    return round_half_away.function(xp, data)


@kernel(op="_contrib_sign_ste", kinds="fiu")
def sign_ste(xp, data):
    return xp.sign(data)


def _unchanged(g):
    return g


for _straight in round_ste, sign_ste:
    _straight.vjp("data")(_unchanged)


# Signals.


@kernel(op="_contrib_fft", kinds="f")
def fft(xp, data, out_specs):
    out = out_specs[0]
    made = xp.fft.fft(data)
    return xp.stack((made.real, made.imag), axis=-1).reshape(out.shape).astype(out.dtype)


@fft.vjp("data")
def _(g):
    return ifft(g)


@kernel(op="_contrib_ifft", kinds="f")
def ifft(xp, data, out_specs):
    out = out_specs[0]
    count = out.shape[-1]
    pairs = data[..., : 2 * count].reshape(*out.shape, 2).astype(xp.float64)
    return (xp.fft.ifft(pairs[..., 0] + 1j * pairs[..., 1]).real * count).astype(out.dtype)


@ifft.vjp("data")
def _(g, data_spec):
    made = fft(g)
    if made.spec.shape == data_spec.shape:
        return made
    # An odd number at the end is in no pair.
    rest = blank(g, shape=(*data_spec.shape[:-1], 1))
    return KERNELS["Concat"](made, rest, dim=len(data_spec.shape) - 1)


def _sketched(xp, h, out_dim):
    """The positions of a sketch, which are columns of it."""
    positions = as_positions(xp, h[0])
    check_range(xp, positions, 0, out_dim, axis=1, always=True)
    return positions


@kernel(op="_contrib_count_sketch", kinds="f")
def count_sketch(xp, data, h, s, out_dim):
    made = add_rows(xp, out_dim, _sketched(xp, h, out_dim), (data * s[0]).T)
    return xp.ascontiguousarray(made.T)


@count_sketch.vjp("data")
def _(g, h, s):
    places, signs = (KERNELS["slice_axis"](row, axis=0, begin=0, end=1) for row in (h, s))
    places = KERNELS["_reshape"](places, shape=places.spec.shape[1:])
    return KERNELS["broadcast_mul"](take(g, places, axis=1, mode="clip"), signs)


_no_gradient(count_sketch, "h")
_no_gradient(count_sketch, "s")


# Comparisons and positions.


@kernel(op="_contrib_allclose")
def allclose(xp, a, b, rtol, atol, equal_nan):
    a, b = a.astype(xp.float64), b.astype(xp.float64)
    return xp.isclose(a, b, rtol, atol, equal_nan=equal_nan).all().astype(xp.uint8).reshape(())


def _rows(xp, index, length):
    positions = as_positions(xp, index)
    check_range(xp, positions, 0, length, always=True)
    return positions


@kernel(op="_contrib_index_copy")
def index_copy(xp, old_tensor, index_vector, new_tensor):
    made = old_tensor.copy()
    made[_rows(xp, index_vector, len(made))] = new_tensor.astype(made.dtype)
    return made


@index_copy.vjp("old_tensor")
def _(g, index_vector, new_tensor_spec):
    return index_copy(g, index_vector, blank(g, shape=new_tensor_spec.shape))


@index_copy.vjp("new_tensor")
def _(g, index_vector):
    return take(g, index_vector, axis=0, mode="clip")


_no_gradient(index_copy, "index_vector")


@kernel(op="_contrib_index_array")
def index_array(xp, data, axes, out_specs):
    made = xp.empty(out_specs[0].shape, xp.int64)
    for place, axis in enumerate(range(data.ndim) if axes is None else axes):
        along = [1] * data.ndim
        along[axis] = data.shape[axis]
        made[..., place] = xp.arange(data.shape[axis]).reshape(along)
    return made


def _masked(xp, index, count):
    """The positions of the ``count`` numbers that are not zero."""
    positions = xp.flatnonzero(index)
    if positions.size != count:
        raise ValueRangeError(argument="index", got=f"{positions.size} numbers", expected=f"{count} not zero")
    return positions


@kernel(op="_mask_rows")
def mask_rows(xp, data, index, count):
    return data.take(_masked(xp, index, count), axis=0)


@mask_rows.vjp("data")
def _(g, index):
    return mask_rows_into(g, index)


@kernel(op="_mask_rows_into")
def mask_rows_into(xp, data, index, out_specs):
    made = xp.zeros(out_specs[0].shape, data.dtype)
    made[_masked(xp, index, len(data))] = data
    return made


@mask_rows_into.vjp("data")
def _(g, index, data_spec):
    return mask_rows(g, index, count=data_spec.shape[0])


_no_gradient(mask_rows, "index")
_no_gradient(mask_rows_into, "index")
