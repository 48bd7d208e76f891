"""Weights are prepared once: the two halves together compute what the whole did."""

import numpy as np
from evaluate import evaluate

import graphcnn as cnn
from graphcnn.compile import inference_pipeline
from graphcnn.models import build
from graphcnn.passes.observers import random_feeds, random_states
from graphcnn.passes.split_states import split_states


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
