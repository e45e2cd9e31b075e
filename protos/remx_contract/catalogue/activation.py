"""Activations of neural networks."""

from __future__ import annotations

from ..attributes import FLOAT, choice
from ..op import RULES, Attr, Attrs, Op
from ..rules import activations, shapes, types


def _leaky_inputs(attrs: Attrs) -> int:
    return 2 if attrs.act_type == "prelu" else 1


def _leaky_outputs(attrs: Attrs) -> int:
    return 2 if attrs.act_type == "rrelu" else 1


ROWS = (
    Op(
        "Activation",
        inputs=("data",),
        attrs=(Attr("act_type", choice("relu", "sigmoid", "softrelu", "softsign", "tanh")),),
        shape=shapes.same,
        dtype=types.same,
        grad=RULES,
        doc="The activation `act_type`, element by element: softrelu is log(1 + exp(data)), softsign is "
        "data / (1 + abs(data)). Only floating-point numbers are taken; the gradient of relu at 0 is 0.",
    ),
    Op(
        "LeakyReLU",
        inputs=("data", "gamma"),
        attrs=(
            Attr("act_type", choice("elu", "gelu", "leaky", "prelu", "rrelu", "selu"), "leaky"),
            Attr("slope", FLOAT, 0.25),
            Attr("lower_bound", FLOAT, 0.125),
            Attr("upper_bound", FLOAT, 0.334),
        ),
        shape=activations.leaky_relu,
        dtype=activations.leaky_relu_dtype,
        grad=RULES,
        arity=_leaky_inputs,
        outputs=_leaky_outputs,
        random=True,
        doc="Activations that leave data above 0 as it is (leaky, prelu, rrelu, elu), scale it (selu) or "
        "bend it (gelu). Below 0, leaky multiplies by `slope`, prelu by `gamma` (one slope, or one for each "
        "channel of axis 1), and elu gives slope * (exp(data) - 1). The gradient of selu is the true one, "
        "which MXNet 1.9.1 misses. In training rrelu draws a slope for each element between the bounds, "
        "otherwise it takes their mean; it gives the result and the slopes.",
    ),
    Op(
        "SoftmaxActivation",
        inputs=("data",),
        attrs=(Attr("mode", choice("channel", "instance"), "instance"),),
        shape=activations.softmax_activation,
        dtype=types.same,
        grad=RULES,
        doc="Softmax over the last axis, or over axis 1 for mode 'channel'.",
    ),
)
