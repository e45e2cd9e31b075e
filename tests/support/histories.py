"""Recorded computations as snippets, and all that their symbols tell, in a form that JSON can hold.

The real MXNet and remx both run them (see ``tests/golden/make_history.py``). Each snippet runs while
recording, with the arrays of :data:`PRELUDE`; the value of its last line is the array whose history is looked
at. Names are counted from the snippet's start. Nothing here imports either.
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
n = nd.array([2, 1, 2])
cube = nd.array(np.arange(24).reshape(2, 3, 4) / 16)
cube.attach_grad()
"""

EXACT = """
x * 2 + 1
nd.clip(x, -0.5, 1e-2)
x[::1]
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
nd.concat(x, y, x, y, x, y, x, y, x, y, x, dim=0)
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
z = x * 2; z2 = z + 1; z3 = z2 * z; z3.sum() + z.sum() + z2.max()
x
c * 1; (x * c); c
"""
"""Snippets whose symbols are the same, to the last letter."""

MEANING = """
x.clip(0, 1)
x[0, 1]
x[1, 1:2]
x[None]
z = x * 2; z.attach_grad(); z * 3
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
cube[i, None, 1]
x.astype('float64').astype('float32')
z = nd.zeros((2, 3)); z[:] = x * 2; z + 1
s = x * c; k = c.sum(); s + k
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
z = nd.SequenceLast(cube, n, True) ** 2; autograd.grad(z, [cube], create_graph=True)[0] * cube
autograd.grad(nd.max(x, axis=1) ** 2, [x], create_graph=True)[0] * x
autograd.grad(nd.prod(x, axis=1), [x], create_graph=True)[0] * x
autograd.grad(nd.concat(x, y, dim=1) ** 2, [x], create_graph=True)[0] * x
autograd.grad(nd.stack(x, y) ** 2, [x], create_graph=True)[0] * x
autograd.grad(nd.split(x, 3, axis=1)[1] ** 2, [x], create_graph=True)[0] * x
autograd.grad(nd.norm(x, axis=1), [x], create_graph=True)[0] * x
"""
"""Snippets that only remx can run: MXNet differentiates few of them twice, and its symbols of those have
variables that most of its functions refuse."""


def table(text: str) -> list[str]:
    """The snippets of a text."""
    return [line for line in text.strip().splitlines() if line]


class Recorded:
    """A snippet that was run.

    Attributes
    ----------
    array : NDArray
        What it gives.
    history : Symbol
        That array's history.
    symbol : Symbol
        The same, read from JSON in which names are counted from the snippet's start.
    known : dict of str to NDArray
        The arrays of the prelude and the snippet that are arguments of the symbol.
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
        self.history = mx.autograd.get_symbol(self.array)
        self._nodes = int(names["base"].name[len("node_") :]) + 1
        self._variables = int(names["base"].list_arguments()[0][len("var") :]) + 1
        self.symbol = mx.sym.load_json(self.text(self.history.tojson()))
        arguments = self.symbol.list_arguments()
        self.known = {}
        for value in names.values():
            if isinstance(value, mx.nd.NDArray):
                with contextlib.suppress(mx.MXNetError):
                    name = self.text(mx.autograd.get_symbol(value).name)
                    if name in arguments:
                        self.known[name] = value

    def text(self, text: str) -> str:
        """A text with the names counted from the snippet's start."""
        text = re.sub(r"\bnode_(\d+)", lambda found: f"node_{int(found[1]) - self._nodes}", text)
        return re.sub(
            r"\b(var|null)(\d+)", lambda found: f"{found[1]}{int(found[2]) - self._variables}", text
        )

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the arguments, as far as they are known."""
        return {name: array.shape for name, array in self.known.items()}

    def facts(self, mx: Any) -> dict[str, Any]:
        """All that the symbol tells, and what went wrong where it does not tell."""
        symbol, shapes = self.symbol, self.shapes
        some = {name: shape for name, shape in shapes.items() if name.startswith("var")}
        dtypes = {name: np.dtype(array.dtype).name for name, array in self.known.items()}
        show, plot = mx.viz.print_summary, mx.viz.plot_network
        asked = {
            "history": lambda: self.text(self.history.tojson()),
            "history's internals": lambda: self.text(str(self.history.get_internals().list_outputs())),
            "history's debug": lambda: self.text(self.history.debug_str()),
            "json": symbol.tojson,
            "name": lambda: [symbol.name, repr(symbol), len(symbol)],
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
            "shapes": lambda: symbol.infer_shape(**shapes),
            "shapes of variables": lambda: symbol.infer_shape(**some),
            "partial shapes": lambda: symbol.infer_shape_partial(**some),
            "no shapes": symbol.infer_shape,
            "internal shapes": lambda: symbol.get_internals().infer_shape(**shapes),
            "types": lambda: symbol.infer_type(**dtypes),
            "no types": symbol.infer_type,
            "doubles": lambda: symbol.infer_type(**dict.fromkeys(some, "float64")),
            "summary": lambda: printed(show, symbol),
            "summary with shapes": lambda: printed(show, symbol, shape=shapes),
            "narrow summary": lambda: printed(
                show, symbol, shape=shapes, line_length=60, positions=[20, 30, 40, 60]
            ),
            "plot": lambda: drawn(plot, symbol),
            "plot with facts": lambda: drawn(
                plot,
                symbol,
                title="network",
                save_format="svg",
                shape=shapes,
                dtype=dtypes,
                node_attrs={"fixedsize": "false"},
            ),
        }
        return {name: _answer(ask) for name, ask in asked.items()}


KNOWN = ("MXNetError", "ValueError", "TypeError", "KeyError", "IndexError", "AttributeError", "ImportError")


def _answer(ask: Any) -> dict[str, Any]:
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        try:
            answer = _plain(ask())
        except Exception as error:  # An error is an answer, too.
            names = [cls.__name__ for cls in type(error).__mro__]
            return {"error": [name for name in names if name in KNOWN]}
    told = [str(one.message) for one in caught if issubclass(one.category, (UserWarning, RuntimeWarning))]
    return {"answer": answer, "warnings": told} if told else {"answer": answer}


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, type):
        return np.dtype(value).name
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return repr(value)


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
