"""Snippets of ``autograd.grad``: variables, head gradients, graphs kept or recorded, orders."""

from __future__ import annotations

from .snippets import WHEN, Differs, Table, table

_X = "x = nd.array([1, 2, 3]); x.attach_grad()\n"
_Z = "z = nd.array([4, 5, 6]); z.attach_grad()\n"
_RECORD = "with autograd.record(): "
_ORDERS = (
    "def orders(f, n, a):\n"
    "  x = nd.array(a); x.attach_grad(); r = []\n"
    "  with autograd.record():\n"
    "    y = f(x)\n"
    "    for _ in range(n):\n"
    "      y = autograd.grad(y, x, create_graph=True, retain_graph=True)[0]; r.append(y)\n"
    "  return r\n"
)

VARIABLES: Table = table(
    _X + _RECORD + "y = x * x\nautograd.grad(y, ())",
    _X + _RECORD + "y = x * x\nautograd.grad(y, [])",
    _X + _RECORD + "y = x * x\nautograd.grad(y, None)",
    _X + _RECORD + "y = x * x\nautograd.grad(y, 1)",
    _X + _RECORD + "y = x * x\nautograd.grad(y, [1])",
    _X + _RECORD + "y = x * x\nautograd.grad(y, (x,))",
    _X + _RECORD + "y = x * x\nautograd.grad((y,), x)",
    _X + _RECORD + "y = x * x\nautograd.grad([], [x])",
    Differs(
        _X + _RECORD + "y = x * x\nautograd.grad(y, [x, x])",
        "[nd.array([2, 4, 6]), nd.array([2, 4, 6])]",
        "MXNet has no gradients of a variable that is given twice",
    ),
    _X + _Z + _RECORD + "y = x * z\nautograd.grad(y, [x, z])",
    _X + _Z + _RECORD + "y = x * z\nautograd.grad(y, [z, x])",
    Differs(
        _X + _Z + _RECORD + "y = x * z\nautograd.grad(y, [z, x, z])",
        "[nd.array([1, 2, 3]), nd.array([4, 5, 6]), nd.array([1, 2, 3])]",
        "MXNet has no gradients of a variable that is given twice",
    ),
    _X + _Z + _RECORD + "y = x * z\nautograd.grad(y, z)",
    _X + _Z + _RECORD + "y = x * x\nautograd.grad(y, [x, z])",
    _X + _RECORD + "y = x * x\nw = nd.ones((3,)); autograd.grad(y, [x, w])",
    _X + _RECORD + "y = x * x; z = y * 2\nautograd.grad(z, y)",
    _X + _RECORD + "y = x * x; z = y * 2\nautograd.grad(z, z)",
    _X + _RECORD + "y = x * x\nautograd.grad(y, y)",
    _X + _RECORD + "\n  y = x * x; y.attach_grad(); z = y * 2\nautograd.grad(z, y)",
    _X + _RECORD + "\n  y = x * x; y.attach_grad(); z = y * 2\nautograd.grad(z, [y, x])",
    _X + _RECORD + "\n  y = x * x; y.attach_grad(); z = y * 2 + x\nautograd.grad(z, [y, x])",
    _X + _RECORD + "y = x * x\nv = x[:]; autograd.grad(y, v)",
    _X + _RECORD + "y = x * x\nautograd.grad(y, x.grad)",
    _X + "autograd.grad(x, x)",
    _X + "autograd.grad([x], [x])",
    _X + "autograd.grad(x, x, nd.array([5, 6, 7]))",
    _X + _RECORD + "y = x * x\nautograd.grad([x, y], x)",
    _X + _Z + "autograd.grad([x, z], [z, x], [nd.array([1, 1, 1]), nd.array([2, 2, 2])])",
    _X + _Z + "autograd.grad(x, z)",
    _X + "autograd.grad(nd.ones((3,)), x)",
    _X + "y = x * 2; autograd.grad(y, x)",
    _X + "autograd.grad(1, x)",
    _X + "autograd.grad(None, x)",
    "x = nd.ones((2,)); "
    + _RECORD.strip().replace("with", "r = 0\nwith")
    + " y = x * 2\nautograd.grad(y, x)",
    _X + "x.grad[:] = 9\n" + _RECORD + "y = x * x\ng = autograd.grad(y, x)[0]; (g, x.grad)",
    _X + _RECORD + "y = x * x\n"
    "g = autograd.grad(y, x, retain_graph=True)[0]; g[:] = 0; (g, autograd.grad(y, x))",
    "x = nd.ones((2,)); "
    "x.attach_grad('add')\n" + _RECORD + "y = x * x\n"
    "[autograd.grad(y, x, retain_graph=True)[0] for i in range(2)]",
    "x = nd.ones((2,)); x.attach_grad('add'); "
    "x.grad[:] = 4\n" + _RECORD + "y = x * x\n(autograd.grad(y, x), x.grad)",
    _X + _RECORD + "y = x * x\ng = autograd.grad(y, x)[0]; g.grad",
    _X + _RECORD + "y = x * x\ntype(autograd.grad(y, x)).__name__",
    "x = nd.array([1, 2], dtype='float64'); x.attach_grad()\n" + _RECORD + "y = x * x\nautograd.grad(y, x)",
    "x = nd.array([1, 2], dtype='float16'); "
    "x.attach_grad()\n" + _RECORD + "y = (x * x).astype('float32')\nautograd.grad(y, x)",
    "x = nd.array([1, 2], dtype='int32'); x.attach_grad()\n" + _RECORD + "y = x * x\nautograd.grad(y, x)",
    _X + _RECORD + "y = x > 1\nautograd.grad(y, x)",
    _X + _RECORD + "y = nd.BlockGrad(x) + x\nautograd.grad(y, x)",
    _X + _RECORD + "y = nd.BlockGrad(x)\nautograd.grad(y, x)",
    _X + _Z + _RECORD + "y = nd.BlockGrad(x) * z\nautograd.grad(y, [x, z])",
    _X + _RECORD + "y = x.detach() * 2\nautograd.grad(y, x)",
)

