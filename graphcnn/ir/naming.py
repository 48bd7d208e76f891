"""What a model is made of, checked, and names that last: every node and state of it gets one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir.cells import Cell
from graphcnn.ir.graph import Graph, rebuilt, topological_order, unique_names
from graphcnn.ir.node import Node, Op, Value, build
from graphcnn.ir.sources import Constant, Input, State


def given_inputs(inputs: Any) -> tuple[Value, ...]:
    """The inputs of a model, from one or several. Raises `GraphError` for anything else."""
    values = _several(inputs, "inputs")
    for value in values:
        if not isinstance(value.node.op, Input):
            raise GraphError(f"{value!r} is not an input; make inputs with input(name, shape)")
    if len(set(values)) < len(values):
        raise GraphError(f"an input is given twice: {', '.join(v.node.name for v in values)}")
    return values


def output_names(outputs: Any) -> dict[str, Value]:
    """The outputs of a model by name, from a dict, or from one or several with their own names."""
    if isinstance(outputs, Mapping):
        for key, value in outputs.items():
            if not isinstance(key, str) or not isinstance(value, Value):
                raise GraphError(
                    f"outputs must map names to tensors, found {key!r}: {type(value).__name__}"
                )
        return dict(outputs)
    values = _several(outputs, "outputs")
    result: dict[str, Value] = {}
    for i, value in enumerate(values):
        hint = value.node.name or ("output" if len(values) == 1 else f"output{i}")
        result[hint if hint not in result else f"{hint}_{i}"] = value
    return result


def _several(values: Any, what: str) -> tuple[Value, ...]:
    found = (values,) if isinstance(values, Value) else values
    if not isinstance(found, tuple | list) or not all(isinstance(v, Value) for v in found):
        raise GraphError(f"{what} must be a tensor, or a list of tensors, found {values!r}")
    return tuple(found)


def joined(outputs: Mapping[str, Value]) -> dict[str, Value]:
    """The outputs of a model that may be made of parts of others.

    Nodes of one state become one node, and of two states of one name, which come from two models,
    the second takes another. A state is frozen if the model that said so last froze it.
    """
    nodes = topological_order(v.node for v in outputs.values())
    first: dict[Cell, Value] = {}
    new: dict[Value, Value] = {}
    taken = {n.op.key for n in nodes if isinstance(n.op, State | Input)} - {""}
    seen: set[str] = set()
    for node in nodes:
        op = node.op
        if not isinstance(op, State):
            continue
        value = node.output
        if op.cell in first:
            new[value] = first[op.cell]
            continue
        key, trainable = op.key, op.trainable if op.cell.trainable is None else op.cell.trainable
        if key in seen and op.cell.trainable is not None:
            key = _another(key, node, nodes, taken)
            taken.add(key)
        elif key:
            seen.add(key)
        first[op.cell] = value
        if (key, trainable) != (op.key, op.trainable):
            changed = replace(op, key=key, trainable=trainable)
            first[op.cell] = new[value] = build(changed, (), key, node.origin).output
    if not new:
        return dict(outputs)
    return dict(zip(outputs, rebuilt(outputs.values(), new), strict=True))


def _another(key: str, state: Node, nodes: Sequence[Node], taken: set[str]) -> str:
    """A free key; none, to be named after its layer, for a state that had its name from one."""
    for node in nodes:
        for position, value in enumerate(node.inputs):
            if value.node is state and key == f"{node.name}.{node.op.operand_name(position)}":
                return ""
    count = 2
    while f"{key}_{count}" in taken:
        count += 1
    return f"{key}_{count}"


def named(graph: Graph) -> Graph:
    """The graph with a unique name on every node, and a key on every state.

    A state without a key is named after the operand of the first node that reads it:
    the weight of the convolution "C1" becomes "C1.weight".
    """
    names = unique_names(graph)
    keys = {v.node: key for v, key in state_keys(graph, names).items()}

    def rename(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        if isinstance(node.op, Constant):
            return None
        key = keys.get(node, names[node])
        op = replace(node.op, key=key) if isinstance(node.op, State) else node.op
        if key == node.name and op == node.op:
            return None
        return build(op, inputs, key, node.origin).outputs

    return graph.transform(rename)


def state_keys(graph: Graph, names: dict[Node, str]) -> dict[Value, str]:
    """A key for every state that has none."""
    taken = {v.node.op.key for v in graph.states if isinstance(v.node.op, State)}
    keys: dict[Value, str] = {}
    for node in graph.nodes:
        for position, value in enumerate(node.inputs):
            if not isinstance(value.node.op, State) or value.node.op.key or value in keys:
                continue
            stem = f"{names[node]}.{node.op.operand_name(position)}"
            key, count = stem, 1
            while key in taken:
                count += 1
                key = f"{stem}_{count}"
            taken.add(key)
            keys[value] = key
    return keys


def result_name(op: Op, index: int) -> str:
    """Name of result `index` of an operator, also for repeated ones, `y0`, `y1`, and for those of
    which there are more than have names."""
    fixed = len(op.results) - 1
    if op.results[-1].startswith("*") and index >= fixed:
        return f"{op.results[-1][1:]}{index - fixed}"
    return op.results[index] if index <= fixed else f"output{index}"


class Names:
    """Unique names of one namespace."""

    def __init__(self, taken: Sequence[str] = ()) -> None:
        self.taken = set(taken)

    def fresh(self, hint: str) -> str:
        """`hint`, with a number where it is taken."""
        name, number = hint, 1
        while name in self.taken:
            number += 1
            name = f"{hint}_{number}"
        self.taken.add(name)
        return name
