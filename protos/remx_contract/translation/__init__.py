"""Rows that MXNet does not have, said in MXNet's ops.

A history shows a program in MXNet's words, so that its JSON means the same to MXNet. Most rows are MXNet's
ops. The others, which indexing and the gradient rules use, are translated here: each into a few steps, by the
shapes of what it is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..errors import NotTranslatableError
from ..op import Attrs, Op
from ..spec import TensorSpec
from . import gradients, indexing
from .steps import Step, Steps, Translator

TRANSLATORS: Final[dict[str, Translator]] = {**indexing.TRANSLATORS, **gradients.TRANSLATORS}
"""From the name of a row that MXNet does not have, or cannot use in symbols, to what translates it."""

UNTRANSLATED: Final = frozenset(
    {
        "_affine_back",
        "_batch_norm_back",
        "_bilinear_back",
        "_bilinear_sample",
        "_box_nms_back",
        "_box_nms_rows",
        "_convolution_weight",
        "_deformable_back",
        "_deformable_pool",
        "_detach",
        "_group_norm_back",
        "_index_put",
        "_init_bilinear",
        "_init_orthogonal",
        "_layer_norm_back",
        "_mask_rows",
        "_mask_rows_into",
        "_move_moments",
        "_pad_back",
        "_part_spread",
        "_part_sum",
        "_place_add",
        "_place_take",
        "_polygamma",
        "_pooling_pick",
        "_pooling_put",
        "_pooling_spread",
        "_pooling_sum",
        "_ps_roi_pool_back",
        "_resample",
        "_resample_back",
        "_roi_align_back",
        "_roi_places",
        "_scale_planes",
        "_softmax_output_back",
    }
)
"""Rows that MXNet has no op for, or one whose shape its symbols cannot tell. Most are in no history, since
nothing is recorded of them."""

OWN: Final = frozenset(TRANSLATORS) - {"_copyto"} | UNTRANSLATED
"""All rows that MXNet does not have."""


def translate(
    op: Op,
    attrs: Mapping[str, Any],
    in_specs: Sequence[TensorSpec],
    out_specs: Sequence[TensorSpec],
) -> list[Step]:
    """The steps that an op is in MXNet; one for an op of MXNet's own.

    Parameters
    ----------
    op : Op
    attrs : mapping
        Every attribute, per-call ones included.
    in_specs, out_specs : sequence of TensorSpec

    Raises
    ------
    NotTranslatableError
        Where MXNet has no ops for it.
    """
    translator = TRANSLATORS.get(op.name)
    if translator is None:
        raise NotTranslatableError(op=op.name, message="MXNet has no operators that do this")
    if any(not spec.shape or not spec.size for spec in (*in_specs, *out_specs)):
        raise NotTranslatableError(
            op=op.name, message="MXNet's symbols have no arrays without axes or elements"
        )
    steps = Steps(in_specs)
    translator(steps, Attrs(attrs), in_specs, out_specs)
    if not steps.made:
        steps("_copy", 0)
    return steps.made


def count(op: Op, attrs: Attrs, in_specs: Sequence[TensorSpec], out_specs: Sequence[TensorSpec]) -> int:
    """How many of MXNet's ops stand for an op, whatever its per-call attributes are."""
    if op.name not in TRANSLATORS:
        return 1
    try:
        return len(translate(op, {**attrs, **{attr.name: 0 for attr in op.per_call}}, in_specs, out_specs))
    except NotTranslatableError:
        return 1


__all__ = ["OWN", "TRANSLATORS", "UNTRANSLATED", "Step", "count", "translate"]
