"""Padding into the windows that read it."""

import math
from typing import Any

from graphcnn.ir.node import Value, build
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.pool import AvgPool2d, MaxPool2d
from graphcnn.passes.simplify.fuse_pad import FusePad
from rewrites import Example, RefusalExample

IMAGE = {"x": TensorType((N, 2, 5, 6), DType.FLOAT64)}
CONV = {**IMAGE, "w": (3, 2, 3, 3)}
ONE = (1, 1, 1, 1)


def fires(rule: str, build: Any, result: str, sources: Any = None) -> Example:
    return Example(rule, FusePad(), build, result, sources or IMAGE)


def refuses(rule: str, build: Any, reason: str, sources: Any = None) -> RefusalExample:
    return RefusalExample(rule, FusePad(), build, reason, sources or IMAGE)


def with_indices(x: Value) -> tuple[Value, Value]:
    padded = Pad2d(ONE, value=-math.inf)(x)
    pool = build(MaxPool2d((3, 3), (2, 1), indices=True), (padded,))
    return pool.outputs[0], pool.outputs[1]


EXAMPLES = [
    fires(
        "pad_into_conv",
        lambda x, w: Conv2d(padding=(0, 1, 2, 3))(Pad2d(ONE)(x), w),
        "conv2d(x, w; padding=(1, 2, 3, 4))",
        CONV,
    ),
    fires(
        "pad_into_conv",
        lambda x, y: Conv2dWeightGrad(kernel=(3, 3))(Pad2d((1, 0, 1, 0))(x), y),
        "conv2d_weight_grad(x, y; padding=(1, 0, 1, 0), kernel=(3, 3))",
        {"x": (2, 2, 5, 6), "y": (2, 3, 4, 5)},
    ),
    fires(
        "pad_into_max_pool",
        lambda x: MaxPool2d((3, 3), (2, 1))(Pad2d(ONE, value=-math.inf)(x)),
        "max_pool2d(x; kernel=(3, 3), stride=(2, 1), padding=(1, 1, 1, 1))",
    ),
    fires(
        "pad_into_avg_pool",
        lambda x: AvgPool2d((3, 3), (2, 1))(Pad2d(ONE)(x)),
        "avg_pool2d(x; kernel=(3, 3), stride=(2, 1), padding=(1, 1, 1, 1), count_include_pad=True)",
    ),
    fires(
        "pad_into_avg_pool",
        lambda x: AvgPool2d((4, 4), (2, 1), ONE, count_include_pad=True)(Pad2d(ONE)(x)),
        "avg_pool2d(x; kernel=(4, 4), stride=(2, 1), padding=(2, 2, 2, 2), count_include_pad=True)",
    ),
    fires(
        "pad_of_pad",
        lambda x: Pad2d((1, 2, 3, 4), value=0.5)(Pad2d(ONE, value=0.5)(x)),
        "pad2d(x; padding=(2, 3, 4, 5), value=0.5)",
    ),
    fires(
        "pad_of_pad",
        lambda x, w: Conv2d()(Pad2d(ONE)(Pad2d((0, 0, 1, 1))(x)), w),
        "conv2d(x, w; padding=(1, 1, 2, 2))",
        CONV,
    ),
]

REFUSALS = [
    refuses(
        "pad_into_conv", lambda x, w: Conv2d()(Pad2d(ONE, value=1.0)(x), w), "not with 1", CONV
    ),
    refuses(
        "pad_into_conv", lambda x, w: Conv2d()(Pad2d(ONE, value=-1.0)(x), w), "not with -1", CONV
    ),
    refuses(
        "pad_into_conv",
        lambda x, w: Conv2d()(Pad2d(ONE, "reflect")(x), w),
        "not with mode 'reflect'",
        CONV,
    ),
    refuses(
        "pad_into_max_pool", lambda x: MaxPool2d((3, 3), (2, 1))(Pad2d(ONE)(x)), "pads with -inf"
    ),
    refuses("pad_into_max_pool", with_indices, "count positions of the padded image"),
    refuses(
        "pad_into_max_pool",
        lambda x: MaxPool2d((3, 3), (2, 1))(Pad2d(ONE, value=-math.inf)(x)),
        "f8e4m3fn has no infinity",
        {"x": TensorType((N, 2, 5, 6), DType.FLOAT8_E4M3FN)},
    ),
    refuses(
        "pad_into_max_pool",
        lambda x: MaxPool2d((3, 3), (2, 1), ceil_mode=True)(Pad2d(ONE, value=-math.inf)(x)),
        "ceil_mode",
    ),
    refuses(
        "pad_into_max_pool",
        lambda x: MaxPool2d((2, 2), (1, 1))(Pad2d((2, 0, 0, 0), value=-math.inf)(x)),
        "whole windows",
    ),
    refuses(  # the same along the width, and beyond one window
        "pad_into_max_pool",
        lambda x: MaxPool2d((2, 2), (1, 1))(Pad2d((0, 0, 0, 2), value=-math.inf)(x)),
        "whole windows",
    ),
    refuses(
        "pad_into_max_pool",
        lambda x: MaxPool2d((2, 2), (1, 1))(Pad2d((0, 0, 3, 0), value=-math.inf)(x)),
        "whole windows",
    ),
    refuses(
        "pad_into_max_pool",
        lambda x: MaxPool2d((2, 2), (1, 1))(Pad2d((0, 3, 0, 0), value=-math.inf)(x)),
        "whole windows",
    ),
    refuses(
        "pad_into_avg_pool",
        lambda x: AvgPool2d((4, 4), (1, 1), ONE)(Pad2d(ONE)(x)),
        "does not count its own padding",
    ),
    refuses(
        "pad_into_avg_pool", lambda x: AvgPool2d((3, 3), (1, 1))(Pad2d(ONE, "edge")(x)), "'edge'"
    ),
    refuses("pad_of_pad", lambda x: Pad2d(ONE, value=1.0)(Pad2d(ONE)(x)), "fill with 0 and 1"),
]
