"""Snippets of backward passes: what can be a head, what a pass frees, where gradients go."""

from __future__ import annotations

from .snippets import WHEN, Differs, Table, table

_X = "x = nd.array([1, 2, 3]); x.attach_grad()\n"
_Z = "z = nd.array([4, 5, 6]); z.attach_grad()\n"
_RECORD = "with autograd.record(): "

HEADS: Table = table(
    _X + _RECORD + "y = x * x; z = y * 2\nautograd.backward([y, z]); x.grad",
    Differs(
        _X + _RECORD + "y = x * x\nautograd.backward([y, y]); x.grad",
        "nd.array([4, 8, 12])",
        "MXNet counts a head that is given twice once",
    ),
    _X + _RECORD + "y = x * x\nautograd.backward((y, y * 1)); x.grad",
    _X + _RECORD + "y = x * x\nautograd.backward([y, x]); x.grad",
    _X + _RECORD + "y = x * x\nautograd.backward([x, y]); x.grad",
    _X + _RECORD + "y = x * x\nautograd.backward([y, nd.ones((3,))]); x.grad",
    _X + _RECORD + "y = x * x; c = nd.ones((3,)) * 2\nautograd.backward([y, c])",
    _X + _RECORD + "c = nd.ones((3,)) * 2\nc.backward()",
    _X + "autograd.backward(x); x.grad",
    Differs(
        _X + "autograd.backward([x, x]); x.grad",
        "nd.array([2, 2, 2])",
        "MXNet counts a head that is given twice once",
    ),
    _X + "x.backward(nd.array([5, 6, 7])); x.grad",
    _X + "x.backward(); x.backward(); x.grad",
    _X + _RECORD + "pass\nx.backward(); x.grad",
    _X + "autograd.backward([])",
    _X + "autograd.backward(None)",
    _X + "autograd.backward(1)",
    _X + "autograd.backward([1])",
    _X + "autograd.backward('x')",
    _X + _RECORD + "y = x * x\nautograd.backward(y, 1)",
    _X + _RECORD + "y = x * x\ny.backward(2)",
    _X + _RECORD + "y = x * x\nautograd.backward(y, [1])",
    _X + _RECORD + "y = x * x\nautograd.backward(y, [])",
    _X + _RECORD + "y = x * x\nautograd.backward(y, [None]); x.grad",
    _X + _RECORD + "y = x * x\nautograd.backward(y, (nd.array([1, 2, 3]),)); x.grad",
    _X + _RECORD + "y = x * x\nautograd.backward([y], nd.array([1, 2, 3])); x.grad",
    _X + _RECORD + "y = x * x\nautograd.backward([y, y], nd.array([1, 2, 3])); x.grad",
    _X + _RECORD + "y = x * x; g = y * 2\ny.backward(g); x.grad",
    _X + _RECORD + "y = x * x\ny.backward(y); x.grad",
    _X + _RECORD + "y = x * x\ny.backward(x); x.grad",
    _X + _RECORD + "y = x * x\ny.backward(x.grad + 2); x.grad",
    _X + _RECORD + "y = x * 3\nx.grad[:] = 2; y.backward(x.grad); x.grad",
    _X + _RECORD + "y = x * x\n"
    "y.backward(out_grad=nd.array([1, 0, 0]), retain_graph=False, train_mode=False); x.grad",
    _X + _RECORD + "y = x * x\nautograd.backward(heads=[y], head_grads=None, retain_graph=False); x.grad",
    "x = nd.array([[1, 2], [3, 4]]); "
    "x.attach_grad()\n" + _RECORD + "y = x.sum()\ny.backward(nd.array([7])); x.grad",
    _X + _RECORD + "y = x > 1\ny.backward(); x.grad",
    _X + _RECORD + "y = x.astype('int32')\ny.backward(); x.grad",
    _X + _RECORD + "y = x.astype('bool')\ny.backward(); x.grad",
    "x = nd.array([1, 2], dtype='int32'); x.attach_grad()\n" + _RECORD + "y = x * x\ny.backward(); x.grad",
    "x = nd.array([1, 0], dtype='bool'); x.attach_grad(); x.grad",
    "x = nd.array([1, 2], dtype='float64'); x.attach_grad()\n" + _RECORD + "y = (x * x).astype('float32')\n"
    "y.backward(); x.grad",
    _X + _RECORD + "y = x * x\n_ = y.backward(); _",
    _X + _RECORD + "a, b, c = nd.split(x, 3, axis=0)\nautograd.backward([a, c]); x.grad",
    _X + _RECORD + "a, b, c = nd.split(x, 3, axis=0)\nb.backward(); x.grad",
    _X + _RECORD + "a, b, c = nd.split(x, 3, axis=0)\na.backward(); c.backward(); x.grad",
    _X + _RECORD + "v = nd.topk(x, k=2, ret_typ='both')\nv[0].backward(); x.grad",
    _X + _RECORD + "y = nd.BlockGrad(x)\ny.backward(); x.grad",
    _X + "x.grad[:] = 9\n" + _RECORD + "y = nd.BlockGrad(x) * 2\ny.backward(); x.grad",
    _X + _Z + "z.grad[:] = 9\n" + _RECORD + "y = x * 2\ny.backward(); (x.grad, z.grad)",
    _X + _Z + _RECORD + "a = x * 2; b = z * 3\n"
    "a.backward(); g = z.grad.copy(); b.backward(); (x.grad, g, z.grad)",
    _X + _Z + _RECORD + "a = x * 2; b = z * 3\nautograd.backward([a, b]); (x.grad, z.grad)",
)

