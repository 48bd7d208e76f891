"""In files and pictures: what is saved is what it was, ONNX means the same, cards show it."""

import tempfile
from pathlib import Path

import numpy as np

from graphcnn.model import Model, load
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.ops.own.operator import OwnOp
from graphcnn.pictures import graph_picture
from graphcnn.testing.definition import run
from graphcnn.testing.runs import same_bits
from graphcnn.testing.samples import Sample, graph_of, node_of, require
from graphcnn.text.write import fingerprint


def check_file(sample: Sample) -> None:
    """A model of the operator is saved, and the one that is loaded gives the same bits."""
    node, feed = node_of(sample, np.float32)
    model = Model(node.inputs, {f"y{i}": y for i, y in enumerate(node.outputs)})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        again = load(path)
    same = fingerprint(again.graph) == fingerprint(model.graph)
    require(same, f"the file holds another graph:\n{again.graph}\nexpected\n{model.graph}")
    fed = dict(zip(again.graph.inputs, feed.values(), strict=True))
    given = run(again.graph.outputs.values(), fed)
    for found, wanted in zip(given, run(node.outputs, feed), strict=True):
        require(same_bits(found, wanted), f"the loaded model gives {found!r}, expected {wanted!r}")


def check_onnx(sample: Sample) -> None:
    """What `onnx` gives is the definition, and has words in ONNX."""
    op = sample.op
    assert isinstance(op, OwnOp)
    node, feed = node_of(sample)
    for i, (found, wanted) in enumerate(
        zip(run(op.in_language(*node.inputs), feed), run(node.outputs, feed), strict=True)
    ):
        scale = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
        require(
            np.allclose(found, wanted, 1e-6, 1e-6 * scale, equal_nan=True),
            f"result {i} of onnx is {found!r}, by forward {wanted!r}",
        )
    export_graph(graph_of(sample, np.float32), {})


def check_picture(sample: Sample) -> None:
    """A card shows it, with its name."""
    shown = graph_picture(graph_of(sample, np.float32)).svg()
    require(sample.op.name in shown, f"the picture does not show {sample.op.name}")
