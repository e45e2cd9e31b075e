"""Make random.npz: what MXNet 1.9.1's CPU generator draws. Run with a Python that has MXNet 1.9.1.

The file holds ``scripts``, JSON: a list of scripts, each a list of calls ``[name, arguments]`` made in a
thread of its own, whose random state is therefore fresh. The result of call ``c`` of script ``s`` is the
array ``s.c``; a long one is kept as its first and last samples, ``s.c.ends``, and the SHA-256 of its bytes,
``s.c.sha256``.
"""

import hashlib
import json
import pathlib
import threading

import mxnet as mx
import numpy as np

LONG = 300
ENDS = 32
PARAMETERS = {
    "normal": ("loc", "scale"),
    "exponential": ("lam",),
    "gamma": ("alpha", "beta"),
    "poisson": ("lam",),
    "negative_binomial": ("k", "p"),
    "generalized_negative_binomial": ("mu", "alpha"),
}
DTYPES = ("float16", "float32", "float64")


def draw(name, arguments):
    """Make one call; return what it draws, or None for a call that seeds."""
    a = dict(arguments)
    dtype = a.pop("parameter_dtype", None)
    if name == "seed":
        return mx.random.seed(a["seed"])
    if name == "seed_context":
        return mx.random.seed(a["seed"], ctx=mx.cpu())
    if name == "shuffle_order":
        return mx.nd.random.shuffle(mx.nd.arange(a["n"])).asnumpy().astype(np.int32)
    if name == "shuffle_rows_order":
        rows = mx.nd.random.shuffle(mx.nd.arange(2 * a["n"]).reshape((a["n"], 2))).asnumpy()
        return (rows[:, 0] / 2).astype(np.int32)
    if name == "multinomial":
        probabilities = mx.nd.array(a["probabilities"], dtype=dtype)
        return mx.nd.random.multinomial(probabilities, shape=(a["size"],)).asnumpy()
    if name == "keep_mask":
        return kept(a["p"], a["shape"], a["dtype"])
    a["shape"] = tuple(a["shape"])
    if dtype is None:
        return getattr(mx.nd._internal, "_random_" + name)(**a).asnumpy()
    # The parameters of a call broadcast to its result; those of MXNet lack the axis of the samples.
    given = [value for key, value in a.items() if key not in ("shape", "dtype")]
    parameters = [mx.nd.array(np.array(value)[:, 0], dtype=dtype) for value in given]
    return getattr(mx.nd, "sample_" + name)(*parameters, shape=a["shape"][1:], dtype=a["dtype"]).asnumpy()


def kept(p, shape, dtype):
    """The elements that Dropout keeps of ones of `shape`, broadcast over an axis added in the middle."""
    axis = len(shape) // 2
    data = mx.nd.ones((*shape[:axis], 3, *shape[axis:]), dtype=dtype)
    with mx.autograd.record():
        dropped = mx.nd.Dropout(data, p=p, axes=(axis,)).asnumpy() != 0
    same = np.moveaxis(dropped, axis, 0)
    assert (same == same[0]).all()
    return same[0]


def flat(name, size, *values):
    """A call that draws `size` samples in one axis."""
    names = PARAMETERS.get(name, ("low", "high"))
    *parameters, dtype = values
    return [name, {**dict(zip(names, parameters, strict=True)), "shape": [size], "dtype": dtype}]


def multinomial(probabilities, size, dtype="float32"):
    """A call that draws `size` classes from each row of `probabilities`."""
    return ["multinomial", {"probabilities": probabilities, "size": size, "parameter_dtype": dtype}]


def each(parameter_dtype, dtype):
    """Calls with three distributions each, and a multinomial of many classes."""
    a, b = [[0.3], [-2.7], [11.1]], [[0.9], [1.3], [19.7]]
    shared = {"shape": [3, 70], "dtype": dtype, "parameter_dtype": parameter_dtype}
    weights = np.random.RandomState(5).rand(2, 300)
    probabilities = np.round(weights / weights.sum(axis=1, keepdims=True), 6)
    probabilities[:, -1] += 0.01  # the rows sum to more than one in float16 too, where every class is one
    shapes, rates = [[0.4], [2.3], [17.0]], [[0.0], [3.3], [40.5]]
    return [
        ["uniform", {"low": a, "high": b, **shared}],
        ["normal", {"loc": a, "scale": b, **shared}],
        ["exponential", {"lam": b, **shared}],
        ["gamma", {"alpha": shapes, "beta": b, **shared}],
        ["poisson", {"lam": rates, **shared}],
        ["negative_binomial", {"k": shapes, "p": [[0.3], [0.5], [0.9]], **shared}],
        ["generalized_negative_binomial", {"mu": rates, "alpha": [[0.0], [0.7], [2.1]], **shared}],
        multinomial(probabilities.tolist(), 1000, parameter_dtype),
    ]


