"""What the import of a model gives."""

from collections import Counter
from dataclasses import dataclass, field

import onnx

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array


@dataclass
class Imported:
    """A graph, the arrays of its states by key, and what the import did."""

    graph: Graph
    states: dict[str, Array]
    model: onnx.ModelProto
    #: Nodes whose results were computed while importing, by operator.
    folded: Counter[str] = field(default_factory=Counter)
    #: Nodes that were written out by a function, by operator.
    lowered: Counter[str] = field(default_factory=Counter)
    #: Outputs without elements, which are no part of the graph.
    empty: dict[str, Array] = field(default_factory=dict)
    #: Outputs that are sequences, as the outputs of the graph that are their elements.
    sequences: dict[str, list[str]] = field(default_factory=dict)
    #: Where declared shapes are not so.
    doubts: tuple[str, ...] = ()

    @property
    def metadata(self) -> dict[str, str]:
        return {p.key: p.value for p in self.model.metadata_props}
