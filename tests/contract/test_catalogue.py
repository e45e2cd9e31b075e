"""The rows of the catalogue: complete in themselves, and with MXNet 1.9.1's signatures."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from remx_contract import catalogue
from remx_contract.attributes import AXES, BOOL, FLOAT, FLOATS, INT, OPTIONAL_ITEMS, SHAPE, STRING, optional
from remx_contract.catalogue import FAMILIES, FAMILY_OF, NAMES, OPS
from remx_contract.dtypes import CODE_OF
from remx_contract.errors import MXNetError, UnknownOpError
from remx_contract.op import REQUIRED, Attr, Grad, Op
from support.gradient_kinds import BEYOND, golden_kinds
from support.own_rows import HELPERS, PLACES


@cache
def signatures() -> dict[str, dict[str, Any]]:
    """MXNet's inputs, attributes, aliases and gradients of the ops in the catalogue, by canonical name."""
    path = Path(__file__).resolve().parents[1] / "golden" / "signatures.json"
    made: dict[str, dict[str, Any]] = json.loads(path.read_text())
    return made


# Rows that MXNet has no op for: parts of gradient rules, views, indexing and initializers.
OWN = {
    *HELPERS,
    *PLACES,
    "_init_bilinear",
    "_init_orthogonal",
    # In MXNet these are Python functions of several ops.
    "_contrib_isfinite",
    "_contrib_isinf",
    "_contrib_isnan",
}
# Attributes of MXNet's that no row has: where the result goes is part of the call, and `is_int` is set by
# MXNet's other front end only.
NO_ATTRIBUTES = {"ctx", "is_int"}
# MXNet lists the attributes of _arange for it, and takes these.
LINSPACE = ["start", "stop", "num", "endpoint", "dtype"]
# A default that differs: MXNet's None stands for the value here.
DEFAULTS = {
    ("_full", "shape"): (),
    ("_random_uniform", "shape"): (1,),
    ("_random_normal", "shape"): (1,),
    ("_random_exponential", "shape"): (1,),
    ("_random_gamma", "shape"): (1,),
    ("_random_generalized_negative_binomial", "shape"): (1,),
    ("_random_negative_binomial", "shape"): (1,),
    ("_random_poisson", "shape"): (1,),
    ("_sample_unique_zipfian", "shape"): (),
    ("_random_randint", "shape"): (1,),
    # MXNet's description leaves it out.
    ("smooth_l1", "scalar"): 1.0,
}
# Rows whose gradient is not what MXNet's description says.
GRADIENTS = {
    # MXNet registers a gradient that is zero.
    "sign": Grad.ZERO,
    "zeros_like": Grad.ZERO,
    "_contrib_MultiBoxDetection": Grad.ZERO,
    "_contrib_MultiBoxPrior": Grad.ZERO,
    "_contrib_MultiBoxTarget": Grad.ZERO,
    "_contrib_MultiProposal": Grad.ZERO,
    "_contrib_Proposal": Grad.ZERO,
    "_contrib_bipartite_matching": Grad.ZERO,
    "_contrib_box_iou": Grad.ZERO,
    # A constant depends on nothing.
    "_arange": Grad.ZERO,
    "_eye": Grad.ZERO,
    "_full": Grad.ZERO,
    "_linspace": Grad.ZERO,
    "_ones": Grad.ZERO,
    "_zeros": Grad.ZERO,
    # MXNet's backward pass refuses its own gradient, of another shape.
    "_image_resize": Grad.NONE,
    # MXNet has none; the gradient is plain and x[...] = y needs it, or MXNet's own rules for other ops do.
    "_grad_add": Grad.RULES,
    "_scatter_set_nd": Grad.RULES,
    "_slice_assign": Grad.RULES,
    "_slice_assign_scalar": Grad.RULES,
    "batch_take": Grad.RULES,
    # MXNet has one for the second output, the logarithm of the probability.
    "_sample_multinomial": Grad.RULES,
}
TYPES = {
    "boolean": {BOOL.name},
    "boolean or None": {optional(BOOL).name},
    "double": {FLOAT.name},
    "double or None": {optional(FLOAT).name},
    "float": {FLOAT.name},
    "float or None": {optional(FLOAT).name},
    "int": {INT.name},
    "int (non-negative)": {INT.name},
    "int or None": {optional(INT).name},
    "long": {INT.name},
    "long (non-negative)": {INT.name},
    "real_t": {FLOAT.name},
    "string": {STRING.name},
    # A pair of numbers that MXNet does not name.
    "": {optional(FLOATS).name},
    "Shape(tuple)": {SHAPE.name, OPTIONAL_ITEMS.name},
    "Shape or None": {optional(SHAPE).name, optional(AXES).name},
    "tuple of <float>": {FLOATS.name},
}


def mxnet_attrs(name: str) -> dict[str, dict[str, Any]]:
    """MXNet's attributes of an op that its row should have, in order."""
    return {attr["name"]: attr for attr in signatures()[name]["attrs"] if attr["name"] not in NO_ATTRIBUTES}


