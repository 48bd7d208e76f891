"""Fuse operators into steps that read and write memory once: anchors with epilogues, and groups.

    relu(conv2d(x, w, b) + r)      -> fused(x, w, b, r; conv2d, add, relu)    anchor and epilogue
    w - 0.1 · (0.9 · v + g)        -> fused(w, v, g; mul, add, mul, sub)      elementwise group

A group grows by merging along edges. Two kinds of nodes can be merged: elementwise ones with
results of one shape, and one heavy operator (an anchor) with elementwise ones of the shape of its
result. Constants of one element and broadcasts cost nothing, so every group takes its own copy.

**No cycles.** A group becomes one node, so it must be convex: no path may leave it and come back.
The groups stand in a graph of their own, one node for each; it is the original graph at first, so
it has no cycle. Merging A with B, where B reads A, makes a cycle exactly where a path leads from A
to B through a third group. Such a path is looked for before each merge, and the merge is refused
if there is one. So the graph of the groups never has a cycle, and its order is that of the result.

Edges whose value nobody else reads are merged first: they save a write and a read. Then the others,
which save a read; their value becomes one more result of the group. What gives states their new
values, or waits for gradients that are kept (`graphcnn.passes.training.closing`), is merged with
its like alone, so that it can run after all else.
The numbers are the same bits: the body does what the nodes did. `inline` undoes it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value, build
from graphcnn.ir.origin import inherit
from graphcnn.ir.sources import Constant, Input
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.fused import Fused, fused
from graphcnn.ops.parts.body import inlined
from graphcnn.passes.driver.base import Pass, PassLog, Refusal
from graphcnn.passes.training.closing import stages


def is_free(node: Node) -> bool:
    """Whether a node costs nothing in the body that reads it."""
    if isinstance(node.op, Constant):
        return int(node.op.array.size) == 1
    return isinstance(node.op, BroadcastTo)


@dataclass(frozen=True)
class FuseOps(Pass):
    """Make groups of operators into `fused` operators.

    Attributes:
        epilogues: merge heavy operators with the elementwise ones that follow.
        elementwise: merge elementwise operators with each other.
        anchor_results: results that a heavy operator's group may have.
        most_operands: inputs and results that an operator may have after fusion.
        most_nodes: operators in one body.
    """

    epilogues: bool = True
    elementwise: bool = True
    anchor_results: int = 1
    most_operands: int = 16
    most_nodes: int = 64

    stage: ClassVar[str] = "fused"

    def run(self, graph: Graph, log: PassLog) -> Graph:
        groups = _Groups(graph, self, log)
        if self.epilogues:
            groups.merge_edges(anchored=True, shared=False)
        if self.elementwise:
            groups.merge_edges(anchored=False, shared=False)
        if self.epilogues:  # again, for groups that feed an epilogue as a whole
            groups.merge_edges(anchored=True, shared=False)
            groups.merge_edges(anchored=True, shared=True)
        if self.elementwise:
            groups.merge_edges(anchored=False, shared=True)
        return groups.rebuilt(self.name)


@dataclass(eq=False)
class _Group:
    """Nodes that become one, in the order of the graph."""

    nodes: list[Node]
    #: Places of the first and last node in the graph's order.
    first: int
    last: int

    @property
    def anchors(self) -> list[Node]:
        return [n for n in self.nodes if n.op.anchor]


class _Groups:
    def __init__(self, graph: Graph, options: FuseOps, log: PassLog) -> None:
        self.graph, self.options, self.log = graph, options, log
        self.place = {node: i for i, node in enumerate(graph.nodes)}
        self.of = {node: _Group([node], i, i) for i, node in enumerate(graph.nodes)}
        self.stage = stages(graph)

    # Which groups to merge

    def merge_edges(self, anchored: bool, shared: bool) -> None:
        """Merge along every edge that may be, for anchors or for others, until none is left."""
        for node in self.graph.nodes:
            if not (node.op.elementwise or node.op.anchor) or len(node.outputs) != 1:
                continue
            merged = True
            while merged:
                merged = False
                for user in self.graph.users.get(node.output, ()):
                    a, b = self.of[node], self.of[user]
                    if a is b or bool(a.anchors or b.anchors) != anchored:
                        continue
                    if self._may_merge(node, user, a, b, shared):
                        self._merge(a, b)
                        merged = True
                        break

    def _may_merge(self, node: Node, user: Node, a: _Group, b: _Group, shared: bool) -> bool:
        if not user.op.elementwise or user.output.shape != node.output.shape:
            return False
        if self.stage(node) != self.stage(user):
            return False
        anchors = (*a.anchors, *b.anchors)
        inside = {*a.nodes, *b.nodes}
        if len(anchors) > 1 or any(v.node in inside for n in anchors for v in n.inputs):
            return False
        if not shared and self._leaves(node.output, inside):
            return False
        between = self._path_outside(a, b)
        if between is not None:
            self._refuse(node, f"its result reaches {_label(user)} through {_label(between)}, too")
            return False
        results = self._results(inside)
        if anchors and len(results) > self.options.anchor_results:
            self._refuse(
                anchors[0],
                f"with {_label(user)} it would have {len(results)} results, allowed are "
                f"{self.options.anchor_results}",
            )
            return False
        if anchors and any(v.dtype is not anchors[0].output.dtype for v in results):
            self._refuse(
                anchors[0],
                f"with {_label(user)} its result would be of another element type than the sums",
            )
            return False
        operands = len(results) + len(self._operands(inside))
        if operands > self.options.most_operands:
            most = self.options.most_operands
            self._refuse(node, f"with {_label(user)}: {operands} operands, allowed are {most}")
            return False
        return len(inside) <= self.options.most_nodes

    def _refuse(self, node: Node, reason: str) -> None:
        self.log.refuse(Refusal(reason, node, "epilogue" if node.op.anchor else "group"))

    def _leaves(self, value: Value, inside: set[Node]) -> bool:
        """Whether anything outside reads the value."""
        users = self.graph.users.get(value, ())
        return value in self.graph.results or any(user not in inside for user in users)

    def _results(self, inside: set[Node]) -> list[Value]:
        """The values that a group makes for others, in the order of the graph."""
        nodes = sorted(inside, key=self.place.__getitem__)
        return [v for n in nodes for v in n.outputs if self._leaves(v, inside)]

    def _operands(self, inside: set[Node]) -> list[Value]:
        """The values that a group reads, free nodes looked through: those of the anchor first."""
        found: dict[Value, None] = {}
        for node in sorted(inside, key=lambda n: (not n.op.anchor, self.place[n])):
            for value in node.inputs:
                if value.node not in inside:
                    source = value if node.op.anchor else _source(value)
                    if source is not None:
                        found[source] = None
        return list(found)

    def _path_outside(self, a: _Group, b: _Group) -> Node | None:
        """A node of a third group on a path from `a` to `b`, if there is one.

        Of groups, not of nodes: one that begins after `b` may lead to a group that began before.
        """
        seen = {a, b}
        stack = [(u, u) for n in a.nodes for u in self._users(n) if self.of[u] not in seen]
        while stack:
            node, start = stack.pop()
            group = self.of[node]
            if group is b:
                return start
            if group in seen:
                continue
            seen.add(group)
            stack += [(u, start) for n in group.nodes for u in self._users(n)]
        return None

    def _users(self, node: Node) -> Iterable[Node]:
        return (user for v in node.outputs for user in self.graph.users.get(v, ()))

    def _merge(self, a: _Group, b: _Group) -> None:
        both = sorted((*a.nodes, *b.nodes), key=self.place.__getitem__)
        group = _Group(both, min(a.first, b.first), max(a.last, b.last))
        self.of.update(dict.fromkeys(both, group))

    # The graph of the groups

    def rebuilt(self, by: str) -> Graph:
        graph = self.graph
        new: dict[Value, Value] = {}
        for group in self._ordered():
            if len(group.nodes) == 1 and not self._gains(group.nodes[0]):
                (node,) = group.nodes
                operands = tuple(new[v] for v in node.inputs)
                same = operands == node.inputs
                made = node if same else build(node.op, operands, node.name, node.origin)
                new.update(zip(node.outputs, made.outputs, strict=True))
            else:
                self._fuse(group, new, by)
        if all(new[v] is v for v in graph.results):
            return graph
        return Graph.of(
            (new[v] for v in graph.inputs),
            {key: new[v] for key, v in graph.outputs.items()},
            {new[s]: new[v] for s, v in graph.updates.items()},
            graph.name,
        )

    def _gains(self, node: Node) -> bool:
        """Whether a node alone takes broadcasts or numbers into a body of its own."""
        return (
            self.options.elementwise
            and node.op.elementwise
            and any(is_free(v.node) for v in node.inputs)
            and bool(self._operands({node}))
        )

    def _ordered(self) -> list[_Group]:
        """Every group after those that it reads."""
        order: list[_Group] = []
        seen: set[_Group] = set()
        for root in self.graph.nodes:
            stack = [(self.of[root], False)]
            while stack:
                group, done = stack.pop()
                if done:
                    order.append(group)
                elif group not in seen:
                    seen.add(group)
                    stack.append((group, True))
                    reads = {self.of[v.node]: None for n in group.nodes for v in n.inputs}
                    stack += [(g, False) for g in reversed(reads) if g not in seen]
        return order

    def _fuse(self, group: _Group, new: dict[Value, Value], by: str) -> None:
        """Make one node of a group."""
        inside = set(group.nodes)
        operands, results = self._operands(inside), self._results(inside)
        inner = dict(zip(operands, _inputs(operands), strict=True))
        inputs = tuple(inner.values())
        for node in group.nodes:
            for value in node.inputs:
                _copy_free(value, inner)
            made = build(node.op, [inner[v] for v in node.inputs], node.name, node.origin)
            inner.update(zip(node.outputs, made.outputs, strict=True))
        named = {f"y{i}": inner[v] for i, v in enumerate(results)}
        op = fused(Graph.of(inputs, named, name="fused"))
        main = (group.anchors or group.nodes[-1:])[0]
        name = main.name or next((n.name for n in reversed(group.nodes) if n.name), "")
        made = build(op, [new[v] for v in operands], name, main.origin.by(by))
        new.update(zip(results, made.outputs, strict=True))
        self.log.fired["epilogue" if group.anchors else "group"] += 1


def _source(value: Value) -> Value | None:
    """What is read where a value is read: through broadcasts, and nothing for a number."""
    while is_free(value.node):
        if isinstance(value.node.op, Constant):
            return None
        (value,) = value.node.inputs
    return value


def _inputs(values: Sequence[Value]) -> list[Value]:
    return [Input(f"x{i}", v.type)(name=f"x{i}") for i, v in enumerate(values)]


def _copy_free(value: Value, inner: dict[Value, Value]) -> None:
    """A copy of the free nodes that `value` stands for, inside a body."""
    if value in inner:
        return
    node = value.node
    for operand in node.inputs:
        _copy_free(operand, inner)
    made = build(node.op, [inner[v] for v in node.inputs], node.name, node.origin)
    inner[value] = made.output


def _label(node: Node) -> str:
    return f'{node.op.name} "{node.name}"' if node.name else node.op.name


def inline(graph: Graph) -> Graph:
    """`graph` with every fused operator replaced by its body: the inverse of the pass."""

    def unfused(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        if not isinstance(node.op, Fused):
            return None
        with inherit(node.origin):
            new = inlined(node.op.body.nodes, dict(zip(node.op.body.inputs, inputs, strict=True)))
        return [new[v] for v in node.op.body.outputs.values()]

    return graph.transform(unfused)
