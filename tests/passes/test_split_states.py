"""Weights are prepared once: the two halves together compute what the whole did."""

import numpy as np
from support.evaluate import evaluate

import graphcnn as cnn
from graphcnn.compile.native import Prepared
from graphcnn.compile.pipelines import inference_pipeline
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.models import build
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.integer import Dequantize
from graphcnn.passes.driver.observers import random_feeds, random_states
from graphcnn.passes.lowering.split_states import known_before, split_states


def test_a_folded_batch_norm_is_prepared() -> None:
    graph = inference_pipeline().run(build("vgg_cifar").graph).bind(N=2)
    prepare, run = split_states(graph)
    assert prepare is not None
    assert {n.op.name for n in run.operations} <= {
        "conv2d", "relu", "max_pool2d", "global_avg_pool2d", "flatten", "dense",
    }  # fmt: skip
    feeds, states = random_feeds(graph), random_states(graph)
    whole = evaluate(graph, feeds, states)
    halves = evaluate(run, feeds, {**states, **evaluate(prepare, {}, states)})
    assert all(np.array_equal(whole[key], halves[key]) for key in whole)


def test_nothing_to_prepare_gives_the_graph_itself() -> None:
    graph = build("lenet5").graph
    assert split_states(graph) == (None, graph)


def test_updated_states_stay_in_the_run() -> None:
    graph = build("lenet5").training_graph(optimizer=cnn.SGD(0.1, weight_decay=0.1))
    prepare, run = split_states(graph.bind(N=2))
    made = [] if prepare is None else list(prepare.outputs)
    assert len(run.updates) == len(graph.updates)
    assert all(key.startswith("prepared.") for key in made)


def test_constants_are_prepared_where_they_do_not_grow() -> None:
    """Stored as bytes and computed with as floats; spread over an image they are better spread
    when they are needed."""
    x = cnn.input("x", (3, 40, 40))
    weights = constant_of(np.ones((4, 3, 3, 3)), DType.INT8)
    border = BroadcastTo((1, 4, 38, 38))(constant_of(np.arange(4).reshape(4, 1, 1), DType.FLOAT32))
    graph = Graph.of([x], {"y": Conv2d()(x, Cast(DType.FLOAT32)(weights)) + border}).bind(N=2)
    assert split_states(graph) == (None, graph)
    prepare, run = split_states(graph, constants=True)
    assert prepare is not None
    assert [n.op.name for n in prepare.operations] == ["cast"]
    assert [n.op.name for n in run.operations] == ["conv2d", "broadcast_to", "add"]
    feeds = random_feeds(graph)
    whole, halves = evaluate(graph, feeds, {}), evaluate(run, feeds, evaluate(prepare, {}, {}))
    assert np.array_equal(whole["y"], halves["y"])


def test_native_code_has_constants_prepared_without_any_state() -> None:
    """Of more bytes than are folded while compiling."""
    rng = np.random.default_rng(0)
    weights = rng.integers(-9, 9, (256, 128, 3, 3)).astype(np.int8)
    x = cnn.input("x", (128, 4, 4))
    kernel = Dequantize()(constant_of(weights), constant_of(0.01))
    graph = Graph.of([x], {"y": Conv2d()(x, kernel)})
    prepared = Prepared(inference_pipeline().run(graph).bind(N=1))
    known = known_before(prepared.executable.plan.graph)
    assert not any(v in known for step in prepared.executable.plan.steps for v in step.node.outputs)
    feeds = random_feeds(graph.bind(N=1))
    (found,) = prepared.run(feeds)[0].values()
    expected = evaluate(graph.bind(N=1), feeds, {})["y"]
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
