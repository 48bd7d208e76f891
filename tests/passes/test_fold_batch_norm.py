"""Beyond the examples of the rules: near misses, chains, and what is left for constants."""

import re

import numpy as np
import pytest
from rewrites import RefusalExample, arrays_for, graph_of
from rewrites.fold_batch_norm import SCALED_INSTEAD, norm, sources
from support.evaluate import evaluate

from graphcnn.ir.node import Value
from graphcnn.ops.activation import Relu
from graphcnn.ops.conv import Conv2d
from graphcnn.passes.driver.base import PassLog
from graphcnn.passes.simplify.fold_batch_norm import FoldBatchNorm
from graphcnn.passes.simplify.fold_constants import FoldConstants
from graphcnn.passes.simplify.fold_states import freeze_states


@pytest.mark.parametrize("example", SCALED_INSTEAD, ids=repr)
def test_what_cannot_be_folded_says_why_and_becomes_a_product(example: RefusalExample) -> None:
    graph, log = example.graph.bind(N=2), PassLog()
    after = FoldBatchNorm()(graph, log)
    assert [r.rule for r in log.refused] == [example.rule]
    assert re.search(example.reason, str(log.refused[0]))
    assert log.fired == {"batch_norm_to_scale_and_shift": 1}
    assert not any(n.op.name == "batch_norm" for n in after.nodes)
    assert FoldBatchNorm()(after) is after
    arrays = arrays_for(graph)
    for key, expected in evaluate(graph, arrays, arrays).items():
        np.testing.assert_allclose(evaluate(after, arrays, arrays)[key], expected, atol=1e-12)


def chain(x: Value, w: Value, b: Value, **s: Value) -> Value:
    """conv, norm, relu, norm, conv: one norm goes back, the other forward."""
    y = Relu()(norm(Conv2d(padding=(1, 1, 1, 1))(x, w, b), s))
    return Conv2d()(norm(y, s), w)


def test_one_layer_per_norm_and_shared_states_stay() -> None:
    graph, log = graph_of(chain, **sources(2, w=(2, 2, 3, 3), b=(2,))).bind(N=2), PassLog()
    after = FoldBatchNorm()(graph, log)
    assert log.fired == {"batch_norm_into_layer": 1, "batch_norm_before_layer": 1}
    assert not log.refused
    assert set(after.states) == set(graph.states)
    arrays = arrays_for(graph)
    expected = evaluate(graph, arrays, arrays)["result"]
    np.testing.assert_allclose(evaluate(after, arrays, arrays)["result"], expected, atol=1e-11)


def test_with_constant_states_only_the_layers_are_left() -> None:
    graph = graph_of(chain, **sources(2, w=(2, 2, 3, 3), b=(2,))).bind(N=2)
    arrays = arrays_for(graph)
    after = FoldConstants()(freeze_states(FoldBatchNorm()(graph), arrays))
    assert [n.op.name for n in after.operations] == ["conv2d", "relu", "conv2d"]
    expected = evaluate(graph, arrays, arrays)["result"]
    np.testing.assert_allclose(evaluate(after, arrays)["result"], expected, atol=1e-11)