FREED: Table = table(
    _X + _RECORD + "y = x * x\n" + WHEN + "y.backward(); when(y.backward, x.grad.asnumpy)",
    _X + _RECORD + "y = x * x; z = y * 2\n" + WHEN + "y.backward(); when(z.backward, x.grad.asnumpy)[1]",
    _X + _RECORD + "y = x * x; z = y * 2\n" + WHEN + "z.backward(); when(y.backward, x.grad.asnumpy)[1]",
    _X + _RECORD + "y = x * x; z = y * 2\ny.backward(retain_graph=True); z.backward(); x.grad",
    _X + _RECORD + "y = x * x; z = y * 2\nz.backward(retain_graph=True); y.backward(); x.grad",
    _X + _RECORD + "y = x * x\nfor i in range(3): y.backward(retain_graph=True)\nx.grad",
    "x = nd.ones((2,)); x.attach_grad('add')\n" + _RECORD + "y = x * 3\n"
    "for i in range(3): y.backward(retain_graph=True)\ny.backward(); x.grad",
    _X + _RECORD + "y = x + 1; z = y + 2\n" + WHEN + "z.backward(); when(z.backward)",
    _X + _RECORD + "y = x * x\ny.backward()\n" + _RECORD + "z = y * x\nz.backward(); x.grad",
    _X + _RECORD + "y = x * x\ny.backward()\n" + _RECORD + "z = y * 2\n" + WHEN + "when(z.backward)",
    _X + _RECORD + "y = x * x; z = y * 2\nz.backward()\n" + _RECORD + "w = y * x\nw.backward(); x.grad",
    _X
    + _RECORD
    + "y = x * x; z = y * 2\nz.backward()\n"
    + _RECORD
    + "w = y * 2\n"
    + WHEN
    + "when(w.backward, lambda: x.grad.asnumpy())[1]",
    _X + _RECORD + "y = x * x; z = y * 2\nz.backward()\n" + _RECORD + "y += 1\ny",
    _X + _RECORD + "y = x * x\ny.backward()\n" + _RECORD + "y += 1; w = y * x\nw.backward(); (y, x.grad)",
    _X + _RECORD + "y = x * x\ny.backward()\n" + _RECORD + "y[:] = x * 3; w = y * x\n"
    "w.backward(); (y, x.grad)",
    _X + _RECORD + "y = x * x\n"
    "y.backward(); y.attach_grad()\n" + _RECORD + "z = y * 5\nz.backward(); (x.grad, y.grad)",
    _X + _RECORD + "y = x * x\ny.backward(retain_graph=True)\n" + _RECORD + "z = y * x\nz.backward(); x.grad",
    _X + _RECORD + "y = x * x\ny.backward(retain_graph=True)\n" + _RECORD + "y += 1\ny",
    _X
    + _RECORD
    + "y = x * x; v = y[1:]\ny.backward()\n"
    + _RECORD
    + "z = v * 2\n"
    + WHEN
    + "when(z.backward, lambda: x.grad.asnumpy())[1]",
    _X + _Z + _RECORD + "y = x * z; a = y * 2; b = y * 3\n"
    "a.backward(retain_graph=True); r = x.grad.copy(); b.backward(); (r, x.grad, z.grad)",
    _X + _Z + _RECORD + "a = x * z; b = x * 3\na.backward(); b.backward(); (x.grad, z.grad)",
    _X + _RECORD + "y = x * x\nx.attach_grad(); y.backward(); x.grad",
    _X + _RECORD + "y = x * x\ng = x.grad; x.attach_grad(); y.backward(); (g, x.grad)",
    _X + _RECORD + "y = x * x\ndel x; y.backward(); y",
    _X + "g = x.grad\n" + _RECORD + "y = x * x\ndel x; y.backward(); g",
    _X + _RECORD + "y = x * x\nx = nd.zeros((3,)); y.backward(); x",
    _X + _RECORD + "\n  y = x * x\n  y.backward()\n  z = x * 3\n  z.backward()\nx.grad",
    _X + _RECORD + "\n  y = x * x\n  y.backward(retain_graph=True)\n  y.backward()\nx.grad",
    _X + _RECORD + "\n  y = x * x\n  y.backward()\n  (autograd.is_recording(), x.grad)\nx.grad",
    _X + "r = []\nfor i in range(3):\n  " + _RECORD + "y = x * x * i\n"
    "  y.backward(); r.append(x.grad.asnumpy())\nr",
)

