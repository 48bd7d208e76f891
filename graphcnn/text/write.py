"""The text form of a graph: readable, one line per node, and `graphcnn.text.parse` reads it back.

    graph "tiny" (image: f32[N,1,8,8]) {
      C1.weight = state(initial=he) : f32[4,1,3,3]
      C1 = conv2d(image, C1.weight; stride=(2, 2)) : f32[N,4,3,3]  # tiny.py:3
      return features = C1
    }

A line is `name = operator(operands; attributes) : types  # origin`. Attributes at their default
are left out. Result 1 of a node `pool` is written `pool:1`. The origin is the user's line, the
passes that made the node (`by`) and the forward node that it belongs to (`for`).
"""

import re
from collections.abc import Callable, Iterable
from pathlib import PurePath

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, unique_names
from graphcnn.ir.node import OPS, Array, Node, Value
from graphcnn.ir.origin import Origin
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ops.own.operator import OwnOp
from graphcnn.text.literals import (
    format_bytes,
    format_elements,
    format_name,
    format_op,
    format_type,
    quote,
)

#: Constants with more elements are not written element by element.
INLINE = 16
#: Hex digits of a digest that stands for a constant.
DIGEST = 16
#: Files of this form are written bare in an origin.
PLAIN_FILE = r"[A-Za-z0-9_.<>-]+"


def format_graph(graph: Graph) -> str:
    """The graph for people to read. Large constants appear as shape and digest only."""
    return _format(graph, lambda constant: f"digest {quote(constant.digest[:DIGEST])}")


def dump_graph(graph: Graph) -> str:
    """The graph with every bit of its constants, for `parse_graph`: parse and dump give it back.

    Operators that a user defined are named with their classes in comments before it, and must be
    what is known by their names now: `GraphError` for one that was defined anew since.
    """
    return _homes(graph) + _format(
        graph, lambda constant: f"base64 {quote(format_bytes(constant.array))}"
    )


def _homes(graph: Graph) -> str:
    """`# swish is class Swish of layers`, a line for each operator that is not of the library."""
    ops = (op for node in graph.nodes for op in (node.op, getattr(node.op, "op", None)))
    lines = []
    for own in dict.fromkeys(type(op) for op in ops if isinstance(op, OwnOp)):
        if OPS.get(own.name, own) is not own:
            raise GraphError(
                f"the operator {own.name!r}, {own.home()}, was defined anew after this network "
                "was built: build it again, with what the name means now"
            )
        lines.append(f"# {own.name} is {own.home()}\n")
    return "".join(lines)


def fingerprint(graph: Graph) -> str:
    """A text that is equal for equal graphs, wherever they come from, and for no others."""
    return _format(graph, lambda constant: constant.digest, origins=False)


def _format(graph: Graph, large: Callable[[Constant], str], origins: bool = True) -> str:
    names = unique_names(graph)
    inputs = ", ".join(f"{format_name(names[v.node])}: {format_type(v.type)}" for v in graph.inputs)
    lines = [f"graph {quote(graph.name)} ({inputs}) {{"]
    for node in graph.nodes:
        if not isinstance(node.op, Input):
            origin = format_origin(node.origin) if origins else ""
            comment = f"  # {origin}" if origin else ""
            lines.append(f"  {_line(node, names, large)}{comment}")
    for key, value in graph.outputs.items():
        lines.append(f"  return {format_name(key)} = {_reference(value, names)}")
    for state, value in graph.updates.items():
        lines.append(f"  update {_reference(state, names)} <- {_reference(value, names)}")
    return "\n".join([*lines, "}"]) + "\n"


def _line(node: Node, names: dict[Node, str], large: Callable[[Constant], str]) -> str:
    name, op = names[node], node.op
    if isinstance(op, Constant):
        inner = _elements(op.array) or large(op)
    elif isinstance(op, State):
        key = [] if op.key == name else [f"key={quote(op.key)}"]
        inner = ", ".join([*key, *filter(None, [format_op(op, skip=("key", "type"))])])
    else:
        operands = ", ".join(_reference(v, names) for v in node.inputs)
        inner = "; ".join(filter(None, [operands, format_op(op)]))
    types = ", ".join(map(format_type, node.types))
    return f"{format_name(name)} = {op.name}({inner}) : {types}"


def _elements(array: Array) -> str | None:
    return format_elements(array) if array.size <= INLINE else None


def _reference(value: Value, names: dict[Node, str]) -> str:
    name = format_name(names[value.node])
    return f"{name}:{value.index}" if value.index else name


def format_origin(origin: Origin) -> str:
    """`lenet.py:12 by fuse_pad, backward for C1`, as far as known."""
    parts = []
    file = PurePath(origin.file).name
    if file:
        written = file if re.fullmatch(PLAIN_FILE, file) else quote(file)
        parts.append(f"{written}:{origin.line}")
    if origin.passes:
        parts.append(f"by {_names(origin.passes)}")
    if origin.forward:
        parts.append(f"for {format_name(origin.forward)}")
    return " ".join(parts)


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(format_name, names))
