"""A network of an ONNX file is looked at like one of ours: SqueezeNet with seeded weights."""

import numpy as np

import graphcnn as cnn
from graphcnn.tools.bench.light import light_model


def test_squeezenet_is_explained_and_excited() -> None:
    model, _ = light_model("squeezenet")
    lens = cnn.import_onnx(model.SerializeToString()).lens()
    x = np.random.default_rng(0).random((3, 224, 224), np.float32)
    found = lens.grad_cam(x)
    assert found["cam"].shape[1:] == (13, 13) and found["map"].shape == (1, 224, 224)
    scores = lens.maximise(unit=7, steps=6, frames=2)["scores"][:, 0]
    assert scores[-1] > scores[0]
