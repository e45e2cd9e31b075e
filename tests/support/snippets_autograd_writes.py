"""Snippets of autograd and memory: writes while recording and after, views, inputs that are indices."""

from __future__ import annotations

from .snippets import Differs, Table, table

_X = "x = nd.array([1, 2, 3]); x.attach_grad()\n"
_M = "x = nd.array([[1, 2, 3], [4, 5, 6]]); x.attach_grad()\n"
_RECORD = "with autograd.record(): "

RECORDING: Table = table(
    *[
        _X + _RECORD + f"{write}\nx"
        for write in (
            "x -= 1",
            "x *= 2",
            "x /= 2",
            "x %= 2",
            "x[1:] = 0",
            "x[[0, 1]] = 0",
            "x[0] += 1",
            "nd.ones((3,)).copyto(x)",
            "nd.square(nd.ones((3,)), out=x)",
            "x.reshape((3, 1))[:] = 0",
            "x[1:] += 1",
            "x.detach()[:] = 5",
            "x.detach()[0] = 5",
            "v = x[1:]; v += 1",
            "nd.random.uniform(shape=(3,), out=x)",
            "x[:] = x",
            "mx.init.Zero()('w_weight', x)",
        )
    ],
    *[
        _X + _RECORD + f"\n  y = x * 2\n  {write}\n(x, y)"
        for write in (
            "y[:] = 5",
            "y[1:] = 5",
            "y -= x",
            "nd.ones((3,)).copyto(y)",
            "y.detach()[:] = 5",
            "nd.broadcast_add(x, x, out=y)",
            "nd.broadcast_add(y, y, out=y)",
            "nd.BlockGrad(y)[:] = 5",
        )
    ],
    _X + _RECORD + "\n  with autograd.pause(): x += 1\n  y = x * 3\ny.backward(); (x, x.grad)",
    _X + _RECORD + "\n  with autograd.pause(): x[0] = 9\n  y = x * x\ny.backward(); (x, x.grad)",
    Differs(
        _X + _RECORD + "z = nd.zeros((3,)); z += x; y = z * 2\ny.backward(); x.grad",
        "nd.array([2, 2, 2])",
        "MXNet refuses to record a sum in the place of what is not recorded yet",
    ),
    _X + _RECORD + "z = nd.zeros((3,)); z[:] = x; y = z * z\ny.backward(); x.grad",
    _X + _RECORD + "z = nd.zeros((3,)); z[:] = x * x; z += 1\nz",
    _X + _RECORD + "z = nd.zeros((3,)); z[:] = x * x; z[:] = 1\nz",
    _X + _RECORD + "z = nd.zeros((3,)); z[:2] = x[:2]; y = z * 2\ny.backward(); x.grad",
    _X + _RECORD + "z = nd.zeros((3,)); z[:] = 1; z[0] = 2; y = z * x\ny.backward(); x.grad",
    _X + _RECORD + "z = nd.zeros((3,)); nd.broadcast_mul(x, x, out=z); y = z * 2\ny.backward(); x.grad",
    _X + _RECORD + "z = nd.zeros((3,)); x.copyto(z)\nz.backward(); x.grad",
    _X + _RECORD + "z = nd.zeros((3,)); z[:] = nd.ones((3,)); z.attach_grad(); y = z * x\n"
    "y.backward(); (x.grad, z.grad)",
    _X + _RECORD + "z = nd.zeros((2, 3)); z[0] = x\nz",
    _X + _RECORD + "a, b = nd.zeros((1,)), nd.zeros((2,)); nd.split_v2(x, (1,), out=[a, b]); y = b * 3\n"
    "y.backward(); x.grad",
    _X + _RECORD + "x = x + 1; x = x * 2\nx.backward(); x",
    _X + _RECORD + "y = x * x\ny += 1; y",
    _X + _RECORD + "y = x * x\nwith autograd.train_mode(): y += 1\ny",
)

