"""Loops as operators: the body step by step, written out, compared by structure, as text."""

from dataclasses import replace

import numpy as np
import pytest
from samples.scan import SAMPLES, ScanSample, lstm, rnn, rows, scan_of, t
from support.evaluate import run

from graphcnn.analysis.cost import multiply_adds
from graphcnn.analysis.verify import verify
from graphcnn.errors import VerifyError
from graphcnn.ir.evaluate import as_tuple
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value, build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import N, TensorType
from graphcnn.ops.activation import Tanh
from graphcnn.ops.loops import Scan
from graphcnn.text.parse import parse_graph
from graphcnn.text.write import dump_graph


def applied(op: Scan) -> Graph:
    parts = op.parts([v.type for v in op.body.inputs])
    stacks = [x.with_shape((op.length, *x.shape)) for x in parts.scanned]
    types = [*parts.carries, *stacks, *parts.given]
    inputs = [Input(f"a{i}", kind)(name=f"a{i}") for i, kind in enumerate(types)]
    node = build(op, inputs, "loop")
    return Graph.of(inputs, {f"r{i}": v for i, v in enumerate(node.outputs)}, name="whole")


RNN = ((TensorType((N, 3)),), (TensorType((N, 4)),), (t((3, 4)), t((3, 3)), t((3,))))


@pytest.mark.parametrize("sample", SAMPLES, ids=repr)
def test_written_out_it_has_the_same_bits(sample: ScanSample) -> None:
    inputs = [Input(f"a{i}", k)() for i, k in enumerate(sample.fixed)]
    arrays = sample.arrays()
    expected = as_tuple(sample.op.evaluate(*arrays))
    found = run(sample.op.expand(*inputs), dict(zip(inputs, arrays, strict=True)))
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("reverse", [False, True])
def test_it_is_the_loop_that_numpy_would_be(reverse: bool) -> None:
    op = scan_of(lstm, *[(t((2, 3)),) * k for k in (2,)], (t((2, 2)),), (t((12, 2)), t((12, 3))),
                 length=4, reverse=reverse)  # fmt: skip
    rng = np.random.default_rng(3)
    h, c, xs, w, u = (rng.normal(size=s).astype("f") for s in
                      ((2, 3), (2, 3), (4, 2, 2), (12, 2), (12, 3)))  # fmt: skip
    last_h, last_c, hs = op.evaluate(h, c, xs, w, u)
    expected = np.zeros((4, 2, 3))
    for at in range(3, -1, -1) if reverse else range(4):
        i, f, g, o = np.split(xs[at] @ w.T + h @ u.T, 4, axis=1)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        expected[at] = h = np.tanh(c) / (1 + np.exp(-o))
    for found, wanted in ((last_h, h), (last_c, c), (hs, expected)):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_what_does_not_move_is_computed_once() -> None:
    op = next(s.op for s in SAMPLES if "f32-still" in repr(s))
    graph = applied(op)
    (node,) = graph.operations
    inner = [n.op.name for v in op.expand(*node.inputs) for n in _before(v)]
    assert inner.count("sum") == 1 and inner.count("add") == op.length


def _before(value: Value) -> list[Node]:
    return list(Graph.of([n.output for n in _inputs(value)], {"y": value}).nodes)


def _inputs(value: Value) -> list[Node]:
    found, stack = [], [value.node]
    while stack:
        node = stack.pop()
        if node not in found:
            found.append(node)
            stack += [v.node for v in node.inputs]
    return [n for n in found if isinstance(n.op, Input)]


def test_equal_loops_are_equal_whatever_their_names() -> None:
    def renamed(h: Value, x: Value, w: Value, u: Value, b: Value) -> tuple[Value, Value]:
        new, same = rnn(h, x, w, u, b)
        assert new is same
        named = Tanh()(new.node.inputs[0], name="other")
        return named, named

    one, two = scan_of(rnn, *RNN), scan_of(renamed, *RNN)
    assert one == two and hash(one) == hash(two) and repr(one) == repr(two)
    others = [
        replace(one, length=4),
        replace(one, reverse=True),
        scan_of(rnn, *[tuple(k.bind(2) for k in part) for part in RNN]),
        scan_of(lambda h, x, w, u, b: (rnn(h, x, w, u, b)[0], h), *RNN),
    ]
    assert len({one, *others}) == 5


def test_bind_binds_the_body() -> None:
    graph = applied(scan_of(rnn, *RNN))
    verify(graph)
    bound = graph.bind(2)
    verify(bound, "bound")
    (node,) = bound.operations
    assert node.op == scan_of(rnn, *[tuple(k.bind(2) for k in part) for part in RNN])
    assert [str(k) for k in node.types] == ["f32[2,3]", "f32[3,2,3]"]


def test_costs_are_those_of_all_steps() -> None:
    (node,) = applied(scan_of(rnn, *RNN, length=5)).bind(2).operations
    assert multiply_adds(node) == 5 * 2 * (3 * 4 + 3 * 3)


@pytest.mark.parametrize("reverse", [False, True])
def test_text_round_trip(reverse: bool) -> None:
    nested = scan_of(rows, (t((2,)),), (t((4, 2)),), (t((2,)),), reverse=reverse)
    for op in (scan_of(rnn, *RNN, reverse=reverse), nested):
        graph = applied(op)
        text = dump_graph(graph)
        assert "body=graph" in text and ("reverse=True" in text) >= reverse
        back = parse_graph(text)
        assert dump_graph(back) == text
        assert [n.op for n in back.operations] == [n.op for n in graph.operations]


def test_text_as_a_person_writes_it() -> None:
    graph = parse_graph(
        """graph "g" (c: f32[3], xs: f32[4,3]) {
          s = scan(c, xs; body=graph "b" (a: f32[3], x: f32[3]) {
              b = add(a, x)
              return next = b
            }, carries=1, scanned=1, length=4)
          return out = s
        }"""
    )
    (node,) = graph.operations
    assert node.op == scan_of(lambda c, x: c + x, (t((3,)),), (t((3,)),), length=4)


def test_verify_looks_inside() -> None:
    good = scan_of(lambda c, x: Tanh()(c) + x, (t((2, 3)),), (t((2, 3)),))
    tanh = next(n for n in good.body.nodes if n.op.name == "tanh")
    bad = Node(tanh.op, tanh.inputs, (t((2, 4)),), "T")
    inputs = good.body.inputs
    nodes = (*(v.node for v in inputs), bad)
    broken = Graph(inputs, {"c": inputs[0], "y": bad.output}, {}, nodes, "b")
    graph = applied(replace(good, body=broken))
    with pytest.raises(VerifyError, match=r'scan "loop".*, body: tanh "T" has the type f32\[2,4\]'):
        verify(graph)