HEAD_GRADIENTS: Table = table(
    _X + _RECORD + "y = x * x\nautograd.grad(y, x, nd.array([1, 10, 100]))",
    _X + _RECORD + "y = x * x\nautograd.grad(y, x, [nd.array([1, 10, 100])])",
    _X + _RECORD + "y = x * x\nautograd.grad(y, x, [None])",
    _X + _RECORD + "y = x * x\nautograd.grad(y, x, head_grads=None)",
    _X + _RECORD + "y = x * x; z = x * 3\nautograd.grad([y, z], x, [None, nd.array([2, 2, 2])])",
    _X + _RECORD + "y = x * x; z = x * 3\nautograd.grad([y, z], x, [None])",
    _X + _RECORD + "y = x * x\nautograd.grad(y, x, [])",
    _X + _RECORD + "y = x * x\nautograd.grad(y, x, 1)",
    _X + _RECORD + "y = x * x\nautograd.grad(y, x, [1])",
    _X + _RECORD + "y = x * x\n"
    "h = nd.array([1, 2, 3]); h.attach_grad(); g = autograd.grad(y, x, h)[0]; (g, h.grad)",
    _X + _RECORD + "y = nd.exp(x)\nautograd.grad(y, x, y)",
    _X + _RECORD + "\n  y = nd.exp(x); g = autograd.grad(y, x, nd.array([1, 2, 3]), create_graph=True)[0]\n"
    "g.backward(); x.grad",
    Differs(
        _X
        + "h = nd.array([1, 2, 3]); h.attach_grad()\n"
        + _RECORD
        + "\n  y = nd.exp(x); g = autograd.grad(y, x, h, create_graph=True)[0]\n"
        "g.backward(); (x.grad, h.grad)",
        "x = nd.array([1, 2, 3]); (nd.exp(x) * x, nd.exp(x))",
        "MXNet takes the gradients of heads for constants",
    ),
    Differs(
        _X + _RECORD + "\n  y = nd.sin(x); h = nd.cos(x)\n"
        "  g = autograd.grad(y, x, h, create_graph=True)[0]\n"
        "g.backward(); x.grad",
        "-nd.sin(nd.array([2, 4, 6]))",
        "MXNet takes the gradients of heads for constants",
    ),
)

