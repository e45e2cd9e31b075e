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
    if name.startswith("_image_"):
        return getattr(mx.nd.image, name.removeprefix("_image_"))  # type: ignore[no-any-return]
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
            atol = 0.0
            if name.startswith("_image_"):
                rtol, atol = 1e-5, 2e-4
            np.testing.assert_allclose(output.asnumpy(), expected, rtol, atol, err_msg=f"{name} {attrs}")
    for index, (shape, rand_type, scale) in enumerate(ORTHOGONAL):
        weight = mx.nd.zeros(shape)
        initializer = mx.init.Orthogonal(scale=scale, rand_type=rand_type)
        initializer(mx.init.InitDesc("x_weight"), weight)
        expected = GOLDEN[f"{seed}/orthogonal/{index}"]
        np.testing.assert_allclose(as_vectors(weight.asnumpy()), as_vectors(expected), atol=1e-5)


def test_threads_at_once_draw_mxnets_numbers_each(mx: ModuleType) -> None:
    wrong: list[str] = []

    def run(seed: int) -> None:
        mx.random.seed(seed)
        for index, (name, inputs, attrs) in enumerate(SCRIPT):
            made = function(mx, name)(*map(mx.nd.array, inputs), **attrs)
            first = (made[0] if isinstance(made, list) else made).asnumpy()
            if not np.allclose(first, GOLDEN[f"{seed}/{index}/0"], rtol=1e-5, atol=2e-4):
                wrong.append(f"{seed}: {name} {attrs}")
        done.append(seed)

    done: list[int] = []
    threads = [threading.Thread(target=run, args=(seed,)) for seed in SEEDS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert sorted(done) == sorted(SEEDS)


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


def everything(mx: ModuleType) -> list[np.ndarray[Any, Any]]:
    """Some of each distribution, of each form."""
    rates, random = mx.nd.array([0.5, 20]), mx.nd.random
    drawn = [
        random.uniform(2, 5, shape=(50, 2)),
        random.normal(shape=(30,), dtype="float64"),
        random.normal(rates, rates, shape=3),
        random.exponential(2, shape=20, dtype="float16"),
        random.gamma(2, 3, shape=20),
        random.gamma(rates, rates, shape=(2, 2)),
        random.poisson(4, shape=20),
        random.poisson_like(mx.nd.ones((4,)), 7),
        random.negative_binomial(4, 0.3, shape=20),
        random.generalized_negative_binomial(rates, mx.nd.array([0, 1]), shape=5),
        random.randint(-5, 500, shape=(20,)),
        *random.multinomial(mx.nd.array([[0.2, 0.8], [0.5, 0.5]]), shape=20, get_prob=True),
        random.shuffle(mx.nd.arange(20)),
        random.shuffle(mx.nd.arange(20).reshape((10, 2))),
        mx.nd.Dropout(mx.nd.ones((40,)), p=0.3, mode="always"),
    ]
    return [array.asnumpy() for array in drawn]


def test_philox_repeats_itself_and_seeding_again_goes_back(mx: ModuleType) -> None:
    mx.random.seed(5)
    exact = everything(mx)
    mx.random.seed(5, generator="philox")
    first, later = everything(mx), everything(mx)
    mx.random.seed(5, generator="philox")
    again = everything(mx)
    mx.random.seed(5)
    back = everything(mx)
    for one, two, old, new in zip(first, again, exact, back, strict=True):
        np.testing.assert_array_equal(one, two, strict=True)
        np.testing.assert_array_equal(old, new, strict=True)
        assert (one.shape, one.dtype) == (old.shape, old.dtype)
    for different in (later, exact):
        assert sum((one != two).any() for one, two in zip(first, different, strict=True)) >= 14


def test_philox_is_of_one_thread(mx: ModuleType) -> None:
    mx.random.seed(3)
    expected = mx.nd.random.uniform(shape=(4,)).asnumpy()
    mx.random.seed(3)
    thread = threading.Thread(target=lambda: mx.random.seed(3, generator="philox"))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(mx.nd.random.uniform(shape=(4,)).asnumpy(), expected)


def test_an_unknown_generator_is_refused(mx: ModuleType) -> None:
    with pytest.raises(ValueRangeError, match="'mxnet' or 'philox'"):
        mx.random.seed(3, generator="xorshift")


@pytest.mark.parametrize(
    "draw",
    [
        lambda nd: nd.random.gamma(0, 1, shape=2),
        lambda nd: nd.random.gamma(1, -1, shape=2),
        lambda nd: nd.random.poisson(-1, shape=2),
        lambda nd: nd.random.poisson(float("nan"), shape=2),
        lambda nd: nd.random.negative_binomial(-1, 0.5, shape=2),
        lambda nd: nd.random.negative_binomial(1, -0.5, shape=2),
        lambda nd: nd.random.generalized_negative_binomial(-1, 0.5, shape=2),
        lambda nd: nd.random.generalized_negative_binomial(1, -0.5, shape=2),
        lambda nd: nd.random.gamma_like(nd.ones((2,)), alpha=-1),
        # MXNet does not return from these.
        lambda nd: nd.random.gamma(nd.array([-1]), nd.array([1]), shape=2),
        lambda nd: nd.random.gamma(nd.array([np.nan]), nd.array([1]), shape=2),
    ],
)
@pytest.mark.parametrize("generator", ["mxnet", "philox"])
def test_bad_parameters_raise_at_the_wait(mx: ModuleType, draw: Callable[..., Any], generator: str) -> None:
    mx.random.seed(1, generator=generator)
    drawn = draw(mx.nd)
    with pytest.raises(ValueRangeError, match="must"):
        drawn.asnumpy()


@pytest.mark.parametrize("shape", [0, (0,), (2, 0), (2, -1), ()])
def test_a_shape_without_elements_is_refused_at_once(mx: ModuleType, shape: Any) -> None:
    for draw in (mx.nd.random.uniform, mx.nd.random.gamma, mx.nd.random.poisson):
        with pytest.raises(ShapeError, match="shape"):
            draw(shape=shape)


def test_arguments_are_refused_as_mxnet_refuses_them(mx: ModuleType) -> None:
    random = mx.nd.random
    for call in (
        lambda: random.negative_binomial(2.5, 0.5, shape=2),
        lambda: random.gamma(1, 1, shape=2, dtype="int32"),
        lambda: random.poisson(mx.nd.array([1, 2]), shape=(0,)),
        lambda: random.gamma(mx.nd.array([1, 2]), mx.nd.array([1])),
        lambda: random.gamma(mx.nd.array([1, 2]), mx.nd.array([1, 2], dtype="float64")),
        lambda: random.gamma(1, 1, shape=2, out=mx.nd.zeros((3,))),
    ):
        with pytest.raises(MXNetError):
            call()
    with pytest.raises(AssertionError, match="same type"):
        random.gamma(1, mx.nd.array([1]))
    with pytest.raises(ValueError, match="NDArray or numbers"):
        random.gamma("x", 1)
    with pytest.raises(ZeroDivisionError):
        random.exponential(0, shape=2)
