"""Samples of images. Those of ops that draw leave nothing to chance: one factor, equal pixels to flip."""

from __future__ import annotations

from .samples_base import Sample, Table, ints, sample, values, x

_BYTES = ints(4, 5, 3, low=0, high=256, dtype="uint8")
_FLOATS = x(4, 5, 3, low=0.0, high=255.0)
_GRAY = x(3, 2, 1, low=0.0, high=255.0)
_PLAIN = values(*[7.0] * 12, shape=(2, 2, 3))
_HALF = {"min_factor": 0.5, "max_factor": 0.5}
_MORE = {"min_factor": 1.75, "max_factor": 1.75}


def _drawn(*factors: dict[str, float]) -> tuple[Sample, ...]:
    return tuple(
        sample(image, smooth=False, **each) for each in factors for image in (_FLOATS, _BYTES, _GRAY)
    )


IMAGE: Table = {
    "_image_to_tensor": (
        sample(_BYTES),
        sample(_FLOATS, grad=False, smooth=True),
        sample(x(2, 3, 2, 4, low=0.0, high=255.0), grad=False, smooth=True),
        sample(ints(1, 2, 2, 3, low=0, high=256, dtype="uint8")),
        sample(x(2, 3, 1, dtype="float64"), grad=False),
    ),
    "_image_normalize": (
        sample(x(3, 4, 2), mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 4.0)),
        sample(x(3, 2, 2), mean=0.5, std=2.0),
        sample(x(2, 3, 2, 2), mean=(0.5,), std=(1.0, 0.5, 2.0)),
        sample(x(1, 2, 3), mean=(0.1,), std=(0.3,)),
        sample(x(2, 1, 2, 3, dtype="float64"), mean=(0.25,), std=(0.5,)),
        sample(ints(3, 2, 2, low=0, high=256, dtype="uint8"), mean=(1.0,), std=(2.0,)),
    ),
    "_image_resize": (
        *[
            sample(image, grad=False, **attrs)
            for image in (_BYTES, _FLOATS)
            for attrs in (
                {"size": (3, 2)},
                {"size": (8,)},
                {"size": 8, "keep_ratio": True},
                {"size": (3, 7), "interp": 0},
                {"size": (3, 7), "interp": 2},
                {"size": (10, 9), "interp": 2},
            )
        ],
        sample(ints(2, 6, 4, 1, low=0, high=256, dtype="uint8"), grad=False, size=(2, 3)),
        sample(x(6, 4, 2), grad=False, size=(2, 3)),
        sample(x(6, 4, 3, dtype="float64"), grad=False, size=3, keep_ratio=True),
        sample(x(2, 5, 7, 4), grad=False, size=(3, 9)),
        sample(x(1, 1, 3), grad=False, size=(2, 2)),
        sample(ints(31, 17, 3, low=0, high=256, dtype="uint8"), grad=False, size=(40, 24)),
    ),
    "_image_crop": (
        sample(_BYTES, x=1, y=2, width=3, height=2),
        sample(_FLOATS, x=0, y=0, width=1, height=4),
        sample(x(2, 3, 4, 3), x=3, y=1, width=1, height=2),
        sample(x(3, 4, 1, dtype="float64"), x=0, y=0, width=4, height=3),
    ),
    # MXNet leaves the middle one of an odd number of columns or rows unset.
    **{
        op: (
            sample(ints(4, 2, 3, low=0, high=256, dtype="uint8")),
            sample(x(2, 4, 3)),
            sample(x(4, 2, 1)),
            sample(x(2, 2, 3, dtype="float64")),
        )
        for op in ("_image_flip_left_right", "_image_flip_top_bottom")
    },
    "_image_adjust_lighting": (
        sample(_BYTES, alpha=(0.1, 0.2, 0.3)),
        sample(_FLOATS, alpha=(-0.5, 1.0, 0.25)),
        sample(x(2, 2, 3, dtype="float64"), alpha=(0.1, 0.2, 0.3)),
    ),
    "_image_random_brightness": _drawn(_HALF, _MORE),
    "_image_random_contrast": _drawn(_HALF, _MORE),
    "_image_random_saturation": _drawn(_HALF, _MORE),
    "_image_random_hue": tuple(
        sample(image, smooth=False, min_factor=factor, max_factor=factor)
        for factor in (0.0, 0.3, 0.85)
        for image in (_FLOATS, ints(2, 2, 3, low=0, high=3, dtype="float32"))
    ),
    "_image_random_color_jitter": (
        sample(_FLOATS, smooth=False, brightness=1e-30, contrast=0, saturation=0, hue=0),
        sample(_BYTES, brightness=1e-30, contrast=0, saturation=0, hue=0),
    ),
    "_image_random_lighting": (sample(_FLOATS, smooth=False, alpha_std=0.0), sample(_BYTES, alpha_std=0)),
    "_image_random_flip_left_right": (sample(_PLAIN, smooth=False),),
    "_image_random_flip_top_bottom": (sample(_PLAIN, smooth=False),),
}
