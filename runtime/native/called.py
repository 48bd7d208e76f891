"""Steps that Python computes between native calls: operators of the user's own.

They are given what the machine code would read, and what they give is written where it would write.
"""

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphcnn.ir.evaluate import results_of
from graphcnn.ir.node import Array, Node
from graphcnn.ir.plan import Plan
from graphcnn.ir.storage import storage_bytes
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.own.operator import is_own
from graphcnn.runtime.native.addresses import Entries


class Call:
    """One step. It finds its operands, as machine code does, by their addresses of the moment."""

    def __init__(self, node: Node, addresses: Array) -> None:
        self._node, self._addresses = node, addresses
        self._types = (*(v.type for v in node.inputs), *node.types)

    def __call__(self) -> None:
        """Raises `OperatorError` where the operator does: then nothing is written."""
        node = self._node
        places = [_array(int(a), t) for a, t in zip(self._addresses, self._types, strict=True)]
        count = len(node.inputs)
        results = results_of(node, places[:count])
        for place, result in zip(places[count:], results, strict=True):
            np.copyto(place, result)


def calls(plan: Plan, entries: Entries) -> Mapping[int, Call]:
    """The steps of a plan that Python computes, by their number."""
    return {
        i: Call(step.node, entries.operands(i))
        for i, step in enumerate(plan.steps)
        if is_own(step.node.op)
    }


def _array(address: int, t: TensorType) -> Array:
    """The memory of a plain value as an array; whoever runs the plan keeps it alive."""
    shape: Any = t.shape
    memory = (ctypes.c_uint8 * storage_bytes(t)).from_address(address)
    return np.asarray(memory).view(t.dtype.numpy).reshape(shape)
