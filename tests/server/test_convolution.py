"""Convolutions beyond what MXNet computes on a CPU: channels last, half precision, and any size of blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from remx_server import correlation
from support.runner import Runner

DATA, WEIGHT = (3, 4, 7, 6), (6, 2, 3, 2)
ATTRS: dict[str, Any] = {
    "kernel": (3, 2),
    "stride": (2, 1),
    "pad": (1, 1),
    "num_filter": 6,
    "num_group": 2,
    "no_bias": True,
}


def numbers(*shape: int, dtype: str = "float64") -> Any:
    """Random numbers, the same at every call."""
    return np.random.RandomState(sum(shape)).uniform(-1, 1, shape).astype(dtype)


def last(array: Any) -> Any:
    """The array with its channels as the last axis."""
    return np.moveaxis(array, 1, -1)


def with_gradients(op: str, inputs: list[Any], attrs: dict[str, Any]) -> list[Any]:
    """The output of an op, and the gradients of its inputs for an output's gradient of some numbers."""
    runner = Runner()
    variables = [runner.variable(array) for array in inputs]
    (out,) = runner.apply(op, variables, attrs)
    head = numbers(*sorted(out.spec.shape), dtype="float64").reshape(-1)[: out.spec.size]
    channels_first = attrs.get("layout") != "NHWC"
    shape = (
        out.spec.shape if channels_first else (out.spec.shape[0], out.spec.shape[-1], *out.spec.shape[1:-1])
    )
    head = head.reshape(shape)
    if not channels_first:
        head = last(head)
    made = runner.gradients([out], [head.astype(out.spec.dtype)], variables)
    return [runner.host(value) for value in (out, *made)]


@pytest.mark.parametrize("op", ["Convolution", "Deconvolution"])
def test_channels_may_be_last(op: str) -> None:
    weight = WEIGHT if op == "Convolution" else (4, 3, 3, 2)
    inputs = [numbers(*DATA), numbers(*weight)]
    first = with_gradients(op, inputs, ATTRS)
    turned = with_gradients(op, [last(array) for array in inputs], {**ATTRS, "layout": "NHWC"})
    for expected, got in zip(first, turned, strict=True):
        np.testing.assert_allclose(got, last(expected), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("op", ["Convolution", "Deconvolution"])
def test_half_precision_is_computed_in_single(op: str) -> None:
    weight = WEIGHT if op == "Convolution" else (4, 3, 3, 2)
    inputs = [numbers(*shape, dtype="float16") for shape in (DATA, weight)]
    halves = with_gradients(op, inputs, ATTRS)
    singles = with_gradients(op, [array.astype("float32") for array in inputs], ATTRS)
    for got, expected in zip(halves, singles, strict=True):
        assert got.dtype == np.float16
        # Rounded once, and the output's gradient before that.
        np.testing.assert_allclose(got.astype("float32"), expected, rtol=2e-3, atol=1e-2)


@pytest.mark.parametrize("block", [1, 100, 1000, 1 << 21])
@pytest.mark.parametrize("wide", [1, 1 << 30])
@pytest.mark.parametrize(
    "attrs",
    [
        ATTRS,
        {**ATTRS, "stride": (1, 1)},
        {**ATTRS, "dilate": (2, 1)},
        {**ATTRS, "pad": (0, 0), "stride": (3, 2)},
    ],
)
def test_blocks_make_no_difference(
    monkeypatch: pytest.MonkeyPatch, attrs: dict[str, Any], wide: int, block: int
) -> None:
    inputs = [numbers(*DATA), numbers(*WEIGHT)]
    expected = with_gradients("Convolution", inputs, attrs)
    monkeypatch.setattr(correlation, "WIDE_ENOUGH", wide)
    monkeypatch.setattr(correlation, "BLOCK", block)
    got = with_gradients("Convolution", inputs, attrs)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_not_a_number_is_a_maximum_only_without_others_and_gets_no_gradient() -> None:
    data = np.array([[[1.0, np.nan, np.nan, np.nan]]])
    out, gradient = with_gradients("Pooling", [data], {"kernel": (2,), "stride": (2,)})
    np.testing.assert_array_equal(out, [[[1.0, np.nan]]])
    assert gradient[0, 0, 0] != 0
    np.testing.assert_array_equal(gradient[0, 0, 1:], 0)
