"""The tensors of a graph by the names that users gave, and tensors given in place of its inputs."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value


def value_named(graph: Graph, name: str, activated: bool = True) -> Value:
    """The tensor called `name`; see `Network.value`. Raises `GraphError` where there is none."""
    if not isinstance(name, str):
        raise GraphError(f"tensors are found by name, a string, found {name!r}")
    nodes = {node.name: node for node in graph.nodes if node.name}
    stem, _, number = name.rpartition(":")
    if name in nodes:
        return _activated(graph, nodes[name]) if activated else nodes[name].output
    if name in graph.outputs:
        return graph.outputs[name]
    if stem in nodes and number.isdecimal():
        return _result(nodes[stem], int(number))
    known = [*nodes, *graph.outputs]
    near = difflib.get_close_matches(name, known, 3, 0.5) or [
        each for each in known if name.lower() in each.lower()
    ]
    hint = f"did you mean {_listed(near[:3])}?" if near else f"there are {_listed(known[:20])}"
    raise GraphError(f"graph {graph.name!r} has no tensor {name!r}; {hint}")


def _activated(graph: Graph, node: Node) -> Value:
    """The result of a layer: of its activation, which is called after it."""
    layer = re.escape(re.sub(r"_\d+$", "", node.name))  # numbered where a name is used twice
    for user in graph.users.get(node.output, ()):
        same = user.name == f"{node.name}.{user.op.name}" or re.fullmatch(
            rf"{layer}\.{user.op.name}(_\d+)?", user.name
        )
        if same and user.op.family == "activation":
            return user.output
    return node.output


def _result(node: Node, number: int) -> Value:
    if number >= len(node.outputs):
        count = len(node.outputs)
        raise GraphError(
            f"{node.op.name} {node.name!r} has {count} result{'s' * (count > 1)}, counted from 0, "
            f"found {node.name}:{number}"
        )
    return node.outputs[number]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def given_tensors(graph: Graph, inputs: tuple[Any, ...]) -> dict[Value, Value]:
    """What stands for each input of a graph. Raises `GraphError` for another number or type."""
    names = ", ".join(f"{v.node.name} {v.type}" for v in graph.inputs)
    if len(inputs) != len(graph.inputs) or not all(isinstance(v, Value) for v in inputs):
        found = ", ".join(
            type(v).__name__ if not isinstance(v, Value) else "tensor" for v in inputs
        )
        raise GraphError(
            f"{graph.name!r} is called with a tensor for each of its inputs ({names}), found "
            f"({found}); arrays go to predict"
        )
    for own, other in zip(graph.inputs, inputs, strict=True):
        if own.type.rank != other.type.rank or own.dtype != other.dtype:
            raise GraphError(
                f"{graph.name!r}: input {own.node.name!r} is {own.type}, found {other.type}"
            )
    return dict(zip(graph.inputs, inputs, strict=True))
