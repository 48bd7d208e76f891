"""The graph itself: order, identity, binding, names."""

import numpy as np
import pytest

from graphcnn.analysis.verify import verify
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, topological_order, unique_names
from graphcnn.ir.node import Node, Value, build
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.tensor_type import N, TensorType
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.shape import Concat, Reshape
from graphcnn.testing.structure import same_structure, structural_difference
from graphcnn.text.parse import parse_graph
from graphcnn.text.write import dump_graph


def image(key: str = "image") -> Value:
    return Input(key, TensorType((N, 1, 4, 4)))(name=key)


def weight(key: str = "w") -> Value:
    return State(key, TensorType((1, 1, 3, 3)))()


def small() -> Graph:
    x = image()
    y = Conv2d(padding=(1, 1, 1, 1))(x, weight(), name="C1")
    return Graph.of([x], {"y": Pad2d((1, 0, 0, 0))(y, name="P")}, name="small")


def chain(length: int) -> Graph:
    x = y = image()
    for _ in range(length):
        y = Pad2d()(y)
    return Graph.of([x], {"y": y})


def test_long_chains_need_no_recursion() -> None:
    g = chain(5_000)
    assert len(g.nodes) == 5_001
    place = {n: i for i, n in enumerate(g.nodes)}
    assert all(place[v.node] < place[n] for n in g.nodes for v in n.inputs)
    bound = g.bind(2)
    assert bound.outputs["y"].shape == (2, 1, 4, 4)
    assert same_structure(g, g) and len(unique_names(bound)) == 5_001
    verify(bound)
    assert same_structure(parse_graph(dump_graph(g)), g)


def test_order_is_deterministic_and_each_node_once() -> None:
    x = image()
    a = Pad2d((1, 0, 0, 0))(x)
    y = Concat(1)(a, a, a)
    assert topological_order([y.node]) == (x.node, a.node, y.node)
    assert topological_order([a.node, y.node, x.node]) == (x.node, a.node, y.node)


def test_graph_holds_what_its_results_depend_on() -> None:
    x, unused, w = image(), image("unused"), weight()
    Pad2d()(x, name="dead")
    g = Graph.of([x, unused], {"y": Conv2d()(x, w)}, {w: w})
    assert [n.op.name for n in g.nodes] == ["input", "input", "state", "conv2d"]
    assert unused.node in g.nodes and g.states == (w,) and g.parameters == (w,)
    assert g.results == {g.outputs["y"], w}
    assert [n.op.name for n in g.operations] == ["conv2d"]


def test_errors_of_of() -> None:
    x = image()
    with pytest.raises(GraphError, match="has no outputs"):
        Graph.of([x], {})
    with pytest.raises(GraphError, match=r"uses the input 'image' .*not among its declared inputs"):
        Graph.of([], {"y": x})
    with pytest.raises(GraphError, match="two inputs or states named 'w'"):
        Graph.of([], {"a": weight(), "b": weight()})
    with pytest.raises(GraphError, match="state and type must agree"):
        Graph.of([x], {"y": x}, {x: x})
    with pytest.raises(GraphError, match="state and type must agree"):
        Graph.of([x], {"y": x}, {weight(): x})
    with pytest.raises(TypeError):
        small().outputs["z"] = x  # type: ignore[index]


def test_users_count_every_operand() -> None:
    x = image()
    y = Concat(1)(x, x)
    users = Graph.of([x], {"y": y}).users
    assert users[x] == (y.node, y.node) and y not in users


def test_transform_returns_the_same_object_when_nothing_changes() -> None:
    g = small()
    assert g.transform(lambda node, inputs: None) is g
    assert g.transform(lambda node, inputs: node.outputs) is g
    assert g.transform(lambda node, inputs: list(node.outputs)) is g


def test_transform_rebuilds_only_what_follows() -> None:
    g = small()

    def widen(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...] | None:
        if node.name != "P":
            return None
        return build(Pad2d((2, 0, 0, 0)), inputs, "P").outputs

    new = g.transform(widen, by="widen")
    assert new is not g and new.outputs["y"].shape == (N, 1, 6, 4)
    assert new.nodes[:-1] == g.nodes[:-1]
    before, after = g.outputs["y"].node.origin, new.outputs["y"].node.origin
    assert after.passes == ("widen",) and (after.file, after.line) == (before.file, before.line)
    assert new.name == "small" and g.outputs["y"].shape == (N, 1, 5, 4)


def test_bind() -> None:
    x = image()
    g = Graph.of([x], {"y": Reshape((N, 16))(x)})
    assert not g.is_bound
    bound = g.bind(3)
    assert bound.outputs["y"].shape == (3, 16) and bound.is_bound
    assert bound.outputs["y"].node.op == Reshape((3, 16))
    assert bound.bind(5) is bound
    with pytest.raises(GraphError, match="at least 1, found N = 0"):
        g.bind(0)


def test_unique_names() -> None:
    x = image("a")
    nodes = [Pad2d((1, 0, 0, 0))(x, name=n) for n in ("a", "b", "b", "", "", "pad2d_1")]
    g = Graph.of([x], {str(i): v for i, v in enumerate(nodes)})
    names = [unique_names(g)[v.node] for v in nodes]
    assert unique_names(g)[x.node] == "a"
    assert len({*names, "a"}) == 7
    assert names[1] == "b" and names[0].startswith("a_") and names[2].startswith("b_")
    assert unique_names(g) == unique_names(g)


def test_comparison_ignores_names_and_sees_the_rest() -> None:
    def graph(key: str = "w", pad: int = 1, twice: bool = False, number: float = 1.0) -> Graph:
        x, w = image(), weight(key)
        c = Constant(np.float32(number))()
        a = Pad2d((pad, 0, 0, 0))(x, name=f"p{pad}{twice}")
        b = Pad2d((pad, 0, 0, 0))(x) if twice else a
        return Graph.of([x], {"y": Concat(1)(a, b), "w": w, "c": c}, name=key + str(pad))

    assert same_structure(graph(), graph().renamed("other"))
    assert "operators: state 'w'" in structural_difference(graph(), graph(key="v"))
    assert "operators: pad2d" in structural_difference(graph(), graph(pad=2))
    assert structural_difference(graph(), graph(twice=True)) and structural_difference(
        graph(twice=True), graph()
    )
    assert "operators: constant" in structural_difference(graph(), graph(number=2.0))
    assert structural_difference(graph(number=0.0), graph(number=-0.0))
    g = graph()
    assert structural_difference(g, g.with_outputs({"y": g.outputs["y"]})).startswith("outputs")
    assert structural_difference(g, g.bind(2)).startswith("operators: input")
    w = g.states[0]
    assert structural_difference(g, g.with_outputs(g.outputs, {w: w})).startswith("updated states")
    swapped = g.with_outputs({**g.outputs, "w": g.outputs["c"], "c": g.outputs["w"]})
    assert structural_difference(g, swapped)


def test_comparison_follows_the_wires() -> None:
    x = image()
    a, b = Pad2d((1, 0, 0, 0))(x), Pad2d((1, 0, 0, 0))(x)

    def graph(first: Value, second: Value, last: Value) -> Graph:
        y = Concat(1)(first, second)
        return Graph.of([x], {"p": a, "q": b, "r": last, "y": y})

    assert same_structure(graph(a, b, a), graph(a, b, a))
    assert structural_difference(graph(a, b, a), graph(b, a, a)).startswith("operands of concat")
    assert structural_difference(graph(a, b, a), graph(a, b, b)).startswith(
        "outputs or updates stand"
    )
