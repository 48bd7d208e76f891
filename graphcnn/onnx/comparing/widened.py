"""A graph in float64: the same formulas, with next to no rounding.

Every float type of 16 bits or more becomes float64, constants and states with their numbers as
they are. Shorter floats stay, as integers do: to store a number in them is a step of the model,
which the exact result takes too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value, build, freeze
from graphcnn.ir.tensor_type import DType, TensorType

#: The types that become float64.
ROUNDED = (DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32)
#: The types in which arithmetic is done.
FLOATS = (*ROUNDED, DType.FLOAT64)


@dataclass(frozen=True, eq=False)
class Widened:
    """`graph` in float64. `values` maps the values of the graph as it was to those of this one,
    `kinds` those of this one to the types that they had."""

    graph: Graph
    values: Mapping[Value, Value]
    kinds: Mapping[Value, DType]

    @classmethod
    def of(cls, graph: Graph) -> "Widened":
        new: dict[Value, Value] = {}
        for node in graph.nodes:
            changes = {k: _wide(x) for k, x in node.op.attributes.items() if _wide(x) is not x}
            op = replace(node.op, **changes) if changes else node.op
            made = build(op, [new[v] for v in node.inputs], node.name, node.origin)
            new.update(zip(node.outputs, made.outputs, strict=True))
        wide = Graph.of(
            (new[v] for v in graph.inputs),
            {key: new[v] for key, v in graph.outputs.items()},
            {new[s]: new[v] for s, v in graph.updates.items()},
            graph.name,
        )
        return cls(wide, new, {wide_value: v.dtype for v, wide_value in new.items()})


def _wide(x: Any) -> Any:
    """An attribute that names a type, has one, or holds numbers of one."""
    if isinstance(x, DType):
        return DType.FLOAT64 if x in ROUNDED else x
    if isinstance(x, TensorType) and x.dtype in ROUNDED:
        return replace(x, dtype=DType.FLOAT64)
    if isinstance(x, np.ndarray) and DType.of(x.dtype) in ROUNDED:
        return freeze(x.astype(np.float64))
    return x


def wide(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays as a widened graph takes them."""
    return {k: widened_array(np.asarray(a)) for k, a in arrays.items()}


def widened_array(a: Array) -> Array:
    """An array as a widened graph has it."""
    return a.astype(np.float64) if DType.of(a.dtype) in ROUNDED else a
