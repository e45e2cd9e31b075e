"""Random numbers: the same ones, for the same seed, as MXNet 1.9.1 draws on a CPU."""

from __future__ import annotations

from ..attributes import BOOL, FLOAT, INT, SHAPE, choice, optional
from ..dtypes import float16, float32, float64, int32, int64, uint8
from ..op import NONE, RULES, ZERO, Attr, DTypeRule, Op
from ..rules import sampling, shapes, types
from ..rules.choices import dtype_among

_FLOAT_DTYPE = Attr("dtype", optional(dtype_among(float16, float32, float64)), None)


def _draw(
    name: str, doc: str, *parameters: Attr, dtype: Attr = _FLOAT_DTYPE, rule: DTypeRule = types.attr
) -> Op:
    """An op that draws an array of a shape."""
    return Op(
        name,
        inputs=(),
        attrs=(*parameters, Attr("shape", SHAPE, (1,)), dtype),
        shape=shapes.shape_attr,
        dtype=rule,
        grad=NONE,
        random=True,
        aliases=_ALIASES[name],
        doc=doc,
    )


def _draw_like(name: str, doc: str, *parameters: Attr) -> Op:
    """An op that draws an array of another one's shape and dtype."""
    return Op(
        name,
        inputs=("data",),
        attrs=parameters,
        shape=shapes.same,
        dtype=types.same,
        grad=ZERO,
        random=True,
        doc=f"{doc} The samples have the shape and the dtype of `data`, which is float16, float32 or "
        "float64.",
    )


def _sample(name: str, doc: str, *inputs: str) -> Op:
    """An op that draws from a distribution for each element of its inputs."""
    return Op(
        name,
        inputs=inputs,
        attrs=(Attr("shape", SHAPE, ()), _FLOAT_DTYPE),
        shape=sampling.samples,
        dtype=sampling.sample_dtype,
        grad=ZERO,
        random=True,
        aliases=(name[1:],),
        doc=f"{doc} For each element of the parameters an array of `shape` is drawn; the result's shape is "
        "theirs followed by `shape`. Parameters are not checked.",
    )


_ALIASES = {
    "_random_uniform": ("random_uniform", "uniform"),
    "_random_normal": ("random_normal", "normal"),
    "_random_exponential": ("random_exponential",),
    "_random_randint": ("random_randint",),
    "_random_gamma": ("random_gamma",),
    "_random_poisson": ("random_poisson",),
    "_random_negative_binomial": ("random_negative_binomial",),
    "_random_generalized_negative_binomial": ("random_generalized_negative_binomial",),
}
_LOW, _HIGH = Attr("low", FLOAT, 0.0, per_call=True), Attr("high", FLOAT, 1.0, per_call=True)
_LOC, _SCALE = Attr("loc", FLOAT, 0.0, per_call=True), Attr("scale", FLOAT, 1.0, per_call=True)
_LAM = Attr("lam", FLOAT, 1.0, per_call=True)
_ALPHA, _BETA = Attr("alpha", FLOAT, 1.0, per_call=True), Attr("beta", FLOAT, 1.0, per_call=True)
_K, _P = Attr("k", INT, 1, per_call=True), Attr("p", FLOAT, 1.0, per_call=True)
_MU = Attr("mu", FLOAT, 1.0, per_call=True)

_GAMMA = "Samples of the gamma distribution of shape `alpha` and scale `beta` (the mean is alpha * beta)"
_POISSON = "Samples of the poisson distribution of rate `lam`"
_NEGATIVE = "How many failures come before `k` successes, each of probability `p`"
_GENERALIZED = (
    "Samples of the negative binomial distribution of mean `mu` and dispersion `alpha` (the variance is "
    "mu + alpha * mu**2)"
)

