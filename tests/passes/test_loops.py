"""Gradients of loops as loops, and loops that go the same way made one."""

from typing import Any

import numpy as np
import pytest
from samples.scan import SAMPLES, lstm, rnn, scan_of, t
from support.evaluate import run

import graphcnn as cnn
from graphcnn.compile.pipelines import training_graph
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value, build, constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType
from graphcnn.learning.optimizers import SGD
from graphcnn.ops.activation import Relu, Tanh
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Exp
from graphcnn.ops.loops import Scan
from graphcnn.passes.driver.base import PassLog
from graphcnn.passes.lowering.expand import Expand
from graphcnn.passes.simplify.merge_loops import MergeLoops
from graphcnn.passes.training.backward import gradients, vjp

F64 = DType.FLOAT64
DOUBLE = [s for s in SAMPLES if all(a.dtype == np.float64 for a in s.arrays())]


def loops(graph: Graph) -> list[Node]:
    return [n for n in graph.nodes if isinstance(n.op, Scan)]


def applied(op: Scan, arrays: Any) -> tuple[Node, dict[Value, Any]]:
    inputs = [Input(f"a{i}", t(a.shape, DType.of(a.dtype)))() for i, a in enumerate(arrays)]
    return build(op, inputs, "loop"), dict(zip(inputs, arrays, strict=True))


@pytest.mark.parametrize("sample", DOUBLE, ids=repr)
def test_gradients_are_those_of_the_loop_written_out(sample: Any) -> None:
    op = sample.op
    node, feed = applied(op, sample.arrays())
    rng = np.random.default_rng(1)
    cotangents = [constant_of(rng.normal(size=y.shape), F64) for y in node.outputs]  # type: ignore[arg-type]
    wrt = list(node.inputs)
    found = vjp(node.outputs, cotangents, wrt)
    expected = vjp(op.expand(*wrt), cotangents, wrt)
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            one, two = run([a, b], feed)
            np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-12)


def recurrent(kind: str = "rnn") -> Any:
    x = cnn.input("x", (6, 3))
    start = cnn.zeros((cnn.N, 4))

    def step(h: Any, v: Any) -> Any:
        h = cnn.tanh(cnn.dense(v, 4, name="in") + cnn.dense(h, 4, bias=False, name="again"))
        return h, h

    last, _ = cnn.scan(step, start, x, name="loop")
    return cnn.Model(x, cnn.dense(last, 2))


def test_a_step_of_training_goes_forward_once_and_back_once() -> None:
    """Weights get one product over the rows of all steps each, outside."""
    graph = training_graph(recurrent().graph, "cross_entropy", SGD())
    forward, backward = loops(graph)
    forward_op, backward_op = forward.op, backward.op
    assert isinstance(forward_op, Scan) and isinstance(backward_op, Scan)
    assert not forward_op.reverse and backward_op.reverse
    assert backward_op.length == forward_op.length == 6
    inside = [n.op.name for n in backward_op.body.operations]
    assert inside.count("matmul") == 1  # what goes on to the step before
    outside = [n for n in graph.nodes if n.op.name == "matmul"]
    merged = [
        n for n in outside if any("6*N" in str(v.type) or "6·N" in str(v.type) for v in n.inputs)
    ]
    assert len(merged) == 2
    assert len(forward.outputs) == 3  # the last carry; before and after each step


def test_parts_of_a_batch_make_the_gradient_of_the_whole() -> None:
    x = np.random.default_rng(0).normal(size=(16, 6, 3)).astype("f")
    y = (x.sum((1, 2)) > 0).astype(int)
    found = []
    for shards in (1, 4):
        model = recurrent()
        model.fit((x, y), epochs=2, seed=3, batch_size=8, shards=shards, progress=False)
        found.append(model.states)
    for key, array in found[0].items():
        np.testing.assert_allclose(array, found[1][key], rtol=1e-4, atol=1e-5)


