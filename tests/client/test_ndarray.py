"""Arrays: what MXNet's do not have, large ones, and what reading one costs. The rest is in the snippets."""

from __future__ import annotations

import copy
import pickle
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import remx
from remx import _current
from remx._session import Session
from remx.errors import MXNetError, UnsupportedTypeError, ValueRangeError

DTYPES = ("float16", "float32", "float64", "uint8", "int8", "int32", "int64", "bool")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (200, 300)])
def test_values_come_back_as_they_went(mx: ModuleType, dtype: str, shape: tuple[int, ...]) -> None:
    values = (np.arange(np.prod(shape)).reshape(shape) % 100).astype(dtype)
    array = mx.nd.array(values, dtype=dtype)
    got = array.asnumpy()
    assert got.dtype == values.dtype
    assert array.dtype is values.dtype.type
    np.testing.assert_array_equal(got, values)
    # It is the caller's own.
    got[...] = 0
    np.testing.assert_array_equal(array.asnumpy(), values)


def test_a_later_change_of_the_source_changes_nothing(mx: ModuleType) -> None:
    for length in (10, 1_000_000):
        source = np.ones(length, np.float32)
        array = mx.nd.array(source)
        source[:] = 5
        assert array.sum().asscalar() == length


@pytest.mark.parametrize("length", [16_383, 16_384, 16_385, 300_000, 2_000_000])
def test_arrays_around_the_inline_limit(mx: ModuleType, session: Session, length: int) -> None:
    values = np.arange(length, dtype=np.float32)
    array = mx.nd.array(values) + 1
    np.testing.assert_array_equal(array.asnumpy(), values + 1)
    array[:] = values
    np.testing.assert_array_equal(array.asnumpy(), values)
    array[1:] = values[1:] * 2
    np.testing.assert_array_equal(array[1:3].asnumpy(), [2, 4])
    assert array[-1].asscalar() == 2 * (length - 1)


@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_layouts_of_the_source(mx: ModuleType, order: Any) -> None:
    values = np.arange(60_000.0).reshape(200, 300)
    source = np.asarray(values, order=order) if order != "strided" else np.repeat(values, 2, axis=1)[:, ::2]
    np.testing.assert_array_equal(mx.nd.array(source).asnumpy(), values)
    np.testing.assert_array_equal(mx.nd.array(source[:3, :4]).asnumpy(), values[:3, :4])


def test_numbers(mx: ModuleType) -> None:
    one = mx.nd.array([[2.5]])
    assert (float(one), int(one), one.item(), one.tolist(), f"{one:.2f}") == (2.5, 2, 2.5, [[2.5]], "2.50")
    assert type(one.item()) is float
    assert type(mx.nd.array([3], dtype="int32").item()) is int
    array = mx.nd.arange(6).reshape((2, 3))
    assert (array.item(1, 2), array.item(0, 1)) == (5, 1)
    assert mx.nd.arange(3).item(2) == 2
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert [10, 20, 30][mx.nd.array([1], dtype="int64")] == 20
    with pytest.raises(UnsupportedTypeError):
        [10, 20][mx.nd.array([1])]
    for convert in (float, int, lambda x: x.item(), lambda x: x.asscalar(), bool):
        with pytest.raises(ValueRangeError):
            convert(array)
    assert len(f"{array}".splitlines()) == 4


def test_numpy_takes_arrays(mx: ModuleType) -> None:
    array = mx.nd.arange(4)
    np.testing.assert_array_equal(np.asarray(array), [0, 1, 2, 3])
    assert np.asarray(array).dtype == np.float32
    assert np.asarray(array, dtype="int64").dtype == np.int64
    assert np.sum(np.asarray(array)) == 6
    np.testing.assert_array_equal(np.stack([array, array]), [[0, 1, 2, 3]] * 2)
    np.testing.assert_array_equal(np.array([array.asnumpy()]), [[0, 1, 2, 3]])


def test_numpy_numbers_on_the_left_give_arrays(mx: ModuleType) -> None:
    array = mx.nd.arange(3)
    for number in (np.float32(2), np.float64(2), np.int64(2)):
        for made in (number * array, number + array - 2 + array, 2 * array):
            assert isinstance(made, mx.nd.NDArray)
            np.testing.assert_array_equal(made.asnumpy(), [0, 2, 4])


def test_dlpack(mx: ModuleType) -> None:
    array = mx.nd.arange(6).reshape((2, 3))
    np.testing.assert_array_equal(np.from_dlpack(array), array.asnumpy())
    again = mx.nd.from_dlpack(array.to_dlpack_for_read())
    np.testing.assert_array_equal(again.asnumpy(), array.asnumpy())
    values = np.arange(3, dtype="int32")
    taken = mx.nd.from_dlpack(values)
    assert taken.dtype is np.int32
    np.testing.assert_array_equal(taken.asnumpy(), values)
    np.testing.assert_array_equal(
        mx.nd.from_dlpack(mx.nd.to_dlpack_for_read(array)).asnumpy(), array.asnumpy()
    )
    with pytest.raises(MXNetError, match="server"):
        array.to_dlpack_for_write()
    with pytest.raises(MXNetError, match="server"):
        mx.nd.to_dlpack_for_write(array)


