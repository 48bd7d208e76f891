"""Plans of memory: run on real bytes they give the numbers of the reference, in little memory."""

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from rewrites import graph_of
from support.random_models import random_model
from support.run_plan import inplace, run_plan

import graphcnn as cnn
from graphcnn.compile.pipelines import inference_graph, training_graph
from graphcnn.errors import GraphError
from graphcnn.ir.evaluate import Evaluator, Results, results_of
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array, Node, Value, constant_of
from graphcnn.ir.plan import Plan
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ir.verify_plan import verify_plan
from graphcnn.models import MODELS, build
from graphcnn.ops.activation import Relu, Tanh
from graphcnn.ops.dense import Dense
from graphcnn.ops.shape import Flatten, Reshape
from graphcnn.passes.driver.observers import random_feeds, random_states
from graphcnn.passes.lowering.fuse_ops import FuseOps
from graphcnn.passes.memory.offsets import Slot, most_alive, place_slots
from graphcnn.passes.memory.plan_memory import plan_memory
from graphcnn.passes.memory.schedule import Schedule

VECTOR = TensorType((16,))
Arrays = dict[str, Array]


def check(graph: Graph, plan: Plan, seed: int = 0) -> None:
    """The plan on bytes against the definition, bit by bit."""
    feeds, states = random_feeds(graph, seed), random_states(graph, seed)
    expected = defined(graph, feeds, states)
    for want, found in zip(expected, run_plan(plan, feeds, states), strict=True):
        assert want.keys() == found.keys()
        for key, array in want.items():
            assert array.tobytes() == found[key].tobytes(), key


def defined(graph: Graph, feeds: Arrays, states: Arrays) -> tuple[Arrays, Arrays]:
    """The reference with every array made row-major: NumPy sums other strides in another order."""
    given = {**feeds, **states}

    def in_rows(node: Node, operands: Sequence[Array]) -> Results:
        source = isinstance(node.op, Input | State)
        results = (given[node.op.key],) if source else results_of(node, operands)  # type: ignore[attr-defined]
        return tuple(np.array(array, order="C") for array in results)

    with np.errstate(all="ignore"):
        known = Evaluator(graph.nodes, graph.results).run(compute=in_rows)
    outputs = {key: known[v] for key, v in graph.outputs.items()}
    return outputs, {state_of(s).key: known[v] for s, v in graph.updates.items()}


def planned(graph: Graph, **options: object) -> Plan:
    plan = plan_memory(graph, **options)  # type: ignore[arg-type]
    check(graph, plan)
    return plan


def scratch(node: Node) -> int:
    return 100 if node.op.name in ("dense", "conv2d", "fused") else 0


def training(name: str, n: int) -> Graph:
    loss = {"autoencoder": "mse", "unet": "binary_cross_entropy"}.get(name, "cross_entropy")
    return training_graph(build(name).graph, loss, cnn.SGD(0.05, momentum=0.9)).bind(N=n)


@pytest.mark.parametrize("name", MODELS)
def test_the_arena_is_near_the_lower_bound(name: str) -> None:
    for graph in (training(name, 8), inference_graph(build(name).graph).bind(N=8)):
        for each in (graph, FuseOps()(graph)):
            for allowed in (inplace, lambda node: ()):
                plan = plan_memory(Schedule()(each), scratch, allowed, parts=2)
                ratio = plan.arena_bytes / plan.lower_bound
                print(f"{name}: {len(plan.steps)} steps, {ratio:.3f} × {plan.lower_bound}")
                assert plan.arena_bytes <= 1.15 * plan.lower_bound
                assert plan.arena_bytes <= plan.sum_bytes


@pytest.mark.parametrize("name", ["lenet5", "vgg_cifar", "digits_cnn", "autoencoder"])
def test_training_on_bytes(name: str) -> None:
    for graph in (training(name, 2), FuseOps()(training(name, 2))):
        ordered = Schedule()(graph)
        planned(ordered)
        plan = planned(ordered, scratch=scratch, inplace=inplace, parts=3)
        assert not plan.copies  # every state is updated in place


@pytest.mark.parametrize("seed", range(10))
def test_random_models_on_bytes(seed: int) -> None:
    model = random_model(Random(seed), 4)
    graph = training_graph(model.graph, "cross_entropy", cnn.Adam(0.01)).bind(N=2)
    for each in (graph, Schedule()(FuseOps()(graph)), inference_graph(model.graph).bind(N=2)):
        check(each, plan_memory(each, scratch, inplace, parts=2), seed)


def test_memory_is_used_again() -> None:
    def chain(x: Value) -> Value:
        for _ in range(6):
            x = Tanh()(x)
        return x

    graph = graph_of(chain, x=VECTOR)
    plan = planned(graph)
    assert (plan.arena_bytes, plan.lower_bound, plan.sum_bytes) == (128, 128, 5 * 64)
    plan = planned(graph, inplace=inplace)
    assert (plan.arena_bytes, plan.lower_bound, plan.sum_bytes) == (64, 64, 64)
    assert [s.inplace for s in plan.steps] == [(), *[((0, 0),)] * 4, ()]


def test_views_share_their_memory() -> None:
    def views(x: Value, w: Value) -> Value:
        return Dense()(Flatten()(Relu()(Reshape((2, 2, 4))(Relu()(x)))), w)

    plan = planned(graph_of(views, x=TensorType((2, 8)), w=TensorType((3, 8))))
    assert [s.node.op.name for s in plan.steps] == ["relu", "relu", "dense"]
    assert plan.arena_bytes == 128


