"""Pipelines as text, their observers, and the driver of rules."""

from dataclasses import dataclass

import numpy as np
import pytest
from rewrites import expression, graph_of

import graphcnn as cnn
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value, build
from graphcnn.learning.optimizers import Optimizer
from graphcnn.learning.schedules import Cosine, Linear, OneCycle, epochs, join
from graphcnn.ops.activation import Relu, Sigmoid
from graphcnn.passes.driver.base import PASSES, Applied, Pass, PassLog, Pipeline, no
from graphcnn.passes.driver.rewrite import Match, Result, rewrite, rule
from graphcnn.passes.simplify.canonicalize import Canonicalize
from graphcnn.passes.simplify.eliminate import Eliminate
from graphcnn.passes.simplify.fold_constants import FoldConstants
from graphcnn.passes.simplify.fold_states import FoldStates
from graphcnn.passes.training.apply_optimizer import ApplyOptimizer


@pytest.mark.parametrize(
    "text",
    [
        "canonicalize",
        "canonicalize, eliminate, fold_constants",
        "fold_constants{max_bytes=4096}, fuse_pad",
        "eliminate{signed_zeros=False}, conv_to_dense{max_elements=16}",
    ],
)
def test_text_round_trip(text: str) -> None:
    pipeline = Pipeline.parse(text)
    assert str(pipeline) == text
    assert Pipeline.parse(str(pipeline)) == pipeline


@pytest.mark.parametrize(
    "optimizer",
    [
        cnn.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=1e-4, clip_norm=1.0),
        cnn.SGD(OneCycle(0.1, 9), OneCycle(0.8, 9), groups={"a.*": {"momentum": 0}, "b": {}}),
        cnn.SWA(cnn.Lookahead(cnn.Adam(join(Linear(0.1, 1, 5), 0.5, at=epochs(2)))), epochs(3)),
        cnn.Adam(1e-3),
        cnn.SGD(Cosine(0.1, steps=100, warmup=5)),
    ],
)
def test_optimizers_are_written_and_read(optimizer: Optimizer) -> None:
    pipeline = Pipeline((Eliminate(), ApplyOptimizer(optimizer), FoldConstants(16)))
    assert Pipeline.parse(str(pipeline)) == pipeline
    assert Pipeline.parse(f"apply_optimizer{{optimizer={optimizer!r}}}").passes == (
        ApplyOptimizer(optimizer),
    )


def test_options_at_their_default_are_not_written() -> None:
    assert str(FoldConstants(1 << 20)) == "fold_constants"
    assert Pipeline.parse("fold_constants{max_bytes=1048576}") == Pipeline((FoldConstants(),))
    assert Pipeline.parse("eliminate ,canonicalize") == Pipeline((Eliminate(), Canonicalize()))


