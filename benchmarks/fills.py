"""The measured programs that fill a model's parameters; they use what only remx has."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .workloads import context

LAYERS, WIDTH, WORDS = 12, 768, 30_522
"""A transformer of the size of BERT's base: 109 million parameters in 199 arrays."""


def xavier(mx: Any, device: str, parameters: int, width: int) -> dict[str, float]:
    """Fill ``parameters`` arrays of ``width`` by ``width`` by Xavier's rule in one message, and wait.

    Returns
    -------
    dict
        ``seconds`` from the call until the device has done it; ``check``, an element of the last array.
    """
    ctx = context(mx, device)
    arrays = {f"layer{number}_weight": mx.nd.empty((width, width), ctx) for number in range(parameters)}
    initializer = mx.init.Xavier()
    mx.init.fill(arrays, initializer)
    mx.nd.waitall()
    mx.random.seed(7)
    start = time.perf_counter()
    mx.init.fill(arrays, initializer)
    mx.nd.waitall()
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "check": float(arrays[f"layer{parameters - 1}_weight"][0, 0].asscalar())}


def transformer(mx: Any, device: str) -> dict[str, float]:
    """Make and fill the arrays of a transformer, under names such as a program gives them.

    Returns
    -------
    dict
        ``parameters``, how many numbers the ``arrays`` hold; ``bytes_up`` and ``round_trips``, from the first
        array until all are filled.
    """
    ctx = context(mx, device)
    mx.nd.waitall()
    before = mx.stats()
    arrays = {name: mx.nd.empty(shape, ctx) for name, shape in _transformer_shapes()}
    mx.init.fill(arrays, mx.init.Mixed([".*embedding.*", ".*"], [mx.init.Normal(0.02), mx.init.Xavier()]))
    mx.nd.waitall()
    after = mx.stats()
    return {
        "parameters": sum(array.size for array in arrays.values()),
        "arrays": len(arrays),
        "bytes_up": after.bytes_up - before.bytes_up,
        "round_trips": after.round_trips - before.round_trips,
    }


def _transformer_shapes() -> list[tuple[str, tuple[int, ...]]]:
    shapes: list[tuple[str, tuple[int, ...]]] = [
        ("embedding_word_weight", (WORDS, WIDTH)),
        ("embedding_position_weight", (512, WIDTH)),
        ("embedding_type_weight", (2, WIDTH)),
        ("embedding_norm_gamma", (WIDTH,)),
        ("embedding_norm_beta", (WIDTH,)),
        ("pooler_weight", (WIDTH, WIDTH)),
        ("pooler_bias", (WIDTH,)),
    ]
    for layer in range(LAYERS):
        for part, inputs, outputs in (
            ("query", WIDTH, WIDTH),
            ("key", WIDTH, WIDTH),
            ("value", WIDTH, WIDTH),
            ("attention", WIDTH, WIDTH),
            ("inner", WIDTH, 4 * WIDTH),
            ("outer", 4 * WIDTH, WIDTH),
        ):
            shapes += [
                (f"layer{layer}_{part}_weight", (outputs, inputs)),
                (f"layer{layer}_{part}_bias", (outputs,)),
            ]
        for part in ("attention", "outer"):
            shapes += [
                (f"layer{layer}_{part}_norm_gamma", (WIDTH,)),
                (f"layer{layer}_{part}_norm_beta", (WIDTH,)),
            ]
    return shapes


PROGRAMS: dict[str, Callable[..., dict[str, float]]] = {"xavier": xavier, "transformer": transformer}
"""Every program by the name a request gives it."""