def test_results_that_are_sources_are_copied() -> None:
    constant = constant_of(np.arange(16), VECTOR.dtype)

    def through(x: Value, w: Value) -> tuple[Value, ...]:
        y = Relu()(x)
        return Reshape((4, 4))(x), w, constant, y, Reshape((2, 8))(y)

    graph = graph_of(through, x=VECTOR, w=VECTOR)
    plan = planned(graph)
    assert len(plan.steps) == 1 and len(plan.copies) == 4
    assert plan.arena_bytes == plan.lower_bound == 0


def state(key: str, dtype: TensorType = VECTOR) -> Value:
    return State(key, dtype)(name=key)


def fed() -> Value:
    return Input("x", VECTOR)(name="x")


def test_states_that_exchange_their_values() -> None:
    a, b, c = state("a"), state("b"), state("c")
    graph = Graph.of([], {"old": a}, {a: b, b: c, c: a})
    plan = planned(graph)
    assert not plan.steps and len(plan.copies) == 7


def test_one_value_for_several_states_and_outputs() -> None:
    a, b, x = state("a"), state("b"), fed()
    new = Relu()(x)
    planned(Graph.of([x], {"y": new, "z": Reshape((4, 4))(new)}, {a: new, b: new}))
    planned(Graph.of([x], {}, {a: new, b: new}))
    planned(Graph.of([x], {}, {a: x, b: b}))


def test_a_state_that_is_read_later_is_replaced_by_a_copy() -> None:
    a, x = state("a"), fed()
    new = a + x
    graph = Graph.of([x], {"y": Tanh()(new) * a}, {a: new})
    plan = planned(graph, inplace=inplace)
    assert len(plan.copies) == 1
    plan = planned(Graph.of([x], {"y": Tanh()(x)}, {a: new}), inplace=inplace)
    assert not plan.copies and plan.steps[1].writes == (plan.states["a"],)


def test_no_state_is_replaced_before_the_outputs_are_there() -> None:
    a, x = state("a"), fed()
    new = a + x
    plan = planned(Graph.of([x], {"y": Tanh()(new)}, {a: new}), inplace=inplace)
    assert plan.commit == 2 and [c.target for c in plan.copies] == [plan.states["a"]]


def test_an_old_state_that_leaves_is_not_replaced_before() -> None:
    a, b, x = state("a"), state("b"), fed()
    plan = planned(Graph.of([x], {"old": a}, {a: a + x}), inplace=inplace)
    assert len(plan.copies) == 2
    planned(Graph.of([x], {}, {a: a + x, b: a}), inplace=inplace)


def test_replacing_in_place_needs_the_kernels_word_for_every_operand() -> None:
    a, x = state("a"), fed()
    graph = Graph.of([x], {}, {a: a * a + x})
    fused = FuseOps()(graph)
    assert not planned(fused, inplace=lambda n: [(i, 0) for i in range(len(n.inputs))]).copies
    assert planned(fused).copies
    double = graph_of(lambda x: Relu()((lambda y: y + y)(Tanh()(x))), x=VECTOR)
    plan = planned(double, inplace=lambda node: [(0, 0)] if node.op.name == "add" else [])
    assert all(not s.inplace for s in plan.steps)  # input 1 is the same memory, and not allowed


def test_scratch_belongs_to_one_step_and_all_parts() -> None:
    graph = graph_of(lambda x: Tanh()(Relu()(Tanh()(x))), x=VECTOR)
    plan = planned(graph, scratch=lambda node: 1000 * (node.op.name == "relu"), parts=3)
    assert [s.scratch.bytes if s.scratch else 0 for s in plan.steps] == [0, 3000, 0]
    assert plan.lower_bound == 3008 + 2 * 64


def test_a_graph_must_be_bound() -> None:
    with pytest.raises(GraphError, match="unknown batch size; bind"):
        plan_memory(build("lenet5").graph)


def test_placing_intervals() -> None:
    """Against the bound, on many random sets of intervals of very different sizes."""
    random, worst, total = Random(1), 1.0, 0.0
    for _ in range(60):
        slots = []
        for i in range(random.randint(1, 60)):
            first = random.randint(0, 50)
            size = 64 * int(2 ** random.uniform(0, 10))
            last = first + int(random.expovariate(0.1))
            slots.append(Slot(str(i), size, first, last))
        size, bound = place_slots(slots), most_alive(slots)
        assert size >= bound
        for s in slots:
            assert s.offset % 64 == 0 and s.offset + s.bytes <= size
            for t in slots:
                apart = s.offset + s.room <= t.offset or t.offset + t.room <= s.offset
                assert s is t or s.last < t.first or t.last < s.first or apart
        worst, total = max(worst, size / bound), total + size / bound
    print(f"worst {worst:.3f}, mean {total / 60:.3f}")
    assert worst <= 1.1 and total / 60 < 1.03


def test_plans_are_deterministic() -> None:
    graph = Schedule()(FuseOps()(training("vgg_cifar", 4)))
    one, two = (plan_memory(graph, scratch, inplace) for _ in range(2))
    assert [b.offset for b in one.buffers] == [b.offset for b in two.buffers]
    assert str(one) == str(two)
    verify_plan(one)
