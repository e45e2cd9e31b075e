"""What the generic suites do not reach of the contributed ops: those that MXNet has on GPUs only, gradients
that are no derivatives, and attention against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from remx_contract.errors import OutOfRangeError, ValueRangeError
from support.derivatives import STRAIGHT
from support.own_rows import DRAWN_IMAGES
from support.runner import DEVICES, Runner, runner_on

RANDOM = np.random.RandomState(0)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("shape", [(2, 5), (3, 1), (2, 1, 3, 4)])
def test_fft_and_back(shape: tuple[int, ...], dtype: str, device: str) -> None:
    runner = runner_on(device)
    data = RANDOM.randn(*shape).astype(dtype)
    (made,) = runner.call("_contrib_fft", [data])
    wanted = np.fft.fft(data.astype("float64"))
    exact = {"float16": 1e-2, "float32": 1e-5, "float64": 1e-12}[dtype]
    assert made.dtype == dtype
    np.testing.assert_allclose(made[..., ::2], wanted.real, atol=exact, rtol=exact)
    np.testing.assert_allclose(made[..., 1::2], wanted.imag, atol=exact, rtol=exact)
    (back,) = runner.call("_contrib_ifft", [made])
    np.testing.assert_allclose(back, data * shape[-1], atol=10 * exact, rtol=exact)


@pytest.mark.parametrize("device", DEVICES)
def test_count_sketch_is_a_sum_by_position(device: str) -> None:
    data, signs = RANDOM.randn(3, 6), RANDOM.choice([-1.0, 1.0], (1, 6))
    positions = RANDOM.randint(0, 4, (1, 6)).astype("float64")
    (made,) = runner_on(device).call("_contrib_count_sketch", [data, positions, signs], {"out_dim": 4})
    wanted = np.zeros((3, 4))
    for column in range(6):
        wanted[:, int(positions[0, column])] += signs[0, column] * data[:, column]
    np.testing.assert_allclose(made, wanted)


def test_a_position_outside_of_a_sketch_is_an_error() -> None:
    inputs = [np.ones((2, 2)), np.array([[0.0, 3.0]]), np.ones((1, 2))]
    with pytest.raises(OutOfRangeError, match=r"_contrib_count_sketch.*index 3"):
        Runner().call("_contrib_count_sketch", inputs, {"out_dim": 3})


@pytest.mark.parametrize("op", sorted(STRAIGHT - DRAWN_IMAGES))
def test_a_gradient_passes_unchanged_at_every_order(op: str) -> None:
    runner = Runner()
    data = runner.variable(np.array([-1.7, 0.2, 0.6]))
    (made,) = runner.apply(op, [data])
    (cube,) = runner.apply("_power_scalar", [made], {"scalar": 3.0})
    (first,) = runner.gradients([cube], [None], [data], create_graph=True)
    (second,) = runner.gradients([first], [None], [data])
    np.testing.assert_allclose(runner.host(first), 3 * runner.host(made) ** 2)
    np.testing.assert_allclose(runner.host(second), 6 * runner.host(made))


def test_a_multiplied_gradient_is_multiplied_at_every_order() -> None:
    runner = Runner()
    data = runner.variable(np.array([1.0, 2.0]))
    (made,) = runner.apply("_contrib_gradientmultiplier", [data], {"scalar": -0.5})
    (cube,) = runner.apply("_power_scalar", [made], {"scalar": 3.0})
    (first,) = runner.gradients([cube], [None], [data], create_graph=True)
    (second,) = runner.gradients([first], [None], [data])
    np.testing.assert_array_equal(runner.host(made), [1, 2])
    np.testing.assert_allclose(runner.host(first), -0.5 * 3 * np.array([1.0, 4.0]))
    np.testing.assert_allclose(runner.host(second), 0.25 * 6 * np.array([1.0, 2.0]))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_attention_is_its_definition(dtype: str, device: str) -> None:
    # MXNet computes it in float32 only.
    length, batch, heads, size = 4, 2, 3, 5
    parts = RANDOM.randn(length, batch, heads, 3, size).astype(dtype)
    queries, keys, values = (parts[:, :, :, which].astype("float64") for which in range(3))
    interleaved = parts.reshape(length, batch, -1)
    runner = runner_on(device)
    (scores,) = runner.call("_contrib_interleaved_matmul_selfatt_qk", [interleaved], {"heads": heads})
    wanted = np.einsum("ibhd,jbhd->bhij", queries, keys).reshape(batch * heads, length, length) / np.sqrt(
        size
    )
    exact = {"float16": 1e-2, "float64": 1e-12}[dtype]
    np.testing.assert_allclose(scores, wanted, atol=exact, rtol=exact)
    (results,) = runner.call(
        "_contrib_interleaved_matmul_selfatt_valatt", [interleaved, scores], {"heads": heads}
    )
    weights = scores.astype("float64").reshape(batch, heads, length, length)
    wanted = np.einsum("bhij,jbhd->ibhd", weights, values).reshape(length, batch, heads * size)
    np.testing.assert_allclose(results, wanted, atol=2 * exact, rtol=exact)
    pairs = np.ascontiguousarray(parts[:, :, :, 1:]).reshape(length, batch, -1)
    alone = np.ascontiguousarray(parts[:, :, :, 0]).reshape(length, batch, -1)
    (other,) = runner.call("_contrib_interleaved_matmul_encdec_qk", [alone, pairs], {"heads": heads})
    np.testing.assert_array_equal(other, scores)
    (other,) = runner.call("_contrib_interleaved_matmul_encdec_valatt", [pairs, scores], {"heads": heads})
    np.testing.assert_array_equal(other, results)


def test_rows_are_written_where_they_are() -> None:
    inputs = [np.zeros((3, 2)), np.array([0.0, 3.0]), np.ones((2, 2))]
    with pytest.raises(OutOfRangeError, match=r"_contrib_index_copy.*index 3"):
        Runner().call("_contrib_index_copy", inputs)
    with pytest.raises(OutOfRangeError, match=r"fill_element_0index.*index -1"):
        Runner().call("fill_element_0index", [np.zeros((1, 2)), np.ones(1), np.array([-1.0])])


def test_a_mask_with_another_count_is_an_error() -> None:
    with pytest.raises(ValueRangeError, match=r"_mask_rows.*2 numbers.*1 not zero"):
        Runner().call("_mask_rows", [np.ones((3, 2)), np.array([1, 0, 1])], {"count": 1})