AFTERWARDS: Table = table(
    *[
        _X + _RECORD + f"y = {expression}\nx[:] = 7; y.backward(); x.grad"
        for expression in (
            "x + x",
            "x * 3",
            "x - 2",
            "x.sum()",
            "x.reshape((3, 1)) * 2",
            "nd.exp(x)",
            "nd.sigmoid(x)",
            "nd.concat(x, x, dim=0)",
            "x.astype('float64')",
            "-x",
            "nd.sqrt(x)",
            "x[1:] * 2",
            "nd.tile(x, 2)",
        )
    ],
    *[
        _X + _RECORD + f"u = x * 2; y = {expression}\nu[:] = 7; y.backward(); x.grad"
        for expression in ("u + 1", "u.sum()", "nd.exp(u)", "nd.tanh(u)", "u[1:]", "u * 2")
    ],
    *[
        _X + _RECORD + f"u = {expression}; y = u + 1\nu[:] = 7; y.backward(); x.grad"
        for expression in ("x * 2", "x + x", "x.copy()", "nd.sin(x)", "nd.square(x)")
    ],
    _X + _RECORD + "y = x * x\ny.backward(); x[:] = 7; (x, x.grad)",
    _X + _RECORD + "y = x * 2\nv = x[1:]; v[:] = 9; y.backward(); (x, x.grad)",
    _X + _RECORD + "y = nd.exp(x)\nx.grad[:] = 9; y.backward(); x.grad",
    _X + _RECORD + "y = nd.exp(x)\nx += 1; x -= 1; y.backward(); x.grad",
    _X + "w = nd.ones((3,))\n" + _RECORD + "y = x + w\nw[:] = 9; y.backward(); x.grad",
    _X + "for i in range(3):\n  " + _RECORD + "y = (x * x).sum()\n  y.backward(); x -= 0.1 * x.grad\nx",
    _X + "for i in range(3):\n  " + _RECORD + "y = (x * x).sum()\n  y.backward(); x[:] = x - 0.1 * x.grad\nx",
    _X + "for i in range(3):\n  " + _RECORD + "y = (x * x).sum()\n"
    "  y.backward(); x = x - 0.1 * x.grad; x.attach_grad()\nx",
)

VIEWS: Table = table(
    *[
        _M + _RECORD + f"y = {expression} * 2\ny.backward(); x.grad"
        for expression in (
            "x[0]",
            "x[1]",
            "x[0:1]",
            "x[0, 1]",
            "x[0, 1:]",
            "x[:, 1]",
            "x[:, ::2]",
            "x[::-1]",
            "x[[1, 0, 1]]",
            "x[nd.array([0, 1]), nd.array([2, 2])]",
            "x[:, None]",
            "x[...]",
            "x[-1]",
            "x.reshape((3, 2))[1]",
            "x.reshape((-1,))[2:5]",
            "x[0][1:]",
            "x[1].reshape((3, 1))",
            "x.T[0]",
            "x.flatten()",
            "x.expand_dims(0)[0]",
            "x.slice_axis(1, 0, 2)",
            "x.slice((0, 0), (1, 2))",
        )
    ],
    _M + _RECORD + "y = x[0] * x[1]\ny.backward(); x.grad",
    _M + _RECORD + "a = x[0]; y = a * a + x[1]\ny.backward(); x.grad",
    _M + _RECORD + "y = x[0] + x[0][:]\ny.backward(); x.grad",
    _M + _RECORD + "y = x[0]\ny.backward(nd.array([1, 2, 3])); x.grad",
    _M + _RECORD + "y = x.reshape((3, 2))\ny.backward(nd.array([[1, 2], [3, 4], [5, 6]])); x.grad",
    _M + _RECORD + "v = x[0]; d = v.detach(); y = v * d\ny.backward(); x.grad",
    _M + "v = x[0]\n" + _RECORD + "y = v * 2 + x[1]\ny.backward(); x.grad",
    _M + "v = x[0]\nx[:] = 9\n" + _RECORD + "y = v * x[1]\ny.backward(); x.grad",
    _M + "x.grad[0] = 5\n" + _RECORD + "y = x[1] * 2\ny.backward(); x.grad",
    "x = nd.ones((2, 2)); x.attach_grad('add')\n"
    "for i in range(2):\n  " + _RECORD + "y = x[i] * (i + 2)\n  y.backward()\nx.grad",
    _M + _RECORD + "y = x.as_in_context(mx.cpu()) * 2\ny.backward(); x.grad",
    _M + _RECORD + "y = x.as_in_context(mx.cpu(1)) * 2\ny.backward(); (x.grad, str(x.grad.context))",
    _M + _RECORD + "y = x.copyto(mx.cpu(1)) * 2\ny.backward(); x.grad",
    "x = nd.ones((2,), ctx=mx.cpu(1)); "
    "x.attach_grad()\n" + _RECORD + "y = x * 2\ny.backward(); (x.grad, str(x.grad.context))",
    "x = nd.ones((2,)); w = nd.ones((2,), ctx=mx.cpu(1)); x.attach_grad(); w.attach_grad()\n"
    + _RECORD
    + "y = x * 2 + w.as_in_context(mx.cpu(0)) * 3\ny.backward(); (x.grad, w.grad)",
)

