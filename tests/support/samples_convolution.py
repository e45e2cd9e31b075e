"""Samples of convolutions, pooling, and images made larger or smaller."""

from __future__ import annotations

from .samples_base import Sample, Table, distinct, ints, positions, sample, values, x


def _layers(op: str) -> tuple[Sample, ...]:
    """Convolutions of small random images, or deconvolutions, over the attributes that both have."""
    turned = op == "Deconvolution"

    def layer(data: tuple[int, ...], filters: int, *kernel: int, **attrs: object) -> Sample:
        dtype = str(attrs.pop("dtype", "float32"))
        groups = int(str(attrs.get("num_group", 1)))
        rows = (data[1], filters // groups) if turned else (filters, data[1] // groups)
        bias = attrs.pop("bias", False)
        parameters = [x(*rows, *kernel, dtype=dtype), *([x(filters, dtype=dtype)] if bias else [])]
        return sample(
            x(*data, dtype=dtype),
            *parameters,
            kernel=kernel,
            num_filter=filters,
            no_bias=not bias,
            **attrs,
        )

    made = [
        layer((2, 3, 5, 6), 4, 3, 3, bias=True),
        layer((2, 3, 5, 6), 4, 3, 2, pad=(1, 0), bias=True),
        layer((2, 2, 6, 5), 3, 3, 3, stride=(2, 2), pad=(1, 1)),
        layer((2, 2, 7, 6), 3, 2, 3, stride=(2, 1), dilate=(1, 2), pad=(0, 2)),
        layer((1, 2, 7, 7), 2, 3, 3, dilate=(2, 2), pad=(2, 1)),
        layer((2, 4, 5, 5), 6, 3, 3, num_group=2, pad=(1, 1), bias=True),
        layer((2, 4, 5, 5), 4, 3, 3, num_group=4, pad=(1, 1)),
        layer((2, 3, 6, 5), 6, 2, 2, num_group=3, stride=(2, 2)),
        layer((2, 3, 4, 5), 4, 1, 1, bias=True),
        layer((2, 3, 5, 5), 4, 1, 1, stride=(2, 2)),
        layer((2, 2, 4, 4), 2, 2, 2, stride=(3, 3), pad=(1, 1)),
        layer((2, 3, 8), 4, 3, bias=True, layout="NCW"),
        layer((2, 4, 9), 2, 2, stride=(2,), dilate=(2,), pad=(1,), num_group=2),
        layer((1, 2, 4, 5, 4), 3, 2, 3, 2, bias=True, layout="NCDHW"),
        layer((1, 2, 4, 4, 5), 2, 2, 2, 2, stride=(2, 1, 2), pad=(1, 0, 1)),
        layer((2, 2, 4, 5), 3, 2, 2, dtype="float64", bias=True, layout="NCHW"),
        layer((40, 1, 3, 4), 2, 3, 3, pad=(1, 1)),
        layer((1, 1, 1, 1), 1, 1, 1),
    ]
    if turned:
        made += [
            layer((2, 3, 3, 4), 2, 3, 3, stride=(2, 2), adj=(1, 1), pad=(1, 1)),
            layer((2, 2, 3, 3), 2, 3, 2, stride=(3, 2), adj=(2, 0), dtype="float64"),
            layer((1, 2, 4, 4), 2, 4, 4, stride=(2, 2), target_shape=(8, 8), dtype="float64"),
            layer((1, 2, 4), 2, 3, stride=(2,), target_shape=(8,), pad=(2,), adj=(0,), dtype="float64"),
        ]
    return tuple(made)


_WINDOWS: tuple[Sample, ...] = (
    sample(x(2, 3, 4, 5), kernel=(2, 3)),
    sample(x(2, 2, 5, 5), kernel=(3, 3), stride=(2, 2), pad=(1, 1)),
    sample(x(1, 2, 6, 7), kernel=(2, 2), dilate=(2, 3), pad=(0, 1)),
    sample(x(1, 2, 5, 6), kernel=(2, 2), pad=(0, -1)),
    sample(x(1, 2, 4, 4, dtype="float64"), kernel=(2, 2), stride=(3, 1)),
    sample(x(1, 1, 3, 3, dtype="float16"), kernel=(1, 2)),
)

CONVOLUTION: Table = {
    "Convolution": _layers("Convolution"),
    "Deconvolution": _layers("Deconvolution"),
    "im2col": _WINDOWS,
    "col2im": (
        sample(x(2, 18, 9), output_size=(4, 5), kernel=(2, 3)),
        sample(x(2, 18, 9), output_size=(5, 5), kernel=(3, 3), stride=(2, 2), pad=(1, 1)),
        sample(x(1, 8, 24), output_size=(6, 7), kernel=(2, 2), dilate=(2, 3), pad=(0, 1)),
        sample(x(1, 8, 12), output_size=(5, 6), kernel=(2, 2), pad=(0, -1)),
        sample(x(1, 4, 9, dtype="float16"), output_size=(4, 4), kernel=(2, 2)),
        sample(x(1, 8, 3, dtype="float64"), output_size=(4, 4), kernel=(2, 2), stride=(3, 1)),
    ),
}


def _pools(pool_type: str, **attrs: object) -> tuple[Sample, ...]:
    def pool(*shape: int, dtype: str = "float32", **more: object) -> Sample:
        return sample(
            distinct(*shape, low=0.25, high=2.0, dtype=dtype), pool_type=pool_type, **{**attrs, **more}
        )

    return (
        pool(2, 2, 4, 5, kernel=(2, 2)),
        pool(2, 2, 4, 6, kernel=(2, 2), stride=(2, 2)),
        pool(2, 3, 6, 5, kernel=(3, 3), stride=(2, 2), pad=(1, 1)),
        pool(2, 3, 6, 5, kernel=(3, 2), stride=(2, 2), pooling_convention="full"),
        pool(1, 2, 7, 6, kernel=(3, 3), stride=(2, 3), pad=(1, 0), pooling_convention="full"),
        pool(1, 2, 5, 5, kernel=(2, 3), stride=(3, 2), pad=(0, 2), layout="NCHW"),
        pool(2, 2, 6, kernel=(3,), stride=(2,), pad=(1,), layout="NCW"),
        pool(2, 2, 7, kernel=(3,), stride=(2,), pad=(0, 0, 0), pooling_convention="same", dtype="float64"),
        pool(1, 2, 4, 5, 4, kernel=(2, 3, 2), stride=(2, 1, 2), pad=(1, 1, 0), layout="NCDHW"),
        pool(1, 4, 5, 3, kernel=(2, 2), stride=(2, 2), pad=(1, 1), layout="NHWC"),
        pool(1, 5, 2, kernel=(2,), layout="NWC"),
        pool(1, 3, 3, 4, 2, kernel=(2, 2, 3), layout="NDHWC"),
        pool(2, 3, 4, 5, global_pool=True),
        pool(2, 3, 4, kernel=(2,), global_pool=True),
        pool(1, 2, 3, 2, 2, global_pool=True, kernel=(1, 1, 1), stride=(2, 2, 2), pad=(1, 1, 1)),
        pool(2, 2, 4, 5, kernel=(1, 1)),
        pool(2, 2, 4, 5, kernel=(1, 1), stride=(2, 2)),
        pool(2, 2, 4, 5, kernel=(4, 5)),
        pool(1, 2, 5, 4, kernel=(3, 2), stride=(2, 2), pad=(1, 1), dtype="float64"),
        pool(1, 2, 4, 4, kernel=(2, 2), stride=(2, 2), dtype="float16"),
    )


POOLING: Table = {
    "Pooling": (
        *_pools("max"),
        *_pools("sum"),
        *_pools("avg"),
        *_pools("avg", count_include_pad=False),
        *_pools("avg", count_include_pad=True)[2:4],
        *[one for power in (1, 2, 3) for one in _pools("lp", p_value=power)[1:6]],
        # Of equal numbers the first is the maximum.
        sample(ints(2, 2, 5, 5, low=0, high=3, dtype="float32"), kernel=(3, 3), stride=(2, 2), smooth=False),
        sample(ints(2, 2, 6, low=0, high=2, dtype="float64"), kernel=(3,), stride=(1,), smooth=False),
        sample(x(1, 2, 4, 4), kernel=(2, 2), stride=(2, 2), pool_type="lp", p_value=2),
        sample(x(1, 2, 4, 4), kernel=(2, 2), stride=(2, 2), pool_type="lp", p_value=3, smooth=False),
        sample(
            values(0, 0, 1, 0, 0, -2, shape=(1, 1, 6)),
            kernel=(2,),
            stride=(2,),
            pool_type="lp",
            p_value=2,
            smooth=False,
        ),
    ),
}

RESIZING: Table = {
    "_contrib_AdaptiveAvgPooling2D": (
        sample(x(2, 3, 4, 5)),
        sample(x(2, 3, 4, 6), output_size=2),
        sample(x(2, 3, 7, 5), output_size=(3, 2)),
        sample(x(1, 2, 2, 3), output_size=(4, 5)),
        sample(x(1, 2, 4, 4), output_size=(2, 3, 4)),
        sample(x(1, 2, 3, 4, dtype="float64"), output_size=(2, 3)),
        sample(x(1, 2, 3, 4, dtype="float16"), output_size=(2, 2)),
    ),
    "_contrib_BilinearResize2D": (
        sample(x(2, 3, 4, 5), height=7, width=8),
        sample(x(2, 3, 4, 5), height=2, width=3, align_corners=False),
        sample(x(2, 2, 3, 4), height=6, width=8, align_corners=False),
        sample(x(1, 2, 5, 7), scale_height=1.5, scale_width=0.7),
        sample(x(1, 2, 5, 6), mode="odd_scale", scale_height=1.5, scale_width=0.7),
        sample(x(1, 2, 5, 6), mode="to_even_down"),
        sample(x(1, 2, 5, 6), mode="to_even_up"),
        sample(x(1, 2, 5, 6), mode="to_odd_down"),
        sample(x(1, 2, 5, 6), mode="to_odd_up"),
        sample(x(1, 2, 3, 4), x(2, 1, 4, 3), mode="like"),
        sample(x(1, 2, 4, 4), height=4, width=4),
        sample(x(1, 2, 3, 4)),
        sample(x(1, 2, 3, 4), align_corners=False),
        sample(x(1, 2, 3, 4, dtype="float64"), height=5, width=2),
        sample(x(1, 2, 3, 4, dtype="float16"), height=5, width=3),
    ),
    "UpSampling": (
        sample(x(2, 3, 2, 3), scale=2, sample_type="nearest"),
        sample(x(2, 3, 2, 3), scale=1, sample_type="nearest"),
        sample(x(1, 2, 4, 4), x(1, 3, 2, 2), x(1, 1, 8, 8), scale=2, sample_type="nearest"),
        sample(x(1, 2, 4, 4), x(1, 2, 2, 2), scale=2, sample_type="nearest", multi_input_mode="sum"),
        sample(x(2, 2, 3, 4), x(2, 1, 4, 4), scale=2, sample_type="bilinear", num_filter=2),
        sample(x(1, 3, 3, 2), x(3, 1, 5, 5), scale=3, sample_type="bilinear", num_filter=3),
        sample(x(1, 2, 2, 2, dtype="float64"), scale=3, sample_type="nearest"),
        sample(x(1, 2, 2, 2, dtype="float16"), scale=2, sample_type="nearest"),
    ),
}

_PIXELS = positions(3, 1, 2, 0, 5, 4, 2, 2, 1, shape=(1, 1, 3, 3), dtype="float64")
_MAXIMA = positions(5, 5, 5, 5, shape=(1, 1, 2, 2), dtype="float64")
_LINES = positions(1, 4, 4, 2, 3, 3, shape=(1, 3, 2), dtype="float64")

# Of rows that MXNet does not have, and of what MXNet has on GPUs only.
CONVOLUTION_PARTS: Table = {
    "_convolution_weight": (
        sample(x(2, 4, 3, 4), x(2, 3, 5, 6), kernel=(3, 3)),
        sample(x(2, 4, 3, 3), x(2, 2, 6, 5), kernel=(2, 3), stride=(2, 2), pad=(0, 1), layout="NCHW"),
        sample(x(1, 4, 4), x(1, 4, 6), kernel=(2,), dilate=(2,), num_group=2, layout="NCW"),
        sample(x(1, 2, 2, 3, 3), x(1, 2, 3, 3, 4), kernel=(2, 1, 2), num_group=2, layout="NCDHW"),
        sample(x(2, 3, 4, 2), x(2, 4, 5, 4), kernel=(2, 2), num_group=2, layout="NHWC"),
        sample(x(1, 2, 2, 3, 2), x(1, 3, 3, 4, 1), kernel=(2, 2, 2), layout="NDHWC"),
    ),
    "Convolution": (
        sample(
            x(2, 5, 4, 4),
            x(6, 3, 3, 2),
            x(6),
            kernel=(3, 3),
            num_filter=6,
            num_group=2,
            layout="NHWC",
            pad=(1, 0),
        ),
        sample(
            x(1, 3, 4, 5, 2), x(3, 2, 2, 2, 2), kernel=(2, 2, 2), num_filter=3, no_bias=True, layout="NDHWC"
        ),
        sample(
            x(1, 5, 4, 2),
            x(4, 2, 2, 1),
            kernel=(2, 2),
            num_filter=4,
            num_group=2,
            no_bias=True,
            layout="NHWC",
        ),
    ),
    "Deconvolution": (
        sample(
            x(1, 3, 4, 2),
            x(2, 3, 2, 3),
            x(3),
            kernel=(3, 2),
            stride=(2, 1),
            num_filter=3,
            no_bias=False,
            layout="NHWC",
        ),
        sample(x(1, 2, 2, 3, 2), x(2, 2, 2, 2, 1), kernel=(2, 2, 2), num_filter=1, layout="NDHWC"),
    ),
    "_pooling_sum": (
        sample(x(2, 2, 5, 4), kernel=(3, 2), stride=(2, 2), pad=(1, 0), shape=(2, 2, 3, 2)),
        sample(
            x(1, 4, 2), kernel=(2,), stride=(1,), pad=(1,), mean="inside", channels_last=True, shape=(1, 5, 2)
        ),
        sample(x(1, 2, 4), kernel=(2,), stride=(2,), pad=(1,), mean="padded", shape=(1, 2, 3)),
    ),
    "_pooling_spread": (
        sample(x(2, 2, 3, 2), kernel=(3, 2), stride=(2, 2), pad=(1, 0), shape=(2, 2, 5, 4)),
        sample(
            x(1, 5, 2), kernel=(2,), stride=(1,), pad=(1,), mean="inside", channels_last=True, shape=(1, 4, 2)
        ),
        sample(x(1, 2, 3), kernel=(2,), stride=(2,), pad=(1,), mean="padded", shape=(1, 2, 4)),
    ),
    "_pooling_put": (
        sample(x(1, 1, 2, 2), _PIXELS, _MAXIMA, kernel=(2, 2), stride=(1, 1), pad=(0, 0)),
        sample(
            x(1, 2, 2),
            _LINES,
            positions(4, 4, 4, 3, shape=(1, 2, 2), dtype="float64"),
            kernel=(2,),
            stride=(1,),
            pad=(0,),
            channels_last=True,
        ),
    ),
    "_pooling_pick": (
        sample(x(1, 1, 3, 3), _PIXELS, _MAXIMA, kernel=(2, 2), stride=(1, 1), pad=(0, 0)),
        sample(
            x(1, 3, 2),
            _LINES,
            positions(4, 4, 4, 3, shape=(1, 2, 2), dtype="float64"),
            kernel=(2,),
            stride=(1,),
            pad=(0,),
            channels_last=True,
        ),
    ),
    "_resample": tuple(
        sample(x(1, 2, 3, 5), kind=kind, size=(4, 2)) for kind in ("average", "corners", "pixels")
    ),
    "_resample_back": tuple(
        sample(x(1, 2, 4, 2), kind=kind, size=(3, 5)) for kind in ("average", "corners", "pixels")
    ),
}