INTERMEDIATE: Table = table(
    _X + _RECORD + "\n  y = x * x; y.attach_grad(); z = y * 3\nz.backward(); (x.grad, y.grad)",
    _X + _RECORD + "\n  y = x * x; u = y * 2; y.attach_grad(); z = u * 3\nz.backward(); (x.grad, y.grad)",
    _X + _RECORD + "\n  y = x * x; y.attach_grad(); z = y * 3 + x\nz.backward(); (x.grad, y.grad)",
    _X + _RECORD + "\n  y = x * x; y.attach_grad()\ny.backward(); (x.grad, y.grad)",
    _X + _RECORD + "\n  y = x * x; y.attach_grad('add'); z = y * 3\n"
    "z.backward(retain_graph=True); z.backward(); y.grad",
    _X + _RECORD + "\n  y = x * x; y.attach_grad('null'); z = y * 3\n" + WHEN + "when(z.backward)",
    Differs(
        _X + _RECORD + "\n  y = x * x; y.attach_grad('null'); z = y * 3 + x\nz.backward(); (x.grad, y.grad)",
        "(nd.ones((3,)), nd.zeros((3,)))",
        "MXNet's first pass over it drops the gradient of an array with grad_req 'null'",
    ),
    _X + _RECORD + "\n  y = x * x; h = y.detach(); h.attach_grad(); z = h * 3\n"
    "z.backward(); y.backward(h.grad); x.grad",
    _X + _RECORD + "y = x * x\nr = y.grad; y.attach_grad(); (r, y.grad)",
    _X + _RECORD + "y = x * x\n"
    "autograd.mark_variables(y, nd.zeros((3,)))\n" + _RECORD + "z = y * 2\n"
    "z.backward(); (x.grad, y.grad)",
    _X + _RECORD + "y = x.detach(); y.attach_grad(); z = y * x\nz.backward(); (x.grad, y.grad)",
    _X + "y = x.detach(); y += 1; x",
    _X + _RECORD + "y = x.detach(); y += 1\nx",
    _X + "y = x.detach(); y.grad",
    _X + "y = x.detach()\n" + _RECORD + "z = y * 2\nz.backward()",
    _X + _RECORD + "y = x * 2; d = y.detach(); z = y * d\nz.backward(); x.grad",
    _X + _RECORD + "y = x * 2; y = y.detach() + x\ny.backward(); x.grad",
    _X + _RECORD + "x.detach().attach_grad(); y = x * 2\ny.backward(); x.grad",
    _X + _RECORD + "y = x * 2; d = y.detach()\nd.backward()",
    _X + "v = x[1:]; v.attach_grad()\n" + _RECORD + "y = v * 2\ny.backward(); (x.grad, v.grad)",
    _X + _RECORD + "v = x[1:]; v.attach_grad(); y = v * 2 + x[:2]\ny.backward(); (x.grad, v.grad)",
)