INDICES: Table = table(
    *[
        "x = nd.array([[1, 2], [3, 4]]); i = nd.array([1, 0]); x.attach_grad(); i.attach_grad(); "
        "i.grad[:] = 9\n" + _RECORD + f"y = {expression} * 2\ny.backward(); (x.grad, i.grad)"
        for expression in (
            "nd.take(x, i)",
            "nd.pick(x, i)",
            "x[i]",
            "nd.where(i, x, x * 3)",
            "nd.batch_take(x, i)",
            "nd.one_hot(i, 2) * x",
            "(x > i) * x",
            "nd.BlockGrad(i) * x",
            "nd.round(i) * x",
            "nd.sign(i) + x",
        )
    ],
    *[
        "x = nd.array([[1, 2], [3, 4]]); i = nd.array([1, 0]); x.attach_grad(); i.attach_grad(); "
        "i.grad[:] = 9\n" + _RECORD + f"y = {expression} * 2\nautograd.grad(y, [x, i])"
        for expression in (
            "nd.take(x, i)",
            "nd.pick(x, i)",
            "nd.where(i, x, x * 3)",
            "nd.one_hot(i, 2) * x",
            "(x > i) * x",
        )
    ],
    *[
        Differs(
            "x = nd.array([[1, 2], [3, 4]]); i = nd.array([1, 0]); x.attach_grad(); i.attach_grad(); "
            "i.grad[:] = 9\n" + _RECORD + f"y = {expression} * 2\ny.backward(); (x.grad, i.grad)",
            f"({gradient}, nd.zeros((2,)))",
            why,
        )
        for expression, gradient, why in (
            (
                "nd.Embedding(i, x, input_dim=2, output_dim=2)",
                "nd.ones((2, 2)) * 2",
                "MXNet refuses gradients of indices here only",
            ),
            (
                "nd.SequenceMask(x, i, use_sequence_length=True)",
                "nd.array([[2, 0], [0, 0]])",
                "MXNet leaves what was there",
            ),
        )
    ],
    "x = nd.array([[1, 0]]); x.attach_grad(); "
    "x.grad[:] = 9\n" + _RECORD + "y = nd.gather_nd(nd.array([5, 6]), x) * 2\ny.backward(); x.grad",
    "x = nd.array([1, 0]); x.attach_grad(); "
    "x.grad[:] = 9\n" + _RECORD + "y = nd.ones_like(x) * 2\ny.backward(); x.grad",
    "x = nd.array([1, 0]); x.attach_grad(); "
    "x.grad[:] = 9\n" + _RECORD + "y = nd.zeros_like(x) + nd.shape_array(x).sum().astype('float32')\n"
    "y.backward(); x.grad",
    "x = nd.array([1, 0]); x.attach_grad(); "
    "x.grad[:] = 9\n" + _RECORD + "y = nd.shape_array(x)\ny.backward(); x.grad",
    "x = nd.array([3, 1, 2]); x.attach_grad(); "
    "x.grad[:] = 9\n" + _RECORD + "y = nd.argsort(x)\ny.backward(); x.grad",
    "x = nd.array([3, 1, 2]); x.attach_grad(); "
    "x.grad[:] = 9\n" + _RECORD + "y = nd.sort(x, axis=0)\ny.backward(nd.array([1, 2, 3])); x.grad",
    "x = nd.array([3, 1, 2]); x.attach_grad(); "
    "x.grad[:] = 9\n" + _RECORD + "y = nd.topk(x, k=2)\ny.backward(); x.grad",
    "x = nd.array([[3, 1, 2]]); x.attach_grad(); "
    "x.grad[:] = 9\n" + _RECORD + "y = nd.topk(x, k=2, ret_typ='value')\ny.backward(); x.grad",
    "x = nd.array([[3, 1, 2]]); x.attach_grad(); "
    "x.grad[:] = 9\n" + _RECORD + "y = nd.argmax(x, axis=1)\ny.backward(); x.grad",
    "x = nd.array([[3, 1], [1, 2]]); w = nd.ones((2, 2)); x.attach_grad(); w.attach_grad(); "
    "w.grad[:] = 9\n"
    + _RECORD
    + "y = nd.broadcast_like(nd.sum(x, axis=0, keepdims=True), w)\ny.backward(); (x.grad, w.grad)",
    "x = nd.array([[3, 1], [1, 2]]); w = nd.ones((4,)); x.attach_grad(); w.attach_grad(); "
    "w.grad[:] = 9\n" + _RECORD + "y = nd.reshape_like(x, w)\ny.backward(); (x.grad, w.grad)",
    "x = nd.array([[3, 1], [1, 2]]); w = nd.ones((2, 1)); x.attach_grad(); w.attach_grad(); "
    "w.grad[:] = 9\n" + _RECORD + "y = nd.slice_like(x, w)\ny.backward(); (x.grad, w.grad)",
)
