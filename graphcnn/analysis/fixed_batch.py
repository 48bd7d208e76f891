"""What is proven of a graph whose batch size is a number: where its items stand.

A file of a network often fixes the batch to 1 or 2. What it says of b items it says of n: of b at a
time, as long as they do not meet. So the items are followed from an axis of every input that has
them, as those of an open batch are, and three things are asked besides, which only an open batch
answers by itself:

    an axis of items has as many elements as they have: nothing was repeated along it, as an axis
    of size 1 may be;

    a value that is the same for every item, such as a token that is put in front of each, has
    items as well, since its parts along the batch are equal. Where b is 1 there is one part;

    behind a reshape one item may be along any axis of size 1 or, where there is none, along others
    of which it has all elements. Whatever is said of it is true, but not all leads to the outputs:
    `batch_choices` looks for what does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from graphcnn.ir.batch import FIXED, Batch, Batches, items, mixed
from graphcnn.ir.batch_moves import rearrangements
from graphcnn.ir.batch_walk import follow_op
from graphcnn.ir.graph import Graph
from graphcnn.ir.item_places import take_items
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.sources import Constant, State
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.shape import Reshape


@dataclass(eq=False)
class Walk:
    """The items of a bound graph, followed up to the first node where they meet.

    Attributes:
        size: of the batch.
        places: the inputs that have items, and along which axis; other inputs are FIXED.
        choices: which of its options a node has, if it is not the first.
        kinds: of the values of the nodes before `stop`.
        options: of nodes that have several, all of them true.
        stop: position of the first node whose results are neither FIXED nor ITEMS, or the number
            of nodes.
    """

    graph: Graph
    places: Mapping[Value, int]
    size: int
    choices: dict[Node, int] = field(default_factory=dict)
    kinds: dict[Value, Batch] = field(default_factory=dict)
    options: dict[Node, list[Batch]] = field(default_factory=dict)
    stop: int = 0
    #: The values of states, and of which it was asked whether they are equal for all items.
    arrays: Mapping[str, Array] = field(default_factory=dict)
    compared: set[str] = field(default_factory=set)

    def run(self, start: int = 0) -> "Walk":
        """Follow the items from the node at `start`, before which all is known."""
        nodes = self.graph.nodes
        for self.stop in range(start, len(nodes)):
            node = nodes[self.stop]
            found = self._kinds_of(node)
            self.kinds.update(zip(node.outputs, found, strict=True))
            if not all(x.is_items or x.is_fixed for x in found):
                return self
        self.stop = len(nodes)
        return self

    def changed(self, choices: Mapping[int, int]) -> "Walk":
        """The walk where nodes, by their positions, have others of their options."""
        nodes = self.graph.nodes
        changed = self.choices | {nodes[at]: option for at, option in choices.items()}
        walk = replace(self, choices=changed, kinds=dict(self.kinds), options=dict(self.options))
        return walk.run(min(choices))

    def operands(self, node: Node) -> Batches:
        """The kinds of what a node reads: of what is FIXED, that of equal items where it is taken
        for these."""
        given = tuple([self.kinds[v] for v in node.inputs])
        if self._options(node, given) or not _mixes(_followed(node, given, self.size)):
            return given
        taken = self._alike(node, given)
        return given if _mixes(_followed(node, taken, self.size)) else taken

    def _kinds_of(self, node: Node) -> Batches:
        self.options.pop(node, None)
        value = node.outputs[0]
        if value in self.places:
            return (items(self.places[value]),)
        given = tuple([self.kinds[v] for v in node.inputs])
        options = self._options(node, given)
        if len(options) > 1:
            self.options[node] = options
        if options:
            return (options[self.choices.get(node, 0) % len(options)],)
        found = _followed(node, given, self.size)
        if not _mixes(found):
            return found
        again = _followed(node, self._alike(node, given), self.size)
        return found if _mixes(again) else again

    def _options(self, node: Node, given: Batches) -> list[Batch]:
        """Where the items may be in the result of a node that only moves or repeats elements;
        nothing for others, and where it takes items apart."""
        op, value = node.op, node.outputs[0]
        if isinstance(op, Reshape) and given[0].is_items:
            found = rearrangements(given[0], node.inputs[0].shape, op.shape)
            single = [x for x in found if x.outer * x.inner == 1]
            return single or found
        repeats = isinstance(op, BroadcastTo | Constant | State) and all(x.is_fixed for x in given)
        if self.size > 1 and repeats:
            places = [items(axis) for axis, d in enumerate(value.shape) if d == self.size]
            return [FIXED, *(x for x in places if self._has_equal_parts(value, x))]
        return []

    def _alike(self, node: Node, given: Batches) -> Batches:
        """The operands with those that are FIXED as items, where the parts of each are equal: at
        the same axis, counted from the last, as the items of another operand."""
        found = [*given]
        for i, value in enumerate(node.inputs):
            for x, other in zip(given, node.inputs, strict=True):
                axis = x.axis + value.type.rank - other.type.rank
                if not found[i].is_fixed or not x.is_items or axis < 0:
                    continue
                place, size = x.at(axis), self.size * x.outer * x.inner
                if value.shape[axis] == size and self._has_equal_parts(value, place):
                    found[i] = place
        return tuple(found)

    def _has_equal_parts(self, value: Value, place: Batch) -> bool:
        """Whether a value that is FIXED is proven to be the same for all items."""
        if self.size == 1:
            return True
        axis = place.axis
        while value.shape[axis] != 1:
            op = value.node.op
            if isinstance(op, Constant):
                return _are_equal(op.evaluate(), place, self.size)
            if isinstance(op, State):
                if op.key not in self.arrays:
                    return False
                self.compared.add(op.key)
                return _are_equal(self.arrays[op.key], place, self.size)
            if not isinstance(op, BroadcastTo):
                return False
            (source,) = value.node.inputs
            axis += source.type.rank - value.type.rank
            if axis < 0:
                return True
            place, value = place.at(axis), source
        return True


def _are_equal(array: Array, place: Batch, size: int) -> bool:
    """Whether an array has the same bits for all items."""
    first = take_items(array, place, 0, 1).tobytes()
    parts = (take_items(array, place, i, i + 1) for i in range(1, size))
    return all(part.tobytes() == first for part in parts)


def _mixes(found: Batches) -> bool:
    return any(x.is_mixed for x in found)


def _followed(node: Node, given: Batches, size: int) -> Batches:
    """The rule of the operator, for results whose axis of items has the right size."""
    types = tuple([v.type for v in node.inputs])
    found = follow_op(node.op, given, types, node.types)
    return tuple(
        mixed(f"repeats items along axis {x.axis}")
        if x.is_items and t.shape[x.axis] != x.outer * size * x.inner
        else x
        for x, t in zip(found, node.types, strict=True)
    )
