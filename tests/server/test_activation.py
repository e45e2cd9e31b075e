"""What the generic suites do not reach of activations and softmaxes."""

from __future__ import annotations

import numpy as np
import pytest
from remx_contract.errors import ArgumentError, DTypeError, MXNetError, ShapeError
from support.runner import Runner


@pytest.mark.parametrize(
    ("gamma", "data", "expected"),
    [
        # Each line is what MXNet 1.9.1 answers for data of -1 and gamma of 1, 2, 3 ...
        ((3,), (3, 3), [[1, 2, 3]] * 3),
        ((3,), (3, 2, 2), [[[1, 1], [1, 1]], [[2, 2], [2, 2]], [[3, 3], [3, 3]]]),
        ((2,), (2, 3), [[1, 1, 1], [2, 2, 2]]),
        ((2, 3), (2, 3), [[1, 2, 3], [4, 5, 6]]),
        ((2, 1), (2, 3), [[1, 1, 1], [2, 2, 2]]),
        ((1, 3), (2, 3, 1), [[[1], [2], [3]]] * 2),
        ((3,), (3,), [1, 2, 3]),
        ((1,), (3,), [1, 1, 1]),
    ],
)
def test_prelu_lays_out_its_slopes(
    gamma: tuple[int, ...], data: tuple[int, ...], expected: list[object]
) -> None:
    runner = Runner()
    slopes = runner.variable(np.arange(1, 1 + np.prod(gamma), dtype=np.float32).reshape(gamma))
    inputs = [runner.value(-np.ones(data, np.float32)), slopes]
    [out] = runner.apply("LeakyReLU", inputs, {"act_type": "prelu"})
    np.testing.assert_array_equal(runner.host(out), -np.array(expected, np.float32))
    [gradient] = runner.gradients([out], [None], [slopes])
    share = np.prod(data) // np.prod(gamma)
    np.testing.assert_array_equal(runner.host(gradient), np.full(gamma, -share, np.float32))


def test_prelu_refuses_slopes_that_do_not_fit() -> None:
    for gamma, data in (((1, 1, 3), (2, 3)), ((2, 3, 2), (2, 3, 2)), ((4,), (2, 3))):
        with pytest.raises(ShapeError, match="gamma"):
            Runner().call("LeakyReLU", [np.ones(data), np.ones(gamma)], {"act_type": "prelu"})
    with pytest.raises(ArgumentError, match="2 inputs"):
        Runner().call("LeakyReLU", [np.ones((2, 3)), np.ones(3)])


def test_rrelu_takes_the_mean_slope_outside_of_training() -> None:
    out, slopes = Runner().call("LeakyReLU", [np.array([-1, 0, 2], np.float32)], {"act_type": "rrelu"})
    np.testing.assert_allclose(slopes, (0.125 + 0.334) / 2)
    np.testing.assert_allclose(out, [-(0.125 + 0.334) / 2, 0, 2], rtol=1e-6)


def test_rrelu_draws_slopes_in_training() -> None:
    runner = Runner(training=True)
    data = runner.variable(np.array([-1.0] * 500 + [1.0] * 500))
    attrs = {"act_type": "rrelu", "lower_bound": 0.1, "upper_bound": 0.9}
    out, slopes = runner.apply("LeakyReLU", [data], attrs)
    drawn = runner.host(slopes)
    assert drawn.min() >= 0.1
    assert drawn.max() <= 0.9
    assert abs(drawn.mean() - 0.5) < 0.05
    assert len(np.unique(drawn)) > 900
    np.testing.assert_allclose(runner.host(out), np.where(np.arange(1000) < 500, -drawn, 1))
    gradient, none = runner.gradients([out], [None], [data]), np.ones(500)
    np.testing.assert_allclose(runner.host(gradient[0]), np.concatenate([drawn[:500], none]))


def test_selu_has_its_true_gradient() -> None:
    # MXNet 1.9.1 scales twice below 0: it gives 0.590423 at -1 and a negative slope further down.
    runner = Runner()
    data = runner.variable(np.array([-20.0, -1.0, 1.0]))
    [out] = runner.apply("LeakyReLU", [data], {"act_type": "selu"})
    [gradient] = runner.gradients([out], [None], [data])
    wanted = [1.7580993408473766 * np.exp(-20), 1.7580993408473766 * np.exp(-1), 1.0507009873554805]
    np.testing.assert_allclose(runner.host(gradient), wanted)


def test_gelu_keeps_its_sign_in_single_precision() -> None:
    data = np.linspace(-12, 0, 5000, dtype=np.float32)
    assert (Runner().call("LeakyReLU", [data], {"act_type": "gelu"})[0] <= 0).all()


def test_softrelu_is_exact_far_out() -> None:
    data = np.array([-80.0, -20.0, 0.0, 20.0, 1000.0], np.float32)
    result = Runner().call("Activation", [data], {"act_type": "softrelu"})[0]
    wanted = np.log1p(np.exp(-np.abs(data.astype(float)))) + np.maximum(data, 0)
    np.testing.assert_allclose(result, wanted, rtol=1e-6)


def test_lengths_from_none_to_all() -> None:
    data = np.array([[1, 2, 3], [1, np.inf, np.nan], [1, 1, 1], [5, 5, 5]], np.float32)
    lengths = np.array([0, 1, 3, 9], np.int32)
    result = Runner().call("softmax", [data, lengths], {"use_length": True})[0]
    third = [1 / 3] * 3
    np.testing.assert_allclose(result, [[0, 0, 0], [1, 0, 0], third, third], rtol=1e-6)


def test_softmax_computes_in_the_wider_dtype() -> None:
    data = np.array([60000, 60000, 0], np.float16)
    result = Runner().call("softmax", [data], {"dtype": "float64", "temperature": 2})[0]
    np.testing.assert_array_equal(result, [0.5, 0.5, 0])
    wide = np.array([0, 1e-9])
    narrowed = Runner().call("log_softmax", [wide], {"dtype": "float32"})[0]
    assert narrowed.dtype == np.float32
    np.testing.assert_allclose(narrowed, np.full(2, -np.log(2)), rtol=1e-6)


def test_softmaxes_of_nothing() -> None:
    for op in ("softmax", "softmin", "log_softmax", "SoftmaxActivation"):
        assert Runner().call(op, [np.zeros((2, 0), np.float32)])[0].shape == (2, 0)


@pytest.mark.parametrize(
    ("op", "inputs", "attrs", "error"),
    [
        ("softmax", [np.ones((2, 3))], {"axis": 2}, ArgumentError),
        ("softmax", [np.ones((2, 3))], {"dtype": "int32"}, ArgumentError),
        ("softmax", [np.ones((2, 3))], {"use_length": True}, ArgumentError),
        ("softmax", [np.ones((2, 3)), np.ones(3, np.int32)], {"use_length": True}, ShapeError),
        ("softmax", [np.ones((2, 3)), np.ones(2)], {"use_length": True}, DTypeError),
        ("softmin", [np.ones((2, 3))], {"use_length": True}, ArgumentError),
        ("log_softmax", [np.ones((2, 3), np.int32)], {}, DTypeError),
        ("SoftmaxActivation", [np.ones(3)], {"mode": "channel"}, ArgumentError),
        ("Activation", [np.ones(3, np.int32)], {"act_type": "relu"}, MXNetError),
        ("Activation", [np.ones(3)], {"act_type": "gelu"}, ArgumentError),
    ],
)
def test_refused(op: str, inputs: list[np.ndarray], attrs: dict[str, object], error: type) -> None:
    with pytest.raises(error, match=op):
        Runner().call(op, inputs, attrs)
