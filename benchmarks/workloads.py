"""The measured programs, written once: ``mx`` is MXNet 1.9.1 or remx, and nothing else differs.

Every program prepares its arrays, runs a few rounds that are not counted, waits until all of that is
done, and only then starts its clock.  Each returns a mapping with at least ``seconds`` and a
``check`` value that both sides must agree on, so that a fast wrong answer is not taken for a result.

Arrays are float32 unless stated.  ``device`` is ``"cpu"`` or ``"gpu"``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

CHAIN_LENGTH = 10
"""Elements of the arrays of the chain."""

LEARNING_RATE = 0.05


def context(mx: Any, device: str) -> Any:
    """Return ``mx.cpu(0)`` or ``mx.gpu(0)``."""
    return mx.gpu(0) if device == "gpu" else mx.cpu(0)


def chain(mx: Any, device: str, ops: int, record: bool = False, warm_ops: int = 200) -> dict[str, float]:
    """Add one array of ten ones to another ``ops`` times, each sum waiting for the one before.

    With ``record``, the array is a variable and every sum is recorded by autograd.

    Returns
    -------
    dict
        ``seconds`` from the first add until the last result is ready, and ``check``, an element of it.
    """
    ctx = context(mx, device)
    one = mx.nd.ones((CHAIN_LENGTH,), ctx=ctx)
    if record:
        one.attach_grad()

    def run(length: int) -> Any:
        with mx.autograd.record() if record else nullcontext():
            total = one
            for _ in range(length):
                total = total + one
        total.wait_to_read()
        return total

    run(warm_ops)
    mx.nd.waitall()
    start = time.perf_counter()
    total = run(ops)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "check": float(total.asnumpy()[-1])}


def training(
    mx: Any,
    device: str,
    batch: int,
    sizes: list[int],
    steps: int,
    warm_steps: int = 20,
    count: Callable[[], float] = lambda: 0.0,
) -> dict[str, float]:
    """Train a perceptron with one hidden layer by in-place SGD, reading one number at the very end.

    Parameters
    ----------
    batch : int
        Rows of the one batch that every step uses; it is on the device before the clock starts.
    sizes : list of int
        Inputs, hidden units and classes.
    steps : int
        Counted steps.
    warm_steps : int
        Steps before the clock starts, which end in a read too.
    count : callable, optional
        A counter to look at before the loop and after it.

    Returns
    -------
    dict
        ``seconds`` for all steps and the read; ``check``, the last loss; ``loop_seconds``, until the loop
        was left and nothing had been read yet; ``loop_count``, how far ``count`` went in that time.
    """
    step = _training_step(mx, context(mx, device), batch, sizes)
    _repeat(step, warm_steps).asscalar()
    mx.nd.waitall()
    counted = count()
    start = time.perf_counter()
    loss = _repeat(step, steps)
    left_loop = time.perf_counter()
    counted = count() - counted
    check = float(loss.asscalar())
    return {
        "seconds": time.perf_counter() - start,
        "loop_seconds": left_loop - start,
        "loop_count": counted,
        "check": check,
    }


def _repeat(step: Callable[[], Any], times: int) -> Any:
    loss = None
    for _ in range(times):
        loss = step()
    return loss


def _training_step(mx: Any, ctx: Any, batch: int, sizes: list[int]) -> Callable[[], Any]:
    inputs, hidden, classes = sizes
    random = np.random.RandomState(0)

    def array(values: Any) -> Any:
        return mx.nd.array(values.astype(np.float32), ctx=ctx)

    x = array(random.normal(size=(batch, inputs)))
    labels = array(random.randint(classes, size=(batch,)))
    w1 = array(random.normal(scale=inputs**-0.5, size=(inputs, hidden)))
    b1 = mx.nd.zeros((hidden,), ctx=ctx)
    w2 = array(random.normal(scale=hidden**-0.5, size=(hidden, classes)))
    b2 = mx.nd.zeros((classes,), ctx=ctx)
    parameters = [w1, b1, w2, b2]
    for parameter in parameters:
        parameter.attach_grad()

    def step() -> Any:
        with mx.autograd.record():
            activations = mx.nd.relu(mx.nd.dot(x, w1) + b1)
            scores = mx.nd.dot(activations, w2) + b2
            loss = -mx.nd.pick(mx.nd.log_softmax(scores), labels).mean()
        loss.backward()
        for w in parameters:
            w -= LEARNING_RATE * w.grad
        return loss

    return step


def dropped(mx: Any, device: str, ops: int) -> dict[str, float]:
    """Run ``ops`` additions whose results nobody keeps, every second one recorded by autograd.

    Returns
    -------
    dict
        ``seconds`` until the device has done all of them, and ``check``, an element of the operand.
    """
    ctx = context(mx, device)
    one = mx.nd.ones((CHAIN_LENGTH,), ctx=ctx)
    one.attach_grad()
    start = time.perf_counter()
    for _ in range(ops // 2):
        _ = one + one
        with mx.autograd.record():
            _ = one + one
    del _
    mx.nd.waitall()
    return {"seconds": time.perf_counter() - start, "check": float(one.asnumpy()[0])}


def transfer(mx: Any, device: str, size: int, times: int = 6) -> dict[str, float]:
    """Move an array of ``size`` bytes up to the device and down again, several times.

    The first time does not count: on a virtual machine, memory that was idle for a while has to be had back
    from the host first, which takes longer than to fill it.

    Returns
    -------
    dict
        Medians: ``up_seconds`` for ``nd.array`` until it is ready, ``down_seconds`` for ``asnumpy``, their
        sum as ``seconds``; and ``check``, 1.0 if the bytes that came back are those that went.
    """
    ctx = context(mx, device)
    source = np.arange(size // 4, dtype=np.float32)
    ups, downs, same = [], [], True
    for _ in range(times):
        start = time.perf_counter()
        array = mx.nd.array(source, ctx=ctx)
        array.wait_to_read()
        middle = time.perf_counter()
        result = array.asnumpy()
        end = time.perf_counter()
        ups.append(middle - start)
        downs.append(end - middle)
        same = same and np.array_equal(source, result)
        del array, result
    up, down = statistics.median(ups[1:]), statistics.median(downs[1:])
    return {"up_seconds": up, "down_seconds": down, "seconds": up + down, "check": float(same)}


def sampling(
    mx: Any, device: str, distribution: str, size: int, draws: int, generator: str = ""
) -> dict[str, float]:
    """Draw float32 samples, and wait for those of each call.

    Returns
    -------
    dict
        ``seconds`` for all calls, and ``check``, the last sample: both sides draw the same ones.
    """
    ctx = context(mx, device)
    draw = getattr(mx.nd.random, distribution)
    mx.random.seed(7, **({"generator": generator} if generator else {}))
    draw(shape=(size,), ctx=ctx).wait_to_read()
    mx.nd.waitall()
    start = time.perf_counter()
    for _ in range(draws):
        samples = draw(shape=(size,), ctx=ctx)
        samples.wait_to_read()
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "check": float(samples[-1:].asnumpy()[0])}


PROGRAMS: dict[str, Callable[..., dict[str, float]]] = {
    "chain": chain,
    "training": training,
    "dropped": dropped,
    "transfer": transfer,
    "sampling": sampling,
}
"""Every program by the name a request gives it."""
