"""The random ops against what MXNet 1.9.1 gave for the same seeds, what they refuse, and their gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from remx_contract.errors import DTypeError, ShapeError, ValueRangeError
from support.runner import Runner
from support.samples_random import SCRIPT, SEEDS

with np.load(Path(__file__).parents[1] / "golden" / "random_ops.npz") as _file:
    GOLDEN = dict(_file)


@pytest.mark.parametrize("seed", SEEDS)
def test_script_gives_the_numbers_of_mxnet(seed: int) -> None:
    runner = Runner()
    runner.random.seed(seed)
    for index, (op, inputs, attrs) in enumerate(SCRIPT):
        arrays = [np.array(values, np.float32) for values in inputs]
        for position, output in enumerate(runner.call(op, arrays, attrs)):
            expected = GOLDEN[f"{seed}/{index}/{position}"]
            assert (output.dtype, output.shape) == (expected.dtype, expected.shape)
            if op == "_sample_multinomial" and position == 1:
                # The logarithm of the probability is the C library's there.
                np.testing.assert_allclose(output, expected, rtol=1e-6)
            elif op.startswith("_image_random"):
                # The factors are exact, the arithmetic with pixels is that of single precision.
                np.testing.assert_allclose(output, expected, rtol=1e-5, atol=2e-4, err_msg=f"{op} {attrs}")
            else:
                np.testing.assert_array_equal(output, expected, err_msg=f"{op} {attrs}")


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("_random_uniform", {"low": 2, "high": 1}),
        ("_random_normal", {"scale": 0}),
        ("_random_normal", {"scale": -1}),
        ("_random_exponential", {"lam": 0}),
        ("_random_randint", {"low": 2, "high": 2}),
        ("_random_gamma", {"alpha": 0}),
        ("_random_gamma", {"beta": -1}),
        ("_random_poisson", {"lam": -1}),
        ("_random_negative_binomial", {"k": -1}),
        ("_random_negative_binomial", {"p": -1}),
        ("_random_generalized_negative_binomial", {"mu": -1}),
        ("_random_generalized_negative_binomial", {"alpha": -1}),
    ],
)
def test_bad_parameters_fail_when_the_op_runs(op: str, attrs: dict[str, object]) -> None:
    with pytest.raises(ValueRangeError, match=op):
        Runner().call(op, [], {**attrs, "shape": (2,)})


@pytest.mark.parametrize("range_max", [5, 0, -1])
def test_more_different_classes_than_there_are_are_refused(range_max: int) -> None:
    with pytest.raises(ValueRangeError, match="range_max"):
        Runner().call("_sample_unique_zipfian", [], {"range_max": range_max, "shape": (1, 6)})


@pytest.mark.parametrize("shape", [(6,), (1, 2, 3), (2, 0)])
def test_unique_samples_have_rows(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="_sample_unique_zipfian"):
        Runner().call("_sample_unique_zipfian", [], {"range_max": 9, "shape": shape})


@pytest.mark.parametrize("name", ["uniform", "gamma", "poisson", "negative_binomial"])
def test_samples_like_whole_numbers_are_refused_as_they_are_drawn(name: str) -> None:
    with pytest.raises(DTypeError, match=name):
        Runner().call(f"_random_{name}_like", [np.ones(3, np.int32)])


def test_a_uniform_interval_may_be_empty() -> None:
    (drawn,) = Runner().call("_random_uniform", [], {"low": 1, "high": 1, "shape": (3,)})
    np.testing.assert_array_equal(drawn, np.ones(3, np.float32))


def test_dropout_in_training_and_outside() -> None:
    data = np.ones((40, 50), np.float32)
    (kept,) = Runner().call("Dropout", [data], {"p": 0.25})
    np.testing.assert_array_equal(kept, data)
    (dropped,) = Runner(training=True).call("Dropout", [data], {"p": 0.25})
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
    assert 0.7 < (dropped != 0).mean() < 0.8


def test_dropout_of_everything_is_nan() -> None:
    with np.errstate(all="ignore"):
        (dropped,) = Runner(training=True).call("Dropout", [np.ones(3, np.float32)], {"p": 1})
    assert np.isnan(dropped).all()


def test_dropout_of_integers_fails_when_it_draws() -> None:
    with pytest.raises(DTypeError, match="Dropout"):
        Runner(training=True).call("Dropout", [np.ones(3, np.int32)])


@pytest.mark.parametrize("axes", [(), (1,)])
def test_gradient_of_dropout_passes_where_it_kept(axes: tuple[int, ...]) -> None:
    runner = Runner(training=True)
    data = runner.variable(np.full((6, 5), 2.0))
    outputs = runner.apply("Dropout", [data], {"p": 0.5, "axes": axes})
    head = np.arange(30.0).reshape(6, 5)
    (gradient,) = runner.gradients(outputs, [head], [data])
    np.testing.assert_array_equal(runner.host(gradient), head * runner.host(outputs[0]) / 2)


def test_second_gradient_through_dropout() -> None:
    runner = Runner(training=True)
    data = runner.variable(np.arange(1.0, 9.0))
    (squares,) = runner.apply("elemwise_mul", [data, data])
    (dropped,) = runner.apply("Dropout", [squares], {"p": 0.5})
    (first,) = runner.gradients([dropped], [None], [data], create_graph=True)
    (second,) = runner.gradients([first], [None], [data])
    # The mask times x**2 has the second derivative twice the mask.
    mask = runner.host(dropped) / runner.host(squares)
    np.testing.assert_array_equal(runner.host(second), 2 * mask)


def test_gradient_of_multinomial_goes_to_the_chosen_probabilities() -> None:
    runner = Runner()
    rows = np.array([[0.1, 0.9], [0.5, 0.5]])
    data = runner.variable(rows)
    outputs = runner.apply("_sample_multinomial", [data], {"shape": (4,), "get_prob": True})
    head = np.arange(8.0).reshape(2, 4)
    (gradient,) = runner.gradients(outputs[1:], [head], [data])
    expected = np.zeros((2, 2))
    for row, sample in np.ndindex(2, 4):
        chosen = runner.host(outputs[0])[row, sample]
        expected[row, chosen] += head[row, sample] / rows[row, chosen]
    np.testing.assert_allclose(runner.host(gradient), expected)


def test_samples_have_no_gradient_to_their_parameters() -> None:
    runner = Runner()
    data = runner.variable(np.ones((2, 3)))
    outputs = runner.apply("_sample_multinomial", [data])
    (gradient,) = runner.gradients(outputs, [None], [data])
    np.testing.assert_array_equal(runner.host(gradient), np.zeros((2, 3)))
