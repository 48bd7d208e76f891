"""Identities."""

from typing import Any

import numpy as np

from graphcnn.ir.node import Value, build, constant_of
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.activation import Relu
from graphcnn.ops.broadcast import BroadcastTo, Sum
from graphcnn.ops.comparison import And, Not, Where
from graphcnn.ops.elementwise import Abs, Cast, Floor, Maximum
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.pool import AvgPool2d, MaxPool2d
from graphcnn.ops.random import Dropout
from graphcnn.ops.reduce import Max, Mean
from graphcnn.ops.resample import Upsample2d, ZeroInsert2d
from graphcnn.ops.shape import Concat, Embed, Flatten, Reshape, Slice, StopGradient, Transpose
from graphcnn.passes.simplify.eliminate import Eliminate
from rewrites import Example, RefusalExample

ROW, IMAGE, WHOLE = {"x": (2, 3)}, {"x": (2, 3, 4, 5)}, {"x": TensorType((2, 3), DType.INT64)}
BITS = {"x": TensorType((2, 3), DType.BOOL)}
FREE = {"x": TensorType((N, 3, 4, 5), DType.FLOAT64)}


def fires(rule: str, build: Any, result: str = "x", sources: Any = None) -> Example:
    return Example(rule, Eliminate(), build, result, sources or ROW)


def refuses(rule: str, build: Any, reason: str, sources: Any = None) -> RefusalExample:
    return RefusalExample(rule, Eliminate(), build, reason, sources or ROW)


def f64(value: Any) -> Value:
    return constant_of(np.asarray(value), DType.FLOAT64)


def chosen(value: bool, a: Value, b: Value) -> Value:
    return Where()(BroadcastTo((2, 3))(constant_of(np.array(value))), a, b)


def negated(x: Value, times: int) -> Value:
    return x if times == 0 else -negated(x, times - 1)


def either_number(x: Value) -> Value:
    one = f64(1.0)
    return Where()(x > 0.0, one, one)


def whole(x: Value, shape: tuple[int, ...]) -> Value:
    return Slice((0,) * len(shape), shape, (1,) * len(shape))(x)


def pooled_with_indices(x: Value) -> Value:
    return build(MaxPool2d((2, 2), (2, 1), indices=True), (x,), "P1").outputs[0]