RETAINED: Table = table(
    _X + _RECORD + "y = nd.exp(x)\nautograd.grad(y, x, create_graph=True); autograd.grad(y, x)",
    _X + _RECORD + "y = nd.exp(x)\n"
    "autograd.grad(y, x, create_graph=True, retain_graph=True); autograd.grad(y, x)",
    _X + _RECORD + "y = x * x\n" + WHEN + "autograd.grad(y, x); when(lambda: autograd.grad(y, x))",
    _X + _RECORD + "y = x * x\n" + WHEN + "autograd.grad(y, x); when(y.backward)",
    _X + _RECORD + "y = x * x\n" + WHEN + "y.backward(); when(lambda: autograd.grad(y, x))",
    _X + _RECORD + "y = x * x\n(autograd.grad(y, x, retain_graph=True), y.backward(), x.grad)",
    _X + _RECORD + "y = x * x\ny.backward(retain_graph=True); (x.grad, autograd.grad(y, x))",
    _X
    + _RECORD
    + "y = nd.exp(x)\n"
    + WHEN
    + "g = autograd.grad(y, x, create_graph=True, retain_graph=False)[0]; (g, when(y.backward))",
    Differs(
        _X + _RECORD + "\n  y = nd.exp(x); "
        "g = autograd.grad(y, x, create_graph=True, retain_graph=False)[0]\n"
        "g.backward(); x.grad",
        "nd.exp(nd.array([1, 2, 3]))",
        "MXNet frees what the recorded pass needs",
    ),
    _X + _RECORD + "\n  y = nd.exp(x); "
    "g = autograd.grad(y, x, create_graph=True)[0]\n" + WHEN + "g.backward(); "
    "when(y.backward, x.grad.asnumpy)[1]",
    _X + _RECORD + "\n  y = nd.exp(x); "
    "g = autograd.grad(y, x, create_graph=True)[0]\n" + WHEN + "g.backward(); when(g.backward)",
    _X + _RECORD + "\n  y = nd.exp(x); "
    "g = autograd.grad(y, x, create_graph=True)[0]\n" + WHEN + "g.backward(retain_graph=True); "
    "g.backward(); x.grad",
    _X + _RECORD + "\n  y = nd.exp(x); "
    "g = autograd.grad(y, x, retain_graph=True)[0]\n" + WHEN + "when(g.backward)",
    _X + _RECORD + "y = nd.exp(x)\ng = autograd.grad(y, x, create_graph=True)[0]; g.backward(); x.grad",
    _X + _RECORD + "y = nd.exp(x)\n"
    "g = autograd.grad(y, x, create_graph=True)[0]; z = g * 2\n" + WHEN + "when(z.backward)",
)

