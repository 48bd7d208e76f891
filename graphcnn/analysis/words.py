"""Nodes and types in the words of people: `conv2d 5×5, padding 2`, `6×28×28`, `156 parameters`."""

from dataclasses import fields
from typing import Any, Final

import numpy as np

from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Node, Op, Value
from graphcnn.ir.sources import Constant, Role, State
from graphcnn.ir.tensor_type import N, Shape, TensorType, known_size, size_words
from graphcnn.ops.parts.body import WithBody

_NOT_SHOWN: Final = {
    "kernel", "shape", "size", "type", "epsilon", "momentum", "stream", "dtype", "key",
}  # fmt: skip


#: What need not be said, whatever the operator's default is.
_PLAIN_VALUE: Final[dict[str, Any]] = {
    "stride": (1, 1),
    "dilation": (1, 1),
    "padding": (0, 0, 0, 0),
    "scale": (1, 1),
    "rate": 0.0,
}


def describe(node: Node) -> str:
    """The operator with the attributes that a reader looks for: `conv2d 5×5, padding 2`."""
    op = node.op
    if isinstance(op, WithBody):
        return op.words
    kernel = getattr(op, "kernel", None)
    if kernel is None and len(node.inputs) > 1 and op.family == "conv":
        kernel = node.inputs[1].shape[2:]
    notes = [note for f in fields(op) if f.compare and (note := _attribute(op, f.name, f.default))]
    notes += [
        f"{op.operand_name(i)} = {value.node.op.array.item():g}"
        for i, value in enumerate(node.inputs)
        if isinstance(value.node.op, Constant) and value.node.op.array.size == 1
    ]
    if kernel is None:
        return " ".join(filter(None, (op.name, ", ".join(notes))))
    return ", ".join((f"{op.name} {'×'.join(map(str, kernel))}", *notes))


def _attribute(op: Op, name: str, default: Any) -> str:
    value = getattr(op, name)
    plain = _PLAIN_VALUE.get(name, default)
    if isinstance(value, np.ndarray) and value.size != 1:
        return ""  # the card has its shape
    if name in _NOT_SHOWN or value == plain or value is None:
        return ""
    words = name.replace("_", " ")
    if value is True:
        return words
    if isinstance(value, str):
        return value
    if not isinstance(value, tuple):
        return f"{words} {value:g}" if isinstance(value, float) else f"{words} {value}"
    same = len(set(value)) == 1
    return f"{words} {value[0] if same else ' '.join(map(str, value))}"


def dimensions(type: TensorType) -> str:
    """`6×28×28`: the shape of one item, without the batch axis `N`."""
    shape: Shape = type.shape[1:] if type.shape[:1] == (N,) else type.shape
    if shape:
        return "×".join(size_words(shape))
    return "N" if type.shape else "scalar"


def parameters(node: Node, shared: frozenset[Value]) -> str:
    """`156 parameters`, and whether other nodes use them too or they are frozen."""
    own = {v: state_of(v) for v in node.inputs if is_parameter(v)}
    if not own:
        return ""
    count = sum(known_size(v.shape) for v in own)
    marks = [
        *(["shared"] if shared.intersection(own) else []),
        *(["frozen"] if not any(state.trainable for state in own.values()) else []),
    ]
    return counted(count) + (f" ({', '.join(marks)})" if marks else "")


def counted(parameters: int) -> str:
    return f"{parameters:,} parameter" + ("" if parameters == 1 else "s")


def is_parameter(value: Value) -> bool:
    return isinstance(value.node.op, State) and value.node.op.role is Role.PARAMETER
