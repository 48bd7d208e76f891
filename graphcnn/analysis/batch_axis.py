"""Which values of a graph belong to the items of a batch, and which node first mixes items.

Every value is FIXED, ITEMS along an axis, a SUM, MEAN or COUNT over the items, or MIXED:
`graphcnn.ir.batch` says what that means, and each operator has the rule of its results. Batches may
be cut, filled up and joined where the outputs are FIXED or ITEMS, and what was computed of pieces
can be put together for all but MIXED.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graphcnn.ir.batch import Batch, Kind, source_batch
from graphcnn.ir.batch_walk import follow
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value


@dataclass(frozen=True, eq=False)
class BatchAxes:
    """What is proven of the values of one graph.

    Attributes:
        kinds: of every value.
        causes: of every value that is neither FIXED nor ITEMS the first node that took the items
            together: it read items, and what it gave is none.
    """

    graph: Graph
    kinds: Mapping[Value, Batch]
    causes: Mapping[Value, Node]

    def __getitem__(self, value: Value) -> Batch:
        return self.kinds[value]

    @property
    def outputs(self) -> dict[str, Batch]:
        """The kinds of the outputs, by name."""
        return {name: self.kinds[value] for name, value in self.graph.outputs.items()}

    @property
    def mixing(self) -> Value | None:
        """The first output that is neither FIXED nor ITEMS; None where batches may be cut."""
        return next((v for v in self.graph.outputs.values() if v in self.causes), None)

    def reason(self, value: Value) -> str:
        """Which node took the items together, for messages: `mean "m" (net.py:3) takes the mean
        over the batch`. Only for values that are neither FIXED nor ITEMS."""
        node = self.causes[value]
        first = next(self.kinds[v] for v in node.outputs if v in self.causes)
        where = f" ({node.origin.location})" if node.origin.location else ""
        name = f' "{node.name}"' if node.name else self._belongs_to(node)
        return f"{node.op.name}{name}{where} {first.words}"

    def _belongs_to(self, node: Node) -> str:
        """For a node without a name, one of several that a node of a file became: the name of the
        next that has one, which is that of the node in the file."""
        while not node.name:
            users = self.graph.users.get(node.outputs[0])
            if not users:
                return ""
            node = users[0]
        return f' in "{node.name}"'


def batch_axes(graph: Graph, assumed: Mapping[Value, Batch] | None = None) -> BatchAxes:
    """Follow the items of a batch from the inputs, along their axis N, to all values.

    Args:
        assumed: kinds of values that are taken as given: of inputs whose batch axis is no N, or
            of a prediction, to ask what a loss makes of it.
    """
    kinds = follow(graph.nodes, assumed)
    causes: dict[Value, Node] = {}
    for node in graph.nodes:
        earlier = next((causes[v] for v in node.inputs if v in causes), node)
        for value in node.outputs:
            if not (kinds[value].is_items or kinds[value].is_fixed):
                causes[value] = earlier
    return BatchAxes(graph, kinds, causes)


def means(graph: Graph, predictions: Iterable[Value]) -> dict[str, bool]:
    """Whether each output of a graph with a loss is a mean over items, given predictions that
    have them along their axis N: then means over batches, weighted by their sizes, add up to it."""
    found = batch_axes(graph, {value: source_batch(value.type) for value in predictions}).outputs
    return {name: batch.kind in (Kind.MEAN, Kind.FIXED) for name, batch in found.items()}
