"""What of the weights of a recurrent node belongs to one direction, in the order of our layers."""

from dataclasses import dataclass

import numpy as np

from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Constant
from graphcnn.onnx.importing.context import Call, Known, reshaped
from graphcnn.onnx.importing.rules.parts import cut, take
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.shape import Reshape, Slice, Transpose


@dataclass(frozen=True)
class Part:
    """What is read of the tensor of one direction: `halves` of its first axis, added up, with the
    gates in this order. All of it, as it is, by default."""

    gates: tuple[int, ...] = ()
    halves: tuple[int, ...] = ()

    def of_array(self, x: Array) -> Array:
        if self.halves:
            size = len(x) // 2
            first, *others = (x[k * size : (k + 1) * size] for k in self.halves)
            x = first + others[0] if others else first
        if self._keeps_order:
            return np.array(x)
        by_gate = x.reshape(len(self.gates), -1)[list(self.gates)]
        return np.asarray(by_gate.reshape(x.shape))

    def of_value(self, call: Call, x: Value) -> Value:
        if self.halves:
            size = int(x.shape[0]) // 2  # type: ignore[arg-type]
            first, *others = (cut(x, 0, k * size, size) for k in self.halves)
            x = first + others[0] if others else first
        if self._keeps_order:
            return x
        count = len(self.gates)
        each = int(x.shape[0]) // count  # type: ignore[arg-type]
        by_gate = Reshape((count, each, *x.shape[1:]))(x)
        return Reshape(x.shape)(take(call, by_gate, 0, np.array(self.gates)))

    @property
    def _keeps_order(self) -> bool:
        return self.gates == tuple(range(len(self.gates)))


def part(call: Call, index: int, place: int, what: Part, name: str, axis: int = 0) -> Value:
    """What of an input lies at a place of an axis, that of directions. Of an initializer it is a
    parameter of its own, called `name`, which nodes share that read the same."""
    found = call.given(index)
    if not isinstance(found, Known):
        one = cut(found, axis, place, 1)
        return what.of_value(call, reshaped(one, (*one.shape[:axis], *one.shape[axis + 1 :])))
    key = (found, axis, place, what)
    if key not in call.store.parts:
        call.store.fold(found.array.shape, found.array.dtype)
        array = what.of_array(found.array.take(place, axis))
        call.store.parts[key] = Known(array, name, found.learned)
    return call.store.value(call.store.parts[key])


def is_zero(call: Call, index: int) -> bool:
    """Whether an input is zeros, as its numbers or its nodes say: parts and repetitions of a
    constant zero. Exporters store them where a network begins with no state."""
    found = call.given(index)
    if isinstance(found, Known):
        return not found.array.any()
    while isinstance(found.node.op, Reshape | BroadcastTo | Slice | Transpose):
        found = found.node.inputs[0]
    op = found.node.op
    return isinstance(op, Constant) and not op.array.any()
