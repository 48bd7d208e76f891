"""Every sample of every operator, exported and imported: the same numbers, and the same file."""

import numpy as np
import pytest
from support.evaluate import evaluate
from support.onnx_notes import without_note
from support.onnx_one_node import SAMPLES, one_node

from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.importing.importer import import_graph

NAMES = sorted({s.op.name for s in SAMPLES})


def samples(name):
    return [s for s in SAMPLES if s.op.name == name]


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
