"""What a program must know of an exported training step, and the batches that it is compared on."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.exchange.training_parity import Errors, TrainingParity, _Sides
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.training.session import Session


def chosen(prediction: cnn.Value, target: cnn.Value) -> cnn.Value:
    """A loss on whole numbers, of any shape."""
    return cnn.mean(prediction * cnn.cast(target, "float32"))


def network(shape: str) -> cnn.Model:
    image = cnn.input("x_image", (2, 6, 6))  # a name behind "target" in the alphabet
    x = cnn.conv2d(image, 3, 3, padding=1, name="c1")
    if shape == "pixels":
        return cnn.Model(image, x, "net")
    x = cnn.dense(cnn.flatten(x), 5, name="d1")
    return cnn.Model(image, x if shape == "classes" else cnn.max(x, 1), "net")


@pytest.mark.parametrize(
    ("shape", "loss", "target", "expected"),
    [
        ("classes", "cross_entropy", None, {"type": "int64", "shape": ["N"], "classes": 5}),
        ("pixels", "cross_entropy", None, {"type": "int64", "shape": ["N", 6, 6], "classes": 3}),
        ("numbers", chosen, (N,), {"type": "int64", "shape": ["N"], "classes": 2}),
        ("classes", "mse", None, {"type": "float32", "shape": ["N", 5]}),
    ],
)
def test_inputs_and_targets_are_described(
    shape: str, loss: Any, target: Any, expected: dict[str, Any], tmp_path: Path
) -> None:
    model = network(shape)
    kind = None if target is None else TensorType(target, DType.INT64)
    model.export_onnx_training(
        tmp_path / "out", loss=loss, target=kind, optimizer=cnn.SGD(0.25), seed=3, verify=False
    )
    told = json.loads((tmp_path / "out" / "training.json").read_text())
    image = {"name": "x_image", "type": "float32", "shape": ["N", 2, 6, 6]}
    assert told["inputs"] == [image]
    assert told["target"] == {"name": "target", **expected}
    assert told["weights"] == list(model.parameters)
    assert (told["seed"], told["optimizer"]) == (3, repr(cnn.SGD(0.25)))


def batch(model: cnn.Model, loss: Any, step: int = 1) -> dict[str, np.ndarray]:
    """The batch of 400 of a step."""
    session = Session(model, loss, target=None, teach=False, runtime="reference")
    feeds, settings = _Sides._batch(cast(Any, SimpleNamespace(_session=session, _n=400)), step)
    assert settings["training.learning_rate"] == np.float32(0.01)
    return feeds


def test_batches_have_images_around_0_and_targets_of_all_classes() -> None:
    drawn = batch(network("classes"), "cross_entropy")
    assert set(np.unique(drawn["target"])) == set(range(5))
    assert abs(drawn["x_image"].mean()) < 0.05 and abs(drawn["x_image"].std() - 1) < 0.05
    assert set(np.unique(batch(network("pixels"), "cross_entropy")["target"])) == {0, 1, 2}
    again = batch(network("classes"), "cross_entropy")
    assert all(np.array_equal(drawn[k], again[k]) for k in drawn)
    other = batch(network("classes"), "cross_entropy", 2)
    assert not any(np.array_equal(drawn[k], other[k]) for k in drawn)


def test_float_targets_lie_between_0_and_1() -> None:
    target = batch(network("classes"), "binary_cross_entropy")["target"]
    assert 0 <= target.min() < 0.05 and 0.95 < target.max() < 1
    assert abs(target.mean() - 0.5) < 0.05


def test_single_steps_are_shown_with_what_float32_costs() -> None:
    usual: dict[str, Any] = dict(
        model="m", optimizer="o", batch_size=1, losses=(), bound=1e-6, runtime="r"
    )
    after = (Errors("weight", 1e-3, 2e-3),)
    for error, passed in ((1e-4, True), (1.05e-4, False)):  # ten times 1e-5
        single = (Errors("weight", error, 0.0, 1e-5),)
        report = TrainingParity(weights=after, single=single, **usual)
        assert report.passed is passed
        first, second = str(report).split("errors of single steps")
        assert "our float64" not in first and "our float64" in second
        assert "weight" in first and "2.0e-03" in first and "1.0e-05" in second
