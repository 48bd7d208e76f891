"""Which of the true things that may be said of a fixed batch lead to the outputs of a graph.

One item may be along several axes behind a reshape, and what is repeated for all items may be taken
as such or as one value. A choice is judged by how far the items can be followed with it, by how
many outputs count them along the first axis, and by how many have an axis of nothing else. One is
changed at a time, or those of all operands of a node, the nearest to where it goes wrong first, as
long as that helps.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from graphcnn.analysis.batch_axis import BatchAxes, batch_axes
from graphcnn.analysis.fixed_batch import Walk
from graphcnn.ir.batch import FIXED, Batch, items
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.tensor_type import Shape

#: So many times the nodes of a graph are looked at in other choices.
_PATIENCE = 24


@dataclass(frozen=True, eq=False)
class FixedBatch:
    """The items of a graph for batches of `size`.

    Attributes:
        axes: what is proven of every value.
        alike: the operands, as (node, position), that are FIXED and were taken for equal items,
            and where these are.
        states: those on whose values it depends what is proven.
    """

    size: int
    axes: BatchAxes
    alike: Mapping[tuple[Node, int], Batch]
    states: Mapping[str, Array] = field(default_factory=dict)

    def holds(self, states: Mapping[str, Array]) -> bool:
        """Whether these are the states of the proof. A state changes by being replaced."""
        return all(states[key] is array for key, array in self.states.items())

    @property
    def reason(self) -> str:
        """Why the batch cannot be cut into its items, nothing where it can."""
        mixing = self.axes.mixing
        return "" if mixing is None else self.axes.reason(mixing)

    @property
    def pieces(self) -> Mapping[str, Batch] | None:
        """Where the items of a piece are in the outputs; None where pieces cannot be joined.

        Where items meet there are no pieces of several. One item has no other that it could meet,
        whatever is computed of it: the pieces of one are joined along a first axis of 1.
        """
        found = self.axes.outputs
        if not self.reason:
            return found
        if self.size > 1:
            return None
        shapes = {key: v.shape for key, v in self.axes.graph.outputs.items()}
        made = {key: _of_one(x, shapes[key]) for key, x in found.items()}
        return None if None in made.values() else {k: x for k, x in made.items() if x is not None}


def _of_one(found: Batch, shape: Shape) -> Batch | None:
    """Where one item is in an output of which `found` was followed beside others that meet."""
    if found.is_fixed:
        return found
    if found.is_items and shape[found.axis] == found.outer * found.inner:
        return found
    return items(0) if shape and shape[0] == 1 else None


def fixed_batch(
    graph: Graph,
    places: Mapping[Value, int],
    size: int,
    states: Mapping[str, Array] | None = None,
) -> FixedBatch:
    """Follow `size` items of a bound graph, from these axes of inputs; other inputs are FIXED.

    `states` has the values of states, which may be the same for all items.
    """
    walk = _improved(Walk(graph, places, size, arrays=states or {}).run())
    nodes = graph.nodes[: walk.stop + 1]
    kinds = {v: walk.kinds[v] for node in nodes for v in node.outputs}
    alike = {
        (node, i): x
        for node in nodes
        for i, x in enumerate(walk.operands(node))
        if x != kinds[node.inputs[i]]
    }
    compared = {key: walk.arrays[key] for key in walk.compared}
    return FixedBatch(size, batch_axes(graph, kinds), alike, compared)


def _improved(walk: Walk) -> Walk:
    """The walk after all changes of one choice that help."""
    nodes = walk.graph.nodes
    position = {node: i for i, node in enumerate(nodes)}
    patience = _PATIENCE * len(nodes)
    best = _score(walk)
    every = len(walk.graph.outputs)
    while best < (len(nodes), every, every):
        for change in _changes(walk, position):
            trial = walk.changed(change)
            patience -= trial.stop - min(change) + 1
            score = _score(trial)
            if score > best or patience < 0:
                break
        else:
            return walk
        if score <= best:
            return walk
        walk, best = trial, score
    return walk


def _score(walk: Walk) -> tuple[int, int, int]:
    if walk.stop < len(walk.graph.nodes):
        return walk.stop, 0, 0
    kinds = [walk.kinds[v] for v in walk.graph.outputs.values()]
    first = sum(kind in (FIXED, items(0)) for kind in kinds)
    return walk.stop, first, sum(kind.outer * kind.inner == 1 for kind in kinds)


def _changes(walk: Walk, position: Mapping[Node, int]) -> Iterable[dict[int, int]]:
    """Other options, by the position of their nodes, of what leads to where it goes wrong: of one
    node, and of all operands of one."""
    graph = walk.graph
    if walk.stop < len(graph.nodes):
        wrong = [graph.nodes[walk.stop]]
    else:
        outputs = graph.outputs.values()
        wrong = [v.node for v in outputs if walk.kinds[v] not in (FIXED, items(0))]
    behind = set(wrong)
    for at in range(max(position[node] for node in wrong), -1, -1):
        node = graph.nodes[at]
        if node not in behind:
            continue
        operands = dict.fromkeys(v.node for v in node.inputs)
        behind.update(operands)
        yield from _others(walk, position, [node])
        several = [each for each in operands if each in walk.options]
        if len(several) > 1:
            yield from _others(walk, position, several)


def _others(
    walk: Walk, position: Mapping[Node, int], nodes: Sequence[Node]
) -> Iterable[dict[int, int]]:
    """The other options of nodes that change together."""
    for option in range(min(len(walk.options.get(node, ())) for node in nodes)):
        change = {position[n]: option for n in nodes if walk.choices.get(n, 0) != option}
        if change:
            yield change
