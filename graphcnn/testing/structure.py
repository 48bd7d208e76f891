"""Whether two graphs compute the same thing in the same way. Names and origins do not matter."""

from graphcnn.ir.graph import Graph, topological_order
from graphcnn.ir.node import Node, Op, Value
from graphcnn.ir.sources import Constant, State
from graphcnn.text.literals import format_op, format_type


def same_structure(a: Graph, b: Graph) -> bool:
    """Whether the graphs have equal operators, wired equally, and equal keys.

    Keys of inputs, states and outputs count, and the order of the inputs. Names of operations,
    origins, the graph's name and the order of independent nodes do not. A node used twice differs
    from two equal nodes.
    """
    return not structural_difference(a, b)


def structural_difference(a: Graph, b: Graph) -> str:
    """The first difference between two graphs, in words; empty where there is none."""
    for what, left, right in (
        ("inputs", [_key(v) for v in a.inputs], [_key(v) for v in b.inputs]),
        ("outputs", sorted(a.outputs), sorted(b.outputs)),
        ("updated states", *([_key(s) for s in _updated(g)] for g in (a, b))),
    ):
        if left != right:
            return f"{what}: {left} and {right}"
    first, second = (topological_order(v.node for v in _roots(g)) for g in (a, b))
    places = [{n: i for i, n in enumerate(nodes)} for nodes in (first, second)]

    def wires(values: list[Value], side: int) -> list[tuple[int, int]]:
        return [(places[side][v.node], v.index) for v in values]

    for i, (x, y) in enumerate(zip(first, second, strict=False)):
        if not same_op(x.op, y.op):
            return f"operators: {_words(x)} and {_words(y)}, node {i}"
        if wires([*x.inputs], 0) != wires([*y.inputs], 1):
            return f"operands of {_words(x)}, node {i}"
        if x.types != y.types:
            return f"types of {_words(x)}, node {i}"
    if len(first) != len(second):
        return f"number of nodes: {len(first)} and {len(second)}"
    if wires(_roots(a), 0) != wires(_roots(b), 1):
        return "outputs or updates stand for other nodes"
    return ""


def same_op(a: Op, b: Op) -> bool:
    """Equal operators with equal attributes. Custom initializers are compared by their label."""
    if isinstance(a, Constant) or isinstance(b, Constant):
        return a == b
    return type(a) is type(b) and (a == b or format_op(a) == format_op(b))


def _roots(graph: Graph) -> list[Value]:
    """Everything that a graph is entered or left by, in an order that names do not change."""
    values = list(graph.inputs)
    values += [graph.outputs[key] for key in sorted(graph.outputs)]
    for state in _updated(graph):
        values += [state, graph.updates[state]]
    return values


def _updated(graph: Graph) -> list[Value]:
    return sorted(graph.updates, key=_key)


def _key(value: Value) -> str:
    return str(getattr(value.node.op, "key", ""))


def _words(node: Node) -> str:
    op = node.op
    if isinstance(op, Constant):
        return f"constant {op.digest[:16]} {format_type(node.types[0])}"
    if isinstance(op, State):
        return f"state {op.key!r}({format_op(op)})"
    return f"{op.name}({format_op(op)})"
