"""Pools of ONNX whose forms are rare: p-norms, places of maxima through an open batch."""

import numpy as np
import pytest
from agreement import check_agreement
from malformed_models import model, node
from onnx import TensorProto

from graphcnn.errors import ImportModelError
from graphcnn.graph import Graph
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.passes.backward import vjp
from graphcnn.runner import Runner
from graphcnn.sources import Input


def drawn(*shape):
    return lambda n: {"x": np.random.default_rng(n).normal(size=(n, *shape)).astype(np.float32)}


@pytest.mark.parametrize("p", [1, 2, 3])
def test_norms_of_images(p):
    """Also of signals and of volumes, and where a last window is partial."""
    over = node("GlobalLpPool", "x", p=p)
    window = node("LpPool", "x", p=p, kernel_shape=[3, 2], strides=[2, 3], dilations=[1, 2],
                  pads=[1, 0, 1, 1], ceil_mode=1)  # fmt: skip
    for sizes in ((5,), (5, 6), (2, 3, 4)):
        content = model([over], ("N", 3, *sizes)).SerializeToString()
        check_agreement(content, drawn(3, *sizes))
    content = model([window], ("N", 3, 6, 7), opset=18).SerializeToString()
    check_agreement(content, drawn(3, 6, 7))


def test_slopes_of_norms_of_images():
    """Against central differences in double precision."""
    rng = np.random.default_rng(0)
    for kind, p, opset in (("GlobalLpPool", 3, 13), ("LpPool", 2, 18)):
        how = {} if kind == "GlobalLpPool" else {"kernel_shape": [2, 3], "ceil_mode": 1}
        base = model([node(kind, "x", p=p, **how)], ("N", 2, 4, 5), opset=opset)
        base.graph.input[0].type.tensor_type.elem_type = 11
        base.graph.output[0].type.tensor_type.elem_type = 11
        graph = import_graph(base.SerializeToString()).graph
        (y,) = graph.outputs.values()
        (x,) = graph.inputs
        c = Input("c", y.type)()
        (dx,) = vjp([y], [c], [x])
        runner = Runner(Graph.of([x, c], {"y": y, "dx": dx}), "reference")
        a = rng.normal(size=(2, 2, 4, 5))
        feeds = {"x": a, "c": rng.normal(size=y.type.bind(2).shape)}
        found = runner.run(feeds, {})[0]["dx"]
        v, h = rng.normal(size=a.shape), 1e-6
        ends = [runner.run({**feeds, "x": a + s * h * v}, {})[0]["y"] for s in (1, -1)]
        slope = np.sum((ends[0] - ends[1]) * feeds["c"]) / (2 * h)
        np.testing.assert_allclose(np.sum(found * v), slope, rtol=1e-7)


def test_a_norm_has_an_exponent_of_at_least_1():
    for kind, p, how in (("GlobalLpPool", 0, {}), ("LpPool", -1, {"kernel_shape": [2, 2]})):
        content = model([node(kind, "x", p=p, **how)]).SerializeToString()
        with pytest.raises(ImportModelError, match=f"'p' = {p} must be at least 1"):
            import_graph(content)


@pytest.mark.parametrize("sizes", [(7,), (6, 7), (4, 6, 7)])
def test_maxima_of_bytes(sizes):
    """Signals, images and volumes of integers of 8 bits."""
    rank = len(sizes)
    made = model(
        [node("MaxPool", "x", kernel_shape=[3] * rank, strides=[2] * rank, pads=[1] * 2 * rank)],
        ("N", 3, *sizes),
    )
    for kind, dtype in ((TensorProto.UINT8, np.uint8), (TensorProto.INT8, np.int8)):
        for info in (made.graph.input[0], made.graph.output[0]):
            info.type.tensor_type.elem_type = kind
        limits = np.iinfo(dtype)

        def images(n, dtype=dtype, limits=limits):
            rng = np.random.default_rng(n)
            return {"x": rng.integers(limits.min, limits.max + 1, (n, 3, *sizes)).astype(dtype)}

        check_agreement(made.SerializeToString(), images)
