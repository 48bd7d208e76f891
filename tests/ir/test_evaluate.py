"""The evaluator of graphs: when it lets go of arrays, what it shows, which part it is for.

That it computes the right numbers is shown wherever the reference is compared with the oracle.
"""

import weakref
from collections.abc import Sequence

import numpy as np

from graphcnn.ir.evaluate import Evaluator, Results, between, results_of
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node, build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.activation import Relu, Tanh
from graphcnn.ops.elementwise import Exp
from graphcnn.ops.pool import MaxPool2d

X = Input("x", TensorType((1, 1, 4, 4)))(name="x")


def test_arrays_are_let_go_when_the_last_node_has_read_them() -> None:
    """Also those that nothing reads, and not those that are wanted."""
    bent = Tanh()(X, name="bent")
    pool = build(MaxPool2d((2, 2), indices=True), (bent,), "pool")
    kept = Relu()(pool.output, name="kept")
    last = Exp()(kept + Relu()(kept), name="last")
    graph = Graph.of([X], {"last": last, "kept": kept})
    alive: dict[str, list[str]] = {}
    made: dict[str, weakref.ref[Array]] = {}

    def compute(node: Node, operands: Sequence[Array]) -> Results:
        alive[node.name or node.op.name] = [k for k, r in made.items() if r() is not None]
        found = results_of(node, operands) if node.inputs else (np.ones((1, 1, 4, 4), np.float32),)
        names = [f"{node.name or node.op.name}{i or ''}" for i in range(len(found))]
        made.update(zip(names, map(weakref.ref, found), strict=True))
        return found

    arrays = Evaluator(graph.nodes, graph.results).run(compute=compute)
    assert alive == {
        "x": [],
        "bent": ["x"],
        "pool": ["bent"],
        "kept": ["pool"],
        "relu": ["kept"],
        "add": ["kept", "relu"],
        "last": ["kept", "add"],
    }
    assert set(arrays) == {kept, last}


def test_what_is_known_is_a_border() -> None:
    """Nodes on its other side are neither needed nor computed."""
    border = Tanh()(X)
    result = Relu()(border) + Exp()(border)
    nodes = between({border}, [result, border])
    assert [n.op.name for n in nodes] == ["relu", "exp", "add"]
    seen: list[str] = []
    known = {border: np.zeros((1, 1, 4, 4), np.float32)}
    found = Evaluator(nodes, {result}).run(known, watch=lambda n, y: seen.append(n.op.name))
    assert seen == ["relu", "exp", "add"]
    assert list(found) == [result] and (found[result] == 1).all()
