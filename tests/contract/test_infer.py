"""Inference against MXNet 1.9.1's: shapes and dtypes of accepted calls, and which calls are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from remx_contract.catalogue import OPS
from remx_contract.dtypes import CODE_OF, float32, int32
from remx_contract.errors import (
    ArgumentError,
    DTypeError,
    LimitError,
    MXNetError,
    ShapeError,
)
from remx_contract.infer import infer
from remx_contract.op import Op
from remx_contract.spec import TensorSpec
from support.vectors import Case, vectors

DTYPES = {dtype.name: dtype for dtype in CODE_OF}
# Inputs that MXNet takes in one dtype only; the shape vectors say nothing of dtypes.
OTHER_DTYPES = {"batch_take": {1: int32}}


def _shapes(op: Op, case: Case) -> list[Any] | None:
    others = OTHER_DTYPES.get(op.name, {})
    try:
        specs = [TensorSpec.of(tuple(s), others.get(k, float32)) for k, s in enumerate(case.inputs)]
        attrs = op.parse(case.attrs)
        return [list(spec.shape) for spec in infer(op, specs, attrs)[: op.output_count(attrs)]]
    except MXNetError:
        return None


def _dtypes(op: Op, case: Case) -> list[Any] | None:
    try:
        attrs = op.parse(case.attrs)
        given = op.dtype([DTYPES[name] for name in case.inputs], attrs)
    except MXNetError:
        return None
    if len(given) == 1:
        # One dtype stands for that of all outputs.
        given = [given[0]] * op.output_count(attrs)
    return [dtype.name for dtype in given[: op.output_count(attrs)]]


ANSWERS: dict[str, Callable[[Op, Case], list[Any] | None]] = {"shape": _shapes, "dtype": _dtypes}


def _no_such_axes(case: Case) -> bool:
    return "axes" in case.attrs and any(
        not -len(case.inputs[0]) <= axis < len(case.inputs[0]) for axis in case.value("axes")
    )


def _no_such_axis(case: Case) -> bool:
    axes = case.value("axis")
    count = len(case.inputs[0])
    return any(not -count <= axis < count for axis in (axes if isinstance(axes, tuple) else (axes,)))


def _one_axis(case: Case) -> bool:
    return len(case.inputs[0]) == 1


def _input_left_out(case: Case) -> bool:
    return len(case.inputs) == 1 and (
        "True" in (case.attrs.get("use_length"), case.attrs.get("use_sequence_length"))
        or case.attrs.get("act_type") == "prelu"
    )


def _other_size(case: Case) -> bool:
    return case.outputs == [[]] or bool(case.outputs and prod(case.outputs[0]) != prod(case.inputs[0]))


def _other_channels(case: Case) -> bool:
    data = case.inputs[0]
    axis = case.value("axis") if "axis" in case.attrs else 1
    return len(data) < 3 or any(given != [data[axis]] for given in case.inputs[1:])


def _other_groups(case: Case) -> bool:
    return case.inputs[1] != [case.value("num_groups") if "num_groups" in case.attrs else 1]


def _outside(case: Case) -> bool:
    offset = case.value("offset")
    if len(offset) != 2:
        return True
    image, part = case.inputs[0][2:], (case.inputs[-1] if case.outputs is None else case.outputs[0])[2:]
    return any(not 0 <= at <= whole - length for at, whole, length in zip(offset, image, part, strict=True))


def _misfit(case: Case) -> bool:
    begin, end, step = case.value("begin"), case.value("end"), case.value("step")
    return (
        len(begin) != len(end)
        or len(begin) > len(case.inputs[0])
        or len(step) not in (0, len(begin))
        or 0 in step
    )


# What MXNet refuses since its kernel has one dtype, and the catalogue takes in others too.
WIDER = {("dtype", "InstanceNorm")}


def _not_square(case: Case) -> bool:
    shape = case.inputs[0]
    return len(shape) < 2 or shape[-1] != shape[-2]


def _odd_heads(case: Case) -> bool:
    return bool(case.inputs[0][2] % (3 * case.value("heads")))


def _no_window(case: Case) -> bool:
    kernel = case.value("kernel")
    pads = case.value("pad") if "pad" in case.attrs else (0, 0)
    return min(*kernel, 1) < 1 or any(not 0 <= pad < size for pad, size in zip(pads, kernel, strict=False))


def _too_few_channels(case: Case) -> bool:
    groups = case.value("group_size") if "group_size" in case.attrs else 0
    groups = groups or case.value("pooled_size")
    return groups < 0 or case.inputs[0][1] < case.value("output_dim") * groups**2


class Difference(NamedTuple):
    """Calls that MXNet's inference accepts and the catalogue refuses."""

    kind: str
    ops: tuple[str, ...]
    applies: Callable[[Case], bool]
    reason: str


