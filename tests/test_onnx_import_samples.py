"""Every sample of every operator, exported and imported: the same numbers, and the same file."""

import numpy as np
import onnx
import pytest
from evaluate import evaluate
from test_onnx_ops import SAMPLES, one_node

from graphcnn.onnx.exporting.export import NOTE, export_graph
from graphcnn.onnx.importing.importer import import_graph

NAMES = sorted({s.op.name for s in SAMPLES})


def samples(name):
    return [s for s in SAMPLES if s.op.name == name]


def without_note(model):
    """The model without the text of our graph, as any other program would write it."""
    other = onnx.ModelProto()
    other.CopyFrom(model)
    kept = [p for p in model.metadata_props if p.key != NOTE]
    del other.metadata_props[:]
    other.metadata_props.extend(kept)
    return other.SerializeToString(deterministic=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("opset", ["auto", 21])
def test_samples_come_back(name, opset):
    for sample in samples(name):
        graph = one_node(sample)
        exported = export_graph(graph, {}, opset=opset)
        content = exported.SerializeToString(deterministic=True)
        found = import_graph(content)
        again = export_graph(found.graph, found.states, opset=opset)
        assert again.SerializeToString(deterministic=True) == content, sample
        found = import_graph(without_note(exported))
        feeds = {f"input{i}": a for i, a in enumerate(sample.arrays(np.float32))}
        expected, back = evaluate(graph, feeds), evaluate(found.graph, feeds, found.states)
        for key, y in expected.items():
            scale = np.abs(y[np.isfinite(y)]).max(initial=0) or 1
            assert (back[key].dtype, back[key].shape) == (y.dtype, y.shape)
            np.testing.assert_allclose(back[key] / scale, y / scale, rtol=0, atol=2e-6)
