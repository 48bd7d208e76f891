"""What a diagnosis finds: each set-up that is broken on purpose, and nothing in sound ones."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doctor.broken import ADAM, BROKEN, arrays, network, pictures, two_outputs
from pictures.checks import check_picture
from support.command_line import run
from support.data_files import real

import graphcnn as cnn
from graphcnn.doctor.diagnose import CHECKS


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_found(name: str) -> None:
    broken = BROKEN[name]
    options = dict(broken.options)
    if "test" in options:
        options["test"] = options["test"]()
    found = cnn.diagnose(broken.model(), broken.data(), steps=60, **options)
    told = [f for f in found.findings if (f.check, f.grade) == (broken.check, broken.grade)]
    assert any(broken.says in f.seen and f.means and f.do for f in told), str(found)


def segmentation() -> tuple[cnn.Model, Any, dict[str, Any]]:
    image = cnn.input("image", (1, 8, 8))
    x = cnn.conv2d(image, 8, 3, padding=1, activation="relu")
    x = cnn.conv2d(x, 8, 3, padding=1, activation="relu")
    images, _ = pictures()
    masks = (images[:, 0] > 100).astype(np.int64)
    masks[:, 0] = 255
    loss = cnn.losses.CrossEntropy(ignore_index=255)
    return cnn.Model(image, cnn.conv2d(x, 2, 1)), (images, masks), {**ADAM, "loss": loss}


def several_labels() -> tuple[cnn.Model, Any, dict[str, Any]]:
    images, labels = pictures()
    truths = np.stack([labels == 0, labels == 1, labels != 1], 1).astype(np.float32)
    return network()(), (images, truths), {**ADAM, "loss": "binary_cross_entropy"}


def regression() -> tuple[cnn.Model, Any, dict[str, Any]]:
    images, _ = pictures()
    bright = images.mean((1, 2, 3), dtype=np.float64)
    target = ((bright - bright.mean()) / bright.std())[:, None].astype(np.float32)
    return network(classes=1)(), (images, target), {**ADAM, "loss": "mse"}


def outputs() -> tuple[cnn.Model, Any, dict[str, Any]]:
    images, labels = pictures()
    size = (images.mean((1, 2, 3)) / 64 - 1)[:, None].astype(np.float32)
    losses = {"scores": "cross_entropy", "size": "mse"}
    return two_outputs(), (images, {"scores": labels, "size": size}), {**ADAM, "loss": losses}


def stream() -> tuple[cnn.Model, Any, dict[str, Any]]:
    data = arrays()()

    def batches(epoch: int) -> Any:
        for images, labels in data.epoch(0, epoch, 32):
            yield np.asarray(images), np.asarray(labels)

    return network()(), cnn.data.stream(batches), ADAM


def normed() -> tuple[cnn.Model, Any, dict[str, Any]]:
    """With batch norms, dropout, and images without the axis of their channel."""
    images, labels = pictures()
    made = network(norm=True, between=lambda x: cnn.dropout(x, 0.1))()
    return made, (images[:, 0], labels), ADAM


SOUND = {f.__name__: f for f in (segmentation, several_labels, regression, outputs, stream, normed)}


@pytest.mark.parametrize("name", SOUND)
def test_nothing_is_wrong_with_what_is_sound(name: str) -> None:
    model, data, options = SOUND[name]()
    found = cnn.diagnose(model, data, **options)
    assert found.ok, str(found)
    assert not found.skipped, str(found)
    assert {f.check for f in found.of("fine")} >= {"labels", "start", "gradients", "rate"}
    check_picture(found.picture())


def test_digits_and_lenet_are_sound_and_nothing_is_changed(tmp_path: Path) -> None:
    train, test = cnn.data.load("digits")
    model = cnn.models.digits_cnn()
    one = model.diagnose(train, test=test, optimizer="adam", threads=1)
    assert one.ok and not one.of("look"), str(one)
    assert not model.is_initialized and model.normalisation is None and not model.classes
    model.initialize(0)
    before = {key: array.tobytes() for key, array in model.states.items()}
    two = cnn.diagnose(model, train, test=test, optimizer="adam", threads=2)
    assert {key: array.tobytes() for key, array in model.states.items()} == before
    assert one.to_json() == two.to_json() and one.picture().svg() == two.picture().svg()
    page = one.save(tmp_path / "doctor.html").read_text()
    assert page.count("<figure>") == 4 and "<script" not in page
    assert {f.check for f in one.findings} >= {name for name, _ in CHECKS} - {"batch norm"}


def test_lenet_on_mnist_is_sound() -> None:
    train, test = cnn.data.load(f"mnist:{real('mnist')}")
    found = cnn.diagnose(cnn.models.lenet5(), train[:3000], test=test[:1000], optimizer="adam")
    assert found.ok, str(found)


def test_a_trained_model_from_onnx_is_looked_at_as_it_is(tmp_path: Path) -> None:
    data = arrays()()
    model = network()()
    model.fit(data, epochs=3, progress=False, **ADAM)
    model.export_onnx(tmp_path / "net.onnx", verify=False)
    imported = cnn.import_onnx(tmp_path / "net.onnx")
    found = cnn.diagnose(imported, data, **ADAM)
    assert found.ok, str(found)
    assert any("the weights are trained" in f.seen for f in found.of("fine")), str(found)


def test_warnings_are_findings_and_checks_that_cannot_be_made_are_told() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = cnn.diagnose(network(end=lambda x: cnn.softmax(x, 1))(), arrays()(), **ADAM)
    assert found.ok and any("ends in softmax" in f.seen for f in found.findings), str(found)
    with pytest.raises(TypeError, match="no argument 'lr'"):
        network()().diagnose(arrays()(), lr=0.1)


def test_the_command_says_by_its_exit_code_what_it_found(tmp_path: Path) -> None:
    fine = run("doctor", "digits_cnn", "--data", "digits", "-o", str(tmp_path / "d.html"))
    assert fine.exit_code == 0 and fine.stdout.startswith("digits_cnn on digits: 0 wrong")
    assert (tmp_path / "d.html").is_file()
    bad = run("doctor", "digits_cnn", "--data", "digits", "--optimizer", "sgd",
              "--learning-rate", "1e-7", "--steps", "60", "--json")  # fmt: skip
    told = json.loads(bad.stdout)
    assert bad.exit_code == 4 and told["grade"] == "wrong"
    assert {f["check"] for f in told["findings"] if f["grade"] == "wrong"} >= {"steps", "one batch"}
    assert run("doctor", "digits_cnn", "--data", "nothing").exit_code == 2


def test_data_that_teach_nothing_are_told_and_drawn(tmp_path: Path) -> None:
    """No gradient is above 0, so there is nothing to draw of the steps; one label has no chance."""
    black = cnn.data.arrays(np.zeros((120, 1, 8, 8), np.float32), np.arange(120) % 3)
    found = cnn.diagnose(network()(), black, steps=10)
    assert {"pixels", "gradients"} <= {f.check for f in found.of("wrong")}
    assert "<figure>" in found.save(tmp_path / "black.html").read_text()
    images, _ = pictures()
    image = cnn.input("image", (1, *images.shape[2:]))
    one = cnn.Model(image, cnn.dense(cnn.flatten(image), 1), name="one")
    found = cnn.diagnose(one, cnn.data.arrays(images, np.zeros(len(images), int)), steps=10)
    assert any("the softmax of one score is 1" in f.seen for f in found.of("wrong")), str(found)
    assert "inf" not in str(found) and not any(f.check == "neighbours" for f in found.findings)
    check_picture(found.picture())
