"""What was chosen for every convolution of a placed graph, and by which rule, in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, build
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import plain
from graphcnn.ops.layout import Placed, inner
from graphcnn.runtime.native.code.registry import choices, heavy_op, lower
from graphcnn.runtime.native.code.target import Target

#: What an algorithm is called whose choice has no name.
PLAIN = "plain"


@dataclass(frozen=True)
class Convolution:
    """A convolution, or a gradient of one, with what runs for it.

    Attributes:
        name: of its node, or of the forward node whose gradient it is, after "d ".
        algorithm: with its tile: "direct 1×14×2".
        rule: what chose the tile, in words; nothing where there was nothing to choose.
        estimates: seconds that the cost model gives every algorithm that could do it, cheapest
            first, alone: what the layouts around it cost comes on top.
        chosen: that of them which runs.
    """

    name: str
    operator: str
    algorithm: str
    rule: str
    estimates: dict[str, float]
    chosen: str

    @property
    def why(self) -> str:
        """Why this algorithm, in words."""
        if len(self.estimates) == 1:
            return f"only {self.chosen} can"
        times = [f"{name} {seconds * 1e6:,.0f}" for name, seconds in self.estimates.items()]
        cheapest = self.chosen == next(iter(self.estimates))
        rule = "least time" if cheapest else f"{self.chosen}, for the layouts around it"
        return f"{rule}: {', '.join(times)} us estimated"


def convolutions(graph: Graph, target: Target) -> Iterator[Convolution]:
    """Every convolution of a graph that went through the native pipeline, in its order."""
    for node in graph.operations:
        found: dict[str, float] = {}
        for choice in choices(_unplaced(node), target):
            found.setdefault(choice.algorithm or PLAIN, choice.cost)
        if found:
            kernel = lower(node, target)
            chosen = node.op.algorithm if isinstance(node.op, Placed) else ""
            forward = node.origin.forward
            yield Convolution(
                f"d {forward}" if forward else node.name,
                heavy_op(node).name,
                kernel.algorithm,
                kernel.rule,
                found,
                chosen or PLAIN,
            )


def _unplaced(node: Node) -> Node:
    """The node as it was before it was placed."""
    inputs = [Input(f"x{i}", plain(v.type))() for i, v in enumerate(node.inputs)]
    return build(inner(node.op), inputs)


def format_convolutions(found: list[Convolution]) -> str:
    """A line for each: name, operator and algorithm; what chose its tile; why this algorithm."""
    rows = [(c.name, c.operator, c.algorithm) for c in found]
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"convolutions: {len(found)}"]
    for row, c in zip(rows, found, strict=True):
        cells = (f"  {cell:<{width}}" for cell, width in zip(row, wide, strict=True))
        lines.append(f"{''.join(cells)}  {'; '.join(filter(None, (c.rule, c.why)))}")
    return "\n".join(lines)
