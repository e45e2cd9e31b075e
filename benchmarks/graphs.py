"""The measured programs that are about autograd; see ``workloads``."""

from __future__ import annotations

import statistics
import time
import tracemalloc
from typing import Any

import numpy as np

from .workloads import CHAIN_LENGTH, LEARNING_RATE, context


def _variable(mx: Any, device: str) -> Any:
    x = mx.nd.ones((CHAIN_LENGTH,), ctx=context(mx, device))
    x.attach_grad()
    return x


def backward_chain(
    mx: Any, device: str, ops: int, passes: int, fresh: bool = False, warm_passes: int = 5
) -> dict[str, float]:
    """Differentiate a chain of ``ops`` products, sums and hyperbolic tangents of ten floats again and again.

    With ``fresh``, the chain is recorded anew for each pass, as a training loop does, and that counts too.

    Returns
    -------
    dict
        ``seconds`` from the first call of ``backward`` until the gradient of the last pass is ready, and
        ``check``, an element of the gradient.
    """
    x = _variable(mx, device)
    half, small = x * 0.9, x * 0.5

    def chain() -> Any:
        with mx.autograd.record():
            y = x
            for number in range(ops):
                y = _link(mx, y, number, half, small)
        return y

    kept = chain()

    def run(times: int) -> None:
        for _ in range(times):
            if fresh:
                chain().backward()
            else:
                kept.backward(retain_graph=True)
        x.grad.wait_to_read()

    run(warm_passes)
    start = time.perf_counter()
    run(passes)
    return {"seconds": time.perf_counter() - start, "check": float(x.grad.asnumpy()[0])}


def _link(mx: Any, y: Any, number: int, half: Any, small: Any) -> Any:
    kind = number % 3
    if kind == 0:
        return y * half
    return y + small if kind == 1 else mx.nd.tanh(y)


def deep(mx: Any, device: str, nodes: int, passes: int = 3) -> dict[str, float]:
    """Record a chain of ``nodes`` additions of ten floats, and differentiate it.

    Returns
    -------
    dict
        ``seconds`` of the backward pass, the median of ``passes``, and ``check``, an element of the gradient.
    """
    x = _variable(mx, device)
    times = []
    for _ in range(passes):
        with mx.autograd.record():
            y = x
            for _ in range(nodes):
                y = y + x
        y.wait_to_read()
        start = time.perf_counter()
        y.backward()
        x.grad.wait_to_read()
        times.append(time.perf_counter() - start)
        del y
        mx.nd.waitall()
    return {"seconds": statistics.median(times), "check": float(x.grad.asnumpy()[0])}


def paused(mx: Any, device: str, functions: int, steps: int) -> dict[str, float]:
    """Training steps whose loss goes through ``functions`` of ``autograd.Function``.

    Returns
    -------
    dict
        ``seconds`` for all steps and the read at the end, and ``check``, an element of the variable.
    """

    class Double(mx.autograd.Function):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            return x * 2

        def backward(self, dy: Any) -> Any:
            return dy * 2

    x = _variable(mx, device)
    start = time.perf_counter()
    for _ in range(steps):
        with mx.autograd.record():
            y = x
            for _ in range(functions):
                y = Double()(y)
        y.backward()
        x -= 0.001 * x.grad
    check = float(x.asnumpy()[0])
    return {"seconds": time.perf_counter() - start, "check": check}


def step_by_hand(batch: int, sizes: list[int]) -> float:
    """The peak of what the arrays of a training step take, written by hand in NumPy.

    The step is that of ``workloads.training``: parameters, gradients and the batch stay, the activations and
    scores do until its end, since the program has names for them; everything else is written in place where
    it can be, and dropped after its last use.

    Returns
    -------
    float
        Bytes.
    """
    inputs, hidden, classes = sizes
    tracemalloc.start()
    x = np.ones((batch, inputs), np.float32)
    labels = np.zeros((batch,), np.float32)
    w1, b1 = np.ones((inputs, hidden), np.float32), np.zeros((hidden,), np.float32)
    w2, b2 = np.ones((hidden, classes), np.float32), np.zeros((classes,), np.float32)
    parameters = [w1, b1, w2, b2]
    gradients = [np.zeros_like(parameter) for parameter in parameters]
    tracemalloc.reset_peak()
    activations = x @ w1
    activations += b1
    np.maximum(activations, 0, out=activations)
    scores = activations @ w2
    scores += b2
    slope = np.exp(scores - scores.max(axis=1, keepdims=True))
    slope /= slope.sum(axis=1, keepdims=True)
    slope[np.arange(batch), labels.astype(int)] -= 1
    slope /= batch
    np.matmul(activations.T, slope, out=gradients[2])
    slope.sum(axis=0, out=gradients[3])
    inner = slope @ w2.T
    inner *= activations > 0
    np.matmul(x.T, inner, out=gradients[0])
    inner.sum(axis=0, out=gradients[1])
    del inner, slope
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter -= LEARNING_RATE * gradient
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float(peak)


PROGRAMS = {
    "backward_chain": backward_chain,
    "deep": deep,
    "paused": paused,
}
"""Every program by the name a request gives it."""