def of_one_size(seed, size):
    """Calls of everything that takes a shape, one after the other."""
    return [
        ["seed", {"seed": seed}],
        flat("uniform", size, 0.0, 1.0, "float32"),
        flat("normal", size, 0.0, 1.0, "float32"),
        flat("uniform", size, 0.1, 0.7, "float64"),
        flat("uniform", size, -3.1, 5.3, "float16"),
        flat("normal", size, 0.3, 1.7, "float32"),
        flat("normal", size, 0.3, 1.7, "float16"),
        flat("exponential", size, 0.3, "float32"),
        flat("randint", size, -7, 2**31 - 1, "int32"),
        flat("normal", size, 0.3, 1.7, "float64"),
        flat("exponential", size, 3.1, "float64"),
        flat("exponential", size, 3.1, "float16"),
        flat("randint", size, -(2**40), 2**61, "int64"),
        flat("randint", size, -(2**31), 2**33, "int32"),
        ["keep_mask", {"p": 0.3, "shape": [size], "dtype": "float32"}],
        ["keep_mask", {"p": 0.6, "shape": [size], "dtype": "float64"}],
        flat("uniform", size, -0.07, 0.07, "float32"),
        *of_attempts(size),
    ]


def of_attempts(size):
    """Calls of the distributions that take a number of words that is not known before."""
    return [
        flat("gamma", size, 2.5, 1.5, "float32"),
        flat("gamma", size, 0.4, 3.0, "float32"),
        flat("gamma", size, 0.6, 0.2, "float64"),
        flat("gamma", size, 30.0, 0.2, "float16"),
        flat("poisson", size, 3.7, "float32"),
        flat("poisson", size, 12.0, "float64"),
        flat("poisson", size, 1000.0, "float16"),
        flat("negative_binomial", size, 3, 0.2, "float32"),
        flat("negative_binomial", size, 20, 0.1, "float64"),
        flat("generalized_negative_binomial", size, 20.0, 0.3, "float32"),
        flat("generalized_negative_binomial", size, 3.0, 0.0, "float32"),
    ]


def of_millions(seed):
    """Calls so large that a lane's share is drawn in several pieces, and a small one after each."""
    size = 3_000_000
    calls = [
        flat("uniform", size, 0.0, 1.0, "float32"),
        flat("normal", size, 0.0, 1.0, "float32"),
        flat("exponential", size, 0.3, "float32"),
        flat("randint", size, -7, 2**31 - 1, "int32"),
        flat("uniform", size, 0.1, 0.7, "float64"),
        ["keep_mask", {"p": 0.3, "shape": [size], "dtype": "float32"}],
        flat("gamma", size, 2.5, 1.5, "float32"),
        flat("poisson", size, 3.7, "float32"),
    ]
    small = flat("normal", 70, 0.0, 1.0, "float32")
    return [["seed", {"seed": seed}], *(call for large in calls for call in (large, small))]


def of_many_sizes(seed):
    """Calls whose sizes and generators alternate."""
    return [
        ["seed", {"seed": seed}],
        *(flat("normal", size, 0.0, 0.01, "float32") for size in (5, 70000, 1, 130, 2048, 1, 65536, 100)),
        *(flat("uniform", size, 0.0, 2.0, "float32") for size in (3, 65600, 7)),
        ["normal", {"loc": 0.0, "scale": 1.0, "shape": [3, 40, 5], "dtype": "float32"}],
        ["keep_mask", {"p": 0.4, "shape": [30, 40], "dtype": "float16"}],
        ["shuffle_order", {"n": 10000}],
        flat("uniform", 200, 0.0, 2.0, "float32"),
        ["shuffle_rows_order", {"n": 5000}],
        multinomial([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]], 100),
        ["shuffle_order", {"n": 300000}],
        multinomial([[0.05] * 20], 2000),
    ]


def of_both_seeds(seed):
    """Calls after the two ways of seeding."""
    draws = [flat("uniform", 130, 0.0, 1.0, "float32"), ["shuffle_order", {"n": 50}]]
    return [["seed", {"seed": seed}], *draws, ["seed_context", {"seed": seed}], *draws]


def scripts():
    """All that is drawn, as lists of calls."""
    for seed in (0, 42, 2**31 - 1, 4000):
        for size in (1, 63, 64, 65, 1000, 65536, 65537):
            yield of_one_size(seed, size)
        yield of_many_sizes(seed)
    for seed in (0, 42, 2**31 - 1):
        yield of_millions(seed)
    for seed in (-1, 2**31 - 1, 2**31, 2**32, 2**32 + 5, -(2**31), 2**40 + 3, 2**64 + 7):
        yield of_both_seeds(seed)
    yield of_one_size(0, 100)[1:]  # unseeded
    yield [["seed", {"seed": 9}], *(call for p in DTYPES for d in DTYPES for call in each(p, d))]


def run(script, results):
    """Make the calls of one script; meant for a thread of its own."""
    results += [draw(*call) for call in script]


def main():
    """Write random.npz beside this file."""
    everything = list(scripts())
    arrays = {"scripts": np.array(json.dumps(everything))}
    for s, script in enumerate(everything):
        results = []
        thread = threading.Thread(target=run, args=(script, results))
        thread.start()
        thread.join()
        assert len(results) == len(script), script
        for c, result in enumerate(results):
            if result is None:
                continue
            if result.size <= LONG:
                arrays[f"{s}.{c}"] = result
                continue
            samples = result.ravel()
            arrays[f"{s}.{c}.ends"] = np.concatenate([samples[:ENDS], samples[-ENDS:]])
            digest = hashlib.sha256(samples.tobytes()).digest()
            arrays[f"{s}.{c}.sha256"] = np.frombuffer(digest, np.uint8)
    np.savez_compressed(pathlib.Path(__file__).with_name("random.npz"), **arrays)


if __name__ == "__main__":
    main()