ORDERS: Table = table(
    *[
        _ORDERS + f"orders(lambda x: {expression}, {order}, [0.5, 1.0, 2.0])"
        for expression in (
            "nd.exp(x)",
            "nd.sin(x)",
            "nd.cos(x)",
            "nd.log(x)",
            "nd.sigmoid(x)",
            "nd.tanh(x)",
            "nd.sqrt(x)",
            "nd.square(x)",
            "nd.reciprocal(x)",
            "nd.rsqrt(x)",
            "nd.cbrt(x)",
            "nd.relu(x)",
            "nd.abs(x)",
            "nd.log2(x)",
            "nd.log10(x)",
            "nd.log1p(x)",
            "nd.expm1(x)",
            "nd.arctan(x)",
            "nd.sinh(x)",
            "nd.cosh(x)",
            "nd.negative(x)",
            "nd.exp(nd.sin(x))",
            "nd.clip(x, 0.6, 5)",
        )
        for order in (1, 2)
    ],
    *[
        _ORDERS + f"orders(lambda x: {expression}, 1, [0.5, 1.0, 2.0])"
        for expression in (
            "nd.arcsinh(x)",
            "nd.arctanh(x * 0.1)",
            "nd.exp(x * 2)",
            "nd.sin(x * 2 + 1)",
            "nd.sin(nd.exp(x)) + nd.exp(x)",
        )
    ],
    "x = nd.array([-1, 2]); x.attach_grad(); x.grad[:] = 9\n"
    + _RECORD
    + "\n  y = nd.relu(x); g = autograd.grad(y, x, create_graph=True)[0]\ng.backward(); (g, x.grad)",
    "x = nd.array([-1, 2]); x.attach_grad('add'); x.grad[:] = 9\n"
    + _RECORD
    + "\n  y = nd.relu(x); g = autograd.grad(y, x, create_graph=True)[0]\ng.backward(); (g, x.grad)",
    Differs(
        _ORDERS + "orders(lambda x: nd.arcsinh(x), 2, [0.5, 1.0, 2.0])[1]",
        "x = nd.array([0.5, 1.0, 2.0]); -x * nd.rsqrt(1 + x * x) / (1 + x * x)",
        "MXNet's second gradient of arcsinh has the wrong sign",
    ),
    Differs(
        _ORDERS + "orders(lambda x: nd.exp(x * 2), 2, [0.5, 1.0, 2.0])[1]",
        "4 * nd.exp(nd.array([1, 2, 4]))",
        "MXNet has second gradients for some functions of one array only",
    ),
    Differs(
        _ORDERS + "orders(lambda x: nd.sin(x * 2 + 1), 2, [0.5, 1.0, 2.0])[1]",
        "-4 * nd.sin(nd.array([2, 3, 5]))",
        "MXNet has second gradients for some functions of one array only",
    ),
    Differs(
        _ORDERS + "orders(lambda x: nd.sin(x), 4, [0.5, 1.0, 2.0])[2:]",
        "x = nd.array([0.5, 1.0, 2.0]); [-nd.cos(x), nd.sin(x)]",
        "MXNet stops at the third order",
    ),
    Differs(
        _ORDERS + "orders(lambda x: nd.exp(x), 5, [0.5, 1.0])[4]",
        "nd.exp(nd.array([0.5, 1.0]))",
        "MXNet stops at the third order",
    ),
    "x = nd.ones((2,)); x.attach_grad()\n" + _RECORD + "z = nd.elemwise_add(nd.exp(x), x)\n"
    "autograd.grad(z, [x], create_graph=True)",
    "x = nd.ones((2,)); x.attach_grad()\n"
    + _RECORD
    + "\n  z = nd.elemwise_add(nd.exp(x), x); d = autograd.grad(z, [x], create_graph=True)\n"
    "d[0].backward(); x.grad",
    _X + _RECORD + "\n  y = nd.sin(x); g = autograd.grad(y, x, create_graph=True)[0]\nautograd.grad(g, x)",
    _X + _RECORD + "\n  y = nd.sin(x); g = autograd.grad(y, x, create_graph=True)[0]\n"
    "  z = nd.exp(g)\nz.backward(); x.grad",
    _X + _RECORD + "\n  y = nd.sin(x); g = autograd.grad(y, x, create_graph=True)[0]\n  z = g + y\n"
    "z.backward(); x.grad",
    _X + _RECORD + "\n  y = nd.sin(x); g = autograd.grad(y, x, create_graph=True)[0]\n"
    "autograd.backward([g, y]); x.grad",
    _X + _RECORD + "\n  y = nd.sin(x); g = autograd.grad(y, x, create_graph=True)[0]\n  g += 1\ng",
    _X + _RECORD + "\n  y = nd.sin(x); g = autograd.grad(y, x)[0]\n  g += 1\ng",
    _X + _RECORD + "\n  y = nd.sin(x); y.backward(); z = x.grad * x\nz.backward(); x.grad",
    "x = nd.array([1, 2, 3]); x.attach_grad('add')\n"
    + _RECORD
    + "\n  y = nd.sin(x); g = autograd.grad(y, x, create_graph=True)[0]\n"
    "g.backward(retain_graph=True); g.backward(); x.grad",
    _X + _RECORD + "y = x * x\nautograd.grad(y, x, train_mode=False)",
    _X + _RECORD + "y = x * x\nautograd.grad(y, x, None, None, False, True)",
    _X + _RECORD + "y = nd.Dropout(x, p=0.0)\nautograd.grad(y, x, train_mode=False)",
    "x = nd.ones((100,)); x.attach_grad()\n" + _RECORD + "y = nd.Dropout(x, p=0.5)\n"
    "((autograd.grad(y, x)[0] == y).sum(),)",
    "x = nd.ones((100,)); x.attach_grad()\n" + _RECORD + "y = nd.Dropout(x, p=0.5)\n"
    "((autograd.grad(y, x, train_mode=False)[0] == y).sum() == 100,)",
    "x = nd.ones((100,)); x.attach_grad()\n"
    "with autograd.record(train_mode=False): y = nd.Dropout(x, p=0.5)\nautograd.grad(y, x)[0].sum()",
    "x = nd.ones((100,)); x.attach_grad()\n"
    "with autograd.record(train_mode=False): y = nd.Dropout(x, p=0.5, mode='always')\n"
    "((autograd.grad(y, x)[0] == y).sum(),)",
)
