"""The functions of ops: their names, signatures and docstrings, and how they take arguments."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from remx import nd as namespace
from remx.errors import ArgumentError, MXNetError, NotAnArrayError, UnsupportedTypeError
from remx_contract.catalogue import NAMES
from remx_contract.op import REQUIRED
from remx_contract.signature import METHODS
from support.samples import SAMPLES, arrays

SPACES = {
    "": namespace,
    "op": namespace.op,
    "contrib": namespace.contrib,
    "linalg": namespace.linalg,
    "_internal": namespace._internal,
}
MODULES = ("contrib", "image", "linalg", "op", "random", "NDArray")
FUNCTIONS = [name for name in dir(namespace) if name not in MODULES]
OF_OPS = [name for name in FUNCTIONS if name in NAMES and getattr(namespace, name).__module__ == "remx.nd"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_a_signature_and_a_docstring(name: str) -> None:
    function = getattr(namespace, name)
    assert function.__name__ == name or name == "true_divide"
    assert inspect.getdoc(function)
    assert inspect.signature(function).parameters or name == "waitall"


@pytest.mark.parametrize("name", OF_OPS)
def test_the_signature_is_the_row_s(name: str) -> None:
    op = NAMES[name]
    parameters = inspect.signature(getattr(namespace, name)).parameters
    wanted = [one.lstrip("*") for one in op.inputs] + list(op.attr_of) + ["out", "name"]
    assert [one for one in parameters if one != "ctx"] == wanted
    for attr in op.attrs:
        if attr.default is not REQUIRED:
            assert parameters[attr.name].default == attr.default or attr.default != attr.default
    text = inspect.getdoc(getattr(namespace, name)) or ""
    assert all(f"\n{one.lstrip('*')} : " in text.replace("*", "") for one in (*op.inputs, *op.attr_of))


@pytest.mark.parametrize("space", ["contrib", "linalg", "_internal", "op"])
def test_namespaces_list_what_they_have(space: str) -> None:
    module = SPACES[space]
    functions = [
        name for name in dir(module) if not name.startswith("__") and callable(getattr(module, name))
    ]
    assert functions or space in ("contrib", "linalg")
    with pytest.raises(AttributeError, match="nonsense"):
        module.nonsense  # noqa: B018


def test_namespaces_have_mxnet_s_names(mx: ModuleType) -> None:
    x = mx.nd.array([3, 1, 2])
    np.testing.assert_array_equal(mx.nd._internal._plus_scalar(x, scalar=2).asnumpy(), [5, 3, 4])
    np.testing.assert_array_equal(mx.nd.op.sort(x).asnumpy(), [1, 2, 3])
    assert mx.nd.op.relu is mx.nd.op.relu
    assert mx.ndarray.relu is mx.nd.relu
    assert "relu" in mx.nd.__all__
    with pytest.raises(AttributeError, match="nonsense"):
        mx.nd.nonsense  # noqa: B018


def test_namespaces_have_what_was_called_by_its_full_name(mx: ModuleType) -> None:
    x = mx.nd.array([[4, 2], [2, 5]])
    root = mx.nd.linalg.potrf(x)
    np.testing.assert_allclose(root.asnumpy(), [[2, 0], [1, 2]])
    np.testing.assert_allclose(mx.nd.linalg_gemm2(root, root, transpose_b=True).asnumpy(), x.asnumpy())
    np.testing.assert_allclose(mx.nd.op.linalg_sumlogdiag(root).asnumpy(), [np.log(4)], rtol=1e-6)
    np.testing.assert_array_equal(mx.nd.contrib.quadratic(x, a=1, c=1).asnumpy(), [[17, 5], [5, 26]])
    image = mx.nd.image.to_tensor(mx.nd.ones((4, 5, 3)) * 255)
    assert image.shape == (3, 4, 5)
    assert {"potrf", "trsm", "gemm"} <= set(dir(mx.nd.linalg))
    assert {"to_tensor", "random_hue"} <= set(dir(mx.nd.image))


def sample_of(name: str) -> Any:
    """The index and the sample of a method's op that has the fewest inputs, none where it has no samples."""
    op = NAMES[name].name
    found = [(index, sample) for index, sample in enumerate(SAMPLES.get(op, ())) if sample.inputs]
    return op, found[0] if found else None


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_its_function(mx: ModuleType, name: str) -> None:
    op, found = sample_of(name)
    if found is None:
        inputs, attrs = [np.array([[0.5, 1.0], [0.25, 0.75]], "float32")], {}
    else:
        inputs, attrs = arrays(op, found[0]), dict(found[1].attrs)
    first, *others = (mx.nd.array(value, dtype=value.dtype) for value in inputs)
    by_method = getattr(first, name)(*others, **attrs)
    by_function = getattr(mx.nd, name)(first, *others, **attrs)
    if not isinstance(by_method, list):
        by_method, by_function = [by_method], [by_function]
    assert len(by_method) == len(by_function)
    for one, other in zip(by_method, by_function, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one.asnumpy(), other.asnumpy())


