"""Ops for training in mixed precision: casts, tests for overflow, and sums over many arrays at once."""

from __future__ import annotations

from ..attributes import BOOL, INT
from ..op import NONE, RULES, Attr, Op
from ..rules import precision, shapes
from ..rules.choices import NUMBER_DTYPE

_ARRAYS = Attr("num_arrays", INT)
_INIT = Attr("init_output", BOOL, True)
_FINITE = (
    "has no element that is infinite or not a number, else 0, in an array of one float32. With `init_output` "
    "false the result in `out` becomes 0 or stays as it is."
)

ROWS = (
    Op(
        "amp_cast",
        inputs=("data",),
        attrs=(Attr("dtype", NUMBER_DTYPE),),
        shape=shapes.same,
        dtype=precision.cast,
        grad=RULES,
        doc="A copy in another dtype of an array of float16 or float32; other arrays keep their dtype.",
    ),
    Op(
        "amp_multicast",
        inputs=("*data",),
        attrs=(Attr("num_outputs", INT), Attr("cast_narrow", BOOL, False)),
        shape=precision.each_same,
        dtype=precision.multicast,
        grad=RULES,
        outputs=lambda attrs: attrs.num_outputs,
        doc="Copies of arrays, those of float16 and float32 in one dtype: float32 if one of them is of "
        "float32, or with `cast_narrow` float16 if one is of float16. Other arrays keep their dtype. Without "
        "any of float32, MXNet gives those of float16 the first array's dtype, were it int32.",
    ),
    Op(
        "all_finite",
        inputs=("data",),
        attrs=(_INIT,),
        shape=precision.one_number,
        dtype=precision.single,
        grad=NONE,
        doc=f"1 if the array {_FINITE}",
    ),
    Op(
        "multi_all_finite",
        inputs=("*data",),
        attrs=(Attr("num_arrays", INT, 1), _INIT),
        shape=precision.one_number,
        dtype=precision.single,
        grad=NONE,
        doc=f"1 if each of the arrays {_FINITE}",
    ),
    Op(
        "multi_sum_sq",
        inputs=("*data",),
        attrs=(_ARRAYS,),
        shape=precision.number_of_each,
        dtype=precision.single_of_one,
        grad=NONE,
        doc="The sum of squares of each array, in float32.",
    ),
    Op(
        "reset_arrays",
        inputs=("*data",),
        attrs=(_ARRAYS,),
        shape=precision.nothing,
        dtype=precision.no_dtype,
        grad=NONE,
        outputs=0,
        mutates=lambda count: tuple(range(count)),
        doc="Fills the arrays with zeros.",
    ),
)
