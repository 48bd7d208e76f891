"""Properties of networks nobody thought of: hypothesis draws them and shrinks what fails."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.evaluate import all_values
from support.random_models import random_model

import graphcnn as cnn
from graphcnn.compile.pipelines import inference_pipeline, run_reference, training_pipeline
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node, Value, build
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.tensor_type import DType
from graphcnn.learning.objective import with_loss
from graphcnn.onnx.comparing.parity import compare
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.passes.driver.observers import Differential, Verify, random_feeds, random_states
from graphcnn.passes.training.backward import gradients
from graphcnn.testing.structure import same_structure
from graphcnn.text.write import dump_graph

drawn = given(st.integers(0, 2**32 - 1).map(Random))
some = settings(
    max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@drawn
@some
def test_types_promised_are_types_computed(random: Random) -> None:
    graph = random_model(random).graph.bind(N=2)
    all_values(graph, random_feeds(graph), random_states(graph))


@drawn
@some
def test_text_round_trip(random: Random) -> None:
    model = random_model(random)
    for graph in (model.graph, model.training_graph(optimizer="adam")):
        text = dump_graph(graph)
        parsed = cnn.parse_graph(text)
        assert dump_graph(parsed) == text
        assert same_structure(parsed, graph)


@drawn
@some
def test_passes_keep_the_numbers(random: Random) -> None:
    model = random_model(random)
    watch = [Verify(), Differential(run_reference)]
    inference_pipeline().run(model.graph, watch)
    inference_pipeline(model.states).run(model.graph, watch)
    training_pipeline(cnn.SGD(0.1, momentum=0.9)).run(
        with_loss(model.graph, "cross_entropy"), watch
    )


@drawn
@settings(some, max_examples=60)
def test_gradients_agree_with_finite_differences_along_a_direction(random: Random) -> None:
    """In float64, along one random direction of all parameters: (f(p + εd) - f(p - εd)) / 2ε."""
    graph = float64(with_loss(random_model(random, 4).graph, "cross_entropy")).bind(N=3)
    found = gradients(graph.outputs["loss"], graph.parameters)
    joint = graph.with_outputs({str(i): g for i, g in enumerate(found)})
    feeds, states = random_feeds(graph), random_states(graph)
    rng = np.random.default_rng(0)
    keys = [p.node.op.key for p in graph.parameters]
    direction = {key: rng.normal(size=states[key].shape) for key in keys}
    computed = run_reference(joint, feeds, states)
    analytic = sum(float(np.sum(computed[str(i)] * direction[k])) for i, k in enumerate(keys))

    def loss(step: float) -> float:
        moved = {k: states[k] + step * direction[k] for k in keys}
        return float(run_reference(graph, feeds, {**states, **moved})["loss"])

    epsilon = 1e-6
    numeric = (loss(epsilon) - loss(-epsilon)) / (2 * epsilon)
    wider = (loss(2 * epsilon) - loss(-2 * epsilon)) / (4 * epsilon)
    if abs(numeric - wider) > 1e-5 * max(1, abs(numeric)):
        return  # a kink (max, relu) lies within the step: finite differences say nothing here
    assert analytic == pytest.approx(numeric, rel=1e-4, abs=1e-6)


@drawn
@settings(some, max_examples=40)
def test_onnx_runtime_agrees(random: Random) -> None:
    pytest.importorskip("onnxruntime")
    model = random_model(random)

    def run(feeds: dict[str, Array]) -> dict[str, Array]:
        return run_reference(
            model.graph.bind(N=len(next(iter(feeds.values())))), feeds, model.states
        )

    report = compare(export_graph(model.graph, model.states), run, bound=5e-6)
    assert report.passed, str(report)


def float64(graph: Graph) -> Graph:
    """The graph with every float32 source as float64."""

    def widen(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        op = node.op
        if isinstance(op, Constant) and op.array.dtype == np.float32:
            return [Constant(op.array.astype(np.float64))()]
        if isinstance(op, Input | State) and op.type.dtype is DType.FLOAT32:
            wide = replace(op, type=op.type.with_dtype(DType.FLOAT64))
            return build(wide, (), node.name, node.origin).outputs
        return None

    return graph.transform(widen)
