"""The random state against what MXNet 1.9.1 drew, and the properties that golden numbers do not show."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from remx_server import attempts, drawing, random_state
from remx_server.libm import lgammaf, tanf
from remx_server.logarithm import libm_log, logf
from remx_server.mt19937 import Lanes, temper
from remx_server.random_state import LANES, RandomState

with np.load(Path(__file__).parents[1] / "golden" / "random.npz") as _file:
    GOLDEN = dict(_file)
SCRIPTS = json.loads(str(GOLDEN["scripts"]))
ENDS = 32
# Logarithms in float64 come from the C library, so those samples are MXNet's only with the one that made the
# golden data.
SAME_LIBM = platform.libc_ver()[0] == "glibc" and platform.machine() == "x86_64"


def title(script: list[Any]) -> str:
    """Name a script by its seed and the size of its first draw."""
    first = next(arguments for name, arguments in script if not name.startswith("seed"))
    seed = script[0][1].get("seed", "fresh")
    return f"{seed}-{math.prod(first['shape'])}"


def draw(state: RandomState, name: str, arguments: dict[str, Any]) -> Any:
    """Make the call that a golden script names; the numbers of rows and classes are int32 there."""
    arguments = dict(arguments)
    if "shape" in arguments:
        arguments["shape"] = tuple(arguments["shape"])
    parameter_dtype = arguments.pop("parameter_dtype", None)
    if parameter_dtype is not None:
        for key in arguments.keys() - {"shape", "dtype", "size"}:
            arguments[key] = np.array(arguments[key], dtype=parameter_dtype)
    drawn = getattr(state, name)(**arguments)
    return drawn if drawn is None or "dtype" in arguments else drawn.astype(np.int32)


@pytest.mark.parametrize("number", range(len(SCRIPTS)), ids=[title(script) for script in SCRIPTS])
def test_draws_what_mxnet_drew(number: int) -> None:
    """Every call of a golden script gives MXNet's bits, whatever was called before it."""
    state = RandomState()
    for call, (name, arguments) in enumerate(SCRIPTS[number]):
        drawn = draw(state, name, arguments)
        if name.startswith("seed"):
            continue
        key = f"{number}.{call}"
        where = f"{name} {arguments}"
        if not SAME_LIBM and name in ("normal", "exponential", "gamma") and arguments["dtype"] == "float64":
            expected = GOLDEN.get(key, GOLDEN.get(key + ".ends"))[..., :ENDS]
            np.testing.assert_allclose(drawn[..., :ENDS], expected, rtol=1e-14, err_msg=where)
            continue
        if key in GOLDEN:
            np.testing.assert_array_equal(drawn, GOLDEN[key], err_msg=where, strict=True)
            continue
        drawn = drawn.ravel()
        ends = np.concatenate([drawn[:ENDS], drawn[-ENDS:]])
        np.testing.assert_array_equal(ends, GOLDEN[key + ".ends"], err_msg=where, strict=True)
        digest = np.frombuffer(hashlib.sha256(drawn.tobytes()).digest(), np.uint8)
        assert (digest == GOLDEN[key + ".sha256"]).all(), where


def sample(state: RandomState) -> list[Any]:
    """Draw something of everything, in more lanes than one block holds."""
    return [
        state.normal(0, 1, (100_000,)),
        state.normal(0, 1, (9_000,), np.float64),
        state.uniform(0, 1, (300, 500)),
        state.randint(0, 1000, (70_001,)),
        state.exponential(2.0, (100,)),
        state.shuffle_order(100),
        state.shuffle_rows_order(100),
        state.multinomial(np.full((2, 4), 0.25, dtype=np.float32), 50),
        state.gamma(0.7, 2.0, (9_000,)),
        state.poisson(np.array([[3.0], [30.0]], np.float32), (2, 4_000)),
        state.negative_binomial(3, 0.1, (5_000,)),
        state.unique_zipfian(100, (3, 20))[0],
    ]


