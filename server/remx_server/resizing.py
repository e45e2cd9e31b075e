"""The sizes of images changed, with OpenCV's arithmetic, which is MXNet's."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

Array = Any

NEAREST: Final = 0
BILINEAR: Final = 1
BICUBIC: Final = 2

_BITS = 11
"""Weights of bytes are whole multiples of 2**-11."""


def resized(xp: Any, images: Array, height: int, width: int, interp: int) -> Array:
    """Images of another height and width.

    Parameters
    ----------
    xp : module
    images : array, shape (..., height, width, channels)
        uint8, float32 or float64.
    height, width : int
        The new ones.
    interp : int
        NEAREST, BILINEAR or BICUBIC.

    Returns
    -------
    array
        Of the images' dtype. Bytes are rounded.
    """
    rows, columns = images.shape[-3:-1]
    if interp == NEAREST:
        images = images.take(_nearest(xp, rows, height), axis=-3)
        return images.take(_nearest(xp, columns, width), axis=-2)
    if interp == BILINEAR and (rows, columns) == (2 * height, 2 * width):
        return _halved(xp, images)
    whole = images.dtype == np.uint8
    made = images.astype(xp.int32) if whole else images
    for axis, old, new in ((-2, columns, width), (-3, rows, height)):
        places, weights = _taps(old, new, interp, axis == -2)
        if whole:
            weights = np.rint(weights * (1 << _BITS)).astype(np.int32)
        if axis == -3 and whole and interp == BILINEAR:
            return _bytes_of_rows(xp, made, places, weights)
        made = _weighted(xp, made, places, weights.astype(made.dtype), axis)
    if whole:
        made = xp.clip((made + (1 << (2 * _BITS - 1))) >> (2 * _BITS), 0, 255).astype(xp.uint8)
    return made


def _nearest(xp: Any, old: int, new: int) -> Array:
    return xp.minimum(xp.floor(xp.arange(new) * (old / new)).astype(xp.int64), old - 1)


def _halved(xp: Any, images: Array) -> Array:
    """Means of squares of four pixels."""
    work = xp.int32 if images.dtype == np.uint8 else images.dtype
    parts = [images[..., row::2, column::2, :].astype(work) for row in (0, 1) for column in (0, 1)]
    total = parts[0] + parts[1] + parts[2] + parts[3]
    if images.dtype == np.uint8:
        return ((total + 2) >> 2).astype(xp.uint8)
    return total * total.dtype.type(0.25)


def _taps(old: int, new: int, interp: int, across: bool) -> tuple[Array, Array]:
    """Which old pixels a new one is computed of, and their weights: two arrays of shape (taps, new).

    Where one of two pixels is outside, columns have weight 0; rows are taken twice, which rounds otherwise.
    """
    at = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    first = np.floor(at).astype(np.int64)
    part = at - first.astype(np.float32)
    if interp == BILINEAR:
        if across:
            part = np.where((first < 0) | (first >= old - 1), np.float32(0), part)
        return np.clip(np.stack((first, first + 1)), 0, old - 1), np.stack((1 - part, part))
    # Of a cubic with slope -0.75.
    slope = np.float32(-0.75)
    far, near, after = part + 1, part, 1 - part
    weights = [
        ((slope * far - 5 * slope) * far + 8 * slope) * far - 4 * slope,
        ((slope + 2) * near - (slope + 3)) * near * near + 1,
        ((slope + 2) * after - (slope + 3)) * after * after + 1,
    ]
    weights.append(1 - weights[0] - weights[1] - weights[2])
    places = np.stack([first + step for step in (-1, 0, 1, 2)])
    return np.clip(places, 0, old - 1), np.stack(weights)


def _shaped(xp: Any, weights: Array, axis: int) -> Array:
    return xp.asarray(weights).reshape(-1, *[1] * (-1 - axis))


def _weighted(xp: Any, images: Array, places: Array, weights: Array, axis: int) -> Array:
    """Sums of pixels along an axis, times their weights."""
    made = None
    for place, weight in zip(places, weights, strict=True):
        part = images.take(xp.asarray(place), axis=axis)
        part *= _shaped(xp, weight, axis)
        made = part if made is None else made + part
    return made


def _bytes_of_rows(xp: Any, images: Array, places: Array, weights: Array) -> Array:
    """As :func:`_weighted` along the rows, rounded in the steps in which OpenCV makes bytes."""
    total = 2
    for place, weight in zip(places, weights, strict=True):
        part = images.take(xp.asarray(place), axis=-3) >> 4
        total = total + ((part * _shaped(xp, weight, -3)) >> 16)
    return xp.clip(total >> 2, 0, 255).astype(xp.uint8)
