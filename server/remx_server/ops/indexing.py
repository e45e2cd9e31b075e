"""Elements by position: kernels and their gradient rules."""

from __future__ import annotations

from math import prod

from remx_contract.rules.indexing import indexed

from ..conversion import as_element, as_positions, check_range
from ..numeric import to_whole
from ..registry import KERNELS, kernel
from ..scatter import add_at, add_rows
from .creation import blank


def _no_gradient(picking, name):
    """Positions and conditions get zeros, whatever they are."""
    index = picking.op.inputs.index(name)

    def rule(g, in_specs):
        return blank(g, shape=in_specs[index].shape)

    picking.vjp(name)(rule)


# NumPy-like indexing.


def _numpy_key(xp, shape, key, arrays):
    """The key as the array module takes it, its index arrays checked where the module would not."""
    arrays = iter(arrays)
    used = sum(item[0] in ("slice", "int", "array") for item in key)
    made, axis = [], 0
    for item in key:
        kind = item[0]
        if kind == "new":
            made.append(None)
            continue
        if kind == "all":
            made.append(Ellipsis)
            axis += len(shape) - used
            continue
        if kind == "slice":
            made.append(slice(*item[1:]))
        elif kind == "int":
            made.append(item[1])
        else:
            positions = as_positions(xp, next(arrays))
            check_range(xp, positions, -shape[axis], shape[axis], axis)
            made.append(positions)
        axis += 1
    return tuple(made)


@kernel(op="_index")
def index(xp, *data, key):
    array, *arrays = data
    made = array[_numpy_key(xp, array.shape, key, arrays)]
    if any(one.ndim for one in arrays):
        # New memory already, though not always in row-major order.
        return xp.ascontiguousarray(made)
    return made.copy()


@index.vjp_all
def _(g, rest, in_specs, key):
    gradient = index_add(g, *rest, shape=in_specs[0].shape, key=key)
    return [gradient, *(blank(g, shape=spec.shape) for spec in in_specs[1:])]


@kernel(op="_index_add")
def index_add(xp, *data, shape, key):
    values, *arrays = data
    place = _numpy_key(xp, shape, key, arrays)
    if arrays:
        return add_at(xp, shape, place, values)
    made = xp.zeros(shape, values.dtype)
    made[place] = values
    return made


@index_add.vjp_all
def _(g, rest, in_specs, key):
    return [index(g, *rest, key=key), *(blank(g, shape=spec.shape) for spec in in_specs[1:])]


@kernel(op="_index_put")
def index_put(xp, *data, key):
    array, value, *arrays = data
    if value.dtype != array.dtype:
        whole = value.dtype.kind == "f" and array.dtype.kind in "iu"
        value = to_whole(xp, value, array.dtype) if whole else value.astype(array.dtype)
    elif xp.may_share_memory(array, value):
        value = value.copy()
    # An array of one element goes into a single place, too: axes of length 1 in front do not count.
    ndim = len(indexed(array.shape, key, [one.shape for one in arrays])) if value.ndim else 0
    array[_numpy_key(xp, array.shape, key, arrays)] = value.reshape(value.shape[max(value.ndim - ndim, 0) :])
    return ()


# Positions along one axis.


def _positions(xp, indices, length, mode):
    """Positions from 0 to length - 1, after the mode."""
    positions = as_positions(xp, indices)
    if mode == "raise" or length == 0:
        check_range(xp, positions, 0, length, always=True)
        return positions
    if mode == "wrap":
        return positions % length
    return _clipped(xp, positions, length)


def _clipped(xp, positions, length):
    # Half the time of clip() where there are few positions.
    return xp.minimum(xp.maximum(positions, 0), length - 1)


@kernel
def take(xp, a, indices, axis, mode):
    return a.take(_positions(xp, indices, a.shape[axis], mode), axis=axis)


@take.vjp("a")
def _(g, indices, a_spec, axis, mode):
    return take_add(g, indices, shape=a_spec.shape, axis=axis, mode=mode)


@kernel(op="_take_add")
def take_add(xp, data, indices, shape, axis, mode):
    axis %= len(shape)
    length = shape[axis]
    rows = _positions(xp, indices, length, mode).reshape(-1)
    before, after = prod(shape[:axis]), prod(shape[axis + 1 :])
    values = data.reshape(before, rows.size, after).transpose(1, 0, 2).reshape(rows.size, before * after)
    made = add_rows(xp, length, rows, values)
    if before == 1:
        return made.reshape(shape)
    return made.reshape(length, before, after).transpose(1, 0, 2).copy().reshape(shape)


@take_add.vjp("data")
def _(g, indices, axis, mode):
    return take(g, indices, axis=axis, mode=mode)


