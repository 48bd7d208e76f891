"""Real architectures against ONNX Runtime, before the softmax, with weights that mean something."""

import numpy as np
import pytest
from light_models import NAMES, light_model

from graphcnn.onnx.importer import import_onnx
from graphcnn.runtime.reference import Reference

runtime = pytest.importorskip("onnxruntime")

#: Largest error, normalised by the largest output. One Relu left out gives 5e-5 and more.
BOUND = 2e-6

#: Networks that take up to three seconds; the others are for the full run.
QUICK = NAMES[:6]


def error(model, name, wrong=None):
    """How far the imported network (or `wrong`, a model to import instead) is from the original."""
    x = np.random.default_rng(1).normal(size=(1, 3, 224, 224)).astype(np.float32)
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    content = model.SerializeToString()
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {name: x})
    found = import_onnx((wrong or model).SerializeToString())
    (ours,) = Reference(found.graph).run({name: x}, found.states)[0].values()
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.sweep) for n in NAMES]
)
def test_computes_what_onnx_runtime_computes(name):
    assert error(*light_model(name)) < BOUND


def without_relu(m):
    relu = [n for n in m.graph.node if n.op_type == "Relu"]
    relu[len(relu) // 2].op_type = "Identity"


def average_for_max(m):
    next(n for n in m.graph.node if n.op_type == "MaxPool").op_type = "AveragePool"


def without_residual(m):
    node = next(n for n in m.graph.node if n.op_type == "Sum")
    del node.input[1:]


@pytest.mark.parametrize("mutate", [without_relu, average_for_max, without_residual])
def test_one_wrong_node_is_noticed(mutate):
    model, name = light_model("shufflenet")
    wrong, _ = light_model("shufflenet")
    mutate(wrong)
    assert error(model, name, wrong) > 10 * BOUND