@pytest.mark.parametrize(
    "text, message",
    [
        ("eliminat", "unknown pass 'eliminat'; did you mean 'eliminate'"),
        ("eliminate{bytes=1}", "no option 'bytes'; it has .'signed_zeros'."),
        ("fold_constants{max_bytes=many}", "cannot read 'many'"),
        ("apply_optimizer{optimizer=SGDD(0.1)}", "option optimizer of .*: cannot read 'SGDD.0.1.'"),
        ("apply_optimizer{optimizer=SGD(momentu=0.9)}", "cannot read 'SGD.momentu=0.9.'"),
        ("apply_optimizer{optimizer=open('file')}", "cannot read"),
        ("apply_optimizer{SGD(0.1)}", "expected option=value, found 'SGD.0.1.'"),
        ("fold_constants{max_bytes=}", "options of pass fold_constants: cannot read 'max_bytes='"),
        ("eliminate; canonicalize", "cannot read the pipeline"),
        ("eliminate{", "cannot read the pipeline"),
    ],
)
def test_text_that_is_not_a_pipeline(text: str, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        Pipeline.parse(text)


def test_every_pass_without_needed_options_is_a_pipeline() -> None:
    for name, cls in PASSES.items():
        assert str(cls()) == name
        assert Pipeline.parse(name) == Pipeline((cls(),))


def test_arrays_are_no_options() -> None:
    assert str(FoldStates({"w": np.ones(2)})) == "fold_states"


def test_observers_see_every_pass() -> None:
    seen: list[Applied] = []
    graph = graph_of(lambda x: 1.0 * x + 2.0, x=(2,))
    after = Pipeline((Canonicalize(), Eliminate(), Eliminate())).run(graph, [seen.append])
    assert expression(after.outputs["result"]) == "add(x, 2.0)"
    assert [(str(a.by), a.changed) for a in seen] == [
        ("canonicalize", True), ("eliminate", True), ("eliminate", False),
    ]  # fmt: skip
    assert seen[0].before is graph and seen[-1].after is after
    assert seen[0].after is seen[1].before
    assert all(a.seconds >= 0 for a in seen)
    assert seen[1].log.fired == {"mul_one": 1}


def relu_and_back(name: str) -> Result:
    @rule("relu", "sigmoid")
    def swap(node: Node, match: Match) -> Result:
        """relu(x) -> sigmoid(x) -> relu(x) -> ..."""
        other = Sigmoid() if isinstance(node.op, Relu) else Relu()
        return other(*node.inputs, name=name)

    return swap  # type: ignore[return-value]


def test_rules_that_do_not_come_to_rest_are_named() -> None:
    graph = graph_of(lambda x: Relu()(x), x=(2,))
    with pytest.raises(GraphError, match=r"rules of mine do not come to rest after 4 .* swap"):
        rewrite(graph, [relu_and_back("y")], PassLog(), by="mine", sweeps=4)  # type: ignore[list-item]


@rule("neg")
def drop(node: Node, match: Match) -> Result:
    """-x -> x"""
    return node.inputs[0]


def test_near_misses_of_earlier_sweeps_are_forgotten() -> None:
    @rule("sigmoid")
    def single(node: Node, match: Match) -> Result:
        """sigmoid(x) -> x"""
        return no("used twice", node) if match.uses(node.inputs[0]) > 1 else node.inputs[0]

    graph, log = graph_of(lambda x: Sigmoid()(-x), x=(2,)), PassLog()
    after = rewrite(graph, (drop, single), log, by="test")
    assert expression(after.outputs["result"]) == "x"
    assert not log.refused


def test_uses_are_counted_where_rules_have_moved_them() -> None:
    counts: list[int] = []

    @rule("sigmoid")
    def count(node: Node, match: Match) -> Result:
        """sigmoid(x) -> sigmoid(x)"""
        counts.append(match.uses(node.inputs[0]))
        return None

    def build_graph(x: Value) -> tuple[Value, Value]:
        y = Relu()(x)
        z = -y
        return Sigmoid()(z), z * 2.0

    rewrite(graph_of(build_graph, x=(2,)), (drop, count), PassLog(), by="test")
    assert counts == [3, 2]  # in the first sweep the negation still counts


def test_uses_of_a_node_whose_inputs_were_rewritten() -> None:
    counts: list[int] = []

    @rule("sigmoid")
    def count(node: Node, match: Match) -> Result:
        """sigmoid(x) -> sigmoid(x)"""
        counts.append(match.uses(node.output))
        return None

    graph = graph_of(lambda x: Relu()(Sigmoid()(-x)), x=(2,))
    rewrite(graph, (drop, count), PassLog(), by="test")
    assert counts == [1, 1]


def test_a_pass_that_changes_nothing_returns_the_same_graph() -> None:
    @dataclass(frozen=True)
    class Nothing(Pass):
        def run(self, graph: Graph, log: PassLog) -> Graph:
            return graph.transform(lambda node, inputs: None, by=self.name)

    try:
        graph = graph_of(lambda x: build(Relu(), (x,)).output, x=(2,))
        assert Pipeline.parse("nothing").run(graph) is graph
    finally:
        del PASSES["nothing"]
