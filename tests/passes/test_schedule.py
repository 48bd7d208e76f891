"""The order of the nodes: lowest peak, old states read before they are replaced."""

import numpy as np
import pytest
from rewrites import graph_of

import graphcnn as cnn
from graphcnn.analysis.verify import verify
from graphcnn.compile.pipelines import run_reference, training_graph
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Value
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import TensorType
from graphcnn.models import build
from graphcnn.ops.activation import Relu, Tanh
from graphcnn.ops.broadcast import BroadcastTo, Sum
from graphcnn.passes.driver.base import PassLog
from graphcnn.passes.driver.observers import random_feeds, random_states
from graphcnn.passes.lowering.fuse_ops import FuseOps
from graphcnn.passes.memory.plan_memory import plan_memory
from graphcnn.passes.memory.schedule import Schedule


def wide(x: Value) -> Value:
    """A large value made of a small one, and made small again."""
    return Sum((0,))(Tanh()(BroadcastTo((1000, 8))(x)))


def branches(x: Value) -> Value:
    large = [BroadcastTo((1000, 8))(x * float(i)) for i in range(4)]  # all before the first sum
    total = Sum((0,))(large[0])
    for each in large[1:]:
        total = total + Sum((0,))(each)
    return total


def breadth_first(graph: Graph) -> Graph:
    """The same nodes, those that are ready first in front."""
    left, order = list(graph.nodes), []
    while left:
        ready = [n for n in left if all(v.node in order for v in n.inputs)]
        order += ready
        left = [n for n in left if n not in ready]
    return Graph(graph.inputs, graph.outputs, graph.updates, tuple(order), graph.name)


def test_branches_run_one_after_the_other() -> None:
    graph = breadth_first(graph_of(branches, x=TensorType((8,))))
    before, log = plan_memory(graph), PassLog()
    after = Schedule()(graph, log)
    verify(after)
    assert set(after.nodes) == set(graph.nodes)
    small = plan_memory(after)
    assert before.lower_bound > 4 * 32000 and small.lower_bound < 2 * 32000
    assert "greedy order (given 1" in log.notes[0] or "eager order (given 1" in log.notes[0]


def test_a_good_order_is_kept() -> None:
    graph = graph_of(wide, x=TensorType((8,)))
    log = PassLog()
    assert Schedule()(graph, log) is graph
    assert log.fired == {"given": 1}


def test_what_replaces_a_state_runs_after_its_readers() -> None:
    w = State("w", TensorType((4,)))(name="w")
    x = Input("x", TensorType((4,)))(name="x")
    new = w + x
    graph = Graph.of([x], {"y": Relu()(w)}, {w: new})
    early = Graph(
        graph.inputs, graph.outputs, graph.updates,
        tuple(sorted(graph.nodes, key=lambda n: {"relu": 3, "add": 2}.get(n.op.name, 0))),
    )  # fmt: skip
    assert [n.op.name for n in early.operations] == ["add", "relu"]
    assert len(plan_memory(early).copies) == 1
    after = Schedule()(early)
    assert [n.op.name for n in after.operations] == ["relu", "add"]
    assert not plan_memory(after, inplace=lambda node: [(0, 0)]).copies


def test_readers_of_both_old_and_new_are_no_obstacle() -> None:
    w = State("w", TensorType((4,)))(name="w")
    x = Input("x", TensorType((4,)))(name="x")
    new = w + x
    graph = Graph.of([x], {"change": new - w}, {w: new})
    after = Schedule()(graph)
    verify(after)
    assert len(plan_memory(after, inplace=lambda node: [(0, 0)]).copies) == 1


def training(name: str) -> Graph:
    return training_graph(build(name).graph, "cross_entropy", cnn.SGD(0.05, momentum=0.9))


@pytest.mark.parametrize("name", ["lenet5", "vgg_cifar"])
def test_the_numbers_stay(name: str) -> None:
    graph = FuseOps()(training(name).bind(N=2))
    after = Schedule()(graph)
    verify(after, "fused+bound")
    feeds, states = random_feeds(graph), random_states(graph)
    expected, found = run_reference(graph, feeds, states), run_reference(after, feeds, states)
    for key, array in expected.items():
        assert np.array_equal(found[key], array)


@pytest.mark.parametrize("name", ["lenet5", "vgg_cifar", "resnet18"])
def test_it_is_deterministic_and_rests(name: str) -> None:
    graph = training(name).bind(N=2)
    one, two = Schedule()(graph), Schedule()(graph)
    assert one.nodes == two.nodes
    again = Schedule()(one)
    assert plan_memory(again).lower_bound <= plan_memory(one).lower_bound


def test_the_batch_size_may_be_unknown() -> None:
    verify(Schedule()(training("lenet5")))
