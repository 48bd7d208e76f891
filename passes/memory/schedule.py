"""Put the nodes in the order that needs the least memory at a time.

Greedy list scheduling: of the nodes whose inputs are there, run the one that makes the fewest
bytes more than it frees. The order of the graph, and one that keeps it except that a node which
frees memory runs at once, compete with it; the lowest peak wins, the graph's own order first where
they are equal. The same graph gives the same order, always.

A state's new value can be written straight over the old one if every node that reads the old one
has run. So each reader is put before the update, unless it reads the new value, too. And what does
nothing but update states, element by element, comes last: until then a run can be given up, with
every state as it was, and no second copy of the states is needed for that.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value
from graphcnn.ir.plan import is_step, reduced, root
from graphcnn.ir.storage import storage_shape
from graphcnn.ir.tensor_type import TensorType, known_size
from graphcnn.passes.driver.base import Pass, PassLog
from graphcnn.passes.training.closing import stages

#: What comes first among the nodes that can run: rule(node, bytes more), the smallest.
Rule = Callable[[Node, int], tuple[int, int, int]]


@dataclass(frozen=True)
class Schedule(Pass):
    """Reorder the nodes of a graph for the lowest peak of live bytes; `N` counts as 1."""

    stage: ClassVar[str] = "definition"

    def run(self, graph: Graph, log: PassLog) -> Graph:
        memory = _Memory(graph)
        place = {node: i for i, node in enumerate(graph.nodes)}
        stage = stages(graph)
        rules: dict[str, Rule] = {
            "given": lambda node, more: (stage(node), 0, place[node]),
            "greedy": lambda node, more: (stage(node), more, place[node]),
            "eager": lambda node, more: (stage(node), min(more, 0), place[node]),
        }
        orders = {name: memory.order(rule) for name, rule in rules.items()}
        peaks = {name: memory.peak(order) for name, order in orders.items()}
        best = min(peaks, key=lambda name: peaks[name])
        log.notes.append(
            f"peak {peaks[best]} bytes, {best} order ("
            + ", ".join(f"{name} {peak}" for name, peak in peaks.items())
            + ")"
        )
        log.fired[best] += 1
        order = tuple(orders[best])
        return graph if order == graph.nodes else replace(graph, nodes=order)


def stored_bytes(t: TensorType) -> int:
    """Bytes of a value in memory; `N` counts as 1."""
    return known_size(storage_shape(t)) * t.dtype.bytes


class _Memory:
    """What nodes make and free, and what must run before what."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def bytes(self) -> Mapping[Value, int]:
        """Bytes in the arena, by the value that owns them. Outputs, new states and what is added
        up over shards lie elsewhere."""
        elsewhere = {*map(root, self.graph.results), *reduced(self.graph).values()}
        return {
            v: 0 if v in elsewhere else stored_bytes(v.type)
            for node in self.graph.nodes
            if is_step(node)
            for v in node.outputs
        }

    @cached_property
    def reads(self) -> Mapping[Node, frozenset[Value]]:
        """The owners of the memory that each node reads."""
        return {
            node: frozenset(r for v in node.inputs if (r := root(v)) in self.bytes)
            if is_step(node)
            else frozenset()
            for node in self.graph.nodes
        }

    @cached_property
    def before(self) -> Mapping[Node, set[Node]]:
        """The nodes that must run before each: its inputs' and the readers of what it replaces."""
        before = {node: {v.node for v in node.inputs} for node in self.graph.nodes}
        for state, new in self.graph.updates.items():
            update = root(new).node
            if not is_step(update):
                continue
            for node in self.graph.nodes:
                reads_old = any(root(v) is state for v in node.inputs)
                if reads_old and node is not update and not _precedes(before, update, node):
                    before[update].add(node)
        return before

    def order(self, rule: Rule) -> list[Node]:
        """List scheduling: always the ready node with the smallest rule(node, bytes more)."""
        after: dict[Node, list[Node]] = {node: [] for node in self.graph.nodes}
        for node, earlier in self.before.items():
            for each in earlier:
                after[each].append(node)
        waiting = {node: len(earlier) for node, earlier in self.before.items()}
        readers = self._readers()
        place = {node: i for i, node in enumerate(self.graph.nodes)}
        queue: list[tuple[tuple[int, int, int], int, Node]] = []

        def push(node: Node) -> None:
            heapq.heappush(queue, (rule(node, self._more(node, readers)), place[node], node))

        for node in self.graph.nodes:
            if not waiting[node]:
                push(node)
        order: list[Node] = []
        while queue:
            key, _, node = heapq.heappop(queue)
            now = rule(node, self._more(node, readers))
            if now != key:  # it has become the last reader of something meanwhile
                push(node)
                continue
            order.append(node)
            for value in self.reads[node]:
                readers[value].discard(node)
                if len(readers[value]) == 1:
                    (last,) = readers[value]
                    if not waiting[last]:
                        push(last)
            waiting[node] = -1
            for later in after[node]:
                waiting[later] -= 1
                if not waiting[later]:
                    push(later)
            while queue and waiting[queue[0][2]] < 0:
                heapq.heappop(queue)  # pushed again with another key, and run since
        return order

    def peak(self, order: Sequence[Node]) -> int:
        """The most bytes alive while a node runs."""
        readers = self._readers()
        live = peak = 0
        for node in order:
            made = sum(self.bytes.get(v, 0) for v in node.outputs)
            live += made
            peak = max(peak, live)
            for value in self.reads[node]:
                readers[value].discard(node)
                if not readers[value]:
                    live -= self.bytes[value]
            live -= sum(self.bytes.get(v, 0) for v in node.outputs if not readers.get(v))
        return peak

    def _readers(self) -> dict[Value, set[Node]]:
        readers: dict[Value, set[Node]] = {v: set() for v in self.bytes}
        for node, values in self.reads.items():
            for value in values:
                readers[value].add(node)
        return readers

    def _more(self, node: Node, readers: Mapping[Value, set[Node]]) -> int:
        """Bytes that are alive after the node and were not before."""
        made = sum(self.bytes.get(v, 0) for v in node.outputs)
        freed = sum(self.bytes[v] for v in self.reads[node] if len(readers[v]) == 1)
        return made - freed


def _precedes(before: Mapping[Node, set[Node]], first: Node, node: Node) -> bool:
    """Whether `first` must run before `node`."""
    seen = {node}
    stack = [node]
    while stack:
        for each in before[stack.pop()]:
            if each is first:
                return True
            if each not in seen:
                seen.add(each)
                stack.append(each)
    return False
