"""Snippets of autograd: modes, gradients, what is refused."""

from __future__ import annotations

from .snippets import Differs, Table, table

_MODES = "(autograd.is_recording(), autograd.is_training())"
_X = "x = nd.array([1, 2, 3]); x.attach_grad()\n"

MODES: Table = table(
    _MODES,
    f"with autograd.record(): r = {_MODES}\n(r, {_MODES})",
    f"with autograd.record(train_mode=False): r = {_MODES}\nr",
    f"with autograd.record():\n  with autograd.pause(): r = {_MODES}\n  s = {_MODES}\n(r, s)",
    f"with autograd.record():\n  with autograd.pause(train_mode=True): r = {_MODES}\nr",
    f"with autograd.record():\n  with autograd.predict_mode(): r = {_MODES}\nr",
    f"with autograd.train_mode(): r = {_MODES}\n(r, {_MODES})",
    f"with autograd.pause():\n  with autograd.record(): r = {_MODES}\nr",
    f"try:\n  with autograd.record(): 1 / 0\nexcept ZeroDivisionError: pass\n{_MODES}",
    f"r = autograd.set_recording(True); s = autograd.set_recording(False); (r, s, {_MODES})",
    f"r = autograd.set_training(True); s = autograd.set_training(False); (r, s, {_MODES})",
    "import threading; r = []\nwith autograd.record():\n"
    f"  t = threading.Thread(target=lambda: r.append({_MODES})); t.start(); t.join()\nr",
    "with autograd.train_mode(): y = nd.Dropout(nd.ones((4,)), p=0.0)\ny",
    "nd.Dropout(nd.ones((4,)), p=0.5)",
)

GRADIENTS: Table = table(
    _X + "with autograd.record(): y = x * x\ny.backward(); x.grad",
    _X + "with autograd.record(): y = (x * 2).sum()\ny.backward(); x.grad",
    _X + "with autograd.record(): y = x * x\ny.backward(nd.array([1, 10, 100])); x.grad",
    _X + "x.grad",
    _X + "with autograd.record(): y = x * x; z = x * 3\nautograd.backward([y, z]); x.grad",
    _X + "with autograd.record(): y = x * x; z = x * 3\n"
    "autograd.backward([y, z], [None, nd.array([2, 2, 2])]); x.grad",
    _X + "with autograd.record(): y = x * x; z = x * 3\nautograd.backward([y, z], [None]); x.grad",
    _X + "with autograd.record(): y = x * x\ny.backward(retain_graph=True); y.backward(); x.grad",
    _X + "with autograd.record(): y = x * x\ny.backward(); y.backward(); x.grad",
    _X + "for i in range(3):\n  with autograd.record(): y = x * (i + 1)\n  y.backward()\nx.grad",
    "x = nd.ones((2,)); x.attach_grad('add')\nfor i in range(3):\n  with autograd.record(): y = x * 2\n"
    "  y.backward()\nx.grad",
    "x = nd.ones((2,)); x.attach_grad('null')\nwith autograd.record(): y = x * 2\ny.backward()",
    "x = nd.ones((2,)); x.attach_grad('nonsense')",
    _X + "y = x * 2; y.backward()",
    "x = nd.ones((2,))\nwith autograd.record(): y = x * 2\ny.backward()",
    _X + "x.backward(); x.grad",
    _X + "with autograd.record():\n  with autograd.pause(): y = x * 2\n  z = x * y\nz.backward(); x.grad",
    _X + "with autograd.record(): y = (x * 2).detach() * x\ny.backward(); x.grad",
    _X + "with autograd.record(): y = nd.BlockGrad(x * 2) * x\ny.backward(); x.grad",
    _X + "with autograd.record(): y = x[1:] * 2\ny.backward(); x.grad",
    _X + "with autograd.record(): y = x[[0, 0, 2]] * 2\ny.backward(); x.grad",
    _X + "with autograd.record(): y = x.reshape((3, 1)).T * 2\ny.backward(); x.grad",
    _X + "with autograd.record(): y = x.astype('float64') * 2\ny.backward(); (x.grad, x.grad.dtype)",
    _X + "with autograd.record(): y = x.copy() + x.as_in_context(mx.cpu(1))\ny.backward(); x.grad",
    _X + "with autograd.record(): z = nd.zeros((3,)); (x * 2).copyto(z); y = z * 3\ny.backward(); x.grad",
    _X + "with autograd.record(): z = nd.zeros((3,)); z[:] = x * 2; y = z * 3\ny.backward(); x.grad",
    _X + "with autograd.record(): z = nd.zeros((3,)); z[0] = x[0] * 2; y = z * 3\ny.backward(); x.grad",
    _X + "with autograd.record(): y = nd.concat(x, x * 2, dim=0)\ny.backward(); x.grad",
    _X + "with autograd.record(): y = nd.split(x, 3, axis=0)[1] * 5\ny.backward(); x.grad",
    _X + "with autograd.record(): y = nd.maximum(x, 2) + nd.minimum(x, 2)\ny.backward(); x.grad",
    _X + "with autograd.record(): y = x + nd.ones((2, 3))\ny.backward(); x.grad",
    _X + "with autograd.record(): y = 0\nfor v in x: pass\nwith autograd.record():\n"
    "  for v in x: y = y + v * v\ny.backward(); x.grad",
    "a = nd.array([[1, 2], [3, 4]]); b = nd.ones((2, 2)); a.attach_grad(); b.attach_grad()\n"
    "with autograd.record(): y = nd.dot(a, b)\ny.backward(); (a.grad, b.grad)",
    _X + "x.grad[:] = 7; x.grad",
    _X + "g = x.grad\nwith autograd.record(): y = x * 2\ny.backward(); g",
    _X + "with autograd.record(): y = x * 2\ny.attach_grad()\nwith autograd.record(): z = y * 3\n"
    "z.backward(); (x.grad, y.grad)",
    "x = nd.ones((2,)); g = nd.zeros((2,)); autograd.mark_variables([x], [g])\n"
    "with autograd.record(): y = x * 4\ny.backward(); g",
    "x = nd.ones((2,)); g = nd.ones((2,)); autograd.mark_variables(x, g, 'add')\n"
    "with autograd.record(): y = x * 4\ny.backward(); g",
    Differs(
        "x = nd.ones((2,)); autograd.mark_variables([x], [nd.zeros((2,))], ['write', 'add'])",
        "AssertionError",
        "MXNet overlooks what is too much",
    ),
)