@kernel(op="Embedding")
def embedding(xp, data, weight):
    return weight.take(_clipped(xp, as_positions(xp, data), weight.shape[0]), axis=0)


@embedding.vjp("weight")
def _(g, data, weight_spec):
    return take_add(g, data, shape=weight_spec.shape, axis=0, mode="clip")


def _to_end(array, axis):
    """The array with an axis swapped with the last one; itself where it is the last one."""
    return array if axis == array.ndim - 1 else array.swapaxes(axis, -1)


def _places(xp, index, shape, axis, mode):
    """The picked places, flattened, of an array of ``shape`` whose axis was swapped with the last one."""
    length = shape[axis]
    if axis != len(shape) - 1:
        index = index.reshape(*shape[:axis], 1, *shape[axis + 1 :]).swapaxes(axis, -1)
    positions = _positions(xp, index.reshape(-1), length, mode)
    return xp.arange(0, positions.size * length, length) + positions if length else positions


def _swapped(shape, axis):
    lengths = list(shape)
    lengths[axis], lengths[-1] = lengths[-1], lengths[axis]
    return tuple(lengths)


@kernel
def pick(xp, data, index, axis, mode, out_specs):
    axis %= data.ndim
    picked = _to_end(data, axis).reshape(-1).take(_places(xp, index, data.shape, axis, mode))
    if axis != data.ndim - 1:
        kept = _swapped((*data.shape[:axis], 1, *data.shape[axis + 1 :]), axis)
        picked = xp.ascontiguousarray(picked.reshape(kept).swapaxes(axis, -1))
    return picked.reshape(out_specs[0].shape)


@pick.vjp("data")
def _(g, index, data_spec, axis, keepdims, mode):
    return pick_add(g, index, shape=data_spec.shape, axis=axis, keepdims=keepdims, mode=mode)


@kernel(op="_pick_add")
def pick_add(xp, data, index, shape, axis, mode):
    axis %= len(shape)
    made = xp.zeros(prod(shape), data.dtype)
    if axis != len(shape) - 1:
        data = data.reshape(*shape[:axis], 1, *shape[axis + 1 :]).swapaxes(axis, -1)
    made[_places(xp, index, shape, axis, mode)] = data.reshape(-1)
    return xp.ascontiguousarray(_to_end(made.reshape(_swapped(shape, axis)), axis))


@pick_add.vjp("data")
def _(g, index, axis, keepdims, mode):
    return pick(g, index, axis=axis, keepdims=keepdims, mode=mode)


@kernel
def batch_take(xp, a, indices):
    rows = a.reshape(-1, a.shape[-1])
    return rows[xp.arange(indices.size), _positions(xp, indices.reshape(-1), a.shape[-1], "clip")].reshape(
        indices.shape
    )


@batch_take.vjp("a")
def _(g, indices, a_spec):
    shape = a_spec.shape
    reshape = KERNELS["_reshape"]
    rows = (prod(shape[:-1]), shape[-1])
    flat = (rows[0],)
    gradient = pick_add(reshape(g, shape=flat), reshape(indices, shape=flat), shape=rows, axis=1)
    return reshape(gradient, shape=shape)


# Points in several axes.


def _points(xp, shape, indices):
    """The key of the points whose positions lie along the first axis of the indices."""
    positions = as_positions(xp, indices)
    for axis in range(positions.shape[0]):
        check_range(xp, positions[axis], -shape[axis], shape[axis], axis)
    return tuple(positions)


@kernel
def gather_nd(xp, data, indices):
    return xp.ascontiguousarray(data[_points(xp, data.shape, indices)])


@gather_nd.vjp("data")
def _(g, indices, data_spec):
    return scatter_nd_add(g, indices, shape=data_spec.shape)


@kernel
def scatter_nd(xp, data, indices, shape):
    made = xp.zeros(shape, data.dtype)
    made[_points(xp, shape, indices)] = data
    return made


@scatter_nd.vjp("data")
def _(g, indices):
    return gather_nd(g, indices)


@kernel(op="_scatter_nd_add")
def scatter_nd_add(xp, data, indices, shape):
    return add_at(xp, shape, _points(xp, shape, indices), data)


@scatter_nd_add.vjp("data")
def _(g, indices):
    return gather_nd(g, indices)


@kernel(op="_scatter_set_nd")
def scatter_set_nd(xp, lhs, rhs, indices):
    made = lhs.copy()
    made[_points(xp, lhs.shape, indices)] = rhs
    return made


@scatter_set_nd.vjp("lhs")
def _(g, indices, rhs_spec, shape):
    return scatter_set_nd(g, blank(g, shape=rhs_spec.shape), indices, shape=shape)


