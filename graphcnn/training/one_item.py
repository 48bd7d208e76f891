"""Batches of one item, which a batch normalisation of single numbers cannot be trained on."""

import math
from collections.abc import Mapping

from graphcnn.errors import TrainingError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node
from graphcnn.ir.tensor_type import item_axis
from graphcnn.ops.norm import BatchNormTrain


def of_one_pixel(graph: Graph) -> Node | None:
    """The first batch normalisation whose items have one pixel."""
    norms = (n for n in graph.nodes if isinstance(n.op, BatchNormTrain))
    return next((n for n in norms if math.prod(n.inputs[0].shape[2:]) == 1), None)


def refuse_one_item(
    node: Node | None, graph: Graph, feeds: Mapping[str, Array], shards: int
) -> None:
    """Raise `TrainingError` where such a normalisation sees one item."""
    if node is not None:
        first = graph.inputs[0]
        count = feeds[first.node.name].shape[item_axis(first.shape) or 0]
        if count // shards == 1:
            raise TrainingError(one_pixel_message(node))


def one_pixel_message(node: Node) -> str:
    """Why a batch of one item cannot be trained on."""
    where = f" ({node.origin.location})" if node.origin.location else ""
    return (
        f'batch_norm "{node.name}"{where} sees one number per channel in a batch of one item: its '
        "variance is 0, and the result does not depend on the item. Take batches of two or more; "
        "drop_last=True leaves out a last batch that is too short"
    )
