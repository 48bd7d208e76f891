"""Decide how every value lies in memory, and which algorithm every heavy operator runs.

The runtime says what it can do: `choose(node)` gives the choices of a node, each with the layouts
that it reads and writes and its cost in seconds. Operators it says nothing of pass layouts on where
they can (`graphcnn.passes.layout.layout_choices`), and are plain otherwise. An edge whose ends
disagree gets a `relayout`, which costs the time to move its bytes. Looked for is the cheapest
assignment.

    cost = sum of the costs of the choices + sum over edges of the cost of relayouts

Several starts (everything plain, everything at its own cheapest choice, everything in one layout of
images) are improved until no move helps: another choice for one node, or another layout for a
region of operators that pass layouts on and the states among them, to which the nodes around it
adapt. The best is taken. All of it is deterministic.

A constant costs nothing to relayout, it is packed when the plan is loaded. Neither, almost, does
what depends on states alone where nothing is updated (`graphcnn.passes.lowering.split_states`). A
state that is updated takes a layout of its own: the update is made, and the optimiser works, in the
layout in which the parameter is read.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from types import NoneType
from typing import Any, ClassVar

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value, build
from graphcnn.ir.origin import inherit
from graphcnn.ir.plan import root
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.storage import (
    PLAIN,
    Choice,
    Kernels,
    TransformedKernels,
    parse_layout,
    same_storage,
    storage_bytes,
    without_halo,
)
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.layout import Placed, Relayout
from graphcnn.ops.parts.body import depending
from graphcnn.passes.driver.base import Pass, PassLog
from graphcnn.passes.layout.layout_choices import (
    PassesOn,
    elementwise_alone,
    known_layouts,
    layout_name,
    passing_choices,
    region_moves,
    slowness,
)
from graphcnn.passes.lowering.split_states import known_before

#: The choices of a node; none where layouts are passed on by the general rule.
Choose = Callable[[Node], Sequence[Choice] | None]


def nothing(node: Node) -> None:
    """No operator has a choice: all stays plain."""


@dataclass(frozen=True)
class AssignLayout(Pass):
    """Place the nodes of a bound graph.

    Attributes:
        choose: what the runtime offers for a node.
        passes_on: what the runtime can do of the operators that it offers nothing for.
        bytes_per_second: of memory, for the cost of relayouts and of operators that pass on.
        call: seconds that every relayout costs besides.
        still: keys of inputs that stay the same for `times` runs of the graph, the steps of a loop
            whose body it is: a relayout of what depends on them alone is made once, outside.
    """

    choose: Choose = field(default=nothing, repr=False)
    passes_on: PassesOn = field(default=elementwise_alone, repr=False)
    bytes_per_second: float = 10e9
    call: float = 1e-6
    still: frozenset[str] = frozenset()
    times: int = 1

    stage: ClassVar[str] = "placed"

    def run(self, graph: Graph, log: PassLog) -> Graph:
        if not graph.is_bound:
            raise GraphError(f"graph {graph.name!r} has an unknown batch size; bind(N=...)")
        offered = {node: _cheapest_each(self.choose(node) or ()) for node in graph.operations}
        if not any(offered.values()):
            return graph
        problem = _Problem(graph, offered, self)
        variants = [name for names in problem.layouts.images.values() for name in names]
        starts = [problem.plain(), *map(problem.cheapest, ("", *variants[:MOST_STARTS]))]
        found = [problem.improved(start) for start in starts]
        best = problem.improved(min(found, key=problem.total), halos=True)
        cost, plain = (problem.total(each) * 1e6 for each in (best, starts[0]))
        log.notes.append(f"cost {cost:.1f} us, all plain {plain:.1f} us")
        return _rebuilt(graph, problem, best, self.name, log)


#: Layouts of images from which the search starts, besides plain and the cheapest choices.
MOST_STARTS = 4

#: What is left of a cost that is paid once, before the first run.
PREPARED = 1e-4

#: The choice of every node and state, by its place among its choices.
Assignment = dict[Node, int]


class _Problem:
    def __init__(
        self, graph: Graph, offered: Mapping[Node, Sequence[Choice] | None], options: AssignLayout
    ) -> None:
        self.graph, self.options = graph, options
        self.layouts = layouts = known_layouts(graph, offered)
        self.known: dict[tuple[Value, str, str], float] = {}
        self.choices: dict[Node, Sequence[Choice]] = {}
        for node in graph.nodes:
            if isinstance(node.op, State):
                fitting = layouts.by_shape.get(node.output.shape, ())
                self.choices[node] = [Choice((), (layout,)) for layout in (PLAIN, *fitting)]
            elif isinstance(node.op, Input | Constant):
                self.choices[node] = [Choice((), (PLAIN,))]
            else:
                self.choices[node] = offered[node] or [
                    replace(c, cost=self.time(node, c))
                    for c in passing_choices(node, layouts, options.passes_on)
                ]
        self.state_of: dict[Value, list[Node]] = {}
        for state, value in graph.updates.items():
            self.state_of.setdefault(value, []).append(state.node)
        self.beside: dict[Node, dict[Node, None]] = {node: {} for node in graph.nodes}
        edges = [(v.node, node) for node in graph.nodes for v in node.inputs]
        for a, b in (*edges, *((s.node, v.node) for s, v in graph.updates.items())):
            self.beside[a][b] = self.beside[b][a] = None
        self.readers: dict[Value, list[tuple[Node, int]]] = {}
        for node in graph.nodes:
            for i, value in enumerate(node.inputs):
                self.readers.setdefault(value, []).append((node, i))
        self.touching: dict[Value, list[Node]] = {}
        for node in graph.nodes:
            for value in node.outputs:
                users = [user for user, _ in self.readers.get(value, ())]
                self.touching[value] = [node, *users, *self.state_of.get(value, ())]
        self.costs: dict[Value, dict[tuple[int, ...], float]] = {v: {} for v in self.touching}
        self.constants = {
            v for n in graph.nodes for v in n.outputs if isinstance(root(v).node.op, Constant)
        }
        self.prepared = set() if graph.updates else known_before(graph)
        read = [v for v in graph.inputs if v.node.op.attributes["key"] not in options.still]
        moving = depending(graph.nodes, read) if options.still else {*self.touching}
        self.outside = {*self.touching} - moving
        self.leaving = frozenset(graph.outputs.values())
        self.passing = {n: cs for n, cs in self.choices.items() if not offered.get(n)}

    def time(self, node: Node, choice: Choice) -> float:
        """Seconds to read and write the operands of a node once."""
        types = (*(v.type for v in node.inputs), *node.types)
        layouts = (*choice.reads, *choice.writes)
        moved = sum(map(storage_bytes, map(_as, types, layouts)))
        return moved / self.options.bytes_per_second * slowness(node, choice)

    def plain(self) -> Assignment:
        """Every node at its cheapest plain choice; at its cheapest where it has none."""
        return {n: _least([(not c.is_plain, c.cost) for c in cs]) for n, cs in self.choices.items()}

    def cheapest(self, written: str = "") -> Assignment:
        """Every node at its cheapest choice, or one that writes a given layout of images."""
        return {
            n: _least([(written not in c.writes, c.cost) for c in cs])
            for n, cs in self.choices.items()
        }

    def choice(self, node: Node, chosen: Assignment) -> Choice:
        return self.choices[node][chosen[node]]

    def layout(self, value: Value, chosen: Assignment) -> str:
        """The layout in which a value is made."""
        return self.choice(value.node, chosen).writes[value.index]

    def wanted(self, value: Value, chosen: Assignment) -> set[str]:
        """The layouts in which a value is read."""
        wanted = {PLAIN} if value in self.leaving else set()
        for user, i in self.readers.get(value, ()):
            wanted.add(self.read_as(value, self.choice(user, chosen), i, chosen))
        return wanted | {self.layout(s.output, chosen) for s in self.state_of.get(value, ())}

    def read_as(self, value: Value, choice: Choice, position: int, chosen: Assignment) -> str:
        """The layout in which an input is read: that of its maker, where only halos differ."""
        want, made = choice.reads[position], self.layout(value, chosen)
        follows = position in choice.follows and without_halo(made) == want
        return made if follows else want

    def moving(self, value: Value, chosen: Assignment) -> float:
        """Cost of the relayouts of one value, which is known by the choices of who touches it."""
        key = tuple([chosen[node] for node in self.touching[value]])
        known = self.costs[value]
        if key not in known:
            known[key] = self.moved(value, chosen)
        return known[key]

    def moved(self, value: Value, chosen: Assignment) -> float:
        made, wanted = self.layout(value, chosen), self.wanted(value, chosen)
        wanted.discard(made)
        if not wanted or value in self.constants:
            return 0.0
        cost = sum(self.relayout(value, made, layout) for layout in sorted(wanted))
        cost = cost / self.options.times if value in self.outside else cost
        return cost * PREPARED if value in self.prepared else cost

    def relayout(self, value: Value, made: str, layout: str) -> float:
        """Seconds to copy a value from one layout to another."""
        key = value, made, layout
        if key not in self.known:
            old, new = _as(value.type, made), _as(value.type, layout)
            moved = storage_bytes(old) + storage_bytes(new)
            cost = self.options.call + moved / self.options.bytes_per_second
            kinds = [type(parse_layout(name)) for name in (made, layout)]
            if NoneType not in kinds and kinds[0] is not kinds[1]:  # by way of plain only
                cost = cost if kinds == [Kernels, TransformedKernels] else inf
            self.known[key] = 0.0 if same_storage(old, layout) else cost
        return self.known[key]

    def total(self, chosen: Assignment) -> float:
        return self.around(self.graph.nodes, chosen)

    def around(self, nodes: Collection[Node], chosen: Assignment) -> float:
        """All costs that depend on the choices of these nodes."""
        values: dict[Value, None] = {}
        for node in nodes:
            values.update(dict.fromkeys((*node.inputs, *node.outputs)))
            if node.output in self.graph.updates:
                values[self.graph.updates[node.output]] = None
        own = sum(self.choice(node, chosen).cost for node in nodes)
        return own + sum(self.moving(v, chosen) for v in values)

    def improved(self, start: Assignment, halos: bool = False, sweeps: int = 12) -> Assignment:
        """The assignment after moves that make it cheaper, until none does.

        With `halos`, each node that passes on also tries other halos, to which others adapt.
        """
        chosen = dict(start)
        singles = [n for n, cs in self.choices.items() if len(cs) > 1]
        for sweep in range(sweeps):
            before = dict(chosen)
            for node in singles if sweep % 2 == 0 else reversed(singles):
                self.adapt(node, range(len(self.choices[node])), chosen)
            for moves in list(region_moves(self.graph, self.passing, chosen)):
                self.move_region(moves, chosen)
            if chosen == before and halos:
                for node in self.passing:
                    for i in self.like(node, chosen[node]):
                        self.move_region({node: i}, chosen)
            if chosen == before:
                break
        return chosen

    def like(self, node: Node, place: int) -> list[int]:
        """The choices that differ from one in halos only, itself included."""
        names = [layout_name(c) for c in self.choices[node]]
        return [i for i, name in enumerate(names) if name == names[place]]

    def move_region(self, changes: Mapping[Node, int], chosen: Assignment) -> None:
        """Make these changes if they lower the cost once all around has adapted to them."""
        around = dict.fromkeys(
            n for node in changes for n in (node, *self.beside[node]) if len(self.choices[n]) > 1
        )
        old = {node: chosen[node] for node in around}
        before = self.around(around, chosen)
        chosen.update(changes)
        for node in around:
            if node not in changes:
                self.adapt(node, range(len(self.choices[node])), chosen)
        for node in changes:
            self.adapt(node, self.like(node, chosen[node]), chosen)
        if self.around(around, chosen) >= before * (1 - 1e-9):
            chosen.update(old)

    def adapt(self, node: Node, places: Iterable[int], chosen: Assignment) -> None:
        """Make the cheapest choice for one node; the one it has, where that is as cheap."""
        old = best = chosen[node]
        least = self.around((node,), chosen) * (1 - 1e-9)
        for i in places:
            if i != old:
                chosen[node] = i
                cost = self.around((node,), chosen)
                if cost < least:
                    best, least = i, cost
        chosen[node] = best


def _cheapest_each(choices: Sequence[Choice]) -> list[Choice]:
    """The cheapest of all choices with the same layouts, in the order given."""
    best: dict[tuple[tuple[str, ...], tuple[str, ...]], Choice] = {}
    for c in choices:
        known = best.get((c.reads, c.writes))
        if known is None or c.cost < known.cost:
            best[c.reads, c.writes] = c
    return list(best.values())


def _least(costs: Sequence[Any]) -> int:
    """The place of the smallest, the first of equal ones."""
    return min(range(len(costs)), key=lambda i: costs[i])


def _as(t: TensorType, layout: str) -> TensorType:
    return t if t.layout == layout else replace(t, layout=layout)


def _rebuilt(graph: Graph, problem: _Problem, chosen: Assignment, by: str, log: PassLog) -> Graph:
    """The graph with placed nodes, relayouts between them and states in their layouts."""
    new: dict[Value, Value] = {}
    moved: dict[tuple[Value, str], Value] = {}

    def lying(value: Value, layout: str) -> Value:
        """The new value for `value`, in a layout."""
        made = new[value]
        if made.type.layout == layout:
            return made
        if (value, layout) not in moved:
            with inherit(value.node.origin.by(by)):
                moved[value, layout] = Relayout(layout)(made, name=value.node.name)
            log.fired["relayout"] += 1
        return moved[value, layout]

    for node in graph.nodes:
        choice = problem.choice(node, chosen)
        op = node.op
        if isinstance(op, State) and not choice.is_plain:
            op = replace(op, type=_as(op.type, choice.writes[0]))
            log.fired["state"] += 1
        elif isinstance(op, Input | State | Constant):
            new[node.output] = node.output
            continue
        elif not choice.is_plain or choice.algorithm:
            reads = tuple(problem.read_as(v, choice, i, chosen) for i, v in enumerate(node.inputs))
            op = Placed(op, reads, choice.writes, choice.algorithm)
            log.fired["placed"] += 1
        wanted = op.reads if isinstance(op, Placed) else choice.reads
        operands = [lying(v, layout) for v, layout in zip(node.inputs, wanted, strict=True)]
        origin = node.origin if op is node.op else node.origin.by(by)
        made = build(op, operands, node.name, origin)
        new.update(zip(node.outputs, made.outputs, strict=True))
    return Graph.of(
        (new[v] for v in graph.inputs),
        {key: lying(v, PLAIN) for key, v in graph.outputs.items()},
        {new[s]: lying(v, new[s].type.layout) for s, v in graph.updates.items()},
        graph.name,
    )
