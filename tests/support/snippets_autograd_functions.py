"""Snippets of modes, of Functions in them, and of what MXNet's tutorials show of autograd."""

from __future__ import annotations

from .snippets import Table, table

_MODES = "(autograd.is_recording(), autograd.is_training())"
_X = "x = nd.array([1, 2, 3]); x.attach_grad()\n"
_RECORD = "with autograd.record(): "
_SQUARE = (
    "class Square(autograd.Function):\n"
    "  def forward(self, x): self.save_for_backward(x); return x * x\n"
    "  def backward(self, dy): x, = self.saved_tensors; return dy * 2 * x\n"
)
_TWO = (
    "class Two(autograd.Function):\n"
    "  def forward(self, a, b): self.save_for_backward(a, b); return a * b, a + b\n"
    "  def backward(self, p, s): a, b = self.saved_tensors; return p * b + s, p * a + s\n"
)
_SIGMOID = (
    "class sigmoid(mx.autograd.Function):\n"
    "  def forward(self, x):\n"
    "    y = 1 / (1 + mx.nd.exp(-x))\n"
    "    self.save_for_backward(y)\n"
    "    return y\n"
    "  def backward(self, dy):\n"
    "    y, = self.saved_tensors\n"
    "    return dy * y * (1-y)\n"
)
_DROP = "nd.Dropout(nd.ones((40,)), p=0.5).asnumpy().max()"

SCOPES: Table = table(
    "with autograd.train_mode(): autograd.set_recording(True)\n"
    f"r = {_MODES}; autograd.set_recording(False); r",
    f"with autograd.predict_mode(): autograd.set_recording(True); r = {_MODES}\n"
    f"(r, {_MODES}, autograd.set_recording(False))",
    f"with autograd.record(): autograd.set_recording(False); r = {_MODES}\n(r, {_MODES})",
    f"with autograd.record(): autograd.set_training(False); r = {_MODES}\n(r, {_MODES})",
    "with autograd.record():\n  with autograd.record(): autograd.set_recording(False)\n"
    f"  r = {_MODES}\n(r, {_MODES})",
    f"with autograd.record():\n  with autograd.record(False): r = {_MODES}\n  s = {_MODES}\n(r, s, {_MODES})",
    f"with autograd.pause(): autograd.set_recording(True); r = {_MODES}\n"
    f"s = {_MODES}; autograd.set_recording(False); (r, s)",
    f"with autograd.record(): autograd.set_training(False); autograd.set_recording(False)\n{_MODES}",
    f"s = autograd.record(); r = {_MODES}\nwith s: t = {_MODES}\n(r, t, {_MODES})",
    f"s = autograd.record()\nwith s: pass\nwith s: t = {_MODES}\n(t, {_MODES})",
    "with autograd.record() as r: pass\nr",
    "r = autograd.set_recording(1); (r, autograd.set_recording(0), autograd.is_recording())",
    "r = autograd.set_training(1); (r, autograd.set_training(0), autograd.is_training())",
    f"r = autograd.set_recording(is_recording=True), autograd.set_training(train_mode=True), {_MODES}\n"
    "(r, autograd.set_recording(False), autograd.set_training(False))",
    "with autograd.record(train_mode=True):\n  with autograd.pause():\n"
    f"    with autograd.train_mode(): r = {_MODES}\nr",
    f"with autograd.train_mode():\n  with autograd.predict_mode(): r = {_MODES}\n  s = {_MODES}\n(r, s)",
    f"with autograd.train_mode():\n  with autograd.pause(): r = {_MODES}\nr",
    f"with autograd.train_mode():\n  with autograd.record(train_mode=False): r = {_MODES}\n"
    f"  s = {_MODES}\n(r, s)",
    "import threading; r = []; autograd.set_recording(True); autograd.set_training(True)\n"
    f"t = threading.Thread(target=lambda: r.append({_MODES})); t.start(); t.join()\n"
    "(r, autograd.set_recording(False), autograd.set_training(False))",
    "import threading\n"
    "t = threading.Thread(target=lambda: autograd.set_recording(True)); t.start(); t.join()\n"
    "autograd.is_recording()",
    "import threading; x = nd.ones((2,)); x.attach_grad(); r = []\ndef f():\n"
    "  with autograd.record(): r.append(x * 3)\n"
    "t = threading.Thread(target=f); t.start(); t.join(); r[0].backward(); x.grad",
    "import threading; x = nd.ones((2,)); x.attach_grad()\nwith autograd.record(): y = x * 3\n"
    "t = threading.Thread(target=y.backward); t.start(); t.join(); x.grad",
    _DROP,
    f"with autograd.record(): r = {_DROP}\nr",
    f"with autograd.record(train_mode=False): r = {_DROP}\nr",
    f"with autograd.train_mode(): r = {_DROP}\nr",
    f"with autograd.record():\n  with autograd.predict_mode(): r = {_DROP}\nr",
    f"with autograd.record():\n  with autograd.pause(): r = {_DROP}\nr",
    f"with autograd.record():\n  with autograd.pause(train_mode=True): r = {_DROP}\nr",
    f"autograd.set_training(True); r = {_DROP}; autograd.set_training(False); r",
    "nd.Dropout(nd.ones((40,)), p=0.5, mode='always').asnumpy().max()",
    "def model(v): return nd.Dropout(v * 2, p=0.5)\nx = nd.ones((40,)); x.attach_grad()\n"
    "with autograd.record():\n  y = model(x)\n  with autograd.predict_mode(): t = model(x)\n"
    "y.backward(retain_graph=True); g = x.grad.copy(); t.backward()\n"
    "((y.asnumpy() == g.asnumpy()).all(), t, x.grad, set(g.asnumpy().tolist()))",
    "def model(v): return nd.Dropout(v * 2, p=0.5)\nx = nd.ones((40,)); x.attach_grad()\n"
    "with autograd.train_mode(): y = model(x)\n(set(y.asnumpy().tolist()), x.grad.sum())",
    "x = nd.ones((4,)); x.attach_grad()\nwith autograd.record():\n  y = x * 2\n"
    "  with autograd.pause():\n    z = y * 3\n  w = y + z\nw.backward(); x.grad",
)

