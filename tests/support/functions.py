"""Functions of ``autograd`` for tests, and what they are called with."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

Array = Any


def variable(mx: ModuleType, *values: float, request: str = "write") -> Array:
    x = mx.nd.array(values)
    x.attach_grad(request)
    return x


def function(mx: ModuleType, forward: Any, backward: Any) -> Any:
    """A Function of two Python functions, which get the instance first."""
    return type("Made", (mx.autograd.Function,), {"forward": forward, "backward": backward})()


def double(mx: ModuleType, backward: Any = lambda self, dy: dy * 2) -> Any:
    return function(mx, lambda self, x: x * 2, backward)


def cube(mx: ModuleType) -> Any:
    def forward(self: Any, x: Array) -> Array:
        self.save_for_backward(x)
        return x * x * x

    def backward(self: Any, dy: Array) -> Array:
        (x,) = self.saved_tensors
        return dy * 3 * x * x

    return function(mx, forward, backward)


def soon(mx: ModuleType, holds: Callable[[], bool]) -> bool:
    """Whether something holds within seconds: what was dropped is told with a later acknowledgement."""
    deadline = time.monotonic() + 10
    while not holds() and time.monotonic() < deadline:
        mx.nd.waitall()
        gc.collect()
        time.sleep(0.01)
    return holds()


def passed(mx: ModuleType, made: Any, *inputs: Array) -> Array:
    """The output of a call that was recorded."""
    with mx.autograd.record():
        return made(*inputs)