def assert_same(first: list[Any], second: list[Any]) -> None:
    """Compare two results of `sample`."""
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize(
    ("constant", "value"),
    [
        ("_BLOCK_SAMPLES", 1),
        ("_BLOCK_SAMPLES", 1 << 24),
        ("_BLOCK_COLUMNS", 7),
        ("_THREADED_SAMPLES", 1),
        ("_WORDS_AHEAD", 9),
        ("_SPARE_SIGMAS", -3.0),
        ("_SPARE_PAIRS", 50),
        ("_BOUNDS_AT_A_TIME", 3),
    ],
)
def test_how_much_is_drawn_at_a_time_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, constant: str, value: float
) -> None:
    """The sizes of blocks and the spare pairs are about speed only; too few spare pairs are made up for."""
    expected = sample(RandomState())
    (module,) = (module for module in (attempts, drawing, random_state) if hasattr(module, constant))
    monkeypatch.setattr(module, constant, value)
    assert_same(sample(RandomState()), expected)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads draw, and in whatever order they come to the lanes."""
    expected = sample(RandomState())
    monkeypatch.setattr(drawing, "_THREADED_SAMPLES", 1)
    monkeypatch.setattr(drawing, "_processors", lambda: 5)
    assert_same(sample(RandomState()), expected)


def test_an_error_in_a_thread_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not get lost, and nobody waits for ever."""

    def fail(lanes: Lanes, block: drawing.Block, exact_log: bool) -> None:
        raise MemoryError

    monkeypatch.setattr(drawing, "_THREADED_SAMPLES", 1)
    monkeypatch.setattr(drawing, "_processors", lambda: 3)
    monkeypatch.setattr(drawing, "polar", fail)
    with pytest.raises(MemoryError):
        RandomState().normal(0, 1, (100_000,))


def test_attempts_that_come_to_nothing_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """MXNet would try for ever."""
    monkeypatch.setattr(attempts, "_PATIENCE", 1)
    with pytest.raises(ValueError, match="no sample was accepted"):
        RandomState().poisson(9.0, (3,))


@pytest.mark.parametrize("alpha", [np.nan, np.inf, -1.0])
def test_a_gamma_that_mxnet_does_not_return_from_is_refused(alpha: float) -> None:
    """Its attempts would all fail."""
    with pytest.raises(ValueError, match="positive and finite"):
        RandomState().gamma(alpha, 1.0, (3,))


@pytest.mark.parametrize("lam", [np.nan, np.inf, 1e30])
def test_a_poisson_beyond_int32_is_its_least_number(lam: float) -> None:
    """As C converts it on x86, and MXNet with it."""
    assert (RandomState().poisson(lam, (5,)) == -(2.0**31)).all()


def test_tanf_is_within_two_units_of_the_last_place() -> None:
    """All of [0, pi], and close to the pole and the zeros."""
    fractions = np.random.default_rng(1).random(200_000, np.float32)
    near = np.concatenate([centre + np.linspace(-1e-3, 1e-3, 10_001) for centre in (0.5, 1)])
    x = np.float32(3.1415926) * np.concatenate([fractions, np.clip(near, 0, 1).astype(np.float32)])
    exact = np.tan(x.astype(np.float64))
    assert (np.abs(tanf(x) - exact) / np.spacing(np.abs(exact).astype(np.float32))).max() < 2


def test_lgammaf_is_the_logarithm_of_gamma() -> None:
    """Of whole numbers and of large ones; what is infinite or no number stays so."""
    x = np.concatenate([np.arange(1, 3000), np.geomspace(8, 1e12, 3000)]).astype(np.float32)
    exact = np.array([math.lgamma(value) for value in x.tolist()])
    np.testing.assert_allclose(lgammaf(x), exact, rtol=3e-7)
    np.testing.assert_array_equal(lgammaf(np.array([np.inf, np.nan], np.float32)), [np.inf, np.nan])


def test_a_state_goes_on_where_it_was_saved() -> None:
    """A state set from `getstate` draws what the first one goes on to draw, and is independent of it."""
    first = RandomState()
    first.seed_context(12)
    sample(first)
    saved = first.getstate()
    expected = sample(first)
    second = RandomState()
    sample(second)
    second.setstate(saved)
    assert_same(sample(second), expected)
    second.setstate(RandomState().getstate())
    assert_same(sample(second), sample(RandomState()))


@pytest.mark.parametrize(
    "words",
    [
        np.zeros((2, 623), np.uint32),
        np.zeros((1, 624), np.int32),
        np.zeros((LANES + 1, 624), np.uint32),
        np.zeros(624, np.uint32),
    ],
    ids=["short", "signed", "too many", "flat"],
)
def test_a_malformed_state_is_refused(words: Any) -> None:
    """What cannot be a state raises, and leaves the state as it was."""
    state, other = RandomState(), RandomState()
    other.seed(5)
    saved = other.getstate()
    for bank in ("parallel", "single"):
        with pytest.raises(ValueError, match="words must be uint32"):
            state.setstate({**saved, f"{bank}_words": words})
    assert_same(sample(state), sample(RandomState()))


def test_only_the_lanes_of_a_draw_are_seeded() -> None:
    """A lane costs nothing before it is used: 64 samples take one, 65 two."""
    state = RandomState()
    assert len(state.getstate()["parallel_words"]) == 0
    state.uniform(0, 1, (64,))
    assert len(state.getstate()["parallel_words"]) == 1
    state.uniform(0, 1, (65,))
    assert len(state.getstate()["parallel_words"]) == 2
    state.seed(3)
    assert len(state.getstate()["parallel_words"]) == 0


