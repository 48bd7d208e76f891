"""How many numbers operators add up for one number of a result: what the rounding of sums grows by.

Each operator that sums, or whose elements are computed from sums, has its count here.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphcnn.ir.node import Array, Op
from graphcnn.ir.tensor_type import known_size
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.conv import Conv2d, ConvTranspose2d
from graphcnn.ops.dense import Dense, MatMul
from graphcnn.ops.gather import Scatter
from graphcnn.ops.norm import BatchNormTrain, GroupNorm, LayerNorm
from graphcnn.ops.pool import AvgPool2d, GlobalAvgPool2d
from graphcnn.ops.reduce import Mean, Prod
from graphcnn.ops.softmax import LogSoftmax, Softmax

Count = Callable[[Any, list[Array]], int]

#: The number of terms, from an operator and its operands.
TERMS: dict[type[Op], Count] = {}


def terms(op: Op, inputs: list[Array]) -> int:
    """How many numbers are added up for one number of the result."""
    count = TERMS.get(type(op))
    return 1 if count is None else max(1, count(op, inputs))


def adds(*ops: type[Op]) -> Callable[[Count], Count]:
    """Register the count of these operators."""

    def register(count: Count) -> Count:
        TERMS.update(dict.fromkeys(ops, count))
        return count

    return register


@adds(Conv2d)
def _taps(op: Conv2d, inputs: list[Array]) -> int:
    return known_size(inputs[1].shape[1:])


@adds(ConvTranspose2d)
def _transposed_taps(op: ConvTranspose2d, inputs: list[Array]) -> int:
    return known_size((inputs[1].shape[0], *inputs[1].shape[2:]))


@adds(Dense)
def _features(op: Dense, inputs: list[Array]) -> int:
    return known_size(inputs[0].shape[-1:])


@adds(MatMul)
def _inner(op: MatMul, inputs: list[Array]) -> int:
    return known_size((inputs[0].shape[-2 if op.transpose_a else -1],))


@adds(Sum, Mean, Prod, LayerNorm)
def _reduced(op: Sum | Mean | Prod | LayerNorm, inputs: list[Array]) -> int:
    return math.prod(inputs[0].shape[a] for a in op.axes)


@adds(Softmax, LogSoftmax)
def _along_axis(op: Softmax | LogSoftmax, inputs: list[Array]) -> int:
    return known_size((inputs[0].shape[op.axis],))


@adds(GlobalAvgPool2d)
def _pixels(op: GlobalAvgPool2d, inputs: list[Array]) -> int:
    return known_size(inputs[0].shape[2:])


@adds(AvgPool2d)
def _window(op: AvgPool2d, inputs: list[Array]) -> int:
    return math.prod(op.kernel)


@adds(BatchNormTrain)
def _batch(op: BatchNormTrain, inputs: list[Array]) -> int:
    x = inputs[0].shape
    return known_size(x) // max(1, known_size(x[1:2]))


@adds(GroupNorm)
def _group(op: GroupNorm, inputs: list[Array]) -> int:
    return known_size(inputs[0].shape[1:]) // op.groups


@adds(Scatter)
def _updates(op: Scatter, inputs: list[Array]) -> int:
    """As many updates as fall on one place, and what is there."""
    x, indices = inputs[:2]
    if op.reduction not in ("add", "mul") or not indices.size:
        return 1
    items = indices.reshape(math.prod(x.shape[: op.batch]), -1)
    return 1 + max(int(np.unique(row, return_counts=True)[1].max()) for row in items)
