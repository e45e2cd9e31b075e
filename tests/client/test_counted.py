"""Functions that wait for values: boolean_mask and histogram."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from remx.errors import ArgumentError, NotAnArrayError, ShapeError


def test_a_mask_takes_rows(mx: ModuleType) -> None:
    x = mx.nd.array([[1, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(
        mx.nd.contrib.boolean_mask(x, mx.nd.array([1, 0, -0.5])).asnumpy(), [[1, 2], [5, 6]]
    )
    whole = mx.nd.contrib.boolean_mask(x.astype("int32"), mx.nd.array([0, 1, 0], dtype="int8"), axis=0)
    assert whole.dtype == np.int32
    np.testing.assert_array_equal(whole.asnumpy(), [[3, 4]])


def test_a_mask_may_leave_nothing(mx: ModuleType) -> None:
    x = mx.nd.array([[1, 2], [3, 4]])
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.contrib.boolean_mask(x, mx.nd.zeros((2,)))
    assert y.shape == (0, 2)
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), np.zeros((2, 2)))


def test_a_gradient_goes_to_the_rows_that_were_taken(mx: ModuleType) -> None:
    x, mask = mx.nd.array([[1, 2], [3, 4], [5, 6]]), mx.nd.array([1, 0, 1])
    x.attach_grad()
    mask.attach_grad()
    with mx.autograd.record():
        y = mx.nd.contrib.boolean_mask(x, mask) ** 2
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [[2, 4], [0, 0], [10, 12]])
    np.testing.assert_array_equal(mask.grad.asnumpy(), [0, 0, 0])


def test_masks_that_do_not_fit_are_refused(mx: ModuleType) -> None:
    x = mx.nd.ones((2, 4))
    with pytest.raises(ShapeError, match="index"):
        mx.nd.contrib.boolean_mask(x, mx.nd.ones((3,)))
    with pytest.raises(ArgumentError, match="axis"):
        mx.nd.contrib.boolean_mask(x, mx.nd.ones((4,)), axis=1)
    with pytest.raises(NotAnArrayError, match="index"):
        mx.nd.contrib.boolean_mask(x, [1, 0])


def test_a_histogram_counts_what_lies_between_edges(mx: ModuleType) -> None:
    x = mx.nd.array([1, 2, 3, 4, 5])
    counts, edges = mx.nd.histogram(x, bins=4, range=(1, 5))
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts.asnumpy(), [1, 1, 1, 2])
    np.testing.assert_array_equal(edges.asnumpy(), [1, 2, 3, 4, 5])
    counts, edges = mx.nd.histogram(x, bins=mx.nd.array([1, 2, 5]))
    np.testing.assert_array_equal(counts.asnumpy(), [1, 4])


def test_a_histogram_without_a_range_spans_the_array(mx: ModuleType) -> None:
    counts, edges = mx.nd.histogram(mx.nd.array([1, 2, 3, 4, 5], dtype="float64"), bins=3)
    assert counts.dtype == edges.dtype == np.float32
    np.testing.assert_array_equal(counts.asnumpy(), [2, 1, 2])
    np.testing.assert_allclose(edges.asnumpy(), [1, 7 / 3, 11 / 3, 5], rtol=1e-6)
    with pytest.raises(ArgumentError, match="range"):
        mx.nd.histogram(mx.nd.array([1, 2]), bins=3, range=(1, 1))