REQUESTS: Table = table(
    "x = nd.ones((2,)); x.attach_grad('null'); x.grad",
    "x = nd.ones((2,)); x.attach_grad('null'); x.grad[:] = 3; x.grad",
    "x = nd.ones((2,)); x.attach_grad('null'); x.backward()",
    "x = nd.ones((2,)); x.attach_grad('null')\n" + _RECORD + "x += 1\nx",
    "x = nd.ones((2,)); x.attach_grad('null')\n" + _RECORD + "y = x * 3\n" + WHEN + "when(y.backward)",
    "x = nd.ones((2,)); x.attach_grad(); x.attach_grad('null'); x.grad",
    "x = nd.ones((2,)); x.attach_grad('null'); "
    "x.attach_grad()\n" + _RECORD + "y = x * 3\ny.backward(); x.grad",
    "x = nd.ones((2,)); x.attach_grad('null'); autograd.grad(x, x)",
    "x = nd.ones((2,)); x.attach_grad('null')\n" + _RECORD + "y = x * 3\nautograd.grad(y, x)",
    Differs(
        "x = nd.ones((2,)); z = nd.ones((2,)); x.attach_grad('null'); "
        "z.attach_grad()\n" + _RECORD + "y = x * z\n"
        "y.backward(); (x.grad, z.grad)",
        "(nd.zeros((2,)), nd.ones((2,)))",
        "MXNet's first pass over it drops the gradient of an array with grad_req 'null'",
    ),
    "x = nd.ones((2,)); x.attach_grad(1)",
    "x = nd.ones((2,)); x.attach_grad(None)",
    "x = nd.ones((2,)); x.attach_grad(grad_req='add', stype=None); x.grad",
    "x = nd.ones((2,)); x.attach_grad('write', 'default'); x.grad",
    "x = nd.ones((2,)); x.attach_grad(stype='nonsense')",
    "x = nd.ones((2,), dtype='float64'); x.attach_grad(); x.grad",
    "x = nd.ones((2,)); r = x.attach_grad(); r",
    "x = nd.ones((2,)); x.attach_grad('add'); r = []\n"
    "for i in range(4):\n  " + _RECORD + "y = x * (i + 1)\n"
    "  y.backward(); r.append(x.grad.asnumpy())\n  if i == 1: x.grad[:] = 0\nr",
    "x = nd.ones((2,)); x.attach_grad('add')\n"
    "for i in range(4):\n  " + _RECORD + "y = x * (i + 1)\n  y.backward()\n"
    "  if i == 1: x.attach_grad('write')\nx.grad",
    "x = nd.ones((2,)); x.attach_grad('add')\n"
    "for i in range(2):\n  " + _RECORD + "y = x * x + x\n  y.backward()\nx.grad",
    "x = nd.ones((2,)); z = nd.ones((2,)); x.attach_grad('add'); z.attach_grad('write')\n"
    "for i in range(3):\n  " + _RECORD + "y = x * z\n  y.backward()\n(x.grad, z.grad)",
    "x = nd.ones((2,)); x.attach_grad('add')\nfor i in range(3): x.backward()\nx.grad",
    "x = nd.ones((2,)); x.attach_grad('add')\n" + _RECORD + "y = x * 3\nautograd.backward([y, x]); x.grad",
    "x = nd.ones((2,)); "
    "x.attach_grad('add')\n" + _RECORD + "y = x * 3\n"
    "autograd.grad(y, x, retain_graph=True); y.backward(); x.grad",
)

