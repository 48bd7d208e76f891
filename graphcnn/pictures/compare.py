"""What a pass did to a graph, operator by operator, from names, origins and structure.

Nodes of the two graphs are the same where they are the same object, or carry the same name and
operator; unnamed ones are matched in their order. What remains was removed or added. A removed
node whose users now read the result of a changed or new node was fused into that node: the
structure of the new graph says so, nothing is guessed.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from graphcnn.analysis.cost import total_multiply_adds
from graphcnn.analysis.counts import activation_bytes, graph_parameters
from graphcnn.analysis.words import describe
from graphcnn.ir.graph import Graph, unique_names
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Constant, State
from graphcnn.pictures.scene.units import dimensions

Row = TypeVar("Row")

#: States of a pair, with the sign that stands for them.
SIGNS: Mapping[str, str] = {"kept": "=", "removed": "−", "added": "+", "changed": "~", "fused": "⊂"}


@dataclass(frozen=True, eq=False)
class Pair:
    """One row of a difference: the node before, the node after, or both.

    `into` is the node after that a fused one went into; `why` says what changed; `on_weights` that
    it reads no input of the graph: arithmetic that is done once.
    """

    before: Node | None
    after: Node | None
    state: str
    why: str = ""
    into: Node | None = None
    on_weights: bool = False


@dataclass(frozen=True)
class Difference:
    """The pairs of two graphs, in an order that suits both, and what the graphs cost."""

    before: Graph
    after: Graph
    pairs: tuple[Pair, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing changed."""
        return all(pair.state == "kept" for pair in self.pairs)

    def count(self, state: str) -> int:
        return sum(pair.state == state for pair in self.pairs)

    def totals(self) -> list[tuple[str, int, int]]:
        """Name, before and after of what can be counted."""
        one, two = self.before, self.after
        return [
            ("operators", len(one.operations), len(two.operations)),
            ("parameters", graph_parameters(one).total, graph_parameters(two).total),
            ("multiply-adds", total_multiply_adds(one), total_multiply_adds(two)),
            ("bytes of activations", activation_bytes(one), activation_bytes(two)),
        ]

    def text(self, context: int = 2) -> str:
        """The difference like that of two files: only what changed, with some lines around."""
        if self.empty:
            return ""
        old, new = unique_names(self.before), unique_names(self.after)
        lines = [f"--- {self.before.name}", f"+++ {self.after.name}"]
        for pair in shortened(self.pairs, context, lambda pair: pair.state == "kept"):
            if isinstance(pair, int):
                lines.append(f"@@ {pair} kept @@")
                continue
            if pair.before is not None and pair.state != "kept":
                into = f"  -> {new[pair.into]}" if pair.into is not None else ""
                lines.append(f"-{line(pair.before, old)}{into}")
            if pair.after is not None:
                sign = " " if pair.state == "kept" else "+"
                why = f"  # {pair.why}" if pair.why else ""
                lines.append(f"{sign}{line(pair.after, new)}{why}")
        return "\n".join(lines) + "\n"


def line(node: Node, names: Mapping[Node, str]) -> str:
    reads = ", ".join(names[v.node] for v in node.inputs if not isinstance(v.node.op, Constant))
    return f"{names[node]} = {describe(node)} ({reads}) -> {dimensions(node.output.type)}"


def shortened(rows: Sequence[Row], context: int, kept: Callable[[Row], bool]) -> list[Row | int]:
    """The rows that are not kept, with `context` others around them; the rest as numbers."""
    near = {
        j for i, row in enumerate(rows) if not kept(row)
        for j in range(i - context, i + context + 1)
    }  # fmt: skip
    result: list[Row | int] = []
    for i, row in enumerate(rows):
        if i in near:
            result.append(row)
        elif result and isinstance(result[-1], int):
            result[-1] += 1
        else:
            result.append(1)
    return result


