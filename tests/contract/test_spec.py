"""Specs of tensors: one object for each shape and dtype."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from remx_contract.dtypes import CODE_OF, as_dtype, float16, float32
from remx_contract.errors import DTypeError
from remx_contract.spec import TensorSpec


def test_equal_specs_are_one_object() -> None:
    spec = TensorSpec.of((2, 3), float32)
    assert TensorSpec.of((2, 3), as_dtype("float32")) is spec
    assert TensorSpec.of((3, 2), float32) is not spec
    assert TensorSpec.of((2, 3), float16) is not spec
    assert spec != TensorSpec.of((2, 3), float16)


def test_a_spec_knows_its_size() -> None:
    spec = TensorSpec.of((2, 3, 4), float16)
    assert (spec.size, spec.nbytes) == (24, 48)
    scalar = TensorSpec.of((), float32)
    assert (scalar.size, scalar.nbytes) == (1, 4)
    assert TensorSpec.of((0, 3), float32).nbytes == 0
    assert repr(spec) == "float16[2, 3, 4]"


def test_copies_and_pickles_are_the_same_object() -> None:
    spec = TensorSpec.of((5, 7), float32)
    assert pickle.loads(pickle.dumps(spec)) is spec
    assert copy.copy(spec) is spec
    assert copy.deepcopy(spec) is spec


def test_an_unused_spec_is_forgotten() -> None:
    spec = TensorSpec.of((1234567,), float32)
    gone = weakref.ref(spec)
    del spec
    gc.collect()
    assert gone() is None


def test_threads_get_the_same_spec() -> None:
    shapes = [(index, 98765) for index in range(300)]
    with ThreadPoolExecutor(8) as pool:
        many = list(pool.map(lambda _: [TensorSpec.of(shape, float32) for shape in shapes], range(8)))
    for specs in zip(*many, strict=True):
        assert len({id(spec) for spec in specs}) == 1


@pytest.mark.parametrize(
    "value", ["float32", np.float32, np.dtype("float32"), ">f4", "<f4", "f", np.dtype(">f4")]
)
def test_a_dtype_has_many_names(value: object) -> None:
    got = as_dtype(value)
    assert got == float32
    assert got.isnative


@pytest.mark.parametrize("value", ["int16", "uint16", "complex64", "bfloat16", "U3", object, "f4,f4", "", 3])
def test_other_dtypes_are_refused(value: object) -> None:
    with pytest.raises(DTypeError, match="one of float32"):
        as_dtype(value)


def test_every_dtype_is_found_by_its_name() -> None:
    assert [as_dtype(dtype.name) for dtype in CODE_OF] == list(CODE_OF)
    assert [as_dtype(kind) for kind in (bool, int, float)] == [np.dtype(k) for k in ("?", "i8", "f8")]