def test_other_rules_reach_into_loops() -> None:
    x = Input("x", t((3, 4), F64))(name="x")
    op = scan_of(lambda c, v: (Relu()(c - v), c), (t((4,), F64),), (t((4,), F64),))
    start = constant_of(np.ones(4), F64)
    loss = -Sum((0,))(op(start, x))
    plain, guided = gradients(loss, [x]), gradients(loss, [x], "guided")
    array = np.array([[0.5, 2, -1, 0], [1, 1, 0, 0], [0, 0, 0, 3.0]])
    one, two = run([*plain, *guided], {x: array})
    assert (one > 0).any() and not two.any()  # nothing negative goes back through a relu


def twice(one: Scan, two: Scan) -> Graph:
    """Both over the same."""
    parts = one.parts([v.type for v in one.body.inputs])
    stacks = [x.with_shape((one.length, *x.shape)) for x in parts.scanned]
    types = [*parts.carries, *stacks, *parts.given]
    inputs = [Input(f"a{i}", kind)(name=f"a{i}") for i, kind in enumerate(types)]
    outputs = [v for op in (one, two) for v in build(op, inputs).outputs]
    return Graph.of(inputs, {f"r{i}": v for i, v in enumerate(outputs)})


CARRY, ROW = (t((2, 3)),), (t((2, 3)),)


def more(c: Value, x: Value) -> tuple[Value, Value, Value]:
    new = Tanh()(x + c)
    return new, new, Exp()(c)


def less(c: Value, x: Value) -> tuple[Value, Value]:
    return Tanh()(x + c, name="other"), x


def arrays_for(graph: Graph) -> dict[Value, Any]:
    rng = np.random.default_rng(0)
    return {v: rng.normal(size=v.shape).astype("f") for v in graph.inputs}  # type: ignore[arg-type]


def test_loops_with_the_same_carries_become_one() -> None:
    graph = twice(scan_of(more, CARRY, ROW), scan_of(less, CARRY, ROW))
    log = PassLog()
    merged = MergeLoops().run(graph, log)
    (loop,) = loops(merged)
    assert log.fired["merged"] == 1 and len(loop.outputs) == 4
    feeds = arrays_for(graph)
    before = run(list(graph.outputs.values()), feeds)
    after = run(list(merged.outputs.values()), feeds)
    for a, b in zip(before, after, strict=True):
        assert a.tobytes() == b.tobytes()
    assert MergeLoops().run(merged, PassLog()) is merged


@pytest.mark.parametrize(
    "other",
    [
        scan_of(lambda c, x: (Tanh()(x - c), x), CARRY, ROW),
        scan_of(less, CARRY, ROW, reverse=True),
        scan_of(lambda c, x: (Tanh()(x + 1.0), x), CARRY, ROW),
    ],
    ids=["other carries", "backwards", "other operand"],
)
def test_other_loops_stay_apart(other: Scan) -> None:
    graph = twice(scan_of(more, CARRY, ROW), other)
    log = PassLog()
    assert len(loops(MergeLoops().run(graph, log))) == 2 and not log.fired["merged"]


def test_results_that_nobody_reads_are_left_out() -> None:
    op = scan_of(lambda c, a, b, w: (c + a, b * w, c), CARRY, ROW * 2, ROW)
    graph = twice(op, op)
    graph = graph.with_outputs({"last": graph.outputs["r0"], "c": graph.outputs["r2"]})
    log = PassLog()
    trimmed = MergeLoops().run(graph, log)
    (loop,) = loops(trimmed)
    assert len(loop.outputs) == 2 and len(loop.inputs) == 2 and log.fired["trimmed"] == 1
    feeds = arrays_for(graph)
    for key, value in graph.outputs.items():
        (a, b) = (run([v], feeds)[0] for v in (value, trimmed.outputs[key]))
        assert a.tobytes() == b.tobytes()


def test_written_out_for_the_processor() -> None:
    """Until there is code for loops: no loop is left."""
    op = scan_of(lstm, (t((2, 3)),) * 2, (t((2, 2)),), (t((12, 2)), t((12, 3))))
    graph = twice(op, op)
    assert not loops(Expand().run(graph, PassLog()))
    assert scan_of(rnn, CARRY, (t((2, 4)),), (t((3, 4)), t((3, 3)), t((3,)))).length == 3