BATCH_NORMS = ("BatchNorm", "_contrib_BatchNormWithReLU", "_contrib_SyncBatchNorm")
DTYPED = ("Embedding", "one_hot", "_arange", "_linspace")
SCALAR_OPS = tuple(name for name in OPS if name.endswith("_scalar") and name != "_slice_assign_scalar")
LATE = "MXNet finds out when the op runs, and fails then"
UNCHECKED = "MXNet never checks it, and reads or writes memory that is not the array's"
DIFFERENCES = (
    Difference(
        "shape", ("Cast", "amp_cast", *DTYPED), lambda c: "bfloat16" in c.attrs.values(), "not in NumPy"
    ),
    Difference(
        "dtype",
        ("Cast", "amp_cast", "_full", "_ones", "_zeros", *DTYPED),
        lambda c: "bfloat16" in c.attrs.values(),
        "not in NumPy",
    ),
    Difference(
        "shape",
        (*SCALAR_OPS, "_contrib_gradientmultiplier"),
        lambda c: "is_int" in c.attrs,
        "of MXNet's other front end only",
    ),
    Difference(
        "shape",
        ("softmax", "softmin", "log_softmax", "argmax", "argmin", "pick", "_np_cumsum", "reverse"),
        _no_such_axis,
        LATE,
    ),
    Difference("shape", ("argmax_channel", "SoftmaxActivation", "LRN"), _one_axis, LATE),
    Difference(
        "shape",
        ("SoftmaxOutput",),
        lambda c: _one_axis(c) and c.attrs.get("multi_output") == "True",
        LATE,
    ),
    Difference(
        "shape",
        ("softmax", "LeakyReLU", "SequenceMask", "SequenceLast", "SequenceReverse"),
        _input_left_out,
        "a graph makes up an input that is left out, a call must have it",
    ),
    Difference(
        "shape",
        ("softmin", "log_softmax"),
        lambda c: c.attrs.get("use_length") == "True",
        "there is no input for lengths",
    ),
    Difference(
        "shape",
        ("_contrib_arange_like",),
        lambda c: "repeat" in c.attrs and c.value("repeat") < 1,
        "MXNet divides by it, which ends the process",
    ),
    Difference("shape", (*BATCH_NORMS, "InstanceNorm"), _other_channels, UNCHECKED),
    Difference("shape", ("GroupNorm",), _other_groups, LATE),
    Difference("dtype", BATCH_NORMS, lambda c: c.inputs[-1] == "int32", UNCHECKED),
    Difference("dtype", ("_contrib_SyncBatchNorm",), lambda c: not c.inputs[0].startswith("float"), LATE),
    Difference("shape", ("Reshape",), _other_size, UNCHECKED),
    Difference("shape", ("stack",), lambda c: any(s != c.inputs[0] for s in c.inputs), LATE),
    Difference("shape", ("Crop",), _outside, LATE),
    Difference("shape", ("_slice_assign_scalar",), _misfit, UNCHECKED),
    Difference("shape", ("_contrib_interleaved_matmul_selfatt_qk",), _odd_heads, UNCHECKED),
    Difference("shape", ("_contrib_index_array",), _no_such_axes, UNCHECKED),
    Difference("shape", ("_contrib_allclose",), lambda c: c.inputs[0] != c.inputs[1], UNCHECKED),
    Difference("shape", ("cast_storage",), lambda c: c.attrs["stype"] != "default", "arrays are dense here"),
    Difference("shape", ("_linalg_potrf", "_linalg_potri", "_linalg_sumlogdiag"), _not_square, UNCHECKED),
    Difference("shape", ("where",), lambda c: len(c.inputs[0]) > len(c.inputs[1]), LATE),
    Difference("shape", ("norm",), lambda c: "ord" in c.attrs and c.value("ord") not in (1, 2), LATE),
    Difference("shape", ("Pooling",), _no_window, LATE),
    Difference("shape", ("im2col",), lambda c: len(c.inputs[0]) != len(c.value("kernel")) + 2, LATE),
    Difference(
        "shape",
        ("_contrib_AdaptiveAvgPooling2D", "_contrib_BilinearResize2D"),
        lambda c: len(c.inputs[0]) == 5,
        LATE,
    ),
    Difference("shape", ("col2im",), lambda c: len(c.inputs[0]) == 4, LATE),
    Difference("shape", ("UpSampling",), lambda c: c.inputs[0][0] != c.inputs[1][0], LATE),
    Difference("shape", ("khatri_rao",), lambda c: len(c.inputs[0]) > 2, LATE),
    Difference("shape", ("_contrib_PSROIPooling",), _too_few_channels, UNCHECKED),
    Difference("dtype", ("_contrib_DeformablePSROIPooling",), lambda c: c.inputs[0] == c.inputs[1], LATE),
    Difference("shape", ("_contrib_box_decode",), lambda c: c.inputs[0] != c.inputs[1], LATE),
    Difference("dtype", ("Pad", "L2Normalization"), lambda c: not c.inputs[0].startswith("float"), LATE),
)


