"""Make loops one that go the same way: what one carries, the other carries too.

    scan(c, x; body a) and scan(c, x; body b)    ->    scan(c, x; the results of both)

A gradient asks the forward loop for more values of each step (`loop_gradient`): the loop that gives
them gives what the loop without them gave. That carries agree is proved on the bodies: values are
equal that equal operators make of equal values.

Results of a loop that nobody reads are left out, and so are xs and given values that only they
read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from graphcnn.ir.graph import Graph, topological_order
from graphcnn.ir.naming import Names
from graphcnn.ir.node import Node, Value, build
from graphcnn.ir.sources import Constant, Input
from graphcnn.ops.loops import Scan
from graphcnn.passes.driver.base import Pass, PassLog


@dataclass(frozen=True)
class MergeLoops(Pass):
    """Loops over the same, with the same carries, become one; unread results of loops go."""

    def run(self, graph: Graph, log: PassLog) -> Graph:
        loops = [n for n in graph.nodes if isinstance(n.op, Scan)]
        if not loops:
            return graph
        return _trimmed(_merged(graph, loops, log, self.name), log, self.name)


def _merged(graph: Graph, loops: Sequence[Node], log: PassLog, by: str) -> Graph:
    groups: list[_Group] = []
    group_of: dict[Node, _Group] = {}
    for node in loops:
        for group in groups:
            if group.takes(node):
                log.fired["merged"] += 1
                break
        else:
            group = _Group(node)
            groups.append(group)
        group_of[node] = group

    def one(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        found = group_of.get(node)
        if found is None or len(found.results) == 1:
            return None
        if found.made is None or found.made.inputs != inputs:
            found.made = build(found.op, inputs, found.name, node.origin)
        made = found.made
        return [made.outputs[i] for i in found.results[node]]

    return graph.transform(one, by)


class _Group:
    """Loops that go the same way, as one.

    Attributes:
        op: the loop that gives the results of all.
        results: for each loop, which of the results of that one are its own.
    """

    def __init__(self, node: Node) -> None:
        op = node.op
        assert isinstance(op, Scan)
        self.first, self.op, self.name = node, op, node.name
        self.results: dict[Node, list[int]] = {node: list(range(len(node.outputs)))}
        self.made: Node | None = None
        self.known = _Values(op.body.inputs)
        self.keys = [self.known.key(v) for v in op.body.outputs.values()]

    def takes(self, node: Node) -> bool:
        """Whether the loop is one of these; if so its results are among those of `op`."""
        op, mine = node.op, self.op
        assert isinstance(op, Scan)
        same = (op.carries, op.scanned, op.length, op.reverse)
        if node.inputs != self.first.inputs or same != (
            mine.carries, mine.scanned, mine.length, mine.reverse,
        ):  # fmt: skip
            return False
        stands_for = dict(zip(op.body.inputs, mine.body.inputs, strict=True))
        keys = [self.known.key(v, stands_for) for v in op.body.outputs.values()]
        if keys[: op.carries] != self.keys[: op.carries]:
            return False
        outputs, names = dict(mine.body.outputs), Names(list(mine.body.outputs))
        for key in keys[op.carries :]:
            if key not in self.keys[op.carries :]:
                outputs[names.fresh("y")] = self.known.value(key)
                self.keys.append(key)
        ys = self.keys[op.carries :]
        places = [op.carries + ys.index(key) for key in keys[op.carries :]]
        self.results[node] = [*range(op.carries), *places]
        self.op = replace(mine, body=Graph.of(mine.body.inputs, outputs, name=mine.body.name))
        return True


class _Values:
    """Values by what makes them: equal numbers are equal values, whichever body they are of."""

    def __init__(self, inputs: Sequence[Value]) -> None:
        self._numbers: dict[object, int] = {}
        self._values: list[Value] = []
        self._of: dict[Value, int] = {}
        for v in inputs:
            self._of[v] = self._number(v, v)

    def key(self, value: Value, stands_for: Mapping[Value, Value] | None = None) -> int:
        """The number of a value, which may be of a body whose inputs stand for others."""
        for other, own in (stands_for or {}).items():
            self._of[other] = self._of[own]
        for node in topological_order([value.node]):
            if node.outputs[0] in self._of:
                continue
            operands = tuple(self._of[v] for v in node.inputs)
            what = repr(node.op) if not isinstance(node.op, Constant) else node.op.digest
            first = (what, operands, 0) if node.op.pure else node
            made = node
            if first not in self._numbers:
                made = build(node.op, [self._values[i] for i in operands], node.name, node.origin)
            for v, result in zip(node.outputs, made.outputs, strict=True):
                self._of[v] = self._number((what, operands, v.index) if node.op.pure else v, result)
        return self._of[value]

    def value(self, number: int) -> Value:
        return self._values[number]

    def _number(self, key: object, value: Value) -> int:
        if key not in self._numbers:
            self._numbers[key] = len(self._values)
            self._values.append(value)
        return self._numbers[key]


def _trimmed(graph: Graph, log: PassLog, by: str) -> Graph:
    """The graph with what is read of its loops alone."""
    results = graph.results

    def trimmed(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        op = node.op
        if not isinstance(op, Scan):
            return None
        read = [i for i, v in enumerate(node.outputs) if v in graph.users or v in results]
        kept = sorted({*range(op.carries), *read})
        values = list(op.body.outputs.items())
        outputs = dict(values[i] for i in kept)
        order = topological_order(v.node for v in outputs.values())
        used = {n.output for n in order if isinstance(n.op, Input)}
        body_inputs = [i for i, v in enumerate(op.body.inputs) if i < op.carries or v in used]
        if len(kept) == len(node.outputs) and len(body_inputs) == len(inputs):
            return None
        log.fired["trimmed"] += 1
        scanned = sum(op.carries <= i < op.carries + op.scanned for i in body_inputs)
        body = Graph.of([op.body.inputs[i] for i in body_inputs], outputs, name=op.body.name)
        new = replace(op, body=body, scanned=scanned)
        made = build(new, [inputs[i] for i in body_inputs], node.name, node.origin)
        places = {old: made.outputs[i] for i, old in enumerate(kept)}
        # What nobody reads is stood for by the first result: nothing asks for its type.
        return [places.get(i, made.outputs[0]) for i in range(len(node.outputs))]

    return graph.transform(trimmed, by)
