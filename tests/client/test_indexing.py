"""Indexing against NumPy, for arbitrary keys; ``test_snippets.py`` holds it against MXNet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import remx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from remx._session import Session
from remx.errors import OutOfRangeError, ValueRangeError

SETTINGS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)


@st.composite
def basic(draw: Any) -> tuple[Any, Any]:
    """A shape and a key of integers, slices, ellipses and new axes."""
    shape = draw(shapes)
    return shape, draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True, max_dims=6))


@st.composite
def advanced(draw: Any) -> tuple[Any, Any]:
    """A shape and a key that has integer arrays next to slices and integers."""
    shape = draw(shapes)
    lengths = draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=3))
    key: list[Any] = []
    for length in shape[: draw(st.integers(1, len(shape)))]:
        index = st.integers(-length, length - 1)
        kind = draw(st.sampled_from(["array", "array", "slice", "int"]))
        if kind == "array":
            key.append(draw(hnp.arrays(np.int64, draw(st.sampled_from([lengths, (1,)])), elements=index)))
        else:
            key.append(draw(st.slices(length) if kind == "slice" else index))
    if not any(isinstance(item, np.ndarray) for item in key):
        key[0] = np.array([0])
    return shape, tuple(key)


def pair(shape: Any) -> tuple[Any, Any]:
    """The same numbers as a NumPy array and as an NDArray."""
    host = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return host, remx.nd.array(host)


def as_array(value: Any) -> Any:
    """NumPy's scalars are arrays of one element in MXNet."""
    return value if np.shape(value) else np.reshape(value, (1,))


def forms(key: Any) -> Any:
    """The same key with NDArrays and with lists for its arrays."""
    items = key if isinstance(key, tuple) else (key,)
    yield key
    if any(isinstance(item, np.ndarray) for item in items):
        yield tuple(
            remx.nd.array(item, dtype="int64") if isinstance(item, np.ndarray) else item for item in items
        )
        yield tuple(item.tolist() if isinstance(item, np.ndarray) else item for item in items)


@SETTINGS
@given(case=st.one_of(basic(), advanced()))
def test_reading_is_numpys(session: Session, case: tuple[Any, Any]) -> None:
    shape, key = case
    host, array = pair(shape)
    expected = as_array(host[key])
    for form in forms(key):
        got = array[form]
        assert got.shape == expected.shape
        np.testing.assert_array_equal(got.asnumpy(), expected)


@SETTINGS
@given(case=st.one_of(basic(), advanced()), kind=st.sampled_from(["number", "array", "numpy", "row"]))
def test_writing_is_numpys(session: Session, case: tuple[Any, Any], kind: str) -> None:
    shape, key = case
    for form in forms(key):
        host, array = pair(shape)
        part = host[key].shape
        values = -1.0 - np.arange(np.prod(part, dtype=int), dtype=np.float32).reshape(part)
        if kind == "number":
            host[key] = -7
            array[form] = -7
        elif kind == "row":
            # One row for all, which broadcasts; unless the key selects one element.
            row = values[(0,) * max(len(part) - 1, 0)] if part and values.size else np.float32(-3)
            host[key] = row
            array[form] = row if np.ndim(row) else float(row)
        else:
            # The same element may be selected twice; the last one wins in neither NumPy nor MXNet for sure.
            values = values if unique(shape, key) else np.full_like(values, -9)
            host[key] = values
            array[form] = values if kind == "numpy" or values.size == 0 else remx.nd.array(as_array(values))
        np.testing.assert_array_equal(array.asnumpy(), host)


def unique(shape: Any, key: Any) -> bool:
    """Whether a key selects no element twice."""
    numbers = np.arange(np.prod(shape)).reshape(shape)[key]
    return bool(np.unique(numbers).size == np.size(numbers))


@SETTINGS
@given(case=basic())
def test_a_view_is_one_block_of_memory(session: Session, case: tuple[Any, Any]) -> None:
    shape, key = case
    host, array = pair(shape)
    numbers = np.arange(host.size).reshape(shape)[key].reshape(-1)
    block = numbers.size > 0 and bool((np.diff(numbers) == 1).all())
    part = array[key]
    part[:] = -1
    changed = np.where(np.isin(np.arange(host.size), numbers), -1, host.reshape(-1)).reshape(shape)
    np.testing.assert_array_equal(array.asnumpy(), changed if block else host)


@SETTINGS
@given(case=st.one_of(basic(), advanced()))
def test_gradients_go_where_values_came_from(session: Session, case: tuple[Any, Any]) -> None:
    shape, key = case
    host, array = pair(shape)
    array.attach_grad()
    if host[key].size == 0:
        return
    with remx.autograd.record():
        total = (array[key] * 3).sum()
    total.backward()
    expected = np.zeros(shape, np.float32)
    np.add.at(expected, key, 3)
    np.testing.assert_array_equal(array.grad.asnumpy(), expected)


@pytest.mark.parametrize("dtype", ["float16", "float64", "uint8", "int8", "int32", "int64", "bool"])
def test_every_dtype(session: Session, dtype: str) -> None:
    array = remx.nd.array([[1, 2], [3, 4]], dtype=dtype)
    array[0, 1] = 0
    array[1] = remx.nd.array([0, 1])
    array[:, [0]] = [[1], [0]]
    expected = np.array([[1, 0], [0, 1]], dtype)
    np.testing.assert_array_equal(array.asnumpy(), expected)
    assert array[1].asnumpy().dtype == expected.dtype


def test_reading_makes_no_round_trip(session: Session) -> None:
    array = remx.nd.arange(24).reshape((2, 3, 4))
    for key in (0, (0, 1), slice(1), (Ellipsis, 0), [0, 1], None):
        array[key]
        array[key] = 1
    assert session.statistics().round_trips == 0


def test_iteration_ends(session: Session) -> None:
    array = remx.nd.arange(6).reshape((3, 2))
    assert [row.asnumpy().tolist() for row in array] == [[0, 1], [2, 3], [4, 5]]
    assert [row.asscalar() for row in remx.nd.arange(3)] == [0, 1, 2]
    _, *rest = array
    assert len(rest) == 2
    with pytest.raises(TypeError):
        list(remx.nd.array(3))


def test_arrays_of_one_integer_are_bounds_of_slices(session: Session) -> None:
    array, two = remx.nd.arange(5), remx.nd.array([2], dtype="int32")
    assert array[two:].tolist() == [2, 3, 4]
    assert array[:two].tolist() == [0, 1]
    assert array[::two].tolist() == [0, 2, 4]


def test_messages_name_the_index(session: Session) -> None:
    array = remx.nd.ones((2, 3))
    with pytest.raises(OutOfRangeError, match="index 5 is out of bounds for axis 0 with size 2"):
        array[5]
    with pytest.raises(OutOfRangeError, match="too many indices"):
        array[0, 0, 0]
    with pytest.raises(ValueRangeError, match="step"):
        array[::0]
    with pytest.raises(ValueRangeError, match="does not support slicing"):
        array[1.5]
    with pytest.raises(ValueRangeError, match="broadcast"):
        array[0] = [1, 2]