WRITES: Table = table(
    _X + "with autograd.record(): x += 1\nx",
    _X + "with autograd.record(): x[:] = 1\nx",
    _X + "with autograd.record(): x[0] = 1\nx",
    _X + "with autograd.record(): y = x * 2; y *= 2\nx",
    _X + "with autograd.record(): y = x * 2; y[1] = 2\nx",
    _X + "with autograd.record(): y = x * 2; nd.square(x, out=y)\nx",
    _X + "with autograd.record(): z = nd.zeros((3,)); z += 1; y = x * z\ny.backward(); x.grad",
    _X + "with autograd.record(): z = nd.zeros((3,)); nd.square(x, out=z)\nz.backward(); x.grad",
    _X + "x += 1; x[0] = 5\nwith autograd.record(): y = x * x\ny.backward(); x.grad",
)

GRAD: Table = table(
    _X + "with autograd.record(): y = x * x\n(autograd.grad(y, x), x.grad)",
    _X + "with autograd.record(): y = x * x\nautograd.grad(y, [x])",
    _X + "with autograd.record(): y = x * x\nautograd.grad([y], [x], head_grads=[nd.array([1, 2, 3])])",
    _X + "with autograd.record(): y = x * x\nautograd.grad(y, nd.ones((3,)))",
    _X + "z = nd.ones((3,)); z.attach_grad()\nwith autograd.record(): y = x * x\nautograd.grad(y, [z])",
    _X + "with autograd.record():\n  y = nd.exp(x); g = autograd.grad(y, x, create_graph=True)[0]\n"
    "g.backward(); x.grad",
    _X + "with autograd.record():\n  y = nd.sin(x); g = autograd.grad(y, x, create_graph=True)[0]\n"
    "  h = autograd.grad(g, x, create_graph=True)[0]\nh.backward(); x.grad",
    Differs(
        _X + "with autograd.record():\n  y = x * x * x; g = autograd.grad(y, x, create_graph=True)[0]\n"
        "g.backward(); x.grad",
        "nd.array([6, 12, 18])",
        "MXNet has second gradients for some functions of one array only",
    ),
    _X + "with autograd.record(): y = x * x\nautograd.grad(y, x, retain_graph=True); autograd.grad(y, x)",
    _X + "with autograd.record(): y = x * x\nautograd.grad(y, x); autograd.grad(y, x)",
)

