"""Samples of matrix products, softmaxes, activations and normalizations."""

from __future__ import annotations

from .samples_base import Table, away, index, positions, sample, values, x

INF = float("inf")

MATMUL: Table = {
    "dot": (
        sample(x(2, 3), x(3, 4)),
        sample(x(3, 2), x(3, 4), transpose_a=True),
        sample(x(2, 3), x(4, 3), transpose_b=True),
        sample(x(3, 2), x(4, 3), transpose_a=True, transpose_b=True),
        sample(x(4), x(4)),
        sample(x(2, 3), x(3)),
        sample(x(3), x(3, 2)),
        sample(x(2, 3, 4), x(4, 2)),
        sample(x(2, 3), x(3, 2, 2)),
        sample(x(2, 3, 4), x(4, 1, 2)),
        sample(x(3, 2, 2), x(3, 4), transpose_a=True),
        sample(x(2, 3), x(4, 2, 3), transpose_b=True),
        sample(x(1, 1), x(1, 1)),
        sample(x(2, 3, dtype="float64"), x(3, 4, dtype="float64")),
        sample(x(2, 40), x(40, 2)),
    ),
    "batch_dot": (
        sample(x(2, 2, 3), x(2, 3, 4)),
        sample(x(2, 3, 2), x(2, 3, 4), transpose_a=True),
        sample(x(2, 2, 3), x(2, 4, 3), transpose_b=True),
        sample(x(2, 3, 2), x(2, 4, 3), transpose_a=True, transpose_b=True),
        sample(x(1, 1, 3), x(1, 3, 1)),
        sample(x(2, 2, 2, 3), x(2, 2, 3, 2)),
        sample(x(2, 2, 3, dtype="float64"), x(2, 3, 4, dtype="float64")),
    ),
    "FullyConnected": (
        sample(x(2, 3), x(4, 3), x(4), num_hidden=4),
        sample(x(2, 3), x(4, 3), num_hidden=4, no_bias=True),
        sample(x(2, 3, 2), x(4, 6), x(4), num_hidden=4),
        sample(x(2, 3, 2), x(4, 2), x(4), num_hidden=4, flatten=False),
        sample(x(2, 3, 2), x(4, 2), num_hidden=4, flatten=False, no_bias=True),
        sample(x(2, 1, 2, 2), x(1, 4), x(1), num_hidden=1),
        sample(x(1, 3), x(2, 3), x(2), num_hidden=2),
        sample(x(2, 3, dtype="float64"), x(4, 3, dtype="float64"), x(4, dtype="float64"), num_hidden=4),
        sample(x(3), x(4, 1), x(4), num_hidden=4),
    ),
    "_linalg_gemm2": (
        sample(x(2, 3), x(3, 4)),
        sample(x(3, 2), x(4, 3), transpose_a=True, transpose_b=True, alpha=-0.5),
        sample(x(2, 2, 3), x(2, 3, 1), alpha=2),
        sample(x(2, 3, 2, 3), x(2, 3, 3, 2)),
        sample(x(2, 3, 4), x(4, 3, 2), axis=0),
        sample(x(2, 2, 3, dtype="float64"), x(2, 4, 3, dtype="float64"), transpose_b=True),
    ),
    "khatri_rao": (
        sample(x(2, 3), x(4, 3), grad=False),
        sample(x(2, 2), x(1, 2), x(3, 2), grad=False),
        sample(x(2, 3), grad=False),
        sample(x(2, 2, dtype="float64"), x(3, 2, dtype="float64"), grad=False),
    ),
}

_SOFTMAX = (
    sample(x(2, 3)),
    sample(x(2, 3), axis=0),
    sample(x(2, 3, 4), axis=1),
    sample(x(2, 3), temperature=2.5),
    sample(x(2, 3, 2), axis=-2, temperature=0.5),
    sample(x(5)),
    sample(x(1, 3, 1), axis=2),
    sample(x(2, 1, 3, 2), axis=2),
    sample(x(3, 4, dtype="float64")),
    sample(x(2, 3, dtype="float16")),
    sample(x(2, 3, dtype="float16"), dtype="float32"),
    sample(x(2, 3), dtype="float64"),
    sample(values(1000.0, 1001.0, -1000.0, 0.0), smooth=False),
)

