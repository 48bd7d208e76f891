"""Operators that are written out in several."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from graphcnn.ir.node import Value
from graphcnn.ops.activation import HardSigmoid, Sigmoid, Softplus, Tanh
from graphcnn.ops.comparison import Equal, Not
from graphcnn.ops.elementwise import Erf
from graphcnn.ops.norm import LayerNorm
from graphcnn.ops.shape import Transpose
from graphcnn.passes.exchange.recognise import Recognise
from rewrites import Example, RefusalExample

ROW, TWO = {"x": (2, 3)}, {"x": (2, 3), "y": (2, 3)}


def fires(rule: str, build: Any, result: str, sources: Any = None) -> Example:
    return Example(rule, Recognise(), build, result, sources or ROW)


def refuses(rule: str, build: Any, reason: str, sources: Any = None) -> RefusalExample:
    return RefusalExample(rule, Recognise(), build, reason, sources or ROW)


def by_erf(x: Value, scale: float = math.sqrt(2)) -> Value:
    return x * (Erf()(x / scale) + 1.0) * 0.5


def by_tanh(x: Value, cubic: float = 0.044715, scale: float = math.sqrt(2 / math.pi)) -> Value:
    return 0.5 * (x * (1.0 + Tanh()((x + x**3.0 * cubic) * scale)))


def read_twice(f: Callable[[Value], Value], x: Value) -> tuple[Value, Value]:
    gate = f(x)
    return x * gate, gate


def equality_read_twice(x: Value, y: Value) -> tuple[Value, Value]:
    equal = Equal()(x, y)
    return Not()(equal), equal


IMAGES = {"x": (2, 3, 4, 5), "s": (3,), "b": (3,)}


def moved(x: Value, s: Value, b: Value, back: tuple[int, ...] = (0, 3, 1, 2)) -> Value:
    """Layer norm of channels, as it is written where only the last axes can be normalised."""
    return Transpose(back)(LayerNorm((3,))(Transpose((0, 2, 3, 1))(x), s, b))


def moved_and_read(x: Value, s: Value, b: Value) -> tuple[Value, Value]:
    last = Transpose((0, 2, 3, 1))(x)
    return Transpose((0, 3, 1, 2))(LayerNorm((3,))(last, s, b)), last


EXAMPLES = [
    fires("not_of_equal", lambda x, y: Not()(Equal()(x, y)), "not_equal(x, y)", TWO),
    fires("times_its_sigmoid", lambda x: x * Sigmoid()(x), "silu(x)"),
    fires("times_its_sigmoid", lambda x: Sigmoid()(x) * x, "silu(x)"),
    fires("times_tanh_of_its_softplus", lambda x: x * Tanh()(Softplus()(x)), "mish(x)"),
    fires("times_tanh_of_its_softplus", lambda x: Tanh()(Softplus()(x)) * x, "mish(x)"),
    fires("times_its_hard_sigmoid", lambda x: HardSigmoid()(x) * x, "hard_swish(x)"),
    fires("layer_norm_of_moved_axes", moved, "layer_norm(x, s, b)", IMAGES),
    fires("gelu_by_erf", by_erf, "gelu(x)"),
    fires("gelu_by_erf", lambda x: (x * 0.5) * (1.0 + Erf()(x * math.sqrt(0.5))), "gelu(x)"),
    fires("gelu_by_tanh", by_tanh, 'gelu(x; approximate="tanh")'),
    fires(
        "gelu_by_tanh",
        lambda x: x / 2.0 * (Tanh()(math.sqrt(2 / math.pi) * (x * x * x * 0.044715 + x)) + 1.0),
        'gelu(x; approximate="tanh")',
    ),
]

REFUSALS = [
    refuses("layer_norm_of_moved_axes", moved_and_read, "read elsewhere", IMAGES),
    refuses(
        "layer_norm_of_moved_axes", partial(moved, back=(0, 3, 2, 1)), "do not come back", IMAGES
    ),
    refuses(
        "layer_norm_of_moved_axes",
        lambda x, s, b: Transpose((0, 3, 2, 1))(
            LayerNorm((2, 3))(Transpose((0, 3, 2, 1))(x), s, b)
        ),
        "gamma has the axes in another order",
        IMAGES | {"s": (4, 3), "b": (4, 3)},
    ),
    refuses("not_of_equal", equality_read_twice, "read elsewhere", TWO),
    refuses("times_its_sigmoid", partial(read_twice, Sigmoid()), "read elsewhere"),
    refuses(
        "times_tanh_of_its_softplus",
        partial(read_twice, lambda x: Tanh()(Softplus()(x))),
        "read elsewhere",
    ),
    refuses("times_its_hard_sigmoid", partial(read_twice, HardSigmoid()), "read elsewhere"),
    refuses(
        "times_its_hard_sigmoid", lambda x: x * HardSigmoid(0.2)(x), r"x / 6 .* found x \* 0.2 \+"
    ),
    refuses("gelu_by_erf", partial(by_erf, scale=1.0), r"found x \* 1$"),
    refuses("gelu_by_tanh", partial(by_tanh, cubic=0.05), r"found 0\.797\d* \* \(x \+ 0\.05 \*"),
]
