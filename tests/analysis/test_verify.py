"""The verifier: sound graphs pass, and one graph for each invariant does not."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from graphcnn.analysis.verify import STAGES, Stage, verify
from graphcnn.errors import VerifyError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import OPS, Node, Op, Value
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.tensor_type import N, TensorType
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.norm import BatchNorm, BatchNormTrain
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.random import Dropout


def image() -> Value:
    return Input("image", TensorType((N, 2, 5, 5)))(name="image")


def weight(key: str = "w", shape: tuple[int, ...] = (3, 2, 3, 3)) -> Value:
    return State(key, TensorType(shape))()


def sound() -> Graph:
    x, w = image(), weight()
    y = Conv2d()(Pad2d((1, 1, 1, 1))(x), w, name="C1")
    return Graph.of([x], {"y": y}, {w: w}, name="g")


def with_nodes(graph: Graph, *nodes: Node, **changes: Any) -> Graph:
    return replace(graph, nodes=nodes, **changes)


def fails(graph: Graph, match: str, stage: str = "definition") -> None:
    with pytest.raises(VerifyError, match=match):
        verify(graph, stage)


def test_sound_graphs_pass() -> None:
    for stage in ("definition", "model", "inference", "training", "model+inference"):
        verify(sound(), stage)
    verify(sound().bind(4), "training+bound")


def test_mistyped_node() -> None:
    g = sound()
    node = g.outputs["y"].node
    bad = Node(node.op, node.inputs, (TensorType((N, 3, 5, 6)),), "C1", node.origin)
    broken = with_nodes(g, *(n for n in g.nodes if n is not node), bad, outputs={"y": bad.output})
    fails(
        broken,
        r'graph .g., stage .definition.: conv2d "C1" \(test_verify.py:\d+\) has the type '
        r"f32\[N,3,5,6\], expected f32\[N,3,5,5\]",
    )


def test_operands_that_do_not_fit() -> None:
    x = image()
    bad = Node(Conv2d(), (x,), (x.type,), "C1")
    fails(Graph((x,), {"y": bad.output}, {}, (x.node, bad)), 'conv2d "C1" has no types: .*found 1')
    bad = Node(Conv2d(), (x, x), (x.type,), "C1")
    fails(Graph((x,), {"y": bad.output}, {}, (x.node, bad)), 'conv2d "C1" has no types: .*weight')


def test_order() -> None:
    g = sound()
    fails(with_nodes(g, *g.nodes[::-1]), "reads .* as x, which stands at 2, expected before 0")
    fails(with_nodes(g, *g.nodes, g.nodes[-1]), "listed, expected .*: one stands twice")
    fails(with_nodes(g, *g.nodes[1:]), "reads .*image.*, which is not among the nodes")
    pad = next(n for n in g.nodes if n.op.name == "pad2d")
    bad = Node(Conv2d(), (Value(pad, 1), g.states[0]), (g.outputs["y"].type,), "C1")
    broken = with_nodes(g, *g.nodes[:-1], bad, outputs={"y": bad.output})
    fails(broken, "result 1 of 1")


def test_results_must_be_in_the_graph() -> None:
    g = sound()
    other = Pad2d()(image(), name="far")
    fails(replace(g, outputs={"y": other}), "output 'y' is pad2d \"far\".* not in the graph")
    fails(replace(g, updates={g.states[0]: other}), 'update uses pad2d "far"')


def test_sources() -> None:
    g = sound()
    fails(replace(g, inputs=()), 'input "image".* is not among the declared inputs')
    fails(replace(g, inputs=(*g.inputs, image())), "is declared as an input, expected")
    fails(replace(g, inputs=(*g.inputs, g.states[0])), "is declared as an input, expected")
    fails(replace(g, updates={g.outputs["y"]: g.outputs["y"]}), "is updated, expected a state")
    wrong = replace(g, updates={g.states[0]: g.outputs["y"]})
    fails(wrong, r"state \"w\".* is updated with f32\[N,3,5,5\], expected f32\[3,2,3,3\]")
    a, b = weight("same"), weight("same")
    both = Graph((), {"a": a, "b": b}, {}, (a.node, b.node))
    fails(both, "the key 'same', which another node has too")


def test_dead_node() -> None:
    g = sound()
    dead = Pad2d()(g.inputs[0], name="dead").node
    fails(with_nodes(g, *g.nodes, dead), 'pad2d "dead".* serves no output')
    unused = Graph.of([image(), Input("other", TensorType((N, 3)))()], {"y": weight()})
    verify(unused)


@dataclass(frozen=True)
class _Stray(Op):
    values: Any = ()

    def infer(self) -> TensorType:
        return TensorType(())


def test_operators_are_registered_and_hashable() -> None:
    node = Node(_Stray(), (), (TensorType(()),), "s")
    fails(Graph((), {"y": node.output}, {}, (node,)), "operator _Stray, which is not registered")
    node = Node(Pad2d([0, 0, 0, 0]), (image(),), (image().type,), "p")  # type: ignore[arg-type]
    x = node.inputs[0]
    graph = Graph((x,), {"y": node.output}, {}, (x.node, node))
    fails(graph, "has an attribute that cannot be compared by value")
    assert "_stray" not in OPS


def norm_graph(train: bool) -> Graph:
    x, (g, b) = image(), (weight(k, (2,)) for k in "gb")
    if train:
        return Graph.of([x], {"y": BatchNormTrain()(x, g, b, name="bn")})
    return Graph.of(
        [x], {"y": BatchNorm()(x, g, b, weight("m", (2,)), weight("v", (2,)), name="bn")}
    )


def test_vocabularies() -> None:
    fails(
        norm_graph(True), 'batch_norm_train "bn".* not allowed, expected batch_norm,', "inference"
    )
    verify(norm_graph(True), "training")
    verify(norm_graph(False), "inference")
    verify(norm_graph(False), "training")  # frozen layers keep their running statistics
    x = image()
    dropout = Graph.of([x], {"y": Dropout(0.5)(x)})
    verify(dropout)
    fails(dropout, "dropout .*not allowed, expected a random mask", "training")
    fails(dropout, "dropout .*not allowed, expected nothing", "inference")


def test_bound() -> None:
    fails(sound(), r"image.* has the type f32\[N,2,5,5\], expected no N", "bound")
    nameless = Graph.of([], {"w": weight("")})
    fails(nameless, "state.* has no key", "bound")
    fails(nameless, "state.* has no key", "model")


def test_unknown_stage() -> None:
    fails(sound(), "unknown stage 'fast'; known are definition, ", "bound+fast")


def test_new_stages_are_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    def small(graph: Graph) -> Iterator[str]:
        if len(graph.nodes) > 2:
            yield "expected at most 2 nodes"

    monkeypatch.setitem(STAGES, "fused", Stage({Pad2d: "a padded conv2d"}, (small,)))
    fails(sound(), "pad2d .*expected a padded conv2d", "fused")
    fails(Graph.of([], {k: Constant(np.float32(1))() for k in "abc"}), "at most 2", "fused")
    verify(Graph.of([], {"w": weight()}), "fused")
