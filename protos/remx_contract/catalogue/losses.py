"""Outputs that carry a loss: their gradient is that of the loss, whatever comes from behind them."""

from __future__ import annotations

from ..attributes import BOOL, FLOAT, choice
from ..op import RULES, Attr, Op
from ..rules import losses, types

_SOFTMAX_ATTRS = (
    Attr("grad_scale", FLOAT, 1.0),
    Attr("ignore_label", FLOAT, -1.0),
    Attr("multi_output", BOOL, False),
    Attr("use_ignore", BOOL, False),
    Attr("preserve_shape", BOOL, False),
    Attr("normalization", choice("batch", "null", "valid"), "null"),
    Attr("out_grad", BOOL, False),
    Attr("smooth_alpha", FLOAT, 0.0),
)
_REGRESSION = (
    " The gradient is that of a loss: {} times `grad_scale`, divided by the number of a sample's elements; "
    "the gradient that arrives does not count."
)


def _regression(name: str, result: str, difference: str) -> Op:
    return Op(
        name,
        inputs=("data", "label"),
        attrs=(Attr("grad_scale", FLOAT, 1.0),),
        shape=losses.regression,
        dtype=types.same,
        grad=RULES,
        doc=result + _REGRESSION.format(difference),
    )


ROWS = (
    Op(
        "SoftmaxOutput",
        inputs=("data", "label"),
        attrs=_SOFTMAX_ATTRS,
        shape=losses.softmax_output,
        dtype=types.same,
        grad=RULES,
        aliases=("Softmax",),
        doc="Softmax over all axes but the first, over the last with `preserve_shape`, or over axis 1 with "
        "`multi_output`. The gradient is that of the cross entropy with `label`: the result less 1 at the "
        "label, or with `smooth_alpha` less 1 - smooth_alpha there and less an equal share of smooth_alpha "
        "elsewhere (not with multi_output). It is 0 where the label is `ignore_label`, with `use_ignore`. It "
        "is multiplied by `grad_scale` and divided by the number of places with multi_output, and by that of "
        "labels for `normalization` 'batch', or of those that are not ignore_label for 'valid'. A label of "
        "the data's shape has probabilities: the gradient is the difference times grad_scale. What arrives "
        "counts only with `out_grad`, as a factor; MXNet 1.9.1 multiplies by the result instead.",
    ),
    Op(
        "_softmax_output_back",
        inputs=("data", "label"),
        attrs=(*_SOFTMAX_ATTRS, Attr("slope", BOOL, False)),
        shape=losses.softmax_output_gradient,
        dtype=types.same,
        grad=RULES,
        doc="The gradient of SoftmaxOutput, of whose result it is a linear function; with `slope` that "
        "without its constant part.",
    ),
    _regression("LinearRegressionOutput", "The data.", "data - label"),
    _regression("LogisticRegressionOutput", "The sigmoid of the data.", "the result - label"),
    _regression("MAERegressionOutput", "The data.", "the sign of data - label"),
    Op(
        "SVMOutput",
        inputs=("data", "label"),
        attrs=(
            Attr("margin", FLOAT, 1.0),
            Attr("regularization_coefficient", FLOAT, 1.0),
            Attr("use_linear", BOOL, False),
        ),
        shape=losses.rows,
        dtype=types.same,
        grad=RULES,
        doc="The data. The gradient is that of the hinge loss, squared unless `use_linear`: with y = 1 for "
        "the element of a row that the label says and -1 for the others, of max(0, margin - y * data) times "
        "`regularization_coefficient`. The gradient that arrives does not count.",
    ),
    Op(
        "softmax_cross_entropy",
        inputs=("data", "label"),
        shape=losses.cross_entropy,
        dtype=types.same,
        grad=RULES,
        doc="The cross entropy of the rows' softmax with the labels, summed up, as an array of one "
        "element. Probabilities count as 1e-8 at least, but not in the gradient. Where a label is no "
        "position of a row nothing is added; MXNet reads what is in memory there.",
    ),
)
