"""Regions of interest of feature maps."""

from __future__ import annotations

from ..attributes import BOOL, FLOAT, INT, SHAPE
from ..op import NONE, RULES, ZERO, Attr, Op
from ..rules import regions, types

_SIZE = (Attr("pooled_size", SHAPE), Attr("spatial_scale", FLOAT))
_ALIGN = (
    *_SIZE,
    Attr("sample_ratio", INT, -1),
    Attr("position_sensitive", BOOL, False),
    Attr("aligned", BOOL, False),
)
_PS = (
    Attr("spatial_scale", FLOAT),
    Attr("output_dim", INT),
    Attr("pooled_size", INT),
    Attr("group_size", INT, 0),
)
_SHAPE = Attr("shape", SHAPE)
_REGIONS = "A row of `rois` is the number of an image and the corners of a region, left, top, right, bottom"


ROWS = (
    Op(
        "ROIPooling",
        inputs=("data", "rois"),
        attrs=_SIZE,
        shape=regions.roi_pooling,
        dtype=types.same,
        grad=RULES,
        doc=f"The largest element of each of `pooled_size` bins of regions of feature maps. {_REGIONS}; "
        "corners are multiplied by `spatial_scale` and rounded, and belong to the region. What is outside of "
        "the map does not count; a bin without elements gives 0.",
    ),
    Op(
        "_roi_places",
        inputs=("data", "rois"),
        attrs=_SIZE,
        shape=regions.roi_pooling,
        dtype=regions.place_dtype,
        grad=ZERO,
        doc="Where in the flattened data ROIPooling finds its elements; -1 for bins without elements.",
    ),
    Op(
        "_place_add",
        inputs=("data", "index"),
        attrs=(_SHAPE,),
        shape=regions.placed,
        dtype=types.data,
        grad=RULES,
        doc="Zeros of a shape with elements added at places of the flattened array; -1 is no place.",
    ),
    Op(
        "_place_take",
        inputs=("data", "index"),
        shape=regions.at_places,
        dtype=types.data,
        grad=RULES,
        doc="The elements at places of the flattened array, and 0 at place -1; the gradient of `_place_add`.",
    ),
    Op(
        "_contrib_ROIAlign",
        inputs=("data", "rois"),
        attrs=_ALIGN,
        shape=regions.roi_align,
        dtype=types.same,
        grad=RULES,
        doc="The mean of each of `pooled_size` bins of regions of feature maps, of samples that are "
        f"interpolated: `sample_ratio` each way, or, below 1, one for every element. {_REGIONS}, multiplied "
        "by `spatial_scale`, of at least one element each way; `aligned` shifts them by half an element "
        "and takes them as they are. With `position_sensitive` each bin has channels of its own. Regions of "
        "an image below 0 give 0, where MXNet leaves the memory as it is, and so do aligned ones of no size, "
        "which end its process.",
    ),
    Op(
        "_roi_align_back",
        inputs=("data", "rois"),
        attrs=(*_ALIGN, _SHAPE),
        shape=regions.roi_align_back,
        dtype=types.same,
        grad=RULES,
        doc="The gradient of `_contrib_ROIAlign` for data of a shape.",
    ),
    Op(
        "_contrib_PSROIPooling",
        inputs=("data", "rois"),
        attrs=_PS,
        shape=regions.ps_pooling,
        dtype=types.same,
        grad=RULES,
        doc="The mean of each of `pooled_size` by `pooled_size` bins of regions of feature maps, where each "
        "of `group_size` by `group_size` groups of bins (by default each bin) has `output_dim` channels of "
        f"its own. {_REGIONS}; corners are rounded and multiplied by `spatial_scale`.",
    ),
    Op(
        "_ps_roi_pool_back",
        inputs=("data", "rois"),
        attrs=(*_PS, _SHAPE),
        shape=regions.ps_pooling_back,
        dtype=types.same,
        grad=RULES,
        doc="The gradient of `_contrib_PSROIPooling` for data of a shape.",
    ),
    Op(
        "_contrib_RROIAlign",
        inputs=("data", "rois"),
        attrs=(*_SIZE, Attr("sampling_ratio", INT, -1)),
        shape=regions.rotated_align,
        dtype=types.same,
        grad=NONE,
        doc="`_contrib_ROIAlign` of regions that are turned: a row of `rois` is the number of an image, the "
        "center x and y, the width, the height and an angle in degrees.",
    ),
)
