"""Bodies of loops to the form that becomes machine code, and out of them what does not move.

    scan(body(c, x, w) = c + dense(x, relayout(w)))(init, xs, w)
        becomes        scan(body(c, x, p) = c + dense(x, p))(init, xs, relayout(w))

So a weight is packed once, and not at every step. Constants that a body reads are given to it from
outside as well: then all that it needs to know lies where the memory of the graph around it does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value, build
from graphcnn.ir.sources import Input
from graphcnn.ops.loops import Scan
from graphcnn.ops.parts.body import inlined
from graphcnn.passes.driver.base import Pass, PassLog


def same(op: Scan) -> Graph:
    """A body as it is."""
    return op.body


@dataclass(frozen=True)
class LowerLoops(Pass):
    """Lower the body of every scan, then compute outside of it what no step changes.

    Attributes:
        lower: what is done with the body of a scan, by which its results may move as much as those
            of the passes in it.
    """

    lower: Callable[[Scan], Graph] = field(default=same, repr=False)

    tolerance: ClassVar[float | None] = 1e-4
    stage: ClassVar[str] = "placed"

    def run(self, graph: Graph, log: PassLog) -> Graph:
        def lowered(old: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not isinstance(old.op, Scan):
                return None
            log.fired["scan"] += 1
            op, given = hoisted(replace(old.op, body=self.lower(old.op)), inputs)
            return build(op, given, old.name).outputs

        return graph.transform(lowered, by=self.name)


def hoisted(op: Scan, inputs: Sequence[Value]) -> tuple[Scan, tuple[Value, ...]]:
    """A scan that is given what its body would make anew at every step, and all its inputs: those
    that nothing else reads are left out."""
    body, moving, read = op.body, op.moving, {*op.body.inputs}
    still = [n for n in body.nodes if n.outputs[0] not in moving]
    wanted = [v for n in body.nodes if n.outputs[0] in moving for v in n.inputs]
    results = dict.fromkeys([*wanted, *body.outputs.values()])
    border = [v for v in results if v not in moving and v not in read]
    given = op.parts(body.inputs).given
    dropped = {v for v in given if v not in results}
    if not border and not dropped:
        return op, tuple(inputs)
    outside = inlined(still, dict(zip(body.inputs, inputs, strict=True)))
    keys = {str(v.node.op.attributes["key"]) for v in body.inputs}
    inside: dict[Value, Value] = {}
    for value in border:
        number = len(keys)
        while (key := f"given.{number}") in keys:
            number += 1
        keys.add(key)
        inside[value] = Input(key, value.type)(name=key)

    inner = inlined(body.nodes, {**{v: v for v in body.inputs}, **inside})
    outputs = {key: inner[v] for key, v in body.outputs.items()}
    kept = [(v, x) for v, x in zip(body.inputs, inputs, strict=True) if v not in dropped]
    made = Graph.of((*(v for v, _ in kept), *inside.values()), outputs, name=body.name)
    return replace(op, body=made), (*(x for _, x in kept), *(outside[v] for v in border))
