"""Every sample of every operator as a graph of one node, and ONNX Runtime to run it."""

from dataclasses import replace

import numpy as np
import pytest
from samples import Sample, all_samples

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.naming import result_name
from graphcnn.ir.node import build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, N
from graphcnn.onnx.exporting.registry import EXCUSED
from graphcnn.ops.conv import ConvTranspose2d
from graphcnn.ops.pool import AvgPool2d, MaxPool2d

runtime = pytest.importorskip("onnxruntime")


def one_node(sample):
    """The sample as a graph of one node whose inputs are fed."""
    types = sample.types(np.float32)
    inputs = [Input(f"input{i}", t)() for i, t in enumerate(types)]
    node = build(sample.op, inputs, "node")
    return Graph.of(inputs, {result_name(node.op, i): y for i, y in enumerate(node.outputs)})


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
