"""Normalizations and losses from the client: training steps, and what symbols of them know."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from remx import symbol


def test_training_moves_the_moments_and_prediction_uses_them(mx: ModuleType) -> None:
    data = mx.nd.array(np.random.RandomState(0).randn(16, 3, 4) * 3 + 5)
    gamma, beta, mean, variance = mx.nd.ones(3), mx.nd.zeros(3), mx.nd.zeros(3), mx.nd.ones(3)
    gamma.attach_grad()
    beta.attach_grad()
    for _ in range(60):
        with mx.autograd.record():
            out = mx.nd.BatchNorm(data, gamma, beta, mean, variance, fix_gamma=False)
        out.backward()
    numbers = data.asnumpy()
    np.testing.assert_allclose(mean.asnumpy(), numbers.mean((0, 2)) * (1 - 0.9**60), rtol=1e-5)
    wanted = (numbers - mean.asnumpy()[:, None]) / np.sqrt(variance.asnumpy()[:, None] + 1e-3)
    predicted = mx.nd.BatchNorm(data, gamma, beta, mean, variance, fix_gamma=False)
    np.testing.assert_allclose(predicted.asnumpy(), wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(gamma.grad.shape, (3,))


def test_a_classifier_learns_by_softmax_output(mx: ModuleType) -> None:
    random = np.random.RandomState(1)
    labels = random.randint(0, 3, 64)
    data = mx.nd.array(np.eye(3)[labels] + random.randn(64, 3) * 0.1)
    label, weight = mx.nd.array(labels), mx.nd.zeros((3, 3))
    weight.attach_grad()
    for _ in range(50):
        with mx.autograd.record():
            out = mx.nd.FullyConnected(data, weight, num_hidden=3, no_bias=True)
            out = mx.nd.SoftmaxOutput(out, label, normalization="batch")
        out.backward()
        weight -= weight.grad
    assert (out.asnumpy().argmax(1) == labels).all()


def graph(op: str, inputs: list[str], **attrs: str) -> Any:
    """The symbol of one op."""
    names = ["data", *inputs]
    nodes: list[dict[str, Any]] = [{"op": "null", "name": name, "inputs": []} for name in names]
    nodes.append({"op": op, "name": "op", "attrs": attrs, "inputs": [[k, 0, 0] for k in range(len(names))]})
    return symbol.load_json(
        json.dumps({"nodes": nodes, "arg_nodes": list(range(len(names))), "heads": [[len(names), 0, 0]]})
    )


@pytest.mark.parametrize(
    ("op", "inputs", "attrs", "data", "wanted"),
    [
        ("BatchNorm", ["gamma", "beta", "mean", "var"], {}, (2, 3, 4), [(3,), (3,)]),
        ("BatchNorm", ["gamma", "beta", "mean", "var"], {"axis": "-1"}, (2, 3, 4), [(4,), (4,)]),
        ("LayerNorm", ["gamma", "beta"], {}, (2, 3, 4), [(4,), (4,)]),
        ("InstanceNorm", ["gamma", "beta"], {}, (2, 3, 4), [(3,), (3,)]),
        ("GroupNorm", ["gamma", "beta"], {"num_groups": "3"}, (2, 6, 4), [(3,), (3,)]),
        ("SoftmaxOutput", ["label"], {}, (2, 3, 4), [(2, 3)]),
        ("SoftmaxOutput", ["label"], {"multi_output": "True"}, (2, 3, 4), [(2, 4)]),
        ("LinearRegressionOutput", ["label"], {}, (2, 3, 4), [(2, 3, 4)]),
        ("LinearRegressionOutput", ["label"], {}, (5, 1), [(5,)]),
    ],
)
def test_parameters_follow_from_the_data_in_symbols(
    op: str, inputs: list[str], attrs: dict[str, str], data: tuple[int, ...], wanted: list[tuple[int, ...]]
) -> None:
    arguments, outputs, states = graph(op, inputs, **attrs).infer_shape(data=data)
    assert arguments == [data, *wanted]
    assert outputs == [data]
    assert states == ([wanted[0]] * 2 if op == "BatchNorm" else [])


def test_float16_has_moments_of_float32_in_symbols() -> None:
    made = graph("BatchNorm", ["gamma", "beta", "mean", "var"]).infer_type(data="float16")
    assert made == ([np.float16, np.float32, np.float32], [np.float16], [np.float32, np.float32])
