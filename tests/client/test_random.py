"""Random numbers: MXNet's own for a seed, in one stream for each thread. More of them are in the snippets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from remx._session import Session
from remx.errors import MXNetError, ShapeError, ValueRangeError
from support.samples_random import ORTHOGONAL, SCRIPT, SEEDS

with np.load(Path(__file__).parents[1] / "golden" / "random_ops.npz") as _file:
    GOLDEN = dict(_file)


def function(mx: ModuleType, name: str) -> Callable[..., Any]:
    return getattr(mx.nd._internal if name.startswith("_") else mx.nd, name)  # type: ignore[no-any-return]


def as_vectors(weight: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The singular vectors of a weight as rows whose largest element is positive: MXNet's signs depend on
    the build of NumPy that it runs with."""
    matrix = weight.reshape(weight.shape[0], -1)
    vectors = matrix if matrix.shape[0] < matrix.shape[1] else matrix.T
    largest = abs(vectors).argmax(axis=1)
    return vectors * np.sign(vectors[np.arange(len(vectors)), largest])[:, None]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_numbers_are_mxnets(mx: ModuleType, seed: int) -> None:
    mx.random.seed(seed)
    for index, (name, inputs, attrs) in enumerate(SCRIPT):
        made = function(mx, name)(*map(mx.nd.array, inputs), **attrs)
        for position, output in enumerate(made if isinstance(made, list) else [made]):
            expected = GOLDEN[f"{seed}/{index}/{position}"]
            assert output.asnumpy().dtype == expected.dtype
            rtol = 1e-6 if expected.dtype.kind == "f" else 0
            np.testing.assert_allclose(output.asnumpy(), expected, rtol, err_msg=f"{name} {attrs}")
    for index, (shape, rand_type, scale) in enumerate(ORTHOGONAL):
        weight = mx.nd.zeros(shape)
        initializer = mx.init.Orthogonal(scale=scale, rand_type=rand_type)
        initializer(mx.init.InitDesc("x_weight"), weight)
        expected = GOLDEN[f"{seed}/orthogonal/{index}"]
        np.testing.assert_allclose(as_vectors(weight.asnumpy()), as_vectors(expected), atol=1e-5)


def test_seeding_waits_for_nothing(mx: ModuleType) -> None:
    mx.random.seed(3)
    x = mx.nd.random.uniform(shape=(3,))
    assert mx.stats().round_trips == 0
    assert x.shape == (3,)


def test_a_fresh_session_is_seeded_with_zero(mx: ModuleType, open_session: Callable[[], Session]) -> None:
    first = mx.nd.random.uniform(shape=(5,)).asnumpy()
    mx.random.seed(0)
    np.testing.assert_array_equal(mx.nd.random.uniform(shape=(5,)).asnumpy(), first)


def test_each_thread_has_its_own_numbers(mx: ModuleType) -> None:
    seen: dict[str, np.ndarray[Any, Any]] = {}

    def draw(name: str, seed: int | None) -> None:
        if seed is not None:
            mx.random.seed(seed)
        seen[name] = mx.nd.random.uniform(shape=(4,)).asnumpy()

    mx.random.seed(9)
    draw("here", None)
    for name, seed in (("like here", 9), ("unseeded", None), ("seeded with 0", 0)):
        thread = threading.Thread(target=draw, args=(name, seed))
        thread.start()
        thread.join()
    draw("here, later", None)
    np.testing.assert_array_equal(seen["like here"], seen["here"])
    np.testing.assert_array_equal(seen["unseeded"], seen["seeded with 0"])
    assert not (seen["here, later"] == seen["here"]).any()
    # What the other threads drew has not moved this thread's state.
    mx.random.seed(9)
    mx.nd.random.uniform(shape=(4,))
    np.testing.assert_array_equal(mx.nd.random.uniform(shape=(4,)).asnumpy(), seen["here, later"])


def test_out_keeps_its_dtype_and_shape(mx: ModuleType) -> None:
    for dtype in ("float16", "float32", "float64"):
        out = mx.nd.zeros((3, 2), dtype=dtype)
        assert mx.nd.random.normal(5, 0.1, out=out) is out
        assert out.asnumpy().dtype == np.dtype(dtype)
        assert 4 < out.asnumpy().mean() < 6
    with pytest.raises(ShapeError):
        mx.nd.random.uniform(shape=(2,), out=mx.nd.zeros((3,)))


def test_parameters_of_arrays(mx: ModuleType) -> None:
    low, high = mx.nd.array([[0, 10], [20, 30]]), mx.nd.array([[1, 11], [21, 31]])
    drawn = mx.nd.random.uniform(low, high, shape=(5,)).asnumpy()
    assert drawn.shape == (2, 2, 5)
    np.testing.assert_array_equal(np.floor(drawn), np.broadcast_to(low.asnumpy()[..., None], (2, 2, 5)))
    with pytest.raises(MXNetError):
        mx.nd.random.uniform(low, mx.nd.array([1]))


def test_parameters_that_make_no_sense_raise_at_the_wait(mx: ModuleType) -> None:
    drawn = mx.nd.random.normal(0, -1, shape=(2,))
    with pytest.raises(ValueRangeError, match="_random_normal"):
        drawn.asnumpy()


@pytest.mark.parametrize("seed", [1 << 63, -(1 << 63) - 1, None, "1", 1.0])
def test_seeds_are_integers(mx: ModuleType, seed: Any) -> None:
    with pytest.raises(ValueRangeError):
        mx.random.seed(seed)


def test_drawing_is_not_recorded_as_dependent(mx: ModuleType) -> None:
    x = mx.nd.ones((2,))
    x.attach_grad()
    with mx.autograd.record():
        y = x * mx.nd.random.uniform(2, 3, shape=(2,))
    y.backward()
    assert ((x.grad.asnumpy() >= 2) & (x.grad.asnumpy() < 3)).all()
