"""Spellings."""

from typing import Any

import numpy as np

from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.conv import Conv2d, ConvTranspose2d
from graphcnn.ops.dense import Dense, MatMul
from graphcnn.ops.reduce import Max, Mean
from graphcnn.ops.shape import Reshape, Transpose
from graphcnn.passes.simplify.canonicalize import Canonicalize
from rewrites import Example, RefusalExample

ROW, TWO = {"x": (2, 3)}, {"x": (2, 3), "y": (2, 3)}
IMAGE = {"x": TensorType((N, 2, 4, 4), DType.FLOAT64), "w": (3, 2, 3, 3)}
DENSE = {"x": TensorType((N, 3), DType.FLOAT64), "w": (5, 3)}


def fires(rule: str, build: Any, result: str, sources: Any = None) -> Example:
    return Example(rule, Canonicalize(), build, result, sources or ROW)


def refuses(rule: str, build: Any, reason: str, sources: Any = None) -> RefusalExample:
    return RefusalExample(rule, Canonicalize(), build, reason, sources or ROW)


def kept_and_dropped(x: Value) -> tuple[Value, Value]:
    total = Sum((1,))(x)
    return Reshape((2, 1))(total), total


def with_and_without_bias(x: Value, w: Value, b: Value) -> tuple[Value, Value]:
    y = Dense()(x, w)
    return y + b, y


EXAMPLES = [
    fires("constant_to_the_right", lambda x: 2.0 + x, "add(x, 2.0)"),
    fires("constant_to_the_right", lambda x: 2.0 * x, "mul(x, 2.0)"),
    fires(
        "compare_with_constant",
        lambda x: constant_of(2.0, DType.FLOAT64) < x,
        "greater(x, 2.0)",
    ),
    fires(
        "compare_with_constant",
        lambda x: constant_of(2.0, DType.FLOAT64) >= x,
        "less_equal(x, 2.0)",
    ),
    fires("times_minus_one", lambda x: -1.0 * x, "neg(x)"),
    fires("times_minus_one", lambda x: x / -1.0, "neg(x)"),
    fires("add_negative", lambda x, y: x + -y, "sub(x, y)", TWO),
    fires("add_negative", lambda x, y: -x + y, "sub(y, x)", TWO),
    fires("sub_negative", lambda x, y: x - -y, "add(x, y)", TWO),
    fires(
        "reshape_of_reduction",
        lambda x: Reshape((2, 1))(Sum((1,))(x)),
        "sum(x; axes=(1,), keepdims=True)",
    ),
    fires(
        "reshape_of_reduction", lambda x: Reshape((2,))(Mean((1,), True)(x)), "mean(x; axes=(1,))"
    ),
    fires(
        "reshape_of_reduction", lambda x: Reshape(())(Max((0, 1), True)(x)), "max(x; axes=(0, 1))"
    ),
    fires(
        "bias_into_layer",
        lambda x, w, b: b + Dense()(x, w),
        "dense(x, w, b)",
        {**DENSE, "b": (5,)},
    ),
    fires(
        "bias_into_layer",
        lambda x, w, b: Conv2d(padding=(1, 1, 1, 1))(x, w) + b,
        "conv2d(x, w, reshape(b; shape=(3,)); padding=(1, 1, 1, 1))",
        {**IMAGE, "b": (1, 3, 1, 1)},
    ),
    fires(
        "bias_into_layer",
        lambda x, w, b: ConvTranspose2d()(x, w) + Reshape((3, 1, 1))(b),
        "conv_transpose2d(x, w, reshape(reshape(b; shape=(3, 1, 1)); shape=(3,)))",
        {"x": (1, 2, 4, 4), "w": (2, 3, 3, 3), "b": (3,)},
    ),
    fires(
        "transpose_into_matmul",
        lambda x, y: MatMul()(Transpose((1, 0))(x), y),
        "matmul(x, y; transpose_a=True)",
        TWO,
    ),
    fires(
        "transpose_into_matmul",
        lambda x, y: MatMul(transpose_b=True)(x, Transpose((0, 2, 1))(y)),
        "matmul(x, y)",
        {"x": (2, 3, 4), "y": (2, 4, 5)},
    ),
]

REFUSALS = [
    refuses(
        "times_minus_one",
        lambda x: x * constant_of(np.full((4, 2, 3), -1.0), DType.FLOAT64),
        "broadcast from",
    ),
    refuses("reshape_of_reduction", kept_and_dropped, "computed twice"),
    refuses("bias_into_layer", with_and_without_bias, "without this bias", {**DENSE, "b": (5,)}),
    refuses(
        "bias_into_layer",
        lambda x, w, b: Dense()(x, w, b) + b,
        "has a bias already",
        {**DENSE, "b": (5,)},
    ),
]
