"""What is proven of a graph whose batch size is a number: where its items stand.

A file of a network often fixes the batch to 1 or 2. What it says of b items it says of n: of b at a
time, as long as they do not meet. So the items are followed from an axis of every input that has
them, as those of an open batch are, and two things are asked besides, which only an open batch
answers by itself:

    an axis of items has as many elements as they have: nothing was repeated along it, as an axis
    of size 1 may be;

    a value that is the same for every item, such as a token that is put in front of each, has
    items as well, since its parts along the batch are equal. Where b is 1 there is one part.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from graphcnn.analysis.batch_axis import BatchAxes, batch_axes
from graphcnn.batch import Batch, Batches, items, mixed
from graphcnn.batch_moves import rearrangements
from graphcnn.batch_walk import follow_op
from graphcnn.graph import Graph
from graphcnn.ir import Node, Value
from graphcnn.item_places import take_items
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.shape import Reshape
from graphcnn.sources import Constant


@dataclass(frozen=True, eq=False)
class FixedBatch:
    """The items of a graph for batches of `size`.

    Attributes:
        axes: what is proven of every value.
        alike: the operands, as (node, position), that are FIXED and were taken for equal items,
            and where these are.
    """

    size: int
    axes: BatchAxes
    alike: Mapping[tuple[Node, int], Batch]

    @property
    def reason(self) -> str:
        """Why the batch cannot be cut into its items, nothing where it can."""
        mixing = self.axes.mixing
        return "" if mixing is None else self.axes.reason(mixing)


def fixed_batch(graph: Graph, places: Mapping[Value, int], size: int) -> FixedBatch:
    """Follow `size` items of a bound graph, from these axes of inputs; other inputs are FIXED.

    One item alone may be along any axis of size 1. Of those behind a reshape the first is tried,
    and the last. All that either says is true; what leads to the outputs is taken, and where both
    do, to more outputs whose first axis counts the items.
    """
    first = _walked(graph, places, size, 0)
    if size > 1 or all(first.axes[v] == items(0) for v in graph.outputs.values()):
        return first
    last = _walked(graph, places, size, -1)
    return max((first, last), key=_rank)


def _rank(found: FixedBatch) -> tuple[bool, int]:
    outputs = list(found.axes.outputs.values())
    return not found.reason, outputs.count(items(0))


def _walked(graph: Graph, places: Mapping[Value, int], size: int, which: int) -> FixedBatch:
    kinds: dict[Value, Batch] = {v: items(axis) for v, axis in places.items()}
    alike: dict[tuple[Node, int], Batch] = {}
    for node in graph.nodes:
        if node.outputs[0] in kinds:
            continue
        given = tuple([kinds[v] for v in node.inputs])
        found = _followed(node, given, size, which)
        if any(x.is_mixed for x in found) and not any(x.is_mixed for x in given):
            taken = _alike(node, given, size)
            again = _followed(node, taken, size, which) if taken != given else found
            if not any(x.is_mixed for x in again):
                found = again
                alike |= {(node, i): x for i, x in enumerate(taken) if x != given[i]}
        kinds.update(zip(node.outputs, found, strict=True))
    return FixedBatch(size, batch_axes(graph, kinds), alike)


def _followed(node: Node, given: Batches, size: int, which: int) -> Batches:
    """The rule of the operator, for results whose axis of items has the right size."""
    types = tuple([v.type for v in node.inputs])
    if isinstance(node.op, Reshape) and given[0].is_items:
        fewest = rearrangements(given[0], types[0].shape, node.op.shape)
        least = [x for x in fewest if x.outer * x.inner == fewest[0].outer * fewest[0].inner]
        if least:
            return (least[which],)
    found = follow_op(node.op, given, types, node.types)
    return tuple(
        mixed(f"repeats items along axis {x.axis}")
        if x.is_items and t.shape[x.axis] != x.outer * size * x.inner
        else x
        for x, t in zip(found, node.types, strict=True)
    )


def _alike(node: Node, given: Batches, size: int) -> Batches:
    """The operands with those that are FIXED as items, where the parts of each are equal: at the
    same axis, counted from the last, as the items of another operand."""
    found = [*given]
    for i, value in enumerate(node.inputs):
        for x, other in zip(given, node.inputs, strict=True):
            axis = x.axis + value.type.rank - other.type.rank
            if not found[i].is_fixed or not x.is_items or axis < 0:
                continue
            place = x.at(axis)
            if value.shape[axis] == size * x.outer * x.inner and _equal_parts(value, place, size):
                found[i] = place
    return tuple(found)


def _equal_parts(value: Value, place: Batch, size: int) -> bool:
    """Whether a value that is FIXED is proven to be the same for all items."""
    if size == 1:
        return True
    axis = place.axis
    while value.shape[axis] != 1:
        op = value.node.op
        if isinstance(op, Constant):
            array = op.evaluate()
            first = take_items(array, place, 0, 1).tobytes()
            parts = (take_items(array, place, i, i + 1) for i in range(1, size))
            return all(part.tobytes() == first for part in parts)
        if not isinstance(op, BroadcastTo):
            return False
        (source,) = value.node.inputs
        axis += source.type.rank - value.type.rank
        if axis < 0:
            return True
        place, value = place.at(axis), source
    return True