NN_SOFTMAX: Table = {
    "softmax": (
        *_SOFTMAX,
        sample(x(2, 4), positions(2, 4), use_length=True),
        sample(x(2, 3, 4), index(2, 4, low=1, high=4), axis=1, use_length=True),
        sample(x(2, 4), positions(1, 3, dtype="int64"), axis=1, use_length=True, temperature=2.0),
        sample(values(-INF, 0.0, 1.0), grad=False),
    ),
    "log_softmax": (*_SOFTMAX, sample(values(-INF, 0.0, 1.0), grad=False)),
    "softmin": _SOFTMAX,
    "SoftmaxActivation": (
        sample(x(2, 3)),
        sample(x(2, 3, 4)),
        sample(x(2, 3, 2), mode="channel"),
        sample(x(2, 3, 2, 2), mode="channel"),
    ),
}

_GAMMA = x(3, low=0.1, high=0.6)

NN_ACT: Table = {
    "Activation": (
        *[
            sample(away(*shape), act_type=act_type)
            for act_type in ("relu", "sigmoid", "softrelu", "softsign", "tanh")
            for shape in ((2, 3), (5,), (2, 1, 2, 2))
        ],
        *[
            sample(away(2, 3, dtype=dtype), act_type=act_type)
            for act_type in ("relu", "sigmoid", "softrelu", "softsign", "tanh")
            for dtype in ("float64", "float16")
        ],
        sample(values(-1.0, 0.0, 1.0), smooth=False, act_type="relu"),
        sample(values(-50.0, 0.0, 50.0), smooth=False, act_type="softrelu"),
        sample(values(-50.0, 0.0, 50.0), smooth=False, act_type="sigmoid"),
        sample(values(-50.0, 0.0, 50.0), smooth=False, act_type="tanh"),
    ),
    "LeakyReLU": (
        sample(away(2, 3)),
        sample(away(2, 3), act_type="leaky", slope=0.1),
        sample(away(2, 3), act_type="elu", slope=0.5),
        sample(away(2, 3), act_type="selu"),
        sample(away(2, 3), act_type="gelu"),
        sample(away(2, 3), _GAMMA, act_type="prelu"),
        sample(away(2, 3, 2, 2), _GAMMA, act_type="prelu"),
        sample(away(2, 3), x(1, low=0.1, high=0.6), act_type="prelu"),
        sample(away(5), act_type="elu"),
        sample(away(2, 1, 2, 2), act_type="gelu"),
        *[
            sample(away(2, 3, dtype="float64"), act_type=act_type)
            for act_type in ("leaky", "elu", "selu", "gelu")
        ],
        sample(away(2, 3, dtype="float64"), x(3, dtype="float64"), act_type="prelu"),
        *[
            sample(away(2, 3, dtype="float16"), act_type=act_type)
            for act_type in ("leaky", "elu", "selu", "gelu")
        ],
        sample(values(-1.0, 0.0, 1.0), smooth=False, act_type="leaky"),
        sample(values(-1.0, 0.0, 1.0), smooth=False, act_type="elu", slope=1.0),
    ),
}

NN_NORM: Table = {
    "L2Normalization": (
        sample(x(2, 3)),
        sample(x(2, 3, 4)),
        sample(x(2, 3, 2, 2), mode="instance"),
        sample(x(2, 3, 4), mode="channel"),
        sample(x(2, 3, 2, 2), mode="channel"),
        sample(x(2, 3, 4), mode="spatial"),
        sample(x(2, 3, 2, 2), mode="spatial"),
        sample(x(2, 3), eps=0.5),
        sample(x(2, 3, dtype="float64")),
        sample(x(2, 3, dtype="float16")),
        sample(values(0.0, 0.0, 3.0, 4.0, shape=(2, 2)), smooth=False),
    ),
}