def test_an_empty_shape_draws_nothing() -> None:
    """No samples, no words used; the shape and dtype are kept."""
    state = RandomState()
    assert state.normal(0, 1, (0, 3)).shape == (0, 3)
    assert state.uniform(0, 1, (4, 0), np.float16).dtype == np.float16
    assert state.randint(0, 5, (0,)).shape == (0,)
    assert state.shuffle_order(0).shape == (0,)
    assert state.multinomial(np.ones((2, 3), np.float32), 0).shape == (2, 0)
    assert_same(sample(state), sample(RandomState()))


def test_the_empty_tuple_is_one_sample() -> None:
    """A result without axes holds what a result of one element would."""
    assert RandomState().normal(0, 1, ()).shape == ()
    assert RandomState().uniform(0, 1, ()) == RandomState().uniform(0, 1, (1,))[0]


def test_seeds_may_be_numpy_integers() -> None:
    """A small integer type does not overflow on the way."""
    first, second = RandomState(), RandomState()
    first.seed(np.int32(2**31 - 1))  # type: ignore[arg-type]
    second.seed(2**31 - 1)
    assert_same(sample(first), sample(second))


@pytest.mark.parametrize("bounds", [(3, 3), (5, 2), (-(2**63), 2**63 - 1)])
def test_randint_refuses_what_has_no_samples(bounds: tuple[int, int]) -> None:
    """An empty interval divides by zero in MXNet, and one longer than int64 overflows."""
    with pytest.raises(ValueError, match="randint needs"):
        RandomState().randint(*bounds, (3,))


@pytest.mark.parametrize("name", ["uniform", "normal"])
def test_samples_are_floating(name: str) -> None:
    """Other dtypes are refused, not rounded."""
    with pytest.raises(TypeError, match="not int32"):
        getattr(RandomState(), name)(0, 1, (3,), np.int32)


def test_what_overflows_is_infinite_without_a_warning() -> None:
    """MXNet's arithmetic is silent."""
    assert np.isinf(RandomState().uniform(1e5, 1e6, (10,), np.float16)).all()
    assert np.isinf(RandomState().exponential(0.0, (10,))).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_uniform_of_one_gives_an_infinite_exponential(monkeypatch: pytest.MonkeyPatch, dtype: Any) -> None:
    """Uniforms can round to one, where the logarithm is of zero."""
    monkeypatch.setattr(drawing, "canonical32", lambda words: np.ones(words.shape, np.float32))
    monkeypatch.setattr(drawing, "canonical64", lambda words: np.ones((1, words.shape[1] // 2)))
    assert (RandomState().exponential(2.0, (3,), dtype) == np.inf).all()


def test_a_row_that_sums_to_too_little_gives_its_last_class() -> None:
    """Classes are always classes."""
    drawn = RandomState().multinomial(np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=np.float32), 100)
    assert (drawn[0] == 2).all()
    assert (drawn[1] == 1).all()


def test_lanes_are_numpys_mt19937() -> None:
    """Lanes that go on by different steps give the words of as many generators of NumPy."""
    seeds = [2**32 - 2, 2**32 - 1, 0, 1, 2]
    lanes = Lanes(seeds[0], len(seeds))
    got: list[list[int]] = [[] for _ in seeds]
    for turn in range(6):
        used = np.array([0, 1, 623, 900, 500 * turn])
        raw = lanes.peek(0, len(seeds), 3000)
        for lane, count in enumerate(used):
            got[lane] += temper(raw[lane : lane + 1, :count])[0].tolist()
        lanes.advance(0, raw, used)
    for seed, words in zip(seeds, got, strict=True):
        expected = np.random.RandomState(seed).randint(0, 2**32, len(words), dtype=np.uint32)
        np.testing.assert_array_equal(words, expected)


def test_logf_is_within_the_bound_of_glibc() -> None:
    """float32 numbers of every magnitude have their logarithm within 0.82 units in the last place."""
    bits = np.random.default_rng(1).integers(0x00800000, 0x7F800000, 200_000, dtype=np.uint32)
    x = np.concatenate([bits.view(np.float32), np.linspace(0.5, 2, 200_000, dtype=np.float32)])
    exact = np.log(x.astype(np.float64))
    error = np.abs(logf(x) - exact) / np.spacing(np.abs(exact).astype(np.float32))
    assert error.max() < 0.82
    assert logf(np.ones(1, dtype=np.float32))[0] == 0


def test_libm_log_is_that_of_the_c_library() -> None:
    """The shape is kept, and every element is what ``math.log`` gives."""
    x = np.random.default_rng(1).uniform(0, 2, (30, 40))
    logs = libm_log(x)
    assert logs.shape == x.shape
    assert logs.tolist() == [[math.log(element) for element in row] for row in x]
