"""Calls of the random ops, made one after another from one seed, since each call moves the state on.

Nothing here imports remx or MXNet, so the same script drives the project's suites and the real MXNet.
"""

from __future__ import annotations

SEEDS = (0, 7, 4000)

_PAIR = [[0.0, 1.0], [1.5, 2.0]]
_ROWS = [[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]]
_IMAGE = [
    [[200.0, 100.0, 50.0], [10.0, 20.0, 30.0]],
    [[255.0, 0.0, 128.0], [90.0, 180.0, 90.0]],
]
_JITTER = {"brightness": 0.4, "contrast": 0.3, "saturation": 0.5, "hue": 0.1}
_DROPPED = [[1.0, 2.0, 3.0, 4.0]] * 30

# Op, inputs (float32), attributes.
SCRIPT: tuple[tuple[str, list[list[object]], dict[str, object]], ...] = (
    ("_random_uniform", [], {"low": -1.5, "high": 2, "shape": (100, 3)}),
    ("_random_uniform", [], {"shape": 7, "dtype": "float64"}),
    ("_random_uniform", [], {"low": -0.3, "high": 0.7, "shape": (7,), "dtype": "float16"}),
    ("_random_normal", [], {"loc": 1, "scale": 2.5, "shape": (200,)}),
    ("_random_normal", [], {"shape": (20,), "dtype": "float16"}),
    ("_random_exponential", [], {"lam": 3, "shape": (50,)}),
    ("_random_randint", [], {"low": -5, "high": 500, "shape": (50,)}),
    ("_random_randint", [], {"low": -5, "high": 2**40, "shape": (50,), "dtype": "int64"}),
    ("_sample_uniform", _PAIR, {"shape": (3, 2)}),
    ("_sample_uniform", _PAIR, {"dtype": "float64"}),
    ("_sample_normal", _PAIR, {"shape": 70}),
    ("_sample_exponential", [[0.5, 1.0]], {"shape": (3,)}),
    ("_sample_multinomial", [_ROWS], {"shape": (5,), "get_prob": True}),
    ("_sample_multinomial", [_ROWS[0]], {"dtype": "float64"}),
    ("_sample_multinomial", [_ROWS], {"shape": (2, 3)}),
    ("_shuffle", [list(range(20))], {}),
    ("_shuffle", [[[i, i + 0.5] for i in range(20)]], {}),
    ("Dropout", [_DROPPED], {"p": 0.3, "mode": "always"}),
    ("Dropout", [_DROPPED], {"p": 0.3, "mode": "always", "axes": (1,)}),
    ("Dropout", [_DROPPED], {"p": 0.3}),
    ("Dropout", [_DROPPED], {"p": 0, "mode": "always"}),
    ("_random_uniform_like", [[1.0, 2.0, 3.0]], {"low": 3, "high": 4}),
    ("_random_normal_like", [[1.0, 2.0, 3.0]], {"loc": 3, "scale": 4}),
    ("_random_exponential_like", [[1.0, 2.0, 3.0]], {"lam": 3}),
    ("_random_gamma", [], {"alpha": 2.5, "beta": 0.5, "shape": (100, 3)}),
    ("_random_gamma", [], {"alpha": 0.3, "shape": 70, "dtype": "float64"}),
    ("_random_gamma", [], {"alpha": 7, "shape": 70, "dtype": "float16"}),
    ("_random_poisson", [], {"lam": 4, "shape": (50,)}),
    ("_random_poisson", [], {"lam": 40, "shape": (50,), "dtype": "float64"}),
    ("_random_negative_binomial", [], {"k": 3, "p": 0.4, "shape": (50,)}),
    ("_random_negative_binomial", [], {"p": 0.4, "shape": (50,), "dtype": "float16"}),
    ("_random_generalized_negative_binomial", [], {"mu": 3, "alpha": 0.4, "shape": (50,)}),
    ("_random_generalized_negative_binomial", [], {"mu": 3, "alpha": 0, "shape": (50,)}),
    ("_sample_gamma", [[0.5, 2.0], [1.5, 2.0]], {"shape": (3, 2)}),
    ("_sample_gamma", [[0.5, 2.0], [1.5, 2.0]], {}),
    ("_sample_poisson", [[0.5, 20.0]], {"shape": 7, "dtype": "float64"}),
    ("_sample_negative_binomial", [[1.0, 2.5], [0.3, 0.8]], {"shape": (5,)}),
    ("_sample_generalized_negative_binomial", [[1.0, 25.0], [0.0, 0.8]], {"shape": (5,)}),
    ("_sample_unique_zipfian", [], {"range_max": 1000, "shape": (2, 20)}),
    ("_sample_unique_zipfian", [], {"range_max": 10, "shape": (1500, 10)}),
    ("_random_gamma_like", [[1.0, 2.0, 3.0]], {"alpha": 3, "beta": 2}),
    ("_random_poisson_like", [[1.0, 2.0, 3.0]], {"lam": 3}),
    ("_random_negative_binomial_like", [[1.0, 2.0, 3.0]], {"k": 3, "p": 0.3}),
    ("_random_generalized_negative_binomial_like", [[1.0, 2.0, 3.0]], {"mu": 3, "alpha": 0.3}),
    *[("_image_random_flip_left_right", [_IMAGE], {})] * 6,
    *[("_image_random_flip_top_bottom", [_IMAGE], {})] * 6,
    ("_image_random_brightness", [_IMAGE], {"min_factor": 0.5, "max_factor": 1.5}),
    ("_image_random_contrast", [_IMAGE], {"min_factor": 0.5, "max_factor": 1.5}),
    ("_image_random_saturation", [_IMAGE], {"min_factor": 0, "max_factor": 2}),
    ("_image_random_hue", [_IMAGE], {"min_factor": 0.2, "max_factor": 0.7}),
    *[("_image_random_lighting", [_IMAGE], {})] * 3,
    *[("_image_random_color_jitter", [_IMAGE], _JITTER)] * 6,
    ("_image_random_color_jitter", [_IMAGE], {"brightness": 0, "contrast": 0.5, "saturation": 0, "hue": 0.5}),
    ("_sample_multinomial", [_ROWS], {"shape": (5,)}),
)

# Shape, random type and scale of orthogonal matrices, made in this order after the script.
ORTHOGONAL: tuple[tuple[tuple[int, ...], str, float], ...] = (
    ((3, 5), "uniform", 1.414),
    ((5, 3), "uniform", 2.0),
    ((4, 3, 2, 2), "normal", 1.0),
    ((48, 32), "uniform", 1.414),
    ((32, 6, 8), "normal", 0.5),
)
