"""A training step as one picture: forward, backward and updates side by side, row by row."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from graphcnn.analysis.cost import multiply_adds
from graphcnn.analysis.phases import phases
from graphcnn.analysis.words import describe
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.naming import result_name
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.pictures.content.content import value_bytes
from graphcnn.pictures.content.totals import digest
from graphcnn.pictures.parts import legend as around
from graphcnn.pictures.parts.grid import Connector, Grid, GridCell, Wire, cell
from graphcnn.pictures.parts.panels import draw_panels
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.colors import FAMILIES
from graphcnn.pictures.scene.scene import Box, Item, Rect, Scene
from graphcnn.pictures.scene.units import counted, dimensions, in_bytes, joined, short

_WIDEST_NAME: Final = 24


def training_picture(graph: Graph, *, title: str | None = None) -> Picture:
    """A training graph in three columns.

    Forward operators run down on the left. Each generated backward operator stands in the row of
    the forward operator that it was generated for, and the gradient runs up. Tensors that the
    backward operators read are dotted, with the bytes that must be kept for them. On the right,
    each parameter is updated in the row of the operator that reads it. A long step stands in
    panels side by side; lines from panel to panel are numbers on the cards that they join.

    Raises:
        GraphError: the graph has no backward operators; make one with `Model.training_graph`.
    """
    return Picture(_Step(graph).scene(title or f"{graph.name}: one training step"), graph)


class _Step:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.phase = phases(graph)
        self.by = {
            name: [n for n in graph.nodes if self.phase[n] == name and _computes(n)]
            for name in ("forward", "backward", "update")
        }
        if not self.by["backward"]:
            raise GraphError(
                f"graph {graph.name!r} has no backward operators to draw: "
                "take that of model.training_graph(loss, optimizer)"
            )
        self.forward = [
            *(v.node for v in graph.inputs if graph.users.get(v)),
            *self.by["forward"],
        ]
        self.row = {node: i for i, node in enumerate(self.forward)}
        self.named: dict[str, int] = {}
        for node, i in self.row.items():
            self.named.setdefault(node.name or node.op.name, i)
        self.keys = {n: f"n{i}" for i, n in enumerate(graph.nodes)}
        self.saved: dict[Value, None] = {}

    def scene(self, title: str) -> Scene:
        rows: list[list[list[GridCell]]] = [[[self._forward(n)], [], []] for n in self.forward]
        extra: list[list[GridCell]] = [[], [], []]
        # The gradient runs up: what is computed first stands lowest.
        for node in reversed(self.by["backward"]):
            at = self.named.get(node.origin.forward)
            (rows[at][1] if at is not None else extra[1]).append(self._backward(node))
        updates, across = self._updates()
        for at, one in updates:
            (rows[at][2] if at is not None else extra[2]).append(one)
        if any(extra):
            rows.append(extra)
        table = Grid(
            ("forward", "backward", "update"),
            rows,
            self._wires(),
            [*self._saved(), *across],
            ("left", "right", "right"),
        )
        groups, area = draw_panels(table, 14, 54)
        width = max(int(area.right + 14) + 1, 560)
        entries = [
            *around.families(n.op.family for n in self.forward),
            ("backward", "∂", 3, "generated backward operator"),
            ("update", "↻", 3, "update of a parameter"),
            around.line_entry("edge", "forward"),
            around.line_entry("gradient", "gradient"),
            around.line_entry("saved", "kept for the backward pass"),
        ]
        key, bottom = around.legend(entries, width, area.bottom + 18)
        kept = sum(value_bytes(v) for v in self.saved)
        footer = joined(
            (
                f"{counted(len(self.by['forward']), 'forward operator')}",
                f"{len(self.by['backward'])} backward",
                f"{len(self.by['update'])} of updates",
                f"{in_bytes(kept)} in {counted(len(self.saved), 'tensor')} kept for the backward "
                "pass" + ("" if self.graph.is_bound else ", per item (N = 1)"),
                f"{sum(map(multiply_adds, self.by['forward'])):,} multiply-adds forward",
                f"{sum(map(multiply_adds, self.by['backward'])):,} backward",
                f"graph {digest(self.graph)}",
            )
        )
        notes, bottom = around.notes([footer], width, bottom)
        subtitle = "each backward operator stands beside the operator it was generated for"
        items: tuple[Item, ...] = (
            Rect(Box(0, 0, width, bottom + 6), "ground"),
            *around.heading(title, subtitle, width),
            *groups,
            key,
            *notes,
        )
        description = f"Training step in three columns, {len(rows)} rows. {subtitle}."
        data = {
            "rows": [[[one.key for one in stack] for stack in row] for row in rows],
            "saved": [{"name": _label(v), "bytes": value_bytes(v)} for v in self.saved],
            "saved_bytes": kept,
        }
        return Scene(width, bottom + 6, items, title, description, (footer,), data)

    def _forward(self, node: Node) -> GridCell:
        kind = FAMILIES[node.op.family]
        what = "" if isinstance(node.op, Input) else describe(node)
        name = node.name or node.op.name
        facts = (what if what != name else "", f"→ {dimensions(node.output.type)}")
        return cell(self.keys[node], name, facts, kind.paint, kind.letters,
                    radius=min(kind.radius, 8), tip=node.origin.location,
                    label=f"forward {name}: {joined(facts)}")  # fmt: skip

    def _backward(self, node: Node) -> GridCell:
        work = multiply_adds(node)
        facts = (
            f"→ {dimensions(node.output.type)}",
            f"{short(work)} mult-adds" if work else "",
        )
        label = f"backward of {node.origin.forward}: {describe(node)}, {joined(facts)}"
        return cell(self.keys[node], node.op.name, facts, "backward", "∂", label=label)

    def _wires(self) -> list[Wire]:
        wires: dict[Wire, None] = {}
        for name, paint in (("forward", "edge"), ("backward", "gradient")):
            own = set(self.by[name]) | (set(self.forward) if name == "forward" else set())
            for node in self.by[name]:
                for value in node.inputs:
                    if value.node in own:
                        wires[Wire(self.keys[value.node], self.keys[node], paint)] = None
        return list(wires)

    def _saved(self) -> list[Connector]:
        """Dotted lines for forward values that backward operators read, one for each and row."""
        lines: list[Connector] = []
        told: set[tuple[Value, int]] = set()
        for node in reversed(self.by["backward"]):
            at = self.named.get(node.origin.forward)
            if at is None:
                continue
            for value in dict.fromkeys(node.inputs):
                if value.node not in self.row:
                    continue
                self.saved[value] = None
                text = (
                    "" if (value, at) in told else f"{_label(value)} {in_bytes(value_bytes(value))}"
                )
                told.add((value, at))
                lines.append(
                    Connector(
                        self.keys[self.forward[at]], self.keys[node], "saved", text, "saved_text"
                    )
                )
        return lines

    def _updates(self) -> tuple[list[tuple[int | None, GridCell]], list[Connector]]:
        """A cell for each updated parameter, with all states of the optimiser that belong to it."""
        parameters = {state_of(p).key: p for p in self.graph.parameters}
        groups: dict[str, list[Value]] = {}
        for state in self.graph.updates:
            key = state_of(state).key
            owner = key if key in parameters else key.rpartition(".")[0]
            groups.setdefault(owner if owner in parameters else key, []).append(state)
        reach = {key: self._upstream(self.graph.updates[s] for s in states)
                 for key, states in groups.items()}  # fmt: skip
        shared = Counter(node for nodes in reach.values() for node in nodes)
        cells: list[tuple[int | None, GridCell]] = []
        lines: list[Connector] = []
        for number, (key, states) in enumerate(groups.items()):
            own = [n for n in reach[key] if shared[n] == 1]
            at = self._row_of(parameters.get(key, states[0]))
            slots = [state_of(s).key.removeprefix(f"{key}.") for s in states
                     if state_of(s).key != key]  # fmt: skip
            facts = (
                dimensions(parameters.get(key, states[0]).type),
                counted(len(own), "operator") if own else "",
                f"with {', '.join(slots)}" if slots else "",
            )
            one = cell(f"u{number}", key, facts, "update", "↻", label=f"update of {key}: "
                       + joined(facts))  # fmt: skip
            cells.append((at, one))
            sources = {v.node for n in own for v in n.inputs if self.phase[v.node] == "backward"}
            sources |= {
                v.node for s in states for v in (self.graph.updates[s],)
                if self.phase[v.node] == "backward"
            }  # fmt: skip
            for node in sorted(sources & set(self.by["backward"]), key=self.graph.nodes.index):
                lines.append(Connector(self.keys[node], one.key, "update_line", head="update_head"))
        # In the order of the gradients, so that the lines to them do not cross.
        height = {self.keys[n]: -i for i, n in enumerate(self.by["backward"])}
        enter = {line.target: height[line.source] for line in reversed(lines)}
        cells.sort(key=lambda pair: enter.get(pair[1].key, 0))
        return cells, lines

    def _row_of(self, state: Value) -> int | None:
        """That of the first operator that reads it, else of the layer that it is named after."""
        readers = [n for n in self.graph.users.get(state, ()) if n in self.row]
        layer = self.named.get(state_of(state).key.rpartition(".")[0])
        return self.row[readers[0]] if readers else layer

    def _upstream(self, values: Iterable[Value]) -> list[Node]:
        found: dict[Node, None] = {}
        stack = [v.node for v in values]
        while stack:
            node = stack.pop()
            if node not in found and self.phase[node] == "update" and _computes(node):
                found[node] = None
                stack += [v.node for v in node.inputs]
        return list(found)


def _computes(node: Node) -> bool:
    return not isinstance(node.op, Input | State | Constant)


def _label(value: Value) -> str:
    name = value.node.name or value.node.op.name
    name += f".{result_name(value.node.op, value.index)}" if value.index else ""
    return name if len(name) <= _WIDEST_NAME else f"{name[:11]}…{name[-12:]}"
