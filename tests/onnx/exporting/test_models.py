"""Whole networks and a training step against ONNX Runtime."""

import numpy as np
import pytest
from support.evaluate import evaluate

from graphcnn.exchange.export_judge import ExportJudge
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.models import MODELS
from graphcnn.onnx.comparing.parity import compare
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.ops.activation import Gelu, Silu
from graphcnn.ops.conv import Conv2d, ConvTranspose2d
from graphcnn.ops.dense import Dense
from graphcnn.ops.loss import CrossEntropy
from graphcnn.ops.norm import BatchNormTrain
from graphcnn.ops.pool import AvgPool2d, MaxPool2d
from graphcnn.ops.resample import Upsample2d
from graphcnn.ops.shape import Flatten
from graphcnn.passes.training.backward import gradients

pytest.importorskip("onnxruntime")

#: Batch sizes of the networks that take long in plain NumPy.
SLOW = {
    name: (2,)
    for name in ("resnet18", "resnet18_cifar", "resnet9", "cifar_fast", "vgg_cifar", "squeezenet",
                 "unet", "mobilenet_v2")
}  # fmt: skip
#: What an untrained critic says of drawn images is near 0, a difference of larger numbers: how near
#: it should be is judged by the exact result.
JUDGED = ("dcgan", "wgan_gp")
#: Thin ones of the same shape, of networks whose weights fill half a gigabyte.
SETTINGS = {"vgg16": {"size": 64, "channels": (4, 8, 8, 8, 8), "hidden": 16}}


@pytest.mark.parametrize("name", MODELS)
def test_built_in_network(name):
    model = MODELS[name](**SETTINGS.get(name, {}))
    exported = export_graph(model.graph, model.states)

    def run(feeds):
        n = len(next(iter(feeds.values())))
        return evaluate(model.graph.bind(n), feeds, model.states)

    judge = ExportJudge(model.graph, model.states, exported, {}) if name in JUDGED else None
    compare(exported, run, batches=SLOW.get(name, (1, 2, 5)), judge=judge).require()


def training_step():
    """Loss and gradients of a network with batch statistics, strides, groups and both pools."""
    x = Input("x", TensorType((N, 3, 11, 9)))()
    labels = Input("labels", TensorType((N,), DType.INT64))()
    shapes = {
        "C1": (4, 3, 3, 3), "C2": (4, 2, 2, 3), "T": (4, 2, 3, 3), "W": (5, 120), "b": (5,),
        "gamma": (4,), "beta": (4,),
    }  # fmt: skip
    p = {key: State(key, TensorType(shape))() for key, shape in shapes.items()}
    y = Conv2d((2, 1), (1, 1, 1, 0))(x, p["C1"])
    y, mean, variance = BatchNormTrain()(y, p["gamma"], p["beta"]).node.outputs
    y = MaxPool2d((3, 2), (2, 2), (1, 1, 0, 0), ceil_mode=True)(Silu()(y))
    y = Conv2d(groups=2, padding=(1, 1, 1, 1), flip_kernel=True)(y, p["C2"])
    y = Gelu()(ConvTranspose2d((2, 2), (1, 1, 0, 0))(y, p["T"]))
    y = Upsample2d((1, 2), "bilinear")(y)
    y = AvgPool2d((2, 3), (1, 3), (0, 1, 1, 0), count_include_pad=True, ceil_mode=True)(y)
    y = Flatten()(y)
    p["W"] = State("W", TensorType((5, y.shape[1])))()
    loss = CrossEntropy(0.1)(Dense()(y, p["W"], p["b"]), labels)
    wanted = [x, *p.values()]
    found = gradients(loss, wanted)
    outputs = {f"gradient:{v.node.op.key}": g for v, g in zip(wanted, found, strict=True)}
    return Graph.of([x, labels], {"loss": loss, "mean": mean, "var": variance, **outputs})


def test_a_training_step_with_all_gradients():
    graph = training_step()
    rng = np.random.default_rng(3)
    keys = {state_of(s).key: s.shape for s in graph.states}
    states = {k: rng.uniform(-0.5, 0.5, shape).astype(np.float32) for k, shape in keys.items()}
    model = export_graph(graph, states)
    assert model.opset_import[0].version == 17

    def feed(n):
        images = rng.normal(size=(n, 3, 11, 9)).astype(np.float32)
        return {"x": images, "labels": rng.integers(0, 5, n)}

    parity = compare(model, lambda f: evaluate(graph.bind(len(f["x"])), f, states), feed=feed)
    assert parity.worst < 2e-5, parity  # sums of sums: gradients of the first layers are small