def difference(kind: str, name: str, case: Case) -> Difference | None:
    """The known difference that covers a case."""
    for known in DIFFERENCES:
        if known.kind == kind and name in known.ops and known.applies(case):
            return known
    return None


@pytest.mark.parametrize("kind", ["shape", "dtype"])
@pytest.mark.parametrize("name", vectors("dtype"))
def test_answer_is_that_of_mxnet(name: str, kind: str) -> None:
    op = OPS[name]
    wrong = []
    for case in vectors(kind)[name]:
        got = ANSWERS[kind](op, case)
        if name == "_unravel_index" and kind == "shape" and got != case.outputs:
            # MXNet forgets all axes of the positions but the first, and writes past the end of its result.
            wanted = [[len(case.value("shape")), *case.inputs[0]]]
            if len(case.inputs[0]) == 1 or got != wanted:
                wrong.append((case, got))
        elif (kind, name) in WIDER and case.outputs is None and got == [case.inputs[0]]:
            continue
        elif got != case.outputs and (got is not None or difference(kind, name, case) is None):
            wrong.append((case, got))
    assert not wrong, f"{len(wrong)} of {len(vectors(kind)[name])}, the first: {wrong[0]}"


@pytest.mark.parametrize("known", DIFFERENCES, ids=lambda known: f"{known.ops[0]}-{known.kind}")
def test_each_difference_is_still_one(known: Difference) -> None:
    for name in known.ops:
        cases = [case for case in vectors(known.kind)[name] if case.outputs and known.applies(case)]
        answers = [ANSWERS[known.kind](OPS[name], case) for case in cases]
        assert None in answers, f"{name} accepts what the list says it refuses: {known.reason}"


def test_every_op_of_mxnet_has_vectors() -> None:
    assert vectors("shape").keys() == vectors("dtype").keys()
    signatures = json.loads((Path(__file__).parents[1] / "golden" / "signatures.json").read_text())
    assert vectors("dtype").keys() == signatures.keys()


@pytest.mark.parametrize(
    ("name", "shapes", "attrs", "error", "text"),
    [
        ("broadcast_add", [(2, 3), (2, 4)], {}, ShapeError, r"broadcast_add.*rhs.*\(2, 4\).*\(2, 3\)"),
        ("broadcast_add", [(2, 3)], {}, ArgumentError, "broadcast_add.*1 inputs.*2 .lhs, rhs"),
        ("add_n", [], {}, ArgumentError, "add_n.*args.*at least one"),
        ("sum", [(2, 3)], {"axis": 2}, ArgumentError, "sum.*axis.*2"),
        ("_ones", [], {"shape": (2**30, 2**30)}, LimitError, "_ones.*at most 32 axes"),
        ("_ones", [], {"shape": (1,) * 33}, LimitError, "_ones"),
    ],
)
def test_errors_name_the_op_and_what_is_wrong(
    name: str, shapes: list[tuple[int, ...]], attrs: dict[str, Any], error: type[MXNetError], text: str
) -> None:
    op = OPS[name]
    with pytest.raises(error, match=text):
        infer(op, [TensorSpec.of(shape, float32) for shape in shapes], op.parse(attrs))


def test_mixed_dtypes_are_an_error_that_names_both() -> None:
    op = OPS["dot"]
    specs = [TensorSpec.of((2, 2), float32), TensorSpec.of((2, 2), int32)]
    with pytest.raises(DTypeError, match=r"dot.*float32.*int32"):
        infer(op, specs, op.parse({}))
