"""Recorded computations as snippets, and all that their symbols tell, in a form that JSON can hold.

The real MXNet and remx both run them (see ``tests/golden/make_history.py``). Each snippet runs while recording, with
the arrays of :data:`PRELUDE`; the value of its last line is the array whose history is looked at. Names are
counted from the snippet's start. Nothing here imports either.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import sys
import types
import warnings
from typing import Any

import numpy as np

from support import digraph

PRELUDE = """
p = nd.ones((1,))
p.attach_grad()
with autograd.record():
    q = p * 1
base = autograd.get_symbol(q)
x = nd.array([[0.5, -1.5, 2.5], [3.25, 0.75, -0.25]])
y = nd.array([[2, 1, 0.5], [1.5, 3, 4]])
x.attach_grad()
y.attach_grad()
w = nd.array(np.arange(12).reshape(4, 3) / 8)
b = nd.array([1, 2, 3, 4])
c = nd.array([[1, 2, 3], [4, 5, 6]])
row = nd.array([[0.5, 0.25, 2]])
i = nd.array([1, 0, 1])
j = nd.array([2, 0, 1])
cube = nd.array(np.arange(24).reshape(2, 3, 4) / 16)
cube.attach_grad()
"""

EXACT = """
x * 2 + 1
z = nd.zeros((2, 3)); nd.exp(x, out=z); z + 1
2 - x / 3 + 2 ** x - x ** 2
-x + abs(x)
x + y
x * y - y * c
x * row
(x > 0) * x
nd.maximum(x, 0.5) + nd.maximum(x, y)
x.sum()
x.sum(axis=1)
nd.sum(x, axis=(0, 1), keepdims=True)
x.mean(axis=[0, 1])
x.max(axis=-1) + x.min(axis=1)
nd.norm(x, ord=2, axis=1)
x.norm()
nd.exp(x) + nd.log(y) + nd.sqrt(y) + nd.tanh(x) + nd.sigmoid(x) + nd.relu(x)
nd.softmax(x)
nd.softmax(x, axis=-1, temperature=2.5)
nd.log_softmax(x, axis=1)
nd.dot(x, y, transpose_b=True)
k = w.T; nd.dot(x, k)
nd.FullyConnected(x, w, b, num_hidden=4)
nd.FullyConnected(x, w, num_hidden=4, no_bias=True, name='dense')
k = nd.ones((5, 4)); m = nd.ones((5,)); nd.FullyConnected(cube, k, m, num_hidden=5, flatten=False)
nd.Activation(nd.FullyConnected(x, w, b, num_hidden=4), act_type='relu')
nd.LeakyReLU(x, slope=0.1)
nd.concat(x, y, dim=0)
nd.concat(x, y, c, dim=1)
nd.stack(x, y, axis=1)
nd.add_n(x, y, x)
nd.split(x, num_outputs=3, axis=1)[1]
a, d, e = nd.split(x, 3, axis=1); a + e
nd.split(x, 3, axis=1, squeeze_axis=True)[0] * 2
x.reshape((3, 2))
x.reshape(-1)
nd.reshape(x, shape=(0, -1))
x.T
nd.transpose(cube, axes=(2, 0, 1))
x.flatten()
x.expand_dims(axis=1)
x.expand_dims(axis=0).squeeze()
x[0]
x[-1] * x[0]
x[1:2]
x[:, 1]
x[:, -1]
x[:, 1:3]
x[:, ::-1]
cube[:, 1:, ::2]
cube[1, :, 0:2]
cube[..., 1:2]
cube[:, None, ::2]
x.slice_axis(axis=1, begin=0, end=None)
nd.slice(x, begin=(None, 1), end=(None, 3), step=(None, 1))
nd.take(x, i)
nd.take(x, j, axis=1, mode='wrap')
k = nd.array([0, 2]); nd.pick(x, k, axis=1)
nd.Embedding(i, x, input_dim=2, output_dim=3)
k = nd.array([[0, 1], [2, 0]]); nd.gather_nd(x, k)
nd.one_hot(x[0], 3)
nd.where(x > 0, x, y)
nd.tile(x, reps=(2, 1))
nd.repeat(x, repeats=2, axis=1)
x[0:1].broadcast_to((4, 3))
nd.broadcast_axis(row * x[0:1], axis=0, size=2)
nd.Cast(x, dtype='float64')
nd.topk(x, k=2, ret_typ='both')[0]
nd.sort(x, axis=1)
nd.argmax(x, axis=1)
nd.batch_dot(cube, cube, transpose_b=True)
nd.linalg.gemm2(x, y, transpose_b=True)
nd.L2Normalization(x)
k = nd.array([1, 2, 1]); nd.SequenceMask(cube, k, use_sequence_length=True, value=-1)
nd.Dropout(x, p=0.3)
k = nd.arange(3); x * k
z = nd.exp(x); (z * 2).detach() * z
z = x * 2; z.attach_grad(); z * 3
z = x * 2; z2 = z + 1; z3 = z2 * z; z3.sum() + z.sum() + z2.max()
x
c * 1; (x * c); c
"""
"""Snippets whose symbols are the same, to the last letter."""

MEANING = """
x.clip(0, 1)
nd.clip(x, -0.5, 1e-2)
x[::1]
x[0, 1]
x[1, 1:2]
x[None]
x.copy() * 2
x[0:1, None, 1]
cube[1, 1]
cube[1, 1, 1]
x[i]
x[:, j]
x[i, j]
cube[0, j]
cube[:, j]
cube[i, :, j]
cube[i, 1:3]
cube[i, 1, j]
cube[1, i, 1:3]
k = nd.array([[0, 1], [1, 2]]); cube[:, k]
cube[None, i, None]
x.astype('float64').astype('float32')
z = nd.zeros((2, 3)); z[:] = x * 2; z + 1
k = c.sum(); x * c + k
x.broadcast_to((2, 3)) * 2
"""
"""Snippets whose symbols mean the same."""

OWN = """
autograd.grad(nd.exp(x), [x], create_graph=True)[0] * 2
autograd.grad(nd.sigmoid(x), [x], create_graph=True)[0].sum()
autograd.grad(nd.relu(x), [x], create_graph=True)[0] * x
autograd.grad(autograd.grad(nd.tanh(x), [x], create_graph=True)[0], [x], create_graph=True)[0]
autograd.grad(x * row, [x], create_graph=True)[0] * x
autograd.grad((x * x.sum(axis=0)).mean(), [x], create_graph=True)[0] * y
autograd.grad(nd.broadcast_mul(x[0:1], y), [x], create_graph=True)[0] * x
autograd.grad(x[0] * x[1], [x], create_graph=True)[0] * x
autograd.grad(cube[1, 1] * 2, [cube], create_graph=True)[0] * cube
autograd.grad(cube[:, ::2] ** 2, [cube], create_graph=True)[0] * cube
autograd.grad(x[i] ** 2, [x], create_graph=True)[0] * x
autograd.grad(x[:, j] ** 2, [x], create_graph=True)[0] * x
autograd.grad(x[i, j] ** 2, [x], create_graph=True)[0] * x
autograd.grad(cube[i, 1, j] ** 2, [cube], create_graph=True)[0] * cube
k = nd.array([[0, 1], [1, 2]]); autograd.grad(cube[:, k] ** 2, [cube], create_graph=True)[0] * cube
k = w.T; autograd.grad(nd.dot(x, k) ** 2, [x], create_graph=True)[0] * x
autograd.grad(nd.dot(cube, cube.reshape((4, 3, 2))), [cube], create_graph=True)[0] * cube
autograd.grad(nd.FullyConnected(x, w, b, num_hidden=4) ** 2, [x], create_graph=True)[0] * x
autograd.grad(nd.batch_dot(cube, cube, transpose_b=True), [cube], create_graph=True)[0] * cube
autograd.grad(nd.softmax(x) ** 2, [x], create_graph=True)[0] * x
autograd.grad(nd.log_softmax(x) ** 2, [x], create_graph=True)[0] * x
autograd.grad(x.clip(0, 1) ** 2, [x], create_graph=True)[0] * x
autograd.grad(nd.slice(x, begin=(0, 1), end=(2, 3)) ** 2, [x], create_graph=True)[0] * x
autograd.grad(nd.take(x, i) ** 2, [x], create_graph=True)[0] * x
autograd.grad(nd.take(cube, j, axis=1) ** 2, [cube], create_graph=True)[0] * cube
k = nd.array([0, 2]); autograd.grad(nd.pick(x, k, axis=1) ** 2, [x], create_graph=True)[0] * x
k = nd.array([[0, 1, 0], [2, 0, 2]]); autograd.grad(nd.gather_nd(x, k) ** 2, [x], create_graph=True)[0] * x
autograd.grad(nd.sort(x, axis=1) ** 3, [x], create_graph=True)[0] * x
autograd.grad(nd.topk(x, k=2, ret_typ='value') ** 2, [x], create_graph=True)[0] * x
autograd.grad(nd.diag(cube, k=1, axis1=1, axis2=2) ** 2, [cube], create_graph=True)[0] * cube
autograd.grad(nd.diag(cube, k=-1, axis1=0, axis2=1) ** 2, [cube], create_graph=True)[0] * cube
autograd.grad(nd.SequenceLast(cube) ** 2, [cube], create_graph=True)[0] * cube
k = i + 1; autograd.grad(nd.SequenceLast(cube, k, use_sequence_length=True) ** 2, [cube], create_graph=True)[0] * cube
autograd.grad(nd.max(x, axis=1) ** 2, [x], create_graph=True)[0] * x
autograd.grad(nd.prod(x, axis=1), [x], create_graph=True)[0] * x
autograd.grad(nd.concat(x, y, dim=1) ** 2, [x], create_graph=True)[0] * x
autograd.grad(nd.stack(x, y) ** 2, [x], create_graph=True)[0] * x
autograd.grad(nd.split(x, 3, axis=1)[1] ** 2, [x], create_graph=True)[0] * x
autograd.grad(nd.norm(x, axis=1), [x], create_graph=True)[0] * x
"""
"""Snippets that only remx can run: MXNet differentiates few of them twice, and its symbols of those have variables
that most of its functions refuse."""


def table(text: str) -> list[str]:
    """The snippets of a text."""
    return [line for line in text.strip().splitlines() if line]


class Recorded:
    """A snippet that was run.

    Attributes
    ----------
    array : NDArray
        What it gives.
    symbol : Symbol
        That array's history.
    known : dict of str to NDArray
        The arrays of the prelude and the snippet, by the names that the history has for them.
    """

    def __init__(self, code: str, mx: Any) -> None:
        names: dict[str, Any] = {"mx": mx, "nd": mx.nd, "autograd": mx.autograd, "np": np}
        exec(PRELUDE, names)
        body = ast.parse(code).body
        last = body.pop()
        assert isinstance(last, ast.Expr)
        with mx.autograd.record():
            exec(compile(ast.Module(body, []), "<snippet>", "exec"), names)
            self.array = eval(compile(ast.Expression(last.value), "<snippet>", "eval"), names)
        self.symbol = mx.autograd.get_symbol(self.array)
        self._nodes = int(names["base"].name[len("node_") :]) + 1
        self._variables = int(names["base"].list_arguments()[0][len("var") :]) + 1
        self.known = {}
        for value in names.values():
            if isinstance(value, mx.nd.NDArray):
                with contextlib.suppress(mx.MXNetError):
                    self.known[mx.autograd.get_symbol(value).name] = value

    def text(self, text: str) -> str:
        """A text with the names counted from the snippet's start."""
        text = re.sub(r"\bnode_(\d+)", lambda found: f"node_{int(found[1]) - self._nodes}", text)
        return re.sub(r"\b(var|null)(\d+)", lambda found: f"{found[1]}{int(found[2]) - self._variables}", text)

    def plain(self, value: Any) -> Any:
        """A value as JSON has it, its names counted from the snippet's start."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, type):
            return np.dtype(value).name
        if isinstance(value, dict):
            return {self.text(str(key)): self.plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.plain(item) for item in value]
        return value if value is None or isinstance(value, (bool, int, float)) else self.text(repr(value))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the history's arguments, as far as they are known."""
        names = self.symbol.list_arguments()
        return {name: array.shape for name, array in self.known.items() if name in names}

    @property
    def dtypes(self) -> dict[str, str]:
        """The dtypes of the history's arguments, as far as they are known."""
        return {name: np.dtype(self.known[name].dtype).name for name in self.shapes}

    def facts(self, mx: Any) -> dict[str, Any]:
        """All that the symbol tells."""
        symbol = self.symbol
        some = {name: shape for name, shape in self.shapes.items() if name.startswith("var")}
        asked = {
            "json": symbol.tojson,
            "arguments": symbol.list_arguments,
            "outputs": symbol.list_outputs,
            "states": symbol.list_auxiliary_states,
            "inputs": symbol.list_inputs,
            "attributes": symbol.list_attr,
            "all attributes": symbol.attr_dict,
            "children": symbol.get_children,
            "internals": symbol.get_internals,
            "internal outputs": lambda: symbol.get_internals().list_outputs(),
            "debug": symbol.debug_str,
            "shapes": lambda: symbol.infer_shape(**self.shapes),
            "shapes of variables": lambda: symbol.infer_shape(**some),
            "partial shapes": lambda: symbol.infer_shape_partial(**some),
            "no shapes": symbol.infer_shape,
            "internal shapes": lambda: symbol.get_internals().infer_shape(**self.shapes),
            "types": lambda: symbol.infer_type(**self.dtypes),
            "no types": symbol.infer_type,
            "doubles": lambda: symbol.infer_type(**{name: "float64" for name in some}),
            "summary": lambda: printed(mx.viz.print_summary, symbol),
            "summary with shapes": lambda: printed(mx.viz.print_summary, symbol, shape=self.shapes),
            "narrow summary": lambda: printed(
                mx.viz.print_summary, symbol, shape=self.shapes, line_length=60, positions=[20, 30, 40, 60]
            ),
            "plot": lambda: drawn(mx.viz.plot_network, symbol),
            "plot with facts": lambda: drawn(
                mx.viz.plot_network,
                symbol,
                title="network",
                save_format="svg",
                shape=self.shapes,
                dtype=self.dtypes,
                node_attrs={"fixedsize": "false"},
            ),
        }
        return {name: self._answer(ask) for name, ask in asked.items()}

    def _answer(self, ask: Any) -> Any:
        with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("always")
            try:
                answer = self.plain(ask())
            except Exception as error:  # An error is an answer, too.
                return {"error": [cls.__name__ for cls in type(error).__mro__ if cls in KNOWN or "MXNet" in str(cls)][0]}
        told = [self.text(str(one.message)) for one in caught if issubclass(one.category, (UserWarning, RuntimeWarning))]
        return {"answer": answer, "warnings": told} if told else {"answer": answer}


KNOWN = (ValueError, TypeError, KeyError, IndexError, AttributeError, ImportError)


def printed(function: Any, *args: Any, **options: Any) -> str:
    """What a function prints."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        function(*args, **options)
    return text.getvalue()


def drawn(function: Any, *args: Any, **options: Any) -> Any:
    """The calls of graphviz that a function makes."""
    before = sys.modules.get("graphviz")
    stand_in = types.ModuleType("graphviz")
    stand_in.Digraph = digraph.Digraph  # type: ignore[attr-defined]
    sys.modules["graphviz"] = stand_in
    try:
        return function(*args, **options).calls
    finally:
        if before is None:
            del sys.modules["graphviz"]
        else:
            sys.modules["graphviz"] = before
