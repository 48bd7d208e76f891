"""A graph in float64, with the types that its values had: what rounding is measured against."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value
from graphcnn.ir.tensor_type import DType
from graphcnn.passes.driver.base import PassLog
from graphcnn.passes.lowering.retype import IN_FLOAT64

#: The types that become float64.
ROUNDED = tuple(IN_FLOAT64.becomes)
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
        log = PassLog()
        wide = IN_FLOAT64(graph, log)
        values = {v: log.became.get(v, v) for node in graph.nodes for v in node.outputs}
        return cls(wide, values, {new: old.dtype for old, new in values.items()})


def wide(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays as a graph in float64 takes them."""
    return {k: IN_FLOAT64.array(np.asarray(a)) for k, a in arrays.items()}
