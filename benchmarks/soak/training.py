"""A training run that uses everything that crosses a connection, and says exactly what came of it.

Weights are uploaded and downloaded as byte streams, small batches ride the command stream, values are read,
random numbers are drawn, an ``autograd.Function`` runs here in the middle of backward passes. All that is
read goes into a digest, in its order; so do the weights. One command that is lost, repeated or out of its
place changes it.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

INPUTS, HIDDEN, CLASSES, BATCH = 300, 64, 10, 32
"""The first weights are 77 kB, which is more than rides the command stream."""

_LEARNING_RATE = 0.05


class Training:
    """A run, which goes on step by step.

    Parameters
    ----------
    mx : module
        The client.
    seed : int
        Decides everything.
    """

    def __init__(self, mx: Any, seed: int) -> None:
        self._mx = mx
        self._random = np.random.RandomState(seed)
        self._hash = hashlib.sha256()
        self._function = _clamp(mx)
        self.steps = 0
        self.losses: list[float] = []
        self._saved: tuple[Any, ...] = ()
        mx.random.seed(seed)
        self.weights = [
            self._array((INPUTS, HIDDEN), INPUTS**-0.5),
            mx.nd.zeros((HIDDEN,)),
            self._array((HIDDEN, CLASSES), HIDDEN**-0.5),
            mx.nd.zeros((CLASSES,)),
        ]
        for weight in self.weights:
            weight.attach_grad()
        classes = self._random.randint(CLASSES, size=(BATCH,))
        self.labels = mx.nd.array(classes)
        # Something that can be learnt: what each class looks like, and noise.
        self._looks = self._random.normal(size=(CLASSES, INPUTS))[classes]
        self.x = self._batch()
        # Depends on how often it was written, and in which order.
        self.chain = mx.nd.array([1.0], dtype="float64")

    def _batch(self) -> Any:
        noise = self._random.normal(size=(BATCH, INPUTS))
        return self._mx.nd.array((self._looks + noise).astype(np.float32))

    def _array(self, shape: tuple[int, ...], scale: float = 1.0) -> Any:
        return self._mx.nd.array(self._random.normal(scale=scale, size=shape).astype(np.float32))

    def run(self, steps: int) -> None:
        """Go on for so many steps."""
        for _ in range(steps):
            self._step()

    def _step(self) -> None:
        mx, step = self._mx, self.steps
        w1, b1, w2, b2 = self.weights
        with mx.autograd.record():
            hidden = mx.nd.relu(mx.nd.dot(self.x, w1) + b1)
            hidden = mx.nd.Dropout(hidden, p=0.2)
            if step % 4 == 0:
                hidden = self._function()(hidden)
            scores = mx.nd.dot(hidden, w2) + b2
            loss = -mx.nd.pick(mx.nd.log_softmax(scores), self.labels).mean()
        loss.backward()
        for weight in self.weights:
            weight -= _LEARNING_RATE * weight.grad
        self.chain *= 1.0000001
        self.chain += step
        if step % 3 == 0:
            w2 += mx.nd.random.normal(0, 1e-4, shape=(HIDDEN, CLASSES))
        if step % 5 == 0:
            self._note(loss)
            self.losses.append(float(loss.asscalar()))
        if step % 10 == 3:
            self.x = self._batch()
        if step % 20 == 7:
            # Down as a byte stream, and up again as one.
            values = w1.asnumpy()
            self._hash.update(values.tobytes())
            w1[:] = mx.nd.array(values * np.float32(0.9999))
        self.steps += 1

    def _note(self, array: Any) -> None:
        self._hash.update(array.asnumpy().tobytes())

    def save(self) -> None:
        """Make a checkpoint of the session, and note here what it does not have."""
        for name, array in self._arrays().items():
            self._mx.session.put(name, array)
        self._mx.session.save()
        self._saved = self.steps, self.losses[:], self._hash.copy(), self._random.get_state()

    def restore(self) -> None:
        """Go back to the checkpoint, whose arrays a new session has under their names."""
        self.steps, self.losses, self._hash, state = self._saved
        self._random.set_state(state)
        names = list(self._arrays())
        *self.weights, self.labels, self.x, self.chain = map(self._mx.session.get, names)

    def _arrays(self) -> dict[str, Any]:
        weights = {f"weight {index}": weight for index, weight in enumerate(self.weights)}
        return {**weights, "labels": self.labels, "x": self.x, "chain": self.chain}

    def digest(self) -> str:
        """What came of it: all values that were read so far, and the weights as they are now."""
        for array in (*self.weights, *(weight.grad for weight in self.weights), self.chain):
            self._note(array)
        return self._hash.hexdigest()


def _clamp(mx: Any) -> type:
    class Clamp(mx.autograd.Function):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            self.save_for_backward(x)
            return mx.nd.clip(x, -1, 1)

        def backward(self, dy: Any) -> Any:
            (x,) = self.saved_tensors
            return dy * (mx.nd.abs(x) < 1)

    return Clamp
