"""Samples of fixed shape from the lanes of MXNet's generator: how a call is cut up, and drawn in threads.

A call for ``n`` samples is cut into runs of consecutive samples, and run ``i`` is drawn in order from lane
``i``. Here the runs are cut into blocks that fit in a cache. Lanes do not depend on one another, so several
threads draw large calls: NumPy leaves the interpreter to others while it computes.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from remx_server.logarithm import libm_log, logf
from remx_server.mt19937 import Lanes, Words, canonical32, canonical64, temper

LANES: Final = 1024
"""Number of parallel generators of MXNet's CPU random resource."""

Array = NDArray[Any]

_LANE_MIN_SAMPLES = 64

# How much is generated at a time. Larger blocks need fewer calls of NumPy, which threads take turns to make;
# the temporaries of smaller ones stay in a cache. Measured: 2**17 samples are the best of both.
_BLOCK_SAMPLES = 1 << 17
_BLOCK_COLUMNS = 1 << 11

# Below this many samples starting threads is not worth the while, and above this many threads memory is what
# takes the time.
_THREADED_SAMPLES = 1 << 19
_MAX_THREADS = 8

# Pairs of uniforms that are drawn for the polar method beyond the expected number, in standard deviations and
# in pairs. A lane that still runs short makes the block be drawn again with more, so these decide speed only.
_SPARE_SIGMAS = 5.0
_SPARE_PAIRS = 8
_ACCEPTED = math.pi / 4


class Block(NamedTuple):
    """Some lanes' share of a call, small enough to be drawn at once."""

    lane: int  # the first one
    out: Array  # where the samples go: a row for each lane
    valid: int | NDArray[np.intp]  # how many samples each lane is to draw; a row may be longer


Work = Callable[[Block], None]


def padded(size: int) -> tuple[int, int]:
    """Return how many lanes draw `size` samples, and how many each; the last lane draws what is left."""
    each = -(-size // min(-(-size // _LANE_MIN_SAMPLES), LANES)) if size else 0
    return (-(-size // each) if each else 0), each


def fill(lanes: Lanes, samples: Array, size: int, work: Work) -> None:
    """Have `work` draw every block of `samples`, of shape ``padded(size)``.

    Calls for the same lane are made one after the other and in order, calls for different lanes perhaps in
    several threads.
    """
    groups = list(_groups(samples, size))
    count = min(_processors(), _MAX_THREADS, len(groups)) if size >= _THREADED_SAMPLES else 1
    if count <= 1:
        for group in groups:
            for block in group:
                work(block)
        return
    lanes.seed_up_to(len(samples))
    _in_threads(groups, work, count)


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _in_threads(groups: list[Iterator[Block]], work: Work, count: int) -> None:
    """Do the work in this thread and some more, each taking the next group when it is done with one."""
    waiting = iter(groups)
    lock = threading.Lock()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            while not errors:
                with lock:
                    group = next(waiting, None)
                if group is None:
                    return
                for block in group:
                    work(block)
        except BaseException as error:
            errors.append(error)

    helpers = [threading.Thread(target=run, name="remx-draw") for _ in range(count - 1)]
    for helper in helpers:
        helper.start()
    run()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]


def _groups(samples: Array, size: int) -> Iterator[Iterator[Block]]:
    """Cut `samples` into blocks, those of the same lanes in a group and in order."""
    lanes, each = samples.shape
    columns = min(each, _BLOCK_COLUMNS)
    rows = max(1, _BLOCK_SAMPLES // max(columns, 1))
    for lane in range(0, lanes, rows):
        yield _row_of_blocks(samples[lane : lane + rows], size - lane * each, lane, columns)


def _row_of_blocks(samples: Array, size: int, lane: int, columns: int) -> Iterator[Block]:
    each = samples.shape[1]
    for column in range(0, each, columns):
        out = samples[:, column : column + columns]
        left = size - np.arange(len(out)) * each - column
        if left[-1] >= out.shape[1]:
            yield Block(lane, out, out.shape[1])
        else:
            yield Block(lane, out, np.clip(left, 0, out.shape[1]))


def draw_words(lanes: Lanes, block: Block, words_each: int) -> Words:
    """Use up a fixed number of words per sample, and return them tempered, a row for each lane."""
    columns = block.out.shape[1] * words_each
    raw = lanes.peek(block.lane, block.lane + len(block.out), columns)
    lanes.advance(block.lane, raw, block.valid * words_each)
    return temper(raw[:, :columns])


def uniform01(lanes: Lanes, block: Block, wide: bool) -> Array:
    """Draw uniforms from [0, 1] for a block: float32, or float64 if they are to be wide."""
    return canonical64(draw_words(lanes, block, 2)) if wide else canonical32(draw_words(lanes, block, 1))


def polar(lanes: Lanes, block: Block, exact_log: bool) -> None:
    """Draw standard normal samples as libstdc++ does, which drops the second one of each pair.

    A pair of uniforms is a point of the square around the unit disc, and is used if it lies inside. So lanes
    use different numbers of words; each is left right behind its last point.
    """
    single = block.out.dtype == np.float32
    rows, need = block.out.shape
    words_each = 2 if single else 4
    sigma = math.sqrt(need * (1 - _ACCEPTED)) / _ACCEPTED
    pairs = math.ceil(need / _ACCEPTED + _SPARE_SIGMAS * sigma) + _SPARE_PAIRS
    while True:
        raw = lanes.peek(block.lane, block.lane + rows, pairs * words_each)
        words = temper(raw[:, : pairs * words_each])
        points = canonical32(words, 2.0) if single else canonical64(words, 2.0)
        points -= 1
        radius = points[:, 0::2] ** 2
        radius += points[:, 1::2] ** 2
        inside = (radius <= 1) & (radius != 0)
        counts = np.count_nonzero(inside, axis=1)
        if counts.min() >= need:
            break
        pairs *= 2
    first = np.cumsum(counts) - counts
    used = np.flatnonzero(inside)[first[:, None] + np.arange(need)]
    radius = radius.ravel()[used]
    factor = log(radius, exact_log)
    factor *= -2
    factor /= radius
    np.sqrt(factor, out=factor)
    np.multiply(points.ravel()[2 * used + 1], factor, out=block.out)

    row = np.arange(rows)
    last = used[row, np.maximum(block.valid, 1) - 1] - row * pairs
    lanes.advance(block.lane, raw, np.where(np.equal(block.valid, 0), 0, (last + 1) * words_each))


def log(x: Array, exact: bool) -> Array:
    """Logarithms: of float32 always the C library's, of float64 if they are to be exact."""
    if x.dtype == np.float32:
        return logf(x)
    result: Array = libm_log(x) if exact else np.log(x)
    return result
