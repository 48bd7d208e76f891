"""Every sample of every operator: exported, run in ONNX Runtime, compared with `evaluate`."""

import numpy as np
import pytest
from samples import library
from support.cases import each
from support.onnx_one_node import SAMPLES, float32, one_node, session, with_batch
from support.whole_numbers import exact_here

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import N
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.exporting.registry import EXCUSED, EXPORTERS
from graphcnn.ops.parts.body import all_nodes

runtime = pytest.importorskip("onnxruntime")
runtime_errors = pytest.importorskip("onnxruntime.capi.onnxruntime_pybind11_state")

#: Largest error allowed, normalised by the largest output; float32 sums in another order differ.
BOUND = 2e-6

#: Operators with another bound: sums that nearly cancel, so that the output is small.
BOUNDS = {"batch_norm_grad": 3e-5}

#: Operators whose kernels for small integers came later than the oldest release that is admitted.
LACKED_ONCE = {"quotient"}

#: Operators that no opset from 17 on has, with the lowest that does.
LOWEST = {"random_uniform": 18, "bit_and": 18, "bit_or": 18, "bit_xor": 18}


@each((sample, opset) for sample in SAMPLES for opset in ("auto", 21))
def test_onnx_runtime_agrees(sample, opset):
    model = export_graph(one_node(sample), {}, opset=opset)
    extreme = getattr(sample.op, "reduction", "") in ("max", "min")
    inside = [n.op.name for n in all_nodes(one_node(sample))]
    lowest = 18 if extreme else max(LOWEST.get(name, 17) for name in inside)
    assert model.opset_import[0].version == (lowest if opset == "auto" else opset)
    if float32(sample):  # there are few kernels for the other float types
        check_run(model, sample.op, sample.arrays(np.float32))


SYMBOLIC = [s for s in SAMPLES if float32(s) and with_batch(s)]


@each(SYMBOLIC)
def test_one_file_serves_every_batch_size(sample):
    op, types = with_batch(sample)
    inputs = [Input(f"input{i}", t)() for i, t in enumerate(types)]
    node = build(op, inputs, "node")
    outputs = dict(zip(op.results, node.outputs, strict=False))
    model = export_graph(Graph.of(inputs, outputs), {})
    for n in (1, 2, 5):
        arrays = [
            np.resize(a, (n, *a.shape[1:])) if N in t.shape else a
            for a, t in zip(sample.arrays(np.float32), types, strict=True)
        ]
        check_run(model, op.bind(n), arrays)


def test_all_operators_are_tried_with_an_open_batch_size():
    tried = {s.op.name for s in SYMBOLIC}
    assert {s.op.name for s in SAMPLES} - tried == {
        "element_count", "positions", "random_uniform",  # have no inputs with a batch axis
        "scan",  # has the types of its inputs in its body: see test_loops.py
    }  # fmt: skip


def check_run(model, op, arrays):
    """ONNX Runtime's outputs are those of `evaluate`."""
    try:
        ready = session(model)
    except runtime_errors.NotImplemented as error:
        if op.name in LACKED_ONCE:
            pytest.skip(f"an older ONNX Runtime: {error}")
        raise
    feeds = exact_here({f"input{i}": a for i, a in enumerate(arrays)})
    found = ready.run(None, feeds)
    expected = op.evaluate(*feeds.values())
    expected = expected if isinstance(expected, tuple) else (expected,)
    for theirs, ours in zip(found, expected, strict=True):
        ours = np.asarray(ours)
        assert (theirs.shape, theirs.dtype) == (ours.shape, ours.dtype)
        if ours.dtype.kind != "f":
            np.testing.assert_array_equal(theirs, ours)
            continue
        bound = BOUNDS.get(op.name, BOUND)
        scale = np.abs(ours[np.isfinite(ours)]).max(initial=0.0) or 1.0
        np.testing.assert_allclose(theirs / scale, ours / scale, rtol=0, atol=bound)


def test_every_operator_has_a_mapping_or_an_excuse():
    """Or is made of operators that have."""
    mapped = set(EXPORTERS) | set(EXCUSED)
    ours = library()
    assert not [name for name in set(ours) - mapped if not ours[name].has("expand")]
    assert set(EXPORTERS) & set(EXCUSED) == set()
    assert mapped - set(ours) == set()