EDGES: Table = table(
    _X + "v = x[1:]\nwith autograd.record(): y = v * 2\ny.backward()",
    _X + "v = x.reshape((3, 1))\nwith autograd.record(): y = v * x.reshape((3, 1))\ny.backward(); x.grad",
    _X + "x.detach().grad",
    _X + "x.copy().grad",
    _X + "x[:].grad",
    _X + "x.grad[:] = 9; x.attach_grad(); x.grad",
    _X + "with autograd.record(): y = x * 2; y.backward(); z = y * 3\nx.grad",
    _X + "with autograd.record():\n  y = x * 2; y.backward(retain_graph=True); z = y * 3\n  z.backward()\n"
    "x.grad",
    _X + "autograd.set_recording(True); y = x * x; autograd.set_recording(False); y.backward(); x.grad",
    _X + "with autograd.record(): y = x * x\nautograd.backward(y); x.grad",
    _X + "with autograd.record(): y = x * x\ny.backward(train_mode=False); x.grad",
    _X + "with autograd.record(): y = (x > 1) * x\ny.backward(); x.grad",
    _X + "with autograd.record(): y = nd.argmax(x, axis=0)\ny.backward(); x.grad",
    _X + "with autograd.record(): y = nd.sign(x) + nd.floor(x)\ny.backward(); x.grad",
    _X + "with autograd.record(): m = x > 1; m += 1\nm",
    _X + "with autograd.record(): y = x\ny.backward(); x.grad",
    _X + "with autograd.record(): y = x + 0; y = y.detach()\ny.backward()",
    _X + "with autograd.record(): y = x * 2\nx += 1; y.backward(); x.grad",
    _X + "with autograd.record(): y = x * 2\ny += 1; y.backward(); x.grad",
    _X + "with autograd.record(): y = x * 2\ny[:] = 0; z = y * 1; y.backward(); x.grad",
    _X + "with autograd.record():\n  y = x * 2\n  with autograd.pause(): y += 1\n  z = y * y\n"
    "z.backward(); x.grad",
    _X + "with autograd.record(): y = nd.where(x > 1, x * 2, x * 3)\ny.backward(); x.grad",
    _X + "with autograd.record(): y = nd.sum(nd.softmax(x) * nd.array([1, 2, 3]))\ny.backward(); x.grad",
    _X + "with autograd.record(): y = nd.stack(x, x * 2).max()\ny.backward(); x.grad",
    _X + "with autograd.record(): y = -x + 1 - x / 2 + 2 / x\ny.backward(); x.grad",
    _X + "with autograd.record(): y = x ** 2 + 2 ** x + x ** x\ny.backward(); x.grad",
    _X + "with autograd.record(): y = x % 2 + 5 % x\ny.backward(); x.grad",
    _X + "with autograd.record(): y = nd.zeros_like(x) + nd.ones_like(x)\ny.backward(); x.grad",
    "x = nd.array([1, 2], dtype='int32'); x.attach_grad()\nwith autograd.record(): y = x * 3\n"
    "y.backward(); x.grad",
    "x = nd.array([1, 2], dtype='float16'); x.attach_grad()\nwith autograd.record(): y = x * 3\n"
    "y.backward(); x.grad",
    "x = nd.ones((2,)); x.attach_grad('add'); x.grad[:] = 5\nwith autograd.record(): y = x * 3\n"
    "y.backward(); x.grad",
    "x = nd.ones((2,)); x.attach_grad(); z = x * 2; z.attach_grad()\nwith autograd.record(): y = z * 3\n"
    "y.backward(); (x.grad, z.grad)",
    "x = nd.ones((2, 2)); x.attach_grad()\nwith autograd.record():\n  r = [row.sum() for row in x]\n"
    "autograd.backward(r); x.grad",
    "x = nd.ones((2,)); x.attach_grad(); x.attach_grad('null')\nwith autograd.record(): y = x * 3\n"
    "y.backward()",
    "with autograd.record(): x = nd.ones((2,)); x.attach_grad(); y = x * 2\ny.backward(); x.grad",
)