def graph_changes(before: Graph, after: Graph) -> Difference:
    """How `after` differs from `before`."""
    if before is after:
        return Difference(before, after, tuple(Pair(n, n, "kept") for n in before.operations))
    match = _matches(before, after)
    partner = {new: old for old, new in match.items()}
    states = {old: _compare(old, new, match) for old, new in match.items()}
    into = _replaced(before, after, match)
    changed = {match[old] for old, why in states.items() if why}
    added = {n for n in after.operations if n not in partner}
    pairs: list[Pair] = []
    old_keys = [id(n) for n in before.operations]
    new_keys = [id(partner.get(n, n)) for n in after.operations]
    matcher = difflib.SequenceMatcher(None, old_keys, new_keys, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        olds, news = before.operations[a:b], after.operations[c:d]
        if kind == "equal":
            for old, new in zip(olds, news, strict=True):
                why = states[old]
                pairs.append(Pair(old, new, "changed" if why else "kept", why))
            continue
        for old in olds:
            if old in match:
                continue  # it has moved: its row is where it stands now
            goal = into.get(old)
            fused = goal is not None and (goal in changed or goal in added)
            pairs.append(Pair(old, None, "fused" if fused else "removed",
                              into=goal if fused else None))  # fmt: skip
        for new in news:
            if new in partner:
                why = states[partner[new]]
                pairs.append(Pair(partner[new], new, "changed", why or "moved"))
            else:
                pairs.append(Pair(None, new, "added", _maker(new)))
    fed = _fed(before) | _fed(after)
    return Difference(
        before,
        after,
        tuple(replace(p, on_weights=not {p.before, p.after} & fed) for p in pairs),
    )


def _fed(graph: Graph) -> set[Node | None]:
    """The operators that depend on an input."""
    fed: set[Node | None] = {v.node for v in graph.inputs}
    for node in graph.nodes:
        if any(v.node in fed for v in node.inputs):
            fed.add(node)
    return fed


def _maker(node: Node) -> str:
    return f"by {node.origin.passes[-1]}" if node.origin.passes else ""


def _matches(before: Graph, after: Graph) -> dict[Node, Node]:
    match: dict[Node, Node] = {}
    same = set(after.operations)
    free: dict[tuple[str, str], list[Node]] = {}
    for new in after.operations:
        free.setdefault((new.name, new.op.name), []).append(new)
    for old in before.operations:
        if old in same:
            match[old] = old
            free[old.name, old.op.name].remove(old)
    for old in before.operations:
        rest = free.get((old.name, old.op.name))
        if old not in match and rest:
            match[old] = rest.pop(0)
    return match


def _compare(old: Node, new: Node, match: Mapping[Node, Node]) -> str:
    """What is different about a node, or ""."""
    if old is new:
        return ""
    if old.op != new.op:
        return f"{describe(old)} → {describe(new)}"
    if old.types != new.types:
        return f"{dimensions(old.output.type)} → {dimensions(new.output.type)}"
    states = [[_source(v) for v in n.inputs if isinstance(v.node.op, State | Constant)]
              for n in (old, new)]  # fmt: skip
    if states[0] != states[1] or len(old.inputs) != len(new.inputs):
        fixed = not any(isinstance(v.node.op, State) for v in new.inputs)
        return "its weights are constants now" if fixed else "other weights"
    return ""


def _source(value: Value) -> object:
    op = value.node.op
    return op.key if isinstance(op, State) else op


def _replaced(before: Graph, after: Graph, match: Mapping[Node, Node]) -> dict[Node, Node]:
    """For nodes that are gone: the node whose result their users read instead."""
    found: dict[Node, Node] = {}
    outputs = {v.node: after.outputs[k].node for k, v in before.outputs.items()
               if k in after.outputs}  # fmt: skip
    for old in reversed(before.operations):
        if old in match:
            continue
        if old in outputs:
            found[old] = outputs[old]
            continue
        for value in old.outputs:
            for user in before.users.get(value, ()):
                new = match.get(user)
                if new is not None and len(new.inputs) == len(user.inputs):
                    found.setdefault(old, new.inputs[user.inputs.index(value)].node)
                elif new is not None:
                    found.setdefault(old, new)
                elif user in found:
                    found.setdefault(old, found[user])
    return found
