"""Pictures read along grids: kernels and gradient rules."""

from __future__ import annotations

from ..boxes import wide
from ..patches import channels_first, channels_last, linear, spread_rows, weighted_rows
from ..registry import KERNELS, kernel

# Interpolation at the points of a grid.


def _points(xp, grid, lengths, dx, dy):
    """The index and weight of the four elements around each point, (points, 4).

    ``dx`` and ``dy`` say by what of the grid the weights are differentiated, once at most.
    """
    grid = wide(xp, grid)
    batch, _, height, width = grid.shape
    positions, weights = [], []
    for axis, derivative in (1, dy), (0, dx):
        length = lengths[1 - axis]
        half = grid.dtype.type((length - 1) / 2)
        position, weight = linear(xp, (grid[:, axis] + grid.dtype.type(1)) * half, length, derivative)
        positions.append(position)
        weights.append(weight * half if derivative else weight)
    image = xp.arange(batch).reshape(batch, 1, 1, 1, 1)
    index = image * lengths[0] + positions[0][..., :, None]
    index = index * lengths[1] + positions[1][..., None, :]
    weight = weights[0][..., :, None] * weights[1][..., None, :]
    count = batch * height * width
    return index.reshape(count, 4), weight.reshape(count, 4)


def _sampled(xp, data, grid, dx, dy):
    rows = wide(xp, channels_last(data))
    index, weight = _points(xp, grid, data.shape[2:], dx, dy)
    made = weighted_rows(xp, rows, index, weight).astype(data.dtype, copy=False)
    return channels_first(xp, made, (*data.shape[:2], *grid.shape[2:]))


def _summed(g, values):
    """The sum over channels of a product, with one channel left."""
    return KERNELS["sum"](g * values, axis=(1,), keepdims=True)


def _along_grid(g, data, grid, dx=0, dy=0):
    """The gradient of a grid: ``g`` times the sample's derivatives by x and y, summed over channels."""
    parts = []
    for by_x, by_y in (1, 0), (0, 1):
        if dx + by_x > 1 or dy + by_y > 1:
            # A weight is linear in x and in y.
            parts.append(KERNELS["_blank"](g, shape=(data.spec.shape[0], 1, *grid.spec.shape[2:])))
        else:
            parts.append(_summed(g, bilinear_sample(data, grid, dx=dx + by_x, dy=dy + by_y)))
    return KERNELS["Concat"](*parts, dim=1)


@kernel(op="BilinearSampler", kinds="f")
def bilinear_sampler(xp, data, grid):
    return _sampled(xp, data, grid, 0, 0)


@bilinear_sampler.vjp("data")
def _(g, grid, data_spec):
    return bilinear_back(g, grid, shape=data_spec.shape)


@bilinear_sampler.vjp("grid")
def _(g, data, grid):
    return _along_grid(g, data, grid)


@kernel(op="_bilinear_sample", kinds="f")
def bilinear_sample(xp, data, grid, dx, dy):
    return _sampled(xp, data, grid, dx, dy)


@bilinear_sample.vjp("data")
def _(g, grid, data_spec, dx, dy):
    return bilinear_back(g, grid, dx=dx, dy=dy, shape=data_spec.shape)


@bilinear_sample.vjp("grid")
def _(g, data, grid, dx, dy):
    return _along_grid(g, data, grid, dx, dy)


@kernel(op="_bilinear_back", kinds="f")
def bilinear_back(xp, data, grid, dx, dy, shape):
    values = wide(xp, channels_last(data))
    index, weight = _points(xp, grid, shape[2:], dx, dy)
    made = xp.zeros((shape[0] * shape[2] * shape[3], shape[1]), values.dtype)
    spread_rows(xp, made, values, index, weight)
    return channels_first(xp, made.astype(data.dtype, copy=False), shape)


@bilinear_back.vjp("data")
def _(g, grid, dx, dy):
    return bilinear_sample(g, grid, dx=dx, dy=dy)


@bilinear_back.vjp("grid")
def _(g, data, grid, dx, dy):
    # What is put to a place is a product of the values and the weights, as what is read there.
    return _along_grid(data, g, grid, dx, dy)


# Grids.


def _plane(xp, height, width, dtype):
    """Rows x, y and 1 of the points of a grid, (3, height * width), from -1 to 1."""
    made = xp.ones((3, height, width), dtype)
    made[0] = (_ends(xp, width, dtype))[None, :]
    made[1] = (_ends(xp, height, dtype))[:, None]
    return made.reshape(3, -1)


def _ends(xp, length, dtype):
    """Numbers from -1 to 1; not a number where there is one only, as in MXNet."""
    if length == 1:
        return xp.full(1, xp.nan, dtype)
    return xp.arange(length).astype(dtype) * dtype.type(2 / (length - 1)) - dtype.type(1)


def _turned(xp, theta, height, width):
    """The affine grid."""
    matrix = wide(xp, theta).reshape(-1, 3)
    plane = _plane(xp, height, width, matrix.dtype)
    return xp.matmul(matrix, plane).astype(theta.dtype, copy=False).reshape(-1, 2, height, width)


@kernel(op="GridGenerator", kinds="f")
def grid_generator(xp, data, transform_type, target_shape):
    if transform_type == "affine":
        return _turned(xp, data, *target_shape)
    height, width = data.shape[2:]
    flow = wide(xp, data)
    made = xp.empty(flow.shape, flow.dtype)
    for axis, length, at in (0, width, xp.arange(width)), (1, height, xp.arange(height)[:, None]):
        made[:, axis] = (flow[:, axis] + at.astype(flow.dtype)) * flow.dtype.type(_half(length))
    return (made - made.dtype.type(1)).astype(data.dtype, copy=False)


def _half(length):
    """The length of an element where the whole is 2; infinite where there is one only, as in MXNet."""
    return 2 / (length - 1) if length > 1 else float("inf")


@grid_generator.vjp("data")
def _(g, data_spec, transform_type):
    if transform_type == "affine":
        return affine_back(g)
    height, width = data_spec.shape[2:]
    return scale_planes(g, scales=(_half(width), _half(height)))


@kernel(op="_affine_back", kinds="f")
def affine_back(xp, data):
    batch, _, height, width = data.shape
    grid = wide(xp, data).reshape(batch * 2, height * width)
    plane = _plane(xp, height, width, grid.dtype)
    return xp.matmul(grid, plane.T).astype(data.dtype, copy=False).reshape(batch, 6)


@affine_back.vjp("data")
def _(g, data_spec):
    return grid_generator(g, transform_type="affine", target_shape=data_spec.shape[2:])


@kernel(op="_scale_planes", kinds="f")
def scale_planes(xp, data, scales):
    factors = xp.asarray(scales, dtype=data.dtype)
    return data * factors.reshape(-1, *(1,) * (data.ndim - 2))


@scale_planes.vjp("data")
def _(g, scales):
    return scale_planes(g, scales=scales)


@kernel(op="SpatialTransformer", kinds="f")
def spatial_transformer(xp, data, loc, target_shape):
    return _sampled(xp, data, _turned(xp, loc, *target_shape), 0, 0)


@spatial_transformer.vjp("data")
def _(g, loc, data_spec, target_shape):
    return bilinear_back(g, _grid_of(loc, target_shape), shape=data_spec.shape)


@spatial_transformer.vjp("loc")
def _(g, data, loc, target_shape):
    return affine_back(_along_grid(g, data, _grid_of(loc, target_shape)))


def _grid_of(loc, target_shape):
    return grid_generator(loc, transform_type="affine", target_shape=target_shape)
