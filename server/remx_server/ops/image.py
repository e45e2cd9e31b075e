"""Images: kernels and gradient rules."""

from __future__ import annotations

from remx_contract.errors import DTypeError

from ..numeric import to_whole
from ..registry import KERNELS, kernel
from ..resizing import resized

# How bright red, green and blue are.
_GRAY = (0.299, 0.587, 0.114)
# The principal components of the colours of natural images, a row for each channel, times their deviations.
_LIGHTING = (
    (55.46 * -0.5675, 4.794 * 0.7192, 1.148 * 0.4009),
    (55.46 * -0.5808, 4.794 * -0.0045, 1.148 * -0.8140),
    (55.46 * -0.5836, 4.794 * -0.6948, 1.148 * 0.4203),
)


def _floats(xp, data):
    """The image in single precision; double precision stays."""
    return data if data.dtype == xp.float64 else data.astype(xp.float32)


def _cast(xp, made, dtype):
    """Floating-point numbers as pixels: bytes are limited, and fractions dropped."""
    if dtype.kind == "f":
        return made.astype(dtype, copy=False)
    return to_whole(xp, xp.clip(made, 0, 255) if dtype == xp.uint8 else made, dtype)


@kernel(op="_image_to_tensor")
def to_tensor(xp, data):
    axes = (2, 0, 1) if data.ndim == 3 else (0, 3, 1, 2)
    made = xp.ascontiguousarray(data.transpose(axes), dtype=xp.float32)
    return made / xp.float32(255)


@to_tensor.vjp("data")
def _(g, data_spec):
    axes = (1, 2, 0) if len(data_spec.shape) == 3 else (0, 2, 3, 1)
    turned = KERNELS["transpose"](g, axes=axes) * (1 / 255)
    return KERNELS["Cast"](turned, dtype=data_spec.dtype)


@kernel(op="_image_normalize", kinds="fiu")
def normalize(xp, data, mean, std):
    work = _floats(xp, data)
    mean, std = (xp.asarray(given, xp.float32).astype(work.dtype).reshape(-1, 1, 1) for given in (mean, std))
    return _cast(xp, (work - mean) / std, data.dtype)


@normalize.vjp("data")
def _(g, std):
    return normalize(g, mean=(0.0,), std=std)


@kernel(op="_image_resize", kinds="fu")
def resize(xp, data, interp, out_specs):
    if data.dtype.kind == "u" and data.dtype != xp.uint8:
        raise DTypeError(got=data.dtype.name, expected="uint8 or a floating-point dtype")
    height, width = out_specs[0].shape[-3:-1]
    half = data.dtype == xp.float16
    made = resized(xp, data.astype(xp.float32) if half else data, height, width, interp)
    return made.astype(xp.float16) if half else made


@kernel(op="_image_crop")
def crop(xp, data, x, y, width, height):
    return data[..., y : y + height, x : x + width, :].copy()


@crop.vjp("data")
def _(g, data_spec, x, y, width, height):
    batch = data_spec.shape[:-3]
    begin = (*[0] * len(batch), y, x, 0)
    end = (*batch, y + height, x + width, data_spec.shape[-1])
    return KERNELS["_slice_into"](g, shape=data_spec.shape, begin=begin, end=end)


@kernel(op="_image_flip_left_right")
def flip_left_right(xp, data):
    return data[:, ::-1].copy()


@flip_left_right.vjp("data")
def _(g):
    return flip_left_right(g)


@kernel(op="_image_flip_top_bottom")
def flip_top_bottom(xp, data):
    return data[::-1].copy()


@flip_top_bottom.vjp("data")
def _(g):
    return flip_top_bottom(g)


def _lit(xp, data, alpha):
    if data.shape[2] == 1:
        return data.copy()
    light = xp.asarray(
        [sum(a * b for a, b in zip(alpha, row, strict=False)) for row in _LIGHTING], xp.float32
    )
    return _cast(xp, _floats(xp, data) + light, data.dtype)


@kernel(op="_image_adjust_lighting", kinds="fiu")
def adjust_lighting(xp, data, alpha):
    return _lit(xp, data, alpha)


# Random changes. The numbers come one by one from the generator that shuffles.


def _brighter(xp, image, factor):
    return image * image.dtype.type(factor)