FUNCTIONS: Table = table(
    _SIGMOID + "mx.random.seed(3); func = sigmoid(); x = mx.nd.random.uniform(shape=(10,)); "
    "x.attach_grad()\n"
    "with mx.autograd.record():\n    m = func(x)\nm.backward()\n"
    "dx_grad = x.grad.asnumpy(); (m, str(m), dx_grad, str(x.grad))",
    _SQUARE + _X + _RECORD + "y = Square()(x)\ny.backward(nd.array([1, 2, 3])); x.grad",
    _SQUARE + _X + _RECORD + "y = Square()(x)\nautograd.grad(y, x)",
    _SQUARE + _X + _RECORD + "y = Square()(x * 3) + x\ny.backward(); x.grad",
    _SQUARE + _X + _RECORD + "y = Square()(Square()(x))\ny.backward(); x.grad",
    _SQUARE + _X + _RECORD + "y = Square()(x)\ny.backward(retain_graph=True); y.backward(); x.grad",
    _SQUARE + _X + _RECORD + "y = Square()(x)\ny.backward(); y.backward()",
    _SQUARE + _X + _RECORD + "f = Square(); y = f(x); f(x)\ny",
    _SQUARE + _X + "y = Square()(x); y",
    _SQUARE + _X + "y = Square()(x); y.backward()",
    _SQUARE + "x = nd.ones((3,))\n" + _RECORD + "y = Square()(x)\ny",
    _SQUARE + "x = nd.ones((3,))\n" + _RECORD + "y = Square()(x)\ny.backward()",
    _SQUARE + "x = nd.ones((3,)); x.attach_grad('null')\n" + _RECORD + "y = Square()(x)\ny.backward()",
    _SQUARE + _X + _RECORD + "\n  y = x * 2; y.attach_grad(); z = Square()(y)\n"
    "z.backward(); (x.grad, y.grad)",
    _SQUARE + _X + _RECORD + "y = Square()(x.detach()) * x\ny.backward(); x.grad",
    _SQUARE + _X + _RECORD + "y = Square()(x); y += 1\ny",
    _TWO + _X + "z = nd.array([4, 5, 6]); "
    "z.attach_grad()\n" + _RECORD + "p, s = Two()(x, z); y = p + s\ny.backward(); (x.grad, z.grad)",
    _TWO + _X + "z = nd.array([4, 5, 6]); "
    "z.attach_grad()\n" + _RECORD + "p, s = Two()(x, z)\np.backward(); (x.grad, z.grad)",
    _TWO + _X + "z = nd.array([4, 5, 6]); "
    "z.attach_grad()\n" + _RECORD + "p, s = Two()(x, z)\nautograd.backward([p, s]); (x.grad, z.grad)",
    _TWO + _X + "z = nd.array([4, 5, 6]); "
    "z.attach_grad()\n" + _RECORD + "p, s = Two()(x, z)\nautograd.grad([p, s], [z, x])",
    _TWO + _X + _RECORD + "p, s = Two()(x, x)\np.backward(); x.grad",
    _TWO + _X + "z = nd.array([4, 5, 6])\n" + _RECORD + "p, s = Two()(x, z)\np.backward(); (x.grad, z.grad)",
    _SQUARE + "r = []\nclass Look(Square):\n"
    f"  def forward(self, x): r.append({_MODES}); return super().forward(x)\n"
    f"  def backward(self, dy): r.append({_MODES}); "
    "return super().backward(dy)\n" + _X + _RECORD + "y = Look()(x)\ny.backward(); x.grad.asnumpy(); r",
    _SQUARE + "r = []\nclass Look(Square):\n"
    f"  def backward(self, dy): r.append({_MODES}); return super().backward(dy)\n"
    + _X
    + _RECORD
    + "y = Look()(x)\ny.backward(train_mode=False); x.grad.asnumpy(); r",
)

