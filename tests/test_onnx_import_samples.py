"""Every sample of every operator, exported and imported: the same numbers, mostly the same file."""

import numpy as np
import pytest
from evaluate import evaluate
from test_onnx_ops import SAMPLES, one_node

from graphcnn.errors import ImportModelError
from graphcnn.ir import OPS
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.importing.importer import import_graph

#: Operators whose export cannot be read: operations on bits.
UNREADABLE = {"random_uniform"}

#: Operators that come back as the smaller ones that their export is made of, at least in some
#: forms: their second export has other names for helper nodes.
WRITTEN_OUT = {
    "avg_pool2d", "avg_pool2d_grad", "batch_norm_grad", "batch_norm_train", "binary_cross_entropy",
    "broadcast_to", "conv2d", "conv2d_weight_grad", "conv_transpose2d", "cross_entropy",
    "element_count", "embed", "flatten", "gather", "matmul", "max", "max_pool2d", "max_pool2d_grad",
    "max_pool2d_pick", "max_unpool2d", "max_unpool2d_grad", "prod", "remainder",
    "mean", "mean_absolute_error", "mean_squared_error", "one_hot",
    "pad2d_grad", "scatter", "slice", "sum", "upsample2d", "upsample2d_grad", "zero_insert2d",
}  # fmt: skip

NAMES = sorted({s.op.name for s in SAMPLES})


def samples(name):
    return [s for s in SAMPLES if s.op.name == name]


@pytest.mark.parametrize("name", [n for n in NAMES if n not in UNREADABLE])
@pytest.mark.parametrize("opset", ["auto", 21])
def test_samples_come_back(name, opset):
    same = []
    for sample in samples(name):
        graph = one_node(sample)
        content = export_graph(graph, {}, opset=opset).SerializeToString(deterministic=True)
        found = import_graph(content)
        again = export_graph(found.graph, found.states, opset=opset)
        same.append(again.SerializeToString(deterministic=True) == content)
        feeds = {f"input{i}": a for i, a in enumerate(sample.arrays(np.float32))}
        expected, back = evaluate(graph, feeds), evaluate(found.graph, feeds, found.states)
        for key, y in expected.items():
            scale = np.abs(y[np.isfinite(y)]).max(initial=0) or 1
            assert (back[key].dtype, back[key].shape) == (y.dtype, y.shape)
            np.testing.assert_allclose(back[key] / scale, y / scale, rtol=0, atol=2e-6)
    assert all(same) or name in WRITTEN_OUT


@pytest.mark.parametrize("name", sorted(UNREADABLE))
def test_what_cannot_be_read_says_so(name):
    with pytest.raises(ImportModelError, match="not supported"):
        import_graph(export_graph(one_node(samples(name)[0]), {}).SerializeToString())


def test_the_lists_name_operators():
    assert UNREADABLE | WRITTEN_OUT <= set(OPS)