MARKED: Table = table(
    "x = nd.ones((2,)); g = nd.zeros((2,)); "
    "autograd.mark_variables(x, g)\n" + _RECORD + "y = x * 4\ny.backward(); (g, x.grad)",
    "x = nd.ones((2,)); g = nd.zeros((2,)); autograd.mark_variables([x], [g]); g[:] = 5; x.grad",
    "x = nd.ones((2,)); autograd.mark_variables([x], [nd.zeros((2,))], ['add']); x.backward(); "
    "x.backward(); x.grad",
    "x = nd.ones((2,)); autograd.mark_variables([x], [nd.zeros((2,))], 'nonsense')",
    "x = nd.ones((2,)); autograd.mark_variables([x], [nd.zeros((2,))], ['nonsense'])",
    "x = nd.ones((2,)); autograd.mark_variables(x, [nd.zeros((2,))])",
    Differs(
        "x = nd.ones((2,)); autograd.mark_variables([x], nd.zeros((2,)))",
        "AssertionError",
        "MXNet takes the rows of the gradient for gradients",
    ),
    "autograd.mark_variables([], [])",
    "x = nd.ones((2,)); autograd.mark_variables((x,), (nd.zeros((2,)),)); x.grad",
    "x = nd.ones((2,)); autograd.mark_variables([1], [nd.zeros((2,))])",
    "x = nd.ones((2,)); autograd.mark_variables([x], [None])",
    "x = nd.ones((2,)); autograd.mark_variables(None, None)",
    "x = nd.ones((2,)); g = nd.zeros((3, 2)); "
    "autograd.mark_variables(x, g[1])\n" + _RECORD + "y = x * 4\ny.backward(); g",
    "x = nd.ones((2,)); g = nd.ones((4,)); "
    "autograd.mark_variables(x, g[1:3], 'add')\n" + _RECORD + "y = x * 4\ny.backward(); (g, x.grad)",
    "x = nd.ones((2,)); g = nd.zeros((1, 2)); "
    "autograd.mark_variables(x, g.reshape((2,)))\n" + _RECORD + "y = x * 4\ny.backward(); g",
    "x = nd.ones((2,)); z = nd.ones((2,)); g = nd.zeros((2,)); "
    "autograd.mark_variables([x, z], [g, g], 'add')\n" + _RECORD + "y = x * 4 + z * 3\ny.backward(); g",
    "x = nd.ones((2,)); z = nd.ones((2,)); g = nd.zeros((2,)); "
    "autograd.mark_variables([x, z], [g, g])\n" + _RECORD + "y = x * 4\ny.backward(); (x.grad, z.grad)",
    "x = nd.ones((2,)); z = nd.ones((2,)); "
    "autograd.mark_variables([x, z], [nd.zeros((2,)), nd.ones((2,))], ['write', 'add'])\n"
    + _RECORD
    + "y = x * 4 + z * 3\n"
    "y.backward(); (x.grad, z.grad)",
    "x = nd.ones((2,)); "
    "autograd.mark_variables([x, x], [nd.zeros((2,)), nd.ones((2,))], 'add')\n"
    + _RECORD
    + "y = x * 4\ny.backward(); x.grad",
    "x = nd.ones((2,)); autograd.mark_variables([x], [nd.zeros((2,))], 'null'); x.grad",
    "x = nd.ones((2,)); g = nd.zeros((2,)); autograd.mark_variables(x, g); "
    "autograd.mark_variables(g, nd.zeros((2,)))\n"
    + _RECORD
    + "y = x * 4 + g\ny.backward(); (x.grad, g.grad)",
    "x = nd.ones((2,)); x.attach_grad(); g = nd.zeros((2,)); "
    "autograd.mark_variables(x, g)\n" + _RECORD + "y = x * 4\ny.backward(); (g, x.grad)",
    _RECORD + "x = nd.ones((2,)); g = nd.zeros((2,)); autograd.mark_variables(x, g); y = x * 4\n"
    "y.backward(); g",
)

ALIASES: Table = table(
    Differs(_X + "x.grad is x.grad", "1 == 1", "in MXNet it is another object of the same memory each time"),
    _X + "x.grad[0] = 7; x.grad",
    _X + "x.grad[1:] = nd.array([5, 6]); x.grad",
    _X + "g = x.grad; g += 1; x.grad",
    _X + "g = x.grad; x.attach_grad(); g[:] = 3; (g, x.grad)",
    _X + "g = x.grad[1:]\n" + _RECORD + "y = x * x\ny.backward(); g",
    _X
    + "g = x.grad\n"
    + _RECORD
    + "y = x * x\ny.backward(); r = g.copy()\n"
    + _RECORD
    + "y = x * 3\ny.backward(); (r, g)",
    _X + "g = x.grad; del x; g",
    _X + "x.grad.grad",
    Differs(
        _X + "x.grad.attach_grad(); x.grad.grad",
        "nd.zeros((3,))",
        "in MXNet x.grad is another object each time, and the first one was a variable",
    ),
    _X + "x.grad = nd.ones((3,)); 1",
    _X + _RECORD + "y = x.grad * x\ny.backward(); x.grad",
    _X + "x.grad[:] = 5\n" + _RECORD + "y = x.grad * x\ny.backward(); x.grad",
    _X + _RECORD + "x.grad[:] = 5\nx.grad",
    Differs(
        _X + _RECORD + "x.grad[:] = x * 2; y = x.grad * 1\ny.backward(); x.grad",
        "nd.array([2, 2, 2])",
        "in MXNet x.grad is another object each time, and the first one was recorded",
    ),
    _X + "w = x[:]; w.grad",
    _X + "w = x.reshape((3,)); w.grad",
    _X + "w = x.as_in_context(mx.cpu()); w.grad",
    _X + "x[:] = 5; x.grad",
    _X + "y = x; y += 1; y.grad",
    _X + "x = x + 1; x.grad",
    _X + "x *= 2; x.attach_grad(); x.backward(); x.grad",
    _X + "import copy; copy.deepcopy(x).grad",
    _X + "import pickle; pickle.loads(pickle.dumps(x)).grad",
    _X + "y = nd.array(x); y.grad",
    "x = nd.ones((2,)); x.grad",
    "x = nd.ones((2,)); x.backward()",
)