def test_names_are_unique_and_lead_to_their_rows() -> None:
    names = [name for op in OPS.values() for name in (op.name, *op.aliases)]
    assert len(names) == len(set(names)) == len(NAMES)
    for op in OPS.values():
        assert catalogue.find(op.name) is op
        assert all(catalogue.find(alias) is op for alias in op.aliases)
    assert set(FAMILY_OF) == set(OPS)
    assert set(FAMILY_OF.values()) == set(FAMILIES)


def test_an_unknown_op_is_an_error_that_names_it() -> None:
    with pytest.raises(UnknownOpError, match="no_such_op"):
        catalogue.find("no_such_op")


@pytest.mark.parametrize("name", OPS)
def test_row_is_whole(name: str) -> None:
    op = OPS[name]
    assert op.doc[-1] == ".", "a row's prose is made of sentences"
    assert "  " not in op.doc
    names = [*(given.lstrip("*") for given in op.inputs), *op.attr_of]
    assert len(names) == len(set(names)) == len(op.inputs) + len(op.attrs)
    count = 12 if op.variadic else len(op.inputs)
    assert all(0 <= index < count for index in op.mutated(count))
    for attr in op.attrs:
        if attr.default is not REQUIRED:
            assert attr.parse(name, attr.default) == attr.default, f"{attr.name}'s default is not canonical"
    if op.grad is Grad.RULES:
        assert op.inputs, "a gradient needs an input"


def test_rows_of_our_own_are_listed() -> None:
    assert set(OPS) - set(signatures()) == OWN


@pytest.mark.parametrize("name", signatures())
def test_row_has_the_signature_of_mxnet(name: str) -> None:
    op = OPS[name]
    assert list(op.inputs) == signatures()[name]["inputs"]
    assert sorted(op.aliases) == sorted(signatures()[name]["aliases"])
    wanted = LINSPACE if name == "_linspace" else list(mxnet_attrs(name))
    assert list(op.attr_of) == wanted
    gradient = {"yes": Grad.RULES, "zero": Grad.ZERO, "none": Grad.NONE}[signatures()[name]["gradient"]]
    assert op.grad is GRADIENTS.get(name, gradient)
    assert GRADIENTS.get(name) is not gradient, "listed as an exception and is none"


@pytest.mark.parametrize("name", golden_kinds())
def test_gradient_is_what_a_backward_pass_of_mxnet_gives(name: str) -> None:
    known = Grad(golden_kinds()[name].kind)
    assert OPS[name].grad is (Grad.RULES if name in BEYOND else known)
    assert (name in BEYOND) == (known is not OPS[name].grad)


def described() -> list[tuple[str, str]]:
    """Every attribute that MXNet describes and a row has."""
    return [(name, attr) for name in signatures() for attr in mxnet_attrs(name) if attr in OPS[name].attr_of]


def test_defaults_are_those_of_mxnet() -> None:
    used = set()
    for name, attr_name in described():
        attr, known = OPS[name].attr_of[attr_name], mxnet_attrs(name)[attr_name]
        what = f"{name} {attr_name}: {attr.default!r}, in MXNet {known}"
        if (name, attr_name) in DEFAULTS:
            used.add((name, attr_name))
            assert known.get("default") in (None, "None"), what
            assert attr.default == DEFAULTS[name, attr_name], what
        elif (name, attr_name) == ("_linspace", "stop"):
            assert attr.default is REQUIRED
        elif known["required"]:
            assert attr.default is REQUIRED, what
        else:
            default = attr.parse(name, known["default"])
            # MXNet keeps most numbers in single precision.
            same = default == attr.default or np.float32(default) == np.float32(attr.default)
            assert same, what
            assert type(default) is type(attr.default), what
    assert used == set(DEFAULTS)


def test_types_are_those_of_mxnet() -> None:
    for name, attr_name in described():
        attr, known = OPS[name].attr_of[attr_name], mxnet_attrs(name)[attr_name]
        what = f"{name} {attr_name}: {attr.type.name}, in MXNet {known['type']}"
        if (name, attr_name) == ("_linspace", "stop"):
            assert attr.type is FLOAT
        elif known["type"] == "enum":
            assert _taken(OPS[name], attr) == set(known["choices"]) - {None, "None", "bfloat16"}, what
        else:
            assert attr.type.name in TYPES[known["type"]], what


def _taken(op: Op, attr: Attr) -> set[str]:
    """The texts that an attribute takes, of all that any enumeration has."""
    texts = {dtype.name for dtype in CODE_OF}
    for name, attr_name in described():
        texts.update(mxnet_attrs(name)[attr_name].get("choices", ()))
    taken = set()
    for text in texts - {None, "None"}:
        try:
            attr.parse(op.name, text)
        except MXNetError:
            continue
        taken.add(text)
    return taken


def test_digest_sees_a_changed_row(monkeypatch: pytest.MonkeyPatch) -> None:
    before = catalogue.digest.__wrapped__()
    assert before == catalogue.digest()
    assert len(before) == 32
    row = OPS["clip"]
    changed = Op(
        row.name, row.inputs, row.shape, row.dtype, row.grad, row.doc, attrs=(Attr("a_min", FLOAT, 0.0),)
    )
    monkeypatch.setitem(OPS, "clip", changed)
    assert catalogue.digest.__wrapped__() != before
