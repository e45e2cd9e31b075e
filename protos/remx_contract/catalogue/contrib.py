"""MXNet's contributed ops that belong to no other family."""

from __future__ import annotations

from ..attributes import BOOL, FLOAT, INT, SHAPE, optional
from ..op import NONE, RULES, ZERO, Attr, Op
from ..rules import contrib, shapes, types

_HEADS = (Attr("heads", INT),)
_COMPUTE_SIZE = (Attr("compute_size", INT, 128),)

ROWS = (
    Op(
        "_contrib_interleaved_matmul_selfatt_qk",
        inputs=("queries_keys_values",),
        attrs=_HEADS,
        shape=contrib.selfatt_qk,
        dtype=types.same,
        grad=RULES,
        doc="The scores of self-attention: the products of queries and keys, divided by the square root of "
        "their length. The input has shape (length, batch, heads * 3 * size), where a head's query, key and "
        "value lie side by side; the scores have shape (batch * heads, length, length).",
    ),
    Op(
        "_contrib_interleaved_matmul_selfatt_valatt",
        inputs=("queries_keys_values", "attention"),
        attrs=_HEADS,
        shape=contrib.selfatt_valatt,
        dtype=types.same,
        grad=RULES,
        doc="The results of self-attention: the values, weighted by an attention of shape (batch * heads, "
        "length, length) and summed up, in shape (length, batch, heads * size).",
    ),
    Op(
        "_contrib_interleaved_matmul_encdec_qk",
        inputs=("queries", "keys_values"),
        attrs=_HEADS,
        shape=contrib.encdec_qk,
        dtype=types.same,
        grad=RULES,
        doc="The scores of attention: as `_contrib_interleaved_matmul_selfatt_qk`, with queries of shape "
        "(length, batch, heads * size), and with keys and values of shape (length, batch, heads * 2 * size).",
    ),
    Op(
        "_contrib_interleaved_matmul_encdec_valatt",
        inputs=("keys_values", "attention"),
        attrs=_HEADS,
        shape=contrib.encdec_valatt,
        dtype=types.same,
        grad=RULES,
        doc="The results of attention: as `_contrib_interleaved_matmul_selfatt_valatt`, with keys and values "
        "of shape (length, batch, heads * 2 * size).",
    ),
    Op(
        "_contrib_div_sqrt_dim",
        inputs=("data",),
        shape=shapes.same,
        dtype=types.same,
        grad=RULES,
        doc="`data` divided by the square root of the length of its last axis.",
    ),
    Op(
        "_contrib_quadratic",
        inputs=("data",),
        attrs=(Attr("a", FLOAT, 0.0), Attr("b", FLOAT, 0.0), Attr("c", FLOAT, 0.0)),
        shape=shapes.same,
        dtype=types.same,
        grad=RULES,
        doc="a * data**2 + b * data + c, element-wise.",
    ),
    Op(
        "_contrib_gradientmultiplier",
        inputs=("data",),
        attrs=(Attr("scalar", FLOAT, 1.0),),
        shape=shapes.same,
        dtype=types.same,
        grad=RULES,
        doc="A copy of `data`, whose gradient is multiplied with `scalar`; a negative one reverses it.",
    ),
    Op(
        "_contrib_round_ste",
        inputs=("data",),
        shape=shapes.same,
        dtype=types.same,
        grad=RULES,
        doc="`data`, rounded as by `round`; the gradient passes unchanged.",
    ),
    Op(
        "_contrib_sign_ste",
        inputs=("data",),
        shape=shapes.same,
        dtype=types.same,
        grad=RULES,
        doc="The sign of `data`; the gradient passes unchanged.",
    ),
    Op(
        "_contrib_fft",
        inputs=("data",),
        attrs=_COMPUTE_SIZE,
        shape=contrib.fft,
        dtype=types.same,
        grad=RULES,
        doc="The Fourier transform along the last axis of an array of 2 or 4 axes; the real and the "
        "imaginary part of each number lie side by side. `compute_size` has no effect. MXNet has it on GPUs "
        "only.",
    ),
    Op(
        "_contrib_ifft",
        inputs=("data",),
        attrs=_COMPUTE_SIZE,
        shape=contrib.ifft,
        dtype=types.same,
        grad=RULES,
        doc="The real part of the inverse Fourier transform of numbers as `_contrib_fft` gives them, times "
        "their count. `compute_size` has no effect. MXNet has it on GPUs only.",
    ),
    Op(
        "_contrib_count_sketch",
        inputs=("data", "h", "s"),
        attrs=(Attr("out_dim", INT), Attr("processing_batch_size", INT, 32)),
        shape=contrib.count_sketch,
        dtype=types.same,
        grad=RULES,
        doc="Columns of a matrix, times the signs `s`, added up at the positions `h` of `out_dim` columns. "
        "`h` and `s` have shape (1, columns) and no gradient. `processing_batch_size` has no effect. MXNet "
        "has it on GPUs only.",
    ),
    Op(
        "_contrib_allclose",
        inputs=("a", "b"),
        attrs=(Attr("rtol", FLOAT, 1e-5), Attr("atol", FLOAT, 1e-8), Attr("equal_nan", BOOL, True)),
        shape=contrib.equal_shapes,
        dtype=contrib.truth,
        grad=NONE,
        doc="1 if |a - b| <= atol + rtol * |b| everywhere, else 0, as an array of uint8 without axes. With "
        "`equal_nan` not-a-numbers equal each other.",
    ),
    Op(
        "_contrib_index_copy",
        inputs=("old_tensor", "index_vector", "new_tensor"),
        shape=contrib.index_copy,
        dtype=types.data,
        grad=RULES,
        doc="A copy of `old_tensor`, where the rows that `index_vector` numbers are those of `new_tensor`. A "
        "number that is no row is an error; MXNet writes outside of the array.",
    ),
    Op(
        "_contrib_index_array",
        inputs=("data",),
        attrs=(Attr("axes", optional(SHAPE), None),),
        shape=contrib.index_array,
        dtype=contrib.places,
        grad=ZERO,
        doc="The position of each element of `data`, as int64 numbers along a new last axis; of the given "
        "`axes` only, if there are any.",
    ),
    Op(
        "_mask_rows",
        inputs=("data", "index"),
        attrs=(Attr("count", INT),),
        shape=contrib.mask_rows,
        dtype=types.data,
        grad=RULES,
        doc="The rows of `data` where `index` is not zero, of which there are `count`; "
        "`contrib.boolean_mask` counts them first.",
    ),
    Op(
        "_mask_rows_into",
        inputs=("data", "index"),
        shape=contrib.mask_rows_into,
        dtype=types.data,
        grad=RULES,
        doc="Rows where `index` is not zero, and zeros elsewhere; the gradient of `_mask_rows`.",
    ),
)