@pytest.mark.parametrize(
    "shape", [(1_000_000,), (1000, 1000), (3, 400, 500), (2, 2, 300, 5, 100), (250_001, 4)]
)
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_printing_a_big_array_fetches_its_edges(mx: ModuleType, shape: tuple[int, ...], dtype: str) -> None:
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    array = mx.nd.arange(values.size, dtype=dtype).reshape(shape)
    mx.nd.waitall()
    before = mx.stats()
    text = str(array)
    after = mx.stats()
    assert text == f"\n{values}\n<NDArray {'x'.join(map(str, shape))} @cpu(0)>"
    assert after.bytes_down - before.bytes_down < 20_000
    assert after.bytes_up - before.bytes_up < 20_000
    assert after.round_trips - before.round_trips == 1


def test_printing_follows_numpys_options(mx: ModuleType) -> None:
    array = mx.nd.arange(100_000) / 3
    with np.printoptions(edgeitems=2, precision=2, threshold=10):
        assert str(array) == f"\n{array.asnumpy()}\n<NDArray 100000 @cpu(0)>"
    with np.printoptions(threshold=1_000_000):
        assert str(array[:20_000]) == f"\n{array[:20_000].asnumpy()}\n<NDArray 20000 @cpu(0)>"


def test_printing_is_not_recorded(mx: ModuleType) -> None:
    x = mx.nd.zeros((100_000,))
    x.attach_grad()
    with mx.autograd.record():
        y = x * 2
        assert "100000" in str(y)
        assert mx.autograd.is_recording()
    y.backward()
    assert x.grad[0].asscalar() == 2


def test_pickles_open_in_another_session(mx: ModuleType, open_session: Callable[[], Session]) -> None:
    arrays = {"x": mx.nd.arange(3), "y": mx.nd.ones((200, 200), dtype="int64", ctx=mx.cpu(1))}
    raw = pickle.dumps(arrays)
    other = open_session()
    before = _current.peek()
    _current._current = other
    try:
        again = pickle.loads(raw)
        np.testing.assert_array_equal(again["x"].asnumpy(), [0, 1, 2])
        assert again["y"].dtype is np.int64
        assert again["y"].context == mx.cpu()
        assert again["y"]._session is other
    finally:
        _current._current = before
        other.close()


def test_copies(mx: ModuleType) -> None:
    x = mx.nd.arange(3)
    for made in (x.copy(), copy.copy(x), copy.deepcopy(x), mx.nd.array(x), x.copyto(mx.cpu(1))):
        made[:] = -1
        np.testing.assert_array_equal(x.asnumpy(), [0, 1, 2])
    assert x.copyto(x) is False
    assert copy.deepcopy({"x": [x, x]})["x"][0] is not x
    assert mx.stats().bytes_down < 3000


def test_a_view_outlives_its_base(mx: ModuleType) -> None:
    x = mx.nd.arange(6)
    view = x[2:4]
    del x
    mx.nd.waitall()
    mx.nd.zeros((6,)).wait_to_read()
    np.testing.assert_array_equal(view.asnumpy(), [2, 3])


def test_weak_references_and_no_other_attributes(mx: ModuleType) -> None:
    x = mx.nd.ones((2,))
    seen = weakref.ref(x)
    assert seen() is x
    with pytest.raises(AttributeError):
        x.whatever = 3
    del x
    assert seen() is None


def test_arrays_are_keys_by_identity(mx: ModuleType) -> None:
    x, y = mx.nd.ones((1,)), mx.nd.ones((1,))
    assert len({x: 1, y: 2}) == 2
    assert {x: 1}[x] == 1


def test_contexts(mx: ModuleType) -> None:
    assert mx.num_gpus() == 0
    with pytest.raises(MXNetError, match="GPU"):
        mx.gpu_memory_info()
    with pytest.raises(MXNetError, match="0 GPUs"):
        mx.nd.ones((2,)).as_in_context(mx.gpu())
    x = mx.nd.ones((2,), ctx=mx.cpu(3))
    assert [one.context for one in (x + 1, x[0], x.copy(), x.T, mx.nd.concat(x, x, dim=0))] == [mx.cpu(3)] * 5
    assert pickle.loads(pickle.dumps(mx.gpu(2))) == mx.gpu(2)
    assert mx.Context.default_ctx() == mx.cpu()

    def fail() -> None:
        with mx.cpu(4):
            assert mx.current_context() == mx.cpu(4)
            raise ZeroDivisionError

    with mx.cpu(2):
        with pytest.raises(ZeroDivisionError):
            fail()
        assert mx.current_context() == mx.cpu(2)
    assert mx.current_context() == mx.cpu()


def test_membership(mx: ModuleType) -> None:
    x = mx.nd.array([1, 2])
    assert 2 in x
    assert 3 not in x


def test_waiting_for_nothing(mx: ModuleType) -> None:
    mx.waitall()
    mx.nd.ones((2,)).wait_to_read()
    assert remx.stats().round_trips == 2