@pytest.mark.parametrize(
    "call",
    [
        lambda nd, x: nd.sum(x, 1),
        lambda nd, x: nd.sum(x, axis=1),
        lambda nd, x: nd.sum(x, axis="1"),
        lambda nd, x: nd.sum(x, axis=(1,)),
        lambda nd, x: nd.sum(x, axis=[1]),
        lambda nd, x: nd.sum(x, axis=np.int64(1)),
        lambda nd, x: nd.sum(data=x, axis=1),
        lambda nd, x: nd.sum(axis=1, data=x),
        lambda nd, x: nd.sum(x, axis=1, keepdims=0),
        lambda nd, x: nd.sum(x, axis=1, keepdims="False"),
        lambda nd, x: nd.sum(x, axis=1, name="some name"),
        lambda nd, x: nd.sum(x, axis=0, exclude=True),
        lambda nd, x: nd.sum_axis(x, axis=1),
        lambda nd, x: x.sum(1),
        lambda nd, x: x.sum(axis=1, out=nd.zeros((2,))),
        lambda nd, x: nd.sum(x, 1, False, False, nd.zeros((2,))),
    ],
)
def test_ways_to_give_arguments(mx: ModuleType, call: Any) -> None:
    x = mx.nd.arange(6).reshape((2, 3))
    np.testing.assert_array_equal(call(mx.nd, x).asnumpy(), [3, 12])


def test_out_is_filled_and_returned(mx: ModuleType) -> None:
    x, out = mx.nd.array([1, 2]), mx.nd.zeros((2,))
    assert mx.nd.square(x, out=out) is out
    np.testing.assert_array_equal(out.asnumpy(), [1, 4])
    assert mx.nd.square(out, out=out) is out
    np.testing.assert_array_equal(out.asnumpy(), [1, 16])


def test_out_may_be_a_list(mx: ModuleType) -> None:
    outs = [mx.nd.zeros((1, 2)), mx.nd.zeros((1, 2))]
    returned = mx.nd.split(mx.nd.arange(4).reshape((2, 2)), num_outputs=2, axis=0, out=outs)
    assert returned is outs
    np.testing.assert_array_equal(outs[1].asnumpy(), [[2, 3]])


def test_out_may_be_a_view(mx: ModuleType) -> None:
    x = mx.nd.zeros((2, 2))
    mx.nd.add(mx.nd.ones((2,)), 1)
    mx.nd.broadcast_add(mx.nd.ones((2,)), mx.nd.ones((2,)), out=x[1])
    np.testing.assert_array_equal(x.asnumpy(), [[0, 0], [2, 2]])


def test_optional_inputs(mx: ModuleType) -> None:
    data, weight, bias = mx.nd.ones((2, 3)), mx.nd.ones((4, 3)), mx.nd.ones((4,))
    assert mx.nd.FullyConnected(data, weight, bias, num_hidden=4).asnumpy()[0, 0] == 4
    assert mx.nd.FullyConnected(data, weight, num_hidden=4, no_bias=True).asnumpy()[0, 0] == 3
    assert mx.nd.FullyConnected(data, weight, None, num_hidden=4, no_bias=True).asnumpy()[0, 0] == 3
    with pytest.raises(MXNetError, match="FullyConnected"):
        mx.nd.FullyConnected(data, weight, num_hidden=4)


def test_an_op_without_inputs_takes_a_context(mx: ModuleType) -> None:
    assert mx.nd._internal._zeros(shape=(2,), ctx="cpu(1)").context == mx.cpu(1)
    assert mx.nd._internal._zeros(shape=(2,), ctx=mx.cpu(2)).context == mx.cpu(2)
    with mx.cpu(3):
        assert mx.nd._internal._zeros(shape=(2,)).context == mx.cpu(3)


def test_any_number_of_inputs(mx: ModuleType) -> None:
    parts = [mx.nd.ones((1,)) * i for i in range(5)]
    np.testing.assert_array_equal(mx.nd.concat(*parts, dim=0).asnumpy(), range(5))
    np.testing.assert_array_equal(mx.nd.concat(*parts, dim=0, num_args=5).asnumpy(), range(5))
    np.testing.assert_array_equal(mx.nd.stack(*parts, axis=1).asnumpy(), [range(5)])
    with pytest.raises(MXNetError):
        mx.nd.concat(dim=0)
    with pytest.raises(NotAnArrayError):
        mx.nd.concat(parts[0], 3, dim=0)


def test_wrong_arguments(mx: ModuleType) -> None:
    x = mx.nd.ones((2, 2))
    with pytest.raises(ArgumentError, match=r"sum.*'axes'.*one of axis"):
        mx.nd.sum(x, axes=1)
    with pytest.raises(UnsupportedTypeError, match="multiple values"):
        mx.nd.sum(x, 1, axis=1)
    with pytest.raises(UnsupportedTypeError, match="positional"):
        mx.nd.sum(x, 1, False, False, None, None, None)
    with pytest.raises(NotAnArrayError, match=r"nd\.array"):
        mx.nd.sum([1, 2])


def test_matmul(mx: ModuleType) -> None:
    generator = np.random.default_rng(0)
    plain = [((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((2, 3), (4, 3, 2))]
    stacks = [((5, 2, 3), (5, 3, 2)), ((5, 1, 2, 3), (4, 3, 2)), ((4, 2, 3), (3,)), ((3,), (4, 3, 2))]
    for left, right in plain + stacks:
        a, b = generator.normal(size=left).astype("float32"), generator.normal(size=right).astype("float32")
        expected = a @ b
        got = (mx.nd.array(a) @ mx.nd.array(b)).asnumpy()
        np.testing.assert_allclose(got, expected.reshape(got.shape), 1e-5, 1e-6)
        assert got.shape == (expected.shape or (1,))
    with pytest.raises(TypeError):
        mx.nd.ones((2, 2)) @ np.ones((2, 2))
    with pytest.raises((MXNetError, ValueError)):
        mx.nd.ones((2, 2, 3)) @ mx.nd.ones((3, 3, 2))