ROWS = (
    _draw(
        "_random_uniform",
        "Samples of the uniform distribution from `low` to `high`, which must not be below it; `high` "
        "itself can occur.",
        _LOW,
        _HIGH,
    ),
    _draw(
        "_random_normal",
        "Samples of the normal distribution of mean `loc` and positive deviation `scale`.",
        _LOC,
        _SCALE,
    ),
    _draw(
        "_random_exponential",
        "Samples of the exponential distribution of positive rate `lam` (the mean is 1 / lam).",
        _LAM,
    ),
    _draw("_random_gamma", f"{_GAMMA}, which are positive.", _ALPHA, _BETA),
    _draw("_random_poisson", f"{_POISSON}, which is not negative: whole numbers of a floating dtype.", _LAM),
    _draw(
        "_random_negative_binomial",
        f"{_NEGATIVE}: whole numbers of a floating dtype. Neither is negative.",
        _K,
        _P,
    ),
    _draw(
        "_random_generalized_negative_binomial",
        f"{_GENERALIZED}: whole numbers of a floating dtype. Neither is negative.",
        _MU,
        _ALPHA,
    ),
    _draw(
        "_random_randint",
        "Integers from `low` to below `high`, which must be above it.",
        Attr("low", INT, per_call=True),
        Attr("high", INT, per_call=True),
        dtype=Attr("dtype", optional(dtype_among(int32, int64)), None),
        rule=sampling.int_attr,
    ),
    _draw_like(
        "_random_uniform_like", "Samples of the uniform distribution from `low` to `high`.", _LOW, _HIGH
    ),
    _draw_like(
        "_random_normal_like",
        "Samples of the normal distribution of mean `loc` and deviation `scale`.",
        _LOC,
        _SCALE,
    ),
    _draw_like("_random_exponential_like", "Samples of the exponential distribution of rate `lam`.", _LAM),
    _draw_like("_random_gamma_like", f"{_GAMMA}.", _ALPHA, _BETA),
    _draw_like("_random_poisson_like", f"{_POISSON}.", _LAM),
    _draw_like("_random_negative_binomial_like", f"{_NEGATIVE}.", _K, _P),
    _draw_like("_random_generalized_negative_binomial_like", f"{_GENERALIZED}.", _MU, _ALPHA),
    _sample("_sample_uniform", "Samples of uniform distributions from `low` to `high`.", "low", "high"),
    _sample(
        "_sample_normal", "Samples of normal distributions of mean `mu` and deviation `sigma`.", "mu", "sigma"
    ),
    _sample("_sample_exponential", "Samples of exponential distributions of rate `lam`.", "lam"),
    _sample("_sample_gamma", f"{_GAMMA}.", "alpha", "beta"),
    _sample("_sample_poisson", f"{_POISSON}.", "lam"),
    _sample("_sample_negative_binomial", f"{_NEGATIVE}.", "k", "p"),
    _sample("_sample_generalized_negative_binomial", f"{_GENERALIZED}.", "mu", "alpha"),
    Op(
        "_sample_multinomial",
        inputs=("data",),
        attrs=(
            Attr("shape", SHAPE, ()),
            Attr("get_prob", BOOL, False),
            Attr("dtype", dtype_among(uint8, int32, float16, float32, float64), int32),
        ),
        shape=sampling.multinomial,
        dtype=sampling.multinomial_dtype,
        grad=RULES,
        random=True,
        aliases=("sample_multinomial",),
        outputs=lambda attrs: 2 if attrs.get_prob else 1,
        doc="Class numbers drawn with the probabilities in the last axis of `data`, `shape` of them for "
        "each row. With `get_prob` also the logarithms of their probabilities, through which gradients flow "
        "to `data`.",
    ),
    Op(
        "_sample_unique_zipfian",
        inputs=(),
        attrs=(Attr("range_max", INT), Attr("shape", SHAPE, ())),
        shape=sampling.rows_of_samples,
        dtype=sampling.two_int64,
        grad=NONE,
        random=True,
        outputs=2,
        doc="Different class numbers below `range_max` in each row of an array of `shape`, which has two "
        "lengths; small ones are more likely, as in Zipf's law. The second output says how many were drawn "
        "for each row, repeated ones included.",
    ),
    Op(
        "_shuffle",
        inputs=("data",),
        shape=sampling.shuffled,
        dtype=types.same,
        grad=NONE,
        random=True,
        aliases=("shuffle",),
        doc="The elements of a vector, or the rows of an array along its first axis, in random order.",
    ),
    Op(
        "Dropout",
        inputs=("data",),
        attrs=(
            Attr("p", FLOAT, 0.5),
            Attr("mode", choice("always", "training"), "training"),
            Attr("axes", SHAPE, ()),
            Attr("cudnn_off", optional(BOOL), False),
        ),
        shape=sampling.dropout,
        dtype=types.same,
        grad=RULES,
        hidden=1,
        random=True,
        doc="Zeroes each element with probability `p` and scales the others by 1 / (1 - p) while training, "
        "and always with `mode='always'`; otherwise a copy. Along `axes` all elements share one fate. `p=1` "
        "gives NaN. `cudnn_off` is taken and changes nothing.",
    ),
)
