"""Every sample of every operator: exported, run in ONNX Runtime, compared with `evaluate`."""

from dataclasses import replace

import numpy as np
import pytest
from samples import Sample, all_samples

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import OPS, build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, N
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.exporting.registry import EXCUSED, EXPORTERS
from graphcnn.ops.conv import ConvTranspose2d
from graphcnn.ops.pool import AvgPool2d, MaxPool2d

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


def one_node(sample):
    """The sample as a graph of one node whose inputs are fed."""
    types = sample.types(np.float32)
    inputs = [Input(f"input{i}", t)() for i, t in enumerate(types)]
    node = build(sample.op, inputs, "node")
    return Graph.of(inputs, dict(zip(sample.op.results, node.outputs, strict=False)))


def session(model, optimised=True):
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return runtime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def float32(sample):
    """Whether ONNX Runtime is asked: it has few kernels for the other float types."""
    others = (DType.FLOAT16, DType.FLOAT64)
    return not any(t.dtype in others for v in one_node(sample).nodes for t in v.types)


#: Corners that ONNX (Runtime) has refused or computed otherwise, beyond the samples.
CORNERS = [
    Sample(
        ConvTranspose2d((1, 2), (0, 1, 0, 0), (3, 3), output_padding=(2, 2)),
        (2, 2, 3, 4), (2, 3, 2, 2), (3,),
    ),
    Sample(ConvTranspose2d(dilation=(3, 3), output_padding=(2, 0)), (1, 2, 3, 3), (2, 1, 2, 2)),
    *(
        Sample(op, (2, 2, 6, 5))
        for window in (
            {"kernel": (2, 2), "stride": (2, 2), "padding": (2, 2, 1, 2), "dilation": (2, 2)},
            {"kernel": (3, 2), "stride": (3, 3), "padding": (0, 1, 1, 0), "ceil_mode": True},
            {"kernel": (1, 1), "stride": (4, 3), "ceil_mode": True},
        )
        for op in (
            MaxPool2d(**window, indices=True),
            AvgPool2d(**window),
            AvgPool2d(**window, count_include_pad=True),
        )
    ),
]  # fmt: skip

SAMPLES = [s for s in all_samples() if s.op.name not in EXCUSED] + CORNERS


@pytest.mark.parametrize("opset", ["auto", 21])
@pytest.mark.parametrize("sample", SAMPLES, ids=repr)
def test_onnx_runtime_agrees(sample, opset):
    model = export_graph(one_node(sample), {}, opset=opset)
    extreme = getattr(sample.op, "reduction", "") in ("max", "min")
    lowest = 18 if extreme else LOWEST.get(sample.op.name, 17)
    assert model.opset_import[0].version == (lowest if opset == "auto" else opset)
    if not float32(sample):
        pytest.skip("exported; no kernel for this float type")
    check_run(model, sample.op, sample.arrays(np.float32))


def with_batch(sample):
    """Operator and input types of the sample with `N` for the size of axis 0; None if it has no
    batch axis there."""
    types = sample.types(np.float32)
    if not types or not types[0].shape:
        return None
    batch = types[0].shape[0]
    shapes = {
        name: (N, *shape[1:])
        for name in ("shape", "sizes")
        if (shape := getattr(sample.op, name, None)) and shape[0] == batch
    }
    op = replace(sample.op, **shapes)
    for least in (1, 2, 4, None):  # inputs of this rank have the batch axis, or only the first
        guess = [
            t.with_shape((N, *t.shape[1:]))
            if t.shape[:1] == (batch,) and (i == 0 or (least and t.rank >= least))
            else t
            for i, t in enumerate(types)
        ]
        try:
            op.infer(*guess)
        except GraphError:
            continue
        return op, guess
    return None


SYMBOLIC = [s for s in SAMPLES if float32(s) and with_batch(s)]


@pytest.mark.parametrize("sample", SYMBOLIC, ids=repr)
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
    }  # fmt: skip


def check_run(model, op, arrays):
    """ONNX Runtime's outputs are those of `evaluate`."""
    try:
        ready = session(model)
    except runtime_errors.NotImplemented as error:
        if op.name in LACKED_ONCE:
            pytest.skip(f"an older ONNX Runtime: {error}")
        raise
    found = ready.run(None, {f"input{i}": a for i, a in enumerate(arrays)})
    expected = op.evaluate(*arrays)
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
    mapped = set(EXPORTERS) | set(EXCUSED)
    assert set(OPS) - mapped == set()
    assert set(EXPORTERS) & set(EXCUSED) == set()
    assert mapped - set(OPS) == set()
