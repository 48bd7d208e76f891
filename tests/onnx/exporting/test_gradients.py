"""Every sample of every operator that has a gradient: its backward graph in ONNX Runtime.

The gradient of a random projection of the results is built as nodes, exported, run, and compared
with what our own operators compute; where the operator can have one, with an open batch size.
"""

import numpy as np
from samples import Sample, all_samples
from support.cases import each
from support.onnx_one_node import CORNERS, float32, one_node, session, with_batch

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, N
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.exporting.registry import EXCUSED
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.pool import MaxPool2d
from graphcnn.passes.training.backward import vjp
from graphcnn.runtime.reference import Reference
from graphcnn.testing.gradients import is_differentiable

#: Largest error allowed, normalised by the largest element of all gradients of the sample.
BOUND = 3e-6

IMAGES = np.random.default_rng(0).uniform(-1.4, 1.4, (2, 2, 7, 6))


def has_gradient(sample):
    results = one_node(sample).outputs.values()
    return is_differentiable(sample) and any(y.dtype.is_float for y in results)


SAMPLES = [
    s
    for s in [*all_samples(), *CORNERS]
    if s.op.name not in EXCUSED and float32(s) and has_gradient(s)
]
SAMPLES += [
    Sample(Cast(DType.FLOAT64), (2, 3)),
    # enough channels for one product per tap
    Sample(Conv2d(), (2, 8, 3, 4), (3, 8, 1, 1)),
    Sample(Conv2d((2, 1), (1, 0, 2, 1), (1, 2)), (2, 9, 6, 7), (3, 9, 3, 2), (3,)),
    Sample(Conv2d((1, 1), (1, 1, 1, 1), flip_kernel=True), (2, 8, 4, 5), (2, 8, 2, 3)),
    Sample(Conv2d((2, 2)), (2, 8, 5, 5), (2, 8, 1, 1)),
    # ties
    *(Sample(MaxPool2d((k, 2), (k, 2)), np.round(IMAGES), label=f"ties{k}") for k in (1, 2, 3, 5)),
    Sample(MaxPool2d((3, 3), (2, 2), (1, 1, 1, 1)), np.round(IMAGES), label="ties, overlapping"),
]


def backward_graph(op, types):
    """An operator's inputs and the cotangents of its results to the gradients of its inputs."""
    inputs = [Input(f"input{i}", t)() for i, t in enumerate(types)]
    results = [y for y in build(op, inputs, "node").outputs if y.dtype.is_float]
    cotangents = [Input(f"cotangent{i}", y.type)() for i, y in enumerate(results)]
    wanted = [x for x in inputs if x.dtype.is_float]
    found = vjp(results, cotangents, wanted)
    outputs = {
        f"{x.node.op.key}.grad": g for x, g in zip(wanted, found, strict=True) if g is not None
    }
    return Graph.of([*inputs, *cotangents], outputs)


def check(model, graph, n, arrays):
    """ONNX Runtime gives what the reference gives, at batch size n."""
    bound = graph.bind(n)
    rng = np.random.default_rng(n)
    feeds = dict(zip((v.node.op.key for v in bound.inputs), arrays, strict=False))
    for value in bound.inputs[len(arrays) :]:
        feeds[value.node.op.key] = rng.uniform(-1, 1, value.shape).astype(value.dtype.numpy)
    expected, _ = Reference(bound).run(feeds)
    theirs = session(model)
    found = theirs.run(None, {i.name: feeds[i.name] for i in theirs.get_inputs()})
    finite = [np.abs(y[np.isfinite(y)]).max(initial=0.0) for y in expected.values()]
    scale = max(finite) or 1.0
    for (name, ours), y in zip(expected.items(), found, strict=True):
        ours = np.asarray(ours)
        assert (y.shape, y.dtype) == (ours.shape, ours.dtype), name
        np.testing.assert_allclose(y / scale, ours / scale, rtol=0, atol=BOUND, err_msg=name)


@each(SAMPLES)
def test_gradients_in_onnx_runtime(sample):
    graph = backward_graph(sample.op, sample.types(np.float32))
    check(export_graph(graph, {}), graph, 1, sample.arrays(np.float32))


SYMBOLIC = [s for s in SAMPLES if with_batch(s)]


@each(SYMBOLIC)
def test_gradients_at_every_batch_size(sample):
    op, types = with_batch(sample)
    graph = backward_graph(op, types)
    model = export_graph(graph, {})
    for n in (1, 2, 5):
        arrays = [
            np.resize(a, (n, *a.shape[1:])) if N in t.shape else a
            for a, t in zip(sample.arrays(np.float32), types, strict=True)
        ]
        check(model, graph, n, arrays)


def test_all_operators_with_a_gradient_are_tried():
    wanted = {s.op.name for s in all_samples() if is_differentiable(s)} - set(EXCUSED)
    wanted -= {"scan"}  # its body has types of its own: test_loops.py
    assert {s.op.name for s in SAMPLES} == wanted
    assert {s.op.name for s in SYMBOLIC} == {s.op.name for s in SAMPLES}
