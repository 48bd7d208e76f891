"""Diagrams of graphs with Graphviz: one node per operation, edges labelled with shapes."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import graphviz

from graphcnn.analysis.loop_body import LoopBody, loop_body
from graphcnn.analysis.phases import phases
from graphcnn.analysis.words import counted, describe, dimensions, is_parameter, parameters
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, unique_names
from graphcnn.ir.naming import result_name
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.tensor_type import DType, known_size
from graphcnn.pictures.writers.dot_style import (
    BACK,
    BACKWARD,
    CLUSTER,
    EDGE,
    GRAPH,
    LOOP,
    NODE,
    STATE,
    TERMINAL,
    UPDATE,
    Style,
    family_style,
    node_label,
)

#: Scopes inside scopes that are drawn as boxes inside boxes.
DEEPEST: Final = 6


def to_dot(
    graph: Graph,
    *,
    name: str | None = None,
    backward: bool = False,
    states: bool = False,
    shapes: bool = True,
    direction: str = "TB",
) -> graphviz.Digraph:
    """The diagram of `graph` in Graphviz's language. The same graph gives the same text.

    Args:
        name: title; by default the name of the graph.
        backward: draw the generated backward nodes and the updates of states too.
        states: draw parameters, other states and constants as nodes of their own.
        shapes: label the edges with the shapes of one item (without N).
        direction: "TB" from top to bottom, or "LR" from left to right.
    """
    if direction not in ("TB", "LR"):
        raise GraphError(f'direction must be "TB" or "LR", found {direction!r}')
    diagram = _Diagram(graph, backward, states, shapes)
    return diagram.drawn(graph.name if name is None else name, direction)


@dataclass
class _Scope:
    """A box of the diagram: its own nodes, and the boxes inside."""

    title: str
    nodes: list[Node] = field(default_factory=list)
    inside: dict[str, "_Scope"] = field(default_factory=dict)


class _Loop(NamedTuple):
    """A loop, and the drawing of its body."""

    shown: LoopBody
    inside: "_Diagram"


class _Diagram:
    """One drawing: the nodes that are seen, their identifiers and texts."""

    def __init__(
        self, graph: Graph, backward: bool, states: bool, shapes: bool, prefix: str = ""
    ) -> None:
        self.graph, self.shapes, self.prefix = graph, shapes, prefix
        self.phases = phases(graph)
        operations = set(graph.operations)
        if not any(self.phases[n] == "forward" for n in operations):
            backward = True  # nothing else to see
        seen = [n for n in graph.nodes if backward or self.phases[n] == "forward"]
        self.nodes = [n for n in seen if states or not isinstance(n.op, State | Constant)]
        self.ids = {node: f"{prefix}n{i}" for i, node in enumerate(self.nodes)}
        self.names = unique_names(graph)
        self.layers = [n for n in self.nodes if n in operations and self.phases[n] == "forward"]
        users = Counter(v for n in self.layers for v in dict.fromkeys(n.inputs) if is_parameter(v))
        self.shared = frozenset(v for v, count in users.items() if count > 1)
        self.total = sum(known_size(v.shape) for v in users)
        self.readers = Counter(v for n in self.nodes for v in n.inputs)
        self.clusters = 0
        self.loops: dict[Node, _Loop] = {}
        for node in self.nodes:
            found = loop_body(node, self.names, weights=not states)
            if found is not None:
                inside = _Diagram(found.graph, True, states, shapes, f"{self.ids[node]}_")
                self.loops[node] = _Loop(found, inside)

    def drawn(self, title: str, direction: str) -> graphviz.Digraph:
        dot = graphviz.Digraph(node_attr=NODE, edge_attr=EDGE)
        count = counted(self.total) if self.total else ""
        dot.attr("graph", label=node_label(title, count), rankdir=direction, **GRAPH)
        self.fill(dot)
        return dot

    def fill(self, dot: graphviz.Digraph) -> None:
        """Add the nodes, the lines between them, and the results."""
        self._add_scope(dot, self._scopes())
        for node in self.nodes:
            loop = self.loops.get(node)
            if loop is None:
                for value in node.inputs:
                    self._add_edge(dot, value, self.ids[node])
                continue
            for entry in loop.shown.entries:
                self._add_edge(dot, entry.outside, loop.inside.ids[entry.inside.node])
        self._add_results(dot)

    def _tail(self, value: Value) -> str | None:
        """The node from which a value comes; for results of loops the one inside that shows it."""
        loop = self.loops.get(value.node)
        return self.ids.get(value.node) if loop is None else f"{loop.inside.prefix}o{value.index}"

    def _scopes(self) -> _Scope:
        """The nodes by the scopes in their names; each node's text is the rest of its name.

        No box is made of a single node, nor of a layer: "C1.relu" stands beside "C1".
        """
        paths = {n: tuple(self.names[n].split(".")) for n in self.layers}
        layers = set(paths.values())
        sizes = Counter(path[:i] for path in paths.values() for i in range(1, len(path)))
        root = _Scope("")
        self.texts = {n: self.names[n] if n.name else "" for n in self.nodes}
        for node in self.nodes:
            path, scope, depth = paths.get(node, ()), root, 0
            for part in path[:-1] if all(path) else ():
                prefix = path[: depth + 1]
                if depth == DEEPEST or prefix in layers or sizes[prefix] < 2:
                    break
                scope = scope.inside.setdefault(part, _Scope(part))
                depth += 1
            if depth:
                self.texts[node] = ".".join(path[depth:])
            scope.nodes.append(node)
        return root

    def _add_scope(self, dot: graphviz.Digraph, scope: _Scope) -> None:
        for node in scope.nodes:
            if node in self.loops:
                self._add_loop(dot, node)
                continue
            text, style = self._appearance(node)
            tooltip = (
                node_label(str(node.origin)) if node.origin.file else node_label(self.names[node])
            )
            dot.node(self.ids[node], label=text, tooltip=tooltip, **style)
        for inner in scope.inside.values():
            self.clusters += 1
            with dot.subgraph(name=f"cluster_{self.prefix}{self.clusters}") as box:
                box.attr(label=node_label(inner.title), tooltip=node_label(inner.title), **CLUSTER)
                self._add_scope(box, inner)

    def _add_loop(self, dot: graphviz.Digraph, node: Node) -> None:
        """The body in a box that says how often, and what is carried from its end to its start."""
        shown, inside = self.loops[node]
        facts = " · ".join(filter(None, (shown.times, parameters(node, self.shared))))
        title = f"{self.texts[node] or self.names[node]} × {shown.op.length}"
        with dot.subgraph(name=f"cluster_{self.ids[node]}") as box:
            box.attr(label=node_label(title, facts), tooltip=node_label(title), **LOOP)
            inside.fill(box)
            for i, entry in enumerate(shown.entries[: shown.op.carries]):
                tail, head = f"{inside.prefix}o{i}", inside.ids[entry.inside.node]
                box.edge(tail, head, tooltip="carried to the next step", **BACK)

    def _appearance(self, node: Node) -> tuple[str, Style]:
        name, shape = self.texts[node], dimensions(node.types[0])
        if isinstance(node.op, Input):
            dtype = node.types[0].dtype
            return node_label(
                name, shape, "" if dtype is DType.FLOAT32 else dtype.numpy.name
            ), TERMINAL
        if isinstance(node.op, State):
            frozen = "" if node.op.trainable else ", frozen"
            return node_label(name, shape, node.op.role + frozen), STATE
        if isinstance(node.op, Constant):
            value = f"{node.op.array.item():g}" if node.op.array.size == 1 else shape
            return node_label(f"constant {value}"), STATE
        what = describe(node)
        if name.rsplit(".", 1)[-1].rstrip("_0123456789") == what:
            what = ""  # "C1.relu" says it already, and "relu2" does
        phase = self.phases[node]
        if phase != "forward":
            layer = f"for {node.origin.forward}" if node.origin.forward else ""
            style = BACKWARD if phase == "backward" else UPDATE
            return node_label(name, what, shape, layer), style
        facts = " · ".join(filter(None, (shape, parameters(node, self.shared))))
        return node_label(name, what, facts), family_style(node.op.family)

    def _add_edge(self, dot: graphviz.Digraph, value: Value, head: str) -> None:
        tail = self._tail(value)
        if tail is None:
            return
        if isinstance(value.node.op, State | Constant):
            dot.edge(tail, head, style="dashed")
            return
        several = len(value.node.outputs) > 1
        text = f"{result_name(value.node.op, value.index)} " if several else ""
        text = node_label(f"  {text}{dimensions(value.type)}") if self.shapes else ""
        # Heavy edges are drawn straight: the layers in a row, not the ways around them.
        chain = self.readers[value] <= 1
        dot.edge(tail, head, label=text, weight="8" if chain else "1")

    def _add_results(self, dot: graphviz.Digraph) -> None:
        """Rounded nodes for the outputs, and for updated states where their values are seen."""
        for i, (key, value) in enumerate(self.graph.outputs.items()):
            if value.node in self.ids or self.prefix:
                dot.node(
                    f"{self.prefix}o{i}", label=node_label(key, dimensions(value.type)), **TERMINAL
                )
                self._add_edge(dot, value, f"{self.prefix}o{i}")
        for i, (state, value) in enumerate(self.graph.updates.items()):
            if value.node in self.ids:
                text = node_label(f"new {self.names[state.node]}", dimensions(value.type))
                dot.node(f"u{i}", label=text, **{**TERMINAL, "color": UPDATE["color"]})
                self._add_edge(dot, value, f"u{i}")
