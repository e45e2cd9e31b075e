"""Regions of interest whose bins are moved."""

from __future__ import annotations

from ..attributes import BOOL, FLOAT, INT, SHAPE
from ..op import RULES, Attr, Attrs, Op
from ..rules import regions, types

_DEFORMABLE = (
    Attr("spatial_scale", FLOAT),
    Attr("output_dim", INT),
    Attr("group_size", INT),
    Attr("pooled_size", INT),
    Attr("part_size", INT, 0),
    Attr("sample_per_part", INT, 1),
    Attr("trans_std", FLOAT, 0.0),
    Attr("no_trans", BOOL, False),
)
_PARTS = (Attr("classes", INT), Attr("part_size", INT))
_SHAPE = Attr("shape", SHAPE)
_DERIVATIVE = (Attr("dx", INT, 0), Attr("dy", INT, 0))


def _deformable_inputs(attrs: Attrs) -> int:
    return 2 if attrs.no_trans else 3


ROWS = (
    Op(
        "_contrib_DeformablePSROIPooling",
        inputs=("data", "rois", "trans"),
        attrs=_DEFORMABLE,
        shape=regions.deformable,
        dtype=types.same,
        grad=RULES,
        arity=_deformable_inputs,
        doc="`_contrib_PSROIPooling` of bins that are moved: the mean of `sample_per_part` by "
        "`sample_per_part` samples, of which those outside of the map do not count. `trans`, (regions, 2 * "
        "classes, part_size, part_size), has for each of some classes of channels and each part of a region "
        "how far bins are moved to the right and down, in `trans_std` of its size; there is none with "
        "`no_trans`.",
    ),
    Op(
        "_deformable_pool",
        inputs=("data", "rois", "trans"),
        attrs=(*_DEFORMABLE, *_DERIVATIVE),
        shape=regions.deformable,
        dtype=types.same,
        grad=RULES,
        arity=_deformable_inputs,
        doc="`_contrib_DeformablePSROIPooling`, or its derivative by how far bins are moved to the right, "
        "down, or both.",
    ),
    Op(
        "_deformable_back",
        inputs=("data", "rois", "trans"),
        attrs=(*_DEFORMABLE, *_DERIVATIVE, _SHAPE),
        shape=regions.deformable_back,
        dtype=types.same,
        grad=RULES,
        arity=_deformable_inputs,
        doc="The gradient of `_deformable_pool` for data of a shape.",
    ),
    Op(
        "_part_sum",
        inputs=("data",),
        attrs=_PARTS,
        shape=regions.parts,
        dtype=types.same,
        grad=RULES,
        doc="The sum of the channels of each of some classes, and of the bins of each part of a region.",
    ),
    Op(
        "_part_spread",
        inputs=("data",),
        attrs=(*_PARTS, _SHAPE),
        shape=regions.parts_back,
        dtype=types.same,
        grad=RULES,
        doc="An element for each class and part to each of its channels and bins: what undoes `_part_sum`.",
    ),
)
