"""Find the small part of two graphs where a pass changed the numbers, and print it.

Values that both graphs name alike, with the same type, are compared. What agrees is a border; the
part is what lies between the border and the first value that should agree but does not.
"""

from collections.abc import Callable, Mapping

from graphcnn.ir.evaluate import between
from graphcnn.ir.graph import Graph, unique_names, with_inputs
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.passes.driver.base import Applied

Evaluate = Callable[[Graph], Mapping[str, Array]]
Error = Callable[[Array, Array], float]


def changed_part(
    applied: Applied,
    before: Graph,
    after: Graph,
    key: str,
    tolerance: float,
    run_before: Evaluate,
    run_after: Evaluate,
    error: Error,
) -> str:
    """The nodes around the first difference that leads to the result `key`, before and after."""
    old, new = _by_name(before), _by_name(after)
    shared = [name for name in new if name in old and old[name].type == new[name].type]
    a = run_before(before.with_outputs({name: old[name] for name in shared}, {}))
    b = run_after(after.with_outputs({name: new[name] for name in shared}, {}))
    agree = [name for name in shared if error(a[name], b[name]) <= tolerance]
    first, second = _result(before, key), _result(after, key)
    for name in shared:  # in the order of the graph
        kept = old[name].node.op == new[name].node.op and not _made_by(applied, new[name].node)
        if kept and name not in agree:
            first, second = old[name], new[name]
            break
    left = _part(before, first, {old[name]: name for name in agree})
    right = _part(after, second, {new[name]: name for name in agree})
    return f"before {left}after {right}"


def _by_name(graph: Graph) -> dict[str, Value]:
    """The results of the graph's operations, by unique name."""
    return {
        name if i == 0 else f"{name}:{i}": value
        for node, name in unique_names(graph).items()
        if not isinstance(node.op, Input | State | Constant)
        for i, value in enumerate(node.outputs)
    }


def _result(graph: Graph, key: str) -> Value:
    """The output `key`, or the update that a run calls `update key`."""
    if key in graph.outputs:
        return graph.outputs[key]
    states = {f"update {s.node.op.key}": v for s, v in graph.updates.items()}  # type: ignore[attr-defined]
    return states[key] if key in states else next(iter(graph.results))


def _made_by(applied: Applied, node: Node) -> bool:
    return applied.by.name in node.origin.passes


def _part(graph: Graph, result: Value, border: Mapping[Value, str]) -> str:
    """What computes `result` from values of the border, which become inputs."""
    new: dict[Value, Value] = {}
    used: dict[Value, Value] = {}
    for node in between(border, [result]):
        for value in node.inputs:
            if value in border and value not in used:
                used[value] = Input(border[value], value.type)(name=border[value])
        inputs = tuple(used.get(v, new.get(v, v)) for v in node.inputs)
        made = node if inputs == node.inputs else with_inputs(node, inputs)
        new.update(zip(node.outputs, made.outputs, strict=True))
    sources = [v for v in new.values() if isinstance(v.node.op, Input)]
    part = Graph.of([*used.values(), *sources], {"result": new[result]}, name=graph.name)
    return str(part)
