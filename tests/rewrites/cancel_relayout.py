"""Relayouts that undo each other, or stand around an elementwise operator."""

from typing import Any

from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.activation import Relu, Sigmoid
from graphcnn.ops.layout import Relayout
from graphcnn.ops.softmax import Softmax
from graphcnn.passes.layout.cancel_relayout import CancelRelayout
from rewrites import Example, RefusalExample

PLAIN = {"x": TensorType((N, 16, 3, 2), DType.FLOAT64)}
BLOCKED = {"s": TensorType((2, 16, 3, 2), DType.FLOAT64, "c16")}
NOT_WHOLE = {"s": TensorType((2, 3, 3, 2), DType.FLOAT64, "c16")}
C16, C8 = Relayout("c16"), Relayout("c8")


def fires(rule: str, build: Any, result: str, sources: Any = None) -> Example:
    return Example(rule, CancelRelayout(), build, result, sources or PLAIN)


def refuses(rule: str, build: Any, reason: str, sources: Any = None) -> RefusalExample:
    return RefusalExample(rule, CancelRelayout(), build, reason, sources or PLAIN)


def back(x: Value) -> Value:
    return Relayout()(x)


def read_twice(s: Value) -> tuple[Value, Value]:
    y = Relu()(back(s))
    return C16(y), Sigmoid()(y)


EXAMPLES = [
    fires("relayout_of_relayout", lambda x: back(C16(C8(x))), "x"),
    fires(
        "relayout_of_relayout",
        lambda x: Sigmoid()(back(C8(back(C16(x))))) - Relu()(x),
        "sub(sigmoid(x), relu(x))",
    ),
    fires("relayout_to_itself", lambda x: Relu()(back(x)), "relu(x)"),
    fires(
        "relayout_around",
        lambda s: back(C16(Relu()(back(s)))),
        'relayout(placed(s; op=relu(), reads=("c16",), writes=("c16",)))',
        BLOCKED,
    ),
    fires(
        "relayout_around",
        lambda s, w: back(C16(back(s) * w)),
        'relayout(placed(s, w; op=mul(), reads=("c16", "plain"), writes=("c16",)))',
        {**BLOCKED, "w": (16, 1, 1)},
    ),
    fires(
        "relayout_around",
        lambda s: back(C16(Relu()(back(s)))),
        'relayout(placed(s; op=relu(), reads=("c16",), writes=("c16",)))',
        NOT_WHOLE,
    ),
]

REFUSALS = [
    refuses(
        "relayout_around",
        lambda s: C16(Sigmoid()(back(s))),
        "sigmoid cannot work in c16",  # 13 lanes of zeros would become 1/2
        NOT_WHOLE,
    ),
    refuses(
        "relayout_around",
        lambda s: C16(Softmax(1)(back(s))),
        "softmax cannot work in c16",
        BLOCKED,
    ),
    refuses(
        "relayout_around",
        lambda s, x: C16(back(s) + x),
        "some operand does not lie as c16 before",
        {**BLOCKED, "x": TensorType((2, 16, 3, 2), DType.FLOAT64)},
    ),
    refuses("relayout_around", read_twice, "the plain result is read by others", BLOCKED),
]
