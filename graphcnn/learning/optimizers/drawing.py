"""The update of one parameter as a graph of its own, and the formula that its class tells."""

import inspect
import re
from typing import Any

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Value
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType


def update_graph(optimizer: Any, shape: tuple[int, ...]) -> Graph:
    """From p, its gradient g, the slots, lr and t to their new values."""
    p, g = _input("p", shape), _input("g", shape)
    slots = {name: _input(name, shape) for name in optimizer.slots_of(p)}
    slots |= {name: _input(name) for name in optimizer.settings}
    slots |= {name: _input(name, (), DType.INT64) for name in optimizer.counters}
    lr, t = _input("lr"), _input("t", (), DType.INT64)
    new, moved = optimizer.update(p, g, slots, lr, t)
    outputs = {"new p": new, **{f"new {name}": value for name, value in moved.items()}}
    used = Graph.of([p, g, *slots.values(), lr, t], outputs)
    read = {v for node in used.nodes for v in node.inputs}
    inputs = [v for v in used.inputs if v in read]  # not every rule asks for t
    return Graph.of(inputs, outputs, name=type(optimizer).__name__)


def formula(optimizer: Any) -> list[str]:
    """The lines of the docstring that are equations; of what goes around another, those of both."""
    inner = getattr(optimizer, "optimizer", None)
    lines = (line.strip() for line in (inspect.getdoc(type(optimizer)) or "").splitlines())
    own = [re.sub(r" {3,}", "; ", line) for line in lines if re.match(_EQUATION, line)]
    return [*([] if inner is None else formula(inner)), *own]


#: A name, perhaps with a mark, and what it becomes.
_EQUATION = r"(amsgrad: |where )?[\ŵ]+ [+-]?= "


def _input(name: str, shape: tuple[int, ...] = (), dtype: DType = DType.FLOAT32) -> Value:
    return Input(name, TensorType(shape, dtype))(name=name)