@scatter_set_nd.vjp("rhs")
def _(g, indices):
    return gather_nd(g, indices)


# Choices.


@kernel
def where(xp, condition, x, y):
    condition = condition != 0
    if condition.ndim != x.ndim:
        condition = condition.reshape(condition.shape + (1,) * (x.ndim - 1))
    return xp.where(condition, x, y)


@where.vjp("x")
def _(g, condition, x_spec):
    return where(condition, g, blank(g, shape=x_spec.shape))


@where.vjp("y")
def _(g, condition, y_spec):
    return where(condition, blank(g, shape=y_spec.shape), g)


@kernel
def one_hot(xp, indices, depth, on_value, off_value, out_specs):
    dtype = out_specs[0].dtype
    hit = as_positions(xp, indices)[..., None] == xp.arange(depth)
    return xp.where(hit, as_element(on_value, dtype), as_element(off_value, dtype))


def _diagonal(xp, shape, k, axis1, axis2):
    """Axes moved to the end, and the positions there, of the diagonal."""
    rows, columns = shape[axis1], shape[axis2]
    count = max(min(rows + min(k, 0), columns - max(k, 0)), 0)
    along = xp.arange(count)
    return (Ellipsis, along - min(k, 0), along + max(k, 0))


@kernel
def diag(xp, data, k, axis1, axis2, out_specs):
    if data.ndim == 1:
        made = xp.zeros(out_specs[0].shape, data.dtype)
        made[_diagonal(xp, made.shape, k, 0, 1)] = data
        return made
    moved = xp.moveaxis(data, (axis1, axis2), (-2, -1))
    return xp.ascontiguousarray(moved[_diagonal(xp, data.shape, k, axis1, axis2)])


@diag.vjp("data")
def _(g, data_spec, k, axis1, axis2):
    if len(data_spec.shape) == 1:
        return diag(g, k=k)
    return diag_into(g, shape=data_spec.shape, k=k, axis1=axis1, axis2=axis2)


@kernel(op="_diag_into")
def diag_into(xp, data, shape, k, axis1, axis2):
    made = xp.zeros(shape, data.dtype)
    moved = xp.moveaxis(made, (axis1, axis2), (-2, -1))
    moved[_diagonal(xp, shape, k, axis1, axis2)] = data
    return made


@diag_into.vjp("data")
def _(g, k, axis1, axis2):
    return diag(g, k=k, axis1=axis1, axis2=axis2)


@kernel(op="_ravel_multi_index")
def ravel_multi_index(xp, data, shape):
    positions = as_positions(xp, data)
    made = positions[0]
    for axis in range(1, len(shape)):
        made = made * shape[axis] + positions[axis]
    return made.astype(data.dtype)


@kernel(op="_unravel_index")
def unravel_index(xp, data, shape, out_specs):
    left = as_positions(xp, data)
    made = xp.empty(out_specs[0].shape, data.dtype)
    for axis in range(len(shape) - 1, 0, -1):
        # Division as in C: towards zero.
        position = xp.fmod(left, shape[axis])
        made[axis] = position
        left = (left - position) // shape[axis]
    made[0] = left
    return made


@kernel(op="_onehot_encode")
def onehot_encode(xp, lhs, rhs):
    return (as_positions(xp, lhs)[:, None] == xp.arange(rhs.shape[1])).astype(lhs.dtype)


@kernel
def fill_element_0index(xp, lhs, mhs, rhs):
    positions = as_positions(xp, rhs)
    check_range(xp, positions, 0, lhs.shape[1], axis=1, always=True)
    made = lhs.copy()
    made[xp.arange(len(made)), positions] = mhs
    return made


@kernel(op="_histogram")
def histogram(xp, data, bins=None, *, bin_cnt, range):
    flat = data.reshape(-1)
    if bin_cnt is None:
        edges = bins.astype(data.dtype)
    else:
        edges = xp.linspace(range[0], range[1], bin_cnt + 1).astype(data.dtype)
    flat = flat[(flat >= edges[0]) & (flat <= edges[-1])]
    bin_of = xp.minimum(xp.searchsorted(edges, flat, side="right"), len(edges) - 1) - 1
    return xp.bincount(bin_of, minlength=len(edges) - 1).astype(xp.int64), edges


for _kernel, _name in (
    (take, "indices"),
    (take_add, "indices"),
    (embedding, "data"),
    (pick, "index"),
    (pick_add, "index"),
    (batch_take, "indices"),
    (gather_nd, "indices"),
    (scatter_nd, "indices"),
    (scatter_nd_add, "indices"),
    (scatter_set_nd, "indices"),
    (where, "condition"),
):
    _no_gradient(_kernel, _name)
