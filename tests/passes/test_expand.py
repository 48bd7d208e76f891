"""Operators without native code are written out in smaller ones."""

import numpy as np
import pytest
from samples.integer import SAMPLES

import graphcnn as cnn
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import OPS, build
from graphcnn.ir.sources import Input
from graphcnn.ops.integer import Dequantize
from graphcnn.passes.driver.base import PassLog
from graphcnn.passes.lowering.expand import Expand
from graphcnn.runtime.reference import Reference


def graph_of(sample):
    inputs = [Input(f"x{i}", t)(name=f"x{i}") for i, t in enumerate(sample.types(np.float32))]
    node = build(sample.op, inputs, "node")
    return Graph.of(inputs, {"y": node.output})


@pytest.mark.parametrize("sample", SAMPLES, ids=repr)
def test_fires_once_and_keeps_the_numbers(sample):
    graph, log = graph_of(sample), PassLog()
    found = Expand()(graph, log)
    assert log.fired == {sample.op.name: 1}
    assert not any(n.op.composite for n in found.nodes)
    assert Expand()(found) is found
    feeds = {f"x{i}": a for i, a in enumerate(sample.arrays(np.float32))}
    (a,), (b,) = (Reference(g).run(feeds, {})[0].values() for g in (graph, found))
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)


def test_leaves_other_operators_alone():
    graph = cnn.models.build("lenet5").graph
    assert Expand()(graph) is graph


def test_keeps_the_name_and_the_origin():
    graph = graph_of(next(s for s in SAMPLES if isinstance(s.op, Dequantize)))
    (result,) = Expand()(graph).outputs.values()
    assert result.node.name == "node"
    assert result.node.origin.location == graph.outputs["y"].node.origin.location


def test_every_composite_operator_says_what_it_is_made_of():
    assert all(op.has("expand") for op in OPS.values() if op.composite)
