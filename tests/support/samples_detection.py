"""Samples of the ops that work with boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .samples_base import Input, Table, sample, values, x


def _corners(random: np.random.RandomState, *shape: int, scale: float = 1.0) -> np.ndarray:
    low = random.uniform(0, 0.6, (*shape, 2))
    return np.concatenate((low, low + random.uniform(0.1, 0.4, (*shape, 2))), -1) * scale


def _given(array: np.ndarray, dtype: str = "float32", variable: bool = True) -> Input:
    return replace(values(*array.reshape(-1), shape=array.shape, dtype=dtype), variable=variable)


def _boxes(*shape: int, seed: int = 0, dtype: str = "float32") -> Input:
    """Corners between 0 and 1."""
    return _given(_corners(np.random.RandomState(seed), *shape), dtype)


def _scored(*shape: int, seed: int = 0, dtype: str = "float32", width: int = 6) -> Input:
    """Rows of class, score, corners and perhaps more, with scores that differ."""
    random = np.random.RandomState(seed)
    count = int(np.prod(shape))
    score = random.permutation(np.linspace(-0.2, 0.95, count)).reshape(*shape, 1)
    made = [random.randint(0, 3, (*shape, 1)), score, _corners(random, *shape)]
    return _given(np.concatenate((*made, random.uniform(0, 1, (*shape, width - 6))), -1), dtype)


_TIED = values(
    *(1, 0.5, 0.1, 0.1, 0.2, 0.2),
    *(1, 0.4, 0.1, 0.1, 0.2, 0.2),
    *(0, 0.3, 0.1, 0.1, 0.14, 0.14),
    *(2, 0.6, 0.5, 0.5, 0.7, 0.8),
    *(1, 0.6, 0.5, 0.5, 0.7, 0.8),
    *(1, -0.1, 0.0, 0.0, 1.0, 1.0),
    shape=(6, 6),
)

_ODD = values(
    *(0.1, 0.1, 0.5, 0.5),
    *(0.0, 0.0, 1.0, 1.0),
    *(0.5, 0.5, 0.4, 0.4),
    *(0.0, 0.0, 0.0, 0.0),
    shape=(4, 4),
)

_ANCHORS = values(
    *(0.1, 0.1, 0.4, 0.4),
    *(0.3, 0.3, 0.9, 0.9),
    *(0.0, 0.5, 0.3, 1.0),
    *(0.12, 0.1, 0.4, 0.4),
    *(0.8, 0.8, 0.9, 0.9),
    shape=(1, 5, 4),
)
_LABELS = values(
    *(1, 0.1, 0.1, 0.5, 0.5),
    *(0, 0.3, 0.3, 0.8, 0.9),
    *(-1, -1, -1, -1, -1),
    *(2, 0, 0, 1, 1),
    *(-1, -1, -1, -1, -1),
    *(1, 0, 0, 1, 1),
    *(1, 0, 0, 1, 1),
    *(1, 0, 0, 1, 1),
    *(2, 5, 5, 6, 6),
    *(0, 0.2, 0.2, 0.2, 0.2),
    *(1, 0.05, 0.4, 0.3, 0.9),
    *(2, 0.85, 0.8, 0.9, 0.95),
    shape=(3, 4, 5),
)
_MANY = _boxes(1, 40, seed=5)


def _labels(batch: int, count: int, seed: int) -> Input:
    random = np.random.RandomState(seed)
    classes = random.randint(0, 4, (batch, count, 1))
    return _given(np.concatenate((classes, _corners(random, batch, count)), -1))


def _probabilities(batch: int, classes: int, count: int, seed: int = 0) -> Input:
    """Numbers that add up to 1 over the classes."""
    made = np.random.RandomState(seed).uniform(0, 1, (batch, classes, count)) ** 3
    return _given(made / made.sum(1, keepdims=True))


def _images(*sizes: tuple[float, float, float]) -> Input:
    return _given(np.array(sizes))


def _scores(batch: int, kinds: int, height: int, width: int, seed: int) -> Input:
    """Scores of which no two are equal."""
    shape = (batch, 2 * kinds, height, width)
    made = np.random.RandomState(seed).permutation(np.linspace(0.05, 0.95, int(np.prod(shape))))
    return _given(made.reshape(shape))


def _deltas(batch: int, kinds: int, height: int, width: int) -> Input:
    return x(batch, 4 * kinds, height, width, low=-0.5, high=0.5)


_SMALL = {"scales": (1.0, 2.0), "ratios": (0.5, 1.0), "feature_stride": 8, "rpn_min_size": 4}
_FEW = {"rpn_post_nms_top_n": 12}
_VIEW = ((40.0, 44.0, 1.5), (36.0, 48.0, 1.0))

DETECTION: Table = {
    "_contrib_box_nms": (
        sample(_TIED, smooth=False),
        sample(_TIED, smooth=False, id_index=0),
        sample(_TIED, smooth=False, id_index=0, background_id=1),
        sample(_TIED, smooth=False, id_index=0, force_suppress=True),
        sample(_TIED, smooth=False, topk=2),
        sample(_TIED, smooth=False, topk=0),
        sample(_TIED, smooth=False, valid_thresh=-1.0),
        sample(_TIED, smooth=False, valid_thresh=5.0),
        sample(_TIED, smooth=False, in_format="center", overlap_thresh=0.1),
        sample(_TIED, smooth=False, out_format="center"),
        sample(_TIED, smooth=False, in_format="center", out_format="center"),
        sample(_TIED, smooth=False, overlap_thresh=1.0),
        sample(_TIED, smooth=False, overlap_thresh=0.0),
        sample(_scored(2, 3, 20), overlap_thresh=0.3),
        sample(_scored(2, 30, seed=1, width=8), smooth=False, overlap_thresh=0.2, id_index=0, topk=20),
        sample(_scored(12, seed=2, dtype="float64"), overlap_thresh=0.25),
        sample(_scored(9, seed=4), in_format="center", out_format="corner", overlap_thresh=0.2),
        sample(_scored(9, seed=4), out_format="center", id_index=0, force_suppress=True, topk=6),
        sample(_scored(300, seed=3), overlap_thresh=0.45),
        sample(values(0.5, 0, 0, 0, 0, shape=(1, 5)), score_index=0, coord_start=1),
        sample(values(*_TIED.values or (), shape=(6, 6), dtype="float16"), smooth=False, overlap_thresh=0.4),
    ),
    "_contrib_box_iou": (
        sample(_ODD, _ODD),
        sample(_ODD, _ODD, format="center"),
        sample(_boxes(3), _boxes(2, 4, seed=1)),
        sample(_boxes(2, 3), _boxes(5, seed=1), format="center"),
        sample(_boxes(4, dtype="float64"), _boxes(3, seed=1, dtype="float64")),
        sample(_boxes(4, dtype="float16"), _boxes(3, seed=1, dtype="float16")),
    ),
    "_contrib_bipartite_matching": (
        *(
            sample(
                values(0.5, 0.5, 0.1, 0.5, 0.9, 0.9, 0.2, 0.05, 0.9, 0.3, 0.3, 0.3, shape=(4, 3)),
                **{"threshold": 0.2, **attrs},
            )
            for attrs in (
                {},
                {"is_ascend": True},
                {"topk": 1},
                {"topk": 0},
                {"threshold": 0.5},
                {"threshold": 0.9},
                {"threshold": 0.05, "is_ascend": True},
                {"topk": 2, "is_ascend": True, "threshold": 1.0},
            )
        ),
        sample(x(2, 5, 4), threshold=-1.0),
        sample(x(2, 2, 3, 6), threshold=0.1),
        sample(x(4, 6, dtype="float64"), threshold=0.1, is_ascend=True),
        sample(values(0, 0, 1, 0, 0, 0, shape=(2, 3)), threshold=0.0),
    ),
    "_contrib_box_encode": (
        sample(
            values(1, 0, -1, 1, 0, 1, shape=(2, 3)),
            values(1, 0, 1, 0, 0, 1, shape=(2, 3)),
            _boxes(2, 3),
            _boxes(2, 2, seed=1),
            values(0, 0.1, 0, 0.2),
            values(0.1, 0.1, 0.2, 0.2),
        ),
        sample(
            values(1, 1, dtype="float64", shape=(1, 2)),
            values(0, 2, dtype="float64", shape=(1, 2)),
            _boxes(1, 2, dtype="float64"),
            _boxes(1, 3, seed=1, dtype="float64"),
            values(0, 0, 0, 0, dtype="float64"),
            values(1, 1, 1, 1, dtype="float64"),
        ),
    ),
    "_contrib_box_decode": (
        sample(x(2, 3, 4, low=-1, high=1), _boxes(1, 3)),
        sample(x(2, 3, 4, low=-1, high=1), _boxes(1, 3), format="corner", std0=0.1, std1=0.2),
        sample(x(1, 3, 4), _boxes(1, 3), std2=2.0, std3=0.5, clip=0.75),
        sample(x(1, 3, 4, dtype="float64"), _boxes(1, 3, dtype="float64"), format="corner", clip=1.0),
    ),
    "_contrib_MultiBoxPrior": (
        sample(x(1, 2, 2, 3)),
        sample(x(2, 3, 3, 2), sizes=(0.5, 0.25), ratios=(1.0, 2.0, 0.5)),
        sample(x(1, 1, 2, 3), sizes=(0.75, 0.25), ratios=(2.0, 0.5), clip=True),
        sample(x(1, 1, 3, 3), sizes=0.3, steps=(0.25, 0.5), offsets=(0.25, 0.75)),
        sample(x(1, 1, 2, 4), ratios=(2.0, 3.0), steps=(0.75, 0.5)),
        sample(x(1, 1, 2, 2, 2), sizes=(0.2,)),
    ),
    "_contrib_MultiBoxTarget": (
        *(
            sample(_ANCHORS, _LABELS, x(3, 3, 5), **attrs)
            for attrs in (
                {},
                {"overlap_threshold": 0.0},
                {"overlap_threshold": 0.2},
                {"negative_mining_ratio": 1.0},
                {"negative_mining_ratio": 0.5, "minimum_negative_samples": 2, "ignore_label": -3.0},
                {"negative_mining_ratio": 1.0, "negative_mining_thresh": 0.2},
                {"variances": (0.5, 0.25, 1.0, 2.0)},
            )
        ),
        sample(_MANY, _labels(2, 6, 1), x(2, 4, 40)),
        sample(_MANY, _labels(2, 6, 2), x(2, 4, 40), negative_mining_ratio=1.0, overlap_threshold=0.35),
    ),
    "_contrib_MultiBoxDetection": (
        *(
            sample(_probabilities(2, 3, 5), x(2, 20, low=-1, high=1), _ANCHORS, **attrs)
            for attrs in (
                {},
                {"threshold": 0.35},
                {"threshold": 0.95},
                {"nms_threshold": 0.0},
                {"nms_threshold": 2.0},
                {"nms_topk": 2},
                {"nms_topk": 0},
                {"clip": False, "background_id": 1},
                {"force_suppress": True, "nms_threshold": 0.05},
                {"variances": (0.5, 0.5, 0.5, 0.5)},
            )
        ),
        sample(_probabilities(2, 4, 40, 1), x(2, 160, low=-1, high=1), _MANY, nms_threshold=0.3),
        sample(_probabilities(1, 4, 40, 2), x(1, 160), _MANY, nms_topk=10, nms_threshold=0.3, threshold=0.3),
    ),
    "_contrib_Proposal": (
        sample(_scores(1, 4, 5, 6, 0), _deltas(1, 4, 5, 6), _images(_VIEW[0]), **{**_SMALL, **_FEW}),
        sample(
            _scores(1, 4, 5, 6, 1),
            _deltas(1, 4, 5, 6),
            _images(_VIEW[1]),
            rpn_pre_nms_top_n=30,
            rpn_post_nms_top_n=40,
            threshold=0.4,
            output_score=True,
            **_SMALL,
        ),
        sample(
            _scores(1, 4, 5, 6, 2),
            x(1, 16, 5, 6, low=-8, high=8),
            _images((24.0, 20.0, 1.0)),
            rpn_post_nms_top_n=10,
            iou_loss=True,
            output_score=True,
            **_SMALL,
        ),
        sample(_scores(1, 12, 4, 5, 3), _deltas(1, 12, 4, 5), _images((64.0, 80.0, 1.0)), **_FEW),
    ),
    "_contrib_MultiProposal": (
        sample(_scores(2, 4, 5, 6, 0), _deltas(2, 4, 5, 6), _images(*_VIEW), **{**_SMALL, **_FEW}),
        sample(
            _scores(2, 4, 5, 6, 1),
            _deltas(2, 4, 5, 6),
            _images(*_VIEW),
            rpn_pre_nms_top_n=30,
            rpn_post_nms_top_n=40,
            threshold=0.4,
            output_score=True,
            iou_loss=True,
            **_SMALL,
        ),
    ),
}  # fmt: skip
