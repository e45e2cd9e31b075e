"""Pooling of windows: kernels and gradient rules."""

from __future__ import annotations

from itertools import product
from operator import mul
from typing import Any, NamedTuple

import numpy as np
from remx_contract.op import Attrs
from remx_contract.rules.windows import channel_last, pooling_windows, spatial

from ..correlation import Geometry, in_three, inside, working
from ..registry import KERNELS, kernel

_ROWS_FIRST = (1, 0, 2)
"""The axes in the order in which they are reduced: rows lie in one piece and are quick to compare."""


class Pool(NamedTuple):
    """The windows of a pooling.

    Attributes
    ----------
    geometry : Geometry
    lengths, counts : tuple of int
        Of the data, and how many windows there are, along depth, height and width.
    mean : {"none", "inside", "padded"}
        What sums are divided by: nothing, the numbers inside the data, or those in the padding too.
    last : bool
        Whether the channels are the last axis.
    """

    geometry: Geometry
    lengths: tuple[int, ...]
    counts: tuple[int, ...]
    mean: str
    last: bool

    @classmethod
    def of(cls, kernel: Any, stride: Any, pad: Any, mean: str, last: bool, data: Any, pooled: Any) -> Pool:
        """From the attributes of the inner ops, and the shapes of what is pooled and of the result."""
        lengths, counts = (shape[1:-1] if last else shape[2:] for shape in (data, pooled))
        ahead = (1,) * (3 - len(lengths))
        return cls(Geometry.of(kernel, stride, (), pad), ahead + lengths, ahead + counts, mean, last)

    def sizes(self, xp: Any, dtype: Any) -> Any:
        """By how many numbers the sum of each window is divided to be an average."""
        kernel, stride, _, pad, _ = self.geometry
        made: Any = 1
        for axis in range(3):
            first = np.arange(self.counts[axis]) * stride[axis] - pad[axis]
            after = first + kernel[axis]
            if self.mean == "padded":
                sizes = np.minimum(after, self.lengths[axis] + pad[axis]) - first
            else:
                sizes = np.minimum(after, self.lengths[axis]) - np.maximum(first, 0)
            made = made * sizes.reshape(-1, *(1,) * (2 - axis))
        if (made == made.flat[0]).all():
            return dtype.type(made.flat[0])
        return xp.asarray(made.astype(dtype))

    def span(self, axis: int, position: int) -> tuple[Any, Any] | None:
        """Where a position of the kernel is along an axis: slices of the windows and of the data."""
        step = self.geometry.stride[axis]
        found = inside(position - self.geometry.pad[axis], step, self.lengths[axis], self.counts[axis])
        if found is None:
            return None
        first, last, start, stop = found
        return slice(first, last), slice(start, stop, step)

    def reduced(self, xp: Any, image: Any, ufunc: Any, identity: float) -> Any:
        """Each window reduced by a ufunc, one axis after the other."""
        for axis in _ROWS_FIRST:
            size = self.geometry.kernel[axis]
            if size > 1 and size == self.lengths[axis] and self.counts[axis] == 1:
                # CuPy has no reduction by fmax.
                reduce = image.sum if ufunc is xp.add else None
                if reduce is not None:
                    image = reduce(axis=2 + axis, keepdims=True)
                    continue
            if size > 1 or self.counts[axis] != self.lengths[axis]:
                image = self._along(xp, image, axis, ufunc, identity)
        return image

    def _along(self, xp: Any, image: Any, axis: int, ufunc: Any, identity: float) -> Any:
        ahead = (slice(None),) * (2 + axis)
        whole = slice(0, self.counts[axis])
        spans = [self.span(axis, position) for position in range(self.geometry.kernel[axis])]
        full = [span[1] for span in spans if span is not None and span[0] == whole]
        parts = [span for span in spans if span is not None and span[0] != whole]
        if len(full) > 1:
            made = ufunc(image[(*ahead, full[0])], image[(*ahead, full[1])])
        elif full:
            made = image[(*ahead, full[0])].copy()
        else:
            shape = (*image.shape[: 2 + axis], self.counts[axis], *image.shape[3 + axis :])
            made = xp.full(shape, identity, image.dtype)
        for pixels in full[2:]:
            ufunc(made, image[(*ahead, pixels)], out=made)
        for windows, pixels in parts:
            part = made[(*ahead, windows)]
            ufunc(part, image[(*ahead, pixels)], out=part)
        return made

    def spread(self, xp: Any, g: Any) -> Any:
        """The transpose of ``reduced`` by sums."""
        for axis in reversed(_ROWS_FIRST):
            size = self.geometry.kernel[axis]
            if size > 1 or self.counts[axis] != self.lengths[axis]:
                ahead = (slice(None),) * (2 + axis)
                made = xp.zeros((*g.shape[: 2 + axis], self.lengths[axis], *g.shape[3 + axis :]), g.dtype)
                for position in range(size):
                    span = self.span(axis, position)
                    if span is not None:
                        made[(*ahead, span[1])] += g[(*ahead, span[0])]
                g = made
        return g

    def firsts(self, xp: Any, image: Any, maxima: Any) -> Any:
        """Which position of the kernel has the first maximum of each window: as numbers from the last one's,
        1, up to the first one's; 0 where no position has it.
        """
        positions = list(product(*map(range, self.geometry.kernel)))
        dtype = xp.uint8 if len(positions) < 256 else xp.int32
        made = xp.zeros(maxima.shape, dtype)
        lanes = self._lanes(xp, image)
        for rank, position in enumerate(reversed(positions), 1):
            found = self.geometry.places(position, self.lengths, self.counts)
            if found is not None:
                windows, pixels = (..., *found[0]), found[1]
                here = lanes(pixels) == maxima[windows]
                part = made[windows]
                xp.maximum(part, here.astype(dtype) * dtype(rank), out=part)
        return made

    def _lanes(self, xp: Any, image: Any) -> Any:
        """A function that selects pixels by slices; columns that are strides apart are first put together."""
        step = self.geometry.stride[2]
        if step == 1:
            return lambda pixels: image[(..., *pixels)]
        lanes: dict[int, Any] = {}

        def select(pixels: Any) -> Any:
            depth, rows, columns = pixels
            first, lane = divmod(columns.start, step)
            if lane not in lanes:
                lanes[lane] = xp.ascontiguousarray(image[..., lane::step])
            count = -(-(columns.stop - columns.start) // step)
            return lanes[lane][..., depth, rows, first : first + count]

        return select

    def put_apart(self, xp: Any, g: Any, ranks: Any, out: Any) -> None:
        """Write the numbers to where the first maxima are, by their ranks, if no pixel is in two windows."""
        positions = list(product(*map(range, self.geometry.kernel)))
        for rank, position in enumerate(reversed(positions), 1):
            found = self.geometry.places(position, self.lengths, self.counts)
            if found is not None:
                windows, pixels = (..., *found[0]), (..., *found[1])
                xp.multiply(g[windows], ranks[windows] == rank, out=out[pixels])

    def indices(self, xp: Any, image: Any, maxima: Any) -> tuple[Any, Any]:
        """Where in its memory the image has each window's first maximum, and where there is one at all."""
        steps = [stride // image.itemsize for stride in image.strides]
        if self.counts == (1, 1, 1) and self.geometry.kernel == self.lengths:
            return self._index_of_all(xp, image, maxima, steps)
        ranks = self.firsts(xp, image, maxima)
        kernel, stride, _, pad, _ = self.geometry
        offsets = [sum(map(mul, position, steps[2:])) for position in product(*map(range, kernel))]
        made = xp.asarray(np.array([0, *reversed(offsets)])).take(ranks)
        for axis, length in enumerate(maxima.shape):
            first = np.arange(length)
            if axis > 1:
                first = first * stride[axis - 2] - pad[axis - 2]
            made += xp.asarray((first * steps[axis]).reshape(-1, *(1,) * (4 - axis)))
        found = ranks > 0
        made *= found
        return made, found

    def _index_of_all(self, xp: Any, image: Any, maxima: Any, steps: Any) -> tuple[Any, Any]:
        here = (image == maxima).reshape(*image.shape[:2], -1)
        flat = here.argmax(axis=2)[..., None, None, None]
        _, rows, columns = self.lengths
        made = (
            flat // (rows * columns) * steps[2]
            + flat // columns % rows * steps[3]
            + flat % columns * steps[4]
        )
        batch, channels = xp.arange(image.shape[0]) * steps[0], xp.arange(image.shape[1]) * steps[1]
        made = made + (batch[:, None] + channels)[..., None, None, None]
        found = here.any(axis=2)[..., None, None, None]
        return made * found, found

    @property
    def apart(self) -> bool:
        """Whether no pixel is in two windows."""
        return all(
            size <= step for size, step in zip(self.geometry.kernel, self.geometry.stride, strict=True)
        )


def _maxima(xp, data, kernel, stride, pad, last, out):
    pool = Pool.of(kernel, stride, pad, "none", last, data.shape, out.shape)
    # Not-a-numbers are no maxima.
    made = pool.reduced(xp, in_three(data, last), xp.fmax, float(xp.finfo(data.dtype).min))
    return _as_output(xp, made, data, out, last)


def _sums(xp, data, kernel, stride, pad, mean, last, out, power=1):
    """The sums of the windows of powers of numbers, or their means, or the roots of the sums."""
    pool = Pool.of(kernel, stride, pad, mean, last, data.shape, out.shape)
    image = working(in_three(data, last))
    made = pool.reduced(xp, image if power == 1 else image**power, xp.add, 0)
    if mean != "none":
        made = made / pool.sizes(xp, made.dtype)
    if power > 1:
        made = xp.sqrt(made) if power == 2 else xp.cbrt(made)
    return _as_output(xp, made, data, out, last)


def _as_output(xp, made, data, out, last):
    """A result in three axes in the form and dtype of the op's output, and in memory of its own."""
    if last:
        made = made.transpose(0, 2, 3, 4, 1)
    made = xp.ascontiguousarray(made.reshape(out.shape)).astype(out.dtype, copy=False)
    return made.copy() if xp.may_share_memory(made, data) else made


def _resolved(places, kernel, global_pool, pooling_convention, stride, pad):
    """The kernel, stride and padding that the attributes of a pooling come to."""
    attrs = Attrs(
        kernel=kernel, global_pool=global_pool, pooling_convention=pooling_convention, stride=stride, pad=pad
    )
    return pooling_windows(places, attrs)[:3]


def _mean(pool_type, count_include_pad):
    if pool_type != "avg":
        return "none"
    return "inside" if count_include_pad is False else "padded"


@kernel(op="Pooling", kinds="f")
def pooling(
    xp,
    data,
    kernel,
    pool_type,
    global_pool,
    pooling_convention,
    stride,
    pad,
    p_value,
    count_include_pad,
    layout,
    out_specs,
):
    places = spatial(data.shape, layout)
    window = _resolved(places, kernel, global_pool, pooling_convention, stride, pad)
    last, out = channel_last(layout), out_specs[0]
    if pool_type == "max":
        return _maxima(xp, data, *window, last, out)
    power = p_value if pool_type == "lp" else 1
    return _sums(xp, data, *window, _mean(pool_type, count_include_pad), last, out, power)


@pooling.vjp("data")
def _(
    g,
    data,
    out,
    kernel,
    pool_type,
    global_pool,
    pooling_convention,
    stride,
    pad,
    p_value,
    count_include_pad,
    layout,
):
    shape = data.spec.shape
    places = spatial(shape, layout)
    window = _resolved(places, kernel, global_pool, pooling_convention, stride, pad)
    named = dict(zip(("kernel", "stride", "pad"), window, strict=True), channels_last=channel_last(layout))
    if pool_type == "max":
        return put(g, data, out, **named)
    named.update(mean=_mean(pool_type, count_include_pad), shape=shape)
    if pool_type != "lp" or p_value == 1:
        return spread(g, **named)
    # Where the norm is zero all numbers are, and so is the gradient.
    divisor = out + KERNELS["_equal_scalar"](out, scalar=0.0)
    if p_value == 2:
        return data * spread(g / divisor, **named)
    return data * data * spread(g / (divisor * divisor), **named)


@kernel(op="_pooling_sum", kinds="f")
def pooling_sum(xp, data, kernel, stride, pad, channels_last, mean, out_specs):
    return _sums(xp, data, kernel, stride, pad, mean, channels_last, out_specs[0])


@pooling_sum.vjp("data")
def _(g, data_spec, attrs):
    return spread(g, **{**attrs, "shape": data_spec.shape})


@kernel(op="_pooling_spread", kinds="f")
def spread(xp, data, kernel, stride, pad, channels_last, mean, out_specs):
    out = out_specs[0]
    pool = Pool.of(kernel, stride, pad, mean, channels_last, out.shape, data.shape)
    g = working(in_three(data, channels_last))
    if mean != "none":
        g = g / pool.sizes(xp, g.dtype)
    return _as_output(xp, pool.spread(xp, g), data, out, channels_last)


@spread.vjp("data")
def _(g, data_spec, attrs):
    return pooling_sum(g, **{**attrs, "shape": data_spec.shape})


@kernel(op="_pooling_put", kinds="f")
def put(xp, data, pooled, maxima, kernel, stride, pad, channels_last):
    pool = Pool.of(kernel, stride, pad, "none", channels_last, pooled.shape, maxima.shape)
    made = xp.zeros(pooled.shape, working(data[:0]).dtype)
    image, tops = in_three(pooled, channels_last), in_three(maxima, channels_last)
    g = in_three(data, channels_last)
    if pool.apart and pool.counts != (1, 1, 1):
        pool.put_apart(xp, g, pool.firsts(xp, image, tops), in_three(made, channels_last))
    else:
        indices, found = pool.indices(xp, image, tops)
        values = (g * found).astype(made.dtype, copy=False)
        xp.add.at(made.reshape(-1), indices.ravel(), values.ravel())
    return made.astype(data.dtype, copy=False)


@put.vjp("data")
def _(g, pooled, maxima, attrs):
    return pick(g, pooled, maxima, **attrs)


@kernel(op="_pooling_pick", kinds="f")
def pick(xp, data, pooled, maxima, kernel, stride, pad, channels_last):
    pool = Pool.of(kernel, stride, pad, "none", channels_last, pooled.shape, maxima.shape)
    indices, found = pool.indices(xp, in_three(pooled, channels_last), in_three(maxima, channels_last))
    made = data.ravel()[indices] * found
    return _as_output(xp, made, data, maxima, channels_last)


@pick.vjp("data")
def _(g, pooled, maxima, attrs):
    return put(g, pooled, maxima, **attrs)


def _constant(g, spec):
    """Where the first maxima are does not change with the numbers but by jumps."""
    return KERNELS["_blank"](g, shape=spec.shape)


def _register_constants():
    for made in put, pick:
        made.vjp("pooled")(lambda g, pooled_spec: _constant(g, pooled_spec))
        made.vjp("maxima")(lambda g, maxima_spec: _constant(g, maxima_spec))


_register_constants()
