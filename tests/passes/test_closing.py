"""What only gives states their new values stands last, apart from all else."""

import pytest

import graphcnn as cnn
from graphcnn.compile.native import native_pipeline, native_plan
from graphcnn.compile.pipelines import training_graph
from graphcnn.ir.graph import Graph
from graphcnn.ir.plan import BufferRole, is_step
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import TensorType
from graphcnn.models import build
from graphcnn.ops.activation import Tanh
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.dense import Dense
from graphcnn.passes.lowering.fuse_ops import FuseOps
from graphcnn.passes.memory.schedule import Schedule
from graphcnn.passes.training.closing import closing
from graphcnn.runtime.execution import Execution

KIND = TensorType((4, 4))


def test_only_what_serves_states_alone() -> None:
    x, w, v = Input("x", KIND)(name="x"), State("w", KIND)(name="w"), State("v", KIND)(name="v")
    heavy = Dense()(x, w)  # a matrix product, as gradients are
    total = Sum((0,))(heavy)
    scaled, shown = heavy * 0.1, Tanh()(w)
    both = w + shown  # a new value, and an output
    graph = Graph.of([x], {"y": total, "both": both}, {v: v * 0.9 + scaled, w: both})
    names = [n.op.name for n in graph.nodes if n in closing(graph)]
    assert sorted(names) == ["add", "mul", "mul"]
    assert both.node not in closing(graph) and shown.node not in closing(graph)
    assert not closing(Graph.of([x], {"y": w * 0.1 + x}))


def test_it_is_fused_with_its_like_alone_and_runs_last() -> None:
    x, w = Input("x", KIND)(name="x"), State("w", KIND)(name="w")
    gradient = Dense()(x, w)
    graph = Graph.of([x], {"y": Tanh()(gradient)}, {w: w - gradient * 0.1})
    fused = FuseOps()(graph)
    last = closing(fused)
    assert len(last) == 1
    assert all("dense" not in repr(node.op) for node in last)
    ordered = [node for node in Schedule()(fused).nodes if is_step(node)]
    assert ordered[-1] in last


@pytest.mark.parametrize("name", ["lenet5", "vgg_cifar", "squeezenet", "resnet18"])
@pytest.mark.parametrize("optimizer", [cnn.SGD(0.1, momentum=0.9), cnn.Adam(0.1, clip_norm=1.0)])
def test_states_are_updated_in_place_at_the_end(name: str, optimizer: object) -> None:
    graph = training_graph(build(name).graph, "cross_entropy", optimizer).bind(N=2)  # type: ignore[arg-type]
    plan = native_plan(native_pipeline().run(graph), Execution(threads=1))
    closing_steps = plan.steps[plan.commit :]
    assert all(not s.node.op.anchor for s in closing_steps)
    assert any(b.role is BufferRole.STATE for s in closing_steps for b in s.writes)
    moved = sum(copy.source.bytes for copy in plan.copies)
    states = sum(b.bytes for b in plan.states.values())
    print(f"{name}: {plan.commit} of {len(plan.steps)} steps, {moved} of {states} bytes copied")
    assert moved < states / 100
