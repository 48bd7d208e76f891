"""Operators without native code are written out in smaller ones."""

import numpy as np
import pytest
from samples.integer import SAMPLES
from samples.norm import SAMPLES as NORMS

import graphcnn as cnn
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import build, constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.integer import Dequantize
from graphcnn.ops.norm import GroupNorm, GroupNormGrad
from graphcnn.ops.reduce import Mean
from graphcnn.passes.driver.base import PassLog
from graphcnn.passes.lowering.expand import Expand
from graphcnn.runtime.native.code.registry import has_lowering
from graphcnn.runtime.reference import Reference

GROUPS = [s for s in NORMS if isinstance(s.op, GroupNorm | GroupNormGrad)]


def without_kernel(op):
    """Whether the operator is lowered: as if it were new, group_norm is not."""
    return not isinstance(op, GroupNorm | GroupNormGrad) and has_lowering(op)


def graph_of(sample):
    inputs = [Input(f"x{i}", t)(name=f"x{i}") for i, t in enumerate(sample.types(np.float32))]
    node = build(sample.op, inputs, "node")
    return Graph.of(inputs, {"y": node.output})


@pytest.mark.parametrize("sample", [*SAMPLES, *GROUPS], ids=repr)
def test_fires_once_and_keeps_the_numbers(sample):
    graph, log = graph_of(sample), PassLog()
    found = Expand(without_kernel)(graph, log)
    assert log.fired == {sample.op.name: 1}
    assert all(without_kernel(n.op) for n in found.operations)
    assert Expand(without_kernel)(found) is found
    feeds = {f"x{i}": a for i, a in enumerate(sample.arrays(np.float32))}
    (a,), (b,) = (Reference(g).run(feeds, {})[0].values() for g in (graph, found))
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)


def test_what_it_expands_to_is_expanded_too(monkeypatch):
    def expand(self, x):
        return (Sum(self.axes, self.keepdims)(x) / 6.0,)

    monkeypatch.setattr(Mean, "expand", expand)
    x = Input("x", TensorType((2, 2, 3)))(name="x")
    graph = Graph.of([x], {"y": GroupNorm()(x, constant_of([1.0, 1.0]), constant_of([0.0, 1.0]))})
    ops = [n.op.name for n in Expand()(graph).operations]
    assert (ops.count("sum"), ops.count("mean")) == (2, 0)


def test_leaves_other_operators_alone():
    graph = cnn.models.build("lenet5").graph
    assert Expand(has_lowering)(graph) is graph


def test_keeps_the_name_and_the_origin():
    graph = graph_of(next(s for s in SAMPLES if isinstance(s.op, Dequantize)))
    (result,) = Expand(has_lowering)(graph).outputs.values()
    assert result.node.name == "node"
    assert result.node.origin.location == graph.outputs["y"].node.origin.location