EXAMPLES = [
    fires("add_zero", lambda x: x + -0.0),
    fires("add_zero", lambda x: -0.0 + x),
    fires("add_zero", lambda x: x + BroadcastTo((2, 3))(f64(-0.0))),
    fires("add_zero", lambda x: x + 0, sources=WHOLE),
    Example(
        "add_any_zero", Eliminate(signed_zeros=False), lambda x: x + f64([0.0, 0, 0]), "x", ROW
    ),
    fires("sub_zero", lambda x: x - 0.0),
    fires("mul_one", lambda x: 1.0 * x),
    fires("mul_one", lambda x: x * f64(np.ones((2, 3)))),
    fires("div_or_pow_one", lambda x: x / 1.0),
    fires("div_or_pow_one", lambda x: x**1.0),
    fires("involution", lambda x: negated(x, 3), "neg(x)"),
    fires("involution", lambda x: Not()(Not()(x)), sources=BITS),
    fires("idempotent", lambda x: Relu()(Relu()(Relu()(x))), "relu(x)"),
    fires("idempotent", lambda x: Abs()(Abs()(x)), "abs(x)"),
    fires("idempotent", lambda x: Floor()(Floor()(x)), "floor(x)"),
    fires("with_itself", lambda x: Maximum()(x, x)),
    fires("with_itself", lambda x: And()(x, x), sources=BITS),
    fires(
        "view_of_view",
        lambda x: Reshape((N, 15, 4))(Reshape((N, 4, 5, 3))(x)),
        "reshape(x; shape=(N, 15, 4))",
        FREE,
    ),
    fires("view_of_view", lambda x: Reshape((2, 3, 4, 5))(Flatten()(x)), "x", IMAGE),
    fires("reshape_to_flatten", lambda x: Reshape((N, 60))(x), "flatten(x)", FREE),
    fires(
        "transpose_of_transpose",
        lambda x: Transpose((1, 2, 0, 3))(Transpose((0, 2, 3, 1))(x)),
        "transpose(x; perm=(2, 3, 0, 1))",
        IMAGE,
    ),
    fires("transpose_of_transpose", lambda x: Transpose((1, 0))(Transpose((1, 0))(x))),
    fires("transpose_nothing", lambda x: Transpose((0, 1))(x)),
    fires("same_type", lambda x: Reshape((2, 3))(x)),
    fires("same_type", lambda x: Flatten()(x)),
    fires("same_type", lambda x: BroadcastTo((2, 3))(x)),
    fires("same_type", lambda x: whole(x, (2, 3))),
    fires("same_type", lambda x: Embed((2, 3), (0, 0), (1, 1))(x)),
    fires("same_type", lambda x: Concat(1)(x)),
    fires("same_type", lambda x: Cast(DType.FLOAT64)(x)),
    fires("same_type", lambda x: Pad2d((0, 0, 0, 0), "reflect")(x), sources=IMAGE),
    fires("same_type", lambda x: Upsample2d((1, 1))(x), sources=IMAGE),
    fires("same_type", lambda x: ZeroInsert2d((1, 1))(x), sources=IMAGE),
    fires(
        "broadcast_of_broadcast",
        lambda x: BroadcastTo((4, 2, 3))(BroadcastTo((2, 3))(x)),
        "broadcast_to(x; shape=(4, 2, 3))",
        {"x": (1, 3)},
    ),
    fires(
        "cast_of_cast",
        lambda x: Cast(DType.INT64)(Cast(DType.FLOAT64)(x)),
        sources={"x": TensorType((2, 3), DType.UINT8)},
        result="cast(x; dtype=i64)",
    ),
    fires("identity", lambda x: Dropout(0.5)(x)),
    fires("identity", lambda x: StopGradient()(x)),
    fires("where_always", lambda x: chosen(True, x, x * 2.0)),
    fires("where_always", lambda x: chosen(False, x * 2.0, x)),
    fires("where_either", lambda x: Where()(x > 0.0, x, x)),
    fires("reduce_nothing", lambda x: Sum(())(x)),
    fires("reduce_nothing", lambda x: Mean(())(x)),
    fires("reduce_nothing", lambda x: Max((), True)(x)),
    fires("pool_single_pixels", lambda x: MaxPool2d((1, 1), (1, 1))(x), sources=IMAGE),
    fires("pool_single_pixels", lambda x: AvgPool2d((1, 1), (1, 1))(x), sources=IMAGE),
    fires(
        "unused_indices",
        pooled_with_indices,
        "max_pool2d(x; kernel=(2, 2), stride=(2, 1))",
        IMAGE,
    ),
]

REFUSALS = [
    refuses("add_zero", lambda x: x + 0.0, "the sign of a zero would change"),
    refuses("add_zero", lambda x: x + f64(np.full((4, 2, 3), -0.0)), "broadcast from f64"),
    refuses("sub_zero", lambda x: x - f64(np.zeros((4, 2, 3))), "broadcast from f64"),
    refuses("mul_one", lambda x: x * 0.0, "not 0 where x is NaN"),
    refuses("mul_one", lambda x: x * f64(np.ones((1, 2, 3))), "broadcast from f64"),
    refuses("div_or_pow_one", lambda x: x / f64(np.ones((1, 2, 3))), "broadcast from f64"),
    refuses(
        "same_type", lambda x: Upsample2d((1, 1), "bilinear")(x), "spread NaN and infinity", IMAGE
    ),
    refuses(
        "cast_of_cast",
        lambda x: Cast(DType.FLOAT64)(Cast(DType.FLOAT32)(x)),
        "f32 does not hold every f64",
    ),
    refuses(
        "cast_of_cast",
        lambda x: Cast(DType.INT32)(Cast(DType.FLOAT64)(x)),
        "outside the range",
        {"x": TensorType((2, 3), DType.FLOAT32)},
    ),
    refuses("where_always", lambda x: chosen(True, f64(1.0), x), "result is f64.2,3., broadcast"),
    refuses("where_either", lambda x: either_number(x), "broadcast from"),
]