TUTORIALS: Table = table(
    "x = mx.nd.ones((2,)); x.attach_grad()\n"
    "with mx.autograd.record(): z = mx.nd.elemwise_add(mx.nd.exp(x), x); "
    "dx = mx.autograd.grad(z, [x], create_graph=True)\n"
    "str(dx[0])",
    "x = mx.nd.ones((1,)); x.attach_grad()\nwith mx.autograd.record():\n"
    "  z = mx.nd.elemwise_add(mx.nd.exp(x), x)\n"
    "dx = mx.autograd.grad(z, [x], create_graph=True)\nstr(dx)",
    "x = nd.array([[1, 2], [3, 4]]); x.attach_grad()\nwith autograd.record():\n  y = x * 2\n"
    "  z = y * x\nz.backward(); str(x.grad)",
    "def f(a):\n  b = a * 2\n  while nd.norm(b).asscalar() < 1000: b = b * 2\n"
    "  return b if nd.sum(b) >= 0 else b[0] if False else nd.concat(b, b, dim=0)\n"
    "a = nd.array([0.5, -1.5]); a.attach_grad()\nwith autograd.record(): c = f(a)\n"
    "c.backward(); (c, a.grad)",
    "x = nd.array([[1, 2], [3, 4]]); x.attach_grad()\nwith autograd.record():\n"
    "  y = x * 2; z = y * x\nz.backward(nd.array([[10, 1.], [.1, .01]])); x.grad",
    "x = nd.array([1, 2]); x.attach_grad()\nwith autograd.record():\n"
    "  y = nd.sin(x); dy = autograd.grad(y, x, create_graph=True, retain_graph=True)[0]\n"
    "dy.backward(); x.grad",
    "w = nd.array([1, -2]); b = nd.zeros((1,)); x = nd.array([[1, 2], [3, 4], [5, 7]]); "
    "t = nd.array([3, 4, 5])\n"
    "for p in (w, b): p.attach_grad()\n"
    "r = []\nfor _ in range(5):\n"
    "  with autograd.record(): loss = ((nd.dot(x, w) + b - t) ** 2).mean()\n  loss.backward()\n"
    "  for p in (w, b): p[:] = p - 0.01 * p.grad\n  r.append(loss.asscalar())\n(r, w, b)",
)