def _gray(xp, image):
    """The brightness of each pixel."""
    if image.shape[2] == 1:
        return image
    return (image * xp.asarray(_GRAY, image.dtype)).sum(axis=2, keepdims=True)


def _contrasted(xp, image, factor):
    mean = _gray(xp, image).mean(dtype=xp.float64).astype(image.dtype)
    return image * image.dtype.type(factor) + mean * image.dtype.type(1 - factor)


def _saturated(xp, image, factor):
    if image.shape[2] == 1:
        return image.copy()
    # Of the three terms of the gray MXNet keeps the last.
    gray = image[..., 2:] * image.dtype.type(_GRAY[2])
    return image * image.dtype.type(factor) + gray * image.dtype.type(1 - factor)


def _turned(xp, image, factor):
    """The image with its hue turned: through hue, lightness and saturation, and back."""
    if image.shape[2] == 1:
        return image.copy()
    scaled = image / image.dtype.type(255)
    red, green, blue = (scaled[..., channel] for channel in range(3))
    high, low = scaled.max(axis=2), scaled.min(axis=2)
    spread, lightness = high - low, (high + low) / 2
    plain = spread <= 1.1920929e-07
    safe = xp.where(plain, 1, spread)
    span = xp.where(lightness < 0.5, high + low, 2 - high - low)
    saturation = xp.where(plain, 0, spread / xp.where(plain, 1, span))
    sixth = xp.where(
        high == red,
        (green - blue) / safe,
        xp.where(high == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    hue = xp.where(plain, 0, sixth) + image.dtype.type(6 * factor)
    top = xp.where(
        lightness <= 0.5, lightness * (1 + saturation), lightness + saturation - lightness * saturation
    )
    bottom = 2 * lightness - top
    # A channel rises for a sixth of the circle, is at the top for two and falls for one.
    channels = []
    for shift in (2.0, 0.0, -2.0):
        place = (hue + image.dtype.type(shift)) % 6
        rise = xp.clip(xp.minimum(place, 4 - place), 0, 1)
        channels.append(bottom + (top - bottom) * rise)
    return (xp.stack(channels, axis=2) * 255).astype(image.dtype)


def _between(random, low, high):
    return low + (high - low) * random.next_uniform()


def _varied(op, change):
    """The kernel of a change by a random factor."""

    @kernel(op=op, kinds="fiu")
    def varied(xp, data, min_factor, max_factor, random):
        factor = _between(random.on(xp), min_factor, max_factor)
        return _cast(xp, change(xp, _floats(xp, data), factor), data.dtype)

    return varied


random_brightness = _varied("_image_random_brightness", _brighter)
random_contrast = _varied("_image_random_contrast", _contrasted)
random_saturation = _varied("_image_random_saturation", _saturated)
random_hue = _varied("_image_random_hue", _turned)


@kernel(op="_image_random_color_jitter", kinds="fiu")
def random_color_jitter(xp, data, brightness, contrast, saturation, hue, random):
    state = random.on(xp)
    changes = (
        (_brighter, brightness, 1),
        (_contrasted, contrast, 1),
        (_saturated, saturation, 1),
        (_turned, hue, 0),
    )
    made = data.copy()
    for which in state.shuffle_order(len(changes)).tolist():
        change, most, middle = changes[which]
        if most > 0:
            factor = middle + _between(state, -most, most)
            made = _cast(xp, change(xp, _floats(xp, made), factor), data.dtype)
    return made


@kernel(op="_image_random_lighting", kinds="fiu")
def random_lighting(xp, data, alpha_std, random):
    return _lit(xp, data, [alpha_std * number for number in random.on(xp).next_normals(3)])


@kernel(op="_image_random_flip_left_right")
def random_flip_left_right(xp, data, random):
    return data.copy() if random.on(xp).next_coin() else data[:, ::-1].copy()


@kernel(op="_image_random_flip_top_bottom")
def random_flip_top_bottom(xp, data, random):
    return data.copy() if random.on(xp).next_coin() else data[::-1].copy()


def _passed(g):
    return g


for _kernel in (
    adjust_lighting,
    random_brightness,
    random_contrast,
    random_saturation,
    random_hue,
    random_color_jitter,
    random_lighting,
    random_flip_left_right,
    random_flip_top_bottom,
):
    _kernel.vjp("data")(_passed)
